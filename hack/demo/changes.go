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
	// changedWithin fits a restart many times over.
	changedWithin = time.Minute
	// replicas is a size that no sample has.
	replicas = 3
	// editedConf is edited in the same way twice.
	editedConf  = "spark.sql.shuffle.partitions"
	editedPatch = `{"spec":{"sparkConf":{"` + editedConf + `":"64"}}}`
)

// scale is kubectl scale: a patch of the scale subresource.
func (d *demo) scale(ctx context.Context) error {
	cluster, err := d.sample("spec.numWorkers", ofFixedSize)
	if err != nil {
		return err
	}
	name := cluster.Name
	d.screen.section("Scale", fmt.Sprintf("kubectl scale dbc/%s --replicas=%d, which restarts nothing", name, replicas))
	d.board.expect([]string{name})
	return d.asking(ctx, []string{"clusters/resize"}, func() error {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
		if err := d.world.api.SubResource("scale").Patch(ctx, cluster, patch, client.WithSubResourceBody(&autoscalingv1.Scale{})); err != nil {
			return fmt.Errorf("scale %s: %w", name, err)
		}
		d.figures.own++
		return d.passes(ctx, name, changedWithin,
			milestone{"be resized", is(v1alpha1.ConditionReconciling, v1alpha1.ReasonResizing)},
			milestone{fmt.Sprintf("run with %d workers", replicas), func(c v1alpha1.DatabricksCluster) bool {
				return running(c) && c.Status.NumWorkers != nil && *c.Status.NumWorkers == replicas
			}})
	})
}

// edit changes a running cluster in a way that only a restart brings about.
func (d *demo) edit(ctx context.Context) error {
	cluster, err := d.sample("spec.numWorkers", ofFixedSize)
	if err != nil {
		return err
	}
	d.screen.section("Edit", "kubectl patch dbc/"+cluster.Name+" --type=merge -p '"+editedPatch+"', which restarts the cluster at once")
	d.board.expect([]string{cluster.Name})
	return d.asking(ctx, []string{"clusters/update"}, func() error {
		if err := d.patch(ctx, cluster); err != nil {
			return err
		}
		return d.passes(ctx, cluster.Name, changedWithin,
			milestone{"be updated", is(v1alpha1.ConditionReconciling, v1alpha1.ReasonUpdating, v1alpha1.ReasonRestarting)},
			milestone{"restart", func(c v1alpha1.DatabricksCluster) bool { return c.Status.State == "RESTARTING" }},
			milestone{"run again as declared", func(c v1alpha1.DatabricksCluster) bool {
				return running(c) && is(v1alpha1.ConditionSynced, v1alpha1.ReasonInSync)(c)
			}})
	})
}

// deferEdit is the same edit where the object asks not to be disturbed.
func (d *demo) deferEdit(ctx context.Context) error {
	cluster, err := d.sample("spec.updateStrategy.type OnTermination", func(spec v1alpha1.DatabricksClusterSpec) bool {
		return spec.UpdateStrategy != nil && spec.UpdateStrategy.Type == v1alpha1.UpdateStrategyOnTermination
	})
	if err != nil {
		return err
	}
	d.screen.section("Defer", "the same edit of "+cluster.Name+", whose updateStrategy OnTermination has it wait until nobody uses the cluster")
	d.board.expect([]string{cluster.Name})
	return d.asking(ctx, nil, func() error {
		if err := d.patch(ctx, cluster); err != nil {
			return err
		}
		return d.passes(ctx, cluster.Name, changedWithin,
			milestone{"be Ready with its change deferred", func(c v1alpha1.DatabricksCluster) bool {
				return is(v1alpha1.ConditionReady, v1alpha1.ReasonChangesDeferred)(c) &&
					is(v1alpha1.ConditionSynced, v1alpha1.ReasonPendingRestart)(c) &&
					slices.Equal(c.Status.PendingChanges, []string{"/sparkConf/" + editedConf}) && c.Status.State == "RUNNING"
			}})
	})
}

func (d *demo) patch(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	if err := d.world.api.Patch(ctx, cluster, client.RawPatch(types.MergePatchType, []byte(editedPatch))); err != nil {
		return fmt.Errorf("patch %s: %w", cluster.Name, err)
	}
	d.figures.own++
	return nil
}

// sample is the first of the samples, as it is now, that has something.
func (d *demo) sample(what string, has func(v1alpha1.DatabricksClusterSpec) bool) (*v1alpha1.DatabricksCluster, error) {
	for _, name := range d.names() {
		if now, exists := d.board.now[name]; exists && has(now.cluster.Spec) {
			return now.cluster.DeepCopy(), nil
		}
	}
	return nil, errors.New("none of the samples has " + what + ", which the demo shows; see --samples")
}

func ofFixedSize(spec v1alpha1.DatabricksClusterSpec) bool { return spec.NumWorkers != nil }

// milestone is what an object is to come to.
type milestone struct {
	what    string
	reached func(v1alpha1.DatabricksCluster) bool
}

// passes shows what happens until an object has come to all of these, in order.
func (d *demo) passes(ctx context.Context, name string, limit time.Duration, milestones ...milestone) error {
	for _, next := range milestones {
		if err := d.until(ctx, "waiting for "+name+" to "+next.what, limit, func() bool {
			now, exists := d.board.now[name]
			return exists && next.reached(now.cluster)
		}); err != nil {
			return d.withObjects(err)
		}
	}
	return nil
}

func running(cluster v1alpha1.DatabricksCluster) bool {
	return is(v1alpha1.ConditionReady, v1alpha1.ReasonRunning)(cluster)
}

// is tells whether an object has a condition for one of these reasons.
func is(kind string, reasons ...string) func(v1alpha1.DatabricksCluster) bool {
	return func(cluster v1alpha1.DatabricksCluster) bool {
		condition := find(cluster.Status.Conditions, kind)
		if condition == nil || !slices.Contains(reasons, condition.Reason) {
			return false
		}
		return condition.Status == metav1.ConditionTrue || kind == v1alpha1.ConditionSynced
	}
}
