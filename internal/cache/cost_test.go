package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

func TestAQuietWorkspaceCostsPagesNotClusters(t *testing.T) {
	// Long enough for one list more or less not to count.
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
			inWorld(t, "", Options{}, func(t *testing.T, w *world) {
				w.watchAll(w.remote.fill("c", row.clusters))
				w.pass(20 * time.Minute)
				w.newsOfAll()
				began := time.Now()
				w.pass(row.span)
				perHour := float64(w.remote.count("", began)) / row.span.Hours()
				t.Logf("%.1f calls an hour, %.4f per cluster (target %.1f)", perHour, perHour/float64(row.clusters), row.perHour)
				if perHour > row.perHour {
					t.Errorf("%.1f calls an hour, more than %.1f", perHour, row.perHour)
				}
				if n := w.newsOfAll(); n != 0 {
					t.Errorf("%d objects were told of nothing", n)
				}
			})
		})
	}
}

func TestAChangeIsSeenWithinFiveMinutes(t *testing.T) {
	inWorld(t, "[P1]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 10000)
		ws := w.watchAll(ids)
		w.pass(20 * time.Minute)
		for i := range 20 {
			id := ids[i*499]
			w.remote.put(id, compute.StateTerminated)
			began := time.Now()
			for state(ws, id) != compute.StateTerminated {
				w.pass(time.Second)
			}
			if took := time.Since(began); took > 5*time.Minute {
				t.Errorf("a change was seen after %v", took)
			}
		}
	})
}

func TestARestartOfTenThousandCostsTwoLists(t *testing.T) {
	inWorld(t, "[P3]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 10000)
		began := time.Now()
		for i, id := range ids { // as fast as workers would
			w.connect(Object(id)).Watch(Object(id), id)
			if i%1000 == 999 {
				w.pass(time.Second)
			}
		}
		ws := w.connect("c-00000")
		settled := func() bool {
			for _, id := range ids {
				if ws.Observe(id).Presence == Unknown {
					return false
				}
			}
			return true
		}
		for !settled() {
			w.pass(time.Second)
		}
		calls := w.remote.count("", began)
		t.Logf("settled after %v with %d calls", time.Since(began), calls)
		if calls > 110 {
			t.Errorf("%d calls until settled", calls)
		}
		w.pass(time.Until(began.Add(10 * time.Minute)))
		calls = w.remote.count("", began)
		t.Logf("%d calls in ten minutes", calls)
		if calls > 220 {
			t.Errorf("%d calls in ten minutes", calls)
		}
	})
}

func TestFiveClustersAmongThousandsCostFiveGets(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.fill("foreign", 8000)
		w.watchAll(w.remote.fill("c", 5))
		w.pass(4 * time.Minute)
		t.Logf("%d calls to learn", w.remote.count("", time.Time{}))
		if n := w.remote.count("list", time.Time{}); n > 25 {
			t.Errorf("%d pages to learn that lists are dear", n)
		}
		began := time.Now()
		w.pass(time.Hour)
		lists, gets := w.remote.count("list", began), w.remote.count("get", began)
		if lists != 0 || gets > 14*5+1 || gets < 12*5 {
			t.Errorf("%d pages and %d GETs in an hour", lists, gets)
		}
	})
}

func TestAHundredCreatesCostThreeCallsEach(t *testing.T) {
	inWorld(t, "[P2]", Options{}, func(t *testing.T, w *world) {
		w.watchAll(w.remote.fill("old", 10))
		w.pass(30 * time.Second)
		began := time.Now()
		ids := make([]string, 100)
		for i := range ids {
			ids[i] = fmt.Sprintf("c-%03d", i)
			ws := w.connect(Object(ids[i]))
			w.do(ws, ClassChange, "", create(ids[i]))
			ws.Watch(Object(ids[i]), ids[i])
		}
		ws := w.connect("old-00000")
		w.pass(time.Until(began.Add(5 * time.Minute)))
		running := time.Now()
		for _, id := range ids {
			w.remote.put(id, compute.StateRunning)
		}
		for _, id := range ids {
			for state(ws, id) != compute.StateRunning {
				w.pass(100 * time.Millisecond)
			}
		}
		if late := time.Since(running); late > 10*time.Second {
			t.Errorf("RUNNING was seen after %v", late)
		}
		calls := w.remote.count("", began)
		t.Logf("%d calls for 100 creates", calls)
		if calls > 300 {
			t.Errorf("%d calls for 100 creates", calls)
		}
	})
}
