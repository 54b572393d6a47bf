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

// tools are the programs with which scenarios run.
var tools = []string{kustomizeController, argoCD}

// fixture is the namespace and the repository of one scenario with one tool.
type fixture struct {
	*WithT
	t          *testing.T
	tool       tool
	namespace  string
	repository *repository
	// withoutExpressions makes Flux use kstatus instead of the example's
	// expressions.
	withoutExpressions bool
}

// withEachTool runs a scenario with every tool concurrently, and skips tools
// that could not be fetched.
func withEachTool(t *testing.T, scenario string, runScenario func(s *fixture)) {
	t.Helper()
	summary.addRow(scenario)
	for _, program := range tools {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			// Owner references need the garbage collector.
			for _, needed := range []string{kubeControllerManager, program} {
				if reason, skipped := shared.skips[needed]; skipped {
					summary.record(scenario, program, result{skipped: true})
					t.Skip(reason)
				}
			}
			began := time.Now()
			s := newFixture(t, program)
			t.Cleanup(func() {
				took := time.Since(began)
				summary.record(scenario, program, result{took: took, passed: !t.Failed()})
				if t.Failed() {
					s.dump()
					summary.progress("%s: FAILED, %s", s.tool, scenario)
					return
				}
				summary.progress("%s: %s (%.0f s)", s.tool, scenario, took.Seconds())
			})
			runScenario(s)
		})
	}
}

func newFixture(t *testing.T, program string) *fixture {
	t.Helper()
	s := &fixture{WithT: NewWithT(t), t: t}
	for _, each := range shared.tools {
		if each.program() == program {
			s.tool = each
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	s.Expect(shared.api.Create(t.Context(), namespace)).To(Succeed())
	s.namespace = namespace.Name
	var err error
	s.repository, err = newRepository(filepath.Join(shared.directory, "repositories", s.namespace))
	s.Expect(err).NotTo(HaveOccurred())
	return s
}

// dump writes the API server's objects to a file after a failure.
func (s *fixture) dump() {
	content := "namespace " + s.namespace + "\n"
	for _, kind := range []string{"databricksclusters", "kustomizations", "applications"} {
		found, err := kubectl(context.Background(), "get", kind, "--all-namespaces", "--output=yaml")
		content += fmt.Sprintf("---\n%s\n# %v\n", found, err)
	}
	_ = os.WriteFile(shared.file(s.namespace+".yaml"), []byte(content), 0o600) // the test has failed anyway
}

// kubectl runs kubectl in the namespace.
func (s *fixture) kubectl(args ...string) {
	s.t.Helper()
	message, err := kubectl(s.t.Context(), append(args, "--namespace="+s.namespace)...)
	s.Expect(err).NotTo(HaveOccurred(), message)
}

func kubectl(ctx context.Context, args ...string) (message string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	binary := filepath.Join(cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), "../../bin/k8s"), "kubectl")
	out, err := exec.CommandContext(ctx, binary, append(args, "--kubeconfig="+shared.kubeconfig())...).CombinedOutput()
	return string(out), err
}

// commit commits files.
func (s *fixture) commit(files map[string]string) {
	s.t.Helper()
	s.Expect(s.repository.commit(files)).To(Succeed())
}

// startSync makes the tool apply all commits from now on.
func (s *fixture) startSync() {
	s.t.Helper()
	s.Expect(s.tool.startSync(s.t.Context(), s)).To(Succeed())
}

// push commits files and requests a sync.
func (s *fixture) push(files map[string]string) {
	s.t.Helper()
	s.commit(files)
	s.Expect(s.tool.requestSync(s.t.Context(), s)).To(Succeed())
}

// awaitReady waits until the tool reports the newest commit as ready.
func (s *fixture) awaitReady() {
	s.t.Helper()
	s.Eventually(func() string {
		v, message := s.tool.verdict(s.t.Context(), s)
		if v == ready {
			return string(ready)
		}
		return string(v) + ": " + message
	}).Should(Equal(string(ready)))
}

// refresh requests a sync of the same commit and waits until the tool reports
// everything as ready.
func (s *fixture) refresh() {
	s.t.Helper()
	s.Expect(s.tool.requestSync(s.t.Context(), s)).To(Succeed())
	s.awaitReady()
}

// observation is what watch observed until the tool had a verdict.
type observation struct {
	verdict verdict
	message string
	// waited reports that the tool waited while the object existed and was not
	// ready; premature reports that the tool was ready or applied the jobs
	// before the object was ready.
	waited, premature bool
}

// watch observes the tool and an object until the tool has a verdict.
func (s *fixture) watch(name string) observation {
	s.t.Helper()
	var observed observation
	had := s.hasJobs()
	s.Eventually(func() verdict {
		ctx := s.t.Context()
		// The tool is read first, so that an object that becomes ready in
		// between is not reported.
		observed.verdict, observed.message = s.tool.verdict(ctx, s)
		jobs := !had && s.hasJobs()
		object, exists := s.object(name)
		waits := exists && !isReady(object)
		observed.waited = observed.waited || waits && observed.verdict == inProgress && !jobs
		observed.premature = observed.premature || !isReady(object) && (observed.verdict == ready || jobs)
		return observed.verdict
	}).ShouldNot(Equal(inProgress), func() string { return observed.message })
	return observed
}

// object returns a DatabricksCluster of the namespace, if it exists.
func (s *fixture) object(name string) (*v1alpha1.DatabricksCluster, bool) {
	s.t.Helper()
	object := &v1alpha1.DatabricksCluster{}
	err := shared.api.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, object)
	s.Expect(client.IgnoreNotFound(err)).To(Succeed())
	return object, err == nil
}

// isReady reports whether the object is Ready in its current generation.
func isReady(object *v1alpha1.DatabricksCluster) bool {
	condition := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	return condition != nil && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == object.Generation
}

// hasJobs reports whether the tool applied the jobs, which depend on the
// clusters.
func (s *fixture) hasJobs() bool {
	s.t.Helper()
	err := shared.api.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "job"}, &corev1.ConfigMap{})
	s.Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err == nil
}

// workspaceCluster returns the cluster of an object by its name in the
// workspace.
func (s *fixture) workspaceCluster(name string) simulator.Record {
	s.t.Helper()
	all, err := shared.workspace.Clusters(s.t.Context())
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

// writes returns the operations on an object's cluster, except reads.
func (s *fixture) writes(name string) []string {
	s.t.Helper()
	id := s.workspaceCluster(name).ID
	all, err := shared.workspace.Requests(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, each := range all {
		if each.ClusterID == id && each.Method != http.MethodGet {
			found = append(found, each.Endpoint)
		}
	}
	return found
}

// isDeleted reports whether an object does not exist.
func (s *fixture) isDeleted(object client.Object) bool {
	return apierrors.IsNotFound(shared.api.Get(s.t.Context(), client.ObjectKeyFromObject(object), object))
}

// cluster returns the manifest of a DatabricksCluster, with more lines for its
// spec, such as "numWorkers: 3".
func (s *fixture) cluster(name string, more ...string) string {
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

// Lines of most clusters.
const (
	twoWorkers = "numWorkers: 2"
	// Ten hours take twelve minutes here: longer than any scenario.
	tenHours = "autoterminationMinutes: 600"
)

// job returns the manifest of an object that depends on the clusters.
func (s *fixture) job() string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: job\n  namespace: " + s.namespace +
		"\n  annotations: {argocd.argoproj.io/sync-wave: \"1\"}\ndata: {needs: etl}\n"
}

// deploy commits files, starts the sync and waits until everything is ready.
func (s *fixture) deploy(files map[string]string) {
	s.t.Helper()
	s.commit(files)
	s.startSync()
	s.awaitReady()
}
