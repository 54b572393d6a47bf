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

// hundred are created at once, in a workspace that launches in five minutes.
const hundred = 100

// P2: creates, and how soon it is known that they run.
func TestCreates(t *testing.T) {
	measuring(t)
	var calls, latency []float64
	for range runs() {
		inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
			began := time.Now()
			ids := make([]string, hundred)
			born := make([]time.Time, hundred)
			together(hundred, func(i int) {
				ids[i] = w.create(fmt.Sprintf("c-%03d", i))
				born[i] = time.Now()
			})
			var late []float64
			waiting := map[int]bool{}
			for i := range ids {
				waiting[i] = true
			}
			for len(waiting) > 0 && time.Since(began) < time.Hour {
				pass(100 * time.Millisecond)
				for i := range waiting {
					seen := w.connect(objectOf(fmt.Sprintf("c-%03d", i))).Subscribe(cache.Interest{ClusterID: ids[i]}).Cluster
					if seen.Cluster == nil || seen.Cluster.State != compute.StateRunning {
						continue
					}
					delete(waiting, i)
					running := time.UnixMilli(seen.Cluster.LastRestartedTime)
					late = append(late, time.Since(running).Seconds())
				}
			}
			calls = append(calls, float64(w.ledger.count(began, anything))/hundred)
			latency = append(latency, figures.Quantile(0.95, late...))
		})
	}
	note(t, "P2.calls", 0, calls...)
	note(t, "P2.latency", 0, latency...)
}

// The same by policies that look at each cluster by itself; waiter is the SDK's,
// whose pauses grow by a second up to ten.
func TestCreatesOfPeers(t *testing.T) {
	measuring(t)
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
		inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
			began := time.Now()
			var mu sync.Mutex
			var late []float64
			together(hundred, func(i int) {
				<-time.After(time.Duration(i) * 200 * time.Millisecond) // creates are not simultaneous anywhere
				api := w.courier()
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
						late = append(late, time.Since(time.UnixMilli(cluster.Details.LastRestartedTime)).Seconds())
						mu.Unlock()
						return
					}
				}
			})
			note(t, prefix+figures.PeerCreate, 0, float64(w.ledger.count(began, anything))/hundred)
			note(t, prefix+figures.PeerState, 0, figures.Quantile(0.95, late...))
		})
	}
}

// The peers' quiet hours and their hours of drift: each object is looked at by
// itself, first when it is met and then at its policy's pace.
func TestPeers(t *testing.T) {
	measuring(t)
	objects := pick(100, 1_000)
	for _, policy := range figures.Policies {
		every, err := time.ParseDuration(policy.Name)
		if err != nil {
			t.Fatal(err)
		}
		inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
			pinned := policy.Name == "10m"
			ids := w.fill("c", objects)
			seen := &sightings{news: map[string]time.Time{}}
			ctx, stop := context.WithCancel(w.t.Context())
			var polling sync.WaitGroup
			defer polling.Wait()
			defer stop()
			began := time.Now()
			for i, id := range ids {
				first := time.Duration(i) * 10 * time.Second / time.Duration(objects)
				polling.Go(func() { poll(ctx, w, seen, id, first, every, pinned) })
			}
			pass(10 * time.Minute)
			isGet := func(e entry) bool { return e.cluster != "pins" }
			restart := w.ledger.count(began, anything) * 10_000 / objects
			pass(10 * time.Minute)
			quiet := time.Now()
			const hour = time.Hour
			pass(hour)
			gets := float64(w.ledger.count(quiet, isGet)) / float64(objects)
			all := float64(w.ledger.count(quiet, anything)) / float64(objects)
			minutes := drift(w, ids[:pick(50, 100)], seen.since)
			note(t, policy.Key(figures.PeerCalls), 0, gets)
			note(t, policy.Key(figures.PeerPins), 0, all-gets)
			note(t, policy.Key(figures.PeerRestart), 0, float64(restart))
			note(t, policy.Key(figures.PeerDrift), 0, figures.Quantile(1, minutes...))
			note(t, policy.Key(figures.PeerMean), 0, average(minutes))
			note(t, policy.Key(figures.PeerProduct), 0, gets*average(minutes))
		})
	}
}

// sightings are when a poller last saw something new of a cluster.
type sightings struct {
	mu   sync.Mutex
	news map[string]time.Time
}

func (s *sightings) note(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news[id] = time.Now()
}

func (s *sightings) since(id string, since time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.news[id]; !at.Before(since) {
		return at
	}
	return time.Time{}
}

// poll looks at one cluster until ctx ends. A tenth of each pause is random, so
// that drift finds no phase.
func poll(ctx context.Context, w *world, seen *sightings, id string, first, every time.Duration, pinned bool) {
	api := w.courier()
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
			seen.note(id)
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
