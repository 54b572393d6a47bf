package listed

import (
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// stamp is a moment: a tick, and the order within the tick. The zero value is none. The
// current tick always has the number present, so that states which differ only in their age
// are equal.
type stamp int16

const (
	// perTick is more than the moments of one tick that a state can tell apart.
	perTick stamp = 16
	present stamp = 128
	// settled is how many ticks a creation waits for its end. Nothing waits for longer.
	settled stamp = 4

	// tick is longer than the margin for clocks of internal/managed (16 minutes), so that a
	// remote object of a tick before an intent is older than it.
	tick = 20 * time.Minute
	// span is each wait of the protocol: what takes it is possible for one tick after its
	// beginning, and not after two. A backoff of 30 minutes ends in the same tick.
	span = 25 * time.Minute
)

// limits are the waits of the protocol.
var limits = managed.Limits{CreateWindow: span, RequestDeadline: span, VisibilityGrace: span}

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// now is the time of a decision: after all other events of the tick so far.
var now = (present * perTick).time().Add(time.Duration(perTick) * time.Second)

// time returns the moment as the operator reads it from a clock.
func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(s/perTick)*tick + time.Duration(s%perTick)*time.Second)
}

// isWithinSpan reports whether what began at s and takes less than span can still be under
// way.
func (s stamp) isWithinSpan() bool { return now.Before(s.time().Add(span)) }

// tickOf returns the moment at the beginning of the tick of another one.
func (s stamp) tickOf() stamp { return s - s%perTick }

// today is the present tick, for what is never compared with other moments of its tick: each
// wait ends far from the bounds of a tick.
const today = present * perTick

// ordered returns the moments of a process whose order within a tick counts.
func (p *process) ordered() [5]*stamp {
	return [5]*stamp{&p.attempts.generationSeen, &p.attempts.last.ended, &p.attempts.compared, &p.list.at, &p.item.at}
}

// moment returns the moment after all others of a process in the present tick.
func (p *process) moment() stamp {
	latest := today
	for _, at := range p.ordered() {
		latest = max(latest, *at)
	}
	return latest + 1
}

// shift moves everything one tick back.
func (s *state) shift() {
	age := func(at *stamp) {
		if *at > perTick {
			*at -= perTick
		}
	}
	age(&s.object.creation.decided)
	for i := range s.remotes {
		age(&s.remotes[i].created)
		age(&s.requests[i].sent)
	}
	for i := range s.processes {
		p := &s.processes[i]
		ordered := p.ordered()
		for _, at := range append(ordered[:], &p.cached.creation.decided, &p.work.creation.decided, &p.step.intent.decided,
			&p.attempts.creationSeen, &p.attempts.last.sent) {
			age(at)
		}
	}
}

// compress numbers the ordered moments of each tick from 1 on.
func (p *process) compress() {
	all := p.ordered()
	var before []stamp
	for _, at := range all {
		before = append(before, *at)
	}
	slices.Sort(before)
	before = slices.Compact(before)
	for _, at := range all {
		if *at <= long {
			continue
		}
		order := stamp(1)
		for _, other := range before {
			if other < *at && other.tickOf() == at.tickOf() {
				order++
			}
		}
		*at = at.tickOf() + order
	}
}

// long is a moment long ago.
const long stamp = 1
