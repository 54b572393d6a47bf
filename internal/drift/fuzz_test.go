package drift

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// The properties of a comparison over any declared spec [S14].

func FuzzServerView(f *testing.F) { f.Fuzz(rapid.MakeFuzz(serverSideChangesAreNoDifference)) }

func FuzzEditedField(f *testing.F) { f.Fuzz(rapid.MakeFuzz(anEditIsFoundAtItsPath)) }

// FuzzSpec compares with any spec that a workspace returns. A correction keeps every field
// that the operator does not know.
func FuzzSpec(f *testing.F) {
	f.Add([]byte(`{"num_workers":2,"spark_conf":{"a":"b"},"custom_tags":{"team":"x"},"newer":{"x":1}}`))
	f.Add([]byte(`{"num_workers":1e400,"spark_conf":null,"aws_attributes":[],"autoscale":{"min_workers":"1"}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, spec []byte) {
		if !json.Valid(spec) {
			return // a response that is no JSON is refused before
		}
		desired, err := Desired(&v1alpha1.ClusterSpec{
			NumWorkers: new(int32(3)), SparkConf: map[string]string{"a": "c"}, CustomTags: map[string]string{"team": "y"},
		}, Secrets{})
		if err != nil {
			t.Fatal(err)
		}
		observed, err := Observe(&compute.ClusterDetails{ClusterId: "c1", NumWorkers: 2}, spec)
		if err != nil {
			return
		}
		found := Compare(desired, observed)
		body, err := Edit("c1", Correction{Desired: desired, Observed: observed, Differences: found.Differences, Normalized: found.Normalized})
		if err != nil {
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(spec, &before) != nil || before == nil {
			t.Fatalf("an edit is based on %s", spec)
		}
		if err := json.Unmarshal(body, &after); err != nil {
			t.Fatalf("the edit %s is no JSON: %v", body, err)
		}
		for name, value := range before {
			if _, known := rowOf(name); !known && name != "cluster_id" && compact(t, after[name]) != compact(t, value) {
				t.Fatalf("%s became %s", value, after[name])
			}
		}
	})
}

// compact returns a value without the white space between its tokens.
func compact(t *testing.T, value json.RawMessage) string {
	t.Helper()
	var compacted bytes.Buffer
	if err := json.Compact(&compacted, value); err != nil {
		t.Fatalf("%q is no JSON: %v", value, err)
	}
	return compacted.String()
}
