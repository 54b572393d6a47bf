package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// When is the point of a request's processing at which a fault takes effect.
type When string

const (
	// Before the operation: it is not carried out. With only a Delay it is,
	// unless the caller has disconnected by then.
	Before When = ""
	// After the operation: it is carried out, and its response is lost, delayed
	// or damaged.
	After When = "after"
	// Late is Before, except that the operation is carried out after Delay even
	// if the caller has disconnected: a write that takes effect after the
	// caller's timeout.
	Late When = "late"
)

// Fault is a rule that makes requests fail. Every field that selects requests
// narrows the selection; empty fields do not. If several rules match a request,
// the oldest applies.
type Fault struct {
	// Name identifies the rule in the log and for removal; a rule without a
	// name gets one.
	Name string `json:"name,omitempty"`

	Workspace string `json:"workspace,omitempty"`
	// Principal is a user name.
	Principal string `json:"principal,omitempty"`
	// Token is the name or the fingerprint of a token; see Token.
	Token  string `json:"token,omitempty"`
	Method string `json:"method,omitempty"`
	// Endpoint is a pattern such as "clusters/create", "clusters/*" or "*".
	Endpoint string `json:"endpoint,omitempty"`
	// Path is an exact path, such as one version's.
	Path      string `json:"path,omitempty"`
	ClusterID string `json:"cluster_id,omitempty"`
	// ClusterName is the cluster_name in the body of a create or edit.
	ClusterName string `json:"cluster_name,omitempty"`
	// Page selects one page of a list; the first is 1.
	Page int `json:"page,omitempty"`
	// Skip is the number of matching requests to leave alone first; Times is
	// the number of requests after that to which the rule applies (0: until it
	// is removed).
	Skip  int `json:"skip,omitempty"`
	Times int `json:"times,omitempty"`
	// Percent is the share of matching requests to which the rule applies (0:
	// all).
	Percent float64 `json:"percent,omitempty"`

	When When `json:"when,omitempty"`
	// Delay delays the request (Before, Late) or its response (After) in the
	// caller's time; it may be the whole fault.
	Delay time.Duration `json:"-"`
	// Status makes the response an error with this status, ErrorCode and
	// Message. An ErrorCode of digits is a number on the wire, as in
	// {"error_code":403,"message":"Invalid access token."}.
	Status    int               `json:"status,omitempty"`
	ErrorCode string            `json:"error_code,omitempty"`
	Message   string            `json:"message,omitempty"`
	Header    map[string]string `json:"header,omitempty"`
	// Body is the exact body of the response, with Status (0: 200).
	Body string `json:"body,omitempty"`
	// Drop closes the connection without a response.
	Drop bool `json:"drop,omitempty"`
	// SpecMissing omits spec from the response to a get.
	SpecMissing bool `json:"spec_missing,omitempty"`
	// Truncate cuts the body of the response in half, in well-formed HTTP.
	Truncate bool `json:"truncate,omitempty"`
	// HTML makes the response the page of a login or a proxy, or Body as a
	// page, with Status (0: 200).
	HTML bool `json:"html,omitempty"`

	// List changes the response to a list.
	List *ListFault `json:"list,omitempty"`
	// Launch makes the launch that the request starts fail with this reason.
	Launch *TerminationReason `json:"launch,omitempty"`
	// MissingNodes is how many nodes a launch or resize does not get.
	MissingNodes int `json:"missing_nodes,omitempty"`
	// FailLibraries makes the libraries of an install fail with this message.
	FailLibraries string `json:"fail_libraries,omitempty"`
}

// ListFault is an error in a well-formed page of a list.
type ListFault struct {
	// Empty makes the page empty and the last one.
	Empty bool `json:"empty,omitempty"`
	// Omit lists ids of clusters to leave out.
	Omit []string `json:"omit,omitempty"`
	// OmitFirst is the number of clusters to leave out at the beginning of the
	// page; RepeatLast begins the page with the last cluster of the page
	// before. Both happen when a paged collection changes.
	OmitFirst  int  `json:"omit_first,omitempty"`
	RepeatLast bool `json:"repeat_last,omitempty"`
	// Stale lists the workspace as it was when the rule was added.
	Stale bool `json:"stale,omitempty"`
}

// faultRules holds the rules. Server.mutex guards it.
type faultRules struct {
	server *Server
	rules  []*faultRule
	serial int64
}

type faultRule struct {
	Fault
	matched, applied int
	stale            map[*workspace][]listed
}

func newFaultRules(s *Server) *faultRules { return &faultRules{server: s} }

// AddFault adds a rule and returns its name.
func (s *Server) AddFault(f Fault) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.faults.add(f)
}

// RemoveFault removes a rule by name; false if no rule has the name.
func (s *Server) RemoveFault(name string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before := len(s.faults.rules)
	s.faults.rules = slices.DeleteFunc(s.faults.rules, func(r *faultRule) bool { return r.Name == name })
	return len(s.faults.rules) < before
}

// ClearFaults removes all rules.
func (s *Server) ClearFaults() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.faults.rules = nil
}

// Faults returns the current rules, oldest first.
func (s *Server) Faults() []Fault {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := make([]Fault, 0, len(s.faults.rules))
	for _, r := range s.faults.rules {
		all = append(all, r.Fault)
	}
	return all
}

func (b *faultRules) add(f Fault) string {
	b.serial++
	if f.Name == "" {
		f.Name = "fault-" + decimal(b.serial)
	}
	rule := &faultRule{Fault: f}
	if f.List != nil && f.List.Stale {
		rule.stale = map[*workspace][]listed{}
		for _, w := range b.server.workspaces {
			rule.stale[w] = w.snapshot(b.server.now())
		}
	}
	b.rules = append(b.rules, rule)
	return f.Name
}

// choose returns the rule that applies to a call, and counts the match.
func (b *faultRules) choose(c *call) *faultRule {
	for _, rule := range b.rules {
		if !rule.matches(c) {
			continue
		}
		rule.matched++
		if rule.matched <= rule.Skip || (rule.Times > 0 && rule.applied >= rule.Times) {
			continue
		}
		if rule.Percent > 0 && b.server.random.Float64()*100 >= rule.Percent {
			continue
		}
		rule.applied++
		return rule
	}
	return nil
}

func (f *Fault) matches(c *call) bool {
	fits := func(want, got string) bool { return want == "" || want == got }
	name, _ := c.params["cluster_name"].(string)
	return fits(f.Workspace, c.entry.Workspace) &&
		fits(f.Principal, c.entry.Principal) &&
		fits(f.Token, c.entry.Token) &&
		fits(f.Method, c.entry.Method) &&
		fits(f.Path, c.entry.Path) &&
		fits(f.ClusterID, c.entry.ClusterID) &&
		fits(f.ClusterName, name) &&
		(f.Endpoint == "" || matches(f.Endpoint, c.endpoint.name)) &&
		(f.Page == 0 || f.Page == c.page())
}

// answerWithFault returns the response to the call under its fault; nil drops
// the connection.
func (c *call) answerWithFault() *reply {
	fault := c.fault
	if fault.When == After {
		answer := c.perform()
		c.wait(fault.Delay, false)
		return fault.applyTo(c, answer)
	}
	stayed := c.wait(fault.Delay, fault.When == Late)
	if !stayed {
		return nil
	}
	if !fault.answers() || fault.When == Late {
		return fault.applyTo(c, c.perform())
	}
	return fault.applyTo(c, &reply{status: http.StatusOK, contentType: c.contentType(), header: c.header(), body: []byte("{}\n")})
}

// wait waits for d. It returns false if the caller disconnects first, unless
// regardless is set, or if the server closes.
func (c *call) wait(d time.Duration, regardless bool) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	left := c.request.Context().Done()
	if regardless {
		left = nil
	}
	select {
	case <-timer.C:
		return true
	case <-c.server.closed:
		return false
	case <-left:
		return false
	}
}

// answers reports whether the fault replaces the true response.
func (f *Fault) answers() bool {
	return f.Status != 0 || f.Body != "" || f.Drop || f.HTML
}

const loginPage = "<!doctype html>\n<html><head><title>Databricks - Sign In</title></head><body><pre>Sign in to continue</pre></body></html>\n"

func (f *Fault) applyTo(c *call, answer *reply) *reply {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch {
	case f.Drop:
		return nil
	case f.HTML:
		page := cmp.Or(f.Body, loginPage)
		answer = &reply{status: status, contentType: "text/html; charset=utf-8", header: c.header(), body: []byte(page)}
	case f.Body != "":
		answer = &reply{status: status, contentType: c.contentType(), header: c.header(), body: []byte(f.Body)}
	case f.Status != 0:
		answer = c.errorReply(newAPIError(f.Status, f.errorCode(), "%s", f.Message))
	case f.Truncate:
		answer.body = answer.body[:len(answer.body)/2]
	}
	for name, value := range f.Header {
		answer.header.Set(name, value)
	}
	return answer
}

func (f *Fault) errorCode() string {
	if f.ErrorCode != "" {
		return f.ErrorCode
	}
	switch f.Status {
	case http.StatusBadRequest:
		return "BAD_REQUEST"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "REQUEST_LIMIT_EXCEEDED"
	case http.StatusServiceUnavailable:
		return "TEMPORARILY_UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	default:
		return "INTERNAL_ERROR"
	}
}
