package plan

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const firstOnDemand = "/aws_attributes/first_on_demand"

// onDemand returns a specification with a number of on-demand nodes.
func onDemand(count float64) drift.Tree {
	return drift.Tree{"spark_version": "x", "aws_attributes": map[string]any{"first_on_demand": count}}
}

// namedFor returns a specification with a user.
func namedFor(user string) drift.Tree {
	return drift.Tree{"spark_version": "x", "single_user_name": user}
}

// comparing compares a specification with the values in effect and the requested ones;
// asked is empty if the spec is unknown.
func comparing(t *testing.T, desired, effective drift.Tree, asked string) change {
	t.Helper()
	raw, err := json.Marshal(effective)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var details compute.ClusterDetails
	NewWithT(t).Expect(json.Unmarshal(raw, &details)).To(Succeed())
	observed, err := drift.Observe(&details, json.RawMessage(asked))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return func(in *Input) {
		in.Observed.Presence, in.Observed.Details = managed.Present, &details
		details.ClusterId, details.State, details.SparkContextId = clusterID, compute.StateRunning, 7
		in.Observed.Desired, in.Observed.Compared, in.Observed.SpecKnown = desired, true, observed.SpecKnown()
		in.Observed.Differences, in.Observed.Normalized = SplitNormalized(NormalizedInput{
			Cluster: in.Cluster, Desired: desired, Found: drift.Compare(desired, observed), SpecKnown: observed.SpecKnown(), Last: in.Attempts.Last,
		})
	}
}

func asks(tree drift.Tree) string {
	raw, err := json.Marshal(tree)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// justCreated has the object created with a specification.
func justCreated(desired drift.Tree) change {
	return func(in *Input) {
		in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, Digest: drift.Digest(desired)}
	}
}

// recorded stores the normalized fields of a specification in the status.
func recorded(t *testing.T, desired, effective drift.Tree) change {
	t.Helper()
	return func(in *Input) {
		before := situation(owning, justCreated(desired), comparing(t, desired, effective, asks(effective)))
		in.Cluster.Status.NormalizedFields = NormalizedFields(before.Cluster, before.Observed)
		NewWithT(t).Expect(in.Cluster.Status.NormalizedFields).To(HaveLen(1))
	}
}

func applied(digest string) change {
	return func(in *Input) { in.Cluster.Status.AppliedDigest = digest }
}

// updated makes the last step an update from one value to another.
func updated(path string, desired, actual any) change {
	return func(in *Input) {
		did(StepUpdate, 0)(in)
		in.Attempts.Last.Corrected = []drift.Difference{{Path: path, Desired: desired, Actual: actual}}
		in.Cluster.Status.AppliedDigest = Applying
		in.Cluster.Status.OwnedFields = []string{"/awsAttributes/firstOnDemand", "/singleUserName", "/sparkVersion"}
	}
}

// autoterminating returns a specification with the minutes until a cluster terminates.
func autoterminating(minutes float64) drift.Tree {
	return drift.Tree{"spark_version": "x", "autotermination_minutes": minutes}
}

// workers returns a specification with a size.
func workers(count float64) drift.Tree {
	return drift.Tree{"spark_version": "x", "num_workers": count}
}

func ofGeneration(generation int64) change {
	return func(in *Input) { in.Attempts.Last.Generation = generation }
}

func ofStep(step StepKind) change {
	return func(in *Input) { in.Attempts.Last.Step = step }
}

func refused(in *Input) {
	in.Attempts.Last.Failure = &managed.Failure{Class: databricks.ClassInvalid, Message: "CODE: the message of the API"}
}

func TestNormalizedValuesAreNotCorrected(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		// normalized is true if nothing must be corrected.
		normalized bool
	}{
		"the spec asks for it": {
			[]change{applied(drift.Digest(onDemand(0))), comparing(t, onDemand(0), onDemand(1), asks(onDemand(0)))}, true,
		},
		"the first comparison after the create, the spec rewritten": {
			[]change{justCreated(onDemand(0)), comparing(t, onDemand(0), onDemand(1), asks(onDemand(1)))}, true,
		},
		"the first comparison after the create, a name": {
			[]change{justCreated(namedFor("A@x")), comparing(t, namedFor("A@x"), namedFor("a@x"), asks(namedFor("a@x")))}, true,
		},
		"[case-87] an edit before the first comparison": {
			[]change{justCreated(onDemand(2)), comparing(t, onDemand(0), onDemand(2), asks(onDemand(2)))}, false,
		},
		"after the create, but only a list was seen": {
			[]change{justCreated(onDemand(0)), comparing(t, onDemand(0), onDemand(1), "")}, false,
		},
		"it is recorded, and only a list was seen": {
			[]change{recorded(t, onDemand(0), onDemand(1)), comparing(t, onDemand(0), onDemand(1), "")}, true,
		},
		"it is recorded, with another value in effect": {
			[]change{applied(drift.Digest(onDemand(0))), recorded(t, onDemand(0), onDemand(1)), comparing(t, onDemand(0), onDemand(3), asks(onDemand(3)))}, false,
		},
		"a later edit of the field": {
			[]change{applied(drift.Digest(onDemand(0))), recorded(t, onDemand(0), onDemand(1)), comparing(t, onDemand(2), onDemand(1), asks(onDemand(1)))}, false,
		},
		"the user's update resulted in a third value": {
			[]change{updated(firstOnDemand, 0.0, 2.0), comparing(t, onDemand(0), onDemand(1), asks(onDemand(1)))}, true,
		},
		"the user's update resulted in a third value, and the spec omits 0": {
			[]change{updated(firstOnDemand, 0.0, 2.0), comparing(t, onDemand(0), onDemand(1), `{"spark_version":"x"}`)}, true,
		},
		"the user's update resulted in another spelling": {
			[]change{updated("/single_user_name", "B@x", "a@x"), comparing(t, namedFor("B@x"), namedFor("b@x"), asks(namedFor("b@x")))}, true,
		},
		"another actor changed the field after the user's update": {
			[]change{updated("/single_user_name", "B@x", "a@x"), comparing(t, namedFor("B@x"), namedFor("c@x"), asks(namedFor("c@x")))}, false,
		},
		"the user's update left the old value": {
			[]change{updated(firstOnDemand, 0.0, 1.0), comparing(t, onDemand(0), onDemand(1), asks(onDemand(1)))}, false,
		},
		"the user's update left the old value, which was normalized before": {
			[]change{recorded(t, namedFor("A@x"), namedFor("a@x")), updated("/single_user_name", "a@X", "a@x"), comparing(t, namedFor("a@X"), namedFor("a@x"), asks(namedFor("a@x")))}, true,
		},
		"the user's update left the old value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 2.0, 1.0), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, false,
		},
		"an earlier process found that it has no effect": {
			[]change{withCondition(v1alpha1.ConditionStalled, v1alpha1.ReasonImmutableField), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, false,
		},
		"the user's update left the old value, which was normalized before, and the spec has the desired value": {
			[]change{recorded(t, namedFor("A@x"), namedFor("a@x")), updated("/single_user_name", "a@X", "a@x"), comparing(t, namedFor("a@X"), namedFor("a@x"), asks(namedFor("a@X")))}, true,
		},
		"an edit that was not sent yet, the server has another spelling": {
			[]change{applied(Applying), comparing(t, namedFor("B@x"), namedFor("b@x"), asks(namedFor("b@x")))}, false,
		},
		"the user's update did not contain the field, the server has another spelling": {
			[]change{updated(firstOnDemand, 0.0, 2.0), comparing(t, namedFor("B@x"), namedFor("b@x"), asks(namedFor("b@x")))}, false,
		},
		"the spec asks for it, and no value is in effect": {
			[]change{applied(drift.Digest(onDemand(2))), comparing(t, onDemand(2), drift.Tree{"spark_version": "x"}, asks(onDemand(2)))}, true,
		},
		"the user's update resulted in a third value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 0.0, 2.0), comparing(t, onDemand(0), onDemand(1), asks(onDemand(0)))}, true,
		},
		"the user's update resulted in a default, and the spec omits 0": {
			[]change{updated("/autotermination_minutes", 0.0, 60.0), comparing(t, autoterminating(0), autoterminating(120), `{"spark_version":"x"}`)}, true,
		},
		"a size is always corrected": {
			[]change{updated("/num_workers", 0.0, 3.0), comparing(t, workers(0), workers(2), `{"spark_version":"x"}`)}, false,
		},
		"an update of an earlier generation left the old value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 2.0, 1.0), ofGeneration(0), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, true,
		},
		"a refused update left the old value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 2.0, 1.0), refused, comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, true,
		},
		"another step left the old value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 2.0, 1.0), ofStep(StepResize), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, true,
		},
		"an update of another field left the value, and the spec has the desired value": {
			[]change{updated("/aws_attributes/ebs_volume_count", 2.0, 1.0), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, true,
		},
		"an update to another value left the old value, and the spec has the desired value": {
			[]change{updated(firstOnDemand, 3.0, 1.0), comparing(t, onDemand(2), onDemand(1), asks(onDemand(2)))}, true,
		},
		"a cluster that was created again after a change without effect": {
			[]change{
				withCondition(v1alpha1.ConditionStalled, v1alpha1.ReasonImmutableField), justCreated(onDemand(2)),
				comparing(t, onDemand(2), onDemand(1), asks(onDemand(2))),
			}, true,
		},
		"another actor changed the field after a correction of drift": {
			[]change{
				updated(firstOnDemand, 0.0, 2.0), applied(drift.Digest(onDemand(0))), comparing(t, onDemand(0), onDemand(1), asks(onDemand(1))),
			}, false,
		},
	} {
		t.Run("[case-66] "+name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(append([]change{owning}, row.changes...)...)
			plan := Make(in)
			if row.normalized {
				g.Expect(in.Observed.Differences).To(BeEmpty())
				g.Expect(in.Observed.Normalized).To(HaveLen(1))
				g.Expect(plan).To(Equal(Plan{}), "nothing is sent")
			} else {
				g.Expect(in.Observed.Differences).To(HaveLen(1))
				g.Expect(in.Observed.Normalized).To(BeEmpty())
				g.Expect(plan).NotTo(Equal(Plan{}))
			}
		})
	}
}

func TestTheRecordedNormalizedFields(t *testing.T) {
	t.Run("[case-66]", func(t *testing.T) {
		g := NewWithT(t)
		in := situation(owning, recorded(t, onDemand(0), onDemand(1)))
		kept := in.Cluster.Status.NormalizedFields
		g.Expect(kept[0].Path).To(Equal("/awsAttributes/firstOnDemand"))
		comparing(t, onDemand(0), onDemand(3), asks(onDemand(3)))(&in)
		g.Expect(NormalizedFields(in.Cluster, in.Observed)).To(Equal(kept), "the server would normalize a correction in the same way")
		comparing(t, onDemand(1), onDemand(1), asks(onDemand(1)))(&in)
		g.Expect(NormalizedFields(in.Cluster, in.Observed)).To(BeEmpty(), "it is in effect")

		in.Observed.Normalized = nil
		for i := range 100 {
			in.Observed.Normalized = append(in.Observed.Normalized, drift.Difference{Path: fmt.Sprintf("/spark_conf/%03d", i), Field: "spark_conf", Desired: "a", Actual: "b"})
		}
		g.Expect(NormalizedFields(in.Cluster, in.Observed)).To(HaveLen(64))
	})
	t.Run("[case-66] a field that is not declared any more", func(t *testing.T) {
		in := situation(owning, recorded(t, onDemand(0), onDemand(1)))
		in.Observed.Differences = []drift.Difference{{Path: firstOnDemand, Field: "aws_attributes", Actual: 1.0}}
		NewWithT(t).Expect(NormalizedFields(in.Cluster, in.Observed)).To(BeNil())
	})
	t.Run("[case-66] in order, without the differences that were never normalized", func(t *testing.T) {
		in := situation(owning, recorded(t, onDemand(0), onDemand(1)))
		kept := in.Cluster.Status.NormalizedFields[0]
		in.Observed.Normalized = []drift.Difference{
			{Path: "/spark_conf/b", Field: "spark_conf", Desired: "x", Actual: "y"},
			{Path: "/spark_conf/a", Field: "spark_conf", Desired: "x", Actual: "y"},
		}
		in.Observed.Differences = []drift.Difference{
			{Path: "/single_user_name", Field: "single_user_name", Desired: "x", Actual: "y"},
			{Path: firstOnDemand, Field: "aws_attributes", Desired: 0.0, Actual: 3.0},
		}
		NewWithT(t).Expect(NormalizedFields(in.Cluster, in.Observed)).To(Equal([]v1alpha1.NormalizedField{
			kept, {Path: "/sparkConf/a", Digest: "99350e4c4ec38295"}, {Path: "/sparkConf/b", Digest: "41f5bdf21568da72"},
		}), "a digest is recognized by later versions")
	})
}

func TestADigestOfAnotherObjectIsNoRecord(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, recorded(t, onDemand(0), onDemand(1)))
	other := situation(owning)
	other.Cluster.UID, other.Cluster.Status.NormalizedFields = "other", in.Cluster.Status.NormalizedFields
	comparing(t, onDemand(0), onDemand(1), "")(&in)
	comparing(t, onDemand(0), onDemand(1), "")(&other)
	g.Expect(in.Observed.Normalized).To(HaveLen(1), "[case-66]")
	g.Expect(other.Observed.Normalized).To(BeEmpty(), "[case-66]")
}

func TestSplitDifferencesAreInOrder(t *testing.T) {
	paths := func(differences []drift.Difference) (paths []string) {
		for _, difference := range differences {
			paths = append(paths, difference.Path)
		}
		return paths
	}
	conf := func(key string) drift.Difference {
		return drift.Difference{Path: "/spark_conf/" + key, Field: "spark_conf", Desired: "x", Actual: "y"}
	}
	in := situation(owning, updated("/spark_conf/c", "x", "y"))
	in.Observed.Normalized = []drift.Difference{conf("a")}
	in.Cluster.Status.NormalizedFields = NormalizedFields(in.Cluster, in.Observed)
	differences, normalized := SplitNormalized(NormalizedInput{
		Cluster: in.Cluster, SpecKnown: true, Last: in.Attempts.Last,
		Found: drift.Comparison{
			Differences: []drift.Difference{conf("a"), conf("b")},
			// The update of c left the old value in effect.
			Normalized: []drift.Difference{conf("c"), conf("d")},
		},
	})
	g := NewWithT(t)
	g.Expect(paths(differences)).To(Equal([]string{"/spark_conf/b", "/spark_conf/c"}))
	g.Expect(paths(normalized)).To(Equal([]string{"/spark_conf/a", "/spark_conf/d"}))
}

func TestAnotherVersionOfTheDigestMeansNotChanged(t *testing.T) {
	desired := onDemand(2)
	for applied, changed := range map[string]bool{
		"":                          true,
		Applying:                    true,
		drift.Digest(desired):       false,
		drift.Digest(onDemand(1)):   true,
		"0123456789abcdef":          false,
		"v2:0123456789abcdef":       false,
		"v2:0123456789abcdef:extra": false,
	} {
		t.Run("[case-80] "+applied, func(t *testing.T) {
			NewWithT(t).Expect(Changed(applied, desired)).To(Equal(changed))
		})
	}
}

func TestRotatedSecrets(t *testing.T) {
	const old, other = "v1:aaaa", "v1:bbbb"
	secretsOwned := func(in *Input) { in.Cluster.Status.OwnedFields = []string{"/dockerImage/basicAuthSecretRef/password"} }
	last := func(digest string) change { return func(in *Input) { in.Cluster.Status.SecretsDigest = digest } }
	sent := func(digest string) change {
		return func(in *Input) { did(StepUpdate, 0)(in); in.Attempts.Last.SecretsDigest = digest }
	}
	for name, row := range map[string]struct {
		changes []change
		digest  string
		rotated bool
	}{
		"the same":                              {[]change{last(old), secretsOwned}, old, false},
		"another":                               {[]change{last(old), secretsOwned}, other, true},
		"removed":                               {[]change{last(old), secretsOwned}, "", true},
		"rotated twice while it is applied":     {[]change{last(Applying), secretsOwned}, old, true},
		"sent, the status not written":          {[]change{last(Applying), secretsOwned, sent(other)}, other, false},
		"sent before it was rotated":            {[]change{last(old), secretsOwned, sent(old)}, other, true},
		"sent and refused":                      {[]change{last(Applying), secretsOwned, sent(other), refused}, other, true},
		"added to a specification in place":     {[]change{applied("v1:x")}, old, true},
		"a new object":                          {nil, old, false},
		"[case-80] a status without a digest":   {[]change{applied("0123456789abcdef"), secretsOwned}, old, false},
		"[case-80] a digest of another version": {[]change{last("v2:aaaa"), secretsOwned}, other, false},
		"observed":                              {[]change{observing, last(old), secretsOwned}, other, false},
		"none":                                  {[]change{applied("v1:x")}, "", false},
	} {
		t.Run("[case-77] "+name, func(t *testing.T) {
			in := situation(append([]change{owning}, row.changes...)...)
			NewWithT(t).Expect(SecretsRotated(in.Cluster, row.digest, in.Attempts.Last)).To(Equal(row.rotated))
		})
	}
}

func TestARotatedSecretIsTheUsersChange(t *testing.T) {
	rotated := func(in *Input) {
		in.Observed.SecretsDigest, in.Observed.SecretsRotated, in.Observed.Compared = "v1:bbbb", true, true
		in.Observed.Differences = []drift.Difference{{Path: "/docker_image/basic_auth", Field: "docker_image", Desired: "[rotated]"}}
		in.Cluster.Status.OwnedFields = drift.Owned(in.Observed.Desired)
	}
	onTermination := spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
	})
	for name, row := range map[string]struct {
		changes []change
		step    StepKind
		reason  string
	}{
		"it is persisted first":         {nil, StepPersistOwnership, v1alpha1.ReasonUpdating},
		"then it is sent":               {[]change{applied(Applying)}, StepUpdate, v1alpha1.ReasonUpdating},
		"it waits by updateStrategy":    {[]change{onTermination}, StepNone, v1alpha1.ReasonChangesDeferred},
		"driftPolicy does not delay it": {[]change{applied(Applying), spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyWarn })}, StepUpdate, v1alpha1.ReasonUpdating},
	} {
		t.Run("[case-77] "+name, func(t *testing.T) {
			g := NewWithT(t)
			plan := decide(situation(append([]change{owning, is("RUNNING"), declared, rotated}, row.changes...)...))
			g.Expect(plan.Kind()).To(Equal(row.step))
			g.Expect(plan.Verdict.Reason).To(Equal(row.reason))
		})
	}
}
