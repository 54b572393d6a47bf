package databricks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// More requests on which the classes depend.
var (
	getGrants  = request{method: http.MethodGet, path: permissionsPath + "c1", endpoint: permissionsEndpoint, clusterID: "c1", clusterOnly: true}
	setGrants  = request{method: http.MethodPut, path: permissionsPath + "c1", endpoint: permissionsEndpoint, write: true, clusterID: "c1"}
	resizeC1   = request{method: http.MethodPost, path: "/api/2.1/clusters/resize", write: true, allocates: true, clusterID: "c1", clusterOnly: true}
	libraries1 = request{method: http.MethodPost, path: "/api/2.0/libraries/install", write: true, clusterID: "c1"}
	me         = request{method: http.MethodGet, path: "/api/2.0/preview/scim/v2/Me"}
)

// body returns an error body of the REST API.
func body(code, message string) string {
	encoded, _ := json.Marshal(map[string]string{"error_code": code, "message": message})
	return string(encoded)
}

func TestKnownErrorBodies(t *testing.T) {
	t.Parallel()
	const (
		exactlyOne  = "Exactly 1 of virtual_cluster_size, num_workers or autoscale must be specified."
		noACLs      = "FEATURE_DISABLED: ACLs for cluster are disabled or not available in this tier"
		noWorkers   = "Current organization 1234 does not have any associated worker environments"
		notReady    = "Worker environment not ready"
		noPrincipal = "Principal: UserName(x@example.com) does not exist"
		pinned      = "Cluster c1 is pinned. Please ask an admin to unpin the cluster first."
		noPool      = "Can't find an instance pool with id: pool-1."
		noPolicy    = "Can't find a cluster policy with id: P1."
		failedRule  = "Cluster validation error: Validation failed for spark_version, the value must be 16.4.x-scala2.12"
	)
	for name, tc := range map[string]struct {
		request  request
		status   int
		body     string
		want     Class
		answered bool
	}{
		"no size, old":                 {createOne, 400, body("INVALID_PARAMETER_VALUE", "Missing required field: size"), ClassInvalid, true},
		"two sizes":                    {createOne, 400, body("INVALID_PARAMETER_VALUE", exactlyOne), ClassInvalid, true},
		"EBS":                          {createOne, 400, body("INVALID_PARAMETER_VALUE", "At least one EBS volume must be attached for clusters created with node type m4.xlarge."), ClassInvalid, true},
		"edit of a job cluster":        {editC1, 400, body("INVALID_PARAMETER_VALUE", "Cannot edit cluster c1 created by JobLauncher"), ClassInvalid, true},
		"policy violation":             {createOne, 400, body("INVALID_PARAMETER_VALUE", failedRule), ClassInvalid, true},
		"policy, another wording":      {editC1, 400, body("INVALID_PARAMETER_VALUE", "num_workers must be at most 5 by policy small"), ClassInvalid, true},
		"policy, a field is missing":   {createOne, 400, body("INVALID_PARAMETER_VALUE", "Cluster validation error: Missing required field: custom_tags.team"), ClassInvalid, true},
		"policy, no code":              {createOne, 400, `{"message":"` + failedRule + `"}`, ClassInvalid, true},
		"not allowed to create":        {createOne, 403, body("PERMISSION_DENIED", "You are not authorized to create clusters."), ClassForbidden, true},
		"new workspace":                {createOne, 400, body("INVALID_PARAMETER_VALUE", noWorkers), ClassTransient, true},
		"new workspace, no code":       {createOne, 400, `{"message":"` + noWorkers + `"}`, ClassTransient, true},
		"not ready":                    {createOne, 400, body("INTERNAL_ERROR", notReady), ClassTransient, true},
		"not ready, no code":           {createOne, 400, `{"message":"` + notReady + `"}`, ClassTransient, true},
		"not ready, 500":               {createOne, 500, body("INTERNAL_ERROR", notReady), ClassTransient, true},
		"not ready, page":              {createOne, 400, "<html><body><pre>" + notReady + "</pre></body></html>", ClassTransient, false},
		"not ready, page of a 500":     {createOne, 500, "<html><body><pre>\n " + notReady + "</pre></body></html>", ClassTransient, false},
		"not ready, read":              {getC1, 500, "<pre>" + notReady + "</pre>", ClassTransient, false},
		"unknown principal":            {setGrants, 404, body("RESOURCE_DOES_NOT_EXIST", noPrincipal), ClassInvalid, true},
		"unknown principal, 400":       {setGrants, 400, body("INVALID_PARAMETER_VALUE", noPrincipal), ClassInvalid, true},
		"unknown principal, no code":   {setGrants, 404, `{"message":"` + noPrincipal + `"}`, ClassInvalid, true},
		"no ACLs":                      {setGrants, 403, body("PERMISSION_DENIED", "ACL is not supported in your workspace."), ClassForbidden, true},
		"no ACLs, 500":                 {getGrants, 500, body("INTERNAL_ERROR", noACLs), ClassForbidden, true},
		"no ACLs, 500 on a write":      {setGrants, 500, body("INTERNAL_ERROR", noACLs), ClassForbidden, true},
		"no ACLs, code":                {setGrants, 400, body("FEATURE_DISABLED", "ACLs for cluster are disabled"), ClassForbidden, true},
		"limit of clusters":            {createOne, 400, body("INVALID_STATE", "The number of clusters has reached the limit of 100."), ClassQuota, true},
		"wrong state":                  {editC1, 400, body("INVALID_STATE", "Cluster c1 is in unexpected state Pending."), ClassBusy, true},
		"pinned":                       {deleteC1, 400, body("INVALID_PARAMETER_VALUE", pinned), ClassPinned, true},
		"pinned, another code":         {deleteC1, 400, body("INVALID_STATE", pinned), ClassPinned, true},
		"quota":                        {createOne, 429, body("REQUEST_LIMIT_EXCEEDED", "x"), ClassQuota, true},
		"bad token, 401":               {me, 401, body("UNAUTHENTICATED", "Invalid access token."), ClassUnauthenticated, true},
		"bad token, 403":               {createOne, 403, `{"error_code":403,"message":"Invalid access token."}`, ClassUnauthenticated, true},
		"bad token, 403 as text":       {createOne, 403, "Invalid access token.", ClassUnauthenticated, false},
		"bad token, SCIM":              {me, 403, `{"schemas":[],"detail":"Invalid access token.","status":"403"}`, ClassUnauthenticated, true},
		"no pool on start":             {startC1, 404, body("RESOURCE_DOES_NOT_EXIST", noPool), ClassInvalid, true},
		"no pool on start, 400":        {startC1, 400, body("INVALID_PARAMETER_VALUE", "Cluster validation error: "+noPool), ClassInvalid, true},
		"no policy on start":           {startC1, 404, body("RESOURCE_DOES_NOT_EXIST", noPolicy), ClassInvalid, true},
		"no policy on resize":          {resizeC1, 400, body("RESOURCE_DOES_NOT_EXIST", noPolicy), ClassInvalid, true},
		"no cluster on start":          {startC1, 404, body("RESOURCE_DOES_NOT_EXIST", "Cluster c1 does not exist"), ClassMissing, true},
		"no cluster on start, 400":     {startC1, 400, body("INVALID_PARAMETER_VALUE", "Cluster c1 does not exist"), ClassMissing, true},
		"no cluster for libraries":     {libraries1, 400, body("INVALID_PARAMETER_VALUE", "Cluster c1 does not exist"), ClassMissing, true},
		"purged":                       {getC1, 400, body("INVALID_STATE", "Cannot access cluster c1 that was terminated or unpinned more than 30 days ago."), ClassMissing, true},
		"purged, permissions":          {getGrants, 400, body("INVALID_STATE", "Cannot access cluster c1"), ClassMissing, true},
		"legacy":                       {getC1, 500, `{"error":"java.lang.NullPointerException"}`, ClassTransient, true},
		"OAuth":                        {me, 401, `{"error":"invalid_client","error_description":"Client authentication failed"}`, ClassUnauthenticated, true},
		"text with a code":             {me, 500, "INTERNAL_ERROR: no", ClassTransient, true},
		"text with a code of a proxy":  {me, 503, "ERROR: the upstream is down", ClassTransient, false},
		"text":                         {me, 502, "Bad Gateway", ClassTransient, false},
		"nothing":                      {me, 503, "", ClassTransient, false},
		"page":                         {me, 503, "<html></html>", ClassTransient, false},
		"a gateway's JSON":             {me, 503, `{"message":"Service Unavailable"}`, ClassTransient, false},
		"500 of the workspace":         {createOne, 500, body("INTERNAL_ERROR", "x"), ClassAmbiguous, true},
		"unknown":                      {createOne, 400, body("UNKNOWN", "x"), ClassAmbiguous, true},
		"data loss":                    {createOne, 400, body("DATA_LOSS", "x"), ClassAmbiguous, true},
		"cancelled":                    {createOne, 400, body("CANCELLED", "x"), ClassAmbiguous, true},
		"unavailable, on a write":      {createOne, 400, body("TEMPORARILY_UNAVAILABLE", "x"), ClassAmbiguous, true},
		"deadline, on a write":         {createOne, 400, body("DEADLINE_EXCEEDED", "x"), ClassAmbiguous, true},
		"no cluster, but a 500":        {getC1, 500, body("INTERNAL_ERROR", "Cluster c1 does not exist"), ClassTransient, true},
		"no cluster, but a 403":        {getC1, 403, body("PERMISSION_DENIED", "Cluster c1 does not exist"), ClassForbidden, true},
		"bad request":                  {createOne, 400, body("BAD_REQUEST", "x"), ClassInvalid, true},
		"malformed":                    {createOne, 400, body("MALFORMED_REQUEST", "x"), ClassInvalid, true},
		"unavailable":                  {me, 503, body("TEMPORARILY_UNAVAILABLE", "x"), ClassTransient, true},
		"exhausted":                    {me, 429, body("RESOURCE_EXHAUSTED", "x"), ClassThrottled, true},
		"deadline":                     {me, 504, body("DEADLINE_EXCEEDED", "x"), ClassTransient, true},
		"bad path":                     {editC1, 404, body("ENDPOINT_NOT_FOUND", "No API found for 'POST /clusters/update'"), ClassUnsupported, true},
		"conflict":                     {editC1, 409, body("RESOURCE_CONFLICT", "x"), ClassBusy, true},
		"not implemented":              {editC1, 501, body("NOT_IMPLEMENTED", "x"), ClassUnsupported, true},
		"a value that looks like one":  {createOne, 400, body("INVALID_PARAMETER_VALUE", "Node type deadline exceeded is not supported."), ClassInvalid, true},
		"another one, no code":         {createOne, 400, `{"message":"Node type 'Timed out after 5' is not supported."}`, ClassInvalid, true},
		"not ready in the middle":      {createOne, 400, body("INVALID_PARAMETER_VALUE", "Tag "+notReady+" is too long"), ClassInvalid, true},
		"token in the middle":          {createOne, 403, body("403", "Tag Invalid access token is too long"), ClassForbidden, true},
		"denied, and quotes a token":   {createOne, 403, body("PERMISSION_DENIED", "Invalid access token."), ClassForbidden, true},
		"limit in the middle":          {createOne, 400, body("INVALID_PARAMETER_VALUE", "Tag REQUEST_LIMIT_EXCEEDED is too long"), ClassInvalid, true},
		"feature in the middle":        {createOne, 500, body("INTERNAL_ERROR", "Tag FEATURE_DISABLED is too long"), ClassAmbiguous, true},
		"an odd pin":                   {editC1, 400, body("INVALID_PARAMETER_VALUE", "Tag unpin the cluster first is too long"), ClassInvalid, true},
		"missing in the middle":        {editC1, 400, body("INVALID_PARAMETER_VALUE", "Tag Cluster c1 does not exist is too long"), ClassInvalid, true},
		"a start that quotes a policy": {startC1, 400, body("INVALID_PARAMETER_VALUE", "Cluster pool does not exist"), ClassInvalid, true},
	} {
		t.Run("[case-71] [S8] "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			failure := classify(tc.request, response{status: tc.status, header: http.Header{}, body: []byte(tc.body)}, time.Now())
			g.Expect(failure.Class).To(Equal(tc.want), "%+v", failure)
			g.Expect(failure.Answered).To(Equal(tc.answered))
		})
	}
}

func TestTheErrorContainsTheIDOfAMissingPool(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusNotFound, body("RESOURCE_DOES_NOT_EXIST", "Can't find an instance pool with id: pool-1.")))
	g.Expect(server.client(t).Start(t.Context(), "c1")).To(MatchError(ContainSubstring("pool-1")))
}

// knownSentences returns texts that have a meaning in a message of Databricks.
func knownSentences() []string {
	return []string{
		"deadline exceeded", "context deadline exceeded", "Timed out after 30s", "Worker environment not ready", "Unknown worker environment",
		"Current organization 1 does not have any associated worker environments", "There is no worker environment with id 7",
		"com.databricks.backend.manager.util.UnknownWorkerEnvironmentException: 7", "ClusterNotReadyException", "worker env x not found",
		"Invalid access token.", "token has expired", "REQUEST_LIMIT_EXCEEDED: slow down", "FEATURE_DISABLED: no", "Cluster c1 does not exist",
		"Cannot access cluster c1", "please unpin the cluster first", "Principal: UserName(x) does not exist", "quota", "rate limit", "token bucket",
		"too many requests", "INTERNAL_ERROR", "<pre>Worker environment not ready</pre>", "<html>",
	}
}

// A message that quotes a value of the request at any position must have the same class
// as the message without it.
func TestAQuotedValueDoesNotChangeTheClass(t *testing.T) {
	t.Parallel()
	values := rapid.OneOf(rapid.SampledFrom(knownSentences()), rapid.String())
	codes := rapid.SampledFrom([]string{
		"", "INTERNAL_ERROR", "UNKNOWN", "400", "403", "INVALID_PARAMETER_VALUE", "INVALID_STATE", "PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST",
		"REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "FEATURE_DISABLED", "DEADLINE_EXCEEDED", "SOMETHING_NEW",
	})
	messages := rapid.SampledFrom(append(knownSentences(), "", "Invalid value: ", "Cluster validation error: Validation failed for node_type_id: "))
	t.Run("[case-71] [S8]", rapid.MakeCheck(func(t *rapid.T) {
		r := rapid.SampledFrom([]request{createOne, editC1, setGrants, libraries1}).Draw(t, "request")
		value := values.Draw(t, "value")
		encoded, err := json.Marshal(map[string]any{"cluster_id": r.clusterID, "custom_tags": map[string]string{"k": value}})
		if err != nil {
			t.Fatal(err)
		}
		r.body = encoded
		status := rapid.SampledFrom([]int{400, 401, 403, 404, 409, 429, 500, 503}).Draw(t, "status")
		code, message := codes.Draw(t, "code"), messages.Draw(t, "message")
		format := rapid.SampledFrom([]string{"%[1]s %[2]s", "%[1]s '%[2]s' is not allowed", `%[1]s {"k":%[2]q}`}).Draw(t, "format")
		if message == "" {
			format = "%[2]s" // the quote is at the beginning
		}
		classOf := func(message string) Class {
			return classify(r, response{status: status, header: http.Header{}, body: []byte(body(code, message))}, time.Now()).Class
		}
		quoted := fmt.Sprintf(format, message, value)
		plain := fmt.Sprintf(format, message, "")
		if got, want := classOf(quoted), classOf(plain); got != want {
			t.Fatalf("%d %s: %q is %s, and %q is %s", status, code, quoted, got, plain, want)
		}
	}))
}

// A quoted value must not change the class, except between limits.
func FuzzQuotedSpec(f *testing.F) {
	for _, saying := range knownSentences() {
		f.Add(400, "", "Invalid value: ", saying)
		f.Add(500, "INTERNAL_ERROR", "", saying)
	}
	f.Fuzz(func(t *testing.T, status int, code, message, value string) {
		r := createOne
		r.body, _ = json.Marshal(map[string]string{"node_type_id": value})
		classOf := func(message string) Class {
			return classify(r, response{status: 400 + max(status, -status)%200, header: http.Header{}, body: []byte(body(code, message))}, time.Now()).Class
		}
		if strings.Contains(value, message) && message != "" {
			t.Skip("the request contains the message of the server")
		}
		with, without := classOf("Invalid value: "+message+" "+value), classOf("Invalid value: "+message+" ")
		if with != without && !slices.Contains([]Class{ClassQuota, ClassThrottled}, without) {
			t.Fatalf("%s with the quote, and %s without it", with, without)
		}
	})
}
