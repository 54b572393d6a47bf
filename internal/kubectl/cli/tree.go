package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/progress"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

func (s *session) treeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tree (NAME | TYPE/NAME)",
		Short: "Show what belongs to an object",
		Long: "Tree shows an object with its connection, its cluster, and the policy, pools, Secrets,\n" +
			"owner and ConfigMap that belong to it. Below a policy or a pool are the clusters that\n" +
			"refer to it. The names in the workspace are shown if your Databricks configuration\n" +
			"reaches it.\n\n" + explainTargets,
		Example:           "  kubectl dbc tree etl\n  kubectl dbc tree policy/small-jobs",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeObjects,
		RunE:              func(command *cobra.Command, args []string) error { return s.runTree(command.Context(), args[0]) },
	}
}

// node is a line of a tree with the lines below it.
type node struct {
	text  string
	below []*node
}

func (n *node) add(format string, args ...any) *node {
	child := &node{text: oneLine(fmt.Sprintf(format, args...))}
	n.below = append(n.below, child)
	return child
}

// write writes the lines below a node, wrapped to a width in columns; 0: not wrapped.
func (n *node) write(out io.Writer, prefix string, width int) {
	for i, child := range n.below {
		branch, indent := "├─ ", "│  "
		if i == len(n.below)-1 {
			branch, indent = "└─ ", "   "
		}
		lines := []string{child.text}
		if width > 0 {
			lines = linesOf(child.text, width-utf8.RuneCountInString(prefix+branch))
		}
		further := indent
		if len(child.below) > 0 {
			further += "│  "
		}
		fmt.Fprintln(out, prefix+branch+strings.Join(lines, "\n"+prefix+further))
		child.write(out, prefix+indent, width)
	}
}

func (s *session) runTree(ctx context.Context, name string) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	found, err := s.objects(ctx, kube, []string{name}, targets{})
	if err != nil {
		return err
	}
	object := found[0]
	root := &node{text: object.Reference() + ready(object)}
	s.addConnection(ctx, kube, root, object)
	if object.Cluster == nil {
		s.addItem(ctx, root, object)
		s.addUsers(ctx, kube, root, object)
	} else {
		s.addCluster(ctx, root, object)
		s.addSecrets(ctx, kube, root, object)
		s.addReferents(ctx, kube, root, object)
	}
	fmt.Fprintln(s.streams.Out, root.text)
	root.write(s.streams.Out, "", progress.Width(s.streams.Out))
	return nil
}

// addReferents adds the objects that a cluster refers to.
func (s *session) addReferents(ctx context.Context, kube client.Client, root *node, object target.Object) {
	for _, reference := range selection.References(&object.Cluster.Spec) {
		if kind := target.KindNamed(reference.Kind); kind != nil {
			root.add("%s/%s%s", kind.Type, reference.Name, s.presence(ctx, kube, sameNamespace(object, reference.Name), kind.New()))
		}
	}
	if output := object.Cluster.Spec.OutputConfigMap; output != nil {
		root.add("configmap/%s%s", output.Name, s.presence(ctx, kube, sameNamespace(object, output.Name), &corev1.ConfigMap{}))
	}
}

// addItem adds the policy or the pool of an object, as the workspace shows it to the user.
func (s *session) addItem(ctx context.Context, root *node, object target.Object) {
	kind := object.Kind.Listed
	id, err := idOf(object)
	if err != nil {
		root.add("no %s", kind.Noun)
		return
	}
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err == nil {
		err = sameHost(object, work)
	}
	var items []databricks.Item
	if err == nil {
		items, err = work.Items(ctx, kind.Collection)
	}
	if err != nil {
		root.add("%s %s %s", kind.Noun, id, object.State).add("not looked at in the workspace: %s", err)
		return
	}
	at := slices.IndexFunc(items, func(item databricks.Item) bool { return item.ID == id })
	if at < 0 {
		root.add("%s %s (not visible to you)", kind.Noun, id)
		return
	}
	child := root.add("%s %s %q", kind.Noun, id, items[at].Name)
	var tree diff.Tree
	if kind.TagField != "" && json.Unmarshal(items[at].JSON, &tree) == nil {
		value, _ := tree.At(kind.TagField, kind.TagKey)
		tag, _ := value.(string)
		child.add("%s", ownerOf(tag, object))
	}
}

// addUsers adds the objects of clusters that refer to a policy or a pool.
func (s *session) addUsers(ctx context.Context, kube client.Client, root *node, object target.Object) {
	clusters, err := s.selected(ctx, kube, target.Cluster, object.GetNamespace(), targets{})
	if err != nil {
		root.add("the clusters that refer to it were not looked at: %s", err)
		return
	}
	for _, cluster := range clusters {
		isUser := slices.ContainsFunc(selection.References(&cluster.Cluster.Spec), func(reference selection.Reference) bool {
			return reference.Kind == object.Kind.Name && reference.Name == object.GetName()
		})
		if isUser {
			root.add("%s%s", cluster.Reference(), ready(cluster))
		}
	}
}

// ready returns the condition Ready of an object in brackets.
func ready(object target.Object) string {
	switch condition := object.Condition(v1alpha1.ConditionReady); {
	case condition == nil:
		return " (not evaluated)"
	case condition.Status == metav1.ConditionTrue:
		return " (Ready: " + condition.Reason + ")"
	default:
		return " (not Ready: " + condition.Reason + ")"
	}
}

// presence returns why an object of Kubernetes is not there; empty: it is.
func (s *session) presence(ctx context.Context, kube client.Client, key client.ObjectKey, into client.Object) string {
	switch err := kube.Get(ctx, key, into); {
	case err == nil:
		return ""
	case apierrors.IsNotFound(err):
		return " (does not exist)"
	case apierrors.IsForbidden(err):
		return " (you may not read it)"
	default:
		return " (" + err.Error() + ")"
	}
}

func (s *session) addConnection(ctx context.Context, kube client.Client, root *node, object target.Object) {
	host := object.Host
	switch declared := object.Connection; {
	case declared != nil && declared.WorkspaceRef != nil:
		name := declared.WorkspaceRef.Name
		root.add("databricksworkspace/%s%s %s", name, s.presence(ctx, kube, client.ObjectKey{Name: name}, &v1alpha1.DatabricksWorkspace{}), host)
	case declared != nil && declared.WorkloadIdentity != nil:
		name := declared.WorkloadIdentity.ServiceAccountName
		root.add("serviceaccount/%s%s %s", name, s.presence(ctx, kube, sameNamespace(object, name), &corev1.ServiceAccount{}), host)
	default:
		name := "databricks-credentials"
		if declared != nil && declared.SecretRef != nil {
			name = declared.SecretRef.Name
		}
		root.add("secret/%s%s %s", name, s.presence(ctx, kube, sameNamespace(object, name), &corev1.Secret{}), host)
	}
}

func (s *session) addSecrets(ctx context.Context, kube client.Client, root *node, object target.Object) {
	if image := object.Cluster.Spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
		name := image.BasicAuthSecretRef.Name
		root.add("secret/%s%s (dockerImage)", name, s.presence(ctx, kube, sameNamespace(object, name), &corev1.Secret{}))
	}
	azure := object.Cluster.Spec.AzureAttributes
	if azure != nil && azure.LogAnalyticsInfo != nil && azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef != nil {
		name := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef.Name
		root.add("secret/%s%s (azureAttributes.logAnalyticsInfo)", name, s.presence(ctx, kube, sameNamespace(object, name), &corev1.Secret{}))
	}
}

// addCluster adds the cluster, as the workspace shows it to the user, or else as the status
// has it.
func (s *session) addCluster(ctx context.Context, root *node, object target.Object) {
	id, err := idOf(object)
	if err != nil {
		root.add("no cluster")
		return
	}
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err == nil {
		err = sameHost(object, work)
	}
	var cluster databricks.Cluster
	if err == nil {
		cluster, err = work.Get(ctx, id)
	}
	if err != nil {
		child := root.add("cluster %s %s", id, object.State)
		child.add("not looked at in the workspace: %s", err)
		return
	}
	details := cluster.Details
	child := root.add("cluster %s %s %q", id, details.State, details.ClusterName)
	child.add("created by %s", details.CreatorUserName)
	child.add("%s", ownerOf(details.CustomTags[v1alpha1.OwnerTagKey], object))
	addNamed(ctx, child, "policy", details.PolicyId, work.Policies)
	addNamed(ctx, child, "pool", details.InstancePoolId, work.InstancePools)
	if details.DriverInstancePoolId != details.InstancePoolId {
		addNamed(ctx, child, "driver pool", details.DriverInstancePoolId, work.InstancePools)
	}
}

// addNamed adds a policy or a pool with its name.
func addNamed(ctx context.Context, parent *node, kind, id string, names func(context.Context) (map[string]string, error)) {
	if id == "" {
		return
	}
	known, err := names(ctx)
	switch name := known[id]; {
	case err != nil:
		parent.add("%s %s (name not read: %s)", kind, id, err)
	case name == "":
		parent.add("%s %s (not visible to you)", kind, id)
	default:
		parent.add("%s %s %q", kind, id, name)
	}
}

// ownerOf returns the owner that the tag of a cluster names.
func ownerOf(tag string, object target.Object) string {
	switch of := owner.Parse(tag); {
	case tag == "":
		return "no owner tag; it is written with the next change"
	case of.UID == string(object.GetUID()):
		return "owner tag: this object, operator " + of.Operator
	default:
		return "owner tag: ANOTHER OWNER, " + strings.TrimSpace(tag)
	}
}
