package report

import (
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

const (
	// maxLibraries and maxMessages are the limits of the schema.
	maxLibraries, maxMessages = 200, 20
	// librariesPath is where libraries are declared, as a JSON Pointer into spec.
	librariesPath = "/libraries"
)

// EventLibrariesInstalled is the event that every declared library is installed.
const EventLibrariesInstalled = "LibrariesInstalled"

// recordLibraries stores the declared libraries with their status. A library that is not
// declared any more stays in the status until it is uninstalled.
func recordLibraries(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if _, oversized := specsize.Excess(in.Cluster); oversized {
		return // the libraries that it declares are not in the cache
	}
	if !plan.ManagesLibraries(in.Cluster) || in.isGone() {
		status.Libraries = nil
		return
	}
	before := map[string]v1alpha1.LibraryStatus{}
	for _, was := range status.Libraries {
		before[identityOf(was.Library)] = was
	}
	seen := in.Observed.Libraries.Seen
	statuses := plan.LibrariesOf(in.Cluster, in.Observed).Statuses
	declared := map[string]bool{}
	var all []v1alpha1.LibraryStatus
	for _, library := range in.Cluster.Spec.Libraries {
		identity := identityOf(library)
		declared[identity] = true
		shown := v1alpha1.LibraryStatus{Library: library, Status: before[identity].Status, Messages: before[identity].Messages}
		if seen {
			shown = shownLibrary(library, statuses[identity])
		}
		all = append(all, shown)
	}
	for _, was := range status.Libraries {
		identity := identityOf(was.Library)
		is, present := statuses[identity]
		switch {
		case declared[identity]:
		case !seen:
			all = append(all, was)
		case present && plan.StillOwnsLibrary(was, is):
			all = append(all, shownLibrary(was.Library, is))
		}
	}
	status.Libraries = all[:min(len(all), maxLibraries)]
}

func shownLibrary(library v1alpha1.Library, is compute.LibraryFullStatus) v1alpha1.LibraryStatus {
	shown := v1alpha1.LibraryStatus{Library: library, Status: databricks.PlainText(string(is.Status))}
	for _, message := range is.Messages[:min(len(is.Messages), maxMessages)] {
		shown.Messages = append(shown.Messages, databricks.PlainText(message))
	}
	return shown
}

func identityOf(library v1alpha1.Library) string {
	return drift.LibraryIdentity(drift.Library(library))
}

// librariesReady sets the condition for the declared libraries.
func (s setter) librariesReady() {
	const kind = v1alpha1.ConditionLibrariesReady
	if !plan.ManagesLibraries(s.in.Cluster) {
		s.Remove(kind)
		return
	}
	if !isRunning(compute.State(s.status.State)) {
		s.set(kind, metav1.ConditionUnknown, v1alpha1.ReasonNotRunning, "libraries are installed while the cluster runs")
		return
	}
	if message, oversized := specsize.Excess(s.in.Cluster); oversized {
		s.set(kind, metav1.ConditionUnknown, v1alpha1.ReasonInvalidSpec, message)
		return
	}
	last := meta.FindStatusCondition(s.status.Conditions, kind)
	if s.in.Observed.Presence == managed.Unknown && last != nil && !s.declaresUnseenLibrary() {
		s.Keep()
		return
	}
	state := plan.LibrariesOf(s.in.Cluster, s.in.Observed)
	switch {
	case !state.Known:
		s.set(kind, metav1.ConditionFalse, v1alpha1.ReasonInstallingLibraries, "reading the libraries")
	case len(state.Failed) > 0:
		s.set(kind, metav1.ConditionFalse, v1alpha1.ReasonLibraryInstallFailed, strings.Join(state.Failed, "; "))
	case len(state.Missing) > 0 || len(state.Installing) > 0:
		s.set(kind, metav1.ConditionFalse, v1alpha1.ReasonInstallingLibraries, "not every declared library is installed yet")
	case len(state.Replacing) > 0:
		s.set(kind, metav1.ConditionFalse, v1alpha1.ReasonPendingRestart, "another version waits for the restart of the cluster")
	default:
		s.set(kind, metav1.ConditionTrue, v1alpha1.ReasonLibrariesInstalled, "every declared library is installed")
	}
}

// declaresUnseenLibrary reports whether a library was declared since the libraries of the
// cluster were read.
func (s setter) declaresUnseenLibrary() bool {
	return slices.ContainsFunc(s.status.Libraries, func(shown v1alpha1.LibraryStatus) bool { return shown.Status == "" })
}

// librariesInstalled returns the event of the transition to all libraries installed.
func librariesInstalled(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	now := isTrue(after, v1alpha1.ConditionLibrariesReady) && !isTrue(before, v1alpha1.ConditionLibrariesReady)
	if !now || len(after.Libraries) == 0 {
		return "", ""
	}
	return EventLibrariesInstalled, "every declared library is installed"
}
