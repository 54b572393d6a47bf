package gitops

import (
	"net/http"
	"testing"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestGitOps(t *testing.T) {
	// These run first, because they change shared objects.
	t.Run("unobserved", func(t *testing.T) {
		unobserved(t)
	})
	if err := shared.startOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("scenario", func(t *testing.T) {
		for _, each := range []struct {
			name, scenario string
			runScenario    func(*fixture)
		}{
			{"commit", "a commit is applied, and ready after its clusters", waitsForClusters},
			{"failure", "a failed launch fails the sync, and a fixed one is ready", reportsFailedLaunch},
			{"edit", "an edit in git is applied once", appliesEditOnce},
			{"scale", "kubectl scale is kept, by the rule of each tool", keepsScale},
			{"drift", "drift is corrected once, requests are kept", correctsDrift},
			{"prune", "removal from git follows the deletion policy", prunesByPolicy},
			{"namespace", "a deleted namespace follows the deletion policies", deletesNamespace},
		} {
			summary.addRow(each.scenario)
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				withEachTool(t, each.scenario, each.runScenario)
			})
		}
	})
}

// waitsForClusters runs the main scenario with the shipped examples. They
// define the order: dependsOn with Flux, sync waves with Argo CD.
func waitsForClusters(s *fixture) {
	s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.startSync()

	observed := s.watch("etl")
	s.Expect(observed.verdict).To(Equal(ready), observed.message)
	s.Expect(observed.waited).To(BeTrue(), "the tool waited for the cluster, and the jobs with it")
	s.Expect(observed.premature).To(BeFalse(), "the tool was done before the cluster was")
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.Expect(s.workspaceCluster("etl").State).To(Equal(simulator.Running))
}

func reportsFailedLaunch(s *fixture) {
	s.withoutExpressions = true
	s.Expect(shared.workspace.Do(s.t.Context(), http.MethodPost, "faults", simulator.Fault{
		Endpoint: "clusters/create", ClusterName: s.namespace + "/etl", Times: 1,
		Launch: &simulator.TerminationReason{Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR"},
	}, nil)).To(Succeed())
	s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.startSync()

	// The tool's own timeout is 20 minutes.
	observed := s.watch("etl")
	s.Expect(observed.verdict).To(Equal(failed), observed.message)
	s.Expect(observed.waited).To(BeTrue())
	s.Expect(s.hasJobs()).To(BeFalse(), "the jobs must wait for the cluster")

	s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, "autoterminationMinutes: 700")})
	s.awaitReady()
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.workspaceCluster("etl") // still the only cluster of the object
}

func appliesEditOnce(s *fixture) {
	s.deploy(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, "autoterminationMinutes: 700")})
	observed := s.watch("etl")
	s.Expect(observed.verdict).To(Equal(ready), observed.message)
	s.Expect(observed.premature).To(BeFalse(), "the tool was done before the restart was")

	before, _ := s.object("etl")
	s.Expect(before.Generation).To(BeEquivalentTo(2))
	s.refresh()
	s.refresh()
	after, _ := s.object("etl")
	s.Expect(after.ResourceVersion).To(Equal(before.ResourceVersion), "the object was not written")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/update"}))
}

// keepsScale is about the ownership of the number of workers. With Argo CD the
// Application ignores the field. With Flux git omits it after a scale, and
// takes it back by setting it again.
func keepsScale(s *fixture) {
	s.deploy(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours)})
	s.kubectl("scale", "databrickscluster/etl", "--replicas=5")
	s.awaitWorkers(5)
	generation := int64(2)
	if s.tool.program() == kustomizeController {
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", tenHours)})
	} else {
		generation++ // a change of another field than the ignored one
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours, "deletionPolicy: Delete")})
		s.Eventually(func() v1alpha1.DeletionPolicy {
			object, _ := s.object("etl")
			return object.Spec.DeletionPolicy
		}).Should(Equal(v1alpha1.DeletionPolicyDelete))
	}
	s.awaitReady()
	s.refresh()
	scaled, _ := s.object("etl")
	s.Expect(scaled.Spec.NumWorkers).To(HaveValue(BeEquivalentTo(5)))
	s.Expect(scaled.Generation).To(Equal(generation), "the spec was not written again")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/resize"}), "no restart, and no resize back")

	if s.tool.program() == kustomizeController {
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", "numWorkers: 3", tenHours)})
		s.awaitReady()
		s.awaitWorkers(3)
	}
}

// awaitWorkers waits until an object and its cluster have this number of
// workers.
func (s *fixture) awaitWorkers(count int32) {
	s.t.Helper()
	s.Eventually(func() *int32 {
		object, _ := s.object("etl")
		return object.Status.NumWorkers
	}).Should(HaveValue(Equal(count)))
	object, _ := s.object("etl")
	s.Expect(object.Spec.NumWorkers).To(HaveValue(Equal(count)))
}

// correctsDrift changes a field that git declares, and sets an annotation that
// git does not declare.
func correctsDrift(s *fixture) {
	s.deploy(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours, "deletionPolicy: Delete")})
	s.kubectl("patch", "databrickscluster/etl", "--type=merge", `--patch={"spec":{"deletionPolicy":"Retain"}}`)
	if s.tool.program() == kustomizeController {
		s.refresh() // instead of waiting ten minutes; Argo CD heals by itself
	}
	s.Eventually(func() v1alpha1.DeletionPolicy {
		object, _ := s.object("etl")
		return object.Spec.DeletionPolicy
	}).Should(Equal(v1alpha1.DeletionPolicyDelete))

	request := "restart@1"
	s.kubectl("annotate", "databrickscluster/etl", v1alpha1.AnnotationRequest+"="+request)
	s.Eventually(func() string {
		object, _ := s.object("etl")
		if object.Status.Request == nil || object.Status.Request.Value != request {
			return ""
		}
		return string(object.Status.Request.Phase)
	}).Should(Equal("Succeeded"))
	s.awaitReady()
	s.refresh()
	corrected, _ := s.object("etl")
	s.Expect(corrected.Generation).To(BeEquivalentTo(3), "changed once, corrected once")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/restart"}))
}

func prunesByPolicy(s *fixture) {
	s.deploy(map[string]string{
		"clusters/etl.yaml":  s.cluster("etl", twoWorkers, tenHours),
		"clusters/kept.yaml": s.cluster("kept", twoWorkers, tenHours, "deletionPolicy: Retain"),
		"clusters/rest.yaml": s.cluster("rest", twoWorkers, tenHours),
		"jobs/job.yaml":      s.job(),
	})
	s.push(map[string]string{"clusters/etl.yaml": "", "clusters/kept.yaml": ""})
	for _, name := range []string{"etl", "kept"} {
		s.Eventually(func() bool { _, exists := s.object(name); return exists }).Should(BeFalse(), name)
	}
	s.awaitReady()
	s.Expect(s.workspaceCluster("etl").Exists()).To(BeFalse())
	s.Expect(s.workspaceCluster("kept").State).To(Equal(simulator.Running))
	s.Expect(s.workspaceCluster("rest").State).To(Equal(simulator.Running))

	// Deleting the tool's own object deletes the remaining ones.
	s.Expect(s.tool.stopSync(s.t.Context(), s)).To(Succeed())
	s.Eventually(func() bool { _, exists := s.object("rest"); return exists }).Should(BeFalse())
	s.Expect(s.workspaceCluster("rest").Exists()).To(BeFalse())
}

// deletesNamespace deletes the namespace while the tool syncs. The credentials
// belong to the workspace and are not deleted with it.
func deletesNamespace(s *fixture) {
	s.deploy(map[string]string{
		"clusters/etl.yaml":  s.cluster("etl", twoWorkers, tenHours),
		"clusters/kept.yaml": s.cluster("kept", twoWorkers, tenHours, "deletionPolicy: Retain"),
		"jobs/job.yaml":      s.job(),
	})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.Expect(shared.api.Delete(s.t.Context(), namespace)).To(Succeed())
	for _, name := range []string{"etl", "kept"} {
		s.Eventually(func() bool { _, exists := s.object(name); return exists }).Should(BeFalse(), name)
	}
	// kube-controller-manager retries with backoff, up to a minute.
	s.Eventually(func() bool { return s.isDeleted(namespace) }).WithTimeout(timeout).Should(BeTrue())
	s.Expect(s.workspaceCluster("etl").Exists()).To(BeFalse())
	s.Expect(s.workspaceCluster("kept").State).To(Equal(simulator.Running))
}
