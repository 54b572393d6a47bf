package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/importer"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/progress"
)

// importFlags are the flags of import.
type importFlags struct {
	all, observe, overwrite bool
	names, references       bool
	name, policy, directory string
	secret, workspaceRef    string
	tags                    map[string]string
	kinds, with             []string
}

func (s *session) importCommand() *cobra.Command {
	var flags importFlags
	command := &cobra.Command{
		Use:   "import (ID... | --all | --name | --tag | --policy) [--kind KINDS]",
		Short: "Write manifests of existing clusters, policies and pools",
		Long: "Import writes manifests that adopt existing clusters. Each claims what was requested\n" +
			"for its cluster and nothing else: applying it changes nothing in the workspace and\n" +
			"restarts nothing. Secrets become references, and the manifest says which Secrets to\n" +
			"create. The clusters of jobs, pipelines and other services are left out.\n\n" +
			"The workspace does not distinguish what was requested for a policy or a pool from\n" +
			"what it filled in, so their manifests claim every field with a value.\n\n" +
			"It reads the workspace and does not need Kubernetes.",
		Example: "  # One cluster, to look at\n" +
			"  kubectl dbc import 0318-151752-abed99\n\n" +
			"  # All clusters, a file each, ready for kustomize\n" +
			"  kubectl dbc import --all -o clusters/\n\n" +
			"  # Everything that the operator can manage\n" +
			"  kubectl dbc import --all --kind policies,pools,clusters --use-refs -o all/\n\n" +
			"  # First only observe, with the names of policies and pools instead of ids\n" +
			"  kubectl dbc import --name 'etl-*' --observe --use-names | kubectl apply -f -",
		RunE: func(command *cobra.Command, args []string) error { return s.runImport(command.Context(), args, flags) },
	}
	f := command.Flags()
	f.BoolVar(&flags.all, "all", false, "Import all clusters of the workspace, or all of --kind")
	f.StringVar(&flags.name, "name", "", "Import those whose names match a pattern, in which * stands for any characters")
	f.StringToStringVar(&flags.tags, "tag", nil, "Import the clusters and pools with a custom tag, as key=value")
	f.StringVar(&flags.policy, "policy", "", "Import the clusters of a cluster policy, or the policy itself, by its name or id")
	f.StringSliceVar(&flags.kinds, "kind", []string{"clusters"}, "Kinds to import: clusters, policies, pools")
	f.BoolVar(&flags.observe, "observe", false, "Set managementPolicy Observe, so that the objects write nothing")
	f.BoolVar(&flags.names, "use-names", false, "Name policies and instance pools by their names instead of their ids")
	f.BoolVar(&flags.references, "use-refs", false, "Refer to the objects of policies and instance pools that are imported, too, instead of their ids")
	f.StringSliceVar(&flags.with, "with", nil, "Also import libraries, permissions or pins, which are not in the specification")
	f.StringVar(&flags.secret, "secret", "", "Secret with the credential, for spec.connection. Absent: databricks-credentials")
	f.StringVar(&flags.workspaceRef, "workspace-ref", "", "DatabricksWorkspace of the objects, for spec.connection")
	f.StringVarP(&flags.directory, "output-dir", "o", "",
		"Directory for one file per object and a kustomization.yaml. Absent: one stream to the standard output")
	f.BoolVar(&flags.overwrite, "overwrite", false, "Overwrite files that have other content")
	command.MarkFlagsMutuallyExclusive("secret", "workspace-ref")
	command.MarkFlagsMutuallyExclusive("use-names", "use-refs")
	completeFrom(command, "kind", "clusters", "policies", "pools")
	completeFrom(command, "with", "libraries", "permissions", "pins")
	return command
}

// completeFrom completes the values of a flag from a list.
func completeFrom(command *cobra.Command, flag string, values ...string) {
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	}
	// It fails only for a flag that does not exist, which every test would show.
	_ = command.RegisterFlagCompletionFunc(flag, complete)
}

// options returns the options of an import, or why the flags contradict each other.
func (f importFlags) options(ids []string, namespace string) (importer.Options, error) {
	options := importer.Options{IDs: ids, Name: f.name, Tags: f.tags, Policy: f.policy, Namespace: namespace}
	filtered := f.name != "" || len(f.tags) > 0 || f.policy != ""
	switch {
	case len(ids) > 0 && (f.all || filtered):
		return options, errors.New("choose cluster ids, or --all and filters, not both")
	case len(ids) == 0 && !f.all && !filtered:
		return options, errors.New("choose clusters: by their ids, by --name, --tag or --policy, or --all of them")
	}
	for _, kind := range f.kinds {
		if !slices.Contains(importer.Kinds(), importer.Kind(kind)) {
			return options, fmt.Errorf("--kind %s: choose among clusters, policies and pools", kind)
		}
		options.Kinds = append(options.Kinds, importer.Kind(kind))
	}
	for _, part := range f.with {
		if !slices.Contains(importer.Parts(), importer.Part(part)) {
			return options, fmt.Errorf("--with %s: choose among libraries, permissions and pins", part)
		}
		options.Also = append(options.Also, importer.Part(part))
	}
	if f.observe && len(f.with) > 0 {
		return options, errors.New("--with is not possible beside --observe: an observing object does not manage libraries, permissions and pins")
	}
	if f.observe {
		options.Management = v1alpha1.ManagementPolicyObserve
	}
	if f.names {
		options.References = importer.ByName
	}
	if f.references {
		options.References = importer.ByObject
	}
	switch {
	case f.secret != "":
		options.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: f.secret}}
	case f.workspaceRef != "":
		options.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: f.workspaceRef}}
	}
	return options, nil
}

func (s *session) runImport(ctx context.Context, ids []string, flags importFlags) error {
	// Manifests get a namespace only from the flag: kustomize sets its own.
	options, err := flags.options(ids, *s.kube.Namespace)
	if err != nil {
		return err
	}
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err != nil {
		return err
	}
	result, err := importer.Collect(ctx, work, options, showStage(line))
	if err != nil {
		return err
	}
	line.Clear()
	if len(result.Objects) == 0 && len(result.LeftOut) == 0 {
		return fmt.Errorf("nothing in %s matches", result.Host)
	}
	if flags.directory == "" {
		stream, err := result.Stream()
		if err != nil {
			return err
		}
		if _, err := s.streams.Out.Write(stream); err != nil {
			return fmt.Errorf("write the manifests: %w", err)
		}
	} else if err := s.writeFiles(ctx, result, flags); err != nil {
		return err
	}
	s.summarize(result)
	return nil
}

// maxLeftOut is how many clusters that are left out are named one by one.
const maxLeftOut = 20

// maxTitle is the length of a name in a summary, in characters.
const maxTitle = 40

func showStage(line *progress.Line) func(stage string, count, total int) {
	return func(stage string, count, total int) {
		if total == 0 {
			line.Show("%s", stage)
			return
		}
		line.Show("%s: %d of %d", stage, count, total)
	}
}

func (s *session) writeFiles(ctx context.Context, result importer.Result, flags importFlags) error {
	files, err := result.Files()
	if err != nil {
		return err
	}
	existing := importer.Keep
	if flags.overwrite {
		existing = importer.Overwrite
	}
	written, err := importer.Write(ctx, flags.directory, files, existing)
	if err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	unchanged := len(files) - len(written)
	fmt.Fprintf(s.streams.ErrOut, "%s: %s written, %d unchanged\n", flags.directory, counted(len(written), "file"), unchanged)
	return nil
}

// summarize writes what the user has to know to the standard error.
func (s *session) summarize(result importer.Result) {
	out := s.streams.ErrOut
	fmt.Fprintf(out, "%s from %s\n", counted(len(result.Objects), "manifest"), result.Host)
	notes := 0
	var secrets []string
	for _, object := range result.Objects {
		notes += len(object.Notes)
		for _, secret := range object.Secrets {
			keys := strings.Join(secret.Keys, " and ")
			secrets = append(secrets, fmt.Sprintf("%s (%s) with %s, label %s=%s", secret.Name, object.Resource.GetName(), keys, v1alpha1.LabelUse, secret.Use))
		}
	}
	if len(secrets) > 0 {
		fmt.Fprintf(out, "%s to create before they are applied:\n", counted(len(secrets), "Secret"))
		for _, secret := range secrets {
			writeWrapped(out, "  - ", "%s", secret)
		}
	}
	if notes > 0 {
		fmt.Fprintf(out, "%s not claimed; the comments in the manifests say why\n", counted(notes, "requested value"))
	}
	if len(result.LeftOut) > 0 {
		fmt.Fprintf(out, "%d left out:\n", len(result.LeftOut))
	}
	byReason := map[string][]importer.LeftOut{}
	for _, left := range result.LeftOut {
		byReason[left.Reason] = append(byReason[left.Reason], left)
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		writeWrapped(out, "  - ", "%d: %s", len(byReason[reason]), reason)
		if len(result.LeftOut) > maxLeftOut {
			continue
		}
		for _, left := range byReason[reason] {
			fmt.Fprintf(out, "      %s %q\n", left.ID, cut(left.Name, maxTitle))
		}
	}
}
