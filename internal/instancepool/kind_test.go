package instancepool_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func treeOf(t *testing.T, text string) diff.Tree {
	t.Helper()
	tree := diff.Tree{}
	NewWithT(t).Expect(json.Unmarshal([]byte(text), &tree)).To(Succeed())
	return tree
}

// specOf decodes a specification as the Kubernetes API does.
func specOf(t *testing.T, text string) *v1alpha1.DatabricksInstancePoolSpec {
	t.Helper()
	spec := &v1alpha1.DatabricksInstancePoolSpec{}
	NewWithT(t).Expect(json.Unmarshal([]byte(text), spec)).To(Succeed())
	return spec
}

// The fates of a field that differs, or is no longer declared.
const (
	edited    = "an edit corrects it"
	kept      = "an edit corrects it, and its removal keeps the value"
	immutable = "the API changes it never"
)

// The rows follow the Instance Pools API: which forms of a value are the same, and what
// becomes of one that differs or is no longer declared.
func TestFields(t *testing.T) {
	for name, row := range map[string]struct{ spec, same, other, fate string }{
		"instancePoolName":                   {`{"instancePoolName":"warm"}`, `{"instance_pool_name":"warm"}`, `{"instance_pool_name":"Warm"}`, kept},
		"minIdleInstances":                   {`{"minIdleInstances":1}`, `{"min_idle_instances":1}`, `{"min_idle_instances":2}`, edited},
		"maxCapacity":                        {`{"maxCapacity":1}`, `{"max_capacity":1}`, `{"max_capacity":2}`, edited},
		"idleInstanceAutoterminationMinutes": {`{"idleInstanceAutoterminationMinutes":1}`, `{"idle_instance_autotermination_minutes":1}`, `{}`, edited},
		"customTags":                         {`{"customTags":{"teamName":"a"}}`, `{"custom_tags":{"teamName":"a","cost":"theirs"}}`, `{"custom_tags":{"teamName":"b"}}`, edited},
		"remoteDiskThroughput":               {`{"remoteDiskThroughput":1}`, `{"remote_disk_throughput":1}`, `{"remote_disk_throughput":2}`, edited},
		"totalInitialRemoteDiskSize":         {`{"totalInitialRemoteDiskSize":1}`, `{"total_initial_remote_disk_size":1}`, `{"total_initial_remote_disk_size":2}`, edited},
		"nodeTypeID":                         {`{"nodeTypeID":"a"}`, `{"node_type_id":"a"}`, `{"node_type_id":"b"}`, immutable},
		"enableElasticDisk":                  {`{"enableElasticDisk":false}`, `{}`, `{"enable_elastic_disk":true}`, immutable},
		"diskSpec":                           {`{"diskSpec":{"diskCount":1}}`, `{"disk_spec":{"disk_count":1,"disk_size":100}}`, `{"disk_spec":{"disk_count":2}}`, immutable},
		"preloadedSparkVersions":             {`{"preloadedSparkVersions":["a"]}`, `{"preloaded_spark_versions":["a"]}`, `{"preloaded_spark_versions":["b"]}`, immutable},
		"preloadedDockerImages":              {`{"preloadedDockerImages":[{"url":"a"},{"url":"b"}]}`, `{"preloaded_docker_images":[{"url":"b"},{"url":"a"}]}`, `{"preloaded_docker_images":[{"url":"a"}]}`, immutable},
		"nodeTypeFlexibility":                {`{"nodeTypeFlexibility":{"alternateNodeTypeIDs":["a"]}}`, `{"node_type_flexibility":{"alternate_node_type_ids":["a"]}}`, `{"node_type_flexibility":{"alternate_node_type_ids":["b"]}}`, immutable},
		"awsAttributes":                      {`{"awsAttributes":{"availability":"SPOT","zoneID":"auto"}}`, `{"aws_attributes":{"availability":"SPOT","zone_id":"us-west-2a"}}`, `{"aws_attributes":{"availability":"ON_DEMAND","zone_id":"us-west-2a"}}`, immutable},
		"azureAttributes":                    {`{"azureAttributes":{"spotBidMaxPrice":"-1"}}`, `{"azure_attributes":{"spot_bid_max_price":-1,"availability":"SPOT_AZURE"}}`, `{"azure_attributes":{"spot_bid_max_price":2}}`, immutable},
		"gcpAttributes":                      {`{"gcpAttributes":{"zoneID":"auto"}}`, `{"gcp_attributes":{"zone_id":"us-west1-a","local_ssd_count":1}}`, `{}`, immutable},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fields := instancepool.Kind.Fields
			desired, err := fields.Declared(specOf(t, row.spec))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(desired).To(HaveLen(1))
			g.Expect(fields.Compare(desired, treeOf(t, row.same))).To(BeEmpty(), "[case-101]")
			differ := fields.Compare(desired, treeOf(t, row.other))
			g.Expect(differ).To(HaveLen(1), "[case-104]")
			g.Expect(differ[0].Immutable).To(Equal(row.fate == immutable), "[case-114]")
			removed := fields.Removed(fields.Owned(desired), diff.Tree{}, treeOf(t, row.same))
			g.Expect(removed).To(HaveLen(map[string]int{edited: 1}[row.fate]), "[case-102]")
		})
	}
	t.Run("a sequence has an order", func(t *testing.T) {
		g := NewWithT(t)
		desired, err := instancepool.Kind.Fields.Declared(specOf(t, `{"preloadedSparkVersions":["a","b"]}`))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(instancepool.Kind.Fields.Compare(desired, treeOf(t, `{"preloaded_spark_versions":["b","a"]}`))).To(HaveLen(1))
	})
}

func TestEveryFieldOfTheAPIHasARow(t *testing.T) {
	NewWithT(t).Expect(instancepool.Kind.Fields.Names()).To(ConsistOf(
		"instance_pool_name", "min_idle_instances", "max_capacity", "idle_instance_autotermination_minutes", "custom_tags",
		"remote_disk_throughput", "total_initial_remote_disk_size", "node_type_id", "enable_elastic_disk", "disk_spec",
		"preloaded_spark_versions", "preloaded_docker_images", "node_type_flexibility", "aws_attributes", "azure_attributes", "gcp_attributes"))
}

func TestACredentialOfARegistryIsNeitherComparedNorShown(t *testing.T) {
	g := NewWithT(t)
	fields := instancepool.Kind.Fields
	desired, err := fields.Declared(specOf(t, `{"preloadedDockerImages":[{"url":"a","basicAuthSecretRef":{"name":"registry"}}]}`))
	g.Expect(err).NotTo(HaveOccurred())
	fields.ResolveSecrets(desired, func(string, any) any { return map[string]any{"username": "u", "password": "hunter2"} })
	for _, same := range []string{
		`{"preloaded_docker_images":[{"url":"a"}]}`,
		`{"preloaded_docker_images":[{"url":"a","basic_auth":{"username":"u"}}]}`,
		`{"preloaded_docker_images":[{"url":"a","basic_auth":{"username":"v","password":"w"}}]}`,
	} {
		g.Expect(fields.Compare(desired, treeOf(t, same))).To(BeEmpty(), "[case-101] %s", same)
	}
	other := fields.Compare(desired, treeOf(t, `{"preloaded_docker_images":[{"url":"b"}]}`))
	g.Expect(other).To(HaveLen(1))
	g.Expect(other[0].Secret).To(BeTrue(), "[S7]")
}

func TestView(t *testing.T) {
	g := NewWithT(t)
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "warm"}}
	pool.Spec = *specOf(t, `{"poolID":"1","instancePoolName":"Warm","deletionPolicy":"Retain","accessControlList":[{"groupName":"users","permissionLevel":"CAN_ATTACH_TO"}]}`)
	object := instancepool.Kind.View(pool)
	g.Expect(object.NamedID).To(Equal("1"))
	g.Expect(object.DeclaredName).To(Equal("Warm"))
	g.Expect(object.Permissions).To(Equal([]diff.Permission{{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}))
	g.Expect(object.Spec.DeletionPolicy).To(Equal(v1alpha1.RemovalPolicyRetain))
	*object.ID, object.Status.Host = "3", "https://example.cloud.databricks.com"
	g.Expect(pool.Status.PoolID).To(Equal("3"), "a view points into the object")
	g.Expect(pool.Status.Host).To(Equal("https://example.cloud.databricks.com"))
	g.Expect(instancepool.Kind.View(&v1alpha1.DatabricksClusterPolicy{})).To(Equal(managed.Object{}), "an object of another kind")
}

func TestKind(t *testing.T) {
	g := NewWithT(t)
	kind := instancepool.Kind
	g.Expect(kind.New()).To(BeAssignableToTypeOf(&v1alpha1.DatabricksInstancePool{}))
	g.Expect(kind.NewList()).To(BeAssignableToTypeOf(&v1alpha1.DatabricksInstancePoolList{}))
	g.Expect(kind.Path("1")).To(Equal("/compute/instance-pools/1"))
	g.Expect(kind.ReadOnly).To(ConsistOf("state", "stats", "status", "default_tags"), "[case-118]")
	g.Expect(kind.Resent).To(ConsistOf("node_type_id"), "[case-118] the API wants it in an edit, too")
	g.Expect(kind.Finalizer).NotTo(Equal(v1alpha1.FinalizerPolicy))
	g.Expect(kind.Levels).To(Equal(diff.Levels{"CAN_ATTACH_TO", "CAN_MANAGE"}), "[case-119] in ascending order")
}

func TestUsability(t *testing.T) {
	for state, reason := range map[string]string{
		`{"state":"ACTIVE"}`: "", `{"state":"DELETED"}`: "", `{}`: "", `{"state":7}`: "", `{"state":"STOPPED"}`: v1alpha1.ReasonPoolStopped,
	} {
		g := NewWithT(t)
		verdict := instancepool.Kind.Usability(treeOf(t, state))
		g.Expect(verdict.Reason).To(Equal(reason), "[case-138] %s", state)
		g.Expect(verdict.Stalled).To(Equal(reason != ""))
		g.Expect(strings.Contains(verdict.Message, "stopped")).To(Equal(reason != ""))
	}
}

func TestUsers(t *testing.T) {
	for stats, count := range map[string]int{
		`{"stats":{"used_count":3,"pending_used_count":2,"idle_count":9,"pending_idle_count":9}}`: 5,
		`{}`: 0, `{"stats":"none"}`: 0, `{"stats":{"used_count":-1}}`: 0, `{"stats":{"used_count":1e30}}`: math.MaxInt32,
	} {
		NewWithT(t).Expect(instancepool.Kind.Users(treeOf(t, stats))).To(Equal(managed.Users{Known: true, Count: count}), "[case-124] %s", stats)
	}
}

func TestShow(t *testing.T) {
	g := NewWithT(t)
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "warm"}}
	instancepool.Kind.Show(pool, treeOf(t, `{"state":"ACTIVE\u0007",
		"stats":{"used_count":1,"idle_count":2,"pending_used_count":3,"pending_idle_count":4},
		"status":{"pending_instance_errors":[{"message":"no quota\u0000"},{"message":"another"}]}}`))
	g.Expect(pool.Status.State).To(Equal("ACTIVE"), "[S8] without control characters")
	g.Expect(pool.Status.Stats).To(Equal(&v1alpha1.PoolStats{Used: 1, Idle: 2, PendingUsed: 3, PendingIdle: 4}))
	g.Expect(pool.Status.PendingInstanceError).To(Equal("no quota"), "[S8]")
	g.Expect(pool.Status.Selector).To(Equal(v1alpha1.PoolSelectorFor("warm")))

	instancepool.Kind.Show(pool, treeOf(t, `{"status":{"pending_instance_errors":[{"message":"one"}]}}`))
	g.Expect(pool.Status.PendingInstanceError).To(Equal("one"))
	instancepool.Kind.Show(pool, treeOf(t, `{"state":"ACTIVE"}`))
	g.Expect(pool.Status.PendingInstanceError).To(BeEmpty(), "[case-138] the error is over")
	g.Expect(pool.Status.Stats).To(Equal(&v1alpha1.PoolStats{}))

	pool.Status.PendingInstanceError = "old"
	instancepool.Kind.Show(pool, nil)
	g.Expect(pool.Status.State).To(BeEmpty())
	g.Expect(pool.Status.Stats).To(BeNil())
	g.Expect(pool.Status.PendingInstanceError).To(BeEmpty())
	g.Expect(pool.Status.Selector).NotTo(BeEmpty(), "kubectl scale reads it")

	g.Expect(func() { instancepool.Kind.Show(&v1alpha1.DatabricksClusterPolicy{}, nil) }).NotTo(Panic(), "an object of another kind")
}
