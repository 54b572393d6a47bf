package plan

import "time"

// Side steps set properties of a cluster outside its configuration, such as its pin. A
// refused side step is retried at long intervals and blocks no other step.

// whenManaged: the cluster exists and is kept as declared. Side steps follow when no other
// step is needed.
func whenManaged(in Input) (Plan, bool) {
	next := in.firstMatch(existingRules)
	next.Enforcement = in.enforcementNote()
	if next.Step == nil {
		next = in.withOutput(next)
	}
	if in.Cluster.Spec.Suspend || next.Step != nil {
		return next, true
	}
	if next = in.withPermissions(next); next.Step == nil {
		next = in.withPin(next)
	}
	if next.Step == nil {
		next = in.withCompliance(next)
	}
	return next, true
}

// sideStep returns the plan with a side step, or, while the step is in backoff, with the
// time of the next attempt.
func (in Input) sideStep(next Plan, step Step) (plan Plan, held bool) {
	last := in.Attempts.Side[KindOf(step)]
	again := in.backoffUntil(last)
	if again.IsZero() {
		next.Step, next.NonBlocking = step, true
		return next, false
	}
	next.RequeueAt = soonest(next.RequeueAt, again)
	return next, true
}

// soonest returns the earlier time; a zero time counts as none.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// backoffUntil returns until when a failed step is not retried; zero: it may be sent.
func (in Input) backoffUntil(last Attempt) time.Time {
	if last.Failure == nil {
		return time.Time{}
	}
	changed := last.Generation != in.Cluster.Generation || last.Credential != in.Observed.Credential
	again := last.At.Add(last.Failure.Backoff(last.Failures))
	if last.Failure.Stalls() && changed || !in.Now.Before(again) {
		return time.Time{}
	}
	return again
}
