package simulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// start is the initial time of the manual clocks.
var start = time.Date(2026, time.March, 18, 15, 17, 52, 0, time.UTC)

// harness is a simulator on a manual clock, and a client without a network.
type harness struct {
	*WithT
	t     *testing.T
	s     *simulator.Server
	token string
	// header is sent with every request.
	header http.Header
}

func newHarness(t *testing.T, options simulator.Options) *harness {
	t.Helper()
	if options.Clock == nil {
		options.Clock = simulator.NewManualClock(start)
	}
	s := simulator.New(options)
	t.Cleanup(s.Close)
	return &harness{WithT: NewWithT(t), t: t, s: s, token: simulator.DefaultToken}
}

// as returns the same harness with another token.
func (b *harness) as(token string) *harness {
	other := *b
	other.token = token
	return &other
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (b *harness) send(method, path, body string) (answer, error) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, "https://simulator.test"+path, bytes.NewReader([]byte(body)))
	b.Expect(err).NotTo(HaveOccurred())
	maps.Copy(request.Header, b.header)
	if b.token != "" {
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	response, err := b.s.Transport().RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	raw, err := io.ReadAll(response.Body)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(response.Body.Close()).To(Succeed())
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw), body: map[string]any{}}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	_ = decoder.Decode(&a.body) // damaged responses are checked in raw form
	return a, nil
}

func (b *harness) call(method, path, body string) answer {
	b.t.Helper()
	a, err := b.send(method, path, body)
	b.Expect(err).NotTo(HaveOccurred())
	return a
}

// ok sends a request that must succeed.
func (b *harness) ok(method, path, body string) map[string]any {
	b.t.Helper()
	a := b.call(method, path, body)
	b.Expect(a.status).To(Equal(http.StatusOK), a.raw)
	return a.body
}

// expectError sends a request that must fail with this status, code and
// message.
func (b *harness) expectError(method, path, body string, status int, code any, message string) {
	b.t.Helper()
	a := b.call(method, path, body)
	b.Expect(a.status).To(Equal(status), a.raw)
	b.Expect(a.body).To(HaveKeyWithValue("error_code", code))
	b.Expect(a.body).To(HaveKeyWithValue("message", ContainSubstring(message)))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

const small = `"spark_version":"16.4.x-scala2.12","node_type_id":"i3.xlarge"`

// create creates a cluster with a name and one worker, and with more fields.
func (b *harness) create(name string, more ...string) string {
	b.t.Helper()
	body := `{"cluster_name":"` + name + `",` + small
	sized := false
	for _, field := range more {
		body += "," + field
		sized = sized || field[:6] == `"num_w` || field[:6] == `"autos`
	}
	if !sized {
		body += `,"num_workers":1`
	}
	id, _ := b.ok(http.MethodPost, "/api/2.1/clusters/create", body+"}")["cluster_id"].(string)
	b.Expect(id).NotTo(BeEmpty())
	return id
}

func (b *harness) verb(verb, id string) {
	b.t.Helper()
	b.ok(http.MethodPost, "/api/2.1/clusters/"+verb, `{"cluster_id":"`+id+`"}`)
}

func (b *harness) get(id string) map[string]any {
	b.t.Helper()
	return b.ok(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "")
}

func (b *harness) state(id string) string {
	b.t.Helper()
	state, _ := b.get(id)["state"].(string)
	return state
}

func (b *harness) advance(d time.Duration) { b.s.Clock().Advance(d) }

// running creates a cluster and waits until it is RUNNING.
func (b *harness) running(name string, more ...string) string {
	b.t.Helper()
	id := b.create(name, more...)
	b.advance(5 * time.Minute)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	return id
}

// terminated creates a cluster and terminates it.
func (b *harness) terminated(name string, more ...string) string {
	b.t.Helper()
	id := b.running(name, more...)
	b.verb("delete", id)
	b.advance(time.Minute)
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	return id
}

func (b *harness) names(page map[string]any) []string {
	clusters, _ := page["clusters"].([]any)
	var names []string
	for _, c := range clusters {
		fields, _ := c.(map[string]any)
		name, _ := fields["cluster_name"].(string)
		names = append(names, name)
	}
	return names
}

// parsed decodes an object like the responses.
func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	object := map[string]any{}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}
