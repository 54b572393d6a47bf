package databricks

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// seen are the endpoints of the calls that a client made.
type seen struct {
	mu    sync.Mutex
	names []string
}

func (s *seen) observe(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, call.Method+" "+call.Endpoint)
}

// An endpoint is a label of metrics: it must not have what a path may have.
func TestAnEndpointHasNoVersionAndNoID(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, answers(http.StatusInternalServerError, "{}"))
	var heard seen
	client := server.client(t, heard.observe)
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
	g.Expect(heard.names).To(Equal([]string{
		"GET clusters/get", "GET clusters/list", "GET preview/scim/v2/Me", "GET libraries/cluster-status",
		"GET permissions/clusters", "GET clusters/spark-versions",
		"POST clusters/update", "POST clusters/permanent-delete", "POST libraries/install", "PUT permissions/clusters",
	}))
}

// A server says where its tokens are made; that is no name that it may choose.
func TestTheEndpointsOfTokensAreNotTheServersToName(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var server *workspace
	issuer := &issuer{discovery: func(w http.ResponseWriter, r *http.Request) {
		answers(http.StatusOK, fmt.Sprintf(`{"token_endpoint":%q}`, server.URL+"/oidc/tenants/4711/token"))(w, r)
	}}
	server = newWorkspace(t, issuer.serve(func() string { return server.URL }))
	var heard seen
	client, err := New((&identity{}).config(t, server.URL), Options{Transport: server.transport(t), Observe: heard.observe})
	g.Expect(err).NotTo(HaveOccurred())
	_, _ = client.Get(t.Context(), "c1")
	g.Expect(heard.names).To(Equal([]string{"GET oidc/discovery", "GET oidc/audience", "POST oidc/token", "GET clusters/get"}))
}
