package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/pkg/browser"
	"github.com/spf13/cobra"
)

func (s *session) openCommand() *cobra.Command {
	var printOnly bool
	command := &cobra.Command{
		Use:   "open (NAME | TYPE/NAME)",
		Short: "Open the page of a cluster, a policy or a pool in the browser",
		Long: "Open shows the page of what an object stands for in the workspace. It always prints the\n" +
			"address.\n\n" + explainTargets,
		Example:           "  kubectl dbc open etl\n  kubectl dbc open policy/small-jobs --print",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeObjects,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runOpen(command.Context(), args[0], printOnly)
		},
	}
	command.Flags().BoolVar(&printOnly, "print", false, "Only print the address")
	return command
}

func (s *session) runOpen(ctx context.Context, name string, printOnly bool) error {
	object, err := s.object(ctx, name)
	if err != nil {
		return err
	}
	address := object.URL
	parsed, err := url.Parse(address)
	switch {
	case address == "":
		_, err := idOf(object)
		if err == nil {
			err = fmt.Errorf("the address of the %s of %s is not known yet", object.Kind.Noun, name)
		}
		return err
	case err != nil || parsed.Scheme != "https":
		return fmt.Errorf("status.url of %s is no https address", name)
	}
	fmt.Fprintln(s.streams.Out, address)
	if printOnly {
		return nil
	}
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	if err := browser.OpenURL(address); err != nil {
		return fmt.Errorf("no browser could be started: %w", err)
	}
	return nil
}
