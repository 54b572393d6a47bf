package simulator

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Server simulates one address with one or several workspaces. It is an
// http.Handler; Start serves it over TLS, Transport without a network.
type Server struct {
	options Options
	clock   *Clock
	mux     *http.ServeMux
	// endpoints are the operations that need a credential, by name.
	endpoints map[string]*endpoint
	log       *requestLog
	closed    chan struct{}
	once      sync.Once

	mutex        sync.Mutex // guards everything below, and every workspace
	timings      Timings
	behaviour    Behaviour
	unreleased   []string // runtimes that spark-versions does not have yet
	workspaces   []*workspace
	credentials  map[string][]*session // by token, one session per workspace
	accessTokens map[string][]*session // issued by OAuth
	tokenNames   map[string]string     // of tokens that have or had a session
	clockOffset  time.Duration
	limits       *limiter
	faults       *faultRules
	owners       *ownerCounts
	random       *rand.Rand
}

// New returns a simulator that is not served yet.
func New(options Options) *Server {
	options = options.withDefaults()
	s := &Server{
		options:      options,
		clock:        options.Clock,
		endpoints:    map[string]*endpoint{},
		log:          newRequestLog(options.LogSize),
		closed:       make(chan struct{}),
		timings:      *options.Timings,
		behaviour:    options.Behaviour,
		credentials:  map[string][]*session{},
		accessTokens: map[string][]*session{},
		tokenNames:   map[string]string{},
		clockOffset:  options.ClockOffset,
		limits:       newLimiter(options.Limits),
		owners:       newOwnerCounts(),
		random:       rand.New(rand.NewPCG(options.Seed, 0)), //nolint:gosec // repeatable on purpose
	}
	s.faults = newFaultRules(s)
	for i := range options.Workspaces {
		s.addWorkspace(options.Workspaces[i])
	}
	for _, fault := range options.Faults {
		s.faults.add(fault)
	}
	s.mux = s.routes()
	return s
}

// ServeHTTP serves the API of a workspace, and the control API below
// ControlPath.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}

// Close ends the delays of faults. It may be called twice.
func (s *Server) Close() {
	s.once.Do(func() { close(s.closed) })
}

// now returns the workspace's own time: Options.Clock and the offset.
// Server.mutex is held.
func (s *Server) now() time.Time { return s.clock.Now().Add(s.clockOffset) }

// SetClockOffset makes the workspace's own time differ from Options.Clock: it
// applies to the Date header and every timestamp, but not to the request log.
func (s *Server) SetClockOffset(offset time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.clockOffset = offset
}

// ClockOffset returns how far the workspace's own time is ahead of
// Options.Clock.
func (s *Server) ClockOffset() time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.clockOffset
}

// scaled returns the simulated duration for a duration d in a real workspace.
func (s *Server) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.options.TimeScale)
}
