package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/request"
)

// targets are the objects that a command acts on.
type targets struct {
	selector string
	// everywhere selects the objects of all namespaces.
	everywhere bool
}

func (t *targets) addFlags(command *cobra.Command) {
	command.Flags().StringVarP(&t.selector, "selector", "l", "", "Label selector of the objects, such as team=data")
}

// objects returns the objects of the names or of the selector.
func (s *session) objects(ctx context.Context, reader client.Reader, names []string, t targets) ([]*v1alpha1.DatabricksCluster, error) {
	if len(names) > 0 && t.selector != "" {
		return nil, errors.New("choose names or a selector, not both")
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return s.selected(ctx, reader, namespace, t)
	}
	found := make([]*v1alpha1.DatabricksCluster, 0, len(names))
	for _, name := range names {
		object := &v1alpha1.DatabricksCluster{}
		if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			return nil, explain(err)
		}
		found = append(found, object)
	}
	return found, nil
}

func (s *session) selected(ctx context.Context, reader client.Reader, namespace string, t targets) ([]*v1alpha1.DatabricksCluster, error) {
	selector, err := labels.Parse(t.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector: %w", err)
	}
	options := []client.ListOption{client.MatchingLabelsSelector{Selector: selector}}
	if !t.everywhere {
		options = append(options, client.InNamespace(namespace))
	}
	var list v1alpha1.DatabricksClusterList
	if err := reader.List(ctx, &list, options...); err != nil {
		return nil, explain(err)
	}
	found := make([]*v1alpha1.DatabricksCluster, 0, len(list.Items))
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}
	return found, nil
}

// requested is objects for a command that changes them; it refuses an empty selection.
func (s *session) requested(ctx context.Context, reader client.Reader, names []string, t targets) ([]*v1alpha1.DatabricksCluster, error) {
	if len(names) == 0 && t.selector == "" {
		return nil, errors.New("name the objects, or choose them with --selector")
	}
	found, err := s.objects(ctx, reader, names, t)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("no object matches the selector %s", t.selector)
	}
	return found, err
}

// completeNames completes the names of objects.
func (s *session) completeNames(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	reader, err := s.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	found, err := s.objects(command.Context(), reader, nil, targets{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(found))
	for _, object := range found {
		names = append(names, object.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// requestFlags are the flags of a request.
type requestFlags struct {
	targets
	wait    bool
	timeout time.Duration
}

const waitTimeout = 30 * time.Minute

func (s *session) requestCommands() []*cobra.Command {
	commands := make([]*cobra.Command, 0, 6)
	for _, c := range []struct{ verb, short, long string }{
		{v1alpha1.RequestStart, "Start clusters that are down", "Start asks the operator to start clusters. It is refused under runPolicy Terminated."},
		{v1alpha1.RequestTerminate, "Stop clusters and keep them", "Terminate asks the operator to stop clusters, which keep their configuration. It is\n" +
			"refused under runPolicy Running."},
		{
			v1alpha1.RequestRestart, "Restart clusters, with their pending changes",
			"Restart asks the operator to restart running clusters. Changes that wait for a restart\nare applied with it.",
		},
		{v1alpha1.RequestReconcile, "Compare clusters with the workspace now", "Reconcile asks the operator to read the workspace now, and ends every backoff."},
	} {
		commands = append(commands, s.requestCommand(c.verb, c.short, c.long))
	}
	return append(commands,
		s.suspensionCommand(request.Suspended, "suspend", "Stop all writes to the workspace for objects",
			"Suspend sets spec.suspend. The operator then changes nothing in the workspace for the\nobjects; their status stays current, and they can be deleted."),
		s.suspensionCommand(request.Resumed, "resume", "Let the operator write again for suspended objects",
			"Resume removes spec.suspend. What differs then is corrected, by the update strategy."))
}

func (s *session) requestCommand(verb, short, long string) *cobra.Command {
	var flags requestFlags
	command := &cobra.Command{
		Use:   verb + " (NAME... | -l SELECTOR) [--wait]",
		Short: short,
		Long: long + "\n\nThe request is an annotation of the object, and the answer is in its status. With --wait\n" +
			"the command ends with the answer: exit code 0 if the request succeeded, else 1.",
		Example:           fmt.Sprintf("  kubectl dbc %s etl --wait\n  kubectl dbc %s -l team=data", verb, verb),
		ValidArgsFunction: s.completeNames,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runRequest(command.Context(), verb, args, flags)
		},
	}
	flags.addFlags(command)
	command.Flags().BoolVar(&flags.wait, "wait", false, "Wait for the answer of the operator")
	command.Flags().DurationVar(&flags.timeout, "timeout", waitTimeout, "How long --wait waits; 0 waits forever")
	return command
}

func (s *session) runRequest(ctx context.Context, verb string, names []string, flags requestFlags) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	objects, err := s.requested(ctx, kube, names, flags.targets)
	if err != nil {
		return err
	}
	var pending []request.Pending
	failed := false
	for _, object := range objects {
		if reason := request.RefusalReason(object); reason != "" {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Name, reason)
			failed = true
			continue
		}
		value := request.NewValue(verb, time.Now())
		if err := request.Make(ctx, kube, object, value); err != nil {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Name, err)
			failed = true
			continue
		}
		if delay := request.DelayReason(object, verb); delay != "" {
			writeWrapped(s.streams.ErrOut, "note: ", "%s: %s", object.Name, delay)
		}
		fmt.Fprintf(s.streams.Out, "databrickscluster/%s: %s requested\n", object.Name, verb)
		pending = append(pending, request.Pending{Key: client.ObjectKeyFromObject(object), Value: value})
	}
	if flags.wait && len(pending) > 0 {
		failed = s.awaitAnswers(ctx, kube, verb, pending, flags.timeout) || failed
	}
	if failed {
		return errFailed
	}
	return nil
}

// unnoticedAfter is how long the operator usually takes at most to notice a request.
const unnoticedAfter = 15 * time.Second

var errTimeout = errors.New("no answer within --timeout")

// awaitAnswers waits for the answers and writes them. It reports whether one of them is not
// a success.
func (s *session) awaitAnswers(ctx context.Context, kube client.Client, verb string, pending []request.Pending, timeout time.Duration) (failed bool) {
	if timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
		ctx = limited
	}
	line, begin := s.line(), time.Now()
	answers, err := request.Wait(ctx, kube, pending, func(objects []*v1alpha1.DatabricksCluster) {
		line.Show("%s", progressOf(objects, pending, time.Since(begin)))
	})
	line.Clear()
	for i, answer := range answers {
		name := pending[i].Key.Name
		switch {
		case answer.Phase == v1alpha1.RequestSucceeded:
			fmt.Fprintf(s.streams.Out, "databrickscluster/%s: %s succeeded: %s\n", name, verb, oneLine(answer.Message))
			continue
		case answer.Err != nil:
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", name, answer.Err)
		case answer.IsFinal():
			writeWrapped(s.streams.ErrOut, "error: ", "%s: the operator %s the request: %s", name, phases[answer.Phase], oneLine(answer.Message))
		case err != nil && answer.Phase == "":
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s: the operator has not noticed the request; 'kubectl dbc doctor %s' finds out why", name, err, name)
		default:
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %v: the request is %s", name, err, answer.Phase)
		}
		failed = true
	}
	return failed
}

var phases = map[v1alpha1.RequestPhase]string{v1alpha1.RequestRefused: "refused", v1alpha1.RequestFailed: "could not carry out"}

// progressOf returns the line of progress of a wait.
func progressOf(objects []*v1alpha1.DatabricksCluster, pending []request.Pending, waited time.Duration) string {
	var open []*v1alpha1.DatabricksCluster
	unnoticed := 0
	for i, object := range objects {
		if object == nil {
			continue
		}
		answer := request.AnswerOf(object, pending[i].Value)
		if !answer.IsFinal() {
			open = append(open, object)
		}
		if answer.Phase == "" {
			unnoticed++
		}
	}
	text := fmt.Sprintf("%s ", waited.Truncate(time.Second))
	switch {
	case len(open) == 0:
		return text
	case unnoticed > 0 && waited > unnoticedAfter:
		return text + "the operator has not noticed the request; is it running?"
	case len(open) == 1:
		return text + oneLine(request.Describe(open[0]))
	default:
		return text + fmt.Sprintf("%d of %d without an answer; %s", len(open), len(pending), oneLine(request.Describe(open[0])))
	}
}

func (s *session) suspensionCommand(suspension request.Suspension, verb, short, long string) *cobra.Command {
	var flags targets
	command := &cobra.Command{
		Use:               verb + " (NAME... | -l SELECTOR)",
		Short:             short,
		Long:              long,
		Example:           fmt.Sprintf("  kubectl dbc %s etl", verb),
		ValidArgsFunction: s.completeNames,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runSuspension(command.Context(), suspension, verb, args, flags)
		},
	}
	flags.addFlags(command)
	return command
}

func (s *session) runSuspension(ctx context.Context, suspension request.Suspension, verb string, names []string, flags targets) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	objects, err := s.requested(ctx, kube, names, flags)
	if err != nil {
		return err
	}
	past, failed := map[string]string{"suspend": "suspended", "resume": "resumed"}[verb], false
	for _, object := range objects {
		changed, err := request.SetSuspension(ctx, kube, object, suspension)
		switch {
		case err != nil:
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Name, err)
			failed = true
		case changed:
			fmt.Fprintf(s.streams.Out, "databrickscluster/%s: %s\n", object.Name, past)
		default:
			fmt.Fprintf(s.streams.Out, "databrickscluster/%s: is %s already\n", object.Name, past)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}
