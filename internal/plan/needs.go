package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// NeedsInput has the facts that decide which reads of its cluster an object needs.
type NeedsInput struct {
	Cluster *v1alpha1.DatabricksCluster
	// ClusterID is the cluster of the object: the one in the status, else the one in the
	// specification; empty: none.
	ClusterID string
	Attempts  Attempts
	// Desired is the declared specification; nil: unknown. SecretsRotated reports whether
	// its write-only values differ from those that were last sent.
	Desired        drift.Tree
	SecretsRotated bool
	Now            time.Time
}

// Needs sets the reads of the cluster that the next decision needs. A changed specification
// needs a GET: only its spec shows the fields to clear and the base of a correction.
func Needs(in NeedsInput, interest *cache.Interest) {
	interest.Purpose = cache.ToKeep
	if !in.Cluster.DeletionTimestamp.IsZero() {
		interest.Purpose = cache.ToDelete
	}
	interest.ClusterID, interest.SpecAfter = in.ClusterID, in.Attempts.baseAt
	interest.After = latest(in.Attempts.readAfter(), readForEdge(in.Cluster, in.Now))
	creation := in.Cluster.Status.Creation
	isJustCreated := creation != nil && creation.Digest != ""
	changed := in.Desired != nil && (in.SecretsRotated || Changed(in.Cluster.Status.AppliedDigest, in.Desired))
	if changed && !isJustCreated {
		interest.SpecAfter = latest(interest.SpecAfter, in.Attempts.GenerationSeenAt)
	}
}

// ReadAfter returns the time after which a read of the cluster must have begun to be
// accepted; zero: any read. During a deletion the owner of the cluster must be read after
// the deletion was observed, or at any time while reads fail. A cluster that was just
// created is not missing before it must be visible.
func ReadAfter(in NeedsInput, read cache.Observation, failing *managed.Failure, limits Limits) time.Time {
	after := latest(in.Attempts.readAfter(), readForEdge(in.Cluster, in.Now))
	isLastKnown := read.Presence == cache.Present && failing != nil
	if !isLastKnown {
		after = latest(after, in.Attempts.DeletionSeenAt)
	}
	if read.Presence == cache.Missing || read.Presence == cache.Purged {
		after = latest(after, MissingAcceptedAt(in.Cluster, limits, in.Attempts.CreationSeenAt))
	}
	return after
}

// SearchNeed is whether the owner tag is searched for.
type SearchNeed int

// The needs of a search: none now, or one in lists that begin from now on.
const (
	NoSearch SearchNeed = iota
	SearchByTag
)

// SearchInput has the facts that decide whether the owner tag is searched for.
type SearchInput struct {
	Cluster  *v1alpha1.DatabricksCluster
	Presence managed.Presence
	Origin   Origin
	Owner    drift.Tag
	Adoption Adoption
	Attempts Attempts
	Limits   Limits
	Now      time.Time
}

// NeedsSearchNow returns whether the owner tag must be searched for now: while the result of
// a creation is unknown, and before a creation that may not be the first.
func NeedsSearchNow(in SearchInput) SearchNeed {
	resolveAt := ResolveAt(in.Cluster, in.Limits, in.Attempts.CreationSeenAt)
	isNeeded := NeedsSearch(in.Cluster, in.Presence, in.Origin) || in.Adoption.searchesFor(in.Cluster)
	if in.Owner.Key == "" || in.Now.Before(resolveAt) || !isNeeded {
		return NoSearch
	}
	return SearchByTag
}

// SearchQuery returns the search that NeedsSearchNow requires. The attempts have the time
// when it began.
func SearchQuery(in SearchInput) cache.Query {
	resolveAt := ResolveAt(in.Cluster, in.Limits, in.Attempts.CreationSeenAt)
	own := owner.Parse(in.Owner.Value)
	query := cache.Query{Tag: in.Owner.Key, Owner: own.ID(), After: latest(resolveAt, in.Attempts.SearchSince)}
	if in.Adoption.searchesFor(in.Cluster) {
		query.Name = own.Name
	}
	return query
}

// LibrariesLookup returns how the libraries of a cluster are read: often while they change,
// and seldom while they are as declared, to detect changes by other actors. changedAt is
// when the state of the cluster last changed.
func LibrariesLookup(
	cluster *v1alpha1.DatabricksCluster, presence managed.Presence, details *compute.ClusterDetails, changedAt time.Time, attempts Attempts,
) cache.Lookup {
	tried := attempts.Last.At
	switch {
	case !ManagesLibraries(cluster):
		return cache.Lookup{}
	case presence == managed.Unknown:
		return cache.Lookup{Cadence: cache.WhileChanging, After: tried}
	case presence != managed.Present:
		return cache.Lookup{}
	case needsLibraries(cluster, details):
		return cache.Lookup{Cadence: cache.WhileChanging, After: latest(changedAt, tried)}
	default:
		return cache.Lookup{Cadence: cache.WhileQuiet, After: tried}
	}
}

// LibrariesRead returns the observed libraries after a lookup.
func LibrariesRead(look cache.Look[[]compute.LibraryFullStatus]) (known Libraries) {
	if !look.StartedAt.IsZero() {
		return Libraries{Seen: true, Statuses: look.Value}
	}
	if look.Err != nil {
		known.Failure = managed.FailureOf(look.Err)
	}
	return known
}

// PinsLookup returns how the pins of the workspace are read: as often as its lists.
func PinsLookup(cluster *v1alpha1.DatabricksCluster, attempts Attempts) cache.Lookup {
	if !ManagesPin(cluster) {
		return cache.Lookup{}
	}
	_, at := attempts.Pinned()
	return cache.Lookup{Cadence: cache.WhileQuiet, OutdatedBefore: at}
}

// PinnedRead returns whether a cluster is pinned after a lookup; nil: unknown. A lookup
// that began before the last own write is older than that.
func PinnedRead(cluster *v1alpha1.DatabricksCluster, id string, look cache.Look[map[string]bool], attempts Attempts) *bool {
	done, at := attempts.Pinned()
	switch {
	case !ManagesPin(cluster):
		return nil
	case at.After(look.StartedAt):
		return &done
	case !look.StartedAt.IsZero():
		return new(look.Value[id])
	default:
		return nil
	}
}

// permissionsAttempt is the result of the last attempt to set the permissions.
type permissionsAttempt struct {
	Attempt
	// refused is set if the permissions are certainly unchanged, and done if those of this
	// generation were set.
	refused, done bool
}

func (a Attempts) permissions(cluster *v1alpha1.DatabricksCluster) permissionsAttempt {
	set := a.Side[StepSetPermissions]
	return permissionsAttempt{
		Attempt: set,
		refused: set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous,
		done:    set.Failure == nil && set.Generation == cluster.Generation,
	}
}

// PermissionsLookup returns how the permissions of a cluster are read: after a new
// specification and after they were set, else seldom.
func PermissionsLookup(cluster *v1alpha1.DatabricksCluster, attempts Attempts) cache.Lookup {
	if !ManagesPermissions(cluster) {
		return cache.Lookup{}
	}
	set := attempts.permissions(cluster)
	lookup := cache.Lookup{Cadence: cache.WhileQuiet}
	if !set.done && !PermissionsInPlace(cluster) {
		lookup.After = attempts.GenerationSeenAt
	}
	switch {
	case set.done:
		lookup.OutdatedBefore = set.At
	case !set.refused:
		lookup.After = latest(lookup.After, set.At)
	}
	return lookup
}

// PermissionsRead returns the observed permissions of a cluster after a lookup.
func PermissionsRead(cluster *v1alpha1.DatabricksCluster, look cache.Look[[]compute.ClusterAccessControlResponse], attempts Attempts) (known Permissions) {
	if !ManagesPermissions(cluster) {
		return Permissions{}
	}
	set := attempts.permissions(cluster)
	known.InPlace = set.done || PermissionsInPlace(cluster)
	if look.Err != nil {
		known.Failure = managed.FailureOf(look.Err)
	}
	if !look.StartedAt.IsZero() && (set.refused || look.StartedAt.After(set.At)) {
		known.Seen, known.Direct = true, drift.DirectPermissions(look.Value)
	}
	return known
}

// CatalogLookup returns the parts of the catalog that an object needs: those by which its
// names and selectors are resolved, and for advice those that a new specification is
// compared with. A list that began before after does not serve the former; zero: any.
func CatalogLookup(spec *v1alpha1.DatabricksClusterSpec, advice Advice, after time.Time) cache.CatalogLookup {
	var wanted cache.CatalogLookup
	if advice == AdviceDue {
		wanted.Versions, wanted.NodeTypes = cache.WhileQuiet, cache.WhileQuiet
		if spec.PolicyID != "" {
			wanted.Policies = cache.WhileQuiet
		}
		if spec.InstancePoolID != "" || spec.DriverInstancePoolID != "" {
			wanted.InstancePools = cache.WhileQuiet
		}
	}
	for _, list := range selection.Needs(spec) {
		wanted.After = after
		switch list {
		case selection.Policies:
			wanted.Policies = cache.WhileChanging
		case selection.InstancePools:
			wanted.InstancePools = cache.WhileChanging
		case selection.Versions:
			wanted.Versions = cache.WhileChanging
		case selection.NodeTypes:
			wanted.NodeTypes = cache.WhileChanging
		}
	}
	return wanted
}

// Advice is whether a specification is still to be compared with the catalog.
type Advice int

// The states of the advice for a specification.
const (
	AdviceGiven Advice = iota
	AdviceDue
)

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
