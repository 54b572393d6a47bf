package managed

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// NeedsInput has the facts that determine which data an object needs from its workspace.
type NeedsInput struct {
	Kind     *Kind
	Object   Object
	Attempts Attempts
	// Owner is the value of the owner tag of the object; empty: it has none.
	Owner  string
	Limits Limits
	Now    time.Time
}

// Needs returns the interest of an object. One list serves all objects of a workspace and
// kind; a GET is requested where a decision needs one, by confirm.
func Needs(in NeedsInput) cache.ItemsInterest {
	attempts := in.Attempts
	after := latest(attempts.ValidAfter(), attempts.RereadAfter)
	list := cache.Lookup{Cadence: cache.WhileQuiet, After: after}
	if *in.Object.ID == "" {
		// The name must be free now, and not when the newest list was made.
		list.After = latest(list.After, attempts.GenerationSeenAt)
		if resolve := in.decision().resolveAt(); !resolve.IsZero() {
			list.After = latest(list.After, resolve)
		}
	}
	if in.awaitsChange() {
		list.Cadence = cache.WhileChanging
	}
	interest := cache.ItemsInterest{Collection: in.Kind.Collection, ID: in.Object.CurrentID(), Name: in.Object.SoughtName(), List: list}
	if in.Object.Permissions != nil && !in.Object.IsDeleting() && in.Object.CurrentID() != "" {
		interest.Permissions = cache.Lookup{Cadence: cache.WhileQuiet, After: latest(attempts.Side.At, attempts.RereadAfter)}
		if !in.Object.wasReady() {
			interest.Permissions.After = latest(interest.Permissions.After, attempts.GenerationSeenAt)
		}
	}
	if in.Object.IsDeleting() && in.Kind.Users == nil {
		interest.Clusters = cache.Lookup{Cadence: cache.WhileQuiet, After: attempts.DeletionSeenAt}
	}
	if get := latest(attempts.baseAt, in.confirmAfter()); !get.IsZero() {
		interest.Get = cache.Lookup{Cadence: cache.WhileQuiet, After: get}
	}
	return interest
}

// confirmAfter returns the time after which a GET must begin that decides whether a remote
// object exists which a list did not have; zero: none is needed.
func (in NeedsInput) confirmAfter() time.Time {
	if in.Attempts.confirmAfter.IsZero() {
		return time.Time{}
	}
	return latest(in.Attempts.confirmAfter, in.decision().missingValidAfter())
}

// decision returns the facts as the input of a decision.
func (in NeedsInput) decision() Input {
	return Input{Kind: in.Kind, Object: in.Object, Attempts: in.Attempts, Owner: in.Owner, Limits: in.Limits, Now: in.Now}
}

// awaitsChange reports whether the remote object is expected to change without a further
// write: it may still be created, or is being deleted. Any other write shows its effect in
// the next read.
func (in NeedsInput) awaitsChange() bool {
	last := in.Attempts.Last
	isDeleted := last.Step == StepDelete && in.Object.IsDeleting()
	isAmbiguous := last.Failure != nil && last.Failure.Class == databricks.ClassAmbiguous
	return in.Object.isPending() || isDeleted || isAmbiguous
}

// Confirmed returns the attempts once it is known whether a GET must decide that a remote
// object exists: one that is absent from a list. Absence from a list is never deletion.
func (a Attempts) Confirmed(interest cache.ItemsInterest, list cache.Look[*cache.ItemList]) Attempts {
	a.confirmAfter = time.Time{}
	if interest.ID == "" || list.StartedAt.IsZero() {
		return a
	}
	if _, listed := list.Value.ByID(interest.ID); !listed {
		a.confirmAfter = list.StartedAt
	}
	return a
}

// ReadFrom completes an observation with what a view has for an interest. An answer that
// cannot be decoded is a failure.
func ReadFrom(in NeedsInput, interest cache.ItemsInterest, view cache.ItemsView, observed *Observation) {
	after := interest.List.After
	if listed := view.List.StartedAt; listed.After(after) {
		observed.ListedAt = listed
		if item, ok := view.List.Value.ByID(interest.ID); ok && interest.ID != "" {
			observed.Presence, observed.Remote = Present, observed.remoteOf(item, listed)
		}
	}
	observed.GotAt = view.Item.StartedAt
	if got := view.Item; got.StartedAt.After(after) && interest.ID != "" && (observed.Remote == nil || got.StartedAt.After(observed.Remote.At)) {
		observed.readItem(got)
	}
	isTooEarly := observed.Presence == Missing && !view.Item.StartedAt.After(in.decision().missingValidAfter())
	if observed.Presence == Present && observed.Remote == nil || isTooEarly {
		observed.Presence = Unknown
	}
	if named := in.named(view.List.Value, interest, observed.Presence); named != nil && !observed.ListedAt.IsZero() {
		observed.Named = observed.remoteOf(*named, observed.ListedAt)
	}
	if look := view.Permissions; look.Err != nil {
		observed.Permissions.Failure = FailureOf(look.Err)
	} else if !look.StartedAt.IsZero() {
		observed.Permissions = PermissionsRead{Known: true, Direct: in.Kind.Levels.Direct(look.Value)}
	}
	switch look := view.Clusters; {
	case in.Kind.Users != nil && observed.Remote != nil:
		observed.Users = in.Kind.Users(observed.Remote.Tree)
	case look.Err != nil:
		observed.Users = Users{Failed: true}
	case !look.StartedAt.IsZero():
		observed.Users = Users{Known: true, Count: look.Value.Clusters, More: look.Value.More}
	}
	if err := firstError(view.List.Err, view.Item.Err); err != nil && observed.ReadFailure == nil {
		observed.ReadFailure = FailureOf(err)
	}
}

// named returns the item of a list with the target name; nil: there is none. While the
// object's own is not there, it is rather the one with the owner tag of the object, whatever
// its name. The list may still have what a later GET did not find.
func (in NeedsInput) named(list *cache.ItemList, interest cache.ItemsInterest, presence Presence) *databricks.Item {
	isGone := func(item databricks.Item) bool { return presence == Missing && item.ID == interest.ID }
	candidates := list.BySameName(interest.Name)
	if presence != Present {
		candidates = append(in.tagged(list), candidates...)
	}
	if candidates = slices.DeleteFunc(candidates, isGone); len(candidates) == 0 {
		return nil
	}
	return &candidates[0]
}

// tagged returns the items of a list that carry the owner tag of the object, sorted by id.
func (in NeedsInput) tagged(list *cache.ItemList) []databricks.Item {
	if in.Kind.TagField == "" || in.Owner == "" {
		return nil
	}
	// Most items are not decoded: they do not contain the identity in the tag.
	return slices.DeleteFunc(list.Containing(owner.Parse(in.Owner).ID()), func(item databricks.Item) bool {
		var tree diff.Tree
		return json.Unmarshal(item.JSON, &tree) != nil || !in.decision().isOwn(&Remote{Tree: tree})
	})
}

func (o *Observation) readItem(got cache.Look[cache.ItemState]) {
	switch got.Value.Presence {
	case cache.Present:
		o.Presence, o.Remote = Present, o.remoteOf(got.Value.Item, got.StartedAt)
		if o.Remote != nil {
			o.Remote.FromGet = true
		}
	case cache.Missing:
		o.Presence, o.Remote = Missing, nil
	default:
	}
}

// remoteOf returns a remote object as it was read; nil if it cannot be decoded, which is a
// failure of the read.
func (o *Observation) remoteOf(item databricks.Item, at time.Time) *Remote {
	var tree diff.Tree
	if err := json.Unmarshal(item.JSON, &tree); err != nil {
		o.ReadFailure = FailureOf(err)
		return nil
	}
	return &Remote{ID: item.ID, Name: item.Name, Tree: tree, At: at}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// latest returns the later one of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
