package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/spf13/cobra"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

type eventsFlags struct {
	follow bool
	limit  int
}

func (s *session) eventsCommand() *cobra.Command {
	var flags eventsFlags
	command := &cobra.Command{
		Use:   "events NAME [-f]",
		Short: "Show the events of a cluster in Databricks",
		Long: "Events shows what Databricks recorded about the cluster of an object, such as starts,\n" +
			"resizes, failures and terminations, the oldest first. For what the operator did, see\n" +
			"'kubectl events --for databrickscluster/NAME'.",
		Example:           "  kubectl dbc events etl\n  kubectl dbc events etl -f",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeClusters,
		RunE: func(command *cobra.Command, args []string) error {
			return s.runEvents(command.Context(), args[0], flags)
		},
	}
	command.Flags().BoolVarP(&flags.follow, "follow", "f", false, "Show new events as they come, until interrupted")
	command.Flags().IntVar(&flags.limit, "limit", 50, "Number of past events, 1 to 500")
	return command
}

// followInterval is how often new events are asked for.
const followInterval = 5 * time.Second

func (s *session) runEvents(ctx context.Context, name string, flags eventsFlags) error {
	if flags.limit < 1 || flags.limit > 500 {
		return errors.New("--limit must be 1 to 500")
	}
	cluster, err := s.clusterOf(ctx, name, "kubectl dbc events")
	if err != nil {
		return err
	}
	object := target.Of(cluster)
	id, err := idOf(object)
	if err != nil {
		return err
	}
	line := s.line()
	defer line.Clear()
	work, err := s.connect(ctx, line)
	if err != nil {
		return err
	}
	if err := sameHost(object, work); err != nil {
		return err
	}
	page, err := work.Events(ctx, databricks.EventQuery{ClusterID: id, PageSize: flags.limit})
	if err != nil {
		return fmt.Errorf("read the events of cluster %s: %w", id, err)
	}
	line.Clear()
	slices.Reverse(page.Events)
	for i := range page.Events {
		s.showEvent(&page.Events[i])
	}
	if len(page.Events) == 0 && !flags.follow {
		fmt.Fprintln(s.streams.ErrOut, "no events")
	}
	if !flags.follow {
		return nil
	}
	return s.followEvents(ctx, work, id, page.Events)
}

// followEvents shows new events until ctx ends.
func (s *session) followEvents(ctx context.Context, work *workspace.Workspace, id string, shown []compute.ClusterEvent) error {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	var since int64
	seen := map[string]bool{}
	for i := range shown {
		since = max(since, shown[i].Timestamp)
		seen[keyOf(&shown[i])] = true
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		query := databricks.EventQuery{ClusterID: id, PageSize: 500, Since: since, Order: compute.GetEventsOrderAsc}
		page, err := work.Events(ctx, query)
		if databricks.ClassOf(err) == databricks.ClassUnauthenticated {
			// An OAuth token lasts for an hour.
			if work, err = s.connect(ctx, nil); err == nil {
				page, err = work.Events(ctx, query)
			}
		}
		if err != nil {
			return fmt.Errorf("read the events of cluster %s: %w", id, err)
		}
		for i := range page.Events {
			event := &page.Events[i]
			// Several events may have the same time.
			if seen[keyOf(event)] {
				continue
			}
			seen[keyOf(event)] = true
			since = max(since, event.Timestamp)
			s.showEvent(event)
		}
	}
}

func keyOf(event *compute.ClusterEvent) string {
	return fmt.Sprint(event.Timestamp, " ", event.Type)
}

// showEvent writes an event on one line.
func (s *session) showEvent(event *compute.ClusterEvent) {
	at := time.UnixMilli(event.Timestamp).UTC().Format("2006-01-02 15:04:05Z")
	fmt.Fprintln(s.streams.Out, strings.TrimSpace(fmt.Sprintf("%s  %-22s %s", at, event.Type, oneLine(details(event.Details)))))
}

// details returns what a reader wants to know of an event.
func details(of *compute.EventDetails) string {
	if of == nil {
		return ""
	}
	var parts []string
	if of.User != "" {
		parts = append(parts, "by "+of.User)
	}
	if reason := of.Reason; reason != nil {
		parts = append(parts, fmt.Sprintf("%s (%s)", reason.Code, reason.Type))
		for _, name := range []string{"databricks_error_message", "inactivity_duration_min", "username"} {
			if value := reason.Parameters[name]; value != "" {
				parts = append(parts, value)
			}
		}
	}
	switch of.TargetNumWorkers {
	case 0:
	case of.CurrentNumWorkers:
		parts = append(parts, counted(of.TargetNumWorkers, "worker"))
	default:
		parts = append(parts, fmt.Sprintf("%d -> %d workers", of.CurrentNumWorkers, of.TargetNumWorkers))
	}
	if of.Cause != "" {
		parts = append(parts, string(of.Cause))
	}
	if of.DriverStateMessage != "" {
		parts = append(parts, of.DriverStateMessage)
	}
	return strings.Join(parts, ", ")
}
