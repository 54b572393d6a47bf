package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Changes to clusters from outside the client under test, by other users, other
// tools and the platform; and the state that tests may inspect.

// Record is the state of a cluster in the simulator, also of a deleted one.
type Record struct {
	ID        string `json:"cluster_id"`
	Workspace string `json:"workspace"`
	Name      string `json:"cluster_name"`
	// Owner is the value of the owner tag.
	Owner string `json:"owner,omitempty"`
	State State  `json:"state"`
	// Deleted reports permanent deletion and Purged removal after the retention
	// period; Gone is the time of either.
	Deleted bool      `json:"deleted,omitempty"`
	Purged  bool      `json:"purged,omitempty"`
	Pinned  bool      `json:"pinned,omitempty"`
	Created time.Time `json:"created"`
	Gone    time.Time `json:"gone,omitzero"`
	// Spec is the last request, Settings the effective specification.
	Spec     map[string]any `json:"spec"`
	Settings map[string]any `json:"settings"`
}

// Exists reports whether the API still finds the cluster.
func (r Record) Exists() bool { return !r.Deleted && !r.Purged }

// Seed is a cluster that the client under test did not create.
type Seed struct {
	// Workspace is a name; empty means the first workspace.
	Workspace string `json:"workspace,omitempty"`
	// Creator is a user name; empty means DefaultUser. Source is UI, JOB, API,
	// …; empty means UI.
	Creator string `json:"creator_user_name,omitempty"`
	Source  string `json:"cluster_source,omitempty"`
	// State is the initial state, such as RUNNING; empty means TERMINATED.
	State State `json:"state,omitempty"`
	// Spec is a specification as create accepts it, with numbers of any type. A
	// missing name, size, runtime or node type is filled in.
	Spec map[string]any `json:"spec,omitempty"`
}

// Clusters returns all clusters ever created, oldest first.
func (s *Server) Clusters() []Record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.now()
	records := []Record{}
	for _, w := range s.workspaces {
		for _, c := range w.byID {
			c.advanceTo(now)
			records = append(records, c.record())
		}
	}
	slices.SortFunc(records, func(a, b Record) int {
		if order := a.Created.Compare(b.Created); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return records
}

// Cluster returns one cluster; false if no cluster ever had this id.
func (s *Server) Cluster(id string) (Record, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c := s.anyCluster(id)
	if c == nil {
		return Record{}, false
	}
	return c.record(), true
}

func (s *Server) anyCluster(id string) *cluster {
	for _, w := range s.workspaces {
		if c := w.byID[id]; c != nil {
			c.advanceTo(s.now())
			return c
		}
	}
	return nil
}

func (c *cluster) record() Record {
	return Record{
		ID: c.id, Workspace: c.workspace.name, Name: c.name, Owner: c.owner(),
		State: c.state, Deleted: c.deleted, Purged: c.purged, Pinned: c.pinnedBy != nil,
		Created: c.created, Gone: c.gone, Spec: cloneParams(c.spec), Settings: cloneParams(c.settings),
	}
}

// AddCluster creates a cluster as another client would and returns its id.
func (s *Server) AddCluster(seed Seed) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w := s.workspaces[0]
	if seed.Workspace != "" {
		at := slices.IndexFunc(s.workspaces, func(w *workspace) bool { return w.name == seed.Workspace })
		if at < 0 {
			return "", fmt.Errorf("no workspace is named %q", seed.Workspace)
		}
		w = s.workspaces[at]
	}
	spec, err := parseSpec(seed.Spec)
	if err != nil {
		return "", err
	}
	setDefault(spec, "spark_version", "16.4.x-scala2.12")
	if spec["num_workers"] == nil && spec["autoscale"] == nil {
		spec["num_workers"] = int64(1)
	}
	if spec["instance_pool_id"] == nil {
		setDefault(spec, "node_type_id", "i3.xlarge")
	}
	creator, source := seed.Creator, seed.Source
	if creator == "" {
		creator = DefaultUser
	}
	if source == "" {
		source = "UI"
	}
	settings, r := w.resolve(spec, creator)
	if r != nil {
		return "", r.err()
	}
	made := w.makeCluster(spec, settings, creator, source, s.now())
	made.forceState(seed.State, s.now(), "")
	return made.id, nil
}

// parseSpec converts a specification of a test.
func parseSpec(spec map[string]any) (params, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the specification: %w", err)
	}
	raw := map[string]any{}
	if spec != nil {
		if err := decodeObject(data, raw); err != nil {
			return nil, fmt.Errorf("decode the specification: %w", err)
		}
	}
	var checker schemaChecker
	converted, r := checker.object(raw, clusterSpec.with(policyDefaults), "")
	if r != nil {
		return nil, r.err()
	}
	if len(checker.unknown) > 0 {
		return nil, fmt.Errorf("a cluster has no %v", checker.unknown)
	}
	return converted, nil
}

func (r *apiError) err() error { return fmt.Errorf("%s: %s", r.code, r.message) }

// EditElsewhere sets fields of a cluster as another user would in the UI; nil
// clears a field. It does not restart the cluster.
func (s *Server) EditElsewhere(id string, changes map[string]any) error {
	return s.with(id, func(c *cluster, _ time.Time) error {
		requested := cloneParams(c.spec)
		given, err := parseSpec(changes)
		if err != nil {
			return err
		}
		for field, value := range changes {
			if c.resizedTo != nil && clusterSize.field(field) != nil {
				setSize(requested, c.resizedTo)
				c.resizedTo = nil
			}
			delete(requested, field)
			if value != nil {
				requested[field] = given[field]
			}
		}
		settings, r := c.workspace.resolve(requested, c.creator)
		if r != nil {
			return r.err()
		}
		c.workspace.configure(c, requested, settings)
		return nil
	})
}

// EndElsewhere sets a cluster to TERMINATED at once, for a reason that the
// client did not cause.
func (s *Server) EndElsewhere(id string, reason TerminationReason) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.terminate(now, reason, "")
		c.finishTerminate(now)
		return nil
	})
}

// DeleteElsewhere permanently deletes a cluster, also a pinned one.
func (s *Server) DeleteElsewhere(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.remove(now)
		return nil
	})
}

// Purge makes a cluster look as if it had terminated more than 30 days ago.
func (s *Server) Purge(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.terminated, c.pinnedBy = now, nil
		c.enterState(Terminated, now, c.message)
		c.expire(now)
		return nil
	})
}

// SetState sets the state of a cluster, also an undocumented one; later
// transitions start from it.
func (s *Server) SetState(id string, state State, message string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.forceState(state, now, message)
		return nil
	})
}

// Touch records activity on a cluster, which restarts its idle time.
func (s *Server) Touch(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.active = now
		return nil
	})
}

// Autoscale makes the platform resize a RUNNING autoscaling cluster.
func (s *Server) Autoscale(id string, workers int64) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		if c.state != Running || !c.isAutoscaling() {
			return fmt.Errorf("cluster %s is %s or does not autoscale", id, c.state)
		}
		c.autoscaledTo, c.missingNodes = workers, 0
		c.enterState(Resizing, now, "")
		c.addEvent(now, "RESIZING", params{"cause": "AUTOSCALE", "current_num_workers": c.executors, "target_num_workers": workers})
		return nil
	})
}

func (s *Server) with(id string, change func(*cluster, time.Time) error) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c := s.anyCluster(id)
	if c == nil || c.deleted || c.purged {
		return fmt.Errorf("there is no cluster %q", id)
	}
	return change(c, s.now())
}

// forceState sets a state as if the cluster had reached it by itself.
func (c *cluster) forceState(state State, now time.Time, message string) {
	switch state {
	case Running:
		c.launchFailure, c.missingNodes = nil, 0
		c.finishLaunch(now)
		c.terminated, c.reason = time.Time{}, nil
	case Terminated, "":
		if c.reason == nil {
			reason := userRequest(c.creator)
			c.reason = &reason
		}
		c.enterState(Terminated, now, endMessage(*c.reason))
		c.finishTerminate(now)
	default:
		c.enterState(state, now, "")
	}
	if message != "" {
		c.message = message
	}
}

// Clock returns the simulator's clock; advance it to make transitions happen.
func (s *Server) Clock() *Clock { return s.clock }

// SetUnreleased removes runtimes from the list of the runtimes, as before their release, and
// adds all others.
func (s *Server) SetUnreleased(keys ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.unreleased = keys
}

// SetBehaviour replaces the switches.
func (s *Server) SetBehaviour(b Behaviour) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.behaviour = b
}

// Behaviour returns the current switches.
func (s *Server) Behaviour() Behaviour {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.behaviour
}

// SetTimings replaces the durations, also of transitions in progress.
func (s *Server) SetTimings(t Timings) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.timings = t
}

// Timings returns the current durations.
func (s *Server) Timings() Timings {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.timings
}
