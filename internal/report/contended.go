package report

import (
	"fmt"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// maxContended bounds how many subjects a message names.
const maxContended = 5

// recordCorrections counts the reversals by other actors and their corrections.
func recordCorrections(in Input, status *v1alpha1.DatabricksClusterStatus) {
	before := in.Corrections
	if before == nil {
		before = in.Cluster.Status.Corrections
	}
	if in.Cluster.Status.ObservedGeneration != in.Cluster.Generation {
		before = nil // an edit resets the counts
	}
	status.Corrections = in.Plan.Corrections(before, succeeded(in.Outcome), in.Now, in.Limits)
}

// contendedMessage returns the message with the contended subjects. It does not change
// while the cluster is as declared between two reversals.
func contendedMessage(in Input) string {
	shown := plan.HistoryOf(in.Cluster).Contention
	var subjects []string
	current := false
	for i, one := range in.Plan.Contended {
		if i == maxContended {
			subjects = append(subjects, fmt.Sprintf("and %d more", len(in.Plan.Contended)-maxContended))
			break
		}
		var text string
		if difference := one.Difference; difference != nil {
			current = true
			text = fmt.Sprintf("%s (%q in spec, set back to %q)", difference.SpecPath(),
				shownValue(*difference, difference.Desired), shownValue(*difference, difference.Actual))
		} else if one.Desired != "" {
			current = true
			text = fmt.Sprintf("%s (%q by spec, set back to %q)", fieldOf(one.Subject), one.Desired, databricks.PlainText(one.Actual))
		} else {
			text = fieldOf(one.Subject)
		}
		subjects = append(subjects, text)
	}
	if !current && shown != "" {
		return shown
	}
	return strings.Join(subjects, ", ") + ": set back elsewhere more than three times within an hour, so corrections become rarer; " +
		"find what changes it, or change the spec"
}

// fieldOf returns the field that declares a subject.
func fieldOf(subject string) string {
	if field, known := subjectFields[subject]; known {
		return field
	}
	return subject
}

// subjectFields has the fields that declare the subjects that have no name of a field.
var subjectFields = map[string]string{
	plan.SubjectPower:       "runPolicy",
	plan.SubjectPin:         "pinned",
	plan.SubjectPermissions: "accessControlList",
	plan.SubjectExistence:   "the existence of the cluster",
}

// isContended reports whether other actors keep setting back declared values.
func isContended(next plan.Plan) bool { return len(next.Contended) > 0 }
