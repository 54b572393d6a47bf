package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
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
		"the finalizer is removed":                                             {[]change{owning, withoutFinalizer, is("RUNNING")}, StepNone, "", false, time.Time{}},
		"[case-40] a running cluster is deleted":                               {[]change{owning, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] a stopped one too":                                          {[]change{owning, is("TERMINATED")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] [case-82] a cluster that was not read is read first":        {[]change{owning}, StepNone, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-82] a created cluster that another object owns now is retained": {[]change{owning, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] a cluster that cannot be read: the message has the remedy":  {[]change{owning, readsFail(databricks.ClassForbidden, time.Hour)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-82] Terminate retains the cluster of another owner":             {[]change{owning, terminate, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-73] a refused delete is reported until the next read":           {[]change{owning, failed(StepPermanentDelete, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-73] a refused unpin is reported until the next read":            {[]change{owning, failed(StepUnpin, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-73] a refused terminate is reported until the next read":        {[]change{owning, terminate, failed(StepTerminate, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-73] a refused update is not a failure of the deletion":          {[]change{owning, failed(StepUpdate, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-41] a pinned cluster is read before it is unpinned":             {[]change{owning, failed(StepPermanentDelete, databricks.ClassPinned, time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, noon.Add(time.Second)},
		"[case-40] a new one that is visible is deleted":                       {[]change{owning, recent, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] then a read confirms the delete":                            {[]change{owning, is("RUNNING"), did(StepPermanentDelete, 20*time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, noon.Add(40 * time.Second)},
		"[case-40] a new one may not be visible yet":                           {[]change{owning, recent, did(StepPermanentDelete, time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, resolvable},
		"[case-40] a delete without effect is sent again":                      {[]change{owning, is("RUNNING"), did(StepPermanentDelete, time.Minute)}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-40] the cluster is missing":                                     {[]change{owning, did(StepPermanentDelete, time.Second), gone(managed.Missing)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-40] the cluster is purged":                                      {[]change{owning, gone(managed.Purged)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-41] a pinned cluster is unpinned":                               {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassPinned, time.Second)}, StepUnpin, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-41] then deleted":                                               {[]change{owning, is("RUNNING"), did(StepUnpin, time.Second)}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-41] no right to unpin":                                          {[]change{owning, is("RUNNING"), failed(StepUnpin, databricks.ClassForbidden, time.Second)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, noon.Add(10*time.Minute - time.Second)},
		"[case-41] the unpin is retried after the backoff":                     {[]change{owning, is("RUNNING"), failed(StepUnpin, databricks.ClassForbidden, 10*time.Minute)}, StepUnpin, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate terminates":                                       {[]change{owning, terminate, is("RUNNING")}, StepTerminate, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate terminates a cluster in an unknown state":         {[]change{owning, terminate, is("FROZEN")}, StepTerminate, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-42] Terminate waits for its effect":                             {[]change{owning, terminate, is("RUNNING"), did(StepTerminate, 20*time.Second)}, StepNone, v1alpha1.ReasonDeleting, false, noon.Add(40 * time.Second)},
		"[case-42] Terminate retains a cluster that is terminating":            {[]change{owning, terminate, is("TERMINATING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] Terminate retains a terminated cluster":                     {[]change{owning, terminate, is("TERMINATED")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] Terminate reads first":                                      {[]change{owning, terminate}, StepNone, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-44] Terminate, while reads fail":                                {[]change{owning, terminate, readsFail(databricks.ClassTransient, time.Hour)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, time.Time{}},
		"[case-44] Terminate, while reads are refused":                         {[]change{owning, terminate, readsFail(databricks.ClassUnauthenticated, time.Hour)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-42] Retain retains it":                                          {[]change{owning, retain, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] Retain needs nothing":                                       {[]change{owning, retain, unreachable, protected}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-42] an adopted cluster is retained":                             {[]change{owning, adopting, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-55] an adopted cluster is deleted on request":                   {[]change{owning, adopting, deletes, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-55] but not a cluster that another object owns now":             {[]change{owning, adopting, deletes, is("RUNNING", foreign)}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-56] an observed cluster is retained":                            {[]change{owning, observing, deletes, is("RUNNING")}, StepRemoveFinalizer, "", false, time.Time{}},
		"deletion protection holds":                                            {[]change{owning, protected, is("RUNNING")}, StepNone, v1alpha1.ReasonDeletionBlocked, true, time.Time{}},
		"[case-45] never created":                                              {[]change{unreachable}, StepRemoveFinalizer, "", false, time.Time{}},
		"[case-44] the Secret is missing":                                      {[]change{owning, unreachable}, StepNone, v1alpha1.ReasonCredentialsNotReady, false, noon.Add(time.Minute)},
		"[case-44] the credential is refused":                                  {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassUnauthenticated, time.Second)}, StepNone, v1alpha1.ReasonDeletionBlocked, true, noon.Add(15*time.Minute - time.Second)},
		"[case-44] the host does not respond":                                  {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassTransient, time.Second)}, StepNone, v1alpha1.ReasonRetryingAfterError, false, noon.Add(time.Second)},
		"[case-57] another host is not asked":                                  {[]change{owning, otherHost}, StepNone, v1alpha1.ReasonHostChanged, true, time.Time{}},
		"[case-36] a suspended object is deleted":                              {[]change{owning, suspended, is("RUNNING")}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
		"[case-08] a throttled delete waits":                                   {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassThrottled, time.Second)}, StepNone, v1alpha1.ReasonRateLimited, false, noon.Add(time.Second)},
		"[case-44] deletion goes on with a corrected Secret":                   {[]change{owning, is("RUNNING"), failed(StepPermanentDelete, databricks.ClassUnauthenticated, time.Second), observed(func(w *Observation) { w.Credential = "second" })}, StepPermanentDelete, v1alpha1.ReasonDeleting, false, time.Time{}},
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
				g.Expect(plan.Verdict.Message).To(HaveSuffix(remedy), "[case-44] every blocked deletion has the remedy")
			}
		})
	}
}

func TestTheDeletionPolicyInEffect(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		policy  v1alpha1.DeletionPolicy
	}{
		"a created cluster is deleted":              {nil, v1alpha1.DeletionPolicyDelete},
		"an adopted cluster is retained":            {[]change{adopting}, v1alpha1.DeletionPolicyRetain},
		"the declared policy applies":               {[]change{adopting, deletionPolicy(v1alpha1.DeletionPolicyTerminate)}, v1alpha1.DeletionPolicyTerminate},
		"[case-56] an observed cluster is retained": {[]change{observing, deletionPolicy(v1alpha1.DeletionPolicyDelete)}, v1alpha1.DeletionPolicyRetain},
		"[case-42] a created cluster is retained":   {[]change{deletionPolicy(v1alpha1.DeletionPolicyRetain)}, v1alpha1.DeletionPolicyRetain},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(EffectiveDeletionPolicy(situation(row.changes...).Cluster)).To(Equal(row.policy))
		})
	}
}

func TestDeletionsThatNeedNoWorkspace(t *testing.T) {
	retain := deletionPolicy(v1alpha1.DeletionPolicyRetain)
	for name, row := range map[string]struct {
		changes []change
		needs   bool
	}{
		"an object that is not deleted":    {[]change{owning}, true},
		"an object that would retain":      {[]change{owning, retain}, true},
		"an object that observes":          {[]change{owning, observing}, true},
		"an object without a finalizer":    {[]change{owning, withoutFinalizer}, true},
		"an object without a cluster":      {nil, true},
		"[case-40] a deletion":             {[]change{deleted, owning}, true},
		"[case-43] a creation in flight":   {[]change{deleted, pendingSince(noon)}, true},
		"[case-44] [case-42] a retention":  {[]change{deleted, owning, retain}, false},
		"[case-45] nothing to delete":      {[]change{deleted}, false},
		"[case-56] an observed cluster":    {[]change{deleted, owning, observing}, false},
		"no finalizer of the operator":     {[]change{deleted, owning, withoutFinalizer}, false},
		"a deletion that is not permitted": {[]change{deleted, owning, spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true })}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			g.Expect(NeedsWorkspace(in.Cluster)).To(Equal(row.needs))
			if !row.needs {
				before := Make(in)
				unreachable(&in)
				g.Expect(Make(in)).To(Equal(before), "the decision is the same without one")
			}
		})
	}
}
