package workspace

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
	// Cluster is what was seen; nil unless Present. Its Spec is set only where
	// Deep.
	Cluster *compute.ClusterDetails
	// Deep tells that this look was a GET, which alone returns Spec.
	Deep bool
	// StartedAt is when the call that saw it began, CompletedAt when it ended.
	// An observation speaks about no write that completed after StartedAt.
	StartedAt, CompletedAt time.Time
}

// Health is what the last calls to a workspace came to, for conditions.
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
