package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// The subjects of corrections that are not a single field. The subject of a field is its
// path in the resource.
const (
	SubjectSize        = "size"
	SubjectPower       = "power"
	SubjectExistence   = "existence"
	SubjectPin         = "pin"
	SubjectPermissions = "permissions"
	SubjectLibraries   = "libraries"
)

const (
	// contentionWindow is the span in which reversals are counted.
	contentionWindow = time.Hour
	// contentionBackoff is the pause before the first correction that is delayed.
	contentionBackoff = 2 * time.Minute
	// maxImmediateCorrections is how many reversals within the window are corrected at once.
	maxImmediateCorrections = 3
	// maxSubjects bounds the single paths that a status counts; beyond it the
	// differences of one field count together.
	maxSubjects = 40
)

// Contention is one subject that another actor has set back for at least the fourth time
// within the window.
type Contention struct {
	Subject string
	// Difference is the current difference of the field; nil: there is none, or the
	// subject is not a field.
	Difference *drift.Difference
	// Desired and Actual are the values of a subject that is not a field; empty: the
	// subject is as declared now.
	Desired, Actual string
}

// reversal is one subject that another actor has changed from the declared value.
type reversal struct {
	Contention
	// isNew is set if the reversal was not counted before.
	isNew bool
	// atOnce is set if the reversal must be recorded when it is observed, because a later
	// reconciliation cannot distinguish it from a state that was never as declared.
	atOnce bool
	count  int32
	// backoffUntil is when it may be corrected; zero: now.
	backoffUntil time.Time
}

func (l Limits) contentionWindow() time.Duration {
	if l.ContentionWindow > 0 {
		return l.ContentionWindow
	}
	return contentionWindow
}

// correctionBackoff is the pause before a correction. It doubles with every reversal
// beyond maxImmediateCorrections, up to the window.
func (l Limits) correctionBackoff(count int32) time.Duration {
	if count <= maxImmediateCorrections {
		return 0
	}
	pause := contentionBackoff
	if l.ContentionBackoff > 0 {
		pause = l.ContentionBackoff
	}
	for range min(count-maxImmediateCorrections-1, 16) {
		pause = min(2*pause, l.contentionWindow())
	}
	return min(pause, l.contentionWindow())
}

// corrections returns the counts of this generation. An edit resets them.
func (in Input) corrections() []v1alpha1.Correction {
	switch {
	case in.Cluster.Status.ObservedGeneration != in.Cluster.Generation:
		return nil
	default:
		return in.Attempts.Corrections(in.Cluster)
	}
}

// correctionOf returns the count of a subject; nil: there is none, or it has expired.
func (in Input) correctionOf(subject string) *v1alpha1.Correction {
	for _, entry := range in.corrections() {
		if entry.Subject == subject && !isExpired(entry, in.Now, in.Limits) {
			return &entry
		}
	}
	return nil
}

// isExpired reports whether the window has passed since a subject last differed from the
// declared value. A reversal that waits for its correction does not expire.
func isExpired(entry v1alpha1.Correction, now time.Time, limits Limits) bool {
	end, ends := expiryOf(entry, limits)
	return ends && !now.Before(end)
}

// expiryOf returns when the count of a subject expires; ok is false while a reversal waits
// for its correction, which may take as long as the window.
func expiryOf(entry v1alpha1.Correction, limits Limits) (end time.Time, ok bool) {
	if entry.CorrectedTime == nil {
		return time.Time{}, false
	}
	end = entry.CorrectedTime.Time
	if entry.LastTime != nil && entry.LastTime.After(end) {
		end = entry.LastTime.Time
	}
	return end.Add(limits.contentionWindow()), true
}

// reversalOf returns the reversal of a subject that is not as declared now. evidence is set
// if the subject was as declared before.
func (in Input) reversalOf(what Contention, evidence bool) reversal {
	found := reversal{Contention: what}
	entry := in.correctionOf(what.Subject)
	switch {
	case entry == nil:
		if found.isNew = evidence; found.isNew {
			found.count = 1
		}
		return found
	case entry.CorrectedTime != nil:
		found.isNew = true
		found.count = withReversal(*entry, in.Now, in.Limits).Count
		if pause := in.Limits.correctionBackoff(found.count); pause > 0 {
			found.backoffUntil = in.Now.Add(pause)
		}
	default:
		found.count = entry.Count
		if until := entry.LastTime.Add(in.Limits.correctionBackoff(entry.Count)); in.Now.Before(until) {
			found.backoffUntil = until
		}
	}
	return found
}

// withReversal returns an entry with one more reversal. An entry that began before the
// window keeps only its last reversal, unless the subject is already contended.
func withReversal(entry v1alpha1.Correction, now time.Time, limits Limits) v1alpha1.Correction {
	if entry.Count <= maxImmediateCorrections && entry.FirstTime != nil && !now.Before(entry.FirstTime.Add(limits.contentionWindow())) {
		entry.FirstTime, entry.Count = entry.LastTime, 1
	}
	entry.Count = min(entry.Count, 1<<20) + 1
	entry.LastTime = new(metav1.NewTime(now.UTC().Truncate(time.Second)))
	if entry.FirstTime == nil {
		entry.FirstTime = entry.LastTime
	}
	entry.CorrectedTime = nil
	return entry
}

// reversals returns all subjects that other actors have set back.
func (in Input) reversals() []reversal {
	if in.isObserving() || in.Cluster.Spec.Suspend || in.isDeleting() {
		return nil
	}
	var all []reversal
	for i := range in.Observed.Differences {
		difference := in.Observed.Differences[i]
		if in.isReversed(difference) {
			what := Contention{Subject: in.subjectOf(difference), Difference: &difference}
			if !slices.ContainsFunc(all, func(one reversal) bool { return one.Subject == what.Subject }) {
				all = append(all, in.reversalOf(what, true))
			}
		}
	}
	for _, check := range []func() (Contention, bool, bool){in.powerReversed, in.existenceReversed, in.pinReversed, in.permissionsReversed, in.librariesReversed} {
		what, differs, evidence := check()
		if !differs {
			continue
		}
		found := in.reversalOf(what, evidence)
		if found.count == 0 {
			continue
		}
		found.atOnce = true
		all = append(all, found)
	}
	return all
}

// isReversed reports whether another actor made a difference, by a read that began after
// the last update.
func (in Input) isReversed(difference drift.Difference) bool {
	if !in.needsCorrection() || in.changed() || in.hadNoEffect(difference) {
		return false
	}
	return difference.Size || !in.succeeded(StepUpdate) || in.Observed.SpecAt.After(in.Attempts.Last.At)
}

// subjectOf returns the subject that a difference is counted for.
func (in Input) subjectOf(difference drift.Difference) string {
	if difference.Size {
		return SubjectSize
	}
	path, entries := difference.SpecPath(), in.corrections()
	const longest = 1024
	known := slices.ContainsFunc(entries, func(entry v1alpha1.Correction) bool { return entry.Subject == path })
	if !known && (len(entries) >= maxSubjects || len(path) > longest) {
		return drift.SpecPointer([]string{difference.Field})
	}
	return path
}

// powerReversed reports whether the cluster runs or is terminated against its run policy.
func (in Input) powerReversed() (what Contention, differs, evidence bool) {
	if in.Observed.Presence != managed.Present {
		return Contention{}, false, false
	}
	state, before := in.Observed.Details.State, compute.State(in.Cluster.Status.State)
	what = Contention{Subject: SubjectPower, Actual: string(state)}
	same := in.Cluster.Status.ObservedGeneration == in.Cluster.Generation
	switch in.keptPolicy() {
	case v1alpha1.RunPolicyRunning:
		what.Desired = string(compute.StateRunning)
		started := in.succeeded(StepStart) && in.Attempts.Last.Generation == in.Cluster.Generation
		differs = state == compute.StateTerminated && endedNormally(in.Observed.Details) && !in.autoterminates()
		return what, differs, started || same && (isStartingOrRunning(before) || before == compute.StateTerminating)
	case v1alpha1.RunPolicyTerminated:
		what.Desired = string(compute.StateTerminated)
		return what, isStartingOrRunning(state), same && (before == compute.StateTerminated || before == compute.StateTerminating)
	default:
		return Contention{}, false, false
	}
}

func isStartingOrRunning(state compute.State) bool {
	return isRunning(state) || state == compute.StatePending || state == compute.StateRestarting
}

// existenceReversed reports whether a cluster that this operator created was deleted
// elsewhere.
func (in Input) existenceReversed() (what Contention, differs, evidence bool) {
	gone := in.Observed.Presence == managed.Missing && in.Cluster.Status.ClusterID != "" && !in.isAdopted()
	return Contention{Subject: SubjectExistence, Desired: "a cluster", Actual: "none"}, gone, true
}

func (in Input) pinReversed() (what Contention, differs, evidence bool) {
	if !ManagesPin(in.Cluster) || in.Observed.Pinned == nil || *in.Observed.Pinned == *in.Cluster.Spec.Pinned {
		return Contention{}, false, false
	}
	states := map[bool]string{true: "pinned", false: "not pinned"}
	shown := in.Cluster.Status.Pinned
	was := shown != nil && *shown == *in.Cluster.Spec.Pinned && in.Cluster.Status.ObservedGeneration == in.Cluster.Generation
	return Contention{Subject: SubjectPin, Desired: states[*in.Cluster.Spec.Pinned], Actual: states[*in.Observed.Pinned]}, true, was
}

func (in Input) permissionsReversed() (what Contention, differs, evidence bool) {
	grants := in.Observed.Permissions
	if !ManagesPermissions(in.Cluster) || !grants.Seen {
		return Contention{}, false, false
	}
	wanted := drift.Permissions(in.Cluster.Spec.AccessControlList, grants.Direct, in.Observed.Principal)
	what = Contention{Subject: SubjectPermissions, Desired: "the declared list", Actual: "another list"}
	return what, !drift.SamePermissions(wanted, grants.Direct), grants.InPlace
}

func (in Input) librariesReversed() (what Contention, differs, evidence bool) {
	if in.Observed.Presence != managed.Present || !in.Observed.Libraries.Seen {
		return Contention{}, false, false
	}
	recorded, missing := recordedLibraries(in.Cluster), LibrariesOf(in.Cluster, in.Observed).Missing
	for _, library := range missing {
		evidence = evidence || recorded[drift.LibraryIdentity(library)].Status != ""
	}
	what = Contention{Subject: SubjectLibraries, Desired: "installed", Actual: "not installed: " + shownLibraries(missing)}
	return what, len(missing) > 0, evidence
}

// delayedUntil returns until when a subject is not corrected; zero: it may be corrected.
func (in Input) delayedUntil(subject string) time.Time {
	for _, one := range in.reversals() {
		if one.Subject == subject {
			return one.backoffUntil
		}
	}
	return time.Time{}
}

// dueDifferences returns the differences to correct now, without those that the workspace
// does not apply and those whose correction is delayed because of a contention.
func (in Input) dueDifferences() []drift.Difference {
	if !in.needsCorrection() {
		return nil
	}
	var due []drift.Difference
	held := in.delayedSubjects()
	for _, difference := range in.Observed.Differences {
		if !in.hadNoEffect(difference) && !held[in.subjectOf(difference)] {
			due = append(due, difference)
		}
	}
	return due
}

func (in Input) delayedSubjects() map[string]bool {
	held := map[string]bool{}
	for _, one := range in.reversals() {
		if !one.backoffUntil.IsZero() {
			held[one.Subject] = true
		}
	}
	return held
}

// withoutDelayed returns the differences whose correction is not delayed.
func (in Input) withoutDelayed() []drift.Difference {
	held := in.delayedSubjects()
	var open []drift.Difference
	for _, difference := range in.Observed.Differences {
		if !held[in.subjectOf(difference)] {
			open = append(open, difference)
		}
	}
	return open
}

// withContention adds the contended subjects to a plan, and the time of their next
// correction.
func (in Input) withContention(next Plan) Plan {
	reversals := in.reversals()
	next.Corrects = in.correctedBy(next.Step, reversals)
	seen := map[string]bool{}
	for _, one := range reversals {
		seen[one.Subject] = true
		contended := one.count > maxImmediateCorrections
		if contended {
			next.Contended = append(next.Contended, one.Contention)
		}
		if one.isNew && (one.atOnce || contended || slices.Contains(next.Corrects, one.Subject)) {
			next.Reversed = append(next.Reversed, one.Subject)
		}
		if next.Step == nil {
			next.RequeueAt = soonest(next.RequeueAt, one.backoffUntil)
		}
	}
	return in.withInSyncSubjects(next, seen)
}

// withInSyncSubjects adds the counted subjects that are as declared now.
func (in Input) withInSyncSubjects(next Plan, seen map[string]bool) Plan {
	if in.isDeleting() || in.Cluster.Spec.Suspend {
		return next
	}
	for _, entry := range in.corrections() {
		if seen[entry.Subject] {
			continue
		}
		if entry.CorrectedTime == nil && in.Observed.Compared {
			next.Restored = append(next.Restored, entry.Subject)
		}
		end, ends := expiryOf(entry, in.Limits)
		if ends && !in.Now.Before(end) {
			continue
		}
		if entry.Count > maxImmediateCorrections {
			next.Contended = append(next.Contended, Contention{Subject: entry.Subject})
		}
		if next.Step == nil {
			// The count leaves the status when it expires, not with an unrelated reconcile.
			next.RequeueAt = soonest(next.RequeueAt, end)
		}
	}
	return next
}

// correctedSubjects has the subjects that are not a field, by the steps that correct them.
var correctedSubjects = map[StepKind]string{
	StepStart:            SubjectPower,
	StepTerminate:        SubjectPower,
	StepCreate:           SubjectExistence,
	StepStoreClusterID:   SubjectExistence,
	StepPin:              SubjectPin,
	StepUnpin:            SubjectPin,
	StepSetPermissions:   SubjectPermissions,
	StepInstallLibraries: SubjectLibraries,
}

// correctedBy returns the subjects that a step corrects.
func (in Input) correctedBy(step Step, reversals []reversal) []string {
	switch step := step.(type) { //nolint:gochecksumtype // the other steps are in the table below
	case Update:
		return in.reversedSubjects(step.Differences)
	case Resize:
		return in.reversedSubjects(step.Differences)
	case ReadSpec:
		return in.reversedSubjects(step.Differences)
	}
	subject, corrects := correctedSubjects[KindOf(step)]
	if !corrects {
		return nil
	}
	known := in.correctionOf(subject) != nil || slices.ContainsFunc(reversals, func(one reversal) bool { return one.Subject == subject })
	if !known {
		return nil
	}
	return []string{subject}
}

// reversedSubjects returns the subjects of the differences that other actors made.
func (in Input) reversedSubjects(differences []drift.Difference) []string {
	var subjects []string
	for _, difference := range differences {
		if name := in.subjectOf(difference); !slices.Contains(subjects, name) && in.isReversed(difference) {
			subjects = append(subjects, name)
		}
	}
	return subjects
}

// Corrections returns the counts after a plan. before are the counts so far, and ran is set
// if the step of the plan succeeded. Expired entries are dropped when another entry
// changes, so that time alone causes no write except at the end of a contention.
func (p Plan) Corrections(before []v1alpha1.Correction, ran bool, now time.Time, limits Limits) []v1alpha1.Correction {
	after := make([]v1alpha1.Correction, 0, len(before))
	changed := false
	for _, entry := range before {
		over := isExpired(entry, now, limits)
		changed = changed || over && entry.Count > maxImmediateCorrections
		after = append(after, entry)
	}
	at := func(subject string) int {
		return slices.IndexFunc(after, func(entry v1alpha1.Correction) bool { return entry.Subject == subject })
	}
	for _, subject := range p.Reversed {
		i := at(subject)
		if i < 0 || isExpired(after[i], now, limits) {
			fresh := v1alpha1.Correction{Subject: subject}
			if i < 0 {
				i, after = len(after), append(after, fresh)
			}
			after[i] = fresh
		}
		after[i], changed = withReversal(after[i], now, limits), true
	}
	corrected := p.Restored
	if ran {
		corrected = append(slices.Clone(corrected), p.Corrects...)
	}
	for _, subject := range corrected {
		if i := at(subject); i >= 0 && after[i].CorrectedTime == nil {
			after[i].CorrectedTime, changed = new(metav1.NewTime(now.UTC().Truncate(time.Second))), true
		}
	}
	if !changed {
		return before
	}
	after = slices.DeleteFunc(after, func(entry v1alpha1.Correction) bool { return isExpired(entry, now, limits) })
	slices.SortFunc(after, func(a, b v1alpha1.Correction) int { return strings.Compare(a.Subject, b.Subject) })
	if len(after) == 0 {
		return nil
	}
	return after
}
