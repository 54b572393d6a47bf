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

// customizations are the shipped files for Argo CD, in the layout of its own
// repository.
const customizations = "../../examples/argocd/compute.databricks-operator.io"

// runScript runs a script like Argo CD: with the base, package and table
// libraries, an os library that has only the time, and a timeout of a second.
// It returns the script's table as JSON.
func runScript(script string, object *unstructured.Unstructured) ([]byte, error) {
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
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	return luajson.Encode(table)
}

// toLua converts a value of an object for a script. All numbers become Lua
// numbers.
func toLua(state *lua.LState, value any) lua.LValue {
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
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// health is the result of a health script.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func (h health) String() string { return h.Status + ": " + h.Message }

// argocd returns Argo CD's health of an object.
func argocd(t *testing.T, object *unstructured.Unstructured) health {
	t.Helper()
	g := NewWithT(t)
	answer, err := runScript(example(t, object.GetKind(), "health.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	var result health
	g.Expect(json.Unmarshal(answer, &result)).To(Succeed())
	return result
}

// example returns a file below examples/argocd.
func example(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{customizations}, path...)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// readYAML decodes a file below examples/argocd.
func readYAML[T any](t *testing.T, path ...string) T {
	t.Helper()
	var content T
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(example(t, path...)), &content)).To(Succeed())
	return content
}

func readObject(t *testing.T, path ...string) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(example(t, path...)))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	object := &unstructured.Unstructured{}
	g.Expect(object.UnmarshalJSON(text)).To(Succeed())
	return object
}

// kinds are the kinds for which examples/argocd has scripts.
var kinds = []string{"DatabricksCluster", "DatabricksClusterPolicy", "DatabricksInstancePool", "DatabricksWorkspace"}

// acting are the kinds for which it has actions.
var acting = []string{"DatabricksCluster", "DatabricksClusterPolicy", "DatabricksInstancePool"}

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

func TestSandboxHasArgoCDsRestrictions(t *testing.T) {
	for _, script := range []string{
		`return {string.len("a")}`, `return {math.floor(1.5)}`, `return {os.time()}`, `return {io.open("/etc/passwd")}`,
		`return {require("os").exit()}`, `while true do end`,
	} {
		_, err := runScript(script, &unstructured.Unstructured{})
		NewWithT(t).Expect(err).To(HaveOccurred(), script)
	}
	for _, script := range []string{`return {require("os").time()}`, `return {table.getn({})}`} {
		_, err := runScript(script, &unstructured.Unstructured{})
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), script)
	}
}

// offeredAction is one action that the discovery script returns.
type offeredAction struct {
	Name        string `json:"name"`
	Disabled    bool   `json:"disabled"`
	IconClass   string `json:"iconClass"`
	DisplayName string `json:"displayName"`
}

// discover returns the actions that are offered for an object.
func discover(t *testing.T, object *unstructured.Unstructured) []offeredAction {
	t.Helper()
	g := NewWithT(t)
	answer, err := runScript(example(t, object.GetKind(), "actions", "discovery.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	var byName map[string]offeredAction
	g.Expect(json.Unmarshal(answer, &byName)).To(Succeed())
	var offers []offeredAction
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		offered := byName[name]
		offered.Name = name
		offers = append(offers, offered)
	}
	return offers
}

// perform returns the object that an action makes from another.
func perform(t *testing.T, action string, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	answer, err := runScript(example(t, object.GetKind(), "actions", action, "action.lua"), object)
	g.Expect(err).NotTo(HaveOccurred())
	changed := &unstructured.Unstructured{}
	g.Expect(changed.UnmarshalJSON(answer)).To(Succeed())
	return changed
}

func TestArgoCDsActions(t *testing.T) {
	for _, kind := range acting {
		t.Run(kind, func(t *testing.T) { expectActions(t, kind) })
	}
}

// expectActions fails unless the scripts of a kind answer as its action_test.yaml says.
func expectActions(t *testing.T, kind string) {
	t.Helper()
	file := readYAML[struct {
		DiscoveryTests []struct {
			InputPath string          `json:"inputPath"`
			Result    []offeredAction `json:"result"`
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
	for _, action := range discover(t, readObject(t, kind, "actions", file.DiscoveryTests[0].InputPath)) {
		offered = append(offered, action.Name)
	}
	g.Expect(scripts).To(HaveLen(len(offered)))
	g.Expect(slices.Sorted(maps.Keys(tested))).To(Equal(offered), "every action has a test")
}

func TestConfigMapContainsTheScripts(t *testing.T) {
	g := NewWithT(t)
	settings := readYAML[struct {
		APIVersion, Kind string
		Metadata         map[string]any
		Data             map[string]string
	}](t, "..", "argocd-cm.yaml")
	expected := 0
	for _, kind := range kinds {
		g.Expect(settings.Data).To(HaveKeyWithValue("resource.customizations.health.compute.databricks-operator.io_"+kind, example(t, kind, "health.lua")))
		expected++
	}
	for kind, count := range map[string]int{"DatabricksCluster": 6, "DatabricksClusterPolicy": 3, "DatabricksInstancePool": 3} {
		var actions struct {
			Discovery   string `json:"discovery.lua"`
			Definitions []struct {
				Name   string `json:"name"`
				Action string `json:"action.lua"`
			} `json:"definitions"`
		}
		g.Expect(yaml.UnmarshalStrict([]byte(settings.Data["resource.customizations.actions.compute.databricks-operator.io_"+kind]), &actions)).To(Succeed())
		expected++
		g.Expect(actions.Discovery).To(Equal(example(t, kind, "actions", "discovery.lua")))
		g.Expect(actions.Definitions).To(HaveLen(count))
		for _, action := range actions.Definitions {
			g.Expect(action.Action).To(Equal(example(t, kind, "actions", action.Name, "action.lua")))
		}
	}
	g.Expect(settings.Data).To(HaveLen(expected))
}
