package sparkversion

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Keys come from users and from the server. They must not cause a panic, and String of a
// parsed key must return the same key. More seeds are in testdata/fuzz.

func FuzzParse(f *testing.F) {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		version, err := Parse(key)
		var not *NotUnderstoodError
		switch {
		case err == nil && version.String() != key:
			t.Fatalf("%q prints as %q", key, version)
		case err == nil:
		case !errors.As(err, &not) || not.Key != key || version != (Version{}):
			t.Fatalf("%q has the wrong error %v or version %v", key, version, err)
		}
	})
}

func FuzzProblems(f *testing.F) {
	f.Add("16.4.x-gpu-ml-scala2.12", "PHOTON", "i3.xlarge", "g4dn.xlarge", "16.4.x-scala2.12", "i3.xlarge")
	f.Add("dlt:x", "", "\xff", "", "", "")
	f.Fuzz(func(t *testing.T, key, engine, node, driver, offered, offeredNode string) {
		problems := Problems(
			Desired{SparkVersion: key, RuntimeEngine: compute.RuntimeEngine(engine), NodeTypeID: node, DriverNodeTypeID: driver},
			Facts{SparkVersions: []compute.SparkVersion{{Key: offered}}, NodeTypes: []compute.NodeType{{NodeTypeId: offeredNode}}})
		for _, p := range problems {
			if !strings.HasPrefix(p.Message, p.Field+" ") || p.Value == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
