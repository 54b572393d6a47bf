package histories

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// latency is the time of a request to the API server, and of one to the workspace, in
// each direction.
const (
	kubeLatency      = 3 * time.Millisecond
	workspaceLatency = 40 * time.Millisecond
)

var (
	errDead        = errors.New("the process was killed")
	errUnreachable = errors.New("connection refused")
	errLost        = errors.New("connection reset by peer")
)

// link is the state of the connections of one process. A killed process makes no call and
// gets no answer any more, although a call that has arrived takes effect.
type link struct {
	// mu guards all fields.
	mu   sync.Mutex
	dead bool
	// calls counts all calls but watches, and lastWrite is the number of the last one that
	// writes.
	calls, lastWrite int
	// killIn is the number of calls until the process is killed, and killMoment when of
	// that call it is; 0: it is not.
	killIn     int
	killMoment moment
	killed     chan struct{}
	// frozenUntil is when watches deliver changes again, and downUntil when the API server
	// can be reached again.
	frozenUntil, downUntil time.Time
	// writeFaults apply to the next writes to the API server, one to each.
	writeFaults []writeFault
	// refusal is the answer to every write of an object; nil: the API server carries it out.
	refusal error
	// attempts are the writes that the API server refused or did not get.
	attempts []attempt
}

// attempt is a write that failed.
type attempt struct {
	resource, path string
	at             time.Time
}

// moment is a moment of a call.
type moment int

const (
	beforeEffect moment = iota
	afterEffect
)

// writeFault is what happens to one write to the API server.
type writeFault int

const (
	conflicts writeFault = iota
	refused
	answerLost
	delayed
)

func newLink() *link { return &link{killed: make(chan struct{})} }

// kill ends the process as SIGKILL does.
func (l *link) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killLocked()
}

func (l *link) killLocked() {
	if !l.dead {
		l.dead = true
		close(l.killed)
	}
}

// killAt kills the process at a later call.
func (l *link) killAt(calls int, when moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killIn, l.killMoment = calls, when
}

// begin counts a call, and returns whether the process is killed once it took effect. It
// fails if the process is dead, or is killed by this call.
func (l *link) begin(method string) (killAfter bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false, errDead
	}
	l.calls++
	if method != http.MethodGet {
		l.lastWrite = l.calls
	}
	if l.killIn > 0 {
		l.killIn--
		if l.killIn == 0 {
			if l.killMoment == beforeEffect {
				l.killLocked()
				return false, errDead
			}
			return true, nil
		}
	}
	return false, nil
}

// end fails if the process is dead by now.
func (l *link) end(killAfter bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if killAfter {
		l.killLocked()
	}
	if l.dead {
		return errDead
	}
	return nil
}

// change changes the faults of the process.
func (l *link) change(change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// heal ends all faults.
func (l *link) heal() {
	l.change(func(l *link) {
		l.killIn, l.frozenUntil, l.downUntil, l.writeFaults, l.refusal = 0, time.Time{}, time.Time{}, nil, nil
	})
}

// deliver waits until a change may be delivered to a watch.
func (l *link) deliver(ctx context.Context) error {
	for {
		l.mu.Lock()
		until, dead := l.frozenUntil, l.dead
		l.mu.Unlock()
		if dead {
			return errDead
		}
		if !time.Now().Before(until) {
			return pause(ctx, kubeLatency)
		}
		if err := pause(ctx, time.Until(until)); err != nil {
			return err
		}
	}
}

func (l *link) unreachable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.downUntil)
}

// refused notes an attempt to write that fails, and returns the answer to it; nil: the API
// server gives none.
func (l *link) refused(resource, path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal != nil || time.Now().Before(l.downUntil) {
		l.attempts = append(l.attempts, attempt{resource, path, time.Now()})
	}
	return l.refusal
}

// nextWriteFault returns the fault of a write to the API server.
func (l *link) nextWriteFault() (fault writeFault, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.writeFaults) == 0 {
		return 0, false
	}
	fault, l.writeFaults = l.writeFaults[0], l.writeFaults[1:]
	return fault, true
}

// kubeTransport connects a process with the API server.
type kubeTransport struct {
	link   *link
	server *apiServer
}

// RoundTrip implements http.RoundTripper.
func (t kubeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") != "" {
		if t.link.unreachable() {
			return nil, errUnreachable
		}
		return t.server.watch(r, t.link.deliver), nil
	}
	if where, _ := parsePath(r.URL.Path); where.resource == "events" {
		// The recorder holds a lock during this call, and its loop waits for the lock, in a
		// way that keeps virtual time from going on. Nothing reads events.
		return t.server.serve(r), nil
	}
	killAfter, err := t.link.begin(r.Method)
	if err != nil {
		return nil, err
	}
	fault, faulty := writeFault(0), false
	where, _ := parsePath(r.URL.Path)
	isWrite := r.Method != http.MethodGet && where.namespace != ""
	if isWrite && where.resource == clusters {
		fault, faulty = t.link.nextWriteFault()
	}
	trip := kubeLatency
	if faulty && fault == delayed {
		trip = 6 * time.Second
	}
	if err := pause(r.Context(), trip); err != nil {
		return nil, err
	}
	if isWrite {
		if refusal := t.link.refused(where.resource, r.URL.Path); refusal != nil {
			return answer(r, 0, nil, refusal), nil
		}
	}
	if t.link.unreachable() {
		return nil, errUnreachable
	}
	if faulty {
		switch fault {
		case conflicts:
			return answer(r, 0, nil, apierrors.NewConflict(clusterResource, "object", errors.New("injected"))), nil
		case refused:
			return answer(r, 0, nil, apierrors.NewServiceUnavailable("injected")), nil
		case answerLost, delayed:
		}
	}
	answered := t.server.serve(r)
	if err := t.link.end(killAfter); err != nil {
		return nil, err
	}
	if err := pause(r.Context(), kubeLatency); err != nil {
		return nil, err
	}
	if faulty && fault == answerLost {
		return nil, errLost
	}
	return answered, nil
}

// workspaceTransport connects a process with the workspace. arrives is called with each
// request when it arrives, before its effect.
type workspaceTransport struct {
	link    *link
	inner   http.RoundTripper
	arrives func(*http.Request)
}

// RoundTrip implements http.RoundTripper.
func (t workspaceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	killAfter, err := t.link.begin(r.Method)
	if err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := pause(r.Context(), workspaceLatency); err != nil {
		return nil, err
	}
	t.arrives(r)
	answered, err := t.inner.RoundTrip(r)
	if err := t.link.end(killAfter); err != nil {
		if answered != nil {
			_ = answered.Body.Close()
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if err := pause(r.Context(), workspaceLatency); err != nil {
		_ = answered.Body.Close()
		return nil, err
	}
	return answered, nil
}

// pause waits in virtual time.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
