package cache

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Object names whoever asks for a cluster; to this package it is opaque. The
// controller uses "namespace/name".
type Object string

// Presence is what is known of whether a cluster exists.
type Presence int

const (
	// Unknown: nobody has looked, or not since it mattered.
	Unknown Presence = iota
	// Present: it was seen.
	Present
	// Missing: a GET said that it does not exist. Absence from a list never
	// makes a cluster Missing.
	Missing
	// Purged: a GET said that Databricks removed it, 30 days after it ended.
	Purged
)

// Observation is one look at one cluster. It is a value: whoever holds it may
// read it freely, and nobody changes what it points to.
type Observation struct {
	Presence Presence
	// Cluster is what was seen, without what is of no use to a controller and
	// large or restless: nodes (but for how many executors there are), default
	// tags, log delivery, cores and memory. Nil unless Present. Its Spec is set
	// only where Deep.
	Cluster *compute.ClusterDetails
	// Deep tells that this look was a GET, which alone returns Spec.
	Deep bool
	// StartedAt is when the call that saw it began, CompletedAt when it ended.
	// An observation speaks about no write that completed after StartedAt.
	StartedAt, CompletedAt time.Time
	// ChangedAt is the StartedAt of the first look that found what this one
	// found. A Spec read after it has seen everything that Cluster shows: a
	// difference between the two is no news and needs no second GET.
	ChangedAt time.Time
	// Err is why the newest look at this one cluster failed, where that says
	// nothing of the others: the credential may not see it, or its id is none.
	// The rest is then what was known before.
	Err error
}

// Health is what the last calls to a workspace came to, for conditions. A
// failure that often passes by itself shows only once it has come three times
// in a row.
type Health struct {
	// Err is the failure of the newest read; nil when it succeeded.
	Err error
	// Since is when the present run of failures began; zero when healthy.
	Since time.Time
	// LastSuccess is when a read last succeeded.
	LastSuccess time.Time
}

// Search is the state of a look for clusters by a tag, over complete lists.
type Search struct {
	// CompleteLists is how many lists that began after the asked time arrived
	// in full.
	CompleteLists int
	// Matches are the clusters that carried the tag in the newest of them.
	Matches []Observation
}

// WaitError is the refusal of a call that was not made: it may be made at At.
// Nothing waits in this package on behalf of a reconciler.
type WaitError struct {
	// At is when to come back; asking sooner is answered the same way.
	At time.Time
	// Reason says what holds the call, for people.
	Reason string
	// Domain is what the refusal is about.
	Domain Domain
	// Since is when a workspace was first asked that has not answered yet, where
	// that is why; else zero. The object hears when there is an answer.
	Since time.Time
}

// Domain is the part of a workspace that holds a call up.
type Domain string

// The domains of a refusal. An endpoint is named by its own path instead.
const (
	// DomainLimit is the rate at which the host takes requests.
	DomainLimit Domain = "request limit"
	// DomainHost is the host as a whole.
	DomainHost Domain = "host"
	// DomainCredential is the object's own credential.
	DomainCredential Domain = "credential"
)

// Error says why, and not when: the time would differ with every attempt.
func (e *WaitError) Error() string { return e.Reason }
