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

// Policies implements Reader.
func (c *Client) Policies(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	err := c.get(ctx, request{path: "/api/2.0/policies/clusters/list", limit: maxResponseBytes}, func(got response) error {
		var found compute.ListPoliciesResponse
		if err := decode(got.body, &found); err != nil {
			return err
		}
		for i := range found.Policies {
			names[found.Policies[i].PolicyId] = found.Policies[i].Name
		}
		return nil
	})
	return names, err
}

// InstancePools implements Reader.
func (c *Client) InstancePools(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	err := c.get(ctx, request{path: "/api/2.0/instance-pools/list", limit: maxResponseBytes}, func(got response) error {
		var found compute.ListInstancePools
		if err := decode(got.body, &found); err != nil {
			return err
		}
		for i := range found.InstancePools {
			names[found.InstancePools[i].InstancePoolId] = found.InstancePools[i].InstancePoolName
		}
		return nil
	})
	return names, err
}
