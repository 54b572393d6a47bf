package managed

// Event is the event of one transition.
type Event struct {
	// Type is Normal or Warning.
	Type string
	// Reason is the name of the event, and Action is the step or observation.
	Reason, Action string
	Note           string
}

// The reasons of events that kinds have in common. Most warnings have the reason of a
// condition.
const (
	EventAdopted        = "Adopted"
	EventObserved       = "Observed"
	EventCreated        = "Created"
	EventDeleted        = "Deleted"
	EventRetained       = "Retained"
	EventUpdated        = "Updated"
	EventDriftCorrected = "DriftCorrected"
	EventSuspended      = "Suspended"
	EventResumed        = "Resumed"
	// EventRequestRefused is a Warning about a request that was not carried out, with the
	// remedy.
	EventRequestRefused = "RequestRefused"
	// EventWriteRefused is a Warning about a status or an intent that the Kubernetes API
	// refuses, with its answer.
	EventWriteRefused = "WriteRefused"
	// EventNotStored is a Warning about something that was created in the workspace for an
	// object that was replaced before the id was stored.
	EventNotStored = "NotStored"
	// EventDeletedInUse is a Warning about the deletion of something that clusters use, with
	// their number.
	EventDeletedInUse = "DeletedInUse"
)
