package gitops

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/conformance"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// kstatus returns kstatus' status of an object.
func kstatus(t *testing.T, cluster *v1alpha1.DatabricksCluster) string {
	t.Helper()
	g := NewWithT(t)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(cluster)
	g.Expect(err).NotTo(HaveOccurred())
	result, err := status.Compute(&unstructured.Unstructured{Object: fields})
	g.Expect(err).NotTo(HaveOccurred())
	return result.Status.String()
}

// getter provides the conditions of an object to Flux.
type getter struct {
	v1alpha1.DatabricksCluster `json:",inline"`
}

func (g *getter) GetConditions() []metav1.Condition { return g.Status.Conditions }

// flux returns the problems that Flux' checks, including warnings, find in an
// object: the checks for the end of a reconciliation, and those for its middle.
func flux(t *testing.T, cluster *v1alpha1.DatabricksCluster) []string {
	t.Helper()
	negative := &check.Conditions{NegativePolarity: []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}}
	var wrong []string
	for _, checker := range []*check.Checker{check.NewChecker(nil, negative), check.NewInProgressChecker(nil)} {
		checker.DisableFetch, checker.Stdout, checker.Stderr = true, io.Discard, io.Discard
		fail, warn := checker.Check(t.Context(), &getter{*cluster})
		for _, err := range []error{fail, warn} {
			if err != nil {
				wrong = append(wrong, err.Error())
			}
		}
	}
	return wrong
}

func TestKstatusOfEverySituation(t *testing.T) {
	for _, situation := range situations() {
		t.Run(situation.name, func(t *testing.T) {
			NewWithT(t).Expect(kstatus(t, situation.object.DatabricksCluster)).To(Equal(situation.evaluation))
		})
	}
}

func TestEverySituationPassesFluxChecksAndOurs(t *testing.T) {
	for _, situation := range situations() {
		t.Run(situation.name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := situation.object.DatabricksCluster
			g.Expect(conformance.BrokenRules(cluster)).To(BeEmpty())
			if cluster.Status.ObservedGeneration == -1 {
				return // Flux checks only statuses that a controller wrote
			}
			// Flux checks the status at the end of a reconciliation, for the
			// reconciled generation.
			cluster.Generation = cluster.Status.ObservedGeneration
			g.Expect(flux(t, cluster)).To(BeEmpty())
		})
	}
}

func TestStatusDefaultKeepsNewObjectsInProgress(t *testing.T) {
	g := NewWithT(t)
	cluster := newlyApplied().DatabricksCluster
	g.Expect(kstatus(t, cluster)).To(Equal("InProgress"))
	cluster.Status = v1alpha1.DatabricksClusterStatus{}
	g.Expect(kstatus(t, cluster)).To(Equal("Current"), "the race that the default prevents")
}

// variant is one possible status.
type variant struct {
	ready, reconciling, stalled metav1.ConditionStatus
	// old sets an older generation in Ready than in the status; ahead sets a
	// later generation in the status than in the object.
	old, ahead, suspended bool
}

func (v variant) cluster() *v1alpha1.DatabricksCluster {
	cluster := newlyApplied().DatabricksCluster
	cluster.Generation, cluster.Status.ObservedGeneration = 3, 3
	if v.ahead {
		cluster.Status.ObservedGeneration = 4
	}
	set := func(kind string, value metav1.ConditionStatus, generation int64) {
		if value != "" {
			cluster.Status.Conditions = append(cluster.Status.Conditions, metav1.Condition{
				Type: kind, Status: value, Reason: "Same", Message: "words", ObservedGeneration: generation,
			})
		}
	}
	generation := cluster.Status.ObservedGeneration
	set(v1alpha1.ConditionReconciling, v.reconciling, generation)
	set(v1alpha1.ConditionStalled, v.stalled, generation)
	if v.suspended {
		set(v1alpha1.ConditionSuspended, metav1.ConditionTrue, generation)
	}
	if v.old {
		generation--
	}
	set(v1alpha1.ConditionReady, v.ready, generation)
	return cluster
}

// variants returns all combinations.
func variants() []variant {
	var all []variant
	values := []metav1.ConditionStatus{"", metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}
	for _, ready := range values {
		for _, reconciling := range values {
			for _, stalled := range values {
				for flags := range 8 {
					all = append(all, variant{ready, reconciling, stalled, flags&1 != 0, flags&2 != 0, flags&4 != 0})
				}
			}
		}
	}
	return all
}

// stricter returns why our rules reject a status that Flux' checks accept; ""
// without a known reason.
func (v variant) stricter() string {
	present := []metav1.ConditionStatus{v.reconciling, v.stalled}
	switch {
	case slices.Contains(present, metav1.ConditionUnknown):
		return "Reconciling and Stalled are True or not there"
	case v.ready == metav1.ConditionUnknown:
		return "Ready is never Unknown: kubectl wait and dashboards need a side"
	case v.ready == metav1.ConditionFalse && v.reconciling == "" && v.stalled == "" && !v.suspended:
		return "Ready=False says who has to act"
	case v.ready == metav1.ConditionFalse && v.old:
		return "conditions are of the generation of their status, Ready or not"
	default:
		return ""
	}
}

func TestOurRulesIncludeFluxChecks(t *testing.T) {
	accepted, refused := 0, 0
	for _, variant := range variants() {
		cluster := variant.cluster()
		ours, theirs := conformance.BrokenRules(cluster), flux(t, cluster)
		switch {
		case len(ours) == 0 && len(theirs) > 0:
			t.Errorf("%+v: our rules let pass what Flux refuses: %v", variant, theirs)
		case len(ours) > 0 && len(theirs) == 0 && variant.stricter() == "":
			t.Errorf("%+v: our rules refuse what Flux lets pass, for no reason that is known: %v", variant, ours)
		case len(ours) == 0:
			accepted++
		default:
			refused++
		}
	}
	NewWithT(t).Expect([]int{accepted, refused}).To(Equal([]int{7, len(variants()) - 7}), fmt.Sprintf("accepted %d, refused %d", accepted, refused))
}

func TestToolsAgreeOnStatusesThatPassOurRules(t *testing.T) {
	g := NewWithT(t)
	for _, variant := range variants() {
		cluster := variant.cluster()
		if len(conformance.BrokenRules(cluster)) > 0 {
			continue
		}
		evaluation := "Current"
		switch {
		case variant.reconciling != "":
			evaluation = "InProgress"
		case variant.stalled != "":
			evaluation = "Failed"
		case variant.ready == metav1.ConditionFalse:
			evaluation = "InProgress"
		}
		g.Expect(kstatus(t, cluster)).To(Equal(evaluation), "%+v", variant)
	}
}

func TestMutatedStatusesFailBothChecks(t *testing.T) {
	type mutation struct {
		name   string
		mutate func(*v1alpha1.DatabricksCluster)
	}
	with := func(kind string, value metav1.ConditionStatus) func(*v1alpha1.DatabricksCluster) {
		return func(cluster *v1alpha1.DatabricksCluster) {
			cluster.Status.Conditions = slices.DeleteFunc(cluster.Status.Conditions, func(c metav1.Condition) bool { return c.Type == kind })
			if value != "" {
				cluster.Status.Conditions = append(cluster.Status.Conditions, metav1.Condition{
					Type: kind, Status: value, Reason: "R", Message: "m", ObservedGeneration: cluster.Status.ObservedGeneration,
				})
			}
		}
	}
	both := func(mutations ...func(*v1alpha1.DatabricksCluster)) func(*v1alpha1.DatabricksCluster) {
		return func(cluster *v1alpha1.DatabricksCluster) {
			for _, mutate := range mutations {
				mutate(cluster)
			}
		}
	}
	for _, mutation := range []mutation{
		{"no Ready", with(v1alpha1.ConditionReady, "")},
		{"Reconciling and Stalled", both(with(v1alpha1.ConditionReconciling, metav1.ConditionTrue), with(v1alpha1.ConditionStalled, metav1.ConditionTrue))},
		{"Ready and Stalled", both(with(v1alpha1.ConditionReady, metav1.ConditionTrue), with(v1alpha1.ConditionStalled, metav1.ConditionTrue))},
		{"Ready and Reconciling", both(with(v1alpha1.ConditionReady, metav1.ConditionTrue), with(v1alpha1.ConditionReconciling, metav1.ConditionTrue))},
		{"Reconciling=False", with(v1alpha1.ConditionReconciling, metav1.ConditionFalse)},
		{"Stalled=False", with(v1alpha1.ConditionStalled, metav1.ConditionFalse)},
		{"a generation that is not there yet", func(cluster *v1alpha1.DatabricksCluster) { cluster.Status.ObservedGeneration += 5 }},
		{"Ready of an older generation", both(with(v1alpha1.ConditionReady, metav1.ConditionTrue), func(cluster *v1alpha1.DatabricksCluster) {
			cluster.Status.Conditions[len(cluster.Status.Conditions)-1].ObservedGeneration--
		})},
		{"a condition of no generation", func(cluster *v1alpha1.DatabricksCluster) { cluster.Status.Conditions[0].ObservedGeneration = 0 }},
	} {
		for _, situation := range situations() {
			cluster := situation.object.DatabricksCluster
			if cluster.Status.ObservedGeneration == -1 {
				continue
			}
			cluster.Generation = cluster.Status.ObservedGeneration
			t.Run(mutation.name+", "+situation.name, func(t *testing.T) {
				g := NewWithT(t)
				mutation.mutate(cluster)
				g.Expect(flux(t, cluster)).NotTo(BeEmpty())
				g.Expect(conformance.BrokenRules(cluster)).NotTo(BeEmpty())
			})
		}
	}
}
