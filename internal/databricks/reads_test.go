package databricks

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestReadTheCatalogs(t *testing.T) {
	g := NewWithT(t)
	nodes := newWorkspace(t, respondWith(http.StatusOK, `{"node_types":[{"node_type_id":"i3.xlarge","num_cores":4}]}`))
	types, err := nodes.client(t).NodeTypes(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(types).To(HaveLen(1))
	g.Expect(types[0].NodeTypeId).To(Equal("i3.xlarge"))
	g.Expect(nodes.received()[0].path).To(HaveSuffix("/clusters/list-node-types"))
	versions := newWorkspace(t, respondWith(http.StatusOK, `{"versions":[{"key":"16.4.x-scala2.12"}]}`))
	keys, err := versions.client(t).SparkVersions(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys).To(HaveLen(1))
	g.Expect(versions.received()[0].path).To(HaveSuffix("/clusters/spark-versions"))
}

func TestReadTheLibraries(t *testing.T) {
	for name, row := range map[string]struct {
		body string
		ok   bool
	}{
		"one library":                {`{"library_statuses":[{"library":{"jar":"dbfs:/a.jar"},"status":"INSTALLED"}]}`, true},
		"none":                       {`{}`, true},
		"a status without library":   {`{"library_statuses":[{"status":"INSTALLED"}]}`, false},
		"a list of another type":     {`{"library_statuses":"INSTALLED"}`, false},
		"a response that is no JSON": {`<html>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newWorkspace(t, respondWith(http.StatusOK, row.body))
			statuses, err := server.client(t).LibraryStatuses(t.Context(), "c1")
			g.Expect(server.received()).NotTo(BeEmpty())
			if !row.ok {
				g.Expect(err).To(HaveOccurred())
				g.Expect(statuses).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(statuses).To(HaveLen(strings.Count(row.body, "dbfs")))
		})
	}
}

func TestTheLastPortAndTheLongestLabel(t *testing.T) {
	g := NewWithT(t)
	for text, port := range map[string]uint16{"1": 1, "443": 443, "65535": 65535} {
		g.Expect(parsePort(text)).To(Equal(port))
	}
	for _, text := range []string{"", "0", "-1", "0443", "65536", "x"} {
		_, err := parsePort(text)
		g.Expect(err).To(HaveOccurred(), text)
	}
	g.Expect(checkHostName(strings.Repeat("a", 63) + ".cloud.databricks.com")).To(Succeed())
	g.Expect(checkHostName(strings.Repeat("a", 64) + ".cloud.databricks.com")).NotTo(Succeed())
}

func TestTheLifetimeOfAToken(t *testing.T) {
	for text, lifetime := range map[string]time.Duration{
		"3600": time.Hour, "0.5": time.Second / 2, "0": 0, "-1": 0, "NaN": 0, "<nil>": 0, "1e400": 0, "1e12": maxTokenLifetime,
	} {
		NewWithT(t).Expect(parseLifetime(text)).To(Equal(lifetime), text)
	}
}

// Google refuses an assertion that was issued in the future, by its clock.
func TestAnAssertionIsIssuedBeforeNow(t *testing.T) {
	g := NewWithT(t)
	account, err := parseGoogleKey(googleDocument(nil))
	g.Expect(err).NotTo(HaveOccurred())
	now := time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)
	signed, err := account.assertion("audience", now)
	g.Expect(err).NotTo(HaveOccurred())
	encoded, err := base64.RawURLEncoding.DecodeString(strings.Split(signed, ".")[1])
	g.Expect(err).NotTo(HaveOccurred())
	var claims struct {
		Issued  int64 `json:"iat"`
		Expires int64 `json:"exp"`
	}
	g.Expect(json.Unmarshal(encoded, &claims)).To(Succeed())
	g.Expect(time.Unix(claims.Issued, 0)).To(BeTemporally("==", now.Add(-googleSkew)))
	g.Expect(time.Unix(claims.Expires, 0)).To(BeTemporally(">", now))
}
