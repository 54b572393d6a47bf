package listed

import (
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/test/explore"
)

// process is one process of the operator. Both processes act as leaders all the time.
type process struct {
	// cached is the object in the informer cache, and known the uid of the object that the
	// other members are about.
	cached   copied
	known    int8
	attempts attempts
	list     list
	item     item
	// wantsList and wantsGet report whether the last decision lacks a read.
	wantsList, wantsGet bool

	// at is the next action of a step that is being carried out, and work the object as the
	// step has it.
	at   action
	step step
	work copied
}

// attempts are managed.Attempts, as far as the protocol uses them.
type attempts struct {
	generation     int8
	generationSeen stamp
	// incarnation and attempt are those of the creation that was seen at creationSeen; attempt
	// is 0 if its token was already gone.
	incarnation, attempt, deadlineOf int8
	creationSeen                     stamp
	// compared is when it was seen that what the creation made had been compared.
	compared     stamp
	deletionSeen bool
	last         last
}

// last is managed.Attempt.
type last struct {
	kind kind
	// uid and incarnation are those of the token of a create, id what it returned.
	id, uid, incarnation, attempt int8
	result                        reply
	generation                    int8
	sent, ended                   stamp
}

// list is the newest list: when it began, and the remote objects in it.
type list struct {
	at  stamp
	ids uint8
}

// item is the newest GET: when it began, of what, and what it found.
type item struct {
	at       stamp
	id       int8
	presence managed.Presence
}

// kind is the kind of a step.
type kind int8

const (
	noStep kind = iota
	addFinalizer
	removeFinalizer
	storeID
	create
	deletion
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

// reply is what the sender of a request knows in the end.
type reply int8

const (
	answered reply = iota
	// ambiguous: the connection broke, or the answer did not come in time.
	ambiguous
	// refused: the request certainly had no effect. nameTaken: because of its name.
	refused
	nameTaken
)

// step is a step that is being carried out.
type step struct {
	kind   kind
	id     int8
	intent creation
	result reply
	// created is the id that the create returned.
	created int8
}

// idle ends a step.
func (p *process) idle() { p.at, p.step, p.work = decides, step{}, copied{} }

// reconcile is Reconciler.Reconcile up to the first effect of the step. The writes that the
// optimistic lock makes independent of what happens between (the finalizer, a status without
// an id) are part of it.
func (m *Model) reconcile(s *state, p *process) {
	if p.cached.uid == 0 {
		*p = process{cached: p.cached, list: p.list} // Reconciler.forget
		return
	}
	if p.known != p.cached.uid {
		*p = process{cached: p.cached, list: p.list, known: p.cached.uid}
	}
	if id := p.cached.id; p.item.id != id {
		p.item = item{id: id}
	}
	p.attempts = p.attempts.seen(p.cached.object, p.moment())
	made := m.decide(s, p)
	p.wantsList, p.wantsGet = made.wantsList, made.wantsGet
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
			m.made(explore.PatchFinalizers)
		}
		return
	case removeFinalizer:
		p.at = releases
	case storeID:
		p.at = reports
	case create:
		p.at = declares
	case deletion:
		p.at = fences
	}
	p.step, p.work, p.wantsList, p.wantsGet = made.step, p.cached, false, false
	if p.step.kind == create {
		p.step.intent.decided, p.step.intent.deadlineOf = today, p.step.intent.attempt
	}
}

// declare is actor.declare: the intent is persisted under the optimistic lock.
func (m *Model) declare(s *state, p *process, isAnswerLost bool) {
	if m.lacks(LockOfIntent) && s.object.uid != 0 {
		p.work = copied{s.object, true}
	}
	after := p.work.object
	after.id, after.creation = 0, p.step.intent
	if !s.patch(&p.work, after) || isAnswerLost {
		p.idle()
		return
	}
	m.made(explore.PatchIntent)
	p.attempts = p.attempts.seen(p.work.object, p.moment())
	p.at = sends
}

// sendCreate is the rest of actor.create: a last look at the deadline, and the call.
func (m *Model) sendCreate(s *state, p *process, who int8) {
	if !p.step.intent.decided.isWithinSpan() && !m.lacks(DeadlineOfIntent) {
		p.idle()
		return
	}
	m.made(PostCreate)
	s.send(request{uid: p.work.uid, waiter: who + 1})
	p.at = waits
}

// sendDelete is actor.fenced with the call. The time between the two is that of the request
// in flight.
func (m *Model) sendDelete(s *state, p *process, who int8) {
	m.made(explore.GetUncached)
	if !m.lacks(UncachedRead) && !isSameIntent(p.work.object, s.object) {
		p.idle()
		return
	}
	switch owner := s.remotes[p.step.id-1].uid; {
	case owner != p.work.uid && m.isTagged():
		s.violated = foreignDeleted
	case s.object.uid != p.work.uid:
		s.violated = unaskedDeleted
	case s.object.retain:
		s.violated = retainedDeleted
	}
	m.made(PostDelete)
	s.send(request{deletes: true, uid: p.work.uid, id: p.step.id, waiter: who + 1})
	p.at = waits
}

// isSameIntent is actor.isSameIntent.
func isSameIntent(decided, is object) bool {
	return decided.uid == is.uid && decided.generation() == is.generation() && decided.deleting == is.deleting &&
		decided.finalizer == is.finalizer && decided.retain == is.retain && decided.id == is.id
}

// answer is what follows an answer, or its absence: Writers.Do and Reconciler.record.
func (p *process) answer(result reply, id int8, sent stamp) {
	p.step.result = result
	done := last{kind: p.step.kind, result: result, generation: p.work.generation(), sent: sent, ended: p.moment()}
	if p.step.kind == create {
		if result == answered {
			p.step.created, done.id = id, id
		}
		done.uid, done.incarnation, done.attempt = p.work.uid, p.step.intent.incarnation, p.step.intent.attempt
	}
	p.attempts.last = done
	p.at = reports
}

// report is managed.ReportTo and Reconciler.write.
func (m *Model) report(s *state, p *process, isLost bool) {
	after := m.reported(p.work.object, p.step)
	switch storesID := p.work.id == 0 && after.id != 0 && p.work.creation.pending; {
	case isLost, after == p.work.object:
	case storesID:
		m.patchID(s, &p.work, after)
	default:
		s.patch(&p.work, after)
	}
	p.idle()
}

// release is actor.patch without the finalizer.
func (m *Model) release(s *state, p *process) {
	if p.work.newest {
		m.made(explore.PatchFinalizers)
	}
	switch {
	case !p.work.newest:
	case s.object.retain:
		s.remove(endedAlone)
	default:
		s.remove(endedWithRemote)
	}
	p.idle()
}

// get is a GET of the remote object in the status.
func (s *state) get(p *process, isUnseen bool) {
	r := &s.remotes[p.item.id-1]
	p.item.at, p.item.presence = p.moment(), managed.Missing
	if r.live && !isUnseen {
		r.visible, p.item.presence = true, managed.Present
	}
}

// read is a list without the remote objects in hidden.
func (s *state) read(p *process, hidden uint8) {
	p.list = list{at: p.moment()}
	for i := range s.remotes {
		if s.remotes[i].live && hidden>>i&1 == 0 {
			s.remotes[i].visible = true
			p.list.ids |= 1 << i
		}
	}
}
