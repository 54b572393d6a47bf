package histories

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// The hours of the schedules of random histories: from a quarter past to 35 minutes past
// each of the first 20 hours of a day, so that edges pass within a history, and none while
// a quiet time is checked.
const (
	hoursPerDay            = 20
	opensAt, closesAt      = 15 * time.Minute, 35 * time.Minute
	checkedFrom            = 50 * time.Minute
	aroundAnEdge           = 2 * time.Minute
	longestWithoutAnAnswer = 70 * time.Second
)

// hourly returns a change of the spec: the hours, with further members of the schedule.
func hourly(members string) string {
	spans := make([]string, 0, hoursPerDay)
	for hour := range hoursPerDay {
		spans = append(spans, fmt.Sprintf(`{"from":"%02d:15","to":"%02d:35"}`, hour, hour))
	}
	return `{"runPolicy":"Scheduled","schedule":{"up":[` + strings.Join(spans, ",") + `]` + members + `}}`
}

// schedules are the changes of a spec that random histories draw.
var schedules = []string{hourly(""), hourly(""), hourly(`,"atEnd":"KeepTerminated"`), hourly(`,"atStart":"Leave"`), hourly(`,"atEnd":"Leave"`)}

// hours are the hours at a time: whether they are open, and since when.
type hours struct {
	open  bool
	since time.Time
}

func hoursAt(at time.Time) hours {
	day := at.Truncate(24 * time.Hour)
	hour := day.Add(at.Sub(day).Truncate(time.Hour))
	if hour.Sub(day) < hoursPerDay*time.Hour {
		switch within := at.Sub(hour); {
		case within >= closesAt:
			return hours{false, hour.Add(closesAt)}
		case within >= opensAt:
			return hours{true, hour.Add(opensAt)}
		}
	}
	for hour = hour.Add(-time.Hour); hour.Sub(hour.Truncate(24*time.Hour)) >= hoursPerDay*time.Hour; {
		hour = hour.Add(-time.Hour)
	}
	return hours{false, hour.Add(closesAt)}
}

// isScheduled reports whether an object follows the hours, and not a schedule of a test.
func isScheduled(object document) bool {
	spans, _ := object.at("spec", "schedule", "up").([]any)
	return text(object, "spec", "runPolicy") == "Scheduled" && len(spans) == hoursPerDay
}

// awaitHours lets time pass until the check of the next quiet time is away from the edges,
// if an object follows the hours.
func (w *world) awaitHours() {
	if !slices.ContainsFunc(w.server.allOf(clusters), isScheduled) {
		return
	}
	now := time.Now()
	at := now.Add(quiet).Truncate(time.Hour).Add(checkedFrom)
	if at.Before(now.Add(quiet)) {
		at = at.Add(time.Hour)
	}
	pass(at.Sub(now.Add(quiet)))
}

// power is what is known of the power of one cluster, apart from its state.
type power struct {
	// runningSince is when it was first seen to run; zero: it does not.
	runningSince time.Time
	// endedAt and startedAt are when another actor terminated or started it; zero: it did not
	// happen since the opposite.
	endedAt, startedAt time.Time
	// failed reports that the cloud ended it: a start follows when its specification is
	// changed, whatever the schedule does at the beginning of the hours, and outside of hours
	// that end without an effect.
	failed bool
}

// acted is the last edge that the status of an object records, and since when.
type acted struct {
	edge    string
	knownAt time.Time
}

// changedElsewhere notes that another actor changed the power of a cluster.
func (c *checks) changedElsewhere(id string, what power) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what.runningSince = c.powers[id].runningSince
	c.powers[id] = what
}

// observePower notes which clusters run after a step.
func (c *checks) observePower() {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, found := range c.workspace.Clusters() {
		known := c.powers[found.ID]
		switch {
		case found.State != simulator.Running:
			known.runningSince = time.Time{}
		case known.runningSince.IsZero():
			known.runningSince = now
		}
		c.powers[found.ID] = known
	}
}

// noteEdge notes the edge that the status of an object records.
func (c *checks) noteEdge(object document) {
	uid, edge := text(object, "metadata", "uid"), text(object, "status", "schedule", "lastTransitionTime")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.acted[uid].edge != edge {
		c.acted[uid] = acted{edge, time.Now()}
	}
}

// awaitsRequest reports whether an object has a request that is not completed.
func awaitsRequest(object document) bool {
	annotation, _ := object.at("metadata", "annotations", v1alpha1.AnnotationRequest).(string)
	phase := text(object, "status", "request", "phase")
	isDone := phase == "Succeeded" || phase == "Refused" || phase == "Failed"
	return annotation != "" && (text(object, "status", "request", "value") != annotation || !isDone)
}

// powerArrives checks a request that starts, terminates or restarts a cluster of an object
// that was not edited for some time: an edge of the schedule is acted on once, a start is
// within the hours, and OnTermination restarts nothing. It reports whether one of these is
// violated.
func (c *checks) powerArrives(endpoint, name string, object document, cluster simulator.Record) (broken bool) {
	if awaitsRequest(object) {
		return false
	}
	violated := func(format string) {
		broken = true
		c.violated(fmt.Sprintf("[R13] "+format, name))
	}
	c.mu.Lock()
	of, last := c.powers[cluster.ID], c.acted[text(object, "metadata", "uid")]
	c.mu.Unlock()
	now := time.Now()
	restarts := endpoint == "clusters/update" || endpoint == "clusters/edit" || endpoint == "clusters/restart"
	if restarts && text(object, "spec", "updateStrategy", "type") == "OnTermination" && !of.runningSince.IsZero() && now.Sub(of.runningSince) > aroundAnEdge {
		violated(endpoint + " for %s, whose cluster runs and is changed on its termination")
	}
	current := hoursAt(now)
	if !isScheduled(object) || now.Sub(current.since) < aroundAnEdge {
		return broken
	}
	isActed := last.edge == current.since.Format(time.RFC3339) && now.Sub(last.knownAt) > longestWithoutAnAnswer
	atStart, atEnd := text(object, "spec", "schedule", "atStart"), text(object, "spec", "schedule", "atEnd")
	switch starts, ends := endpoint == "clusters/start" && cluster.State == simulator.Terminated, endpoint == "clusters/delete" && (cluster.State == simulator.Running || cluster.State == simulator.Pending); {
	case starts && !current.open && (atEnd != "Leave" || !of.failed):
		violated("start of %s outside of its hours")
	case starts && current.open && atStart == "Leave" && !of.failed:
		violated("start of %s, whose schedule starts nothing")
	case starts && isActed && of.endedAt.After(last.knownAt):
		violated("second start of %s for one edge of its schedule")
	case ends && current.open:
		violated("terminate of %s within its hours")
	case ends && atEnd == "Leave":
		violated("terminate of %s, whose schedule terminates nothing")
	case ends && atEnd == "" && isActed && of.startedAt.After(last.knownAt):
		violated("second terminate of %s for one edge of its schedule")
	}
	return broken
}
