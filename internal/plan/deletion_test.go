package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestDeletion(t *testing.T) {
	terminate, retain := deletionPolicy(v1alpha1.DeletionPolicyTerminate), deletionPolicy(v1alpha1.DeletionPolicyRetain)
	protected := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true })
	foreign := func(c *compute.ClusterDetails) {
		c.CustomTags = map[string]string{v1alpha1.OwnerTagKey: "other-object"}
	}
	deletes := deletionPolicy(v1alpha1.DeletionPolicyDelete)
	recent := func(in *Input) {
		pendingSince(noon)(in)
		in.Cluster.Status.Creation.Token = ""
	}
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		reason  string
		stalled bool
		again   time.Time
	}{
		"our finalizer is gone":                                            {[]change{owning, withoutFinalizer, is("RUNNING")}, StepNone, "", false, time.Time{}},
		"[case-40] a running cluster is deleted":                           {[]change{owning, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] a stopped one too":                                      {[]change{owning, is("TERMINATED")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] [case-82] one that nobody looked at is looked at first": {[]change{owning}, StepNone, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-82] one that it made and another owns by now is left":       {[]change{owning, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] one that cannot be looked at says the way out":          {[]change{owning, readsFail(databricks.ClassForbidden, time.Hour)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-82] terminate leaves what another owns":                     {[]change{owning, terminate, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-73] a refused delete says so until it is looked at":         {[]change{owning, failed(StepPermanentDelete, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-40] then it is seen that it is gone":                        {[]change{owning, is("RUNNING"), did(StepPermanentDelete, 20*time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, noon.Add(40 * time.Second)},
		"[case-40] a new one may not be visible yet":                       {[]change{owning, recent, did(StepPermanentDelete, time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, resolvable},
		"[case-40] what does not take is sent again":                       {[]change{owning, is("RUNNING"), did(StepPermanentDelete, time.Minute)}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] gone is gone":                                           {[]change{owning, did(StepPermanentDelete, time.Second), gone(Missing)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-40] purged is gone":                                         {[]change{owning, gone(Purged)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-41] a pinned cluster is unpinned":                           {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassPinned, time.Second)}, StepUnpin, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-41] then deleted":                                           {[]change{owning, is("RUNNING"), did(StepUnpin, time.Second)}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-41] no right to unpin":                                      {[]change{owning, is("RUNNING"), failed(StepUnpin, databricks.ClassForbidden, time.Second)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, noon.Add(10*time.Minute - time.Second)},
		"[case-41] the right may have come":                                {[]change{owning, is("RUNNING"), failed(StepUnpin, databricks.ClassForbidden, 10*time.Minute)}, StepUnpin, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate stops":                                        {[]change{owning, terminate, is("RUNNING")}, StepTerminate, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate stops what is in no known state":              {[]change{owning, terminate, is("FROZEN")}, StepTerminate, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate waits for what it sent":                       {[]change{owning, terminate, is("RUNNING"), did(StepTerminate, 20*time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, noon.Add(40 * time.Second)},
		"[case-42] Terminate leaves what is stopping":                      {[]change{owning, terminate, is("TERMINATING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] Terminate leaves what is stopped":                       {[]change{owning, terminate, is("TERMINATED")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] Terminate looks first":                                  {[]change{owning, terminate}, StepNone, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-44] Terminate cannot look":                                  {[]change{owning, terminate, readsFail(databricks.ClassTransient, time.Hour)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, time.Time{}},
		"[case-44] Terminate may not look":                                 {[]change{owning, terminate, readsFail(databricks.ClassUnauthenticated, time.Hour)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-42] Retain leaves it":                                       {[]change{owning, retain, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] Retain needs nothing":                                   {[]change{owning, retain, unreachable, protected}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] an adopted cluster is left":                             {[]change{owning, adopting, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-55] an adopted cluster is deleted on request":               {[]change{owning, adopting, deletes, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-55] but not one that is another's by now":                   {[]change{owning, adopting, deletes, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-56] an observed cluster is left":                            {[]change{owning, observing, deletes, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"deletion protection holds":                                        {[]change{owning, protected, is("RUNNING")}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-45] never created":                                          {[]change{unreachable}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] the Secret is gone":                                     {[]change{owning, unreachable}, StepNone, v1alpha1.ReasonCredentialsNotReady, false, noon.Add(time.Minute)},
		"[case-44] the credential is refused":                              {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassUnauthenticated, time.Second)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, noon.Add(15*time.Minute - time.Second)},
		"[case-44] the host is gone":                                       {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-57] another host is not asked":                              {[]change{owning, otherHost}, StepNone, v1alpha1.ReasonHostChanged, true, time.Time{}},
		"[case-36] a suspended object is deleted":                          {[]change{owning, suspended, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-08] a throttled delete waits":                               {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassThrottled, time.Second)}, StepNone, v1alpha1.ReasonRateLimited, false, noon.Add(time.Second)},
		"[case-44] deletion goes on with a corrected Secret":               {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassUnauthenticated, time.Second), world(func(w *Observation) { w.Credential = "second" })}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(append(row.changes, deleted)...)
			plan := Make(in)
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
			g.Expect(plan.Verdict.Stalled).To(Equal(row.stalled))
			g.Expect(plan.RequeueAt).To(Equal(row.again))
			if plan.Kind().WritesToDatabricks() {
				g.Expect(clusterOf(plan.Step)).To(Equal(clusterID))
			}
			if row.reason != "" && row.reason != v1alpha1.ReasonDeleting {
				g.Expect(plan.Verdict.Message).To(HaveSuffix(remedy), "[case-44] whatever holds a deletion up names the way out")
			}
		})
	}
}

func TestTheDeletionPolicyInEffect(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		policy  v1alpha1.DeletionPolicy
	}{
		"what we made goes":              {nil, v1alpha1.DeletionPolicyDelete},
		"what we found stays":            {[]change{adopting}, v1alpha1.DeletionPolicyRetain},
		"what was declared wins":         {[]change{adopting, deletionPolicy(v1alpha1.DeletionPolicyTerminate)}, v1alpha1.DeletionPolicyTerminate},
		"[case-56] what we watch stays":  {[]change{observing, deletionPolicy(v1alpha1.DeletionPolicyDelete)}, v1alpha1.DeletionPolicyRetain},
		"[case-42] what we made is kept": {[]change{deletionPolicy(v1alpha1.DeletionPolicyRetain)}, v1alpha1.DeletionPolicyRetain},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(EffectiveDeletionPolicy(situation(row.changes...).Cluster)).To(Equal(row.policy))
		})
	}
}

func TestWhatIsSettledWithoutAWorkspace(t *testing.T) {
	retain := deletionPolicy(v1alpha1.DeletionPolicyRetain)
	for name, row := range map[string]struct {
		changes []change
		needs   bool
	}{
		"a living object":                  {[]change{owning}, true},
		"[case-40] a deletion":             {[]change{deleted, owning}, true},
		"[case-43] a creation in flight":   {[]change{deleted, pendingSince(noon)}, true},
		"[case-44] [case-42] a retention":  {[]change{deleted, owning, retain}, false},
		"[case-45] nothing to delete":      {[]change{deleted}, false},
		"[case-56] an observed cluster":    {[]change{deleted, owning, observing}, false},
		"a finalizer that is not ours":     {[]change{deleted, owning, withoutFinalizer}, false},
		"a deletion that is not permitted": {[]change{deleted, owning, spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true })}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			g.Expect(NeedsWorkspace(in.Cluster)).To(Equal(row.needs))
			if !row.needs {
				before := Make(in)
				unreachable(&in)
				g.Expect(Make(in)).To(Equal(before), "it is decided the same without one")
			}
		})
	}
}
