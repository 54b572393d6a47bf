package databricks

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

func TestWithoutRequestIDs(t *testing.T) {
	t.Parallel()
	const id, other = "7b1f8e2c-1d3a-4f65-9c0e-2f4b6a8d0c1e", "ServiceMain-64f0c7b5a1d2e3f4"
	for said, want := range map[string]string{
		"Internal error (RequestId=%): try again":                                           "Internal error: try again",
		"Internal error. Request ID: %":                                                     "Internal error.",
		"Internal error, request id: %.":                                                    "Internal error.",
		"Internal error. requestId \"%\"":                                                   "Internal error.",
		"Please contact support with request id % for help":                                 "Please contact support for help",
		"denied (Service: AmazonEC2; Request ID: %; Proxy: null)":                           "denied (Service: AmazonEC2; Proxy: null)",
		"AADSTS7000215: bad. Trace ID: % Correlation ID: % Timestamp: 2026-11-26 20:00:00Z": "AADSTS7000215: bad.",
		`{"message":"no","request_id":"%"}`:                                                 `{"message":"no"}`,
		`{\"message\":\"no\",\"requestId\":\"%\"}`:                                          `{\"message\":\"no\"}`,
		"no [x-request-id=%]":                                                               "no",
		"no; trace id %":                                                                    "no",
		"no 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":                        "no",
		"no (error id: %)":                                                                  "no",
		"the request id is missing":                                                         "the request id is missing",
		"Cluster 1126-194213-abc does not exist":                                            "Cluster 1126-194213-abc does not exist",
		"a request is a request, an id an id ()":                                            "a request is a request, an id an id ()",
	} {
		g := NewWithT(t)
		first := withoutRequestIDs(strings.ReplaceAll(said, "%", id))
		g.Expect(first).To(Equal(want), "[case-78] %s", said)
		g.Expect(withoutRequestIDs(strings.ReplaceAll(said, "%", other))).To(Equal(first), "[case-78] a repeated failure: %s", said)
		g.Expect(withoutRequestIDs(first)).To(Equal(first), "it is idempotent: %s", said)
	}
}

func TestARepeatedFailureHasTheSameMessage(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(number string) http.HandlerFunc{
		"JSON": func(n string) http.HandlerFunc {
			return respondWith(400, `{"error_code":"INVALID_STATE","message":"busy (requestId=abc-`+n+`)","details":[{"@type":"type.googleapis.com/google.rpc.RequestInfo","request_id":"`+n+`"}]}`)
		},
		"page": func(n string) http.HandlerFunc { return respondWith(500, `<pre>failed, trace id: `+n+`</pre>`) },
		"hung up": func(string) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		},
	} {
		t.Run("[case-78] "+name, func(t *testing.T) {
			t.Parallel()
			var served atomic.Int32
			server := newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
				handler(strings.Repeat(string('0'+served.Add(1)), 9))(w, r)
			})
			client := server.client(t)
			first, second := read(t.Context(), client), read(t.Context(), client)
			NewWithT(t).Expect(first).To(HaveOccurred())
			NewWithT(t).Expect(second).To(MatchError(first.Error()))
		})
	}
	NewWithT(t).Expect(localAddress.ReplaceAllString("read tcp 10.0.0.1:43512->1.2.3.4:443: read: connection reset by peer", "")).
		To(Equal("read tcp 1.2.3.4:443: read: connection reset by peer"))
}
