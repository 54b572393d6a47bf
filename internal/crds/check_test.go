package crds

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/openapi"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// published returns the document that an API server with the CRDs of this version
// publishes, as decoded JSON.
func published(t *testing.T) map[string]any {
	t.Helper()
	schemas := map[string]any{}
	for kind, plural := range map[string]string{
		v1alpha1.ClusterKind: "databricksclusters", v1alpha1.WorkspaceKind: "databricksworkspaces",
		v1alpha1.PolicyKind: "databricksclusterpolicies", v1alpha1.PoolKind: "databricksinstancepools",
	} {
		content, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", v1alpha1.GroupName+"_"+plural+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(content, &crd); err != nil {
			t.Fatal(err)
		}
		schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		schema["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": v1alpha1.GroupName, "kind": kind}}
		schemas[kind] = schema
	}
	return map[string]any{"components": map[string]any{"schemas": schemas}}
}

// without removes the field at a path of property names from a document.
func without(document map[string]any, path string) map[string]any {
	names := strings.Split(path, ".")
	at := document["components"].(map[string]any)["schemas"].(map[string]any)[names[0]].(map[string]any)
	for i, name := range names[1:] {
		if items, ok := at["items"].(map[string]any); ok {
			at = items
		}
		properties := at["properties"].(map[string]any)
		if i == len(names)-2 {
			delete(properties, name)
			break
		}
		at = properties[name].(map[string]any)
	}
	return document
}

// server is an API server that publishes one document.
type server struct {
	document map[string]any
	version  string
	err      error
	// schemaErr is the error of the document alone.
	schemaErr error
	reads     int
}

func (s *server) Paths() (map[string]openapi.GroupVersion, error) {
	paths := map[string]openapi.GroupVersion{"apis/other.io/v1": s}
	if s.document != nil {
		paths["apis/"+v1alpha1.GroupVersion.String()] = s
	}
	return paths, s.err
}

func (s *server) Schema(string) ([]byte, error) {
	s.reads++
	content, err := json.Marshal(s.document)
	return content, errors.Join(err, s.schemaErr)
}

func (s *server) ServerRelativeURL() string { return s.version }

func TestMissingFields(t *testing.T) {
	for name, row := range map[string]struct {
		paths []string
		want  []string
	}{
		"[case-96] the CRDs of this version": {nil, nil},
		"[case-96] fields of the status, of the spec and in a list": {
			[]string{"DatabricksCluster.status.resolved", "DatabricksCluster.spec.policyName", "DatabricksCluster.status.ownedFields", "DatabricksCluster.spec.libraries.maven"},
			[]string{"DatabricksCluster.spec.libraries.maven", "DatabricksCluster.spec.policyName", "DatabricksCluster.status.ownedFields", "DatabricksCluster.status.resolved"},
		},
		"[case-96] a member of a block": {[]string{"DatabricksCluster.status.creation.attempt"}, []string{"DatabricksCluster.status.creation.attempt"}},
		"[case-96] of the workspace":    {[]string{"DatabricksWorkspace.spec.requirePolicy"}, []string{"DatabricksWorkspace.spec.requirePolicy"}},
		"[case-96] what policies and pools have in common": {
			[]string{"DatabricksClusterPolicy.spec.adoptByName", "DatabricksInstancePool.status.creation"},
			[]string{"DatabricksClusterPolicy.spec.adoptByName", "DatabricksInstancePool.status.creation"},
		},
		"[case-96] of one of them": {
			[]string{"DatabricksClusterPolicy.spec.libraries.maven", "DatabricksInstancePool.spec.diskSpec.diskType", "DatabricksInstancePool.status.stats"},
			[]string{"DatabricksClusterPolicy.spec.libraries.maven", "DatabricksInstancePool.spec.diskSpec.diskType", "DatabricksInstancePool.status.stats"},
		},
		"[case-96] types of Kubernetes":   {[]string{"DatabricksCluster.status.conditions.type"}, nil},
		"[case-96] the status of objects": {[]string{"DatabricksCluster.status"}, []string{"DatabricksCluster.status"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			document := published(t)
			for _, path := range row.paths {
				document = without(document, path)
			}
			check := NewCheck(&server{document: document, version: "1"}, Kinds(WithWorkspaces), funcr.New(func(string, string) {}, funcr.Options{}))
			check.Compare()
			g.Expect(check.Missing()).To(Equal(row.want))
			g.Expect(check.Complete()).To(Equal(row.want == nil))
			if row.want == nil {
				g.Expect(check.Ready(nil)).To(Succeed())
			} else {
				g.Expect(check.Ready(nil)).To(MatchError(ContainSubstring(row.want[0])))
			}
		})
	}
}

func TestTheCRDsAreComparedWhenTheyChange(t *testing.T) {
	g := NewWithT(t)
	var logged []string
	logger := funcr.New(func(_, line string) { logged = append(logged, line) }, funcr.Options{})
	remote := &server{document: without(published(t), "DatabricksCluster.status.resolved"), version: "1"}
	check := NewCheck(remote, Kinds(WithoutWorkspaces), logger)
	g.Expect(check.Complete()).To(BeTrue(), "before the first comparison")

	check.Compare()
	check.Compare()
	g.Expect(remote.reads).To(Equal(1), "an unchanged document is not read again")
	g.Expect(check.Missing()).To(Equal([]string{"DatabricksCluster.status.resolved"}))
	g.Expect(logged).To(ConsistOf(ContainSubstring("DatabricksCluster.status.resolved")))

	remote.err = errors.New("unreachable")
	check.Compare()
	g.Expect(check.Complete()).To(BeFalse(), "the last result stays")
	remote.err, logged = nil, nil
	remote.document, remote.version = published(t), "2"
	remote.schemaErr = errors.New("interrupted")
	check.Compare()
	g.Expect(check.Complete()).To(BeFalse(), "a document that cannot be read changes nothing")
	g.Expect(logged).To(ConsistOf(ContainSubstring("interrupted")))
	remote.schemaErr, logged = nil, nil
	check.Compare()
	g.Expect(check.Complete()).To(BeTrue())
	g.Expect(logged).To(HaveLen(1))

	remote.document = nil
	check.Compare()
	g.Expect(check.Missing()).To(Equal([]string{v1alpha1.GroupVersion.String()}), "no CRD at all")
}

// A missing field is looked for every second, and others every minute, also by standbys.
func TestTheCRDsAreComparedAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		remote := &server{document: without(published(t), "DatabricksCluster.status.resolved"), version: "1"}
		check := NewCheck(remote, Kinds(WithoutWorkspaces), funcr.New(func(string, string) {}, funcr.Options{}))
		g.Expect(check.NeedLeaderElection()).To(BeFalse())
		check.Compare()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { g.Expect(check.Start(ctx)).To(Succeed()) }()
		synctest.Wait()
		after := func(version string, pause time.Duration) int {
			remote.version = version
			before := remote.reads
			<-time.After(pause)
			synctest.Wait()
			return remote.reads - before
		}
		g.Expect(after("2", MissingInterval-time.Millisecond)).To(BeZero())
		remote.document = published(t)
		g.Expect(after("3", time.Millisecond)).To(Equal(1))
		g.Expect(check.Complete()).To(BeTrue())
		g.Expect(after("4", Interval-time.Millisecond)).To(BeZero())
		g.Expect(after("5", time.Millisecond)).To(Equal(1))
	})
}

func TestLackingFields(t *testing.T) {
	g := NewWithT(t)
	empty := &schema{}
	g.Expect(lacking(empty, reflect.TypeFor[v1alpha1.LocalSecretReference](), "ref")).To(Equal([]string{"ref.name"}))
	g.Expect(lacking(&schema{AdditionalProperties: empty}, reflect.TypeFor[map[string]v1alpha1.LocalSecretReference](), "refs")).To(Equal([]string{"refs.name"}), "the values of a map")
	g.Expect(lacking(&schema{Items: empty}, reflect.TypeFor[[]v1alpha1.LocalSecretReference](), "refs")).To(Equal([]string{"refs.name"}), "the items of a list")
	g.Expect(lacking(&schema{Items: empty, AdditionalProperties: empty}, reflect.TypeFor[string](), "text")).To(BeEmpty(), "a value without fields")
	g.Expect(lacking(empty, reflect.TypeFor[metav1.ObjectMeta](), "metadata")).To(BeEmpty(), "a type of Kubernetes")
}

// A kind of the same name in another group is another kind.
func TestAKindOfAnotherGroup(t *testing.T) {
	g := NewWithT(t)
	var other document
	g.Expect(json.Unmarshal([]byte(`{"components": {"schemas": {"other": {"x-kubernetes-group-version-kind": [{"group": "other.io", "kind": "DatabricksCluster"}]}}}}`), &other)).To(Succeed())
	g.Expect(missingIn(other, v1alpha1.ClusterKind, reflect.TypeFor[v1alpha1.DatabricksCluster]())).To(Equal([]string{v1alpha1.ClusterKind}))
}

func TestAMissingKindIsNamed(t *testing.T) {
	g := NewWithT(t)
	document := published(t)
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	delete(schemas, v1alpha1.WorkspaceKind)
	delete(schemas, v1alpha1.PoolKind)
	for workspaces, want := range map[Workspaces][]string{
		WithWorkspaces: {v1alpha1.PoolKind, v1alpha1.WorkspaceKind}, WithoutWorkspaces: {v1alpha1.PoolKind},
	} {
		check := NewCheck(&server{document: document, version: "1"}, Kinds(workspaces), funcr.New(func(string, string) {}, funcr.Options{}))
		check.Compare()
		g.Expect(slices.Clone(check.Missing())).To(Equal(want))
	}
}
