package databricks

import (
	"context"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// SparkVersions implements Reader.
func (c *Client) SparkVersions(ctx context.Context) ([]compute.SparkVersion, error) {
	var found compute.GetSparkVersionsResponse
	err := c.get(ctx, request{path: clustersPath + "spark-versions", limit: maxResponseBytes}, func(got response) error {
		return decode(got.body, &found)
	})
	return found.Versions, err
}

// NodeTypes implements Reader.
func (c *Client) NodeTypes(ctx context.Context) ([]compute.NodeType, error) {
	var found compute.ListNodeTypesResponse
	err := c.get(ctx, request{path: clustersPath + "list-node-types", limit: maxResponseBytes}, func(got response) error {
		return decode(got.body, &found)
	})
	return found.NodeTypes, err
}
