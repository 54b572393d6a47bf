package listed

import (
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/test/explore"
)

// Net is a fence of the protocol that a Model can be without.
type Net int

// The nets. Each switch is in the models of this package: the code that decides is the
// operator's, unchanged.
const (
	// LockOfIntent: the intent is persisted whatever the version of the object.
	LockOfIntent Net = 1 << iota
	// DeadlineOfIntent: a create is sent however long ago its intent was decided on.
	DeadlineOfIntent
	// UniqueName: the workspace accepts a second remote object of a name.
	UniqueName
	// FreshList: a list counts as one that began late enough to resolve a creation.
	FreshList
	// OwnerTag: lists show no owner tag.
	OwnerTag
	// ConfirmingGet: a remote object that a list does not have counts as missing.
	ConfirmingGet
	// TestsOfID: the patch of the id tests neither the uid nor the token.
	TestsOfID
	// UncachedRead: a deletion rests on the cached object.
	UncachedRead
)

// Bounds limit what may happen in one history. Time and the number of actions have no bound.
type Bounds struct {
	// Faults is the number of crashes, lost answers, broken connections, refusals, failed
	// writes of the API server, and remote objects that a list leaves out.
	Faults int8
	// Objects is the number of objects of the name, one after another.
	Objects int8
	// Deletions and Edits are those of objects by a user: an edit sets deletionPolicy: Retain.
	Deletions, Edits int8
	// Forced is the number of finalizers that an administrator removes.
	Forced int8
	// Elsewhere is the number of remote objects that others delete in the workspace.
	Elsewhere int8
}

// Model is a configuration of the protocol.
type Model struct {
	Bounds
	Kind *managed.Kind
	// Without are the nets that are taken away.
	Without Net
	// CompleteLists: lists leave nothing out but what is too new.
	CompleteLists bool

	decisions map[view]decision
	// trace is called with each event in words, record with each effect.
	trace  func(string)
	record func(explore.Effect)
}

// The effects that differ from those of clusters.
const (
	PostCreate explore.Effect = "POST create"
	PostDelete explore.Effect = "POST delete"
)

func (m *Model) made(effect explore.Effect) {
	if m.record != nil {
		m.record(effect)
	}
}

func (m *Model) lacks(net Net) bool { return m.Without&net != 0 }

// isTagged reports whether the remote objects carry the owner tag.
func (m *Model) isTagged() bool { return m.Kind.TagField != "" }

const (
	maxRemotes = 4
	maxObjects = 2
)

// state is everything at one moment. It is comparable.
type state struct {
	object    object
	remotes   [maxRemotes]remote
	requests  [maxRemotes]request
	processes [2]process
	ended     [maxObjects]end
	// left is what may still happen. Objects counts those that were made.
	left     Bounds
	violated violation
}

// object is the object of the one name, as far as the protocol rests on it. The zero value is
// no object.
type object struct {
	// uid counts the objects of the name.
	uid int8
	// finalizer is that of the operator. retain is spec.deletionPolicy: Retain.
	finalizer, deleting, retain bool
	// id is the id in the status, as an index of remotes from 1 on.
	id       int8
	creation creation
	// ready reports whether the condition Ready is True, and taken whether the object is
	// Stalled because another remote object has its name.
	ready, taken bool
}

// creation is status.creation. The zero value is none.
type creation struct {
	incarnation, attempt int8
	// pending reports whether the token is there.
	pending bool
	// decided is CreateWindow before notAfter; zero: there is no notAfter. deadlineOf is the
	// attempt that notAfter is of.
	decided    stamp
	deadlineOf int8
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

// copied is an object as a process has it.
type copied struct {
	object
	// newest reports whether its resource version is that of the API server.
	newest bool
}

// remote is a remote object that the operator created; all have the same name. The zero
// value is none.
type remote struct {
	// uid is that of the object that it was created for.
	uid     int8
	created stamp
	live    bool
	// visible: a read has returned it, so all reads do. Before that, reads may miss it for the
	// visibility grace.
	visible bool
}

func (r remote) mayBeUnseen() bool { return r.live && !r.visible && r.created.isWithinSpan() }

// request is a request in flight. The zero value is none. It takes effect within span, or
// never.
type request struct {
	// deletes is a deletion of id; otherwise it is a create.
	deletes bool
	uid, id int8
	sent    stamp
	// waiter is the process that waits for the answer, from 1 on; 0: none does.
	waiter int8
}

// end is how an object ended; zero: it did not.
type end int8

const (
	// endedWithRemote: no remote object of the object may be left.
	endedWithRemote end = iota + 1
	// endedAlone: the policy is Retain, or the finalizer was removed by force.
	endedAlone
)

// violation is an invariant that does not hold. The zero value is none.
type violation int8

const (
	holds violation = iota
	twoRemotes
	foreignDeleted
	unaskedDeleted
	retainedDeleted
	remoteLeft
	foreignID
	notConverging
)

var violations = map[violation]string{
	twoRemotes:      "one object has two live remote objects",
	foreignDeleted:  "a deletion is sent for a remote object that was created for another object",
	unaskedDeleted:  "a deletion is sent for an object that is gone",
	retainedDeleted: "a deletion is sent for an object with deletionPolicy: Retain",
	remoteLeft:      "an object with deletionPolicy: Delete is gone, and a remote object of it lives",
	foreignID:       "an object has the id of a remote object that was created for another one",
	notConverging:   "without further faults the object becomes neither Ready with one remote object, nor gone",
}

func (s *state) liveOf(uid int8) (count int) {
	for _, r := range s.remotes {
		if r.live && r.uid == uid {
			count++
		}
	}
	return count
}

// check returns the first invariant that does not hold in a state.
func (m *Model) check(s *state) violation {
	if s.violated != holds {
		return s.violated
	}
	for i, end := range s.ended {
		live := s.liveOf(int8(i + 1))
		if live > 1 {
			return twoRemotes
		}
		if live > 0 && end == endedWithRemote {
			return remoteLeft
		}
	}
	// What an earlier object of the name left, with the same fields, cannot be told from the
	// own one where nothing carries a tag.
	if id := s.object.id; m.isTagged() && id != 0 && s.remotes[id-1].uid != s.object.uid {
		return foreignID
	}
	return holds
}

// isSettled reports whether the object is Ready with its only live remote object, or gone, or
// says that an earlier object left one with its name.
func (s *state) isSettled() bool {
	o := s.object
	switch {
	case o.uid == 0:
		return true
	case o.taken && !o.deleting:
		return s.liveOf(o.uid) == 0 && s.liveOf(3-o.uid) > 0
	default:
		return o.ready && !o.deleting && o.id != 0 && s.remotes[o.id-1].live && s.liveOf(o.uid) <= 1
	}
}

// isQuiet reports whether nothing is under way.
func (s *state) isQuiet() bool {
	return s.processes[0].at == decides && s.processes[1].at == decides && s.requests[0] == request{}
}

// initial is a new object that two processes are about to see.
func (m *Model) initial() state {
	m.decisions = map[view]decision{}
	s := state{object: object{uid: 1}, left: m.Bounds}
	s.left.Objects--
	return s
}

// wrote records that the API server has a newer version of the object.
func (s *state) wrote() {
	for i := range s.processes {
		s.processes[i].cached.newest, s.processes[i].work.newest = false, false
	}
}

// patch replaces the object if the optimistic lock permits it.
func (s *state) patch(by *copied, after object) (ok bool) {
	if !by.newest {
		return false
	}
	s.wrote()
	s.object, by.object, by.newest = after, after, true
	return true
}

// patchID is the JSON Patch of kubewrite.IDPatch: it tests the uid and the creation, and
// replaces the members of the status that differ.
func (m *Model) patchID(s *state, by *copied, after object) {
	is := s.object
	isSame := is.uid == by.uid && is.creation.pending && is.creation.incarnation == by.creation.incarnation && is.creation.attempt == by.creation.attempt
	if is.uid == 0 || !isSame && !m.lacks(TestsOfID) {
		return
	}
	is.id, is.creation, is.ready, is.taken = after.id, after.creation, after.ready, after.taken
	m.made(explore.PatchID)
	s.wrote()
	s.object = is
}

// remove deletes the object from the API server.
func (s *state) remove(how end) {
	s.ended[s.object.uid-1] = how
	s.object = object{}
	s.wrote()
}

func (s *state) send(r request) {
	r.sent = today
	for i := range s.requests {
		if s.requests[i] == (request{}) {
			s.requests[i] = r
			return
		}
	}
	panic("more requests in flight than the model has room for")
}

// drop removes a request that is no longer in flight.
func (s *state) drop(i int) {
	copy(s.requests[i:], s.requests[i+1:])
	s.requests[maxRemotes-1] = request{}
}

// take carries out a request and returns the id of its remote object; 0: the name is taken.
func (m *Model) take(s *state, r request) (id int8) {
	if r.deletes {
		s.remotes[r.id-1].live = false
		return r.id
	}
	for i, other := range s.remotes {
		if other.live && !m.lacks(UniqueName) {
			return 0
		}
		if other.uid == 0 {
			s.remotes[i] = remote{uid: r.uid, created: today, live: true}
			return int8(i + 1)
		}
	}
	// A slot of one that is gone and that nothing names any more.
	for i, other := range s.remotes {
		if !other.live && !s.isNamed(int8(i+1)) {
			s.remotes[i] = remote{uid: r.uid, created: today, live: true}
			return int8(i + 1)
		}
	}
	panic("more remote objects than the model has room for")
}

// isNamed reports whether anything names a remote object.
func (s *state) isNamed(id int8) bool {
	if s.object.id == id {
		return true
	}
	for _, r := range s.requests {
		if r.id == id {
			return true
		}
	}
	for _, p := range s.processes {
		isRead := p.item.id == id || p.list.ids>>(id-1)&1 == 1
		if isRead || p.cached.id == id || p.work.id == id || p.step.id == id || p.step.created == id || p.attempts.last.id == id {
			return true
		}
	}
	return false
}
