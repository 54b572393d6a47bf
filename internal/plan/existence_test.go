package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

func neverRan(c *compute.ClusterDetails) { c.SparkContextId = 0 }

func tagged(tag string) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) { c.CustomTags = map[string]string{v1alpha1.OwnerTagKey: tag} }
}

func madeBy(source compute.ClusterSource) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) { c.ClusterSource = source }
}

func takingOver(hasKnownReason string) change {
	return func(in *Input) {
		in.Cluster.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: hasKnownReason}
	}
}

func newGeneration(in *Input) { in.Cluster.Generation = 2 }

func TestExistence(t *testing.T) {
	holder := observed(func(w *Observation) { w.ManagedBy = "team/older" })
	foreign := "0badcafe-another-object"
	named := owner.Of(thisOperator, earlierUID, "x", "y").Tag()
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		reason  string
		stalled bool
		again   time.Time
	}{
		"[case-58] no Secret":                                             {[]change{unreachable}, StepNone, v1alpha1.ReasonCredentialsNotReady, false, noon.Add(time.Minute)},
		"[case-57] another host than the cluster's":                       {[]change{owning, otherHost, is("RUNNING")}, StepNone, v1alpha1.ReasonHostChanged, true, time.Time{}},
		"[case-57] another host, and a creation under way":                {[]change{longPending, otherHost, searched(2)}, StepNone, v1alpha1.ReasonHostChanged, true, time.Time{}},
		"[case-57] another host, before anything was created":             {[]change{otherHost}, StepCreate, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-57] no host, since nothing can be read":                    {[]change{owning, unreachable}, StepNone, v1alpha1.ReasonCredentialsNotReady, false, noon.Add(time.Minute)},
		"an unknown host is no other host":                                {[]change{owning, is("RUNNING"), observed(func(w *Observation) { w.Host = "" })}, StepNone, "", false, time.Time{}},
		"[case-01] no finalizer yet":                                      {[]change{withoutFinalizer}, StepAddFinalizer, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-01] a new object":                                          {nil, StepCreate, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-36] a new object that is suspended":                        {[]change{suspended}, StepNone, v1alpha1.ReasonSuspended, false, time.Time{}},
		"[case-36] suspended, and deleted elsewhere":                      {[]change{suspended, owning, gone(managed.Missing)}, StepNone, v1alpha1.ReasonSuspended, false, time.Time{}},
		"[case-36] suspended, and launching":                              {[]change{suspended, owning, is("PENDING")}, StepNone, v1alpha1.ReasonStarting, false, time.Time{}},
		"[case-36] suspended, and running":                                {[]change{suspended, owning, is("RUNNING")}, StepNone, "", false, time.Time{}},
		"[case-55] an existing cluster":                                   {[]change{adopting, is("RUNNING")}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] an existing cluster that is not compared yet":          {[]change{adopting, declared, is("RUNNING")}, StepStoreClusterID, v1alpha1.ReasonUpdating, false, time.Time{}},
		"[case-55] an existing cluster that was compared":                 {[]change{adopting, declared, compared, is("RUNNING")}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] an existing cluster that is not seen yet":              {[]change{adopting}, StepNone, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-55] an existing cluster that cannot be seen":               {[]change{adopting, readsFail(databricks.ClassForbidden, 0)}, StepNone, v1alpha1.ReasonPermissionDenied, true, time.Time{}},
		"[case-55] a cluster that does not exist":                         {[]change{adopting, gone(managed.Missing)}, StepNone, v1alpha1.ReasonAdoptionTargetNotFound, true, time.Time{}},
		"[case-55] a cluster that is managed here":                        {[]change{adopting, is("RUNNING"), holder}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a cluster that is managed here, without any tag":       {[]change{adopting, untagged, is("RUNNING"), holder}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a cluster that is managed here, not seen yet":          {[]change{adopting, holder}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a job's cluster":                                       {[]change{adopting, is("RUNNING", madeBy("JOB"))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a pipeline's cluster":                                  {[]change{adopting, is("RUNNING", madeBy("PIPELINE"))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a pipeline's maintenance cluster":                      {[]change{adopting, is("RUNNING", madeBy("PIPELINE_MAINTENANCE"))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] another object's tag":                                  {[]change{adopting, is("RUNNING", tagged(foreign))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] its own tag":                                           {[]change{adopting, is("RUNNING", tagged(ownerTag.Value))}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over by its tag":                                 {[]change{adopting, is("RUNNING", tagged(foreign)), takingOver(foreign)}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over by its tag with a name":                     {[]change{adopting, is("RUNNING", tagged(named)), takingOver(named)}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over by its tag without the name":                {[]change{adopting, is("RUNNING", tagged(named)), takingOver("0badcafe-" + earlierUID)}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over by its uid":                                 {[]change{adopting, is("RUNNING", tagged(foreign)), takingOver("another-object")}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over by its operator":                            {[]change{adopting, is("RUNNING", tagged(foreign)), takingOver("0badcafe")}, StepStoreClusterID, "", false, time.Time{}},
		"[case-55] taken over from another owner":                         {[]change{adopting, is("RUNNING", tagged(foreign)), takingOver("0bad")}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-55] a job's cluster is not taken over":                     {[]change{adopting, is("RUNNING", madeBy("JOB"), tagged(foreign)), takingOver(foreign)}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-56] a cluster of another owner is observed":                {[]change{observing, is("RUNNING", madeBy("JOB"), tagged(foreign)), holder}, StepStoreClusterID, "", false, time.Time{}},
		"[case-56] observing needs no finalizer":                          {[]change{observing, withoutFinalizer, is("RUNNING")}, StepStoreClusterID, "", false, time.Time{}},
		"[case-56] an observed cluster that launches":                     {[]change{observing, owning, is("PENDING")}, StepNone, "", false, time.Time{}},
		"[case-56] an observed cluster that is missing":                   {[]change{observing, owning, gone(managed.Missing)}, StepNone, v1alpha1.ReasonClusterPurged, true, time.Time{}},
		"a known cluster was not read yet":                                {[]change{owning}, StepNone, "", false, time.Time{}},
		"a new cluster was never read":                                    {[]change{owning, func(in *Input) { in.Cluster.Status.State = "" }}, StepNone, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-74] [case-82] created here, with the tag of another owner": {[]change{owning, is("RUNNING", tagged("other"))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-82] another's tag, and this operator does not tag":         {[]change{owning, withoutTag, is("RUNNING", tagged("other"))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-82] its own tag, and this operator does not tag":           {[]change{owning, withoutTag, is("RUNNING", tagged(ownerTag.Value))}, StepNone, "", false, time.Time{}},
		"[case-82] no tag at all":                                         {[]change{owning, is("RUNNING", tagged(""))}, StepNone, "", false, time.Time{}},
		"[case-81] the tag of an earlier object, without a name":          {[]change{owning, adopts(v1alpha1.AdoptionPolicyAdoptOrCreate), is("RUNNING", tagged(thisOperator+"-"+earlierUID))}, StepNone, v1alpha1.ReasonAlreadyManaged, true, time.Time{}},
		"[case-82] another's tag, taken over":                             {[]change{owning, takingOver("other"), is("RUNNING", tagged("other"))}, StepNone, "", false, time.Time{}},
		"[case-93] deleted elsewhere, not searched yet":                   {[]change{owning, gone(managed.Missing)}, StepNone, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-93] deleted elsewhere, another one exists":                 {[]change{owning, gone(managed.Missing), searched(1, match(clusterID), match("other"))}, StepStoreClusterID, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-93] deleted elsewhere, two others exist":                   {[]change{owning, gone(managed.Missing), searched(1, match("a"), match("b"))}, StepNone, v1alpha1.ReasonDuplicateClusters, true, time.Time{}},
		"[case-93] never created, and older than this process":            {[]change{older}, StepNone, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-93] older than this process, and found":                    {[]change{older, searched(1, match("other"))}, StepStoreClusterID, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-93] older than this process, and searched for":             {[]change{older, searched(2)}, StepCreate, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-93] older than this process, and not tagged":               {[]change{older, untagged}, StepCreate, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-37] deleted elsewhere":                                     {[]change{owning, gone(managed.Missing), searched(2)}, StepCreate, v1alpha1.ReasonCreating, false, time.Time{}},
		"[case-37] an adopted one, deleted elsewhere":                     {[]change{owning, adopting, gone(managed.Missing)}, StepNone, v1alpha1.ReasonClusterPurged, true, time.Time{}},
		"[case-37] adopted long ago, purged":                              {[]change{owning, func(in *Input) { in.Cluster.Status.Adopted = true }, gone(managed.Purged)}, StepNone, v1alpha1.ReasonClusterPurged, true, time.Time{}},
		"reads fail for a moment, and it runs":                            {[]change{owning, is("RUNNING"), readsFail(databricks.ClassTransient, time.Minute)}, StepNone, "", false, noon.Add(14 * time.Minute)},
		"reads fail for a moment, and it launches":                        {[]change{owning, is("PENDING"), readsFail(databricks.ClassTransient, time.Minute)}, StepNone, v1alpha1.ReasonStarting, false, noon.Add(14 * time.Minute)},
		"reads fail for a moment, and the cluster was not read":           {[]change{owning, readsFail(databricks.ClassThrottled, time.Minute)}, StepNone, "", false, noon.Add(14 * time.Minute)},
		"[case-73] reads fail, and a new cluster was never read":          {[]change{owning, func(in *Input) { in.Cluster.Status.State = "" }, readsFail(databricks.ClassTransient, 0)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, time.Time{}},
		"reads fail for long":                                             {[]change{owning, is("RUNNING"), readsFail(databricks.ClassTransient, 15*time.Minute)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, time.Time{}},
		"[case-08] reads are throttled for long":                          {[]change{owning, is("RUNNING"), readsFail(databricks.ClassThrottled, 15*time.Minute)}, StepNone, v1alpha1.ReasonRateLimited, false, time.Time{}},
		"reads fail while nothing is known of this generation":            {[]change{owning, newGeneration, readsFail(databricks.ClassTransient, 0)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, time.Time{}},
		"[case-57] reads are refused":                                     {[]change{owning, is("RUNNING"), readsFail(databricks.ClassUnauthenticated, 0)}, StepNone, v1alpha1.ReasonAuthenticationFailed, true, time.Time{}},
		"the response is not from a workspace":                            {[]change{owning, is("RUNNING"), readsFail(databricks.ClassHost, 0)}, StepNone, v1alpha1.ReasonHostNotAllowed, true, time.Time{}},
		"the first launch":                                                {[]change{owning, is("PENDING", neverRan)}, StepNone, v1alpha1.ReasonCreating, false, time.Time{}},
		"a later launch":                                                  {[]change{owning, is("PENDING")}, StepNone, v1alpha1.ReasonStarting, false, time.Time{}},
		"a restart":                                                       {[]change{owning, is("RESTARTING")}, StepNone, v1alpha1.ReasonRestarting, false, time.Time{}},
		"a stop":                                                          {[]change{owning, is("TERMINATING")}, StepNone, v1alpha1.ReasonTerminating, false, time.Time{}},
		"the stop of a first launch":                                      {[]change{owning, is("TERMINATING", neverRan)}, StepNone, v1alpha1.ReasonTerminating, false, time.Time{}},
		"running":                                                         {[]change{owning, is("RUNNING")}, StepNone, "", false, time.Time{}},
		"resizing is running":                                             {[]change{owning, is("RESIZING")}, StepNone, "", false, time.Time{}},
		"[case-27] stopped":                                               {[]change{owning, is("TERMINATED")}, StepNone, "", false, time.Time{}},
		"[case-34] a state that is not known":                             {[]change{owning, is("FROZEN")}, StepNone, "", false, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan := Make(situation(row.changes...))
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
			g.Expect(plan.Verdict.Stalled).To(Equal(row.stalled))
			g.Expect(plan.RequeueAt).To(Equal(row.again))
			g.Expect(hasKnownReason(plan.Verdict)).To(BeTrue())
			if stored, ok := plan.Step.(StoreClusterID); ok {
				want := map[ClusterSource]string{AdoptedBySpec: clusterID, FoundByTag: "other"}
				g.Expect(stored.ClusterID).To(Equal(want[stored.Source]))
			}
		})
	}
}

// older makes the object older than this process.
func older(in *Input) { in.SearchFirst = true }

// withoutTag configures the operator not to tag clusters.
func withoutTag(in *Input) { in.Observed.Owner.Key = "" }

func TestTheFirstProblemDecides(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, adopting, otherHost, gone(managed.Missing), suspended, observed(func(w *Observation) { w.ManagedBy = "team/older" }))
	g.Expect(Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonHostChanged))
	in.Observed.Host = host
	g.Expect(Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonAlreadyManaged))
	in.Observed.ManagedBy = ""
	g.Expect(Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonClusterPurged))
	in.Observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonCredentialsInvalid, Stalled: true}
	g.Expect(Make(in).Verdict.Reason).To(Equal(v1alpha1.ReasonCredentialsInvalid))
}

func TestMessagesContainTheRemedy(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		says    []string
	}{
		"[case-57] the host changed":           {[]change{owning, otherHost}, []string{host, "https://adb-2.azuredatabricks.net", "restore the host"}},
		"[case-55] it is managed":              {[]change{adopting, observed(func(w *Observation) { w.ManagedBy = "team/older" })}, []string{clusterID, "team/older"}},
		"[case-55] it carries a tag":           {[]change{adopting, is("RUNNING", tagged("other"))}, []string{"take-over: other"}},
		"[case-55] it does not exist":          {[]change{adopting, gone(managed.Missing)}, []string{clusterID, host}},
		"[case-37] it does not exist any more": {[]change{owning, adopting, gone(managed.Missing)}, []string{clusterID, "without clusterID"}},
		"[case-37] it is created again":        {[]change{owning, gone(managed.Missing)}, []string{clusterID, "creating it again"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, words := range row.says {
				NewWithT(t).Expect(Make(situation(row.changes...)).Verdict.Message).To(ContainSubstring(words))
			}
		})
	}
}

func TestExternalTextInMessagesIsCleanedAndBounded(t *testing.T) {
	junk := "two\nlines \x1b[31m" + strings.Repeat("x", 1<<16)
	for name, in := range map[string]Input{
		"a state's message": situation(owning, is("TERMINATING", func(c *compute.ClusterDetails) { c.StateMessage = junk })),
		"an owner's tag":    situation(adopting, is("RUNNING", tagged(junk))),
		"why a launch failed": situation(owning, spec(func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy = v1alpha1.RunPolicyRunning }),
			is("TERMINATED", neverRan, func(c *compute.ClusterDetails) {
				c.StateMessage, c.TerminatedTime = junk, noon.UnixMilli()
				c.TerminationReason = &compute.TerminationReason{Code: compute.TerminationReasonCode(junk), Type: compute.TerminationReasonTypeClientError}
			})),
		"duplicates' ids": situation(longPending, searched(2, match(junk), match(junk+"2"))),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			message := Make(in).Verdict.Message
			g.Expect(message).NotTo(BeEmpty())
			g.Expect(message).NotTo(ContainSubstring("\n"))
			g.Expect(message).NotTo(ContainSubstring("\x1b"))
			g.Expect(len(message)).To(BeNumerically("<", 4096))
		})
	}
}

func TestTheMessageNamesNoObjectOfAnotherNamespace(t *testing.T) {
	for holder, named := range map[string]bool{"team/older": true, "team-b/secret-project": false, "tea/secret-project": false} {
		t.Run("[S12] "+holder, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(owning, adopting, is(compute.StateRunning), observed(func(o *Observation) { o.ManagedBy = holder }))
			in.Cluster.Namespace = "team"
			verdict := Make(in).Verdict
			g.Expect(verdict.Reason).To(Equal(v1alpha1.ReasonAlreadyManaged))
			if named {
				g.Expect(verdict.Message).To(ContainSubstring("DatabricksCluster team/older; remove one of the two"))
				return
			}
			g.Expect(verdict.Message).To(And(ContainSubstring("an object of another namespace"), ContainSubstring("managementPolicy: Observe")))
			g.Expect(verdict.Message).NotTo(Or(ContainSubstring("secret-project"), ContainSubstring("team-b")))
		})
	}
}
