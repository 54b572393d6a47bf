package explore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

const (
	host      = "https://adb-1.azuredatabricks.net"
	principal = "operator@example.com"
	operator  = "0badcafe-"
)

// view is all that a decision depends on. The code that decides is a pure function, so
// one call for equal views is enough.
type view struct {
	object   object
	isOlder  bool
	attempts attempts
	entry    entry
	search   search
}

// decision is what follows from a view.
type decision struct {
	attempts             attempts
	search               search
	wantsRead, wantsList bool
	step                 step
	// status has the status for a plan without a step.
	status object
}

// decide makes the decision of a process on the object in its cache.
func (m *Model) decide(p *process) decision {
	v := view{p.cached.object, p.cached.uid <= p.since, p.attempts, p.entry, p.search}
	made, known := m.decisions[v]
	if !known {
		made = m.make(v)
		m.decisions[v] = made
	}
	return made
}

// make is Reconciler.Reconcile without its effects.
func (m *Model) make(v view) decision {
	cluster := v.object.resource()
	made := decision{attempts: v.attempts.seen(v.object)}
	in := plan.Input{Cluster: cluster, Attempts: v.attempts.plan().Seen(cluster, now), SearchFirst: v.isOlder, Limits: limits, Now: now}
	in.Observed.Owner = m.owner(v.object.uid)
	if plan.NeedsWorkspace(cluster) {
		in.Observed.Host, in.Observed.Principal = host, principal
		made.look(v, &in)
		made.find(v, &in)
	}
	next := plan.Make(in)
	made.step.presence = in.Observed.Presence
	switch step := next.Step.(type) { //nolint:gochecksumtype // the others panic
	case nil:
		made.status = statusOf(v.object, report.Of(report.Input{Cluster: cluster, Observed: in.Observed, Plan: next, Limits: limits, Now: now}).Status)
	case plan.AddFinalizer:
		made.step.kind = addFinalizer
	case plan.RemoveFinalizer:
		made.step.kind = removeFinalizer
	case plan.StoreClusterID:
		made.step.kind, made.step.id, made.step.source = storeID, idOf(step.ClusterID), step.Source
	case plan.Create:
		made.step.kind, made.step.intent = create, intentOf(v.object.uid, step.Intent)
	case plan.PermanentDelete:
		made.step.kind, made.step.id = permanentDelete, idOf(step.ClusterID)
	default:
		panic(fmt.Sprintf("a step that the model does not have: %T", step))
	}
	return made
}

// owner is Reconciler.ownerTag.
func (m *Model) owner(uid int8) drift.Tag {
	tag := drift.Tag{Key: v1alpha1.OwnerTagKey, Value: operator + uidOf(uid)}
	if m.Untagged {
		tag.Key = ""
	}
	return tag
}

// look is Reconciler.need and Reconciler.look.
func (d *decision) look(v view, in *plan.Input) {
	if v.object.id == 0 {
		return
	}
	needs := plan.NeedsInput{Cluster: in.Cluster, ClusterID: in.Cluster.Status.ClusterID, Attempts: in.Attempts}
	var interest cache.Interest
	plan.Needs(needs, &interest)
	read := v.entry.observation()
	after := plan.ReadAfter(needs, read, nil, limits)
	if read.Presence == cache.Unknown || !read.StartedAt.After(after) {
		d.wantsRead = true
		return
	}
	in.Observed.Presence, in.Observed.Details = v.entry.presence, read.Cluster
}

// find is Reconciler.search.
func (d *decision) find(v view, in *plan.Input) {
	search := plan.SearchInput{
		Cluster: in.Cluster, Presence: in.Observed.Presence, Origin: plan.CreatedSinceStart, Owner: in.Observed.Owner,
		Attempts: in.Attempts, Limits: limits, Now: in.Now,
	}
	if v.isOlder {
		search.Origin = plan.OlderThanProcess
	}
	need := plan.NeedsSearchNow(search)
	search.Attempts = search.Attempts.WithSearch(need, in.Now)
	in.Attempts = search.Attempts
	if need == plan.NoSearch {
		d.attempts.searchSince = notSearching
		return
	}
	d.search.since = early
	if plan.SearchQuery(search).After.Equal(search.Attempts.SearchSince) {
		d.search.since = late
	}
	d.attempts.searchSince = d.search.since
	if d.search.since == v.search.since {
		d.search = v.search // cache.search: the same query goes on
	}
	d.wantsList = d.search.lists < 2 // cache.search.isDone
	in.Observed.Search.CompleteLists = int(d.search.lists)
	for _, found := range d.search.found {
		if found.id != 0 {
			in.Observed.Search.Matches = append(in.Observed.Search.Matches, details(found.id, v.object.uid, found.created))
		}
	}
}

// observation is cache.entry.observation.
func (e entry) observation() cache.Observation {
	switch e.presence {
	case managed.Present:
		return cache.Observation{Presence: cache.Present, Cluster: details(e.id, e.uid, present), StartedAt: present.time()}
	case managed.Missing:
		return cache.Observation{Presence: cache.Missing, StartedAt: e.missingAt.time()}
	default:
		return cache.Observation{}
	}
}

// reported is the status after a step.
func (m *Model) reported(before object, step step) object {
	key := reportKey{before, step}
	after, known := m.reports[key]
	if known {
		return after
	}
	in := report.Input{Cluster: before.resource(), Limits: limits, Now: now}
	in.Observed = plan.Observation{Host: host, Principal: principal, Presence: step.presence, Owner: m.owner(before.uid)}
	if step.presence == managed.Present {
		in.Observed.Details = details(before.id, before.uid, present)
	}
	in.Outcome.Ran = true
	switch step.kind {
	case storeID:
		in.Plan.Step = plan.StoreClusterID{ClusterID: nameOf(step.id), Source: step.source}
	case create:
		in.Plan.Step = plan.Create{Intent: managed.Intent{Token: tokenOf(before.uid, step.intent.incarnation)}}
		in.Outcome.Created = nameOf(step.created)
	case permanentDelete:
		in.Plan.Step = plan.PermanentDelete{ClusterID: nameOf(step.id)}
	default:
	}
	in.Outcome.Failure = failureOf(step.result)
	in.Outcome.Refused = step.kind == create && step.result == refused
	after = statusOf(before, report.Of(in).Status)
	m.reports[key] = after
	return after
}

type reportKey struct {
	before object
	step   step
}

// failureOf returns how a call failed; nil: it succeeded. The workspace refuses for
// a quota: it judges the request, and the call may be tried again.
func failureOf(result reply) *managed.Failure {
	switch result {
	case ambiguous:
		return &managed.Failure{Class: databricks.ClassAmbiguous, Message: "no answer"}
	case refused:
		return &managed.Failure{Class: databricks.ClassQuota, Message: "refused"}
	default:
		return nil
	}
}

// plan returns the attempts as plan has them.
func (a attempts) plan() plan.Attempts {
	var known plan.Attempts
	if a.creationSeen != 0 {
		// Seen sets what only plan can set.
		seen := object{uid: 1, creation: creation{incarnation: a.incarnation, attempt: a.attempt, pending: a.attempt != 0, decided: present}}
		known = known.Seen(seen.resource(), a.creationSeen.time())
	}
	if a.deletionSeen {
		known.DeletionSeenAt = epoch
	}
	known.SearchSince = [...]time.Time{notSearching: {}, early: epoch, late: now.Add(time.Minute)}[a.searchSince]
	known.Last = plan.Attempt{
		Step: stepKinds[a.last.kind], ClusterID: nameOf(a.last.id), CreateAttempt: int64(a.last.attempt),
		Failure: failureOf(a.last.result), Failures: int(a.last.failures), Generation: int64(a.last.generation),
	}
	switch {
	case a.last.recent:
		// The first backoff is over, so the step may be tried again at once.
		known.Last.At = present.time().Add(-10 * time.Second)
	case a.last.kind != noStep:
		known.Last.At = (present - 1).time()
	}
	if a.last.incarnation != 0 {
		known.Last.Token = tokenOf(a.last.uid, a.last.incarnation)
	}
	return known
}

var stepKinds = map[kind]plan.StepKind{create: plan.StepCreate, permanentDelete: plan.StepPermanentDelete}

// seen is plan.Attempts.Seen.
func (a attempts) seen(seen object) attempts {
	known := a.plan().Seen(seen.resource(), now)
	a.creationSeen, a.deletionSeen = stampAt(known.CreationSeenAt), !known.DeletionSeenAt.IsZero()
	switch {
	case a.creationSeen == 0:
		a.incarnation, a.attempt = 0, 0
	case known.CreationSeenAt.Equal(now):
		a.incarnation, a.attempt = seen.creation.incarnation, 0
		if seen.creation.pending {
			a.attempt = seen.creation.attempt
		}
	}
	return a
}

// recorded is plan.Attempts.Recorded.
func (a attempts) recorded(done step, by object) attempts {
	next := last{kind: done.kind, id: done.created, result: done.result, generation: by.generation(), recent: true}
	if done.kind == create {
		next.uid, next.incarnation, next.attempt = by.uid, done.intent.incarnation, done.intent.attempt
	}
	known := a.plan().Recorded(attempts{last: next}.plan().Last)
	next.failures = small(int64(known.Last.Failures))
	a.last = next
	return a
}

// resource returns an object as Kubernetes has it.
func (o object) resource() *v1alpha1.DatabricksCluster {
	cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "etl", UID: types.UID(uidOf(o.uid)), Generation: int64(o.generation()), CreationTimestamp: metav1.NewTime(epoch),
	}}
	if o.finalizer {
		cluster.Finalizers = []string{v1alpha1.FinalizerCluster}
	}
	if o.deleting {
		cluster.DeletionTimestamp = new(metav1.NewTime(present.time()))
	}
	cluster.Spec.DeletionPolicy = v1alpha1.DeletionPolicyDelete
	if o.retain {
		cluster.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain
	}
	cluster.Status.ObservedGeneration, cluster.Status.ClusterID = cluster.Generation, nameOf(o.id)
	if o.state {
		cluster.Status.State = string(compute.StateRunning)
	}
	if o.ready {
		meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRunning, ObservedGeneration: cluster.Generation,
		})
	}
	if o.creation != (creation{}) {
		cluster.Status.Creation = o.creation.resource(o.uid)
	}
	return cluster
}

func (c creation) resource(uid int8) *v1alpha1.CreationIntent {
	intent := &v1alpha1.CreationIntent{Incarnation: int64(c.incarnation), Attempt: int64(c.attempt)}
	if c.pending {
		intent.Token = tokenOf(uid, c.incarnation)
	}
	if c.decided != 0 {
		intent.NotAfter = new(metav1.NewTime(c.decided.time().Add(limits.CreateWindow)))
	}
	return intent
}

// statusOf returns the object with a status.
func statusOf(o object, status v1alpha1.DatabricksClusterStatus) object {
	o.id, o.state = idOf(status.ClusterID), status.State != ""
	o.ready = meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady)
	decided := o.creation.decided
	o.creation = creation{}
	if intent := status.Creation; intent != nil {
		o.creation = creation{incarnation: small(intent.Incarnation), attempt: small(intent.Attempt), pending: intent.Token != ""}
		if intent.NotAfter != nil {
			o.creation.decided = decided
		}
	}
	return o
}

// intentOf returns the creation that a process is about to persist.
func intentOf(uid int8, intent managed.Intent) creation {
	if intent.Token != tokenOf(uid, small(intent.Incarnation)) || !intent.NotAfter.Equal(now.Add(limits.CreateWindow)) {
		panic(fmt.Sprintf("an intent that the model cannot hold: %+v", intent))
	}
	return creation{incarnation: small(intent.Incarnation), attempt: small(intent.Attempt), pending: true, decided: present}
}

// details returns a cluster as the workspace returns it.
func details(id, uid int8, created stamp) *compute.ClusterDetails {
	return &compute.ClusterDetails{
		ClusterId: nameOf(id), State: compute.StateRunning, SparkContextId: 1, CreatorUserName: principal,
		ClusterSource: compute.ClusterSourceApi, StartTime: created.time().UnixMilli(),
		CustomTags: map[string]string{v1alpha1.OwnerTagKey: operator + uidOf(uid)},
	}
}

func uidOf(uid int8) string { return "uid" + strconv.Itoa(int(uid)) }

func tokenOf(uid, incarnation int8) string {
	return plan.Token(&v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uidOf(uid))}}, int64(incarnation))
}

const idPrefix = "cluster-"

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
