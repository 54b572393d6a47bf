package databricks

import (
	"encoding/json"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

// oddSpec has values that decoding and encoding would change.
const oddSpec = `{"z_new":{"<k>":[1.10,1e2,12345678901234567890]},"spark_version":"v","num_workers":0,"note":"a<b>&\u2028\u00e9","a_new":null}`

func TestGetKeepsTheEncodedSpec(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, want string }{
		"odd":               {`{"cluster_id":"c1","spec":` + oddSpec + `,"num_workers":2}`, oddSpec},
		"with space":        {"{\"cluster_id\":\"c1\",\n \"spec\": {\n \"a\" : 1.0 }}", `{"a":1.0}`},
		"none":              {`{"cluster_id":"c1"}`, ""},
		"null":              {`{"cluster_id":"c1","spec":null}`, ""},
		"of another case":   {`{"cluster_id":"c1","Spec":{"a":1}}`, ""},
		"empty":             {`{"cluster_id":"c1","spec":{}}`, `{}`},
		"a value of a type": {`{"cluster_id":"c1","spec":{"num_workers":"many"}}`, `{"num_workers":"many"}`},
	} {
		t.Run("[case-65] [case-79] "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := newWorkspace(t, respondWith(http.StatusOK, tc.body)).client(t).Get(t.Context(), "c1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got.Spec)).To(Equal(tc.want))
			g.Expect(got.Spec == nil).To(Equal(tc.want == ""))
			g.Expect(got.Details.Spec).To(BeNil())
			g.Expect(got.Details.ClusterId).To(Equal("c1"))
		})
	}
}

func TestDecodeSpec(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	spec, err := Cluster{}.DecodeSpec()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(spec).To(BeNil())
	spec, err = Cluster{Spec: json.RawMessage(oddSpec)}.DecodeSpec()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(spec.SparkVersion).To(Equal("v"))
	g.Expect(spec.ForceSendFields).To(ContainElement("NumWorkers"))
	_, err = Cluster{Spec: json.RawMessage(`{"num_workers":"many"}`)}.DecodeSpec()
	g.Expect(err).To(HaveOccurred())
}

func TestEditAndUpdateSendTheirBodiesUnchanged(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, "{}"))
	client := server.client(t)
	edit := "{\"cluster_id\":\"c1\", " + oddSpec[1:]
	g.Expect(client.Edit(t.Context(), "c1", json.RawMessage(edit))).To(Succeed())
	g.Expect(client.Update(t.Context(), UpdateRequest{ClusterID: "c1", Cluster: json.RawMessage(oddSpec), UpdateMask: "a,b"})).To(Succeed())
	g.Expect(client.Update(t.Context(), UpdateRequest{ClusterID: "c1", UpdateMask: "a"})).To(Succeed())
	got := server.received()
	g.Expect(got[0].body).To(Equal(edit), "[case-79]")
	g.Expect(got[1].body).To(Equal(`{"cluster_id":"c1","cluster":`+oddSpec+`,"update_mask":"a,b"}`), "[case-79]")
	g.Expect(got[2].body).To(Equal(`{"cluster_id":"c1","update_mask":"a"}`))
}

func TestAnEditOfAnotherClusterIsNotSent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, "{}"))
	client := server.client(t)
	for _, body := range []string{`{}`, `{"cluster_id":"c2"}`, `[]`, ``, `{"cluster_id":"c1"}x`, `{"cluster_id":7}`} {
		g.Expect(ClassOf(client.Edit(t.Context(), "c1", json.RawMessage(body)))).To(Equal(ClassInvalid), body)
	}
	g.Expect(ClassOf(client.Update(t.Context(), UpdateRequest{ClusterID: "c1", Cluster: json.RawMessage(`{`)}))).To(Equal(ClassInvalid))
	g.Expect(server.received()).To(BeEmpty())
}
