package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// credential is what is known of the credential of an object.
type credential struct {
	// host is the URL of its workspace; empty: unknown.
	host string
	// config is the credential; nil: the user may not read it, or it is not in a Secret.
	config *databricks.Config
	// renew are the commands that renew it.
	renew []string
}

const defaultSecret = "databricks-credentials" //nolint:gosec // the name of a Secret

// examineCredential looks at the credential of an object, and at the Secrets that its
// specification refers to.
func (d *Doctor) examineCredential(ctx context.Context, object target.Object) (credential, []Finding) {
	var found credential
	var findings []Finding
	switch declared := object.Connection; {
	case declared != nil && declared.WorkspaceRef != nil:
		found, findings = d.examineWorkspaceRef(ctx, object, declared.WorkspaceRef.Name)
	case declared != nil && declared.WorkloadIdentity != nil:
		found, findings = d.examineIdentity(ctx, object, declared.WorkloadIdentity)
	default:
		found, findings = d.examineSecret(ctx, object)
	}
	if bound := object.Host; bound != "" && found.host != "" && found.host != bound {
		findings = append(findings, problem("host", remedy(object, v1alpha1.ReasonDeletionBlocked),
			"the object is bound to %s, and the credential is for %s now: restore the host, or move by deleting the object with Retain", bound, found.host))
	}
	findings = append(findings, d.examineReferences(ctx, object)...)
	return found, append(findings, d.examineDependencies(ctx, object)...)
}

// secretName returns the name of the credentials Secret of an object.
func (d *Doctor) secretName(object target.Object) string {
	if declared := object.Connection; declared != nil && declared.SecretRef != nil {
		return declared.SecretRef.Name
	}
	if handler := d.operators.handler(object); handler != nil && handler.flags["default-credentials-secret"] != "" {
		return handler.flags["default-credentials-secret"]
	}
	return defaultSecret
}

func (d *Doctor) examineSecret(ctx context.Context, object target.Object) (credential, []Finding) {
	name := d.secretName(object)
	create := fmt.Sprintf("kubectl create secret generic %s -n %s "+
		"--from-literal=DATABRICKS_HOST=https://... --from-literal=DATABRICKS_TOKEN=...", name, object.GetNamespace())
	found := credential{renew: []string{create + " --dry-run=client -o yaml | kubectl apply -f -"}}
	var secret corev1.Secret
	switch err := d.Kube.Get(ctx, client.ObjectKey{Namespace: object.GetNamespace(), Name: name}, &secret); {
	case apierrors.IsNotFound(err):
		return found, []Finding{problem("Secret", []string{create}, "Secret %s does not exist in namespace %s", name, object.GetNamespace())}
	case err != nil:
		return found, []Finding{{Check: "Secret", Status: Unknown, Text: fmt.Sprintf("%s was not looked at: %s", name, err)}}
	}
	config, err := databricks.ParseSecret(secret.Data)
	if err != nil {
		return found, []Finding{{
			Check: "Secret", Status: Problem, Text: name + ": " + err.Error(),
			Commands: []string{fmt.Sprintf("kubectl get secret -n %s %s -o jsonpath='{.data}'", object.GetNamespace(), name), found.renew[0]},
		}}
	}
	found.host, found.config = config.Host(), &config
	findings := []Finding{passed("Secret", "%s has a credential of the type %s for %s", name, config.AuthType(), config.Host())}
	findings = append(findings, d.examineHost(object, config))
	return found, append(findings, d.examineAccess(ctx, object, name)...)
}

// examineHost looks at the rules of the operator for hosts.
func (d *Doctor) examineHost(object target.Object, config databricks.Config) Finding {
	handler := d.operators.handler(object)
	entries, known := databricks.DefaultAllowedHosts(), handler != nil
	if known && handler.flags["allowed-hosts"] != "" {
		entries = handler.listOf("allowed-hosts")
	}
	allowed, err := databricks.ParseAllowList(entries)
	if err != nil {
		return Finding{Check: "host rules", Status: Problem, Text: "the operator has invalid rules: " + err.Error()}
	}
	finding := Finding{Check: "host rules", Status: OK, Text: "the operator may reach " + config.Host()}
	if !allowed.Allows(config) {
		finding.Status, finding.Text = Problem, fmt.Sprintf("the operator may not reach %s: --allowed-hosts does not have it", config.Host())
	}
	if !known {
		if finding.Status == Problem {
			finding = notChecked("host rules", "%s is under none of the default domains; the flags of the operator are not visible to you", config.Host())
		}
		return finding
	}
	rules, err := connection.ParseHostRules(handler.listOf("namespace-hosts"))
	switch {
	case err != nil:
		return Finding{Check: "host rules", Status: Problem, Text: "the operator has invalid rules: " + err.Error()}
	case finding.Status == OK && rules.Refusal(object.GetNamespace(), config) != "":
		finding.Status, finding.Text = Problem, rules.Refusal(object.GetNamespace(), config)
	}
	if finding.Status == Problem {
		finding.Commands = []string{fmt.Sprintf("kubectl edit -n %s deployment %s", handler.deployment.Namespace, handler.deployment.Name)}
	}
	return finding
}

// examineAccess looks at the operator's right to read a Secret. Most users may not ask.
func (d *Doctor) examineAccess(ctx context.Context, object target.Object, name string) []Finding {
	return d.mayOperator(ctx, object, "Secret access", authorizationv1.ResourceAttributes{
		Namespace: object.GetNamespace(), Verb: "get", Resource: "secrets", Name: name,
	}, fmt.Sprintf("read Secret %s in namespace %s", name, object.GetNamespace()))
}

// mayOperator returns a problem if the operator's account lacks a right.
func (d *Doctor) mayOperator(
	ctx context.Context, object target.Object, check string, right authorizationv1.ResourceAttributes, does string,
) []Finding {
	handler := d.operators.handler(object)
	if handler == nil {
		return nil
	}
	account := fmt.Sprintf("system:serviceaccount:%s:%s", handler.deployment.Namespace, handler.deployment.Spec.Template.Spec.ServiceAccountName)
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: account, ResourceAttributes: &right}}
	if err := d.Kube.Create(ctx, review); err != nil {
		return []Finding{{Check: check, Status: Unknown, Text: "not looked at: you may not ask what the operator may do"}}
	}
	if review.Status.Allowed {
		return nil
	}
	return []Finding{{
		Check: check, Status: Problem, Text: fmt.Sprintf("the operator's account %s may not %s", account, does),
		Commands: []string{fmt.Sprintf("kubectl auth can-i %s %s -n %s --as %s", right.Verb, right.Resource, object.GetNamespace(), account)},
	}}
}

func (d *Doctor) examineIdentity(ctx context.Context, object target.Object, declared *v1alpha1.WorkloadIdentity) (credential, []Finding) {
	found := credential{host: strings.TrimSuffix(declared.Host, "/")}
	var account corev1.ServiceAccount
	switch err := d.Kube.Get(ctx, client.ObjectKey{Namespace: object.GetNamespace(), Name: declared.ServiceAccountName}, &account); {
	case apierrors.IsNotFound(err):
		create := fmt.Sprintf("kubectl create serviceaccount -n %s %s", object.GetNamespace(), declared.ServiceAccountName)
		return found, []Finding{problem("service account", []string{create},
			"service account %s does not exist in namespace %s", declared.ServiceAccountName, object.GetNamespace())}
	case err != nil:
		return found, []Finding{{Check: "service account", Status: Unknown, Text: "not looked at: " + err.Error()}}
	}
	findings := []Finding{passed("service account",
		"%[2]s exists; the federation policy must have the subject system:serviceaccount:%[1]s:%[2]s", object.GetNamespace(), account.Name)}
	denied := d.mayOperator(ctx, object, "token requests", authorizationv1.ResourceAttributes{
		Namespace: object.GetNamespace(), Verb: "create", Resource: "serviceaccounts", Subresource: "token", Name: account.Name,
	}, fmt.Sprintf("request tokens of service account %s", account.Name))
	if handler := d.operators.handler(object); len(denied) == 1 && denied[0].Status == Problem && handler != nil {
		denied[0].Commands = []string{fmt.Sprintf("kubectl create rolebinding databricks-operator-tokens -n %s "+
			"--clusterrole=databricks-operator-token-requester --serviceaccount=%s:%s",
			object.GetNamespace(), handler.deployment.Namespace, handler.deployment.Spec.Template.Spec.ServiceAccountName)}
	}
	return found, append(findings, denied...)
}

func (d *Doctor) examineWorkspaceRef(ctx context.Context, object target.Object, name string) (credential, []Finding) {
	var shared v1alpha1.DatabricksWorkspace
	switch err := d.Kube.Get(ctx, client.ObjectKey{Name: name}, &shared); {
	case apierrors.IsNotFound(err):
		return credential{}, []Finding{{
			Check: "workspace", Status: Problem, Text: fmt.Sprintf("there is no DatabricksWorkspace %s; ask your platform team for it", name),
			Commands: []string{"kubectl get databricksworkspaces"},
		}}
	case err != nil:
		return credential{}, []Finding{{Check: "workspace", Status: Unknown, Text: fmt.Sprintf("DatabricksWorkspace %s was not looked at: %s", name, err)}}
	}
	found := credential{host: strings.TrimSuffix(shared.Spec.Host, "/")}
	finding := Finding{Check: "workspace", Status: Unknown, Text: fmt.Sprintf("DatabricksWorkspace %s has no condition Ready", name)}
	for _, c := range shared.Status.Conditions {
		switch {
		case c.Type != v1alpha1.ConditionReady:
		case c.Status == metav1.ConditionTrue:
			principal := cmpOr(shared.Status.Principal, "an unknown principal")
			finding = passed("workspace", "DatabricksWorkspace %s is connected to %s as %s", name, found.host, principal)
		default:
			finding.Status, finding.Text = Problem, fmt.Sprintf("DatabricksWorkspace %s: %s: %s", name, c.Reason, c.Message)
			finding.Commands = []string{"kubectl describe databricksworkspace " + name}
		}
	}
	findings := []Finding{finding, d.examineAllowed(ctx, object, &shared)}
	if limit := limitOf(&shared); limit.Text != "" {
		findings = append(findings, limit)
	}
	return found, findings
}

// examineAllowed returns whether a DatabricksWorkspace allows the namespace of an object.
func (d *Doctor) examineAllowed(ctx context.Context, object target.Object, shared *v1alpha1.DatabricksWorkspace) Finding {
	allowed := shared.Spec.AllowedNamespaces
	if allowed != nil && slices.Contains(allowed.Names, object.GetNamespace()) {
		return Finding{Check: "namespace", Status: OK, Text: fmt.Sprintf("DatabricksWorkspace %s allows namespace %s", shared.Name, object.GetNamespace())}
	}
	refused := problem("namespace", []string{"kubectl edit databricksworkspace " + shared.Name},
		"DatabricksWorkspace %s does not allow namespace %s; ask your platform team", shared.Name, object.GetNamespace())
	if allowed == nil || allowed.Selector == nil {
		return refused
	}
	var namespace corev1.Namespace
	if err := d.Kube.Get(ctx, client.ObjectKey{Name: object.GetNamespace()}, &namespace); err != nil {
		return Finding{Check: "namespace", Status: Unknown, Text: "its labels were not looked at: " + err.Error()}
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
	if err == nil && selector.Matches(labels.Set(namespace.Labels)) {
		return passed("namespace", "DatabricksWorkspace %s allows namespace %s by its labels", shared.Name, object.GetNamespace())
	}
	return refused
}

// limitOf returns how much of the request limit of a workspace is used, if that is known.
func limitOf(shared *v1alpha1.DatabricksWorkspace) Finding {
	limit, used := shared.Status.RequestLimitPerMinute, shared.Status.RequestLimitUsedPercent
	const full = 90
	switch {
	case limit == nil || used == nil:
		return Finding{}
	case *used >= full:
		return Finding{
			Check: "request limit", Status: Problem, Text: fmt.Sprintf("%d%% of the %d requests a minute are used, so requests wait", *used, *limit),
			Commands: []string{"kubectl get databricksworkspaces -o wide"},
		}
	default:
		return Finding{Check: "request limit", Status: OK, Text: fmt.Sprintf("%d%% of the %d requests a minute are used", *used, *limit)}
	}
}

// reference is a Secret that a specification refers to.
type reference struct {
	field, name, use string
	keys             []string
}

// references returns the Secrets that the specification of an object refers to.
func references(object target.Object) []reference {
	registry := func(field string, secret *v1alpha1.LocalSecretReference) reference {
		return reference{field, secret.Name, v1alpha1.UseRegistry, []string{"username", "password"}}
	}
	var all []reference
	switch resource := object.Resource.(type) {
	case *v1alpha1.DatabricksCluster:
		spec := &resource.Spec
		if image := spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
			all = append(all, registry("dockerImage", image.BasicAuthSecretRef))
		}
		if azure := spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil && azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef != nil {
			key := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef
			all = append(all, reference{"azureAttributes.logAnalyticsInfo", key.Name, v1alpha1.UseLogAnalytics, []string{key.Key}})
		}
	case *v1alpha1.DatabricksInstancePool:
		for _, image := range resource.Spec.PreloadedDockerImages {
			if image.BasicAuthSecretRef != nil {
				all = append(all, registry("preloadedDockerImages", image.BasicAuthSecretRef))
			}
		}
	}
	return all
}

// examineReferences looks at the Secrets that the specification of an object refers to.
func (d *Doctor) examineReferences(ctx context.Context, object target.Object) []Finding {
	var findings []Finding
	for _, r := range references(object) {
		findings = append(findings, d.examineReference(ctx, object.GetNamespace(), r))
	}
	return findings
}

func (d *Doctor) examineReference(ctx context.Context, namespace string, r reference) Finding {
	var secret corev1.Secret
	label := fmt.Sprintf("kubectl label secret -n %s %s %s=%s", namespace, r.name, v1alpha1.LabelUse, r.use)
	create := fmt.Sprintf("kubectl create secret generic %s -n %s --from-literal=%s=...", r.name, namespace, strings.Join(r.keys, "=... --from-literal="))
	switch err := d.Kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: r.name}, &secret); {
	case apierrors.IsNotFound(err):
		return problem(r.field, []string{create, label}, "Secret %s does not exist in namespace %s", r.name, namespace)
	case err != nil:
		return Finding{Check: r.field, Status: Unknown, Text: fmt.Sprintf("Secret %s was not looked at: %s", r.name, err)}
	}
	for _, key := range r.keys {
		if len(secret.Data[key]) == 0 {
			return Finding{
				Check: r.field, Status: Problem, Text: fmt.Sprintf("Secret %s lacks the key %s", r.name, key),
				Commands: []string{create + " --dry-run=client -o yaml | kubectl apply -f -"},
			}
		}
	}
	if secret.Labels[v1alpha1.LabelUse] != r.use {
		return problem(r.field, []string{label + " --overwrite"}, "Secret %s lacks the label that permits its use", r.name)
	}
	return passed(r.field, "Secret %s has its keys and the label", r.name)
}
