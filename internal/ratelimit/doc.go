// Package ratelimit limits the requests of one operator to one workspace of one
// host. The words are those of Kubernetes' API Priority and Fairness: requests
// have a priority, and flows of one priority share it fairly.
//
// A Limiter answers at once and nothing waits in it: a request gets a Permit, or
// a Wait with the time at which to ask again, the reason and the domain that
// holds it. These hold a request, in this order:
//
//  1. A breaker (breaker.go, domain.go): the host or the endpoint does not
//     answer. A failure stays in the smallest domain that explains it: call,
//     resource or flow, endpoint, host. A domain widens only on evidence from
//     two distinct members, and what the service answered is no evidence.
//  2. The retry budget (budget.go) of the flow at the endpoint.
//  3. What the service asked for with Retry-After.
//  4. The writes in flight (inflight.go), so that a silent host holds few workers.
//  5. The adaptive rate (adaptive.go), its priorities (priority.go) and the turns
//     of the flows (flow.go).
//
// A Permit is given back exactly once, with Release or Cancel; Limiter.Do does
// that by construction.
//
// What does not belong here: clusters, Kubernetes, the Databricks client and its
// errors, clocks, goroutines and sleeping. Time and outcomes are arguments.
//
// Lock order: Limiter.mu is the only lock, and nothing outside of this package
// but the logger is called under it.
package ratelimit
