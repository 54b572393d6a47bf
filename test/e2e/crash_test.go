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

// Short deadlines, so that a lost create is resolved in seconds.
const (
	requestTimeout  = 3 * time.Second
	createWindow    = time.Second
	visibilityGrace = 500 * time.Millisecond
)

// mortal is an operator that is started again whenever it was killed.
type mortal struct {
	*witness
	g         Gomega
	t         *testing.T
	namespace string
	lives     int
	// killed tells that the witness has ended the present life.
	killed atomic.Bool

	mu       sync.Mutex // held while a life begins
	operator *programs.Operator
}

// newMortal starts the first life. judge decides which call ends a life.
func newMortal(t *testing.T, judge func(call) fate) *mortal {
	t.Helper()
	m := &mortal{witness: newWitness(t), g: NewWithT(t), t: t}
	m.namespace = newNamespace(t, m.host)
	m.judge = func(next call) fate {
		if m.killed.Load() {
			return spared // what a dying process has under way takes its course
		}
		decided := judge(next)
		m.killed.Store(decided != spared)
		return decided
	}
	m.kill = func() {
		m.mu.Lock() // a life may end before it has quite begun
		defer m.mu.Unlock()
		m.operator.Kill()
	}
	m.live()
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			t.Logf("calls: %v\nthe end of the operator's log:\n%s", m.seen(), m.operator.Log.Tail(40))
		}
	})
	return m
}

// live starts a life.
func (m *mortal) live() {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.killed.Store(false)
	m.lives++
	started, err := programs.StartOperator(m.t.Context(), built(m.t).Manager, filepath.Join(m.t.TempDir(), "operator.log"),
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

// comesTrue waits for something, and starts the operator again whenever it was
// killed meanwhile. It must not end by itself.
func (m *mortal) comesTrue(what string, holds func() bool) {
	m.t.Helper()
	m.g.Eventually(func() bool {
		select {
		case <-m.operator.Ended():
			m.g.Expect(m.killed.Load()).To(BeTrue(), "the operator ended by itself: %v", m.operator.Err())
			m.live()
		default:
		}
		return holds()
	}).Should(BeTrue(), what)
}

// lead takes objects from apply to their end, and checks that each had one
// cluster ever, and that none is left.
func (m *mortal) lead(names ...string) {
	m.t.Helper()
	var objects []*v1alpha1.DatabricksCluster
	for _, name := range names {
		object := newCluster(m.namespace, name)
		m.g.Expect(api.Create(m.t.Context(), object)).To(Succeed())
		objects = append(objects, object)
	}
	for _, object := range objects {
		m.comesTrue(object.Name+" is ready", func() bool { return readiness(m.t.Context(), object) == "True Running" })
	}
	m.expectOneClusterEach(objects)
	for _, object := range objects {
		m.g.Expect(api.Delete(m.t.Context(), object)).To(Succeed())
	}
	for _, object := range objects {
		m.comesTrue(object.Name+" is gone", func() bool { return !exists(m.t.Context(), object) })
	}
	m.expectOneClusterEach(objects)
	m.expectNothingIsLeft()
}

// expectNothingIsLeft: no cluster outlives its object.
func (m *mortal) expectNothingIsLeft() {
	m.t.Helper()
	for _, record := range m.workspace.Clusters() {
		m.g.Expect(record.Exists()).To(BeFalse(), "cluster %s is left behind, %s", record.ID, record.State)
	}
}

// expectOneClusterEach: as many clusters were ever made as there are objects, and
// each object has had one.
func (m *mortal) expectOneClusterEach(objects []*v1alpha1.DatabricksCluster) {
	m.t.Helper()
	var owners []string
	for _, record := range m.workspace.Clusters() {
		owners = append(owners, record.Owner)
	}
	m.g.Expect(owners).To(HaveLen(len(objects)))
	for _, object := range objects {
		m.g.Expect(owners).To(ContainElement(HaveSuffix("-"+string(object.UID))), object.Name)
	}
}

// One object's life is led once for every call that it takes, and the operator
// is killed before that call has its effect, or after, and started again.
func TestKilledAtAnyCall(t *testing.T) {
	undisturbed := newMortal(t, func(call) fate { return spared })
	undisturbed.lead("scratch")
	moments := momentsOf(undisturbed.seen())
	t.Logf("%d moments of %d calls: %v", len(moments), len(undisturbed.seen()), undisturbed.seen())
	var names []string
	for _, moment := range moments {
		names = append(names, moment.String())
	}
	NewWithT(t).Expect(names).To(ContainElements(
		"before kubernetes finalizer #1", "after kubernetes finalizer #1",
		"before kubernetes intent #1", "after kubernetes intent #1",
		"before databricks clusters/create #1", "after databricks clusters/create #1", "late databricks clusters/create #1",
		"before kubernetes id #1", "after kubernetes id #1",
		"before databricks clusters/permanent-delete #1", "after databricks clusters/permanent-delete #1",
		"before kubernetes release #1", "after kubernetes release #1",
	), "the calls of a life have other names than this test knows")
	for _, moment := range moments {
		t.Run(moment.tags()+moment.String(), func(t *testing.T) {
			t.Parallel()
			struck := atomic.Bool{}
			m := newMortal(t, func(next call) fate {
				if next != moment.call || struck.Swap(true) {
					return spared
				}
				return moment.fate
			})
			m.lead("scratch")
			if !struck.Load() {
				t.Log("this time the life took no such call")
			}
		})
	}
}

// moment is when an operator dies.
type moment struct {
	fate fate
	call call
}

func (m moment) String() string { return fmt.Sprintf("%s %s", m.fate, m.call) }

func (m moment) tags() string {
	if strings.HasSuffix(m.call.name, "clusters/create") || m.call.name == "kubernetes id" {
		return "[case-02] [R1] "
	}
	return "[R1] "
}

// sameRead is how many reads of one kind are moments: those that follow are like
// the last.
const sameRead = 3

// momentsOf are both sides of every call that writes, and one of every call that
// reads: nothing tells its sides apart.
func momentsOf(calls []call) []moment {
	var all []moment
	for _, made := range calls {
		switch {
		case made.writes:
			all = append(all, moment{before, made}, moment{after, made})
		case made.nth <= sameRead:
			all = append(all, moment{before, made})
		}
		if made.name == "databricks clusters/create" {
			all = append(all, moment{late, made})
		}
	}
	return all
}

// An object is deleted while the operator is dead and nobody knows whether its
// cluster was created.
func TestDeletedWhileItsCreateIsLost(t *testing.T) {
	for _, lost := range []fate{before, after, late} {
		t.Run(fmt.Sprintf("[case-43] [R1] killed %s its effect", lost), func(t *testing.T) {
			t.Parallel()
			struck := make(chan struct{})
			strike := sync.OnceFunc(func() { close(struck) })
			m := newMortal(t, func(next call) fate {
				if next.String() != "databricks clusters/create #1" {
					return spared
				}
				strike()
				return lost
			})
			object := newCluster(m.namespace, "scratch")
			m.g.Expect(api.Create(t.Context(), object)).To(Succeed())
			m.g.Eventually(struck).Should(BeClosed())
			m.g.Expect(api.Delete(t.Context(), object)).To(Succeed())
			m.comesTrue("the object is gone", func() bool { return !exists(t.Context(), object) })
			m.expectNothingIsLeft()
		})
	}
}

// Several objects, and an operator whose every life is a call longer than the
// one before: it dies over and over, in the midst of all of them.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Run("[case-02] [R1] each life a call longer than the last, with several objects", func(t *testing.T) {
		t.Parallel()
		const deaths = 16
		fates := []fate{before, after, late}
		length, left := 1, 1
		m := newMortal(t, func(next call) fate {
			if left--; left > 0 || length > deaths {
				return spared
			}
			decided := fates[length%len(fates)]
			if decided == late && !strings.HasPrefix(next.name, "databricks") {
				decided = after
			}
			length++
			left = length
			return decided
		})
		m.lead("one", "two", "three", "four")
		t.Logf("%d lives, %d calls", m.lives, len(m.seen()))
		m.g.Expect(m.lives).To(BeNumerically(">=", 8))
	})
}
