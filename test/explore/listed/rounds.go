package listed

import (
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/test/explore"
	"github.com/databricks-operator/databricks-operator/test/explore/statespace"
)

// Explore searches the states breadth first, at most depth events deep, and ends with the
// first violation.
func Explore(model Model, depth int) statespace.Result {
	m := &model
	return statespace.Explore(statespace.Space[state, event]{
		Initial: m.initial, Enabled: m.enabled, Apply: m.apply, Round: m.round,
		Check:   func(s *state) string { return violations[m.check(s)] },
		IsQuiet: (*state).isQuiet, IsSettled: (*state).isSettled, NotSettling: violations[notConverging],
		Swapped:   (*state).swapped,
		Trace:     func(with func(string)) { m.trace = with },
		Decisions: func() int { return len(m.decisions) },
	}, depth)
}

// swapped returns the state with the names of the processes exchanged.
func (s *state) swapped() state {
	swapped := *s
	swapped.processes[0], swapped.processes[1] = s.processes[1], s.processes[0]
	for i := range swapped.requests {
		if waiter := &swapped.requests[i].waiter; *waiter != 0 {
			*waiter = 3 - *waiter
		}
	}
	return swapped
}

// FaultFree returns the effects of a creation and a deletion by one process without faults.
func FaultFree(kind *managed.Kind) []explore.Effect {
	var effects []explore.Effect
	m := Model{Kind: kind, Bounds: Bounds{Objects: 1, Deletions: 1}, record: func(effect explore.Effect) { effects = append(effects, effect) }}
	s := m.initial()
	for !s.isSettled() {
		s = m.roundOf(s, 1)
	}
	s = m.apply(s, event{kind: userDeletes})
	for !s.isSettled() {
		s = m.roundOf(s, 1)
	}
	return effects
}

// round lets both processes do what they can, without faults, and lets time pass if that
// changes nothing.
func (m *Model) round(s state) state { return m.roundOf(s, int8(len(s.processes))) }

// roundOf is round for the first processes only.
func (m *Model) roundOf(s state, processes int8) state {
	before := s
	for who := range processes {
		s = m.finish(m.apply(s, event{processDecides, who, plainly}))
		if s.processes[who].known != 0 && m.check(&s) == holds {
			s = m.apply(s, event{processLists, who, plainly})
			s = m.finish(m.apply(s, event{processDecides, who, plainly}))
		}
		if s.processes[who].wantsGet && m.check(&s) == holds {
			s = m.apply(s, event{processGets, who, plainly})
			s = m.finish(m.apply(s, event{processDecides, who, plainly}))
		}
		if m.check(&s) != holds {
			return s
		}
	}
	if s.object == before.object && s.remotes == before.remotes {
		s = m.apply(s, event{kind: timePasses})
	}
	return s
}

// finish completes what is under way.
func (m *Model) finish(s state) state {
	for m.check(&s) == holds {
		var next event
		found := false
		for i := range s.processes {
			if at := s.processes[i].at; at != decides && at != waits {
				next, found = event{processActs, int8(i), plainly}, true
			}
		}
		if !found && s.requests[0] != (request{}) {
			next, found = event{kind: requestArrives}, true
		}
		if !found {
			return s
		}
		s = m.apply(s, next)
	}
	return s
}
