package listed

import (
	"fmt"

	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// event is one transition.
type event struct {
	kind eventKind
	// who is a process, a request in flight, or a remote object.
	who int8
	// how is the variant.
	how int8
}

type eventKind int8

const (
	timePasses eventKind = iota
	userDeletes
	userRetains
	userCreates
	finalizerForced
	deletedElsewhere
	requestArrives
	connectionBreaks
	processCrashes
	processDecides
	processGets
	processLists
	processActs
)

// The variants of events.
const (
	plainly = 0
	// fromCache: a process decides on the object that its cache already has.
	fromCache = 1
	// isLost: an answer is lost, or a write has no effect. isRefused: the workspace refuses.
	isLost, isRefused = 1, 2
	// isUnseen: a read does not return the remote object.
	isUnseen = 1
)

// enabled calls with each event that can happen.
func (m *Model) enabled(s *state, with func(event)) {
	fault := s.left.Faults > 0
	s.enabledOutside(with)
	for i, r := range s.requests {
		if r == (request{}) {
			break
		}
		who := int8(i)
		with(event{requestArrives, who, plainly})
		if r.waiter != 0 && fault {
			with(event{requestArrives, who, isLost})
			with(event{requestArrives, who, isRefused})
			with(event{kind: connectionBreaks, who: who})
		}
	}
	for i := range s.processes {
		m.enabledOf(s, int8(i), fault, with)
	}
	with(event{kind: timePasses})
}

// enabledOutside calls with each event that others than the operator cause.
func (s *state) enabledOutside(with func(event)) {
	left := s.left
	if s.object.uid == 0 && left.Objects > 0 {
		with(event{kind: userCreates})
	}
	if s.object.uid != 0 {
		if left.Deletions > 0 && !s.object.deleting {
			with(event{kind: userDeletes})
		}
		if left.Edits > 0 && !s.object.retain {
			with(event{kind: userRetains})
		}
		if left.Forced > 0 && s.object.deleting && s.object.finalizer {
			with(event{kind: finalizerForced})
		}
	}
	for i, r := range s.remotes {
		if left.Elsewhere > 0 && r.live && r.visible {
			with(event{kind: deletedElsewhere, who: int8(i)})
		}
	}
}

// enabledOf calls with each event of a process that can happen.
func (m *Model) enabledOf(s *state, who int8, fault bool, with func(event)) {
	p := &s.processes[who]
	if fault && p.known != 0 {
		with(event{kind: processCrashes, who: who})
	}
	switch p.at {
	case waits:
		return
	case decides:
	default:
		with(event{processActs, who, plainly})
		if fault && (p.at == declares || p.at == reports) {
			with(event{processActs, who, isLost})
		}
		return
	}
	with(event{processDecides, who, plainly})
	if !p.cached.newest && p.cached.uid != 0 {
		with(event{processDecides, who, fromCache})
	}
	if p.wantsGet {
		r := s.remotes[p.item.id-1]
		with(event{processGets, who, plainly})
		if r.mayBeUnseen() {
			with(event{processGets, who, isUnseen})
		}
	}
	var live uint8
	for i, r := range s.remotes {
		if r.live {
			live |= 1 << i
		}
	}
	if p.known == 0 || !p.wantsList && p.list.ids == live {
		return
	}
	for hidden := range int8(1 << maxRemotes) {
		if costs, ok := s.hidden(hidden); ok && (costs == 0 || costs == 1 && fault && !m.CompleteLists) {
			with(event{processLists, who, hidden})
		}
	}
}

// hidden returns how many faults a list without some remote objects needs.
func (s *state) hidden(hidden int8) (faults int8, ok bool) {
	for i, r := range s.remotes {
		switch {
		case hidden>>i&1 == 0, r.mayBeUnseen():
		case !r.live:
			return 0, false
		default:
			faults++
		}
	}
	return faults, true
}

// apply returns the state after an event.
func (m *Model) apply(before state, e event) state {
	s := before
	switch e.kind {
	case timePasses:
		s.passTime()
	case userDeletes:
		s.left.Deletions--
		if s.object.finalizer {
			s.object.deleting = true
			s.wrote()
		} else {
			s.remove(endedWithRemote)
		}
	case userRetains:
		s.left.Edits--
		s.object.retain = true
		s.wrote()
	case userCreates:
		s.object = object{uid: m.Objects - s.left.Objects + 1}
		s.left.Objects--
		s.wrote()
	case finalizerForced:
		s.left.Forced--
		s.remove(endedAlone)
	case deletedElsewhere:
		s.left.Elsewhere--
		s.remotes[e.who].live = false
	case requestArrives:
		m.arrive(&s, e)
	case connectionBreaks:
		s.left.Faults--
		r := &s.requests[e.who]
		s.processes[r.waiter-1].answer(ambiguous, 0, r.sent)
		r.waiter = 0
	default:
		m.proceed(&s, e)
	}
	m.normalize(&s)
	if m.trace != nil {
		m.trace(m.describe(&before, &s, e))
	}
	return s
}

// passTime moves everything one tick back. A request that takes longer than its deadline has
// no effect, and its sender stops waiting.
func (s *state) passTime() {
	s.shift()
	for i := maxRemotes - 1; i >= 0; i-- {
		r := s.requests[i]
		if r == (request{}) || r.sent.isWithinSpan() {
			continue
		}
		if r.waiter != 0 {
			s.processes[r.waiter-1].answer(ambiguous, 0, r.sent)
		}
		s.drop(i)
	}
}

func (m *Model) arrive(s *state, e event) {
	r := s.requests[e.who]
	s.drop(int(e.who))
	if e.how != plainly {
		s.left.Faults--
	}
	result := [...]reply{plainly: answered, isLost: ambiguous, isRefused: refused}[e.how]
	var id int8
	if e.how != isRefused {
		if id = m.take(s, r); id == 0 && result == answered {
			result = nameTaken
		}
	}
	if r.waiter != 0 {
		s.processes[r.waiter-1].answer(result, id, r.sent)
	}
}

// proceed is an event of a process.
func (m *Model) proceed(s *state, e event) {
	p := &s.processes[e.who]
	switch e.kind {
	case processCrashes:
		s.left.Faults--
		for i := range s.requests {
			if s.requests[i].waiter == e.who+1 {
				s.requests[i].waiter = 0
			}
		}
		*p = process{}
	case processDecides:
		if e.how != fromCache {
			p.cached = copied{s.object, true}
		}
		m.reconcile(s, p)
	case processGets:
		s.get(p, e.how == isUnseen)
	case processLists:
		faults, _ := s.hidden(e.how)
		s.left.Faults -= faults
		s.read(p, uint8(e.how)) //nolint:gosec // a set of remote objects
	case processActs:
		m.act(s, p, e)
	default:
	}
}

// act is the next action of a step.
func (m *Model) act(s *state, p *process, e event) {
	lost := e.how == isLost
	if lost {
		s.left.Faults--
	}
	switch p.at {
	case declares:
		m.declare(s, p, lost)
	case sends:
		m.sendCreate(s, p, e.who)
	case fences:
		m.sendDelete(s, p, e.who)
	case reports:
		m.report(s, p, lost)
	case releases:
		m.release(s, p)
	default:
	}
}

// normalize makes states equal that differ in nothing that can decide anything.
func (m *Model) normalize(s *state) {
	isPending := s.object.creation.pending
	for i := range s.processes {
		p := &s.processes[i]
		isPending = isPending || p.cached.creation.pending || p.work.creation.pending || p.step.kind == create
	}
	// Only what carries no tag is known by its time.
	isDated := isPending && !m.isTagged()
	for i := range s.remotes {
		switch r := &s.remotes[i]; {
		case !r.live:
			r.created, r.visible = 0, false
		case !isDated:
			r.created = max(r.created, today-2*perTick)
			if r.visible {
				r.created = today
			}
		}
	}
	undate(&s.object.creation, isDated)
	for i := range s.processes {
		s.processes[i].normalize(isDated)
	}
	s.countAttempts()
}

// undate drops the time of a creation that is not pending, or whose remote object is known by
// its tag: the operator waits by its own clock.
func undate(c *creation, isDated bool) {
	if c.decided != 0 && (!c.pending || !isDated) {
		c.decided = long
	}
}

func (p *process) normalize(isDated bool) {
	undate(&p.cached.creation, isDated)
	undate(&p.work.creation, isDated)
	a := &p.attempts
	if a.creationSeen != 0 {
		a.creationSeen = max(a.creationSeen, today-settled*perTick)
	}
	p.dropReads()
	if p.at != waits && a.last.isOver(p.cached.object) {
		a.last = last{}
	}
	// A decision has been made; any later GET is newer.
	if p.item.at < a.compared && p.item.presence == managed.Missing {
		p.item.at, p.item.presence = 0, managed.Unknown
	}
	if a.compared != 0 {
		a.compared = long
	}
	// Any later list is newer.
	if p.list.at > a.generationSeen && a.generationSeen != 0 {
		a.generationSeen = long
	}
	p.undateReads()
	p.compress()
}

// dropReads drops the reads that can no longer be used: later writes made them useless, or a
// later list.
func (p *process) dropReads() {
	l := p.attempts.last
	after := l.ended.time()
	switch l.result {
	case ambiguous:
		after = l.sent.time().Add(limits.RequestDeadline + limits.VisibilityGrace)
	case refused, nameTaken:
		after = stamp(0).time()
	default:
	}
	if p.list.at != 0 && !p.list.at.time().After(after) {
		p.list = list{}
	}
	if p.item.at != 0 && (p.item.at < p.list.at || !p.item.at.time().After(after)) {
		p.item.at, p.item.presence = 0, managed.Unknown
	}
}

// undateReads keeps of the age of a read only what a pending creation waits for.
func (p *process) undateReads() {
	a := &p.attempts
	for _, at := range []*stamp{&p.list.at, &p.item.at} {
		if *at == 0 {
			continue
		}
		if *at < a.generationSeen || *at < a.last.ended {
			// It is older than what may count.
			*at = max(*at, today-2*settled*perTick)
			continue
		}
		least := max(a.generationSeen, a.last.ended)
		if at == &p.item.at {
			least = max(least, p.list.at)
		}
		target := today
		if a.creationSeen != 0 && at.tickOf() < a.creationSeen.tickOf()+settled*perTick {
			target = max(a.creationSeen.tickOf(), least.tickOf())
		}
		*at = max(target, least) + 1
	}
}

// isOver reports whether a last step changes no decision any more: its backoff is over, its
// request is not in flight, and its creation is not the one that the object expects.
func (l last) isOver(cached object) bool {
	lasts := map[reply]stamp{answered: 1, refused: 1, nameTaken: 2, ambiguous: settled}[l.result]
	if l.ended == 0 || l.ended.tickOf() > today-lasts*perTick {
		return false
	}
	c := cached.creation
	return l.kind != create || l.result != answered || cached.uid != l.uid || c.incarnation != l.incarnation || !c.pending
}

// countAttempts numbers the attempts of a creation that are still known, and are not the
// first, from 2 on: there is no bound to attempts that send nothing, and only their order
// counts.
func (s *state) countAttempts() {
	var all [2 + 2*8]*int8
	rest := append(all[:0], &s.object.creation.attempt, &s.object.creation.deadlineOf)
	for i := range s.processes {
		p := &s.processes[i]
		rest = append(rest, &p.cached.creation.attempt, &p.cached.creation.deadlineOf, &p.work.creation.attempt, &p.work.creation.deadlineOf,
			&p.step.intent.attempt, &p.attempts.attempt, &p.attempts.deadlineOf, &p.attempts.last.attempt)
	}
	for i := range s.processes {
		s.processes[i].step.intent.deadlineOf = 0
	}
	var used, number [len(all) + 8]int8
	for _, attempt := range all {
		used[*attempt] = 1
	}
	number[1] = 1
	next := int8(2)
	for attempt := 2; attempt < len(used); attempt++ {
		if used[attempt] == 1 {
			number[attempt] = next
			next++
		}
	}
	for _, attempt := range all {
		*attempt = number[*attempt]
	}
	for i := range s.processes {
		p := &s.processes[i]
		p.step.intent.deadlineOf = p.step.intent.attempt
	}
}

// describe returns an event in words.
func (m *Model) describe(before, after *state, e event) string {
	at := func(i int8) string { return string(rune('A' + i)) }
	switch e.kind {
	case timePasses:
		return "time passes"
	case userDeletes:
		return "a user deletes the object"
	case userRetains:
		return "a user sets deletionPolicy: Retain"
	case userCreates:
		return fmt.Sprintf("a user creates the object again (uid %d)", after.object.uid)
	case finalizerForced:
		return "an administrator removes the finalizer"
	case deletedElsewhere:
		return fmt.Sprintf("remote object %d is deleted in the workspace", e.who+1)
	case requestArrives, connectionBreaks:
		r := before.requests[e.who]
		what := fmt.Sprintf("the create of uid %d", r.uid)
		if r.deletes {
			what = fmt.Sprintf("the deletion of remote object %d", r.id)
		}
		switch {
		case e.kind == connectionBreaks:
			return at(r.waiter-1) + " loses the connection while " + what + " is in flight"
		case e.how == isRefused:
			return what + " is refused"
		case e.how == isLost:
			return what + " takes effect; the answer is lost"
		case before.remotes == after.remotes:
			return what + " has no effect: the name is taken"
		default:
			return what + " takes effect"
		}
	case processCrashes:
		return at(e.who) + " crashes and starts again"
	case processDecides:
		words := map[bool]string{true: " decides from a stale cache", false: " decides"}[e.how == fromCache]
		return at(e.who) + words + describeStep(before, after, &after.processes[e.who])
	case processGets:
		found := map[managed.Presence]string{managed.Present: "there", managed.Missing: "missing"}[after.processes[e.who].item.presence]
		return fmt.Sprintf("%s gets remote object %d: %s", at(e.who), before.processes[e.who].item.id, found)
	case processLists:
		return fmt.Sprintf("%s lists: %04b", at(e.who), after.processes[e.who].list.ids)
	default:
		return at(e.who) + " " + describeAction(before, after, e)
	}
}

func describeStep(before, after *state, p *process) string {
	switch step := p.step; {
	case step.kind == create:
		return fmt.Sprintf(": create (uid %d, incarnation %d, attempt %d)", p.work.uid, step.intent.incarnation, step.intent.attempt)
	case step.kind == storeID:
		return fmt.Sprintf(": store the id of remote object %d", step.id)
	case step.kind == deletion:
		return fmt.Sprintf(": delete remote object %d", step.id)
	case step.kind == removeFinalizer:
		return ": remove the finalizer"
	case before.object.finalizer != after.object.finalizer:
		return ": adds the finalizer"
	case before.object != after.object && after.object.ready && !before.object.ready:
		return ": Ready"
	case before.object != after.object && after.object.taken && !before.object.taken:
		return ": NameTaken"
	case before.object != after.object:
		return ": writes the status"
	default:
		return ": nothing to do"
	}
}

func describeAction(before, after *state, e event) string {
	p := &before.processes[e.who]
	words := map[action]string{
		declares: "persists the intent", sends: "sends the create", fences: "reads the object uncached and sends the deletion",
		reports: "writes the status", releases: "removes the finalizer",
	}[p.at]
	switch {
	case e.how == isLost:
		words += ", which fails or whose answer is lost"
	case before.object == after.object && before.requests == after.requests && after.processes[e.who].at == decides:
		words += ", which changes nothing"
	}
	return words
}
