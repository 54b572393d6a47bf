package explore

// Net is a fence of the protocol that a Model can be without.
type Net int

// The nets. Each switch is in the models of this package: the code that decides is the
// operator's, unchanged.
const (
	// LockOfIntent: the intent is persisted whatever the version of the object.
	LockOfIntent Net = 1 << iota
	// DeadlineOfIntent: a create is sent however long ago its intent was decided on.
	DeadlineOfIntent
	// IdempotencyToken: the workspace ignores tokens.
	IdempotencyToken
	// OwnerTagSearch: lists show no owner tag.
	OwnerTagSearch
	// ConfirmingGet: a cluster that a list does not show counts as missing.
	ConfirmingGet
	// TestOfUID and TestOfToken: the patch of the id does not test them. The test of the
	// token is that of the attempt, too.
	TestOfUID
	TestOfToken
	// GraceOfEntry: a GET that does not find a new cluster counts as missing at once.
	GraceOfEntry
	// UncachedRead: a permanent-delete rests on the cached object.
	UncachedRead
)

// Bounds limit what may happen in one history. Time and the number of actions have no
// bound.
type Bounds struct {
	// Faults is the number of crashes, lost answers, broken connections, refusals, failed
	// writes of the API server, and clusters that a list leaves out.
	Faults int8
	// Objects is the number of objects of the name, one after another.
	Objects int8
	// Deletions and Edits are those of objects by a user: an edit sets deletionPolicy:
	// Retain.
	Deletions, Edits int8
	// Forced is the number of finalizers that an administrator removes.
	Forced int8
	// Elsewhere is the number of clusters that are deleted in the workspace by others.
	Elsewhere int8
}

// Model is a configuration of the protocol.
type Model struct {
	Bounds
	// Without are the nets that are taken away.
	Without Net
	// Untagged is the operator with --owner-tag=false.
	Untagged bool

	decisions map[view]decision
	reports   map[reportKey]object
	// trace is called with each event in words, record with each effect.
	trace  func(string)
	record func(Effect)
}

// Effect is a request of the operator that creates or deletes.
type Effect string

// The effects. The patches but that of the id carry the resource version that the
// decision was made on; that of the id tests the uid, the token and the attempt.
const (
	PatchFinalizers     Effect = "patch the finalizers under the optimistic lock"
	PatchIntent         Effect = "patch the intent under the optimistic lock"
	PatchID             Effect = "patch the id with tests of /metadata/uid, /status/creation/token and /status/creation/attempt"
	PostCreate          Effect = "POST clusters/create"
	GetUncached         Effect = "GET the object uncached"
	PostPermanentDelete Effect = "POST clusters/permanent-delete"
)

func (m *Model) made(effect Effect) {
	if m.record != nil {
		m.record(effect)
	}
}

func (m *Model) lacks(net Net) bool { return m.Without&net != 0 }

// maxObjects is the largest Bounds.Objects.
const maxObjects = 2

// state is everything at one moment. It is comparable.
type state struct {
	object    object
	clusters  [maxClusters]cluster
	requests  [maxRequests]request
	processes [2]process
	ended     [maxObjects]end
	// left is what may still happen. Objects counts those that were made.
	left     Bounds
	violated violation
}

// violation is an invariant that does not hold. The zero value is none.
type violation int8

const (
	holds violation = iota
	twoClusters
	foreignDeleted
	unaskedDeleted
	retainedDeleted
	clusterLeft
	foreignID
	notConverging
)

var violations = map[violation]string{
	twoClusters:     "one object has two live clusters",
	foreignDeleted:  "a permanent-delete is sent for a cluster that the object does not own",
	unaskedDeleted:  "a permanent-delete is sent for an object that is gone",
	retainedDeleted: "a permanent-delete is sent for an object with deletionPolicy: Retain",
	clusterLeft:     "an object with deletionPolicy: Delete is gone, and a cluster of it lives",
	foreignID:       "an object has the id of a cluster that was not created for it",
	notConverging:   "without further faults the object becomes neither Ready with one cluster, nor gone",
}

// check returns the first invariant that does not hold in a state.
func (s *state) check() violation {
	if s.violated != holds {
		return s.violated
	}
	for i, end := range s.ended {
		live := s.liveOf(int8(i + 1))
		if live > 1 {
			return twoClusters
		}
		if live > 0 && end == endedWithCluster {
			return clusterLeft
		}
	}
	if id := s.object.id; id != 0 && s.clusters[id-1].uid != s.object.uid {
		return foreignID
	}
	return holds
}

// isSettled reports whether the object is Ready with its only live cluster, or gone.
func (s *state) isSettled() bool {
	o := s.object
	if o.uid == 0 {
		return true
	}
	return o.ready && !o.deleting && o.id != 0 && s.clusters[o.id-1].live && s.liveOf(o.uid) == 1
}

// isQuiet reports whether nothing is under way.
func (s *state) isQuiet() bool {
	return s.processes[0].at == decides && s.processes[1].at == decides && s.requests[0] == request{}
}

// initial is a new object that two processes are about to see.
func (m *Model) initial() state {
	m.decisions, m.reports = map[view]decision{}, map[reportKey]object{}
	s := state{object: object{uid: 1}, left: m.Bounds}
	s.left.Objects--
	s.normalize()
	return s
}
