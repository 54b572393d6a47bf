package plan

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestAnOversizedRequestIsRefusedAndNotStored(t *testing.T) {
	for _, verb := range []string{"start@", "terminate@", "restart@", "reconcile@", "\xff\u00e4\u00e4@"} {
		t.Run("[S17] "+verb, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is(compute.StateTerminated))
			in.Cluster.Status.AppliedDigest = "v1:0"
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: verb + strings.Repeat("x", 200<<10)}
			step, ok := Make(in).Step.(AcknowledgeRequest)
			g.Expect(ok).To(BeTrue())
			g.Expect(step.Request.Phase).To(Equal(v1alpha1.RequestRefused))
			g.Expect(step.Request.Message).To(And(ContainSubstring(v1alpha1.AnnotationRequest), ContainSubstring("more than 256 characters")))
			g.Expect(utf8.RuneCountInString(step.Request.Value)).To(BeNumerically("<=", v1alpha1.MaxRequestLength))
			g.Expect(utf8.ValidString(step.Request.Value)).To(BeTrue())

			in.Cluster.Status.Request = &step.Request
			g.Expect(KindOf(Make(in).Step)).NotTo(Equal(StepAcknowledgeRequest), "it is answered once")
			in.Cluster.Annotations[v1alpha1.AnnotationRequest] += "y"
			g.Expect(KindOf(Make(in).Step)).To(Equal(StepAcknowledgeRequest), "another value is another request")
		})
	}
}

func TestARequestOfTheGreatestLengthIsAccepted(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, is(compute.StateTerminated))
	in.Cluster.Status.AppliedDigest = "v1:0"
	value := "start@" + strings.Repeat("\u00e4", v1alpha1.MaxRequestLength-len("start@"))
	in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: value}
	g.Expect(Make(in).Step).To(Equal(AcknowledgeRequest{v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestAccepted}}))
}

func TestARequestThatTheRunPolicyContradictsLaterIsRefused(t *testing.T) {
	for _, c := range []struct {
		verb   string
		policy v1alpha1.RunPolicy
	}{
		{v1alpha1.RequestTerminate, v1alpha1.RunPolicyRunning},
		{v1alpha1.RequestStart, v1alpha1.RunPolicyTerminated},
		{v1alpha1.RequestRestart, v1alpha1.RunPolicyTerminated},
	} {
		t.Run(c.verb, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is(compute.StateRunning))
			in.Cluster.Status.AppliedDigest = "v1:0"
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: c.verb + "@1"}
			accepted := Make(in).Step.(AcknowledgeRequest).Request
			g.Expect(accepted.Phase).To(Equal(v1alpha1.RequestAccepted))
			in.Cluster.Status.Request = &accepted
			in.Cluster.Spec.RunPolicy = c.policy
			refused, _ := Make(in).Step.(AcknowledgeRequest)
			g.Expect(refused.Request.Phase).To(Equal(v1alpha1.RequestRefused), "it was not begun")

			accepted.Phase = v1alpha1.RequestInProgress
			refused, _ = Make(in).Step.(AcknowledgeRequest)
			g.Expect(refused.Request.Phase).NotTo(Equal(v1alpha1.RequestRefused), "it was begun")
		})
	}
}

func TestARequestWithoutATokenIsRefused(t *testing.T) {
	for _, value := range []string{"start", "restart@", "terminate", "reconcile"} {
		g := NewWithT(t)
		in := situation(owning, is(compute.StateRunning))
		in.Cluster.Status.AppliedDigest = "v1:0"
		in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: value}
		request := Make(in).Step.(AcknowledgeRequest).Request
		g.Expect(request.Phase).To(Equal(v1alpha1.RequestRefused))
		g.Expect(request.Message).To(ContainSubstring("write %s@<any token>", strings.TrimSuffix(value, "@")))
	}
}

func TestARequestHasTheTimeOfTheLastRestart(t *testing.T) {
	g := NewWithT(t)
	const restartedAt = 1773833401999
	in := situation(owning, is(compute.StateRunning, func(c *compute.ClusterDetails) { c.LastRestartedTime = restartedAt }))
	in.Cluster.Status.AppliedDigest = "v1:0"
	in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: "restart@1"}
	accepted := Make(in).Step.(AcknowledgeRequest).Request
	g.Expect(accepted.RestartedTimeBefore.Time).To(BeTemporally("==", time.UnixMilli(1773833401000)), "as the status stores it")

	in.Cluster.Status.Request = &accepted
	g.Expect(Make(in).Step).To(Equal(Restart{clusterID}))
	in.Observed.Details.LastRestartedTime = 1773833402000
	g.Expect(Make(in).Step).To(BeAssignableToTypeOf(AcknowledgeRequest{}), "it was restarted a second later")
	accepted.RestartedTimeBefore.Time = time.UnixMilli(1773833402000)
	in.Observed.Details.LastRestartedTime = 1773833403000
	g.Expect(Make(in).Step).To(BeAssignableToTypeOf(AcknowledgeRequest{}), "it was restarted a second later")
}

func TestARestartIsNextOnceItWasAccepted(t *testing.T) {
	for name, row := range map[string]struct {
		asked, stored string
		phase         v1alpha1.RequestPhase
		isNext        bool
	}{
		"a restart is accepted":       {"restart@1", "restart@1", v1alpha1.RequestAccepted, true},
		"the restart was begun":       {"restart@1", "restart@1", v1alpha1.RequestInProgress, false},
		"the restart has ended":       {"restart@1", "restart@1", v1alpha1.RequestSucceeded, false},
		"the restart was withdrawn":   {"", "restart@1", v1alpha1.RequestAccepted, false},
		"another request was made":    {"restart@2", "restart@1", v1alpha1.RequestAccepted, false},
		"another request is accepted": {"terminate@1", "terminate@1", v1alpha1.RequestAccepted, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(owning)
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: row.asked}
			in.Cluster.Status.Request = &v1alpha1.RequestStatus{Value: row.stored, Phase: row.phase}
			NewWithT(t).Expect(RestartIsNext(in.Cluster, in.Attempts)).To(Equal(row.isNext))
		})
	}
}

func TestARefusedRequestLeavesTheVerdictAsItIs(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, is(compute.StateRunning))
	removed := compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: "a==1"}}
	in.Cluster.Status.AppliedDigest = "v1:0"
	in.Cluster.Spec.Libraries = []v1alpha1.Library{}
	in.Cluster.Spec.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
	in.Cluster.Status.Libraries = []v1alpha1.LibraryStatus{{Library: v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: "a==1"}}, Status: "UNINSTALL_ON_RESTART"}}
	in.Observed.Libraries = Libraries{Seen: true, Statuses: []compute.LibraryFullStatus{{Library: &removed, Status: compute.LibraryInstallStatusUninstallOnRestart}}}
	before := Make(in)
	g.Expect(before.LibrariesWait).To(BeTrue())
	g.Expect(before.Verdict.Message).To(Equal("/libraries: applied when the cluster is down or restarted"))

	in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: "jump@1"}
	after := Make(in)
	g.Expect(after.Step).To(HaveField("Request.Phase", v1alpha1.RequestRefused))
	g.Expect(after.Verdict).To(Equal(before.Verdict))
	g.Expect(after.LibrariesWait).To(BeTrue())
	g.Expect(in.Cluster.Status.Request).To(BeNil(), "a plan does not change its input")
}
