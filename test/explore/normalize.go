package explore

import (
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// normalize makes states equal that differ in nothing that can decide anything: how long
// ago things were beyond what the protocol waits for, and what a process can no longer
// use.
func (s *state) normalize() {
	isPending := s.object.creation.pending
	for i := range s.clusters {
		switch c := &s.clusters[i]; {
		case !c.live:
			c.created, c.visible = 0, false
		case c.visible && !isPending:
			c.created = present // no intent is younger
		}
	}
	for i := range s.processes {
		s.processes[i].normalize()
	}
	s.countAttempts()
	undate(&s.object.creation)
	dated := s.creations()
	shorten(dated[:])
}

// undate drops the time of a creation that is not pending: plan uses its notAfter as a
// mark only.
func undate(c *creation) {
	if !c.pending && c.decided != 0 {
		c.decided = present
	}
}

func (p *process) normalize() {
	undate(&p.cached.creation)
	undate(&p.work.creation)
	e, a := &p.entry, &p.attempts
	if e.seen || e.deleting || !e.opened.isWithinSpan() {
		e.opened = 0
	}
	if !e.unclear.isWithinSpan() {
		e.unclear = 0
	}
	// Either a read began late enough for "missing" to be accepted, or it never will be
	// while the creation is the same.
	isAccepted := a.creationSeen == 0 || e.missingAt-a.creationSeen >= settled
	if a.creationSeen != 0 {
		a.creationSeen = max(a.creationSeen, present-settled)
	}
	switch {
	case e.presence != managed.Missing:
	case isAccepted:
		e.missingAt = present
	default:
		e.missingAt = a.creationSeen
	}
	if a.last.isOver(p.cached.object) {
		a.last = last{}
	}
}

// isOver reports whether a last step changes no decision any more: it delays nothing,
// and its creation is not the one that the object expects.
func (l last) isOver(cached object) bool {
	if l.recent || l.kind != create || l.result != answered {
		return !l.recent
	}
	c := cached.creation
	isNewer := c.incarnation > l.incarnation || c.incarnation == l.incarnation && (!c.pending || c.attempt > l.attempt)
	return cached.uid != l.uid || isNewer
}

// countAttempts numbers the attempts of a creation that are still known from 1 on: there
// is no bound to attempts that send nothing, and only their order counts.
func (s *state) countAttempts() {
	var all [1 + 2*5]*int8
	rest := append(all[:0], &s.object.creation.attempt)
	for i := range s.processes {
		p := &s.processes[i]
		rest = append(rest, &p.cached.creation.attempt, &p.work.creation.attempt, &p.step.intent.attempt, &p.attempts.attempt, &p.attempts.last.attempt)
	}
	var used [len(all) + 2]bool
	for _, attempt := range all {
		used[*attempt] = true
	}
	var number [len(used)]int8
	next := int8(1)
	for attempt := 1; attempt < len(used); attempt++ {
		if used[attempt] {
			number[attempt] = next
			next++
		}
	}
	for _, attempt := range all {
		*attempt = number[*attempt]
	}
}

// numberOfCreations is the length of creations.
const numberOfCreations = 1 + maxClusters + 2*5

// creations are the stamps of intents and clusters, which are compared with each other.
func (s *state) creations() [numberOfCreations]*stamp {
	var all [numberOfCreations]*stamp
	rest := append(all[:0], &s.object.creation.decided)
	for i := range s.clusters {
		rest = append(rest, &s.clusters[i].created)
	}
	for i := range s.processes {
		p := &s.processes[i]
		rest = append(rest, &p.search.found[0].created, &p.search.found[1].created,
			&p.cached.creation.decided, &p.work.creation.decided, &p.step.intent.decided)
	}
	return all
}

// shorten keeps the order of stamps, and the ages that are shorter than two spans.
func shorten(all []*stamp) {
	const exact = 2
	var used [present + 1]bool
	oldest := present
	for _, at := range all {
		used[*at] = *at != 0
		if *at != 0 {
			oldest = min(oldest, *at)
		}
	}
	next := present - exact
	var moved [present + 1]stamp
	for tick := present; tick >= oldest; tick-- {
		switch {
		case !used[tick]:
		case tick > present-exact:
			moved[tick] = tick
		default:
			moved[tick] = next
			next--
		}
	}
	for _, at := range all {
		*at = moved[*at]
	}
}

// shift moves everything one tick back.
func (s *state) shift() {
	age := func(at *stamp) {
		if *at != 0 {
			*at--
		}
	}
	for _, at := range s.creations() {
		age(at)
	}
	for i := range s.requests {
		age(&s.requests[i].sent)
	}
	for i := range s.processes {
		p := &s.processes[i]
		p.attempts.last.recent = false
		age(&p.attempts.creationSeen)
		age(&p.entry.opened)
		age(&p.entry.missingAt)
		age(&p.entry.unclear)
	}
}
