package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

// encoded returns a status as JSON.
func encoded(status v1alpha1.DatabricksClusterStatus) string {
	raw, err := json.Marshal(status)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// invalidTexts returns the texts of a status that are too long or have control characters.
func invalidTexts(status v1alpha1.DatabricksClusterStatus) []string {
	var decoded any
	if err := json.Unmarshal([]byte(encoded(status)), &decoded); err != nil {
		return []string{err.Error()}
	}
	var found []string
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			if len(value) > 8192 || strings.ContainsFunc(value, unicode.IsControl) {
				found = append(found, value)
			}
		case []any:
			for _, item := range value {
				walk(item)
			}
		case map[string]any:
			for key, item := range value {
				walk(key)
				walk(item)
			}
		}
	}
	walk(decoded)
	return found
}

var (
	anyText = rapid.SampledFrom([]string{"", "why", "two\nlines\x07", strings.Repeat("x", 5000)})
	classes = rapid.SampledFrom([]databricks.Class{
		databricks.ClassMissing, databricks.ClassBusy, databricks.ClassPinned, databricks.ClassInvalid, databricks.ClassUnauthenticated,
		databricks.ClassForbidden, databricks.ClassQuota, databricks.ClassThrottled, databricks.ClassUnsupported, databricks.ClassTooLarge,
		databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost, "New",
	})
	states = rapid.SampledFrom([]compute.State{
		compute.StatePending, compute.StateRunning, compute.StateRestarting, compute.StateResizing, compute.StateTerminating,
		compute.StateTerminated, compute.StateError, compute.StateUnknown, "FROZEN", "",
	})
)

func anyFailure(t *rapid.T) *managed.Failure {
	return &managed.Failure{Class: classes.Draw(t, "class"), Message: rapid.SampledFrom([]string{"", "CODE: words"}).Draw(t, "message")}
}

func anyDetails(t *rapid.T) *compute.ClusterDetails {
	details := &compute.ClusterDetails{
		ClusterId: clusterID, State: states.Draw(t, "state"), StateMessage: anyText.Draw(t, "state message"),
		SparkContextId: rapid.Int64Range(0, 1).Draw(t, "spark context"), NumWorkers: rapid.IntRange(0, 3).Draw(t, "workers"),
		SparkVersion: anyText.Draw(t, "spark version"), StartTime: rapid.Int64().Draw(t, "start time"),
		ClusterSource: rapid.SampledFrom([]compute.ClusterSource{"API", "JOB"}).Draw(t, "source"),
	}
	if rapid.Bool().Draw(t, "ended") {
		details.TerminationReason = &compute.TerminationReason{
			Code: compute.TerminationReasonCode(anyText.Draw(t, "code")), Type: rapid.SampledFrom([]compute.TerminationReasonType{"", "SUCCESS", "CLIENT_ERROR", "CLOUD_FAILURE", "NEW"}).Draw(t, "type"),
			Parameters: rapid.MapOfN(anyText, anyText, 0, 3).Draw(t, "parameters"),
		}
	}
	return details
}

func anyObservation(t *rapid.T) plan.Observation {
	one := func(what string) bool { return rapid.IntRange(0, 4).Draw(t, what) == 0 }
	observed := plan.Observation{Host: host, Principal: "me@example.com", Owner: drift.Tag{Key: "k", Value: "v"}, Desired: desired}
	if one("blocked") {
		stalled := rapid.Bool().Draw(t, "stalled")
		observed.Host, observed.Desired = "", nil
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: "m", Stalled: stalled}
		if stalled {
			observed.Blocked.Reason = v1alpha1.ReasonCredentialsInvalid
		}
		return observed
	}
	if one("other host") {
		observed.Host, observed.Desired = "https://other", nil
		return observed
	}
	if one("reads fail") {
		observed.ReadFailure = anyFailure(t)
		observed.ReadFailingSince = noon.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "since")) * time.Minute)
	}
	if one("held") {
		observed.ManagedBy = "team/older"
	}
	observed.Presence = rapid.SampledFrom([]managed.Presence{managed.Unknown, managed.Present, managed.Missing, managed.Purged}).Draw(t, "presence")
	if observed.Presence == managed.Present {
		observed.Details = anyDetails(t)
		observed.Compared = rapid.Bool().Draw(t, "compared")
		if observed.Compared && one("differs") {
			observed.Differences = []drift.Difference{{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: anyText.Draw(t, "actual"), Size: true}}
		}
	}
	observed.Search.CompleteLists = rapid.IntRange(0, 2).Draw(t, "lists")
	return observed
}

// anyOutcome returns any outcome of the step of a plan, and stores the intent of a create.
func (h *history) anyOutcome(t *rapid.T, next plan.Plan) Outcome {
	outcome := Outcome{Ran: next.Step != nil && rapid.IntRange(0, 3).Draw(t, "waits") > 0}
	if !outcome.Ran {
		return outcome
	}
	if next.Kind().WritesToDatabricks() && rapid.IntRange(0, 2).Draw(t, "fails") == 0 {
		outcome.Failure = anyFailure(t)
	}
	if create, ok := next.Step.(plan.Create); ok {
		h.cluster.Status.ClusterID, h.cluster.Status.Host = "", host
		h.cluster.Status.Creation = &v1alpha1.CreationIntent{
			Token: create.Intent.Token, Incarnation: create.Intent.Incarnation, Attempt: create.Intent.Attempt, NotAfter: new(metav1.NewTime(create.Intent.NotAfter)),
		}
		outcome.Refused = outcome.Failure != nil && outcome.Failure.Class != databricks.ClassAmbiguous
		if outcome.Failure == nil {
			outcome.Created = clusterID
		}
	}
	return outcome
}

// anyRound changes the object in any way, and reports.
func (h *history) anyRound(t *rapid.T) {
	switch rapid.IntRange(0, 12).Draw(t, "edit") {
	case 0:
		h.edited(suspend)
	case 1:
		h.edited(resume)
	case 2:
		h.edited(func(s *v1alpha1.DatabricksClusterSpec) {
			s.RunPolicy = rapid.SampledFrom([]v1alpha1.RunPolicy{"Manual", "Running", "Terminated"}).Draw(t, "runPolicy")
			s.DriftPolicy = rapid.SampledFrom([]v1alpha1.DriftPolicy{"Correct", "Warn"}).Draw(t, "driftPolicy")
		})
	case 3:
		if h.cluster.DeletionTimestamp.IsZero() {
			h.cluster.DeletionTimestamp = new(metav1.NewTime(h.now))
			h.cluster.Generation++
		}
	}
	observed := anyObservation(t)
	next := plan.Make(plan.Input{Cluster: h.cluster.DeepCopy(), Observed: observed, Limits: limits, Now: h.now})
	h.report(Input{Observed: observed, Plan: next, Outcome: h.anyOutcome(t, next)})
}

func anyHistory(t *rapid.T) *history {
	h := newHistory()
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		h.edited(adopt)
	case 1:
		h.edited(observe)
	}
	for range rapid.IntRange(1, 6).Draw(t, "rounds") {
		h.anyRound(t)
	}
	return h
}

func TestEveryStatusFollowsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHistory(t)
		NewWithT(t).Expect(conformance.BrokenRules(h.cluster)).To(BeEmpty(), "%v", h.cluster.Status.Conditions)
	})
}

func TestTheSameFactsGiveTheSameStatusAndNoEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		h := anyHistory(t)
		if made := h.input.Plan; made.Kind() == plan.StepPersistOwnership || len(made.Reversed)+len(made.Corrects)+len(made.Restored) > 0 {
			t.Skip("the next plan depends on the stored status")
		}
		first, again := h.last, h.input
		again.Cluster = h.cluster.DeepCopy()
		again.Now = again.Now.Add(time.Hour)
		second := Of(again)
		g.Expect(encoded(second.Status)).To(Equal(encoded(first.Status)))
		if again.Plan.Step == nil {
			g.Expect(slices.Concat(second.ActionEvents, second.Events)).To(BeEmpty())
		}
	})
}

func TestTimeAloneChangesNoCondition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		h := anyHistory(t)
		later := h.input
		later.Now = later.Now.Add(1000 * time.Hour)
		if creation := later.Cluster.Status.Creation; creation != nil {
			later.Cluster = later.Cluster.DeepCopy()
			later.Cluster.Status.Creation.Attempt += 7
			later.Cluster.Status.Creation.Incarnation += 7
		}
		reported := Of(later)
		g.Expect(reported.Status.Conditions).To(HaveLen(len(h.last.Status.Conditions)))
		for i, condition := range reported.Status.Conditions {
			condition.LastTransitionTime = h.last.Status.Conditions[i].LastTransitionTime
			g.Expect(condition).To(Equal(h.last.Status.Conditions[i]))
		}
	})
}

func TestEveryStatusCanBeReadAndWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		h := anyHistory(t)
		g.Expect(invalidTexts(h.last.Status)).To(BeEmpty())
		var read v1alpha1.DatabricksClusterStatus
		g.Expect(json.Unmarshal([]byte(encoded(h.last.Status)), &read)).To(Succeed())
		g.Expect(encoded(read)).To(Equal(encoded(h.last.Status)), "the API server stores the same status")
	})
}

func TestAReportDoesNotChangeItsInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		h := anyHistory(t)
		before := h.input.Cluster.DeepCopy()
		Of(h.input)
		g.Expect(h.input.Cluster).To(Equal(before))
	})
}
