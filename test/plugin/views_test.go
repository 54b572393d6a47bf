package plugin_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/cli"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

// answering runs a command that asks, with an answer.
func (r *rig) answering(answer string, args ...string) output {
	r.t.Helper()
	var out, errOut bytes.Buffer
	all := append([]string{"--host=" + r.sim.URL, "--databricks-ca-file=" + r.caFile, "--namespace=" + r.namespace}, args...)
	code := cli.Run(r.t.Context(), all, cli.Options{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(answer), Out: &out, ErrOut: &errOut}, Version: "test",
		Limits: ratelimit.Options{Start: 500, Max: 1000, Burst: 100},
	})
	return output{code, out.String(), errOut.String()}
}

func TestOrphansAreListedAdoptedAndTerminated(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl")
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	seed := func(name, tag string) string {
		id, err := r.sim.AddCluster(simulator.Seed{
			State: "RUNNING", Source: "API", Spec: map[string]any{"cluster_name": name, "custom_tags": map[string]any{v1alpha1.OwnerTagKey: tag}},
		})
		r.Expect(err).NotTo(HaveOccurred())
		return id
	}
	lost := seed("lost", owner.Of(operatorID, "11111111-0000-0000-0000-000000000000", r.namespace, "lost").Tag())
	earlier := seed("etl", owner.Of(operatorID, "22222222-0000-0000-0000-000000000000", r.namespace, "etl").Tag())
	foreign := seed("foreign", "ffffffff-33333333-0000-0000-0000-000000000000")
	r.sim.ClearRequests()

	listed := r.dbc("orphans", "--operator-id="+operatorID)
	r.Expect(listed.code).To(Equal(0), listed.errOut)
	r.Expect(listed.out).To(And(MatchRegexp(lost+` +RUNNING +\S+ +- +lost\n`), MatchRegexp(earlier+` +RUNNING +\S+ +\S+etl? *…? +etl\n`)))
	r.Expect(listed.out).NotTo(Or(ContainSubstring(foreign), ContainSubstring(r.get(client.ObjectKeyFromObject(etl)).Status.ClusterID)))
	r.Expect(listed.errOut).To(ContainSubstring("1 cluster of another operator, ffffffff, not looked at"))
	r.expectNarrow(listed.out)

	r.Expect(r.ok("orphans", lost, "--adopt", "--dry-run", "--operator-id="+operatorID)).To(And(ContainSubstring("clusterID: "+lost), ContainSubstring("take-over: "+operatorID+"-1111")))
	declined := r.answering("no\n", "orphans", earlier, "--terminate", "--operator-id="+operatorID)
	r.Expect(declined.code).To(Equal(1))
	r.Expect(declined.errOut).To(HaveSuffix("error: not confirmed, nothing was changed\n"))
	r.Expect(r.answering("", "orphans", earlier, "--terminate", "--operator-id="+operatorID).code).To(Equal(1), "no answer is no confirmation")
	r.Expect(r.writes()).To(BeEmpty())

	adopted := r.answering("yes\n", "orphans", lost, "--adopt", "--operator-id="+operatorID)
	r.Expect(adopted.code).To(Equal(0), adopted.errOut)
	object := &v1alpha1.DatabricksCluster{}
	object.Name, object.Namespace = "lost", r.namespace
	r.becomes(object, v1alpha1.ConditionReady, "True Running")
	r.Expect(r.writes()).To(BeEmpty(), "the adoption changes nothing")

	terminated := r.answering("yes\n", "orphans", "--terminate", "--operator-id="+operatorID)
	r.Expect(terminated.code).To(Equal(0), terminated.errOut)
	r.Expect(terminated.out).To(Equal("cluster " + earlier + ": terminated\n"))
	record, _ := r.sim.Cluster(foreign)
	r.Expect(record.State).To(BeEquivalentTo("RUNNING"))

	r.Expect(r.dbc("orphans", foreign, "--terminate", "--yes", "--operator-id="+operatorID).errOut).To(ContainSubstring("is no orphan"))
	r.Expect(r.dbc("orphans", "--as=stranger", "--operator-id="+operatorID).errOut).To(ContainSubstring("you may not list the objects of all namespaces"))
}

func TestTheViewsOfAnObject(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
		s.PolicyID, s.AutoterminationMinutes, s.NumWorkers = varied.FixingPolicy, nil, new(int32(3))
		s.OutputConfigMap = &v1alpha1.OutputConfigMap{Name: "etl-address"}
	})
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.create(r.small("idle", func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true }))
	id := r.get(client.ObjectKeyFromObject(etl)).Status.ClusterID
	r.Eventually(func() error {
		return r.api.Get(t.Context(), client.ObjectKey{Namespace: r.namespace, Name: "etl-address"}, &corev1.ConfigMap{})
	}).Should(Succeed())

	r.Expect(r.ok("tree", "etl")).To(Equal(fmt.Sprintf(`databrickscluster/etl (Ready: Running)
├─ secret/databricks-credentials %s
├─ cluster %s RUNNING "%s"
│  ├─ created by %s
│  ├─ owner tag: this object, operator %s
│  └─ policy %s "fixing"
└─ configmap/etl-address
`, r.sim.URL, id, r.namespace+"/etl", simulator.DefaultUser, operatorID, varied.FixingPolicy)))
	t.Run("without the workspace", func(t *testing.T) {
		t.Setenv("DATABRICKS_TOKEN", "")
		r.Expect(r.ok("tree", "etl")).To(ContainSubstring("not looked at in the workspace: no credential"))
	})

	top := strings.Split(r.ok("top"), "\n")
	r.Expect(top[0]).To(MatchRegexp(`^NAME +STATE +NODES +UPTIME +NODE TYPE$`))
	r.Expect(top[1]).To(MatchRegexp(`^etl +RUNNING +4 +\S+ +i3.xlarge$`))
	r.Expect(top[2]).To(MatchRegexp(`^idle +- +0 +- +-$`))
	r.Expect(r.ok("top", "--by-namespace")).To(MatchRegexp(r.namespace + ` +1 +4 +`))
	r.Expect(r.ok("top", "-A", "-o", "json")).To(ContainSubstring(`"nodes": 4`))

	r.Expect(r.ok("open", "etl", "--print")).To(Equal(r.get(client.ObjectKeyFromObject(etl)).Status.URL + "\n"))
	r.Expect(r.dbc("open", "idle").errOut).To(ContainSubstring("has no cluster yet; see 'kubectl dbc doctor idle'"))

	r.Expect(r.ok("events", "etl")).To(MatchRegexp(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  CREATING +by ` + simulator.DefaultUser))
	r.Expect(r.dbc("events", "idle").errOut).To(ContainSubstring("has no cluster yet"))
	r.Expect(r.dbc("events", "etl", "--limit=0").errOut).To(ContainSubstring("--limit"))

	r.Expect(r.ok("version")).To(HavePrefix("plugin    test\n"))
}

func TestEventsAreFollowed(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl")
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	id := r.get(client.ObjectKeyFromObject(etl)).Status.ClusterID
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var shown lockedBuffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{"events", "etl", "-f", "--host=" + r.sim.URL, "--databricks-ca-file=" + r.caFile, "--namespace=" + r.namespace},
			cli.Options{Streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &shown, ErrOut: &bytes.Buffer{}}, Version: "test"})
	}()
	r.Eventually(shown.String).Should(ContainSubstring("RUNNING"))
	r.Expect(r.sim.TerminateElsewhere(id)).To(Succeed())
	r.Eventually(shown.String).Should(ContainSubstring("TERMINATING"))
	cancel()
	r.Eventually(done).Should(Receive(Equal(130)))
	r.Expect(strings.Count(shown.String(), "CREATING")).To(Equal(1), "no event is shown twice")
}

// lockedBuffer is a buffer that a command writes while a test reads.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
