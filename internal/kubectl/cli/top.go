package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// usage is the use of one object or namespace.
type usage struct {
	Namespace string `json:"namespace"`
	// Name and State are empty for a namespace.
	Name  string `json:"name,omitempty"`
	State string `json:"state,omitempty"`
	// Clusters counts the clusters that are up, and Nodes their workers and drivers.
	Clusters int `json:"clusters"`
	Nodes    int `json:"nodes"`
	// UptimeSeconds is the time since the last start; of a namespace, the longest.
	UptimeSeconds int64  `json:"uptimeSeconds,omitempty"`
	NodeType      string `json:"nodeType,omitempty"`
}

type topFlags struct {
	targets
	byNamespace bool
	format      string
}

func (s *session) topCommand() *cobra.Command {
	var flags topFlags
	command := &cobra.Command{
		Use:   "top [-A] [--by-namespace]",
		Short: "Show the nodes and the uptime of clusters",
		Long: "Top shows which clusters are up, with how many nodes and for how long, the largest\n" +
			"first. It reads the status of the objects, which is up to a few minutes old, and not\n" +
			"the workspace.",
		Example: "  kubectl dbc top\n  kubectl dbc top -A --by-namespace",
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return s.runTop(command.Context(), flags) },
	}
	flags.addFlags(command)
	command.Flags().BoolVarP(&flags.everywhere, "all-namespaces", "A", false, "Show the objects of all namespaces")
	command.Flags().BoolVar(&flags.byNamespace, "by-namespace", false, "Show the sums of each namespace")
	addFormat(command, &flags.format)
	return command
}

func (s *session) runTop(ctx context.Context, flags topFlags) error {
	kube, err := s.client()
	if err != nil {
		return err
	}
	objects, err := s.objects(ctx, kube, nil, flags.targets)
	if err != nil {
		return err
	}
	now := time.Now()
	rows := make([]usage, 0, len(objects))
	for _, object := range objects {
		rows = append(rows, usageOf(object.Cluster, now))
	}
	if flags.byNamespace {
		rows = sums(rows)
	}
	slices.SortFunc(rows, func(a, b usage) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	if done, err := s.encoded(flags.format, rows); done {
		return err
	}
	if len(rows) == 0 {
		fmt.Fprintln(s.streams.ErrOut, "no objects")
		return nil
	}
	return s.showUsage(rows, flags)
}

// usageOf returns the use of an object. A cluster that is down has no nodes.
func usageOf(object *v1alpha1.DatabricksCluster, now time.Time) usage {
	status := object.Status
	row := usage{Namespace: object.Namespace, Name: object.Name, State: status.State}
	if effective := status.Effective; effective != nil {
		row.NodeType = effective.NodeTypeID
	}
	isUp := slices.Contains([]string{"RUNNING", "RESIZING", "RESTARTING", "PENDING"}, status.State)
	if !isUp {
		return row
	}
	row.Clusters, row.Nodes = 1, 1
	if status.NumWorkers != nil {
		row.Nodes += int(*status.NumWorkers)
	}
	for _, at := range []*time.Time{restarted(object), started(object)} {
		if at != nil {
			row.UptimeSeconds = int64(now.Sub(*at).Seconds())
			break
		}
	}
	return row
}

func restarted(object *v1alpha1.DatabricksCluster) *time.Time {
	if object.Status.LastRestartedTime == nil {
		return nil
	}
	return &object.Status.LastRestartedTime.Time
}

func started(object *v1alpha1.DatabricksCluster) *time.Time {
	if object.Status.StartTime == nil {
		return nil
	}
	return &object.Status.StartTime.Time
}

// sums returns the sums of each namespace.
func sums(rows []usage) []usage {
	byNamespace := map[string]usage{}
	for _, row := range rows {
		sum := byNamespace[row.Namespace]
		sum.Namespace = row.Namespace
		sum.Clusters += row.Clusters
		sum.Nodes += row.Nodes
		sum.UptimeSeconds = max(sum.UptimeSeconds, row.UptimeSeconds)
		byNamespace[row.Namespace] = sum
	}
	return slices.Collect(maps.Values(byNamespace))
}

func (s *session) showUsage(rows []usage, flags topFlags) error {
	header := []string{"NAME", "STATE", "NODES", "UPTIME", "NODE TYPE"}
	switch {
	case flags.byNamespace:
		header = []string{"NAMESPACE", "CLUSTERS", "NODES", "LONGEST"}
	case flags.everywhere:
		header = append([]string{"NAMESPACE"}, header...)
	}
	cells := make([][]string, 0, len(rows))
	for _, row := range rows {
		uptime := age(time.Unix(row.UptimeSeconds, 0).Add(time.Hour), time.Unix(0, 0).Add(time.Hour))
		if row.UptimeSeconds == 0 {
			uptime = ""
		}
		nodes := strconv.Itoa(row.Nodes)
		switch {
		case flags.byNamespace:
			cells = append(cells, []string{row.Namespace, strconv.Itoa(row.Clusters), nodes, uptime})
		case flags.everywhere:
			cells = append(cells, []string{row.Namespace, row.Name, row.State, nodes, uptime, row.NodeType})
		default:
			cells = append(cells, []string{row.Name, row.State, nodes, uptime, row.NodeType})
		}
	}
	return table(s.streams.Out, header, cells)
}
