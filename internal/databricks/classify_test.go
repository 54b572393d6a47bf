package databricks

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// The requests on which the classes depend.
var (
	getC1     = request{method: http.MethodGet, path: "/api/2.1/clusters/get", clusterID: "c1", clusterOnly: true}
	listPage  = request{method: http.MethodGet, path: "/api/2.1/clusters/list"}
	createOne = request{method: http.MethodPost, path: "/api/2.1/clusters/create", write: true, allocates: true}
	editC1    = request{method: http.MethodPost, path: "/api/2.1/clusters/edit", write: true, allocates: true, clusterID: "c1"}
	startC1   = request{method: http.MethodPost, path: "/api/2.1/clusters/start", write: true, allocates: true, clusterID: "c1", clusterOnly: true}
	getP1     = request{method: http.MethodGet, collection: ClusterPolicies, itemID: "P1", itemOnly: true}
	createP   = request{method: http.MethodPost, collection: ClusterPolicies, write: true, allocates: true, names: true}
	editP1    = request{method: http.MethodPost, collection: ClusterPolicies, write: true, allocates: true, names: true, itemID: "P1"}
	grantP1   = request{method: http.MethodPut, collection: ClusterPolicies, write: true, itemID: "P1"}
	deleteP1  = request{method: http.MethodPost, collection: ClusterPolicies, write: true, itemID: "P1", itemOnly: true}
	editI1    = request{method: http.MethodPost, collection: InstancePools, write: true, allocates: true, names: true, itemID: "I1"}
	deleteC1  = request{method: http.MethodPost, path: "/api/2.1/clusters/permanent-delete", write: true, clusterID: "c1", clusterOnly: true}
)

func TestClassify(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><html><body>Sign in</body></html>"
	for name, tc := range map[string]struct {
		request    request
		status     int
		retryAfter string
		body       string
		want       Class
	}{
		// Missing clusters, and similar responses.
		"get: 404":                         {getC1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}`, ClassMissing},
		"get: 404 by text":                 {getC1, 404, "", `{"message":"Cluster c1 does not exist"}`, ClassMissing},
		"get: 400 does not exist":          {getC1, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cluster c1 does not exist"}`, ClassMissing},
		"get: purged":                      {getC1, 400, "", `{"error_code":"INVALID_STATE","message":"Cannot access cluster c1 that was terminated or unpinned more than 30 days ago."}`, ClassMissing},
		"get: another INVALID_STATE":       {getC1, 400, "", `{"error_code":"INVALID_STATE","message":"hm"}`, ClassTransient},
		"get: 404 of a web server":         {getC1, 404, "", page, ClassHost},
		"get: 404 of a proxy":              {getC1, 404, "", "not found", ClassUnsupported},
		"get: 404 without a body":          {getC1, 404, "", "", ClassUnsupported},
		"get: 404 of an unknown path":      {getC1, 404, "", `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'GET /clusters/get'"}`, ClassUnsupported},
		"get: text that says so, not JSON": {getC1, 400, "", "INVALID_PARAMETER_VALUE: Cluster c1 does not exist", ClassInvalid},
		"delete: missing":                  {deleteC1, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cluster c1 does not exist"}`, ClassMissing},
		"edit: missing":                    {editC1, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cluster c1 does not exist"}`, ClassMissing},
		"edit: the policy is missing":      {editC1, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cluster policy P1 does not exist"}`, ClassInvalid},
		"edit: the pool is missing":        {editC1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Instance pool P1 does not exist"}`, ClassInvalid},
		"create: the pool is missing":      {createOne, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Cluster pool does not exist"}`, ClassInvalid},
		"list: 404":                        {listPage, 404, "", "", ClassUnsupported},
		"start: purged":                    {startC1, 400, "", `{"error_code":"INVALID_STATE","message":"Cannot access cluster c1 that was terminated"}`, ClassBusy},

		// Items of collections.
		"item: 404":                          {getP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}`, ClassMissing},
		"item: 404 by a newer code":          {getP1, 404, "", `{"error_code":"NOT_FOUND","message":"no"}`, ClassMissing},
		"item: 404 of a proxy":               {getP1, 404, "", "not found", ClassUnsupported},
		"item: 404 that is no JSON":          {getP1, 404, "", "RESOURCE_DOES_NOT_EXIST: no", ClassInvalid},
		"item: 404 of an unknown path":       {getP1, 404, "", `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found"}`, ClassUnsupported},
		"item: 403":                          {getP1, 403, "", `{"error_code":"PERMISSION_DENIED","message":"no"}`, ClassForbidden},
		"item: 500":                          {getP1, 500, "", `{"error_code":"INTERNAL_ERROR","message":"no"}`, ClassTransient},
		"item: its delete finds none":        {deleteP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}`, ClassMissing},
		"item: its edit finds none":          {editP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Can't find a cluster policy with id: P1."}`, ClassMissing},
		"item: its edit finds no pool":       {editI1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Can't find an instance pool with id: I1."}`, ClassMissing},
		"item: its edit names a lost one":    {editP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Can't find a cluster policy with id: P11."}`, ClassInvalid},
		"item: its edit names a lost family": {editP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Can't find a policy family"}`, ClassInvalid},
		"item: permissions for a lost user":  {grantP1, 404, "", `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Principal: UserName(x) does not exist"}`, ClassInvalid},
		"item: busy":                         {editI1, 400, "", `{"error_code":"INVALID_STATE","message":"x"}`, ClassBusy},
		"item: the state of a read":          {getP1, 400, "", `{"error_code":"INVALID_STATE","message":"Cannot access cluster P1"}`, ClassTransient},
		"item: too many":                     {createP, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"there are 100 policies"}`, ClassQuota},
		"item: lost create":                  {createP, 502, "", "", ClassAmbiguous},

		// Busy and pinned clusters.
		"start: is running":      {startC1, 400, "", `{"error_code":"INVALID_STATE","message":"Cluster c1 is in unexpected state Running.","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"CM_API_ERROR_SOURCE_CALLER_ERROR","domain":""}]}`, ClassBusy},
		"edit: conflict":         {editC1, 409, "", `{"error_code":"RESOURCE_CONFLICT","message":"busy"}`, ClassBusy},
		"edit: aborted":          {editC1, 409, "", `{"error_code":"ABORTED","message":"busy"}`, ClassBusy},
		"edit: plain 409":        {editC1, 409, "", "", ClassBusy},
		"create: already exists": {createOne, 409, "", `{"error_code":"RESOURCE_ALREADY_EXISTS","message":"x"}`, ClassInvalid},
		"delete: pinned":         {deleteC1, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Cluster c1 is pinned, unpin the cluster first"}`, ClassPinned},

		// Invalid requests, credentials and permissions.
		"create: invalid":             {createOne, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Missing required field: size"}`, ClassInvalid},
		"create: malformed":           {createOne, 400, "", `{"error_code":"MALFORMED_REQUEST","message":"x"}`, ClassInvalid},
		"create: unknown code":        {createOne, 400, "", `{"error_code":"SOMETHING_NEW","message":"x"}`, ClassInvalid},
		"create: invalid with a 500":  {createOne, 500, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"x"}`, ClassInvalid},
		"create: 413":                 {createOne, 413, "", "", ClassInvalid},
		"create: 400 of a web server": {createOne, 400, "", page, ClassHost},
		"get: 401":                    {getC1, 401, "", "", ClassUnauthenticated},
		"get: 401 of a web server":    {getC1, 401, "", page, ClassUnauthenticated},
		"get: 403 invalid token":      {getC1, 403, "", "Invalid access token.", ClassUnauthenticated},
		"get: 403 invalid token JSON": {getC1, 403, "", `{"error_code":"403","message":"Invalid access token."}`, ClassUnauthenticated},
		"get: 403":                    {getC1, 403, "", `{"error_code":"PERMISSION_DENIED","message":"no"}`, ClassForbidden},
		"get: 403 of a web server":    {getC1, 403, "", page, ClassForbidden},
		"get: SCIM":                   {getC1, 403, "", `{"schemas":[],"detail":"no","status":"403"}`, ClassForbidden},
		"edit: unknown endpoint":      {editC1, 404, "", `{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'POST /clusters/update'"}`, ClassUnsupported},
		"edit: not implemented":       {editC1, 501, "", `{"error_code":"NOT_IMPLEMENTED"}`, ClassUnsupported},
		"edit: 501 of a proxy":        {editC1, 501, "", "", ClassAmbiguous},
		"edit: 405":                   {editC1, 405, "", "", ClassUnsupported},

		// Limits on requests and on resources.
		"list: 429":                       {listPage, 429, "", "", ClassThrottled},
		"list: 429 exhausted":             {listPage, 429, "", `{"error_code":"RESOURCE_EXHAUSTED","message":"Too many requests"}`, ClassThrottled},
		"list: limit exceeded":            {listPage, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x"}`, ClassThrottled},
		"list: limit exceeded with 500":   {listPage, 500, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x"}`, ClassThrottled},
		"list: limit exceeded in a text":  {listPage, 400, "", `{"message":"REQUEST_LIMIT_EXCEEDED: slow down"}`, ClassThrottled},
		"create: token bucket":            {createOne, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"CreateCluster RPC token bucket limit has been exceeded."}`, ClassThrottled},
		"create: too many resources":      {createOne, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Creating this cluster would exceed the limit of 5 clusters"}`, ClassQuota},
		"create: too many, but come back": {createOne, 429, "3", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x"}`, ClassThrottled},
		"create: too many, RetryInfo":     {createOne, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"3.5s"}]}`, ClassThrottled},
		"create: exhausted":               {createOne, 429, "", `{"error_code":"RESOURCE_EXHAUSTED","message":"Too many requests"}`, ClassThrottled},
		"create: quota by text":           {createOne, 429, "", `{"error_code":"RESOURCE_EXHAUSTED","message":"vCPU quota of the subscription"}`, ClassQuota},
		"create: quota by detail":         {createOne, 429, "", `{"error_code":"RESOURCE_EXHAUSTED","message":"x","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"}]}`, ClassQuota},
		"create: quota by code":           {createOne, 403, "", `{"error_code":"QUOTA_EXCEEDED","message":"x"}`, ClassQuota},
		"create: 429 of a web server":     {createOne, 429, "", page, ClassThrottled},
		"delete: limit exceeded":          {deleteC1, 429, "", `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"x"}`, ClassThrottled},

		// Transient and ambiguous failures.
		"create: workspace not ready":  {createOne, 400, "", `{"error_code":"INVALID_PARAMETER_VALUE","message":"Current organization 1 does not have any associated worker environments"}`, ClassTransient},
		"create: not ready, 500":       {createOne, 500, "", `{"error_code":"INTERNAL_ERROR","message":"com.databricks.backend.manager.util.UnknownWorkerEnvironmentException: 1"}`, ClassTransient},
		"create: worker env not found": {createOne, 400, "", `{"message":"worker env x not found"}`, ClassTransient},
		"start: cluster not ready":     {startC1, 400, "", `{"message":"ClusterNotReadyException: wait"}`, ClassTransient},
		"get: timed out inside":        {getC1, 400, "", `{"message":"Timed out after 30s"}`, ClassTransient},
		"create: timed out inside":     {createOne, 400, "", `{"message":"Timed out after 30s"}`, ClassAmbiguous},
		"create: deadline inside":      {createOne, 400, "", `{"message":"context deadline exceeded"}`, ClassAmbiguous},
		"get: 500":                     {getC1, 500, "", `{"error_code":"INTERNAL_ERROR","message":"x"}`, ClassTransient},
		"get: 502 of a proxy":          {getC1, 502, "", page, ClassTransient},
		"get: 503":                     {getC1, 503, "7", `{"error_code":"TEMPORARILY_UNAVAILABLE"}`, ClassTransient},
		"get: 408":                     {getC1, 408, "", "", ClassTransient},
		"create: 500":                  {createOne, 500, "", `{"error_code":"INTERNAL_ERROR","message":"x"}`, ClassAmbiguous},
		"create: 500, code unknown":    {createOne, 500, "", `{"error_code":"NOVEL","message":"x"}`, ClassAmbiguous},
		"create: 502 of a proxy":       {createOne, 502, "", page, ClassAmbiguous},
		"create: 503":                  {createOne, 503, "", "", ClassAmbiguous},
		"create: 504":                  {createOne, 504, "", `{"error_code":"DEADLINE_EXCEEDED"}`, ClassAmbiguous},
		"create: 408":                  {createOne, 408, "", "", ClassAmbiguous},
		"create: cancelled":            {createOne, 499, "", `{"error_code":"CANCELLED"}`, ClassAmbiguous},
		"create: cancelled, no code":   {createOne, 499, "", "", ClassAmbiguous},
		"delete: data loss":            {deleteC1, 500, "", `{"error_code":"DATA_LOSS"}`, ClassAmbiguous},
		"get: 600":                     {getC1, 600, "", "", ClassTransient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			header := http.Header{}
			if tc.retryAfter != "" {
				header.Set("Retry-After", tc.retryAfter)
			}
			failure := classify(tc.request, response{status: tc.status, header: header, body: []byte(tc.body)}, time.Now())
			g.Expect(failure).To(HaveOccurred())
			g.Expect(failure.Class).To(Equal(tc.want), "%+v", failure)
			g.Expect(failure.StatusCode).To(Equal(tc.status))
			g.Expect(failure.Error()).NotTo(BeEmpty())
			g.Expect(failure.Purged).To(Equal(name == "get: purged"))
			if tc.retryAfter != "" {
				g.Expect(failure.RetryAfter).To(BeNumerically(">", 0))
			}
		})
	}
}

func TestARefusalWithAnIncompleteBodyIsTransient(t *testing.T) {
	t.Parallel()
	cut := response{status: 400, header: http.Header{}, body: []byte(`{"error_co`), bodyErr: errors.New("unexpected EOF")}
	NewWithT(t).Expect(classify(createOne, cut, time.Now()).Class).To(Equal(ClassTransient))
	cut.status = 500
	NewWithT(t).Expect(classify(createOne, cut, time.Now()).Class).To(Equal(ClassAmbiguous))
}

func TestParseAPIError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body, code, message string
		delay               time.Duration
	}{
		"REST":              {`{"error_code":"A_B","message":"m","details":[]}`, "A_B", "m", 0},
		"code is a number":  {`{"error_code":403,"message":"m"}`, "403", "m", 0},
		"API 1.2":           {`{"error":"old"}`, "", "old", 0},
		"SCIM":              {`{"detail":"d","status":"404","scimType":"x"}`, "SCIM_404", "d", 0},
		"SCIM, number":      {`{"detail":"d","status":404}`, "SCIM_404", "d", 0},
		"OAuth":             {`{"error":"invalid_client","error_description":"who?"}`, "invalid_client", "who?", 0},
		"text with a code":  {"PERMISSION_DENIED: no\nreally", "PERMISSION_DENIED", "no\nreally", 0},
		"text":              {"no", "", "no", 0},
		"HTML with pre":     {"<html><body><pre>a &amp; b</pre></body></html>", "", "a & b", 0},
		"HTML":              {"<html></html>", "", "the host responded with a web page", 0},
		"nothing":           {"", "", "", 0},
		"null":              {"null", "", "null", 0},
		"wrong types":       {`{"error_code":{},"message":[1],"details":{"@type":1}}`, "", "", 0},
		"odd details":       {`{"error_code":"A","message":"m","details":[1,null,"x",{},{"@type":7},{"@type":"nonsense"},{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}`, "A", "m", 0},
		"RetryInfo":         {`{"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"3.5s"}]}`, "", "m", 3500 * time.Millisecond},
		"RetryInfo, parts":  {`{"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":{"seconds":"2","nanos":500000000}}]}`, "", "m", 2500 * time.Millisecond},
		"RetryInfo, camel":  {`{"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}]}`, "", "m", time.Second},
		"RetryInfo, absurd": {`{"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"1e300s"}]}`, "", "m", maxRetryAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			apiErr := parseAPIError([]byte(tc.body))
			g.Expect(apiErr.code).To(Equal(tc.code))
			g.Expect(apiErr.message).To(Equal(tc.message))
			g.Expect(apiErr.retryDelay).To(Equal(tc.delay))
		})
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"1.5":                            1500 * time.Millisecond,
		"-5":                             0,
		"864000":                         maxRetryAfter,
		"99999999999999999999999999999":  maxRetryAfter,
		"inf":                            maxRetryAfter,
		"nan":                            0,
		"soon":                           0,
		"Sun, 22 Nov 2026 15:00:30 GMT":  30 * time.Second,
		"Sun, 22 Nov 2026 14:59:00 GMT":  0,
		"Wed, 02 Dec 2026 15:00:00 GMT":  maxRetryAfter,
		"Sunday, 22-Nov-26 15:00:10 GMT": 10 * time.Second,
		"Fri, 31 Dec 9999 23:59:59 GMT":  maxRetryAfter,
		"Mon, 01 Jan 0001 00:00:00 GMT":  0,
	} {
		NewWithT(t).Expect(parseRetryAfter(value, now)).To(Equal(want), value)
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(ClassOf(nil)).To(BeEmpty())
	g.Expect(ClassOf(errors.New("x"))).To(Equal(ClassTransient))
	g.Expect(ClassOf(errors.Join(errors.New("x"), &Error{Class: ClassBusy}))).To(Equal(ClassBusy))
	g.Expect(&Error{Message: "m", cause: context.Canceled}).To(MatchError(context.Canceled))
	g.Expect((&Error{Code: "C", Message: "m"}).Error()).To(Equal("C: m"))
}
