package simulator_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func kinds(answer map[string]any) []string {
	events, _ := answer["events"].([]any)
	var all []string
	for _, e := range events {
		fields, _ := e.(map[string]any)
		kind, _ := fields["type"].(string)
		all = append(all, kind)
	}
	return all
}

func TestLifecycleEvents(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one")
	b.verb("pin", id)
	b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":2}`)
	b.advance(2 * time.Minute)
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", `{"cluster_id":"`+id+`",`+small+`,"num_workers":2}`)
	b.advance(4 * time.Minute)
	b.verb("delete", id)
	b.advance(time.Minute)
	b.verb("start", id)
	const all = 13
	want := []string{
		"CREATING", "RUNNING", "DRIVER_HEALTHY", "PINNED", "RESIZING", "UPSIZE_COMPLETED",
		"EDITED", "RESTARTING", "RUNNING", "DRIVER_HEALTHY", "TERMINATING", "STARTING",
	}
	events := func(more string) map[string]any {
		return b.ok(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`"`+more+`}`)
	}
	b.Expect(kinds(events(`,"order":"ASC"`))).To(Equal(want))
	b.Expect(kinds(events(""))[0]).To(Equal("STARTING"))
	b.Expect(kinds(events(`,"event_types":["PINNED","EDITED"]`))).To(Equal([]string{"EDITED", "PINNED"}))

	var walked []string
	for page := events(`,"order":"ASC","page_size":5`); ; {
		walked = append(walked, kinds(page)...)
		token, more := page["next_page_token"].(string)
		if !more {
			break
		}
		page = events(`,"order":"ASC","page_size":5,"page_token":"` + token + `"`)
	}
	b.Expect(walked).To(Equal(want))

	walked = nil
	for body := `{"cluster_id":"` + id + `","order":"ASC","limit":5}`; len(walked) < all; {
		page := b.ok(http.MethodPost, "/api/2.1/clusters/events", body)
		b.Expect(page).To(HaveKeyWithValue("total_count", number("12")))
		walked = append(walked, kinds(page)...)
		next, more := page["next_page"]
		if !more {
			break
		}
		data, err := json.Marshal(next)
		b.Expect(err).NotTo(HaveOccurred())
		body = string(data)
	}
	b.Expect(walked).To(Equal(want))
	b.expectError(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`","offset":5}`, 400, "INVALID_PARAMETER_VALUE", "end_time")
	b.expectError(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`","page_token":"?"}`, 400, "INVALID_PARAMETER_VALUE", "page token")
}

func TestEventPagesAreBounded(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	for range 300 {
		b.verb("pin", id)
		b.verb("unpin", id)
	}
	for body, want := range map[string]int{`"limit":600`: 500, `"page_size":600`: 500, `"page_size":0`: 50, `"limit":0`: 50} {
		b.Expect(b.ok(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`",`+body+`}`)["events"]).To(HaveLen(want), body)
	}
}

func TestInitScriptsHaveEventsBeforeRunning(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("scripted", `"init_scripts":[{"workspace":{"destination":"/a.sh"}}]`)
	events, _ := b.ok(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`","order":"ASC"}`)["events"].([]any)
	var kinds []any
	for _, e := range events {
		one, _ := e.(map[string]any)
		kinds = append(kinds, one["type"])
	}
	b.Expect(kinds).To(Equal([]any{"CREATING", "INIT_SCRIPTS_STARTED", "INIT_SCRIPTS_FINISHED", "RUNNING", "DRIVER_HEALTHY"}))
}
