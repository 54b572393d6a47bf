package managed

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HoldReportedAfter is how long a step waits before the conditions of its object report
// it. An object without conditions reports it with its first status.
const HoldReportedAfter = 5 * time.Second

// HeldStep is a step that could not be sent. Its zero value is no step.
type HeldStep struct {
	step  string
	since time.Time
	// latest is the current reason, unchanged since latestSince; reported is the reason
	// in the conditions.
	latest, reported Hold
	latestSince      time.Time
}

// Held returns the held step while a reason prevents it from being sent, and the reason
// that the conditions report. No reason is reported before the step has waited for
// HoldReportedAfter, and another reason only after it has lasted as long, so that
// alternating reasons cause no status writes. The first status of an object, which has no
// conditions, has the reason at once, because that write is needed anyway. reportAt is the
// time of the first report; zero: the reason is reported.
func (h HeldStep) Held(conditions []metav1.Condition, step string, reason Hold, now time.Time) (after HeldStep, reported *Hold, reportAt time.Time) {
	if h.step != step {
		h = HeldStep{step: step, since: now}
	}
	if h.latest != reason {
		h.latest, h.latestSince = reason, now
	}
	due := h.since.Add(HoldReportedAfter)
	if len(conditions) == 0 {
		due = h.since
	}
	switch isReported := h.reported != (Hold{}); {
	case !isReported && now.Before(due):
		return h, nil, due
	case !isReported, !now.Before(h.latestSince.Add(HoldReportedAfter)):
		h.reported = reason
	}
	shown := h.reported
	return h, &shown, time.Time{}
}
