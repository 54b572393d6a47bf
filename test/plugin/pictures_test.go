package plugin_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/plugin/terminal"
)

var update = flag.Bool("update", false, "draw the pictures in docs/images anew")

// TestThePicturesShowTheOutput draws the output of commands, with names in place of those
// that differ between runs, and compares it with the pictures in the documentation.
func TestThePicturesShowTheOutput(t *testing.T) {
	r := newRig(t, 1)
	for _, seed := range []simulator.Seed{
		{Spec: map[string]any{"cluster_name": "Ad hoc", "docker_image": map[string]any{
			"url": "registry.example.com/a:1", "basic_auth": map[string]any{"username": "puller", "password": "pa55word"},
		}}},
		{Spec: map[string]any{"cluster_name": "BI"}},
		{Source: "JOB", Spec: map[string]any{"cluster_name": "job-42-run-7"}},
	} {
		_, err := r.sim.AddCluster(seed)
		r.Expect(err).NotTo(HaveOccurred())
	}
	directory := filepath.Join(t.TempDir(), "clusters")
	r.picture("import", "kubectl dbc import --all -o clusters/", directory, r.dbcIn(t.Context(), "", "import", "--all", "-o", directory))

	r.start()
	r.deploy(1, "--allowed-hosts="+r.sim.URL)
	etl := r.small("etl")
	r.create(etl)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.Eventually(func() string { return r.get(client.ObjectKeyFromObject(etl)).Status.AppliedDigest }).ShouldNot(BeEmpty())
	reports := r.small("reports", func(s *v1alpha1.DatabricksClusterSpec) {
		s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "reports"}}
	})
	r.create(reports)
	r.becomes(reports, v1alpha1.ConditionReady, "False CredentialsNotReady")
	changed := r.small("etl", func(s *v1alpha1.DatabricksClusterSpec) {
		s.SparkVersion, s.NumWorkers = "17.3.x-scala2.13", new(int32(4))
		s.Libraries = []v1alpha1.Library{{PyPI: &v1alpha1.PyPILibrary{Package: "numpy"}}}
	})
	r.picture("diff", "kubectl dbc diff -f etl.yaml", "", r.dbc("diff", "-f", r.manifest(changed)))
	r.picture("doctor", "kubectl dbc doctor reports", "", r.dbc("doctor", "reports"))
}

// The names that differ between runs, each with one of the same length.
var (
	anyCluster   = regexp.MustCompile(`\b\d{4}-\d{6}-[a-z0-9]{8}\b`)
	anyHost      = regexp.MustCompile(`https://127\.0\.0\.1:\d{5}`)
	anyNamespace = regexp.MustCompile(`\bplugin-[a-z0-9]{5}\b`)
)

// picture compares the picture of a command with the one in the documentation.
func (r *rig) picture(name, command, directory string, result output) {
	r.t.Helper()
	text := "$ " + command + "\n" + result.errOut + result.out
	text = anyCluster.ReplaceAllString(text, "1126-163207-c6xh4dct")
	text = anyHost.ReplaceAllString(text, "https://dbc.example.com")
	text = anyNamespace.ReplaceAllString(text, "team-finance")
	if directory != "" {
		text = strings.ReplaceAll(text, directory, "clusters/")
	}
	drawn := terminal.SVG(text)
	file := filepath.Join("..", "..", "docs", "images", "kubectl-dbc-"+name+".svg")
	if *update {
		r.Expect(os.WriteFile(file, drawn, 0o600)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(string(drawn)).To(Equal(string(want)), "docs/images is stale: go test ./test/plugin -run Pictures -update")
}
