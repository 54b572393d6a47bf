package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Exit codes of the plugin. Differences and errors of `diff` are those of kubectl diff.
const (
	exitOK          = 0
	exitFailed      = 1
	exitDifferent   = 1
	exitDiffFailed  = 2
	exitInterrupted = 130
)

// Options are what a program and a test set.
type Options struct {
	Streams genericiooptions.IOStreams
	// Version is the version of the plugin.
	Version string
	// Limits are the limits of the requests to a workspace; the zero value has the
	// operator's defaults.
	Limits ratelimit.Options
}

// Run runs the plugin with arguments, without its name, and returns its exit code.
func Run(ctx context.Context, args []string, options Options) int {
	streams := options.Streams
	root := NewCommand(options)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailed
	exit, hasCode := errors.AsType[*exitError](err)
	if hasCode {
		code = exit.code
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(streams.ErrOut, "interrupted")
		return exitInterrupted
	case !hasCode || exit.err != nil:
		fmt.Fprintln(streams.ErrOut, "error: "+strings.TrimSpace(explain(err).Error()))
	}
	return code
}

// exitError is a failure with an exit code. Without a cause the command has explained
// itself already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// errFailed is the failure of a command that has printed why.
var errFailed = &exitError{code: exitFailed}

// NewCommand returns the root command, from which the documentation is generated, too.
func NewCommand(options Options) *cobra.Command {
	streams, version := options.Streams, options.Version
	s := &session{streams: streams, version: version, kube: genericclioptions.NewConfigFlags(true)}
	s.workspace.Limits = options.Limits
	root := &cobra.Command{
		Use:   "kubectl-dbc",
		Short: "Work with the Databricks clusters of databricks-operator",
		Long: "kubectl dbc works with the objects of databricks-operator and with their workspaces.\n\n" +
			"It reads objects with your kubeconfig, and workspaces with your own Databricks\n" +
			"configuration: --profile and --host, the environment, ~/.databrickscfg, or the\n" +
			"login of the Databricks CLI. It never uses the operator's credential.",
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl dbc"},
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Version:           version,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee '%s --help'", err, command.CommandPath())
	})
	s.addFlags(root.PersistentFlags())
	root.SetUsageTemplate(usageTemplate)
	root.AddCommand(s.importCommand(), s.doctorCommand(), s.diffCommand(), s.orphansCommand(),
		s.treeCommand(), s.topCommand(), s.eventsCommand(), s.openCommand(), s.versionCommand())
	for _, command := range s.requestCommands() {
		root.AddCommand(command)
	}
	for _, command := range append(root.Commands(), root) {
		command.Long = reflowed(command.Long)
		command.DisableFlagsInUseLine = true
	}
	return root
}

// usageTemplate is that of cobra without the flags of all commands, which are many and
// known from kubectl.
const usageTemplate = `Usage:
  {{if .Runnable}}{{.UseLine}}{{else}}{{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}{{if .HasParent}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{end}}

Every command has the flags of kubectl, such as --context and --namespace, and
--profile, --host and --databricks-ca-file for the workspace.
`
