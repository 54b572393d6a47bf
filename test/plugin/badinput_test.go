package plugin_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/cli"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// joined returns a wrapped text on one line.
func joined(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestWithoutRightsInKubernetes runs the commands as a user without any right: each names
// the right that is missing, and changes nothing.
func TestWithoutRightsInKubernetes(t *testing.T) {
	r := newRig(t, 1)
	etl := r.small("etl")
	r.create(etl)
	for _, args := range [][]string{
		{"start", "etl"},
		{"suspend", "etl"},
		{"reconcile", "-l", "team=data"},
		{"tree", "etl"},
		{"open", "etl"},
		{"events", "etl"},
		{"top"},
		{"top", "-A"},
		{"diff", "etl"},
		{"diff", "-f", r.manifest(etl)},
		{"orphans", "--operator-id=" + operatorID},
	} {
		t.Run(strings.Join(args, " "), func(*testing.T) {
			result := r.dbc(append(args, "--as=stranger")...)
			r.Expect(result.code).To(BeElementOf(1, 2))
			r.Expect(joined(result.errOut)).To(And(HavePrefix("error: "), ContainSubstring(`User "stranger" cannot`), ContainSubstring("Your rights: kubectl auth can-i --list")))
			r.Expect(result.out).To(BeEmpty())
		})
	}
	now := r.get(client.ObjectKeyFromObject(etl))
	r.Expect(now.Annotations).To(BeEmpty())
	r.Expect(now.Spec.Suspend).To(BeFalse())
}

// TestWithoutRightsInTheWorkspace makes the workspace refuse what the commands read.
func TestWithoutRightsInTheWorkspace(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl := r.small("etl")
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.stop()
	id := r.get(client.ObjectKeyFromObject(etl)).Status.ClusterID
	for _, endpoint := range []string{"clusters/list", "clusters/get", "clusters/events", "policies/list"} {
		r.sim.AddFault(simulator.Fault{Endpoint: endpoint, Status: 403, ErrorCode: "PERMISSION_DENIED", Message: "you need more rights"})
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"import", "--all"}, "list the clusters"},
		{[]string{"import", id}, "list the clusters"},
		{[]string{"import", "--all", "--kind=policies"}, "list the policies"},
		{[]string{"diff", "etl"}, "etl in " + r.namespace + ": read cluster " + id},
		{[]string{"diff", "-f", r.stream(r.policy("small"))}, "policy/small in " + r.namespace},
		{[]string{"events", "etl"}, "read the events of cluster " + id},
		{[]string{"orphans", "--operator-id=" + operatorID}, "list the clusters"},
	} {
		t.Run(strings.Join(c.args[:2], " "), func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), "out")
			if c.args[0] == "import" {
				c.args = append(c.args, "-o", directory)
			}
			result := r.dbc(c.args...)
			r.Expect(result.code).To(BeElementOf(1, 2))
			r.Expect(joined(result.errOut)).To(And(HavePrefix("error: "), ContainSubstring(c.want), ContainSubstring("you need more rights")))
			r.Expect(result.out).To(BeEmpty())
			r.Expect(directory).NotTo(BeADirectory())
		})
	}
	// What Kubernetes knows is shown all the same.
	r.Expect(r.ok("tree", "etl")).To(ContainSubstring("not looked at in the workspace: "))
	r.Expect(lines(r.dbc("doctor", "etl").out)).To(ContainSubstring("?   cluster          " + id + " was not looked at: "))
}

// TestAHalfBrokenKubeconfig shows that each defect is named.
func TestAHalfBrokenKubeconfig(t *testing.T) {
	r := newRig(t, 1)
	content, err := os.ReadFile(kubeconfig)
	r.Expect(err).NotTo(HaveOccurred())
	file := func(change func(string) string) string {
		name := filepath.Join(t.TempDir(), "kubeconfig")
		r.Expect(os.WriteFile(name, []byte(change(string(content))), 0o600)).To(Succeed())
		return name
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no file":            {[]string{"--kubeconfig=" + filepath.Join(t.TempDir(), "absent")}, "absent"},
		"no YAML":            {[]string{"--kubeconfig=" + file(func(string) string { return "{" })}, "kubeconfig: "},
		"an unknown context": {[]string{"--context=absent"}, `kubeconfig: context "absent" does not exist`},
		"an unknown cluster": {[]string{"--cluster=absent"}, `kubeconfig: cluster "absent" does not exist`},
		"no server answers":  {[]string{"--server=https://127.0.0.1:1"}, "check --kubeconfig and --context"},
		"an unknown name":    {[]string{"--server=https://absent.invalid"}, "check --kubeconfig and --context"},
		"another authority":  {[]string{"--kubeconfig=" + file(withoutAuthority)}, "check --kubeconfig and --context"},
		"no contexts":        {[]string{"--kubeconfig=" + file(func(s string) string { return strings.ReplaceAll(s, "contexts:", "context:") })}, "kubeconfig: invalid configuration: context was not found"},
	} {
		t.Run(name, func(*testing.T) {
			result := r.dbc(append([]string{"top"}, c.args...)...)
			r.Expect(result.code).To(Equal(1), result.out)
			r.Expect(joined(result.errOut)).To(And(HavePrefix("error: "), ContainSubstring(c.want)))
			// The workspace is read without Kubernetes.
			r.Expect(r.dbcIn(t.Context(), "", append([]string{"import", "--name=absent"}, c.args...)...).errOut).To(ContainSubstring("nothing in " + r.sim.URL + " matches"))
		})
	}
}

// withoutAuthority removes the certificate authority of the API server from a kubeconfig.
func withoutAuthority(content string) string {
	var kept []string
	for line := range strings.SplitSeq(content, "\n") {
		if !strings.Contains(line, "certificate-authority-data") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestAWorkspaceThatThrottles(t *testing.T) {
	r := newRig(t, 1)
	for range 3 {
		_, err := r.sim.AddCluster(simulator.Seed{})
		r.Expect(err).NotTo(HaveOccurred())
	}
	directory := filepath.Join(t.TempDir(), "out")
	r.sim.AddFault(simulator.Fault{Endpoint: "clusters/get", Status: 429, Times: 2, Header: map[string]string{"Retry-After": "1"}})
	begin := time.Now()
	result := r.dbcIn(t.Context(), "", "import", "--all", "-o", directory)
	r.Expect(result.code).To(Equal(0), result.errOut)
	r.Expect(time.Since(begin)).To(BeNumerically(">", 900*time.Millisecond), "the Retry-After is obeyed")
	r.Expect(r.read(directory)).To(HaveLen(3))

	// It throttles for longer than the user waits.
	r.sim.AddFault(simulator.Fault{Endpoint: "clusters/list", Status: 429, Header: map[string]string{"Retry-After": "300"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.sim.ClearRequests()
	ended := r.inBackground(ctx, "", nil, "import", "--all", "-o", directory+"-2")
	r.Eventually(func() int { return len(r.sim.RequestsTo("clusters/list")) }).Should(Equal(1))
	cancel()
	r.Eventually(ended).Should(Receive(Equal(output{130, "", "interrupted\n"})))
	r.Expect(directory + "-2").NotTo(BeADirectory())
	r.Expect(r.sim.RequestsTo("clusters/list")).To(HaveLen(1))
}

// inBackground runs a command in a namespace until it or ctx ends, with an answer to its
// question.
func (r *rig) inBackground(ctx context.Context, namespace string, in *blockingReader, args ...string) <-chan output {
	ended := make(chan output, 1)
	all := append([]string{"--host=" + r.sim.URL, "--databricks-ca-file=" + r.caFile}, args...)
	if namespace != "" {
		all = append(all, "--namespace="+namespace)
	}
	go func() {
		var out, errOut bytes.Buffer
		code := cli.Run(ctx, all, cli.Options{
			Streams: genericiooptions.IOStreams{In: in, Out: &out, ErrOut: &errOut}, Version: "test",
			Limits: ratelimit.Options{Start: 500, Max: 1000, Burst: 100},
		})
		ended <- output{code, out.String(), errOut.String()}
	}()
	return ended
}

// blockingReader is a user who does not answer a question.
type blockingReader struct{ asked chan struct{} }

func (b *blockingReader) Read([]byte) (int, error) {
	close(b.asked)
	select {}
}

func TestAnInterruptOfAWait(t *testing.T) {
	r := newRig(t, 1)
	r.create(r.small("etl"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := r.inBackground(ctx, r.namespace, nil, "start", "etl", "--wait")
	key := client.ObjectKey{Namespace: r.namespace, Name: "etl"}
	r.Eventually(func() map[string]string { return r.get(key).Annotations }).Should(HaveKey(v1alpha1.AnnotationRequest))
	cancel()
	r.Eventually(ended).Should(Receive(Equal(output{
		130, "databrickscluster/etl: start requested\n",
		"note: etl: the request was made and stays. The answer will be in status.request:\n" +
			"      $ kubectl get -n " + r.namespace + " databrickscluster/etl -o jsonpath='{.status.request}'\ninterrupted\n",
	})))
	r.Expect(r.get(key).Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationRequest, HavePrefix("start@")))
}

func TestAnInterruptOfATermination(t *testing.T) {
	r := newRig(t, 1)
	var ids []string
	for i := range 3 {
		tag := owner.Of(operatorID, fmt.Sprintf("11111111-0000-0000-0000-00000000000%d", i), r.namespace, "lost").Tag()
		id, err := r.sim.AddCluster(simulator.Seed{State: "RUNNING", Source: "API", Spec: map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: tag}}})
		r.Expect(err).NotTo(HaveOccurred())
		ids = append(ids, id)
	}

	t.Run("at the question", func(*testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		user := &blockingReader{asked: make(chan struct{})}
		ended := r.inBackground(ctx, r.namespace, user, "orphans", "--terminate", "--operator-id="+operatorID)
		r.Eventually(user.asked).Should(BeClosed())
		cancel()
		var result output
		r.Eventually(ended).Should(Receive(&result))
		r.Expect(result.code).To(Equal(130))
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("between two clusters", func(*testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.sim.AddFault(simulator.Fault{Endpoint: "clusters/get", Skip: 1, Delay: 20 * time.Second})
		r.sim.ClearRequests()
		ended := r.inBackground(ctx, r.namespace, nil, "orphans", "--terminate", "--yes", "--operator-id="+operatorID)
		r.Eventually(r.writes).Should(HaveLen(1))
		cancel()
		var result output
		r.Eventually(ended).Should(Receive(&result))
		r.Expect(result.code).To(Equal(130))
		terminated := 0
		for _, id := range ids {
			record, _ := r.sim.Cluster(id)
			isListed := strings.Contains(result.errOut, id)
			isDone := strings.Contains(result.out, "cluster "+id+": terminated\n")
			r.Expect(isListed).NotTo(Equal(isDone), "each cluster is either done or named as left")
			isRunning := record.State == simulator.Running
			r.Expect(isRunning).To(Equal(isListed), id)
			if isDone {
				terminated++
			}
		}
		r.Expect(terminated).To(Equal(1))
		r.Expect(joined(result.errOut)).To(And(ContainSubstring("note: not known to be terminated: "), HaveSuffix("shows their states interrupted")))
	})
}
