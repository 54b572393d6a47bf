package simulator

import (
	"reflect"
	"slices"
	"time"
)

// installed is a library of a cluster.
type installed struct {
	library params
	asked   time.Time
	// failure is the message it will fail with; empty for none.
	failure string
	// removed marks it for removal at the next start.
	removed bool
	// everywhere marks a library that is installed on all clusters.
	everywhere bool
}

// status is what became of the library by now: nothing while the cluster is
// down, and installation again after every start.
func (l *installed) status(c *cluster, now time.Time) string {
	if l.removed {
		return "UNINSTALL_ON_RESTART"
	}
	if c.state != Running && c.state != Resizing {
		return "PENDING"
	}
	timings := c.workspace.server.timings
	took := now.Sub(latest(l.asked, c.restarted))
	whole := c.workspace.server.span(timings.LibraryInstall)
	switch {
	case took < whole/3:
		return "PENDING"
	case took < whole*2/3:
		return "RESOLVING"
	case took < whole:
		return "INSTALLING"
	case l.failure != "":
		return "FAILED"
	default:
		return "INSTALLED"
	}
}

// libraryStatuses are in the order they were asked for, then those to go.
func (c *cluster) libraryStatuses(now time.Time) []any {
	var staying, going []any
	for _, l := range c.libraries {
		status := l.status(c, now)
		shown := params{"library": l.library, "status": status, "is_library_for_all_clusters": l.everywhere}
		if status == "FAILED" {
			shown["messages"] = []any{l.failure}
		}
		if l.removed {
			going = append(going, shown)
		} else {
			staying = append(staying, shown)
		}
	}
	return slices.Concat(staying, going)
}

func (c *cluster) applyLibraryRemovals() {
	c.libraries = slices.DeleteFunc(c.libraries, func(l *installed) bool { return l.removed })
}

func (c *cluster) libraryLike(wanted params) *installed {
	for _, l := range c.libraries {
		if reflect.DeepEqual(l.library, wanted) {
			return l
		}
	}
	return nil
}

func (c *cluster) install(wanted params, failure string, now time.Time) {
	if known := c.libraryLike(wanted); known != nil {
		if known.removed || known.failure != failure {
			known.removed, known.failure, known.asked = false, failure, now
		}
		return
	}
	c.libraries = append(c.libraries, &installed{library: wanted, asked: now, failure: failure})
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

// librariesToClone are copies of those of the cluster that clone_from names.
func (c *call) librariesToClone() ([]*installed, *refusal) {
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
			copies = append(copies, &installed{library: l.library, asked: c.now})
		}
	}
	return copies, nil
}

func (c *call) askedLibraries() ([]params, *refusal) {
	asked, _ := c.params["libraries"].([]any)
	if len(asked) == 0 {
		return nil, required("libraries")
	}
	libraries := make([]params, 0, len(asked))
	for _, one := range asked {
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

func (c *call) installLibraries() (any, *refusal) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	libraries, r := c.askedLibraries()
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

func (c *call) uninstallLibraries() (any, *refusal) {
	found, r := c.cluster(canManage)
	if r != nil {
		return nil, r
	}
	libraries, r := c.askedLibraries()
	if r != nil {
		return nil, r
	}
	for _, l := range libraries {
		if known := found.libraryLike(l); known != nil { // others are ignored
			known.removed = true
		}
	}
	return params{}, nil
}

func (c *call) libraryStatus() (any, *refusal) {
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

func (c *call) allLibraryStatuses() (any, *refusal) {
	shown := []any{}
	for _, l := range c.workspace.visible(c.now, c.session) {
		if statuses := l.seen.libraryStatuses(c.now); len(statuses) > 0 {
			shown = append(shown, params{"cluster_id": l.id, "library_statuses": statuses})
		}
	}
	if len(shown) == 0 {
		return params{}, nil
	}
	return params{"statuses": shown}, nil
}
