package databricks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

const clustersPath = "/api/2.1/clusters/"

// Get implements Reader.
func (c *Client) Get(ctx context.Context, clusterID string) (*compute.ClusterDetails, error) {
	r := request{
		path: clustersPath + "get", query: url.Values{"cluster_id": {clusterID}},
		limit: maxPageBytes, clusterID: clusterID, clusterOnly: true,
	}
	if err := r.needCluster(); err != nil {
		return nil, err
	}
	var cluster compute.ClusterDetails
	err := c.get(ctx, r, func(got answer) error {
		if err := decode(got.body, &cluster); err != nil {
			return err
		}
		if cluster.ClusterId != clusterID {
			return errors.New("it is about another cluster")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &cluster, nil
}

// List implements Reader.
func (c *Client) List(ctx context.Context, query ListQuery) (ListPage, error) {
	r := request{path: clustersPath + "list", query: query.values(), limit: maxPageBytes}
	var page compute.ListClustersResponse
	err := c.get(ctx, r, func(got answer) error {
		if err := decode(got.body, &page); err != nil {
			return err
		}
		// A page is all or nothing: whoever looks for a cluster in complete
		// lists must not miss it for a part that was not understood.
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
	err := c.post(ctx, r, create, func(got answer) error {
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

// MarshalJSON adds the token to what the SDK's type encodes.
func (r CreateRequest) MarshalJSON() ([]byte, error) {
	fields, err := withoutEmptyVersion(r.CreateCluster)
	if err != nil {
		return nil, err
	}
	if r.IdempotencyToken != "" {
		if fields["idempotency_token"], err = json.Marshal(r.IdempotencyToken); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// withoutEmptyVersion is a body whose spark_version goes unsaid where it is not
// set: the SDK's types always say it, and the API takes an empty one for a bad
// one where a policy would supply it.
func withoutEmptyVersion(body any) (map[string]json.RawMessage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	if string(fields["spark_version"]) == `""` {
		delete(fields, "spark_version")
	}
	return fields, nil
}

// Edit implements Writer.
func (c *Client) Edit(ctx context.Context, edit compute.EditCluster) error {
	body, err := withoutEmptyVersion(edit)
	if err != nil {
		return err
	}
	return c.change(ctx, request{path: clustersPath + "edit", clusterID: edit.ClusterId, allocates: true}, body)
}

// Update implements Writer.
func (c *Client) Update(ctx context.Context, update compute.UpdateCluster) error {
	return c.change(ctx, request{path: clustersPath + "update", clusterID: update.ClusterId, allocates: true}, update)
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

// change writes to one cluster; its answer says nothing but success.
func (c *Client) change(ctx context.Context, r request, body any) error {
	if err := r.needCluster(); err != nil {
		return err
	}
	return c.post(ctx, r, body, nil)
}

// needCluster keeps a request about no cluster from being sent.
func (r request) needCluster() error {
	if r.clusterID != "" {
		return nil
	}
	return &Error{Class: ClassInvalid, Message: "there is no cluster id", Path: r.path}
}
