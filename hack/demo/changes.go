package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

const (
	// changeTimeout is several times the duration of a restart.
	changeTimeout = time.Minute
	// replicas is a size that differs from all samples.
	replicas = 3
	// editedConf is the key of an edit that is made twice.
	editedConf  = "spark.sql.shuffle.partitions"
	editedPatch = `{"spec":{"sparkConf":{"` + editedConf + `":"64"}}}`
)

// scale does what kubectl scale does: it patches the scale subresource.
func (d *demo) scale(ctx context.Context) error {
	cluster, err := d.sample("spec.numWorkers", hasFixedSize)
	if err != nil {
		return err
	}
	name := cluster.Name
	d.screen.section("Scale", fmt.Sprintf("kubectl scale dbc/%s --replicas=%d, without a restart", name, replicas))
	d.board.startSection([]string{name})
	return d.expectWrites(ctx, []string{"clusters/resize"}, func() error {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
		if err := d.environment.api.SubResource("scale").Patch(ctx, cluster, patch, client.WithSubResourceBody(&autoscalingv1.Scale{})); err != nil {
			return fmt.Errorf("scale %s: %w", name, err)
		}
		d.figures.own++
		return d.awaitMilestones(ctx, name, changeTimeout,
			milestone{"be resized", hasReason(v1alpha1.ConditionReconciling, v1alpha1.ReasonResizing)},
			milestone{fmt.Sprintf("run with %d workers", replicas), func(c v1alpha1.DatabricksCluster) bool {
				return running(c) && c.Status.NumWorkers != nil && *c.Status.NumWorkers == replicas
			}})
	})
}

// edit changes a field of a running cluster that requires a restart.
func (d *demo) edit(ctx context.Context) error {
	cluster, err := d.sample("spec.numWorkers", hasFixedSize)
	if err != nil {
		return err
	}
	d.screen.section("Edit", "kubectl patch dbc/"+cluster.Name+" --type=merge -p '"+editedPatch+"', which restarts the cluster at once")
	d.board.startSection([]string{cluster.Name})
	return d.expectWrites(ctx, []string{"clusters/update"}, func() error {
		if err := d.patch(ctx, cluster); err != nil {
			return err
		}
		return d.awaitMilestones(ctx, cluster.Name, changeTimeout,
			milestone{"be updated", hasReason(v1alpha1.ConditionReconciling, v1alpha1.ReasonUpdating, v1alpha1.ReasonRestarting)},
			milestone{"restart", func(c v1alpha1.DatabricksCluster) bool { return c.Status.State == "RESTARTING" }},
			milestone{"run again as declared", func(c v1alpha1.DatabricksCluster) bool {
				return running(c) && hasReason(v1alpha1.ConditionSynced, v1alpha1.ReasonInSync)(c)
			}})
	})
}

// deferEdit makes the same edit to an object that defers restarts.
func (d *demo) deferEdit(ctx context.Context) error {
	cluster, err := d.sample("spec.updateStrategy.type OnTermination", func(spec v1alpha1.DatabricksClusterSpec) bool {
		return spec.UpdateStrategy != nil && spec.UpdateStrategy.Type == v1alpha1.UpdateStrategyOnTermination
	})
	if err != nil {
		return err
	}
	d.screen.section("Defer", "the same edit of "+cluster.Name+", whose updateStrategy OnTermination defers it until the cluster terminates")
	d.board.startSection([]string{cluster.Name})
	return d.expectWrites(ctx, nil, func() error {
		if err := d.patch(ctx, cluster); err != nil {
			return err
		}
		return d.awaitMilestones(ctx, cluster.Name, changeTimeout,
			milestone{"be Ready with its change deferred", func(c v1alpha1.DatabricksCluster) bool {
				return hasReason(v1alpha1.ConditionReady, v1alpha1.ReasonChangesDeferred)(c) &&
					hasReason(v1alpha1.ConditionSynced, v1alpha1.ReasonPendingRestart)(c) &&
					slices.Equal(c.Status.PendingChanges, []string{"/sparkConf/" + editedConf}) && c.Status.State == "RUNNING"
			}})
	})
}

func (d *demo) patch(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	if err := d.environment.api.Patch(ctx, cluster, client.RawPatch(types.MergePatchType, []byte(editedPatch))); err != nil {
		return fmt.Errorf("patch %s: %w", cluster.Name, err)
	}
	d.figures.own++
	return nil
}

// sample returns the current state of the first sample that matches.
func (d *demo) sample(what string, matches func(v1alpha1.DatabricksClusterSpec) bool) (*v1alpha1.DatabricksCluster, error) {
	for _, name := range d.names() {
		if now, exists := d.board.objects[name]; exists && matches(now.cluster.Spec) {
			return now.cluster.DeepCopy(), nil
		}
	}
	return nil, errors.New("the demo needs a sample with " + what + "; see --samples")
}

func hasFixedSize(spec v1alpha1.DatabricksClusterSpec) bool { return spec.NumWorkers != nil }

// milestone is a state that an object must reach.
type milestone struct {
	what    string
	reached func(v1alpha1.DatabricksCluster) bool
}

// awaitMilestones prints changes until an object has reached all of these
// states, in order.
func (d *demo) awaitMilestones(ctx context.Context, name string, limit time.Duration, milestones ...milestone) error {
	for _, next := range milestones {
		if err := d.until(ctx, "waiting for "+name+" to "+next.what, limit, func() bool {
			now, exists := d.board.objects[name]
			return exists && next.reached(now.cluster)
		}); err != nil {
			return d.withObjects(err)
		}
	}
	return nil
}

func running(cluster v1alpha1.DatabricksCluster) bool {
	return hasReason(v1alpha1.ConditionReady, v1alpha1.ReasonRunning)(cluster)
}

// hasReason returns a function that reports whether an object has a condition
// with one of these reasons.
func hasReason(kind string, reasons ...string) func(v1alpha1.DatabricksCluster) bool {
	return func(cluster v1alpha1.DatabricksCluster) bool {
		condition := find(cluster.Status.Conditions, kind)
		if condition == nil || !slices.Contains(reasons, condition.Reason) {
			return false
		}
		return condition.Status == metav1.ConditionTrue || kind == v1alpha1.ConditionSynced
	}
}
