package plugin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

// clusters returns the number of clusters of the import; PLUGIN_CLUSTERS=12 is faster.
func clusters(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("PLUGIN_CLUSTERS"); text != "" {
		count, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	return clusterCount
}

func TestApplyingAnImportChangesNothing(t *testing.T) {
	applyingAnImportChangesNothing(newRig(t, 3), clusters(t))
}

// TestServersThatAnswerDifferently repeats the promise with servers that fill in, rewrite,
// mask and quote values.
func TestServersThatAnswerDifferently(t *testing.T) {
	for name, behaviour := range map[string]simulator.Behaviour{
		"they fill in and quote": {
			ReturnsWorkloadType: true, ReturnsRuntimeEngine: true, ReturnsDeltaPreview: true, ConcreteZone: true,
			QuotedInt64: true, ReportsWorkersUnderAutoscale: true, RegistryPassword: simulator.SecretMasked,
		},
		"they rewrite": {RewriteFirstOnDemand: true, LowerCaseUserNames: true, RegistryPassword: simulator.SecretHidden, MissingIsNotFound: true},
		"they show what they rewrote": {
			RewriteFirstOnDemand: true, LowerCaseUserNames: true, SpecShowsRewritten: true, ResizeShowsInSpec: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 3)
			behaviour.AnyPrincipalExists = true
			r.sim.SetBehaviour(behaviour)
			applyingAnImportChangesNothing(r, 60)
		})
	}
}

// applyingAnImportChangesNothing imports varied clusters, applies the manifests, and imports
// again.
func applyingAnImportChangesNothing(r *rig, count int) {
	t := r.t
	t.Helper()
	for _, seed := range varied.Seeds(count) {
		_, err := r.sim.AddCluster(seed)
		r.Expect(err).NotTo(HaveOccurred())
	}
	before := states(r.sim.Clusters())

	directory := filepath.Join(t.TempDir(), "clusters")
	result := r.dbcIn(t.Context(), "", "import", "--all", "--output-dir="+directory)
	r.Expect(result.code).To(Equal(0), result.errOut)
	r.Expect(result.out).To(BeEmpty())
	objects := r.read(directory)
	r.Expect(result.errOut).To(ContainSubstring(fmt.Sprintf("%d manifests from", len(objects))))
	r.Expect(len(objects)+leftOut(result.errOut)).To(Equal(count), "every cluster has a manifest or a reason")

	r.start()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i, object := range objects {
		object.Namespace = r.namespaces[i%len(r.namespaces)]
		r.followChecklist(object)
		group.Go(func() error { return r.api.Create(ctx, object) })
	}
	r.Expect(group.Wait()).To(Succeed())

	r.Eventually(func(g Gomega) {
		var list v1alpha1.DatabricksClusterList
		g.Expect(r.api.List(context.Background(), &list)).To(Succeed())
		settled := 0
		for i := range list.Items {
			object := &list.Items[i]
			if !slices.Contains(r.namespaces, object.Namespace) {
				continue
			}
			g.Expect(condition(object, v1alpha1.ConditionReady)).To(HavePrefix("True "), "%s: %v", object.Name, object.Status.Conditions)
			g.Expect(condition(object, v1alpha1.ConditionSynced)).To(Equal("True InSync"), "%s: %v", object.Name, object.Status.Drift)
			g.Expect(object.Status.AppliedDigest).NotTo(BeEmpty(), object.Name)
			g.Expect(object.Status.Drift).To(BeEmpty(), object.Name)
			settled++
		}
		g.Expect(settled).To(Equal(len(objects)))
	}).WithTimeout(2 * time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
	r.Expect(r.writes()).To(BeEmpty(), "an applied import writes nothing")
	r.Expect(states(r.sim.Clusters())).To(Equal(before), "no cluster was started, stopped or changed")

	again := r.dbcIn(t.Context(), "", "import", "--all", "--output-dir="+directory)
	r.Expect(again.code).To(Equal(0), again.errOut)
	r.Expect(again.errOut).To(ContainSubstring(fmt.Sprintf("0 files written, %d unchanged", len(objects)+1)))
	r.Expect(r.writes()).To(BeEmpty())
}

// leftOut returns the number of clusters that an import left out with a reason.
func leftOut(summary string) int {
	groups := regexp.MustCompile(`(?m)^ {2}- (\d+): `).FindAllStringSubmatch(summary, -1)
	sum := 0
	for _, group := range groups {
		count, _ := strconv.Atoi(group[1])
		sum += count
	}
	return sum
}

// states returns what the test compares of each cluster, by id.
func states(records []simulator.Record) map[string]string {
	all := map[string]string{}
	for _, record := range records {
		all[record.ID] = fmt.Sprintln(record.State, record.Spec, record.Settings)
	}
	return all
}

// read returns the objects of the files that the kustomization of a directory lists.
func (r *rig) read(directory string) []*v1alpha1.DatabricksCluster {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(directory, "kustomization.yaml"))
	r.Expect(err).NotTo(HaveOccurred())
	var kustomization struct {
		APIVersion, Kind string
		Resources        []string
	}
	r.Expect(yaml.UnmarshalStrict(content, &kustomization)).To(Succeed())
	objects := make([]*v1alpha1.DatabricksCluster, 0, len(kustomization.Resources))
	for _, name := range kustomization.Resources {
		content, err := os.ReadFile(filepath.Join(directory, name))
		r.Expect(err).NotTo(HaveOccurred())
		object := &v1alpha1.DatabricksCluster{}
		r.Expect(yaml.UnmarshalStrict(content, object)).To(Succeed(), name)
		objects = append(objects, object)
	}
	return objects
}

// followChecklist creates the Secrets that an object refers to, with the values of its
// cluster.
func (r *rig) followChecklist(object *v1alpha1.DatabricksCluster) {
	r.t.Helper()
	if image := object.Spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
		r.putSecret(object.Namespace, image.BasicAuthSecretRef.Name, map[string]string{v1alpha1.LabelUse: v1alpha1.UseRegistry},
			map[string]string{"username": "puller", "password": varied.RegistryPassword})
	}
	if azure := object.Spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil && azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef != nil {
		reference := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef
		r.putSecret(object.Namespace, reference.Name, map[string]string{v1alpha1.LabelUse: v1alpha1.UseLogAnalytics},
			map[string]string{reference.Key: varied.AnalyticsKey})
	}
}

func TestAnImportIsAppliedFromAPipe(t *testing.T) {
	r := newRig(t, 1)
	id, err := r.sim.AddCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"cluster_name": "piped", "num_workers": 2}})
	r.Expect(err).NotTo(HaveOccurred())
	object := &v1alpha1.DatabricksCluster{}
	r.Expect(yaml.UnmarshalStrict([]byte(r.ok("import", id, "--observe")), object)).To(Succeed())
	r.Expect(object.Namespace).To(Equal(r.namespace), "--namespace is in the manifest")
	r.start()
	r.create(object)
	r.becomes(object, v1alpha1.ConditionReady, "True Observed")
	r.Expect(r.get(client.ObjectKeyFromObject(object)).Status.Drift).To(BeEmpty())
}

func TestAnImportThatCannotBeMadeWritesNothing(t *testing.T) {
	r := newRig(t, 1)
	id, err := r.sim.AddCluster(simulator.Seed{})
	r.Expect(err).NotTo(HaveOccurred())
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown id":    {[]string{"import", id, "0101-000000-unknown1"}, "0101-000000-unknown1: "},
		"no selection":     {[]string{"import"}, "choose clusters: by their ids"},
		"ids and a filter": {[]string{"import", id, "--all"}, "not both"},
		"an unknown kind":  {[]string{"import", "--all", "--kind=jobs"}, "choose among clusters, policies and pools"},
		"an unknown part":  {[]string{"import", "--all", "--with=jobs"}, "choose among libraries, permissions and pins"},
		"no match":         {[]string{"import", "--name=absent*"}, "nothing in https://"},
		"an unknown flag":  {[]string{"import", "--everything"}, "See 'kubectl dbc import --help'"},
	} {
		t.Run(name, func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), "out")
			result := r.dbc(append(c.args, "-o", directory)...)
			r.Expect(result.code).To(Equal(1))
			r.Expect(result.errOut).To(And(HavePrefix("error: "), ContainSubstring(c.want)))
			r.Expect(directory).NotTo(BeADirectory())
		})
	}
	t.Run("a wrong token", func(t *testing.T) {
		t.Setenv("DATABRICKS_TOKEN", "dapi-wrong")
		result := r.dbc("import", "--all")
		r.Expect(result.code).To(Equal(1))
		r.Expect(result.errOut).NotTo(ContainSubstring("dapi-wrong"))
	})
	t.Run("an interrupt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r.sim.AddFault(simulator.Fault{Name: "slow", Endpoint: "clusters/get", Delay: 10 * time.Second})
		defer r.sim.RemoveFault("slow")
		directory := filepath.Join(t.TempDir(), "out")
		stop := time.AfterFunc(300*time.Millisecond, cancel)
		defer stop.Stop()
		result := r.dbcIn(ctx, "", "import", "--all", "-o", directory)
		r.Expect(result.code).To(Equal(130))
		r.Expect(result.errOut).To(Equal("interrupted\n"))
		r.Expect(directory).NotTo(BeADirectory())
	})
}
