package virtual

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

const (
	// toolRate is the default limit of the SDK's client in calls per second, and
	// toolWorkers the number of objects that Terraform reads concurrently.
	toolRate, toolWorkers = 15, 10
	// runEvery is the interval between two runs of a tool.
	runEvery = time.Hour
)

// tool is a client that a person or a pipeline runs.
type tool struct {
	*fixture
	// pinned reports whether it also reads whether a cluster is pinned.
	pinned bool

	mu sync.Mutex
	// next is when the next call may be made.
	next time.Time
}

func (w *fixture) newTool(name string) *tool {
	return &tool{fixture: w, pinned: name == "terraform"}
}

// await waits until the client's own limit allows a call.
func (o *tool) await() {
	o.mu.Lock()
	at := time.Now()
	if o.next.After(at) {
		at = o.next
	}
	o.next = at.Add(time.Second / toolRate)
	o.mu.Unlock()
	<-time.After(time.Until(at))
}

// read reads a cluster.
func (o *tool) read(ctx context.Context, id string) []byte {
	api := o.simulatorClient()
	o.await()
	got, err := api.raw(ctx, id)
	if err == nil && o.pinned {
		o.await()
		err = api.pins(ctx)
	}
	if err != nil && ctx.Err() == nil {
		o.t.Error(err)
	}
	return got
}

// plan reads all clusters once, and calls seen with each.
func (o *tool) plan(ctx context.Context, ids []string, seen func(id string, got []byte)) {
	todo := make(chan string)
	var reading sync.WaitGroup
	for range toolWorkers {
		reading.Go(func() {
			for id := range todo {
				seen(id, o.read(ctx, id))
			}
		})
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		todo <- id
	}
	close(todo)
	reading.Wait()
}

// P1, P3, P11: the calls of the tools in quiet hours, and the time until one of
// them shows drift.
func TestTools(t *testing.T) {
	skipUnlessBenchmarking(t, "P1", "P3", "P11")
	objects := byMode(100, 1_000)
	for _, policy := range figures.Tools {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			ids := w.addClusters("c", objects)
			changes := &lastChanges{changed: map[string]time.Time{}}
			var mu sync.Mutex
			before := map[string]string{}
			ctx, stop := context.WithCancel(w.t.Context())
			defer stop()
			one := w.newTool(policy.Name)
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			running.Go(func() {
				for ctx.Err() == nil {
					next := time.After(runEvery)
					one.plan(ctx, ids, func(id string, got []byte) {
						mu.Lock()
						defer mu.Unlock()
						if before[id] != "" && before[id] != string(got) {
							changes.record(id)
						}
						before[id] = string(got)
					})
					select {
					case <-next:
					case <-ctx.Done():
					}
				}
			})
			pass(runEvery / 2)
			began := time.Now()
			const hours = 4
			pass(hours * runEvery)
			isGet := func(e entry) bool { return e.cluster != "pins" }
			gets := float64(w.requestLog.count(began, isGet)) / float64(objects) / hours
			all := float64(w.requestLog.count(began, anyRequest)) / float64(objects) / hours
			changed := ids[:byMode(50, 100)]
			at := make([]time.Time, len(changed))
			for i, id := range changed {
				<-time.After(11 * runEvery / 10 / time.Duration(len(changed)))
				at[i] = time.Now()
				w.change(id, i)
			}
			pass(2 * runEvery)
			var minutes []float64
			for i, id := range changed {
				minutes = append(minutes, changes.since(id, at[i]).Sub(at[i]).Minutes())
			}
			saveFigure(t, policy.Key(figures.PeerCalls), 0, gets)
			saveFigure(t, policy.Key(figures.PeerPins), 0, all-gets)
			saveFigure(t, policy.Key(figures.PeerDrift), 0, figures.Quantile(1, minutes...))
			saveFigure(t, policy.Key(figures.PeerMean), 0, average(minutes))
			saveFigure(t, policy.Key(figures.PeerProduct), 0, gets*average(minutes))
		})
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			const span = 10 * time.Minute
			part := byMode(10, 1)
			ids := w.addClusters("c", 10_000/part)
			ctx, stop := context.WithTimeout(w.t.Context(), span/time.Duration(part))
			defer stop()
			began := time.Now()
			w.newTool(policy.Name).plan(ctx, ids, func(string, []byte) {})
			saveFigure(t, policy.Key(figures.PeerRestart), 0, float64(w.requestLog.count(began, anyRequest)*part))
		})
	}
}

func resizeOf(id string) compute.ResizeCluster {
	return compute.ResizeCluster{ClusterId: id, NumWorkers: 3}
}

func (o *tool) resize(id string) {
	if err := o.simulatorClient().Resize(o.t.Context(), resizeOf(id)); err != nil {
		o.t.Fatal(err)
	}
}

// resizeTime is how long a resize takes in measurements of it.
const resizeTime = 2 * time.Minute

// The calls that a resize of one cluster of a thousand costs, until the end of
// it is known. The lists of a quiet workspace are not counted.
func TestChange(t *testing.T) {
	skipUnlessBenchmarking(t, "P1", "P2")
	resizing := func(experiment func(w *fixture, ids []string)) {
		timings := simulator.DefaultTimings()
		timings.Resize = resizeTime
		runVirtual(t, cache.Options{}, simulator.Options{Timings: &timings}, func(w *fixture) {
			experiment(w, w.addClusters("c", 1_000))
		})
	}
	resizing(func(w *fixture, ids []string) {
		connected := w.watchAll(ids)
		pass(20 * time.Minute)
		began, id := time.Now(), ids[500]
		w.writeWithRetry(connected, cache.Write{Priority: ratelimit.PriorityChange, Endpoint: "clusters/resize", ClusterID: id}, func(ctx context.Context, api databricks.Writer) error {
			return api.Resize(ctx, resizeOf(id))
		})
		for time.Since(began) < time.Hour {
			pass(time.Second)
			seen := connected.Subscribe(cache.Interest{ClusterID: id}).Cluster.Cluster
			if seen != nil && seen.State == compute.StateRunning && time.Since(began) > resizeTime {
				break
			}
		}
		saveFigure(t, "P2.change", 0, float64(w.requestLog.count(began, func(e entry) bool { return e.cluster == id })))
	})
	for _, policy := range figures.Policies {
		every, err := time.ParseDuration(policy.Name)
		if err != nil {
			t.Fatal(err)
		}
		resizing(func(w *fixture, ids []string) {
			one := w.newTool(policy.Name)
			one.pinned = policy.Name == "10m"
			began, id := time.Now(), ids[500]
			one.read(w.t.Context(), id)
			one.resize(id)
			for {
				<-time.After(every - every/20 + rand.N(every/10))
				var seen struct {
					State compute.State `json:"state"`
				}
				if err := json.Unmarshal(one.read(w.t.Context(), id), &seen); err != nil {
					t.Fatal(err)
				}
				if seen.State == compute.StateRunning {
					break
				}
			}
			saveFigure(t, policy.Key(figures.PeerChange), 0, float64(w.requestLog.count(began, anyRequest)))
		})
	}
	for _, policy := range figures.Tools {
		resizing(func(w *fixture, ids []string) {
			one := w.newTool(policy.Name)
			began := time.Now()
			one.plan(w.t.Context(), ids, func(string, []byte) {})
			if one.pinned { // Terraform's update reads the cluster again, and its state is refreshed afterwards
				if _, err := one.simulatorClient().raw(w.t.Context(), ids[500]); err != nil {
					t.Fatal(err)
				}
			}
			one.resize(ids[500])
			if one.pinned {
				one.read(w.t.Context(), ids[500])
			}
			saveFigure(t, policy.Key(figures.PeerChange), 0, float64(w.requestLog.count(began, anyRequest)))
		})
	}
}
