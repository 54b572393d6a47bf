//go:build !race

// These tests count the calls for thousands of clusters over hours. The race detector
// finds no more in them than in those of a few clusters, and takes a minute.

package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

func TestAQuietWorkspaceCostsPagesNotClusters(t *testing.T) {
	// The span is long enough that one more list does not matter.
	for _, row := range []struct {
		clusters int
		span     time.Duration
		perHour  float64
	}{
		{100, 48 * time.Hour, 15},
		{500, 12 * time.Hour, 0.15 * 500},
		{1000, 8 * time.Hour, 0.15 * 1000},
		{10000, 2 * time.Hour, 0.15 * 10000},
	} {
		t.Run("[P1] [P11] [case-60] "+fmt.Sprint(row.clusters), func(t *testing.T) {
			withRegistry(t, "", func(t *testing.T, f *fixture) {
				f.watch(f.remote.fill("c", row.clusters)...)
				f.pass(20 * time.Minute)
				f.notifiedObjects()
				began := time.Now()
				f.pass(row.span)
				perHour := float64(f.remote.count("", began)) / row.span.Hours()
				t.Logf("%.1f calls an hour, %.4f per cluster (target %.1f)", perHour, perHour/float64(row.clusters), row.perHour)
				if perHour > row.perHour {
					t.Errorf("%.1f calls an hour, more than %.1f", perHour, row.perHour)
				}
				if n := f.notifiedObjects(); n != 0 {
					t.Errorf("%d objects were notified of nothing", n)
				}
			})
		})
	}
}

func TestAChangeIsObservedWithinFiveMinutes(t *testing.T) {
	withRegistry(t, "[P1]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10000)
		f.watch(ids...)
		f.pass(20 * time.Minute)
		for i := range 20 {
			id := ids[i*499]
			f.remote.put(id, compute.StateTerminated)
			began := time.Now()
			for f.state(id) != compute.StateTerminated {
				f.pass(time.Second)
			}
			if took := time.Since(began); took > 5*time.Minute {
				t.Errorf("a change was observed after %v", took)
			}
		}
	})
}

func TestARestartOfTenThousandCostsTwoLists(t *testing.T) {
	withRegistry(t, "[P3]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10000)
		began := time.Now()
		for i, id := range ids { // about as fast as the workers
			f.watch(id)
			if i%1000 == 999 {
				f.pass(time.Second)
			}
		}
		settled := func() bool {
			for _, id := range ids {
				if f.presence(id) == Unknown {
					return false
				}
			}
			return true
		}
		for !settled() {
			f.pass(time.Second)
		}
		calls := f.remote.count("", began)
		t.Logf("settled after %v with %d calls", time.Since(began), calls)
		if gets := f.remote.count("get", began); calls > 110 || gets > 0 {
			t.Errorf("%d calls until settled, of which %d GETs", calls, gets)
		}
		f.pass(time.Until(began.Add(10 * time.Minute)))
		calls = f.remote.count("", began)
		t.Logf("%d calls in ten minutes", calls)
		if calls > 220 {
			t.Errorf("%d calls in ten minutes", calls)
		}
	})
}

func TestFiveClustersAmongThousandsCostFiveGets(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.fill("foreign", 8000)
		f.watch(f.remote.fill("c", 5)...)
		f.pass(4 * time.Minute)
		t.Logf("%d calls until the number of pages is known", f.remote.count("", time.Time{}))
		if n := f.remote.count("list", time.Time{}); n > 25 {
			t.Errorf("%d pages until GETs are chosen", n)
		}
		began := time.Now()
		f.pass(time.Hour)
		lists, gets := f.remote.count("list", began), f.remote.count("get", began)
		// The slow interval is 4.05 to 4.5 minutes.
		const most, fewest = 15, 13
		if lists != 0 || gets > most*5+1 || gets < fewest*5 {
			t.Errorf("%d pages and %d GETs in an hour", lists, gets)
		}
	})
}

func TestTheFirstListOfAnyLengthIsRead(t *testing.T) {
	for name, clusters := range map[string]struct{ watched, foreign int }{
		"all have objects":   {21_000, 0},
		"a half has objects": {10_500, 10_500},
	} {
		withRegistry(t, "[P14] "+name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", clusters.watched)
			f.remote.fill("foreign", clusters.foreign)
			f.watch(ids...)
			for f.presence(ids[len(ids)-1]) == Unknown {
				f.pass(time.Second)
			}
			f.pass(10 * time.Second)
			if pages, gets := f.remote.count("list", time.Time{}), f.remote.count("get", time.Time{}); pages != 210 || gets > 0 {
				t.Errorf("%d pages and %d GETs for a list of 210 pages", pages, gets)
			}
		})
	}
}

func TestAListThatMustBeCompleteIsReadToItsEnd(t *testing.T) {
	withRegistry(t, "of unknown length, for a search", func(t *testing.T, f *fixture) {
		f.remote.fill("foreign", 3000)
		f.connect(object("o"))
		search := Interest{Search: Query{Tag: "none", After: time.Now()}}
		for f.subscribe(object("o"), search).Search.CompleteLists == 0 {
			f.pass(time.Second)
		}
		if pages := f.remote.count("list", time.Time{}); pages != 30 {
			t.Errorf("%d pages for the first list of 30", pages)
		}
	})
	withRegistry(t, "of known length, for the report of orphans", func(t *testing.T, f *fixture) {
		f.remote.fill("foreign", 3000)
		workspace := f.watch(f.remote.fill("c", 5)...)
		f.pass(time.Minute)
		asked := time.Now()
		for {
			if _, isComplete := workspace.Tagged("none", asked); isComplete {
				break
			}
			if f.pass(time.Second); time.Since(asked) > time.Hour {
				t.Fatal("no list was complete within an hour")
			}
		}
	})
}

func TestAHundredCreatesCostThreeCallsEach(t *testing.T) {
	withRegistry(t, "[P2]", func(t *testing.T, f *fixture) {
		f.watch(f.remote.fill("old", 10)...)
		f.pass(30 * time.Second)
		began := time.Now()
		ids := make([]string, 100)
		for i := range ids {
			ids[i] = fmt.Sprintf("c-%03d", i)
			ws := f.connect(object(ids[i]))
			f.mustWrite(ws, ratelimit.PriorityChange, "", create(ids[i]))
			f.subscribe(object(ids[i]), Interest{ClusterID: ids[i]})
		}
		f.pass(time.Until(began.Add(5 * time.Minute)))
		running := time.Now()
		for _, id := range ids {
			f.remote.put(id, compute.StateRunning)
		}
		for _, id := range ids {
			for f.state(id) != compute.StateRunning {
				f.pass(100 * time.Millisecond)
			}
		}
		if late := time.Since(running); late > 10*time.Second {
			t.Errorf("RUNNING was observed after %v", late)
		}
		calls := f.remote.count("", began)
		t.Logf("%d calls for 100 creates", calls)
		if calls > 300 {
			t.Errorf("%d calls for 100 creates", calls)
		}
	})
}

func TestAListWhosePagesWaitForWritesDoesNotDelayTheNext(t *testing.T) {
	withRegistry(t, "[P9]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 1000)
		for _, id := range ids {
			f.remote.put(id, compute.StatePending)
		}
		workspace := f.watch(ids...)
		f.pass(time.Minute)
		began := time.Now()
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for time.Since(began) < 2*time.Minute {
					f.mustWrite(workspace, ratelimit.PriorityChange, "", create(fmt.Sprint("new-", i)))
				}
			})
		}
		writers.Wait()
		// Behind writes a page waits two seconds, so a list of ten takes twenty.
		if pages := f.remote.count("list", began); pages < 50 {
			t.Errorf("%d pages in two minutes, as if a list that waits had kept the workspace busy", pages)
		}
	})
}
