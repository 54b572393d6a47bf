package databricks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

const clustersPath = "/api/2.1/clusters/"

// Get implements Reader.
func (c *Client) Get(ctx context.Context, clusterID string) (Cluster, error) {
	r := request{
		path: clustersPath + "get", query: url.Values{"cluster_id": {clusterID}},
		limit: maxPageBytes, clusterID: clusterID, clusterOnly: true,
	}
	if err := r.requireClusterID(); err != nil {
		return Cluster{}, err
	}
	var cluster Cluster
	err := c.get(ctx, r, func(got response) (err error) {
		cluster, err = parseCluster(got.body)
		if err == nil && cluster.Details.ClusterId != clusterID {
			err = errors.New("it is about another cluster")
		}
		return err
	})
	if err != nil {
		return Cluster{}, err
	}
	return cluster, nil
}

const specKey = "spec"

// parseCluster decodes a response of clusters/get and keeps its spec encoded.
func parseCluster(body []byte) (Cluster, error) {
	tree, err := decodeTree(body)
	if err != nil {
		return Cluster{}, err
	}
	cluster := Cluster{Details: &compute.ClusterDetails{}}
	if cluster.Spec, err = rawSpec(body, tree[specKey]); err != nil {
		return Cluster{}, err
	}
	delete(tree, specKey)
	if err := fill(reflect.ValueOf(cluster.Details).Elem(), tree); err != nil {
		return Cluster{}, err
	}
	return cluster, nil
}

// DecodeSpec returns the fields of Spec that the SDK knows, or nil if Spec is nil.
func (c Cluster) DecodeSpec() (*compute.ClusterSpec, error) {
	if c.Spec == nil {
		return nil, nil
	}
	spec := &compute.ClusterSpec{}
	if err := decode(c.Spec, spec); err != nil {
		return nil, fmt.Errorf("%s: %w", specKey, err)
	}
	return spec, nil
}

// rawSpec returns the spec object of a cluster in compact form, or nil if decoded,
// which is the same value, is absent or null.
func rawSpec(body []byte, decoded any) (json.RawMessage, error) {
	if decoded == nil {
		return nil, nil
	}
	if _, isObject := decoded.(map[string]any); !isObject {
		return nil, fmt.Errorf("%s: is a %T instead of an object", specKey, decoded)
	}
	// A struct matches the key case-insensitively, and a map matches it exactly.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, fields[specKey]); err != nil {
		return nil, err
	}
	return bytes.Clone(compact.Bytes()), nil
}

// maxPageSize is the largest page that may be asked for.
const maxPageSize = 100

// maxPageItems limits the clusters of a page: ten times as many as may be asked for.
const maxPageItems = 1000

// List implements Reader.
func (c *Client) List(ctx context.Context, query ListQuery) (ListPage, error) {
	r := request{path: clustersPath + "list", query: query.values(), limit: maxPageBytes}
	var page compute.ListClustersResponse
	err := c.get(ctx, r, func(got response) error {
		if _, items := countValues(got.body); items > maxPageItems {
			return fmt.Errorf("the page has more than %d clusters: %w", maxPageItems, errTooLarge)
		}
		if err := decode(got.body, &page); err != nil {
			return err
		}
		// An invalid item fails the page, because a cluster that is missing from a
		// complete list counts as absent.
		for i := range page.Clusters {
			if page.Clusters[i].ClusterId == "" {
				return fmt.Errorf("clusters[%d] has no cluster_id", i)
			}
		}
		return nil
	})
	if err != nil {
		return ListPage{}, err
	}
	return ListPage{Clusters: page.Clusters, NextPageToken: page.NextPageToken}, nil
}

func (q ListQuery) values() url.Values {
	values := url.Values{}
	if q.PageSize > 0 {
		values.Set("page_size", strconv.Itoa(q.PageSize))
	}
	if q.PageToken != "" {
		values.Set("page_token", q.PageToken)
	}
	for _, source := range q.Sources {
		values.Add("filter_by.cluster_sources", string(source))
	}
	if q.PinnedOnly {
		values.Set("filter_by.is_pinned", "true")
	}
	if q.PolicyID != "" {
		values.Set("filter_by.policy_id", q.PolicyID)
	}
	if q.SortByName {
		values.Set("sort_by.field", string(compute.ListClustersSortByFieldClusterName))
		values.Set("sort_by.direction", string(compute.ListClustersSortByDirectionAsc))
	}
	return values
}

// Create implements Writer.
func (c *Client) Create(ctx context.Context, create CreateRequest) (string, error) {
	r := request{path: clustersPath + "create", allocates: true}
	var created compute.CreateClusterResponse
	err := c.post(ctx, r, create, func(got response) error {
		if err := decode(got.body, &created); err != nil {
			return err
		}
		if created.ClusterId == "" {
			return errors.New("it has no cluster_id")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return created.ClusterId, nil
}

// MarshalJSON adds the token to the encoding of the SDK's type.
func (r CreateRequest) MarshalJSON() ([]byte, error) {
	encoded, err := json.Marshal(r.CreateCluster)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	// The SDK's type always encodes spark_version, and the API refuses an empty value
	// even if a policy supplies one.
	if string(fields["spark_version"]) == `""` {
		delete(fields, "spark_version")
	}
	if r.IdempotencyToken != "" {
		if fields["idempotency_token"], err = json.Marshal(r.IdempotencyToken); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// Edit implements Writer.
func (c *Client) Edit(ctx context.Context, clusterID string, body json.RawMessage) error {
	r := request{path: clustersPath + "edit", clusterID: clusterID, allocates: true}
	var content struct {
		ClusterID string `json:"cluster_id"`
	}
	if err := decode(body, &content); err != nil {
		return r.notSent("the body of the edit is not a JSON object")
	}
	if content.ClusterID != clusterID {
		return r.notSent("the body of the edit names another cluster")
	}
	return c.change(ctx, r, body)
}

// Update implements Writer.
func (c *Client) Update(ctx context.Context, update UpdateRequest) error {
	body := struct {
		ClusterID  string          `json:"cluster_id"`
		Cluster    json.RawMessage `json:"cluster,omitempty"`
		UpdateMask string          `json:"update_mask"`
	}{update.ClusterID, update.Cluster, update.UpdateMask}
	return c.change(ctx, request{path: clustersPath + "update", clusterID: update.ClusterID, allocates: true}, body)
}

// Resize implements Writer.
func (c *Client) Resize(ctx context.Context, resize compute.ResizeCluster) error {
	return c.change(ctx, request{path: clustersPath + "resize", clusterID: resize.ClusterId, clusterOnly: true, allocates: true}, resize)
}

// Start implements Writer.
func (c *Client) Start(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "start", clusterID: clusterID, clusterOnly: true, allocates: true},
		compute.StartCluster{ClusterId: clusterID})
}

// Restart implements Writer.
func (c *Client) Restart(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "restart", clusterID: clusterID, clusterOnly: true, allocates: true},
		compute.RestartCluster{ClusterId: clusterID})
}

// Terminate implements Writer.
func (c *Client) Terminate(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "delete", clusterID: clusterID, clusterOnly: true},
		compute.DeleteCluster{ClusterId: clusterID})
}

// PermanentDelete implements Writer.
func (c *Client) PermanentDelete(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "permanent-delete", clusterID: clusterID, clusterOnly: true},
		compute.PermanentDeleteCluster{ClusterId: clusterID})
}

// Pin implements Writer.
func (c *Client) Pin(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "pin", clusterID: clusterID, clusterOnly: true},
		compute.PinCluster{ClusterId: clusterID})
}

// Unpin implements Writer.
func (c *Client) Unpin(ctx context.Context, clusterID string) error {
	return c.change(ctx, request{path: clustersPath + "unpin", clusterID: clusterID, clusterOnly: true},
		compute.UnpinCluster{ClusterId: clusterID})
}

// change sends a write to one cluster, of which the response has no content.
func (c *Client) change(ctx context.Context, r request, body any) error {
	if err := r.requireClusterID(); err != nil {
		return err
	}
	return c.post(ctx, r, body, nil)
}

// requireClusterID fails if the request has no cluster id.
func (r request) requireClusterID() error {
	if r.clusterID != "" {
		return nil
	}
	return r.notSent("there is no cluster id")
}

// notSent returns the failure of a request that cannot be sent.
func (r request) notSent(message string) *Error {
	return &Error{Class: ClassInvalid, Message: message, Method: r.method, Path: r.path, Endpoint: r.name()}
}
