package databricks

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"
)

// A new version of the SDK may add a kind of field that decode does not support.
func TestDecodingReadsEveryFieldAsTheSDKDoes(t *testing.T) {
	t.Parallel()
	for _, sample := range []any{&compute.ClusterDetails{}, &compute.ListClustersResponse{}, &compute.CreateClusterResponse{}, &iam.ObjectPermissions{}} {
		g := NewWithT(t)
		populate(reflect.ValueOf(sample).Elem())
		body, err := json.Marshal(sample)
		g.Expect(err).NotTo(HaveOccurred())
		bySDK, decoded := reflect.New(reflect.TypeOf(sample).Elem()).Interface(), reflect.New(reflect.TypeOf(sample).Elem()).Interface()
		g.Expect(json.Unmarshal(body, bySDK)).To(Succeed())
		g.Expect(decode(body, decoded)).To(Succeed())
		g.Expect(decoded).To(Equal(bySDK))
		again, err := json.Marshal(decoded)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(MatchJSON(body), "nothing is lost")
	}
}

// populate sets every field to a value that is not its zero value.
func populate(value reflect.Value) {
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		populate(value.Elem())
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).Name != "ForceSendFields" {
				populate(value.Field(i))
			}
		}
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 2, 2))
		populate(value.Index(0))
		populate(value.Index(1))
	case reflect.Map:
		entry := reflect.New(value.Type().Elem()).Elem()
		populate(entry)
		value.Set(reflect.MakeMap(value.Type()))
		value.SetMapIndex(reflect.ValueOf("key").Convert(value.Type().Key()), entry)
	case reflect.String:
		value.SetString("text")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		value.SetInt(7)
	case reflect.Float32, reflect.Float64:
		value.SetFloat(1.5)
	default:
		panic("decode does not support " + value.Type().String())
	}
}

func TestDecodingIsDeterministic(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	body := []byte(`{"cluster_id":"c","num_workers":0,"spark_version":"v","state":"RUNNING","enable_elastic_disk":false}`)
	var first compute.ClusterDetails
	g.Expect(decode(body, &first)).To(Succeed())
	for range 20 {
		var again compute.ClusterDetails
		g.Expect(decode(body, &again)).To(Succeed())
		g.Expect(again).To(Equal(first))
	}
}

func TestNullIsDecodedAsAbsent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var cluster compute.ClusterDetails
	g.Expect(decode([]byte(`{"cluster_id":"c","driver":null,"executors":null,"num_workers":null,"custom_tags":{"a":null}}`), &cluster)).To(Succeed())
	g.Expect(cluster.Driver).To(BeNil())
	g.Expect(cluster.Executors).To(BeNil())
	g.Expect(cluster.CustomTags).To(Equal(map[string]string{"a": ""}))
}

func TestABodyThatIsNoObjectIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"": "it is empty", "1": "it is not a JSON object", "{": "it is not a JSON object", "[]": "it is not a JSON object",
		"{}1": "it has data after its end", "{}{}": "it has data after its end", "null": "it is null",
	} {
		var cluster compute.ClusterDetails
		NewWithT(t).Expect(decode([]byte(body), &cluster)).To(MatchError(HavePrefix(want)), body)
	}
}
