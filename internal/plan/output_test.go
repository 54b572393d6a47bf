package plan

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestThePublishedConfigMap(t *testing.T) {
	publishing := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.OutputConfigMap = &v1alpha1.OutputConfigMap{Name: "out"} })
	inWorkspace := func(in *Input) { in.Cluster.Status.WorkspaceID = "42" }
	content := func(httpPath string) map[string]string {
		return map[string]string{
			"DATABRICKS_HOST":       "https://adb-1.azuredatabricks.net",
			"DATABRICKS_CLUSTER_ID": "0318-151752-abed99",
			"DATABRICKS_HTTP_PATH":  httpPath,
		}
	}
	for name, row := range map[string]struct {
		changes []change
		want    map[string]string
	}{
		"none is declared":        {[]change{owning}, nil},
		"a known workspace":       {[]change{owning, publishing, inWorkspace}, content("sql/protocolv1/o/42/0318-151752-abed99")},
		"an unknown workspace":    {[]change{owning, publishing}, content("sql/protocolv1/o/0/0318-151752-abed99")},
		"there is no cluster yet": {[]change{longPending, publishing}, nil},
		"the host is not known":   {[]change{owning, publishing, func(in *Input) { in.Cluster.Status.Host = "" }}, nil},
		"the object is deleted":   {[]change{owning, publishing, deleted}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Published(situation(row.changes...).Cluster)).To(Equal(row.want))
		})
	}
}
