package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/importer"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/orphans"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

type orphansFlags struct {
	operatorID, format            string
	adopt, terminate, yes, dryRun bool
}

func (s *session) orphansCommand() *cobra.Command {
	var flags orphansFlags
	command := &cobra.Command{
		Use:   "orphans [CLUSTER_ID...] [--adopt | --terminate]",
		Short: "List, adopt or terminate clusters whose object does not exist",
		Long: "Orphans lists the clusters of your workspace that carry the tag of this control plane's\n" +
			"operator and that no object uses, because a finalizer was removed by hand or a control\n" +
			"plane was lost. It needs the right to list the objects of all namespaces.\n\n" +
			"--adopt creates an object for each of them in the current namespace, which takes the\n" +
			"cluster over as it is. --terminate stops them and keeps their records. Both ask first.",
		Example: "  kubectl dbc orphans\n  kubectl dbc orphans 0402-110348-lost7x2q --adopt --dry-run\n  kubectl dbc orphans --terminate",
		RunE:    func(command *cobra.Command, args []string) error { return s.runOrphans(command.Context(), args, flags) },
	}
	f := command.Flags()
	f.BoolVar(&flags.adopt, "adopt", false, "Create an object for each cluster, which takes it over")
	f.BoolVar(&flags.terminate, "terminate", false, "Terminate the clusters")
	f.BoolVarP(&flags.yes, "yes", "y", false, "Do not ask")
	f.BoolVar(&flags.dryRun, "dry-run", false, "With --adopt, print the manifests instead of creating the objects")
	f.StringVar(&flags.operatorID, "operator-id", "", "Id of the operator, if it has the flag --operator-id. Absent: the default of this control plane")
	addFormat(command, &flags.format)
	command.MarkFlagsMutuallyExclusive("adopt", "terminate")
	return command
}

func (s *session) runOrphans(ctx context.Context, ids []string, flags orphansFlags) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err != nil {
		return err
	}
	line.Show("listing the clusters")
	found, err := s.findOrphans(ctx, kube, work, ids, flags.operatorID)
	if err != nil {
		return err
	}
	line.Clear()
	switch {
	case flags.adopt:
		return s.adopt(ctx, kube, work, found.Orphans, flags)
	case flags.terminate:
		return s.terminate(ctx, work, found.Orphans, flags)
	}
	if done, err := s.encoded(flags.format, found.Orphans); done {
		return err
	}
	return s.showOrphans(found, work.Host())
}

// findOrphans returns the orphans of a workspace, or those with the ids.
func (s *session) findOrphans(ctx context.Context, kube client.Client, work *workspace.Workspace, ids []string, id string) (orphans.Result, error) {
	if id == "" {
		if id = operatorID(ctx, kube); id == "" {
			return orphans.Result{}, errors.New("the operator's id is not known, because you may not read the namespace kube-system: use --operator-id")
		}
	}
	var objects v1alpha1.DatabricksClusterList
	switch err := kube.List(ctx, &objects); {
	case apierrors.IsForbidden(err):
		return orphans.Result{}, fmt.Errorf("you may not list the objects of all namespaces, so no cluster is known to be an orphan: %w", err)
	case err != nil:
		return orphans.Result{}, explain(err)
	}
	clusters, err := work.List(ctx, databricks.ListQuery{})
	if err != nil {
		return orphans.Result{}, err
	}
	found := orphans.Find(clusters, objects.Items, id)
	if len(ids) == 0 {
		return found, nil
	}
	chosen := slices.DeleteFunc(slices.Clone(found.Orphans), func(o orphans.Orphan) bool { return !slices.Contains(ids, o.ClusterID) })
	for _, wanted := range ids {
		if !slices.ContainsFunc(chosen, func(o orphans.Orphan) bool { return o.ClusterID == wanted }) {
			return orphans.Result{}, fmt.Errorf("%s is no orphan of the operator %s in %s", wanted, id, work.Host())
		}
	}
	return orphans.Result{Orphans: chosen}, nil
}

func (s *session) showOrphans(found orphans.Result, host string) error {
	if len(found.Orphans) == 0 {
		fmt.Fprintf(s.streams.ErrOut, "no orphans in %s\n", host)
	} else {
		rows := make([][]string, 0, len(found.Orphans))
		for _, o := range found.Orphans {
			rows = append(rows, []string{o.ClusterID, o.State, age(time.Now(), o.Created), o.Object, o.Name})
		}
		if err := table(s.streams.Out, []string{"CLUSTER", "STATE", "AGE", "OBJECT NOW", "NAME"}, rows); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found.Foreign)) {
		fmt.Fprintf(s.streams.ErrOut, "%s of another operator, %s, not looked at\n", counted(found.Foreign[id], "cluster"), oneLine(id))
	}
	return nil
}

// confirm asks a question, and reports whether the answer is yes.
func (s *session) confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(s.streams.ErrOut, "%s [yes/no]: ", question)
	answers := make(chan string, 1)
	go func() {
		answer, err := bufio.NewReader(s.streams.In).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			answer = ""
		}
		answers <- strings.TrimSpace(answer)
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case answer := <-answers:
		if file, isFile := s.streams.In.(*os.File); !isFile || !term.IsTerminal(int(file.Fd())) {
			fmt.Fprintln(s.streams.ErrOut) // a terminal shows the end of the answer itself
		}
		return answer == "yes", nil
	}
}

// errDeclined is the failure of a command that was not confirmed.
var errDeclined = errors.New("not confirmed, nothing was changed")

func (s *session) terminate(ctx context.Context, work *workspace.Workspace, found []orphans.Orphan, flags orphansFlags) error {
	found = slices.DeleteFunc(found, func(o orphans.Orphan) bool { return o.State == "TERMINATED" })
	if len(found) == 0 {
		fmt.Fprintln(s.streams.ErrOut, "no orphan is running")
		return nil
	}
	if !flags.yes {
		for _, o := range found {
			fmt.Fprintf(s.streams.ErrOut, "  %s %s %s\n", o.ClusterID, o.State, cut(o.Name, 40))
		}
		confirmed, err := s.confirm(ctx, fmt.Sprintf("Terminate %s in %s?", counted(len(found), "cluster"), work.Host()))
		if err != nil {
			return err
		}
		if !confirmed {
			return errDeclined
		}
	}
	failed := false
	for i, o := range found {
		// The tag may have changed between the question and the answer.
		now, err := work.Get(ctx, o.ClusterID)
		if err == nil && now.Details.CustomTags[v1alpha1.OwnerTagKey] != o.Tag {
			err = errors.New("its owner tag has changed since; it is left alone")
		}
		if err == nil {
			err = work.Terminate(ctx, o.ClusterID)
		}
		if ctx.Err() != nil {
			ids := make([]string, 0, len(found))
			for _, left := range found[i:] {
				ids = append(ids, left.ClusterID)
			}
			writeWrapped(s.streams.ErrOut, "note: ", "not known to be terminated: %s; 'kubectl dbc orphans' shows their states", strings.Join(ids, ", "))
			return ctx.Err()
		}
		if err != nil {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", o.ClusterID, err)
			failed = true
			continue
		}
		fmt.Fprintf(s.streams.Out, "cluster %s: terminated\n", o.ClusterID)
	}
	if failed {
		return errFailed
	}
	return nil
}

func (s *session) adopt(ctx context.Context, kube client.Client, work *workspace.Workspace, found []orphans.Orphan, flags orphansFlags) error {
	if len(found) == 0 {
		fmt.Fprintln(s.streams.ErrOut, "no orphan to adopt")
		return nil
	}
	namespace, err := s.namespace()
	if err != nil {
		return err
	}
	options := importer.Options{Namespace: namespace, Owned: importer.TakeOver}
	for _, o := range found {
		options.IDs = append(options.IDs, o.ClusterID)
	}
	result, err := importer.Collect(ctx, work, options, nil)
	if err != nil {
		return err
	}
	if flags.dryRun {
		stream, err := result.Stream()
		if err != nil {
			return err
		}
		_, err = s.streams.Out.Write(stream)
		return err
	}
	s.summarize(result)
	if !flags.yes {
		confirmed, err := s.confirm(ctx, fmt.Sprintf("Create %s in namespace %s?", counted(len(result.Objects), "object"), namespace))
		if err != nil {
			return err
		}
		if !confirmed {
			return errDeclined
		}
	}
	failed := false
	for _, object := range result.Objects {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := kube.Create(ctx, object.Cluster); err != nil {
			writeWrapped(s.streams.ErrOut, "error: ", "%s: %s", object.Cluster.Name, err)
			failed = true
			continue
		}
		fmt.Fprintf(s.streams.Out, "databrickscluster/%s: created, adopts cluster %s\n", object.Cluster.Name, object.Cluster.Spec.ClusterID)
	}
	if failed {
		return errFailed
	}
	return nil
}
