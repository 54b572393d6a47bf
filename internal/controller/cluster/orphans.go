package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// orphans searches for clusters that have this operator's owner tag and no object. It
// logs and counts them, and never changes them. It is independent of the creation, which
// should leave none.
type orphans struct {
	reader     client.Reader
	registry   *cache.Registry
	operatorID string
	// searchInterval is the interval of the searches, and surveyInterval that of the lists
	// that are made for them.
	searchInterval, surveyInterval time.Duration
	logger                         logr.Logger
	recorder                       events.EventRecorder
	// unused are the connections that no object uses any more.
	unused *unusedConnections
	// onFound is called with the number of orphans by host.
	onFound func(byHost map[string]int)
	// logged are the orphans that were logged before. duplicates are the clusters that the
	// last search found in addition to the cluster of an existing object, and told are those
	// of an earlier object that the events of a later one name.
	logged, duplicates, told map[cache.Tagged]bool
}

const (
	// searchesPerSurvey is the number of searches for which one list is requested: every 6
	// hours, if the interval of the searches is 5 minutes.
	searchesPerSurvey = 72
	// looksPerSearch is how often the objects are looked at between two searches, so that
	// the deletion of the last object of a connection is noticed: every 10 seconds, and not
	// more often than minLookInterval, since each look is at all objects.
	looksPerSearch  = 30
	minLookInterval = 100 * time.Millisecond
)

func newOrphans(mgr ctrl.Manager, connect *connector.Connector, options Options) *orphans {
	logger := mgr.GetLogger().WithName("orphans")
	return &orphans{
		reader:         mgr.GetClient(),
		registry:       connect.Registry,
		operatorID:     options.OperatorID,
		searchInterval: options.Orphans,
		surveyInterval: searchesPerSurvey * options.Orphans,
		logger:         logger,
		recorder:       mgr.GetEventRecorder("databricks-operator"),
		unused:         newUnusedConnections(connect, options.UnusedConnections, logger, searchesPerSurvey*options.Orphans),
		onFound:        options.OnOrphans,
	}
}

// Start searches until ctx ends.
func (o *orphans) Start(ctx context.Context) error {
	began := time.Now()
	looks := time.NewTicker(max(o.searchInterval/looksPerSearch, minLookInterval))
	searches, surveys := time.NewTicker(o.searchInterval), time.NewTicker(o.surveyInterval)
	defer looks.Stop()
	defer searches.Stop()
	defer surveys.Stop()
	firstSurvey := sync.OnceFunc(func() { o.registry.Survey(began) })
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-looks.C:
			err = o.look(ctx)
		case now := <-surveys.C:
			o.registry.Survey(now)
		case <-searches.C:
			firstSurvey()
			err = o.search(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.logger.Error(err, "the search for clusters without an object failed")
		}
	}
}

// look notices the connections whose last object was deleted.
func (o *orphans) look(ctx context.Context) error {
	var objects v1alpha1.DatabricksClusterList
	if err := o.reader.List(ctx, &objects, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list the objects: %w", err)
	}
	o.unused.update(ctx, objects.Items, time.Now())
	return nil
}

// search compares the tagged clusters of every workspace with the objects.
func (o *orphans) search(ctx context.Context) error {
	var objects v1alpha1.DatabricksClusterList
	if err := o.reader.List(ctx, &objects, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list the objects: %w", err)
	}
	known, byUID, byName := map[string]bool{}, map[string]*v1alpha1.DatabricksCluster{}, map[string]*v1alpha1.DatabricksCluster{}
	for i := range objects.Items {
		object := &objects.Items[i]
		byUID[string(object.UID)] = object
		byName[owner.Of(o.operatorID, string(object.UID), object.Namespace, object.Name).Name] = object
		known[object.Status.ClusterID] = true
		known[object.Spec.ClusterID] = true
	}
	o.unused.update(ctx, objects.Items, time.Now())
	o.unused.search(ctx, time.Now())
	counts, found, duplicates, told := map[string]int{}, map[cache.Tagged]bool{}, map[cache.Tagged]bool{}, map[cache.Tagged]bool{}
	for _, tagged := range append(o.registry.Tagged(v1alpha1.OwnerTagKey), o.unused.tagged()...) {
		of := owner.Parse(tagged.Value)
		if of.Operator != o.operatorID || known[tagged.ClusterID] || found[tagged] {
			continue
		}
		if object := byUID[of.UID]; object != nil {
			duplicates[tagged] = hasAnother(object)
			if !duplicates[tagged] || !o.duplicates[tagged] {
				// The list may be older than an id that was just stored.
				continue
			}
		}
		counts[tagged.Host]++
		found[tagged] = true
		if !o.logged[tagged] {
			o.logger.Info("cluster belongs to no object", "host", tagged.Host, "clusterID", tagged.ClusterID, "owner", tagged.Value)
		}
		told[tagged] = o.told[tagged] || o.tell(byName[of.Name], tagged)
	}
	o.logged, o.duplicates, o.told = found, duplicates, told
	o.onFound(counts)
	return nil
}

// tell emits an event about the cluster of an earlier object of the same name, which a
// restored object did not adopt, and reports whether it did. later is nil if there is no
// such object.
func (o *orphans) tell(later *v1alpha1.DatabricksCluster, tagged cache.Tagged) bool {
	if later == nil || later.Status.ClusterID == "" || later.Status.Host != tagged.Host {
		return false
	}
	o.recorder.Eventf(later, nil, corev1.EventTypeWarning, report.EventEarlierCluster, "Reconcile",
		"cluster %s was created for an earlier object of this name, and no object uses it: delete it in the workspace; "+
			"with adoptionPolicy: AdoptOrCreate this object would have adopted it", tagged.ClusterID)
	return true
}

// hasAnother reports whether an object has a cluster in its status and no creation in
// progress, so that another cluster with its tag is a duplicate.
func hasAnother(object *v1alpha1.DatabricksCluster) bool {
	creation := object.Status.Creation
	return object.Status.ClusterID != "" && (creation == nil || creation.Token == "")
}
