package report

import (
	"math"
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
		"fails for long": {WorkspaceFacts{Failure: transient, FailingSince: halfPast.Add(-managed.ReadFailureGrace)}, "", "RetryingAfterError", ""},
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

func TestAWorkspaceThatIsAwaySinceTheStart(t *testing.T) {
	away := func(lasting time.Duration) WorkspaceFacts {
		failure := &managed.Failure{Class: databricks.ClassTransient, Message: "503"}
		return WorkspaceFacts{Blocked: &managed.Blocked{
			Reason: "RetryingAfterError", Message: "503", Outage: &managed.Outage{Failure: failure, Since: halfPast.Add(-lasting)},
		}}
	}
	connected := statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{Principal: "p", WorkspaceID: "1"})
	waiting := statusOf(v1alpha1.DatabricksWorkspaceStatus{}, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "X", Message: "m"}})
	for name, row := range map[string]struct {
		before v1alpha1.DatabricksWorkspaceStatus
		facts  WorkspaceFacts
		want   string
	}{
		"one that was Ready":         {connected, away(14 * time.Minute), "Connected"},
		"after a quarter of an hour": {connected, away(managed.ReadFailureGrace), "RetryingAfterError"},
		"one that was not Ready":     {waiting, away(time.Minute), "RetryingAfterError"},
		"one that was never called":  {v1alpha1.DatabricksWorkspaceStatus{}, away(time.Minute), "RetryingAfterError"},
		"a Secret that is missing":   {connected, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "CredentialsNotReady", Message: "m"}}, "CredentialsNotReady"},
	} {
		t.Run("[case-67] "+name, func(t *testing.T) {
			g := NewWithT(t)
			status := statusOf(row.before, row.facts)
			g.Expect(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady).Reason).To(Equal(row.want))
			g.Expect(status.Principal).To(Equal(row.before.Principal))
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
	g.Expect(show(sampled(0.001, 0.01)).RequestLimitUsedPercent).To(HaveValue(BeEquivalentTo(60)))
}

func TestTheShownUsage(t *testing.T) {
	shows := func(limit, used int32) v1alpha1.DatabricksWorkspaceStatus {
		return v1alpha1.DatabricksWorkspaceStatus{RequestLimitPerMinute: new(limit), RequestLimitUsedPercent: new(used)}
	}
	for name, row := range map[string]struct {
		before        v1alpha1.DatabricksWorkspaceStatus
		learned, used float64
		limit, share  int32
	}{
		"two digits of a large limit":        {v1alpha1.DatabricksWorkspaceStatus{}, 20.75, 0, 1200, 0},
		"two digits of a small limit":        {v1alpha1.DatabricksWorkspaceStatus{}, 0.62, 0, 37, 0},
		"the share in tens":                  {v1alpha1.DatabricksWorkspaceStatus{}, 10, 7.49, 600, 70},
		"the share in tens, rounded up":      {v1alpha1.DatabricksWorkspaceStatus{}, 10, 7.51, 600, 80},
		"more than the limit":                {v1alpha1.DatabricksWorkspaceStatus{}, 10, 12, 600, 100},
		"a limit that differs by a fifth":    {shows(600, 0), 500.0 / 60, 0, 600, 0},
		"a limit that differs by more":       {shows(600, 0), 499.0 / 60, 0, 500, 0},
		"a share that differs by 15 percent": {shows(600, 50), 10, 6.5, 600, 50},
		"a share that differs by more":       {shows(600, 50), 10, 6.55, 600, 70},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status := withUsage(row.before, Usage{Sampled: true, Learned: row.learned, Used: row.used}, halfPast)
			g.Expect(status.RequestLimitPerMinute).To(HaveValue(Equal(row.limit)))
			g.Expect(status.RequestLimitUsedPercent).To(HaveValue(Equal(row.share)))
		})
	}
	none := v1alpha1.DatabricksWorkspaceStatus{RequestLimitPerMinute: new(int32(0))}
	NewWithT(t).Expect(withUsage(none, Usage{Sampled: true, Used: 1}, halfPast)).To(Equal(none), "a share of nothing")
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

	for age, shown := range map[time.Duration]int32{
		10*time.Minute - time.Second: 0, 10 * time.Minute: 10, 30*time.Minute - time.Second: 10, 30 * time.Minute: 30, time.Hour - time.Second: 30, time.Hour: 60,
		6*time.Hour - time.Second: 60, 6 * time.Hour: 360, 24*time.Hour - time.Second: 360, 24 * time.Hour: 1440, 1000 * time.Hour: 1440,
	} {
		status := withUsage(v1alpha1.DatabricksWorkspaceStatus{}, Usage{Watched: true, ReadAt: halfPast.Add(-age)}, halfPast)
		g.Expect(status.MirrorAgeMinutes).To(HaveValue(Equal(shown)), age.String())
	}

	old := v1alpha1.DatabricksWorkspaceStatus{MirrorAgeMinutes: new(int32(10))}
	g.Expect(withUsage(old, Usage{}, halfPast)).To(Equal(old), "nothing is measured yet")
	g.Expect(withUsage(old, Usage{ReadAt: halfPast}, halfPast)).To(Equal(old), "nothing to read, perhaps")
	g.Expect(withUsage(old, Usage{Sampled: true, Watched: true}, halfPast)).To(Equal(old), "sampled, and not read since the restart")
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

func TestTheStatusOfAWorkspaceShowsItsFacts(t *testing.T) {
	g := NewWithT(t)
	status := statusOf(v1alpha1.DatabricksWorkspaceStatus{ObservedGeneration: 3}, WorkspaceFacts{
		Principal: "me@example.com", WorkspaceID: "7", Clusters: math.MaxInt,
		Usage: Usage{Sampled: true, Learned: 10, Used: 5, Watched: true, ReadAt: halfPast.Add(-time.Hour)},
	})
	g.Expect(status.Principal).To(Equal("me@example.com"))
	g.Expect(status.WorkspaceID).To(Equal("7"))
	g.Expect(status.Clusters).To(HaveValue(BeEquivalentTo(2147483647)))
	g.Expect(status.RequestLimitPerMinute).To(HaveValue(BeEquivalentTo(600)))
	g.Expect(status.RequestLimitUsedPercent).To(HaveValue(BeEquivalentTo(50)))
	g.Expect(status.MirrorAgeMinutes).To(HaveValue(BeEquivalentTo(60)))
	blocked := statusOf(status, WorkspaceFacts{Blocked: &managed.Blocked{Reason: "CredentialsNotReady", Message: "m"}})
	g.Expect(blocked.Principal).To(Equal("me@example.com"), "the last answer")
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
