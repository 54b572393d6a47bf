package cache

import (
	"context"
	"maps"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// The endpoints of reads, as the API reference has them.
const (
	endpointList = "clusters/list"
	endpointGet  = "clusters/get"
	endpointMe   = "preview/scim/v2/Me"
)

const (
	// catalogInterval is how often the catalog of a workspace is read again if it is
	// only compared with new specifications, and referencesInterval if names and selectors
	// are resolved by it.
	catalogInterval    = 24 * time.Hour
	referencesInterval = 10 * time.Minute
	// permissionsInterval is how often permissions are read again, to notice changes
	// by other actors.
	permissionsInterval = 6 * time.Hour
	// complianceInterval is how often the compliance of the clusters of one policy is read.
	complianceInterval = 30 * time.Minute
)

type (
	librariesAnswer   = []compute.LibraryFullStatus
	permissionsAnswer = []compute.ClusterAccessControlResponse
	versionsAnswer    = []compute.SparkVersion
	nodeTypesAnswer   = []compute.NodeType
	// complianceAnswer has the clusters of one policy by id.
	complianceAnswer = map[string]compute.ClusterCompliance
)

func fast(o Options) time.Duration { return o.Fast }

func slow(o Options) time.Duration { return o.Slow }

func permissionsEvery(o Options) time.Duration { return min(permissionsInterval, o.Deep) }

func complianceEvery(o Options) time.Duration { return min(complianceInterval, o.Deep) }

func always(span time.Duration) func(Options) time.Duration {
	return func(Options) time.Duration { return span }
}

// librariesEndpoint returns the status of the libraries of a cluster.
var librariesEndpoint = endpoint{
	name:     "libraries/cluster-status",
	every:    map[Cadence]func(Options) time.Duration{WhileChanging: fast, WhileQuiet: func(o Options) time.Duration { return 6 * o.Slow }},
	priority: ratelimit.PriorityFastList,
	spread:   true,
	read: func(ctx context.Context, api databricks.Reader, clusterID string, _ previous) (any, bool, error) {
		statuses, err := api.LibraryStatuses(ctx, clusterID)
		return statuses, true, err
	},
	same: func(before, after any, _ subject) bool { return reflect.DeepEqual(before, after) },
}

// permissionsEndpoint returns the access control list of a cluster.
var permissionsEndpoint = endpoint{
	name: "permissions/clusters",
	every: map[Cadence]func(Options) time.Duration{
		WhileChanging: permissionsEvery, WhileQuiet: permissionsEvery,
	},
	priority: ratelimit.PriorityDeep,
	spread:   true,
	read: func(ctx context.Context, api databricks.Reader, clusterID string, _ previous) (any, bool, error) {
		entries, err := api.Permissions(ctx, clusterID)
		return entries, true, err
	},
	same: func(before, after any, _ subject) bool { return reflect.DeepEqual(before, after) },
}

// pinsPartial has the pages of a list of pinned clusters that were read so far.
type pinsPartial struct {
	pinned map[string]bool
	token  string
	pages  int
}

// pinsEndpoint returns the pinned clusters of the workspace. One list serves all
// objects.
var pinsEndpoint = endpoint{
	name:     endpointList + " (pinned)",
	every:    map[Cadence]func(Options) time.Duration{WhileChanging: slow, WhileQuiet: slow},
	priority: ratelimit.PrioritySlowList,
	read: func(ctx context.Context, api databricks.Reader, _ string, known previous) (any, bool, error) {
		return readPins(ctx, api, known.partial)
	},
	same: func(before, after any, of subject) bool {
		was, _ := before.(map[string]bool)
		is, _ := after.(map[string]bool)
		return was[of.id] == is[of.id]
	},
}

// compliancePartial has the pages of a list of the clusters of a policy that were read so
// far.
type compliancePartial struct {
	clusters complianceAnswer
	token    string
	pages    int
}

// complianceEndpoint returns the compliance of all clusters of one policy.
var complianceEndpoint = endpoint{
	name: "policies/clusters/list-compliance",
	every: map[Cadence]func(Options) time.Duration{
		WhileChanging: complianceEvery, WhileQuiet: complianceEvery,
	},
	priority: ratelimit.PriorityDeep,
	read: func(ctx context.Context, api databricks.Reader, policyID string, known previous) (any, bool, error) {
		return readCompliances(ctx, api, policyID, known.partial)
	},
	same: func(before, after any, of subject) bool {
		was, _ := before.(complianceAnswer)
		is, _ := after.(complianceAnswer)
		return reflect.DeepEqual(was[of.id], is[of.id])
	},
}

func readCompliances(ctx context.Context, api databricks.ComplianceReader, policyID string, partial any) (any, bool, error) {
	// A policy of fifty thousand clusters.
	const maxPages = 500
	known, _ := partial.(compliancePartial)
	page, err := api.Compliances(ctx, policyID, known.token)
	if err != nil {
		return nil, false, err
	}
	if known.clusters == nil {
		known.clusters = complianceAnswer{}
	}
	for i := range page.Clusters {
		page.Clusters[i].PendingEnforcement = nil // it has a whole specification
		known.clusters[page.Clusters[i].ClusterId] = page.Clusters[i]
	}
	known.token = page.NextPageToken
	if known.token == "" {
		return known.clusters, true, nil
	}
	if known.pages++; known.pages >= maxPages {
		return nil, false, &databricks.Error{Class: databricks.ClassHost, Message: "the pages of the list of the clusters of a policy do not end"}
	}
	return known, false, nil
}

func readPins(ctx context.Context, api databricks.ClusterReader, partial any) (any, bool, error) {
	// Databricks limits the number of pins to about one page.
	const pageSize, maxPages = 100, 50
	known, _ := partial.(pinsPartial)
	page, err := api.List(ctx, databricks.ListQuery{PageSize: pageSize, PageToken: known.token, PinnedOnly: true})
	if err != nil {
		return nil, false, err
	}
	pinned := maps.Clone(known.pinned)
	if pinned == nil {
		pinned = map[string]bool{}
	}
	for i := range page.Clusters {
		pinned[page.Clusters[i].ClusterId] = true
	}
	if page.NextPageToken == "" {
		return pinned, true, nil
	}
	if known.pages >= maxPages {
		return nil, false, &databricks.Error{Class: databricks.ClassHost, Message: "the pages of the list of pinned clusters do not end"}
	}
	return pinsPartial{pinned, page.NextPageToken, known.pages + 1}, false, nil
}

var (
	versionsEndpoint  = catalogEndpoint("clusters/spark-versions", databricks.CatalogReader.SparkVersions)
	nodeTypesEndpoint = catalogEndpoint("clusters/list-node-types", databricks.CatalogReader.NodeTypes)
)

// catalogEvery is the read interval of the catalog.
var catalogEvery = map[Cadence]func(Options) time.Duration{
	WhileChanging: always(referencesInterval), WhileQuiet: always(catalogInterval),
}

// catalogEndpoint returns the endpoint of one part of the catalog. Its first answer
// notifies objects, and each one that differs from the one before.
func catalogEndpoint[T any](name string, read func(databricks.CatalogReader, context.Context) (T, error)) endpoint {
	return endpoint{
		name:     name,
		every:    catalogEvery,
		priority: ratelimit.PrioritySlowList,
		read: func(ctx context.Context, api databricks.Reader, _ string, _ previous) (any, bool, error) {
			offered, err := read(api, ctx)
			return offered, true, err
		},
		same: func(before, after any, _ subject) bool { return reflect.DeepEqual(before, after) },
	}
}
