package drift

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// body returns the create request that a client sends for a specification.
func body(t *testing.T, spec v1alpha1.ClusterSpec) map[string]any {
	t.Helper()
	g := NewWithT(t)
	sent, err := Creation(mustDesired(t, &spec), "team/etl", Tag{Key: "owner", Value: "op-uid"})
	g.Expect(err).NotTo(HaveOccurred())
	raw, err := json.Marshal(sent)
	g.Expect(err).NotTo(HaveOccurred())
	var read map[string]any
	g.Expect(json.Unmarshal(raw, &read)).To(Succeed())
	if read["spark_version"] == "" {
		delete(read, "spark_version") // the SDK's type always encodes it, and the client removes it
	}
	return read
}

func TestCreationSendsTheDeclaredFields(t *testing.T) {
	type object = map[string]any
	for name, row := range map[string]struct {
		spec v1alpha1.ClusterSpec
		sent object
		none []string
	}{
		"[case-03] a fixed size of 0 is sent": {
			spec: v1alpha1.ClusterSpec{NumWorkers: new(int32(0))},
			sent: object{"num_workers": 0.0}, none: []string{"autoscale"},
		},
		"[case-03] autoscale is sent without a number of workers": {
			spec: v1alpha1.ClusterSpec{Autoscale: &v1alpha1.Autoscale{MinWorkers: new(int32(0)), MaxWorkers: new(int32(3))}, NumWorkers: new(int32(2))},
			sent: object{"autoscale": object{"min_workers": 0.0, "max_workers": 3.0}}, none: []string{"num_workers"},
		},
		"[case-04] no size is sent where a policy's defaults supply it": {
			spec: v1alpha1.ClusterSpec{PolicyID: "P", ApplyPolicyDefaultValues: new(true)},
			sent: object{"policy_id": "P", "apply_policy_default_values": true}, none: []string{"num_workers", "autoscale"},
		},
		"[case-05] a pool is sent without the fields that it replaces": {
			spec: v1alpha1.ClusterSpec{
				InstancePoolID: "pool", NodeTypeID: "i3.xlarge", DriverNodeTypeID: "i3.xlarge", EnableElasticDisk: new(true),
				AWSAttributes:   &v1alpha1.AWSAttributes{InstanceProfileARN: "arn", ZoneID: "auto", EBSVolumeCount: new(int32(1))},
				GCPAttributes:   &v1alpha1.GCPAttributes{GoogleServiceAccount: "me@x", LocalSSDCount: new(int32(0))},
				AzureAttributes: &v1alpha1.AzureAttributes{Availability: "SPOT_AZURE"},
			},
			sent: object{"instance_pool_id": "pool", "aws_attributes": object{"instance_profile_arn": "arn"}, "gcp_attributes": object{"google_service_account": "me@x"}},
			none: []string{"node_type_id", "driver_node_type_id", "enable_elastic_disk", "azure_attributes", "driver_instance_pool_id"},
		},
		"[case-23] explicit false and 0 are sent": {
			spec: v1alpha1.ClusterSpec{
				AutoterminationMinutes: new(int32(0)), EnableElasticDisk: new(false), EnableLocalDiskEncryption: new(false),
				AWSAttributes: &v1alpha1.AWSAttributes{FirstOnDemand: new(int32(0))},
				GCPAttributes: &v1alpha1.GCPAttributes{LocalSSDCount: new(int32(0))},
				WorkloadType:  &v1alpha1.WorkloadType{Clients: v1alpha1.WorkloadClients{Jobs: new(false), Notebooks: new(false)}},
			},
			sent: object{
				"autotermination_minutes": 0.0, "enable_elastic_disk": false, "enable_local_disk_encryption": false,
				"aws_attributes": object{"first_on_demand": 0.0}, "gcp_attributes": object{"local_ssd_count": 0.0},
				"workload_type": object{"clients": object{"jobs": false, "notebooks": false}},
			},
		},
		"EBS settings of 0 are not sent, because the API refuses them": {
			spec: v1alpha1.ClusterSpec{AWSAttributes: &v1alpha1.AWSAttributes{
				ZoneID: "auto", EBSVolumeCount: new(int32(0)), EBSVolumeSize: new(int32(0)), EBSVolumeIOPS: new(int32(0)), EBSVolumeThroughput: new(int32(0)),
			}},
			sent: object{"aws_attributes": object{"zone_id": "auto"}},
		},
		"a single node has no workers": {
			spec: v1alpha1.ClusterSpec{Kind: v1alpha1.KindClassicPreview, IsSingleNode: new(true)},
			sent: object{"kind": "CLASSIC_PREVIEW", "is_single_node": true, "num_workers": 0.0},
		},
		"a declared name takes precedence over the default name": {
			spec: v1alpha1.ClusterSpec{ClusterName: "etl-prod"},
			sent: object{"cluster_name": "etl-prod"},
		},
		"credentials come from Secrets": {
			spec: v1alpha1.ClusterSpec{
				DockerImage: &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "puller"}},
				AzureAttributes: &v1alpha1.AzureAttributes{SpotBidMaxPrice: "-1", LogAnalyticsInfo: &v1alpha1.LogAnalyticsInfo{
					LogAnalyticsWorkspaceID: "w", LogAnalyticsPrimaryKeySecretRef: &v1alpha1.LocalSecretKeyReference{Name: "s", Key: "k"},
				}},
			},
			sent: object{
				"docker_image": object{"url": "r/i:1", "basic_auth": object{"username": "puller", "password": "hunter2"}},
				"azure_attributes": object{"spot_bid_max_price": -1.0, "log_analytics_info": object{
					"log_analytics_workspace_id": "w", "log_analytics_primary_key": "a-key",
				}},
			},
		},
		"free keys and their values are sent unchanged, empty values too": {
			spec: v1alpha1.ClusterSpec{
				SparkConf: map[string]string{"spark.someThing": "", "useMLRuntime": "{{secrets/a/b}}"}, SparkEnvVars: map[string]string{"HTTP_PROXY": ""},
			},
			sent: object{"spark_conf": object{"spark.someThing": "", "useMLRuntime": "{{secrets/a/b}}"}, "spark_env_vars": object{"HTTP_PROXY": ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			sent := body(t, row.spec)
			want := object{"cluster_name": "team/etl", "custom_tags": object{"owner": "op-uid"}}
			maps.Copy(want, row.sent)
			g.Expect(sent).To(Equal(want))
			for _, name := range row.none {
				g.Expect(sent).NotTo(HaveKey(name))
			}
		})
	}
}

func TestTheOwnerTagIsAddedToTheRequestAndNotToTheDeclaredFields(t *testing.T) {
	g := NewWithT(t)
	desired := mustDesired(t, &v1alpha1.ClusterSpec{CustomTags: map[string]string{"cost-center": "4711"}})
	sent, err := Creation(desired, "n", Tag{Key: "owner", Value: "me"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sent.CustomTags).To(Equal(map[string]string{"cost-center": "4711", "owner": "me"}))
	g.Expect(desired["custom_tags"]).To(Equal(map[string]any{"cost-center": "4711"}))
	g.Expect(desired).NotTo(HaveKey("cluster_name"))

	untagged, err := Creation(desired, "n", Tag{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(untagged.CustomTags).To(Equal(map[string]string{"cost-center": "4711"}))
}

func TestAnInvalidPriceIsRefusedWithItsField(t *testing.T) {
	_, err := Desired(&v1alpha1.ClusterSpec{AzureAttributes: &v1alpha1.AzureAttributes{SpotBidMaxPrice: "cheap"}}, Secrets{})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring(`spec.azureAttributes.spotBidMaxPrice "cheap"`)))
}

func TestASecretThatWasNotReadLeavesNoEmptyText(t *testing.T) {
	g := NewWithT(t)
	desired, err := Desired(&v1alpha1.ClusterSpec{
		DockerImage: &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "puller"}},
		AzureAttributes: &v1alpha1.AzureAttributes{LogAnalyticsInfo: &v1alpha1.LogAnalyticsInfo{
			LogAnalyticsWorkspaceID: "w", LogAnalyticsPrimaryKeySecretRef: &v1alpha1.LocalSecretKeyReference{Name: "s", Key: "k"},
		}},
		SparkEnvVars: map[string]string{"HTTP_PROXY": ""},
	}, Secrets{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(desired).To(Equal(Tree{
		"docker_image":     map[string]any{"url": "r/i:1", "basic_auth": map[string]any{}},
		"azure_attributes": map[string]any{"log_analytics_info": map[string]any{"log_analytics_workspace_id": "w"}},
		"spark_env_vars":   map[string]any{"HTTP_PROXY": ""},
	}))
}

func TestReservedTagsAreRefusedWithTheirName(t *testing.T) {
	for name, refused := range map[string]bool{
		"databricks-operator-owner": true, "Databricks-Operator-Owner": true, "DATABRICKS-OPERATOR-x": true,
		"Vendor": true, "Creator": true, "ClusterId": true, "ClusterName": true, "Name": true,
		"name": false, "team": false, "my-databricks-operator": false,
	} {
		_, err := Desired(&v1alpha1.ClusterSpec{CustomTags: map[string]string{name: "me"}}, Secrets{})
		if !refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if refused && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("spec.customTags: the tag %q", name)) || !strings.Contains(err.Error(), "remove it")) {
			t.Errorf("[S12] %s: %v", name, err)
		}
	}
}

func TestEveryDeclaredFieldIsSent(t *testing.T) {
	t.Run("[case-23]", rapid.MakeCheck(func(t *rapid.T) {
		g := NewWithT(t)
		desired := mustDesired(t, anySpec(t))
		for _, set := range leaves(desired) {
			if !isFreeMap(set.path[0]) {
				g.Expect(set.value).NotTo(Equal(""), "%s: an empty string is a bad id", set.pointer())
			}
		}
		sent, err := Creation(desired, "n", Tag{})
		g.Expect(err).NotTo(HaveOccurred())
		arrived, err := diff.TreeOf(sent)
		g.Expect(err).NotTo(HaveOccurred())
		for _, set := range leaves(desired) {
			value, ok := arrived.At(set.path...)
			g.Expect(ok || diff.IsEmpty(set.value) && isList(set.value)).To(BeTrue(), "%s is lost", set.pointer())
			if ok {
				g.Expect(value).To(Equal(set.value), set.pointer())
			}
		}
		_, fixed := desired["num_workers"]
		_, scales := desired["autoscale"]
		g.Expect(fixed && scales).To(BeFalse(), "one kind of size")
	}))
}

func isList(value any) bool {
	_, ok := value.([]any)
	return ok
}
