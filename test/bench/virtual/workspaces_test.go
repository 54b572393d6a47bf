package virtual

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// perWorkspace is the number of objects of each workspace of P15.
const perWorkspace = 10

// P15: many workspaces with few objects each, first without silent ones, then
// with as many more as a tenth, of which half are silent from the beginning and
// half fall silent later.
func TestManyWorkspaces(t *testing.T) {
	skipUnlessBenchmarking(t, "P15")
	healthy := byMode(90, 900)
	alone := newManyWorkspaces(t, healthy, 0)
	beside := newManyWorkspaces(t, healthy, healthy/9)
	objects := (healthy + healthy/9) * perWorkspace
	saveFigure(t, "P15.calls", objects, beside.callsPerHour)
	saveFigure(t, "P15.silent", objects, beside.silentPerHour)
	saveFigure(t, "P15.delay", objects, beside.first.Seconds()/alone.first.Seconds())
	saveFigure(t, "P15.drift", objects, beside.drift)
}

// manyWorkspaces is the result of one run.
type manyWorkspaces struct {
	// first is how long it takes until the clusters of all healthy workspaces
	// are known.
	first time.Duration
	// The calls are those of one workspace.
	callsPerHour, silentPerHour float64
	// drift is the longest time in minutes until a change is observed.
	drift float64
}

func newManyWorkspaces(t *testing.T, healthy, silent int) (result manyWorkspaces) {
	t.Helper()
	var options simulator.Options
	for i := range healthy + silent {
		options.Workspaces = append(options.Workspaces, simulator.Workspace{
			Name: workspaceName(i), Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{workspaceName(i)}}},
		})
	}
	runVirtual(t, cache.Options{}, options, func(w *fixture) {
		began := time.Now()
		falls := began.Add(30 * time.Minute)
		silentFrom := map[string]time.Time{}
		for i := range silent {
			silentFrom[configOf(t, healthy+i).Host()] = []time.Time{began, falls}[i%2]
		}
		tokens := map[string]string{}
		for i := range healthy + silent {
			tokens[configOf(t, i).Host()] = workspaceName(i)
		}
		w.dial = func(config databricks.Config) cache.Client {
			api := w.simulatorClient()
			api.token = tokens[config.Host()]
			if from, falls := silentFrom[config.Host()]; falls {
				api.silentFrom = from
			}
			return api
		}
		ctx, stop := context.WithCancel(w.t.Context())
		var connecting sync.WaitGroup
		defer connecting.Wait()
		defer stop()
		ids, configs := make([]string, healthy), make([]databricks.Config, healthy)
		for i := range healthy + silent {
			config := configOf(t, i)
			for n := range perWorkspace {
				id, err := w.simulated.AddCluster(simulator.Seed{Workspace: workspaceName(i), Source: "API", State: simulator.Running})
				if err != nil {
					t.Fatal(err)
				}
				if i < healthy && n == 0 {
					ids[i], configs[i] = id, config
				}
				connecting.Go(func() { w.subscribeUntil(ctx, objectOf(id), config, id) })
			}
		}
		known := func() bool {
			for i, id := range ids {
				if w.connectTo(objectOf(id), configs[i]).Subscribe(cache.Interest{ClusterID: id}).Cluster.Cluster == nil {
					return false
				}
			}
			return true
		}
		for !known() {
			pass(100 * time.Millisecond)
		}
		result.first = time.Since(began)
		pass(time.Until(falls.Add(30 * time.Minute)))
		quiet := time.Now()
		const span = time.Hour
		pass(span)
		silentCalls := w.requestLog.count(quiet, func(e entry) bool { return e.status == 0 })
		result.callsPerHour = float64(w.requestLog.count(quiet, anyRequest)-silentCalls) / float64(healthy) / span.Hours()
		if silent > 0 {
			result.silentPerHour = float64(silentCalls) / float64(silent) / span.Hours()
		}
		minutes := drift(w, ids[:min(len(ids), 60)], func(id string, since time.Time) time.Time { return w.eventSince(objectOf(id), since) })
		result.drift = figures.Quantile(1, minutes...)
	})
	return result
}

func workspaceName(i int) string { return fmt.Sprintf("workspace-%04d", i) }

func configOf(t *testing.T, i int) databricks.Config {
	t.Helper()
	config, err := databricks.ParseSecret(map[string][]byte{
		"host": fmt.Appendf(nil, "https://adb-%d.2.azuredatabricks.net", i+1), "token": []byte(workspaceName(i)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// subscribeUntil connects an object as soon as its workspace answers, and
// subscribes it.
func (w *fixture) subscribeUntil(ctx context.Context, object cache.Object, config databricks.Config, id string) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Minute) {
		connected, err := w.Connect(object, config, "")
		if err == nil {
			connected.Subscribe(cache.Interest{ClusterID: id})
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
