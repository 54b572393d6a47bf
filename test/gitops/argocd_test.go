package gitops

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

// customizations are what is shipped for Argo CD, in the layout of its own
// repository.
const customizations = "../../examples/argocd/compute.databricks-operator.io"

// inSandbox runs a script as Argo CD does: with the base, package and table
// libraries, an os that knows the time alone, and a second to end in. The table
// that it returns is JSON.
func inSandbox(script string, object *unstructured.Unstructured) ([]byte, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable},
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), Protect: true}, lua.LString(library.name)); err != nil {
			return nil, err
		}
	}
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		state.Push(state.SetFuncs(state.NewTable(), map[string]lua.LGFunction{
			"time": func(state *lua.LState) int { state.Push(lua.LNumber(time.Now().Unix())); return 1 },
		}))
		return 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("actionParams", state.NewTable())
	state.SetGlobal("obj", intoLua(state, object.Object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	return luajson.Encode(table)
}

// intoLua is a value of an object as a script sees it. Numbers are numbers,
// whatever Go calls them.
func intoLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(intoLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, intoLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// health is what a health script says.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func (h health) String() string { return h.Status + ": " + h.Message }

// argocd is how Argo CD reads an object.
func argocd(t *testing.T, object *unstructured.Unstructured) health {
	t.Helper()
	g := NewWithT(t)
	answer, err := inSandbox(shipped(t, object.GetKind(), "health.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	var told health
	g.Expect(json.Unmarshal(answer, &told)).To(Succeed())
	return told
}

// shipped is the text of a file beneath examples/argocd.
func shipped(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{customizations}, path...)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// readYAML reads a file beneath examples/argocd.
func readYAML[T any](t *testing.T, path ...string) T {
	t.Helper()
	var content T
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(shipped(t, path...)), &content)).To(Succeed())
	return content
}

func readObject(t *testing.T, path ...string) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(shipped(t, path...)))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	g.Expect(object.UnmarshalJSON(text)).To(Succeed())
	return object
}

// kinds are those that examples/argocd knows.
var kinds = []string{"DatabricksCluster", "DatabricksWorkspace"}

func TestArgoCDsHealthScripts(t *testing.T) {
	for _, kind := range kinds {
		file := readYAML[struct {
			Tests []struct {
				InputPath    string `json:"inputPath"`
				HealthStatus health `json:"healthStatus"`
			} `json:"tests"`
		}](t, kind, "health_test.yaml")
		var used []string
		for _, test := range file.Tests {
			used = append(used, filepath.Join(customizations, kind, test.InputPath))
			t.Run(kind+"/"+test.InputPath, func(t *testing.T) {
				NewWithT(t).Expect(argocd(t, readObject(t, kind, test.InputPath))).To(Equal(test.HealthStatus))
			})
		}
		inputs, err := filepath.Glob(filepath.Join(customizations, kind, "testdata", "*.yaml"))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(used).To(ConsistOf(inputs), "every file of testdata is an input")
	}
}

func TestTheSandboxIsAsNarrowAsArgoCDs(t *testing.T) {
	for _, script := range []string{
		`return {string.len("a")}`, `return {math.floor(1.5)}`, `return {os.time()}`, `return {io.open("/etc/passwd")}`,
		`return {require("os").exit()}`, `while true do end`,
	} {
		_, err := inSandbox(script, &unstructured.Unstructured{})
		NewWithT(t).Expect(err).To(HaveOccurred(), script)
	}
	for _, script := range []string{`return {require("os").time()}`, `return {table.getn({})}`} {
		_, err := inSandbox(script, &unstructured.Unstructured{})
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), script)
	}
}

// offer is one action as the discovery script offers it.
type offer struct {
	Name        string `json:"name"`
	Disabled    bool   `json:"disabled"`
	IconClass   string `json:"iconClass"`
	DisplayName string `json:"displayName"`
}

// discover is what may be asked of an object.
func discover(t *testing.T, object *unstructured.Unstructured) []offer {
	t.Helper()
	g := NewWithT(t)
	answer, err := inSandbox(shipped(t, object.GetKind(), "actions", "discovery.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	var byName map[string]offer
	g.Expect(json.Unmarshal(answer, &byName)).To(Succeed())
	var offers []offer
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		offered := byName[name]
		offered.Name = name
		offers = append(offers, offered)
	}
	return offers
}

// perform is the object that an action makes of another.
func perform(t *testing.T, action string, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	answer, err := inSandbox(shipped(t, object.GetKind(), "actions", action, "action.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	changed := &unstructured.Unstructured{}
	g.Expect(changed.UnmarshalJSON(answer)).To(Succeed())
	return changed
}

func TestArgoCDsActions(t *testing.T) {
	const kind = "DatabricksCluster"
	file := readYAML[struct {
		DiscoveryTests []struct {
			InputPath string  `json:"inputPath"`
			Result    []offer `json:"result"`
		} `json:"discoveryTests"`
		ActionTests []struct {
			Action             string `json:"action"`
			InputPath          string `json:"inputPath"`
			ExpectedOutputPath string `json:"expectedOutputPath"`
		} `json:"actionTests"`
	}](t, kind, "actions", "action_test.yaml")
	tested := map[string]bool{}
	for _, test := range file.DiscoveryTests {
		t.Run("discovery/"+test.InputPath, func(t *testing.T) {
			NewWithT(t).Expect(discover(t, readObject(t, kind, "actions", test.InputPath))).To(ConsistOf(test.Result))
		})
	}
	for _, test := range file.ActionTests {
		tested[test.Action] = true
		t.Run("actions/"+test.Action, func(t *testing.T) {
			before, after := readObject(t, kind, "actions", test.InputPath), readObject(t, kind, "actions", test.ExpectedOutputPath)
			NewWithT(t).Expect(perform(t, test.Action, before)).To(Equal(after))
		})
	}
	scripts, err := filepath.Glob(filepath.Join(customizations, kind, "actions", "*", "action.lua"))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	var offered []string
	for _, offer := range discover(t, readObject(t, kind, "actions", file.DiscoveryTests[0].InputPath)) {
		offered = append(offered, offer.Name)
	}
	g.Expect(scripts).To(HaveLen(len(offered)))
	g.Expect(slices.Sorted(maps.Keys(tested))).To(Equal(offered), "every action has a test")
}

func TestTheConfigMapHasTheScripts(t *testing.T) {
	g := NewWithT(t)
	settings := readYAML[struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Data             map[string]string
	}](t, "..", "argocd-cm.yaml")
	expected := 0
	for _, kind := range kinds {
		g.Expect(settings.Data).To(HaveKeyWithValue("resource.customizations.health.compute.databricks-operator.io_"+kind, shipped(t, kind, "health.lua")))
		expected++
	}
	var actions struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	g.Expect(yaml.UnmarshalStrict([]byte(settings.Data["resource.customizations.actions.compute.databricks-operator.io_DatabricksCluster"]), &actions)).To(Succeed())
	expected++
	g.Expect(actions.Discovery).To(Equal(shipped(t, "DatabricksCluster", "actions", "discovery.lua")))
	g.Expect(actions.Definitions).To(HaveLen(6))
	for _, action := range actions.Definitions {
		g.Expect(action.Action).To(Equal(shipped(t, "DatabricksCluster", "actions", action.Name, "action.lua")))
	}
	g.Expect(settings.Data).To(HaveLen(expected))
}
