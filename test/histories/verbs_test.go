package histories

import (
	"strconv"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// verb is a kind of step.
type verb struct {
	name string
	// weight is how often the verb is drawn, compared with the others.
	weight int
	// target is what the step is about.
	target target
	// arguments are the values of which one is drawn; empty: it has none.
	arguments []string
	do        func(w *world, at key, argument string)
}

// target is what a step is about.
type target int

const (
	anObject target = iota
	theWorld
)

// verbs are all kinds of steps.
var verbs = append(clusterVerbs, listedVerbs()...)

// clusterVerbs are the steps about clusters and about the world.
var clusterVerbs = []verb{
	// Users.
	{"create", 12, anObject, []string{
		`{}`, `{}`, `{"numWorkers":2}`, `{"runPolicy":"Running"}`, `{"runPolicy":"Terminated"}`, `{"deletionPolicy":"Terminate"}`,
		`{"customTags":{"team":"data"}}`, `{"driftPolicy":"Warn"}`, `{"sparkConf":{"spark.a":"1"}}`,
		`{"policyName":"team","policyCompliance":"Enforce"}`,
		`{"adoptionPolicy":"AdoptOrCreate"}`, `{"adoptionPolicy":"AdoptOrCreate","numWorkers":2}`,
		`{"adoptionPolicy":"AdoptOrCreate","updateStrategy":{"type":"OnTermination"},"sparkConf":{"spark.a":"1"}}`,
		schedules[0], schedules[2],
	}, (*world).create},
	{"adopt", 3, anObject, []string{`{}`, `{"numWorkers":2}`, `{"deletionPolicy":"Delete"}`}, (*world).adopt},
	{"take-over", 1, anObject, []string{`{"numWorkers":3}`, `{"customTags":{"team":"data"}}`}, (*world).takeOver},
	{"edit", 16, anObject, []string{
		`{"numWorkers":1}`, `{"numWorkers":3}`, `{"customTags":{"team":"data"}}`, `{"customTags":{"team":"web"}}`, `{"customTags":null}`,
		`{"sparkConf":{"spark.a":"1"}}`, `{"sparkConf":{"spark.a":"2","spark.b":"1"}}`, `{"sparkConf":null}`,
		`{"runPolicy":"Running","schedule":null}`, `{"runPolicy":"Terminated","schedule":null}`, `{"runPolicy":null,"schedule":null}`,
		schedules[1], schedules[2], schedules[3], schedules[4],
		`{"adoptionPolicy":"AdoptOrCreate"}`, `{"adoptionPolicy":null}`,
		`{"suspend":true}`, `{"suspend":null}`, `{"suspend":null}`,
		`{"driftPolicy":"Warn"}`, `{"driftPolicy":"CorrectWithRestart"}`, `{"driftPolicy":null}`,
		`{"updateStrategy":{"type":"OnTermination"}}`, `{"updateStrategy":null}`,
		`{"deletionPolicy":"Retain"}`, `{"deletionPolicy":"Terminate"}`, `{"deletionPolicy":"Delete"}`,
		`{"libraries":[{"pypi":{"package":"simplejson"}}]}`, `{"libraries":[]}`,
		`{"accessControlList":[{"userName":"b@example.com","permissionLevel":"CAN_RESTART"}]}`, `{"accessControlList":null}`,
		`{"pinned":true}`, `{"pinned":false}`, `{"autoterminationMinutes":9000}`,
		`{"policyName":"team"}`, `{"policyName":"nowhere"}`, `{"policyName":null}`,
		`{"policyCompliance":"Report"}`, `{"policyCompliance":"Enforce"}`, `{"policyCompliance":null}`,
	}, (*world).edit},
	{"delete", 7, anObject, nil, func(w *world, at key, _ string) { _, _ = w.server.remove(at); w.checks.edited(at) }},
	// An object that is lost without its deletion policy, and the cluster of one of a former
	// control plane: another object of the name may adopt what is left.
	{"leave", 2, anObject, nil, (*world).leave},
	{"former", 2, anObject, []string{"RUNNING", "TERMINATED"}, (*world).former},
	{"request", 4, anObject, []string{"start@1", "terminate@2", "restart@3", "start@4", "reconcile@5"}, (*world).request},

	// Other tools and people.
	{"terminate-elsewhere", 4, anObject, nil, func(w *world, at key, _ string) {
		w.powerElsewhere(at, power{endedAt: time.Now()}, w.workspace.TerminateElsewhere)
	}},
	{"start-elsewhere", 2, anObject, nil, func(w *world, at key, _ string) {
		w.powerElsewhere(at, power{startedAt: time.Now()}, w.workspace.StartElsewhere)
	}},
	{"resize-elsewhere", 3, anObject, []string{"1", "4"}, func(w *world, at key, workers string) {
		count, _ := strconv.Atoi(workers)
		w.elsewhere(at, func(id string) error { return w.workspace.ResizeElsewhere(id, count) })
	}},
	{"tag-elsewhere", 3, anObject, []string{"team", "cost"}, func(w *world, at key, tag string) {
		w.elsewhere(at, func(id string) error { return w.workspace.TagElsewhere(id, tag, "elsewhere") })
	}},
	{"delete-elsewhere", 2, anObject, nil, func(w *world, at key, _ string) { w.elsewhere(at, w.workspace.DeleteElsewhere) }},
	{"end-elsewhere", 2, anObject, nil, func(w *world, at key, _ string) {
		w.powerElsewhere(at, power{failed: true}, func(id string) error {
			return w.workspace.EndElsewhere(id, simulator.TerminationReason{Code: "CLOUD_PROVIDER_SHUTDOWN", Type: "CLOUD_FAILURE"})
		})
	}},

	{"policy", 2, theWorld, sortedNames(policyDefinitions), func(w *world, _ key, name string) {
		_, _ = w.workspace.AddPolicy("", simulator.Policy{ID: teamPolicy, Name: "team", Definition: policyDefinitions[name]})
	}},

	// Faults of the workspace and of the way to it.
	{"fault", 14, theWorld, sortedNames(workspaceFaults), func(w *world, _ key, name string) { w.fault(workspaceFaults[name]) }},
	{"listed-fault", 5, theWorld, sortedNames(listedFaults()), func(w *world, _ key, name string) { w.fault(listedFaults()[name]) }},
	{"down", 2, theWorld, []string{"20s", "90s", "10m0s"}, func(w *world, _ key, text string) {
		name := w.workspace.AddFault(simulator.Fault{Endpoint: "*", Drop: true})
		time.AfterFunc(duration(text), func() { w.workspace.RemoveFault(name) })
	}},
	// The workspace's clock is ahead or behind from the beginning: Random draws it once.
	{"clock", 0, theWorld, []string{"-10m0s", "10m0s"}, func(w *world, _ key, text string) { w.workspace.SetClockOffset(duration(text)) }},

	// Faults of the API server and of the way to it.
	{"write", 6, theWorld, []string{"conflicts", "refused", "answer-lost", "delayed"}, func(w *world, _ key, name string) {
		fault := map[string]writeFault{"conflicts": conflicts, "refused": refused, "answer-lost": answerLost, "delayed": delayed}[name]
		w.each(func(l *link) { l.change(func(l *link) { l.writeFaults = append(l.writeFaults, fault) }) })
	}},
	{"freeze", 4, theWorld, []string{"5s", "60s"}, func(w *world, _ key, text string) {
		w.each(func(l *link) { l.change(func(l *link) { l.frozenUntil = time.Now().Add(duration(text)) }) })
	}},
	{"api-server-down", 2, theWorld, []string{"10s", "3m0s"}, func(w *world, _ key, text string) {
		w.each(func(l *link) { l.change(func(l *link) { l.downUntil = time.Now().Add(duration(text)) }) })
		w.server.away(duration(text))
	}},
	{"compact", 1, theWorld, nil, func(w *world, _ key, _ string) { w.server.forget() }},

	{"backup", 2, theWorld, nil, func(w *world, _ key, _ string) { w.server.backup() }},
	{"restore", 1, theWorld, []string{"resumed", "revoked"}, func(w *world, _ key, open string) {
		w.server.restore(map[string]watches{"resumed": resumed, "revoked": revoked}[open])
	}},

	// The operator.
	{"kill", 3, theWorld, nil, func(w *world, _ key, _ string) { w.each((*link).kill) }},
	{"kill-before", 5, theWorld, []string{"1", "2", "3", "5", "8"}, func(w *world, _ key, calls string) { w.killAt(calls, beforeEffect) }},
	{"kill-after", 5, theWorld, []string{"1", "2", "3", "5", "8"}, func(w *world, _ key, calls string) { w.killAt(calls, afterEffect) }},
	// Random draws a quiet time at regular intervals.
	{"quiet", 0, theWorld, nil, func(w *world, _ key, length string) {
		if length != "" {
			w.settle(duration(length))
			return
		}
		w.heal()
		w.awaitHours()
		w.settle(quiet)
	}},
	{"second-leader", 2, theWorld, []string{"20s", "20s", "20s", "5m0s"}, func(w *world, _ key, overlap string) { w.second(duration(overlap)) }},
}

// teamPolicy is the id of the policy with the name team.
const teamPolicy = "P1"

// policyDefinitions are the definitions of the policy with the name team.
var policyDefinitions = map[string]string{
	"permits-all": `{}`,
	"fixes":       `{"spark_conf.spark.speculation": {"type": "fixed", "value": "true"}}`,
	"contradicts": `{"spark_conf.spark.a": {"type": "fixed", "value": "3"}}`,
	"limits":      `{"num_workers": {"type": "range", "maxValue": 2, "defaultValue": 1}}`,
}

func (w *world) killAt(calls string, when moment) {
	count, _ := strconv.Atoi(calls)
	w.each(func(l *link) { l.killAt(count, when) })
}

// listLacks is the name of the faults of lists that lack a cluster. One of them at a time
// is pending: the search for the owner tag needs two lists, and is no net if both lack it.
const listLacks = "list-lacks"

func (w *world) fault(fault simulator.Fault) {
	if fault.Name != "" {
		w.workspace.RemoveFault(fault.Name)
	}
	w.workspace.AddFault(fault)
}

// workspaceFaults are the faults of the workspace by name.
var workspaceFaults = map[string]simulator.Fault{
	"create-lost":       {Endpoint: "clusters/create", Times: 1, When: simulator.After, Drop: true},
	"create-late":       {Endpoint: "clusters/create", Times: 1, When: simulator.Late, Delay: 25 * time.Second},
	"create-refused":    {Endpoint: "clusters/create", Times: 1, Status: 400, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "injected"},
	"create-500":        {Endpoint: "clusters/create", Times: 2, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"create-made-500":   {Endpoint: "clusters/create", Times: 1, When: simulator.After, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"create-throttled":  {Endpoint: "clusters/create", Times: 2, Status: 429, ErrorCode: "REQUEST_LIMIT_EXCEEDED", Message: "injected"},
	"enforce-lost":      {Endpoint: "policies/enforce-compliance", Times: 1, When: simulator.After, Drop: true},
	"enforce-refused":   {Endpoint: "policies/enforce-compliance", Times: 1, Status: 403, ErrorCode: "PERMISSION_DENIED", Message: "injected"},
	"delete-lost":       {Endpoint: "clusters/permanent-delete", Times: 1, When: simulator.After, Drop: true},
	"delete-500":        {Endpoint: "clusters/permanent-delete", Times: 2, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"terminate-lost":    {Endpoint: "clusters/delete", Times: 1, When: simulator.After, Drop: true},
	"update-lost":       {Endpoint: "clusters/update", Times: 1, When: simulator.After, Drop: true},
	"update-500":        {Endpoint: "clusters/update", Times: 2, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"resize-lost":       {Endpoint: "clusters/resize", Times: 1, When: simulator.After, Drop: true},
	"start-lost":        {Endpoint: "clusters/start", Times: 1, When: simulator.After, Drop: true},
	"launch-fails":      {Endpoint: "clusters/*", Method: "POST", Times: 1, Launch: &simulator.TerminationReason{Code: "CLOUD_PROVIDER_LAUNCH_FAILURE", Type: "CLOUD_FAILURE"}},
	"get-500":           {Endpoint: "clusters/get", Times: 3, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"get-truncated":     {Endpoint: "clusters/get", Times: 2, Truncate: true},
	"get-html":          {Endpoint: "clusters/get", Times: 2, HTML: true},
	"get-without-spec":  {Endpoint: "clusters/get", Times: 2, SpecMissing: true},
	"list-empty":        {Name: listLacks, Endpoint: "clusters/list", Times: 1, List: &simulator.ListFault{Empty: true}},
	"list-omits":        {Name: listLacks, Endpoint: "clusters/list", Times: 1, List: &simulator.ListFault{OmitFirst: 1}},
	"list-500":          {Endpoint: "clusters/list", Times: 3, Status: 500, ErrorCode: "INTERNAL_ERROR", Message: "injected"},
	"all-throttled":     {Endpoint: "*", Times: 8, Status: 429, ErrorCode: "REQUEST_LIMIT_EXCEEDED", Message: "injected", Header: map[string]string{"Retry-After": "20"}},
	"all-refused":       {Endpoint: "*", Times: 1, Status: 403, ErrorCode: "403", Message: "Invalid access token."},
	"half-fails":        {Endpoint: "*", Times: 10, Percent: 50, Status: 503, ErrorCode: "TEMPORARILY_UNAVAILABLE", Message: "injected"},
	"answers-are-lost":  {Endpoint: "*", Times: 3, When: simulator.After, Drop: true},
	"answers-take-time": {Endpoint: "*", Times: 3, When: simulator.After, Delay: 35 * time.Second},
}
