package drift

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Secrets holds the values that a specification refers to by the name of a Secret.
type Secrets struct {
	DockerUsername, DockerPassword string
	LogAnalyticsPrimaryKey         string
}

// Desired returns the declared specification in the form of the Clusters API. A
// field that is absent is not managed. Fields that exclude each other are resolved
// as the API requires: one kind of size, and a pool or node types.
func Desired(spec *v1alpha1.ClusterSpec, secrets Secrets) (Tree, error) {
	declared, err := treeOf(spec)
	if err != nil {
		return nil, err
	}
	tree := declared.wireKeys()
	resolveDocker(tree, secrets)
	if err := resolveAzure(tree, secrets); err != nil {
		return nil, err
	}
	applySizeRules(tree)
	applyPoolRules(tree)
	dropRefused(tree)
	return tree, nil
}

func resolveDocker(tree Tree, secrets Secrets) {
	image, ok := tree["docker_image"].(map[string]any)
	if !ok {
		return
	}
	if _, declared := image["basic_auth_secret_ref"]; declared {
		delete(image, "basic_auth_secret_ref")
		image["basic_auth"] = map[string]any{"username": secrets.DockerUsername, "password": secrets.DockerPassword}
	}
}

func resolveAzure(tree Tree, secrets Secrets) error {
	azure, ok := tree["azure_attributes"].(map[string]any)
	if !ok {
		return nil
	}
	if text, ok := azure["spot_bid_max_price"].(string); ok {
		price, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("spec.azureAttributes.spotBidMaxPrice %q is not a number: %w", text, err)
		}
		azure["spot_bid_max_price"] = price
	}
	if info, ok := azure["log_analytics_info"].(map[string]any); ok {
		if _, declared := info["log_analytics_primary_key_secret_ref"]; declared {
			delete(info, "log_analytics_primary_key_secret_ref")
			info["log_analytics_primary_key"] = secrets.LogAnalyticsPrimaryKey
		}
	}
	return nil
}

// applySizeRules keeps one kind of size, or none if a policy supplies it. The size
// is never computed from the observed one.
func applySizeRules(tree Tree) {
	if _, autoscales := tree["autoscale"]; autoscales {
		delete(tree, "num_workers")
		return
	}
	if single, _ := tree["is_single_node"].(bool); single {
		tree["num_workers"] = float64(0)
	}
}

// applyPoolRules removes the fields that the API refuses together with a pool.
func applyPoolRules(tree Tree) {
	if _, pooled := tree["instance_pool_id"]; !pooled {
		return
	}
	for _, name := range takenByPool {
		delete(tree, name)
	}
	for block, kept := range keptBesidePool {
		attributes, ok := tree[block].(map[string]any)
		if !ok {
			continue
		}
		if value, ok := attributes[kept]; ok {
			tree[block] = map[string]any{kept: value}
		} else {
			delete(tree, block)
		}
	}
}

// dropRefused removes the values that the API refuses: empty strings, which it reads
// as invalid ids, and EBS settings of 0. Values of maps with free keys may be empty.
func dropRefused(tree map[string]any) {
	for name, value := range tree {
		if value == "" || (strings.HasPrefix(name, "ebs_volume_") && isEmpty(value)) {
			delete(tree, name)
		}
		if object, ok := value.(map[string]any); ok && !slices.Contains(freeMaps, name) {
			dropRefused(object)
		}
	}
}

// Tag is a custom tag, such as the owner tag.
type Tag struct{ Key, Value string }

// Creation returns the body of clusters/create for a declared specification. A
// cluster without a name gets defaultName, which no later request changes. The owner
// tag is added to the custom tags unless its key is empty.
func Creation(desired Tree, defaultName string, owner Tag) (compute.CreateCluster, error) {
	tree := desired.clone()
	if _, declared := tree["cluster_name"]; !declared {
		tree["cluster_name"] = defaultName
	}
	if owner.Key != "" {
		tags, ok := tree["custom_tags"].(map[string]any)
		if !ok {
			tags = map[string]any{}
			tree["custom_tags"] = tags
		}
		tags[owner.Key] = owner.Value
	}
	var body compute.CreateCluster
	err := tree.into(&body)
	return body, err
}
