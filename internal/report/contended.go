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

// recordCorrections counts what others have set back and what was corrected.
func recordCorrections(in Input, status *v1alpha1.DatabricksClusterStatus) {
	before := in.Corrections
	if before == nil {
		before = in.Cluster.Status.Corrections
	}
	if in.Cluster.Status.ObservedGeneration != in.Cluster.Generation {
		before = nil // an edit begins anew
	}
	went := in.Outcome.Ran && in.Outcome.Failure == nil
	status.Corrections = in.Plan.Corrections(before, went, in.Now, in.Limits)
}

// contendedMessage names the subjects that others keep setting back. It stays as it
// was while the cluster is as declared between two reversals.
func contendedMessage(in Input) string {
	shown := plan.HistoryOf(in.Cluster).Contention
	var subjects []string
	current := false
	for i, one := range in.Plan.Contended {
		if i == maxContended {
			subjects = append(subjects, fmt.Sprintf("and %d more", len(in.Plan.Contended)-maxContended))
			break
		}
		var words string
		if difference := one.Difference; difference != nil {
			current = true
			words = fmt.Sprintf("%s (%q in spec, set back to %q)", difference.SpecPath(),
				shownValue(*difference, difference.Desired), shownValue(*difference, difference.Actual))
		} else if one.Desired != "" {
			current = true
			words = fmt.Sprintf("%s (%q by spec, set back to %q)", fieldOf(one.Subject), one.Desired, databricks.PlainText(one.Actual))
		} else {
			words = fieldOf(one.Subject)
		}
		subjects = append(subjects, words)
	}
	if !current && shown != "" {
		return shown
	}
	return strings.Join(subjects, ", ") + ": set back elsewhere more than three times within an hour, so corrections become rarer; " +
		"find what changes it, or change the spec"
}

// fieldOf is the field of the resource that a subject is declared by.
func fieldOf(subject string) string {
	if field, known := subjectFields[subject]; known {
		return field
	}
	return subject
}

// subjectFields are the fields by which the subjects are declared that are none
// themselves.
var subjectFields = map[string]string{
	plan.SubjectPower:       "runPolicy",
	plan.SubjectPin:         "pinned",
	plan.SubjectPermissions: "accessControlList",
	plan.SubjectLibraries:   "libraries",
	plan.SubjectExistence:   "the existence of the cluster",
}

// isContended reports that others keep setting back what this object declares.
func isContended(next plan.Plan) bool { return len(next.Contended) > 0 }
