package controller_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// An object without external changes may be reconciled 20 times a minute at the default
// intervals. The rig shortens the intervals 60 to 600 times (requests 60, fast lists 160,
// slow lists 675), so its minute is 600 ms. A limit of 3 a second would be 3 in 10 ms, which
// the scheduler of a busy machine alone exceeds. So the rig checks only the limit of the
// minute, doubled, because the duration of an object's own steps is not shortened.
const (
	passWindow    = 600 * time.Millisecond
	mostReconcile = 40
)

// maxLogLines is the number of log lines in memory, shownLogLines the number of lines in
// the output of a failed test.
const (
	maxLogLines   = 4000
	shownLogLines = 400
)

// operatorLog has everything that the operators of one test log at debug level (5; from 6
// on clients log complete responses), and records errors, panics and hot loops.
type operatorLog struct {
	// externalState returns the part of an object that the operator does not change. If it
	// changes, the count of reconciles begins again.
	externalState func(key client.ObjectKey) string

	mu     sync.Mutex // guards everything below
	lines  []string
	faults []string
	// current is the operator that was started last.
	current *operatorRun
	// passes are the reconciles of each object since its last external change.
	passes map[client.ObjectKey]*passes
}

// operatorRun is one run of an operator. operatorLog.mu guards it.
type operatorRun struct {
	// stopping is true as soon as the operator is stopped. Interrupted calls are no errors
	// from then on.
	stopping bool
}

type passes struct {
	state    string
	times    []time.Time
	reported bool
}

func newOperatorLog() *operatorLog {
	return &operatorLog{passes: map[client.ObjectKey]*passes{}}
}

// watchOperator fails the test on a recovered panic, on an error that the framework logs
// and on a hot loop, and prints the log of a failed test.
func watchOperator(r *rig) *operatorLog {
	log := newOperatorLog()
	log.externalState = r.externalState
	r.t.Cleanup(func() {
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, fault := range log.faults {
			if r.kubernetesFails && strings.HasPrefix(fault, "error: ") {
				continue
			}
			r.t.Errorf("[R19] %s", fault)
		}
		if r.t.Failed() {
			r.t.Logf("the operator's log at level 5:\n%s", strings.Join(log.lines[max(0, len(log.lines)-shownLogLines):], "\n"))
		}
	})
	return log
}

// externalState returns the parts of an object that the operator does not write, and its
// cluster in the workspace.
func (r *rig) externalState(key client.ObjectKey) string {
	version := r.record.newest(key)
	if version == nil {
		return ""
	}
	record, _ := r.workspace.Cluster(version.Status.ClusterID)
	state, err := json.Marshal([]any{version.Generation, version.DeletionTimestamp, version.Annotations, version.Labels, record})
	if err != nil {
		return err.Error()
	}
	return string(state)
}

// logger returns the logger of an operator that starts now.
func (l *operatorLog) logger() logr.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = &operatorRun{}
	return logr.New(&logSink{run: l.current, Formatter: funcr.NewFormatter(funcr.Options{Verbosity: 5, LogTimestamp: true, TimestampFormat: "15:04:05.000"}), log: l})
}

// run returns the operator that was started last.
func (l *operatorLog) run() *operatorRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// stop marks an operator as stopping.
func (l *operatorLog) stop(run *operatorRun) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run.stopping = true
}

// isStopped reports whether the operator that was started last was stopped.
func (l *operatorLog) isStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current == nil || l.current.stopping
}

// find returns the lines that contain a text.
func (l *operatorLog) find(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.lines), func(line string) bool { return !strings.Contains(line, text) })
}

func (l *operatorLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(line)
	if strings.Contains(line, "Observed a panic") {
		l.faults = append(l.faults, "panic: "+line)
	}
}

func (l *operatorLog) addError(run *operatorRun, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep("ERROR " + line)
	switch {
	case strings.Contains(line, "panic"):
		l.faults = append(l.faults, "panic: "+line)
	case !run.stopping && !slices.ContainsFunc(lateAnswers, func(text string) bool { return strings.Contains(line, text) }):
		l.faults = append(l.faults, "error: "+line)
	}
}

// lateAnswers are errors that a busy machine alone causes, because the rig shortens the
// deadlines of the operator and not the answers of the API server.
var lateAnswers = []string{"context deadline exceeded", "would exceed context deadline", "the deadline of the creation has passed"}

func (l *operatorLog) keep(line string) {
	if len(l.lines) >= maxLogLines {
		l.lines = slices.Delete(l.lines, 0, maxLogLines/4)
	}
	l.lines = append(l.lines, line)
}

// reconciles counts one reconcile of an object.
func (l *operatorLog) reconciles(key client.ObjectKey) {
	state := l.externalState(key)
	if state == "" {
		return // no watch delivers this object
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.passes[key]
	if seen == nil || seen.state != state {
		seen = &passes{state: state}
		l.passes[key] = seen
	}
	seen.times = slices.DeleteFunc(append(seen.times, now), func(at time.Time) bool { return now.Sub(at) > passWindow })
	if len(seen.times) > mostReconcile && !seen.reported {
		seen.reported = true
		l.faults = append(l.faults, fmt.Sprintf("hot loop: %s was reconciled %d times in %s without an external change", key, len(seen.times), passWindow))
	}
}

// logSink adds every line to an operatorLog, with the object that the line is about.
type logSink struct {
	funcr.Formatter
	log    *operatorLog
	run    *operatorRun
	object client.ObjectKey
	kind   string
}

func (s *logSink) WithName(name string) logr.LogSink {
	derived := *s
	derived.AddName(name)
	return &derived
}

func (s *logSink) WithValues(values ...any) logr.LogSink {
	derived := *s
	derived.AddValues(values)
	for i := 0; i+1 < len(values); i += 2 {
		value, _ := values[i+1].(string)
		switch values[i] {
		case "controller":
			derived.kind = value
		case "namespace":
			derived.object.Namespace = value
		case "name":
			derived.object.Name = value
		}
	}
	return &derived
}

func (s *logSink) Info(level int, text string, values ...any) {
	if text == "Reconciling" && s.kind == "databrickscluster" {
		s.log.reconciles(s.object)
	}
	prefix, line := s.FormatInfo(level, text, values)
	s.log.add(prefix + " " + line)
}

func (s *logSink) Error(err error, text string, values ...any) {
	prefix, line := s.FormatError(err, text, values)
	s.log.addError(s.run, prefix+" "+line)
}

// newest returns the last version of an object that the watch delivered; nil if there is
// none.
func (k *record) newest(key client.ObjectKey) *v1alpha1.DatabricksCluster {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newestOf[key]
}
