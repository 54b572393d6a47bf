package databricks

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
)

// secretValues returns values of a specification that no text may contain.
func secretValues() map[string]string {
	return map[string]string{
		"username": "docker-user", "password": `p"a\ss<w>ö&🔑rd`, "logKey": "L0gAnalyticsKey==", "short": "a1b2",
		"env": "-----BEGIN KEY-----\nMIIEvQIBADAN\tBgkqhkiG9w0BAQ\n-----END KEY-----", "conf": "jdbc:secret://user:hunter2@db", "digits": "1234567890123",
	}
}

// secretSpec returns a specification with secret values.
func secretSpec() compute.ClusterSpec {
	values := secretValues()
	return compute.ClusterSpec{
		ClusterName: "visible-name", SparkVersion: "16.4.x-scala2.12",
		DockerImage:    &compute.DockerImage{Url: "registry/image", BasicAuth: &compute.DockerBasicAuth{Username: values["username"], Password: values["password"]}},
		SparkEnvVars:   map[string]string{"KEY": values["env"], "PIN": values["digits"], "ON": "true", "COUNT": "17", "SHORT": values["short"]},
		SparkConf:      map[string]string{"spark.url": values["conf"]},
		ClusterLogConf: &compute.ClusterLogConf{}, CustomTags: map[string]string{"team": "visible-team"},
	}
}

func mustHideAll(t *testing.T, text string) {
	t.Helper()
	g := NewWithT(t)
	for name, value := range secretValues() {
		escaped := strings.Trim(strconv.Quote(value), `"`)
		for _, shape := range []string{value, singleLine(value), escaped} {
			g.Expect(text).NotTo(ContainSubstring(shape), name)
		}
		if len(value) > 2*minSecretPrefix && name != "env" {
			g.Expect(text).NotTo(ContainSubstring(value[len(value)-minSecretPrefix:]), name)
		}
	}
	for _, part := range []string{"MIIEvQIBADAN", "BgkqhkiG9w0BAQ", "hunter2", "w>ö", "🔑", "1234567890123"} {
		g.Expect(text).NotTo(ContainSubstring(part))
	}
}

// quotes returns responses in which a server quotes a whole request.
func quotes() map[string]func(sent string) string {
	encode := func(text string) string {
		encoded, _ := json.Marshal(text)
		return string(encoded)
	}
	ascii := strconv.QuoteToASCII
	return map[string]func(string) string{
		"JSON message": func(s string) string {
			return `{"error_code":"INVALID_PARAMETER_VALUE","message":` + encode("bad: "+s) + `}`
		},
		"escaped twice":                 func(s string) string { return `{"message":` + encode("bad: "+encode(s)) + `}` },
		"escaped thrice":                func(s string) string { return `{"message":` + encode("bad: "+encode(encode(s))) + `}` },
		"escaped to ASCII":              func(s string) string { return `{"message":` + encode("bad: "+ascii(s)) + `}` },
		"values":                        func(string) string { return `{"message":` + encode(fmt.Sprint(secretValues())) + `}` },
		"raw":                           func(s string) string { return "bad: " + s },
		"page":                          func(s string) string { return "<pre>bad: " + s + "</pre>" },
		"code":                          func(string) string { return `{"error_code":` + encode(secretValues()["conf"]) + `}` },
		"cut short":                     func(string) string { return `{"message":` + encode("bad: "+secretValues()["conf"][:15]+"...") + `}` },
		"truncated without an ellipsis": func(string) string { return `{"message":` + encode("bad: "+secretValues()["conf"][:15]) + `}` },
		"a repeated value":              func(string) string { v := secretValues()["short"]; return `{"message":` + encode(v+v+" "+v) + `}` },
	}
}

func TestSecretsOfAQuotedRequestAreRedacted(t *testing.T) {
	t.Parallel()
	spec := map[string]any{}
	encoded, err := json.Marshal(secretSpec())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(json.Unmarshal(encoded, &spec)).To(Succeed())
	spec["cluster_log_conf"] = map[string]any{"log_analytics_info": map[string]any{"log_analytics_primary_key": secretValues()["logKey"]}}
	spec["azure_attributes"] = spec["cluster_log_conf"]
	whole, err := json.Marshal(spec)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	spec["cluster_id"] = "c1"
	edit, err := json.Marshal(spec)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var create compute.CreateCluster
	NewWithT(t).Expect(json.Unmarshal(whole, &create)).To(Succeed())
	calls := map[string]func(*Client) error{
		"create": func(c *Client) error {
			_, err := c.Create(t.Context(), CreateRequest{CreateCluster: create})
			return err
		},
		"edit": func(c *Client) error { return c.Edit(t.Context(), "c1", edit) },
		"update": func(c *Client) error {
			return c.Update(t.Context(), UpdateRequest{ClusterID: "c1", Cluster: whole, UpdateMask: "spark_conf"})
		},
	}
	for quote, quoted := range quotes() {
		for verb, call := range calls {
			for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
				t.Run(fmt.Sprintf("[case-76] %s, %s, %d", verb, quote, status), func(t *testing.T) {
					t.Parallel()
					var last Call
					server := newWorkspace(t, nil)
					server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						sent, _ := io.ReadAll(r.Body)
						respondWith(status, quoted(string(sent)))(w, r)
					})
					err := call(server.client(t, func(c Call) { last = c }))
					NewWithT(t).Expect(err).To(HaveOccurred())
					mustHideAll(t, fmt.Sprintf("%v %+v %#v %+v", err, err, err, last))
				})
			}
		}
	}
}

func TestOtherValuesOfAQuotedRequestAreShown(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(400, `{"message":"true is no name for visible-name of visible-team with 17 workers"}`))
	spec, err := json.Marshal(secretSpec())
	g.Expect(err).NotTo(HaveOccurred())
	err = server.client(t).Update(t.Context(), UpdateRequest{ClusterID: "c1", Cluster: spec})
	g.Expect(err).To(MatchError("true is no name for visible-name of visible-team with 17 workers"))
}

func FuzzRedactQuotes(f *testing.F) {
	for _, value := range secretValues() {
		f.Add("a ", value, " b")
	}
	f.Fuzz(func(t *testing.T, before, value, after string) {
		body, err := json.Marshal(map[string]any{"spark_env_vars": map[string]string{"K": value}})
		if err != nil {
			t.Fatal(err)
		}
		hidden := hiddenValues(body)
		if len(hidden) == 0 {
			return
		}
		escaped, _ := json.Marshal(value)
		for _, quote := range []string{hidden[0], string(escaped)} {
			shown := redactQuotes(singleLine(before+quote+after), hidden)
			if clean := singleLine(hidden[0]); !strings.Contains(clean, "*") && strings.Contains(shown, clean) {
				t.Fatalf("%q shows %q", shown, clean)
			}
		}
	})
}
