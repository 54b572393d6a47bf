package databricks

import (
	"context"
	"net/url"
	"strconv"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

const (
	compliancePath = "/api/2.0/policies/clusters/"
	// compliancePageSize is the largest page that the API returns.
	compliancePageSize = 100
)

// Compliances implements Reader.
func (c *Client) Compliances(ctx context.Context, policyID, pageToken string) (CompliancePage, error) {
	query := url.Values{"policy_id": {policyID}, "page_size": {strconv.Itoa(compliancePageSize)}}
	if pageToken != "" {
		query.Set("page_token", pageToken)
	}
	var found compute.ListClusterCompliancesResponse
	err := c.get(ctx, request{path: compliancePath + "list-compliance", query: query, limit: maxResponseBytes}, func(got response) error {
		return decode(got.body, &found)
	})
	if err != nil {
		return CompliancePage{}, err
	}
	return CompliancePage{Clusters: found.Clusters, NextPageToken: found.NextPageToken}, nil
}

// EnforceCompliance implements Writer.
func (c *Client) EnforceCompliance(ctx context.Context, clusterID string) ([]string, error) {
	r := request{path: compliancePath + "enforce-compliance", clusterID: clusterID}
	if err := r.requireClusterID(); err != nil {
		return nil, err
	}
	var changed []string
	body := compute.EnforceClusterComplianceRequest{
		ClusterId: clusterID, EnforceMode: compute.EnforcePolicyComplianceForClusterEnforceModeEnforceImmediately,
	}
	err := c.post(ctx, r, body, func(got response) error {
		var answer compute.EnforceClusterComplianceResponse
		if err := decode(got.body, &answer); err != nil {
			return err
		}
		for i := range answer.Changes {
			changed = append(changed, answer.Changes[i].Field)
		}
		return nil
	})
	return changed, err
}
