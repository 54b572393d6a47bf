package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/doctor"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

type doctorFlags struct {
	format                       string
	useCredential, allNamespaces bool
}

func (s *session) doctorCommand() *cobra.Command {
	var flags doctorFlags
	command := &cobra.Command{
		Use:   "doctor [NAME | TYPE/NAME]",
		Short: "Find out why an object is not ready",
		Long: "Doctor follows the path from an object to its cluster: the operator, the Secret, the\n" +
			"host rules, the network, the credential, the cluster, its policy and its names. It\n" +
			"does the same for policies and instance pools. Each problem comes with the command\n" +
			"that fixes it. It changes nothing, works with the rights that you have, and says what\n" +
			"it could not look at.\n\n" +
			"Without a name it looks at the operator and lists the objects that are not ready.\n\n" +
			"The workspace is looked at as yourself. With --use-credential it is called with the\n" +
			"credential in the object's Secret, if you may read that.\n\n" +
			explainTargets + "\n\n" +
			"The exit code is 1 if there is a problem.",
		Example:           "  kubectl dbc doctor etl\n  kubectl dbc doctor policy/small-jobs\n  kubectl dbc doctor -A",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeObjects,
		RunE:              func(command *cobra.Command, args []string) error { return s.runDoctor(command.Context(), args, flags) },
	}
	f := command.Flags()
	f.BoolVar(&flags.useCredential, "use-credential", false, "Call the workspace with the credential in the object's Secret")
	f.BoolVarP(&flags.allNamespaces, "all-namespaces", "A", false, "Look at the objects of all namespaces")
	addFormat(command, &flags.format)
	return command
}

// addFormat adds the flag for the form of the output.
func addFormat(command *cobra.Command, format *string) {
	command.Flags().StringVarP(format, "output", "o", "table", "Form of the output: table, json or yaml")
	completeFrom(command, "output", "table", "json", "yaml")
}

// encoded writes a value in a form other than a table, and reports whether it did.
func (s *session) encoded(format string, value any) (bool, error) {
	switch format {
	case "table", "":
		return false, nil
	case "json":
		encoder := json.NewEncoder(s.streams.Out)
		encoder.SetIndent("", "  ")
		return true, encoder.Encode(value)
	case "yaml":
		text, err := yaml.Marshal(value)
		if err != nil {
			return true, fmt.Errorf("encode the output: %w", err)
		}
		_, err = s.streams.Out.Write(text)
		return true, err
	default:
		return true, fmt.Errorf("--output %s: choose table, json or yaml", format)
	}
}

func (s *session) runDoctor(ctx context.Context, names []string, flags doctorFlags) error {
	if len(names) > 0 && flags.allNamespaces {
		return errors.New("choose a name or --all-namespaces, not both")
	}
	var reference target.Reference
	if len(names) == 1 {
		var err error
		if reference, err = target.Parse(names[0]); err != nil {
			return err
		}
	}
	kube, err := s.client()
	if err != nil {
		return err
	}
	namespace, err := s.namespace()
	if err != nil {
		return err
	}
	roots, err := databricks.LoadRoots(s.workspaceOptions().CAFile)
	if err != nil {
		return err
	}
	line := s.line()
	defer line.Clear()
	examiner := &doctor.Doctor{
		Kube: kube, Roots: roots, Now: time.Now(),
		Own: func(ctx context.Context) (*workspace.Workspace, error) { return s.connect(ctx, line) },
		With: func(credential databricks.Config) (*workspace.Workspace, error) {
			return workspace.ConnectWith(credential, s.workspaceOptions())
		},
		Stage: func(check string) { line.Show("looking at %s", check) },
	}
	if flags.useCredential {
		examiner.CredentialUse = doctor.UseCredential
	}
	var report doctor.Report
	switch {
	case len(names) == 1:
		report, err = examiner.Object(ctx, reference.Kind, client.ObjectKey{Namespace: namespace, Name: reference.Name})
	case flags.allNamespaces:
		report, err = examiner.All(ctx, "")
	default:
		report, err = examiner.All(ctx, namespace)
	}
	line.Clear()
	if err != nil {
		return explain(err)
	}
	if done, err := s.encoded(flags.format, report); done && err != nil {
		return err
	} else if !done {
		s.showReport(report)
	}
	if report.HasProblem() {
		return errFailed
	}
	return nil
}

// marks are the beginnings of lines, all of one width.
var marks = map[doctor.Status]string{doctor.OK: "ok  ", doctor.Problem: "BAD ", doctor.Unknown: "?   "}

// showReport writes a report on one screen.
func (s *session) showReport(report doctor.Report) {
	out := s.streams.Out
	if report.Object != "" {
		head := target.KindNamed(report.Kind).Type + " " + report.Object
		if report.Ready != "" {
			head += " is " + report.Ready
		}
		fmt.Fprintln(out, head+"\n")
	}
	for _, finding := range report.Findings {
		writeWrapped(out, marks[finding.Status]+fmt.Sprintf("%-16s ", finding.Check), "%s", oneLine(finding.Text))
		if finding.Status == doctor.OK {
			continue
		}
		for _, command := range finding.Commands {
			// Commands are not wrapped, so that they can be copied.
			fmt.Fprintf(out, "       $ %s\n", command)
		}
	}
}
