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

// scarceRate is the rate in calls per second for which classes compete.
const scarceRate = 4

var narrow = cache.Limits{Start: scarceRate, Max: scarceRate}

// P6 in tokens: one token is the interval of calls at the rate that the rate
// limiter has learned, the workspace's limit less the headroom.
const token = time.Second / scarceRate

// scarceLimit is the limit at which a rate limiter with headroom learns
// scarceRate.
var scarceLimit = []simulator.Limit{{Rate: scarceRate / (1 - headroom)}}

// P6: a terminate while reads demand more than the rate limiter admits.
func TestTerminateBehindReads(t *testing.T) {
	skipUnlessBenchmarking(t, "P6")
	var all []float64
	for range runs() {
		runVirtual(t, cache.Options{Limits: cache.Limits{Headroom: headroom}}, simulator.Options{Limits: scarceLimit}, func(w *fixture) {
			ids := w.addClusters("c", 300)
			doomed := w.addClusters("d", 50)
			connected := w.watchAll(ids)
			ctx, stop := context.WithCancel(w.t.Context())
			var reading sync.WaitGroup
			defer reading.Wait()
			defer stop()
			reading.Go(func() { // the demand always exceeds the rate
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
				first := true // a 429 comes from the workspace and is measured by P5
				w.writeWithRetry(connected, cache.Write{Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/delete", ClusterID: id}, func(ctx context.Context, api databricks.Writer) error {
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
	saveFigure(t, "P6.terminate", 0, figures.Quantile(1, all...))
}

// P6: the lowest class while writes use the whole rate. Its interval is its
// period; a pause is twice the period after one missed turn.
func TestLowestClassBehindWrites(t *testing.T) {
	skipUnlessBenchmarking(t, "P6")
	const clusters, writers = 20, 40
	deep := 20 * time.Minute
	var worst float64
	runVirtual(t, cache.Options{Limits: narrow, Deep: deep}, simulator.Options{
		Behaviour: simulator.Behaviour{StartIsNoOp: true},
	}, func(w *fixture) {
		foreign := w.addClusters("foreign", 1)[0]
		ids := w.addClusters("c", clusters)
		connected := w.watchAll(ids)
		pass(time.Hour) // the first lists are delayed
		ctx, stop := context.WithCancel(w.t.Context())
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for ctx.Err() == nil { // a cluster without an object, so that the cache does not read it
					w.writeWithRetry(connected, creation, func(ctx context.Context, api databricks.Writer) error {
						return api.Start(ctx, foreign)
					})
				}
			})
		}
		began := time.Now()
		pass(byMode(2*time.Hour, 6*time.Hour))
		ended := time.Now()
		stop()
		all.Wait()
		for _, id := range ids {
			last := began
			for _, at := range w.requestLog.times(func(e entry) bool { return e.cluster == id }) {
				if at.After(began) && at.Before(ended) {
					worst = max(worst, at.Sub(last).Minutes()/deep.Minutes())
					last = at
				}
			}
			worst = max(worst, ended.Sub(last).Minutes()/deep.Minutes())
		}
	})
	saveFigure(t, "P6.lowest", 0, worst)
}
