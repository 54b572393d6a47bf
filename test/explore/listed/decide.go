package listed

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

const (
	host      = "https://example.cloud.databricks.com"
	principal = "operator@example.com"
	operator  = "0badcafe"
	name      = "team-etl"
)

// view is all that a decision depends on. The code that decides is a pure function, so one
// call for equal views is enough.
type view struct {
	object   object
	attempts attempts
	list     list
	item     item
	// created and owners are the times and the objects of the remote objects that the reads
	// show.
	created [maxRemotes]stamp
	owners  [maxRemotes]int8
}

// decision is what follows from a view.
type decision struct {
	wantsList, wantsGet bool
	step                step
	// status has the status for a plan without a step.
	status object
}

// decide makes the decision of a process on the object in its cache.
func (m *Model) decide(s *state, p *process) decision {
	v := view{object: p.cached.object, attempts: p.attempts, list: p.list, item: p.item}
	for i, r := range s.remotes {
		if p.list.ids>>i&1 == 1 || int(p.item.id) == i+1 && p.item.presence == managed.Present {
			v.created[i], v.owners[i] = r.created, r.uid
		}
	}
	made, known := m.decisions[v]
	if !known {
		made = m.make(v)
		m.decisions[v] = made
	}
	return made
}

// make is Reconciler.Reconcile without its effects.
func (m *Model) make(v view) decision {
	object := m.resource(v.object)
	in := managed.Input{
		Kind: m.Kind, Object: object, Attempts: m.attempts(v.attempts), Owner: tagOf(v.object.uid), Limits: limits, Now: now,
	}
	var made decision
	if managed.NeedsWorkspace(m.Kind, object) {
		in.Observed.Host, in.Observed.Principal = host, principal
		in.Desired, _ = m.Kind.Fields.Declared(object.Declared)
		made.read(m, v, &in)
	}
	in.Compared = managed.Compare(in)
	next := managed.Make(in)
	switch step := next.Step.(type) { //nolint:gochecksumtype // the others panic
	case nil:
		made.status = m.status(v.object, in, next, managed.Outcome{})
	case managed.AddFinalizer:
		made.step.kind = addFinalizer
	case managed.RemoveFinalizer:
		made.step.kind = removeFinalizer
	case managed.StoreID:
		made.step.kind, made.step.id = storeID, idOf(step.ID)
	case managed.Create:
		made.step.kind = create
		made.step.intent = creation{incarnation: small(step.Intent.Incarnation), attempt: small(step.Intent.Attempt), pending: true}
	case managed.Delete:
		made.step.kind, made.step.id = deletion, idOf(step.ID)
	default:
		panic(fmt.Sprintf("a step that the model does not have: %T", step))
	}
	return made
}

// read is Reconciler.read.
func (d *decision) read(m *Model, v view, in *managed.Input) {
	needs := managed.NeedsInput{Kind: m.Kind, Object: in.Object, Attempts: in.Attempts, Owner: in.Owner, Limits: limits, Now: now}
	seen := cache.ItemsView{Clusters: cache.Look[databricks.ClusterCount]{StartedAt: now}}
	if v.list.at != 0 {
		var items []databricks.Item
		for i := range maxRemotes {
			if v.list.ids>>i&1 == 1 {
				items = append(items, m.itemOf(v, i))
			}
		}
		seen.List = cache.Look[*cache.ItemList]{Value: cache.NewItemList(m.Kind.Collection, items), StartedAt: v.list.at.time()}
		if m.lacks(FreshList) && v.object.creation.pending {
			seen.List.StartedAt = now
		}
	}
	interest := managed.Needs(needs)
	needs.Attempts = needs.Attempts.Confirmed(interest, seen.List)
	interest = managed.Needs(needs)
	if after := interest.Get.After; !after.IsZero() {
		switch {
		case m.lacks(ConfirmingGet):
			seen.Item = cache.Look[cache.ItemState]{Value: cache.ItemState{Presence: cache.Missing}, StartedAt: now}
		case v.item.at != 0 && v.item.at.time().After(after):
			seen.Item = cache.Look[cache.ItemState]{Value: cache.ItemState{Presence: cache.Missing}, StartedAt: v.item.at.time()}
			if v.item.presence == managed.Present {
				seen.Item.Value = cache.ItemState{Presence: cache.Present, Item: m.itemOf(v, int(v.item.id)-1)}
			}
		default:
			d.wantsGet = true
		}
	}
	d.wantsList = !seen.List.StartedAt.After(interest.List.After)
	managed.ReadFrom(needs, interest, seen, &in.Observed)
	in.Attempts = needs.Attempts
}

// itemOf returns a remote object as the workspace returns it.
func (m *Model) itemOf(v view, i int) databricks.Item {
	tree, _ := m.Kind.Fields.Declared(m.resource(object{uid: v.owners[i]}).Declared)
	id := nameOf(int8(i + 1)) //nolint:gosec // four at most
	tree[m.Kind.WireID], tree[m.Kind.WireName] = id, name
	tree["creator_user_name"], tree["created_at_timestamp"] = principal, float64(v.created[i].time().UnixMilli())
	if m.isTagged() && !m.lacks(OwnerTag) {
		tree[m.Kind.TagField] = map[string]any{m.Kind.TagKey: tagOf(v.owners[i])}
	}
	text, err := json.Marshal(map[string]any(tree))
	if err != nil {
		panic(err)
	}
	return databricks.Item{ID: id, Name: name, JSON: text}
}

// status returns the object with the status that managed.ReportTo writes.
func (m *Model) status(before object, in managed.Input, next managed.Plan, done managed.Outcome) object {
	after := m.resource(before)
	managed.ReportTo(managed.ReportInput{Input: in, Plan: next, Outcome: done}, after)
	result := before
	result.id = idOf(*after.ID)
	result.ready = meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionReady)
	stalled := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionStalled)
	result.taken = stalled != nil && stalled.Reason == v1alpha1.ReasonNameTaken
	result.creation = creation{}
	if intent := after.Status.Creation; intent != nil {
		result.creation = creation{incarnation: small(intent.Incarnation), attempt: small(intent.Attempt), pending: intent.Token != ""}
		if intent.NotAfter != nil {
			result.creation.decided, result.creation.deadlineOf = before.creation.decided, before.creation.deadlineOf
		}
	}
	return result
}

// reported is the status after a step.
func (m *Model) reported(before object, step step) object {
	in := managed.Input{Kind: m.Kind, Object: m.resource(before), Owner: tagOf(before.uid), Limits: limits, Now: now}
	in.Observed.Host, in.Observed.Principal = host, principal
	next := managed.Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "m"}}
	done := managed.Outcome{Ran: true, Failure: failureOf(step.result)}
	switch step.kind {
	case storeID:
		next.Step = managed.StoreID{ID: nameOf(step.id), Source: managed.FoundInList}
	case create:
		next.Step, done.Created = managed.Create{}, nameOf(step.created)
	case deletion:
		next.Step, next.Verdict.Reason = managed.Delete{ID: nameOf(step.id)}, v1alpha1.ReasonDeleting
	default:
	}
	return m.status(before, in, next, done)
}

// failureOf returns how a call failed; nil: it succeeded.
func failureOf(result reply) *managed.Failure {
	switch result {
	case ambiguous:
		return &managed.Failure{Class: databricks.ClassAmbiguous, Message: "no answer"}
	case refused:
		return &managed.Failure{Class: databricks.ClassBusy, Message: "refused"}
	case nameTaken:
		return &managed.Failure{Class: databricks.ClassInvalid, Message: "the name exists"}
	default:
		return nil
	}
}

var stepKinds = map[kind]managed.StepKind{create: managed.StepCreate, deletion: managed.StepDelete}

// attempts returns the attempts as internal/managed has them.
func (m *Model) attempts(a attempts) managed.Attempts {
	var known managed.Attempts
	if a.generationSeen != 0 {
		// Seen sets what only internal/managed can set.
		if a.compared != 0 {
			known = known.Seen(m.resource(object{uid: 1, creation: creation{incarnation: 1, decided: today}}), now)
			known = known.Seen(m.resource(object{uid: 1}), a.compared.time())
		}
		seen := object{uid: 1, creation: creation{incarnation: a.incarnation, attempt: a.attempt, pending: a.attempt != 0}}
		if a.creationSeen != 0 {
			seen.creation.decided = today
		}
		resource := m.resource(seen)
		resource.SetGeneration(int64(a.generation))
		known = known.Seen(resource, now)
		known.GenerationSeenAt, known.CreationSeenAt = a.generationSeen.time(), a.creationSeen.time()
	}
	if a.deletionSeen {
		known.DeletionSeenAt = epoch
	}
	known.Last = managed.Attempt{
		Step: stepKinds[a.last.kind], ID: nameOf(a.last.id), CreateAttempt: int64(a.last.attempt), Failure: failureOf(a.last.result),
		At: a.last.ended.time(), ValidAfter: a.last.ended.time(), Generation: int64(a.last.generation),
	}
	if known.Last.Failure != nil {
		known.Last.Failures = 1
	}
	if a.last.result == ambiguous {
		known.Last.ValidAfter = a.last.sent.time().Add(limits.RequestDeadline + limits.VisibilityGrace)
	}
	if a.last.incarnation != 0 {
		known.Last.Token = tokenOf(a.last.uid, a.last.incarnation)
	}
	return known
}

// seen is managed.Attempts.Seen.
func (a attempts) seen(seen object, at stamp) attempts {
	if a.generation != seen.generation() || a.generationSeen == 0 {
		a.generation, a.generationSeen = seen.generation(), at
	}
	a.deletionSeen = a.deletionSeen || seen.deleting
	c := seen.creation
	if c.decided == 0 && !c.pending {
		if a.creationSeen != 0 {
			a.compared = at
		}
		a.incarnation, a.attempt, a.deadlineOf, a.creationSeen = 0, 0, 0, 0
		return a
	}
	isSame := a.incarnation == c.incarnation && (c.pending && a.attempt == c.attempt || !c.pending && a.deadlineOf == c.deadlineOf)
	if a.creationSeen == 0 || !isSame {
		a.incarnation, a.attempt, a.deadlineOf, a.creationSeen = c.incarnation, 0, c.deadlineOf, today
		if c.pending {
			a.attempt = c.attempt
		}
	}
	return a
}

// resource returns an object as Kubernetes has it.
func (m *Model) resource(o object) managed.Object {
	resource := m.Kind.New()
	resource.SetNamespace("team")
	resource.SetName("etl")
	resource.SetUID(types.UID(uidOf(o.uid)))
	resource.SetGeneration(int64(o.generation()))
	resource.SetCreationTimestamp(metav1.NewTime(epoch))
	if o.finalizer {
		resource.SetFinalizers([]string{m.Kind.Finalizer})
	}
	if o.deleting {
		resource.SetDeletionTimestamp(&metav1.Time{Time: epoch})
	}
	switch of := resource.(type) {
	case *v1alpha1.DatabricksInstancePool:
		of.Spec.NodeTypeID = "i3.xlarge"
	case *v1alpha1.DatabricksClusterPolicy:
		of.Spec.MaxClustersPerUser = new(int32(3))
	}
	object := m.Kind.View(resource)
	if o.retain {
		object.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain
	}
	status := object.Status
	status.ObservedGeneration, *object.ID, status.Name = object.GetGeneration(), nameOf(o.id), name
	if o.id != 0 || o.creation.pending {
		status.Host = host
	}
	if o.ready {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, ObservedGeneration: object.GetGeneration(),
		})
		desired, _ := m.Kind.Fields.Declared(object.Declared)
		status.OwnedFields, status.AppliedDigest = m.Kind.Fields.Owned(desired), m.Kind.Fields.Digest(desired)
	}
	if c := o.creation; c != (creation{}) {
		status.Creation = &v1alpha1.CreationIntent{Incarnation: int64(c.incarnation), Attempt: int64(c.attempt)}
		if c.pending {
			status.Creation.Token = tokenOf(o.uid, c.incarnation)
		}
		if c.decided != 0 {
			status.Creation.NotAfter = new(metav1.NewTime(c.decided.time().Add(limits.CreateWindow)))
		}
	}
	return object
}

func uidOf(uid int8) string { return "uid" + strconv.Itoa(int(uid)) }

func tagOf(uid int8) string { return owner.Of(operator, uidOf(uid), "team", "etl").Tag() }

func tokenOf(uid, incarnation int8) string { return fmt.Sprintf("%s-%d", uidOf(uid), incarnation) }

const idPrefix = "remote-"

func nameOf(id int8) string {
	if id == 0 {
		return ""
	}
	return idPrefix + strconv.Itoa(int(id))
}

func idOf(name string) int8 {
	id, _ := strconv.Atoi(strings.TrimPrefix(name, idPrefix))
	return small(int64(id))
}

func small(n int64) int8 {
	if n < 0 || n > 100 {
		panic(fmt.Sprintf("%d is more than the model has room for", n))
	}
	return int8(n)
}
