package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/preview"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

type diffFlags struct {
	targets
	files  []string
	format string
}

func (s *session) diffCommand() *cobra.Command {
	var flags diffFlags
	command := &cobra.Command{
		Use:   "diff (-f FILE | NAME... | TYPE/NAME... | -l SELECTOR)",
		Short: "Show what the operator would do for a manifest",
		Long: "Diff compares manifests, or existing objects, with their clusters, policies and\n" +
			"instance pools, and shows what the operator would do: each difference, each call to\n" +
			"the workspace, whether it restarts the running cluster, and whether it happens now or\n" +
			"later. It evaluates the same code as the operator, reads the workspace as yourself,\n" +
			"and writes nothing. Another object that manages the same cluster, policy or pool is\n" +
			"looked for in the namespaces that you may list. Values in Secrets are not compared.\n\n" +
			"Each line begins with what happens:\n\n" +
			"  ~  a field that would change: from -> to\n" +
			"  =  a difference that the operator leaves as it is\n" +
			"  >  a call to the workspace\n" +
			"  !  why the operator would wait or stop\n\n" +
			explainTargets + "\n\n" +
			"The exit code is 0 if nothing would change, 1 if something would, and 2 on an error or\n" +
			"if an object would stall, as for kubectl diff.",
		Example:           "  kubectl dbc diff -f etl.yaml\n  kubectl dbc diff -f clusters/\n  kubectl dbc diff etl policy/small-jobs",
		ValidArgsFunction: s.completeObjects,
		RunE: func(command *cobra.Command, args []string) error {
			previews, err := s.runDiff(command.Context(), args, flags)
			if err != nil {
				return &exitError{code: exitDiffFailed, err: err}
			}
			return verdictOf(previews)
		},
	}
	command.Flags().StringSliceVarP(&flags.files, "filename", "f", nil, "Manifests: files, directories, or - for the standard input")
	flags.addFlags(command)
	addFormat(command, &flags.format)
	return command
}

func (s *session) runDiff(ctx context.Context, names []string, flags diffFlags) ([]preview.Preview, error) {
	if (len(flags.files) > 0) == (len(names) > 0 || flags.selector != "") {
		return nil, errors.New("choose manifests with -f, or objects by their names or with --selector")
	}
	kube, err := s.client()
	if err != nil {
		return nil, err
	}
	var objects []target.Object
	if len(flags.files) > 0 {
		objects, err = s.declared(ctx, kube, flags.files)
	} else {
		objects, err = s.requested(ctx, kube, names, flags.targets)
	}
	if err != nil {
		return nil, err
	}
	previews, err := s.previews(ctx, kube, objects)
	if err != nil {
		return nil, err
	}
	if done, err := s.encoded(flags.format, previews); done {
		return previews, err
	}
	for i, p := range previews {
		if i > 0 {
			fmt.Fprintln(s.streams.Out)
		}
		s.showPreview(p)
	}
	return previews, nil
}

// verdictOf returns the exit code: 2 if an object would stall, 1 if something would change.
func verdictOf(previews []preview.Preview) error {
	switch {
	case slices.ContainsFunc(previews, func(p preview.Preview) bool { return p.Stalled }):
		return &exitError{code: exitDiffFailed}
	case slices.ContainsFunc(previews, preview.Preview.WouldChange):
		return &exitError{code: exitDifferent}
	default:
		return nil
	}
}

// declared returns the objects of manifests as they would be after an apply. The API server
// checks them without storing them, if the user may apply them.
func (s *session) declared(ctx context.Context, kube client.Client, files []string) ([]target.Object, error) {
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	found, others, err := manifests(s.streams.In, files)
	if err != nil {
		return nil, err
	}
	if others > 0 {
		fmt.Fprintf(s.streams.ErrOut, "%s of other kinds skipped\n", counted(others, "object"))
	}
	objects := make([]target.Object, 0, len(found))
	for _, declared := range found {
		if declared.GetNamespace() == "" {
			declared.SetNamespace(namespace)
		}
		object, err := s.afterApply(ctx, kube, declared)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", declared.GetNamespace(), declared.GetName(), err)
		}
		objects = append(objects, target.Of(object))
	}
	return objects, nil
}

// newUID stands for the UID of an object that does not exist yet.
const newUID = "00000000-0000-0000-0000-000000000000"

// afterApply returns an object as it would be after an apply.
func (s *session) afterApply(ctx context.Context, kube client.Client, declared managed.Resource) (managed.Resource, error) {
	object := target.Of(declared).Kind.New()
	err := kube.Get(ctx, client.ObjectKeyFromObject(declared), object)
	switch {
	case err == nil:
		if target.ReplaceSpec(object, declared) {
			object.SetGeneration(object.GetGeneration() + 1)
		}
		annotations := maps.Clone(object.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		maps.Copy(annotations, declared.GetAnnotations())
		object.SetAnnotations(annotations)
		return object, s.dryRun(kube.Update(ctx, copyOf(object), client.DryRunAll))
	case meta.IsNoMatchError(err):
		return nil, explain(err)
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	created := copyOf(declared)
	refusal := s.dryRun(kube.Create(ctx, copyOf(declared), client.DryRunAll))
	created.SetUID(newUID)
	created.SetGeneration(1)
	created.SetCreationTimestamp(metav1.NewTime(time.Now()))
	return created, refusal
}

// copyOf returns a copy of an object, which a client may change.
func copyOf(object managed.Resource) managed.Resource {
	copied, _ := object.DeepCopyObject().(managed.Resource) // a copy has the same type
	return copied
}

// dryRun returns the refusal of the API server. Without the right to write there is none.
func (s *session) dryRun(err error) error {
	if apierrors.IsForbidden(err) {
		fmt.Fprintln(s.streams.ErrOut, "note: you may not apply it, so the API server did not check it")
		return nil
	}
	return err
}

// previews returns the previews of objects, which may be in several workspaces of which the
// user's configuration reaches one.
func (s *session) previews(ctx context.Context, kube client.Client, objects []target.Object) ([]preview.Preview, error) {
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err != nil {
		return nil, err
	}
	id := operatorID(ctx, kube)
	managing := newHolders(kube)
	all := make([]preview.Preview, 0, len(objects))
	for i, object := range objects {
		line.Show("compared: %d of %d", i, len(objects))
		if err := sameHost(object, work); err != nil {
			return nil, err
		}
		p, err := s.preview(ctx, kube, work, managing, object, id)
		if err != nil {
			return nil, fmt.Errorf("%s in %s: %w", object.Argument(), object.GetNamespace(), err)
		}
		all = append(all, p)
	}
	if managing.isPartial {
		line.Clear()
		fmt.Fprintln(s.streams.ErrOut, "note: you may not list all namespaces, so an object of another one that manages the same was not looked for")
	}
	return all, nil
}

// preview returns the preview of one object.
func (s *session) preview(
	ctx context.Context, kube client.Client, work *workspace.Workspace, managing *holders, object target.Object, id string,
) (preview.Preview, error) {
	if kind := object.Kind.Listed; kind != nil {
		facts, err := preview.ReadListed(ctx, work, kind, object.Resource)
		if err != nil {
			return preview.Preview{}, err
		}
		if facts.ManagedBy, err = managing.of(ctx, object, facts.CurrentID(object.CurrentID()), facts.Host); err != nil {
			return preview.Preview{}, err
		}
		return preview.OfListed(preview.ListedInput{Kind: kind, Object: object.Resource, Facts: facts, OperatorID: id, Now: time.Now()}), nil
	}
	facts, err := preview.Read(ctx, work, object.Cluster)
	if err != nil {
		return preview.Preview{}, err
	}
	if facts.Referents, err = referents(ctx, kube, object.Cluster); err != nil {
		return preview.Preview{}, err
	}
	if facts.ManagedBy, err = managing.of(ctx, object, object.CurrentID(), facts.Host); err != nil {
		return preview.Preview{}, err
	}
	return preview.Of(preview.Input{Object: object.Cluster, Facts: facts, OperatorID: id, Now: time.Now()}), nil
}

// referents reads the objects that an object refers to.
func referents(ctx context.Context, kube client.Client, object *v1alpha1.DatabricksCluster) (map[selection.Reference]selection.Referent, error) {
	found := map[selection.Reference]selection.Referent{}
	for _, reference := range selection.References(&object.Spec) {
		kind := target.KindNamed(reference.Kind)
		if kind == nil || kind.Listed == nil {
			continue
		}
		resource := kind.New()
		err := kube.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: reference.Name}, resource)
		switch {
		case err == nil:
			view := kind.Listed.View(resource)
			found[reference] = selection.Referent{
				ID: *view.ID, Host: view.Status.Host, WorkspaceID: view.Status.WorkspaceID, NotReady: view.NotReady(),
			}
		case !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("read %s %q: %w", reference.Kind, reference.Name, err)
		}
	}
	return found, nil
}

// sameHost fails if an object is known to be in another workspace than the user's.
func sameHost(object target.Object, work *workspace.Workspace) error {
	if host := object.Host; host != "" && host != work.Host() {
		return fmt.Errorf("%s/%s is in %s, and your Databricks configuration is for %s: use --host or --profile",
			object.GetNamespace(), object.GetName(), host, work.Host())
	}
	return nil
}

// operatorID returns the default id of the operator of a control plane; empty: the user may
// not read it.
func operatorID(ctx context.Context, kube client.Client) string {
	const digits = 8
	var system corev1.Namespace
	if err := kube.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil || len(system.UID) < digits {
		return ""
	}
	return string(system.UID[:digits])
}

// showPreview writes a preview.
func (s *session) showPreview(p preview.Preview) {
	out := s.streams.Out
	kind := target.KindNamed(p.Kind)
	what := fmt.Sprintf("no %s yet", kind.Noun)
	if p.ID != "" {
		what = kind.Noun + " " + p.ID
		if p.State != "" {
			what += " (" + p.State + ")"
		}
	}
	const indent = "    "
	head := linesOf(fmt.Sprintf("%s %s, %s", kind.Type, p.Object, what), columns-len(indent))
	fmt.Fprintln(out, strings.Join(head, "\n"+indent))
	for _, change := range p.Changes {
		writeWrapped(out, "  ~ ", "%s: %s -> %s", change.Path, orNothing(change.From), orNothing(change.To))
	}
	for _, change := range p.Left {
		writeWrapped(out, "  = ", "%s: stays %s (declared %s)", change.Path, orNothing(change.From), orNothing(change.To))
	}
	for _, call := range p.Calls {
		effect := ""
		if call.Restarts {
			effect = ", RESTARTS the running cluster"
		}
		writeWrapped(out, "  > ", "%s%s, %s", call.Endpoint, effect, call.When)
	}
	switch {
	case p.Reason != "" && (p.Stalled || len(p.Calls) == 0):
		writeWrapped(out, "  ! ", "%s: %s", p.Reason, oneLine(p.Message))
	case !p.WouldChange():
		fmt.Fprintln(out, "  nothing would change")
	}
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return oneLine(value)
}
