package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// operators are the operators of the control plane, as far as the user may see them.
type operators struct {
	found []operator
	// err is why they cannot be listed; nil: they can.
	err error
}

// operator is one Deployment of the operator.
type operator struct {
	deployment appsv1.Deployment
	// flags are the values of the flags of its container by name; a flag without a value
	// has "true".
	flags map[string]string
	// lease is its leader election; nil: it cannot be read, or there is none.
	lease *coordinationv1.Lease
}

func (o operator) name() string { return o.deployment.Namespace + "/" + o.deployment.Name }

// findOperators returns the Deployments of the operator in all namespaces.
func (d *Doctor) findOperators(ctx context.Context) operators {
	var list appsv1.DeploymentList
	if err := d.Kube.List(ctx, &list, client.MatchingLabels{"control-plane": "controller-manager"}); err != nil {
		return operators{err: err}
	}
	var all operators
	for _, deployment := range list.Items {
		selector := deployment.Spec.Selector
		if selector == nil || selector.MatchLabels["app.kubernetes.io/name"] != "databricks-operator" {
			continue
		}
		found := operator{deployment: deployment, flags: flagsOf(deployment.Spec.Template.Spec)}
		found.lease = d.leaseOf(ctx, found)
		all.found = append(all.found, found)
	}
	return all
}

// flagsOf returns the flags of the container manager of a pod.
func flagsOf(pod corev1.PodSpec) map[string]string {
	flags := map[string]string{}
	at := max(0, slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == "manager" }))
	if at >= len(pod.Containers) {
		return flags
	}
	args := slices.Concat(pod.Containers[at].Command, pod.Containers[at].Args)
	for i, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		if !isFlag {
			continue
		}
		name, value, hasValue := strings.Cut(name, "=")
		switch {
		case !hasValue && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			value = args[i+1]
		case !hasValue:
			value = "true"
		}
		if before := flags[name]; before != "" {
			value = before + "," + value // a flag with a list may be repeated
		}
		flags[name] = value
	}
	return flags
}

// listOf returns the values of a flag with a list.
func (o operator) listOf(flag string) []string {
	if o.flags[flag] == "" {
		return nil
	}
	return strings.Split(o.flags[flag], ",")
}

func (d *Doctor) leaseOf(ctx context.Context, o operator) *coordinationv1.Lease {
	name := "databricks-operator"
	if shard := o.flags["shard"]; shard != "" {
		name += "-" + shard
	}
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: cmpOr(o.flags["leader-election-namespace"], o.deployment.Namespace), Name: name + "." + v1alpha1.GroupName}
	if err := d.Kube.Get(ctx, key, lease); err != nil {
		return nil
	}
	return lease
}

// handles reports whether an operator reconciles an object, and why not.
func (o operator) handles(object target.Object) (reason string, handled bool) {
	if watched := o.listOf("watch-namespaces"); len(watched) > 0 && !slices.Contains(watched, object.GetNamespace()) {
		return fmt.Sprintf("%s watches only the namespaces %s (--watch-namespaces)", o.name(), strings.Join(watched, ", ")), false
	}
	if text := o.flags["watch-label-selector"]; text != "" {
		selector, err := labels.Parse(text)
		if err == nil && !selector.Matches(labels.Set(object.GetLabels())) {
			return fmt.Sprintf("%s watches only objects with the labels %s (--watch-label-selector)", o.name(), text), false
		}
	}
	return "", true
}

// handler returns the operator that reconciles an object; nil: none is visible.
func (all operators) handler(object target.Object) *operator {
	for i := range all.found {
		if _, handled := all.found[i].handles(object); handled {
			return &all.found[i]
		}
	}
	return nil
}

// evaluationGrace is how long a new object may be without a status.
const evaluationGrace = 30 * time.Second

// examineOperator returns whether an operator runs and handles an object.
func (d *Doctor) examineOperator(object target.Object) []Finding {
	status, _, _ := condition(object, v1alpha1.ConditionReady)
	unevaluated := status == "" && d.Now.Sub(object.GetCreationTimestamp().Time) > evaluationGrace
	handler := d.operators.handler(object)
	switch {
	case d.operators.err != nil && unevaluated:
		return []Finding{{
			Check: "operator", Status: Problem,
			Text: fmt.Sprintf("no operator has evaluated the object since %s, and you may not look for one: %s",
				d.Now.Sub(object.GetCreationTimestamp().Time).Truncate(time.Second), d.operators.err),
		}}
	case d.operators.err != nil:
		return []Finding{{Check: "operator", Status: Unknown, Text: "not looked at: " + d.operators.err.Error()}}
	case len(d.operators.found) > 0 && handler == nil:
		reasons := make([]string, 0, len(d.operators.found))
		for _, o := range d.operators.found {
			reason, _ := o.handles(object)
			reasons = append(reasons, reason)
		}
		return []Finding{{
			Check: "operator", Status: Problem, Text: "no operator handles this object: " + strings.Join(reasons, "; "),
			Commands: []string{fmt.Sprintf("kubectl edit -n %s deployment %s", d.operators.found[0].deployment.Namespace, d.operators.found[0].deployment.Name)},
		}}
	}
	if len(d.operators.found) == 0 {
		return d.runningOperators(isAlive(object))
	}
	var findings []Finding
	for _, o := range d.operators.found {
		if _, handled := o.handles(object); handled {
			findings = append(findings, o.examine(d.Now))
		}
	}
	isRunning := slices.ContainsFunc(findings, func(f Finding) bool { return f.Status == OK })
	if unevaluated && isRunning {
		logs := fmt.Sprintf("kubectl logs -n %s deployment/%s --tail=50", handler.deployment.Namespace, handler.deployment.Name)
		findings = append(findings, Finding{
			Check: "evaluation", Status: Problem, Commands: []string{logs},
			Text: fmt.Sprintf("the operator has not evaluated the object for %s", d.Now.Sub(object.GetCreationTimestamp().Time).Truncate(time.Second)),
		})
	}
	return findings
}

// isAlive reports whether an operator has evaluated the newest generation of an object.
func isAlive(object target.Object) bool {
	return object.Condition(v1alpha1.ConditionReady) != nil && object.IsEvaluated()
}

// runningOperators returns whether the operators run. An operator that has evaluated
// objects and has no Deployment here may run elsewhere.
func (d *Doctor) runningOperators(hasEvaluated bool) []Finding {
	if d.operators.err != nil {
		return []Finding{{Check: "operator", Status: Unknown, Text: "not looked at: " + d.operators.err.Error()}}
	}
	if len(d.operators.found) == 0 && hasEvaluated {
		return []Finding{notChecked("operator",
			"there is no Deployment of databricks-operator in this control plane, but one evaluated the newest generation: it runs, or ran, elsewhere")}
	}
	if len(d.operators.found) == 0 {
		return []Finding{{
			Check: "operator", Status: Problem, Text: "there is no Deployment of databricks-operator in this control plane (an operator outside of it is not visible)",
			Commands: []string{"kubectl apply --server-side -f dist/install.yaml"},
		}}
	}
	findings := make([]Finding, 0, len(d.operators.found))
	for _, o := range d.operators.found {
		findings = append(findings, o.examine(d.Now))
	}
	return findings
}

// examine returns whether one operator runs and leads.
func (o operator) examine(now time.Time) Finding {
	wanted := int32(1)
	if replicas := o.deployment.Spec.Replicas; replicas != nil {
		wanted = *replicas
	}
	pods := fmt.Sprintf("kubectl get pods -n %s -l app.kubernetes.io/name=databricks-operator", o.deployment.Namespace)
	logs := fmt.Sprintf("kubectl logs -n %s deployment/%s --tail=50", o.deployment.Namespace, o.deployment.Name)
	switch {
	case wanted == 0:
		return Finding{
			Check: "operator", Status: Problem, Text: o.name() + " is scaled to 0",
			Commands: []string{fmt.Sprintf("kubectl scale -n %s deployment %s --replicas=1", o.deployment.Namespace, o.deployment.Name)},
		}
	case o.deployment.Status.ReadyReplicas == 0:
		return Finding{Check: "operator", Status: Problem, Text: o.name() + " has no pod that is ready", Commands: []string{pods, logs}}
	}
	text := fmt.Sprintf("%s runs, %d of %d pods are ready", o.name(), o.deployment.Status.ReadyReplicas, wanted)
	if o.lease == nil || o.lease.Spec.RenewTime == nil {
		return Finding{Check: "operator", Status: OK, Text: text}
	}
	duration := 15 * time.Second
	if seconds := o.lease.Spec.LeaseDurationSeconds; seconds != nil {
		duration = time.Duration(*seconds) * time.Second
	}
	if age := now.Sub(o.lease.Spec.RenewTime.Time); age > 2*duration {
		return Finding{
			Check: "operator", Status: Problem, Text: fmt.Sprintf("%s: no replica leads; the lease was renewed %s ago", text, age.Truncate(time.Second)),
			Commands: []string{fmt.Sprintf("kubectl describe lease -n %s %s", o.lease.Namespace, o.lease.Name), logs},
		}
	}
	return Finding{Check: "operator", Status: OK, Text: text}
}
