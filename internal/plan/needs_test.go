package plan

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

var (
	before = noon.Add(-time.Minute)
	after  = noon.Add(time.Minute)
)

// needsOf returns the facts of a situation for Needs.
func needsOf(changes ...change) NeedsInput {
	in := situation(append([]change{owning, declared}, changes...)...)
	return NeedsInput{
		Cluster: in.Cluster, ClusterID: clusterID, Attempts: in.Attempts.Seen(in.Cluster, noon),
		Desired: in.Observed.Desired, SecretsRotated: in.Observed.SecretsRotated,
	}
}

func TestNeeds(t *testing.T) {
	for name, row := range map[string]struct {
		changes              []change
		readAfter, specAfter time.Time
		purpose              cache.Purpose
	}{
		"[case-09] any read is accepted without a step":                  {nil, time.Time{}, time.Time{}, cache.ToKeep},
		"[case-61] after a step only a read that began since":            {[]change{did(StepResize, time.Minute)}, before, time.Time{}, cache.ToKeep},
		"after a refusal the cluster is as it was":                       {[]change{failed(StepResize, databricks.ClassInvalid, time.Minute)}, time.Time{}, time.Time{}, cache.ToKeep},
		"after a lost answer it may not be":                              {[]change{failed(StepResize, databricks.ClassAmbiguous, time.Minute)}, before, time.Time{}, cache.ToKeep},
		"[case-62] a changed specification needs a GET that began since": {[]change{applied("v1:0")}, time.Time{}, noon, cache.ToKeep},
		"rotated secrets do, too":                                        {[]change{observed(func(o *Observation) { o.SecretsRotated = true })}, time.Time{}, noon, cache.ToKeep},
		"a specification that is not known needs none":                   {[]change{applied("v1:0"), observed(func(o *Observation) { o.Desired = nil })}, time.Time{}, time.Time{}, cache.ToKeep},
		"a cluster that was created with several in turn needs one":      {[]change{applied("v1:0"), creationOf("")}, time.Time{}, noon, cache.ToKeep},
		"a new cluster has nothing to clear":                             {[]change{applied(""), justCreated(drift.Tree{})}, time.Time{}, time.Time{}, cache.ToKeep},
		"an update needs its base": {[]change{func(in *Input) {
			in.Attempts = in.Attempts.WithBase(nil, after)
		}}, time.Time{}, after, cache.ToKeep},
		"a request to reconcile reads again": {[]change{func(in *Input) { in.Attempts = in.Attempts.Reread(after) }}, time.Time{}, after, cache.ToKeep},
		"a deletion reads for a deletion":    {[]change{deleted}, time.Time{}, time.Time{}, cache.ToDelete},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			interest := cache.Interest{After: after, SpecAfter: after, Purpose: cache.ToDelete}
			Needs(needsOf(row.changes...), &interest)
			g.Expect(interest).To(Equal(cache.Interest{ClusterID: clusterID, After: row.readAfter, SpecAfter: row.specAfter, Purpose: row.purpose}))
		})
	}
}

// creationOf sets the creation of the cluster, with the digest of the specification that was
// sent.
func creationOf(digest string) change {
	return func(in *Input) { in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, Digest: digest} }
}

func TestReadAfter(t *testing.T) {
	young := func(in *Input) {
		in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, NotAfter: in.Cluster.Status.Creation.NotAfter}
	}
	failure := &managed.Failure{Class: databricks.ClassTransient}
	visible := noon.Add(limits.CreateWindow + limits.RequestDeadline + limits.VisibilityGrace)
	for name, row := range map[string]struct {
		changes  []change
		presence cache.Presence
		failing  *managed.Failure
		want     time.Time
	}{
		"any read is accepted":                                         {nil, cache.Present, nil, time.Time{}},
		"[case-82] a deletion needs the owner as of then":              {[]change{deleted}, cache.Present, nil, noon},
		"[case-44] while reads fail, as of the last read":              {[]change{deleted}, cache.Present, failure, time.Time{}},
		"[case-44] unless the cluster is not known":                    {[]change{deleted}, cache.Missing, failure, noon},
		"[case-37] a cluster that is missing is missing":               {nil, cache.Missing, nil, time.Time{}},
		"[case-11] a new one is not missing before it must be visible": {[]change{pendingSince(noon), young}, cache.Missing, nil, visible},
		"[case-11] one that was purged, the same":                      {[]change{pendingSince(noon), young}, cache.Purged, nil, visible},
	} {
		t.Run(name, func(t *testing.T) {
			in := needsOf(row.changes...)
			NewWithT(t).Expect(ReadAfter(in, cache.Observation{Presence: row.presence}, row.failing, limits)).To(Equal(row.want))
		})
	}
}

func TestSearches(t *testing.T) {
	for name, row := range map[string]struct {
		changes  []change
		presence managed.Presence
		origin   Origin
		need     SearchNeed
		after    time.Time
	}{
		"[case-01] a new object of this process":          {nil, managed.Unknown, CreatedSinceStart, NoSearch, time.Time{}},
		"[case-93] one that is older":                     {nil, managed.Unknown, OlderThanProcess, SearchByTag, noon},
		"clusters are not tagged":                         {[]change{untagged}, managed.Unknown, OlderThanProcess, NoSearch, time.Time{}},
		"[case-02] a lost create, which may be under way": {[]change{pendingSince(noon)}, managed.Unknown, CreatedSinceStart, NoSearch, time.Time{}},
		"[case-02] a lost create, which is over":          {[]change{longPending}, managed.Unknown, CreatedSinceStart, SearchByTag, noon},
		"[case-93] the cluster is missing":                {[]change{owning}, managed.Missing, CreatedSinceStart, SearchByTag, noon},
		"[case-93] the cluster was purged":                {[]change{owning}, managed.Purged, CreatedSinceStart, SearchByTag, noon},
		"the cluster is there":                            {[]change{owning}, managed.Present, OlderThanProcess, NoSearch, time.Time{}},
		"an adopted cluster is missing":                   {[]change{owning, adopting}, managed.Missing, OlderThanProcess, NoSearch, time.Time{}},
		"a cluster that was adopted by its name":          {[]change{owning, func(in *Input) { in.Cluster.Status.Adopted = true }}, managed.Missing, OlderThanProcess, NoSearch, time.Time{}},
		"an observing object that names no cluster":       {[]change{owning, observing, spec(func(s *v1alpha1.DatabricksClusterSpec) { s.ClusterID = "" })}, managed.Missing, OlderThanProcess, NoSearch, time.Time{}},
		"an observed cluster is missing":                  {[]change{owning, observing}, managed.Missing, OlderThanProcess, NoSearch, time.Time{}},
		"the object is being deleted":                     {[]change{owning, deleted}, managed.Missing, OlderThanProcess, NoSearch, time.Time{}},
		"it is being deleted while its create is lost":    {[]change{longPending, deleted}, managed.Unknown, OlderThanProcess, SearchByTag, noon},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			asked := SearchInput{
				Cluster: in.Cluster, Presence: row.presence, Origin: row.origin, Owner: in.Observed.Owner, Limits: limits, Now: noon,
			}
			g.Expect(NeedsSearchNow(asked)).To(Equal(row.need))
			asked.Attempts = asked.Attempts.WithSearch(row.need, noon)
			g.Expect(asked.Attempts.SearchSince).To(Equal(row.after))
			if row.need == SearchByTag {
				g.Expect(SearchQuery(asked)).To(Equal(cache.Query{Tag: ownerTag.Key, Owner: ownerTag.Value, After: noon}))
				g.Expect(asked.Attempts.WithSearch(SearchByTag, after).SearchSince).To(Equal(noon), "the search continues")
				g.Expect(asked.Attempts.WithSearch(NoSearch, after).SearchSince).To(BeZero())
			}
		})
	}
}

func withLibraries(statuses ...compute.LibraryInstallStatus) change {
	return func(in *Input) {
		in.Cluster.Spec.Libraries = []v1alpha1.Library{{Whl: "/a.whl"}}
		for _, status := range statuses {
			in.Cluster.Status.Libraries = append(in.Cluster.Status.Libraries, v1alpha1.LibraryStatus{Library: v1alpha1.Library{Whl: "/a.whl"}, Status: string(status)})
		}
	}
}

func TestLibrariesLookup(t *testing.T) {
	installed := withCondition(v1alpha1.ConditionLibrariesReady, v1alpha1.ReasonLibrariesInstalled)
	pendingRestart := withCondition(v1alpha1.ConditionLibrariesReady, v1alpha1.ReasonPendingRestart)
	restarted := is("RUNNING", func(c *compute.ClusterDetails) { c.LastRestartedTime = noon.UnixMilli() + 250 })
	restartedAt := func(at time.Time) change {
		return func(in *Input) { in.Cluster.Status.LastRestartedTime = new(metav1.NewTime(at)) }
	}
	anotherLibrary := spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.Libraries = append(s.Libraries, v1alpha1.Library{Whl: "/b.whl"})
	})
	for name, row := range map[string]struct {
		changes []change
		cadence cache.Cadence
		after   time.Time
	}{
		"none are declared":                         {[]change{is("RUNNING")}, cache.NotNeeded, time.Time{}},
		"the cluster was not read":                  {[]change{withLibraries(), did(StepInstallLibraries, time.Minute)}, cache.WhileChanging, before},
		"there is no cluster":                       {[]change{withLibraries(), gone(managed.Missing)}, cache.NotNeeded, time.Time{}},
		"[case-47] they are not named yet":          {[]change{withLibraries(), is("RUNNING")}, cache.WhileChanging, after},
		"[case-47] they are installed":              {[]change{withLibraries("INSTALLED"), installed, is("RUNNING")}, cache.WhileQuiet, time.Time{}},
		"[case-47] the cluster was restarted":       {[]change{withLibraries("INSTALLED"), installed, restarted}, cache.WhileChanging, after},
		"[case-47] they are being installed":        {[]change{withLibraries("INSTALLING"), withCondition(v1alpha1.ConditionLibrariesReady, v1alpha1.ReasonInstallingLibraries), is("RUNNING")}, cache.WhileChanging, after},
		"[case-47] a terminated cluster":            {[]change{withLibraries("INSTALLED"), is("TERMINATED")}, cache.WhileQuiet, time.Time{}},
		"[case-47] a terminated one, not yet sent":  {[]change{withLibraries(""), is("TERMINATED")}, cache.WhileChanging, after},
		"[case-47] a cluster on its way":            {[]change{withLibraries(), is("PENDING")}, cache.WhileQuiet, time.Time{}},
		"[case-56] the object observes":             {[]change{withLibraries(), observing, is("RUNNING")}, cache.NotNeeded, time.Time{}},
		"[case-47] the object is deleted":           {[]change{withLibraries(), deleted, is("RUNNING")}, cache.NotNeeded, time.Time{}},
		"[case-47] one of two is not named yet":     {[]change{withLibraries("INSTALLED"), anotherLibrary, installed, is("RUNNING")}, cache.WhileChanging, after},
		"[case-47] one waits for a restart":         {[]change{withLibraries(""), pendingRestart, is("RUNNING")}, cache.WhileQuiet, time.Time{}},
		"[case-47] restarted before they were read": {[]change{withLibraries("INSTALLED"), installed, restartedAt(noon), restarted}, cache.WhileQuiet, time.Time{}},
		"[case-47] restarted again since":           {[]change{withLibraries("INSTALLED"), installed, restartedAt(before), restarted}, cache.WhileChanging, after},
		"[case-47] a library must be uninstalled": {[]change{withLibraries("INSTALLED"), installed, is("RUNNING"), func(in *Input) {
			in.Cluster.Spec.Libraries = []v1alpha1.Library{}
		}}, cache.WhileChanging, after},
	} {
		t.Run(name, func(t *testing.T) {
			in := situation(row.changes...)
			got := LibrariesLookup(in.Cluster, in.Observed.Presence, in.Observed.Details, after, in.Attempts)
			NewWithT(t).Expect(got).To(Equal(cache.Lookup{Cadence: row.cadence, After: row.after}))
		})
	}
}

func TestLibrariesRead(t *testing.T) {
	g := NewWithT(t)
	failed := cache.Look[[]compute.LibraryFullStatus]{Err: errors.New("broken")}
	g.Expect(LibrariesRead(failed)).To(Equal(Libraries{Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "broken"}}))
	failed.StartedAt = noon
	g.Expect(LibrariesRead(failed)).To(Equal(Libraries{Seen: true}), "the earlier value is used")
	g.Expect(LibrariesRead(cache.Look[[]compute.LibraryFullStatus]{})).To(Equal(Libraries{}))
}

func TestPins(t *testing.T) {
	pinning := spec(func(s *v1alpha1.DatabricksClusterSpec) { s.Pinned = new(true) })
	did := func(step StepKind, at time.Time) change {
		return func(in *Input) { in.Attempts = in.Attempts.RecordedSideStep(Attempt{Step: step, At: at}) }
	}
	read := cache.Look[map[string]bool]{Value: map[string]bool{clusterID: true}, StartedAt: noon}
	for name, row := range map[string]struct {
		changes  []change
		look     cache.Look[map[string]bool]
		outdated time.Time
		pinned   *bool
	}{
		"[case-46] pinned":               {[]change{pinning}, read, time.Time{}, new(true)},
		"[case-46] not read yet":         {[]change{pinning}, cache.Look[map[string]bool]{}, time.Time{}, nil},
		"[case-46] unpinned since":       {[]change{pinning, did(StepPin, before), did(StepUnpin, after)}, read, after, new(false)},
		"[case-46] unpinned before that": {[]change{pinning, did(StepUnpin, before)}, read, before, new(true)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			g.Expect(PinsLookup(in.Cluster, in.Attempts)).To(Equal(cache.Lookup{Cadence: cache.WhileQuiet, OutdatedBefore: row.outdated}))
			g.Expect(PinnedRead(in.Cluster, clusterID, row.look, in.Attempts)).To(Equal(row.pinned))
		})
	}
	for name, in := range map[string]Input{
		"an object that declares no pin": situation(),
		"an object that is deleted":      situation(pinning, deleted),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(PinsLookup(in.Cluster, in.Attempts)).To(BeZero())
			g.Expect(PinnedRead(in.Cluster, clusterID, read, in.Attempts)).To(BeNil())
		})
	}
}

func TestPermissionsLookups(t *testing.T) {
	granting := spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.AccessControlList = []v1alpha1.AccessControl{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}
	})
	inPlace := func(in *Input) {
		withCondition(v1alpha1.ConditionReady, v1alpha1.ReasonRunning)(in)
	}
	set := func(class databricks.Class, at time.Time) change {
		return func(in *Input) {
			attempt := Attempt{Step: StepSetPermissions, At: at, Generation: 1}
			if class != "" {
				attempt.Failure = &managed.Failure{Class: class}
			}
			in.Attempts = in.Attempts.RecordedSideStep(attempt)
		}
	}
	for name, row := range map[string]struct {
		changes         []change
		after, outdated time.Time
		// seen reports whether a read that began at noon is accepted.
		seen, inPlace bool
	}{
		"[case-48] a new specification":            {[]change{granting}, before, time.Time{}, true, false},
		"[case-48] in place before":                {[]change{granting, inPlace}, time.Time{}, time.Time{}, true, true},
		"[case-48] set before the read":            {[]change{granting, set("", before)}, time.Time{}, before, true, true},
		"[case-48] set for an earlier generation":  {[]change{granting, set("", before.Add(time.Second)), newGeneration}, before.Add(time.Second), time.Time{}, true, false},
		"[case-48] set since the read":             {[]change{granting, set("", after)}, time.Time{}, after, false, true},
		"[case-48] refused since the read":         {[]change{granting, set(databricks.ClassForbidden, after)}, before, time.Time{}, true, false},
		"[case-48] the answer was lost since then": {[]change{granting, set(databricks.ClassAmbiguous, after)}, after, time.Time{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.changes...)
			in.Attempts = in.Attempts.Seen(in.Cluster, before)
			g.Expect(PermissionsLookup(in.Cluster, in.Attempts)).To(Equal(cache.Lookup{Cadence: cache.WhileQuiet, After: row.after, OutdatedBefore: row.outdated}))
			look := cache.Look[[]compute.ClusterAccessControlResponse]{StartedAt: noon, Err: errors.New("broken")}
			known := PermissionsRead(in.Cluster, look, in.Attempts)
			g.Expect([]bool{known.Seen, known.InPlace}).To(Equal([]bool{row.seen, row.inPlace}))
			g.Expect(known.Failure.Message).To(Equal("broken"))
		})
	}
	for name, in := range map[string]Input{
		"an object that declares none": situation(),
		"an object that is deleted":    situation(granting, deleted),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(PermissionsLookup(in.Cluster, in.Attempts)).To(BeZero())
			g.Expect(PermissionsRead(in.Cluster, cache.Look[[]compute.ClusterAccessControlResponse]{StartedAt: noon}, in.Attempts)).To(BeZero())
		})
	}
	t.Run("[case-48] refused, and not read yet", func(t *testing.T) {
		in := situation(granting, set(databricks.ClassForbidden, before))
		known := PermissionsRead(in.Cluster, cache.Look[[]compute.ClusterAccessControlResponse]{}, in.Attempts)
		NewWithT(t).Expect(known).To(Equal(Permissions{}))
	})
}

func TestTheCatalogIsReadForTheNamedObjects(t *testing.T) {
	g := NewWithT(t)
	const compared, resolved = cache.WhileQuiet, cache.WhileChanging
	bare := v1alpha1.DatabricksClusterSpec{}
	g.Expect(CatalogLookup(&bare, AdviceDue, noon)).To(Equal(cache.CatalogLookup{Versions: compared, NodeTypes: compared}))
	g.Expect(CatalogLookup(&bare, AdviceGiven, noon)).To(BeZero())
	withIDs := v1alpha1.DatabricksClusterSpec{}
	withIDs.PolicyID, withIDs.DriverInstancePoolID = "p", "d"
	g.Expect(CatalogLookup(&withIDs, AdviceDue, noon)).To(Equal(cache.CatalogLookup{
		Versions: compared, NodeTypes: compared, Policies: compared, InstancePools: compared,
	}))
	g.Expect(CatalogLookup(&withIDs, AdviceGiven, noon)).To(BeZero())
	withPool := v1alpha1.DatabricksClusterSpec{}
	withPool.InstancePoolID = "i"
	g.Expect(CatalogLookup(&withPool, AdviceDue, noon)).To(Equal(cache.CatalogLookup{Versions: compared, NodeTypes: compared, InstancePools: compared}))
	withNames := v1alpha1.DatabricksClusterSpec{}
	withNames.PolicyName, withNames.DriverInstancePoolName = "p", "d"
	withNames.SparkVersionSelector, withNames.DriverNodeTypeSelector = &v1alpha1.SparkVersionSelector{}, &v1alpha1.NodeTypeSelector{}
	all := cache.CatalogLookup{Versions: resolved, NodeTypes: resolved, Policies: resolved, InstancePools: resolved, After: noon}
	g.Expect(CatalogLookup(&withNames, AdviceGiven, noon)).To(Equal(all))
	g.Expect(CatalogLookup(&withNames, AdviceDue, noon)).To(Equal(all))
}

func TestCompare(t *testing.T) {
	desired := drift.Tree{"num_workers": float64(2), "custom_tags": map[string]any{"a": "1"}}
	inSync := compute.ClusterDetails{NumWorkers: 2, CustomTags: map[string]string{"a": "1"}}
	drifted := compute.ClusterDetails{NumWorkers: 2, CustomTags: map[string]string{"a": "2"}}
	spec := json.RawMessage(`{"num_workers": 2, "custom_tags": {"a": "1", "b": "2"}}`)
	driftedSpec := json.RawMessage(`{"num_workers": 2, "custom_tags": {"a": "2"}}`)
	owned := func(in *CompareInput) { in.Cluster.Status.OwnedFields = append(drift.Owned(desired), "/customTags/b") }
	compared := func(details compute.ClusterDetails) func(*CompareInput) {
		return func(in *CompareInput) {
			full := *in
			full.Details, full.ReadAt, full.Spec, full.SpecAt = &details, noon, driftedSpec, noon
			found, err := Compare(full)
			if err != nil || !found.Complete {
				panic("the facts must suffice")
			}
			in.Attempts = in.Attempts.WithComparison(found)
		}
	}
	for name, row := range map[string]struct {
		changes     []func(*CompareInput)
		complete    bool
		specAfter   time.Time
		differences int
	}{
		"[case-61] a list in sync with a specification that was compared": {nil, true, time.Time{}, 0},
		"[case-62] a list shows a difference: a GET as new as the list":   {[]func(*CompareInput){details(drifted)}, false, noon, 0},
		"[case-62] with that GET":                                            {[]func(*CompareInput){details(drifted), specAt(driftedSpec, after)}, true, time.Time{}, 1},
		"[case-62] a GET from before the list":                               {[]func(*CompareInput){details(drifted), specAt(driftedSpec, before)}, false, noon, 0},
		"[case-62] the same spec was compared with the same effective view":  {[]func(*CompareInput){details(drifted), specAt(driftedSpec, noon), compared(drifted), readAt(after)}, true, time.Time{}, 1},
		"[case-62] another effective view than was compared":                 {[]func(*CompareInput){details(drifted), specAt(driftedSpec, noon), compared(inSync), readAt(after)}, false, after, 0},
		"[case-63] a removal needs a GET":                                    {[]func(*CompareInput){owned}, false, noon, 0},
		"[case-63] a removal with the GET":                                   {[]func(*CompareInput){owned, specAt(spec, after)}, true, time.Time{}, 1},
		"[case-62] a changed specification needs a GET since it was seen":    {[]func(*CompareInput){changedDigest, specAt(spec, before)}, false, noon, 0},
		"[case-62] with that GET, it is compared":                            {[]func(*CompareInput){changedDigest, specAt(spec, after)}, true, time.Time{}, 0},
		"[case-62] another spec than was compared":                           {[]func(*CompareInput){details(drifted), compared(drifted), specAt(driftedSpec, noon.Add(time.Second)), readAt(after)}, false, after, 0},
		"[case-62] a list and a GET from before the change":                  {[]func(*CompareInput){changedDigest, specAt(spec, before), readAt(before)}, false, noon, 0},
		"[case-62] a list that is newer than the GET since the change":       {[]func(*CompareInput){changedDigest, details(drifted), specAt(driftedSpec, noon.Add(time.Second)), readAt(after)}, false, after, 0},
		"[case-77] a list and a GET from before the rotation of secrets":     {[]func(*CompareInput){rotatedSecrets, specAt(spec, before), readAt(before)}, false, noon, 0},
		"[case-65] an answer without spec is unknown":                        {[]func(*CompareInput){changedDigest, specAt(json.RawMessage(`{}`), after)}, false, noon, 0},
		"a cluster that was just created with this specification":            {[]func(*CompareInput){createdWith(desired)}, true, time.Time{}, 0},
		"[case-77] rotated secrets are a difference that only the GET shows": {[]func(*CompareInput){rotatedSecrets, specAt(json.RawMessage(`{"num_workers": 2, "custom_tags": {"a": "1"}, "docker_image": {"url": "u"}}`), after)}, true, time.Time{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := situation(owning).Cluster
			cluster.Status.AppliedDigest, cluster.Status.OwnedFields = drift.Digest(desired), drift.Owned(desired)
			in := CompareInput{Cluster: cluster, Desired: desired, Details: &inSync, ReadAt: noon, Attempts: Attempts{}.Seen(cluster, noon)}
			for _, change := range row.changes {
				change(&in)
			}
			found, err := Compare(in)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.Complete).To(Equal(row.complete))
			g.Expect(found.SpecAfter).To(Equal(row.specAfter))
			g.Expect(found.Differences).To(HaveLen(row.differences))
		})
	}
	t.Run("a spec that is no object", func(t *testing.T) {
		_, err := Compare(CompareInput{Cluster: situation(owning).Cluster, Desired: desired, Details: &inSync, Spec: json.RawMessage(`[]`)})
		NewWithT(t).Expect(err).To(HaveOccurred())
	})
}

func details(d compute.ClusterDetails) func(*CompareInput) {
	return func(in *CompareInput) { in.Details = &d }
}

func specAt(spec json.RawMessage, at time.Time) func(*CompareInput) {
	return func(in *CompareInput) { in.Spec, in.SpecAt = spec, at }
}

func readAt(at time.Time) func(*CompareInput) {
	return func(in *CompareInput) { in.ReadAt = at }
}

func changedDigest(in *CompareInput) { in.Cluster.Status.AppliedDigest = Applying }

func createdWith(desired drift.Tree) func(*CompareInput) {
	return func(in *CompareInput) {
		in.Cluster.Status.AppliedDigest = ""
		in.Cluster.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, Digest: drift.Digest(desired)}
	}
}

func rotatedSecrets(in *CompareInput) {
	in.SecretsRotated = true
	in.Desired = drift.Tree{
		"num_workers": float64(2), "custom_tags": map[string]any{"a": "1"},
		"docker_image": map[string]any{"url": "u", "basic_auth": map[string]any{"username": "n", "password": "p"}},
	}
	effective := *in.Details
	effective.DockerImage = &compute.DockerImage{Url: "u"}
	in.Details = &effective
	in.Cluster.Status.OwnedFields, in.Cluster.Status.AppliedDigest = drift.Owned(in.Desired), drift.Digest(in.Desired)
}
