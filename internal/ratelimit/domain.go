package ratelimit

import "time"

// domains hold how the host and its endpoints answer.
//
// Three facts keep a failure in the smallest domain that explains it. Failures
// are evidence only as long as they are in a row, without a success between them
// in the wider domain. A success isolates all that failed before it: a resource
// that fails while another of the same endpoint succeeds is its own explanation,
// and so is an endpoint that fails while another one succeeds; what is isolated
// is no evidence until it has succeeded itself. And a domain never opens on
// the failures of one member, unless requests name no others.
type domains struct {
	host      breaker
	endpoints map[string]*endpoint
	// row are the failures since the host's last answer.
	row hostRow
	// passAt is when the next terminate may pass an open breaker.
	passAt time.Time
}

// hostRow is the evidence against the host.
type hostRow struct {
	failures, unreachable int
	endpoints, members    map[string]bool
	at                    time.Time
}

// endpoint is how one endpoint answers.
type endpoint struct {
	breaker breaker
	// failing are the members that failed and have not succeeded since.
	failing map[string]*fault
	// working are the members that succeeded, and when they last did.
	working map[string]time.Time
	// isolated is set when another endpoint succeeded after this one failed.
	isolated bool
	usedAt   time.Time
	// pausedUntil is what the service asked for where it asks for this endpoint.
	pausedUntil time.Time
	throttling  throttling
}

// fault is how one member of an endpoint fails.
type fault struct {
	failures int
	at       time.Time
	// isolated is set when another member succeeded after this one failed.
	isolated bool
}

const (
	// evidence is how many failures in a row open a breaker.
	evidence = 3
	// loneEvidence is how many requests in a row that reach no server open the
	// breaker of a host of which one endpoint is used.
	loneEvidence = 5
	// evidenceMemory is how long a failure is evidence.
	evidenceMemory = 5 * time.Minute
	// endpointMemory is how long an endpoint or a member that is not used is
	// remembered.
	endpointMemory = time.Hour
	// maxMembers bounds how many members of one endpoint are remembered.
	maxMembers = 1024
	// passInterval is the time between two terminates that pass an open breaker.
	passInterval = 3 * time.Second
)

// ownMember is the member of the operator's own requests that name no resource.
var ownMember = Request{}.member()

func newDomains() domains {
	return domains{endpoints: map[string]*endpoint{}}
}

// member is what a failure of the request is attributed to within its endpoint: the
// resource, or the flow of a request that names none.
func (r Request) member() string {
	if r.Resource != "" {
		return "resource/" + r.Resource
	}
	return "flow/" + r.Flow
}

func (d *domains) endpoint(name string) *endpoint {
	e := d.endpoints[name]
	if e == nil {
		e = &endpoint{failing: map[string]*fault{}, working: map[string]time.Time{}}
		d.endpoints[name] = e
	}
	return e
}

// hold returns until when a breaker holds the request, and which; the zero time
// where none does.
func (d *domains) hold(r Request, now time.Time) (until time.Time, reason Reason) {
	e := d.endpoint(r.Endpoint)
	hostUntil := d.host.hold(d.suitsHost(r), now)
	until, reason = e.breaker.hold(e.suits(r), now), ReasonEndpointUnavailable
	if until.Before(hostUntil) {
		until, reason = hostUntil, ReasonHostUnavailable
	}
	return until, reason
}

// suits returns how well the request serves as a probe of its endpoint.
func (e *endpoint) suits(r Request) suitability {
	_, worked := e.working[r.member()]
	switch {
	case e.failing[r.member()] != nil:
		return unproven
	case worked:
		return knownToWork
	default:
		return untried
	}
}

// suitsHost returns how well the request serves as a probe of the host.
func (d *domains) suitsHost(r Request) suitability {
	if d.row.endpoints[r.Endpoint] && d.row.members[hostMember(r)] {
		return unproven
	}
	if d.endpoint(r.Endpoint).suits(r) == knownToWork {
		return knownToWork
	}
	return unproven
}

// sending is what a request was to the breakers when it was sent.
type sending struct {
	// pass: a terminate that passed. probe: the breakers that it probes.
	pass   bool
	probes []*breaker
}

// sent records that a request was sent.
func (d *domains) sent(r Request, now time.Time) (s sending) {
	e := d.endpoint(r.Endpoint)
	e.usedAt = now
	for _, b := range []*breaker{&d.host, &e.breaker} {
		if !b.isOpen() {
			continue
		}
		if r.Priority == PriorityTerminate {
			s.pass, d.passAt = true, now.Add(passInterval)
		}
		if r.Priority != PriorityTerminate || !now.Before(b.probeAt) {
			b.probed(now)
			s.probes = append(s.probes, b)
		}
	}
	return s
}

// unsent takes back that a request was sent.
func (d *domains) unsent(s sending, now time.Time) {
	if s.pass {
		d.passAt = now
	}
	for _, b := range s.probes {
		if b.isOpen() {
			b.probeAt = now
		}
	}
}

// answered takes an answer of the service, and reports whether a breaker closed.
func (d *domains) answered(r Request, now time.Time) (changed bool) {
	e, member := d.endpoint(r.Endpoint), r.member()
	delete(e.failing, member)
	for _, f := range e.failing {
		f.isolated = true
	}
	if len(e.working) >= maxMembers {
		dropOne(e.working)
	}
	e.working[member] = now
	for name, other := range d.endpoints {
		other.isolated = name != r.Endpoint && (other.isolated || d.row.endpoints[name])
		other.throttling.othersServed = true
	}
	e.throttling = throttling{}
	return d.alive(e)
}

// alive records that the endpoint sent an answer, of which nothing more is known.
func (d *domains) alive(e *endpoint) (changed bool) {
	d.row = hostRow{}
	closed := d.host.reset()
	return e.breaker.reset() || closed
}

// failed takes a failure, and reports whether a breaker opened.
func (d *domains) failed(r Request, kind OutcomeKind, now time.Time) (changed bool) {
	e := d.endpoint(r.Endpoint)
	if !e.recordFailure(r.member(), now) {
		return false
	}
	if !e.breaker.isOpen() && e.isSick(now) {
		e.breaker.trip(now)
		changed = true
	}
	if e.isolated {
		return changed
	}
	d.row.add(r, kind, now)
	if !d.host.isOpen() && d.row.isSick() {
		d.host.trip(now)
		changed = true
	}
	return changed
}

// recordFailure records a failure of a member. It reports whether that is evidence
// against the endpoint.
func (e *endpoint) recordFailure(member string, now time.Time) bool {
	f := e.failing[member]
	if f == nil || f.isOutdated(now) {
		if len(e.failing) >= maxMembers {
			dropOne(e.failing)
		}
		f = &fault{}
		e.failing[member] = f
	}
	f.failures++
	f.at = now
	return !f.isolated
}

// isOutdated reports whether the fault says nothing any more.
func (f *fault) isOutdated(now time.Time) bool {
	if f.isolated {
		return now.Sub(f.at) > endpointMemory
	}
	return now.Sub(f.at) > evidenceMemory
}

// isIsolated reports whether the member fails by itself.
func (e *endpoint) isIsolated(member string) bool {
	f := e.failing[member]
	return f != nil && f.isolated
}

// isSick reports whether the failures in a row are evidence against the endpoint: of
// two members, or of the operator's own requests that name no resource, such as lists.
// One namespace whose requests fail is slowed by its retry budget alone.
func (e *endpoint) isSick(now time.Time) bool {
	failures, members, own := 0, 0, 0
	for member, f := range e.failing {
		if f.isolated || f.isOutdated(now) {
			continue
		}
		failures += f.failures
		members++
		if member == ownMember {
			own++
		}
	}
	return failures >= evidence && (members > 1 || own > 0)
}

// hostMember is what a failure of the request is attributed to within the host.
func hostMember(r Request) string {
	if r.Resource != "" {
		return "resource/" + r.Resource
	}
	return "endpoint/" + r.Endpoint
}

func (h *hostRow) add(r Request, kind OutcomeKind, now time.Time) {
	if now.Sub(h.at) > evidenceMemory || h.endpoints == nil {
		*h = hostRow{endpoints: map[string]bool{}, members: map[string]bool{}}
	}
	h.at = now
	h.failures++
	if kind == Unreachable {
		h.unreachable++
	}
	h.endpoints[r.Endpoint] = true
	if len(h.members) < maxMembers {
		h.members[hostMember(r)] = true
	}
}

// isSick reports whether the failures in a row are evidence against the host: of
// two endpoints and not of one resource alone, or without any connection.
func (h *hostRow) isSick() bool {
	if len(h.endpoints) < 2 {
		return h.unreachable >= loneEvidence
	}
	return len(h.members) > 1 && (h.failures >= evidence || h.unreachable >= 2)
}

func (d *domains) prune(now time.Time) {
	for name, e := range d.endpoints {
		for member, f := range e.failing {
			if f.isOutdated(now) && !e.breaker.isOpen() {
				delete(e.failing, member)
			}
		}
		for member, at := range e.working {
			if now.Sub(at) > endpointMemory {
				delete(e.working, member)
			}
		}
		if now.Sub(e.usedAt) > endpointMemory && !now.Before(e.pausedUntil) {
			delete(d.endpoints, name)
		}
	}
}

// dropOne forgets one of many, whichever.
func dropOne[T any](all map[string]T) {
	for key := range all {
		delete(all, key)
		return
	}
}
