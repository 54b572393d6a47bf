package databricks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// observedEndpoints records the endpoints of the calls of a client.
type observedEndpoints struct {
	mu    sync.Mutex
	names []string
}

func (o *observedEndpoints) observe(call Call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, call.Method+" "+call.Endpoint)
}

// An endpoint is a label of metrics, so the number of its values must be limited.
func TestAnEndpointHasNoVersionAndNoID(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusInternalServerError, "{}"))
	var endpoints observedEndpoints
	client := server.client(t, endpoints.observe)
	ctx := t.Context()
	_, _ = client.Get(ctx, "c1")
	_, _ = client.List(ctx, ListQuery{})
	_, _ = client.Me(ctx)
	_, _ = client.LibraryStatuses(ctx, "c1")
	_, _ = client.Permissions(ctx, "c1")
	_, _ = client.SparkVersions(ctx)
	_ = client.Update(ctx, UpdateRequest{ClusterID: "c1"})
	_ = client.PermanentDelete(ctx, "c1")
	_ = client.InstallLibraries(ctx, "c1", nil)
	_ = client.SetPermissions(ctx, "c1", nil)
	for _, of := range Collections() {
		_, _ = client.Items(ctx, of)
		_, _ = client.Item(ctx, of, "i1")
		_, _ = client.CreateItem(ctx, of, json.RawMessage(`{}`))
		_ = client.EditItem(ctx, of, json.RawMessage(`{"policy_id":"i1","instance_pool_id":"i1"}`))
		_ = client.DeleteItem(ctx, of, "i1")
		_, _ = client.ItemPermissions(ctx, of, "i1")
		_ = client.SetItemPermissions(ctx, of, "i1", nil)
		g.Expect(endpoints.names[len(endpoints.names)-7:]).To(Equal([]string{
			"GET " + of.ListEndpoint(), "GET " + of.GetEndpoint(), "POST " + of.CreateEndpoint(), "POST " + of.EditEndpoint(),
			"POST " + of.DeleteEndpoint(), "GET " + of.PermissionsEndpoint(), "PUT " + of.PermissionsEndpoint(),
		}))
	}
	_, _ = client.CountClusters(ctx, "i1")
	g.Expect(endpoints.names).To(Equal([]string{
		"GET clusters/get", "GET clusters/list", "GET preview/scim/v2/Me", "GET libraries/cluster-status",
		"GET permissions/clusters", "GET clusters/spark-versions",
		"POST clusters/update", "POST clusters/permanent-delete", "POST libraries/install", "PUT permissions/clusters",
		"GET policies/clusters/list", "GET policies/clusters/get", "POST policies/clusters/create", "POST policies/clusters/edit",
		"POST policies/clusters/delete", "GET permissions/cluster-policies", "PUT permissions/cluster-policies",
		"GET instance-pools/list", "GET instance-pools/get", "POST instance-pools/create", "POST instance-pools/edit",
		"POST instance-pools/delete", "GET permissions/instance-pools", "PUT permissions/instance-pools",
		"GET clusters/list",
	}))
}

// A server chooses the path of its token endpoint, which must not become a label value.
func TestTheEndpointsOfTokenRequestsAreFixed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var server *workspace
	issuer := &issuer{discovery: func(w http.ResponseWriter, r *http.Request) {
		respondWith(http.StatusOK, fmt.Sprintf(`{"token_endpoint":%q}`, server.URL+"/oidc/tenants/4711/token"))(w, r)
	}}
	server = newWorkspace(t, issuer.serve(func() string { return server.URL }))
	var endpoints observedEndpoints
	client, err := New((&identity{}).config(t, server.URL), Options{Transport: server.transport(t), Observe: endpoints.observe})
	g.Expect(err).NotTo(HaveOccurred())
	_, _ = client.Get(t.Context(), "c1")
	g.Expect(endpoints.names).To(Equal([]string{"GET oidc/discovery", "GET oidc/audience", "POST oidc/token", "GET clusters/get"}))
}
