package simulator_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const listPath = "/api/2.1/clusters/list"

func TestLimitIsATokenBucketPerEndpoint(t *testing.T) {
	b := newHarness(t, simulator.Options{Limits: []simulator.Limit{{Endpoint: "clusters/list", Rate: 2, Burst: 2}}})
	b.ok(http.MethodGet, listPath, "")
	b.ok(http.MethodGet, listPath, "")
	b.expectError(http.MethodGet, listPath, "", 429, "REQUEST_LIMIT_EXCEEDED", "ClustersList RPC token bucket limit has been exceeded.")
	b.ok(http.MethodGet, "/api/2.1/clusters/spark-versions", "")
	b.advance(500 * time.Millisecond)
	b.ok(http.MethodGet, listPath, "")
	b.expectError(http.MethodGet, listPath, "", 429, "REQUEST_LIMIT_EXCEEDED", "")
	b.s.SetLimits()
	b.ok(http.MethodGet, listPath, "")
}

func TestLimitWithoutEndpointIsShared(t *testing.T) {
	b := newHarness(t, simulator.Options{Limits: []simulator.Limit{{Rate: 1, Burst: 2}}})
	b.ok(http.MethodGet, listPath, "")
	b.ok(http.MethodGet, "/api/2.1/clusters/spark-versions", "")
	b.expectError(http.MethodGet, "/api/2.1/clusters/list-zones", "", 429, "REQUEST_LIMIT_EXCEEDED", "ClustersListZones")
}

func TestWorkspacesHaveSeparateBuckets(t *testing.T) {
	options := twoWorkspaces()
	options.Limits = []simulator.Limit{{Rate: 1}}
	b := newHarness(t, options)
	b.as("token-a").ok(http.MethodGet, listPath, "")
	b.as("token-b").ok(http.MethodGet, listPath, "")
	b.as("token-a").expectError(http.MethodGet, listPath, "", 429, "REQUEST_LIMIT_EXCEEDED", "")
}

func TestRetryAfterForms(t *testing.T) {
	for form, want := range map[string]string{
		"":                           "",
		simulator.RetryAfterSeconds:  "10",
		simulator.RetryAfterDate:     "Wed, 18 Mar 2026 15:18:02 GMT",
		"a while":                    "a while",
		"-5":                         "-5",
		"Wed, 01 Jan 2100 00:00:00 ": "Wed, 01 Jan 2100 00:00:00 ",
	} {
		b := newHarness(t, simulator.Options{Limits: []simulator.Limit{{Rate: 0.1, RetryAfter: form, RetryInfo: true}}})
		b.ok(http.MethodGet, listPath, "")
		a := b.call(http.MethodGet, listPath, "")
		b.Expect(a.status).To(Equal(429))
		b.Expect(a.header.Get("Retry-After")).To(Equal(want))
		b.Expect(a.body["details"]).To(ConsistOf(HaveKeyWithValue("retry_delay", "10.000s")))
	}
}
