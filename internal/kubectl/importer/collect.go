package importer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

// Source is the workspace that is imported from.
type Source interface {
	Host() string
	List(ctx context.Context, query databricks.ListQuery) ([]compute.ClusterDetails, error)
	GetAll(ctx context.Context, ids []string, found func(count int)) ([]workspace.Read, error)
	Policies(ctx context.Context) (map[string]string, error)
	InstancePools(ctx context.Context) (map[string]string, error)
	Items(ctx context.Context, of *databricks.Collection) ([]databricks.Item, error)
	ItemPermissions(ctx context.Context, of *databricks.Collection, id string) ([]iam.AccessControlResponse, error)
	LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error)
	Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error)
}

// Collect reads the selected clusters and returns their manifests. report is called with
// each stage of the work, and may be nil. If an id is unknown, or a cluster of an id cannot
// be imported, it fails: a command that names clusters wants these.
func Collect(ctx context.Context, source Source, options Options, report func(stage string, count, total int)) (Result, error) {
	if report == nil {
		report = func(string, int, int) {}
	}
	if len(options.Kinds) == 0 {
		options.Kinds = []Kind{Clusters}
	}
	c := collector{source: source, options: options, report: report, shared: commonData{
		options: options, parts: map[string]parts{}, objects: map[string]string{},
	}}
	return c.collect(ctx)
}

// collector collects the clusters of one import.
type collector struct {
	source  Source
	options Options
	report  func(stage string, count, total int)
	shared  commonData
	result  Result
	// seen are the ids of the command that were found.
	seen []string
}

func (c *collector) collect(ctx context.Context) (Result, error) {
	c.result.Host = c.source.Host()
	if err := c.readNames(ctx); err != nil {
		return Result{}, err
	}
	for _, kind := range Kinds() {
		if !slices.Contains(c.options.Kinds, kind) {
			continue
		}
		collect := c.collectClusters
		if kind != Clusters {
			collect = func(ctx context.Context) error { return c.collectItems(ctx, kind) }
		}
		if err := collect(ctx); err != nil {
			return Result{}, err
		}
	}
	if err := c.checkIDs(); err != nil {
		return Result{}, err
	}
	slices.SortStableFunc(c.result.Objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), cmp.Compare(a.Resource.GetName(), b.Resource.GetName()))
	})
	slices.SortFunc(c.result.LeftOut, func(a, b LeftOut) int { return strings.Compare(a.ID, b.ID) })
	return c.result, nil
}

// checkIDs fails if an id was not found, or if what it names cannot be imported: a command
// that names ids wants these.
func (c *collector) checkIDs() error {
	var problems []string
	for _, id := range c.options.IDs {
		if !slices.Contains(c.seen, id) {
			problems = append(problems, fmt.Sprintf("%s: %s has nothing with this id that you can see", id, c.source.Host()))
		}
	}
	if len(c.options.IDs) > 0 {
		for _, left := range c.result.LeftOut {
			problems = append(problems, fmt.Sprintf("%s (%s): %s", left.ID, left.Name, left.Reason))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("cannot import\n  %s", strings.Join(problems, "\n  "))
}

// collectClusters collects the clusters.
func (c *collector) collectClusters(ctx context.Context) error {
	listed, err := c.list(ctx)
	if err != nil {
		return err
	}
	// Names depend on all clusters of the workspace, so that a filter does not change them.
	names, titles := objectNames(listed), map[string]string{}
	for _, cluster := range listed {
		titles[cluster.ClusterId] = cluster.ClusterName
	}
	selected := c.choose(listed)
	clusters, err := c.source.GetAll(ctx, selected, func(count int) { c.report("clusters read", count, len(selected)) })
	if err != nil {
		return err
	}
	if err := c.readParts(ctx, selected); err != nil {
		return err
	}
	for i := range clusters {
		c.add(names[clusters[i].ID], titles[clusters[i].ID], clusters[i])
	}
	return nil
}

// readNames reads the names of policies and pools, if they are needed.
func (c *collector) readNames(ctx context.Context) (err error) {
	if c.options.Policy != "" || c.options.References == ByName {
		if c.shared.policies, err = c.source.Policies(ctx); err != nil {
			return fmt.Errorf("read the names of the policies: %w", err)
		}
	}
	if c.options.References == ByName {
		if c.shared.pools, err = c.source.InstancePools(ctx); err != nil {
			return fmt.Errorf("read the names of the instance pools: %w", err)
		}
	}
	return nil
}

// list returns all clusters of the workspace, sorted by id.
func (c *collector) list(ctx context.Context) ([]*compute.ClusterDetails, error) {
	c.report("listing the clusters", 0, 0)
	all, err := c.source.List(ctx, databricks.ListQuery{})
	if err != nil {
		return nil, err
	}
	listed := make([]*compute.ClusterDetails, len(all))
	for i := range all {
		listed[i] = &all[i]
	}
	return listed, nil
}

// choose returns the ids of the clusters to import, and records those that are left out.
func (c *collector) choose(listed []*compute.ClusterDetails) []string {
	var ids []string
	for _, cluster := range listed {
		if !c.isSelected(cluster.ClusterId, c.options.selects(cluster, c.shared.policies)) {
			continue
		}
		if reason := c.options.leaveOutReason(cluster); reason != "" {
			c.leaveOut(cluster.ClusterId, cluster.ClusterName, reason)
			continue
		}
		ids = append(ids, cluster.ClusterId)
	}
	return ids
}

// isSelected reports whether the ids of the command, or else its filters, select something,
// and records that it was found.
func (c *collector) isSelected(id string, byFilters bool) bool {
	if len(c.options.IDs) == 0 {
		return byFilters
	}
	if !slices.Contains(c.options.IDs, id) {
		return false
	}
	c.seen = append(c.seen, id)
	return true
}

func (c *collector) leaveOut(id, name, reason string) {
	c.result.LeftOut = append(c.result.LeftOut, LeftOut{ID: id, Name: name, Reason: reason})
}

// add adds the manifest of a cluster.
func (c *collector) add(name, title string, read workspace.Read) {
	err := read.Err
	var object Object
	if err == nil {
		object, err = build(name, read.Cluster, c.shared)
	}
	if err != nil {
		c.leaveOut(read.ID, title, err.Error())
		return
	}
	c.result.Objects = append(c.result.Objects, object)
}

// readParts reads the requested parts of the clusters.
func (c *collector) readParts(ctx context.Context, ids []string) error {
	if slices.Contains(c.options.Also, Pins) {
		pinned, err := c.source.List(ctx, databricks.ListQuery{PinnedOnly: true})
		if err != nil {
			return err
		}
		for i := range pinned {
			part := c.shared.parts[pinned[i].ClusterId]
			part.isPinned = true
			c.shared.parts[pinned[i].ClusterId] = part
		}
	}
	for i, id := range ids {
		part := c.shared.parts[id]
		if slices.Contains(c.options.Also, Libraries) {
			statuses, err := c.source.LibraryStatuses(ctx, id)
			if err != nil {
				return fmt.Errorf("read the libraries of cluster %s: %w", id, err)
			}
			part.libraries, part.notes = declaredLibraries(statuses)
		}
		if slices.Contains(c.options.Also, Permissions) {
			entries, err := c.source.Permissions(ctx, id)
			if err != nil {
				return fmt.Errorf("read the permissions on cluster %s: %w", id, err)
			}
			part.permissions = declaredPermissions(entries)
		}
		c.shared.parts[id] = part
		if slices.Contains(c.options.Also, Libraries) || slices.Contains(c.options.Also, Permissions) {
			c.report("libraries and permissions read", i+1, len(ids))
		}
	}
	return nil
}

// declaredLibraries returns the libraries that are installed on a cluster by request.
func declaredLibraries(statuses []compute.LibraryFullStatus) (libraries []v1alpha1.Library, notes []Note) {
	for i := range statuses {
		status := &statuses[i]
		declared, supported := declaredLibrary(status.Library)
		switch {
		case status.IsLibraryForAllClusters:
		case !supported:
			notes = append(notes, Note{Path: "/libraries", Text: "a library of a kind that this resource does not have (egg); the cluster keeps it"})
		case status.Status == compute.LibraryInstallStatusUninstallOnRestart:
			notes = append(notes, Note{Path: "/libraries", Text: drift.LibraryDisplayName(*status.Library) + " is removed at the next restart"})
		default:
			libraries = append(libraries, declared)
		}
	}
	return libraries, notes
}

func declaredLibrary(library *compute.Library) (v1alpha1.Library, bool) {
	declared := v1alpha1.Library{Jar: library.Jar, Whl: library.Whl, Requirements: library.Requirements}
	switch {
	case library.Pypi != nil:
		declared.PyPI = &v1alpha1.PyPILibrary{Package: library.Pypi.Package, Repo: library.Pypi.Repo}
	case library.Maven != nil:
		declared.Maven = &v1alpha1.MavenLibrary{Coordinates: library.Maven.Coordinates, Repo: library.Maven.Repo, Exclusions: library.Maven.Exclusions}
	case library.Cran != nil:
		declared.CRAN = &v1alpha1.CRANLibrary{Package: library.Cran.Package, Repo: library.Cran.Repo}
	case library.Egg != "":
		return declared, false
	}
	return declared, true
}

// declaredPermissions returns the direct permissions on a cluster; the result is not nil.
func declaredPermissions(entries []compute.ClusterAccessControlResponse) []v1alpha1.AccessControl {
	declared := []v1alpha1.AccessControl{}
	for _, permission := range drift.DirectPermissions(entries) {
		declared = append(declared, v1alpha1.AccessControl{
			UserName: permission.UserName, GroupName: permission.GroupName, ServicePrincipalName: permission.ServicePrincipalName,
			PermissionLevel: v1alpha1.PermissionLevel(permission.PermissionLevel),
		})
	}
	return declared
}
