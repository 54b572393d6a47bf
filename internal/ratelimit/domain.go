package ratelimit

import "time"

// domains has the breakers of the host and its endpoints.
//
// Three rules attribute a failure to the smallest domain that explains it. Only
// consecutive failures count, without a success between them in the wider domain. A
// success isolates every member that failed before it: a resource that fails while
// another one of its endpoint succeeds, or an endpoint that fails while another one
// succeeds. Failures of an isolated member do not count until it succeeds. And the
// failures of one member never open the breaker of its domain, unless requests name no
// other member.
type domains struct {
	host      breaker
	endpoints map[string]*endpoint
	// run has the failures since the host's last answer.
	run failureRun
	// passAt is when the next terminate may pass an open breaker.
	passAt time.Time
}

// failureRun has the consecutive failures that count against the host.
type failureRun struct {
	failures, unreachable int
	endpoints, members    map[string]bool
	at                    time.Time
}

// endpoint is the state of one endpoint.
type endpoint struct {
	breaker breaker
	// failing has the members that failed and have not succeeded since.
	failing map[string]*fault
	// working has the members that succeeded, with the time of the last success.
	working map[string]time.Time
	// isolated is set when another endpoint succeeded after this one failed.
	isolated bool
	usedAt   time.Time
	// pausedUntil is the end of a Retry-After of this endpoint.
	pausedUntil time.Time
	throttling  throttling
}

// fault has the failures of one member of an endpoint.
type fault struct {
	failures int
	at       time.Time
	// isolated is set when another member succeeded after this one failed.
	isolated bool
}

const (
	// minFailures is the number of consecutive failures that open a breaker.
	minFailures = 3
	// minUnreachable is the number of consecutive failed connections that open the
	// breaker of a host if only one endpoint is used.
	minUnreachable = 5
	// failureWindow is how long a failure counts.
	failureWindow = 5 * time.Minute
	// idleTimeout is how long an unused endpoint or member is kept.
	idleTimeout = time.Hour
	// maxMembers bounds the number of members that are kept for one endpoint.
	maxMembers = 1024
	// passInterval is the time between two terminates that pass an open breaker.
	passInterval = 3 * time.Second
)

// ownMember is the member of the operator's own requests that name no resource.
var ownMember = Request{}.member()

func newDomains() domains {
	return domains{endpoints: map[string]*endpoint{}}
}

// member returns the member of the endpoint to which a failure of the request is
// attributed: the resource, or the flow of a request without a resource.
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

// hold returns until when a breaker holds the request, and the reason; the zero time if
// none does.
func (d *domains) hold(r Request, now time.Time) (until time.Time, reason Reason) {
	e := d.endpoint(r.Endpoint)
	hostUntil := d.host.hold(d.hostSuitability(r), now)
	until, reason = e.breaker.hold(e.suitability(r), now), ReasonEndpointUnavailable
	if until.Before(hostUntil) {
		until, reason = hostUntil, ReasonHostUnavailable
	}
	return until, reason
}

// suitability returns how well the request serves as a probe of its endpoint.
func (e *endpoint) suitability(r Request) suitability {
	if e.failing[r.member()] != nil {
		return unproven
	}
	return suitable
}

// hostSuitability returns how well the request serves as a probe of the host.
func (d *domains) hostSuitability(r Request) suitability {
	e := d.endpoint(r.Endpoint)
	if _, worked := e.working[r.member()]; !worked {
		return unproven
	}
	return e.suitability(r)
}

// breakerUse is the effect of a sent request on the breakers.
type breakerUse struct {
	// pass is set for a terminate that passed an open breaker. probes are the breakers
	// that the request probes.
	pass   bool
	probes []*breaker
}

// recordSent records that a request was sent.
func (d *domains) recordSent(r Request, now time.Time) (s breakerUse) {
	e := d.endpoint(r.Endpoint)
	e.usedAt = now
	for _, b := range []struct {
		*breaker
		suitability
	}{{&d.host, d.hostSuitability(r)}, {&e.breaker, e.suitability(r)}} {
		if !b.isOpen() {
			continue
		}
		if r.Priority == PriorityTerminate {
			s.pass, d.passAt = true, now.Add(passInterval)
		}
		if r.Priority != PriorityTerminate || !now.Before(b.probeAt) {
			b.probed(b.suitability, now)
			s.probes = append(s.probes, b.breaker)
		}
	}
	return s
}

// cancelSent undoes recordSent.
func (d *domains) cancelSent(s breakerUse, now time.Time) {
	if s.pass {
		d.passAt = now
	}
	for _, b := range s.probes {
		b.cancelProbe(now)
	}
}

// answered records an answer of the service and reports whether a breaker closed.
func (d *domains) answered(r Request, now time.Time) (changed bool) {
	e, member := d.endpoint(r.Endpoint), r.member()
	delete(e.failing, member)
	for _, f := range e.failing {
		f.isolated = true
	}
	if len(e.working) >= maxMembers {
		deleteOne(e.working)
	}
	e.working[member] = now
	for name, other := range d.endpoints {
		other.isolated = name != r.Endpoint && (other.isolated || d.run.endpoints[name])
		other.throttling.othersServed = true
	}
	e.throttling = throttling{}
	return d.resetBreakers(e)
}

// resetBreakers closes the breakers of the host and the endpoint and reports whether
// one was open.
func (d *domains) resetBreakers(e *endpoint) (changed bool) {
	d.run = failureRun{}
	closed := d.host.reset()
	return e.breaker.reset() || closed
}

// failed records a failure and reports whether a breaker opened.
func (d *domains) failed(r Request, kind OutcomeKind, now time.Time) (changed bool) {
	e := d.endpoint(r.Endpoint)
	if !e.recordFailure(r.member(), now) {
		return false
	}
	if !e.breaker.isOpen() && e.shouldTrip(now) {
		e.breaker.trip(now)
		changed = true
	}
	if e.isolated {
		return changed
	}
	d.run.add(r, kind, now)
	if !d.host.isOpen() && d.run.shouldTrip() {
		d.host.trip(now)
		changed = true
	}
	return changed
}

// recordFailure records a failure of a member and reports whether it counts against
// the endpoint.
func (e *endpoint) recordFailure(member string, now time.Time) bool {
	f := e.failing[member]
	if f == nil || f.isOutdated(now) {
		if len(e.failing) >= maxMembers {
			deleteOne(e.failing)
		}
		f = &fault{}
		e.failing[member] = f
	}
	f.failures++
	f.at = now
	return !f.isolated
}

// isOutdated reports whether the fault does not count any more.
func (f *fault) isOutdated(now time.Time) bool {
	if f.isolated {
		return now.Sub(f.at) > idleTimeout
	}
	return now.Sub(f.at) > failureWindow
}

// isIsolated reports whether the failures of the member concern it alone.
func (e *endpoint) isIsolated(member string) bool {
	f := e.failing[member]
	return f != nil && f.isolated
}

// shouldTrip reports whether enough consecutive failures of two members, or of the
// operator's own requests without a resource such as lists, count against the endpoint.
// If only one namespace fails, its retry budget alone limits it.
func (e *endpoint) shouldTrip(now time.Time) bool {
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
	return failures >= minFailures && (members > 1 || own > 0)
}

// hostMember returns the member of the host to which a failure of the request is
// attributed.
func hostMember(r Request) string {
	if r.Resource != "" {
		return "resource/" + r.Resource
	}
	return "endpoint/" + r.Endpoint
}

func (h *failureRun) add(r Request, kind OutcomeKind, now time.Time) {
	if now.Sub(h.at) > failureWindow || h.endpoints == nil {
		*h = failureRun{endpoints: map[string]bool{}, members: map[string]bool{}}
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

// shouldTrip reports whether enough consecutive failures count against the host: of two
// endpoints and more than one resource, or failed connections.
func (h *failureRun) shouldTrip() bool {
	if len(h.endpoints) < 2 {
		return h.unreachable >= minUnreachable
	}
	return len(h.members) > 1 && (h.failures >= minFailures || h.unreachable >= 2)
}

func (d *domains) prune(now time.Time) {
	for name, e := range d.endpoints {
		for member, f := range e.failing {
			if f.isOutdated(now) && !e.breaker.isOpen() {
				delete(e.failing, member)
			}
		}
		for member, at := range e.working {
			if now.Sub(at) > idleTimeout {
				delete(e.working, member)
			}
		}
		if now.Sub(e.usedAt) > idleTimeout && !now.Before(e.pausedUntil) {
			delete(d.endpoints, name)
		}
	}
}

// deleteOne deletes one arbitrary entry.
func deleteOne[T any](all map[string]T) {
	for key := range all {
		delete(all, key)
		return
	}
}
