// Package virtual measures what takes hours, in virtual time: the poller and the
// gate of internal/cache against the simulated workspace, and beside them
// the policies by which others poll.
//
// Its tests run with `make bench` alone, which tells them where to note their
// figures; they judge nothing.
package virtual
