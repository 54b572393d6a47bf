package databricks

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// mustNotShowSecret fails if a text contains the test secret, encoded, truncated or
// unchanged.
func mustNotShowSecret(t *testing.T, text string) {
	t.Helper()
	g := NewWithT(t)
	for _, shape := range []string{
		testSecret, testSecret[:minSecretPrefix], base64.StdEncoding.EncodeToString([]byte(testSecret)), hex.EncodeToString([]byte(testSecret)), url.QueryEscape(testSecret),
		base64.StdEncoding.EncodeToString([]byte(testSecret))[:12], hex.EncodeToString([]byte(testSecret))[:16],
	} {
		g.Expect(text).NotTo(ContainSubstring(shape))
	}
}

// The server quotes the credential of the request in every part of a response.
func TestNoErrorShowsTheCredential(t *testing.T) {
	t.Parallel()
	quote := func(w http.ResponseWriter, status int, body string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	faults := map[string]func(w http.ResponseWriter, credential string){
		"message": func(w http.ResponseWriter, s string) {
			quote(w, 400, fmt.Sprintf(`{"error_code":"X","message":"bad %s!"}`, s))
		},
		"code": func(w http.ResponseWriter, s string) { quote(w, 400, fmt.Sprintf(`{"error_code":%q}`, s)) },
		"error": func(w http.ResponseWriter, s string) {
			quote(w, 401, fmt.Sprintf(`{"error":%q,"error_description":%q}`, s, s))
		},
		"SCIM":         func(w http.ResponseWriter, s string) { quote(w, 403, fmt.Sprintf(`{"detail":%q,"status":%q}`, s, s)) },
		"text":         func(w http.ResponseWriter, s string) { quote(w, 500, s) },
		"code in text": func(w http.ResponseWriter, s string) { quote(w, 500, "X_Y: "+s) },
		"pre":          func(w http.ResponseWriter, s string) { quote(w, 403, "<pre>"+s+"</pre>") },
		"escaped pre": func(w http.ResponseWriter, s string) {
			quote(w, 403, "<pre>"+strings.ReplaceAll(s, "d", "&#100;")+"</pre>")
		},
		"cut short": func(w http.ResponseWriter, s string) {
			quote(w, 400, fmt.Sprintf(`{"message":"token %s..."}`, s[:len(s)-5]))
		},
		"twice": func(w http.ResponseWriter, s string) { quote(w, 400, fmt.Sprintf(`{"message":"%s%s %s"}`, s, s, s)) },
		"interspersed": func(w http.ResponseWriter, s string) {
			quote(w, 400, `{"message":"`+strings.Join(strings.Split(s, ""), "\\u200b")+`"}`)
		},
		"at the bound": func(w http.ResponseWriter, s string) {
			quote(w, 400, fmt.Sprintf(`{"message":"%s%s"}`, strings.Repeat("x", maxMessageBytes-20), s))
		},
		"base64": func(w http.ResponseWriter, s string) { quote(w, 400, base64.StdEncoding.EncodeToString([]byte(s))) },
		"hex":    func(w http.ResponseWriter, s string) { quote(w, 400, hex.EncodeToString([]byte(s))) },
		"200, wrong type": func(w http.ResponseWriter, s string) {
			quote(w, 200, fmt.Sprintf(`{"cluster_id":"c1","num_workers":%q}`, s))
		},
		"200, as a key": func(w http.ResponseWriter, s string) {
			quote(w, 200, fmt.Sprintf(`{"cluster_id":"c1","custom_tags":{%q:{}},"access_token":{%q:1}}`, s, s))
		},
		"200, no JSON": func(w http.ResponseWriter, s string) { quote(w, 200, s) },
		"200, html":    func(w http.ResponseWriter, s string) { quote(w, 200, "<html>"+s) },
		"redirect": func(w http.ResponseWriter, s string) {
			w.Header().Set("Location", "https://"+s+".evil.example/"+s)
			w.WriteHeader(http.StatusFound)
		},
		"retry after": func(w http.ResponseWriter, s string) {
			w.Header().Set("Retry-After", s)
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"status line": func(w http.ResponseWriter, s string) {
			hangUp(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 "+s+" "+s+"\r\n\r\n") })(w, nil)
		},
		"header line": func(w http.ResponseWriter, s string) {
			hangUp(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+s+"\r\n\r\n") })(w, nil)
		},
		"content length": func(w http.ResponseWriter, s string) {
			hangUp(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: "+s+"\r\n\r\n") })(w, nil)
		},
		"no HTTP": func(w http.ResponseWriter, s string) {
			hangUp(func(c net.Conn) { _, _ = io.WriteString(c, s+"\r\n") })(w, nil)
		},
	}
	for name, fault := range faults {
		for credential, secret := range map[string]map[string]string{
			"pat":       {"token": testSecret},
			"oauth":     {"client_id": "id", "client_secret": testSecret},
			"oauth api": {"client_id": "id", "client_secret": "another-secret"},
		} {
			t.Run("[S7] "+name+", "+credential, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				var server *workspace
				server = newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case strings.HasSuffix(r.URL.Path, "oauth-authorization-server"):
						respondWith(200, fmt.Sprintf(`{"token_endpoint":"%s/oidc/v1/token"}`, server.URL))(w, r)
					case credential == "oauth api" && strings.HasPrefix(r.URL.Path, "/oidc"):
						respondWith(200, fmt.Sprintf(`{"access_token":%q,"expires_in":3600}`, testSecret))(w, r)
					default:
						fault(w, testSecret)
					}
				})
				secret["host"] = server.URL
				var calls []Call
				client := server.clientOf(t, secret, func(c Call) { calls = append(calls, c) })
				failures := []error{read(t.Context(), client)}
				if err := write(t.Context(), client); err != nil || !strings.HasPrefix(name, "200, ") {
					failures = append(failures, err)
				}
				for _, err := range failures {
					g.Expect(err).To(HaveOccurred())
					failure, ok := errors.AsType[*Error](err)
					g.Expect(ok).To(BeTrue())
					g.Expect(len(failure.Message)).To(BeNumerically("<=", maxMessageBytes))
					mustNotShowSecret(t, fmt.Sprintf("%v %+v %#v %#v", err, err, *failure, errors.Unwrap(err)))
				}
				mustNotShowSecret(t, fmt.Sprintf("%v %+v", calls, calls))
			})
		}
	}
}

func TestCleaningOfTexts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(singleLine("a\n\tb\x00\x1b[31mc\u202ed\u200b\xff \u2028e ")).To(Equal("a b[31mcd e"))
	g.Expect(shorten(strings.Repeat("é", 1000), 9)).To(Equal("ééé…"))
	g.Expect(shorten("short", 9)).To(Equal("short"))
}
