package target_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func TestAnArgumentNamesAnObject(t *testing.T) {
	for argument, want := range map[string]target.Reference{
		"etl":                          {Kind: target.Cluster, Name: "etl"},
		"policy":                       {Kind: target.Cluster, Name: "policy"},
		"cluster/etl":                  {Kind: target.Cluster, Name: "etl"},
		"dbc/etl":                      {Kind: target.Cluster, Name: "etl"},
		"policy/small":                 {Kind: target.Policy, Name: "small"},
		"policies/small":               {Kind: target.Policy, Name: "small"},
		"dbcp/small":                   {Kind: target.Policy, Name: "small"},
		"pool/small":                   {Kind: target.Pool, Name: "small"},
		"DatabricksPool/small":         {},
		"DatabricksInstancePool/small": {Kind: target.Pool, Name: "small"},
		"databricksclusterpolicy.compute.databricks-operator.io/small":   {Kind: target.Policy, Name: "small"},
		"databricksclusters.v1alpha1.compute.databricks-operator.io/etl": {Kind: target.Cluster, Name: "etl"},
		"databricksinstancepools.example.com/small":                      {},
		"pod/etl":    {},
		"policy/":    {},
		"policy/a/b": {},
		"":           {},
	} {
		t.Run(argument, func(t *testing.T) {
			g := NewWithT(t)
			found, err := target.Parse(argument)
			g.Expect(found).To(Equal(want))
			if want.Kind != nil {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(And(ContainSubstring("%q", argument), ContainSubstring("policy (databricksclusterpolicy, dbcp)"))))
		})
	}
}

func TestEveryKindIsSeenAlike(t *testing.T) {
	management := v1alpha1.ManagementSpec{Suspend: true, ManagementPolicy: v1alpha1.ManagementPolicyObserve, Connection: &v1alpha1.Connection{}}
	status := v1alpha1.ManagementStatus{
		Host: "https://a", URL: "https://a/page", ObservedGeneration: 3, Request: &v1alpha1.RequestStatus{Value: "reconcile@1"},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: "Available"}},
	}
	cluster := &v1alpha1.DatabricksCluster{}
	cluster.Spec.Suspend, cluster.Spec.ManagementPolicy, cluster.Spec.Connection = true, management.ManagementPolicy, management.Connection
	cluster.Spec.ClusterID = "named"
	cluster.Status.Host, cluster.Status.URL, cluster.Status.ObservedGeneration, cluster.Status.Request = status.Host, status.URL, 3, status.Request
	cluster.Status.Conditions, cluster.Status.ClusterID = status.Conditions, "id"
	policy := &v1alpha1.DatabricksClusterPolicy{}
	policy.Spec.ManagementSpec, policy.Status.ManagementStatus, policy.Status.PolicyID, policy.Spec.PolicyID = management, status, "id", "named"
	pool := &v1alpha1.DatabricksInstancePool{}
	pool.Spec.ManagementSpec, pool.Status.ManagementStatus, pool.Status.PoolID, pool.Spec.PoolID = management, status, "id", "named"
	pool.Status.State = "ACTIVE"
	for argument, resource := range map[string]managed.Resource{"etl": cluster, "policy/etl": policy, "pool/etl": pool} {
		t.Run(argument, func(t *testing.T) {
			g := NewWithT(t)
			resource.SetName("etl")
			resource.SetGeneration(3)
			object := target.Of(resource)
			g.Expect(object.Argument()).To(Equal(argument))
			parsed, err := target.Parse(object.Reference())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parsed).To(Equal(target.Reference{Kind: object.Kind, Name: "etl"}))
			g.Expect(target.KindNamed(object.Kind.Name)).To(BeIdenticalTo(object.Kind))
			g.Expect(object.Kind.New()).To(BeAssignableToTypeOf(resource))
			g.Expect([]bool{object.Suspended, object.IsObserving(), object.IsEvaluated(), object.IsDeleting()}).To(Equal([]bool{true, true, true, false}))
			g.Expect([]string{object.Host, object.URL, object.ID, object.NamedID, object.CurrentID()}).To(Equal([]string{"https://a", "https://a/page", "id", "named", "id"}))
			g.Expect(object.Request).NotTo(BeNil())
			g.Expect(object.Connection).NotTo(BeNil())
			g.Expect(object.Condition(v1alpha1.ConditionReady).Reason).To(Equal("Available"))
			g.Expect(object.Condition(v1alpha1.ConditionStalled)).To(BeNil())
			other := object.Kind.New()
			g.Expect(target.ReplaceSpec(other, resource)).To(BeTrue())
			g.Expect(target.Of(other).NamedID).To(Equal("named"))
			g.Expect(target.Of(other).ID).To(BeEmpty(), "the status stays")
			g.Expect(target.ReplaceSpec(other, resource)).To(BeFalse())
		})
	}
	g := NewWithT(t)
	g.Expect(target.Of(pool).State).To(Equal("ACTIVE"))
	g.Expect(target.Of(cluster).Cluster).To(BeIdenticalTo(cluster))
	g.Expect(target.Of(policy).Cluster).To(BeNil())
}
