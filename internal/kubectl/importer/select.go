package importer

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// selects reports whether the filters select a cluster of a list. policies are the names of
// the policies by id.
func (o Options) selects(cluster *compute.ClusterDetails, policies map[string]string) bool {
	if o.Name != "" && !glob(o.Name).MatchString(cluster.ClusterName) {
		return false
	}
	for key, value := range o.Tags {
		if have, tagged := cluster.CustomTags[key]; !tagged || have != value {
			return false
		}
	}
	return o.Policy == "" || cluster.PolicyId != "" && (cluster.PolicyId == o.Policy || policies[cluster.PolicyId] == o.Policy)
}

// glob returns the expression of a pattern with * and ?.
func glob(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted)
	return regexp.MustCompile(`(?s)^` + quoted + `$`)
}

// owners are the sources of clusters that belong to other services of Databricks.
var owners = map[compute.ClusterSource]string{
	compute.ClusterSourceJob:                 "a job created it and deletes it after its run; change the job",
	compute.ClusterSourcePipeline:            "a pipeline created it; change the pipeline",
	compute.ClusterSourcePipelineMaintenance: "a pipeline created it; change the pipeline",
	compute.ClusterSourceSql:                 "it belongs to a SQL warehouse; change the warehouse",
	compute.ClusterSourceModels:              "model serving created it; change the endpoint",
}

// leaveOutReason returns why a cluster cannot be imported; empty: it can.
func (o Options) leaveOutReason(cluster *compute.ClusterDetails) string {
	if reason := owners[cluster.ClusterSource]; reason != "" {
		return reason
	}
	if tag := cluster.CustomTags[v1alpha1.OwnerTagKey]; tag != "" && o.Owned == LeaveOut {
		return fmt.Sprintf("it has the tag %s: an object manages it already, or it is an orphan; see 'kubectl dbc orphans'", v1alpha1.OwnerTagKey)
	}
	return ""
}
