package drift

import (
	"net/http"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// inactivity is the usual termination reason.
var inactivity = simulator.TerminationReason{Code: "INACTIVITY", Type: "SUCCESS"}

// legalSpec returns any specification that a workspace accepts.
func legalSpec(t *rapid.T, name string) *v1alpha1.ClusterSpec {
	draw := func(what string, options int) int { return rapid.IntRange(0, options-1).Draw(t, name+"."+what) }
	spec := &v1alpha1.ClusterSpec{SparkVersion: "16.4.x-scala2.12"}
	switch draw("machines", 4) {
	case 0:
		spec.NodeTypeID = "i3.xlarge"
	case 1:
		spec.NodeTypeID, spec.DriverNodeTypeID = "i3.2xlarge", "i3.xlarge"
	case 2:
		spec.InstancePoolID = "pool"
	case 3:
		spec.NodeTypeID, spec.EnableElasticDisk = "i3.xlarge", new(draw("elastic", 2) == 1)
	}
	switch draw("size", 3) {
	case 0:
		spec.NumWorkers = new(int32(draw("workers", 4)))
	default:
		low := int32(draw("low", 3))
		spec.Autoscale = &v1alpha1.Autoscale{MinWorkers: new(low), MaxWorkers: new(low + 1 + int32(draw("span", 3)))}
	}
	if draw("autotermination", 2) == 1 {
		spec.AutoterminationMinutes = new(int32(10 * draw("minutes", 4)))
	}
	spec.SparkConf = someKeys(draw, "conf", "spark.a", "spark.b/c", "spark.d~e")
	spec.CustomTags = someKeys(draw, "tags", "team", "cost")
	spec.SparkEnvVars = someKeys(draw, "env", "STAGE")
	switch draw("logs", 3) {
	case 1:
		spec.ClusterLogConf = &v1alpha1.ClusterLogConf{Volumes: &v1alpha1.StorageDestination{Destination: "/Volumes/a/b/c"}}
	case 2:
		spec.ClusterLogConf = &v1alpha1.ClusterLogConf{DBFS: &v1alpha1.StorageDestination{Destination: "dbfs:/logs"}}
	}
	if draw("aws", 2) == 1 && spec.InstancePoolID == "" {
		spec.AWSAttributes = &v1alpha1.AWSAttributes{FirstOnDemand: new(int32(1 + draw("demand", 2)))}
		if draw("zone", 2) == 1 {
			spec.AWSAttributes.ZoneID = "us-west-2b"
		}
	}
	switch draw("mode", 3) {
	case 1:
		spec.DataSecurityMode = "DATA_SECURITY_MODE_STANDARD"
	case 2:
		spec.DataSecurityMode = "NONE"
	}
	if draw("scripts", 2) == 1 {
		spec.InitScripts = []v1alpha1.InitScript{{Workspace: &v1alpha1.StorageDestination{Destination: "/a.sh"}}, {Volumes: &v1alpha1.StorageDestination{Destination: "/Volumes/b.sh"}}}
	}
	return spec
}

func someKeys(draw func(string, int) int, what string, names ...string) map[string]string {
	var chosen map[string]string
	for _, name := range names {
		if value := draw(what+"."+name, 3); value > 0 {
			if chosen == nil {
				chosen = map[string]string{}
			}
			chosen[name] = []string{"", "one", "two"}[value]
		}
	}
	return chosen
}

// correct updates the cluster to a specification as the operator does, and returns
// the differences that it found.
func (w workspace) correct(id string, owned []string, spec *v1alpha1.ClusterSpec, whole bool) (differences []Difference) {
	w.t.Helper()
	desired := mustDesired(w.t, spec)
	observed := w.observed(w.get(id))
	differences = slices.Concat(Compare(desired, observed).Differences, Removed(owned, desired, observed))
	if len(differences) == 0 {
		return nil
	}
	correction := Correction{
		Desired: desired, Observed: observed, Differences: differences, Owner: Tag{Key: v1alpha1.OwnerTagKey, Value: "op-uid"},
	}
	var answer struct{}
	if whole {
		body, err := Edit(id, correction)
		w.Expect(err).NotTo(HaveOccurred())
		w.call(http.MethodPost, "/api/2.1/clusters/edit", body, &answer)
		return differences
	}
	cluster, mask, err := Update(correction)
	w.Expect(err).NotTo(HaveOccurred())
	body := map[string]any{"cluster_id": id, "cluster": cluster, "update_mask": mask}
	w.call(http.MethodPost, "/api/2.1/clusters/update", body, &answer)
	return differences
}

func TestOneUpdateChangesAnySpecificationToAnyOther(t *testing.T) {
	for name, whole := range map[string]bool{"update with a mask": false, "edit with the full specification": true} {
		t.Run("[R14] [case-22] [case-24] one "+name+" has the same result as a create", func(t *testing.T) {
			w := newWorkspace(t, "older workspace")
			rapid.Check(t, func(rt *rapid.T) {
				from, to := legalSpec(rt, "from"), legalSpec(rt, "to")
				id := w.create(from)
				w.Expect(w.s.EndElsewhere(id, inactivity)).To(Succeed())
				owned := Owned(mustDesired(t, from))

				w.correct(id, owned, to, whole)
				again := w.correct(id, union(owned, Owned(mustDesired(t, to))), to, whole)
				if len(again) != 0 {
					rt.Fatalf("a second call was needed, for %+v", again)
				}
				fresh, _ := w.s.Cluster(w.create(to))
				changed, _ := w.s.Cluster(id)
				for field, want := range fresh.Settings {
					if f, known := rowOf(field); known && f.Removal == diff.ClearValue && field != "driver_node_type_id" {
						Expect := NewWithT(t).Expect
						Expect(changed.Settings[field]).To(Equal(want), field)
					}
				}
			})
		})
	}
}

func union(a, b []string) []string { return append(append([]string{}, a...), b...) }
