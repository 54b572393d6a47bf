package preview

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// ItemSource is the workspace of a policy or an instance pool.
type ItemSource interface {
	Host() string
	Me(ctx context.Context) (databricks.Principal, error)
	Items(ctx context.Context, of *databricks.Collection) ([]databricks.Item, error)
	Item(ctx context.Context, of *databricks.Collection, id string) (databricks.Item, error)
	ItemPermissions(ctx context.Context, of *databricks.Collection, id string) ([]iam.AccessControlResponse, error)
	List(ctx context.Context, query databricks.ListQuery) ([]compute.ClusterDetails, error)
}

// ListedInput has all that a preview of a policy or an instance pool depends on.
type ListedInput struct {
	Kind *managed.Kind
	// Object is the object as it would be: the declared one, with the status of the
	// existing one.
	Object managed.Resource
	Facts  ListedFacts
	// OperatorID is the id of the operator; empty: unknown.
	OperatorID string
	Now        time.Time
}

// ListedFacts are what the workspace answers about one policy or instance pool.
type ListedFacts struct {
	Host string
	// Principal is the user's own, not the operator's.
	Principal databricks.Principal
	// Presence is whether what the object stands for exists; it is managed.Unknown without
	// an id. Item is valid if it does.
	Presence managed.Presence
	Item     databricks.Item
	// Named is the item with the name of the object; nil: there is none.
	Named *databricks.Item
	// ManagedBy is the other object that manages the policy or pool, or the one with the
	// name of the object, as namespace/name; empty: none is visible. ReadListed does not look
	// for it.
	ManagedBy string
	// Permissions are the direct permissions, if the object declares any.
	Permissions []diff.Permission
	// Users is how many clusters use it; it is read if the object is being deleted.
	Users int
}

// CurrentID returns the id that an object has or, without one, that of the item with its
// name; empty: there is neither.
func (f ListedFacts) CurrentID(own string) string {
	if own == "" && f.Named != nil {
		return f.Named.ID
	}
	return own
}

// ReadListed reads the facts about a policy or an instance pool.
func ReadListed(ctx context.Context, source ItemSource, kind *managed.Kind, resource managed.Resource) (ListedFacts, error) {
	facts := ListedFacts{Host: source.Host()}
	var err error
	if facts.Principal, err = source.Me(ctx); err != nil {
		return facts, fmt.Errorf("ask %s who you are: %w", facts.Host, err)
	}
	items, err := source.Items(ctx, kind.Collection)
	if err != nil {
		return facts, fmt.Errorf("list: %w", err)
	}
	object := kind.View(resource)
	wanted := kind.Collection.NameKey(object.TargetName())
	if at := slices.IndexFunc(items, func(item databricks.Item) bool { return kind.Collection.NameKey(item.Name) == wanted }); at >= 0 {
		facts.Named = &items[at]
	}
	id := object.CurrentID()
	if id == "" && facts.Named != nil && object.Spec.AdoptByName {
		id = facts.Named.ID
	}
	if id == "" {
		return facts, nil
	}
	facts.Item, err = source.Item(ctx, kind.Collection, id)
	switch databricks.ClassOf(err) {
	case "":
		facts.Presence = managed.Present
	case databricks.ClassMissing:
		facts.Presence = managed.Missing
		return facts, nil
	default:
		return facts, fmt.Errorf("read the %s %s: %w", kind.Noun, id, err)
	}
	if object.Permissions != nil {
		entries, err := source.ItemPermissions(ctx, kind.Collection, id)
		if err != nil {
			return facts, fmt.Errorf("read the permissions on the %s %s: %w", kind.Noun, id, err)
		}
		facts.Permissions = kind.Levels.Direct(entries)
	}
	if object.IsDeleting() && kind.Users == nil {
		clusters, err := source.List(ctx, databricks.ListQuery{PolicyID: id})
		if err != nil {
			return facts, err
		}
		facts.Users = len(clusters)
	}
	return facts, nil
}

// OfListed returns the preview of a policy or an instance pool. It is pure.
func OfListed(in ListedInput) Preview {
	object := in.Kind.View(in.Object)
	p := Preview{Kind: in.Kind.Name, Object: object.GetNamespace() + "/" + object.GetName(), Host: in.Facts.Host, ID: object.CurrentID()}
	s, err := newListedSimulation(in)
	if err != nil {
		p.Reason, p.Message, p.Stalled = v1alpha1.ReasonInvalidSpec, err.Error(), true
		return p
	}
	if s.observed.Presence == managed.Present {
		p.ID = s.observed.Remote.ID
		state, _ := s.observed.Remote.Tree.At("state")
		p.State, _ = state.(string)
		p.State = databricks.PlainText(p.State)
	}
	found := managed.Compare(s.input())
	s.run(&p)
	p.Changes, p.Left = itemChanges(slices.Concat(found.Immutable, found.Differences)), itemChanges(found.Normalized)
	if s.isTolerated {
		p.Left, p.Changes = append(p.Changes, p.Left...), nil
	}
	p.Changes = append(p.Changes, s.further...)
	return p
}

// listedSimulation evaluates the steps of the operator for a policy or an instance pool on
// copies.
type listedSimulation struct {
	of       ListedInput
	object   managed.Object
	desired  diff.Tree
	observed managed.Observation
	attempts managed.Attempts
	// further are changes beside the declared fields.
	further []Change
	// isTolerated reports whether the operator leaves the differences as they are.
	isTolerated bool
}

// newListedSimulation returns the facts as the operator would observe them now.
func newListedSimulation(of ListedInput) (*listedSimulation, error) {
	copied, ok := of.Object.DeepCopyObject().(managed.Resource)
	if !ok {
		return nil, fmt.Errorf("a copy of a %s is none", of.Kind.Name)
	}
	s := &listedSimulation{of: of, object: of.Kind.View(copied)}
	var err error
	if s.desired, err = of.Kind.Fields.Declared(s.object.Declared); err != nil {
		return nil, err
	}
	of.Kind.Fields.ResolveSecrets(s.desired, func(string, any) any { return map[string]any{} })
	facts := of.Facts
	s.observed = managed.Observation{
		Host: facts.Host, Principal: facts.Principal.UserName, WorkspaceID: facts.Principal.WorkspaceID,
		Presence: facts.Presence, GotAt: of.Now, ListedAt: of.Now, ManagedBy: facts.ManagedBy,
		Permissions: managed.PermissionsRead{Known: true, Direct: facts.Permissions}, Users: managed.Users{Known: true, Count: facts.Users},
	}
	if facts.Named != nil {
		if s.observed.Named, err = remoteOf(*facts.Named, of.Now); err != nil {
			return nil, err
		}
	}
	if facts.Presence != managed.Present {
		return s, nil
	}
	if s.observed.Remote, err = remoteOf(facts.Item, of.Now); err != nil {
		return nil, err
	}
	if of.Kind.Users != nil {
		s.observed.Users = of.Kind.Users(s.observed.Remote.Tree)
	}
	return s, nil
}

func remoteOf(item databricks.Item, at time.Time) (*managed.Remote, error) {
	var tree diff.Tree
	if err := json.Unmarshal(item.JSON, &tree); err != nil {
		return nil, fmt.Errorf("decode %s: %w", item.ID, err)
	}
	return &managed.Remote{ID: item.ID, Name: item.Name, Tree: tree, At: at, FromGet: true}, nil
}

func (s *listedSimulation) input() managed.Input {
	in := managed.Input{
		Kind: s.of.Kind, Object: s.object, Desired: s.desired, Observed: s.observed, Attempts: s.attempts, Owner: s.ownerTag(), Now: s.of.Now,
		Limits: managed.Limits{CreateWindow: 10 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: 30 * time.Second},
	}
	in.Compared = managed.Compare(in)
	return in
}

// ownerTag returns the tag of what is created for the object.
func (s *listedSimulation) ownerTag() string {
	id := s.of.OperatorID
	if s.of.Kind.TagField != "" && s.observed.Remote != nil {
		// What stands for the object itself has the id of its operator.
		value, _ := s.observed.Remote.Tree.At(s.of.Kind.TagField, s.of.Kind.TagKey)
		tag, _ := value.(string)
		if of := owner.Parse(tag); of.UID == string(s.object.GetUID()) && of.UID != "" {
			id = of.Operator
		}
	}
	return owner.Of(id, string(s.object.GetUID()), s.object.GetNamespace(), s.object.GetName()).Tag()
}

// run makes plan after plan until the operator would do nothing, and records the calls.
func (s *listedSimulation) run(p *Preview) {
	for range maxSteps {
		in := s.input()
		next := managed.Make(in)
		p.Reason, p.Message, p.Stalled = next.Verdict.Reason, next.Verdict.Message, next.Verdict.Stalled
		if next.Step == nil {
			s.settle(p, in)
			return
		}
		if next.Kind().WritesToDatabricks() {
			p.Calls = append(p.Calls, Call{Endpoint: s.endpoint(next.Kind()), When: now})
		}
		if !s.carryOut(in, next) {
			return
		}
	}
}

func (s *listedSimulation) endpoint(step managed.StepKind) string {
	switch collection := s.of.Kind.Collection; step {
	case managed.StepCreate:
		return collection.CreateEndpoint()
	case managed.StepSetPermissions:
		return collection.PermissionsEndpoint()
	case managed.StepDelete:
		return collection.DeleteEndpoint()
	default:
		return collection.EditEndpoint()
	}
}

// settle records what waits, and what the operator leaves as it is.
func (s *listedSimulation) settle(p *Preview, in managed.Input) {
	const whenResumed = "when the object is resumed (spec.suspend)"
	spec := s.object.Spec
	switch {
	case spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		s.isTolerated = true
	case spec.Suspend && p.Reason == v1alpha1.ReasonSuspended:
		p.Calls = append(p.Calls, Call{Endpoint: s.endpoint(managed.StepCreate), When: whenResumed})
	case spec.Suspend && len(in.Compared.Differences) > 0:
		p.Calls = append(p.Calls, Call{Endpoint: s.endpoint(managed.StepEdit), When: whenResumed})
	case p.Reason == v1alpha1.ReasonDriftTolerated:
		s.isTolerated = true
	}
}

// carryOut applies the effect of a step, and reports whether the simulation continues.
func (s *listedSimulation) carryOut(in managed.Input, next managed.Plan) bool {
	switch step := next.Step.(type) {
	case managed.AddFinalizer:
		s.object.SetFinalizers(append(s.object.GetFinalizers(), s.of.Kind.Finalizer))
		return true
	case managed.Read:
		s.attempts = s.attempts.WithBase(step.Differences, s.of.Now.Add(-time.Second))
		return true
	case managed.Create, managed.Delete, managed.RemoveFinalizer:
		return false
	case managed.Edit:
		s.edited(step.Body)
	case managed.SetPermissions:
		s.further = append(s.further, Change{
			Path: "/accessControlList", From: shownItemPermissions(s.observed.Permissions.Direct), To: shownItemPermissions(step.Permissions),
		})
		s.observed.Permissions.Direct = step.Permissions
	case managed.StoreID, managed.AbandonCreation, managed.PersistOwnership, managed.AcknowledgeRequest: // only the status changes
	}
	// The status after the step decides what comes next.
	managed.ReportTo(managed.ReportInput{Input: in, Plan: next, Outcome: managed.Outcome{Ran: true}}, s.object)
	return true
}

// edited replaces what an edit replaces: everything but what the API does not change.
func (s *listedSimulation) edited(body diff.Tree) {
	tree := s.observed.Remote.Tree.Clone()
	maps.DeleteFunc(tree, func(name string, _ any) bool {
		field, isField := s.of.Kind.Fields.Field(name)
		return isField && !field.Immutable
	})
	maps.Copy(tree, body)
	remote := *s.observed.Remote
	remote.Tree = tree
	s.observed.Remote = &remote
}

func itemChanges(differences []diff.Difference) []Change {
	var changes []Change
	for _, d := range differences {
		changes = append(changes, Change{Path: d.SpecPath, From: shownItem(d, d.Actual), To: shownItem(d, d.Desired)})
	}
	return changes
}

// shownItem returns a value without what may be a secret; empty: it is absent.
func shownItem(d diff.Difference, value any) string {
	switch {
	case value == nil:
		return ""
	case d.Secret:
		return redacted
	default:
		return shownValue(value)
	}
}

func shownItemPermissions(permissions []diff.Permission) string {
	texts := make([]string, 0, len(permissions))
	for _, permission := range permissions {
		texts = append(texts, permission.UserName+permission.GroupName+permission.ServicePrincipalName+" "+string(permission.PermissionLevel))
	}
	return databricks.PlainText(strings.Join(texts, ", "))
}
