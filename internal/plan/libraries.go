package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// Libraries is what is known of the libraries of the object's cluster.
type Libraries struct {
	// Seen tells that somebody looked since it mattered.
	Seen     bool
	Statuses []compute.LibraryFullStatus
	// Failure is why nobody can look; nil: somebody did, or is about to.
	Failure *Failure
}

// LibraryState is how far the declared libraries are.
type LibraryState struct {
	// Known tells that the rest is; otherwise somebody has to look first.
	Known bool
	// Statuses are the cluster's libraries by identity.
	Statuses map[string]compute.LibraryFullStatus
	// Unnamed tells that the object's status does not name what is declared.
	Unnamed bool
	// Missing are declared and to be installed, Surplus were ours and are to go.
	Missing, Surplus []compute.Library
	// Leaving go with the next restart, Replacing are other versions of those.
	Leaving, Replacing []compute.Library
	// Installing and Failed are declared ones; a failed one comes with what
	// Databricks says of it.
	Installing, Failed []string
}

// ManagesLibraries tells that an object declares libraries, be it none.
func ManagesLibraries(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.Libraries != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// NeedsLibraries tells that a cluster's libraries have to be looked at: those of
// one that is up and settled, or down and recorded, stay as they are.
func NeedsLibraries(cluster *v1alpha1.DatabricksCluster, details *compute.ClusterDetails) bool {
	return ManagesLibraries(cluster) && (isUp(details.State) || isDown(details.State)) && !librariesSettled(cluster, details)
}

func isUp(state compute.State) bool {
	return state == compute.StateRunning || state == compute.StateResizing
}

func isDown(state compute.State) bool { return state == compute.StateTerminated }

// librariesSettled tells that what the object's status says of its libraries
// still holds: it names the declared ones, and the cluster was not restarted
// since.
func librariesSettled(cluster *v1alpha1.DatabricksCluster, details *compute.ClusterDetails) bool {
	recorded := recordedLibraries(cluster)
	for identity := range declaredLibraries(cluster) {
		status, named := recorded[identity]
		if !named || (isDown(details.State) && status.Status == "") {
			return false
		}
		delete(recorded, identity)
	}
	for _, status := range recorded {
		if status.Status != compute.LibraryInstallStatusUninstallOnRestart {
			return false
		}
	}
	if isDown(details.State) {
		return true
	}
	return HistoryOf(cluster).LibrariesSettled && sameSecond(cluster.Status.LastRestartedTime, details.LastRestartedTime)
}

func sameSecond(recorded *metav1.Time, milliseconds int64) bool {
	if recorded == nil {
		return milliseconds == 0
	}
	return recorded.Unix() == time.UnixMilli(milliseconds).Unix()
}

// declaredLibraries are by identity.
func declaredLibraries(cluster *v1alpha1.DatabricksCluster) map[string]compute.Library {
	declared := map[string]compute.Library{}
	for _, one := range cluster.Spec.Libraries {
		library := drift.Library(one)
		declared[drift.LibraryIdentity(library)] = library
	}
	return declared
}

// recordedLibraries are those that the object's status names: declared now or
// before. They are ours.
func recordedLibraries(cluster *v1alpha1.DatabricksCluster) map[string]compute.LibraryFullStatus {
	recorded := map[string]compute.LibraryFullStatus{}
	for _, one := range cluster.Status.Libraries {
		library := drift.Library(one.Library)
		recorded[drift.LibraryIdentity(library)] = compute.LibraryFullStatus{
			Library: &library, Status: compute.LibraryInstallStatus(one.Status), Messages: one.Messages,
		}
	}
	return recorded
}

// LibrariesOf compares what is declared with what is there. Libraries that are
// neither declared nor named by the object's status are somebody else's.
func LibrariesOf(cluster *v1alpha1.DatabricksCluster, observed Observation) LibraryState {
	recorded := recordedLibraries(cluster)
	state := LibraryState{Known: true, Statuses: recorded}
	switch {
	case observed.Libraries.Seen:
		state.Statuses = byIdentity(observed.Libraries.Statuses)
	case observed.Presence != Present || !librariesSettled(cluster, observed.Details):
		return LibraryState{}
	}
	declared := declaredLibraries(cluster)
	for identity, was := range recorded {
		is, present := state.Statuses[identity]
		_, wanted := declared[identity]
		switch {
		case wanted || !present || is.IsLibraryForAllClusters:
		case is.Status == compute.LibraryInstallStatusUninstallOnRestart:
			state.Leaving = append(state.Leaving, *was.Library)
		case !returned(was, is):
			state.Surplus = append(state.Surplus, *was.Library)
		}
	}
	for identity, library := range declared {
		_, named := recorded[identity]
		state.Unnamed = state.Unnamed || !named
		state.classify(library, state.Statuses[identity])
	}
	state.sort()
	return state
}

// returned tells a library that was on its way out and is back: somebody else
// wants it.
func returned(was, is compute.LibraryFullStatus) bool {
	const out = compute.LibraryInstallStatusUninstallOnRestart
	return was.Status == out && is.Status != out
}

// KeepsLibrary tells that a library which is declared no more is still ours to take away.
func KeepsLibrary(was v1alpha1.LibraryStatus, is compute.LibraryFullStatus) bool {
	return !is.IsLibraryForAllClusters && !returned(compute.LibraryFullStatus{Status: compute.LibraryInstallStatus(was.Status)}, is)
}

func byIdentity(statuses []compute.LibraryFullStatus) map[string]compute.LibraryFullStatus {
	found := map[string]compute.LibraryFullStatus{}
	for _, status := range statuses {
		identity := drift.LibraryIdentity(*status.Library)
		if _, twice := found[identity]; !twice || !status.IsLibraryForAllClusters {
			found[identity] = status
		}
	}
	return found
}

// classify sorts a declared library in.
func (s *LibraryState) classify(library compute.Library, status compute.LibraryFullStatus) {
	switch status.Status {
	case "", compute.LibraryInstallStatusUninstallOnRestart:
		sameName := func(other compute.Library) bool {
			return drift.LibraryName(other) != "" && drift.LibraryName(other) == drift.LibraryName(library)
		}
		if slices.ContainsFunc(s.Leaving, sameName) {
			s.Replacing = append(s.Replacing, library)
		} else {
			s.Missing = append(s.Missing, library)
		}
	case compute.LibraryInstallStatusInstalled, compute.LibraryInstallStatusSkipped, compute.LibraryInstallStatusRestored:
	case compute.LibraryInstallStatusFailed:
		failed := drift.LibraryDisplayName(library)
		if len(status.Messages) > 0 {
			failed += ": " + databricks.PlainText(status.Messages[0])
		}
		s.Failed = append(s.Failed, failed)
	default:
		s.Installing = append(s.Installing, drift.LibraryDisplayName(library))
	}
}

// sort makes the same facts look the same.
func (s *LibraryState) sort() {
	for _, libraries := range [][]compute.Library{s.Missing, s.Surplus, s.Leaving, s.Replacing} {
		slices.SortFunc(libraries, func(a, b compute.Library) int {
			return strings.Compare(drift.LibraryIdentity(a), drift.LibraryIdentity(b))
		})
	}
	slices.Sort(s.Installing)
	slices.Sort(s.Failed)
}

// whenLibrariesDiffer: declared libraries are installed, and those that are no
// more declared taken away, with one restart for all of them.
func whenLibrariesDiffer(in Input) (Plan, bool) {
	if !ManagesLibraries(in.Cluster) {
		return Plan{}, false
	}
	up, down := isUp(in.Observed.Details.State), isDown(in.Observed.Details.State)
	state := LibrariesOf(in.Cluster, in.Observed)
	missing := state.Missing
	if down {
		missing = append(missing, state.Replacing...)
	}
	switch {
	case !up && !down:
		return Plan{}, false
	case !state.Known:
		return in.lookingAtLibraries(up)
	case state.Unnamed:
		return Plan{Step: PersistLibraries{}, Verdict: persistingLibraries(missing)}, true
	case len(state.Surplus) > 0:
		verdict := Verdict{Reason: v1alpha1.ReasonUpdating, Message: "removing " + shownLibraries(state.Surplus)}
		return in.changeLibraries(UninstallLibraries{in.Observed.Details.ClusterId, state.Surplus}, state.Surplus, verdict), true
	case up && len(state.Leaving) > 0 && in.strategyRestarts() && !in.wasRestartedForLibraries():
		return in.restartForLibraries(state), true
	case len(missing) > 0 && in.heldBack(SubjectLibraries).IsZero():
		return in.changeLibraries(InstallLibraries{in.Observed.Details.ClusterId, missing}, missing, installing(shownLibraries(missing))), true
	default:
		return Plan{}, false
	}
}

// whenInstalling: the libraries of a cluster that is up are not all there.
func whenInstalling(in Input) (Plan, bool) {
	if !ManagesLibraries(in.Cluster) || !isUp(in.Observed.Details.State) {
		return Plan{}, false
	}
	state := LibrariesOf(in.Cluster, in.Observed)
	switch {
	case len(state.Installing) > 0:
		return Plan{Verdict: installing(strings.Join(state.Installing, ", "))}, true
	case len(state.Failed) > 0:
		return Plan{Verdict: Verdict{
			Reason:  v1alpha1.ReasonLibraryInstallFailed,
			Stalled: true,
			Message: strings.Join(state.Failed, "; ") + "; correct it or remove it from spec.libraries",
		}}, true
	default:
		return Plan{}, false
	}
}

// lookingAtLibraries is the plan while it is not known how far they are. That
// those of a cluster which is down are not known holds up nothing.
func (in Input) lookingAtLibraries(up bool) (Plan, bool) {
	switch failure := in.Observed.Libraries.Failure; {
	case !up:
		return Plan{}, false
	case failure != nil:
		return Plan{Verdict: failure.Verdict()}, true
	default:
		return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "reading the libraries"}}, true
	}
}

// changeLibraries makes a change once, and gives it time to show.
func (in Input) changeLibraries(step Step, libraries []compute.Library, verdict Verdict) Plan {
	if again := in.settles(KindOf(step)); in.Now.Before(again) && slices.EqualFunc(in.Attempts.Last.Libraries, libraries, sameLibrary) {
		return Plan{Verdict: verdict, RequeueAt: again}
	}
	return in.withBackoff(Plan{Step: step, Verdict: verdict})
}

func (in Input) restartForLibraries(state LibraryState) Plan {
	plan := Plan{
		Verdict: Verdict{Reason: v1alpha1.ReasonRestarting, Message: "/libraries: restarting to remove " + shownLibraries(state.Leaving)},
	}
	if in.Observed.Details.State == compute.StateRunning {
		plan.Step = Restart{in.Observed.Details.ClusterId}
		plan = in.withBackoff(plan)
	}
	return plan
}

// wasRestartedForLibraries tells that the last thing done was the restart, and that
// another would do no better.
func (in Input) wasRestartedForLibraries() bool {
	return in.succeeded(StepRestart) && in.Attempts.Last.Generation == in.Cluster.Generation
}

// librariesWait tells that a running cluster is not restarted for its libraries.
func (in Input) librariesWait() bool {
	return ManagesLibraries(in.Cluster) && isUp(in.Observed.Details.State) && len(LibrariesOf(in.Cluster, in.Observed).Leaving) > 0
}

func sameLibrary(a, b compute.Library) bool {
	return drift.LibraryIdentity(a) == drift.LibraryIdentity(b)
}

func installing(what string) Verdict {
	return Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "installing " + what}
}

// persistingLibraries returns the verdict while the names of the declared libraries are
// stored. Libraries that are installed already are not missing.
func persistingLibraries(missing []compute.Library) Verdict {
	if len(missing) == 0 {
		return Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "comparing the declared libraries with those of the cluster"}
	}
	return installing(shownLibraries(missing))
}

func shownLibraries(libraries []compute.Library) string {
	const shown = 10
	var names []string
	for i, library := range libraries {
		if i == shown {
			names = append(names, fmt.Sprintf("and %d more", len(libraries)-shown))
			break
		}
		names = append(names, drift.LibraryDisplayName(library))
	}
	return strings.Join(names, ", ")
}
