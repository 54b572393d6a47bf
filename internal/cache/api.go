package cache

import (
	"encoding/json"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Object identifies a subscriber of a workspace.
type Object struct {
	// Kind is the object's kind. The package does not depend on its value.
	Kind string
	// Namespace is empty for cluster-scoped kinds. Objects of one namespace share a
	// flow of the rate limiter.
	Namespace, Name string
	// UID distinguishes an object from a later one of the same name.
	UID string
}

// flow returns the object's flow in the rate limiter.
func (o Object) flow() string { return o.Namespace }

// objectKey is an Object without its UID. At most one object of a key is connected.
type objectKey struct{ kind, namespace, name string }

func (o Object) key() objectKey { return objectKey{o.Kind, o.Namespace, o.Name} }

func (k objectKey) object(uid string) Object { return Object{k.kind, k.namespace, k.name, uid} }

// Presence is the known existence of a cluster.
type Presence int

const (
	// Unknown: no valid observation, or none since the last own write.
	Unknown Presence = iota
	// Present: the cluster was observed.
	Present
	// Missing: a GET returned "not found". Absence from a list never makes a cluster
	// Missing.
	Missing
	// Purged: a GET returned that Databricks purged the cluster, 30 days after its
	// termination.
	Purged
)

// Observation is the result of one read of one cluster. It is deeply immutable.
type Observation struct {
	Presence Presence
	// Cluster is the cluster without the fields that are large or change often and
	// that no controller uses: nodes (except the number of executors), default tags,
	// log delivery, cores, memory and spec. It is nil unless Present.
	Cluster *compute.ClusterDetails
	// FromGet reports whether a GET returned the observation; otherwise a list did.
	FromGet bool
	// StartedAt is when the request began, CompletedAt when it ended. An observation
	// does not reflect a write that completed after StartedAt.
	StartedAt, CompletedAt time.Time
	// ChangedAt is the StartedAt of the first observation with this content.
	ChangedAt time.Time
}

// Spec is the last requested specification of a cluster. Only GET returns it.
type Spec struct {
	// JSON is the specification as the workspace returned it. It is nil, which means
	// unknown, if no GET returned one after the last own write to the cluster.
	JSON json.RawMessage
	// StartedAt is when the GET began; zero if JSON is nil.
	StartedAt time.Time
	// Omitted is the number of consecutive GETs that returned the cluster without a
	// spec.
	Omitted int
}

// Health is the health of the reads that an object depends on. A transient failure
// is reported only after three in a row.
type Health struct {
	// Err is the failure of the newest read; nil if it succeeded.
	Err error
	// Since is when the current run of failures began; zero if healthy.
	Since time.Time
	// LastSuccess is when a read last succeeded.
	LastSuccess time.Time
	// OfCluster reports whether only the GETs of one cluster fail. Lists may still
	// return the cluster.
	OfCluster bool
}

// SearchResult is the state of a search for clusters by a tag, in complete lists.
type SearchResult struct {
	// CompleteLists is the number of complete lists that began after Query.After. A list
	// without a match after one with a match is the first of these.
	CompleteLists int
	// Matches are the clusters that carried the tag in the newest of these lists.
	Matches []Observation
}

// Interest is the data that an object needs from its workspace for its next
// decision. The zero value requests nothing.
type Interest struct {
	// ClusterID is the object's cluster; empty if it has none yet.
	ClusterID string
	// After is the time after which an observation must have begun. Zero accepts any
	// valid observation.
	After time.Time
	// SpecAfter is the time after which a GET must have begun. Zero requests no GET.
	SpecAfter time.Time
	// Purpose is the purpose of the reads that After and SpecAfter request.
	Purpose Purpose
	// Search selects clusters by a custom tag. The zero value selects none.
	Search Query
	// Libraries and Permissions are those of the cluster. Pins are the pinned
	// clusters of the workspace.
	Libraries, Permissions, Pins Lookup
	// Compliance is whether the clusters of the policy PolicyID comply with it. One list
	// serves all objects with this policy.
	Compliance Lookup
	PolicyID   string
	// Items is what the object needs of a collection.
	Items ItemsInterest
	// Catalog requests the runtimes and node types of the workspace, and the names of
	// its policies and pools if the object refers to one.
	Catalog CatalogLookup
}

// ItemsInterest is the data that an object needs of one collection, of which it is or manages
// one item. The zero value requests nothing.
type ItemsInterest struct {
	// Collection is the collection; nil requests nothing.
	Collection *databricks.Collection
	// ID and Name are those of the item; either may be empty. The object is notified when an
	// item with this id or this name changes, appears or disappears.
	ID, Name string
	// List is the list of all items. One list serves all objects and Interest.Catalog.
	List Lookup
	// Get is the item ID by GET, which alone confirms that it is missing. Permissions is its
	// access control list. Both are ignored without an ID.
	Get, Permissions Lookup
	// Clusters is the number of clusters that use the policy ID. It is ignored for other
	// collections and without an ID.
	Clusters Lookup
}

// Purpose is the purpose of a requested read.
type Purpose int

const (
	// ToKeep: the object is kept as declared.
	ToKeep Purpose = iota
	// ToDelete: the object is being deleted. A Retry-After that does not apply to
	// terminates does not hold the read either.
	ToDelete
)

// Lookup requests data that a list of clusters does not contain.
type Lookup struct {
	// Cadence is how often the data is read. NotNeeded cancels the request.
	Cadence Cadence
	// After is the time after which the read must have begun. Zero accepts any read.
	After time.Time
	// OutdatedBefore is the time of the last write that outdated earlier answers. It
	// requests no read: the next answer by cadence notifies the object, even if it
	// equals the answer from before the write. Zero means that no answer is outdated.
	OutdatedBefore time.Time
}

// Cadence is how often data is read again.
type Cadence int

const (
	// NotNeeded: never.
	NotNeeded Cadence = iota
	// WhileChanging: at the fast interval, while the data is expected to change.
	WhileChanging
	// WhileQuiet: at a slow interval, to notice changes by other actors.
	WhileQuiet
)

// CatalogLookup requests parts of the catalog of a workspace.
type CatalogLookup struct {
	Versions, NodeTypes, Policies, InstancePools Cadence
	// After is the time after which the reads of those parts must have begun that are read
	// WhileChanging. Zero accepts any read.
	After time.Time
}

// Query describes a search for clusters that carry an owner tag, in complete lists that
// began after a time.
type Query struct {
	// Tag is the key of the tag.
	Tag string
	// Owner is the ID of an owner, and Name the name of an object. A cluster of either
	// matches; "" matches none.
	Owner, Name string
	After       time.Time
}

// View is the cached data for an Interest.
type View struct {
	// Cluster is the newest valid observation of the object's cluster. Its Presence
	// is Unknown if there is none.
	Cluster Observation
	// Spec is the spec that GET last returned since the last own write.
	Spec Spec
	// Health is the health of the GETs of this cluster, or of the lists if the cluster
	// depends on them.
	Health Health
	// Search answers Interest.Search.
	Search SearchResult
	// Libraries, Permissions and Pins answer the lookups of the same names. Pins has
	// an entry for each pinned cluster.
	Libraries   Look[[]compute.LibraryFullStatus]
	Permissions Look[[]compute.ClusterAccessControlResponse]
	Pins        Look[map[string]bool]
	// Compliance answers Interest.Compliance, by the id of the cluster.
	Compliance Look[map[string]compute.ClusterCompliance]
	// Items answers Interest.Items.
	Items ItemsView
	// Catalog answers Interest.Catalog.
	Catalog Catalog
}

// ItemsView answers the lookups of the same names of ItemsInterest; Item answers Get.
type ItemsView struct {
	List        Look[*ItemList]
	Item        Look[ItemState]
	Permissions Look[[]iam.AccessControlResponse]
	Clusters    Look[databricks.ClusterCount]
}

// ItemState is the result of a GET of one item.
type ItemState struct {
	// Presence is Present or Missing; Unknown if there is no answer.
	Presence Presence
	// Item is the item if it is Present.
	Item databricks.Item
}

// Catalog has the requested parts of the catalog of a workspace.
type Catalog struct {
	Versions  Look[[]compute.SparkVersion]
	NodeTypes Look[[]compute.NodeType]
	// Policies and InstancePools are names by id.
	Policies, InstancePools Look[map[string]string]
}

// Look is the newest answer to a Lookup.
type Look[T any] struct {
	// Value is deeply immutable.
	Value T
	// StartedAt is when the read began; zero if no answer satisfies the Lookup.
	StartedAt time.Time
	// Err is the failure of the newest read. A transient failure is reported only
	// after three in a row.
	Err error
}

// WaitError is returned for a call that was not made and may be made at At.
type WaitError struct {
	// At is when to retry. An earlier attempt gets the same answer.
	At time.Time
	// Reason is why the call was not made.
	Reason ratelimit.Reason
	// Domain is the endpoint or the workspace that holds the call; empty if the
	// credential is the reason.
	Domain string
	// Message describes the reason. It is constant for a reason and a domain.
	Message string
	// Since is when the first call of a workspace that has not answered yet was made,
	// if that is the reason; else zero. The object is notified of the answer.
	Since time.Time
}

// Error returns the message without the time, which differs with every attempt.
func (e *WaitError) Error() string { return e.Message }

// UnidentifiedError is the last failure of the first call with a credential, which is
// retried.
type UnidentifiedError struct {
	// Since is when the credential was first used.
	Since time.Time
	// Err is the failure.
	Err error
}

// Error returns the message of the failure.
func (e *UnidentifiedError) Error() string { return e.Err.Error() }

// Unwrap returns the failure.
func (e *UnidentifiedError) Unwrap() error { return e.Err }
