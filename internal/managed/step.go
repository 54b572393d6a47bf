package managed

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Step is one action with its parameters. Its types are those in this file; nil: no
// action.
//
//sumtype:decl
type Step interface {
	// kind seals the interface.
	kind() StepKind
}

// StepKind is the name of a step, in logs, events and attempts.
type StepKind string

// The kinds of steps. StepNone is the kind of no step.
const (
	StepNone               StepKind = ""
	StepAddFinalizer       StepKind = "AddFinalizer"
	StepRemoveFinalizer    StepKind = "RemoveFinalizer"
	StepStoreID            StepKind = "StoreID"
	StepAbandonCreation    StepKind = "AbandonCreation"
	StepPersistOwnership   StepKind = "PersistOwnership"
	StepAcknowledgeRequest StepKind = "AcknowledgeRequest"
	StepRead               StepKind = "Read"
	StepCreate             StepKind = "Create"
	StepEdit               StepKind = "Edit"
	StepSetPermissions     StepKind = "SetPermissions"
	StepDelete             StepKind = "Delete"
)

// AddFinalizer delays the deletion of the object until the operator has finished.
type AddFinalizer struct{}

// RemoveFinalizer lets the object be deleted.
type RemoveFinalizer struct{}

// StoreID writes the id of the remote object to the status.
type StoreID struct {
	ID     string
	Source Source
}

// Source is the origin of a remote object.
type Source int

// The sources of a remote object: this process created it and could not store its id; a
// list shows what an earlier creation made; the specification names its id, or its name.
const (
	CreatedByProcess Source = iota
	FoundInList
	AdoptedByID
	AdoptedByName
)

// AbandonCreation removes a pending creation from the status: it created nothing, and the
// object declares another name by now.
type AbandonCreation struct{}

// PersistOwnership writes the fields that the next edit sets, before that edit.
type PersistOwnership struct{}

// AcknowledgeRequest writes the state of the request annotation.
type AcknowledgeRequest struct{ Request v1alpha1.RequestStatus }

// Read reads the remote object with a GET that begins now, for an edit of the differences
// to be based on. It sends nothing itself: the cache makes the request.
type Read struct{ Differences []diff.Difference }

// Create persists the intent and creates the remote object.
type Create struct {
	Intent Intent
	Name   string
	Body   diff.Tree
}

// Edit replaces the configuration of the remote object.
type Edit struct {
	ID          string
	Differences []diff.Difference
	Body        diff.Tree
}

// SetPermissions replaces the direct permissions of the remote object.
type SetPermissions struct {
	ID          string
	Permissions []diff.Permission
}

// Delete deletes the remote object.
type Delete struct{ ID string }

func (AddFinalizer) kind() StepKind       { return StepAddFinalizer }
func (RemoveFinalizer) kind() StepKind    { return StepRemoveFinalizer }
func (StoreID) kind() StepKind            { return StepStoreID }
func (AbandonCreation) kind() StepKind    { return StepAbandonCreation }
func (PersistOwnership) kind() StepKind   { return StepPersistOwnership }
func (AcknowledgeRequest) kind() StepKind { return StepAcknowledgeRequest }
func (Read) kind() StepKind               { return StepRead }
func (Create) kind() StepKind             { return StepCreate }
func (Edit) kind() StepKind               { return StepEdit }
func (SetPermissions) kind() StepKind     { return StepSetPermissions }
func (Delete) kind() StepKind             { return StepDelete }

// KindOf returns the name of a step, StepNone for nil.
func KindOf(step Step) StepKind {
	if step == nil {
		return StepNone
	}
	return step.kind()
}

// WritesToDatabricks reports whether steps of the kind change a workspace rather than
// only the object.
func (k StepKind) WritesToDatabricks() bool {
	switch k {
	case StepCreate, StepEdit, StepSetPermissions, StepDelete:
		return true
	default:
		return false
	}
}
