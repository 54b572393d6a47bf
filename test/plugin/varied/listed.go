package varied

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// AddPoliciesAndPools creates policies and pools with every field of their APIs, as another
// client would.
func AddPoliciesAndPools(ctx context.Context, sim *simulator.Service) error {
	for _, item := range []struct {
		path string
		body spec
	}{
		{"policies/clusters/create", spec{
			"name": "Small jobs (team A)", "description": "at most four workers", "max_clusters_per_user": 3,
			"definition": `{"num_workers": {"type": "range", "maxValue": 4}, "spark_conf.a/b": {"type": "fixed", "value": 1.50}}`,
			"libraries": []spec{
				{"pypi": spec{"package": "numpy==1.26.4"}}, {"maven": spec{"coordinates": "a:b:1", "exclusions": []string{"c:d"}}}, {"jar": "/Volumes/a.jar"},
			},
		}},
		{"policies/clusters/create", spec{
			"name": "family", "policy_family_id": "job-cluster",
			"policy_family_definition_overrides": `{"node_type_id": {"type": "allowlist", "values": ["i3.xlarge"]}}`,
		}},
		{"policies/clusters/create", spec{"name": "an empty one", "definition": "{}"}},
		{"instance-pools/create", spec{
			"instance_pool_name": "AWS / spot", "node_type_id": "i3.xlarge", "min_idle_instances": 0, "max_capacity": 10,
			"idle_instance_autotermination_minutes": 20, "enable_elastic_disk": true, "custom_tags": spec{"team": "a", "owner/x": "✓"},
			"preloaded_spark_versions": []string{"16.4.x-scala2.12"},
			"disk_spec":                spec{"disk_type": spec{"ebs_volume_type": "GENERAL_PURPOSE_SSD"}, "disk_count": 1, "disk_size": 100},
			"aws_attributes":           spec{"availability": "SPOT", "zone_id": "us-west-2a", "spot_bid_price_percent": 80},
			"preloaded_docker_images": []spec{
				{"url": "registry.example.com/a:1", "basic_auth": spec{"username": "puller", "password": RegistryPassword}}, {"url": "registry.example.com/b:1"},
			},
		}},
		{"instance-pools/create", spec{
			"instance_pool_name": "azure", "node_type_id": "Standard_D4ds_v5", "min_idle_instances": 1,
			"azure_attributes": spec{"availability": "SPOT_AZURE", "spot_bid_max_price": 0.25},
		}},
		{"instance-pools/create", spec{
			"instance_pool_name": "gcp", "node_type_id": "n2-highmem-4", "remote_disk_throughput": 200, "total_initial_remote_disk_size": 500,
			"gcp_attributes": spec{"gcp_availability": "PREEMPTIBLE_GCP", "local_ssd_count": 1, "zone_id": "HA"},
		}},
	} {
		if err := post(ctx, sim, "/api/2.0/"+item.path, item.body); err != nil {
			return err
		}
	}
	return nil
}

func post(ctx context.Context, sim *simulator.Service, path string, body spec) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, sim.URL+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	answer, err := sim.Client().Do(request)
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	return nil
}
