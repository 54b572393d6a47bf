package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const (
	installed    = compute.LibraryInstallStatusInstalled
	failedStatus = compute.LibraryInstallStatusFailed
	uninstalling = compute.LibraryInstallStatusUninstallOnRestart
)

// declares sets the declared libraries by their names; see library.
func declares(names ...string) change {
	return spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.Libraries = []v1alpha1.Library{}
		for _, name := range names {
			s.Libraries = append(s.Libraries, library(name))
		}
	})
}

// named stores libraries in the status.
func named(status compute.LibraryInstallStatus, names ...string) change {
	return func(in *Input) {
		for _, name := range names {
			in.Cluster.Status.Libraries = append(in.Cluster.Status.Libraries, v1alpha1.LibraryStatus{Library: library(name), Status: string(status)})
		}
	}
}

// reads adds libraries to the observed ones.
func reads(status compute.LibraryInstallStatus, names ...string) change {
	return func(in *Input) {
		in.Observed.Libraries.Seen = true
		for _, name := range names {
			read := drift.Library(library(name))
			in.Observed.Libraries.Statuses = append(in.Observed.Libraries.Statuses, compute.LibraryFullStatus{Library: &read, Status: status})
		}
	}
}

// readsForAll adds libraries that are installed on all clusters.
func readsForAll(status compute.LibraryInstallStatus, names ...string) change {
	return func(in *Input) {
		reads(status, names...)(in)
		for i := range names {
			in.Observed.Libraries.Statuses[len(in.Observed.Libraries.Statuses)-1-i].IsLibraryForAllClusters = true
		}
	}
}

// library returns a file for a name such as /a.whl and a package for a name such as a==1.
func library(name string) v1alpha1.Library {
	if strings.HasPrefix(name, "/") {
		return v1alpha1.Library{Whl: name}
	}
	return v1alpha1.Library{PyPI: &v1alpha1.PyPILibrary{Package: name}}
}

// namesOf returns the names of libraries.
func namesOf(libraries []compute.Library) []string {
	var names []string
	for _, one := range libraries {
		names = append(names, drift.LibraryDisplayName(one))
	}
	return names
}

func TestTheStateOfTheLibraries(t *testing.T) {
	for name, row := range map[string]struct {
		changes []change
		// want has the lists that are not empty.
		want map[string][]string
	}{
		"[case-47] one is missing":                              {[]change{declares("/a.whl"), reads("")}, map[string][]string{"missing": {"/a.whl"}}},
		"[case-47] one is installed on all clusters":            {[]change{declares("/a.whl"), readsForAll(installed, "/a.whl")}, nil},
		"[case-47] the one of the cluster counts, as the first": {[]change{declares("/a.whl"), reads(failedStatus, "/a.whl"), readsForAll(installed, "/a.whl")}, map[string][]string{"failed": {"/a.whl"}}},
		"[case-47] the one of the cluster counts, as the last":  {[]change{declares("/a.whl"), readsForAll(installed, "/a.whl"), reads(failedStatus, "/a.whl")}, map[string][]string{"failed": {"/a.whl"}}},
		"[case-47] one is not declared any more":                {[]change{declares(), named(installed, "/a.whl"), reads(installed, "/a.whl")}, map[string][]string{"undeclared": {"/a.whl"}}},
		"[case-47] one that is gone is not uninstalled":         {[]change{declares(), named(installed, "/a.whl"), reads(installed, "/b.whl")}, nil},
		"[case-47] one of all clusters is not uninstalled":      {[]change{declares(), named(installed, "/a.whl"), readsForAll(installed, "/a.whl")}, nil},
		"[case-47] one was never declared":                      {[]change{declares(), reads(installed, "/a.whl")}, nil},
		"[case-47] another version waits for the restart":       {[]change{declares("a==2"), named(installed, "a==1"), reads(uninstalling, "a==1")}, map[string][]string{"uninstalling": {"a==1"}, "replacing": {"a==2"}}},
		"[case-47] another package does not wait":               {[]change{declares("b==1"), named(installed, "a==1"), reads(uninstalling, "a==1")}, map[string][]string{"uninstalling": {"a==1"}, "missing": {"b==1"}}},
		"[case-47] another file does not wait":                  {[]change{declares("/b.whl"), named(installed, "/a.whl"), reads(uninstalling, "/a.whl")}, map[string][]string{"uninstalling": {"/a.whl"}, "missing": {"/b.whl"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(append([]change{owning, is("RUNNING")}, row.changes...)...)
			state := LibrariesOf(in.Cluster, in.Observed)
			g.Expect(state.Known).To(BeTrue())
			for list, got := range map[string][]string{
				"missing": namesOf(state.Missing), "undeclared": namesOf(state.Undeclared), "uninstalling": namesOf(state.Uninstalling),
				"replacing": namesOf(state.Replacing), "installing": state.Installing, "failed": state.Failed,
			} {
				g.Expect(got).To(Equal(row.want[list]), list)
			}
		})
	}
}

func TestTheLibrariesOfNoClusterAreNotKnown(t *testing.T) {
	g := NewWithT(t)
	for _, presence := range []managed.Presence{managed.Unknown, managed.Missing, managed.Purged} {
		in := situation(owning, gone(presence), declares("/a.whl"), named(installed, "/a.whl"))
		g.Expect(LibrariesOf(in.Cluster, in.Observed)).To(Equal(LibraryState{}))
	}
}

// Statuses and messages would change with every read if the lists had no order.
func TestLibrariesAreInOrder(t *testing.T) {
	of := func(suffix string) []string {
		return []string{"a" + suffix, "b" + suffix, "c" + suffix, "d" + suffix, "e" + suffix, "f" + suffix, "g" + suffix, "h" + suffix}
	}
	mixed := func(names []string) []string {
		slices.Reverse(names)
		return names
	}
	for name, row := range map[string]struct {
		changes []change
		list    func(LibraryState) []string
		suffix  string
	}{
		"missing":      {[]change{declares(mixed(of("==1"))...), reads("")}, func(s LibraryState) []string { return namesOf(s.Missing) }, "==1"},
		"undeclared":   {[]change{declares(), named(installed, mixed(of("==1"))...), reads(installed, of("==1")...)}, func(s LibraryState) []string { return namesOf(s.Undeclared) }, "==1"},
		"uninstalling": {[]change{declares(), named(installed, mixed(of("==1"))...), reads(uninstalling, of("==1")...)}, func(s LibraryState) []string { return namesOf(s.Uninstalling) }, "==1"},
		"replacing":    {[]change{declares(mixed(of("==2"))...), named(installed, of("==1")...), reads(uninstalling, of("==1")...)}, func(s LibraryState) []string { return namesOf(s.Replacing) }, "==2"},
		"installing":   {[]change{declares(mixed(of("==1"))...), reads(compute.LibraryInstallStatusPending, of("==1")...)}, func(s LibraryState) []string { return s.Installing }, "==1"},
		"failed":       {[]change{declares(mixed(of("==1"))...), reads(failedStatus, of("==1")...)}, func(s LibraryState) []string { return s.Failed }, "==1"},
	} {
		t.Run("[case-47] "+name, func(t *testing.T) {
			in := situation(append([]change{owning, is("RUNNING")}, row.changes...)...)
			NewWithT(t).Expect(row.list(LibrariesOf(in.Cluster, in.Observed))).To(Equal(of(row.suffix)))
		})
	}
}

func TestWhichLibrariesAnObjectStillOwns(t *testing.T) {
	forAll := compute.LibraryFullStatus{Status: installed, IsLibraryForAllClusters: true}
	for name, row := range map[string]struct {
		was  compute.LibraryInstallStatus
		is   compute.LibraryFullStatus
		owns bool
	}{
		"[case-47] it is installed":                      {installed, compute.LibraryFullStatus{Status: installed}, true},
		"[case-47] it was just uninstalled":              {installed, compute.LibraryFullStatus{Status: uninstalling}, true},
		"[case-47] it waits for the restart":             {uninstalling, compute.LibraryFullStatus{Status: uninstalling}, true},
		"[case-47] another actor has installed it again": {uninstalling, compute.LibraryFullStatus{Status: installed}, false},
		"[case-47] it is installed on all clusters":      {installed, forAll, false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(StillOwnsLibrary(v1alpha1.LibraryStatus{Status: string(row.was)}, row.is)).To(Equal(row.owns))
		})
	}
}

func TestAMessageNamesTenLibraries(t *testing.T) {
	g := NewWithT(t)
	names := strings.Split("abcdefghijkl", "")
	in := situation(owning, is("RUNNING"), declares(names...), named("", names...), reads(""))
	g.Expect(Make(in).Verdict.Message).To(Equal("installing a, b, c, d, e, f, g, h, i, j, and 2 more"))
	in = situation(owning, is("RUNNING"), declares(names[:10]...), named("", names[:10]...), reads(""))
	g.Expect(Make(in).Verdict.Message).To(Equal("installing a, b, c, d, e, f, g, h, i, j"))
}

func TestOneLibraryThatTheStatusLacksIsStoredFirst(t *testing.T) {
	names := strings.Split("abcdefgh", "")
	for _, lacking := range names {
		others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == lacking })
		in := situation(owning, is("RUNNING"), declares(names...), named("", others...), reads(""))
		NewWithT(t).Expect(Make(in).Step).To(Equal(PersistLibraries{}), lacking)
	}
}
