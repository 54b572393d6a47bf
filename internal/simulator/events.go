package simulator

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// maxEvents bounds the events that are kept for one cluster.
const maxEvents = 1000

type event struct {
	at      time.Time
	kind    string
	details params
}

// addEvent adds an event.
func (c *cluster) addEvent(at time.Time, kind string, details params) {
	if len(c.events) >= maxEvents {
		c.events = slices.Delete(c.events, 0, maxEvents/10)
	}
	c.events = append(c.events, event{at: at, kind: kind, details: details})
}

// sizeOf and attributesOf split a specification as events show it.
func sizeOf(spec params) params {
	size := params{}
	for field := range clusterSize.fields {
		if v, ok := spec[field]; ok {
			size[field] = clone(v)
		}
	}
	return size
}

func attributesOf(spec params) params {
	attributes := cloneParams(spec)
	for field := range clusterSize.fields {
		delete(attributes, field)
	}
	return attributes
}

// listEvents supports both kinds of paging: page_size with page_token, and the
// older offset with limit, whose next page is a complete request.
func (c *call) listEvents() (any, *apiError) {
	found, r := c.cluster(canAttach)
	if r != nil {
		return nil, r
	}
	offset, limit := integerOf(c.params, "offset"), integerOf(c.params, "limit")
	_, sized := c.params["page_size"]
	token := textOf(c.params, "page_token")
	byToken := sized || token != ""
	if byToken {
		limit = integerOf(c.params, "page_size")
		offset, r = eventOffset(token)
		if r != nil {
			return nil, r
		}
	}
	if limit < 0 || offset < 0 {
		return nil, invalid("limit, page_size and offset must not be negative")
	}
	descending := textOf(c.params, "order") != "ASC"
	if !byToken && offset > 0 && descending && integerOf(c.params, "end_time") == 0 {
		return nil, invalid("end_time must be given when paging backwards with an offset")
	}
	if limit == 0 {
		limit = 50
	}
	limit = min(limit, 500)

	all := found.selectEvents(c.params, descending)
	total := int64(len(all))
	from, to := min(offset, total), min(offset+limit, total)
	answer := params{"total_count": total}
	if byToken {
		answer["total_count"] = int64(0)
	}
	if from < to {
		answer["events"] = all[from:to]
	}
	if byToken && from > 0 {
		answer["prev_page_token"] = eventToken(max(0, from-limit))
	}
	if to < total {
		answer["next_page_token"] = eventToken(to)
		answer["next_page"] = c.nextEvents(byToken, to, limit)
	}
	return answer, nil
}

// nextEvents returns the complete request for the next page, as older clients
// send it.
func (c *call) nextEvents(byToken bool, offset, limit int64) params {
	next := cloneParams(c.params)
	if byToken {
		next["page_token"] = eventToken(offset)
		return next
	}
	next["offset"], next["limit"] = offset, limit
	if textOf(next, "order") != "ASC" {
		setDefault(next, "end_time", millis(c.now))
	}
	return next
}

func (c *cluster) selectEvents(query params, descending bool) []any {
	start, end := integerOf(query, "start_time"), integerOf(query, "end_time")
	types, _ := query["event_types"].([]any)
	selected := []any{}
	for _, e := range c.events {
		at := millis(e.at)
		if (start > 0 && at < start) || (end > 0 && at > end) || (len(types) > 0 && !slices.Contains(types, any(e.kind))) {
			continue
		}
		selected = append(selected, params{"cluster_id": c.id, "timestamp": at, "type": e.kind, "details": e.details})
	}
	if descending {
		slices.Reverse(selected)
	}
	return selected
}

func eventToken(offset int64) string {
	return base64.URLEncoding.EncodeToString(encode([]any{"events", offset}))
}

func eventOffset(token string) (int64, *apiError) {
	if token == "" {
		return 0, nil
	}
	var offset int64
	data, err := base64.URLEncoding.DecodeString(token)
	if err == nil {
		var kind string
		err = json.Unmarshal(data, &[]any{&kind, &offset})
	}
	if err != nil || offset < 0 {
		return 0, invalid("Invalid page token: %s", token)
	}
	return offset, nil
}
