package report

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

var halfPast = time.Date(2026, time.November, 22, 12, 30, 0, 0, time.UTC)

// statusOf returns the status of facts after an earlier status.
func statusOf(before v1alpha1.DatabricksWorkspaceStatus, in WorkspaceFacts) v1alpha1.DatabricksWorkspaceStatus {
	in.Workspace = &v1alpha1.DatabricksWorkspace{Status: before}
	in.Workspace.Generation = 3
	in.Workspace.Spec.Host = "https://adb-123.4.azuredatabricks.net"
	in.Now = halfPast
	return OfWorkspace(in)
}

func TestConditionsOfAWorkspace(t *testing.T) {
	transient := &managed.Failure{Class: databricks.ClassTransient, Message: "503"}
	for name, tc := range map[string]struct {
		facts                  WorkspaceFacts
		ready, doing, stalling string
	}{
		"it answers":     {WorkspaceFacts{Principal: "p"}, "Connected", "", ""},
		"not there yet":  {WorkspaceFacts{Blocked: &managed.Blocked{Reason: "CredentialsNotReady", Message: "m"}}, "", "CredentialsNotReady", ""},
		"never":          {WorkspaceFacts{Blocked: &managed.Blocked{Reason: "CredentialsInvalid", Message: "m", Stalled: true}}, "", "", "CredentialsInvalid"},
		"fails a moment": {WorkspaceFacts{Failure: transient, FailingSince: halfPast.Add(-time.Minute)}, "Connected", "", ""},
		"fails for long": {WorkspaceFacts{Failure: transient, FailingSince: halfPast.Add(-ReadsFailTooLong)}, "", "RetryingAfterError", ""},
		"refuses":        {WorkspaceFacts{Failure: &managed.Failure{Class: databricks.ClassUnauthenticated, Message: "401"}, FailingSince: halfPast}, "", "", "AuthenticationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			// The conditions do not depend on the earlier status.
			for _, before := range []v1alpha1.DatabricksWorkspaceStatus{
				{},
				statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "X", Message: "m", Stalled: true}}),
				statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "Y", Message: "m"}}),
				statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{}),
			} {
				status := statusOf(before, tc.facts)
				ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
				g.Expect(string(ready.Status)).To(Equal(map[bool]string{true: "True", false: "False"}[tc.ready != ""]))
				g.Expect(ready.Reason).To(Equal(tc.ready + tc.doing + tc.stalling))
				g.Expect(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReconciling) != nil).To(Equal(tc.doing != ""))
				g.Expect(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled) != nil).To(Equal(tc.stalling != ""))
				for _, condition := range status.Conditions {
					g.Expect(condition.ObservedGeneration).To(BeEquivalentTo(3))
					g.Expect(condition.Message).NotTo(BeEmpty())
				}
				g.Expect(status.ObservedGeneration).To(BeEquivalentTo(3))
				g.Expect(status.Cloud).To(Equal("Azure"))
				g.Expect(statusOf(status, tc.facts)).To(Equal(status), "the same facts give the same status")
			}
		})
	}
}

func TestUsageIsRoundedAndKeptWithinTheTolerance(t *testing.T) {
	g := NewWithT(t)
	shown := v1alpha1.DatabricksWorkspaceStatus{}
	sampled := func(learned, used float64) Usage { return Usage{Sampled: true, Learned: learned, Used: used} }
	show := func(measured Usage) v1alpha1.DatabricksWorkspaceStatus {
		changed := UsageChanged(shown, measured, halfPast)
		after := withUsage(*shown.DeepCopy(), measured, halfPast)
		g.Expect(changed).To(Equal(!equal(shown, after)))
		shown = after
		return shown
	}

	g.Expect(show(Usage{}).RequestLimitPerMinute).To(BeNil())
	g.Expect(show(sampled(0, 3)).RequestLimitPerMinute).To(BeNil(), "no limit was observed")
	g.Expect(show(sampled(0, 3)).RequestLimitUsedPercent).To(BeNil(), "a share of nothing")
	first := show(sampled(10.37, 1.04))
	g.Expect(first.RequestLimitPerMinute).To(HaveValue(BeEquivalentTo(620)))
	g.Expect(first.RequestLimitUsedPercent).To(HaveValue(BeEquivalentTo(10)))
	for _, noise := range []float64{9, 12.5, 11, 8.7} {
		g.Expect(show(sampled(noise, 2.4))).To(Equal(first), "within a fifth, and 15 percent")
	}
	g.Expect(show(sampled(10, 5)).RequestLimitUsedPercent).To(HaveValue(BeEquivalentTo(50)))
	g.Expect(show(sampled(5, 5)).RequestLimitPerMinute).To(HaveValue(BeEquivalentTo(300)))
	g.Expect(show(sampled(5, 9)).RequestLimitUsedPercent).To(HaveValue(BeEquivalentTo(100)), "no more than all of it")
	last := shown
	g.Expect(show(sampled(0, 5))).To(Equal(last), "a restart does not clear it")
	g.Expect(show(Usage{})).To(Equal(last))
	g.Expect(show(sampled(0.001, 0)).RequestLimitPerMinute).To(HaveValue(BeEquivalentTo(1)))
}

func equal(a, b v1alpha1.DatabricksWorkspaceStatus) bool {
	value := func(p *int32) int32 {
		if p == nil {
			return -1
		}
		return *p
	}
	return value(a.RequestLimitPerMinute) == value(b.RequestLimitPerMinute) &&
		value(a.RequestLimitUsedPercent) == value(b.RequestLimitUsedPercent) &&
		value(a.MirrorAgeMinutes) == value(b.MirrorAgeMinutes)
}

func TestTheCacheAgeChangesInSteps(t *testing.T) {
	g := NewWithT(t)
	steps := map[int32]bool{}
	for minute := range 2 * 1440 {
		status := withUsage(v1alpha1.DatabricksWorkspaceStatus{}, Usage{
			Sampled: true, Watched: true, ReadAt: halfPast.Add(-time.Duration(minute) * time.Minute),
		}, halfPast)
		g.Expect(*status.MirrorAgeMinutes).To(BeNumerically("<=", minute))
		steps[*status.MirrorAgeMinutes] = true
		if minute < 5 {
			g.Expect(*status.MirrorAgeMinutes).To(BeZero(), "a quiet workspace is read every 4.5 minutes")
		}
	}
	g.Expect(steps).To(HaveLen(6), "two days are six writes")

	old := v1alpha1.DatabricksWorkspaceStatus{MirrorAgeMinutes: new(int32(10))}
	g.Expect(withUsage(old, Usage{Watched: true}, halfPast)).To(Equal(old), "not read since the restart")
	g.Expect(withUsage(old, Usage{Sampled: true}, halfPast).MirrorAgeMinutes).To(BeNil(), "nothing to read")
}

func TestAChangedWorkspaceClearsTheUsage(t *testing.T) {
	g := NewWithT(t)
	status := statusOf(v1alpha1.DatabricksWorkspaceStatus{
		ObservedGeneration: 2, Principal: "former", WorkspaceID: "1", RequestLimitPerMinute: new(int32(60)),
		RequestLimitUsedPercent: new(int32(50)), MirrorAgeMinutes: new(int32(0)),
	}, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "CredentialsNotReady", Message: "m"}, Clusters: 4})
	g.Expect(status.Principal).To(BeEmpty())
	g.Expect(status.RequestLimitPerMinute).To(BeNil())
	g.Expect(status.Clusters).To(HaveValue(BeEquivalentTo(4)))
}

func TestTheUsageOfAWorkspaceIsNotWorthAWriteOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	full := statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{
		Principal: "me@example.com", WorkspaceID: "7", Clusters: 4,
		Usage: Usage{Sampled: true, Learned: 10, Used: 5, Watched: true, ReadAt: halfPast},
	})
	before := *full.DeepCopy()
	want := *full.DeepCopy()
	want.Clusters, want.RequestLimitPerMinute, want.RequestLimitUsedPercent, want.MirrorAgeMinutes = nil, nil, nil, nil
	g.Expect(want).NotTo(Equal(full))
	g.Expect(WithoutUsage(full)).To(Equal(want))
	g.Expect(full).To(Equal(before), "the status itself keeps them")
}
