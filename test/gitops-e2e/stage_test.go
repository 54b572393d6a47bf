package gitops

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tools are the programs that scenarios are played with.
var tools = []string{kustomizeController, argoCD}

// stage is where one scenario plays with one tool: a namespace and a repository
// of its own.
type stage struct {
	*WithT
	t          *testing.T
	tool       tool
	namespace  string
	repository *repository
	// bare is that Flux reads objects without the expressions of the example.
	bare bool
}

// withEachTool plays a scenario with every tool, at the same time, and skips it
// with those that could not be fetched.
func withEachTool(t *testing.T, scenario string, play func(s *stage)) {
	t.Helper()
	summary.open(scenario)
	for _, program := range tools {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			// Whatever owns something needs the garbage collector.
			for _, needed := range []string{kubeControllerManager, program} {
				if reason, skipped := lab.skips[needed]; skipped {
					summary.note(scenario, program, result{skipped: true})
					t.Skip(reason)
				}
			}
			began := time.Now()
			s := newStage(t, program)
			t.Cleanup(func() {
				took := time.Since(began)
				summary.note(scenario, program, result{took: took, passed: !t.Failed()})
				if t.Failed() {
					s.dump()
					summary.progress("%s: FAILED, %s", s.tool, scenario)
					return
				}
				summary.progress("%s: %s (%.0f s)", s.tool, scenario, took.Seconds())
			})
			play(s)
		})
	}
}

func newStage(t *testing.T, program string) *stage {
	t.Helper()
	s := &stage{WithT: NewWithT(t), t: t}
	for _, each := range lab.tools {
		if each.program() == program {
			s.tool = each
		}
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	s.Expect(lab.api.Create(t.Context(), space)).To(Succeed())
	s.namespace = space.Name
	var err error
	s.repository, err = newRepository(filepath.Join(lab.directory, "repositories", s.namespace))
	s.Expect(err).NotTo(HaveOccurred())
	return s
}

// dump keeps what the API server knows of a stage that failed.
func (s *stage) dump() {
	content := "namespace " + s.namespace + "\n"
	for _, kind := range []string{"databricksclusters", "kustomizations", "applications"} {
		found, err := kubectl(context.Background(), "get", kind, "--all-namespaces", "--output=yaml")
		content += fmt.Sprintf("---\n%s\n# %v\n", found, err)
	}
	_ = os.WriteFile(lab.file(s.namespace+".yaml"), []byte(content), 0o600) // the failure itself is told anyway
}

// kubectl is what a person does.
func (s *stage) kubectl(args ...string) {
	s.t.Helper()
	said, err := kubectl(s.t.Context(), append(args, "--namespace="+s.namespace)...)
	s.Expect(err).NotTo(HaveOccurred(), said)
}

func kubectl(ctx context.Context, args ...string) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	binary := filepath.Join(cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), "../../bin/k8s"), "kubectl")
	out, err := exec.CommandContext(ctx, binary, append(args, "--kubeconfig="+lab.kubeconfig())...).CombinedOutput()
	return string(out), err
}

// commit commits files and, where the tool follows already, has it look.
func (s *stage) commit(files map[string]string) {
	s.t.Helper()
	s.Expect(s.repository.commit(files)).To(Succeed())
}

// follow has the tool apply what is committed, from now on.
func (s *stage) follow() {
	s.t.Helper()
	s.Expect(s.tool.follow(s.t.Context(), s)).To(Succeed())
}

// push commits files and has the tool look at them.
func (s *stage) push(files map[string]string) {
	s.t.Helper()
	s.commit(files)
	s.Expect(s.tool.look(s.t.Context(), s)).To(Succeed())
}

// becomesReady waits until the tool calls the newest commit ready.
func (s *stage) becomesReady() {
	s.t.Helper()
	s.Eventually(func() string {
		v, said := s.tool.verdict(s.t.Context(), s)
		if v == ready {
			return string(ready)
		}
		return string(v) + ": " + said
	}).Should(Equal(string(ready)))
}

// looksAgain has the tool look once more, at the same commit, and waits until it
// has and finds everything ready.
func (s *stage) looksAgain() {
	s.t.Helper()
	s.Expect(s.tool.look(s.t.Context(), s)).To(Succeed())
	s.becomesReady()
}

// course is what was seen until the tool had a verdict.
type course struct {
	verdict verdict
	said    string
	// held is that the tool waited while the object was there and not ready, and
	// early that it did not: it was ready, or applied the jobs.
	held, early bool
}

// watch looks at the tool and an object until the tool has a verdict.
func (s *stage) watch(name string) course {
	s.t.Helper()
	var seen course
	had := s.hasJobs()
	s.Eventually(func() verdict {
		ctx := s.t.Context()
		// In this order, so that what becomes ready in between is no finding.
		seen.verdict, seen.said = s.tool.verdict(ctx, s)
		jobs := !had && s.hasJobs()
		object, there := s.object(name)
		waits := there && !usable(object)
		seen.held = seen.held || waits && seen.verdict == inProgress && !jobs
		seen.early = seen.early || !usable(object) && (seen.verdict == ready || jobs)
		return seen.verdict
	}).ShouldNot(Equal(inProgress), func() string { return seen.said })
	return seen
}

// object is a DatabricksCluster of the stage, if it is there.
func (s *stage) object(name string) (*v1alpha1.DatabricksCluster, bool) {
	s.t.Helper()
	object := &v1alpha1.DatabricksCluster{}
	err := lab.api.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, object)
	s.Expect(client.IgnoreNotFound(err)).To(Succeed())
	return object, err == nil
}

// usable is whether the operator says of this very generation that it is Ready.
func usable(object *v1alpha1.DatabricksCluster) bool {
	condition := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == object.Generation
}

// hasJobs tells whether the tool applied what comes after the clusters.
func (s *stage) hasJobs() bool {
	s.t.Helper()
	err := lab.api.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "job"}, &corev1.ConfigMap{})
	s.Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err == nil
}

// inWorkspace is an object's cluster, by the name that it has there.
func (s *stage) inWorkspace(name string) simulator.Record {
	s.t.Helper()
	all, err := lab.workspace.Clusters(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	var found []simulator.Record
	for _, each := range all {
		if each.Name == s.namespace+"/"+name {
			found = append(found, each)
		}
	}
	s.Expect(found).To(HaveLen(1), "clusters of "+name)
	return found[0]
}

// writes are what was asked of the workspace for an object, reads aside.
func (s *stage) writes(name string) []string {
	s.t.Helper()
	id := s.inWorkspace(name).ID
	all, err := lab.workspace.Requests(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, each := range all {
		if each.ClusterID == id && each.Method != http.MethodGet {
			found = append(found, each.Endpoint)
		}
	}
	return found
}

// isGone tells whether an object is no more.
func (s *stage) isGone(object client.Object) bool {
	return apierrors.IsNotFound(lab.api.Get(s.t.Context(), client.ObjectKeyFromObject(object), object))
}

// cluster is the manifest of a DatabricksCluster, with more lines for its spec,
// such as "numWorkers: 3".
func (s *stage) cluster(name string, more ...string) string {
	lines := []string{
		"connection: {workspaceRef: {name: " + workspace + "}}",
		"sparkVersion: 16.4.x-scala2.12",
		"nodeTypeID: i3.xlarge",
	}
	manifest := "apiVersion: compute.databricks-operator.io/v1alpha1\nkind: DatabricksCluster\n" +
		"metadata:\n  name: " + name + "\n  namespace: " + s.namespace + "\nspec:\n"
	for _, line := range slices.Concat(lines, more) {
		manifest += "  " + line + "\n"
	}
	return manifest
}

// What most clusters have.
const (
	twoWorkers = "numWorkers: 2"
	// Ten minutes of the laboratory: longer than any scenario.
	tenHours = "autoterminationMinutes: 600"
)

// job is the manifest of what needs the clusters.
func (s *stage) job() string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: job\n  namespace: " + s.namespace +
		"\n  annotations: {argocd.argoproj.io/sync-wave: \"1\"}\ndata: {needs: etl}\n"
}

// runs has the tool apply a cluster and waits until it is ready.
func (s *stage) runs(files map[string]string) {
	s.t.Helper()
	s.commit(files)
	s.follow()
	s.becomesReady()
}
