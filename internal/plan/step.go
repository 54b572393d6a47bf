package plan

import (
	"maps"
	"slices"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Step is one action with its parameters. Its types are those in this file; nil: no action. A new step is a type and a kind here, a case in
// controller's carryOut, a row in its table of calls if it calls Databricks, and a row
// in report's table of events.
//
//sumtype:decl
type Step interface {
	// kind seals the interface.
	kind() StepKind
}

// KindOf returns the name of a step, StepNone for nil.
func KindOf(step Step) StepKind {
	if step == nil {
		return StepNone
	}
	return step.kind()
}

// AddFinalizer delays the deletion of the object until the operator has finished.
type AddFinalizer struct{}

// RemoveFinalizer lets the object be deleted. ClusterID is empty where it has no
// cluster.
type RemoveFinalizer struct{ ClusterID string }

// StoreClusterID writes the id of the cluster to the status.
type StoreClusterID struct {
	ClusterID string
	Source    ClusterSource
}

// ClusterSource is the origin of the cluster of a StoreClusterID.
type ClusterSource int

// The sources of a cluster: this process created it and could not store its id; a
// search for the owner tag found it; a search for the name of the object found it; the
// specification names it.
const (
	CreatedByProcess ClusterSource = iota
	FoundByTag
	FoundByName
	AdoptedBySpec
)

// PersistOwnership writes the names of the fields that the next step sets, and marks the
// applied specification as unknown, before that step.
type PersistOwnership struct{}

// PersistLibraries writes the names of the declared libraries before they are installed.
type PersistLibraries struct{}

// AcknowledgeRequest writes the state of the request annotation.
type AcknowledgeRequest struct{ Request v1alpha1.RequestStatus }

// Create persists the intent and creates the cluster.
type Create struct{ Intent managed.Intent }

// Start starts a terminated cluster.
type Start struct{ ClusterID string }

// Restart restarts a running cluster.
type Restart struct{ ClusterID string }

// Resize changes the size of a running cluster without a restart.
type Resize struct {
	ClusterID   string
	Differences []drift.Difference
}

// Update changes the configuration of a cluster, which restarts a running one.
type Update struct {
	ClusterID   string
	Differences []drift.Difference
	Method      UpdateMethod
}

// UpdateMethod is the call that an update is made with.
type UpdateMethod int

// The methods of an update: clusters/update sends what differs, with a mask;
// clusters/edit sends the whole specification.
const (
	UpdateWithMask UpdateMethod = iota
	EditWhole
)

// ReadSpec reads the cluster with a GET that begins now, for an update of the
// differences to be based on. It sends nothing itself: the cache makes the request.
type ReadSpec struct{ Differences []drift.Difference }

// Terminate stops a cluster.
type Terminate struct{ ClusterID string }

// PermanentDelete deletes a cluster with its history in the workspace.
type PermanentDelete struct{ ClusterID string }

// Publish writes the object's ConfigMap.
type Publish struct{ Data map[string]string }

// Pin keeps a terminated cluster from being purged.
type Pin struct{ ClusterID string }

// Unpin removes the pin, because the object declares that or because the workspace deletes
// no pinned cluster.
type Unpin struct{ ClusterID string }

// SetPermissions replaces the direct permissions of a cluster.
type SetPermissions struct {
	ClusterID   string
	Permissions []drift.Permission
}

// EnforceCompliance lets the workspace change a cluster until it complies with its policy.
// A running cluster restarts.
type EnforceCompliance struct{ ClusterID string }

// InstallLibraries installs libraries on a cluster.
type InstallLibraries struct {
	ClusterID string
	Libraries []compute.Library
}

// UninstallLibraries removes libraries from a cluster at its next restart.
type UninstallLibraries struct {
	ClusterID string
	Libraries []compute.Library
}

// StepKind is the name of a step, in logs, events and attempts.
type StepKind string

// The kinds of steps. StepNone is the kind of no step.
const (
	StepNone               StepKind = ""
	StepAddFinalizer       StepKind = "AddFinalizer"
	StepRemoveFinalizer    StepKind = "RemoveFinalizer"
	StepStoreClusterID     StepKind = "StoreClusterID"
	StepPersistOwnership   StepKind = "PersistOwnership"
	StepPersistLibraries   StepKind = "PersistLibraries"
	StepAcknowledgeRequest StepKind = "AcknowledgeRequest"
	StepCreate             StepKind = "Create"
	StepStart              StepKind = "Start"
	StepRestart            StepKind = "Restart"
	StepResize             StepKind = "Resize"
	StepUpdate             StepKind = "Update"
	StepReadSpec           StepKind = "ReadSpec"
	StepTerminate          StepKind = "Terminate"
	StepPermanentDelete    StepKind = "PermanentDelete"
	StepPublish            StepKind = "Publish"
	StepPin                StepKind = "Pin"
	StepUnpin              StepKind = "Unpin"
	StepSetPermissions     StepKind = "SetPermissions"
	StepEnforceCompliance  StepKind = "EnforceCompliance"
	StepInstallLibraries   StepKind = "InstallLibraries"
	StepUninstallLibraries StepKind = "UninstallLibraries"
)

// stepTarget is what a step changes.
type stepTarget int

const (
	// targetObject steps change no more than the object and what belongs to it in
	// Kubernetes.
	targetObject stepTarget = iota
	// targetWorkspace steps change the workspace.
	targetWorkspace
)

// stepTargets has every kind of step.
var stepTargets = map[StepKind]stepTarget{
	StepAddFinalizer: targetObject, StepRemoveFinalizer: targetObject, StepStoreClusterID: targetObject,
	StepPersistOwnership: targetObject, StepPersistLibraries: targetObject, StepAcknowledgeRequest: targetObject,
	StepPublish: targetObject, StepReadSpec: targetObject,
	StepCreate: targetWorkspace, StepStart: targetWorkspace, StepRestart: targetWorkspace, StepResize: targetWorkspace,
	StepUpdate: targetWorkspace, StepTerminate: targetWorkspace, StepPermanentDelete: targetWorkspace,
	StepPin: targetWorkspace, StepUnpin: targetWorkspace, StepSetPermissions: targetWorkspace,
	StepEnforceCompliance: targetWorkspace, StepInstallLibraries: targetWorkspace, StepUninstallLibraries: targetWorkspace,
}

// StepKinds returns every kind of step, sorted. Tests compare tables of steps with it.
func StepKinds() []StepKind { return slices.Sorted(maps.Keys(stepTargets)) }

// WritesToDatabricks reports whether steps of the kind change a workspace rather than
// only the object.
func (k StepKind) WritesToDatabricks() bool { return stepTargets[k] == targetWorkspace }

func (AddFinalizer) kind() StepKind       { return StepAddFinalizer }
func (RemoveFinalizer) kind() StepKind    { return StepRemoveFinalizer }
func (StoreClusterID) kind() StepKind     { return StepStoreClusterID }
func (PersistOwnership) kind() StepKind   { return StepPersistOwnership }
func (PersistLibraries) kind() StepKind   { return StepPersistLibraries }
func (AcknowledgeRequest) kind() StepKind { return StepAcknowledgeRequest }
func (Create) kind() StepKind             { return StepCreate }
func (Start) kind() StepKind              { return StepStart }
func (Restart) kind() StepKind            { return StepRestart }
func (Resize) kind() StepKind             { return StepResize }
func (Update) kind() StepKind             { return StepUpdate }
func (ReadSpec) kind() StepKind           { return StepReadSpec }
func (Terminate) kind() StepKind          { return StepTerminate }
func (PermanentDelete) kind() StepKind    { return StepPermanentDelete }
func (Publish) kind() StepKind            { return StepPublish }
func (Pin) kind() StepKind                { return StepPin }
func (Unpin) kind() StepKind              { return StepUnpin }
func (SetPermissions) kind() StepKind     { return StepSetPermissions }
func (EnforceCompliance) kind() StepKind  { return StepEnforceCompliance }
func (InstallLibraries) kind() StepKind   { return StepInstallLibraries }
func (UninstallLibraries) kind() StepKind { return StepUninstallLibraries }
