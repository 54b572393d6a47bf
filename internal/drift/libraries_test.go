package drift_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

func TestLibraryIdentity(t *testing.T) {
	g := NewWithT(t)
	maven := func(repo string, exclusions ...string) string {
		return drift.LibraryIdentity(drift.Library(v1alpha1.Library{Maven: &v1alpha1.MavenLibrary{Coordinates: "g:a:1", Repo: repo, Exclusions: exclusions}}))
	}
	g.Expect(maven("", "x:y", "x:z")).To(Equal(maven("", "x:z", "x:y")))
	different := []string{
		maven(""), maven("", "x:y"), maven("https://repo"),
		drift.LibraryIdentity(compute.Library{Jar: "/a"}), drift.LibraryIdentity(compute.Library{Whl: "/a"}),
		drift.LibraryIdentity(compute.Library{Requirements: "/a"}), drift.LibraryIdentity(compute.Library{Requirements: "/b"}),
		drift.LibraryIdentity(compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: "g:a:1"}}),
		drift.LibraryIdentity(compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: "g:a:1", Repo: "https://repo"}}),
		drift.LibraryIdentity(compute.Library{Cran: &compute.RCranLibrary{Package: "g:a:1"}}),
	}
	seen := map[string]bool{}
	for _, identity := range different {
		g.Expect(seen).NotTo(HaveKey(identity))
		seen[identity] = true
	}
}

func TestLibraryName(t *testing.T) {
	g := NewWithT(t)
	pypi := func(name string) string {
		return drift.LibraryName(compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: name}})
	}
	for _, same := range []string{"my-lib", "my_lib==1.0", "My.Lib>=2,<3", "my-lib[extra]~=1", "my-lib ; python_version<'3'"} {
		g.Expect(pypi(same)).To(Equal("pypi my-lib"), same)
	}
	g.Expect(pypi("my-lib2")).NotTo(Equal(pypi("my-lib")))
	g.Expect(drift.LibraryName(compute.Library{Maven: &compute.MavenLibrary{Coordinates: "g:a:1"}})).
		To(Equal(drift.LibraryName(compute.Library{Maven: &compute.MavenLibrary{Coordinates: "g:a:2"}})))
	g.Expect(drift.LibraryName(compute.Library{Maven: &compute.MavenLibrary{Coordinates: "g:a:1"}})).To(Equal("maven g:a"))
	g.Expect(drift.LibraryName(compute.Library{Cran: &compute.RCranLibrary{Package: "ada"}})).To(Equal("cran ada"))
	g.Expect(drift.LibraryName(compute.Library{Jar: "/a-1.jar"})).To(BeEmpty())
}
