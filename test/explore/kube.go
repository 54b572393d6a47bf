package explore

// object is the DatabricksCluster of the one name, as far as the protocol rests on it.
// The zero value is no object.
type object struct {
	// uid counts the objects of the name.
	uid int8
	// finalizer is that of the operator. retain is spec.deletionPolicy: Retain instead of
	// Delete.
	finalizer, deleting, retain bool
	// id is status.clusterID, as an index of clusters from 1 on.
	id       int8
	creation creation
	// state reports whether status.state is set, ready whether the condition Ready is
	// True.
	state, ready bool
}

// creation is status.creation. The zero value is none.
type creation struct {
	incarnation, attempt int8
	// pending reports whether the token is there.
	pending bool
	// decided is CreateWindow before notAfter, by ticks; zero: there is no notAfter.
	decided stamp
}

// copied is an object as a process has it.
type copied struct {
	object
	// newest reports whether its resource version is that of the API server.
	newest bool
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

// patchID is the JSON Patch of controller.idPatch: it tests the uid and the creation, and
// replaces the members of the status that differ.
func (m *Model) patchID(s *state, by *copied, after object) (ok bool) {
	now := s.object
	sameUID := now.uid == by.uid || m.lacks(TestOfUID)
	sameToken := now.creation.pending && now.uid == by.uid && now.creation.incarnation == by.creation.incarnation &&
		now.creation.attempt == by.creation.attempt || m.lacks(TestOfToken)
	if now.uid == 0 || !sameUID || !sameToken {
		return false
	}
	if after.id != by.id {
		now.id = after.id
	}
	if after.creation != by.creation {
		now.creation = after.creation
	}
	if after.state != by.state {
		now.state = after.state
	}
	if after.ready != by.ready {
		now.ready = after.ready
	}
	s.wrote()
	s.object, by.object, by.newest = now, now, true
	return true
}

// end is how an object ended; zero: it did not.
type end int8

const (
	// endedWithCluster: no cluster of the object may be left.
	endedWithCluster end = iota + 1
	// endedAlone: the policy is Retain, or the finalizer was removed by force.
	endedAlone
)

// remove deletes the object from the API server.
func (s *state) remove(how end) {
	s.ended[s.object.uid-1] = how
	s.object = object{}
	s.wrote()
}

// delete is the deletion by a user.
func (s *state) delete() {
	if !s.object.finalizer {
		s.remove(endedWithCluster)
		return
	}
	s.object.deleting = true
	s.wrote()
}

// release removes the finalizer of an object that is being deleted.
func (s *state) release(by *copied) (ok bool) {
	switch {
	case !by.newest:
		return false
	case s.object.retain:
		s.remove(endedAlone)
	default:
		s.remove(endedWithCluster)
	}
	return true
}
