package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// condition returns a condition of an object; status is empty if the object does not have
// it.
func condition(object target.Object, kind string) (status, reason, message string) {
	if c := object.Condition(kind); c != nil {
		return string(c.Status), c.Reason, c.Message
	}
	return "", "", ""
}

func readiness(object target.Object) string {
	status, reason, _ := condition(object, v1alpha1.ConditionReady)
	switch status {
	case "":
		return "not evaluated"
	case "True":
		return "Ready: " + reason
	default:
		return "not Ready: " + reason
	}
}

// examineConditions returns what the operator says itself.
func (d *Doctor) examineConditions(object target.Object) []Finding {
	var findings []Finding
	status, reason, message := condition(object, v1alpha1.ConditionReady)
	switch {
	case status == "":
	case !object.IsEvaluated():
		findings = append(findings, Finding{
			Check: "status", Status: Unknown,
			Text: fmt.Sprintf("it describes generation %d of %d: the newest change is not evaluated yet", object.ObservedGeneration, object.GetGeneration()),
		})
	case status == "True":
		findings = append(findings, Finding{Check: "status", Status: OK, Text: strings.TrimSuffix("Ready: "+reason+": "+message, ": ")})
	default:
		findings = append(findings, Finding{Check: "status", Status: Problem, Text: reason + ": " + message, Commands: remedy(object, reason)})
	}
	if synced, reason, message := condition(object, v1alpha1.ConditionSynced); synced != "" && synced != "True" && object.IsEvaluated() && status == "True" {
		findings = append(findings, Finding{Check: "changes", Status: Problem, Text: reason + ": " + message, Commands: remedy(object, reason)})
	}
	if object.Suspended {
		findings = append(findings, Finding{
			Check: "suspend", Status: Problem, Text: "spec.suspend is true, so the operator writes nothing to the workspace",
			Commands: []string{fmt.Sprintf("kubectl dbc resume -n %s %s", object.GetNamespace(), object.Argument())},
		})
	}
	if object.IsDeleting() {
		findings = append(findings, deletion(object, d.Now))
	}
	return findings
}

// deletion returns how far a deletion is.
func deletion(object target.Object, now time.Time) Finding {
	since := now.Sub(object.GetDeletionTimestamp().Time).Truncate(time.Second)
	foreign := slices.DeleteFunc(slices.Clone(object.GetFinalizers()), func(name string) bool { return name == object.Kind.Finalizer })
	switch {
	case len(foreign) > 0:
		return Finding{
			Check: "deletion", Status: Problem,
			Text: fmt.Sprintf("it is being deleted since %s, and waits for the finalizers of others: %s", since, strings.Join(foreign, ", ")),
		}
	case since > 5*time.Minute:
		return Finding{
			Check: "deletion", Status: Problem,
			Text:     fmt.Sprintf("it is being deleted since %s; Retain ends that and leaves the %s in the workspace", since, object.Kind.Noun),
			Commands: remedy(object, v1alpha1.ReasonDeletionBlocked),
		}
	default:
		return Finding{Check: "deletion", Status: OK, Text: fmt.Sprintf("it is being deleted since %s", since)}
	}
}

// maxEvents is how many warnings a report has, and eventAge how old they may be.
const (
	maxEvents = 3
	eventAge  = time.Hour
)

// examineEvents returns the last warnings about an object, such as refusals by an admission
// policy.
func (d *Doctor) examineEvents(ctx context.Context, object target.Object) []Finding {
	var list corev1.EventList
	err := d.Kube.List(ctx, &list, client.InNamespace(object.GetNamespace()), client.MatchingFields{"involvedObject.uid": string(object.GetUID())})
	if err != nil {
		return []Finding{{Check: "events", Status: Unknown, Text: "not looked at: " + err.Error()}}
	}
	recent := slices.DeleteFunc(list.Items, func(event corev1.Event) bool {
		return event.Type != corev1.EventTypeWarning || d.Now.Sub(eventTime(event)) > eventAge
	})
	if len(recent) == 0 {
		return nil
	}
	slices.SortFunc(recent, func(a, b corev1.Event) int { return eventTime(b).Compare(eventTime(a)) })
	recent = recent[:min(len(recent), maxEvents)]
	texts := make([]string, 0, len(recent))
	for _, event := range recent {
		texts = append(texts, fmt.Sprintf("%s ago %s: %s", d.Now.Sub(eventTime(event)).Truncate(time.Second), event.Reason, event.Message))
	}
	return []Finding{{
		Check: "events", Status: Unknown, Text: strings.Join(texts, "; "),
		Commands: []string{fmt.Sprintf("kubectl events -n %s --for %s", object.GetNamespace(), object.Reference())},
	}}
}

func eventTime(event corev1.Event) time.Time {
	for _, at := range []time.Time{event.LastTimestamp.Time, event.EventTime.Time, event.FirstTimestamp.Time} {
		if !at.IsZero() {
			return at
		}
	}
	return event.CreationTimestamp.Time
}
