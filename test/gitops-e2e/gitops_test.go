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
	// First, since these change what everybody sees.
	t.Run("unread", func(t *testing.T) {
		unread(t)
	})
	if err := lab.startOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("scenario", func(t *testing.T) {
		for _, each := range []struct {
			name, scenario string
			play           func(*stage)
		}{
			{"commit", "a commit is applied, awaited while it starts, and ready", commitIsAwaited},
			{"failure", "a failed launch fails at once, and a fixed one is ready", failureFailsFast},
			{"edit", "an edit in git is applied once", editIsAppliedOnce},
			{"scale", "kubectl scale stays, by each tool's own rule", scaleStays},
			{"drift", "drift is mended once, requests are left alone", driftIsMended},
			{"prune", "what leaves git goes by its deletion policy", pruneGoesByPolicy},
			{"namespace", "a deleted namespace goes, by deletion policies", namespaceGoes},
		} {
			summary.open(each.scenario)
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				withEachTool(t, each.scenario, each.play)
			})
		}
	})
}

// commitIsAwaited is the main road, with the examples as they are shipped. It
// has the order of things in it: dependsOn with Flux, sync waves with Argo CD.
func commitIsAwaited(s *stage) {
	s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.follow()

	seen := s.watch("etl")
	s.Expect(seen.verdict).To(Equal(ready), seen.said)
	s.Expect(seen.held).To(BeTrue(), "the tool waited for the cluster, and the jobs with it")
	s.Expect(seen.early).To(BeFalse(), "the tool was done before the cluster was")
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.Expect(s.inWorkspace("etl").State).To(Equal(simulator.Running))
}

func failureFailsFast(s *stage) {
	s.bare = true
	s.Expect(lab.workspace.Do(s.t.Context(), http.MethodPost, "faults", simulator.Fault{
		Endpoint: "clusters/create", ClusterName: s.namespace + "/etl", Times: 1,
		Launch: &simulator.TerminationReason{Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR"},
	}, nil)).To(Succeed())
	s.commit(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.follow()

	// Its own patience would end after 20 minutes.
	seen := s.watch("etl")
	s.Expect(seen.verdict).To(Equal(failed), seen.said)
	s.Expect(seen.held).To(BeTrue())
	s.Expect(s.hasJobs()).To(BeFalse(), "the jobs have no cluster")

	s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, "autoterminationMinutes: 700")})
	s.becomesReady()
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.inWorkspace("etl") // the same one still
}

func editIsAppliedOnce(s *stage) {
	s.runs(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours), "jobs/job.yaml": s.job()})
	s.Eventually(s.hasJobs).Should(BeTrue())
	s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, "autoterminationMinutes: 700")})
	seen := s.watch("etl")
	s.Expect(seen.verdict).To(Equal(ready), seen.said)
	s.Expect(seen.early).To(BeFalse(), "the tool was done before the restart was")

	before, _ := s.object("etl")
	s.Expect(before.Generation).To(BeEquivalentTo(2))
	s.looksAgain()
	s.looksAgain()
	after, _ := s.object("etl")
	s.Expect(after.ResourceVersion).To(Equal(before.ResourceVersion), "nobody wrote the object")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/update"}))
}

// scaleStays is about who says how many workers there are. With Argo CD the
// Application ignores the field. With Flux git leaves it out once a scaler owns
// it, and has it back by naming it again.
func scaleStays(s *stage) {
	s.runs(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours)})
	s.kubectl("scale", "databrickscluster/etl", "--replicas=5")
	s.hasWorkers(5)
	generation := int64(2)
	if s.tool.program() == kustomizeController {
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", tenHours)})
	} else {
		generation++ // for another field than the one that is ignored
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours, "deletionPolicy: Delete")})
		s.Eventually(func() v1alpha1.DeletionPolicy {
			object, _ := s.object("etl")
			return object.Spec.DeletionPolicy
		}).Should(Equal(v1alpha1.DeletionPolicyDelete))
	}
	s.becomesReady()
	s.looksAgain()
	scaled, _ := s.object("etl")
	s.Expect(scaled.Spec.NumWorkers).To(HaveValue(BeEquivalentTo(5)))
	s.Expect(scaled.Generation).To(Equal(generation), "nobody wrote the spec since")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/resize"}), "no restart, no way back")

	if s.tool.program() == kustomizeController {
		s.push(map[string]string{"clusters/etl.yaml": s.cluster("etl", "numWorkers: 3", tenHours)})
		s.becomesReady()
		s.hasWorkers(3)
	}
}

// hasWorkers waits until an object and its cluster have so many.
func (s *stage) hasWorkers(count int32) {
	s.t.Helper()
	s.Eventually(func() *int32 {
		object, _ := s.object("etl")
		return object.Status.NumWorkers
	}).Should(HaveValue(Equal(count)))
	object, _ := s.object("etl")
	s.Expect(object.Spec.NumWorkers).To(HaveValue(Equal(count)))
}

// driftIsMended changes a field that git declares, and asks for something that it
// does not.
func driftIsMended(s *stage) {
	s.runs(map[string]string{"clusters/etl.yaml": s.cluster("etl", twoWorkers, tenHours, "deletionPolicy: Delete")})
	s.kubectl("patch", "databrickscluster/etl", "--type=merge", `--patch={"spec":{"deletionPolicy":"Retain"}}`)
	if s.tool.program() == kustomizeController {
		s.looksAgain() // rather than in ten minutes; Argo CD heals by itself
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
	s.becomesReady()
	s.looksAgain()
	mended, _ := s.object("etl")
	s.Expect(mended.Generation).To(BeEquivalentTo(3), "changed once, mended once")
	s.Expect(s.writes("etl")).To(Equal([]string{"clusters/create", "clusters/restart"}))
}

func pruneGoesByPolicy(s *stage) {
	s.runs(map[string]string{
		"clusters/etl.yaml":  s.cluster("etl", twoWorkers, tenHours),
		"clusters/kept.yaml": s.cluster("kept", twoWorkers, tenHours, "deletionPolicy: Retain"),
		"clusters/rest.yaml": s.cluster("rest", twoWorkers, tenHours),
		"jobs/job.yaml":      s.job(),
	})
	s.push(map[string]string{"clusters/etl.yaml": "", "clusters/kept.yaml": ""})
	for _, name := range []string{"etl", "kept"} {
		s.Eventually(func() bool { _, there := s.object(name); return there }).Should(BeFalse(), name)
	}
	s.becomesReady()
	s.Expect(s.inWorkspace("etl").Exists()).To(BeFalse())
	s.Expect(s.inWorkspace("kept").State).To(Equal(simulator.Running))
	s.Expect(s.inWorkspace("rest").State).To(Equal(simulator.Running))

	// The tool's own object goes, and takes the rest along.
	s.Expect(s.tool.unfollow(s.t.Context(), s)).To(Succeed())
	s.Eventually(func() bool { _, there := s.object("rest"); return there }).Should(BeFalse())
	s.Expect(s.inWorkspace("rest").Exists()).To(BeFalse())
}

// namespaceGoes deletes the namespace while the tool still follows. The
// credential is the workspace's, and does not go with it.
func namespaceGoes(s *stage) {
	s.runs(map[string]string{
		"clusters/etl.yaml":  s.cluster("etl", twoWorkers, tenHours),
		"clusters/kept.yaml": s.cluster("kept", twoWorkers, tenHours, "deletionPolicy: Retain"),
		"jobs/job.yaml":      s.job(),
	})
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.Expect(lab.api.Delete(s.t.Context(), space)).To(Succeed())
	for _, name := range []string{"etl", "kept"} {
		s.Eventually(func() bool { _, there := s.object(name); return there }).Should(BeFalse(), name)
	}
	// kube-controller-manager looks again after growing pauses, up to a minute.
	s.Eventually(func() bool { return s.isGone(space) }).WithTimeout(patience).Should(BeTrue())
	s.Expect(s.inWorkspace("etl").Exists()).To(BeFalse())
	s.Expect(s.inWorkspace("kept").State).To(Equal(simulator.Running))
}
