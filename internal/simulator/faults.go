package simulator

import (
	"net/http"
	"slices"
	"time"
)

// When is where in a request's life a fault strikes.
type When string

const (
	// Before the effect: the operation is not carried out (but after a mere
	// Delay it is, unless the caller has gone meanwhile).
	Before When = ""
	// After the effect: the operation is carried out and its answer is lost,
	// late or spoilt.
	After When = "after"
	// Late is Before, except that the operation is carried out after Delay even
	// if the caller has gone: a write that lands when nobody waits for it.
	Late When = "late"
)

// Fault is a rule of what goes wrong with which requests. Every field that
// chooses requests narrows the choice; empty ones do not. The oldest rule that
// matches a request is the one that befalls it.
type Fault struct {
	// Name identifies the rule in the log and for its removal; empty gets one.
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
	// ClusterName is that in the body of a create or edit.
	ClusterName string `json:"cluster_name,omitempty"`
	// Page chooses one page of a list; the first is 1.
	Page int `json:"page,omitempty"`
	// Skip lets so many matching requests pass first; Times is for how many
	// after that the rule holds (0: until it is removed).
	Skip  int `json:"skip,omitempty"`
	Times int `json:"times,omitempty"`
	// Percent is the share of matching requests it strikes (0: all).
	Percent float64 `json:"percent,omitempty"`

	When When `json:"when,omitempty"`
	// Delay holds the request (Before, Late) or its answer (After) in the
	// caller's time; alone, it is the whole fault.
	Delay time.Duration `json:"-"`
	// Status answers with an error of this status, ErrorCode and Message. An
	// ErrorCode of digits is a number on the wire, as in
	// {"error_code":403,"message":"Invalid access token."}.
	Status    int               `json:"status,omitempty"`
	ErrorCode string            `json:"error_code,omitempty"`
	Message   string            `json:"message,omitempty"`
	Header    map[string]string `json:"header,omitempty"`
	// Body answers with exactly this, with Status (0: 200).
	Body string `json:"body,omitempty"`
	// Drop closes the connection without an answer.
	Drop bool `json:"drop,omitempty"`
	// SpecMissing leaves spec out of the answer of a get.
	SpecMissing bool `json:"spec_missing,omitempty"`
	// Truncate cuts the true answer in half, which well-formed HTTP conceals.
	Truncate bool `json:"truncate,omitempty"`
	// HTML answers with the page of a login or a proxy, with Status (0: 200).
	HTML bool `json:"html,omitempty"`

	// List spoils the answer of a list.
	List *ListFault `json:"list,omitempty"`
	// Launch makes the launch that the request sets off end with this reason.
	Launch *TerminationReason `json:"launch,omitempty"`
	// MissingNodes is how many nodes a launch or resize does not get.
	MissingNodes int `json:"missing_nodes,omitempty"`
	// FailLibraries makes the libraries of an install fail with this message.
	FailLibraries string `json:"fail_libraries,omitempty"`
}

// ListFault is what is wrong with a page of a list that looks well.
type ListFault struct {
	// Empty is a page without clusters and without a next one.
	Empty bool `json:"empty,omitempty"`
	// Omit are ids of clusters that do not appear.
	Omit []string `json:"omit,omitempty"`
	// OmitFirst leaves out so many at the page's beginning; RepeatLast begins it
	// with the last cluster of the page before. Either is what a changing
	// collection does to a paged list.
	OmitFirst  int  `json:"omit_first,omitempty"`
	RepeatLast bool `json:"repeat_last,omitempty"`
	// Stale answers with the workspace as it was when the rule was added.
	Stale bool `json:"stale,omitempty"`
}

// faultBook holds the rules. Server.mutex guards it.
type faultBook struct {
	server *Server
	rules  []*faultRule
	serial int64
}

type faultRule struct {
	Fault
	seen, struck int
	stale        map[*workspace][]listed
}

func newFaultBook(s *Server) *faultBook { return &faultBook{server: s} }

// AddFault adds a rule and returns its name.
func (s *Server) AddFault(f Fault) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.faults.add(f)
}

// RemoveFault removes a rule by name; false if there is none.
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

// Faults are the rules that hold now, oldest first.
func (s *Server) Faults() []Fault {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := make([]Fault, 0, len(s.faults.rules))
	for _, r := range s.faults.rules {
		all = append(all, r.Fault)
	}
	return all
}

func (b *faultBook) add(f Fault) string {
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

// choose finds the rule that befalls a call, and counts.
func (b *faultBook) choose(c *call) *faultRule {
	for _, rule := range b.rules {
		if !rule.matches(c) {
			continue
		}
		rule.seen++
		if rule.seen <= rule.Skip || (rule.Times > 0 && rule.struck >= rule.Times) {
			continue
		}
		if rule.Percent > 0 && b.server.random.Float64()*100 >= rule.Percent {
			continue
		}
		rule.struck++
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

// answerWithFault is what becomes of the call under its fault; nil is a dropped
// connection.
func (c *call) answerWithFault() *reply {
	fault := c.fault
	if fault.When == After {
		answer := c.perform()
		c.hold(fault.Delay, false)
		return fault.spoil(c, answer)
	}
	stayed := c.hold(fault.Delay, fault.When == Late)
	if !stayed {
		return nil
	}
	if !fault.answers() || fault.When == Late {
		return fault.spoil(c, c.perform())
	}
	return fault.spoil(c, &reply{status: http.StatusOK, contentType: c.contentType(), header: c.header(), body: []byte("{}\n")})
}

// hold waits; false if the caller left meanwhile and the call ends with that.
func (c *call) hold(d time.Duration, regardless bool) bool {
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

// answers tells that the fault puts an answer of its own in place of the true one.
func (f *Fault) answers() bool {
	return f.Status != 0 || f.Body != "" || f.Drop || f.HTML
}

const loginPage = "<!doctype html>\n<html><head><title>Databricks - Sign In</title></head><body><pre>Sign in to continue</pre></body></html>\n"

func (f *Fault) spoil(c *call, answer *reply) *reply {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch {
	case f.Drop:
		return nil
	case f.HTML:
		answer = &reply{status: status, contentType: "text/html; charset=utf-8", header: c.header(), body: []byte(loginPage)}
	case f.Body != "":
		answer = &reply{status: status, contentType: c.contentType(), header: c.header(), body: []byte(f.Body)}
	case f.Status != 0:
		answer = c.refused(refuse(f.Status, f.errorCode(), "%s", f.Message))
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
