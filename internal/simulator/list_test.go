package simulator_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// pages reads a list to its end and returns the names on each page.
func (b *harness) pages(query string, between func(page int)) [][]string {
	b.t.Helper()
	var all [][]string
	token := ""
	for {
		path := "/api/2.1/clusters/list?" + query
		if token != "" {
			path += "&page_token=" + url.QueryEscape(token)
		}
		page := b.ok(http.MethodGet, path, "")
		all = append(all, b.names(page))
		token, _ = page["next_page_token"].(string)
		if token == "" {
			return all
		}
		if between != nil {
			between(len(all))
		}
	}
}

func TestListsArePagedAndSorted(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		b.create(name)
	}
	b.Expect(b.pages("page_size=2&sort_by.field=CLUSTER_NAME", nil)).To(Equal([][]string{{"a", "b"}, {"c", "d"}, {"e"}}))
	b.Expect(b.pages("page_size=3&sort_by.field=CLUSTER_NAME&sort_by.direction=DESC", nil)).To(Equal([][]string{{"e", "d", "c"}, {"b", "a"}}))
	b.Expect(b.pages("page_size=5", nil)).To(HaveLen(1))
	for i := range 20 {
		b.create(fmt.Sprintf("f%02d", i))
	}
	b.Expect(b.pages("", nil)[0]).To(HaveLen(20))
	b.expectError(http.MethodGet, "/api/2.1/clusters/list?page_size=101", "", 400, "INVALID_PARAMETER_VALUE", "page_size")
	b.expectError(http.MethodGet, "/api/2.1/clusters/list?page_token=x", "", 400, "INVALID_PARAMETER_VALUE", "Invalid page token")
	b.Expect(b.names(b.ok(http.MethodGet, "/api/2.0/clusters/list?page_size=2", ""))).To(HaveLen(25))
}

func TestPreviousPages(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for _, name := range []string{"a", "b", "c"} {
		b.create(name)
	}
	const list = "/api/2.1/clusters/list?page_size=1&sort_by.field=CLUSTER_NAME"
	page := b.ok(http.MethodGet, list, "")
	b.Expect(page).NotTo(HaveKey("prev_page_token"))
	for _, name := range []string{"b", "c"} {
		next, _ := page["next_page_token"].(string)
		page = b.ok(http.MethodGet, list+"&page_token="+url.QueryEscape(next), "")
		b.Expect(b.names(page)).To(Equal([]string{name}))
	}
	b.Expect(page).NotTo(HaveKey("next_page_token"))
	for _, name := range []string{"b", "a"} {
		previous, _ := page["prev_page_token"].(string)
		page = b.ok(http.MethodGet, list+"&page_token="+url.QueryEscape(previous), "")
		b.Expect(b.names(page)).To(Equal([]string{name}))
	}
}

func TestDefaultOrderIsStateThenPinnedThenName(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.terminated("a-ended")
	b.verb("pin", b.running("c-pinned"))
	b.running("b-running")
	b.create("z-pending")
	b.Expect(b.pages("", nil)).To(Equal([][]string{{"z-pending", "c-pinned", "b-running", "a-ended"}}))
}

// With the order by name, no cluster is missed while clusters change state, are
// created and are deleted; with the default order, a cluster that moves is
// missing or appears twice.
func TestPagesWhileThingsChange(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	ids := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d"} {
		ids[name] = b.running(name)
	}
	byName := b.pages("page_size=2&sort_by.field=CLUSTER_NAME", func(page int) {
		if page > 1 {
			return
		}
		b.verb("delete", ids["a"])
		b.verb("permanent-delete", ids["b"])
		b.create("bb")
	})
	b.Expect(byName).To(Equal([][]string{{"a", "b"}, {"bb", "c"}, {"d"}}))

	b.advance(5 * time.Minute)
	byDefault := b.pages("page_size=2", func(page int) {
		if page == 1 {
			b.verb("delete", ids["c"])
		}
	})
	b.Expect(byDefault).To(Equal([][]string{{"bb", "c"}, {"d", "c"}, {"a"}}))
}

func TestListsAreFiltered(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.create("pending")
	b.verb("pin", b.terminated("pinned"))
	_, err := b.s.AddCluster(simulator.Seed{Source: "JOB", State: simulator.Running, Spec: map[string]any{"cluster_name": "job"}})
	b.Expect(err).NotTo(HaveOccurred())
	for query, want := range map[string][]string{
		"filter_by.cluster_sources=API&filter_by.cluster_sources=UI":               {"pending", "pinned"},
		"filter_by.cluster_sources=JOB":                                            {"job"},
		"filter_by.cluster_states=TERMINATED&filter_by.cluster_states=TERMINATING": {"pinned"},
		"filter_by.is_pinned=true":                                                 {"pinned"},
		"filter_by.is_pinned=false":                                                {"pending", "job"},
		"filter_by.policy_id=P":                                                    nil,
	} {
		b.Expect(b.names(b.ok(http.MethodGet, "/api/2.1/clusters/list?"+query, ""))).To(ConsistOf(toAny(want)...), query)
	}
}

func toAny(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}

func TestListItemsHaveNoSpecAndAnEmptyListHasNoKey(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.Expect(b.ok(http.MethodGet, "/api/2.1/clusters/list", "")).To(BeEmpty())
	b.create("one")
	clusters, _ := b.ok(http.MethodGet, "/api/2.1/clusters/list", "")["clusters"].([]any)
	b.Expect(clusters[0]).NotTo(HaveKey("spec"))
	b.Expect(clusters[0]).To(HaveKey("state"))
}

func TestNewClusterIsInvisibleForAWhile(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{UnseenByGet: time.Second, UnseenByList: 30 * time.Second}})
	id := b.create("new")
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	b.advance(time.Second)
	b.Expect(b.state(id)).To(Equal("PENDING"))
	b.Expect(b.ok(http.MethodGet, "/api/2.1/clusters/list", "")).To(BeEmpty())
	b.advance(29 * time.Second)
	b.Expect(b.names(b.ok(http.MethodGet, "/api/2.1/clusters/list", ""))).To(Equal([]string{"new"}))
}

func TestListFaults(t *testing.T) {
	newList := func(t *testing.T) *harness {
		b := newHarness(t, simulator.Options{})
		for _, name := range []string{"a", "b", "c", "d"} {
			b.create(name)
		}
		return b
	}
	const query = "page_size=2&sort_by.field=CLUSTER_NAME"
	for name, c := range map[string]struct {
		fault simulator.Fault
		want  [][]string
	}{
		"skipped between pages": {simulator.Fault{Page: 2, List: &simulator.ListFault{OmitFirst: 1}}, [][]string{{"a", "b"}, {"d"}}},
		"doubled between pages": {simulator.Fault{Page: 2, List: &simulator.ListFault{RepeatLast: true}}, [][]string{{"a", "b"}, {"b", "c", "d"}}},
		"empty 200":             {simulator.Fault{Endpoint: "clusters/list", List: &simulator.ListFault{Empty: true}}, [][]string{nil}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newList(t)
			b.s.AddFault(c.fault)
			b.Expect(b.pages(query, nil)).To(Equal(c.want))
		})
	}
	t.Run("omitted by id", func(t *testing.T) {
		b := newList(t)
		id := b.create("e")
		b.s.AddFault(simulator.Fault{List: &simulator.ListFault{Omit: []string{id}}})
		b.Expect(b.pages(query, nil)).To(Equal([][]string{{"a", "b"}, {"c", "d"}, nil}))
	})
	t.Run("stale", func(t *testing.T) {
		b := newList(t)
		rule := b.s.AddFault(simulator.Fault{Endpoint: "clusters/list", List: &simulator.ListFault{Stale: true}})
		b.create("e")
		b.Expect(b.pages(query, nil)).To(Equal([][]string{{"a", "b"}, {"c", "d"}}))
		b.Expect(b.s.RemoveFault(rule)).To(BeTrue())
		b.Expect(b.pages(query, nil)).To(HaveLen(3))
	})
	t.Run("page 2 fails", func(t *testing.T) {
		b := newList(t)
		b.s.AddFault(simulator.Fault{Page: 2, Status: http.StatusInternalServerError})
		first := b.ok(http.MethodGet, "/api/2.1/clusters/list?"+query, "")
		token, _ := first["next_page_token"].(string)
		b.expectError(http.MethodGet, "/api/2.1/clusters/list?"+query+"&page_token="+url.QueryEscape(token), "", 500, "INTERNAL_ERROR", "")
	})
}

func TestRenamedClusterMovesInTheList(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.terminated("a")
	b.terminated("b")
	b.ok(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`","update_mask":"cluster_name","cluster":{"cluster_name":"c"}}`)
	b.Expect(b.pages("sort_by.field=CLUSTER_NAME", nil)).To(Equal([][]string{{"b", "c"}}))
}
