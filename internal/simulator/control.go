package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// ControlPath is the path prefix of the JSON API that controls the simulator.
// It needs no credential: every client that reaches the simulator may use all
// of it.
const ControlPath = "/simulator/"

// controlEndpoint is one operation of the control API.
type controlEndpoint struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Does   string `json:"does"`
	handle func(s *Server, r *http.Request) (any, error)
}

// controlEndpoints returns the whole control API, which is also its
// documentation: GET /simulator/ shows it. Durations are strings such as
// "1h30m".
func controlEndpoints() []controlEndpoint {
	return []controlEndpoint{
		{"GET", "clusters", "all clusters ever created, oldest first, also deleted ones", listRecords},
		{
			"POST", "clusters", `adds a cluster that the client under test did not create: ` +
				`{"workspace", "creator_user_name", "cluster_source", "state", "spec"}, all optional`, addCluster,
		},
		{"GET", "owners", "the maximum number of clusters that existed at the same time, by owner tag", listOwners},
		{"GET", "clusters/{id}", "one cluster", getRecord},
		{"POST", "clusters/{id}/edit", "sets the given fields of the specification, null clears a field; no restart", editElsewhere},
		{"POST", "clusters/{id}/end", `terminates the cluster at once: {"code", "type", "parameters"}, a termination reason`, endElsewhere},
		{"POST", "clusters/{id}/delete", "deletes it permanently", onCluster((*Server).DeleteElsewhere)},
		{"POST", "clusters/{id}/purge", "makes it look as if it had terminated more than 30 days ago", onCluster((*Server).Purge)},
		{"POST", "clusters/{id}/state", `sets any state: {"state", "message"}`, setState},
		{"POST", "clusters/{id}/touch", "records activity, which restarts the idle time", onCluster((*Server).Touch)},
		{
			"POST", "clusters/{id}/call/{group}/{verb}", "calls an endpoint of the API, such as clusters/resize, as another user; " +
				"the body as a client would send it, without cluster_id", callElsewhere,
		},
		{"PUT", "clusters/{id}/extra", "replaces the undocumented fields of GET's spec; edit drops them, update keeps them", setExtra},
		{"POST", "clusters/{id}/autoscale", `makes the platform resize it: {"workers"}`, autoscale},
		{"GET", "faults", "the fault rules, oldest first", listFaults},
		{"POST", "faults", "adds a rule (the fields of simulator.Fault in snake_case, delay as a duration) and returns its name", addFault},
		{"DELETE", "faults", "removes all rules", clearFaults},
		{"DELETE", "faults/{name}", "removes one", removeFault},
		{"GET", "limits", "the request limits", listLimits},
		{"PUT", "limits", `replaces all limits: [{"workspace", "endpoint", "rate", "burst", "retry_after", "retry_info"}]`, setLimits},
		{"GET", "behaviour", "the switches", getBehaviour},
		{"PUT", "behaviour", "replaces all switches (the fields of simulator.Behaviour in snake_case)", setBehaviour},
		{"GET", "timings", "the durations of transitions, before the time scale", getTimings},
		{"PATCH", "timings", `changes some of {"launch", "pool_launch", "restart", "resize", "terminate", "library_install", "retention"}`, setTimings},
		{"GET", "clock", "the simulator's time", getClock},
		{"POST", "clock", `advances it: {"advance": "30m"}, or offsets the workspaces' own time: {"offset": "-15m"}`, advanceClock},
		{"GET", "requests", "the log, oldest first; ?after=<sequence> and ?endpoint=clusters/create filter it", listRequests},
		{"DELETE", "requests", "empties the log", clearRequests},
		{
			"POST", "tokens", `gives a principal one more token: {"workspace", "user_name", "token", "name", ` +
				`"rights": {"read_only", "may_not_create", "refused": ["permissions/*"], "hidden_clusters": []}}`, addToken,
		},
		{"PATCH", "tokens", `replaces the rights of a token: {"token", "rights"}`, setRights},
		{"DELETE", "tokens", `revokes a token of any kind: {"token"}; without one, all OAuth tokens`, revokeToken},
		{"GET", "workspaces", "the workspaces of this host, with their principals, groups, policies and pools, without secrets", listWorkspaces},
		{
			"POST", "principals", `adds or replaces a user or service principal: {"workspace", "user_name", "client_secret", ` +
				`"federation": {"issuer", "subject", "audience"}, "groups", "not_admin", …}`, addPrincipal,
		},
		{"DELETE", "principals", `removes one: {"workspace", "user_name"}`, removePrincipal},
		{"POST", "groups", `adds a group: {"workspace", "group_name"}`, addGroup},
		{"DELETE", "groups", `removes one: {"workspace", "group_name"}`, removeGroup},
		{"POST", "policies", `adds or replaces a policy: {"workspace", "policy_id", "name", "definition", "max_clusters_per_user", "libraries"}`, addPolicy},
		{"DELETE", "policies/{id}", "removes one; ?workspace= names another workspace than the first", removePolicy},
		{
			"POST", "pools", `adds or replaces a pool: {"workspace", "instance_pool_id", "instance_pool_name", ` +
				`"node_type_id", "min_idle_instances", "max_capacity", "stock_out"}`, addPool,
		},
		{"DELETE", "pools/{id}", "removes one; ?workspace= names another workspace than the first", removePool},
	}
}

func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	all := controlEndpoints()
	for i := range all {
		all[i].Path = ControlPath + all[i].Path
		mux.Handle(all[i].Method+" "+all[i].Path, s.serveControl(all[i].handle))
	}
	mux.Handle("GET "+ControlPath+"{$}", s.serveControl(func(*Server, *http.Request) (any, error) { return all, nil }))
	mux.Handle(ControlPath, s.serveControl(func(_ *Server, r *http.Request) (any, error) {
		return nil, fmt.Errorf("there is no %s %s; GET %s lists all operations", r.Method, r.URL.Path, ControlPath)
	}))
	return mux
}

func (s *Server) serveControl(handle func(*Server, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := handle(s, r)
		answer := &reply{status: http.StatusOK, contentType: "application/json"}
		if err != nil {
			answer.status, result = http.StatusBadRequest, params{"error": err.Error()}
		}
		if result == nil {
			result = params{}
		}
		answer.body = encode(result)
		answer.write(w)
	})
}

// decodeBody decodes the body of a control request strictly; without a body,
// into stays unchanged.
func decodeBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

func listRecords(s *Server, _ *http.Request) (any, error) { return s.Clusters(), nil }

func listOwners(s *Server, _ *http.Request) (any, error) { return s.MaxClustersByOwner(), nil }

func getRecord(s *Server, r *http.Request) (any, error) {
	record, found := s.Cluster(r.PathValue("id"))
	if !found {
		return nil, fmt.Errorf("no cluster ever had the id %q", r.PathValue("id"))
	}
	return record, nil
}

func addCluster(s *Server, r *http.Request) (any, error) {
	var seed Seed
	if err := decodeBody(r, &seed); err != nil {
		return nil, err
	}
	id, err := s.AddCluster(seed)
	if err != nil {
		return nil, err
	}
	record, _ := s.Cluster(id)
	return record, nil
}

func editElsewhere(s *Server, r *http.Request) (any, error) {
	changes := map[string]any{}
	if err := decodeBody(r, &changes); err != nil {
		return nil, err
	}
	return nil, s.EditElsewhere(r.PathValue("id"), changes)
}

func endElsewhere(s *Server, r *http.Request) (any, error) {
	reason := TerminationReason{Code: "INTERNAL_ERROR", Type: "SERVICE_FAULT"}
	if err := decodeBody(r, &reason); err != nil {
		return nil, err
	}
	return nil, s.EndElsewhere(r.PathValue("id"), reason)
}

func onCluster(do func(*Server, string) error) func(*Server, *http.Request) (any, error) {
	return func(s *Server, r *http.Request) (any, error) { return nil, do(s, r.PathValue("id")) }
}

func setState(s *Server, r *http.Request) (any, error) {
	var requested struct {
		State   State  `json:"state"`
		Message string `json:"message"`
	}
	if err := decodeBody(r, &requested); err != nil {
		return nil, err
	}
	if requested.State == "" {
		return nil, errors.New("state is missing")
	}
	return nil, s.SetState(r.PathValue("id"), requested.State, requested.Message)
}

func autoscale(s *Server, r *http.Request) (any, error) {
	var requested struct {
		Workers int64 `json:"workers"`
	}
	if err := decodeBody(r, &requested); err != nil {
		return nil, err
	}
	return nil, s.Autoscale(r.PathValue("id"), requested.Workers)
}

func listFaults(s *Server, _ *http.Request) (any, error) {
	shown := []faultWire{}
	for _, f := range s.Faults() {
		shown = append(shown, faultWire{Fault: f, Delay: wireDuration(f.Delay)})
	}
	return shown, nil
}

func addFault(s *Server, r *http.Request) (any, error) {
	var wire faultWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	if !slices.Contains([]When{Before, After, Late}, wire.When) {
		return nil, fmt.Errorf("when is %q; it may be absent, %q or %q", wire.When, After, Late)
	}
	wire.Fault.Delay = time.Duration(wire.Delay)
	return params{"name": s.AddFault(wire.Fault)}, nil
}

func clearFaults(s *Server, _ *http.Request) (any, error) {
	s.ClearFaults()
	return nil, nil
}

func removeFault(s *Server, r *http.Request) (any, error) {
	if !s.RemoveFault(r.PathValue("name")) {
		return nil, fmt.Errorf("there is no fault %q", r.PathValue("name"))
	}
	return nil, nil
}

func listLimits(s *Server, _ *http.Request) (any, error) { return s.Limits(), nil }

func setLimits(s *Server, r *http.Request) (any, error) {
	var limits []Limit
	if err := decodeBody(r, &limits); err != nil {
		return nil, err
	}
	s.SetLimits(limits...)
	return nil, nil
}

func getBehaviour(s *Server, _ *http.Request) (any, error) {
	return newBehaviourWire(s.Behaviour()), nil
}

func setBehaviour(s *Server, r *http.Request) (any, error) {
	var wire behaviourWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	s.SetBehaviour(wire.behaviour())
	return nil, nil
}

func getTimings(s *Server, _ *http.Request) (any, error) { return newTimingsWire(s.Timings()), nil }

func setTimings(s *Server, r *http.Request) (any, error) {
	wire := newTimingsWire(s.Timings())
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	s.SetTimings(wire.timings())
	return nil, nil
}

func getClock(s *Server, _ *http.Request) (any, error) {
	return params{"now": s.clock.Now(), "offset": wireDuration(s.ClockOffset()), "time_scale": s.options.TimeScale}, nil
}

func advanceClock(s *Server, r *http.Request) (any, error) {
	var requested struct {
		Advance wireDuration  `json:"advance"`
		Offset  *wireDuration `json:"offset"`
	}
	if err := decodeBody(r, &requested); err != nil {
		return nil, err
	}
	if requested.Advance < 0 || (requested.Advance == 0 && requested.Offset == nil) {
		return nil, errors.New(`advance must be a positive duration such as "30m"`)
	}
	s.clock.Advance(time.Duration(requested.Advance))
	if requested.Offset != nil {
		s.SetClockOffset(time.Duration(*requested.Offset))
	}
	return getClock(s, r)
}

func listRequests(s *Server, r *http.Request) (any, error) {
	var after int64
	if text := r.URL.Query().Get("after"); text != "" {
		parsed, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("after is %q; it must be a sequence number", text)
		}
		after = parsed
	}
	entries := append([]Entry{}, s.RequestsAfter(after)...)
	if endpoint := r.URL.Query().Get("endpoint"); endpoint != "" {
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return !matches(endpoint, e.Endpoint) })
	}
	return entries, nil
}

func clearRequests(s *Server, _ *http.Request) (any, error) {
	s.ClearRequests()
	return nil, nil
}

type tokenWire struct {
	Workspace string `json:"workspace"`
	UserName  string `json:"user_name"`
	Token
}

func addToken(s *Server, r *http.Request) (any, error) {
	var wire tokenWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	if wire.Value == "" {
		return nil, errors.New("token is missing")
	}
	return nil, s.AddScopedToken(wire.Workspace, wire.UserName, wire.Token)
}

func setRights(s *Server, r *http.Request) (any, error) {
	var wire tokenWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	return nil, s.SetTokenRights(wire.Value, wire.Rights)
}

func revokeToken(s *Server, r *http.Request) (any, error) {
	var wire tokenWire
	if err := decodeBody(r, &wire); err != nil {
		return nil, err
	}
	if wire.Value == "" {
		s.RevokeOAuthTokens()
		return nil, nil
	}
	s.RevokeToken(wire.Value)
	return nil, nil
}
