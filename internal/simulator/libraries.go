package simulator

import (
	"reflect"
	"slices"
	"time"
)

// installed is a library of a cluster.
type installed struct {
	library   params
	requested time.Time
	// failure is the message with which the installation will fail; empty for
	// success.
	failure string
	// removed marks it for removal at the next start.
	removed bool
	// allClusters marks a library that is installed on all clusters.
	allClusters bool
}

// status returns the status of the library at now: no progress while the
// cluster is down, and a new installation after every start.
func (l *installed) status(c *cluster, now time.Time) string {
	if l.removed {
		return "UNINSTALL_ON_RESTART"
	}
	if c.state != Running && c.state != Resizing {
		return "PENDING"
	}
	timings := c.workspace.server.timings
	took := now.Sub(latest(l.requested, c.restarted))
	duration := c.workspace.server.scaled(timings.LibraryInstall)
	switch {
	case took < duration/3:
		return "PENDING"
	case took < duration*2/3:
		return "RESOLVING"
	case took < duration:
		return "INSTALLING"
	case l.failure != "":
		return "FAILED"
	default:
		return "INSTALLED"
	}
}

// libraryStatuses returns the statuses in request order, with libraries to be
// removed last.
func (c *cluster) libraryStatuses(now time.Time) []any {
	var kept, removing []any
	for _, l := range c.libraries {
		status := l.status(c, now)
		shown := params{"library": l.library, "status": status, "is_library_for_all_clusters": l.allClusters}
		if status == "FAILED" {
			shown["messages"] = []any{l.failure}
		}
		if l.removed {
			removing = append(removing, shown)
		} else {
			kept = append(kept, shown)
		}
	}
	return slices.Concat(kept, removing)
}

func (c *cluster) applyLibraryRemovals() {
	c.libraries = slices.DeleteFunc(c.libraries, func(l *installed) bool { return l.removed })
}

func (c *cluster) findLibrary(wanted params) *installed {
	for _, l := range c.libraries {
		if reflect.DeepEqual(l.library, wanted) {
			return l
		}
	}
	return nil
}

func (c *cluster) install(wanted params, failure string, now time.Time) {
	if known := c.findLibrary(wanted); known != nil {
		if known.removed || known.failure != failure {
			known.removed, known.failure, known.requested = false, failure, now
		}
		return
	}
	c.libraries = append(c.libraries, &installed{library: wanted, requested: now, failure: failure})
}

func (c *cluster) installPolicyLibraries(now time.Time) {
	p := c.workspace.policy(textOf(c.settings, "policy_id"))
	if p == nil {
		return
	}
	for _, l := range p.Libraries {
		c.install(l, "", now)
	}
}

// librariesToClone returns copies of the libraries of the cluster that
// clone_from names.
func (c *call) librariesToClone() ([]*installed, *apiError) {
	from, _ := c.params["clone_from"].(params)
	if from == nil {
		return nil, nil
	}
	id := textOf(from, "source_cluster_id")
	source := c.workspace.byID[id]
	if source == nil || source.deleted {
		return nil, c.missing(id)
	}
	var copies []*installed
	for _, l := range source.libraries {
		if !l.removed {
			copies = append(copies, &installed{library: l.library, requested: c.now})
		}
	}
	return copies, nil
}

func (c *call) requestedLibraries() ([]params, *apiError) {
	requested, _ := c.params["libraries"].([]any)
	if len(requested) == 0 {
		return nil, required("libraries")
	}
	libraries := make([]params, 0, len(requested))
	for _, one := range requested {
		l, _ := one.(params)
		if len(l) != 1 {
			return nil, invalid("Exactly one of jar, whl, egg, requirements, pypi, maven or cran must be specified")
		}
		for kind, coordinate := range map[string]string{"pypi": "package", "cran": "package", "maven": "coordinates"} {
			if members, ok := l[kind].(params); ok && textOf(members, coordinate) == "" {
				return nil, required(kind + "." + coordinate)
			}
		}
		libraries = append(libraries, l)
	}
	return libraries, nil
}

func (c *call) installLibraries() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	libraries, r := c.requestedLibraries()
	if r != nil {
		return nil, r
	}
	failure := ""
	if c.fault != nil {
		failure = c.fault.FailLibraries
	}
	for _, l := range libraries {
		found.install(l, failure, c.now)
	}
	return params{}, nil
}

func (c *call) uninstallLibraries() (any, *apiError) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	libraries, r := c.requestedLibraries()
	if r != nil {
		return nil, r
	}
	for _, l := range libraries {
		if known := found.findLibrary(l); known != nil { // unknown libraries are ignored
			known.removed = true
		}
	}
	return params{}, nil
}

func (c *call) libraryStatus() (any, *apiError) {
	found, r := c.cluster(canAttach)
	if r != nil {
		return nil, r
	}
	answer := params{"cluster_id": found.id}
	if statuses := found.libraryStatuses(c.now); len(statuses) > 0 {
		answer["library_statuses"] = statuses
	}
	return answer, nil
}

func (c *call) allLibraryStatuses() (any, *apiError) {
	shown := []any{}
	for _, l := range c.workspace.visible(c.now, c.session) {
		if statuses := l.cluster.libraryStatuses(c.now); len(statuses) > 0 {
			shown = append(shown, params{"cluster_id": l.id, "library_statuses": statuses})
		}
	}
	if len(shown) == 0 {
		return params{}, nil
	}
	return params{"statuses": shown}, nil
}
