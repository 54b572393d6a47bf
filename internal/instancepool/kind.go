package instancepool

import (
	"reflect"

	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// fields lists every field of the Instance Pools API that a resource can own. The API
// changes none of the immutable ones of an existing pool.
var fields = []diff.Field{
	{Name: "instance_pool_name", Kind: diff.Scalar, Removal: diff.KeepValue},
	{Name: "min_idle_instances", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "max_capacity", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "idle_instance_autotermination_minutes", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "custom_tags", Kind: diff.FreeMap, Removal: diff.ClearValue},
	{Name: "remote_disk_throughput", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "total_initial_remote_disk_size", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "node_type_id", Kind: diff.Scalar, Immutable: true},
	{Name: "enable_elastic_disk", Kind: diff.Scalar, Immutable: true},
	{Name: "disk_spec", Kind: diff.Block, Immutable: true},
	{Name: "preloaded_spark_versions", Kind: diff.Sequence, Immutable: true},
	{
		Name: "preloaded_docker_images", Kind: diff.Set, Immutable: true,
		Secret: "basic_auth", SecretRef: true, WriteOnly: []string{"basic_auth/username", "basic_auth/password"},
	},
	{Name: "node_type_flexibility", Kind: diff.Block, Immutable: true},
	{Name: "aws_attributes", Kind: diff.Block, Immutable: true, Zone: "zone_id"},
	{Name: "azure_attributes", Kind: diff.Block, Immutable: true, Decimal: "spot_bid_max_price"},
	{Name: "gcp_attributes", Kind: diff.Block, Immutable: true, Zone: "zone_id"},
}

// Kind is the DatabricksInstancePool kind.
var Kind = &managed.Kind{
	Name: v1alpha1.PoolKind, Noun: "instance pool",
	New:       func() managed.Resource { return &v1alpha1.DatabricksInstancePool{} },
	NewList:   func() managed.ListResource { return &v1alpha1.DatabricksInstancePoolList{} },
	View:      view,
	Show:      show,
	Finalizer: v1alpha1.FinalizerPool,

	Collection: databricks.InstancePools,
	Fields:     diff.NewTable(reflect.TypeFor[v1alpha1.DatabricksInstancePoolSpec](), fields),
	IDField:    "poolID", NameField: "instancePoolName", WireID: "instance_pool_id", WireName: "instance_pool_name",
	Levels:   diff.Levels{iam.PermissionLevelCanAttachTo, iam.PermissionLevelCanManage},
	TagField: "custom_tags", TagKey: v1alpha1.PoolOwnerTagKey,
	ReadOnly:  []string{"state", "stats", "status", "default_tags"},
	Resent:    []string{"node_type_id"},
	Path:      func(id string) string { return "/compute/instance-pools/" + id },
	Users:     users,
	UsersNoun: "instances of clusters",
	Usability: usability,
}

func view(resource managed.Resource) managed.Object {
	pool, ok := resource.(*v1alpha1.DatabricksInstancePool)
	if !ok {
		return managed.Object{}
	}
	return managed.Object{
		Resource: pool,
		Spec:     &pool.Spec.ManagementSpec, Status: &pool.Status.ManagementStatus,
		ID: &pool.Status.PoolID, NamedID: pool.Spec.PoolID,
		DeclaredName: pool.Spec.InstancePoolName, Declared: &pool.Spec,
		Permissions: managed.Permissions(pool.Spec.AccessControlList, grant),
	}
}

func grant(entry v1alpha1.PoolAccessControl) (v1alpha1.Principal, string) {
	return entry.Principal, string(entry.PermissionLevel)
}
