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
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Libraries has the observed libraries of the cluster.
type Libraries struct {
	// Seen reports whether the libraries were read since the last change.
	Seen     bool
	Statuses []compute.LibraryFullStatus
	// Failure is why the libraries cannot be read; nil: they were read, or will be.
	Failure *managed.Failure
}

// LibraryState is the progress of the declared libraries.
type LibraryState struct {
	// Known reports whether the other fields are known; otherwise a read is needed.
	Known bool
	// Statuses are the cluster's libraries by identity.
	Statuses map[string]compute.LibraryFullStatus
	// Unrecorded reports whether the status lacks a declared library.
	Unrecorded bool
	// Missing must be installed; Undeclared were declared before and must be uninstalled.
	Missing, Undeclared []compute.Library
	// Uninstalling are removed by the next restart; Replacing are other versions of those.
	Uninstalling, Replacing []compute.Library
	// Installing and Failed are declared libraries; a failed one has the message of
	// Databricks.
	Installing, Failed []string
}

// ManagesLibraries reports whether an object declares libraries; the list may be empty.
func ManagesLibraries(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.Libraries != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// needsLibraries reports whether the libraries that an object declares must be read from
// its cluster. They do not change while a cluster runs and all are installed, or is
// terminated and all are recorded.
func needsLibraries(cluster *v1alpha1.DatabricksCluster, details *compute.ClusterDetails) bool {
	return (isRunning(details.State) || isTerminated(details.State)) && !librariesAreFinal(cluster, details)
}

func isRunning(state compute.State) bool {
	return state == compute.StateRunning || state == compute.StateResizing
}

func isTerminated(state compute.State) bool { return state == compute.StateTerminated }

// librariesAreFinal reports whether the libraries in the status are still valid: the status
// has all declared libraries, and the cluster was not restarted since.
func librariesAreFinal(cluster *v1alpha1.DatabricksCluster, details *compute.ClusterDetails) bool {
	recorded := recordedLibraries(cluster)
	for identity := range declaredLibraries(cluster) {
		status, named := recorded[identity]
		if !named || (isTerminated(details.State) && status.Status == "") {
			return false
		}
		delete(recorded, identity)
	}
	for _, status := range recorded {
		if status.Status != compute.LibraryInstallStatusUninstallOnRestart {
			return false
		}
	}
	if isTerminated(details.State) {
		return true
	}
	return HistoryOf(cluster).LibrariesFinal && sameSecond(cluster.Status.LastRestartedTime, details.LastRestartedTime)
}

func sameSecond(recorded *metav1.Time, milliseconds int64) bool {
	if recorded == nil {
		return milliseconds == 0
	}
	return recorded.Unix() == time.UnixMilli(milliseconds).Unix()
}

// declaredLibraries returns the declared libraries by identity.
func declaredLibraries(cluster *v1alpha1.DatabricksCluster) map[string]compute.Library {
	declared := map[string]compute.Library{}
	for _, one := range cluster.Spec.Libraries {
		library := drift.Library(one)
		declared[drift.LibraryIdentity(library)] = library
	}
	return declared
}

// recordedLibraries returns the libraries in the status: those that are declared or were
// declared before, and that the object manages.
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

// LibrariesOf compares the declared libraries with the observed ones. A library that is
// neither declared nor in the status is not managed by the object.
func LibrariesOf(cluster *v1alpha1.DatabricksCluster, observed Observation) LibraryState {
	recorded := recordedLibraries(cluster)
	state := LibraryState{Known: true, Statuses: recorded}
	switch {
	case observed.Libraries.Seen:
		state.Statuses = byIdentity(observed.Libraries.Statuses)
	case observed.Presence != managed.Present || !librariesAreFinal(cluster, observed.Details):
		return LibraryState{}
	}
	declared := declaredLibraries(cluster)
	for identity, was := range recorded {
		is, present := state.Statuses[identity]
		_, wanted := declared[identity]
		switch {
		case wanted || !present || is.IsLibraryForAllClusters:
		case is.Status == compute.LibraryInstallStatusUninstallOnRestart:
			state.Uninstalling = append(state.Uninstalling, *was.Library)
		case !isReinstalled(was, is):
			state.Undeclared = append(state.Undeclared, *was.Library)
		}
	}
	for identity, library := range declared {
		_, named := recorded[identity]
		if !named {
			state.Unrecorded = true
		}
		state.classify(library, state.Statuses[identity])
	}
	state.sort()
	return state
}

// isReinstalled reports whether another actor installed a library again that was being
// uninstalled.
func isReinstalled(was, is compute.LibraryFullStatus) bool {
	const uninstalling = compute.LibraryInstallStatusUninstallOnRestart
	return was.Status == uninstalling && is.Status != uninstalling
}

// StillOwnsLibrary reports whether the object must still uninstall a library that is not
// declared any more.
func StillOwnsLibrary(was v1alpha1.LibraryStatus, is compute.LibraryFullStatus) bool {
	return !is.IsLibraryForAllClusters && !isReinstalled(compute.LibraryFullStatus{Status: compute.LibraryInstallStatus(was.Status)}, is)
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

// classify adds a declared library to the list for its status.
func (s *LibraryState) classify(library compute.Library, status compute.LibraryFullStatus) {
	switch status.Status {
	case "", compute.LibraryInstallStatusUninstallOnRestart:
		sameName := func(other compute.Library) bool {
			return drift.LibraryName(other) != "" && drift.LibraryName(other) == drift.LibraryName(library)
		}
		if slices.ContainsFunc(s.Uninstalling, sameName) {
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

// sort gives the lists an order that depends only on their libraries.
func (s *LibraryState) sort() {
	for _, libraries := range [][]compute.Library{s.Missing, s.Undeclared, s.Uninstalling, s.Replacing} {
		slices.SortFunc(libraries, func(a, b compute.Library) int {
			return strings.Compare(drift.LibraryIdentity(a), drift.LibraryIdentity(b))
		})
	}
	slices.Sort(s.Installing)
	slices.Sort(s.Failed)
}

// whenLibrariesDiffer: declared libraries are missing, or libraries that are not declared
// any more must be uninstalled, with one restart for all of them.
func whenLibrariesDiffer(in Input) (Plan, bool) {
	if !ManagesLibraries(in.Cluster) {
		return Plan{}, false
	}
	running, terminated := isRunning(in.Observed.Details.State), isTerminated(in.Observed.Details.State)
	state := LibrariesOf(in.Cluster, in.Observed)
	missing := state.Missing
	if terminated {
		missing = append(missing, state.Replacing...)
	}
	switch {
	case !running && !terminated:
		return Plan{}, false
	case !state.Known:
		return in.awaitLibraries(running)
	case state.Unrecorded:
		return Plan{Step: PersistLibraries{}, Verdict: persistingLibraries(missing)}, true
	case len(state.Undeclared) > 0:
		verdict := managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "removing " + shownLibraries(state.Undeclared)}
		return in.changeLibraries(UninstallLibraries{in.Observed.Details.ClusterId, state.Undeclared}, state.Undeclared, verdict), true
	case running && len(state.Uninstalling) > 0 && in.strategyRestarts() && !in.wasRestartedForLibraries():
		return in.restartForLibraries(state), true
	case len(missing) > 0 && in.delayedUntil(SubjectLibraries).IsZero():
		return in.changeLibraries(InstallLibraries{in.Observed.Details.ClusterId, missing}, missing, installing(shownLibraries(missing))), true
	default:
		return Plan{}, false
	}
}

// whenInstalling: libraries of a running cluster are being installed or have failed.
func whenInstalling(in Input) (Plan, bool) {
	if !ManagesLibraries(in.Cluster) || !isRunning(in.Observed.Details.State) {
		return Plan{}, false
	}
	state := LibrariesOf(in.Cluster, in.Observed)
	switch {
	case len(state.Installing) > 0:
		return Plan{Verdict: installing(strings.Join(state.Installing, ", "))}, true
	case len(state.Failed) > 0:
		return Plan{Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonLibraryInstallFailed,
			Stalled: true,
			Message: strings.Join(state.Failed, "; ") + "; correct it or remove it from spec.libraries",
		}}, true
	default:
		return Plan{}, false
	}
}

// awaitLibraries returns the plan until the libraries are read. A terminated cluster does
// not wait for that.
func (in Input) awaitLibraries(running bool) (Plan, bool) {
	switch failure := in.Observed.Libraries.Failure; {
	case !running:
		return Plan{}, false
	case failure != nil:
		return Plan{Verdict: failure.Verdict()}, true
	default:
		return Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "reading the libraries"}}, true
	}
}

// changeLibraries returns a plan that sends a change once, and again after resendInterval.
func (in Input) changeLibraries(step Step, libraries []compute.Library, verdict managed.Verdict) Plan {
	if again := in.resendAt(KindOf(step)); in.Now.Before(again) && slices.EqualFunc(in.Attempts.Last.Libraries, libraries, sameLibrary) {
		return Plan{Verdict: verdict, RequeueAt: again}
	}
	return in.withBackoff(Plan{Step: step, Verdict: verdict})
}

func (in Input) restartForLibraries(state LibraryState) Plan {
	plan := Plan{
		Verdict: managed.Verdict{Reason: v1alpha1.ReasonRestarting, Message: "/libraries: restarting to remove " + shownLibraries(state.Uninstalling)},
	}
	if in.Observed.Details.State == compute.StateRunning {
		plan.Step = Restart{in.Observed.Details.ClusterId}
		plan = in.withBackoff(plan)
	}
	return plan
}

// wasRestartedForLibraries reports whether the last step was the restart, so that another
// one would have no effect.
func (in Input) wasRestartedForLibraries() bool {
	return in.succeeded(StepRestart) && in.Attempts.Last.Generation == in.Cluster.Generation
}

// librariesWait reports whether libraries wait for a restart.
func (in Input) librariesWait() bool {
	return ManagesLibraries(in.Cluster) && len(LibrariesOf(in.Cluster, in.Observed).Uninstalling) > 0
}

func sameLibrary(a, b compute.Library) bool {
	return drift.LibraryIdentity(a) == drift.LibraryIdentity(b)
}

func installing(what string) managed.Verdict {
	return managed.Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "installing " + what}
}

// persistingLibraries returns the verdict while the names of the declared libraries are
// stored. Libraries that are installed already are not missing.
func persistingLibraries(missing []compute.Library) managed.Verdict {
	if len(missing) == 0 {
		return managed.Verdict{Reason: v1alpha1.ReasonInstallingLibraries, Message: "comparing the declared libraries with those of the cluster"}
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
