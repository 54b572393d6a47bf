package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestTheStatusShowsTheObservedCluster(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().inState("RUNNING", badScript, func(c *compute.ClusterDetails) {
		c.SparkVersion, c.NodeTypeId, c.DriverNodeTypeId, c.DataSecurityMode = "16.4.x", "i3.xlarge", "i3.2xlarge", "SINGLE_USER"
		c.PolicyId, c.SingleUserName, c.AutoterminationMinutes = "P", "me", 30
		c.Executors = make([]compute.SparkNode, 1)
		c.StartTime, c.LastRestartedTime, c.TerminatedTime = noon.UnixMilli()+123, noon.UnixMilli(), 0
	})
	status := h.cluster.Status
	g.Expect(status.ClusterID).To(Equal(clusterID))
	g.Expect(status.Host).To(Equal(host))
	g.Expect(status.WorkspaceID).To(Equal("1"))
	g.Expect(status.URL).To(Equal(host + "/compute/clusters/" + clusterID))
	g.Expect(status.State).To(Equal("RUNNING"))
	g.Expect(status.StateMessage).To(Equal("why"))
	g.Expect(*status.NumWorkers).To(Equal(int32(1)), "the running workers")
	g.Expect(*status.TargetWorkers).To(Equal(int32(2)), "the requested workers")
	g.Expect(status.Selector).To(Equal(v1alpha1.LabelCluster + "=etl"))
	g.Expect(status.StartTime.Time).To(Equal(noon), "in whole seconds")
	g.Expect(status.LastRestartedTime.Time).To(Equal(noon))
	g.Expect(status.TerminatedTime).To(BeNil())
	g.Expect(status.TerminationReason).To(Equal(&v1alpha1.TerminationReason{Code: "INIT_SCRIPT_FAILURE", Type: "CLIENT_ERROR", Parameters: map[string]string{"why": "so"}}))
	g.Expect(status.Effective).To(Equal(&v1alpha1.EffectiveSpec{
		SparkVersion: "16.4.x", NodeTypeID: "i3.xlarge", DriverNodeTypeID: "i3.2xlarge", DataSecurityMode: "SINGLE_USER", PolicyID: "P",
		SingleUserName: "me", AutoterminationMinutes: new(int32(30)), RunPolicy: v1alpha1.RunPolicyManual, DeletionPolicy: v1alpha1.DeletionPolicyDelete,
	}))
}

func TestUnderAutoscaleThereIsNoTarget(t *testing.T) {
	h := newHistory().created().inState("RUNNING")
	h.inState("RUNNING", func(c *compute.ClusterDetails) { c.Autoscale = &compute.AutoScale{MinWorkers: 1, MaxWorkers: 4} })
	NewWithT(t).Expect(h.cluster.Status.TargetWorkers).To(BeNil(), "[case-14]")
}

func TestTheStateIsKeptWithoutAReadAndClearedIfMissing(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().inState("RUNNING", badScript, func(c *compute.ClusterDetails) {
		c.SparkVersion = "16.4.x"
		c.StartTime, c.LastRestartedTime, c.TerminatedTime = noon.UnixMilli(), noon.UnixMilli(), noon.UnixMilli()
	})
	h.observing(plan.Observation{})
	g.Expect(h.cluster.Status.State).To(Equal("RUNNING"))
	g.Expect(h.cluster.Status.TargetWorkers).To(HaveValue(BeEquivalentTo(2)))
	h.observing(plan.Observation{Presence: managed.Missing})
	status := h.cluster.Status
	g.Expect(status.State).To(BeEmpty(), "[case-37]")
	g.Expect(status.StateMessage).To(BeEmpty())
	g.Expect(status.TerminationReason).To(BeNil())
	g.Expect(*status.NumWorkers).To(BeZero())
	g.Expect(status.TargetWorkers).To(BeNil())
	g.Expect([]*metav1.Time{status.StartTime, status.LastRestartedTime, status.TerminatedTime}).To(HaveEach(BeNil()))
	g.Expect(status.Effective.SparkVersion).To(Equal("16.4.x"), "the last values")
}

func TestAStoredClusterIsShown(t *testing.T) {
	for name, row := range map[string]struct {
		source  plan.ClusterSource
		adopted bool
	}{
		"[case-01] created":                {plan.CreatedByProcess, false},
		"[case-02] found by its owner tag": {plan.FoundByTag, false},
		"[case-55] named by the spec":      {plan.AdoptedBySpec, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHistory().report(Input{
				Observed: plan.Observation{Host: host, WorkspaceID: "7"}, Plan: plan.Plan{Step: plan.StoreClusterID{ClusterID: clusterID, Source: row.source}}, Outcome: Outcome{Ran: true},
			})
			status := h.cluster.Status
			g.Expect(status.ClusterID).To(Equal(clusterID))
			g.Expect(status.Adopted).To(Equal(row.adopted))
			g.Expect(status.Host).To(Equal(host))
			g.Expect(status.WorkspaceID).To(Equal("7"))
			g.Expect(status.URL).To(Equal("https://adb-1.azuredatabricks.net/compute/clusters/0318-151752-abed99"))
			h.cluster.Status.ClusterID = ""
			h.report(Input{Observed: plan.Observation{Host: host}})
			g.Expect(h.cluster.Status.URL).To(BeEmpty(), "another cluster is created")
		})
	}
}

func TestTheChoicesOfNamesAndSelectorsAreShown(t *testing.T) {
	byName := func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyName = "small" }
	former := &v1alpha1.ResolvedStatus{PolicyID: "p1"}
	latest := &v1alpha1.ResolvedStatus{PolicyID: "p2"}
	for name, row := range map[string]struct {
		edit     func(*v1alpha1.DatabricksClusterSpec)
		observed *v1alpha1.ResolvedStatus
		deleting bool
		want     *v1alpha1.ResolvedStatus
	}{
		"a choice":                                  {byName, latest, false, latest},
		"no choice is possible":                     {byName, nil, false, former},
		"there is no name any more":                 {resume, nil, false, nil},
		"there is no name any more, and deleted":    {resume, nil, true, former},
		"no choice is possible while it is deleted": {byName, nil, true, former},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory().created().edited(row.edit)
			h.cluster.Status.Resolved = former.DeepCopy()
			if row.deleting {
				h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
			}
			h.report(Input{Observed: plan.Observation{Host: host, Resolved: row.observed}})
			NewWithT(t).Expect(h.cluster.Status.Resolved).To(Equal(row.want))
		})
	}
}

func TestTheTimesOfAStatusAreThoseThatKubernetesKnows(t *testing.T) {
	for _, row := range []struct {
		milliseconds int64
		want         string
	}{
		{-1, ""},
		{0, ""},
		{1, "1970-01-01T00:00:00Z"},
		{1773835201999, "2026-03-18T12:00:01Z"},
		{253402300799000, "9999-12-31T23:59:59Z"},
		{253402300799001, ""},
	} {
		h := newHistory().created().inState("TERMINATED", func(c *compute.ClusterDetails) { c.TerminatedTime = row.milliseconds })
		shown := ""
		if at := h.cluster.Status.TerminatedTime; at != nil {
			shown = at.Format(time.RFC3339Nano)
		}
		NewWithT(t).Expect(shown).To(Equal(row.want))
	}
}

func TestAFinishedCreationIsCleared(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created()
	deadline := new(metav1.NewTime(noon))
	g.Expect(h.cluster.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 1, NotAfter: deadline}), "[case-38] missing is not accepted yet")
	h.inState("PENDING")
	g.Expect(h.cluster.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 1}), "[case-38] it was seen")

	refused := newHistory()
	refused.cluster.Status.Host = host
	refused.cluster.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 2, Attempt: 1, NotAfter: new(metav1.NewTime(noon))}
	failure := &managed.Failure{Class: databricks.ClassInvalid, Message: "m"}
	refused.report(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Refused: true, Failure: failure}})
	g.Expect(refused.cluster.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 2}), "[case-07]")
	g.Expect(refused.cluster.Status.Host).To(BeEmpty(), "it is bound to no workspace")

	again := newHistory()
	again.cluster.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 2, Attempt: 2, NotAfter: new(metav1.NewTime(noon))}
	repeated := again.cluster.Status.Creation.DeepCopy()
	again.report(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Refused: true, Failure: failure}})
	g.Expect(again.cluster.Status.Creation).To(Equal(repeated), "[case-02] untagged, the first attempt may have made a cluster")
	tagged := plan.Observation{Host: host, Owner: drift.Tag{Key: v1alpha1.OwnerTagKey, Value: "o"}}
	for _, class := range []databricks.Class{databricks.ClassTransient, databricks.ClassThrottled, databricks.ClassHost} {
		again.report(Input{Observed: tagged, Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Refused: true, Failure: &managed.Failure{Class: class, Message: "m"}}})
		g.Expect(again.cluster.Status.Creation).To(Equal(repeated), "[case-02] %s does not judge the repeated create: the token is kept", class)
	}
	again.report(Input{Observed: tagged, Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Refused: true, Failure: failure}})
	g.Expect(again.cluster.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 2}), "[case-02] tagged, it was searched for")

	lost := newHistory()
	lost.cluster.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 2, Attempt: 1, NotAfter: new(metav1.NewTime(noon))}
	kept := lost.cluster.Status.Creation.DeepCopy()
	lost.report(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassAmbiguous, Message: "m"}}})
	g.Expect(lost.cluster.Status.Creation).To(Equal(kept), "[case-02] the intent outlives a lost answer")
}

func TestServerTextIsCleanedAndBounded(t *testing.T) {
	g := NewWithT(t)
	junk := "a\nb\x1b[31m" + strings.Repeat("x", 1<<20)
	h := newHistory().created().inState(compute.State(junk), func(c *compute.ClusterDetails) {
		c.StateMessage, c.SparkVersion, c.NodeTypeId, c.PolicyId, c.SingleUserName = junk, junk, junk, junk, junk
		c.DriverNodeTypeId, c.DataSecurityMode = junk, compute.DataSecurityMode(junk)
		c.StartTime, c.LastRestartedTime, c.TerminatedTime = math.MaxInt64, math.MinInt64, -1
		c.NumWorkers = math.MaxInt
		c.TerminationReason = &compute.TerminationReason{Code: compute.TerminationReasonCode(junk), Type: compute.TerminationReasonType(junk), Parameters: map[string]string{}}
		for i := range 100 {
			c.TerminationReason.Parameters[fmt.Sprintf("%03d%s", i, junk)] = junk
		}
	})
	status := h.cluster.Status
	g.Expect(invalidTexts(status)).To(BeEmpty())
	g.Expect(len(encoded(status))).To(BeNumerically("<", 100<<10))
	g.Expect(status.TerminationReason.Parameters).To(HaveLen(maxParameters))
	g.Expect(status.TargetWorkers).To(HaveValue(BeEquivalentTo(2147483647)))
	g.Expect(status.StartTime).To(BeNil())
	g.Expect(status.LastRestartedTime).To(BeNil())
	g.Expect(status.TerminatedTime).To(BeNil())
	for range 20 {
		g.Expect(h.report(h.input).cluster.Status).To(Equal(status), "and the same each time")
	}
}
