package virtual

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// hundred is the number of concurrent creates, in a workspace whose launches
// take five minutes.
const hundred = 100

// P2: the calls of creates, and the time until RUNNING is observed.
func TestCreates(t *testing.T) {
	skipUnlessBenchmarking(t, "P2")
	var calls, latency []float64
	for range runs() {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			began := time.Now()
			ids := make([]string, hundred)
			born := make([]time.Time, hundred)
			concurrently(hundred, func(i int) {
				ids[i] = w.create(fmt.Sprintf("c-%03d", i))
				born[i] = time.Now()
			})
			var latencies []float64
			waiting := map[int]bool{}
			for i := range ids {
				waiting[i] = true
			}
			for len(waiting) > 0 && time.Since(began) < time.Hour {
				pass(100 * time.Millisecond)
				for i := range waiting {
					changes := w.connect(objectOf(fmt.Sprintf("c-%03d", i))).Subscribe(cache.Interest{ClusterID: ids[i]}).Cluster
					if changes.Cluster == nil || changes.Cluster.State != compute.StateRunning {
						continue
					}
					delete(waiting, i)
					running := time.UnixMilli(changes.Cluster.LastRestartedTime)
					latencies = append(latencies, time.Since(running).Seconds())
				}
			}
			calls = append(calls, float64(w.requestLog.count(began, anyRequest))/hundred)
			latency = append(latency, figures.Quantile(0.95, latencies...))
		})
	}
	saveFigure(t, "P2.calls", 0, calls...)
	saveFigure(t, "P2.latency", 0, latency...)
}

// The same with policies that poll each cluster separately; waiter is the
// SDK's, whose pauses grow by a second up to ten.
func TestCreatesOfPeers(t *testing.T) {
	skipUnlessBenchmarking(t, "P2")
	pauses := map[string]func(try int) time.Duration{
		"peer.waiter.": func(try int) time.Duration {
			return time.Duration(min(try, 10))*time.Second + 50*time.Millisecond + rand.N(700*time.Millisecond)
		},
	}
	for _, policy := range figures.Policies {
		every, err := time.ParseDuration(policy.Name)
		if err != nil {
			t.Fatal(err)
		}
		pauses[policy.Key("")] = func(int) time.Duration { return every - every/20 + rand.N(every/10) }
	}
	for prefix, pause := range pauses {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			began := time.Now()
			var mu sync.Mutex
			var latencies []float64
			concurrently(hundred, func(i int) {
				<-time.After(time.Duration(i) * 200 * time.Millisecond) // creates of real users are not simultaneous
				api := w.simulatorClient()
				id, err := api.Create(w.t.Context(), createRequest(fmt.Sprintf("c-%03d", i)))
				if err != nil {
					w.t.Error(err)
					return
				}
				for try := 1; ; try++ {
					<-time.After(pause(try))
					cluster, err := api.Get(w.t.Context(), id)
					if err != nil {
						w.t.Error(err)
						return
					}
					if cluster.Details.State == compute.StateRunning {
						mu.Lock()
						latencies = append(latencies, time.Since(time.UnixMilli(cluster.Details.LastRestartedTime)).Seconds())
						mu.Unlock()
						return
					}
				}
			})
			saveFigure(t, prefix+figures.PeerCreate, 0, float64(w.requestLog.count(began, anyRequest))/hundred)
			saveFigure(t, prefix+figures.PeerState, 0, figures.Quantile(0.95, latencies...))
		})
	}
}

// The peers' calls in quiet hours and their time to detect drift: each object
// is polled separately, first when it is found and then at the policy's
// interval.
func TestPeers(t *testing.T) {
	skipUnlessBenchmarking(t, "P1", "P3", "P11")
	objects := byMode(100, 1_000)
	for _, policy := range figures.Policies {
		every, err := time.ParseDuration(policy.Name)
		if err != nil {
			t.Fatal(err)
		}
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			pinned := policy.Name == "10m"
			ids := w.addClusters("c", objects)
			changes := &lastChanges{changed: map[string]time.Time{}}
			ctx, stop := context.WithCancel(w.t.Context())
			var polling sync.WaitGroup
			defer polling.Wait()
			defer stop()
			began := time.Now()
			for i, id := range ids {
				first := time.Duration(i) * 10 * time.Second / time.Duration(objects)
				polling.Go(func() { poll(ctx, w, changes, id, first, every, pinned) })
			}
			pass(10 * time.Minute)
			isGet := func(e entry) bool { return e.cluster != "pins" }
			restart := w.requestLog.count(began, anyRequest) * 10_000 / objects
			pass(10 * time.Minute)
			quiet := time.Now()
			const hour = time.Hour
			pass(hour)
			gets := float64(w.requestLog.count(quiet, isGet)) / float64(objects)
			all := float64(w.requestLog.count(quiet, anyRequest)) / float64(objects)
			minutes := drift(w, ids[:byMode(50, 100)], changes.since)
			saveFigure(t, policy.Key(figures.PeerCalls), 0, gets)
			saveFigure(t, policy.Key(figures.PeerPins), 0, all-gets)
			saveFigure(t, policy.Key(figures.PeerRestart), 0, float64(restart))
			saveFigure(t, policy.Key(figures.PeerDrift), 0, figures.Quantile(1, minutes...))
			saveFigure(t, policy.Key(figures.PeerMean), 0, average(minutes))
			saveFigure(t, policy.Key(figures.PeerProduct), 0, gets*average(minutes))
		})
	}
}

// lastChanges records when a poller last observed a change of each cluster.
type lastChanges struct {
	mu      sync.Mutex
	changed map[string]time.Time
}

func (s *lastChanges) record(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[id] = time.Now()
}

func (s *lastChanges) since(id string, since time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.changed[id]; !at.Before(since) {
		return at
	}
	return time.Time{}
}

// poll polls one cluster until ctx ends. A tenth of each pause is random, so
// that the phases of drift and polling are independent.
func poll(ctx context.Context, w *fixture, changes *lastChanges, id string, first, every time.Duration, pinned bool) {
	api := w.simulatorClient()
	before := ""
	for pause := first; ; pause = every - every/20 + rand.N(every/10) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		got, err := api.raw(ctx, id)
		if err != nil {
			return
		}
		if before != "" && before != string(got) {
			changes.record(id)
		}
		before = string(got)
		if !pinned {
			continue
		}
		if err := api.pins(ctx); err != nil && databricks.ClassOf(err) != databricks.ClassAmbiguous {
			w.t.Error(err)
		}
	}
}
