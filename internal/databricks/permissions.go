package databricks

import (
	"context"
	"net/http"
	"net/url"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

const (
	permissionsPath     = "/api/2.0/permissions/clusters/"
	permissionsEndpoint = "permissions/clusters"
)

// Permissions implements Reader.
func (c *Client) Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error) {
	r := request{
		path: permissionsPath + url.PathEscape(clusterID), endpoint: permissionsEndpoint,
		limit: maxResponseBytes, clusterID: clusterID, clusterOnly: true,
	}
	if err := r.requireClusterID(); err != nil {
		return nil, err
	}
	var found compute.ClusterPermissions
	err := c.get(ctx, r, func(got response) error { return decode(got.body, &found) })
	if err != nil {
		return nil, err
	}
	return found.AccessControlList, nil
}

// SetPermissions implements Writer.
func (c *Client) SetPermissions(ctx context.Context, clusterID string, permissions []compute.ClusterAccessControlRequest) error {
	r := request{
		method: http.MethodPut, path: permissionsPath + url.PathEscape(clusterID), endpoint: permissionsEndpoint,
		clusterID: clusterID,
	}
	if err := r.requireClusterID(); err != nil {
		return err
	}
	// The SDK's type omits an empty list, which removes all permissions.
	body := struct {
		AccessControlList []compute.ClusterAccessControlRequest `json:"access_control_list"`
	}{append([]compute.ClusterAccessControlRequest{}, permissions...)}
	return c.write(ctx, r, body, nil)
}
