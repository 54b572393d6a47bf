package databricks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"
)

func TestAnItemKeepsWhatTheServerSent(t *testing.T) {
	t.Parallel()
	const pool = `{"instance_pool_id":"I1","instance_pool_name":"<a> & b","z_new":{"<k>":[1.10,1e2,12345678901234567890]},"state":"ACTIVE","note":"&\u2028\u00e9"}`
	spaced := strings.ReplaceAll(pool, ",", ",\n  ")
	for name, tc := range map[string]struct {
		body string
		read func(*testing.T, *Client) ([]Item, error)
	}{
		"list": {`{"instance_pools": [` + spaced + `]}`, func(t *testing.T, c *Client) ([]Item, error) { return c.Items(t.Context(), InstancePools) }},
		"get": {spaced, func(t *testing.T, c *Client) ([]Item, error) {
			item, err := c.Item(t.Context(), InstancePools, "I1")
			return []Item{item}, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			items, err := tc.read(t, newWorkspace(t, respondWith(http.StatusOK, tc.body)).client(t))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(items).To(Equal([]Item{{ID: "I1", Name: "<a> & b", JSON: json.RawMessage(pool)}}))
		})
	}
}

func TestAListOfItems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		// ids are those of the items; class is that of the failure.
		ids   []string
		class Class
	}{
		"none, without the key":     {`{}`, nil, ""},
		"none, with null":           {`{"instance_pools":null}`, nil, ""},
		"none":                      {`{"instance_pools":[],"policies":[{"policy_id":"P1","name":"a"}]}`, nil, ""},
		"deleted ones":              {`{"instance_pools":[{"instance_pool_id":"a","instance_pool_name":""},{"instance_pool_id":"b"},{"instance_pool_id":"c","instance_pool_name":"c","state":"DELETED"},{"instance_pool_id":"d","instance_pool_name":null},{}]}`, nil, ""},
		"a stopped one":             {`{"instance_pools":[{"instance_pool_id":"a","instance_pool_name":"a","state":"STOPPED"}]}`, []string{"a"}, ""},
		"a number for a text":       {`{"instance_pools":[{"instance_pool_id":7,"instance_pool_name":8}]}`, []string{"7"}, ""},
		"without an id":             {`{"instance_pools":[{"instance_pool_name":"a"}]}`, nil, ClassTransient},
		"an object for an id":       {`{"instance_pools":[{"instance_pool_id":{},"instance_pool_name":"a"}]}`, nil, ClassTransient},
		"an object for a name":      {`{"instance_pools":[{"instance_pool_id":"a","instance_pool_name":{}}]}`, nil, ClassTransient},
		"an object for a list":      {`{"instance_pools":{}}`, nil, ClassTransient},
		"a text for an item":        {`{"instance_pools":["a"]}`, nil, ClassTransient},
		"null for an item":          {`{"instance_pools":[null]}`, nil, ClassTransient},
		"one valid, one not":        {`{"instance_pools":[{"instance_pool_id":"a","instance_pool_name":"a"},7]}`, nil, ClassTransient},
		"more after the end":        {`{"instance_pools":[]}{}`, nil, ClassTransient},
		"null":                      {`null`, nil, ClassTransient},
		"empty":                     {``, nil, ClassTransient},
		"a login page":              {`<html>`, nil, ClassHost},
		"too many items":            {repeated(`{"instance_pools":[`, `{}`, `]}`, 40_000), nil, ClassTooLarge},
		"too many values":           {repeated(`{"more":[`, `7`, `]}`, 1<<20), nil, ClassTooLarge},
		"too long":                  {`{"instance_pools":[],"more":"` + strings.Repeat("x", maxPageBytes) + `"}`, nil, ClassTooLarge},
		"longer than other answers": {`{"instance_pools":[{"instance_pool_id":"a","instance_pool_name":"a"}],"more":"` + strings.Repeat("x", maxResponseBytes) + `"}`, []string{"a"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			items, err := newWorkspace(t, respondWith(http.StatusOK, tc.body)).client(t).Items(t.Context(), InstancePools)
			g.Expect(ClassOf(err)).To(Equal(tc.class), "%v", err)
			var ids []string
			for _, item := range items {
				ids = append(ids, item.ID)
			}
			g.Expect(ids).To(Equal(tc.ids))
		})
	}
}

func TestAGetOfAnItem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		class  Class
	}{
		"of another id":     {200, `{"policy_id":"P2","name":"a"}`, ClassHost},
		"without an id":     {200, `{"name":"a"}`, ClassHost},
		"without a name":    {200, `{"policy_id":"P1"}`, ClassMissing},
		"of a deleted item": {200, `{"policy_id":"P1","name":"a","state":"DELETED"}`, ClassMissing},
		"of no JSON":        {200, `policy`, ClassTransient},
		"of no item":        {404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Can't find a cluster policy with id: P1."}`, ClassMissing},
		"from a proxy":      {404, `gone`, ClassUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			item, err := newWorkspace(t, respondWith(tc.status, tc.body)).client(t).Item(t.Context(), ClusterPolicies, "P1")
			g.Expect(ClassOf(err)).To(Equal(tc.class), "%v", err)
			g.Expect(item).To(Equal(Item{}))
		})
	}
}

func TestTheWritesOfItemsAreSentUnchanged(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{"policy_id":"P1","instance_pool_id":"I1"}`))
	client := server.client(t)
	ctx := t.Context()
	id, err := client.CreateItem(ctx, ClusterPolicies, json.RawMessage(oddSpec))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id).To(Equal("P1"))
	id, err = client.CreateItem(ctx, InstancePools, json.RawMessage(oddSpec))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id).To(Equal("I1"))
	edit := "{\"instance_pool_id\":\"I1\", " + oddSpec[1:]
	g.Expect(client.EditItem(ctx, InstancePools, json.RawMessage(edit))).To(Succeed())
	g.Expect(client.DeleteItem(ctx, InstancePools, "I1")).To(Succeed())
	g.Expect(client.SetItemPermissions(ctx, ClusterPolicies, "P1", nil)).To(Succeed())
	g.Expect(client.SetItemPermissions(ctx, InstancePools, "a/b?c#d", []iam.AccessControlRequest{{GroupName: "g", PermissionLevel: "CAN_ATTACH_TO"}})).To(Succeed())
	var sent []string
	for _, r := range server.received() {
		sent = append(sent, r.method+" "+r.path+" "+r.body)
	}
	g.Expect(sent).To(Equal([]string{
		"POST /api/2.0/policies/clusters/create " + oddSpec,
		"POST /api/2.0/instance-pools/create " + oddSpec,
		"POST /api/2.0/instance-pools/edit " + edit,
		`POST /api/2.0/instance-pools/delete {"instance_pool_id":"I1"}`,
		`PUT /api/2.0/permissions/cluster-policies/P1 {"access_control_list":[]}`,
		`PUT /api/2.0/permissions/instance-pools/a/b?c#d {"access_control_list":[{"group_name":"g","permission_level":"CAN_ATTACH_TO"}]}`,
	}), "the path is decoded: the id is one segment")
}

func TestInvalidRequestsForItemsAreNotSent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{}`))
	client := server.client(t)
	ctx := t.Context()
	for _, of := range Collections() {
		for _, id := range []string{"", ".", "..", "a b", "a\x00", "a\n", "\xff", strings.Repeat("x", maxItemIDBytes+1)} {
			body, err := json.Marshal(map[string]string{of.idKey: id})
			g.Expect(err).NotTo(HaveOccurred())
			_, getErr := client.Item(ctx, of, id)
			_, permissionsErr := client.ItemPermissions(ctx, of, id)
			_, countErr := client.CountClusters(ctx, id)
			for _, err := range []error{
				getErr, permissionsErr, countErr, client.EditItem(ctx, of, body), client.DeleteItem(ctx, of, id),
				client.SetItemPermissions(ctx, of, id, nil),
			} {
				g.Expect(ClassOf(err)).To(Equal(ClassInvalid), "%q", id)
			}
		}
		for _, body := range []string{"", "[]", "null", "{", "{}x", `"a"`} {
			_, err := client.CreateItem(ctx, of, json.RawMessage(body))
			g.Expect(ClassOf(err)).To(Equal(ClassInvalid), body)
			g.Expect(ClassOf(client.EditItem(ctx, of, json.RawMessage(body)))).To(Equal(ClassInvalid), body)
		}
		g.Expect(ClassOf(client.EditItem(ctx, of, json.RawMessage(`{"`+of.idKey+`":{}}`)))).To(Equal(ClassInvalid))
	}
	g.Expect(server.received()).To(BeEmpty())
}

func TestACreateOfAnItemWithoutAnIDIsAmbiguous(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no id":        respondWith(200, `{}`),
		"another id":   respondWith(200, `{"instance_pool_id":"I1"}`),
		"an empty id":  respondWith(200, `{"policy_id":""}`),
		"an object":    respondWith(200, `{"policy_id":{}}`),
		"no JSON":      respondWith(200, `created`),
		"a web page":   respondWith(200, `<html>`),
		"a long one":   respondWith(200, `{"policy_id":"`+strings.Repeat("x", maxResponseBytes)+`"}`),
		"a 500":        respondWith(500, `{"error_code":"INTERNAL_ERROR"}`),
		"a lost one":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an empty one": respondWith(200, ``),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			server := newWorkspace(t, handler)
			id, err := server.client(t).CreateItem(t.Context(), ClusterPolicies, json.RawMessage(`{"name":"a"}`))
			g.Expect(ClassOf(err)).To(Equal(ClassAmbiguous), "%v", err)
			g.Expect(id).To(BeEmpty())
			g.Expect(server.received()).To(HaveLen(1), "a write is made once")
		})
	}
}

func TestATakenNameIsRecognized(t *testing.T) {
	t.Parallel()
	message := func(code, text string) string { return fmt.Sprintf(`{"error_code":%q,"message":%q}`, code, text) }
	const taken = "Cluster Policy with name `team` already exists"
	createNamed := createP
	createNamed.body = []byte(`{"name":"team"}`)
	spoofing := createP
	spoofing.body = []byte(`{"description":"` + taken + `"}`)
	for name, tc := range map[string]struct {
		request request
		status  int
		body    string
		want    bool
	}{
		"create":                  {createNamed, 400, message(codeInvalidParameter, taken), true},
		"edit":                    {editP1, 400, message(codeInvalidParameter, taken), true},
		"by the code":             {createP, 409, message(codeResourceAlreadyExists, "x"), true},
		"by another code":         {createP, 409, message(codeAlreadyExists, "x"), true},
		"quoted":                  {spoofing, 400, message(codeInvalidParameter, taken), false},
		"in the middle":           {createP, 400, message(codeInvalidParameter, "Invalid: "+taken), false},
		"delete":                  {deleteP1, 400, message(codeInvalidParameter, taken), false},
		"of a cluster":            {createOne, 400, message(codeInvalidParameter, taken), false},
		"ambiguous":               {createP, 500, message(codeInternalError, taken), false},
		"forbidden":               {createP, 403, message("PERMISSION_DENIED", taken), false},
		"another invalid request": {createP, 400, message(codeInvalidParameter, "name is required"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failure := classify(tc.request, response{status: tc.status, header: http.Header{}, body: []byte(tc.body)}, time.Now())
			NewWithT(t).Expect(failure.NameTaken).To(Equal(tc.want), "%s: %v", failure.Class, failure)
			if tc.want {
				NewWithT(t).Expect(failure.Class).To(Equal(ClassInvalid))
			}
		})
	}
}

func TestNamesOfPoliciesAreComparedWithoutCase(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(ClusterPolicies.NameKey("Team Ä")).To(Equal(ClusterPolicies.NameKey("tEAM ä")))
	g.Expect(InstancePools.NameKey("Team")).NotTo(Equal(InstancePools.NameKey("team")))
}

func TestTheClustersOfAPolicyAreCountedOnOnePage(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{"clusters":[{"cluster_id":"a"},{"cluster_id":"b"}],"next_page_token":"t"}`))
	count, err := server.client(t).CountClusters(t.Context(), "P&1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(count).To(Equal(ClusterCount{Clusters: 2, More: true}))
	g.Expect(server.received()).To(HaveLen(1))
	g.Expect(server.received()[0].query).To(Equal("filter_by.policy_id=P%261&page_size=100"))
}

func TestSecretsOfAQuotedItemAreRedacted(t *testing.T) {
	t.Parallel()
	values := secretValues()
	auth := map[string]string{"username": values["username"], "password": values["password"]}
	definition, err := json.Marshal(map[string]any{
		"spark_conf.spark.url":                                          map[string]any{"type": "fixed", "value": values["conf"]},
		"spark_env_vars.KEY":                                            map[string]any{"type": "unlimited", "defaultValue": values["env"]},
		"spark_env_vars.PIN":                                            map[string]any{"type": "allowlist", "values": []string{values["digits"], values["short"]}},
		"docker_image.basic_auth.password":                              map[string]any{"type": "fixed", "value": values["password"]},
		"docker_image.basic_auth.username":                              map[string]any{"type": "regex", "pattern": values["username"]},
		"azure_attributes.log_analytics_info.log_analytics_primary_key": map[string]any{"type": "fixed", "value": values["logKey"]},
		"node_type_id":                                                  map[string]any{"type": "fixed", "value": "visible-type"},
		"malformed":                                                     7,
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	log := map[string]any{"log_analytics_primary_key": values["logKey"], "spark_env_vars": values}
	for name, body := range map[string]map[string]any{
		"definition": {"policy_id": "P1", "name": "visible-name", "definition": string(definition)},
		"overrides":  {"policy_id": "P1", "name": "visible-name", "policy_family_definition_overrides": string(definition)},
		"pool":       {"instance_pool_id": "P1", "policy_id": "P1", "preloaded_docker_images": []any{map[string]any{"url": "registry/image", "basic_auth": auth}}, "more": log},
	} {
		encoded, err := json.Marshal(body)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for quote, quoted := range quotes() {
			t.Run(name+", "+quote, func(t *testing.T) {
				t.Parallel()
				server := newWorkspace(t, func(w http.ResponseWriter, _ *http.Request) { respondWith(400, quoted(string(encoded)))(w, nil) })
				_, createErr := server.client(t).CreateItem(t.Context(), ClusterPolicies, encoded)
				editErr := server.client(t).EditItem(t.Context(), ClusterPolicies, encoded)
				for _, err := range []error{createErr, editErr} {
					NewWithT(t).Expect(err).To(HaveOccurred())
					mustHideAll(t, fmt.Sprintf("%v %+v", err, err))
				}
			})
		}
	}
	server := newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		respondWith(400, `{"message":"fixed visible-type of visible-name is unlimited"}`)(w, r)
	})
	_, err = server.client(t).CreateItem(t.Context(), ClusterPolicies, json.RawMessage(`{"definition":`+string(must(json.Marshal(string(definition))))+`}`))
	failure, _ := errors.AsType[*Error](err)
	NewWithT(t).Expect(failure.Message).To(Equal("fixed visible-type of visible-name is unlimited"))
}

func must(encoded []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return encoded
}
