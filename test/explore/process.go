package explore

import (
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// process is one process of the operator. Both processes act as leaders all the time.
type process struct {
	// since is the newest object of the name that was there when the process began.
	since int8
	// cached is the object in the informer cache.
	cached copied
	// known is the uid of the object that attempts, entry and search are about.
	known    int8
	attempts attempts
	entry    entry
	search   search
	// wantsRead and wantsList report whether the last decision lacks a read.
	wantsRead, wantsList bool

	// at is the next action of a step that is being carried out, and work the object as
	// the step has it.
	at   action
	step step
	work copied
}

// attempts are plan.Attempts, as far as the protocol uses them.
type attempts struct {
	// incarnation and attempt are those of the creation that was seen at creationSeen;
	// attempt is 0 if its token was already gone.
	incarnation, attempt int8
	creationSeen         stamp
	deletionSeen         bool
	searchSince          since
	last                 last
}

// since is plan.Attempts.SearchSince: none, before the creation could be resolved, or
// after that.
type since int8

const (
	notSearching since = iota
	early
	late
)

// last is plan.Attempt.
type last struct {
	kind kind
	// uid and incarnation are those of the token of a create, id what it returned.
	id, uid, incarnation, attempt int8

	result               reply
	failures, generation int8
	// recent reports whether it ended in this tick.
	recent bool
}

// entry is the entry of internal/cache for the cluster on record. A read that is older
// than the end of the last write is dropped at that moment.
type entry struct {
	id int8
	// opened is when the entry was created; zero: long ago. seen reports whether a read
	// returned the cluster, deleting whether a permanent-delete was sent since.
	opened         stamp
	seen, deleting bool
	// presence is what the newest read found, uid the owner tag of the cluster, missingAt
	// when a read began that did not find it.
	presence  managed.Presence
	uid       int8
	missingAt stamp
	// unclear is when a write was sent that had no answer; reads are not valid before its
	// deadline.
	unclear stamp
}

// search is the search of internal/cache for the owner tag.
type search struct {
	since since
	lists int8
	// found are the matches of the newest list.
	found [2]match
}

type match struct {
	id      int8
	created stamp
}

// kind is the kind of a step.
type kind int8

const (
	noStep kind = iota
	addFinalizer
	removeFinalizer
	storeID
	create
	permanentDelete
)

// action is the next action of a step.
type action int8

const (
	decides action = iota
	declares
	sends
	waits
	fences
	reports
	releases
)

// step is a step that is being carried out.
type step struct {
	kind   kind
	id     int8
	source plan.ClusterSource
	intent creation
	// presence is what the decision rests on.
	presence managed.Presence
	result   reply
	// created is the id that the create returned.
	created int8
}

// forgetRead drops a read that later events made useless.
func (p *process) forgetRead() {
	p.entry.presence, p.entry.uid, p.entry.missingAt = managed.Unknown, 0, 0
}

// idle ends a step.
func (p *process) idle() { p.at, p.step, p.work = decides, step{}, copied{} }

// reconcile is controller.Reconcile up to the first effect of the step. The writes that
// the optimistic lock makes independent of what happens between (the finalizer, a status
// without an id) are part of it.
func (m *Model) reconcile(s *state, p *process) {
	if p.cached.uid == 0 {
		// Reconciler.forget
		*p = process{since: p.since, cached: p.cached}
		return
	}
	if p.known != p.cached.uid {
		*p = process{since: p.since, cached: p.cached, known: p.cached.uid}
	}
	if p.entry.id != p.cached.id {
		p.entry = entry{id: p.cached.id, opened: present}
	}
	if p.cached.deleting && !p.attempts.deletionSeen {
		// plan.ReadAfter needs a read that begins after Seen.
		defer p.forgetRead()
	}
	made := m.decide(p)
	p.attempts, p.search, p.wantsRead, p.wantsList = made.attempts, made.search, made.wantsRead, made.wantsList
	lock := p.cached
	switch made.step.kind {
	case noStep:
		if made.status != p.cached.object {
			s.patch(&lock, made.status)
		}
		return
	case addFinalizer:
		after := lock.object
		after.finalizer = true
		if s.patch(&lock, after) {
			m.made(PatchFinalizers)
		}
		return
	case removeFinalizer:
		p.at = releases
	case storeID:
		p.at = reports
	case create:
		p.at = declares
	case permanentDelete:
		p.at = fences
	}
	p.step, p.work, p.wantsRead, p.wantsList = made.step, p.cached, false, false
}

// declare is actor.declare: the intent is persisted under the optimistic lock.
func (m *Model) declare(s *state, p *process, isAnswerLost bool) {
	after := p.work.object
	after.id, after.creation = 0, p.step.intent
	if m.lacks(LockOfIntent) && s.object.uid != 0 {
		p.work.newest = true
		after = s.object
		after.id, after.creation = 0, p.step.intent
	}
	if !s.patch(&p.work, after) || isAnswerLost {
		p.idle()
		return
	}
	m.made(PatchIntent)
	p.attempts = p.attempts.seen(p.work.object)
	if p.attempts.searchSince == late {
		p.attempts.searchSince = early
	}
	p.at = sends
}

// sendCreate is the rest of actor.create: a last look at the deadline, and the call. A
// process that is held up between the two for longer than every wait is not modeled; see
// docs/decisions/0018.
func (m *Model) sendCreate(s *state, p *process, who int8) {
	intent := p.step.intent
	if !intent.decided.isWithinSpan() && !m.lacks(DeadlineOfIntent) {
		p.idle()
		return
	}
	m.made(PostCreate)
	s.send(request{uid: p.work.uid, incarnation: intent.incarnation, waiter: who + 1})
	p.at = waits
}

// sendDelete is actor.fenced with the call. The time between the two is that of the
// request in flight.
func (m *Model) sendDelete(s *state, p *process, who int8) {
	if !m.lacks(UncachedRead) {
		m.made(GetUncached)
		if !sameIntent(p.work.object, s.object) {
			p.idle()
			return
		}
	}
	switch owner := s.clusters[p.step.id-1].uid; {
	case owner != p.work.uid:
		s.violated = foreignDeleted
	case s.object.uid != owner:
		s.violated = unaskedDeleted
	case s.object.retain:
		s.violated = retainedDeleted
	}
	m.made(PostPermanentDelete)
	s.send(request{deletes: true, uid: p.work.uid, id: p.step.id, waiter: who + 1})
	p.at = waits
}

// sameIntent is controller.sameIntent.
func sameIntent(decided, now object) bool {
	return decided.uid == now.uid && decided.generation() == now.generation() && decided.deleting == now.deleting &&
		decided.finalizer == now.finalizer && decided.retain == now.retain && decided.id == now.id
}

// generation counts the changes of a user.
func (o object) generation() int8 {
	generation := int8(1)
	if o.deleting {
		generation++
	}
	if o.retain {
		generation++
	}
	return generation
}

// answer is what follows an answer, or its absence: Writers.Do and
// Reconciler.recordStep.
func (p *process) answer(result reply, id int8, sent stamp) {
	p.step.result = result
	if result == answered && p.step.kind == create {
		p.step.created = id
	}
	p.attempts = p.attempts.recorded(p.step, p.work.object)
	if result != refused {
		// plan.Attempts.readAfter needs a read that begins after the end of the step, and
		// so does cache.endWrite.
		p.forgetRead()
	}
	if p.step.kind == permanentDelete {
		p.forgetRead()
		p.entry.deleting = true
		if result == ambiguous {
			p.entry.unclear = sent
		}
	}
	p.at = reports
}

// report is report.Of and Reconciler.write.
func (m *Model) report(s *state, p *process, isLost bool) {
	after := m.reported(p.work.object, p.step)
	switch storesID := p.work.id == 0 && after.id != 0 && p.work.creation.pending; {
	case isLost, after == p.work.object:
	case storesID:
		if m.patchID(s, &p.work, after) {
			m.made(PatchID)
		}
	default:
		s.patch(&p.work, after)
	}
	p.idle()
}

// release is actor.patch without the finalizer.
func (m *Model) release(s *state, p *process) {
	if s.release(&p.work) {
		m.made(PatchFinalizers)
	}
	p.idle()
}

// read is a GET of the cluster on record, and cache.handleGet.
func (m *Model) read(s *state, p *process, isUnseen bool) {
	c, e := &s.clusters[p.entry.id-1], &p.entry
	isThere := c.live && !isUnseen
	if e.unclear != 0 {
		return // not valid
	}
	if !isThere && !e.seen && !e.deleting && e.opened != 0 && !m.lacks(GraceOfEntry) {
		return // too new to be missing
	}
	e.presence, e.uid, e.missingAt = managed.Missing, 0, present
	if isThere {
		c.visible = true
		e.presence, e.uid, e.missingAt, e.seen, e.deleting = managed.Present, c.uid, 0, true, false
	}
}

// list is a complete list for the search, without the clusters that hidden has.
func (m *Model) list(s *state, p *process, hidden uint8) {
	before := p.search.found
	p.search.found = [2]match{}
	p.search.lists++
	n := 0
	for i := range s.clusters {
		c := &s.clusters[i]
		if !c.live || hidden>>i&1 == 1 {
			continue
		}
		c.visible = true
		if c.uid == p.known && !m.lacks(OwnerTagSearch) && n < len(p.search.found) {
			p.search.found[n] = match{int8(i + 1), c.created}
			n++
		}
	}
	if before != p.search.found && n == 0 {
		p.search.lists = 1 // the lists do not agree
	}
}
