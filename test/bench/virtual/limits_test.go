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
	// hiddenLimit is the workspace's limit for all calls in calls per second,
	// which only its 429 reveal; headroom is the share of it that the operator
	// leaves unused.
	hiddenLimit = 10
	headroom    = 0.2
	// learningPeriod is how long 429 are expected.
	learningPeriod = 30 * time.Second
	// change is when a limit changes.
	change = time.Minute
	// window is the averaging time of a rate.
	window = 10 * time.Second
)

// P5: concurrent creates against an undisclosed limit.
func TestHiddenLimit(t *testing.T) {
	skipUnlessBenchmarking(t, "P5")
	var share, makespan, alone []float64
	for range runs() {
		run := burst(t, 1_000, 1)
		share = append(share, 100*ratio(run.denied(run.began.Add(learningPeriod)), run.all(run.began.Add(learningPeriod))))
		makespan = append(makespan, run.makespan())
		alone = append(alone, run.took.Seconds()/(1_000/(hiddenLimit*(1-headroom))))
	}
	saveFigure(t, "P5.share", 0, share...)
	saveFigure(t, "P5.alone", 0, alone...)
	saveFigure(t, "P5.makespan", 0, makespan...)
}

// P5: the limit changes while creates wait.
func TestChangedLimit(t *testing.T) {
	skipUnlessBenchmarking(t, "P5")
	for name, factor := range map[string]float64{"halved": 0.5, "doubled": 2} {
		var share, makespan, recovery []float64
		for range byMode(1, 3) {
			run := burst(t, byMode(1_200, 2_000), factor)
			share = append(share, 100*ratio(run.denied(run.began), run.all(run.began)))
			makespan = append(makespan, run.makespan())
			recovery = append(recovery, run.recovery(t).Seconds())
		}
		saveFigure(t, "P5."+name+".share", 0, share...)
		saveFigure(t, "P5."+name+".makespan", 0, makespan...)
		saveFigure(t, "P5."+name+".recovery", 0, recovery...)
	}
}

// burstResult is the result of a burst.
type burstResult struct {
	*requestLog
	began  time.Time
	took   time.Duration
	factor float64
}

// burst creates clusters concurrently. After a minute the limit changes by a
// factor.
func burst(t *testing.T, creates int, factor float64) (run burstResult) {
	t.Helper()
	limits := []simulator.Limit{{Rate: hiddenLimit, Burst: hiddenLimit}}
	runVirtual(t, cache.Options{Limits: cache.Limits{Headroom: headroom}}, simulator.Options{Limits: limits}, func(w *fixture) {
		run = burstResult{requestLog: &w.requestLog, began: time.Now(), factor: factor}
		changing := time.AfterFunc(change, func() {
			if factor != 1 {
				w.simulated.SetLimits(simulator.Limit{Rate: hiddenLimit * factor, Burst: int(hiddenLimit * factor)})
			}
		})
		defer changing.Stop()
		run.took = concurrently(creates, func(i int) { w.create(fmt.Sprintf("c-%05d", i)) })
	})
	return run
}

func (m burstResult) denied(since time.Time) int { return m.count(since, denied) }

func (m burstResult) all(since time.Time) int { return m.count(since, anyRequest) }

// makespan returns the duration of the burst relative to the time that all its
// calls, including lists, need at the limit less the headroom.
func (m burstResult) makespan() float64 {
	needed := float64(m.count(m.began, func(e entry) bool { return served(e) && e.at.Before(m.began.Add(m.took)) }))
	before := hiddenLimit * (1 - headroom) * change.Seconds()
	optimum := needed / (hiddenLimit * (1 - headroom))
	if needed > before {
		optimum = change.Seconds() + (needed-before)/(m.factor*hiddenLimit*(1-headroom))
	}
	return m.took.Seconds() / optimum
}

// recovery returns the time from the change to the first window that uses nine
// tenths of the new limit.
func (m burstResult) recovery(t *testing.T) time.Duration {
	t.Helper()
	changed := m.began.Add(change)
	from := changed
	if m.factor < 1 { // until the first 429 the rate exceeds the new limit
		for _, at := range m.times(denied) {
			if at.After(changed) {
				from = at
				break
			}
		}
	}
	enough := 0.9 * hiddenLimit * m.factor * (1 - headroom) * window.Seconds()
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

// The same burst by objects that retry independently, with pauses that double
// from a second to a minute.
func TestHiddenLimitOfPeers(t *testing.T) {
	skipUnlessBenchmarking(t, "P5")
	limits := []simulator.Limit{{Rate: hiddenLimit, Burst: hiddenLimit}}
	runVirtual(t, cache.Options{}, simulator.Options{Limits: limits}, func(w *fixture) {
		creates := byMode(200, 1_000)
		began := time.Now()
		took := concurrently(creates, func(i int) {
			api := w.simulatorClient()
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
		latencies := began.Add(learningPeriod)
		saveFigure(t, "peer.backoff.P5.share", 0, 100*ratio(w.requestLog.count(latencies, denied), w.requestLog.count(latencies, anyRequest)))
		saveFigure(t, "peer.backoff.P5.makespan", 0, took.Seconds()/(float64(creates)/(hiddenLimit*(1-headroom))))
	})
}
