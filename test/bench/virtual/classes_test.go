package virtual

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// slowest is the rate in calls per second at which classes compete.
const slowest = 4

var narrow = cache.Limits{Start: slowest, Max: slowest}

// P6 in tokens: one is what the gate lets through at the rate that it has found,
// which is the workspace's limit less the headroom.
const token = time.Second / slowest

// tight is the limit at which a gate that leaves the headroom finds slowest.
var tight = []simulator.Limit{{Rate: slowest / (1 - headroom)}}

// P6: a terminate while all that the gate lets through is wanted by reads.
func TestTerminateBehindReads(t *testing.T) {
	measuring(t)
	var all []float64
	for range runs() {
		inWorld(t, cache.Options{Limits: cache.Limits{Headroom: headroom}}, simulator.Options{Limits: tight}, func(w *world) {
			ids := w.fill("c", 300)
			doomed := w.fill("d", 50)
			connected := w.watchAll(ids)
			ctx, stop := context.WithCancel(w.t.Context())
			var reading sync.WaitGroup
			defer reading.Wait()
			defer stop()
			reading.Go(func() { // more than can be had is wanted, always
				for ctx.Err() == nil {
					for _, id := range ids {
						w.connect(objectOf(id)).Subscribe(cache.Interest{ClusterID: id, SpecAfter: time.Now()})
					}
					<-time.After(30 * time.Second)
				}
			})
			pass(2 * time.Minute)
			for _, id := range doomed {
				asked := time.Now()
				first := true // a 429 is the workspace's doing, and P5's matter
				w.do(connected, cache.Write{Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/delete", ClusterID: id}, func(ctx context.Context, api databricks.Writer) error {
					if first {
						all = append(all, float64(time.Since(asked))/float64(token))
					}
					first = false
					return api.Terminate(ctx, id)
				})
				<-time.After(3 * time.Second)
			}
		})
	}
	note(t, "P6.terminate", 0, figures.Quantile(1, all...))
}

// P6: the lowest class while writes take all there is. Its interval is how often
// it is due; it lasts twice that when a whole turn was lost.
func TestLowestClassBehindWrites(t *testing.T) {
	measuring(t)
	const clusters, writers = 20, 40
	deep := 20 * time.Minute
	var worst float64
	inWorld(t, cache.Options{Limits: narrow, Deep: deep}, simulator.Options{
		Behaviour: simulator.Behaviour{StartIsNoOp: true},
	}, func(w *world) {
		foreign := w.fill("foreign", 1)[0]
		ids := w.fill("c", clusters)
		connected := w.watchAll(ids)
		pass(time.Hour) // the first are put off
		ctx, stop := context.WithCancel(w.t.Context())
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for ctx.Err() == nil { // not the cluster's own, so that nothing is looked at for it
					w.do(connected, creation, func(ctx context.Context, api databricks.Writer) error {
						return api.Start(ctx, foreign)
					})
				}
			})
		}
		began := time.Now()
		pass(pick(2*time.Hour, 6*time.Hour))
		ended := time.Now()
		stop()
		all.Wait()
		for _, id := range ids {
			last := began
			for _, at := range w.ledger.times(func(e entry) bool { return e.cluster == id }) {
				if at.After(began) && at.Before(ended) {
					worst = max(worst, at.Sub(last).Minutes()/deep.Minutes())
					last = at
				}
			}
			worst = max(worst, ended.Sub(last).Minutes()/deep.Minutes())
		}
	})
	note(t, "P6.lowest", 0, worst)
}
