package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// Short timeouts, so that a lost create is resolved within seconds.
const (
	requestTimeout  = 3 * time.Second
	createWindow    = time.Second
	visibilityGrace = 500 * time.Millisecond
)

// restartingOperator is an operator that is started again after every kill.
type restartingOperator struct {
	*faultProxy
	g         Gomega
	t         *testing.T
	namespace string
	starts    int
	// killed reports whether the current process was killed by a call.
	killed atomic.Bool

	mu       sync.Mutex // held during a start
	operator *programs.Operator
}

// newRestartingOperator starts the operator. At each call, decide chooses
// whether and when to kill it.
func newRestartingOperator(t *testing.T, decide func(call) killPoint) *restartingOperator {
	t.Helper()
	m := &restartingOperator{faultProxy: newFaultProxy(t), g: NewWithT(t), t: t}
	m.namespace = newNamespace(t, m.host)
	m.decide = func(next call) killPoint {
		if m.killed.Load() {
			return noKill // requests of the killed process that are in flight proceed normally
		}
		point := decide(next)
		m.killed.Store(point != noKill)
		return point
	}
	m.kill = func() {
		m.mu.Lock() // the kill may come before the start has returned
		defer m.mu.Unlock()
		m.operator.Kill()
	}
	m.start()
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("calls: %v\nend of the operator's log:\n%s", m.recorded(), m.operator.Log.Tail(40))
		}
	})
	return m
}

// start starts a new process.
func (m *restartingOperator) start() {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.killed.Store(false)
	m.starts++
	started, err := programs.StartOperator(m.t.Context(), builtBinaries(m.t).Manager, filepath.Join(m.t.TempDir(), "operator.log"),
		"--kubeconfig="+m.kubeconfig,
		"--watch-namespaces="+m.namespace,
		"--allowed-hosts="+m.host,
		"--databricks-ca-file="+m.caFile,
		"--request-timeout="+requestTimeout.String(),
		"--create-window="+createWindow.String(),
		"--visibility-grace="+visibilityGrace.String(),
		"--poll-interval-active=100ms",
	)
	m.g.Expect(err).NotTo(HaveOccurred())
	m.operator = started
}

// eventually waits until a condition holds, and restarts the operator after
// every kill. It fails if the operator exits by itself.
func (m *restartingOperator) eventually(what string, holds func() bool) {
	m.t.Helper()
	m.g.Eventually(func() bool {
		select {
		case <-m.operator.Done():
			m.g.Expect(m.killed.Load()).To(BeTrue(), "the operator exited by itself: %v", m.operator.Err())
			m.start()
		default:
		}
		return holds()
	}).Should(BeTrue(), what)
}

// runLifecycle creates objects, waits until they are ready and deletes them. It
// checks that each of them had exactly one cluster, and that no cluster is
// left.
func (m *restartingOperator) runLifecycle(names ...string) {
	m.t.Helper()
	var objects []*v1alpha1.DatabricksCluster
	for _, name := range names {
		object := newCluster(m.namespace, name)
		m.g.Expect(api.Create(m.t.Context(), object)).To(Succeed())
		objects = append(objects, object)
	}
	for _, object := range objects {
		m.eventually(object.Name+" is ready", func() bool { return readiness(m.t.Context(), object) == "True Running" })
	}
	m.expectOneClusterEach(objects)
	for _, object := range objects {
		m.g.Expect(api.Delete(m.t.Context(), object)).To(Succeed())
	}
	for _, object := range objects {
		m.eventually(object.Name+" is gone", func() bool { return !exists(m.t.Context(), object) })
	}
	m.expectOneClusterEach(objects)
	m.expectNoClusterLeft()
}

// expectNoClusterLeft checks that no cluster still exists.
func (m *restartingOperator) expectNoClusterLeft() {
	m.t.Helper()
	for _, record := range m.workspace.Clusters() {
		m.g.Expect(record.Exists()).To(BeFalse(), "cluster %s still exists, %s", record.ID, record.State)
	}
}

// expectOneClusterEach checks that exactly one cluster was created for each
// object.
func (m *restartingOperator) expectOneClusterEach(objects []*v1alpha1.DatabricksCluster) {
	m.t.Helper()
	var owners []string
	for _, record := range m.workspace.Clusters() {
		owners = append(owners, record.Owner)
	}
	m.g.Expect(owners).To(HaveLen(len(objects)))
	for _, object := range objects {
		m.g.Expect(owners).To(ContainElement(ContainSubstring("-"+string(object.UID)+"-")), object.Name)
	}
}

// The lifecycle of one object runs once for every call that it makes; the
// operator is killed before or after that call takes effect, and restarted.
func TestKilledAtEveryCall(t *testing.T) {
	baseline := newRestartingOperator(t, func(call) killPoint { return noKill })
	baseline.runLifecycle("scratch")
	scenarios := scenariosFor(baseline.recorded())
	t.Logf("%d kill points of %d calls: %v", len(scenarios), len(baseline.recorded()), baseline.recorded())
	var names []string
	for _, scenario := range scenarios {
		names = append(names, scenario.String())
	}
	NewWithT(t).Expect(names).To(ContainElements(
		"before kubernetes finalizer #1", "after kubernetes finalizer #1",
		"before kubernetes intent #1", "after kubernetes intent #1",
		"before databricks clusters/create #1", "after databricks clusters/create #1", "late databricks clusters/create #1",
		"before kubernetes id #1", "after kubernetes id #1",
		"before databricks clusters/permanent-delete #1", "after databricks clusters/permanent-delete #1",
		"before kubernetes finalizer-removal #1", "after kubernetes finalizer-removal #1",
	), "the lifecycle makes calls that this test does not expect")
	for _, scenario := range scenarios {
		t.Run(scenario.tags()+scenario.String(), func(t *testing.T) {
			t.Parallel()
			triggered := atomic.Bool{}
			m := newRestartingOperator(t, func(next call) killPoint {
				if next != scenario.call || triggered.Swap(true) {
					return noKill
				}
				return scenario.killPoint
			})
			m.runLifecycle("scratch")
			if !triggered.Load() {
				t.Log("this run made no such call")
			}
		})
	}
}

// scenario is a call and the point at which it kills the operator.
type scenario struct {
	killPoint killPoint
	call      call
}

func (m scenario) String() string { return fmt.Sprintf("%s %s", m.killPoint, m.call) }

func (m scenario) tags() string {
	if strings.HasSuffix(m.call.name, "clusters/create") || m.call.name == "kubernetes id" {
		return "[case-02] [R1] "
	}
	return "[R1] "
}

// maxReadsOfAKind is the number of reads of one kind that become scenarios;
// further ones repeat the last.
const maxReadsOfAKind = 3

// scenariosFor returns the kill points of each call: before and after a write,
// and before a read, where both are equivalent.
func scenariosFor(calls []call) []scenario {
	var all []scenario
	for _, made := range calls {
		switch {
		case made.writes:
			all = append(all, scenario{before, made}, scenario{after, made})
		case made.nth <= maxReadsOfAKind:
			all = append(all, scenario{before, made})
		}
		if made.name == "databricks clusters/create" {
			all = append(all, scenario{late, made})
		}
	}
	return all
}

// An object is deleted while the operator is down and the result of its create
// is unknown.
func TestDeletedAfterLostCreate(t *testing.T) {
	for _, lost := range []killPoint{before, after, late} {
		t.Run(fmt.Sprintf("[case-43] [R1] killed %s its effect", lost), func(t *testing.T) {
			t.Parallel()
			triggered := make(chan struct{})
			trigger := sync.OnceFunc(func() { close(triggered) })
			m := newRestartingOperator(t, func(next call) killPoint {
				if next.String() != "databricks clusters/create #1" {
					return noKill
				}
				trigger()
				return lost
			})
			object := newCluster(m.namespace, "scratch")
			m.g.Expect(api.Create(t.Context(), object)).To(Succeed())
			m.g.Eventually(triggered).Should(BeClosed())
			m.g.Expect(api.Delete(t.Context(), object)).To(Succeed())
			m.eventually("the object is gone", func() bool { return !exists(t.Context(), object) })
			m.expectNoClusterLeft()
		})
	}
}

// With several objects, the operator is killed repeatedly; each run is one call
// longer than the one before.
func TestKilledRepeatedly(t *testing.T) {
	t.Run("[case-02] [R1] each run one call longer than the last, with several objects", func(t *testing.T) {
		t.Parallel()
		const kills = 16
		points := []killPoint{before, after, late}
		length, left := 1, 1
		m := newRestartingOperator(t, func(next call) killPoint {
			if left--; left > 0 || length > kills {
				return noKill
			}
			point := points[length%len(points)]
			if point == late && !strings.HasPrefix(next.name, "databricks") {
				point = after
			}
			length++
			left = length
			return point
		})
		m.runLifecycle("one", "two", "three", "four")
		t.Logf("%d starts, %d calls", m.starts, len(m.recorded()))
		m.g.Expect(m.starts).To(BeNumerically(">=", 8))
	})
}
