package databricks

import (
	"context"
	"fmt"
	"net/url"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

const librariesPath = "/api/2.0/libraries/"

// LibraryStatuses implements Reader.
func (c *Client) LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error) {
	r := request{
		path: librariesPath + "cluster-status", query: url.Values{"cluster_id": {clusterID}},
		limit: maxResponseBytes, clusterID: clusterID, clusterOnly: true,
	}
	if err := r.requireClusterID(); err != nil {
		return nil, err
	}
	var found compute.ClusterLibraryStatuses
	err := c.get(ctx, r, func(got response) error {
		if err := decode(got.body, &found); err != nil {
			return err
		}
		for i := range found.LibraryStatuses {
			if found.LibraryStatuses[i].Library == nil {
				return fmt.Errorf("library_statuses[%d] has no library", i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found.LibraryStatuses, nil
}

// InstallLibraries implements Writer.
func (c *Client) InstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error {
	return c.change(ctx, request{path: librariesPath + "install", clusterID: clusterID},
		compute.InstallLibraries{ClusterId: clusterID, Libraries: libraries})
}

// UninstallLibraries implements Writer.
func (c *Client) UninstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error {
	return c.change(ctx, request{path: librariesPath + "uninstall", clusterID: clusterID},
		compute.UninstallLibraries{ClusterId: clusterID, Libraries: libraries})
}
