package importer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

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
	c := collector{source: source, options: options, report: report, shared: commonData{options: options, parts: map[string]parts{}}}
	return c.collect(ctx)
}

// collector collects the clusters of one import.
type collector struct {
	source  Source
	options Options
	report  func(stage string, count, total int)
	shared  commonData
	result  Result
}

func (c *collector) collect(ctx context.Context) (Result, error) {
	c.result.Host = c.source.Host()
	if err := c.readNames(ctx); err != nil {
		return Result{}, err
	}
	listed, err := c.list(ctx)
	if err != nil {
		return Result{}, err
	}
	// Names depend on all clusters of the workspace, so that a filter does not change them.
	names, titles := objectNames(listed), map[string]string{}
	for _, cluster := range listed {
		titles[cluster.ClusterId] = cluster.ClusterName
	}
	selected, err := c.choose(listed)
	if err != nil {
		return Result{}, err
	}
	clusters, err := c.source.GetAll(ctx, selected, func(count int) { c.report("clusters read", count, len(selected)) })
	if err != nil {
		return Result{}, err
	}
	if err := c.readParts(ctx, selected); err != nil {
		return Result{}, err
	}
	for i := range clusters {
		if err := c.add(names[clusters[i].ID], titles[clusters[i].ID], clusters[i]); err != nil {
			return Result{}, err
		}
	}
	slices.SortFunc(c.result.Objects, func(a, b Object) int { return strings.Compare(a.Cluster.Name, b.Cluster.Name) })
	slices.SortFunc(c.result.LeftOut, func(a, b LeftOut) int { return strings.Compare(a.ID, b.ID) })
	return c.result, nil
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
func (c *collector) choose(listed []*compute.ClusterDetails) ([]string, error) {
	if len(c.options.IDs) > 0 {
		return c.chooseIDs(listed)
	}
	var ids []string
	for _, cluster := range listed {
		if !c.options.selects(cluster, c.shared.policies) {
			continue
		}
		if reason := c.options.leaveOutReason(cluster); reason != "" {
			c.leaveOut(cluster.ClusterId, cluster.ClusterName, reason)
			continue
		}
		ids = append(ids, cluster.ClusterId)
	}
	return ids, nil
}

func (c *collector) chooseIDs(listed []*compute.ClusterDetails) ([]string, error) {
	byID := map[string]*compute.ClusterDetails{}
	for _, cluster := range listed {
		byID[cluster.ClusterId] = cluster
	}
	var problems []string
	for _, id := range c.options.IDs {
		cluster := byID[id]
		switch {
		case cluster == nil:
			problems = append(problems, fmt.Sprintf("%s: %s has no cluster with this id that you can see", id, c.source.Host()))
		case c.options.leaveOutReason(cluster) != "":
			problems = append(problems, fmt.Sprintf("%s (%s): %s", id, cluster.ClusterName, c.options.leaveOutReason(cluster)))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("cannot import\n  %s", strings.Join(problems, "\n  "))
	}
	return slices.Compact(slices.Sorted(slices.Values(c.options.IDs))), nil
}

func (c *collector) leaveOut(id, name, reason string) {
	c.result.LeftOut = append(c.result.LeftOut, LeftOut{ID: id, Name: name, Reason: reason})
}

// add adds the manifest of a cluster.
func (c *collector) add(name, title string, read workspace.Read) error {
	err := read.Err
	var object Object
	if err == nil {
		object, err = build(name, read.Cluster, c.shared)
	}
	switch {
	case err == nil:
		c.result.Objects = append(c.result.Objects, object)
	case len(c.options.IDs) > 0:
		return fmt.Errorf("cannot import %s (%s): %w", read.ID, title, err)
	default:
		c.leaveOut(read.ID, title, err.Error())
	}
	return nil
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
