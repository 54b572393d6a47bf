package plan

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

var (
	anyText = rapid.SampledFrom([]string{"", "why", "two\nlines\x07", strings.Repeat("x", 5000)})
	anyAgo  = rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, 10 * time.Minute, time.Hour, 9 * time.Hour})
	states  = []compute.State{
		compute.StatePending, compute.StateRunning, compute.StateRestarting, compute.StateResizing, compute.StateTerminating,
		compute.StateTerminated, compute.StateError, compute.StateUnknown, "FROZEN",
	}
)

// anySituation returns a situation with any combination of facts.
func anySituation(t *rapid.T) Input {
	maybe := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	in := situation()
	for _, special := range []struct {
		name  string
		apply change
	}{
		{"deleted", deleted},
		{"suspended", suspended},
		{"untagged", untagged},
		{"no finalizer", withoutFinalizer},
		{"adopting", adopting},
		{"observing", observing},
		{"owning", owning},
		{"unreachable", unreachable},
		{"other host", otherHost},
		{"new generation", newGeneration},
		{"protected", func(in *Input) { in.Cluster.Spec.DeletionProtection = true }},
		{"held", func(in *Input) { in.Observed.ManagedBy = "team/older" }},
		{"taken over", takingOver("other")},
		{"pending", pendingSince(noon.Add(-anyAgo.Draw(t, "pending for")))},
	} {
		if maybe(special.name) {
			special.apply(&in)
		}
	}
	in.Cluster.Spec.DeletionPolicy = rapid.SampledFrom([]v1alpha1.DeletionPolicy{"", "Delete", "Terminate", "Retain"}).Draw(t, "deletionPolicy")
	in.Cluster.Spec.RunPolicy = rapid.SampledFrom([]v1alpha1.RunPolicy{"", "Manual", "Running", "Terminated"}).Draw(t, "runPolicy")
	if creation := in.Cluster.Status.Creation; creation != nil && maybe("settled") {
		creation.Token = ""
	}
	if in.Cluster.Spec.ClusterID != "" && pending(in.Cluster) {
		in.Cluster.Status.Creation.Token = "" // admission refuses to adopt a cluster while a creation is unresolved
	}
	if maybe("reads fail") {
		readsFail(rapid.SampledFrom(classes).Draw(t, "read failure"), anyAgo.Draw(t, "failing for"))(&in)
	}
	in.Observed.Presence = rapid.SampledFrom([]managed.Presence{managed.Unknown, managed.Present, managed.Missing, managed.Purged}).Draw(t, "presence")
	if in.clusterID() == "" {
		// Without a cluster nothing is read, and no other object has it.
		in.Observed.Presence, in.Observed.Details, in.Observed.ManagedBy = managed.Unknown, nil, ""
	}
	if in.Observed.Presence == managed.Present {
		is(rapid.SampledFrom(states).Draw(t, "state"), func(c *compute.ClusterDetails) {
			c.StateMessage = anyText.Draw(t, "state message")
			c.SparkContextId = rapid.Int64Range(0, 1).Draw(t, "spark context")
			c.ClusterSource = rapid.SampledFrom([]compute.ClusterSource{"API", "UI", "JOB"}).Draw(t, "source")
			if maybe("tagged") {
				tagged(rapid.SampledFrom([]string{ownerTag.Value, "other", "a\nb"}).Draw(t, "tag"))(c)
			}
		})(&in)
	}
	var matches []*compute.ClusterDetails
	for range rapid.IntRange(0, 2).Draw(t, "matches") {
		matches = append(matches, match(anyText.Draw(t, "id")+"-1"))
	}
	searched(rapid.IntRange(0, 3).Draw(t, "lists"), matches...)(&in)
	did(rapid.SampledFrom([]StepKind{StepNone, StepCreate, StepTerminate, StepUnpin, StepPermanentDelete}).Draw(t, "last"), anyAgo.Draw(t, "ago"))(&in)
	if maybe("failed") {
		in.Attempts.Last.Failure = &managed.Failure{Class: rapid.SampledFrom(classes).Draw(t, "class"), Message: "CODE: words"}
		in.Attempts.Last.Failures = rapid.IntRange(1, 20).Draw(t, "failures")
	} else if in.Attempts.Last.Step == StepCreate {
		in.Attempts.Last.ClusterID, in.Attempts.Last.Token = clusterID, uid+"-3"
	}
	anyExtras(t, &in, maybe)
	return in
}

// anyExtras draws the facts beside the existence of the cluster: differences, libraries,
// permissions, pin, output, request and the attempts at them.
func anyExtras(t *rapid.T, in *Input, maybe func(string) bool) {
	if maybe("declared") {
		declared(in)
		in.Cluster.Status.AppliedDigest = rapid.SampledFrom([]string{"", Applying, in.Cluster.Status.AppliedDigest, "v1:0", "v9:0"}).Draw(t, "applied")
		in.Observed.Compared, in.Observed.SpecKnown = maybe("compared"), maybe("spec known")
		in.Observed.UnconfirmedDiff, in.Observed.LacksUpdate = maybe("unconfirmed"), maybe("no update call")
		in.Observed.SpecAt = noon.Add(-anyAgo.Draw(t, "spec read"))
	}
	if in.Observed.Compared && maybe("differs") {
		path := rapid.SampledFrom([]string{"/num_workers", "/spark_conf/a", "/aws_attributes/zone_id"}).Draw(t, "path")
		in.Observed.Differences = []drift.Difference{{
			Path: path, Field: strings.Split(path, "/")[1], Desired: "desired", Actual: "other",
			Requested: rapid.SampledFrom([]any{nil, "desired", "other"}).Draw(t, "asked"), Size: path == "/num_workers",
		}}
		if maybe("owned") {
			in.Cluster.Status.OwnedFields = drift.Owned(in.Observed.Desired)
		}
		if maybe("based") {
			in.Attempts = in.Attempts.WithBase(in.Observed.Differences, noon.Add(-anyAgo.Draw(t, "base")))
		}
	}
	if maybe("libraries") {
		anyStatus := rapid.SampledFrom([]compute.LibraryInstallStatus{"", "INSTALLED", "INSTALLING", "FAILED", "UNINSTALL_ON_RESTART", "NEW"})
		in.Cluster.Spec.Libraries = []v1alpha1.Library{{Whl: "/a.whl"}}[:rapid.IntRange(0, 1).Draw(t, "declared libraries")]
		if maybe("named") {
			in.Cluster.Status.Libraries = []v1alpha1.LibraryStatus{{Library: v1alpha1.Library{Whl: "/a.whl"}, Status: string(anyStatus.Draw(t, "named status"))}}
		}
		in.Observed.Libraries.Seen = maybe("libraries seen")
		if status := anyStatus.Draw(t, "status"); status != "" {
			in.Observed.Libraries.Statuses = []compute.LibraryFullStatus{{Library: &compute.Library{Whl: "/a.whl"}, Status: status}}
		}
	}
	if maybe("permissions") {
		in.Cluster.Spec.AccessControlList = []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}
		in.Observed.Permissions = Permissions{Seen: maybe("permissions seen"), InPlace: maybe("in place")}
	}
	if maybe("pin") {
		in.Cluster.Spec.Pinned, in.Observed.Pinned = new(maybe("to be pinned")), new(maybe("pinned"))
	}
	if maybe("output") {
		in.Cluster.Spec.OutputConfigMap = &v1alpha1.OutputConfigMap{Name: "out"}
		in.Observed.Output.Foreign = maybe("foreign")
	}
	if maybe("request") {
		value := rapid.SampledFrom([]string{"start@1", "restart@1", "terminate@1", "reconcile@1", "reboot@1"}).Draw(t, "request")
		in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: value}
		if maybe("acknowledged") {
			phase := rapid.SampledFrom([]v1alpha1.RequestPhase{v1alpha1.RequestAccepted, v1alpha1.RequestInProgress, v1alpha1.RequestSucceeded}).Draw(t, "phase")
			in.Cluster.Status.Request = &v1alpha1.RequestStatus{Value: value, Phase: phase}
		}
	}
	if maybe("failed beside") {
		step := rapid.SampledFrom([]StepKind{StepPin, StepUnpin, StepSetPermissions, StepPublish}).Draw(t, "side step")
		in.Attempts = in.Attempts.RecordedSideStep(Attempt{Step: step, Failure: &managed.Failure{Class: rapid.SampledFrom(classes).Draw(t, "side failure")}, At: noon.Add(-anyAgo.Draw(t, "side ago"))})
	}
	if maybe("contended") {
		subject := rapid.SampledFrom([]string{SubjectPower, SubjectSize, SubjectPin, SubjectExistence, SubjectPermissions, SubjectLibraries, "/sparkConf/a"}).Draw(t, "subject")
		contended(subject, anyAgo.Draw(t, "contended ago"))(in)
	}
}

func TestNoPlanIsStalledAndWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Make(anySituation(t))
		NewWithT(t).Expect(plan.Verdict.Stalled && plan.Kind().WritesToDatabricks()).To(BeFalse(), "%+v", plan)
	})
}

func TestEveryVerdictHasAReasonThatMatchesStalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Make(anySituation(t))
		NewWithT(t).Expect(hasKnownReason(plan.Verdict)).To(BeTrue(), "%+v", plan.Verdict)
	})
}

func TestEveryMessageIsOneBoundedLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		message := Make(anySituation(t)).Verdict.Message
		g.Expect(strings.ContainsFunc(message, unicode.IsControl)).To(BeFalse(), "%q", message)
		g.Expect(len(message)).To(BeNumerically("<", 16384))
	})
}

func TestADecisionDependsOnlyOnItsFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		in := anySituation(t)
		before := in.Cluster.DeepCopy()
		first := Make(in)
		g.Expect(Make(in)).To(Equal(first))
		g.Expect(in.Cluster).To(Equal(before))
	})
}

// belongsToAnother reports whether the cluster belongs to another owner, without the rules.
// The generator has two other owner tags, of which one can be taken over, and one source
// that is a job.
func belongsToAnother(in Input) bool {
	isPresent := in.Observed.Presence == managed.Present
	var tag string
	if isPresent {
		tag = in.Observed.Details.CustomTags[v1alpha1.OwnerTagKey]
	}
	switch {
	case in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		return false
	case in.Observed.ManagedBy != "" && (tag == "" || tag != in.Observed.Owner.Value):
		return true
	case isPresent && in.Observed.Details.ClusterSource == "JOB":
		return true
	case tag == "other":
		return in.Cluster.Annotations[v1alpha1.AnnotationTakeOver] != "other"
	case tag == ownerTag.Value:
		return in.Observed.Owner.Value != ownerTag.Value
	default:
		return tag == "a\nb"
	}
}

func TestOnlyAllowedWritesArePlanned(t *testing.T) {
	t.Run("[case-36] [case-55] [case-56] [case-57]", rapid.MakeCheck(func(t *rapid.T) {
		g := NewWithT(t)
		in := anySituation(t)
		plan := Make(in)
		if !plan.Kind().WritesToDatabricks() {
			return
		}
		g.Expect(in.Observed.Blocked).To(BeNil(), "without a workspace")
		g.Expect(in.Cluster.Status.Host).To(BeElementOf("", in.Observed.Host), "to another workspace")
		g.Expect(in.Cluster.Spec.ManagementPolicy).NotTo(Equal(v1alpha1.ManagementPolicyObserve), "to an observed cluster")
		g.Expect(in.Cluster.Finalizers).To(ContainElement(v1alpha1.FinalizerCluster), "without a finalizer")
		g.Expect(in.Cluster.Spec.Suspend && !in.isDeleting()).To(BeFalse(), "while suspended")
		foreign := belongsToAnother(in)
		g.Expect(foreign).To(BeFalse(), "to another's cluster")
		if in.isDeleting() {
			g.Expect(EffectiveDeletionPolicy(in.Cluster)).NotTo(Equal(v1alpha1.DeletionPolicyRetain), "to a retained cluster")
			g.Expect(in.Cluster.Spec.DeletionProtection).To(BeFalse(), "to a protected cluster")
		}
	}))
}

func TestNothingIsCreatedWhileAClusterMayExist(t *testing.T) {
	t.Run("[case-01] [case-02] [case-37]", rapid.MakeCheck(func(t *rapid.T) {
		g := NewWithT(t)
		in := anySituation(t)
		plan := Make(in)
		if plan.Kind() != StepCreate {
			return
		}
		g.Expect(intentOf(plan.Step).Token).NotTo(BeEmpty())
		g.Expect(len(intentOf(plan.Step).Token)).To(BeNumerically("<=", 64))
		g.Expect(intentOf(plan.Step).NotAfter).To(Equal(in.Now.Add(limits.CreateWindow)))
		g.Expect(in.Cluster.Spec.ClusterID).To(BeEmpty(), "for an adopting object")
		status := in.Cluster.Status
		if status.ClusterID != "" {
			g.Expect(in.Observed.Presence).To(BeElementOf(managed.Missing, managed.Purged), "beside a cluster on record")
			g.Expect(status.Adopted).To(BeFalse())
		}
		switch {
		case pending(in.Cluster):
			g.Expect(intentOf(plan.Step).Token).To(Equal(status.Creation.Token), "an unresolved creation keeps its token")
			g.Expect(intentOf(plan.Step).Attempt).To(Equal(status.Creation.Attempt + 1))
			g.Expect(in.Now.Before(ResolveAt(in.Cluster, limits, time.Time{}))).To(BeFalse(), "before the waits are over")
			g.Expect(in.Observed.Owner.Key == "" || in.Observed.Search.CompleteLists >= enoughLists).To(BeTrue(), "before a search for it")
		case status.Creation != nil:
			g.Expect(intentOf(plan.Step).Incarnation).To(Equal(status.Creation.Incarnation + 1))
			g.Expect(in.isDeleting()).To(BeFalse())
		default:
			g.Expect(intentOf(plan.Step).Incarnation).To(Equal(int64(1)))
		}
	}))
}

func TestTheFinalizerIsRemovedOnlyWhenTheClusterIsHandled(t *testing.T) {
	t.Run("[case-40] [case-42] [case-43] [case-44] [case-45]", rapid.MakeCheck(func(t *rapid.T) {
		g := NewWithT(t)
		in := anySituation(t)
		deleted(&in)
		plan := Make(in)
		policy := EffectiveDeletionPolicy(in.Cluster)
		if policy == v1alpha1.DeletionPolicyRetain && slices.Contains(in.Cluster.Finalizers, v1alpha1.FinalizerCluster) {
			g.Expect(plan.Kind()).To(Equal(StepRemoveFinalizer), "Retain always completes the deletion")
			return
		}
		if plan.Kind() != StepRemoveFinalizer {
			return
		}
		foreign := belongsToAnother(in)
		stopped := in.Observed.Presence == managed.Present && slices.Contains([]compute.State{"TERMINATED", "TERMINATING", "ERROR"}, in.Observed.Details.State)
		switch {
		case in.Cluster.Status.ClusterID == "" && pending(in.Cluster):
			g.Expect(in.Observed.Search.CompleteLists).To(BeNumerically(">=", enoughLists))
			g.Expect(in.ownMatches()).To(BeEmpty())
		case in.Cluster.Status.ClusterID == "", in.Observed.Presence == managed.Missing, in.Observed.Presence == managed.Purged, foreign:
		default:
			g.Expect(policy).To(Equal(v1alpha1.DeletionPolicyTerminate))
			g.Expect(stopped).To(BeTrue())
		}
	}))
}

func TestAPlanThatWaitsForTimeHasARequeue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		in := anySituation(t)
		plan := Make(in)
		if plan.RequeueAt.IsZero() {
			return
		}
		g.Expect(plan.Kind()).To(Equal(StepNone), "a step requeues the object")
		if in.Observed.Blocked == nil {
			g.Expect(plan.RequeueAt).To(BeTemporally(">", in.Now))
			g.Expect(plan.RequeueAt).To(BeTemporally("<", in.Now.Add(24*time.Hour)))
		}
	})
}

func TestEveryFailedReadHasAVerdict(t *testing.T) {
	g := NewWithT(t)
	for _, class := range append(slices.Clone(classes), databricks.Class("New")) {
		for _, presence := range []managed.Presence{managed.Unknown, managed.Present} {
			in := situation(owning, is("RUNNING"), gone(presence), readsFail(class, time.Hour))
			g.Expect(Make(in).Kind()).To(Equal(StepNone), "%s", class)
			g.Expect(Make(in).Verdict.Reason).NotTo(BeEmpty(), "%s", class)
		}
	}
}
