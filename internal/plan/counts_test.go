package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// ago returns the time before noon.
func ago(span time.Duration) *metav1.Time { return new(metav1.NewTime(noon.Add(-span))) }

func TestThePauseBeforeACorrection(t *testing.T) {
	for count, want := range map[int32]time.Duration{
		0: 0, 3: 0, 4: 2 * time.Minute, 5: 4 * time.Minute, 8: 32 * time.Minute, 9: time.Hour, 1000: time.Hour,
	} {
		NewWithT(t).Expect(Limits{}.correctionBackoff(count)).To(Equal(want), "[case-90] %d", count)
	}
	g := NewWithT(t)
	set := Limits{ContentionWindow: 10 * time.Second, ContentionBackoff: 3 * time.Second}
	g.Expect(set.correctionBackoff(4)).To(Equal(3 * time.Second))
	g.Expect(set.correctionBackoff(5)).To(Equal(6 * time.Second))
	g.Expect(set.correctionBackoff(6)).To(Equal(10 * time.Second))
	set.ContentionBackoff = time.Hour
	g.Expect(set.correctionBackoff(4)).To(Equal(10 * time.Second))
}

func TestACountExpires(t *testing.T) {
	for name, row := range map[string]struct {
		entry v1alpha1.Correction
		want  bool
	}{
		"[case-90] an hour after its correction":        {v1alpha1.Correction{CorrectedTime: ago(time.Hour), LastTime: ago(2 * time.Hour)}, true},
		"[case-90] a moment before":                     {v1alpha1.Correction{CorrectedTime: ago(time.Hour - time.Second)}, false},
		"[case-90] an hour after its last reversal":     {v1alpha1.Correction{CorrectedTime: ago(2 * time.Hour), LastTime: ago(time.Hour)}, true},
		"[case-90] a reversal after the correction":     {v1alpha1.Correction{CorrectedTime: ago(2 * time.Hour), LastTime: ago(time.Minute)}, false},
		"[case-90] a correction without a reversal":     {v1alpha1.Correction{CorrectedTime: ago(time.Hour)}, true},
		"[case-90] a reversal that was never corrected": {v1alpha1.Correction{LastTime: ago(100 * time.Hour)}, false},
	} {
		NewWithT(t).Expect(isExpired(row.entry, noon, limits)).To(Equal(row.want), name)
	}
}

func TestReversalsAreCounted(t *testing.T) {
	half := noon.Add(1500 * time.Millisecond)
	now := new(metav1.NewTime(noon.Add(time.Second)))
	for name, row := range map[string]struct{ before, after v1alpha1.Correction }{
		"[case-90] the first":                          {v1alpha1.Correction{}, v1alpha1.Correction{Count: 1, FirstTime: now, LastTime: now}},
		"[case-90] the second":                         {v1alpha1.Correction{Count: 1, FirstTime: ago(time.Minute), LastTime: ago(time.Minute), CorrectedTime: ago(0)}, v1alpha1.Correction{Count: 2, FirstTime: ago(time.Minute), LastTime: now}},
		"[case-90] the window has passed":              {v1alpha1.Correction{Count: 3, FirstTime: ago(time.Hour), LastTime: ago(time.Minute)}, v1alpha1.Correction{Count: 2, FirstTime: ago(time.Minute), LastTime: now}},
		"[case-90] it has not":                         {v1alpha1.Correction{Count: 3, FirstTime: ago(time.Hour - 2*time.Second), LastTime: ago(time.Minute)}, v1alpha1.Correction{Count: 4, FirstTime: ago(time.Hour - 2*time.Second), LastTime: now}},
		"[case-90] it has passed, but it is contended": {v1alpha1.Correction{Count: 4, FirstTime: ago(time.Hour), LastTime: ago(time.Minute)}, v1alpha1.Correction{Count: 5, FirstTime: ago(time.Hour), LastTime: now}},
		"a count that grows for years":                 {v1alpha1.Correction{Count: 1 << 30, FirstTime: now}, v1alpha1.Correction{Count: 1<<20 + 1, FirstTime: now, LastTime: now}},
	} {
		NewWithT(t).Expect(withReversal(row.before, half, limits)).To(Equal(row.after), name)
	}
}

func TestTheNextReversal(t *testing.T) {
	subject := Contention{Subject: SubjectSize}
	counted := func(entry v1alpha1.Correction) change {
		return func(in *Input) {
			entry.Subject = SubjectSize
			in.Cluster.Status.Corrections = []v1alpha1.Correction{entry}
		}
	}
	for name, row := range map[string]struct {
		changes  []change
		evidence bool
		want     reversal
	}{
		"[case-90] the first":                  {nil, true, reversal{Contention: subject, isNew: true, count: 1}},
		"without evidence":                     {nil, false, reversal{Contention: subject}},
		"[case-90] after the third correction": {[]change{counted(v1alpha1.Correction{Count: 3, FirstTime: ago(0), LastTime: ago(0), CorrectedTime: ago(0)})}, false, reversal{Contention: subject, isNew: true, count: 4, backoffUntil: noon.Add(2 * time.Minute)}},
		"[case-90] after the second":           {[]change{counted(v1alpha1.Correction{Count: 2, FirstTime: ago(0), LastTime: ago(0), CorrectedTime: ago(0)})}, false, reversal{Contention: subject, isNew: true, count: 3}},
		"[case-90] the same, which waits":      {[]change{counted(v1alpha1.Correction{Count: 4, LastTime: ago(time.Minute)})}, true, reversal{Contention: subject, count: 4, backoffUntil: noon.Add(time.Minute)}},
		"[case-90] the same, which is due":     {[]change{counted(v1alpha1.Correction{Count: 4, LastTime: ago(2 * time.Minute)})}, true, reversal{Contention: subject, count: 4}},
		"[case-90] an expired one":             {[]change{counted(v1alpha1.Correction{Count: 9, CorrectedTime: ago(time.Hour)})}, true, reversal{Contention: subject, isNew: true, count: 1}},
		"[case-90] of another subject": {[]change{func(in *Input) {
			in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: SubjectPin, Count: 9}}
		}}, true, reversal{Contention: subject, isNew: true, count: 1}},
		"[case-90] of another generation": {[]change{counted(v1alpha1.Correction{Count: 9, LastTime: ago(0)}), newGeneration}, true, reversal{Contention: subject, isNew: true, count: 1}},
	} {
		NewWithT(t).Expect(situation(row.changes...).reversalOf(subject, row.evidence)).To(Equal(row.want), name)
	}
}

func TestTheSubjectOfADifference(t *testing.T) {
	many := func(n int) change {
		return func(in *Input) {
			for i := range n {
				in.Cluster.Status.Corrections = append(in.Cluster.Status.Corrections, v1alpha1.Correction{Subject: fmt.Sprintf("/sparkConf/k%d", i)})
			}
		}
	}
	conf := func(key string) drift.Difference {
		return drift.Difference{Path: "/spark_conf/" + key, Field: "spark_conf"}
	}
	// The path begins with /sparkConf/, which has eleven characters.
	long := strings.Repeat("k", 1024-len("/sparkConf/"))
	for name, row := range map[string]struct {
		count      int
		difference drift.Difference
		want       string
	}{
		"[case-90] a size":                        {0, drift.Difference{Path: "/num_workers", Field: "num_workers", Size: true}, SubjectSize},
		"[case-90] a field":                       {0, conf("a"), "/sparkConf/a"},
		"[case-90] one of 40":                     {39, conf("a"), "/sparkConf/a"},
		"[S8] one more counts with its field":     {40, conf("a"), "/sparkConf"},
		"[S8] one of them is known":               {40, conf("k39"), "/sparkConf/k39"},
		"[S8] as long as a status may be":         {0, conf(long), "/sparkConf/" + long},
		"[S8] a longer one counts with its field": {0, conf(long + "k"), "/sparkConf"},
	} {
		NewWithT(t).Expect(situation(many(row.count)).subjectOf(row.difference)).To(Equal(row.want), name)
	}
}

func TestWhoMadeADifference(t *testing.T) {
	size := drift.Difference{Path: "/num_workers", Field: "num_workers", Size: true}
	field := drift.Difference{Path: "/spark_conf/a", Field: "spark_conf"}
	updated := did(StepUpdate, time.Minute)
	readAt := func(before time.Duration) change {
		return func(in *Input) { in.Observed.SpecAt = noon.Add(-before) }
	}
	base := []change{owning, is("RUNNING"), differs("/spark_conf/a", "spark_conf", false)}
	for name, row := range map[string]struct {
		changes    []change
		difference drift.Difference
		want       bool
	}{
		"[case-90] no update of this process":     {nil, field, true},
		"[case-90] a read after the update":       {[]change{updated, readAt(time.Second)}, field, true},
		"[case-90] a read from before the update": {[]change{updated, readAt(time.Hour)}, field, false},
		"[case-90] a size":                        {[]change{updated, readAt(time.Hour)}, size, true},
		"[case-90] an edit of the user":           {[]change{func(in *Input) { in.Cluster.Status.AppliedDigest = Applying }}, field, false},
		"[case-90] drift that is tolerated":       {[]change{spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyWarn })}, field, false},
		"[case-90] a read from before a start":    {[]change{did(StepStart, time.Minute), readAt(time.Hour)}, field, true},
		"[case-63] a change without an effect":    {[]change{withCondition(v1alpha1.ConditionStalled, v1alpha1.ReasonImmutableField), func(in *Input) { in.Observed.SpecAt = time.Time{} }}, field, false},
	} {
		NewWithT(t).Expect(situation(append(base, row.changes...)...).isReversed(row.difference)).To(Equal(row.want), name)
	}
}

func TestNothingIsReversedWithoutAnOwner(t *testing.T) {
	base := []change{
		owning, is("TERMINATED"), policy(v1alpha1.RunPolicyRunning), shown("RUNNING"),
		differs("/num_workers", "num_workers", true), differs("/autoscale", "autoscale", true),
	}
	for name, row := range map[string]struct {
		change change
		count  int
	}{
		"[case-90] two differences of a size are one": {func(*Input) {}, 2},
		"[case-90] a suspended object":                {suspended, 0},
		"[case-90] a deleted one":                     {deleted, 0},
		"[case-90] an observing one":                  {func(in *Input) { in.Cluster.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }, 0},
	} {
		NewWithT(t).Expect(situation(append(base, row.change)...).reversals()).To(HaveLen(row.count), name)
	}
}

func TestThePowerThatAnotherActorChanged(t *testing.T) {
	up, down := policy(v1alpha1.RunPolicyRunning), policy(v1alpha1.RunPolicyTerminated)
	ended := func(kind compute.TerminationReasonType) change { return is("TERMINATED", endedBy(kind)) }
	startedNow := did(StepStart, time.Minute)
	older := func(in *Input) { in.Attempts.Last.Generation = 0 }
	idle := func(c *compute.ClusterDetails) {
		c.TerminationReason.Code, c.AutoterminationMinutes = compute.TerminationReasonCodeInactivity, 60
	}
	for name, row := range map[string]struct {
		changes           []change
		differs, evidence bool
	}{
		"[case-90] terminated, and it ran":             {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("RUNNING")}, true, true},
		"[case-90] terminated, and it was starting":    {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("PENDING")}, true, true},
		"[case-90] terminated, and it was restarting":  {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("RESTARTING")}, true, true},
		"[case-90] terminated, and it was terminating": {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("TERMINATING")}, true, true},
		"[case-90] terminated, and it was not running": {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("TERMINATED")}, true, false},
		"[case-90] terminated after an own start":      {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("TERMINATED"), startedNow}, true, true},
		"[case-90] after one of another generation":    {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("TERMINATED"), startedNow, older}, true, false},
		"[case-90] terminated after an edit":           {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("RUNNING"), newGeneration}, true, false},
		"[case-90] terminated after another own step":  {[]change{ended(compute.TerminationReasonTypeSuccess), up, shown("TERMINATED"), did(StepUpdate, time.Minute)}, true, false},
		"[case-90] terminated because it was idle":     {[]change{is("TERMINATED", endedBy(compute.TerminationReasonTypeSuccess), idle), up, shown("RUNNING")}, false, true},
		"[case-90] it failed":                          {[]change{ended(compute.TerminationReasonTypeCloudFailure), up, shown("RUNNING")}, false, true},
		"[case-90] it runs":                            {[]change{is("RUNNING"), up, shown("RUNNING")}, false, true},
		"[case-90] kept down, and it runs":             {[]change{is("RUNNING"), down, shown("TERMINATED")}, true, true},
		"[case-90] kept down, and it starts":           {[]change{is("PENDING"), down, shown("TERMINATING")}, true, true},
		"[case-90] kept down, and it ran before":       {[]change{is("RUNNING"), down, shown("RUNNING")}, true, false},
		"[case-90] kept down, after an edit":           {[]change{is("RUNNING"), down, shown("TERMINATED"), newGeneration}, true, false},
		"[case-90] kept down, and down":                {[]change{is("TERMINATED"), down, shown("TERMINATED")}, false, true},
		"[case-90] nothing is kept":                    {[]change{is("RUNNING"), shown("TERMINATED")}, false, false},
		"[case-90] not read":                           {[]change{up, shown("RUNNING")}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			what, differs, evidence := situation(append([]change{owning}, row.changes...)...).powerReversed()
			g.Expect(differs).To(Equal(row.differs))
			g.Expect(evidence).To(Equal(row.evidence))
			if differs {
				g.Expect(what.Subject).To(Equal(SubjectPower))
				g.Expect(what.Desired).NotTo(BeEmpty())
				g.Expect(what.Actual).NotTo(BeEmpty())
			}
		})
	}
}

func TestOtherSubjects(t *testing.T) {
	t.Run("[case-90] existence", func(t *testing.T) {
		for name, row := range map[string]struct {
			changes []change
			differs bool
		}{
			"gone":         {[]change{owning, gone(managed.Missing)}, true},
			"there":        {[]change{owning, is("RUNNING")}, false},
			"adopted":      {[]change{owning, adopting, gone(managed.Missing)}, false},
			"never there":  {[]change{gone(managed.Missing)}, false},
			"not read":     {[]change{owning}, false},
			"purged later": {[]change{owning, gone(managed.Purged)}, false},
		} {
			_, differs, evidence := situation(row.changes...).existenceReversed()
			NewWithT(t).Expect(differs).To(Equal(row.differs), name)
			NewWithT(t).Expect(evidence).To(BeTrue(), name)
		}
	})
	t.Run("[case-90] a pin", func(t *testing.T) {
		pins := func(declared, status, is *bool) change {
			return func(in *Input) {
				in.Cluster.Spec.Pinned, in.Cluster.Status.Pinned, in.Observed.Pinned = declared, status, is
			}
		}
		yes, no := new(true), new(false)
		for name, row := range map[string]struct {
			changes           []change
			differs, evidence bool
		}{
			"unpinned elsewhere":  {[]change{pins(yes, yes, no)}, true, true},
			"pinned elsewhere":    {[]change{pins(no, no, yes)}, true, true},
			"never pinned":        {[]change{pins(yes, no, no)}, true, false},
			"never shown":         {[]change{pins(yes, nil, no)}, true, false},
			"after an edit":       {[]change{pins(yes, yes, no), newGeneration}, true, false},
			"as declared":         {[]change{pins(yes, yes, yes)}, false, false},
			"not read":            {[]change{pins(yes, yes, nil)}, false, false},
			"not declared at all": {[]change{pins(nil, nil, yes)}, false, false},
		} {
			what, differs, evidence := situation(append([]change{owning, is("RUNNING")}, row.changes...)...).pinReversed()
			g := NewWithT(t)
			g.Expect(differs).To(Equal(row.differs), name)
			g.Expect(evidence).To(Equal(row.evidence), name)
			if differs {
				g.Expect(what.Desired).NotTo(Equal(what.Actual))
				g.Expect(what.Actual).To(Equal(map[bool]string{true: "pinned", false: "not pinned"}[name == "pinned elsewhere"]))
			}
		}
	})
}

func TestThePermissionsThatAnotherActorChanged(t *testing.T) {
	declared := []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}
	data := drift.Permissions(declared, nil, principal)
	other := drift.Permissions([]v1alpha1.AccessControl{{GroupName: "other", PermissionLevel: "CAN_RESTART"}}, nil, principal)
	for name, row := range map[string]struct {
		declared          []v1alpha1.AccessControl
		is                Permissions
		differs, evidence bool
	}{
		"changed elsewhere":    {declared, Permissions{Seen: true, Direct: other, InPlace: true}, true, true},
		"not in place before":  {declared, Permissions{Seen: true, Direct: other}, true, false},
		"as declared":          {declared, Permissions{Seen: true, Direct: data, InPlace: true}, false, true},
		"not read":             {declared, Permissions{InPlace: true}, false, false},
		"not declared":         {nil, Permissions{Seen: true, Direct: other, InPlace: true}, false, false},
		"removed by the other": {declared, Permissions{Seen: true, InPlace: true}, true, true},
	} {
		t.Run("[case-90] "+name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is("RUNNING"))
			in.Cluster.Spec.AccessControlList, in.Observed.Permissions = row.declared, row.is
			what, differs, evidence := in.permissionsReversed()
			g.Expect(differs).To(Equal(row.differs))
			g.Expect(evidence).To(Equal(row.evidence))
			if differs {
				g.Expect(what).To(Equal(Contention{Subject: SubjectPermissions, Desired: "the declared list", Actual: "another list"}))
			}
		})
	}
}

func TestTheLibrariesThatAnotherActorRemoved(t *testing.T) {
	a, b := v1alpha1.Library{Whl: "/Workspace/a.whl"}, v1alpha1.Library{Whl: "/Workspace/b.whl"}
	recorded := func(status string, libraries ...v1alpha1.Library) change {
		return func(in *Input) {
			for _, library := range libraries {
				in.Cluster.Status.Libraries = append(in.Cluster.Status.Libraries, v1alpha1.LibraryStatus{Library: library, Status: status})
			}
		}
	}
	has := func(libraries ...v1alpha1.Library) change {
		return func(in *Input) {
			for _, one := range libraries {
				library := drift.Library(one)
				in.Observed.Libraries.Statuses = append(in.Observed.Libraries.Statuses, compute.LibraryFullStatus{Library: &library, Status: "INSTALLED"})
			}
		}
	}
	none := func(in *Input) { in.Cluster.Spec.Libraries = nil }
	notSeen := func(in *Input) { in.Observed.Libraries.Seen = false }
	for name, row := range map[string]struct {
		changes           []change
		differs, evidence bool
		actual            string
	}{
		"both are installed":                  {[]change{recorded("INSTALLED", a, b), has(a, b)}, false, false, ""},
		"one was uninstalled":                 {[]change{recorded("INSTALLED", a, b), has(b)}, true, true, "not installed: /Workspace/a.whl"},
		"one was uninstalled, another is new": {[]change{recorded("INSTALLED", a), recorded("", b)}, true, true, "not installed: /Workspace/a.whl, /Workspace/b.whl"},
		"both are new":                        {[]change{recorded("", a, b)}, true, false, "not installed: /Workspace/a.whl, /Workspace/b.whl"},
		"not read":                            {[]change{recorded("INSTALLED", a, b), notSeen}, false, false, ""},
		"not read, they wait for a restart":   {[]change{recorded("UNINSTALL_ON_RESTART", a, b), notSeen, withCondition(v1alpha1.ConditionLibrariesReady, v1alpha1.ReasonPendingRestart)}, false, false, ""},
		"none is declared":                    {[]change{recorded("INSTALLED", a, b), none}, false, false, ""},
		"the cluster was not read":            {[]change{recorded("INSTALLED", a, b), gone(managed.Unknown)}, false, false, ""},
	} {
		t.Run("[case-90] "+name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, is("RUNNING"))
			in.Cluster.Spec.Libraries, in.Observed.Libraries.Seen = []v1alpha1.Library{a, b}, true
			for _, change := range row.changes {
				change(&in)
			}
			what, differs, evidence := in.librariesReversed()
			g.Expect(differs).To(Equal(row.differs))
			g.Expect(evidence).To(Equal(row.evidence))
			if differs {
				g.Expect(what).To(Equal(Contention{Subject: SubjectLibraries, Desired: "installed", Actual: row.actual}))
			}
		})
	}
}

func TestTheCountsOfAStatus(t *testing.T) {
	entry := func(subject string, count int32, corrected *metav1.Time) v1alpha1.Correction {
		return v1alpha1.Correction{Subject: subject, Count: count, FirstTime: ago(time.Minute), LastTime: ago(time.Minute), CorrectedTime: corrected}
	}
	now := new(metav1.NewTime(noon.Add(time.Second)))
	fresh := func(subject string) v1alpha1.Correction {
		return v1alpha1.Correction{Subject: subject, Count: 1, FirstTime: now, LastTime: now}
	}
	expired := v1alpha1.Correction{Subject: "x", Count: 2, FirstTime: ago(2 * time.Hour), LastTime: ago(2 * time.Hour), CorrectedTime: ago(time.Hour)}
	over := expired
	over.Count = 4
	three := expired
	three.Count = 3
	open, last := entry("a", 2, nil), entry("y", 2, nil)
	corrected := fresh("x")
	corrected.CorrectedTime = now
	for name, row := range map[string]struct {
		plan   Plan
		ran    bool
		before []v1alpha1.Correction
		want   []v1alpha1.Correction
	}{
		"[P7] nothing happened":                      {Plan{}, false, []v1alpha1.Correction{open, expired}, []v1alpha1.Correction{open, expired}},
		"[case-90] the end of a contention":          {Plan{}, false, []v1alpha1.Correction{open, over}, []v1alpha1.Correction{open}},
		"[case-90] the end of the first one":         {Plan{}, false, []v1alpha1.Correction{over, last}, []v1alpha1.Correction{last}},
		"[P7] the end of three reversals":            {Plan{}, false, []v1alpha1.Correction{three}, []v1alpha1.Correction{three}},
		"[P7] a contention beside an expired one":    {Plan{}, false, []v1alpha1.Correction{entry("a", 5, nil), expired}, []v1alpha1.Correction{entry("a", 5, nil), expired}},
		"[case-90] an expired one that is corrected": {Plan{Reversed: []string{"x"}, Corrects: []string{"x"}}, true, []v1alpha1.Correction{expired}, []v1alpha1.Correction{corrected}},
		"[case-90] the end of the only one":          {Plan{}, false, []v1alpha1.Correction{over}, nil},
		"[case-90] a first reversal, in order":       {Plan{Reversed: []string{"a"}}, false, []v1alpha1.Correction{entry("b", 1, now)}, []v1alpha1.Correction{fresh("a"), entry("b", 1, now)}},
		"[case-90] a reversal of an expired one":     {Plan{Reversed: []string{"x"}}, false, []v1alpha1.Correction{expired}, []v1alpha1.Correction{fresh("x")}},
		"[case-90] expired ones go with a change":    {Plan{Reversed: []string{"a"}}, false, []v1alpha1.Correction{expired}, []v1alpha1.Correction{fresh("a")}},
		"[case-90] a correction":                     {Plan{Corrects: []string{"a"}}, true, []v1alpha1.Correction{open}, []v1alpha1.Correction{entry("a", 2, now)}},
		"[case-90] one that did not run":             {Plan{Corrects: []string{"a"}}, false, []v1alpha1.Correction{open}, []v1alpha1.Correction{open}},
		"[case-90] one that was corrected before":    {Plan{Corrects: []string{"a"}}, true, []v1alpha1.Correction{entry("a", 2, ago(time.Second))}, []v1alpha1.Correction{entry("a", 2, ago(time.Second))}},
		"[case-90] of a subject without a count":     {Plan{Corrects: []string{"b"}}, true, []v1alpha1.Correction{open}, []v1alpha1.Correction{open}},
		"[case-90] the other actor restored it":      {Plan{Restored: []string{"a"}}, false, []v1alpha1.Correction{open}, []v1alpha1.Correction{entry("a", 2, now)}},
		"[case-90] a reversal that is corrected now": {Plan{Reversed: []string{"b"}, Corrects: []string{"b"}}, true, nil, []v1alpha1.Correction{{Subject: "b", Count: 1, FirstTime: now, LastTime: now, CorrectedTime: now}}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(row.plan.Corrections(row.before, row.ran, noon.Add(1500*time.Millisecond), limits)).To(Equal(row.want))
		})
	}
}

func TestWhatAStepCorrects(t *testing.T) {
	counted := func(subject string) change {
		return func(in *Input) {
			in.Cluster.Status.Corrections = []v1alpha1.Correction{{Subject: subject, Count: 1, CorrectedTime: ago(0)}}
		}
	}
	for step, subject := range map[Step]string{
		Start{}: SubjectPower, Terminate{}: SubjectPower, StoreClusterID{}: SubjectExistence, Pin{}: SubjectPin, Unpin{}: SubjectPin, AddFinalizer{}: "",
	} {
		g := NewWithT(t)
		want := []string{subject}
		if subject == "" {
			want = nil
		}
		g.Expect(situation(counted(subject)).correctedBy(step, nil)).To(Equal(want), "[case-90] %T", step)
		g.Expect(situation().correctedBy(step, []reversal{{Contention: Contention{Subject: subject}}})).To(Equal(want), "%T", step)
		g.Expect(situation().correctedBy(step, []reversal{{Contention: Contention{Subject: "other"}}})).To(BeNil(), "%T", step)
	}
	in := situation(owning, is("RUNNING"), differs("/spark_conf/a", "spark_conf", false), differs("/num_workers", "num_workers", true), differs("/autoscale", "autoscale", true))
	g := NewWithT(t)
	g.Expect(in.correctedBy(Update{Differences: in.Observed.Differences}, nil)).To(Equal([]string{"/sparkConf/a", SubjectSize}))
	g.Expect(in.correctedBy(Resize{Differences: in.Observed.Differences[1:]}, nil)).To(Equal([]string{SubjectSize}))
	g.Expect(in.correctedBy(ReadSpec{Differences: in.Observed.Differences[:1]}, nil)).To(Equal([]string{"/sparkConf/a"}))
	in.Attempts.Last = Attempt{Step: StepUpdate, At: noon.Add(time.Minute)}
	g.Expect(in.correctedBy(Update{Differences: in.Observed.Differences[:1]}, nil)).To(BeEmpty(), "its own update is not seen yet")
}

func TestSubjectsThatAreAsDeclaredAgain(t *testing.T) {
	counted := func(entry v1alpha1.Correction) change {
		return func(in *Input) {
			entry.Subject = SubjectSize
			in.Cluster.Status.Corrections = []v1alpha1.Correction{entry}
		}
	}
	for name, row := range map[string]struct {
		changes   []change
		contended bool
		restored  bool
		requeueAt time.Time
	}{
		"[case-90] three reversals are no contention":     {[]change{compared, counted(v1alpha1.Correction{Count: 3, CorrectedTime: ago(0)})}, false, false, noon.Add(time.Hour)},
		"[case-90] four are, until the window has passed": {[]change{compared, counted(v1alpha1.Correction{Count: 4, CorrectedTime: ago(time.Minute)})}, true, false, noon.Add(59 * time.Minute)},
		"[case-90] and not when it has":                   {[]change{compared, counted(v1alpha1.Correction{Count: 4, CorrectedTime: ago(time.Hour)})}, false, false, time.Time{}},
		"[case-90] the other actor restored it":           {[]change{compared, counted(v1alpha1.Correction{Count: 4, LastTime: ago(time.Minute)})}, true, true, time.Time{}},
		"[case-90] which only a comparison shows":         {[]change{counted(v1alpha1.Correction{Count: 4, LastTime: ago(time.Minute)})}, true, false, time.Time{}},
		"[case-90] a suspended object":                    {[]change{compared, suspended, counted(v1alpha1.Correction{Count: 4, LastTime: ago(time.Minute)})}, false, false, time.Time{}},
		"[case-90] a deleted one":                         {[]change{compared, deleted, counted(v1alpha1.Correction{Count: 4, LastTime: ago(time.Minute)})}, false, false, time.Time{}},
		"[case-90] a step requeues by itself": {[]change{compared, counted(v1alpha1.Correction{Count: 4, CorrectedTime: ago(time.Minute)}), func(in *Input) {
			in.Attempts.Last.Step = StepPin
		}}, true, false, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(append([]change{owning, is("RUNNING")}, row.changes...)...)
			var next Plan
			if in.Attempts.Last.Step == StepPin {
				next.Step = Pin{}
			}
			next = in.withContention(next)
			g.Expect(next.Contended).To(HaveLen(map[bool]int{true: 1}[row.contended]))
			g.Expect(next.Restored).To(HaveLen(map[bool]int{true: 1}[row.restored]))
			g.Expect(next.RequeueAt).To(Equal(row.requeueAt))
		})
	}
	t.Run("[case-90] a reversal that waits requeues, unless a step does", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(owning, is("RUNNING"), differs("/num_workers", "num_workers", true), contended(SubjectSize, time.Minute))
		g.Expect(in.withContention(Plan{}).RequeueAt).To(Equal(noon.Add(8 * time.Minute)))
		g.Expect(in.withContention(Plan{Step: Pin{}}).RequeueAt).To(BeZero())
		g.Expect(in.withContention(Plan{}).Reversed).To(Equal([]string{SubjectSize}))
		g.Expect(in.dueDifferences()).To(BeEmpty())
		g.Expect(in.withoutDelayed()).To(BeEmpty())
		g.Expect(in.delayedUntil(SubjectSize)).To(Equal(noon.Add(8 * time.Minute)))
		g.Expect(in.delayedUntil(SubjectPin)).To(BeZero())
		in.Cluster.Status.AppliedDigest = Applying
		g.Expect(in.withoutDelayed()).To(HaveLen(1), "an edit of the user is not delayed")
	})
	t.Run("[case-90] a field is counted with its correction", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(owning, is("RUNNING"), differs("/spark_conf/a", "spark_conf", false))
		g.Expect(in.withContention(Plan{}).Reversed).To(BeEmpty())
		g.Expect(in.withContention(Plan{Step: Update{Differences: in.Observed.Differences}}).Reversed).To(Equal([]string{"/sparkConf/a"}))
	})
}

func TestHistoryOf(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, reason string, generation int64) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "m", ObservedGeneration: generation, LastTransitionTime: *ago(time.Hour)}
	}
	yes, no := metav1.ConditionTrue, metav1.ConditionFalse
	const stalled, reconciling, readyKind, synced = v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling, v1alpha1.ConditionReady, v1alpha1.ConditionSynced
	verdict := func(reason string, isStalled bool) *managed.Verdict {
		return &managed.Verdict{Reason: reason, Message: "m", Stalled: isStalled}
	}
	since := noon.Add(-time.Hour)
	for name, row := range map[string]struct {
		conditions []metav1.Condition
		state      string
		want       History
	}{
		"none":                             {nil, "RUNNING", History{}},
		"compared":                         {[]metav1.Condition{condition(synced, no, "DriftDetected", 2)}, "", History{WasCompared: true}},
		"an older generation was compared": {[]metav1.Condition{condition(synced, no, "DriftDetected", 1)}, "", History{}},
		"not compared":                     {[]metav1.Condition{condition(synced, no, v1alpha1.ReasonNotCompared, 2)}, "", History{}},
		"contended":                        {[]metav1.Condition{condition(synced, no, v1alpha1.ReasonContended, 1)}, "", History{Contention: "m"}},
		"ready":                            {[]metav1.Condition{condition(readyKind, yes, "Running", 2)}, "", History{WasReady: true}},
		"an older generation was ready":    {[]metav1.Condition{condition(readyKind, yes, "Running", 1)}, "", History{}},
		"not ready":                        {[]metav1.Condition{condition(readyKind, no, "Starting", 2)}, "", History{NotReadySince: since}},
		"a change without an effect":       {[]metav1.Condition{condition(stalled, yes, v1alpha1.ReasonImmutableField, 2)}, "", History{ChangeHadNoEffect: true, Failing: verdict(v1alpha1.ReasonImmutableField, true)}},
		"one of an older generation":       {[]metav1.Condition{condition(stalled, yes, v1alpha1.ReasonImmutableField, 1)}, "", History{}},
		"another stall":                    {[]metav1.Condition{condition(stalled, yes, "InvalidSpec", 2)}, "", History{Failing: verdict("InvalidSpec", true)}},
		"a failed start":                   {[]metav1.Condition{condition(stalled, yes, v1alpha1.ReasonStartFailed, 2)}, "", History{LaunchFailed: true, StartFailed: true, Failing: verdict(v1alpha1.ReasonStartFailed, true)}},
		"a failed start before the edit":   {[]metav1.Condition{condition(stalled, yes, v1alpha1.ReasonStartFailed, 1)}, "", History{LaunchFailed: true, StartFailed: true, StartFailedBeforeEdit: true}},
		"creating":                         {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonCreating, 2)}, "PENDING", History{LaunchFailed: true, Launching: true, Progress: v1alpha1.ReasonCreating}},
		"creating, without a cluster":      {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonCreating, 2)}, "", History{LaunchFailed: true, Progress: v1alpha1.ReasonCreating}},
		"starting":                         {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonStarting, 1)}, "PENDING", History{LaunchFailed: true, Launching: true, Progress: v1alpha1.ReasonStarting}},
		"resizing":                         {[]metav1.Condition{condition(reconciling, yes, "Resizing", 2)}, "RUNNING", History{Progress: "Resizing"}},
		"retrying":                         {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonRetryingAfterError, 2)}, "", History{LaunchFailed: true, Progress: v1alpha1.ReasonRetryingAfterError, Failing: verdict(v1alpha1.ReasonRetryingAfterError, false)}},
		"retrying, of an older generation": {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonRetryingAfterError, 1)}, "", History{LaunchFailed: true, Progress: v1alpha1.ReasonRetryingAfterError}},
		"throttled":                        {[]metav1.Condition{condition(reconciling, yes, v1alpha1.ReasonRateLimited, 2)}, "", History{Progress: v1alpha1.ReasonRateLimited, Failing: verdict(v1alpha1.ReasonRateLimited, false)}},
		"libraries are installed":          {[]metav1.Condition{condition(v1alpha1.ConditionLibrariesReady, yes, v1alpha1.ReasonLibrariesInstalled, 2)}, "", History{LibrariesFinal: true}},
		"libraries failed":                 {[]metav1.Condition{condition(v1alpha1.ConditionLibrariesReady, no, v1alpha1.ReasonLibraryInstallFailed, 2)}, "", History{LibrariesFinal: true}},
		"libraries wait for a restart":     {[]metav1.Condition{condition(v1alpha1.ConditionLibrariesReady, no, v1alpha1.ReasonPendingRestart, 2)}, "", History{LibrariesFinal: true}},
		"libraries are being installed":    {[]metav1.Condition{condition(v1alpha1.ConditionLibrariesReady, no, v1alpha1.ReasonInstallingLibraries, 2)}, "", History{}},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(newGeneration)
			in.Cluster.Status.Conditions, in.Cluster.Status.State = row.conditions, row.state
			NewWithT(t).Expect(HistoryOf(in.Cluster)).To(Equal(row.want))
		})
	}
	t.Run("of an object without a generation", func(t *testing.T) {
		NewWithT(t).Expect(HistoryOf(&v1alpha1.DatabricksCluster{})).To(Equal(History{}))
	})
}
