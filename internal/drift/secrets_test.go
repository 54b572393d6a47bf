package drift

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

func withPassword(password string) Tree {
	return Tree{"spark_version": "x", "docker_image": map[string]any{
		"url": "r/i:1", "basic_auth": map[string]any{"username": "u", "password": password},
	}}
}

func TestSecretsDigest(t *testing.T) {
	t.Run("[case-77]", func(t *testing.T) {
		g := NewWithT(t)
		digest := SecretsDigest(withPassword("hunter2"), "uid-1")
		g.Expect(digest).To(Equal("v1:f8c7"), "golden: with another value, every secret of every object looks rotated")
		g.Expect(KnownSecretsDigest(digest)).To(BeTrue())
		g.Expect(SecretsDigest(withPassword("hunter3"), "uid-1")).NotTo(Equal(digest))
		g.Expect(SecretsDigest(withPassword("hunter2"), "uid-2")).NotTo(Equal(digest), "equal secrets of two objects have different digests")
		g.Expect(SecretsDigest(Tree{"spark_version": "x"}, "uid-1")).To(BeEmpty())
		g.Expect(KnownSecretsDigest("applying")).To(BeFalse())
	})
}

func TestARotatedSecretIsADifferenceThatIsSent(t *testing.T) {
	t.Run("[case-77]", func(t *testing.T) {
		g := NewWithT(t)
		desired := withPassword("hunter3")
		observed, err := Observe(&compute.ClusterDetails{SparkVersion: "x"}, json.RawMessage(
			`{"spark_version":"x","docker_image":{"url":"r/i:1","basic_auth":{"username":"u","password":"***"},"odd":1}}`))
		g.Expect(err).NotTo(HaveOccurred())
		rotated := Rotated(Owned(desired), desired, observed)
		g.Expect(rotated).To(HaveLen(1))
		g.Expect(rotated[0].SpecPath()).To(Equal("/dockerImage/basicAuthSecretRef"))
		g.Expect(rotated[0].Secret()).To(BeTrue())
		part, mask, err := Update(Correction{Desired: desired, Observed: observed, Differences: rotated})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mask).To(Equal("docker_image"))
		g.Expect(string(part)).To(Equal(`{"docker_image":{"basic_auth":{"password":"hunter3","username":"u"},"odd":1,"url":"r/i:1"}}`))
	})
}

func TestARemovedSecretIsCleared(t *testing.T) {
	t.Run("[case-77]", func(t *testing.T) {
		g := NewWithT(t)
		owned := Owned(withPassword("hunter2"))
		desired := Tree{"spark_version": "x", "docker_image": map[string]any{"url": "r/i:1"}}
		observed, err := Observe(&compute.ClusterDetails{SparkVersion: "x"}, json.RawMessage(`{"spark_version":"x","docker_image":{"url":"r/i:1"}}`))
		g.Expect(err).NotTo(HaveOccurred())
		part, mask, err := Update(Correction{Desired: desired, Observed: observed, Differences: Rotated(owned, desired, observed)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(mask).To(Equal("docker_image"))
		g.Expect(string(part)).To(Equal(`{"docker_image":{"url":"r/i:1"}}`))
		g.Expect(OwnsSecrets(owned)).To(BeTrue())
		g.Expect(OwnsSecrets(Owned(desired))).To(BeFalse())
	})
}

func TestDifferenceSecret(t *testing.T) {
	for path, secret := range map[string]bool{
		"/spark_conf/a": true, "/spark_env_vars/A": true, "/docker_image/basic_auth": true, "/docker_image/basic_auth/password": true, "/docker_image": true,
		"/azure_attributes/log_analytics_info/log_analytics_primary_key": true, "/azure_attributes/log_analytics_info": true,
		"/docker_image/url": false, "/azure_attributes/log_analytics_info/log_analytics_workspace_id": false, "/custom_tags/primary_key": false, "/spark_version": false,
	} {
		t.Run("[case-76] "+path, func(t *testing.T) {
			NewWithT(t).Expect(Difference{Path: path, Field: diff.SplitPointer(path)[0]}.Secret()).To(Equal(secret))
		})
	}
}

func TestDigest(t *testing.T) {
	for name, row := range map[string]struct {
		desired Tree
		want    string
	}{
		"none":      {nil, ""},
		"empty":     {Tree{}, "v1:44136fa355b3678a"},
		"of a few":  {Tree{"spark_version": "16.4.x-scala2.12", "num_workers": 2.0, "spark_conf": map[string]any{"a": "<1>"}}, "v1:55f1a46cb02f99ed"},
		"no secret": {withPassword("hunter2"), "v1:9af3d6959181ff2e"},
		"another":   {withPassword("hunter3"), "v1:9af3d6959181ff2e"},
	} {
		t.Run("[case-80] "+name, func(t *testing.T) {
			NewWithT(t).Expect(Digest(row.desired)).To(Equal(row.want), "golden: another value changes the digest of every object at an upgrade")
		})
	}
	g := NewWithT(t)
	g.Expect(KnownDigest("v1:0123456789abcdef")).To(BeTrue())
	for _, other := range []string{"0123456789abcdef", "v2:0123456789abcdef", "applying", ""} {
		g.Expect(KnownDigest(other)).To(BeFalse(), other)
	}
}

func TestAFieldThatIsNotSetDoesNotChangeTheDigest(t *testing.T) {
	t.Run("[case-80]", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(Digest(mustDesired(t, &v1alpha1.ClusterSpec{}))).To(Equal(Digest(Tree{})))
		for field := range reflect.TypeFor[v1alpha1.ClusterSpec]().Fields() {
			g.Expect(field.Tag.Get("json")).To(ContainSubstring(",omit"), field.Name)
		}
	})
}

func TestDigestOfAWholeSpecification(t *testing.T) {
	t.Run("[case-80]", func(t *testing.T) {
		spec := &v1alpha1.ClusterSpec{
			ClusterName: "etl", SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", DriverNodeTypeID: "i3.2xlarge", PolicyID: "P",
			Autoscale:              &v1alpha1.Autoscale{MinWorkers: new(int32(0)), MaxWorkers: new(int32(4))},
			AutoterminationMinutes: new(int32(0)), EnableElasticDisk: new(false), SingleUserName: "me@example.com",
			SparkConf: map[string]string{"a": "<&>", "b": ""}, CustomTags: map[string]string{"team": "é"}, SSHPublicKeys: []string{},
			AWSAttributes:   &v1alpha1.AWSAttributes{ZoneID: "auto", FirstOnDemand: new(int32(1)), EBSVolumeCount: new(int32(0))},
			AzureAttributes: &v1alpha1.AzureAttributes{SpotBidMaxPrice: "0.25"},
			DockerImage:     &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "puller"}},
			InitScripts:     []v1alpha1.InitScript{{Workspace: &v1alpha1.StorageDestination{Destination: "/a.sh"}}},
		}
		NewWithT(t).Expect(Digest(mustDesired(t, spec))).To(Equal("v1:b23b62d820347d29"), "golden: another value changes the digest of every object at an upgrade")
	})
}

func TestSecretsDigestOfAllSecrets(t *testing.T) {
	t.Run("[case-77]", func(t *testing.T) {
		desired := withPassword("hunter2")
		desired["azure_attributes"] = map[string]any{"log_analytics_info": map[string]any{"log_analytics_primary_key": "a-key"}}
		NewWithT(t).Expect(SecretsDigest(desired, "uid-1")).To(Equal("v1:acf0"), "golden: with another value, every secret of every object looks rotated")
	})
}
