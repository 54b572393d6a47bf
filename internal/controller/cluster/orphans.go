package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
)

// orphans is the second, independent net against clusters that nobody knows of:
// it looks for those with this operator's owner tag and no object. It tells and
// counts them, and never acts on them.
type orphans struct {
	reader     client.Reader
	registry   *cache.Registry
	operatorID string
	every      time.Duration
	// survey is how often workspaces are listed for it, at the latest.
	survey time.Duration
	logger logr.Logger
	// found is told how many there are, by host.
	found func(byHost map[string]int)
	// told are those that were told before, duplicates those that the last look found
	// beside the cluster of a living object.
	told, duplicates map[cache.Tagged]bool
}

// surveysPerLook spaces the lists that are made for the report alone: every 6
// hours, where the report is every 5 minutes.
const surveysPerLook = 72

func newOrphans(mgr ctrl.Manager, registry *cache.Registry, options Options) *orphans {
	return &orphans{
		reader:     mgr.GetClient(),
		registry:   registry,
		operatorID: options.OperatorID,
		every:      options.Orphans,
		survey:     surveysPerLook * options.Orphans,
		logger:     mgr.GetLogger().WithName("orphans"),
		found:      options.OnOrphans,
	}
}

// Start looks for orphans now and then, until ctx ends.
func (o *orphans) Start(ctx context.Context) error {
	ticker, surveys := time.NewTicker(o.every), time.NewTicker(o.survey)
	defer ticker.Stop()
	defer surveys.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-surveys.C:
			o.registry.Survey()
		case <-ticker.C:
			if err := o.look(ctx); err != nil {
				o.logger.Error(err, "looking for orphaned clusters failed")
			}
		}
	}
}

// look compares the tagged clusters of every workspace with the objects.
func (o *orphans) look(ctx context.Context) error {
	var objects v1alpha1.DatabricksClusterList
	if err := o.reader.List(ctx, &objects); err != nil {
		return fmt.Errorf("list the objects: %w", err)
	}
	known, living := map[string]bool{}, map[string]*v1alpha1.DatabricksCluster{}
	for i := range objects.Items {
		object := &objects.Items[i]
		living[string(object.UID)] = object
		known[object.Status.ClusterID] = true
		known[object.Spec.ClusterID] = true
	}
	counts, found, duplicates := map[string]int{}, map[cache.Tagged]bool{}, map[cache.Tagged]bool{}
	for _, tagged := range o.registry.Tagged(v1alpha1.OwnerTagKey) {
		operator, uid, _ := strings.Cut(tagged.Value, "-")
		if operator != o.operatorID || known[tagged.ClusterID] {
			continue
		}
		if object := living[uid]; object != nil {
			duplicates[tagged] = hasAnother(object)
			if !duplicates[tagged] || !o.duplicates[tagged] {
				// A list may be older than the id that was just stored.
				continue
			}
		}
		counts[tagged.Host]++
		found[tagged] = true
		if !o.told[tagged] {
			o.logger.Info("cluster belongs to no object", "host", tagged.Host, "clusterID", tagged.ClusterID, "owner", tagged.Value)
		}
	}
	o.told, o.duplicates = found, duplicates
	o.found(counts)
	return nil
}

// hasAnother reports that an object has a cluster on record and no creation under
// way, so that a cluster which carries its tag is one too many.
func hasAnother(object *v1alpha1.DatabricksCluster) bool {
	creation := object.Status.Creation
	return object.Status.ClusterID != "" && (creation == nil || creation.Token == "")
}
