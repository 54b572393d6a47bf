package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// targets are the objects that a command acts on.
type targets struct {
	selector string
	// everywhere selects the objects of all namespaces.
	everywhere bool
}

func (t *targets) addFlags(command *cobra.Command) {
	command.Flags().StringVarP(&t.selector, "selector", "l", "", "Label selector of clusters, such as team=data")
}

// explainTargets is the part of a help text about the arguments of a command.
const explainTargets = "A NAME is that of a cluster. TYPE/NAME names an object of another kind: policy/NAME or\n" +
	"pool/NAME."

// objects returns the objects that arguments name, or the clusters of the selector.
func (s *session) objects(ctx context.Context, reader client.Reader, arguments []string, t targets) ([]target.Object, error) {
	if len(arguments) > 0 && t.selector != "" {
		return nil, errors.New("choose names or a selector, not both")
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	if len(arguments) == 0 {
		return s.selected(ctx, reader, target.Cluster, namespace, t)
	}
	references := make([]target.Reference, 0, len(arguments))
	for _, argument := range arguments {
		reference, err := target.Parse(argument)
		if err != nil {
			return nil, err
		}
		references = append(references, reference)
	}
	found := make([]target.Object, 0, len(references))
	for _, reference := range references {
		resource := reference.Kind.New()
		if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: reference.Name}, resource); err != nil {
			return nil, explain(err)
		}
		found = append(found, target.Of(resource))
	}
	return found, nil
}

// selected returns the objects of a kind that a selector selects.
func (s *session) selected(ctx context.Context, reader client.Reader, kind *target.Kind, namespace string, t targets) ([]target.Object, error) {
	selector, err := labels.Parse(t.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	options := []client.ListOption{client.MatchingLabelsSelector{Selector: selector}}
	if !t.everywhere {
		options = append(options, client.InNamespace(namespace))
	}
	list := kind.NewList()
	if err := reader.List(ctx, list, options...); err != nil {
		return nil, explain(err)
	}
	return objectsOf(list)
}

// objectsOf returns the objects of a list.
func objectsOf(list managed.ListResource) ([]target.Object, error) {
	var found []target.Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if resource, isResource := item.(managed.Resource); isResource {
			found = append(found, target.Of(resource))
		}
		return nil
	})
	return found, err
}

// requested is objects for a command that changes them; it refuses an empty selection.
func (s *session) requested(ctx context.Context, reader client.Reader, arguments []string, t targets) ([]target.Object, error) {
	if len(arguments) == 0 && t.selector == "" {
		return nil, errors.New("name the objects, or choose clusters with --selector")
	}
	found, err := s.objects(ctx, reader, arguments, t)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("no cluster matches the selector %s", t.selector)
	}
	return found, err
}

// object returns the one object that an argument names.
func (s *session) object(ctx context.Context, argument string) (target.Object, error) {
	kube, err := s.client()
	if err != nil {
		return target.Object{}, err
	}
	found, err := s.objects(ctx, kube, []string{argument}, targets{})
	if err != nil {
		return target.Object{}, err
	}
	return found[0], nil
}

// idOf returns the id of what an object stands for in the workspace.
func idOf(object target.Object) (string, error) {
	if id := object.CurrentID(); id != "" {
		return id, nil
	}
	return "", fmt.Errorf("%s has no %s yet; see 'kubectl dbc doctor %s'", object.Argument(), object.Kind.Noun, object.Argument())
}

// completeClusters completes the names of clusters.
func (s *session) completeClusters(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.completeNames(command, target.Cluster, "")
}

// completeObjects completes the names of clusters, and TYPE/NAME for the other kinds.
func (s *session) completeObjects(command *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	typ, _, isQualified := strings.Cut(begun, "/")
	if isQualified {
		reference, err := target.Parse(typ + "/any")
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return s.completeNames(command, reference.Kind, typ+"/")
	}
	names, directive := s.completeNames(command, target.Cluster, "")
	for _, kind := range target.Kinds() {
		if kind != target.Cluster && begun != "" && strings.HasPrefix(kind.Short, begun) {
			names, directive = append(names, kind.Short+"/"), directive|cobra.ShellCompDirectiveNoSpace
		}
	}
	return names, directive
}

func (s *session) completeNames(command *cobra.Command, kind *target.Kind, prefix string) ([]string, cobra.ShellCompDirective) {
	reader, err := s.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	found, err := s.selected(command.Context(), reader, kind, namespace, targets{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(found))
	for _, object := range found {
		names = append(names, prefix+object.GetName())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sameNamespace is the key of an object of the namespace of another.
func sameNamespace(object target.Object, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: object.GetNamespace(), Name: name}
}

// clusterOf returns the cluster of an argument for a command that only clusters have.
func (s *session) clusterOf(ctx context.Context, argument, command string) (*v1alpha1.DatabricksCluster, error) {
	reference, err := target.Parse(argument)
	if err != nil {
		return nil, err
	}
	if reference.Kind != target.Cluster {
		return nil, fmt.Errorf("%s: '%s' is for clusters", argument, command)
	}
	object, err := s.object(ctx, argument)
	return object.Cluster, err
}
