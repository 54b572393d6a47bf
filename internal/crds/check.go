package crds

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/openapi"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// The CRDs are compared again at Interval, because they may be changed at any time, and at
// MissingInterval while a field is missing: the API server publishes the document of a new
// CRD some seconds after it accepts objects.
const (
	Interval        = time.Minute
	MissingInterval = time.Second
)

// Kinds returns the types by kind. A version adds its kinds here.
func Kinds(workspaces Workspaces) map[string]reflect.Type {
	kinds := map[string]reflect.Type{
		v1alpha1.ClusterKind: reflect.TypeFor[v1alpha1.DatabricksCluster](),
		v1alpha1.PolicyKind:  reflect.TypeFor[v1alpha1.DatabricksClusterPolicy](),
		v1alpha1.PoolKind:    reflect.TypeFor[v1alpha1.DatabricksInstancePool](),
	}
	if workspaces == WithWorkspaces {
		kinds[v1alpha1.WorkspaceKind] = reflect.TypeFor[v1alpha1.DatabricksWorkspace]()
	}
	return kinds
}

// Workspaces is whether DatabricksWorkspaces are reconciled. Without them their CRD may be
// missing.
type Workspaces int

// The values of Workspaces.
const (
	WithoutWorkspaces Workspaces = iota
	WithWorkspaces
)

// Check compares the CRDs. It is safe for concurrent use.
type Check struct {
	client openapi.Client
	kinds  map[string]reflect.Type
	logger logr.Logger

	// mu guards the fields below. No other lock is taken while it is held.
	mu sync.Mutex
	// version identifies the document that was compared last, and missing are the fields
	// that it lacks.
	version string
	missing []string
}

// NewCheck returns a check that has compared nothing yet, and finds nothing missing.
func NewCheck(client openapi.Client, kinds map[string]reflect.Type, logger logr.Logger) *Check {
	return &Check{client: client, kinds: kinds, logger: logger}
}

// NeedLeaderElection lets standbys compare, too: a new version must not become ready.
func (c *Check) NeedLeaderElection() bool { return false }

// Start compares at intervals until ctx ends.
func (c *Check) Start(ctx context.Context) error {
	for {
		pause := Interval
		if !c.Complete() {
			pause = MissingInterval
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			c.Compare()
		}
	}
}

// Compare reads the published document if it has changed, and logs the fields that it
// lacks. If it cannot be read, the last result stays.
func (c *Check) Compare() {
	missing, version, err := c.read()
	switch {
	case err != nil:
		c.logger.Error(err, "the CRDs could not be compared with this version")
		return
	case version == "":
		return
	}
	c.mu.Lock()
	had := c.missing
	c.missing, c.version = missing, version
	c.mu.Unlock()
	switch {
	case slices.Equal(had, missing):
	case len(missing) > 0:
		c.logger.Error(nil, "the CRDs are older than this version: nothing is reconciled until they are upgraded", "missing", missing)
	default:
		c.logger.Info("the CRDs have every field of this version")
	}
}

// read returns the fields that the published document lacks, and its version; "" if it is
// the one that was compared last.
func (c *Check) read() (missing []string, version string, err error) {
	paths, err := c.client.Paths()
	if err != nil {
		return nil, "", fmt.Errorf("read the paths of the OpenAPI documents: %w", err)
	}
	group, published := paths["apis/"+v1alpha1.GroupVersion.String()]
	if !published {
		return []string{v1alpha1.GroupVersion.String()}, "none", nil
	}
	c.mu.Lock()
	known := c.version
	c.mu.Unlock()
	if version = group.ServerRelativeURL(); version == known {
		return nil, "", nil
	}
	content, err := group.Schema("application/json")
	if err != nil {
		return nil, "", fmt.Errorf("read the OpenAPI document of %s: %w", v1alpha1.GroupVersion, err)
	}
	var document document
	if err := json.Unmarshal(content, &document); err != nil {
		return nil, "", fmt.Errorf("decode the OpenAPI document of %s: %w", v1alpha1.GroupVersion, err)
	}
	for kind, of := range c.kinds {
		missing = append(missing, missingIn(document, kind, of)...)
	}
	slices.Sort(missing)
	return missing, version, nil
}

// Missing returns the fields that the CRDs lack, such as
// DatabricksCluster.status.resolved; empty if there are none, or if the CRDs could not be
// read.
func (c *Check) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missing
}

// Complete reports whether objects may be reconciled.
func (c *Check) Complete() bool { return len(c.Missing()) == 0 }

// Ready is the readiness check. It fails with the missing fields, so that a rollout keeps
// the former version until the CRDs are upgraded.
func (c *Check) Ready(*http.Request) error {
	if missing := c.Missing(); len(missing) > 0 {
		return fmt.Errorf("the CRDs lack %s: upgrade them first", strings.Join(missing, ", "))
	}
	return nil
}
