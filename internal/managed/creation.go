package managed

import (
	"fmt"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// The rules of this file create a remote object exactly once: a persisted intent comes
// before the call, and after a lost response the name is looked for before the next call.
// The workspace refuses a second remote object of a name, so a repeated call creates no
// duplicate (docs/decisions/0027-listed-kinds.md).

// clockSkew is how far the clocks of operator processes, the API server and the workspace
// may be apart beyond what is measured: 15 minutes, and a minute to spare.
const clockSkew = 16 * time.Minute

// token returns the token of one incarnation of an object. It is not sent to the
// workspace; it distinguishes creations in the status.
func (o Object) token(incarnation int64) string {
	return fmt.Sprintf("%s-%d", o.GetUID(), incarnation)
}

// creationOverAt returns when a create can no longer be in flight and its result is
// visible. firstSeen is when this process first observed the creation, independent of the
// clock that set the deadline; zero: unknown, and the deadline applies.
func (l Limits) creationOverAt(deadline, firstSeen time.Time) time.Time {
	if !firstSeen.IsZero() {
		deadline = firstSeen.Add(l.CreateWindow)
	}
	return deadline.Add(l.RequestDeadline + l.VisibilityGrace)
}

// deadline returns until when a pending creation may be sent. This operator writes no
// intent without a deadline; such an intent is no older than its object.
func (o Object) deadline() time.Time {
	if notAfter := o.Status.Creation.NotAfter; notAfter != nil {
		return notAfter.Time
	}
	return o.GetCreationTimestamp().Time
}

// resolveAt returns when the result of an unresolved creation can be determined; zero: no
// creation is pending.
func (in Input) resolveAt() time.Time {
	if !in.Object.isPending() {
		return time.Time{}
	}
	return in.Limits.creationOverAt(in.Object.deadline(), in.Attempts.CreationSeenAt)
}

// missingAcceptedAt returns until when "missing" is not accepted for what was just created
// and never read; zero: it is accepted now.
func (in Input) missingAcceptedAt() time.Time {
	if until := in.missingValidAfter(); in.Now.Before(until) {
		return until
	}
	return time.Time{}
}

// missingValidAfter returns the time after which a read must have begun to show that the
// remote object is missing; zero: any read. Reads that began before may not show yet what was
// just created, and what another process has compared exists.
func (in Input) missingValidAfter() time.Time {
	after := in.Attempts.comparedSeenAt
	if creation := in.Object.Status.Creation; creation != nil && creation.NotAfter != nil {
		after = latest(after, in.Limits.creationOverAt(creation.NotAfter.Time, in.Attempts.CreationSeenAt))
	}
	return after
}

// whenAdoptingByID: the specification names an existing remote object.
func whenAdoptingByID(in Input) (Plan, bool) {
	named := in.Object.NamedID
	if named == "" || *in.Object.ID != "" {
		return Plan{}, false
	}
	switch in.Observed.Presence {
	case Present:
		return Plan{Step: StoreID{ID: named, Source: AdoptedByID}}, true
	case Missing, Purged:
		return Plan{Verdict: Verdict{
			Reason: v1alpha1.ReasonAdoptionTargetNotFound, Stalled: true,
			Message: fmt.Sprintf("spec.%s %s does not exist in %s; correct it, or create the object again without it",
				in.Kind.IDField, named, in.Observed.Host),
		}}, true
	default:
		return in.awaitRead(fmt.Sprintf("looking for %s %s", in.Kind.Noun, named)), true
	}
}

// awaitRead returns the plan until the first read.
func (in Input) awaitRead(message string) Plan {
	if failure := in.Observed.ReadFailure; failure != nil {
		return Plan{Verdict: failure.Verdict()}
	}
	return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonCreating, Message: message}}
}

// whenCreatedButNotStored: this process created a remote object and could not store its id
// yet.
func whenCreatedButNotStored(in Input) (Plan, bool) {
	last, creation := in.Attempts.Last, in.Object.Status.Creation
	if !in.Object.isPending() || last.ID == "" || last.Token != creation.Token || last.CreateAttempt != creation.Attempt {
		return Plan{}, false
	}
	return Plan{Step: StoreID{ID: last.ID, Source: CreatedByProcess}, Verdict: in.creatingOrDeleting()}, true
}

func (in Input) creatingOrDeleting() Verdict {
	if in.Object.IsDeleting() {
		return in.deleting()
	}
	return in.creating()
}

// whenResolving: an earlier process started a creation, or its response was lost. Nothing
// may be created before it is certain that nothing was.
func whenResolving(in Input) (Plan, bool) {
	if !in.Object.isPending() {
		return Plan{}, false
	}
	verdict := in.verdict(v1alpha1.ReasonCreating, "checking whether an earlier create call created the %s")
	if in.Object.IsDeleting() {
		verdict.Reason = v1alpha1.ReasonDeleting
	}
	at := in.resolveAt()
	switch named := in.Observed.Named; {
	case in.Now.Before(at):
		return Plan{Verdict: verdict, RequeueAt: at}, true
	case in.Observed.ListedAt.IsZero() || !in.Observed.ListedAt.After(at):
		next := in.awaitRead(verdict.Message)
		next.Verdict.Reason = verdict.Reason
		return next, true
	case named != nil && in.isFromCreation(named):
		return Plan{Step: StoreID{ID: named.ID, Source: FoundInList}, Verdict: verdict}, true
	case in.Object.IsDeleting():
		return Plan{Step: RemoveFinalizer{}}, true
	case in.Object.isRenamed():
		// Whether the new name is free has not been looked at.
		return Plan{Step: AbandonCreation{}, Verdict: verdict}, true
	case named != nil:
		return Plan{Verdict: in.nameTaken(named)}, true
	case in.Object.isObserving():
		return Plan{Verdict: in.nothingNamed()}, true
	default:
		creation := in.Object.Status.Creation
		return in.create(verdict, Intent{Token: creation.Token, Incarnation: creation.Incarnation, Attempt: creation.Attempt + 1}), true
	}
}

// isFromCreation reports whether the remote object with the target name is what the pending
// creation of this object made. With tags the owner tag tells; without, it has the fields
// that are declared or were sent, was created by this principal, and no earlier than the
// intent. A later attempt replaced the intent of the first, which the object is older than.
// What another object manages was made by that one, which declares the same.
func (in Input) isFromCreation(named *Remote) bool {
	if in.Kind.TagField != "" && in.Owner != "" {
		return in.isOwn(named)
	}
	if in.Observed.ManagedBy != "" {
		return false
	}
	creator, _ := named.Tree.At("creator_user_name")
	created := millisecondsAt(named.Tree, "created_at_timestamp")
	intended := in.Object.deadline().Add(-in.Limits.CreateWindow)
	if in.Object.Status.Creation.Attempt > 1 {
		intended = in.Object.GetCreationTimestamp().Time
	}
	earliest := intended.Add(min(in.Observed.ClockSkew, 0) - clockSkew)
	isOwn := creator == in.Observed.Principal && !created.Before(earliest)
	return isOwn && in.Desired != nil && (len(in.Kind.Fields.Compare(in.Desired, named.Tree)) == 0 || in.hasSentFields(named))
}

// hasSentFields reports whether a remote object has the fields that the pending creation
// sent. The object may declare others by now.
func (in Input) hasSentFields(named *Remote) bool {
	sent := diff.Tree{}
	for _, owned := range in.Object.Status.OwnedFields {
		member := in.Kind.Fields.WirePath(owned)[0]
		sent[member] = named.Tree[member]
	}
	return in.Kind.Fields.Digest(sent) == in.Object.Status.Creation.Digest
}

// millisecondsAt returns the time of a member that has milliseconds since 1970.
func millisecondsAt(tree diff.Tree, member string) time.Time {
	value, _ := tree.At(member)
	milliseconds, _ := value.(float64)
	return time.UnixMilli(int64(milliseconds))
}

// whenNotCreated: the object has no remote object yet.
func whenNotCreated(in Input) (Plan, bool) {
	if *in.Object.ID != "" {
		return Plan{}, false
	}
	name := in.Object.TargetName()
	named := in.Observed.Named
	switch {
	case in.Observed.ListedAt.IsZero():
		return in.awaitRead(fmt.Sprintf("looking for %s %q", in.Kind.Noun, name)), true
	case in.isOwn(named):
		// The status was lost, as by a restore without it.
		return Plan{Step: StoreID{ID: named.ID, Source: FoundInList}, Verdict: in.creating()}, true
	case named != nil && in.Object.Spec.AdoptByName:
		return in.adoptNamed(named), true
	case named != nil:
		return Plan{Verdict: in.nameTaken(named)}, true
	case in.Object.isObserving():
		return Plan{Verdict: in.nothingNamed()}, true
	default:
		return in.createNew(in.creating()), true
	}
}

// adoptNamed returns the plan that adopts the remote object with the target name.
func (in Input) adoptNamed(named *Remote) Plan {
	if in.Observed.ManagedBy != "" && !in.Object.isObserving() {
		return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonAlreadyManaged, Stalled: true, Message: in.managedBy(named.ID)}}
	}
	return Plan{Step: StoreID{ID: named.ID, Source: AdoptedByName}}
}

// nothingNamed returns the verdict for an observing object whose name nothing has.
func (in Input) nothingNamed() Verdict {
	return in.stalled(v1alpha1.ReasonAdoptionTargetNotFound, "there is no %s with the name %q that the credential can see; correct spec.%s, or create it",
		in.Object.TargetName(), in.Kind.NameField)
}

// nameTaken returns the verdict for a name that another remote object has.
func (in Input) nameTaken(named *Remote) Verdict {
	remedy := fmt.Sprintf("set spec.adoptByName: true or spec.%s to adopt it, or choose another spec.%s", in.Kind.IDField, in.Kind.NameField)
	if in.Observed.ManagedBy != "" {
		remedy = fmt.Sprintf("another object manages it; choose another spec.%s", in.Kind.NameField)
	}
	return in.stalled(v1alpha1.ReasonNameTaken, "%s %s has the name %q already, and names are unique in a workspace; %s",
		named.ID, named.Name, remedy)
}

// createNew returns a plan that starts a new incarnation.
func (in Input) createNew(verdict Verdict) Plan {
	incarnation := int64(1)
	if creation := in.Object.Status.Creation; creation != nil {
		incarnation = creation.Incarnation + 1
	}
	return in.create(verdict, Intent{Token: in.Object.token(incarnation), Incarnation: incarnation, Attempt: 1})
}

func (in Input) create(verdict Verdict, intent Intent) Plan {
	intent.NotAfter = in.Now.Add(in.Limits.CreateWindow)
	name := in.Object.TargetName()
	body := in.Desired.Clone()
	body[in.Kind.WireName] = name
	in.tag(body)
	return in.withBackoff(Plan{Verdict: verdict, Step: Create{Intent: intent, Name: name, Body: body}})
}

// tag adds the owner tag to a body.
func (in Input) tag(body diff.Tree) {
	if in.Kind.TagField == "" || in.Owner == "" {
		return
	}
	tags, _ := body[in.Kind.TagField].(map[string]any)
	if tags == nil {
		tags = map[string]any{}
	}
	tags[in.Kind.TagKey] = in.Owner
	body[in.Kind.TagField] = tags
}

// whenGone: a GET found that the remote object does not exist.
func whenGone(in Input) (Plan, bool) {
	if in.Observed.Presence != Missing {
		return Plan{}, false
	}
	id := *in.Object.ID
	if in.Object.isAdopted() {
		return Plan{Verdict: in.stalled(v1alpha1.ReasonAdoptionTargetNotFound, "the adopted %s %s does not exist any more; it is not created again: "+
			"delete this object, or create it again without spec.%s", id, in.Kind.IDField)}, true
	}
	if in.Object.isObserving() {
		return Plan{Verdict: in.stalled(v1alpha1.ReasonAdoptionTargetNotFound, "the %s %s does not exist any more", id)}, true
	}
	verdict := in.verdict(v1alpha1.ReasonCreating, "the %s %s does not exist any more; creating it again", id)
	switch {
	case in.Observed.ListedAt.IsZero():
		return in.awaitRead(verdict.Message), true
	case in.isOwn(in.Observed.Named):
		// A restore brought back the id of an earlier one.
		return Plan{Step: StoreID{ID: in.Observed.Named.ID, Source: FoundInList}, Verdict: in.creating()}, true
	case in.Observed.Named != nil:
		return Plan{Verdict: in.nameTaken(in.Observed.Named)}, true
	}
	return in.corrected(subjectExistence, in.createNew(verdict)), true
}
