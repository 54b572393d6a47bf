package plan

import "time"

// What is declared about a cluster beside its configuration, such as its pin,
// holds up nothing else where it is refused: it is tried again, slowly, while
// the rest goes on.

// whenOurs: the cluster is kept as declared. What stands beside its
// configuration has its turn when there is nothing else to do.
func whenOurs(in Input) (Plan, bool) {
	next := in.first(existingRules)
	if next.Step == nil {
		next = in.withOutput(next)
	}
	if in.Cluster.Spec.Suspend || next.Step != nil {
		return next, true
	}
	if next = in.withPermissions(next); next.Step == nil {
		next = in.withPin(next)
	}
	return next, true
}

// sideStep is a step beside the others, or until when it is held back because it
// failed.
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

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// backoffUntil is until when a step that failed is held back; zero: it may be tried.
func (in Input) backoffUntil(last Attempt) time.Time {
	if last.Failure == nil {
		return time.Time{}
	}
	changed := last.Generation != in.Cluster.Generation || last.Credential != in.Observed.Credential
	again := last.At.Add(last.Failure.backoff(last.Failures))
	if last.Failure.response().stalled && changed || !in.Now.Before(again) {
		return time.Time{}
	}
	return again
}
