package managed_test

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// needsOf returns the input of Needs for a situation.
func needsOf(changes ...change) managed.NeedsInput {
	in := situation(changes...)
	return managed.NeedsInput{Kind: in.Kind, Object: in.Object, Attempts: in.Attempts, Owner: in.Owner, Limits: in.Limits, Now: in.Now}
}

// created is an object with the id of a creation of some time ago.
func created(ago time.Duration) change {
	return func(in *managed.Input) {
		in.Object.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1, NotAfter: new(metav1.NewTime(noon.Add(-ago)))}
	}
}

// granting is an object with declared permissions.
func granting(in *managed.Input) {
	in.Object.Permissions = []diff.Permission{{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}
}

// ready is an object that was Ready.
func ready(in *managed.Input) {
	in.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Available", ObservedGeneration: 1}}
}

// step is a last step, which ended some time ago and has an effect that reads show now.
func step(kind managed.StepKind, failure *managed.Failure, ago time.Duration) change {
	return func(in *managed.Input) {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: kind, Failure: failure, At: noon.Add(-ago), ValidAfter: noon, Generation: 1, Credential: "first"})
	}
}

func TestNeedsList(t *testing.T) {
	hourAgo, ambiguous := noon.Add(-time.Hour), &managed.Failure{Class: databricks.ClassAmbiguous}
	for name, row := range map[string]struct {
		changes []change
		after   time.Time
		cadence cache.Cadence
	}{
		"[case-101] any list":                               {nil, time.Time{}, cache.WhileQuiet},
		"[case-108] no id: one since the object was seen":   {[]change{fresh}, hourAgo, cache.WhileQuiet},
		"[case-106] pending: one since it can be resolved":  {[]change{pending(time.Minute)}, noon, cache.WhileChanging},
		"[case-106] pending, and seen later":                {[]change{pending(time.Minute), func(in *managed.Input) { in.Attempts.CreationSeenAt = noon.Add(-30 * time.Second) }}, noon.Add(40 * time.Second), cache.WhileChanging},
		"[case-106] pending since before it was seen":       {[]change{pending(2 * time.Hour)}, hourAgo, cache.WhileChanging},
		"[case-104] after an own write":                     {[]change{step(managed.StepEdit, nil, time.Minute)}, noon, cache.WhileQuiet},
		"[case-106] after a lost answer":                    {[]change{step(managed.StepEdit, ambiguous, time.Minute)}, noon, cache.WhileChanging},
		"[case-125] after an edit that found nothing":       {[]change{step(managed.StepEdit, &managed.Failure{Class: databricks.ClassMissing}, time.Minute)}, noon, cache.WhileQuiet},
		"[case-07] after a refusal":                         {[]change{step(managed.StepEdit, &managed.Failure{Class: databricks.ClassInvalid}, time.Minute)}, time.Time{}, cache.WhileQuiet},
		"[case-103] after a deletion":                       {[]change{deleting, step(managed.StepDelete, nil, time.Minute)}, noon, cache.WhileChanging},
		"[case-103] after a deletion, and not deleted":      {[]change{step(managed.StepDelete, nil, time.Minute)}, noon, cache.WhileQuiet},
		"[case-131] after a request":                        {[]change{func(in *managed.Input) { in.Attempts = in.Attempts.Reread(noon) }}, noon, cache.WhileQuiet},
		"[case-131] a request before the last write counts": {[]change{step(managed.StepEdit, nil, time.Minute), func(in *managed.Input) { in.Attempts.RereadAfter = hourAgo }}, noon, cache.WhileQuiet},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			interest := managed.Needs(needsOf(row.changes...))
			g.Expect(interest.List).To(Equal(cache.Lookup{Cadence: row.cadence, After: row.after}))
			g.Expect(interest.Collection).To(Equal(databricks.InstancePools))
			g.Expect(interest.Name).To(Equal("team-a-warm"))
		})
	}
}

func TestNeedsOfTheItem(t *testing.T) {
	policy := func(in *managed.Input) {
		object := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "warm"}}
		object.Status.PolicyID = poolID
		in.Kind, in.Object = clusterpolicy.Kind, clusterpolicy.Kind.View(object)
	}
	deleted := func(in *managed.Input) {
		in.Object.SetDeletionTimestamp(&metav1.Time{Time: noon})
		in.Attempts.DeletionSeenAt = noon
	}
	byID := func(in *managed.Input) { in.Object.NamedID = "theirs" }
	quiet := cache.Lookup{Cadence: cache.WhileQuiet}
	at := func(after time.Time) cache.Lookup { return cache.Lookup{Cadence: cache.WhileQuiet, After: after} }
	for name, row := range map[string]struct {
		changes                    []change
		id                         string
		get, permissions, clusters cache.Lookup
	}{
		"[case-101] nothing":                               {nil, poolID, cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
		"[case-110] the id that the specification names":   {[]change{fresh, byID}, "theirs", cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
		"[case-118] a GET for an edit":                     {[]change{func(in *managed.Input) { in.Attempts = in.Attempts.WithBase(nil, noon) }}, poolID, at(noon), cache.Lookup{}, cache.Lookup{}},
		"[case-119] permissions, of a new generation":      {[]change{granting}, poolID, cache.Lookup{}, at(noon.Add(-time.Hour)), cache.Lookup{}},
		"[case-119] permissions, once Ready":               {[]change{granting, ready}, poolID, cache.Lookup{}, quiet, cache.Lookup{}},
		"[case-119] permissions, after they were set":      {[]change{granting, ready, step(managed.StepSetPermissions, nil, time.Minute)}, poolID, cache.Lookup{}, at(noon.Add(-time.Minute)), cache.Lookup{}},
		"[case-131] permissions, after a request":          {[]change{granting, ready, func(in *managed.Input) { in.Attempts = in.Attempts.Reread(noon) }}, poolID, cache.Lookup{}, at(noon), cache.Lookup{}},
		"[case-119] no permissions of nothing":             {[]change{granting, fresh}, "", cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
		"[case-103] no permissions of what is deleted":     {[]change{granting, deleted}, poolID, cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
		"[case-124] the clusters of a policy":              {[]change{policy, deleted}, poolID, cache.Lookup{}, cache.Lookup{}, at(noon)},
		"[case-124] not of a policy that is not deleted":   {[]change{policy}, poolID, cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
		"[case-124] not of a pool, which tells of its own": {[]change{deleted}, poolID, cache.Lookup{}, cache.Lookup{}, cache.Lookup{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation()
			for _, apply := range row.changes {
				apply(&in)
			}
			interest := managed.Needs(managed.NeedsInput{Kind: in.Kind, Object: in.Object, Attempts: in.Attempts, Limits: in.Limits, Now: noon})
			g.Expect(interest.ID).To(Equal(row.id))
			g.Expect(interest.Get).To(Equal(row.get))
			g.Expect(interest.Permissions).To(Equal(row.permissions))
			g.Expect(interest.Clusters).To(Equal(row.clusters))
		})
	}
}

// item is a pool of the workspace.
func item(id, name string, members map[string]any) databricks.Item {
	tree := map[string]any{"instance_pool_id": id, "instance_pool_name": name}
	maps.Copy(tree, members)
	text, _ := json.Marshal(tree)
	return databricks.Item{ID: id, Name: name, JSON: text}
}

func listed(at time.Time, items ...databricks.Item) cache.Look[*cache.ItemList] {
	return cache.Look[*cache.ItemList]{Value: cache.NewItemList(databricks.InstancePools, items), StartedAt: at}
}

func got(at time.Time, presence cache.Presence, item databricks.Item) cache.Look[cache.ItemState] {
	return cache.Look[cache.ItemState]{Value: cache.ItemState{Presence: presence, Item: item}, StartedAt: at}
}

func TestAbsenceFromAListIsConfirmedByAGet(t *testing.T) {
	in := needsOf()
	mine, other := item(poolID, "team-a-warm", nil), item("other", "x", nil)
	for name, row := range map[string]struct {
		list cache.Look[*cache.ItemList]
		get  time.Time
	}{
		"[case-126] it is in the list":     {listed(noon, other, mine), time.Time{}},
		"[case-126] it is not in the list": {listed(noon, other), noon},
		"no list":                          {cache.Look[*cache.ItemList]{}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			again := in
			again.Attempts = in.Attempts.Confirmed(managed.Needs(in), row.list)
			NewWithT(t).Expect(managed.Needs(again).Get.After).To(Equal(row.get))
			again.Attempts = again.Attempts.Confirmed(managed.Needs(in), listed(noon, mine))
			NewWithT(t).Expect(managed.Needs(again).Get).To(BeZero(), "a later list has it")
		})
	}
	t.Run("[case-125] of a new one, by a GET that begins when it must be seen", func(t *testing.T) {
		g := NewWithT(t)
		in := needsOf(created(0))
		g.Expect(managed.Needs(in).Get).To(BeZero())
		in.Attempts = in.Attempts.Confirmed(managed.Needs(in), listed(noon, other))
		g.Expect(managed.Needs(in).Get.After).To(Equal(noon.Add(time.Minute)))
	})
	t.Run("[case-106] an object without an id needs none", func(t *testing.T) {
		in := needsOf(fresh)
		in.Attempts = in.Attempts.Confirmed(managed.Needs(in), listed(noon, other))
		NewWithT(t).Expect(managed.Needs(in).Get).To(BeZero())
	})
}

func TestReadFrom(t *testing.T) {
	before, early, late := noon.Add(-time.Minute), noon.Add(time.Second), noon.Add(2*time.Second)
	mine, theirs := item(poolID, "team-a-warm", map[string]any{"max_capacity": 3}), item(poolID, "theirs", nil)
	wrong := databricks.Item{ID: poolID, Name: "team-a-warm", JSON: []byte("[")}
	tag := map[string]any{v1alpha1.PoolOwnerTagKey: needsOf().Owner}
	tagged, mentions := item("newer", "team-a-warm", map[string]any{"custom_tags": tag}), item("other", "team-a-warm", map[string]any{"note": tag})
	after := step(managed.StepEdit, nil, time.Minute) // only a read that began after noon is valid
	for name, row := range map[string]struct {
		changes  []change
		view     cache.ItemsView
		presence managed.Presence
		// readAt and listedAt are the valid reads, and named is the id of what has the name.
		readAt, listedAt time.Time
		fromGet          bool
		named            string
		fails            bool
	}{
		"nothing is read":                                           {nil, cache.ItemsView{}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-101] it is listed":                                   {nil, cache.ItemsView{List: listed(early, mine)}, managed.Present, early, early, false, poolID, false},
		"[case-109] it is listed with another name":                 {nil, cache.ItemsView{List: listed(early, theirs)}, managed.Present, early, early, false, "", false},
		"[case-126] it is not listed":                               {nil, cache.ItemsView{List: listed(early)}, managed.Unknown, time.Time{}, early, false, "", false},
		"[case-125] a GET does not find it":                         {nil, cache.ItemsView{List: listed(early), Item: got(late, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, early, false, "", false},
		"[case-126] a GET finds it":                                 {nil, cache.ItemsView{List: listed(early), Item: got(late, cache.Present, mine)}, managed.Present, late, early, true, "", false},
		"a GET without an answer":                                   {nil, cache.ItemsView{List: listed(early, mine), Item: got(late, cache.Unknown, databricks.Item{})}, managed.Present, early, early, false, poolID, false},
		"[case-118] a GET before the list":                          {nil, cache.ItemsView{List: listed(late, mine), Item: got(early, cache.Missing, databricks.Item{})}, managed.Present, late, late, false, poolID, false},
		"[case-118] a GET that began with the list":                 {nil, cache.ItemsView{List: listed(late, mine), Item: got(late, cache.Missing, databricks.Item{})}, managed.Present, late, late, false, poolID, false},
		"[case-104] a list from before the last write":              {[]change{after}, cache.ItemsView{List: listed(before, mine)}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-104] a list that began with its end":                 {[]change{after}, cache.ItemsView{List: listed(noon, mine)}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-104] a GET from before the last write":               {[]change{after}, cache.ItemsView{Item: got(before, cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-104] a GET that began with its end":                  {[]change{after}, cache.ItemsView{Item: got(noon, cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-106] a new one is not believed missing":              {[]change{created(0)}, cache.ItemsView{Item: got(late, cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-125] a GET that began when it might not be seen yet": {[]change{created(time.Minute)}, cache.ItemsView{Item: got(noon.Add(-time.Second), cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-125] or at that moment":                              {[]change{created(time.Minute)}, cache.ItemsView{Item: got(noon, cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-125] a GET that began later":                         {[]change{created(time.Minute)}, cache.ItemsView{Item: got(early, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, time.Time{}, false, "", false},
		"[case-125] a GET from before another process compared it": {[]change{func(in *managed.Input) {
			in.Attempts = in.Attempts.Seen(situation(created(time.Hour)).Object, before).Seen(in.Object, noon)
		}}, cache.ItemsView{Item: got(noon, cache.Missing, databricks.Item{})}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
		"[case-125] a GET from after that": {[]change{func(in *managed.Input) {
			in.Attempts = in.Attempts.Seen(situation(created(time.Hour)).Object, before).Seen(in.Object, noon)
		}}, cache.ItemsView{Item: got(early, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, time.Time{}, false, "", false},
		"[case-125] an older one is":                            {[]change{created(time.Hour)}, cache.ItemsView{Item: got(late, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, time.Time{}, false, "", false},
		"[case-106] a new one that is there":                    {[]change{created(0)}, cache.ItemsView{Item: got(late, cache.Present, mine)}, managed.Present, late, time.Time{}, true, "", false},
		"[case-134] a list that cannot be decoded":              {nil, cache.ItemsView{List: listed(early, wrong)}, managed.Unknown, time.Time{}, early, false, "", true},
		"[case-134] a GET that cannot be decoded":               {nil, cache.ItemsView{Item: got(late, cache.Present, wrong)}, managed.Unknown, time.Time{}, time.Time{}, false, "", true},
		"[case-133] a list fails":                               {nil, cache.ItemsView{List: cache.Look[*cache.ItemList]{Err: errors.New("no list")}}, managed.Unknown, time.Time{}, time.Time{}, false, "", true},
		"[case-133] a GET fails":                                {nil, cache.ItemsView{List: listed(early, mine), Item: cache.Look[cache.ItemState]{Err: errors.New("no item")}}, managed.Present, early, early, false, poolID, true},
		"[case-108] no id, and another has the name":            {[]change{fresh}, cache.ItemsView{List: listed(early, item("other", "team-a-warm", nil))}, managed.Unknown, time.Time{}, early, false, "other", false},
		"[case-93] no id, and one has the owner tag":            {[]change{fresh, renamed}, cache.ItemsView{List: listed(early, tagged)}, managed.Unknown, time.Time{}, early, false, "newer", false},
		"[case-93] another id, and one has the owner tag":       {[]change{renamed}, cache.ItemsView{List: listed(early, tagged)}, managed.Unknown, time.Time{}, early, false, "newer", false},
		"[case-93] it is listed, and another has its tag":       {[]change{renamed}, cache.ItemsView{List: listed(early, tagged, mine)}, managed.Present, early, early, false, "", false},
		"[case-93] no id, and one has the tag in another place": {[]change{fresh, renamed}, cache.ItemsView{List: listed(early, mentions)}, managed.Unknown, time.Time{}, early, false, "", false},
		"[case-125] a GET after the list does not find it":      {nil, cache.ItemsView{List: listed(early, mine), Item: got(late, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, early, false, "", false},
		"[case-125] the same, and a newer one has its tag":      {nil, cache.ItemsView{List: listed(early, mine, tagged), Item: got(late, cache.Missing, databricks.Item{})}, managed.Missing, time.Time{}, early, false, "newer", false},
		"[case-93] no id, and no owner tags": {
			[]change{fresh, renamed, func(in *managed.Input) { in.Owner = "" }},
			cache.ItemsView{List: listed(early, tagged)},
			managed.Unknown,
			time.Time{},
			early, false, "", false,
		},
		"no id: an item without an id is not its own":   {[]change{fresh}, cache.ItemsView{List: listed(early, item("", "x", nil)), Item: got(late, cache.Present, mine)}, managed.Unknown, time.Time{}, early, false, "", false},
		"[case-108] no id, and a list from before that": {[]change{fresh}, cache.ItemsView{List: listed(noon.Add(-2*time.Hour), mine)}, managed.Unknown, time.Time{}, time.Time{}, false, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := needsOf(row.changes...)
			var observed managed.Observation
			managed.ReadFrom(in, managed.Needs(in), row.view, &observed)
			g.Expect(observed.Presence).To(Equal(row.presence))
			g.Expect(observed.Remote != nil).To(Equal(row.presence == managed.Present))
			if observed.Remote != nil {
				g.Expect(observed.Remote.At).To(Equal(row.readAt))
				g.Expect(observed.Remote.FromGet).To(Equal(row.fromGet))
				g.Expect(observed.Remote.ID).To(Equal(poolID))
				g.Expect(observed.Remote.Tree).To(HaveKeyWithValue("instance_pool_id", poolID))
			}
			g.Expect(observed.ListedAt).To(Equal(row.listedAt))
			g.Expect(observed.GotAt).To(Equal(row.view.Item.StartedAt))
			named := ""
			if observed.Named != nil {
				named = observed.Named.ID
				g.Expect(observed.Named.Name).To(Equal("team-a-warm"))
				g.Expect(observed.Named.At).To(Equal(row.listedAt))
			}
			g.Expect(named).To(Equal(row.named))
			g.Expect(observed.ReadFailure != nil).To(Equal(row.fails))
		})
	}
}

func TestTheFirstFailureOfAReadIsReported(t *testing.T) {
	g := NewWithT(t)
	in := needsOf()
	view := cache.ItemsView{
		List: cache.Look[*cache.ItemList]{Err: &databricks.Error{Class: databricks.ClassForbidden}},
		Item: cache.Look[cache.ItemState]{Err: &databricks.Error{Class: databricks.ClassBusy}},
	}
	var observed managed.Observation
	managed.ReadFrom(in, managed.Needs(in), view, &observed)
	g.Expect(observed.ReadFailure.Class).To(Equal(databricks.ClassForbidden))
	observed = managed.Observation{ReadFailure: &managed.Failure{Class: databricks.ClassInvalid}}
	managed.ReadFrom(in, managed.Needs(in), view, &observed)
	g.Expect(observed.ReadFailure.Class).To(Equal(databricks.ClassInvalid))
}

func TestReadsOfPermissionsAndUsers(t *testing.T) {
	read := func(in managed.NeedsInput, view cache.ItemsView) managed.Observation {
		var observed managed.Observation
		managed.ReadFrom(in, managed.Needs(in), view, &observed)
		return observed
	}
	entries := []iam.AccessControlResponse{{GroupName: "users", AllPermissions: []iam.Permission{{PermissionLevel: "CAN_ATTACH_TO"}}}}
	t.Run("permissions", func(t *testing.T) {
		g := NewWithT(t)
		in := needsOf(granting)
		known := read(in, cache.ItemsView{Permissions: cache.Look[[]iam.AccessControlResponse]{Value: entries, StartedAt: noon}}).Permissions
		g.Expect(known).To(Equal(managed.PermissionsRead{Known: true, Direct: []diff.Permission{{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}}), "[case-119]")
		g.Expect(read(in, cache.ItemsView{}).Permissions).To(BeZero())
		failed := read(in, cache.ItemsView{Permissions: cache.Look[[]iam.AccessControlResponse]{Value: entries, StartedAt: noon, Err: errors.New("no")}}).Permissions
		g.Expect(failed.Known).To(BeFalse(), "[case-119] a failure after an answer")
		g.Expect(failed.Failure.Message).To(Equal("no"))
	})
	t.Run("users of a policy, as the workspace counts them", func(t *testing.T) {
		g := NewWithT(t)
		object := &v1alpha1.DatabricksClusterPolicy{}
		object.Status.PolicyID, object.DeletionTimestamp = poolID, &metav1.Time{Time: noon}
		in := managed.NeedsInput{Kind: clusterpolicy.Kind, Object: clusterpolicy.Kind.View(object), Now: noon}
		count := databricks.ClusterCount{Clusters: 100, More: true}
		g.Expect(read(in, cache.ItemsView{Clusters: cache.Look[databricks.ClusterCount]{Value: count, StartedAt: noon}}).Users).
			To(Equal(managed.Users{Known: true, Count: 100, More: true}), "[case-124]")
		g.Expect(read(in, cache.ItemsView{}).Users).To(BeZero())
		g.Expect(read(in, cache.ItemsView{Clusters: cache.Look[databricks.ClusterCount]{StartedAt: noon, Err: errors.New("no")}}).Users).
			To(Equal(managed.Users{Failed: true}))
	})
	t.Run("users of a pool, as it tells itself", func(t *testing.T) {
		g := NewWithT(t)
		in := needsOf(deleting)
		pool := item(poolID, "team-a-warm", map[string]any{"stats": map[string]any{"used_count": 2}})
		g.Expect(read(in, cache.ItemsView{List: listed(noon, pool)}).Users).To(Equal(managed.Users{Known: true, Count: 2}), "[case-124]")
		g.Expect(read(in, cache.ItemsView{}).Users).To(BeZero())
	})
}
