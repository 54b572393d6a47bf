package controller_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func pypi(name string) v1alpha1.Library {
	return v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: name}}
}

func libraries(all ...v1alpha1.Library) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.Libraries = append([]v1alpha1.Library{}, all...) }
}

func onTermination(s *v1alpha1.DatabricksClusterSpec) {
	s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
}

// withLibraries returns a rig in which the installation of a library takes some time.
func withLibraries(t *testing.T, size size, simulated ...simulator.Options) *rig {
	t.Helper()
	r := size.rig(t, simulated...)
	r.takes(func(t *simulator.Timings) { t.LibraryInstall = 150 * time.Millisecond })
	return r
}

// changes returns the writes to libraries and clusters, in order.
func (r *rig) changes() []string {
	var all []string
	for _, entry := range r.workspace.Requests() {
		switch entry.Endpoint {
		case "libraries/install", "libraries/uninstall", "clusters/update", "clusters/edit", "clusters/start", "clusters/restart", "clusters/resize", "clusters/create":
			if entry.Effect {
				all = append(all, entry.Endpoint)
			}
		}
	}
	return all
}

// statuses returns the statuses of the libraries in an object's status, by name.
func statuses(cluster *v1alpha1.DatabricksCluster) map[string]string {
	all := map[string]string{}
	for _, library := range cluster.Status.Libraries {
		switch {
		case library.Library.PyPI != nil:
			all[library.Library.PyPI.Package] = library.Status
		case library.Library.Maven != nil:
			all[library.Library.Maven.Coordinates] += library.Status + " "
		default:
			all[library.Library.Jar+library.Library.Whl+library.Library.Requirements] = library.Status
		}
	}
	return all
}

// elsewhere makes a call for the cluster's libraries that does not come from the operator.
func (r *rig) elsewhere(path, id, library string) {
	r.call("POST", "/api/2.0/libraries/"+path, `{"cluster_id": "`+id+`", "libraries": [`+library+`]}`)
}

// anotherSecond waits until a restart can be distinguished from the one before, by the
// second of its time.
func (r *rig) anotherSecond(cluster *v1alpha1.DatabricksCluster) {
	r.t.Helper()
	before := r.get(cluster).Status.LastRestartedTime
	r.Eventually(func() bool { return before == nil || time.Since(before.Time) > time.Second }).Should(BeTrue())
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-47] a library added on RUNNING is the only change, and its progress is reported", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running()
		r.takes(func(t *simulator.Timings) { t.LibraryInstall = time.Hour })
		r.editSpec(cluster, libraries(pypi("simplejson==3.8.0")))
		r.Eventually(func() map[string]string { return statuses(r.get(cluster)) }).Should(Equal(map[string]string{"simplejson==3.8.0": "PENDING"}))
		r.becomes(cluster, "Reconciling=InstallingLibraries")
		r.takes(func(t *simulator.Timings) { t.LibraryInstall = 0 })
		ready := r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.Expect(statuses(ready)).To(Equal(map[string]string{"simplejson==3.8.0": "INSTALLED"}))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.changes()).To(Equal([]string{"libraries/install"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("LibrariesInstalled"))

		// From now on they are read only at the slow interval.
		asked := len(r.workspace.RequestsTo("libraries/cluster-status"))
		atMost := func(more int) {
			r.Consistently(func() int { return len(r.workspace.RequestsTo("libraries/cluster-status")) }).Should(BeNumerically("<=", asked+more))
		}
		atMost(1)
		r.stop()
		r.start()
		atMost(2)
		r.Expect(r.changes()).To(HaveLen(1))
	})

	eachSize(t, "[case-47] libraries of a new object are installed when its cluster runs, and are reported again after a restart", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		r.start()
		cluster := r.create(r.small("scratch", libraries(pypi("a==1"), pypi("b==2"))))
		r.becomes(cluster, "Ready=Running")
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.Expect(r.changes()).To(Equal([]string{"clusters/create", "libraries/install"}))
		r.end(r.get(cluster).Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.becomes(cluster, "LibrariesReady?=NotRunning")
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.takes(func(t *simulator.Timings) { t.LibraryInstall = time.Hour })
		r.call("POST", "/api/2.1/clusters/start", `{"cluster_id": "`+r.get(cluster).Status.ClusterID+`"}`)
		r.becomes(cluster, "Reconciling=InstallingLibraries")
		r.takes(func(t *simulator.Timings) { t.LibraryInstall = 0 })
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.becomes(cluster, "Ready=Running")
	})

	eachSize(t, "[case-48] libraries changed on TERMINATED are requested; the cluster stays terminated and the object does not wait", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running(libraries(pypi("a==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries(pypi("a==2"), pypi("b==1")))
		r.Eventually(func() map[string]string { return statuses(r.get(cluster)) }).Should(
			Equal(map[string]string{"a==1": "UNINSTALL_ON_RESTART", "a==2": "PENDING", "b==1": "PENDING"}))
		r.becomes(cluster, "Ready=TerminatedNormally")
		r.becomes(cluster, "LibrariesReady?=NotRunning")
		r.Consistently(r.changes).Should(Equal([]string{"libraries/uninstall", "libraries/install"}))
		r.call("POST", "/api/2.1/clusters/start", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.Eventually(func() map[string]string { return statuses(r.get(cluster)) }).Should(Equal(map[string]string{"a==2": "INSTALLED", "b==1": "INSTALLED"}))
	})

	eachSize(t, "[case-48] the removal of a library from a failed cluster does not start it", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running(libraries(pypi("a==1"), pypi("b==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.end(cluster.Status.ClusterID, "SPOT_INSTANCE_TERMINATION", "CLOUD_FAILURE")
		r.becomes(cluster, "Stalled=TerminatedUnexpectedly")
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries(pypi("a==1")))
		r.Eventually(r.changes).Should(Equal([]string{"libraries/uninstall"}))
		r.Consistently(r.changes).Should(Equal([]string{"libraries/uninstall"}))
		r.becomes(cluster, "Stalled=TerminatedUnexpectedly")
	})

	eachSize(t, "[case-49] removed and changed libraries on RUNNING are uninstalled, with one restart for all", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running(libraries(pypi("a==1"), pypi("b==1"), pypi("c==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries(pypi("a==2"), pypi("c==1")))
		r.Eventually(func() map[string]string { return statuses(r.get(cluster)) }).Should(Equal(map[string]string{"a==2": "INSTALLED", "c==1": "INSTALLED"}))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.changes()).To(Equal([]string{"libraries/uninstall", "clusters/restart", "libraries/install"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("RestartTriggered"))
	})

	eachSize(t, "[case-49] with OnTermination the restart is deferred and reported; changes without a restart are first", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running(libraries(pypi("a==1")), onTermination)
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries(pypi("a==2"), pypi("b==1")))
		deferred := r.becomes(cluster, "Ready=ChangesDeferred")
		r.Expect(conditions(deferred)).To(ContainElements("Synced!=PendingRestart", "LibrariesReady!=PendingRestart"))
		r.Expect(deferred.Status.PendingChanges).To(Equal([]string{"/libraries"}))
		r.Consistently(r.changes).Should(Equal([]string{"libraries/uninstall", "libraries/install"}))
		asked := len(r.workspace.RequestsTo("libraries/cluster-status"))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("libraries/cluster-status")) }).Should(Equal(asked))

		r.anotherSecond(cluster)
		r.call("POST", "/api/2.1/clusters/restart", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.Eventually(func() map[string]string { return statuses(r.get(cluster)) }).Should(Equal(map[string]string{"a==2": "INSTALLED", "b==1": "INSTALLED"}))
		r.becomes(cluster, "Synced=InSync")
		r.Expect(r.get(cluster).Status.PendingChanges).To(BeEmpty())
	})

	eachSize(t, "[case-50] libraries of other actors, of a policy and for all clusters are neither changed nor awaited", func(t *testing.T, size size) {
		r := withLibraries(t, size, simulator.Options{Workspaces: []simulator.Workspace{{
			Policies:   []simulator.Policy{{ID: "P1", Definition: `{}`, Libraries: []map[string]any{{"jar": "/Volumes/policy.jar"}}}},
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}})
		cluster := r.running(libraries(pypi("a==1")), func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID = "P1" })
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.workspace.AddFault(simulator.Fault{Endpoint: "libraries/install", Times: 1, FailLibraries: "foreign is broken"})
		r.elsewhere("install", cluster.Status.ClusterID, `{"pypi": {"package": "foreign"}}`)
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries())
		r.Eventually(r.changes).Should(Equal([]string{"libraries/uninstall", "clusters/restart"}))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.becomes(cluster, "Ready=Running")
		r.Consistently(r.changes).Should(HaveLen(2))
		uninstalled := r.workspace.RequestsTo("libraries/uninstall")[0].Body
		r.Expect(uninstalled).To(And(ContainSubstring("a==1"), Not(ContainSubstring("foreign")), Not(ContainSubstring("policy.jar"))))
		r.Expect(r.get(cluster).Status.Libraries).To(BeEmpty())
	})

	eachSize(t, "[case-50] a removed library that a policy adds again is not removed again", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		cluster := r.running(libraries(pypi("a==1")), onTermination)
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.editSpec(cluster, libraries())
		r.becomes(cluster, "Ready=ChangesDeferred")
		r.elsewhere("install", cluster.Status.ClusterID, `{"pypi": {"package": "a==1"}}`)
		r.workspace.ClearRequests()
		r.anotherSecond(cluster)
		r.call("POST", "/api/2.1/clusters/restart", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.Eventually(func() []v1alpha1.LibraryStatus { return r.get(cluster).Status.Libraries }).Should(BeEmpty())
		r.becomes(cluster, "Ready=Running")
		r.Consistently(r.changes).Should(Equal([]string{"clusters/restart"}))
	})

	t.Run("libraries stay and are not reported after spec.libraries is removed", func(t *testing.T) {
		r := withLibraries(t, alone)
		cluster := r.running(libraries(pypi("a==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.workspace.ClearRequests()
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Libraries = nil })
		now := r.inSync(cluster)
		r.Expect(conditions(now)).NotTo(ContainElement(HavePrefix("LibrariesReady")))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("libraries/cluster-status")) + len(r.changes()) }).Should(BeZero())
	})

	eachSize(t, "[case-51] a failing library is reported with its messages, and not requested again", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		r.workspace.AddFault(simulator.Fault{Endpoint: "libraries/install", Times: 1, FailLibraries: "No matching distribution found for a==9"})
		r.start()
		cluster := r.create(r.small("scratch", libraries(pypi("a==9"))))
		stalled := r.becomes(cluster, "Stalled=LibraryInstallFailed")
		r.Expect(conditions(stalled)).To(ContainElement("LibrariesReady!=LibraryInstallFailed"))
		r.Expect(stalled.Status.Libraries[0].Status).To(Equal("FAILED"))
		r.Expect(stalled.Status.Libraries[0].Messages).To(ConsistOf("No matching distribution found for a==9"))
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("No matching distribution"))
		r.Consistently(r.changes).Should(Equal([]string{"clusters/create", "libraries/install"}))
		r.stop()
		r.start()
		r.Consistently(r.changes).Should(HaveLen(2))
		r.editSpec(cluster, libraries(pypi("a==8")))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.changes()[2:]).To(Equal([]string{"libraries/uninstall", "clusters/restart", "libraries/install"}))
	})

	eachSize(t, "[case-52] two requirements files, and one coordinate with other exclusions, are different libraries", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		maven := func(exclusions ...string) v1alpha1.Library {
			return v1alpha1.Library{Maven: &v1alpha1.MavenLibrary{Coordinates: "org:art:1", Exclusions: exclusions}}
		}
		all := []v1alpha1.Library{
			{Requirements: "/Workspace/a/requirements.txt"},
			{Requirements: "/Workspace/b/requirements.txt"},
			maven("x:y"), maven("x:y", "x:z"),
			{PyPI: &v1alpha1.PyPILibrary{Package: "p"}},
			{PyPI: &v1alpha1.PyPILibrary{Package: "p", Repo: "https://pypi.example.com"}},
		}
		cluster := r.running(libraries(all...))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.Expect(r.get(cluster).Status.Libraries).To(HaveLen(len(all)))
		r.workspace.ClearRequests()
		r.editSpec(cluster, libraries(slices.Concat(all[:2], []v1alpha1.Library{maven("x:z", "x:y")}, all[4:])...))
		r.Eventually(r.changes).Should(Equal([]string{"libraries/uninstall", "clusters/restart"}))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.RequestsTo("libraries/uninstall")[0].Body).To(And(ContainSubstring(`["x:y"]`), Not(ContainSubstring("x:z"))))
	})

	eachSize(t, "[case-53] attributes and libraries changed together: update, RUNNING again, then libraries", func(t *testing.T, size size) {
		r := withLibraries(t, size)
		r.takes(func(t *simulator.Timings) { t.Restart = time.Hour })
		cluster := r.running()
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) {
			sparkConf("spark.speculation", "true")(s)
			libraries(pypi("a==1"))(s)
		})
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("RESTARTING"))
		r.Consistently(r.changes).Should(Equal([]string{"clusters/update"}))
		r.takes(func(t *simulator.Timings) { t.Restart = 0 })
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.inSync(cluster)
		r.Expect(r.changes()).To(Equal([]string{"clusters/update", "libraries/install"}))
	})

	t.Run("a suspended object installs no libraries", func(t *testing.T) {
		r := withLibraries(t, alone)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = false })
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) {
			s.Suspend = true
			libraries(pypi("a==1"))(s)
		})
		r.becomes(cluster, "Suspended=Suspended")
		r.Consistently(r.changes).Should(BeEmpty())
	})
}
