package admission

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func TestExamplesAreAccepted(t *testing.T) {
	for name, spec := range map[string]string{
		"scratch": `{sparkVersion: 16.4.x-scala2.12, nodeTypeID: Standard_D4ds_v5, numWorkers: 2, autoterminationMinutes: 30}`,
		"etl": `
connection: {secretRef: {name: prod-workspace}}
clusterName: etl-prod
sparkVersion: 16.4.x-scala2.12
runtimeEngine: PHOTON
nodeTypeID: Standard_E8ads_v5
autoscale: {minWorkers: 2, maxWorkers: 12}
autoterminationMinutes: 60
dataSecurityMode: DATA_SECURITY_MODE_STANDARD
policyID: 9C6308F703005DF2
azureAttributes: {availability: SPOT_WITH_FALLBACK_AZURE, firstOnDemand: 1}
customTags: {cost-center: "4711"}
sparkConf: {spark.sql.shuffle.partitions: auto, fs.azure.account.key: "{{secrets/etl/storage-key}}"}
clusterLogConf: {volumes: {destination: /Volumes/ops/logs/clusters}}
initScripts: [{volumes: {destination: /Volumes/ops/init/base.sh}}]
libraries: [{pypi: {package: great-expectations==1.5.0}}]
accessControlList: [{groupName: data-engineers, permissionLevel: CAN_RESTART}]
pinned: true
updateStrategy: {type: OnTermination}
deletionPolicy: Terminate
deletionProtection: true`,
		"adopt":   `{clusterID: 0318-151752-abed99, autoterminationMinutes: 60, customTags: {cost-center: "4711"}}`,
		"observe": `{clusterID: 0318-151752-abed99, managementPolicy: Observe}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cluster := object(name, changedSpec(t, `{}`, spec))
			g.Expect(api.Create(t.Context(), cluster, client.DryRunAll)).To(Succeed())
			g.Expect(cluster.Object["spec"]).To(Equal(object(name, changedSpec(t, `{}`, spec)).Object["spec"]), "nothing is added to a spec")
		})
	}
}

func TestSamplesAreAccepted(t *testing.T) {
	g := NewWithT(t)
	directory := filepath.Join(repository, "config", "samples")

	var kustomization struct {
		Resources []string `json:"resources"`
	}
	text, err := os.ReadFile(filepath.Join(directory, "kustomization.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.Unmarshal(text, &kustomization)).To(Succeed())
	g.Expect(kustomization.Resources).NotTo(BeEmpty())

	for _, file := range kustomization.Resources {
		for _, sample := range manifests(t, filepath.Join(directory, file)) {
			sample.SetNamespace("default")
			g.Expect(api.Create(t.Context(), sample, client.DryRunAll)).To(Succeed(), file+": "+sample.GetName())
		}
	}
}

func TestNewObjectIsInProgress(t *testing.T) {
	g := NewWithT(t)
	cluster := createObject(t, "newborn", changedSpec(t, minimalSpec, `{}`))
	g.Expect(cluster.Object).To(HaveKeyWithValue("status", map[string]any{"observedGeneration": int64(-1)}),
		"kstatus takes an object without a status for done")

	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(cluster.GroupVersionKind())
	g.Expect(api.Get(t.Context(), client.ObjectKeyFromObject(cluster), stored)).To(Succeed())
	g.Expect(stored.Object["status"]).To(Equal(cluster.Object["status"]))
	g.Expect(stored.Object["spec"]).To(Equal(object("newborn", changedSpec(t, minimalSpec, `{}`)).Object["spec"]), "nothing is added to a spec")
}
