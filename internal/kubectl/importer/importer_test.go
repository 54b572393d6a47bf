package importer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/importer"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

// rig is a simulated workspace and the user's connection to it.
type rig struct {
	Gomega
	t    *testing.T
	sim  *simulator.Service
	work *workspace.Workspace
}

func newRig(t *testing.T, options simulator.Options) *rig {
	t.Helper()
	g := NewWithT(t)
	if len(options.Workspaces) == 0 {
		options.Workspaces = []simulator.Workspace{varied.Workspace()}
	}
	sim, err := simulator.Start(context.Background(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = sim.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	g.Expect(os.WriteFile(ca, sim.CAPEM, 0o600)).To(Succeed())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DATABRICKS_TOKEN", simulator.DefaultToken)
	work, err := workspace.Connect(t.Context(), workspace.Options{Host: sim.URL, CAFile: ca, Version: "test", Limits: ratelimit.Options{Start: 500, Max: 1000, Burst: 100}})
	g.Expect(err).NotTo(HaveOccurred())
	return &rig{g, t, sim, work}
}

func (r *rig) add(seed simulator.Seed) string {
	r.t.Helper()
	id, err := r.sim.AddCluster(seed)
	r.Expect(err).NotTo(HaveOccurred())
	return id
}

// spec adds a terminated cluster.
func (r *rig) spec(spec map[string]any) string {
	r.t.Helper()
	return r.add(simulator.Seed{Spec: spec})
}

func (r *rig) collect(options importer.Options) importer.Result {
	r.t.Helper()
	result, err := importer.Collect(r.t.Context(), r.work, options, nil)
	r.Expect(err).NotTo(HaveOccurred())
	return result
}

// one returns the object of the only cluster.
func (r *rig) one(options importer.Options) importer.Object {
	r.t.Helper()
	result := r.collect(options)
	r.Expect(result.LeftOut).To(BeEmpty())
	r.Expect(result.Objects).To(HaveLen(1))
	return result.Objects[0]
}

func notes(object importer.Object) []string {
	var all []string
	for _, note := range object.Notes {
		all = append(all, note.Path+": "+note.Text)
	}
	return all
}

func TestAManifestClaimsWhatWasRequestedAndNothingElse(t *testing.T) {
	r := newRig(t, simulator.Options{})
	id := r.spec(map[string]any{
		"cluster_name": "ETL", "spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 0,
		"enable_elastic_disk": false, "policy_id": varied.FixingPolicy, "spark_conf": map[string]any{"a/b": "1"},
	})
	object := r.one(importer.Options{})
	r.Expect(object.Cluster.Spec).To(Equal(v1alpha1.DatabricksClusterSpec{
		OperatorSpec: v1alpha1.OperatorSpec{ClusterID: id},
		ClusterSpec: v1alpha1.ClusterSpec{
			ClusterName: "ETL", SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(0)),
			EnableElasticDisk: new(false), PolicyID: varied.FixingPolicy, SparkConf: map[string]string{"a/b": "1"},
		},
	}))
	r.Expect(object.Notes).To(BeEmpty())
	text, err := object.Manifest(r.sim.URL)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(string(text)).To(Equal(fmt.Sprintf(`# Cluster "ETL" of %s.
apiVersion: compute.databricks-operator.io/v1alpha1
kind: DatabricksCluster
metadata:
  name: etl
spec:
  clusterID: %s
  clusterName: ETL
  enableElasticDisk: false
  nodeTypeID: i3.xlarge
  numWorkers: 0
  policyID: %s
  sparkConf:
    a/b: "1"
  sparkVersion: 16.4.x-scala2.12
`, r.sim.URL, id, varied.FixingPolicy)))
}

func TestASizeIsTheOneInEffect(t *testing.T) {
	r := newRig(t, simulator.Options{})
	id := r.add(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 2}})
	r.Expect(r.sim.CallElsewhere("clusters/resize", id, map[string]any{"num_workers": 5})).To(Succeed())
	r.Expect(r.one(importer.Options{}).Cluster.Spec.NumWorkers).To(HaveValue(BeEquivalentTo(5)))
}

func TestAValueThatIsNotInEffectIsLeftOut(t *testing.T) {
	r := newRig(t, simulator.Options{Behaviour: simulator.Behaviour{RewriteFirstOnDemand: true}})
	r.spec(map[string]any{
		"node_type_id": "Standard_D4ds_v5", "num_workers": 0,
		"azure_attributes": map[string]any{"first_on_demand": 0, "availability": "ON_DEMAND_AZURE"},
	})
	object := r.one(importer.Options{})
	r.Expect(object.Cluster.Spec.AzureAttributes).To(Equal(&v1alpha1.AzureAttributes{Availability: "ON_DEMAND_AZURE"}))
	r.Expect(notes(object)).To(ConsistOf("/azureAttributes/firstOnDemand: 0 was requested and 1 is in effect; the cluster keeps it"))
}

func TestSecretsBecomeReferencesWithAChecklist(t *testing.T) {
	r := newRig(t, simulator.Options{})
	r.spec(map[string]any{
		"cluster_name": "secrets", "node_type_id": "Standard_D4ds_v5",
		"docker_image": map[string]any{
			"url": "registry.example.com/runtime:1", "basic_auth": map[string]any{"username": "puller", "password": varied.RegistryPassword},
		},
		"azure_attributes": map[string]any{"log_analytics_info": map[string]any{
			"log_analytics_workspace_id": "11111111-2222-3333-4444-555555555555", "log_analytics_primary_key": varied.AnalyticsKey,
		}},
		"spark_conf": map[string]any{
			"fs.azure.account.key.data": varied.PlainSecret, "spark.password": "{{secrets/team/password}}", "spark.sql.ansi.enabled": "true",
			"fs.azure.account.oauth.provider.type.token": "org.apache.TokenProvider", "spark.url": "jdbc:postgresql://u:" + varied.PlainSecret + "@host/db",
		},
		"spark_env_vars": map[string]any{"API_TOKEN": varied.PlainSecret},
	})
	object := r.one(importer.Options{})
	r.Expect(object.Cluster.Spec.DockerImage.BasicAuthSecretRef.Name).To(Equal("secrets-registry"))
	r.Expect(*object.Cluster.Spec.AzureAttributes.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef).
		To(Equal(v1alpha1.LocalSecretKeyReference{Name: "secrets-log-analytics", Key: "primary-key"}))
	r.Expect(object.Cluster.Spec.SparkConf).To(HaveKeyWithValue("spark.password", "{{secrets/team/password}}"))
	r.Expect(object.Cluster.Spec.SparkConf).To(HaveKey("spark.sql.ansi.enabled"))
	r.Expect(object.Cluster.Spec.SparkEnvVars).To(BeEmpty())
	r.Expect(object.Notes).To(ContainElement(HaveField("Path", "/sparkEnvVars/API_TOKEN")))
	text, err := object.Manifest(r.sim.URL)
	r.Expect(err).NotTo(HaveOccurred())
	for _, secret := range []string{varied.RegistryPassword, varied.AnalyticsKey, varied.PlainSecret, "puller"} {
		r.Expect(string(text)).NotTo(ContainSubstring(secret))
	}
	r.Expect(string(text)).To(ContainSubstring("#       kubectl create secret generic secrets-registry --from-literal=username=... --from-literal=password=...\n" +
		"#       kubectl label secret secrets-registry compute.databricks-operator.io/use=registry\n"))
}

func TestReferencesToASecretScopeAreKept(t *testing.T) {
	r := newRig(t, simulator.Options{})
	conf := map[string]string{
		"spark.hadoop.javax.jdo.option.ConnectionPassword": "{{secrets/team/password}}",
		"spark.hadoop.javax.jdo.option.ConnectionURL":      "jdbc:sqlserver://h;user=u;password={{secrets/team/password}};encrypt=true",
		"fs.azure.account.oauth2.client.endpoint.x":        "https://login.microsoftonline.com/tenant/oauth2/token",
	}
	r.spec(map[string]any{"spark_conf": conf})
	object := r.one(importer.Options{})
	r.Expect(object.Cluster.Spec.SparkConf).To(Equal(conf))
	r.Expect(object.Notes).To(BeEmpty())
}

func TestWhatTheResourceDoesNotHaveIsLeftToTheCluster(t *testing.T) {
	r := newRig(t, simulator.Options{})
	r.spec(map[string]any{
		"init_scripts":        []any{map[string]any{"workspace": map[string]any{"destination": "/a.sh"}}, map[string]any{"dbfs": map[string]any{"destination": "dbfs:/b.sh"}}},
		"cluster_mount_infos": []any{map[string]any{"local_mount_dir_path": "/mnt/a"}},
		"data_security_mode":  "USER_ISOLATION", "single_user_name": simulator.DefaultUser,
		"spark_env_vars": map[string]any{"LONG": strings.Repeat("x", 5000), "SHORT": "1"},
		"custom_tags":    map[string]any{"Vendor": "x", "team": "a"},
	})
	object := r.one(importer.Options{})
	r.Expect(object.Cluster.Spec.InitScripts).To(BeEmpty())
	r.Expect(object.Cluster.Spec.SingleUserName).To(BeEmpty())
	r.Expect(object.Cluster.Spec.SparkEnvVars).To(Equal(map[string]string{"SHORT": "1"}))
	r.Expect(object.Cluster.Spec.CustomTags).To(Equal(map[string]string{"team": "a"}))
	var paths []string
	for _, note := range object.Notes {
		paths = append(paths, note.Path)
	}
	r.Expect(paths).To(Equal([]string{"/customTags/Vendor", "/initScripts", "/singleUserName", "/sparkEnvVars/LONG", "cluster_mount_infos"}))
}

func TestClustersOfOtherServicesAndOfTheOperatorAreLeftOut(t *testing.T) {
	r := newRig(t, simulator.Options{})
	job := r.add(simulator.Seed{Source: "JOB", Spec: map[string]any{"cluster_name": "job-1"}})
	owned := r.spec(map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: "0a1b2c3d-uid"}})
	free := r.spec(nil)
	result := r.collect(importer.Options{})
	r.Expect(result.Objects).To(HaveLen(1))
	r.Expect(result.Objects[0].Cluster.Spec.ClusterID).To(Equal(free))
	r.Expect(result.LeftOut).To(ConsistOf(
		And(HaveField("ID", job), HaveField("Reason", ContainSubstring("a job created it"))),
		And(HaveField("ID", owned), HaveField("Reason", ContainSubstring("kubectl dbc orphans"))),
	))
	_, err := importer.Collect(t.Context(), r.work, importer.Options{IDs: []string{free, job, "0101-000000-unknown1"}}, nil)
	r.Expect(err).To(MatchError(And(ContainSubstring(job), ContainSubstring("0101-000000-unknown1"), Not(ContainSubstring(free)))))
}

func TestFiltersSelect(t *testing.T) {
	r := newRig(t, simulator.Options{})
	a := r.spec(map[string]any{"cluster_name": "etl/a", "custom_tags": map[string]any{"team": "x"}})
	b := r.spec(map[string]any{"cluster_name": "etl/b", "policy_id": varied.PlainPolicy})
	c := r.spec(map[string]any{"cluster_name": "other"})
	ids := func(options importer.Options) []string {
		var all []string
		for _, object := range r.collect(options).Objects {
			all = append(all, object.Cluster.Spec.ClusterID)
		}
		slices.Sort(all)
		return all
	}
	r.Expect(ids(importer.Options{Name: "etl*"})).To(ConsistOf(a, b))
	r.Expect(ids(importer.Options{Name: "ETL*"})).To(BeEmpty())
	r.Expect(ids(importer.Options{Name: "o?her"})).To(ConsistOf(c))
	r.Expect(ids(importer.Options{Tags: map[string]string{"team": "x"}})).To(ConsistOf(a))
	r.Expect(ids(importer.Options{Tags: map[string]string{"team": "y"}})).To(BeEmpty())
	r.Expect(ids(importer.Options{Policy: "plain"})).To(ConsistOf(b))
	r.Expect(ids(importer.Options{Policy: varied.PlainPolicy})).To(ConsistOf(b))
	r.Expect(ids(importer.Options{IDs: []string{b, b}})).To(ConsistOf(b))
}

func TestIDsBecomeNamesOnRequest(t *testing.T) {
	options := varied.Workspace()
	options.Pools = append(options.Pools, simulator.Pool{ID: "0101-000000-pool3-pool-cccccccc", Name: "drivers", NodeTypeID: "i3.xlarge"})
	r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{options}})
	r.spec(map[string]any{"policy_id": varied.PlainPolicy, "instance_pool_id": varied.Pool, "driver_instance_pool_id": varied.DriverPool})
	object := r.one(importer.Options{References: importer.ByName})
	r.Expect(object.Cluster.Spec.ReferenceSpec).To(Equal(v1alpha1.ReferenceSpec{PolicyName: "plain", InstancePoolName: "workers"}))
	r.Expect(object.Cluster.Spec.PolicyID).To(BeEmpty())
	r.Expect(object.Cluster.Spec.DriverInstancePoolID).To(Equal(varied.DriverPool), "two pools have its name")
	r.Expect(object.Notes).To(ContainElement(HaveField("Path", "/driverInstancePoolID")))
}

func TestThePartsBesideTheSpecificationAreImportedOnRequest(t *testing.T) {
	r := newRig(t, simulator.Options{})
	id := r.add(simulator.Seed{State: "RUNNING"})
	for _, call := range []struct {
		endpoint string
		body     map[string]any
	}{
		{"libraries/install", map[string]any{"libraries": []any{map[string]any{"pypi": map[string]any{"package": "numpy"}}, map[string]any{"jar": "/Volumes/a.jar"}}}},
		{"clusters/pin", nil},
	} {
		r.Expect(r.sim.CallElsewhere(call.endpoint, id, call.body)).To(Succeed())
	}
	plain := r.one(importer.Options{}).Cluster.Spec
	r.Expect(plain.Libraries).To(BeEmpty())
	r.Expect(plain.Pinned).To(BeNil())
	r.Expect(plain.AccessControlList).To(BeNil())
	all := r.one(importer.Options{Also: importer.Parts()}).Cluster.Spec
	r.Expect(all.Libraries).To(ConsistOf(v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: "numpy"}}, v1alpha1.Library{Jar: "/Volumes/a.jar"}))
	r.Expect(all.Pinned).To(HaveValue(BeTrue()))
	r.Expect(all.AccessControlList).NotTo(BeNil())
}

func TestOddNamesBecomeDistinctNamesOfObjects(t *testing.T) {
	r := newRig(t, simulator.Options{})
	for _, name := range []string{"Été & Co", "分析", "分析", "a", "A!", "a", strings.Repeat("long", 100), "kustomization"} {
		r.spec(map[string]any{"cluster_name": name})
	}
	result := r.collect(importer.Options{})
	files, err := result.Files()
	r.Expect(err).NotTo(HaveOccurred())
	names := map[string]bool{}
	for _, file := range files {
		r.Expect(names).NotTo(HaveKey(file.Name))
		names[file.Name] = true
		r.Expect(file.Name).To(MatchRegexp(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.yaml$`))
	}
	r.Expect(names).To(And(HaveKey("a.yaml"), HaveKey("t-co.yaml"), HaveKey("cluster-kustomization.yaml")))
	r.Expect(files).To(HaveLen(9))
}

func TestFilesAreWrittenAllOrNone(t *testing.T) {
	r := newRig(t, simulator.Options{})
	r.spec(map[string]any{"cluster_name": "a"})
	r.spec(map[string]any{"cluster_name": "b"})
	files, err := r.collect(importer.Options{}).Files()
	r.Expect(err).NotTo(HaveOccurred())
	directory := filepath.Join(t.TempDir(), "new")
	written, err := importer.Write(t.Context(), directory, files, importer.Keep)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(written).To(Equal([]string{"a.yaml", "b.yaml", "kustomization.yaml"}))
	written, err = importer.Write(t.Context(), directory, files, importer.Keep)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(written).To(BeEmpty(), "the second import writes the same bytes")

	r.Expect(os.WriteFile(filepath.Join(directory, "b.yaml"), []byte("edited"), 0o600)).To(Succeed())
	r.Expect(os.Remove(filepath.Join(directory, "a.yaml"))).To(Succeed())
	_, err = importer.Write(t.Context(), directory, files, importer.Keep)
	r.Expect(err).To(MatchError(importer.ErrExists))
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = importer.Write(interrupted, directory, files, importer.Overwrite)
	r.Expect(err).To(MatchError(context.Canceled))
	entries, err := os.ReadDir(directory)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(entries).To(HaveLen(2), "a.yaml was not written, and no temporary file is left: %v", entries)
	written, err = importer.Write(t.Context(), directory, files, importer.Overwrite)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(written).To(Equal([]string{"a.yaml", "b.yaml"}))
}

func TestAVariedWorkspaceIsImportedTwiceWithTheSameBytes(t *testing.T) {
	r := newRig(t, simulator.Options{})
	const count = 120
	for _, seed := range varied.Seeds(count) {
		r.add(seed)
	}
	result := r.collect(importer.Options{})
	first, err := result.Stream()
	r.Expect(err).NotTo(HaveOccurred())
	second, err := r.collect(importer.Options{}).Stream()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(string(second)).To(Equal(string(first)))
	for _, left := range result.LeftOut {
		r.Expect(left.Reason).To(Or(ContainSubstring("a job"), ContainSubstring("a pipeline")))
	}
	r.Expect(result.LeftOut).To(HaveLen(10))
	r.Expect(result.Objects).To(HaveLen(count - len(result.LeftOut)))
	for _, secret := range []string{varied.RegistryPassword, varied.AnalyticsKey, varied.PlainSecret} {
		r.Expect(string(first)).NotTo(ContainSubstring(secret))
	}
	documents := strings.Split(string(first), "\n---\n")
	r.Expect(documents).To(HaveLen(len(result.Objects)))
	for _, document := range documents {
		var object v1alpha1.DatabricksCluster
		r.Expect(yaml.UnmarshalStrict([]byte(document), &object)).To(Succeed())
		r.Expect(object.Spec.ClusterID).NotTo(BeEmpty())
	}
	for _, entry := range r.sim.Requests() {
		r.Expect(entry.Method).To(Equal("GET"), "%s", entry.Endpoint)
	}
}
