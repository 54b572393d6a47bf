package virtual

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	// hidden is the workspace's limit for all its calls, which only its 429 tell,
	// in calls per second; headroom is what the operator leaves of it to others.
	hidden   = 10
	headroom = 0.2
	// learning is how long 429 are expected.
	learning = 30 * time.Second
	// change is when a limit changes.
	change = time.Minute
	// window is how long a rate must hold to count.
	window = 10 * time.Second
)

// P5: creates at once, against a limit that nobody tells.
func TestHiddenLimit(t *testing.T) {
	measuring(t)
	var share, makespan, alone []float64
	for range runs() {
		run := burst(t, 1_000, 1)
		share = append(share, 100*ratio(run.denied(run.began.Add(learning)), run.all(run.began.Add(learning))))
		makespan = append(makespan, run.makespan())
		alone = append(alone, run.took.Seconds()/(1_000/(hidden*(1-headroom))))
	}
	note(t, "P5.share", 0, share...)
	note(t, "P5.alone", 0, alone...)
	note(t, "P5.makespan", 0, makespan...)
}

// P5: the limit changes while creates wait.
func TestChangedLimit(t *testing.T) {
	measuring(t)
	for name, factor := range map[string]float64{"halved": 0.5, "doubled": 2} {
		var share, makespan, recovery []float64
		for range pick(1, 3) {
			run := burst(t, pick(1_200, 2_000), factor)
			share = append(share, 100*ratio(run.denied(run.began), run.all(run.began)))
			makespan = append(makespan, run.makespan())
			recovery = append(recovery, run.recovery(t).Seconds())
		}
		note(t, "P5."+name+".share", 0, share...)
		note(t, "P5."+name+".makespan", 0, makespan...)
		note(t, "P5."+name+".recovery", 0, recovery...)
	}
}

// made is what a burst came to.
type made struct {
	*ledger
	began  time.Time
	took   time.Duration
	factor float64
}

// burst creates clusters at once. After a minute the limit changes by a factor.
func burst(t *testing.T, creates int, factor float64) (run made) {
	t.Helper()
	limits := []simulator.Limit{{Rate: hidden, Burst: hidden}}
	inWorld(t, cache.Options{Limits: cache.Limits{Headroom: headroom}}, simulator.Options{Limits: limits}, func(w *world) {
		run = made{ledger: &w.ledger, began: time.Now(), factor: factor}
		changing := time.AfterFunc(change, func() {
			if factor != 1 {
				w.simulated.SetLimits(simulator.Limit{Rate: hidden * factor, Burst: int(hidden * factor)})
			}
		})
		defer changing.Stop()
		run.took = together(creates, func(i int) { w.create(fmt.Sprintf("c-%05d", i)) })
	})
	return run
}

func (m made) denied(since time.Time) int { return m.count(since, denied) }

func (m made) all(since time.Time) int { return m.count(since, anything) }

// makespan is how long it took, times what all calls that had to be made, lists
// included, take at the limit less the headroom.
func (m made) makespan() float64 {
	needed := float64(m.count(m.began, func(e entry) bool { return served(e) && e.at.Before(m.began.Add(m.took)) }))
	before := hidden * (1 - headroom) * change.Seconds()
	optimum := needed / (hidden * (1 - headroom))
	if needed > before {
		optimum = change.Seconds() + (needed-before)/(m.factor*hidden*(1-headroom))
	}
	return m.took.Seconds() / optimum
}

// recovery is how long after the change the first span began in which nine
// tenths of what the new limit allows was used.
func (m made) recovery(t *testing.T) time.Duration {
	t.Helper()
	changed := m.began.Add(change)
	from := changed
	if m.factor < 1 { // until the first 429 the new limit is not met
		for _, at := range m.times(denied) {
			if at.After(changed) {
				from = at
				break
			}
		}
	}
	enough := 0.9 * hidden * m.factor * (1 - headroom) * window.Seconds()
	times := m.times(served)
	for ; from.Before(m.began.Add(m.took - window)); from = from.Add(100 * time.Millisecond) {
		n := 0
		for _, at := range times {
			if !at.Before(from) && at.Before(from.Add(window)) {
				n++
			}
		}
		if float64(n) >= enough {
			return from.Sub(changed)
		}
	}
	t.Errorf("the limit times %v was not used again within %v", m.factor, m.took)
	return time.Hour
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// The same burst by objects that retry each by itself, with pauses that double
// from a second to a minute.
func TestHiddenLimitOfPeers(t *testing.T) {
	measuring(t)
	limits := []simulator.Limit{{Rate: hidden, Burst: hidden}}
	inWorld(t, cache.Options{}, simulator.Options{Limits: limits}, func(w *world) {
		creates := pick(200, 1_000)
		began := time.Now()
		took := together(creates, func(i int) {
			api := w.courier()
			for pause := time.Second; ; pause = min(2*pause, time.Minute) {
				_, err := api.Create(w.t.Context(), createRequest(fmt.Sprintf("c-%05d", i)))
				if err == nil {
					return
				}
				if databricks.ClassOf(err) != databricks.ClassThrottled {
					t.Error(err)
					return
				}
				<-time.After(pause)
			}
		})
		late := began.Add(learning)
		note(t, "peer.backoff.P5.share", 0, 100*ratio(w.ledger.count(late, denied), w.ledger.count(late, anything)))
		note(t, "peer.backoff.P5.makespan", 0, took.Seconds()/(float64(creates)/(hidden*(1-headroom))))
	})
}
