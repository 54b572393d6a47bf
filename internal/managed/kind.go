package managed

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Resource is an object of any kind, as the Kubernetes API has it.
type Resource interface {
	metav1.Object
	runtime.Object
}

// Kind describes a kind whose remote objects a workspace lists in one call. It is a value
// without state.
type Kind struct {
	// Name is the kind of the resource, such as DatabricksClusterPolicy, and Noun the word
	// for the remote object in messages, such as policy.
	Name, Noun string
	// New returns an empty object and NewList an empty list of the kind.
	New     func() Resource
	NewList func() ListResource
	// View returns an object of the kind as the engine sees it, with pointers into it.
	View func(resource Resource) Object
	// Show writes what only this kind shows of a remote object to the status of an object;
	// nil: nothing. The remote object is nil if there is none.
	Show func(resource Resource, remote diff.Tree)

	// Finalizer keeps an object until its deletion policy has been applied.
	Finalizer string
	// Collection is where a workspace has the remote objects.
	Collection *databricks.Collection
	// Fields are the fields that an object may declare.
	Fields *diff.Table
	// IDField is the field of the specification that names an existing remote object, such
	// as policyID, and NameField the one with the name, such as name.
	IDField, NameField string
	// WireID and WireName are the names of both in the API.
	WireID, WireName string
	// Levels are the permission levels, in ascending order.
	Levels diff.Levels
	// TagField is the field of the API with custom tags, to which the owner tag with the
	// name TagKey is added; empty if the remote objects carry no tags.
	TagField, TagKey string
	// ReadOnly are the members of a remote object that an edit never sends, and Resent the
	// immutable ones that it must send unchanged.
	ReadOnly, Resent []string
	// Editable returns what an edit keeps of a remote object beside the declared fields, as
	// an edit replaces everything; nil: every member that is neither read-only nor
	// immutable. It may change its argument, which is a copy.
	Editable func(kept diff.Tree) diff.Tree
	// Path returns the path of the page of a remote object in the workspace.
	Path func(id string) string
	// Users returns how many clusters use a remote object, as it tells itself; nil: it does
	// not, and the workspace counts them.
	// UsersNoun is the word for what is counted, such as clusters.
	Users     func(remote diff.Tree) Users
	UsersNoun string
	// Usability returns the verdict on a remote object that is as declared and cannot be
	// used all the same; nil or the zero value: it can be used.
	Usability func(remote diff.Tree) Verdict
}

// ListResource is a list of objects of any kind.
type ListResource interface {
	metav1.ListInterface
	runtime.Object
}

// maxName is the maximum length of the name of a remote object, in characters.
const maxName = 100

// Object is an object of a kind: its metadata and pointers into its specification and
// status.
type Object struct {
	Resource

	Spec   *v1alpha1.ManagementSpec
	Status *v1alpha1.ManagementStatus
	// ID is the id in the status, and NamedID the one that the specification names; empty:
	// it names none.
	ID      *string
	NamedID string
	// DeclaredName is the name that the specification has; empty: it has none.
	DeclaredName string
	// Declared is the specification, for Kind.Fields.
	Declared any
	// Permissions are the declared permissions; nil: they are not managed.
	Permissions []diff.Permission
}

// TargetName returns the name of the remote object: the declared one, else the one that an
// earlier creation had, else <namespace>-<name>. A longer one is shortened and gets a hash
// of the whole name as its suffix.
func (o Object) TargetName() string {
	switch {
	case o.DeclaredName != "":
		return o.DeclaredName
	case o.Status.Name != "":
		return o.Status.Name
	}
	whole := o.GetNamespace() + "-" + o.GetName()
	if len(whole) <= maxName {
		return whole
	}
	const hashed = 8
	sum := sha256.Sum256([]byte(whole))
	return whole[:maxName-hashed-1] + "-" + hex.EncodeToString(sum[:])[:hashed]
}

// EffectiveRemovalPolicy returns the deletion policy that applies: the declared one, else
// Retain for what was adopted or is observed, and Delete for what the operator created.
func (o Object) EffectiveRemovalPolicy() v1alpha1.RemovalPolicy {
	switch {
	case o.isObserving():
		return v1alpha1.RemovalPolicyRetain
	case o.Spec.DeletionPolicy != "":
		return o.Spec.DeletionPolicy
	case o.isAdopted():
		return v1alpha1.RemovalPolicyRetain
	default:
		return v1alpha1.RemovalPolicyDelete
	}
}

// CurrentID returns the remote object: the one in the status, else the one that the
// specification names.
func (o Object) CurrentID() string {
	if *o.ID != "" {
		return *o.ID
	}
	return o.NamedID
}

// IsDeleting reports whether the object is being deleted.
func (o Object) IsDeleting() bool { return !o.GetDeletionTimestamp().IsZero() }

// HasFinalizer reports whether the object has the finalizer of its kind.
func (o Object) HasFinalizer(kind *Kind) bool {
	return slices.Contains(o.GetFinalizers(), kind.Finalizer)
}

// Holds reports whether the object prevents others from managing its remote object.
func (o Object) Holds(kind *Kind) bool { return !o.isObserving() && o.HasFinalizer(kind) }

func (o Object) isObserving() bool {
	return o.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
}

// isAdopted reports whether the operator did not create the remote object.
func (o Object) isAdopted() bool { return o.NamedID != "" || o.Status.Adopted }

// SoughtName returns the name that lists are searched for: while a creation is pending, the
// name that was sent, because the object may declare another one by now.
func (o Object) SoughtName() string {
	if o.isPending() && o.Status.Name != "" {
		return o.Status.Name
	}
	return o.TargetName()
}

// isRenamed reports whether the object declares another name than the pending creation sent.
func (o Object) isRenamed() bool { return o.SoughtName() != o.TargetName() }

// isPending reports whether a creation was started and its result is unknown.
func (o Object) isPending() bool {
	creation := o.Status.Creation
	return creation != nil && creation.Token != "" && *o.ID == ""
}

// isEvaluated reports whether the status is about the current generation.
func (o Object) isEvaluated() bool { return o.Status.ObservedGeneration == o.GetGeneration() }

// wasReady reports whether this generation was ready when it was last evaluated.
func (o Object) wasReady() bool { return WasReady(o.Status.Conditions, o.GetGeneration()) }

// WasReady reports whether a generation of an object was ready when it was last evaluated.
func WasReady(conditions []metav1.Condition, generation int64) bool {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == generation
}
