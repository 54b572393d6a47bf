package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/doctor"
)

func (s *session) versionCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:     "version",
		Short:   "Show the versions of the plugin and of the operator",
		Long:    "Version shows the version of the plugin, and those of the operators in the control plane\nif you may see them.",
		Example: "  kubectl dbc version",
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return s.runVersion(command.Context(), format) },
	}
	addFormat(command, &format)
	return command
}

func (s *session) runVersion(ctx context.Context, format string) error {
	versions := struct {
		Plugin    string             `json:"plugin"`
		Operators []doctor.Installed `json:"operators,omitempty"`
	}{Plugin: s.version}
	kube, err := s.client()
	if err == nil {
		versions.Operators, err = doctor.InstalledOperators(ctx, kube)
	}
	if done, encodeErr := s.encoded(format, versions); done {
		return encodeErr
	}
	fmt.Fprintf(s.streams.Out, "plugin    %s\n", s.version)
	for _, operator := range versions.Operators {
		fmt.Fprintf(s.streams.Out, "operator  %s (%s)\n", orUnknown(operator.Version), operator.Name)
	}
	if err != nil {
		// The version of the plugin is the answer even without a control plane.
		writeWrapped(s.streams.ErrOut, "note: ", "the operator was not looked at: %s", oneLine(explain(err).Error()))
	}
	return nil
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}
