// Package virtual measures hours of operation in virtual time: the poller and the
// rate limiter of internal/cache against the simulated workspace, and for
// comparison the polling policies of other operators.
//
// Its tests run only with `make bench`, which passes the file for their figures;
// they do not assert targets.
package virtual
