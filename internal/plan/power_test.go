package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// A launch is repeated as long after its end as launches have failed for, within a minute
// and an hour. A fault of the specification is repeated after six hours.
func TestTheNextLaunch(t *testing.T) {
	failsSince := func(ago time.Duration) change {
		return func(in *Input) {
			in.Cluster.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStarting,
				LastTransitionTime: metav1.NewTime(noon.Add(-ago)),
			}}
		}
	}
	failedAtNoon := func(kind compute.TerminationReasonType) change {
		return is(compute.StateTerminated, endedAt(noon, kind), func(details *compute.ClusterDetails) { details.SparkContextId = 0 })
	}
	const cloud, client = compute.TerminationReasonTypeCloudFailure, compute.TerminationReasonTypeClientError
	for name, row := range map[string]struct {
		changes []change
		want    time.Duration
	}{
		"a first launch":                       {[]change{failsSince(10 * time.Second), failedAtNoon(cloud)}, time.Minute},
		"a first launch, with a short backoff": {[]change{failsSince(time.Second), failedAtNoon(cloud), func(in *Input) { in.Limits.LaunchBackoff = 10 * time.Second }}, 10 * time.Second},
		"for a quarter of an hour":             {[]change{failsSince(15 * time.Minute), failedAtNoon(cloud)}, 15 * time.Minute},
		"for an hour":                          {[]change{failsSince(time.Hour), failedAtNoon(cloud)}, time.Hour},
		"for a week":                           {[]change{failsSince(7 * 24 * time.Hour), failedAtNoon(cloud)}, time.Hour},
		"because of its init script":           {[]change{failsSince(time.Minute), failedAtNoon(client)}, 6 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(append([]change{owning}, row.changes...)...)
			NewWithT(t).Expect(in.nextLaunch()).To(BeTemporally("==", noon.Add(row.want)))
		})
	}
}
