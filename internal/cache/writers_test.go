package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestACallThatSendsNothingCountsAsNothing(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 1)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		_, gates := w.snapshot()
		before := gates[0].pace.failed
		served := gates[0].breaker.budget
		for range 3 * mostWrites {
			err := w.Writers().Do(t.Context(), ws, ClassChange, ids[0], func(context.Context, databricks.Writer) error {
				return fmt.Errorf("%w: the intent was not stored", ErrNotSent)
			})
			if err == nil {
				t.Fatal("[case-91] the failure is hidden")
			}
			w.pass(time.Second)
		}
		if state(ws, ids[0]) == "" {
			t.Error("[case-91] what is known of the cluster was invalidated")
		}
		if g := gates[0]; g.writing != 0 || g.pace.failed != before || g.breaker.budget < served {
			t.Errorf("[case-91] the limiter learned from it: %d writing", g.writing)
		}
		if n := w.remote.count("start", time.Time{}); n != 0 {
			t.Errorf("%d calls were sent", n)
		}
	})
}
