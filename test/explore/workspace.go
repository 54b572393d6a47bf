package explore

const (
	maxClusters = 4
	maxRequests = 4
)

// cluster is a cluster that the operator created. The zero value is none.
type cluster struct {
	// uid is that of the owner tag; with the incarnation it is the token.
	uid, incarnation int8
	created          stamp
	live             bool
	// visible: a read has returned it, so all reads do. Before that, reads may miss it
	// for the visibility grace.
	visible bool
}

// request is a request in flight. The zero value is none. It takes effect within span, or
// never.
type request struct {
	// deletes is a permanent-delete of id; otherwise it is a create.
	deletes          bool
	uid, incarnation int8
	id               int8
	sent             stamp
	// waiter is the process that waits for the answer, from 1 on; 0: none does.
	waiter int8
}

// reply is what the sender of a request knows in the end.
type reply int8

const (
	answered reply = iota
	// ambiguous: the connection broke, or the answer did not come in time.
	ambiguous
	// refused: the request certainly had no effect.
	refused
)

func (s *state) send(r request) {
	r.sent = present
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
	s.requests[maxRequests-1] = request{}
}

// take carries out a request and returns the id of its cluster. The workspace returns an
// active cluster of the same token instead of creating another one.
func (m *Model) take(s *state, r request) (id int8) {
	if r.deletes {
		s.clusters[r.id-1].live = false
		return r.id
	}
	for i, c := range s.clusters {
		if c.live && c.uid == r.uid && c.incarnation == r.incarnation && !m.lacks(IdempotencyToken) {
			return int8(i + 1)
		}
	}
	for i := range s.clusters {
		if s.clusters[i].uid == 0 {
			s.clusters[i] = cluster{uid: r.uid, incarnation: r.incarnation, created: present, live: true}
			return int8(i + 1)
		}
	}
	panic("more clusters than the model has room for")
}

// mayBeUnseen reports whether reads may miss the cluster.
func (c cluster) mayBeUnseen() bool { return c.live && !c.visible && c.created.isWithinSpan() }

// liveOf returns how many clusters of an object live.
func (s *state) liveOf(uid int8) (n int) {
	for _, c := range s.clusters {
		if c.live && c.uid == uid {
			n++
		}
	}
	return n
}
