package doctor

import (
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// remedies are the commands that fix the cause of the reason of a condition. NAME and NAMESPACE stand
// for those of the object, and ID for its cluster. A reason whose cause another check finds
// has none here.
var remedies = map[string][]string{
	v1alpha1.ReasonInvalidSpec:             {"kubectl edit -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonPolicyViolation:         {"kubectl edit -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonImmutableField:          {"kubectl edit -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonAutoterminationConflict: {"kubectl edit -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonReferenceNotFound:       {"kubectl edit -n NAMESPACE databrickscluster NAME", "kubectl dbc reconcile -n NAMESPACE NAME"},
	v1alpha1.ReasonNoMatch:                 {"kubectl edit -n NAMESPACE databrickscluster NAME", "kubectl dbc reconcile -n NAMESPACE NAME"},
	v1alpha1.ReasonAuthenticationFailed:    {"kubectl dbc doctor -n NAMESPACE NAME --use-credential"},
	v1alpha1.ReasonPermissionDenied:        {"kubectl dbc doctor -n NAMESPACE NAME --use-credential", "kubectl dbc reconcile -n NAMESPACE NAME"},
	v1alpha1.ReasonQuotaExceeded:           {"kubectl dbc top -A", "kubectl dbc reconcile -n NAMESPACE NAME"},
	v1alpha1.ReasonCredentialsInvalid:      {},
	v1alpha1.ReasonHostNotAllowed:          {},
	v1alpha1.ReasonHostChanged:             {},
	v1alpha1.ReasonAdoptionTargetNotFound:  {"kubectl delete -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonAlreadyManaged:          {"kubectl dbc tree -n NAMESPACE NAME"},
	v1alpha1.ReasonDuplicateClusters:       {"databricks clusters permanent-delete <the cluster that is not in use>"},
	v1alpha1.ReasonClusterPurged:           {"kubectl delete -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonStartFailed:             {"kubectl dbc events -n NAMESPACE NAME", "kubectl dbc start -n NAMESPACE NAME --wait"},
	v1alpha1.ReasonTerminatedUnexpectedly:  {"kubectl dbc events -n NAMESPACE NAME", "kubectl dbc start -n NAMESPACE NAME --wait"},
	v1alpha1.ReasonLibraryInstallFailed:    {"kubectl get -n NAMESPACE databrickscluster NAME -o jsonpath='{.status.libraries}'"},
	v1alpha1.ReasonWriteRefused:            {"kubectl get validatingadmissionpolicybindings,validatingwebhookconfigurations"},
	v1alpha1.ReasonDeletionBlocked:         {`kubectl patch -n NAMESPACE databrickscluster NAME --type=merge -p '{"spec":{"deletionPolicy":"Retain"}}'`},

	v1alpha1.ReasonPendingRestart:  {"kubectl dbc restart -n NAMESPACE NAME --wait"},
	v1alpha1.ReasonUpdateFailed:    {"kubectl edit -n NAMESPACE databrickscluster NAME"},
	v1alpha1.ReasonContended:       {"kubectl get -n NAMESPACE databrickscluster NAME -o jsonpath='{.status.corrections}'"},
	v1alpha1.ReasonDriftDetected:   {"kubectl dbc diff -n NAMESPACE NAME"},
	v1alpha1.ReasonRateLimited:     {"kubectl get databricksworkspaces -o wide"},
	v1alpha1.ReasonSuspended:       {"kubectl dbc resume -n NAMESPACE NAME"},
	v1alpha1.ReasonChangesDeferred: {"kubectl dbc restart -n NAMESPACE NAME --wait"},
}

// remedy returns the commands for a reason of an object.
func remedy(object *v1alpha1.DatabricksCluster, reason string) []string {
	fill := strings.NewReplacer("NAMESPACE", object.Namespace, "NAME", object.Name)
	commands := make([]string, 0, len(remedies[reason]))
	for _, command := range remedies[reason] {
		commands = append(commands, fill.Replace(command))
	}
	return commands
}
