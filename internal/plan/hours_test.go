package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// morning and evening are the edges of the hours of scheduled; noon is between them.
var (
	morning = noon.Add(-4 * time.Hour)
	evening = noon.Add(6 * time.Hour)
)

// scheduled sets hours from 08:00 to 18:00 UTC on every day, after other changes of the
// schedule.
func scheduled(changes ...func(*v1alpha1.Schedule)) change {
	return spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.RunPolicy = v1alpha1.RunPolicyScheduled
		s.Schedule = &v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{{From: "08:00", To: "18:00"}}}
		for _, change := range changes {
			change(s.Schedule)
		}
	})
}

func atStart(action v1alpha1.AtStart) func(*v1alpha1.Schedule) {
	return func(s *v1alpha1.Schedule) { s.AtStart = action }
}

func atEnd(action v1alpha1.AtEnd) func(*v1alpha1.Schedule) {
	return func(s *v1alpha1.Schedule) { s.AtEnd = action }
}

// now sets the time, at which the cluster was just read.
func now(at time.Time) change {
	return func(in *Input) { in.Now, in.Observed.ReadAt = at, at.Add(-time.Second) }
}

// actedOn sets the last edge that was acted on.
func actedOn(edge time.Time) change {
	return func(in *Input) {
		in.Cluster.Status.Schedule = &v1alpha1.ScheduleStatus{LastTransitionTime: new(metav1.NewTime(edge))}
	}
}

func endedAt(at time.Time, kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(d *compute.ClusterDetails) {
		d.TerminatedTime = at.UnixMilli()
		d.TerminationReason = &compute.TerminationReason{Type: kind, Code: compute.TerminationReasonCodeUserRequest}
	}
}

func TestTheScheduleStartsAndTerminatesOnce(t *testing.T) {
	t.Parallel()
	const success, failure = compute.TerminationReasonTypeSuccess, compute.TerminationReasonTypeCloudFailure
	night := noon.Add(10 * time.Hour)
	yesterday := evening.Add(-24 * time.Hour)
	keeps := scheduled(atStart(v1alpha1.AtStartKeepRunning), atEnd(v1alpha1.AtEndKeepTerminated))
	leaves := scheduled(atStart(v1alpha1.AtStartLeave), atEnd(v1alpha1.AtEndLeave))
	for name, tc := range map[string]struct {
		changes []change
		step    StepKind
		// acted is the last edge that counts as acted on.
		acted time.Time
	}{
		"start: down since yesterday":          {[]change{scheduled(), actedOn(yesterday), now(noon), is(compute.StateTerminated, endedAt(yesterday, success))}, StepStart, yesterday},
		"start: never acted on":                {[]change{scheduled(), now(noon), is(compute.StateTerminated, endedAt(yesterday, success))}, StepStart, time.Time{}},
		"start: at the edge":                   {[]change{scheduled(), actedOn(yesterday), now(morning.Add(time.Millisecond)), func(in *Input) { in.Observed.ReadAt = in.Now }, is(compute.StateTerminated, endedAt(yesterday, success))}, StepStart, yesterday},
		"start: launching":                     {[]change{scheduled(), actedOn(yesterday), now(noon), is(compute.StatePending)}, StepNone, yesterday},
		"start: up":                            {[]change{scheduled(), actedOn(yesterday), now(noon), is(compute.StateRunning)}, StepNone, morning},
		"start: up in a read before":           {[]change{scheduled(), actedOn(yesterday), now(noon), func(in *Input) { in.Observed.ReadAt = morning.Add(-time.Second) }, is(compute.StateRunning)}, StepNone, yesterday},
		"start: terminated since":              {[]change{scheduled(), actedOn(yesterday), now(noon), is(compute.StateTerminated, endedAt(morning.Add(time.Minute), success))}, StepNone, morning},
		"start: terminated after the edge":     {[]change{scheduled(), actedOn(morning), now(noon), is(compute.StateTerminated, endedAt(noon.Add(-time.Minute), success))}, StepNone, morning},
		"start: the launch failed a while ago": {[]change{scheduled(), actedOn(yesterday), now(noon), is(compute.StateTerminated, endedAt(morning.Add(time.Minute), failure))}, StepStart, yesterday},
		"start: a clock that is ahead":         {[]change{scheduled(), actedOn(yesterday), now(noon), observed(func(o *Observation) { o.ClockSkew = time.Hour }), is(compute.StateTerminated, endedAt(morning.Add(time.Minute), success))}, StepStart, yesterday},
		"terminate: up":                        {[]change{scheduled(), actedOn(morning), now(night), is(compute.StateRunning)}, StepTerminate, morning},
		"terminate: launching":                 {[]change{scheduled(), actedOn(morning), now(night), is(compute.StatePending)}, StepTerminate, morning},
		"terminate: missed, a day later":       {[]change{scheduled(), actedOn(morning.Add(-24 * time.Hour)), now(morning.Add(-time.Second)), is(compute.StateRunning)}, StepTerminate, morning.Add(-24 * time.Hour)},
		"terminate: ending":                    {[]change{scheduled(), actedOn(morning), now(night), is(compute.StateTerminating)}, StepNone, evening},
		"terminate: down":                      {[]change{scheduled(), actedOn(morning), now(night), is(compute.StateTerminated)}, StepNone, evening},
		"terminate: down in a read before":     {[]change{scheduled(), actedOn(morning), now(night), func(in *Input) { in.Observed.ReadAt = noon }, is(compute.StateTerminated)}, StepNone, morning},
		"terminate: started at night":          {[]change{scheduled(), actedOn(evening), now(night), is(compute.StateRunning)}, StepNone, evening},
		"keep running: stopped":                {[]change{keeps, actedOn(morning), now(noon), is(compute.StateTerminated, endedAt(noon, success))}, StepStart, morning},
		"keep terminated: started":             {[]change{keeps, actedOn(evening), now(night), is(compute.StateRunning)}, StepTerminate, evening},
		"leave: down":                          {[]change{leaves, now(noon), is(compute.StateTerminated)}, StepNone, time.Time{}},
		"leave: up":                            {[]change{leaves, now(night), is(compute.StateRunning)}, StepNone, time.Time{}},
		"suspended":                            {[]change{scheduled(), suspended, actedOn(yesterday), now(noon), is(compute.StateRunning)}, StepNone, yesterday},
		"suspended, to start":                  {[]change{scheduled(), suspended, actedOn(yesterday), now(noon), is(compute.StateTerminated, endedAt(yesterday, success))}, StepNone, yesterday},
		"always up":                            {[]change{scheduled(func(s *v1alpha1.Schedule) { s.Up[0] = v1alpha1.WeeklySpan{From: "00:00", To: "00:00"} }), now(noon), is(compute.StateTerminated)}, StepNone, time.Time{}},
		"keep terminated: within the hours":    {[]change{scheduled(atEnd(v1alpha1.AtEndKeepTerminated)), actedOn(morning), now(noon), is(compute.StateRunning)}, StepNone, morning},
		"leave at the start only":              {[]change{scheduled(atStart(v1alpha1.AtStartLeave)), actedOn(morning), now(night), is(compute.StateRunning)}, StepTerminate, morning},
		"leave at the end only":                {[]change{scheduled(atEnd(v1alpha1.AtEndLeave)), actedOn(yesterday), now(noon), is(compute.StateTerminated, endedAt(yesterday, success))}, StepStart, yesterday},
		"purged, to start":                     {[]change{scheduled(), actedOn(yesterday), now(noon), gone(managed.Purged), searched(2)}, StepCreate, yesterday},
		"purged, at night":                     {[]change{scheduled(), actedOn(evening), now(night), gone(managed.Purged)}, StepNone, evening},
		"an unknown time zone, and it is kept": {[]change{keeps, spec(func(s *v1alpha1.DatabricksClusterSpec) { s.Schedule.TimeZone = "Mars" }), now(night), is(compute.StateRunning)}, StepNone, time.Time{}},
		"Scheduled without a schedule":         {[]change{policy(v1alpha1.RunPolicyScheduled), now(night), is(compute.StateRunning)}, StepNone, time.Time{}},
		"a schedule without Scheduled":         {[]change{scheduled(), policy(v1alpha1.RunPolicyManual), now(night), is(compute.StateRunning)}, StepNone, time.Time{}},
		"no schedule":                          {[]change{now(night), is(compute.StateRunning)}, StepNone, time.Time{}},
		"an unknown time zone":                 {[]change{scheduled(func(s *v1alpha1.Schedule) { s.TimeZone = "Mars" }), now(noon), is(compute.StateTerminated)}, StepNone, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			in := situation(append([]change{owning}, tc.changes...)...)
			g.Expect(KindOf(Make(in).Step)).To(Equal(tc.step))
			acted := TransitionTime(in)
			if tc.acted.IsZero() {
				g.Expect(acted).To(BeNil())
				return
			}
			g.Expect(acted.Time).To(BeTemporally("==", tc.acted))
		})
	}
}

func TestAnEdgeIsFollowedByOneDecision(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	in := situation(owning, scheduled(), actedOn(evening.Add(-24*time.Hour)), now(morning.Add(-time.Minute)), is(compute.StateTerminated))
	before := Make(in)
	g.Expect(before.Step).To(BeNil())
	g.Expect(before.RequeueAt).To(BeTemporally("==", morning))
	g.Expect(readForEdge(in.Cluster, in.Now)).To(BeTemporally("<", morning))

	now(morning)(&in)
	g.Expect(readForEdge(in.Cluster, in.Now)).To(BeTemporally("==", morning), "the state at the edge is read")
	g.Expect(Make(in).Step).To(Equal(Start{clusterID}))
	g.Expect(Make(in).RequeueAt).To(BeTemporally("==", evening))

	actedOn(morning)(&in)
	g.Expect(readForEdge(in.Cluster, in.Now)).To(BeZero(), "nothing is read for an edge that was acted on")
	suspended(&in)
	actedOn(evening.Add(-24 * time.Hour))(&in)
	g.Expect(readForEdge(in.Cluster, in.Now)).To(BeZero())
}

func TestNeedsAReadAfterAnEdge(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	in := situation(owning, scheduled(), actedOn(evening.Add(-24*time.Hour)))
	needs := NeedsInput{Cluster: in.Cluster, ClusterID: clusterID, Now: noon}
	g.Expect(afterOf(needs)).To(BeTemporally("==", morning))
	needs.Now = morning.Add(-time.Second)
	g.Expect(afterOf(needs)).To(BeTemporally("<", morning))
}

func TestRequestsAndTheSchedule(t *testing.T) {
	t.Parallel()
	night := noon.Add(10 * time.Hour)
	keeps := scheduled(atStart(v1alpha1.AtStartKeepRunning), atEnd(v1alpha1.AtEndKeepTerminated))
	for name, tc := range map[string]struct {
		schedule change
		now      time.Time
		verb     string
		phase    v1alpha1.RequestPhase
	}{
		"terminate in the hours":          {scheduled(), noon, v1alpha1.RequestTerminate, v1alpha1.RequestAccepted},
		"start at night":                  {scheduled(), night, v1alpha1.RequestStart, v1alpha1.RequestAccepted},
		"terminate against KeepRunning":   {keeps, noon, v1alpha1.RequestTerminate, v1alpha1.RequestRefused},
		"start against KeepTerminated":    {keeps, night, v1alpha1.RequestStart, v1alpha1.RequestRefused},
		"start in the hours, KeepRunning": {keeps, noon, v1alpha1.RequestStart, v1alpha1.RequestAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			in := situation(owning, tc.schedule, actedOn(evening), now(tc.now), is(compute.StateRunning))
			in.Cluster.Status.AppliedDigest = "v1:0"
			in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: tc.verb + "@1"}
			step, ok := Make(in).Step.(AcknowledgeRequest)
			g.Expect(ok).To(BeTrue())
			g.Expect(step.Request.Phase).To(Equal(tc.phase), step.Request.Message)
			if tc.phase == v1alpha1.RequestRefused {
				g.Expect(step.Request.Message).To(ContainSubstring("spec.schedule"))
			}
		})
	}
}

func TestAutoterminationWithinTheHours(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	idle := func(d *compute.ClusterDetails) {
		d.TerminatedTime, d.AutoterminationMinutes = noon.Add(-10*time.Hour).UnixMilli(), 30
		d.TerminationReason = &compute.TerminationReason{Type: compute.TerminationReasonTypeSuccess, Code: compute.TerminationReasonCodeInactivity}
	}
	yesterday := evening.Add(-24 * time.Hour)
	once := situation(owning, scheduled(), actedOn(yesterday), now(noon), is(compute.StateTerminated, idle))
	g.Expect(Make(once).Step).To(Equal(Start{clusterID}), "a start that happens once does not contradict autotermination")
	kept := situation(owning, scheduled(atStart(v1alpha1.AtStartKeepRunning)), actedOn(yesterday), now(noon), is(compute.StateTerminated, idle))
	g.Expect(Make(kept).Verdict).To(HaveField("Reason", v1alpha1.ReasonAutoterminationConflict))
	g.Expect(Make(kept).Verdict.Message).To(HavePrefix("spec.schedule "))
}

func TestAFailedLaunchIsNotRetriedOutsideOfTheHours(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	failed := endedAt(noon, compute.TerminationReasonTypeClientError)
	in := situation(owning, scheduled(), actedOn(evening), now(noon.Add(10*time.Hour)), is(compute.StateTerminated, failed))
	in.Cluster.Status.AppliedDigest = Applying
	g.Expect(Make(in).Step).NotTo(BeAssignableToTypeOf(Start{}))
	now(noon)(&in)
	actedOn(morning)(&in)
	g.Expect(Make(in).Step).To(Equal(Start{clusterID}))
	now(noon.Add(10 * time.Hour))(&in)
	actedOn(evening)(&in)
	in.Cluster.Spec.Schedule.AtEnd = v1alpha1.AtEndLeave
	g.Expect(Make(in).Step).To(Equal(Start{clusterID}), "the end of the hours is no reason to stay down")
}

func TestAScheduleWithoutEdgesKeepsOtherRequeues(t *testing.T) {
	t.Parallel()
	always := scheduled(atStart(v1alpha1.AtStartKeepRunning), func(s *v1alpha1.Schedule) { s.Up[0] = v1alpha1.WeeklySpan{From: "00:00", To: "00:00"} })
	in := situation(owning, always, now(noon), is(compute.StateTerminated), failed(StepStart, databricks.ClassQuota, time.Minute))
	NewWithT(t).Expect(Make(in).RequeueAt).To(Equal(noon.Add(4 * time.Minute)))
}

func TestTheStatusOfTheSchedule(t *testing.T) {
	t.Parallel()
	status := func(up bool, last, next *metav1.Time) *v1alpha1.ScheduleStatus {
		return &v1alpha1.ScheduleStatus{Up: &up, LastTransitionTime: last, NextTransitionTime: next}
	}
	at := func(t time.Time) *metav1.Time { return new(metav1.NewTime(t)) }
	for name, tc := range map[string]struct {
		changes []change
		want    *v1alpha1.ScheduleStatus
	}{
		"no schedule":       {[]change{now(noon), is(compute.StateRunning)}, nil},
		"an invalid one":    {[]change{scheduled(func(s *v1alpha1.Schedule) { s.TimeZone = "Mars" }), now(noon), is(compute.StateRunning)}, nil},
		"within the hours":  {[]change{scheduled(), now(noon), is(compute.StateRunning)}, status(true, at(morning), at(evening))},
		"before the start":  {[]change{scheduled(), now(noon), is(compute.StateTerminated)}, status(true, nil, at(evening))},
		"after the hours":   {[]change{scheduled(), now(evening.Add(time.Hour)), is(compute.StateTerminated)}, status(false, at(evening), at(morning.Add(24*time.Hour)))},
		"without any edges": {[]change{scheduled(func(s *v1alpha1.Schedule) { s.Up[0] = v1alpha1.WeeklySpan{From: "00:00", To: "00:00"} }), now(noon), is(compute.StateRunning)}, status(true, nil, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := situation(append([]change{owning}, tc.changes...)...)
			NewWithT(t).Expect(HoursStatus(in)).To(Equal(tc.want))
		})
	}
}

func TestWindowsOfTheUpdateStrategy(t *testing.T) {
	t.Parallel()
	windows := func(from, to string, minutes *int32) change {
		return spec(func(s *v1alpha1.DatabricksClusterSpec) {
			s.UpdateStrategy = &v1alpha1.UpdateStrategy{
				Type: v1alpha1.UpdateStrategyWindow, MaxWaitMinutes: minutes,
				Windows: []v1alpha1.UpdateWindow{{WeeklySpan: v1alpha1.WeeklySpan{From: from, To: to}}},
			}
		})
	}
	ofType := func(kind v1alpha1.UpdateStrategyType) change {
		return spec(func(s *v1alpha1.DatabricksClusterSpec) { s.UpdateStrategy.Type = kind })
	}
	onMars := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.UpdateStrategy.Windows[0].TimeZone = "Mars" })
	waiting := func(in *Input) { in.Cluster.Status.PendingSince = new(metav1.NewTime(noon.Add(-time.Hour))) }
	for name, tc := range map[string]struct {
		changes  []change
		restarts bool
		from     time.Time
	}{
		"within a window":      {[]change{windows("11:00", "13:00", nil)}, true, time.Time{}},
		"before a window":      {[]change{windows("13:00", "14:00", nil)}, false, noon.Add(time.Hour)},
		"after a window":       {[]change{windows("10:00", "12:00", nil)}, false, noon.Add(22 * time.Hour)},
		"waits long enough":    {[]change{windows("13:00", "14:00", new(int32(60))), waiting}, true, noon},
		"deadline comes first": {[]change{windows("14:00", "15:00", new(int32(90))), waiting}, false, noon.Add(30 * time.Minute)},
		"no deadline":          {[]change{windows("13:00", "14:00", nil), waiting}, false, noon.Add(time.Hour)},
		"nothing waits yet":    {[]change{windows("13:00", "14:00", new(int32(60)))}, false, noon.Add(time.Hour)},
		"an unknown time zone": {[]change{windows("11:00", "13:00", nil), onMars}, false, time.Time{}},
		"with a deadline":      {[]change{windows("11:00", "13:00", new(int32(90))), onMars, waiting}, false, noon.Add(30 * time.Minute)},
		"another type":         {[]change{windows("11:00", "13:00", nil), ofType(v1alpha1.UpdateStrategyOnTermination)}, false, time.Time{}},
		"another type, closed": {[]change{windows("13:00", "14:00", nil), ofType(v1alpha1.UpdateStrategyOnTermination)}, false, time.Time{}},
		"at any time":          {[]change{windows("13:00", "14:00", nil), ofType(v1alpha1.UpdateStrategyRestart)}, true, time.Time{}},
		"at any time, unnamed": {[]change{windows("13:00", "14:00", nil), ofType("")}, true, time.Time{}},
		"window comes first":   {[]change{windows("12:15", "15:00", new(int32(90))), waiting}, false, noon.Add(15 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			in := situation(append([]change{owning, is(compute.StateRunning)}, tc.changes...)...)
			g.Expect(in.strategyRestarts()).To(Equal(tc.restarts))
			g.Expect(in.appliedFrom()).To(BeTemporally("==", tc.from))
		})
	}
}

func TestHoursThatCannotBeParsed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	in := situation(scheduled(func(s *v1alpha1.Schedule) { s.TimeZone = "Mars" }))
	g.Expect(CheckHours(in.Cluster)).To(MatchError(HavePrefix("spec.schedule.timeZone")))
	in.Cluster.Spec.Schedule.TimeZone = "Europe/Berlin"
	g.Expect(CheckHours(in.Cluster)).To(Succeed())
	in.Cluster.Spec.UpdateStrategy = &v1alpha1.UpdateStrategy{Windows: []v1alpha1.UpdateWindow{{TimeZone: "Mars"}}}
	g.Expect(CheckHours(in.Cluster)).To(MatchError(HavePrefix("spec.updateStrategy.windows[0].timeZone")))
}

// afterOf returns the time after which the next read must begin.
func afterOf(needs NeedsInput) time.Time {
	var interest cache.Interest
	Needs(needs, &interest)
	return interest.After
}
