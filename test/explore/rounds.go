package explore

import "github.com/databricks-operator/databricks-operator/test/explore/statespace"

// Explore searches the states breadth first, at most depth events deep, and ends with the
// first violation.
func Explore(model Model, depth int) statespace.Result {
	m := &model
	return statespace.Explore(statespace.Space[state, event]{
		Initial: m.initial, Enabled: m.enabled, Apply: m.apply, Round: m.round,
		Check:   func(s *state) string { return violations[s.check()] },
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

// FaultFree returns the effects of a creation and a deletion without faults.
func FaultFree() []Effect {
	var effects []Effect
	m := Model{Bounds: Bounds{Objects: 1, Deletions: 1}, record: func(effect Effect) { effects = append(effects, effect) }}
	s := m.initial()
	for !s.isSettled() {
		s = m.round(s)
	}
	s = m.apply(s, event{kind: userDeletes})
	for !s.isSettled() {
		s = m.round(s)
	}
	return effects
}

// round lets both processes do what they can, without faults, and lets time pass if that
// changes nothing.
func (m *Model) round(s state) state {
	before := s
	for who := range int8(2) {
		s = m.apply(s, event{processDecides, who, plainly})
		s = m.finish(s)
		if p := &s.processes[who]; p.entry.id != 0 && s.check() == holds {
			s = m.apply(s, event{processReads, who, plainly})
		}
		for s.processes[who].wantsList && s.processes[who].search.lists < 2 {
			s = m.apply(s, event{processLists, who, plainly})
		}
		s = m.apply(s, event{processDecides, who, plainly})
		s = m.finish(s)
		if s.check() != holds {
			return s
		}
	}
	if s.object == before.object && s.clusters == before.clusters {
		s = m.apply(s, event{kind: timePasses})
	}
	return s
}

// finish completes what is under way.
func (m *Model) finish(s state) state {
	for s.check() == holds {
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
