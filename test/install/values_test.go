package install

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// jsonSchema has the parts of a JSON schema that these tests use.
type jsonSchema struct {
	Properties           map[string]*jsonSchema `json:"properties"`
	AdditionalProperties any                    `json:"additionalProperties"`
	Items                *jsonSchema            `json:"items"`
	Type                 any                    `json:"type"`
}

func load[T any](t *testing.T, file string) T {
	t.Helper()

	var value T

	content, err := os.ReadFile(file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.Unmarshal(content, &value)).To(Succeed(), file)

	return value
}

func TestEveryUnknownValueIsRejected(t *testing.T) {
	root := load[jsonSchema](t, chart+"/values.schema.json")

	var groups []string

	for name, property := range root.Properties {
		if property.Properties != nil {
			groups = append(groups, name+".")
		}
	}

	for _, group := range append(groups, "") {
		t.Run(group, func(t *testing.T) {
			NewWithT(t).Expect(templateError(t, "--set", group+"misspelt=true")).To(ContainSubstring("additional properties 'misspelt' not allowed"))
		})
	}
}

func TestTheSchemaIsClosed(t *testing.T) {
	root := load[jsonSchema](t, chart+"/values.schema.json")
	// These are Helm's own, or parts of a pod's spec that the API server
	// validates.
	open := []string{
		".global", ".affinity.nodeAffinity", ".affinity.podAffinity", ".affinity.podAntiAffinity", ".topologySpreadConstraints[]",
	}

	var walk func(path string, s *jsonSchema)
	walk = func(path string, s *jsonSchema) {
		if s == nil {
			return
		}

		if s.Type == "object" && s.AdditionalProperties == nil && !slices.Contains(open, path) {
			t.Errorf("%s takes any key: add additionalProperties", path)
		}

		if s.Properties != nil && s.AdditionalProperties != false {
			t.Errorf("%s takes more keys than it names: set additionalProperties to false", path)
		}

		for name, property := range s.Properties {
			walk(path+"."+name, property)
		}

		walk(path+"[]", s.Items)
	}
	walk("", &root)
}

func TestEveryValueIsInTheSchemaAndDescribed(t *testing.T) {
	g := NewWithT(t)
	root := load[jsonSchema](t, chart+"/values.schema.json")
	delete(root.Properties, "global")

	for _, file := range []string{chart + "/values.yaml", everything} {
		values := load[map[string]any](t, file)
		g.Expect(slices.Sorted(maps.Keys(values))).To(Equal(slices.Sorted(maps.Keys(root.Properties))), file)

		for name, property := range root.Properties {
			if group, ok := values[name].(map[string]any); ok && property.Properties != nil && name != "affinity" {
				g.Expect(slices.Sorted(maps.Keys(group))).To(Equal(slices.Sorted(maps.Keys(property.Properties))), "%s: %s", file, name)
			}
		}
	}

	content, err := os.ReadFile(chart + "/values.yaml")
	g.Expect(err).NotTo(HaveOccurred())

	value := regexp.MustCompile(`^ *[a-zA-Z]+: `)
	lines := strings.Split(string(content), "\n")

	for i, line := range lines {
		if value.MatchString(line) && !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "#") {
			t.Errorf("values.yaml:%d has no comment above it: %s", i+1, line)
		}
	}
}

func TestContradictoryValuesAreRejectedWithARemedy(t *testing.T) {
	for values, message := range map[string]string{
		"watchNamespaces={team-a}":                             "With watchNamespaces, set metrics.enabled=false",
		"databricksCA.configMap=a,databricksCA.secret=b":       `databricksCA.configMap "a" and databricksCA.secret "b": name one of them`,
		"serviceMonitor.enabled=true,metrics.enabled=false":    "set metrics.enabled=true",
		"quota.clusters=50":                                    "quota.clusters 50 needs watchNamespaces",
		"quota.instancePools=5":                                "quota.instancePools 5 needs watchNamespaces",
		"proxy.credentialsSecret=proxy":                        `proxy.credentialsSecret "proxy" needs proxy.url`,
		"proxy.url=http://me:secret@proxy:3128":                "proxy/url",
		"metrics.certSecret=tls,metrics.secure=false":          `metrics.certSecret "tls": the metrics are not served over TLS`,
		"operatorID=xyz":                                       "operatorID",
		"image.digest=latest":                                  "image/digest",
		"limits.requestTimeout=30":                             "limits/requestTimeout",
		"limits.requestHeadroom=1":                             "limits/requestHeadroom",
		"watchNamespaces={team-a,team-a},metrics.secure=false": "watchNamespaces",
	} {
		t.Run(values, func(t *testing.T) {
			NewWithT(t).Expect(templateError(t, "--set", values)).To(ContainSubstring(message))
		})
	}
}

func TestEveryValueReachesTheOperator(t *testing.T) {
	for _, object := range helm(t, "--values", everything) {
		if object.GetKind() != "Deployment" {
			continue
		}

		g := NewWithT(t)
		pod := convert[appsv1.Deployment](t, object).Spec.Template

		g.Expect(pod.Spec.Containers[0].Args).To(ConsistOf(
			"--leader-elect",
			"--metrics-bind-address=:8443",
			"--health-probe-bind-address=:8081",
			"--watch-namespaces=team-a,team-b",
			"--workspaces=false",
			"--metrics-secure=false",
			"--allowed-hosts=.azuredatabricks.net,https://127.0.0.1:8443",
			"--namespace-hosts=team-a-*=.azuredatabricks.net,team-b=https://127.0.0.1:8443",
			"--allowed-token-audiences=databricks",
			"--databricks-ca-file=/etc/databricks-ca/ca.crt",
			"--databricks-proxy=http://proxy.example.com:3128",
			"--databricks-proxy-credentials-dir=/etc/proxy-credentials",
			"--default-credentials-secret=workspace",
			"--operator-id=0a1b2c3d",
			"--owner-tag=false",
			"--adoption-policy=AdoptOrCreate",
			"--predecessors=1b2c3d4e,2c3d4e5f",
			"--workers=16",
			"--max-requests-per-second=12.5",
			"--request-headroom=0",
			"--request-timeout=20s",
			"--poll-interval-active=10s",
			"--poll-interval-quiet=10m",
			"--create-window=15s",
			"--visibility-grace=1m", "--leader-election-lease-duration=10s",
			"--watch-label-selector=shard notin (b, c)", "--shard=a", "--workspace-status=false",
			"--zap-log-level=debug",
			"--zap-encoder=console",
			"--zap-stacktrace-level=panic",
		))
		g.Expect(pod.Spec.Containers[0].Image).To(Equal("registry.example.com/databricks-operator@sha256:" + strings.Repeat("0", 64)))
		g.Expect(pod.Spec.Volumes[0].Secret.SecretName).To(Equal("authorities"))
		g.Expect(pod.Spec.Volumes[0].Secret.Items[0].Key).To(Equal("roots.pem"))
		g.Expect(pod.Spec.Volumes[1].Secret.SecretName).To(Equal("proxy"))
		g.Expect(pod.Spec.Containers[0].VolumeMounts[1].MountPath).To(Equal("/etc/proxy-credentials"))
		g.Expect(pod.Spec.ServiceAccountName).To(Equal("databricks"))
		g.Expect(pod.Spec.PriorityClassName).To(Equal("system-cluster-critical"))
		g.Expect(pod.Spec.Affinity).NotTo(BeNil())
		g.Expect(pod.Spec.Tolerations).To(HaveLen(1))
		g.Expect(pod.Labels).To(HaveKeyWithValue("team", "data"))
		g.Expect(pod.Annotations).To(HaveKeyWithValue("example.com/scrape", "false"))
	}
}

func TestQuotas(t *testing.T) {
	g := NewWithT(t)

	var limited []string

	for _, object := range helm(t, "--values", everything) {
		if object.GetKind() == "ResourceQuota" {
			hard, _, err := unstructured.NestedStringMap(object.Object, "spec", "hard")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(hard).To(Equal(map[string]string{
				"count/databricksclusters." + group: "50", "count/databricksclusterpolicies." + group: "20", "count/databricksinstancepools." + group: "10",
			}), "[S17]")

			limited = append(limited, object.GetNamespace())
		}
	}

	g.Expect(limited).To(Equal([]string{"team-a", "team-b"}))
}

// TestACertificateOfTheMetrics expects one Secret in the pod, and in the ServiceMonitor,
// which verifies the name of the Service.
func TestACertificateOfTheMetrics(t *testing.T) {
	g := NewWithT(t)

	var services []string

	for _, object := range helm(t, "--set", "metrics.certSecret=metrics-tls,serviceMonitor.enabled=true,databricksCA.configMap=ca") {
		switch object.GetKind() {
		case "Service":
			services = append(services, object.GetName()+"."+namespace+".svc")
		case "Deployment":
			pod := convert[appsv1.Deployment](t, object).Spec.Template.Spec
			g.Expect(pod.Containers[0].Args).To(ContainElement("--metrics-cert-dir=/etc/metrics-certificate"))
			g.Expect(pod.Containers[0].VolumeMounts).To(ConsistOf(
				And(HaveField("Name", "databricks-ca"), HaveField("MountPath", "/etc/databricks-ca"), HaveField("ReadOnly", true)),
				And(HaveField("Name", "metrics-certificate"), HaveField("MountPath", "/etc/metrics-certificate"), HaveField("ReadOnly", true))))
			g.Expect(pod.Volumes).To(ConsistOf(
				HaveField("ConfigMap.Name", "ca"), HaveField("Secret.SecretName", "metrics-tls")))
		case "ServiceMonitor":
			endpoints, _, err := unstructured.NestedSlice(object.Object, "spec", "endpoints")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(services).To(HaveLen(1))
			g.Expect(endpoints).To(HaveExactElements(HaveKeyWithValue("tlsConfig", map[string]any{
				"ca":         map[string]any{"secret": map[string]any{"name": "metrics-tls", "key": "ca.crt"}},
				"serverName": services[0],
			})))

			return
		}
	}

	t.Error("no ServiceMonitor")
}

// TestAShardMayWriteItsOwnLease compares the role with the name that the operator gives
// to the lease of a shard.
func TestAShardMayWriteItsOwnLease(t *testing.T) {
	for values, lease := range map[string]string{
		"shard=":                           "databricks-operator." + group,
		"shard=a,watchLabelSelector=group": "databricks-operator-a." + group,
	} {
		t.Run("[S2] [S16] "+values, func(t *testing.T) {
			var names []string

			for _, object := range helm(t, "--set", values) {
				if object.GetKind() == "Role" && strings.HasSuffix(object.GetName(), "-leader-election-role") {
					for _, rule := range convert[rbacv1.Role](t, object).Rules {
						names = append(names, rule.ResourceNames...)
					}
				}
			}

			NewWithT(t).Expect(names).To(Equal([]string{lease}))
		})
	}
}

// TestEveryFlagCanBeSet fails for a new flag that is neither a value of the
// chart nor listed here with a reason.
func TestEveryFlagCanBeSet(t *testing.T) {
	g := NewWithT(t)
	setByTheChart := []string{
		"leader-elect",              // always
		"leader-election-namespace", // the pod's own
		"operator-namespace",        // from the environment
		"operator-service-account",  // from the environment
		"metrics-bind-address",      // metrics.enabled
		"health-probe-bind-address", // the probes' port
		"metrics-cert-dir",          // metrics.certSecret, which contradicts metrics.secure=false
		"version",                   // prints and exits
	}

	var settable []string

	for _, object := range helm(t, "--values", everything) {
		if object.GetKind() == "Deployment" {
			for _, argument := range convert[appsv1.Deployment](t, object).Spec.Template.Spec.Containers[0].Args {
				flag, _, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
				settable = append(settable, flag)
			}
		}
	}

	file, err := parser.ParseFile(token.NewFileSet(), repository+"/cmd/manager/flags.go", nil, parser.SkipObjectResolution)
	g.Expect(err).NotTo(HaveOccurred())

	found := 0

	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) < 4 {
			return true
		}

		name, ok := call.Args[1].(*ast.BasicLit)
		if method, isMethod := call.Fun.(*ast.SelectorExpr); !ok || !isMethod || !strings.HasSuffix(method.Sel.Name, "Var") {
			return true
		}

		flag, err := strconv.Unquote(name.Value)
		g.Expect(err).NotTo(HaveOccurred())

		found++

		if !slices.Contains(settable, flag) && !slices.Contains(setByTheChart, flag) {
			t.Errorf("--%s cannot be set: make it a value of the chart, in %s too, or name it above", flag, everything)
		}

		return true
	})
	g.Expect(found).To(BeNumerically(">", 15))
}
