package virtual

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// P13: the waiting time of one namespace while another has a thousand creates
// waiting, and while the workspace refuses all of these. The rate is fixed, so
// that a token has a fixed duration.
func TestNeighboursOfABurst(t *testing.T) {
	skipUnlessBenchmarking(t, "P13")
	bursts := map[string][]simulator.Fault{
		"creates": nil,
		"refused": {{Endpoint: "clusters/create", ClusterName: "", Status: 400, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Node type x is not supported"}},
	}
	for name, faults := range bursts {
		delays := map[string][]float64{}
		for range runs() {
			runVirtual(t, cache.Options{Limits: narrow}, simulator.Options{Faults: faults}, func(w *fixture) {
				measureNeighbour(w, delays)
			})
		}
		for _, call := range []string{"create", "resize", "delete"} {
			saveFigure(t, "P13."+name+"."+call, 0, figures.Quantile(1, delays[call]...))
		}
	}
}

// measureNeighbour measures the calls of one namespace during a burst of
// another.
func measureNeighbour(w *fixture, delays map[string][]float64) {
	const burst, rounds = 1_000, 10
	ids := w.addClusters("neighbour", 2*rounds)
	neighbour := w.connect(objectIn("neighbour", "one"))
	ctx, stop := context.WithCancel(w.t.Context())
	var waiting sync.WaitGroup
	for i := range burst {
		waiting.Go(func() {
			connected := w.connect(objectIn("burst", fmt.Sprintf("%04d", i)))
			for ctx.Err() == nil {
				w.attempt(ctx, connected, creation, func(ctx context.Context, api databricks.Writer) error {
					_, err := api.Create(ctx, createRequest("burst"))
					return err
				})
			}
		})
	}
	pass(time.Minute)
	for i := range rounds {
		for _, call := range neighbourCalls(ids[2*i], ids[2*i+1]) {
			asked := time.Now()
			delays[call.name] = append(delays[call.name], float64(w.writeWhenAdmitted(neighbour, call.write, call.send).Sub(asked))/float64(token))
			pass(5 * time.Second)
		}
	}
	stop()
	waiting.Wait()
}

// neighbourCall is a call whose delay is measured.
type neighbourCall struct {
	name  string
	write cache.Write
	send  func(ctx context.Context, api databricks.Writer) error
}

func neighbourCalls(resized, deleted string) []neighbourCall {
	return []neighbourCall{
		{"create", creation, func(ctx context.Context, api databricks.Writer) error {
			_, err := api.Create(ctx, createRequest("neighbour"))
			return err
		}},
		{
			"resize",
			cache.Write{Priority: ratelimit.PriorityChange, Endpoint: "clusters/resize", ClusterID: resized},
			func(ctx context.Context, api databricks.Writer) error { return api.Start(ctx, resized) },
		},
		{
			"delete",
			cache.Write{Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/delete", ClusterID: deleted},
			func(ctx context.Context, api databricks.Writer) error { return api.Terminate(ctx, deleted) },
		},
	}
}

// writeWhenAdmitted makes a write as soon as the rate limiter admits it, and
// returns the time of admission, whatever the workspace's response.
func (w *fixture) writeWhenAdmitted(connected *cache.Workspace, write cache.Write, send func(context.Context, databricks.Writer) error) (at time.Time) {
	for at.IsZero() {
		w.attempt(w.t.Context(), connected, write, func(ctx context.Context, api databricks.Writer) error {
			at = time.Now()
			return send(ctx, api)
		})
	}
	return at
}

// attempt makes a write once, or waits until the next attempt is allowed.
func (w *fixture) attempt(ctx context.Context, connected *cache.Workspace, write cache.Write, send func(context.Context, databricks.Writer) error) {
	err := w.Writers().Do(w.t.Context(), connected, write, send)
	if wait, waits := err.(*cache.WaitError); waits { //nolint:errorlint // Do returns it as it is
		select {
		case <-ctx.Done():
		case <-time.After(max(time.Until(wait.At), time.Millisecond)):
		}
	}
}
