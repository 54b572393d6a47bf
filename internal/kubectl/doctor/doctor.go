package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Doctor looks at objects. It is for one command and not safe for concurrent use.
type Doctor struct {
	// Kube reads the control plane as the user.
	Kube client.Client
	// Own connects to the user's own workspace, and With to the workspace of a credential
	// of Kubernetes, which is used only with CredentialUse.
	Own  func(ctx context.Context) (*workspace.Workspace, error)
	With func(credential databricks.Config) (*workspace.Workspace, error)
	// CredentialUse is whether the workspace is called with the object's own credential.
	CredentialUse CredentialUse
	// Roots are the certificate authorities of the network check; nil: those of the system.
	Roots *x509.CertPool
	// Now is the time.
	Now time.Time
	// Stage is called before each check with its name, and may be nil.
	Stage func(check string)

	operators operators
}

// CredentialUse is whether the doctor may use the credential of the object.
type CredentialUse int

// The uses. The default looks at the credential and sends it nowhere.
const (
	LookOnly CredentialUse = iota
	UseCredential
)

// Object examines one object.
func (d *Doctor) Object(ctx context.Context, kind *target.Kind, key client.ObjectKey) (Report, error) {
	report := Report{Kind: kind.Name, Object: key.String()}
	resource := kind.New()
	d.stage("the object")
	switch err := d.Kube.Get(ctx, key, resource); {
	case apierrors.IsNotFound(err):
		report.add(Finding{
			Check: "object", Status: Problem, Text: fmt.Sprintf("there is no %s %s in namespace %s", kind.Name, key.Name, key.Namespace),
			Commands: []string{fmt.Sprintf("kubectl get %s --all-namespaces", kind.Type)},
		})
		return report, nil
	case meta.IsNoMatchError(err):
		report.add(noCRDs())
		return report, nil
	case apierrors.IsForbidden(err):
		report.add(Finding{Check: "object", Status: Unknown, Text: "you may not read it: " + err.Error()})
		return report, nil
	case err != nil:
		return report, err
	}
	object := target.Of(resource)
	report.Ready = readiness(object)
	d.stage("the operator")
	d.operators = d.findOperators(ctx)
	report.add(d.examineOperator(object)...)
	report.add(d.examineConditions(object)...)
	report.add(d.examineEvents(ctx, object)...)
	d.stage("the credential")
	credential, findings := d.examineCredential(ctx, object)
	report.add(findings...)
	host := cmpOr(object.Host, credential.host)
	if host != "" {
		d.stage("the network")
		report.add(d.examineNetwork(ctx, host))
	}
	d.stage("the workspace")
	report.add(d.examineRemote(ctx, object, credential, host)...)
	return report, ctx.Err()
}

// All examines the operator, and lists the objects of a namespace, or of all if it is empty,
// that are not ready.
func (d *Doctor) All(ctx context.Context, namespace string) (Report, error) {
	var report Report
	d.stage("the objects")
	var objects []target.Object
	for _, kind := range target.Kinds() {
		found, finding, err := d.list(ctx, kind, namespace)
		if err != nil {
			return report, err
		}
		if finding.Check == noCRDs().Check {
			report.add(finding)
			return report, nil
		}
		if finding.Check != "" {
			report.add(finding)
		}
		objects = append(objects, found...)
	}
	d.stage("the operator")
	d.operators = d.findOperators(ctx)
	report.add(d.runningOperators(slices.ContainsFunc(objects, isAlive))...)
	ready := 0
	for _, object := range objects {
		status, reason, message := condition(object, v1alpha1.ConditionReady)
		if status == string(metav1.ConditionTrue) {
			ready++
			continue
		}
		finding := Finding{Check: object.GetNamespace() + "/" + object.Argument(), Status: Problem, Text: reason + ": " + message}
		if status == "" {
			finding.Text = "the operator has not evaluated it"
		}
		finding.Commands = []string{fmt.Sprintf("kubectl dbc doctor -n %s %s", object.GetNamespace(), object.Argument())}
		report.add(finding)
	}
	if ready > 0 && ready == len(objects) {
		report.add(Finding{Check: "objects", Status: OK, Text: fmt.Sprintf("all %d are ready", ready)})
	}
	return report, ctx.Err()
}

// list returns the objects of a kind, or a finding why they cannot be listed.
func (d *Doctor) list(ctx context.Context, kind *target.Kind, namespace string) ([]target.Object, Finding, error) {
	list := kind.NewList()
	switch err := d.Kube.List(ctx, list, client.InNamespace(namespace)); {
	case meta.IsNoMatchError(err):
		return nil, noCRDs(), nil
	case apierrors.IsForbidden(err):
		return nil, Finding{Check: "objects", Status: Unknown, Text: "you may not list them: " + err.Error()}, nil
	case err != nil:
		return nil, Finding{}, err
	}
	var found []target.Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if resource, isResource := item.(managed.Resource); isResource {
			found = append(found, target.Of(resource))
		}
		return nil
	})
	return found, Finding{}, err
}

func (d *Doctor) stage(check string) {
	if d.Stage != nil {
		d.Stage(check)
	}
}

func (r *Report) add(findings ...Finding) { r.Findings = append(r.Findings, findings...) }

func noCRDs() Finding {
	return Finding{
		Check: "CRDs", Status: Problem, Text: "the control plane does not have the CRDs of databricks-operator",
		Commands: []string{"kubectl config get-contexts", "kubectl apply --server-side -f dist/install.yaml"},
	}
}

func cmpOr(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
