package simulator

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// maxLoggedBody bounds the logged part of a request.
const maxLoggedBody = 64 << 10

// Entry is the log entry of one answered request.
type Entry struct {
	// Sequence numbers requests from 1 in the order of their responses.
	Sequence int64 `json:"sequence"`
	// Time is when the request arrived.
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	// Endpoint is the operation, such as "clusters/get", in any version of the
	// API.
	Endpoint string `json:"endpoint"`
	// Status is 0 if the connection was dropped.
	Status int `json:"status"`
	// Effect reports whether the operation was carried out, whatever the
	// response.
	Effect    bool   `json:"effect"`
	Workspace string `json:"workspace,omitempty"`
	Principal string `json:"principal,omitempty"`
	// Token is the name of the request's token, or its TokenFingerprint if it
	// has none; never its value.
	Token string `json:"token,omitempty"`
	// ClusterID is the cluster that the request names or creates.
	ClusterID string `json:"cluster_id,omitempty"`
	// Owner is the owner tag of a create.
	Owner string `json:"owner,omitempty"`
	// IdempotencyToken is the token of a create.
	IdempotencyToken string `json:"idempotency_token,omitempty"`
	// Fault is the name of the fault that applied to the request.
	Fault string `json:"fault,omitempty"`
	// UnknownFields are parameters that the server does not know and therefore
	// ignored.
	UnknownFields []string `json:"unknown_fields,omitempty"`
	// Body is the request's JSON body, up to 64 KiB. Forms are not logged.
	Body json.RawMessage `json:"body,omitempty"`
}

func (e *Entry) setBody(body []byte) {
	if len(body) > 0 && len(body) <= maxLoggedBody && json.Valid(body) {
		e.Body = body
	}
}

func (e *Entry) describe(raw map[string]any, ownerTag string) {
	e.IdempotencyToken, _ = raw["idempotency_token"].(string)
	if tags, ok := raw["custom_tags"].(map[string]any); ok {
		e.Owner, _ = tags[ownerTag].(string)
	}
}

// requestLog keeps the newest requests.
type requestLog struct {
	mutex    sync.Mutex
	size     int
	sequence int64
	entries  []Entry
}

func newRequestLog(size int) *requestLog {
	return &requestLog{size: size}
}

func (l *requestLog) add(e Entry) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.sequence++
	e.Sequence = l.sequence
	if len(l.entries) >= l.size+l.size/4 {
		l.entries = slices.Delete(l.entries, 0, len(l.entries)-l.size+1)
	}
	l.entries = append(l.entries, e)
}

// Requests returns the newest LogSize requests answered so far, oldest first.
// Filter with Endpoint, After and the like of package slices.
func (s *Server) Requests() []Entry {
	return s.RequestsAfter(0)
}

// RequestsAfter returns the requests with a greater Sequence.
func (s *Server) RequestsAfter(sequence int64) []Entry {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	kept := s.log.entries[max(0, len(s.log.entries)-s.log.size):]
	from := slices.IndexFunc(kept, func(e Entry) bool { return e.Sequence > sequence })
	if from < 0 {
		return nil
	}
	return slices.Clone(kept[from:])
}

// RequestsTo returns the requests to one endpoint, such as "clusters/create".
func (s *Server) RequestsTo(endpoint string) []Entry {
	return slices.DeleteFunc(s.Requests(), func(e Entry) bool { return e.Endpoint != endpoint })
}

// ClearRequests empties the log; Sequence continues.
func (s *Server) ClearRequests() {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.log.entries = nil
}
