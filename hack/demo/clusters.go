package main

import (
	"context"
	"fmt"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// Two objects in addition to the samples: one for an existing cluster, one
// whose cluster cannot start.
const (
	adoptedName = "legacy"
	failingName = "broken"
	// eventTimeout is how long an event may take after its cause.
	eventTimeout = 15 * time.Second
)

// adopt adopts a cluster of another user, which is kept when the object is
// deleted.
func (d *demo) adopt(ctx context.Context) error {
	var made struct {
		ID string `json:"cluster_id"`
	}
	seed := simulator.Seed{State: simulator.Running, Spec: map[string]any{"cluster_name": "legacy-reports", "num_workers": 2}}
	if err := d.environment.callSimulator(ctx, "clusters", seed, &made); err != nil {
		return err
	}
	d.adopted = made.ID
	d.screen.section("Adopt", "a cluster that another user created in the workspace, by spec.clusterID: "+made.ID)
	return d.expectWrites(ctx, nil, func() error {
		cluster := object(adoptedName)
		cluster.Spec.ClusterID, cluster.Spec.NumWorkers = made.ID, new(int32(2))
		if err := d.create(ctx, cluster); err != nil {
			return err
		}
		if err := d.awaitMilestones(ctx, cluster.Name, changeTimeout, milestone{"be adopted and run", func(c v1alpha1.DatabricksCluster) bool {
			return running(c) && c.Status.Adopted && c.Status.ClusterID == made.ID
		}}); err != nil {
			return err
		}
		if err := d.printEvent(ctx, cluster, "Adopted"); err != nil {
			return err
		}
		d.screen.line("  %s", d.screen.dim("kubectl delete dbc/"+cluster.Name+", whose default deletionPolicy is Retain"))
		return d.remove(ctx, cluster)
	})
}

// failLaunch makes the next launch fail like a broken init script.
func (d *demo) failLaunch(ctx context.Context) error {
	d.screen.section("Fail", "an object whose cluster's init script fails: kubectl apply, and kubectl delete once the status reports it")
	reason := simulator.TerminationReason{
		Code: "INIT_SCRIPT_FAILURE", Type: v1alpha1.TerminationTypeClientError,
		Parameters: map[string]string{"instance_id": "i-0f3a8c21", "databricks_error_message": "Cluster scoped init script failed: exit code 3"},
	}
	fault := simulator.Fault{Endpoint: "clusters/create", Times: 1, Launch: &reason}
	if err := d.environment.callSimulator(ctx, "faults", fault, nil); err != nil {
		return err
	}
	return d.expectWrites(ctx, []string{"clusters/create", "clusters/permanent-delete"}, func() error {
		cluster := object(failingName)
		cluster.Spec.SparkVersion, cluster.Spec.NodeTypeID = "16.4.x-scala2.12", "Standard_D4ds_v5"
		cluster.Spec.NumWorkers, cluster.Spec.AutoterminationMinutes = new(int32(1)), new(int32(30))
		if err := d.create(ctx, cluster); err != nil {
			return err
		}
		if err := d.awaitMilestones(ctx, cluster.Name, readyTimeout, milestone{"stall with " + reason.Code, func(c v1alpha1.DatabricksCluster) bool {
			got := c.Status.TerminationReason
			return hasReason(v1alpha1.ConditionStalled, v1alpha1.ReasonStartFailed)(c) &&
				got != nil && got.Code == reason.Code && got.Parameters["instance_id"] == reason.Parameters["instance_id"]
		}}); err != nil {
			return err
		}
		if err := d.printEvent(ctx, cluster, v1alpha1.ReasonStartFailed); err != nil {
			return err
		}
		return d.remove(ctx, cluster)
	})
}

func object(name string) *v1alpha1.DatabricksCluster {
	return &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func (d *demo) create(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	d.board.startSection([]string{cluster.Name})
	if err := d.environment.api.Create(ctx, cluster); err != nil {
		return fmt.Errorf("create %s: %w", cluster.Name, err)
	}
	return nil
}

// remove deletes an object and prints changes until it is gone.
func (d *demo) remove(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	if err := d.environment.api.Delete(ctx, cluster); err != nil {
		return fmt.Errorf("delete %s: %w", cluster.Name, err)
	}
	d.figures.own++
	if err := d.until(ctx, "waiting for "+cluster.Name+" to be deleted", deleteTimeout, func() bool {
		_, exists := d.board.objects[cluster.Name]
		return !exists
	}); err != nil {
		return d.withObjects(err)
	}
	return nil
}

// printEvent waits for an event of an object and prints it.
func (d *demo) printEvent(ctx context.Context, cluster *v1alpha1.DatabricksCluster, reason string) error {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, eventTimeout, true, func(ctx context.Context) (bool, error) {
		var events eventsv1.EventList
		if err := d.environment.api.List(ctx, &events, client.InNamespace(namespace)); err != nil {
			return false, fmt.Errorf("list the events: %w", err)
		}
		for i := range events.Items {
			if event := &events.Items[i]; event.Regarding.UID == cluster.UID && event.Reason == reason {
				d.board.detail("event " + event.Type + " " + event.Reason + ": " + event.Note)
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the event %s about %s: %w", reason, cluster.Name, err)
	}
	return nil
}
