package databricks

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
)

// wireCase is a call and the request that it sends.
type wireCase struct {
	response string
	call     func(*Client) error
	method   string
	path     string
	query    string
	body     string
}

func TestEveryCallOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]wireCase{
		"get": {
			response: `{"cluster_id":"c 1"}`,
			call:     func(c *Client) error { _, err := c.Get(t.Context(), "c 1"); return err },
			method:   http.MethodGet, path: "/api/2.1/clusters/get", query: "cluster_id=c+1",
		},
		"list of everything": {
			response: `{}`,
			call:     func(c *Client) error { _, err := c.List(t.Context(), ListQuery{}); return err },
			method:   http.MethodGet, path: "/api/2.1/clusters/list",
		},
		"list with every filter": {
			response: `{}`,
			call: func(c *Client) error {
				_, err := c.List(t.Context(), ListQuery{
					PageSize: 100, PageToken: "abc/=", PinnedOnly: true, SortByName: true,
					Sources: []compute.ClusterSource{compute.ClusterSourceApi, compute.ClusterSourceUi},
				})
				return err
			},
			method: http.MethodGet, path: "/api/2.1/clusters/list",
			query: "filter_by.cluster_sources=API&filter_by.cluster_sources=UI&filter_by.is_pinned=true&page_size=100&page_token=abc%2F%3D&sort_by.direction=ASC&sort_by.field=CLUSTER_NAME",
		},
		"me": {
			response: `{"id":"7","userName":"a@b.c"}`,
			call:     func(c *Client) error { _, err := c.Me(t.Context()); return err },
			method:   http.MethodGet, path: "/api/2.0/preview/scim/v2/Me",
		},
		"create with a token and zeros": {
			response: `{"cluster_id":"c1"}`,
			call: func(c *Client) error {
				_, err := c.Create(t.Context(), CreateRequest{
					IdempotencyToken: "token-1",
					CreateCluster: compute.CreateCluster{
						SparkVersion:    "16.4.x-scala2.12",
						AzureAttributes: &compute.AzureAttributes{ForceSendFields: []string{"FirstOnDemand"}},
						ForceSendFields: []string{"NumWorkers", "AutoterminationMinutes", "EnableElasticDisk"},
					},
				})
				return err
			},
			method: http.MethodPost, path: "/api/2.1/clusters/create",
			body: `{"spark_version":"16.4.x-scala2.12","num_workers":0,"autotermination_minutes":0,"enable_elastic_disk":false,"azure_attributes":{"first_on_demand":0},"idempotency_token":"token-1"}`,
		},
		"create with autoscale has no num_workers": {
			response: `{"cluster_id":"c1"}`,
			call: func(c *Client) error {
				_, err := c.Create(t.Context(), CreateRequest{CreateCluster: compute.CreateCluster{
					SparkVersion: "v", Autoscale: &compute.AutoScale{MaxWorkers: 2, ForceSendFields: []string{"MinWorkers"}},
				}})
				return err
			},
			method: http.MethodPost, path: "/api/2.1/clusters/create",
			body: `{"spark_version":"v","autoscale":{"min_workers":0,"max_workers":2}}`,
		},
		"edit": {
			call: func(c *Client) error {
				return c.Edit(t.Context(), "c1", json.RawMessage(`{"cluster_id":"c1","spark_version":"v","num_workers":0}`))
			},
			method: http.MethodPost, path: "/api/2.1/clusters/edit",
			body: `{"cluster_id":"c1","spark_version":"v","num_workers":0}`,
		},
		"update clears what the mask names and the cluster lacks": {
			call: func(c *Client) error {
				return c.Update(t.Context(), UpdateRequest{
					ClusterID: "c1", UpdateMask: "custom_tags,num_workers", Cluster: json.RawMessage(`{"num_workers":0}`),
				})
			},
			method: http.MethodPost, path: "/api/2.1/clusters/update",
			body: `{"cluster_id":"c1","update_mask":"custom_tags,num_workers","cluster":{"num_workers":0}}`,
		},
		"resize to nothing": {
			call: func(c *Client) error {
				return c.Resize(t.Context(), compute.ResizeCluster{ClusterId: "c1", ForceSendFields: []string{"NumWorkers"}})
			},
			method: http.MethodPost, path: "/api/2.1/clusters/resize",
			body: `{"cluster_id":"c1","num_workers":0}`,
		},
		"start":            onlyID("start", func(c *Client) error { return c.Start(t.Context(), "c1") }),
		"restart":          onlyID("restart", func(c *Client) error { return c.Restart(t.Context(), "c1") }),
		"terminate":        onlyID("delete", func(c *Client) error { return c.Terminate(t.Context(), "c1") }),
		"permanent delete": onlyID("permanent-delete", func(c *Client) error { return c.PermanentDelete(t.Context(), "c1") }),
		"pin":              onlyID("pin", func(c *Client) error { return c.Pin(t.Context(), "c1") }),
		"unpin":            onlyID("unpin", func(c *Client) error { return c.Unpin(t.Context(), "c1") }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			server := newWorkspace(t, respondWith(http.StatusOK, tc.response))
			g.Expect(tc.call(server.client(t))).To(Succeed())
			got := server.received()
			g.Expect(got).To(HaveLen(1))
			g.Expect(got[0].method).To(Equal(tc.method))
			g.Expect(got[0].path).To(Equal(tc.path))
			g.Expect(got[0].query).To(Equal(tc.query))
			g.Expect(got[0].header.Get("Authorization")).To(Equal("Bearer " + testSecret))
			g.Expect(got[0].header.Get("Accept")).To(Equal("application/json"))
			g.Expect(got[0].header.Get("User-Agent")).To(MatchRegexp(`^databricks-operator/1\.2\.3 go/[0-9A-Za-z_.+-]+ os/[a-z]+ auth/pat$`))
			if tc.body == "" {
				g.Expect(got[0].body).To(BeEmpty())
				return
			}
			g.Expect(got[0].header.Get("Content-Type")).To(Equal("application/json"))
			g.Expect(got[0].body).To(MatchJSON(tc.body))
		})
	}
}

// onlyID returns the case of a call that sends an id and gets an empty response.
func onlyID(verb string, call func(*Client) error) wireCase {
	return wireCase{call: call, method: http.MethodPost, path: "/api/2.1/clusters/" + verb, body: `{"cluster_id":"c1"}`}
}

func TestNoRequestIsSentWithoutAClusterID(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{}`))
	client := server.client(t)
	_, err := client.Get(t.Context(), "")
	g.Expect(ClassOf(err)).To(Equal(ClassInvalid))
	for _, err := range []error{
		client.Edit(t.Context(), "", json.RawMessage(`{}`)),
		client.PermanentDelete(t.Context(), ""),
		client.Terminate(t.Context(), ""),
	} {
		g.Expect(ClassOf(err)).To(Equal(ClassInvalid))
	}
	g.Expect(server.received()).To(BeEmpty())
}

func TestGetToleratesUnknownFieldsAndValues(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{
		"cluster_id":"c1","state":"HIBERNATING","a_new_field":{"x":[1]},"num_workers":0,
		"spark_context_id":"9007199254740993","start_time":"1600000000123","terminated_time":1600000000456,
		"cluster_memory_mb":"187392","driver":{"start_timestamp":"17"},
		"data_security_mode":"SOMETHING_NEW","termination_reason":{"code":"NOVEL","type":"STRANGE","parameters":{"a":"b"}},
		"spec":{"spark_version":"v","apply_policy_default_values":true}}`))
	got, err := server.client(t).Get(t.Context(), "c1")
	g.Expect(err).NotTo(HaveOccurred())
	cluster := got.Details
	g.Expect(cluster.State).To(Equal(compute.State("HIBERNATING")))
	g.Expect(cluster.SparkContextId).To(Equal(int64(9007199254740993)))
	g.Expect(cluster.StartTime).To(Equal(int64(1600000000123)))
	g.Expect(cluster.TerminatedTime).To(Equal(int64(1600000000456)))
	g.Expect(cluster.ClusterMemoryMb).To(Equal(int64(187392)))
	g.Expect(cluster.Driver.StartTimestamp).To(Equal(int64(17)))
	g.Expect(cluster.DataSecurityMode).To(Equal(compute.DataSecurityMode("SOMETHING_NEW")))
	g.Expect(cluster.TerminationReason.Code).To(Equal(compute.TerminationReasonCode("NOVEL")))
	g.Expect(cluster.Spec).To(BeNil())
	g.Expect(string(got.Spec)).To(Equal(`{"spark_version":"v","apply_policy_default_values":true}`))
	g.Expect(cluster.ForceSendFields).To(ContainElement("NumWorkers"), "presence of a zero is kept")
}

func TestListReturnsAPageAndItsToken(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{"clusters":[{"cluster_id":"a","start_time":"5"},{"cluster_id":"b"}],"next_page_token":"t"}`))
	page, err := server.client(t).List(t.Context(), ListQuery{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Clusters).To(HaveLen(2))
	g.Expect(page.Clusters[0].StartTime).To(Equal(int64(5)))
	g.Expect(page.NextPageToken).To(Equal("t"))
}

func TestMeReturnsThePrincipalAndTheWorkspaceID(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Databricks-Org-Id", "1234567890")
		respondWith(http.StatusOK, `{"id":42,"userName":"app-id","emails":"wrong type"}`)(w, r)
	})
	me, err := server.client(t).Me(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(me).To(Equal(Principal{ID: "42", UserName: "app-id", WorkspaceID: "1234567890"}))
}

func TestASuccessfulResponseWithWrongContentIsAFailure(t *testing.T) {
	t.Parallel()
	get := func(c *Client) error { _, err := c.Get(t.Context(), "c1"); return err }
	list := func(c *Client) error { _, err := c.List(t.Context(), ListQuery{}); return err }
	me := func(c *Client) error { _, err := c.Me(t.Context()); return err }
	create := func(c *Client) error { _, err := c.Create(t.Context(), CreateRequest{}); return err }
	start := func(c *Client) error { return c.Start(t.Context(), "c1") }
	html := "\n <!DOCTYPE html><html><title>Log in</title></html>"
	for name, tc := range map[string]struct {
		call func(*Client) error
		body string
		want Class
	}{
		"get: another cluster":        {get, `{"cluster_id":"c2"}`, ClassTransient},
		"get: no id":                  {get, `{}`, ClassTransient},
		"get: null":                   {get, `null`, ClassTransient},
		"get: a list":                 {get, `[]`, ClassTransient},
		"get: nothing":                {get, ``, ClassTransient},
		"get: cut short":              {get, `{"cluster_id":"c1","sta`, ClassTransient},
		"get: two documents":          {get, `{"cluster_id":"c1"}{}`, ClassTransient},
		"get: wrong type":             {get, `{"cluster_id":"c1","num_workers":"many"}`, ClassTransient},
		"get: wrong type of object":   {get, `{"cluster_id":"c1","spec":"x"}`, ClassTransient},
		"get: too big a number":       {get, `{"cluster_id":"c1","spark_context_id":99999999999999999999}`, ClassTransient},
		"get: html":                   {get, html, ClassHost},
		"get: xml":                    {get, `<?xml version="1.0"?><a/>`, ClassHost},
		"list: an item without id":    {list, `{"clusters":[{"cluster_id":"a"},{}]}`, ClassTransient},
		"list: an item of wrong type": {list, `{"clusters":[{"cluster_id":"a"},7]}`, ClassTransient},
		"list: clusters is no list":   {list, `{"clusters":{}}`, ClassTransient},
		"list: nothing":               {list, ``, ClassTransient},
		"list: html":                  {list, html, ClassHost},
		"me: no name":                 {me, `{"id":"1"}`, ClassTransient},
		"me: html":                    {me, html, ClassHost},
		"create: no id":               {create, `{}`, ClassAmbiguous},
		"create: nothing":             {create, ``, ClassAmbiguous},
		"create: cut short":           {create, `{"cluster_i`, ClassAmbiguous},
		"create: html":                {create, html, ClassAmbiguous},
		"start: html":                 {start, html, ClassAmbiguous},
		"start: nothing":              {start, ``, ""},
		"start: {}":                   {start, `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newWorkspace(t, respondWith(http.StatusOK, tc.body))
			err := tc.call(server.client(t))
			NewWithT(t).Expect(ClassOf(err)).To(Equal(tc.want), "%v", err)
		})
	}
}
