package drift

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
)

// observedSpec returns a cluster with a spec, which is also in effect.
func observedSpec(t *testing.T, spec string) Observed {
	t.Helper()
	var details compute.ClusterDetails
	NewWithT(t).Expect(json.Unmarshal([]byte(spec), &details)).To(Succeed())
	observed, err := Observe(&details, json.RawMessage(spec))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return observed
}

func TestAnUpdateHasExactlyWhatItChanges(t *testing.T) {
	for name, row := range map[string]struct {
		desired Tree
		// owned are the fields that were declared before.
		owned []string
		spec  string
		// effective is in effect in place of the spec.
		effective     Tree
		owner         Tag
		cluster, mask string
	}{
		"one member of a cloud block leaves the others": {
			desired: Tree{"aws_attributes": map[string]any{"availability": "SPOT"}},
			spec:    `{"aws_attributes":{"availability":"ON_DEMAND","zone_id":"us-west-2b"}}`,
			cluster: `{"aws_attributes":{"availability":"SPOT"}}`, mask: "aws_attributes.availability",
		},
		"two members of a cloud block are both sent": {
			desired: Tree{"aws_attributes": map[string]any{"availability": "SPOT", "zone_id": "us-west-2a"}},
			spec:    `{"aws_attributes":{"availability":"ON_DEMAND","zone_id":"us-west-2b"}}`,
			cluster: `{"aws_attributes":{"availability":"SPOT","zone_id":"us-west-2a"}}`, mask: "aws_attributes.availability,aws_attributes.zone_id",
		},
		"one key of a map keeps the others": {
			desired: Tree{"spark_conf": map[string]any{"a": "2"}},
			spec:    `{"spark_conf":{"a":"1","b":"kept"}}`,
			cluster: `{"spark_conf":{"a":"2","b":"kept"}}`, mask: "spark_conf",
		},
		"a node type clears the pools": {
			desired: Tree{"node_type_id": "i3.xlarge"},
			spec:    `{"instance_pool_id":"pool","driver_instance_pool_id":"pool"}`,
			cluster: `{"node_type_id":"i3.xlarge"}`, mask: "node_type_id,instance_pool_id,driver_instance_pool_id",
		},
		"a pool clears the node types, and the driver uses it": {
			desired: Tree{"instance_pool_id": "pool"},
			spec:    `{"node_type_id":"i3.xlarge","driver_node_type_id":"i3.xlarge","enable_elastic_disk":true}`,
			cluster: `{"driver_instance_pool_id":"pool","instance_pool_id":"pool"}`,
			mask:    "instance_pool_id,node_type_id,driver_node_type_id,enable_elastic_disk,driver_instance_pool_id",
		},
		"a driver's own pool is not replaced": {
			desired: Tree{"instance_pool_id": "pool", "driver_instance_pool_id": "other"},
			spec:    `{"driver_instance_pool_id":"other"}`,
			cluster: `{"instance_pool_id":"pool"}`, mask: "instance_pool_id",
		},
		"a pool clears the node types beside the driver's own pool": {
			desired: Tree{"instance_pool_id": "pool", "driver_instance_pool_id": "other"},
			spec:    `{"node_type_id":"i3.xlarge","driver_instance_pool_id":"other"}`,
			cluster: `{"instance_pool_id":"pool"}`, mask: "instance_pool_id,node_type_id",
		},
		"a node type in place of a pool leaves the disks": {
			desired: Tree{"node_type_id": "i3.xlarge"}, owned: []string{"/instancePoolID"},
			spec:    `{"instance_pool_id":"pool","enable_elastic_disk":true}`,
			cluster: `{"node_type_id":"i3.xlarge"}`, mask: "node_type_id,instance_pool_id",
		},
		"another change leaves the node types beside a pool": {
			desired: Tree{"instance_pool_id": "pool", "policy_id": "p"},
			spec:    `{"instance_pool_id":"pool","driver_instance_pool_id":"other","node_type_id":"i3.xlarge"}`,
			cluster: `{"policy_id":"p"}`, mask: "policy_id",
		},
		"another change leaves the pool beside a node type": {
			desired: Tree{"node_type_id": "i3.xlarge", "policy_id": "p"},
			spec:    `{"node_type_id":"i3.xlarge","driver_instance_pool_id":"pool"}`,
			cluster: `{"policy_id":"p"}`, mask: "policy_id",
		},
		"a size that only a resize gave is requested": {
			desired: Tree{"num_workers": 4.0, "policy_id": "p"},
			spec:    `{"num_workers":2}`, effective: Tree{"num_workers": 4.0},
			cluster: `{"num_workers":4,"policy_id":"p"}`, mask: "policy_id,num_workers,autoscale",
		},
		"an empty list that the spec lacks is not sent": {
			desired: Tree{"ssh_public_keys": []any{}, "policy_id": "p"},
			spec:    `{"spark_version":"16.4.x-scala2.12"}`,
			cluster: `{"policy_id":"p"}`, mask: "policy_id",
		},
		"a cloud block that is no longer declared is cleared": {
			desired: Tree{}, owned: []string{"/awsAttributes"},
			spec:    `{"aws_attributes":{"zone_id":"us-west-2b"},"policy_id":"p"}`,
			cluster: `{}`, mask: "aws_attributes",
		},
		"an object in a cloud block keeps the members that the operator does not know": {
			desired: Tree{"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_workspace_id": "new"}}},
			spec:    `{"azure_attributes":{"log_analytics_info":{"log_analytics_workspace_id":"old","newer":1}}}`,
			cluster: `{"azure_attributes":{"log_analytics_info":{"log_analytics_workspace_id":"new","newer":1}}}`, mask: "azure_attributes.log_analytics_info",
		},
		"a missing owner tag is added to the tags of others": {
			desired: Tree{"policy_id": "p"}, owner: Tag{Key: "owner", Value: "me"},
			spec:    `{"custom_tags":{"team":"data"}}`,
			cluster: `{"custom_tags":{"owner":"me","team":"data"},"policy_id":"p"}`, mask: "policy_id,custom_tags",
		},
		"a missing owner tag is the only tag": {
			desired: Tree{"policy_id": "p"}, owner: Tag{Key: "owner", Value: "me"},
			spec:    `{"spark_version":"16.4.x-scala2.12"}`,
			cluster: `{"custom_tags":{"owner":"me"},"policy_id":"p"}`, mask: "policy_id,custom_tags",
		},
		"the owner tag is not sent again": {
			desired: Tree{"policy_id": "p"}, owner: Tag{Key: "owner", Value: "me"},
			spec:    `{"custom_tags":{"owner":"me"}}`,
			cluster: `{"policy_id":"p"}`, mask: "policy_id",
		},
		"a size replaces the other kind of size": {
			desired: Tree{"num_workers": json.Number("2")},
			spec:    `{"autoscale":{"min_workers":1,"max_workers":3}}`,
			cluster: `{"num_workers":2}`, mask: "num_workers,autoscale",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			observed := observedSpec(t, row.spec)
			if row.effective != nil {
				observed.Effective = row.effective
			}
			found := Compare(row.desired, observed)
			cluster, mask, err := Update(Correction{
				Desired: row.desired, Observed: observed, Owner: row.owner,
				Differences: slices.Concat(found.Differences, Removed(row.owned, row.desired, observed)), Normalized: found.Normalized,
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mask).To(Equal(row.mask))
			g.Expect(string(cluster)).To(MatchJSON(row.cluster))
		})
	}
}

func TestAnEditHasOneKindOfSize(t *testing.T) {
	for name, row := range map[string]struct {
		desired Tree
		spec    string
		body    string
	}{
		"autoscale replaces a number of workers": {
			desired: Tree{"autoscale": map[string]any{"min_workers": json.Number("1"), "max_workers": json.Number("3")}},
			spec:    `{"num_workers":2,"spark_version":"16.4.x-scala2.12"}`,
			body:    `{"autoscale":{"min_workers":1,"max_workers":3},"cluster_id":"c1","spark_version":"16.4.x-scala2.12"}`,
		},
		"a spec with both kinds keeps autoscale": {
			desired: Tree{"policy_id": "p"},
			spec:    `{"num_workers":2,"autoscale":{"min_workers":1,"max_workers":3}}`,
			body:    `{"autoscale":{"min_workers":1,"max_workers":3},"cluster_id":"c1","policy_id":"p"}`,
		},
		"a number of workers stays beside an autoscale of null": {
			desired: Tree{"policy_id": "p"},
			spec:    `{"num_workers":2,"autoscale":null}`,
			body:    `{"autoscale":null,"num_workers":2,"cluster_id":"c1","policy_id":"p"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			observed := observedSpec(t, row.spec)
			found := Compare(row.desired, observed)
			body, err := Edit("c1", Correction{Desired: row.desired, Observed: observed, Differences: found.Differences})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(body)).To(MatchJSON(row.body))
		})
	}
}

func TestACorrectionThatCannotBeEncodedIsNotSent(t *testing.T) {
	g := NewWithT(t)
	desired := Tree{"azure_attributes": map[string]any{"spot_bid_max_price": math.NaN()}}
	correction := Correction{
		Desired: desired, Observed: observedSpec(t, `{"spark_version":"16.4.x-scala2.12"}`),
		Differences: []Difference{{Path: "/azure_attributes/spot_bid_max_price", Field: "azure_attributes"}},
	}
	cluster, mask, err := Update(correction)
	g.Expect(err).To(MatchError(ContainSubstring("NaN")))
	g.Expect(cluster).To(BeNil())
	g.Expect(mask).To(BeEmpty())
	body, err := Edit("c1", correction)
	g.Expect(err).To(MatchError(ContainSubstring("NaN")))
	g.Expect(body).To(BeNil())
}
