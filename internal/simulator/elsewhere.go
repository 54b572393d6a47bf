package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What happens to clusters without the client under test: other people, other
// tools, the platform. And what a test may know of them.

// Record is a cluster as the simulator knows it, whatever became of it.
type Record struct {
	ID        string `json:"cluster_id"`
	Workspace string `json:"workspace"`
	Name      string `json:"cluster_name"`
	// Owner is the value of the owner tag.
	Owner string `json:"owner,omitempty"`
	State State  `json:"state"`
	// Deleted is permanently deleted, Purged is gone by retention; Gone is when.
	Deleted bool      `json:"deleted,omitempty"`
	Purged  bool      `json:"purged,omitempty"`
	Pinned  bool      `json:"pinned,omitempty"`
	Created time.Time `json:"created"`
	Gone    time.Time `json:"gone,omitzero"`
	// Spec is what was last asked for, Settings what the server made of it.
	Spec     map[string]any `json:"spec"`
	Settings map[string]any `json:"settings"`
}

// Exists tells that the API still knows the cluster.
func (r Record) Exists() bool { return !r.Deleted && !r.Purged }

// Seed is a cluster that somebody else made.
type Seed struct {
	// Workspace is a name; empty is the first.
	Workspace string `json:"workspace,omitempty"`
	// Creator is a user name; empty is DefaultUser. Source is UI, JOB, API, …;
	// empty is UI.
	Creator string `json:"creator_user_name,omitempty"`
	Source  string `json:"cluster_source,omitempty"`
	// State is RUNNING or whatever it shall be in; empty is TERMINATED.
	State State `json:"state,omitempty"`
	// Spec is a specification as create takes it, numbers as they come. A name
	// and a size, runtime and node type are filled in where they are missing.
	Spec map[string]any `json:"spec,omitempty"`
}

// Clusters are all clusters ever made, oldest first.
func (s *Server) Clusters() []Record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.now()
	records := []Record{}
	for _, w := range s.workspaces {
		for _, c := range w.byID {
			c.settle(now)
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

// Cluster is one cluster; false if there never was one with this id.
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
			c.settle(s.now())
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

// AddCluster makes a cluster as somebody else would and returns its id.
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
	spec, err := conform(seed.Spec)
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
	made := w.add(spec, settings, creator, source, s.now())
	made.force(seed.State, s.now(), "")
	return made.id, nil
}

// conform reads a specification that a test wrote as it likes.
func conform(spec map[string]any) (params, error) {
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
	var checker conformer
	converted, r := checker.record(raw, clusterSpec.with(policyDefaults), "")
	if r != nil {
		return nil, r.err()
	}
	if len(checker.unknown) > 0 {
		return nil, fmt.Errorf("a cluster has no %v", checker.unknown)
	}
	return converted, nil
}

func (r *refusal) err() error { return fmt.Errorf("%s: %s", r.code, r.message) }

// EditElsewhere sets fields of a cluster as if somebody had edited it in the
// UI; nil clears one. It does not restart the cluster.
func (s *Server) EditElsewhere(id string, changes map[string]any) error {
	return s.with(id, func(c *cluster, _ time.Time) error {
		asked := cloneParams(c.spec)
		given, err := conform(changes)
		if err != nil {
			return err
		}
		for field, value := range changes {
			delete(asked, field)
			if value != nil {
				asked[field] = given[field]
			}
		}
		settings, r := c.workspace.resolve(asked, c.creator)
		if r != nil {
			return r.err()
		}
		c.workspace.configure(c, asked, settings)
		return nil
	})
}

// EndElsewhere ends a cluster for a reason that the client did not cause; it is
// TERMINATED at once.
func (s *Server) EndElsewhere(id string, reason TerminationReason) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.terminate(now, reason, "")
		c.terminatedAt(now)
		return nil
	})
}

// DeleteElsewhere deletes a cluster permanently, pinned or not.
func (s *Server) DeleteElsewhere(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.remove(now)
		return nil
	})
}

// Purge makes a cluster one that ended more than 30 days ago.
func (s *Server) Purge(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.terminated, c.pinnedBy = now, nil
		c.enter(Terminated, now, c.message)
		c.forgotten(now)
		return nil
	})
}

// SetState puts a cluster into a state, also one that nobody has heard of; what
// follows by itself follows from there.
func (s *Server) SetState(id string, state State, message string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.force(state, now, message)
		return nil
	})
}

// Touch is activity on a cluster: its idle minutes begin anew.
func (s *Server) Touch(id string) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		c.active = now
		return nil
	})
}

// Autoscale lets the platform resize a RUNNING autoscaling cluster.
func (s *Server) Autoscale(id string, workers int64) error {
	return s.with(id, func(c *cluster, now time.Time) error {
		if c.state != Running || !c.isAutoscaling() {
			return fmt.Errorf("cluster %s is %s or does not autoscale", id, c.state)
		}
		c.autoscaledTo, c.missingNodes = workers, 0
		c.enter(Resizing, now, "")
		c.note(now, "RESIZING", params{"cause": "AUTOSCALE", "current_num_workers": c.executors, "target_num_workers": workers})
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

// force puts the cluster into a state as if it had got there by itself.
func (c *cluster) force(state State, now time.Time, message string) {
	switch state {
	case Running:
		c.launchEnds, c.missingNodes = nil, 0
		c.launched(now)
		c.terminated, c.reason = time.Time{}, nil
	case Terminated, "":
		if c.reason == nil {
			reason := userRequest(c.creator)
			c.reason = &reason
		}
		c.enter(Terminated, now, endMessage(*c.reason))
		c.terminatedAt(now)
	default:
		c.enter(state, now, "")
	}
	if message != "" {
		c.message = message
	}
}

// Clock is the simulator's time; Advance it to let things happen.
func (s *Server) Clock() *Clock { return s.clock }

// SetBehaviour replaces the switches.
func (s *Server) SetBehaviour(b Behaviour) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.behaviour = b
}

// Behaviour is how the switches stand.
func (s *Server) Behaviour() Behaviour {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.behaviour
}

// SetTimings replaces how long things take, also what is under way.
func (s *Server) SetTimings(t Timings) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.timings = t
}

// Timings are how long things take now.
func (s *Server) Timings() Timings {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.timings
}
