package statespace

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"
)

// Space is a model with states S and events E, of two processes whose names do not matter.
type Space[S comparable, E any] struct {
	Initial func() S
	// Enabled calls with for every event that may happen in a state, and Apply returns the
	// state after one. Equal states must be equal values.
	Enabled func(in *S, with func(E))
	Apply   func(to S, event E) S
	// Round lets everything happen that happens without faults.
	Round func(from S) S
	// Check returns the invariant that does not hold in a state; "": all hold.
	Check func(in *S) string
	// IsQuiet reports whether nothing is under way, and IsSettled whether the end is reached
	// that every quiet state must come to without faults. NotSettling is the violation.
	IsQuiet, IsSettled func(in *S) bool
	NotSettling        string
	// Swapped returns a state with the names of the processes exchanged.
	Swapped func(in *S) S
	// Trace makes Apply call a function with each event in words; nil: none any more.
	Trace func(with func(words string))
	// Decisions returns how many different decisions the operator's code made.
	Decisions func() int
}

// Result is what an exploration found.
type Result struct {
	// States were found within Depth events, by Transitions events.
	States, Transitions, Depth int
	// Complete reports whether these are all states that can be reached.
	Complete bool
	Took     time.Duration
	// Decisions is how many different decisions the operator's code made.
	Decisions int
	// Violation is the invariant that does not hold; "": all hold. History is the shortest
	// one that leads there.
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
type node[E any] struct {
	parent int32
	event  E
}

// exploration is one search.
type exploration[S comparable, E any] struct {
	Space[S, E]
	seed maphash.Seed
	// seen has the hashes of the states, settling those of states that settle.
	seen, settling map[uint64]struct{}
	nodes          []node[E]
	result         Result
}

// frontier is a state to expand.
type frontier[S any] struct {
	node  int32
	state S
}

// Explore searches the states at most depth events deep, and ends with the first violation.
func Explore[S comparable, E any](space Space[S, E], depth int) Result {
	began := time.Now()
	x := &exploration[S, E]{Space: space, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, settling: map[uint64]struct{}{}}
	first := x.Initial()
	x.seen[x.hash(&first)] = struct{}{}
	x.nodes = []node[E]{{parent: -1}}
	level := []frontier[S]{{0, first}}
	for len(level) > 0 && x.result.Depth < depth && x.result.Violation == "" {
		level = x.expand(level)
		if len(level) > 0 {
			x.result.Depth++
		}
	}
	x.result.Complete = len(level) == 0 && x.result.Violation == ""
	x.result.States, x.result.Decisions, x.result.Took = len(x.nodes), x.Decisions(), time.Since(began)
	return x.result
}

// hash is the same for two states that differ in the names of the processes. A collision
// of two states among ten millions has a probability of 1 in 400,000.
func (x *exploration[S, E]) hash(state *S) uint64 {
	return min(maphash.Comparable(x.seed, *state), maphash.Comparable(x.seed, x.Swapped(state)))
}

// expand returns the states that one event leads to.
func (x *exploration[S, E]) expand(level []frontier[S]) (next []frontier[S]) {
	for i := range level {
		from := &level[i]
		x.Enabled(&from.state, func(event E) {
			if x.result.Violation == "" {
				next = x.follow(from, event, next)
			}
		})
		if x.result.Violation != "" {
			return nil
		}
	}
	return next
}

// follow appends the state that an event leads to, unless it is known.
func (x *exploration[S, E]) follow(from *frontier[S], event E, next []frontier[S]) []frontier[S] {
	x.result.Transitions++
	to := x.Apply(from.state, event)
	hash := x.hash(&to)
	if _, known := x.seen[hash]; known {
		return next
	}
	x.seen[hash] = struct{}{}
	at := int32(len(x.nodes)) //nolint:gosec // memory ends before
	x.nodes = append(x.nodes, node[E]{from.node, event})
	violated := x.Check(&to)
	if violated == "" && x.IsQuiet(&to) {
		violated = x.settles(to)
	}
	if violated != "" {
		x.result.Violation, x.result.History = violated, x.history(at, violated)
		x.result.Depth++
		return nil
	}
	return append(next, frontier[S]{at, to})
}

// shownRounds is how much is shown of a history that does not settle.
const shownRounds = 3

// history returns the events that lead to a node, and from there without faults to the
// violation.
func (x *exploration[S, E]) history(at int32, violated string) (history []string) {
	var events []E
	for ; at > 0; at = x.nodes[at].parent {
		events = append(events, x.nodes[at].event)
	}
	x.Trace(func(words string) { history = append(history, words) })
	defer x.Trace(nil)
	state := x.Initial()
	for _, event := range slices.Backward(events) {
		state = x.Apply(state, event)
	}
	if x.Check(&state) != "" {
		return history
	}
	history = append(history, "from here on without faults:")
	for round := 0; x.Check(&state) == "" && (violated != x.NotSettling || round < shownRounds); round++ {
		state = x.Round(state)
	}
	return history
}

// maxRounds is more than any state needs to settle.
const maxRounds = 60

// settles returns what is violated until a state comes to its end without faults.
func (x *exploration[S, E]) settles(state S) (violated string) {
	var passed []uint64
	for range maxRounds {
		hash := x.hash(&state)
		passed = append(passed, hash)
		if _, known := x.settling[hash]; known || x.IsSettled(&state) {
			for _, hash := range passed {
				x.settling[hash] = struct{}{}
			}
			return ""
		}
		state = x.Round(state)
		if violated := x.Check(&state); violated != "" {
			return violated
		}
	}
	return x.NotSettling
}
