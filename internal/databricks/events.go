package databricks

import (
	"context"
	"net/http"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// EventQuery requests one page of the events of a cluster.
type EventQuery struct {
	ClusterID string
	// PageSize is the number of events to return, 1 to 500; 0 means the server's default.
	PageSize int
	// PageToken is EventPage.NextPageToken of the previous page.
	PageToken string
	// Since is the time of the oldest event to return, in milliseconds since the epoch; 0
	// means any.
	Since int64
	// Order is the order by time; empty means the newest first.
	Order compute.GetEventsOrder
}

// EventPage is one page of clusters/events.
type EventPage struct {
	Events []compute.ClusterEvent
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Events returns one page of the events of a cluster. The operator does not need it; it
// is for the kubectl plugin.
func (c *Client) Events(ctx context.Context, query EventQuery) (EventPage, error) {
	r := request{path: clustersPath + "events", clusterID: query.ClusterID, clusterOnly: true}
	if err := r.requireClusterID(); err != nil {
		return EventPage{}, err
	}
	body := compute.GetEvents{
		ClusterId: query.ClusterID, PageSize: query.PageSize, PageToken: query.PageToken, StartTime: query.Since, Order: query.Order,
	}
	if body.PageSize == 0 {
		body.PageSize = 50
	}
	encoded, err := encode(body)
	if err != nil {
		return EventPage{}, r.notSent("the request cannot be encoded")
	}
	// It is a POST, and changes nothing.
	r.method, r.contentType, r.body, r.limit = http.MethodPost, "application/json", encoded, maxPageBytes
	var found compute.GetEventsResponse
	r.accept = func(got response) error { return decode(got.body, &found) }
	if err := c.call(ctx, r); err != nil {
		return EventPage{}, err
	}
	return EventPage{Events: found.Events, NextPageToken: found.NextPageToken}, nil
}
