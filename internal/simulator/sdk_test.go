package simulator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// Databricks' own SDK over TLS, as a client that is independent of this
// repository.

// emptyLoader prevents the SDK from loading credentials.
type emptyLoader struct{}

func (emptyLoader) Name() string                   { return "none" }
func (emptyLoader) Configure(*config.Config) error { return nil }

type sdk struct {
	*WithT
	*databricks.WorkspaceClient
	service *simulator.Service
}

func newSDK(t *testing.T, options simulator.Options, credential *databricks.Config) *sdk {
	t.Helper()
	g := NewWithT(t)
	options.Clock = simulator.NewManualClock(time.Now())
	service, err := simulator.Start(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(service.Close()).To(Succeed()) })
	credential.Host = service.URL
	credential.HTTPTransport = service.Client().Transport
	credential.Loaders = []config.Loader{emptyLoader{}}
	client, err := databricks.NewWorkspaceClient(credential)
	g.Expect(err).NotTo(HaveOccurred())
	return &sdk{WithT: g, WorkspaceClient: client, service: service}
}

func byToken() *databricks.Config {
	return &databricks.Config{AuthType: "pat", Token: simulator.DefaultToken}
}

func (c *sdk) advance(d time.Duration) { c.service.Clock().Advance(d) }

func TestSDKRunsAClusterLifecycle(t *testing.T) {
	c := newSDK(t, simulator.Options{}, byToken())
	ctx := t.Context()

	creation, err := c.Clusters.Create(ctx, compute.CreateCluster{
		ClusterName: "life", SparkVersion: "16.4.x-scala2.12", NodeTypeId: "i3.xlarge",
		NumWorkers: 0, ForceSendFields: []string{"NumWorkers"},
		CustomTags: map[string]string{"databricks-operator-owner": "1"}, AutoterminationMinutes: 60,
		DataSecurityMode: compute.DataSecurityModeDataSecurityModeDedicated,
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(5 * time.Minute)
	running, err := creation.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	id := running.ClusterId
	c.Expect(running.State).To(Equal(compute.StateRunning))
	c.Expect(running.NumWorkers).To(BeZero())
	c.Expect(running.Driver).NotTo(BeNil())
	c.Expect(running.Executors).To(BeEmpty())
	c.Expect(running.SparkContextId).To(BeNumerically(">", int64(1)<<62))
	c.Expect(running.DataSecurityMode).To(Equal(compute.DataSecurityModeSingleUser))
	c.Expect(running.Spec.DataSecurityMode).To(Equal(compute.DataSecurityModeDataSecurityModeDedicated))

	resize, err := c.Clusters.Resize(ctx, compute.ResizeCluster{ClusterId: id, NumWorkers: 2})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(2 * time.Minute)
	resized, err := resize.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(resized.Executors).To(HaveLen(2))

	update, err := c.Clusters.Update(ctx, compute.UpdateCluster{
		ClusterId: id, UpdateMask: "spark_env_vars,autotermination_minutes",
		Cluster: &compute.UpdateClusterResource{SparkEnvVars: map[string]string{"A": "1"}, AutoterminationMinutes: 30},
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(4 * time.Minute)
	updated, err := update.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(updated.SparkEnvVars).To(HaveKeyWithValue("A", "1"))
	c.Expect(updated.AutoterminationMinutes).To(Equal(30))

	c.advance(31 * time.Minute)
	idle, err := c.Clusters.GetByClusterId(ctx, id)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(idle.State).To(Equal(compute.StateTerminated))
	c.Expect(idle.TerminationReason.Code).To(Equal(compute.TerminationReasonCodeInactivity))
	c.Expect(idle.TerminationReason.Type).To(Equal(compute.TerminationReasonTypeSuccess))
	c.Expect(idle.TerminatedTime).NotTo(BeZero())

	_, err = c.Clusters.Edit(ctx, compute.EditCluster{
		ClusterId: id, SparkVersion: "17.3.x-scala2.13", NodeTypeId: "i3.2xlarge",
		Autoscale: &compute.AutoScale{MinWorkers: 1, MaxWorkers: 3},
	})
	c.Expect(err).NotTo(HaveOccurred())
	start, err := c.Clusters.Start(ctx, compute.StartCluster{ClusterId: id})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(5 * time.Minute)
	started, err := start.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(started.Executors).To(HaveLen(1))
	c.Expect(started.Autoscale.MaxWorkers).To(Equal(3))

	_, err = c.Clusters.Start(ctx, compute.StartCluster{ClusterId: id})
	c.Expect(err).To(MatchError(apierr.ErrInvalidState))
	var expectError *apierr.APIError
	c.Expect(errors.As(err, &expectError)).To(BeTrue())
	c.Expect(expectError.ErrorDetails().ErrorInfo.Reason).To(Equal("CM_API_ERROR_SOURCE_CALLER_ERROR"))

	termination, err := c.Clusters.Delete(ctx, compute.DeleteCluster{ClusterId: id})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(time.Minute)
	_, err = termination.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(c.Clusters.PinByClusterId(ctx, id)).To(Succeed())
	c.Expect(c.Clusters.PermanentDeleteByClusterId(ctx, id)).To(MatchError(ContainSubstring("unpin the cluster first")))
	c.Expect(c.Clusters.UnpinByClusterId(ctx, id)).To(Succeed())
	events, err := c.Clusters.EventsAll(ctx, compute.GetEvents{ClusterId: id, PageSize: 3})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(len(events)).To(BeNumerically(">", 15))
	c.Expect(events[len(events)-1].Type).To(Equal(compute.EventTypeCreating))
	c.Expect(c.Clusters.PermanentDeleteByClusterId(ctx, id)).To(Succeed())
	_, err = c.Clusters.GetByClusterId(ctx, id)
	c.Expect(err).To(MatchError(apierr.ErrResourceDoesNotExist))
	c.Expect(c.service.MaxClustersByOwner()).To(HaveKeyWithValue("1", 1))
	for _, request := range c.service.Requests() {
		c.Expect(request.UnknownFields).To(BeEmpty(), request.Path)
	}
}

func TestSDKReadsEveryPage(t *testing.T) {
	c := newSDK(t, simulator.Options{}, byToken())
	for range 45 {
		_, err := c.service.AddCluster(simulator.Seed{})
		c.Expect(err).NotTo(HaveOccurred())
	}
	all, err := c.Clusters.ListAll(t.Context(), compute.ListClustersRequest{
		PageSize: 20, FilterBy: &compute.ListClustersFilterBy{
			ClusterSources: []compute.ClusterSource{compute.ClusterSourceApi, compute.ClusterSourceUi},
			ClusterStates:  []compute.State{compute.StateTerminated, compute.StateRunning},
		},
		SortBy: &compute.ListClustersSortBy{Field: compute.ListClustersSortByFieldClusterName, Direction: compute.ListClustersSortByDirectionDesc},
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(all).To(HaveLen(45))
	c.Expect(c.service.RequestsTo("clusters/list")).To(HaveLen(3))
}

func TestSDKManagesLibrariesPermissionsPoliciesAndPools(t *testing.T) {
	options := simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Policies:   []simulator.Policy{{ID: "P1", Name: "team", Definition: `{"autotermination_minutes":{"type":"fixed","value":20}}`}},
		Pools:      []simulator.Pool{{ID: "pool-1", Name: "warm", NodeTypeID: "i3.xlarge"}},
		Groups:     []string{"engineers"},
	}}}
	c := newSDK(t, options, byToken())
	ctx := t.Context()
	creation, err := c.Clusters.Create(ctx, compute.CreateCluster{
		SparkVersion: "16.4.x-scala2.12", InstancePoolId: "pool-1", NumWorkers: 1, PolicyId: "P1",
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(time.Minute)
	cluster, err := creation.GetWithTimeout(time.Minute)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(cluster.AutoterminationMinutes).To(Equal(20))

	numpy := []compute.Library{{Pypi: &compute.PythonPyPiLibrary{Package: "numpy"}}}
	c.Expect(c.Libraries.Install(ctx, compute.InstallLibraries{ClusterId: cluster.ClusterId, Libraries: numpy})).To(Succeed())
	c.advance(30 * time.Second)
	statuses, err := c.Libraries.ClusterStatusByClusterId(ctx, cluster.ClusterId)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(statuses.LibraryStatuses[0].Status).To(Equal(compute.LibraryInstallStatusInstalled))
	c.Expect(c.Libraries.Uninstall(ctx, compute.UninstallLibraries{ClusterId: cluster.ClusterId, Libraries: numpy})).To(Succeed())

	granted, err := c.Clusters.SetPermissions(ctx, compute.ClusterPermissionsRequest{
		ClusterId: cluster.ClusterId,
		AccessControlList: []compute.ClusterAccessControlRequest{
			{GroupName: "engineers", PermissionLevel: compute.ClusterPermissionLevelCanRestart},
		},
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(granted.AccessControlList).To(HaveLen(2))
	levels, err := c.Clusters.GetPermissionLevelsByClusterId(ctx, cluster.ClusterId)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(levels.PermissionLevels).To(HaveLen(3))

	policy, err := c.ClusterPolicies.GetByPolicyId(ctx, "P1")
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(policy.Name).To(Equal("team"))
	pools, err := c.InstancePools.ListAll(ctx)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(pools[0].Stats.UsedCount).To(Equal(2))
	versions, err := c.Clusters.SparkVersions(ctx)
	c.Expect(err).NotTo(HaveOccurred())
	_, err = versions.Select(compute.SparkVersionRequest{Latest: true, LongTermSupport: true})
	c.Expect(err).NotTo(HaveOccurred())
	nodes, err := c.Clusters.ListNodeTypes(ctx)
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(nodes.NodeTypes).NotTo(BeEmpty())
}

// Discovery, a chunked token request with encoded parts, and a request with the
// token.
func TestSDKAuthenticatesAsAServicePrincipal(t *testing.T) {
	c := newSDK(t, twoPrincipals(), &databricks.Config{AuthType: "oauth-m2m", ClientID: "app-1", ClientSecret: "s:e c/ret"})
	me, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(me.UserName).To(Equal("app-1"))
	c.Expect(c.service.RequestsTo("oauth/token")).To(HaveLen(1))
}

func TestSDKIsRejectedWithAWrongSecret(t *testing.T) {
	c := newSDK(t, twoPrincipals(), &databricks.Config{AuthType: "oauth-m2m", ClientID: "app-1", ClientSecret: "wrong"})
	_, err := c.CurrentUser.Me(t.Context(), iam.MeRequest{})
	c.Expect(err).To(MatchError(ContainSubstring("invalid_client")))
}

func TestSDKManagesPoliciesAndPools(t *testing.T) {
	c := newSDK(t, simulator.Options{}, byToken())
	ctx := t.Context()
	policy, err := c.ClusterPolicies.Create(ctx, compute.CreatePolicy{Name: "small", Definition: `{"autotermination_minutes": {"type": "fixed", "value": 30}}`})
	c.Expect(err).NotTo(HaveOccurred())
	pool, err := c.InstancePools.Create(ctx, compute.CreateInstancePool{InstancePoolName: "workers", NodeTypeId: "i3.xlarge", MinIdleInstances: 1})
	c.Expect(err).NotTo(HaveOccurred())
	byName, err := c.ClusterPolicies.GetByName(ctx, "small")
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(byName.PolicyId).To(Equal(policy.PolicyId))
	found, err := c.InstancePools.GetByInstancePoolName(ctx, "workers")
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(found.InstancePoolId).To(Equal(pool.InstancePoolId))
	c.advance(time.Hour)

	creation, err := c.Clusters.Create(ctx, compute.CreateCluster{
		ClusterName: "c", SparkVersion: "16.4.x-scala2.12", NumWorkers: 1, PolicyId: policy.PolicyId, InstancePoolId: pool.InstancePoolId,
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.advance(time.Hour)
	c.Expect(c.ClusterPolicies.Edit(ctx, compute.EditPolicy{
		PolicyId: policy.PolicyId, Name: "small", Definition: `{"autotermination_minutes": {"type": "fixed", "value": 20}}`,
	})).To(Succeed())
	compliances, err := c.PolicyComplianceForClusters.ListComplianceAll(ctx, compute.ListClusterCompliancesRequest{PolicyId: policy.PolicyId})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(compliances).To(ConsistOf(And(HaveField("ClusterId", creation.ClusterId), HaveField("IsCompliant", false))))
	enforced, err := c.PolicyComplianceForClusters.EnforceCompliance(ctx, compute.EnforceClusterComplianceRequest{ClusterId: creation.ClusterId})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(enforced.Changes).To(ConsistOf(compute.ClusterSettingsChange{
		Field: "autotermination_minutes", PreviousValue: "30", NewValue: "20", ForceSendFields: []string{"Field", "NewValue", "PreviousValue"},
	}))

	c.Expect(c.InstancePools.Edit(ctx, compute.EditInstancePool{
		InstancePoolId: pool.InstancePoolId, InstancePoolName: "workers", NodeTypeId: "i3.xlarge", MaxCapacity: 4,
	})).To(Succeed())
	_, err = c.InstancePools.SetPermissions(ctx, compute.InstancePoolPermissionsRequest{InstancePoolId: pool.InstancePoolId, AccessControlList: []compute.InstancePoolAccessControlRequest{
		{GroupName: "users", PermissionLevel: compute.InstancePoolPermissionLevelCanAttachTo},
	}})
	c.Expect(err).NotTo(HaveOccurred())
	families, err := c.PolicyFamilies.ListAll(ctx, compute.ListPolicyFamiliesRequest{MaxResults: 1})
	c.Expect(err).NotTo(HaveOccurred())
	c.Expect(families).To(HaveLen(4))
	c.Expect(c.Clusters.PermanentDelete(ctx, compute.PermanentDeleteCluster{ClusterId: creation.ClusterId})).To(Succeed())
	c.Expect(c.InstancePools.DeleteByInstancePoolId(ctx, pool.InstancePoolId)).To(Succeed())
	c.Expect(c.ClusterPolicies.DeleteByPolicyId(ctx, policy.PolicyId)).To(Succeed())
	_, err = c.ClusterPolicies.GetByPolicyId(ctx, policy.PolicyId)
	c.Expect(errors.Is(err, apierr.ErrNotFound)).To(BeTrue(), "%v", err)
}
