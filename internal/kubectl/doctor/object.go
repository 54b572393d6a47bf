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
)

// condition returns a condition of an object; status is empty if the object does not have it
// for its newest generation.
func condition(object *v1alpha1.DatabricksCluster, kind string) (status, reason, message string) {
	for _, c := range object.Status.Conditions {
		if c.Type == kind {
			return string(c.Status), c.Reason, c.Message
		}
	}
	return "", "", ""
}

func readiness(object *v1alpha1.DatabricksCluster) string {
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

// isEvaluated reports whether the status describes the newest generation.
func isEvaluated(object *v1alpha1.DatabricksCluster) bool {
	return object.Status.ObservedGeneration == object.Generation
}

// examineConditions returns what the operator says itself.
func (d *Doctor) examineConditions(object *v1alpha1.DatabricksCluster) []Finding {
	var findings []Finding
	status, reason, message := condition(object, v1alpha1.ConditionReady)
	switch {
	case status == "":
	case !isEvaluated(object):
		findings = append(findings, Finding{
			Check: "status", Status: Unknown,
			Text: fmt.Sprintf("it describes generation %d of %d: the newest change is not evaluated yet", object.Status.ObservedGeneration, object.Generation),
		})
	case status == "True":
		findings = append(findings, Finding{Check: "status", Status: OK, Text: strings.TrimSuffix("Ready: "+reason+": "+message, ": ")})
	default:
		findings = append(findings, Finding{Check: "status", Status: Problem, Text: reason + ": " + message, Commands: remedy(object, reason)})
	}
	if synced, reason, message := condition(object, v1alpha1.ConditionSynced); synced != "" && synced != "True" && isEvaluated(object) && status == "True" {
		findings = append(findings, Finding{Check: "changes", Status: Problem, Text: reason + ": " + message, Commands: remedy(object, reason)})
	}
	if object.Spec.Suspend {
		findings = append(findings, Finding{
			Check: "suspend", Status: Problem, Text: "spec.suspend is true, so the operator writes nothing to the workspace",
			Commands: []string{fmt.Sprintf("kubectl dbc resume -n %s %s", object.Namespace, object.Name)},
		})
	}
	if object.DeletionTimestamp != nil {
		findings = append(findings, deletion(object, d.Now))
	}
	return findings
}

// deletion returns how far a deletion is.
func deletion(object *v1alpha1.DatabricksCluster, now time.Time) Finding {
	since := now.Sub(object.DeletionTimestamp.Time).Truncate(time.Second)
	foreign := slices.DeleteFunc(slices.Clone(object.Finalizers), func(name string) bool { return name == v1alpha1.FinalizerCluster })
	switch {
	case len(foreign) > 0:
		return Finding{
			Check: "deletion", Status: Problem,
			Text: fmt.Sprintf("it is being deleted since %s, and waits for the finalizers of others: %s", since, strings.Join(foreign, ", ")),
		}
	case since > 5*time.Minute:
		return Finding{
			Check: "deletion", Status: Problem, Text: fmt.Sprintf("it is being deleted since %s; Retain ends that and leaves the cluster in the workspace", since),
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
func (d *Doctor) examineEvents(ctx context.Context, object *v1alpha1.DatabricksCluster) []Finding {
	var list corev1.EventList
	err := d.Kube.List(ctx, &list, client.InNamespace(object.Namespace), client.MatchingFields{"involvedObject.uid": string(object.UID)})
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
		Commands: []string{fmt.Sprintf("kubectl events -n %s --for databrickscluster/%s", object.Namespace, object.Name)},
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
