package listed

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

// Result is what an exploration found.
type Result struct {
	// States were found within Depth events, by Transitions events.
	States, Transitions, Depth int
	// Complete reports whether these are all states that can be reached.
	Complete bool
	Took     time.Duration
	// Decisions is how many different decisions the operator's code made.
	Decisions int
	// Violation is the invariant that does not hold; "": all hold. History is the shortest one
	// that leads there.
	Violation string
	History   []string
}

// String returns the figures.
func (r Result) String() string {
	until := "all"
	if !r.Complete {
		until = fmt.Sprint("to depth ", r.Depth)
	}
	text := fmt.Sprintf("%d states (%s, depth %d), %d transitions, %d decisions, %s",
		r.States, until, r.Depth, r.Transitions, r.Decisions, r.Took.Round(time.Millisecond))
	if r.Violation == "" {
		return text
	}
	return text + "\n" + r.Violation + ":\n  " + strings.Join(r.History, "\n  ")
}

// node is a state by the way to it: the states themselves are kept only while they are
// expanded.
type node struct {
	parent int32
	event  event
}

// exploration is one search.
type exploration struct {
	model *Model
	seed  maphash.Seed
	// seen has the hashes of the states, settling those of states that settle.
	seen, settling map[uint64]struct{}
	nodes          []node
	result         Result
}

// frontier is a state to expand.
type frontier struct {
	node  int32
	state state
}

// Explore searches the states breadth first, at most depth events deep, and ends with the
// first violation.
func Explore(model Model, depth int) Result {
	began := time.Now()
	x := &exploration{model: &model, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, settling: map[uint64]struct{}{}}
	first := model.initial()
	x.seen[x.hash(&first)] = struct{}{}
	x.nodes = []node{{parent: -1}}
	level := []frontier{{0, first}}
	for len(level) > 0 && x.result.Depth < depth && x.result.Violation == "" {
		level = x.expand(level)
		if len(level) > 0 {
			x.result.Depth++
		}
	}
	x.result.Complete = len(level) == 0 && x.result.Violation == ""
	x.result.States, x.result.Decisions, x.result.Took = len(x.nodes), len(model.decisions), time.Since(began)
	return x.result
}

// hash is the same for two states that differ in the names of the processes.
func (x *exploration) hash(s *state) uint64 {
	swapped := *s
	swapped.processes[0], swapped.processes[1] = s.processes[1], s.processes[0]
	for i := range swapped.requests {
		if waiter := &swapped.requests[i].waiter; *waiter != 0 {
			*waiter = 3 - *waiter
		}
	}
	return min(maphash.Comparable(x.seed, *s), maphash.Comparable(x.seed, swapped))
}

// expand returns the states that one event leads to.
func (x *exploration) expand(level []frontier) (next []frontier) {
	for i := range level {
		from := &level[i]
		x.model.enabled(&from.state, func(e event) {
			if x.result.Violation == "" {
				next = x.follow(from, e, next)
			}
		})
		if x.result.Violation != "" {
			return nil
		}
	}
	return next
}

// follow appends the state that an event leads to, unless it is known.
func (x *exploration) follow(from *frontier, e event, next []frontier) []frontier {
	x.result.Transitions++
	to := x.model.apply(from.state, e)
	hash := x.hash(&to)
	if _, known := x.seen[hash]; known {
		return next
	}
	x.seen[hash] = struct{}{}
	at := int32(len(x.nodes)) //nolint:gosec // memory ends before
	x.nodes = append(x.nodes, node{from.node, e})
	violated := x.model.check(&to)
	if violated == holds && to.isQuiet() {
		violated = x.settles(to)
	}
	if violated != holds {
		x.result.Violation, x.result.History = violations[violated], x.history(at, violated)
		x.result.Depth++
		return nil
	}
	return append(next, frontier{at, to})
}

// history returns the events that lead to a node, and from there without faults to the
// violation.
func (x *exploration) history(at int32, violated violation) (history []string) {
	var events []event
	for ; at > 0; at = x.nodes[at].parent {
		events = append(events, x.nodes[at].event)
	}
	m := x.model
	m.trace = func(words string) { history = append(history, words) }
	s := m.initial()
	for _, e := range slices.Backward(events) {
		s = m.apply(s, e)
	}
	if m.check(&s) == holds {
		m.trace("from here on without faults:")
		for round := 0; m.check(&s) == holds && (violated != notConverging || round < 3); round++ {
			s = m.round(s)
		}
	}
	m.trace = nil
	return history
}

// maxRounds is more than any state needs to settle.
const maxRounds = 60

// settles returns what is violated until a state comes to its end without faults.
func (x *exploration) settles(s state) violation {
	var passed []uint64
	for range maxRounds {
		hash := x.hash(&s)
		passed = append(passed, hash)
		if _, known := x.settling[hash]; known || s.isSettled() {
			for _, hash := range passed {
				x.settling[hash] = struct{}{}
			}
			return holds
		}
		s = x.model.round(s)
		if violated := x.model.check(&s); violated != holds {
			return violated
		}
	}
	return notConverging
}

// round lets both processes do what they can, without faults, and lets time pass if that
// changes nothing.
func (m *Model) round(s state) state {
	before := s
	for who := range int8(2) {
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
