package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// event is one transition.
type event struct {
	kind eventKind
	// who is a process, or a request in flight.
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
	processReads
	processLists
	processActs
)

// The variants of events.
const (
	plainly = 0
	// fromCache: a process decides on the object that its cache already has.
	fromCache = 1
	// isLost: an answer is lost, or a write has no effect. isRefused: the workspace
	// refuses.
	isLost, isRefused = 1, 2
	// isUnseen: a read does not return the cluster.
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
	if left.Elsewhere > 0 {
		for i, c := range s.clusters {
			if c.live && c.visible {
				with(event{kind: deletedElsewhere, who: int8(i)})
			}
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
	m.enabledReads(s, who, fault, with)
}

func (m *Model) enabledReads(s *state, who int8, fault bool, with func(event)) {
	p := &s.processes[who]
	if p.entry.id != 0 {
		c := s.clusters[p.entry.id-1]
		isPresent := p.entry.presence == managed.Present
		if p.entry.unclear == 0 && (p.wantsRead || c.live != isPresent) {
			with(event{processReads, who, plainly})
		}
		if p.entry.unclear == 0 && c.live && (p.wantsRead || isPresent) && (c.mayBeUnseen() || fault && m.lacks(ConfirmingGet)) {
			with(event{processReads, who, isUnseen})
		}
	}
	if !p.wantsList {
		return
	}
	for hidden := range int8(1 << maxClusters) {
		if costs, ok := s.hidden(hidden); ok && (costs == 0 || costs == 1 && fault) {
			with(event{processLists, who, hidden})
		}
	}
}

// hidden returns how many faults a list without some clusters needs.
func (s *state) hidden(hidden int8) (faults int8, ok bool) {
	for i, c := range s.clusters {
		switch {
		case hidden>>i&1 == 0, c.mayBeUnseen():
		case !c.live:
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
		s.delete()
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
		s.clusters[e.who].live = false
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
	s.normalize()
	if m.trace != nil {
		m.trace(m.describe(&before, &s, e))
	}
	return s
}

// passTime moves everything that happened one tick back. A request that takes longer
// than its deadline has no effect, and its sender stops waiting.
func (s *state) passTime() {
	s.shift()
	for i := maxRequests - 1; i >= 0; i-- {
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
	var id int8
	if e.how != isRefused {
		id = m.take(s, r)
	}
	if r.waiter != 0 {
		s.processes[r.waiter-1].answer([...]reply{plainly: answered, isLost: ambiguous, isRefused: refused}[e.how], id, r.sent)
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
		*p = process{since: m.Objects - s.left.Objects}
	case processDecides:
		if e.how != fromCache {
			p.cached = copied{s.object, true}
		}
		m.reconcile(s, p)
	case processReads:
		c := s.clusters[p.entry.id-1]
		if e.how == isUnseen && !c.mayBeUnseen() {
			s.left.Faults--
		}
		m.read(s, p, e.how == isUnseen)
	case processLists:
		faults, _ := s.hidden(e.how)
		s.left.Faults -= faults
		m.list(s, p, uint8(e.how)) //nolint:gosec // a set of clusters
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
		return fmt.Sprintf("cluster %d is deleted in the workspace", e.who+1)
	case requestArrives, connectionBreaks:
		return describeRequest(before, after, e, at)
	default:
		return at(e.who) + " " + m.describeProcess(before, after, e)
	}
}

func (m *Model) describeProcess(before, after *state, e event) string {
	p, next := &before.processes[e.who], &after.processes[e.who]
	switch e.kind {
	case processCrashes:
		return "crashes and starts again"
	case processDecides:
		if e.how == fromCache {
			return "decides from a stale cache" + describeStep(before, after, next)
		}
		return "decides" + describeStep(before, after, next)
	case processReads:
		found := [...]string{managed.Unknown: "not there yet", managed.Present: "there", managed.Missing: "missing"}[next.entry.presence]
		return fmt.Sprintf("reads cluster %d: %s", p.entry.id, found)
	case processLists:
		return "lists: " + describeFound(next.search.found)
	default:
		return m.describeAction(before, after, e)
	}
}

func describeFound(found [2]match) string {
	var ids []string
	for _, match := range found {
		if match.id != 0 {
			ids = append(ids, fmt.Sprintf("cluster %d", match.id))
		}
	}
	if len(ids) == 0 {
		return "nothing with the owner tag"
	}
	return strings.Join(ids, ", ")
}

func describeStep(before, after *state, p *process) string {
	switch step := p.step; step.kind {
	case create:
		return fmt.Sprintf(": create (uid %d, incarnation %d, attempt %d)", p.work.uid, step.intent.incarnation, step.intent.attempt)
	case storeID:
		return fmt.Sprintf(": store the id of cluster %d", step.id)
	case permanentDelete:
		return fmt.Sprintf(": permanent-delete of cluster %d", step.id)
	case removeFinalizer:
		return ": remove the finalizer"
	default:
	}
	switch {
	case before.object.finalizer != after.object.finalizer:
		return ": adds the finalizer"
	case before.object != after.object && after.object.ready && !before.object.ready:
		return ": Ready"
	case before.object != after.object:
		return ": writes the status"
	default:
		return ": nothing to do"
	}
}

func describeRequest(before, after *state, e event, at func(int8) string) string {
	r := before.requests[e.who]
	what := fmt.Sprintf("the create of uid %d", r.uid)
	if r.deletes {
		what = fmt.Sprintf("the permanent-delete of cluster %d", r.id)
	}
	if e.kind == connectionBreaks {
		return fmt.Sprintf("%s loses the connection while %s is in flight", at(r.waiter-1), what)
	}
	if e.how == isRefused {
		return what + " is refused"
	}
	words := what + " takes effect"
	made := func(c cluster) bool { return c.uid == 0 }
	if first := slices.IndexFunc(before.clusters[:], made); first != slices.IndexFunc(after.clusters[:], made) {
		words += fmt.Sprintf(": cluster %d", first+1)
	}
	switch {
	case r.waiter == 0:
		return words + "; no process waits for it"
	case e.how == isLost:
		return words + "; the answer is lost"
	default:
		return words + "; " + at(r.waiter-1) + " has the answer"
	}
}

func (m *Model) describeAction(before, after *state, e event) string {
	p, next := &before.processes[e.who], &after.processes[e.who]
	words := map[action]string{
		declares: "persists the intent", sends: "sends the create", fences: "reads the object uncached and sends the permanent-delete",
		reports: "writes the status", releases: "removes the finalizer",
	}[p.at]
	if p.at == fences && m.lacks(UncachedRead) {
		words = "sends the permanent-delete"
	}
	if p.at == reports && p.step.kind != permanentDelete && after.object.id != before.object.id {
		words = fmt.Sprintf("stores the id of cluster %d", after.object.id)
	}
	refused := before.object == after.object && before.requests == after.requests && (p.at != reports || p.step.result == answered)
	switch {
	case e.how == isLost && before.object == after.object:
		words += ", which fails"
	case e.how == isLost:
		words += "; the answer is lost"
	case refused && next.at == decides:
		words += ", which is refused"
	}
	return words
}
