package simulator_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// The curl command of Databricks' documentation: a GET whose parameters are a
// JSON body with the content type of a form.
func TestGetAcceptsParametersInTheBody(t *testing.T) {
	g := NewWithT(t)
	service, err := simulator.Start(t.Context(), simulator.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(service.Close()).To(Succeed()) }()

	status, made := exchange(t, service, http.MethodPost, "/api/2.0/clusters/create",
		`{"cluster_name":"My New Cluster","spark_version":"16.4.x-scala2.12","node_type_id":"i3.xlarge","num_workers":0}`)
	g.Expect(status).To(Equal(http.StatusOK))
	id, _ := made["cluster_id"].(string)
	g.Expect(id).To(MatchRegexp(`^\d{4}-\d{6}-[a-z0-9]{8}$`))

	status, got := exchange(t, service, http.MethodGet, "/api/2.0/clusters/get", `{ "cluster_id": "`+id+`" }`)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(got).To(HaveKeyWithValue("cluster_id", id))
	g.Expect(got).To(HaveKeyWithValue("creator_user_name", simulator.DefaultUser))
	g.Expect(got).To(HaveKeyWithValue("state", "PENDING"))
	g.Expect(got).To(HaveKeyWithValue("num_workers", BeNumerically("==", 0)))
}

func TestServiceEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	service, err := simulator.Start(ctx, simulator.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	cancel()
	g.Eventually(func() error {
		response, err := service.Client().Get(service.URL + "/.well-known/databricks-config")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}).Should(HaveOccurred())
}

// exchange sends one request of the administrator over TLS, like curl.
func exchange(t *testing.T, service *simulator.Service, method, path, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, service.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := service.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	decoded := map[string]any{}
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return response.StatusCode, decoded
}
