package databricks

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Decoders and parsers get any input that a host sends. They must not panic, and their
// results must have the properties that the operator relies on [S14].

func FuzzDecodeCluster(f *testing.F) {
	f.Add([]byte(`{"cluster_id":"c1","state":"RUNNING","spark_context_id":"9007199254740993","spec":{"num_workers":0},"custom_tags":{"a":"b"}}`))
	f.Add([]byte(`{"cluster_id":7,"executors":[null,{}],"driver":{"start_timestamp":"x"}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := request{method: http.MethodGet, accept: func(got response) error {
			var cluster compute.ClusterDetails
			return decode(got.body, &cluster)
		}}
		if failure := r.readContent(response{status: http.StatusOK, body: body}); failure != nil && failure.Class != ClassTransient {
			t.Fatalf("[S14] %s", failure.Class)
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	f.Add([]byte(`{"clusters":[{"cluster_id":"a"},{"cluster_id":"b","num_workers":1e3}],"next_page_token":"t"}`))
	f.Add([]byte(`{"clusters":{}}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var page compute.ListClustersResponse
		_ = decode(body, &page)
	})
}

func FuzzParseItems(f *testing.F) {
	f.Add([]byte(`{"policies":[{"policy_id":"P1","name":"team","definition":"{}"},{"policy_id":"P2"}],"instance_pools":[{"instance_pool_id":7,"instance_pool_name":"x","state":"DELETED"}]}`))
	f.Add([]byte(`{"policies":{},"instance_pools":[null]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, of := range Collections() {
			items, err := of.parseList(body)
			if err != nil && items != nil {
				t.Fatal("[S14] items of an invalid list")
			}
			for _, item := range items {
				again, exists, err := of.parseItem(item.JSON)
				if err != nil || !exists || item.ID == "" || again.ID != item.ID || again.Name != item.Name {
					t.Fatalf("[S14] %+v is read again as %+v, %v", item, again, err)
				}
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"t","token_type":"Bearer","expires_in":"3600"}`))
	f.Add([]byte(`{"access_token":"t","expires_in":1e400}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		token, lifetime, err := parseToken(body)
		if err != nil {
			return
		}
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("a header cannot contain %q", token)
		}
		if lifetime < 0 || lifetime > maxTokenLifetime {
			t.Fatalf("a lifetime of %s", lifetime)
		}
	})
}

func FuzzParseIDToken(f *testing.F) {
	f.Add([]byte(`{"id_token":"t"}`))
	f.Add([]byte(`{"id_token":["t"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		token, lifetime, err := parseIDToken(body)
		if err == nil && (token == "" || lifetime <= 0 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })) {
			t.Fatalf("[S14] a header cannot contain %q", token)
		}
	})
}

func FuzzParseGoogleKey(f *testing.F) {
	f.Add(googleDocument(nil))
	f.Add(googleDocument(map[string]string{"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}))
	f.Add(`{"type":["service_account"]}`)
	f.Fuzz(func(t *testing.T, document string) {
		account, err := parseGoogleKey(document)
		if err == nil && (account.key == nil || account.email == "") {
			t.Fatal("[S14] an incomplete key was accepted")
		}
	})
}

func FuzzClassify(f *testing.F) {
	f.Add(400, "7", []byte(`{"error_code":"INVALID_STATE","message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"3.5s"}]}`), true)
	f.Add(302, "", []byte("<html>"), false)
	f.Add(200, "x", []byte("{}"), true)
	f.Fuzz(func(t *testing.T, status int, retryAfter string, body []byte, write bool) {
		r := request{method: http.MethodPost, write: write, clusterID: "c1", clusterOnly: true}
		header := http.Header{"Retry-After": {retryAfter}, "Location": {string(body)}}
		failure := classify(r, response{status: status, header: header, body: body}, time.Unix(1_800_000_000, 0))
		if failure == nil {
			if !isSuccess(status) {
				t.Fatalf("%d is a success", status)
			}
			return
		}
		if failure.Class == "" || failure.Error() == "" {
			t.Fatalf("%d: class %q, text %q", status, failure.Class, failure.Error())
		}
		if !write && failure.Class == ClassAmbiguous {
			t.Fatalf("a read is ambiguous")
		}
		if failure.RetryAfter < 0 || failure.RetryAfter > maxRetryAfter {
			t.Fatalf("retry after %s", failure.RetryAfter)
		}
	})
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, value := range []string{"7", "-1", "1e300", "Sun, 22 Nov 2026 15:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "nan"} {
		f.Add(value, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if got := parseRetryAfter(value, time.Unix(now, 0)); got < 0 || got > maxRetryAfter {
			t.Fatalf("%q is %s", value, got)
		}
	})
}

func FuzzTexts(f *testing.F) {
	f.Add("token "+testSecret+" \u202e\x00\xff", testSecret)
	f.Add(strings.Repeat("é", 600), "secret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		shown := shorten(redactor(secret)(singleLine(text)), maxMessageBytes)
		if len(shown) > maxMessageBytes || !utf8.ValidString(shown) && utf8.ValidString(secret) {
			t.Fatalf("%d bytes, valid %t", len(shown), utf8.ValidString(shown))
		}
		if strings.ContainsFunc(shown, unicode.IsControl) {
			t.Fatalf("%q has control characters", shown)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add("https://dbc-1.cloud.databricks.com", testSecret, "", "", "")
	f.Add("dbc-1.cloud.databricks.com", "", "id", "secret", "oauth-m2m")
	f.Fuzz(func(t *testing.T, host, token, clientID, clientSecret, authType string) {
		config, err := ParseSecret(asData(map[string]string{
			"host": host, "token": token, "client_id": clientID, "client_secret": clientSecret, "auth_type": authType,
		}))
		if err == nil {
			mustMatchURLParser(t, host, config.origin)
			return
		}
		for _, secret := range []string{token, clientSecret} {
			if len(secret) > 24 && strings.Contains(err.Error(), strings.TrimSpace(secret)) {
				t.Fatalf("%v shows a secret", err)
			}
		}
	})
}

func FuzzParsePrincipal(f *testing.F) {
	f.Add([]byte(`{"id":"1","userName":"a@example.com"}`), "1234")
	f.Add([]byte(`{"id":null,"userName":7}`), "x\n")
	f.Fuzz(func(t *testing.T, body []byte, workspace string) {
		me, err := parsePrincipal(response{status: http.StatusOK, body: body, header: http.Header{"X-Databricks-Org-Id": {workspace}}})
		if err == nil && (me.ID == "" || me.UserName == "" || me.WorkspaceID != "" && !workspaceID.MatchString(me.WorkspaceID)) {
			t.Fatalf("%+v", me)
		}
	})
}

func FuzzParseAudience(f *testing.F) {
	f.Add([]byte(`{"token_federation_default_oidc_audiences":["https://dbc-1.cloud.databricks.com"]}`))
	f.Add([]byte(`{"token_federation_default_oidc_audiences":[{}]}`))
	f.Fuzz(func(_ *testing.T, body []byte) { _, _ = parseAudience(body) })
}

func FuzzParseHost(f *testing.F) {
	f.Add("https://dbc-1.cloud.databricks.com/?o=123")
	f.Add("dbc-1.cloud.databricks.com?o=1&o=2&w=%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		origin, id, err := ParseHost(raw)
		if err != nil {
			if len(raw) > 24 && strings.Contains(err.Error(), raw) {
				t.Fatalf("%v shows the host", err)
			}
			return
		}
		if id != "" && !workspaceID.MatchString(id) {
			t.Fatalf("%q has the workspace id %q", raw, id)
		}
		base, _, _ := strings.Cut(raw, "?")
		mustMatchURLParser(t, base, origin)
	})
}

func FuzzParseAllowList(f *testing.F) {
	f.Add(".cloud.databricks.com,dbc-1.example.com", "https://dbc-1.cloud.databricks.com")
	f.Add(".", "https://a")
	f.Fuzz(func(t *testing.T, entries, host string) {
		list, err := ParseAllowList(strings.Split(entries, ","))
		if err != nil {
			return
		}
		origin, err := ParseOrigin(host)
		if err != nil || list.Check(origin) != nil {
			return
		}
		for entry := range strings.SplitSeq(entries, ",") {
			if strings.HasPrefix(entry, ".") && strings.HasSuffix(origin.host, entry) {
				return
			}
			if parsed, err := ParseOrigin(entry); err == nil && parsed == origin {
				return
			}
		}
		t.Fatalf("%q allows %q", entries, host)
	})
}
