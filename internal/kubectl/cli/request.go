package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/request"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// requestFlags are the flags of a request.
type requestFlags struct {
	targets
	wait    bool
	timeout time.Duration
}

const waitTimeout = 30 * time.Minute

// requestCommand describes the command of a request.
type requestCommand struct {
	verb, short, long string
	// isForAll reports whether objects of every kind know the request; otherwise clusters do.
	isForAll bool
}

func (s *session) requestCommands() []*cobra.Command {
	commands := make([]*cobra.Command, 0, 6)
	for _, c := range []requestCommand{
		{
			verb: v1alpha1.RequestStart, short: "Start clusters that are down",
			long: "Start asks the operator to start clusters. It is refused under runPolicy Terminated.",
		},
		{
			verb: v1alpha1.RequestTerminate, short: "Stop clusters and keep them",
			long: "Terminate asks the operator to stop clusters, which keep their configuration. It is\nrefused under runPolicy Running.",
		},
		{
			verb: v1alpha1.RequestRestart, short: "Restart clusters, with their pending changes",
			long: "Restart asks the operator to restart running clusters. Changes that wait for a restart\nare applied with it.",
		},
		{
			verb: v1alpha1.RequestReconcile, short: "Compare objects with the workspace now",
			long:     "Reconcile asks the operator to read the workspace now, and ends every backoff.",
			isForAll: true,
		},
	} {
		commands = append(commands, s.requestCommand(c))
	}
	return append(commands,
		s.suspensionCommand(request.Suspended, "suspend", "Stop all writes to the workspace for objects",
			"Suspend sets spec.suspend. The operator then changes nothing in the workspace for the\nobjects; their status stays current, and they can be deleted."),
		s.suspensionCommand(request.Resumed, "resume", "Let the operator write again for suspended objects",
			"Resume removes spec.suspend. What differs then is corrected, by the update strategy."))
}

func (s *session) requestCommand(c requestCommand) *cobra.Command {
	var flags requestFlags
	command := &cobra.Command{
		Use:   c.verb + " (NAME... | -l SELECTOR) [--wait]",
		Short: c.short,
		Long: c.long + "\n\nThe request is an annotation of the object, and the answer is in its status. With --wait\n" +
			"the command ends with the answer: exit code 0 if the request succeeded, else 1.",
		Example:           fmt.Sprintf("  kubectl dbc %s etl --wait\n  kubectl dbc %s -l team=data", c.verb, c.verb),
		ValidArgsFunction: s.completeClusters,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runRequest(command.Context(), c.verb, args, flags)
		},
	}
	if c.isForAll {
		command.Use = c.verb + " (NAME... | TYPE/NAME... | -l SELECTOR) [--wait]"
		command.Long += "\n\n" + explainTargets
		command.Example += fmt.Sprintf("\n  kubectl dbc %s policy/small-jobs pool/small", c.verb)
		command.ValidArgsFunction = s.completeObjects
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
	var asked []target.Object
	failed := false
	for _, object := range objects {
		if reason := request.RefusalReason(object, verb); reason != "" {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Argument(), reason)
			failed = true
			continue
		}
		value := request.NewValue(verb, time.Now())
		if err := request.Make(ctx, kube, object, value); err != nil {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Argument(), err)
			failed = true
			continue
		}
		if delay := request.DelayReason(object, verb); delay != "" {
			writeWrapped(s.streams.ErrOut, "note: ", "%s: %s", object.Argument(), delay)
		}
		fmt.Fprintf(s.streams.Out, "%s: %s requested\n", object.Reference(), verb)
		pending = append(pending, request.Pending{Kind: object.Kind, Key: client.ObjectKeyFromObject(object), Value: value})
		asked = append(asked, object)
	}
	if flags.wait && len(pending) > 0 {
		failed = s.awaitAnswers(ctx, kube, verb, asked, pending, flags.timeout) || failed
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
func (s *session) awaitAnswers(
	ctx context.Context, kube client.Client, verb string, asked []target.Object, pending []request.Pending, timeout time.Duration,
) (failed bool) {
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	line, begin := s.line(), time.Now()
	answers, err := request.Wait(limited, kube, pending, func(objects []*target.Object) {
		line.Show("%s", progressOf(objects, pending, time.Since(begin)))
	})
	line.Clear()
	for i, answer := range answers {
		name := asked[i].Argument()
		switch {
		case answer.Phase == v1alpha1.RequestSucceeded:
			fmt.Fprintf(s.streams.Out, "%s: %s succeeded: %s\n", asked[i].Reference(), verb, oneLine(answer.Message))
			continue
		case answer.Err != nil:
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", name, answer.Err)
		case answer.IsFinal():
			writeWrapped(s.streams.ErrOut, "error: ", "%s: the operator %s the request: %s", name, phases[answer.Phase], oneLine(answer.Message))
		case ctx.Err() != nil:
			writeWrapped(s.streams.ErrOut, "note: ", "%s: the request was made and stays. The answer will be in status.request:", name)
			fmt.Fprintf(s.streams.ErrOut, "      $ kubectl get -n %s %s -o jsonpath='{.status.request}'\n", asked[i].GetNamespace(), asked[i].Reference())
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
func progressOf(objects []*target.Object, pending []request.Pending, waited time.Duration) string {
	var open []target.Object
	unnoticed := 0
	for i, object := range objects {
		if object == nil {
			continue
		}
		answer := request.AnswerOf(*object, pending[i].Value)
		if !answer.IsFinal() {
			open = append(open, *object)
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
		Use:               verb + " (NAME... | TYPE/NAME... | -l SELECTOR)",
		Short:             short,
		Long:              long + "\n\n" + explainTargets,
		Example:           fmt.Sprintf("  kubectl dbc %s etl\n  kubectl dbc %s policy/small-jobs pool/small", verb, verb),
		ValidArgsFunction: s.completeObjects,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runSuspension(command.Context(), suspension, args, flags)
		},
	}
	flags.addFlags(command)
	return command
}

func (s *session) runSuspension(ctx context.Context, suspension request.Suspension, names []string, flags targets) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	objects, err := s.requested(ctx, kube, names, flags)
	if err != nil {
		return err
	}
	past, already, failed := "suspended", "is suspended already", false
	if suspension == request.Resumed {
		past, already = "resumed", "is not suspended"
	}
	for _, object := range objects {
		changed, err := request.SetSuspension(ctx, kube, object, suspension)
		switch {
		case err != nil:
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Argument(), err)
			failed = true
		case changed:
			fmt.Fprintf(s.streams.Out, "%s: %s\n", object.Reference(), past)
		default:
			fmt.Fprintf(s.streams.Out, "%s: %s\n", object.Reference(), already)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}
