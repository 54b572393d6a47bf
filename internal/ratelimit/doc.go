// Package ratelimit limits the requests of one operator to one workspace of one
// host. Its terms are those of Kubernetes' API Priority and Fairness: requests
// have a priority, and flows of one priority share it fairly.
//
// A Limiter never blocks: a request gets a Permit, or a Wait with the retry time,
// the reason and the domain that holds it. A request is held, in this order, by:
//
//  1. A breaker (breaker.go, domain.go), if the host or the endpoint does not
//     answer. A failure is attributed to the smallest domain that explains it:
//     call, resource or flow, endpoint, host. A wider domain needs failures of two
//     distinct members. An answer of the service is not a failure.
//  2. The retry budget (budget.go) of the flow at the endpoint.
//  3. The Retry-After of the service.
//  4. The writes in flight (inflight.go), so that a silent host occupies few workers.
//  5. The adaptive rate (adaptive.go), its priorities (priority.go) and the turns
//     of the flows (flow.go).
//
// A Permit must be returned one time, with Release or Cancel; Limiter.Do does that
// for its caller.
//
// The package does not depend on clusters, Kubernetes or the Databricks client,
// and has no clock and no goroutines. Time and outcomes are arguments.
//
// Limiter.mu is the only lock. Only the logger is called under it.
package ratelimit
