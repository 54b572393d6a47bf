package cache

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Object identifies the subscriber of a cluster, as "namespace/name". Objects of
// one namespace share a flow of the rate limiter; otherwise it is opaque here.
type Object string

// flow returns the namespace, whose requests take turns with those of others.
func (o Object) flow() string {
	namespace, _, _ := strings.Cut(string(o), "/")
	return namespace
}

// Presence is what is known of whether a cluster exists.
type Presence int

const (
	// Unknown: no valid observation, or none since the last own write.
	Unknown Presence = iota
	// Present: it was observed.
	Present
	// Missing: a GET returned that it does not exist. Absence from a list never
	// makes a cluster Missing.
	Missing
	// Purged: a GET returned that Databricks removed it, 30 days after it ended.
	Purged
)

// Observation is the result of one read of one cluster. It is immutable, with all
// that it points to.
type Observation struct {
	Presence Presence
	// Cluster is what was read, without what is large or restless and of no use to
	// a controller: nodes (but for the number of executors), default tags, log
	// delivery, cores, memory and spec. Nil unless Present.
	Cluster *compute.ClusterDetails
	// FromGet marks the result of a GET; otherwise it comes from a list.
	FromGet bool
	// StartedAt is when the request began, CompletedAt when it ended. An observation
	// says nothing about a write that completed after StartedAt.
	StartedAt, CompletedAt time.Time
	// ChangedAt is the StartedAt of the first observation with this content.
	ChangedAt time.Time
}

// Spec is the specification that was last asked of a cluster, which only GET
// returns.
type Spec struct {
	// JSON is the object as the workspace sent it; nil: unknown, since no GET
	// returned one after the last own write to the cluster.
	JSON json.RawMessage
	// StartedAt is when the GET began; zero where JSON is nil.
	StartedAt time.Time
	// Omitted is how many GETs in a row returned the cluster without a spec.
	Omitted int
}

// Health is how the reads that an object depends on fare. A failure that is often
// transient shows only after three in a row.
type Health struct {
	// Err is the failure of the newest read; nil when it succeeded.
	Err error
	// Since is when the present run of failures began; zero when healthy.
	Since time.Time
	// LastSuccess is when a read last succeeded.
	LastSuccess time.Time
	// OfCluster marks a failure of the GETs of one cluster, which lists may still
	// return.
	OfCluster bool
}

// SearchResult is the state of a search for clusters by a tag, in complete lists.
type SearchResult struct {
	// CompleteLists is how many complete lists began after the asked time.
	CompleteLists int
	// Matches are the clusters that carried the tag in the newest of them.
	Matches []Observation
}

// Interest is all that an object needs to know of its workspace for its next
// decision. The zero value is no interest.
type Interest struct {
	// ClusterID is the object's cluster; empty: none yet.
	ClusterID string
	// After is the time after which an observation must have begun; zero: any
	// valid one serves.
	After time.Time
	// SpecAfter is the time after which a GET must have begun; zero: no GET is
	// needed.
	SpecAfter time.Time
	// Purpose is what the reads are for that After and SpecAfter request.
	Purpose Purpose
	// Search looks for clusters by a custom tag; the zero value looks for none.
	Search Query
	// Libraries and Permissions are those of the cluster; Pins are the pinned
	// clusters of the workspace.
	Libraries, Permissions, Pins Lookup
	// Catalog is what the workspace offers: runtimes and node types, and the names
	// of policies and pools where the object names one.
	Catalog CatalogLookup
}

// Purpose is what a read is for that an object waits for.
type Purpose int

const (
	// ToKeep: the object is kept as declared.
	ToKeep Purpose = iota
	// ToDelete: the object is being deleted. Where the service asked for a pause that it
	// did not ask of terminates, the read is not held either.
	ToDelete
)

// Lookup is an interest in what a list of clusters does not show.
type Lookup struct {
	// Cadence is how often it is read while the interest lasts; NotNeeded ends it.
	Cadence Cadence
	// After is the time after which the read must have begun; zero: any serves.
	After time.Time
	// OutdatedBefore is the time up to which answers are outdated, because of a write
	// since. The object waits for none that is newer, and is notified of the first one,
	// even if it equals what was read before the write; zero: none is outdated.
	OutdatedBefore time.Time
}

// Cadence is how often something is read again.
type Cadence int

const (
	// NotNeeded: not at all.
	NotNeeded Cadence = iota
	// WhileChanging: at the fast cadence, for what is on its way.
	WhileChanging
	// WhileQuiet: seldom, to see what was changed elsewhere.
	WhileQuiet
)

// CatalogLookup is an interest in what a workspace offers.
type CatalogLookup struct{ Versions, NodeTypes, Policies, InstancePools Cadence }

// Query describes a search for clusters that carry a custom tag, in complete
// lists that began after a time.
type Query struct {
	Tag, Value string
	After      time.Time
}

// View answers an Interest with what is known now.
type View struct {
	// Cluster is the newest valid observation of the object's cluster; its Presence
	// is Unknown where there is none.
	Cluster Observation
	// Spec is what GET last returned of it since the last own write.
	Spec Spec
	// Health is how the reads of this cluster fare: its own, else the lists that
	// show it.
	Health Health
	// Search answers Interest.Search.
	Search SearchResult
	// Libraries, Permissions and Pins answer the interests of these names. Pins has
	// an entry for each pinned cluster.
	Libraries   Look[[]compute.LibraryFullStatus]
	Permissions Look[[]compute.ClusterAccessControlResponse]
	Pins        Look[map[string]bool]
	// Catalog answers Interest.Catalog.
	Catalog Catalog
}

// Catalog is what a workspace offers: what was asked for of it.
type Catalog struct {
	Versions  Look[[]compute.SparkVersion]
	NodeTypes Look[[]compute.NodeType]
	// Policies and InstancePools are names by id.
	Policies, InstancePools Look[map[string]string]
}

// Look is what was last read of something that a list of clusters does not show.
type Look[T any] struct {
	// Value is immutable, with all that it points to.
	Value T
	// StartedAt is when the read began; zero: there is none that serves.
	StartedAt time.Time
	// Err is why the newest read failed. A failure that is often transient shows
	// only after three in a row.
	Err error
}

// WaitError is returned for a call that was not made and may be made at At.
// Nothing in this package waits on behalf of a reconciler.
type WaitError struct {
	// At is when to come back; an earlier attempt gets the same answer.
	At time.Time
	// Reason classifies what holds the call up.
	Reason ratelimit.Reason
	// Domain is the endpoint or the workspace that is concerned; empty for the
	// credential's own reasons.
	Domain string
	// Message explains it; it is constant for a reason and a domain.
	Message string
	// Since is when a workspace was first asked that has not answered yet, where
	// that is the cause; else zero. The object is notified of the answer.
	Since time.Time
}

// Error returns the cause without the time, which differs with every attempt.
func (e *WaitError) Error() string { return e.Message }
