package simulator

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// listed is a cluster with the keys by which lists are sorted. A stale list has
// the details of the time it was saved.
type listed struct {
	state        State
	pinned       bool
	name         string
	id           string
	cluster      *cluster // nil in a snapshot
	savedDetails params
}

func (c *cluster) listed() listed {
	return listed{state: c.state, pinned: c.pinnedBy != nil, name: c.name, id: c.id, cluster: c}
}

func (l listed) details(now time.Time) params {
	if l.cluster == nil {
		return l.savedDetails
	}
	return l.cluster.details(now, false)
}

// snapshot returns everything that a list would show now.
func (w *workspace) snapshot(now time.Time) []listed {
	all := w.visible(now, nil)
	for i := range all {
		all[i].savedDetails = all[i].cluster.details(now, false)
		all[i].cluster = nil
	}
	return all
}

// visible returns the clusters that the caller's lists contain: active, pinned,
// or terminated within the retention period. A nil reader sees all.
func (w *workspace) visible(now time.Time, reader *session) []listed {
	all := make([]listed, 0, len(w.byName))
	unseen := w.server.behaviour.UnseenByList
	for _, c := range slices.Clone(w.byName) { // advanceTo may remove some
		c.advanceTo(now)
		if c.purged || now.Before(c.created.Add(unseen)) {
			continue
		}
		if reader != nil && !c.visibleTo(reader) {
			continue
		}
		all = append(all, c.listed())
	}
	return all
}

func (c *cluster) visibleTo(reader *session) bool {
	p := reader.principal
	if p.NotAdmin && p.SeesOwnOnly && c.access.levelOf(p) < canAttach {
		return false
	}
	return !reader.rights.hides(c.id)
}

// cursor is the content of a page token: the last cluster of the previous page
// in the order of the list. As on a real server, a cluster that moves in this
// order between two pages is missing or appears twice.
type cursor struct {
	Page int    `json:"p"`
	Sort string `json:"s"`
	// The last cluster of the previous page.
	State  State  `json:"t,omitempty"`
	Pinned bool   `json:"n,omitempty"`
	Name   string `json:"a"`
	ID     string `json:"i"`
}

func (c cursor) token() string {
	return base64.URLEncoding.EncodeToString(encode(c))
}

func readCursor(token string) (cursor, bool) {
	var read cursor
	data, err := base64.URLEncoding.DecodeString(token)
	return read, err == nil && json.Unmarshal(data, &read) == nil && read.Page > 0
}

// page returns the number of the requested page of a list; 0 for other
// endpoints.
func (c *call) page() int {
	if c.endpoint.name != "clusters/list" {
		return 0
	}
	read, ok := readCursor(textOf(c.params, "page_token"))
	if !ok {
		return 1
	}
	return read.Page
}

func (c *call) listClusters() (any, *apiError) {
	size, r := c.pageSize()
	if r != nil {
		return nil, r
	}
	order, after, r := c.orderAndCursor()
	if r != nil {
		return nil, r
	}
	all := c.filtered()
	compare := comparators[order]
	if order != "CLUSTER_NAME/ASC" { // byName is already in this order
		slices.SortFunc(all, compare)
	}
	from := 0
	if after != nil {
		last := listed{state: after.State, pinned: after.Pinned, name: after.Name, id: after.ID}
		at, found := slices.BinarySearchFunc(all, last, compare)
		from = at
		if found {
			from++
		}
	}
	to := min(from+size, len(all))
	answer := params{}
	if to < len(all) {
		last := all[to-1]
		answer["next_page_token"] = cursor{
			Page: c.page() + 1, Sort: order, State: last.state, Pinned: last.pinned, Name: last.name, ID: last.id,
		}.token()
	}
	if from > 0 {
		answer["prev_page_token"] = c.previous(all, from, size, order)
	}
	c.fillPage(answer, all[from:to], all[:from])
	return answer, nil
}

func (c *call) previous(all []listed, from, size int, order string) string {
	if from <= size {
		return cursor{Page: 1, Sort: order}.token()
	}
	before := all[from-size-1]
	return cursor{
		Page: max(1, c.page()-1), Sort: order, State: before.state, Pinned: before.pinned, Name: before.name, ID: before.id,
	}.token()
}

// listAllClusters is the list of API 2.0, which has no pages.
func (c *call) listAllClusters() (any, *apiError) {
	all := c.filtered()
	slices.SortFunc(all, comparators["DEFAULT/ASC"])
	answer := params{}
	c.fillPage(answer, all, nil)
	return answer, nil
}

func (c *call) pageSize() (int, *apiError) {
	requested, given := c.params["page_size"].(int64)
	switch {
	case !given || requested == 0:
		return 20, nil
	case requested < 1 || requested > 100:
		return 0, invalid("page_size must be between 1 and 100")
	}
	return int(requested), nil
}

func (c *call) orderAndCursor() (string, *cursor, *apiError) {
	sort, _ := c.params["sort_by"].(params)
	order := cmp.Or(textOf(sort, "field"), "DEFAULT") + "/" + cmp.Or(textOf(sort, "direction"), "ASC")
	token := textOf(c.params, "page_token")
	if token == "" {
		return order, nil, nil
	}
	read, ok := readCursor(token)
	switch {
	case !ok || comparators[read.Sort] == nil:
		return "", nil, invalid("Invalid page token: %s", token)
	case len(sort) > 0 && read.Sort != order:
		return "", nil, invalid("The page token was made for another order: %s", read.Sort)
	case read.ID == "": // the token of a first page
		return read.Sort, nil, nil
	}
	return read.Sort, &read, nil
}

func (c *call) filtered() []listed {
	all := c.staleList()
	if all == nil {
		all = c.workspace.visible(c.now, c.session)
	}
	filter, _ := c.params["filter_by"].(params)
	if len(filter) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(l listed) bool { return !l.matchesFilter(filter) })
}

func (c *call) staleList() []listed {
	if c.fault == nil || c.fault.stale == nil {
		return nil
	}
	return slices.Clone(c.fault.stale[c.workspace])
}

func (l listed) matchesFilter(filter params) bool {
	source, policy := textOf(l.savedDetails, "cluster_source"), textOf(l.savedDetails, "policy_id")
	if l.cluster != nil {
		source, policy = l.cluster.source, textOf(l.cluster.settings, "policy_id")
	}
	sources, _ := filter["cluster_sources"].([]any)
	states, _ := filter["cluster_states"].([]any)
	pinned, wantsPinned := filter["is_pinned"].(bool)
	wantedPolicy := textOf(filter, "policy_id")
	return (len(sources) == 0 || slices.Contains(sources, any(source))) &&
		(len(states) == 0 || slices.Contains(states, any(string(l.state)))) &&
		(!wantsPinned || pinned == l.pinned) &&
		(wantedPolicy == "" || wantedPolicy == policy)
}

// fillPage adds the clusters of a page to its response, changed by the call's
// list fault, if any.
func (c *call) fillPage(answer params, page, before []listed) {
	if c.fault != nil && c.fault.List != nil {
		fault := c.fault.List
		if fault.Empty {
			clear(answer)
			return
		}
		page = page[min(fault.OmitFirst, len(page)):]
		if fault.RepeatLast && len(before) > 0 {
			page = slices.Concat(before[len(before)-1:], page)
		}
		page = slices.DeleteFunc(slices.Clone(page), func(l listed) bool { return slices.Contains(fault.Omit, l.id) })
	}
	if len(page) == 0 {
		return // an empty list omits the key
	}
	clusters := make([]any, 0, len(page))
	for _, l := range page {
		clusters = append(clusters, l.details(c.now))
	}
	answer["clusters"] = clusters
}

// stateOrder is the default order of states: live clusters come first.
var stateOrder = map[State]int{
	Pending: 1, Restarting: 2, Resizing: 3, Running: 4, Terminating: 5, Terminated: 6,
}

func defaultOrder(a, b listed) int {
	return cmp.Or(
		cmp.Compare(stateOrder[a.state], stateOrder[b.state]),
		comparePinned(a.pinned, b.pinned),
		nameOrder(a, b),
	)
}

func comparePinned(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

func nameOrder(a, b listed) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.id, b.id))
}

func reversed(compare func(a, b listed) int) func(a, b listed) int {
	return func(a, b listed) int { return compare(b, a) }
}

var comparators = map[string]func(a, b listed) int{
	"DEFAULT/ASC":       defaultOrder,
	"DEFAULT/DESC":      reversed(defaultOrder),
	"CLUSTER_NAME/ASC":  nameOrder,
	"CLUSTER_NAME/DESC": reversed(nameOrder),
}
