package drift

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// workspace is a simulated workspace without a network.
type workspace struct {
	*WithT
	t *testing.T
	s *simulator.Server
}

// workspaceKinds are workspaces that add no values to a specification, as observed
// last, and older ones that do.
var workspaceKinds = map[string]func(*simulator.Options){
	"current workspace": func(*simulator.Options) {},
	"older workspace": func(o *simulator.Options) {
		o.Behaviour = simulator.Behaviour{ReturnsWorkloadType: true, ReturnsRuntimeEngine: true, ReturnsDeltaPreview: true, ConcreteZone: true}
		o.Workspaces[0].DefaultDataSecurityMode = "SINGLE_USER"
	},
}

func newWorkspace(t *testing.T, kind string) workspace {
	t.Helper()
	options := simulator.Options{
		Clock: simulator.NewManualClock(time.Date(2026, time.March, 18, 15, 17, 52, 0, time.UTC)),
		Workspaces: []simulator.Workspace{{
			Principals: []simulator.Principal{{UserName: "me@example.com", Tokens: []string{simulator.DefaultToken}}},
			Policies: []simulator.Policy{{ID: "P", Name: "team", Definition: `{
				"custom_tags.cost-center": {"type": "fixed", "value": "4711"},
				"spark_conf.spark.speculation": {"type": "fixed", "value": "true"},
				"num_workers": {"type": "unlimited", "defaultValue": 3},
				"node_type_id": {"type": "unlimited", "defaultValue": "i3.xlarge"}}`}},
			Pools: []simulator.Pool{{ID: "pool", Name: "pool", NodeTypeID: "m5.large"}},
		}},
	}
	workspaceKinds[kind](&options)
	s := simulator.New(options)
	t.Cleanup(s.Close)
	return workspace{NewWithT(t), t, s}
}

func (w workspace) call(method, path string, body, answer any) {
	w.t.Helper()
	var raw []byte
	if body != nil {
		var err error
		raw, err = json.Marshal(body)
		w.Expect(err).NotTo(HaveOccurred())
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, "https://workspace.test"+path, bytes.NewReader(raw))
	w.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	response, err := w.s.Transport().RoundTrip(request)
	w.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	var read json.RawMessage
	w.Expect(json.NewDecoder(response.Body).Decode(&read)).To(Succeed())
	w.Expect(response.StatusCode).To(Equal(http.StatusOK), string(read))
	w.Expect(json.Unmarshal(read, answer)).To(Succeed())
}

// create creates a cluster from a specification.
func (w workspace) create(spec *v1alpha1.ClusterSpec) (id string) {
	w.t.Helper()
	body, err := Creation(mustDesired(w.t, spec), "team/etl", Tag{Key: v1alpha1.OwnerTagKey, Value: "op-uid"})
	w.Expect(err).NotTo(HaveOccurred())
	var created compute.CreateClusterResponse
	w.call(http.MethodPost, "/api/2.1/clusters/create", body, &created)
	return created.ClusterId
}

func (w workspace) get(id string) *compute.ClusterDetails {
	w.t.Helper()
	var cluster compute.ClusterDetails
	w.call(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, nil, &cluster)
	return &cluster
}

func (w workspace) list() *compute.ClusterDetails {
	w.t.Helper()
	var page compute.ListClustersResponse
	w.call(http.MethodGet, "/api/2.1/clusters/list", nil, &page)
	w.Expect(page.Clusters).To(HaveLen(1))
	return &page.Clusters[0]
}

// differences returns the differences between a specification and a cluster, by a GET
// and by a list.
func (w workspace) differences(spec *v1alpha1.ClusterSpec, id string) (fromGet, fromList []string) {
	w.t.Helper()
	got := w.get(id)
	observed := w.observed(got)
	listed, err := Observe(w.list(), nil)
	w.Expect(err).NotTo(HaveOccurred())
	desired := mustDesired(w.t, spec)
	found, foundInList := Compare(desired, observed), Compare(desired, listed)
	return pathsOf(slices.Concat(found.Differences, found.Normalized)), pathsOf(foundInList.Differences)
}

// observed returns the observed state of a cluster that GET returned.
func (w workspace) observed(got *compute.ClusterDetails) Observed {
	w.t.Helper()
	spec, err := json.Marshal(got.Spec)
	w.Expect(err).NotTo(HaveOccurred())
	observed, err := Observe(got, spec)
	w.Expect(err).NotTo(HaveOccurred())
	return observed
}

// declared are specifications, each with an edit that must be found.
var declared = map[string]struct {
	spec   v1alpha1.ClusterSpec
	edit   map[string]any
	differ string
}{
	"[case-09] the required fields only": {
		spec: v1alpha1.ClusterSpec{SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(2)), AutoterminationMinutes: new(int32(30))},
		edit: map[string]any{"autotermination_minutes": 60}, differ: "/autotermination_minutes",
	},
	"[case-10] a mode that is returned under its old name": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(0)),
			DataSecurityMode: v1alpha1.DataSecurityModeStandard,
		},
		edit: map[string]any{"data_security_mode": "DATA_SECURITY_MODE_DEDICATED"}, differ: "/data_security_mode",
	},
	"[case-10] a mode that the server chooses": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-cpu-ml-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(1)),
			DataSecurityMode: v1alpha1.DataSecurityModeAuto,
		},
		edit: map[string]any{"data_security_mode": "NONE"}, differ: "/data_security_mode",
	},
	"[case-13] [case-14] autoscale": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", Autoscale: &v1alpha1.Autoscale{MinWorkers: new(int32(0)), MaxWorkers: new(int32(4))},
		},
		edit: map[string]any{"num_workers": 4, "autoscale": nil}, differ: "/autoscale",
	},
	"[case-13] 0 workers, and an edit to autoscale": {
		spec: v1alpha1.ClusterSpec{SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(0))},
		edit: map[string]any{"autoscale": bounds(1, 2), "num_workers": nil}, differ: "/num_workers",
	},
	"[case-23] zeros, and an automatic zone": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(0)), AutoterminationMinutes: new(int32(0)),
			EnableElasticDisk: new(false), EnableLocalDiskEncryption: new(false), SSHPublicKeys: []string{}, InitScripts: []v1alpha1.InitScript{},
			AWSAttributes: &v1alpha1.AWSAttributes{ZoneID: "auto", FirstOnDemand: new(int32(0)), EBSVolumeCount: new(int32(0))},
			WorkloadType:  &v1alpha1.WorkloadType{Clients: v1alpha1.WorkloadClients{Jobs: new(false)}},
		},
		edit: map[string]any{"enable_elastic_disk": true}, differ: "/enable_elastic_disk",
	},
	"[case-24] a pool that the driver uses too": {
		spec: v1alpha1.ClusterSpec{SparkVersion: "16.4.x-scala2.12", InstancePoolID: "pool", NumWorkers: new(int32(1))},
		edit: map[string]any{"spark_version": "15.4.x-scala2.12"}, differ: "/spark_version",
	},
	"[case-04] [case-25] a policy that supplies missing fields and adds others": {
		spec: v1alpha1.ClusterSpec{SparkVersion: "16.4.x-scala2.12", PolicyID: "P", ApplyPolicyDefaultValues: new(true), CustomTags: map[string]string{"team": "a"}},
		edit: map[string]any{"custom_tags": map[string]any{"team": "b", "cost-center": "4711"}}, differ: "/custom_tags/team",
	},
	"a single node, with the values that the server adds": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", Kind: v1alpha1.KindClassicPreview, IsSingleNode: new(true),
			SparkConf: map[string]string{"spark.sql.shuffle.partitions": "8"},
		},
		edit: map[string]any{"spark_conf": map[string]any{"spark.sql.shuffle.partitions": "9"}}, differ: "/spark_conf/spark.sql.shuffle.partitions",
	},
	"scripts, logs and an image with its password": {
		spec: v1alpha1.ClusterSpec{
			SparkVersion: "16.4.x-scala2.12", NodeTypeID: "i3.xlarge", NumWorkers: new(int32(1)), SSHPublicKeys: []string{"ssh-rsa b", "ssh-rsa a"},
			InitScripts:    []v1alpha1.InitScript{{Volumes: &v1alpha1.StorageDestination{Destination: "/Volumes/a/b/c/d.sh"}}},
			ClusterLogConf: &v1alpha1.ClusterLogConf{S3: &v1alpha1.S3Destination{Destination: "s3://logs", Region: "us-west-2", EnableEncryption: new(false)}},
			DockerImage:    &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "puller"}},
			AWSAttributes:  &v1alpha1.AWSAttributes{InstanceProfileARN: "arn:aws:iam::123456789012:instance-profile/logs"},
		},
		edit: map[string]any{"init_scripts": []any{}}, differ: "/init_scripts",
	},
}

func onEveryKind(t *testing.T, name string, run func(t *testing.T, kind string)) {
	t.Helper()
	for kind := range workspaceKinds {
		t.Run(name+" "+kind, func(t *testing.T) { run(t, kind) })
	}
}

func TestANewClusterHasNoDifference(t *testing.T) {
	for name, row := range declared {
		onEveryKind(t, name, func(t *testing.T, kind string) {
			w := newWorkspace(t, kind)
			id := w.create(&row.spec)
			w.s.Clock().Advance(10 * time.Minute)
			fromGet, fromList := w.differences(&row.spec, id)
			w.Expect(fromGet).To(BeEmpty(), "after a GET")
			w.Expect(fromList).To(BeEmpty(), "after a list")
		})
	}
}

func TestAnExternalEditIsFound(t *testing.T) {
	for name, row := range declared {
		onEveryKind(t, "[case-21] "+name, func(t *testing.T, kind string) {
			w := newWorkspace(t, kind)
			id := w.create(&row.spec)
			w.s.Clock().Advance(10 * time.Minute)
			w.Expect(w.s.EditElsewhere(id, row.edit)).To(Succeed())
			fromGet, fromList := w.differences(&row.spec, id)
			w.Expect(fromGet).To(ConsistOf(row.differ), "after a GET")
			w.Expect(fromList).To(ConsistOf(row.differ), "after a list")
		})
	}
}
