package doctor

import (
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// remedies are the commands that fix the cause of the reason of a condition. NAME, NAMESPACE
// and TYPE stand for those of the object, and TARGET for the argument that names it. A
// reason whose cause another check finds, or that only Databricks can fix, has none here.
var remedies = map[string][]string{
	v1alpha1.ReasonInvalidSpec:             {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonPolicyViolation:         {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonImmutableField:          {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonAutoterminationConflict: {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonReferenceNotFound:       {"kubectl edit -n NAMESPACE TYPE NAME", "kubectl dbc reconcile -n NAMESPACE TARGET"},
	v1alpha1.ReasonNoMatch:                 {"kubectl edit -n NAMESPACE TYPE NAME", "kubectl dbc reconcile -n NAMESPACE TARGET"},
	v1alpha1.ReasonAuthenticationFailed:    {"kubectl dbc doctor -n NAMESPACE TARGET --use-credential"},
	v1alpha1.ReasonPermissionDenied:        {"kubectl dbc doctor -n NAMESPACE TARGET --use-credential", "kubectl dbc reconcile -n NAMESPACE TARGET"},
	v1alpha1.ReasonQuotaExceeded:           {"kubectl dbc top -A", "kubectl dbc reconcile -n NAMESPACE TARGET"},
	v1alpha1.ReasonCredentialsInvalid:      {},
	v1alpha1.ReasonHostNotAllowed:          {},
	v1alpha1.ReasonHostChanged:             {},
	v1alpha1.ReasonNameTaken:               {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonPoolStopped:             {},
	v1alpha1.ReasonAdoptionTargetNotFound:  {"kubectl delete -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonAlreadyManaged:          {"kubectl dbc tree -n NAMESPACE TARGET"},
	v1alpha1.ReasonDuplicateClusters:       {"databricks clusters permanent-delete <the cluster that is not in use>"},
	v1alpha1.ReasonClusterPurged:           {"kubectl delete -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonStartFailed:             {"kubectl dbc events -n NAMESPACE TARGET", "kubectl dbc start -n NAMESPACE TARGET --wait"},
	v1alpha1.ReasonTerminatedUnexpectedly:  {"kubectl dbc events -n NAMESPACE TARGET", "kubectl dbc start -n NAMESPACE TARGET --wait"},
	v1alpha1.ReasonLibraryInstallFailed:    {"kubectl get -n NAMESPACE TYPE NAME -o jsonpath='{.status.libraries}'"},
	v1alpha1.ReasonWriteRefused:            {"kubectl get validatingadmissionpolicybindings,validatingwebhookconfigurations"},
	v1alpha1.ReasonDeletionBlocked:         {`kubectl patch -n NAMESPACE TYPE NAME --type=merge -p '{"spec":{"deletionPolicy":"Retain"}}'`},

	v1alpha1.ReasonPendingRestart:  {"kubectl dbc restart -n NAMESPACE TARGET --wait"},
	v1alpha1.ReasonUpdateFailed:    {"kubectl edit -n NAMESPACE TYPE NAME"},
	v1alpha1.ReasonContended:       {"kubectl get -n NAMESPACE TYPE NAME -o jsonpath='{.status.corrections}'"},
	v1alpha1.ReasonDriftDetected:   {"kubectl dbc diff -n NAMESPACE TARGET"},
	v1alpha1.ReasonRateLimited:     {"kubectl get databricksworkspaces -o wide"},
	v1alpha1.ReasonSuspended:       {"kubectl dbc resume -n NAMESPACE TARGET"},
	v1alpha1.ReasonChangesDeferred: {"kubectl dbc restart -n NAMESPACE TARGET --wait"},
}

// remedy returns the commands for a reason of an object.
func remedy(object target.Object, reason string) []string {
	fill := strings.NewReplacer("NAMESPACE", object.GetNamespace(), "NAME", object.GetName(), "TYPE", object.Kind.Type, "TARGET", object.Argument())
	commands := make([]string, 0, len(remedies[reason]))
	for _, command := range remedies[reason] {
		commands = append(commands, fill.Replace(command))
	}
	return commands
}
