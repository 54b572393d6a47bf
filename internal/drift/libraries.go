package drift

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Library is a declared library as the Libraries API spells it.
func Library(declared v1alpha1.Library) compute.Library {
	library := compute.Library{Jar: declared.Jar, Whl: declared.Whl, Requirements: declared.Requirements}
	if of := declared.PyPI; of != nil {
		library.Pypi = &compute.PythonPyPiLibrary{Package: of.Package, Repo: of.Repo}
	}
	if of := declared.Maven; of != nil {
		library.Maven = &compute.MavenLibrary{Coordinates: of.Coordinates, Repo: of.Repo, Exclusions: of.Exclusions}
	}
	if of := declared.CRAN; of != nil {
		library.Cran = &compute.RCranLibrary{Package: of.Package, Repo: of.Repo}
	}
	return library
}

// LibraryIdentity tells one library from another: its kind with all its members.
// The order of exclusions says nothing.
func LibraryIdentity(library compute.Library) string {
	if of := library.Maven; of != nil {
		sorted := *of
		sorted.Exclusions = slices.Sorted(slices.Values(of.Exclusions))
		library.Maven = &sorted
	}
	text, err := json.Marshal(library)
	if err != nil {
		return library.Jar + library.Whl + library.Requirements + library.Egg
	}
	return string(text)
}

// LibraryName is what the versions of one library have in common: its kind and
// its name. Files have none; "" tells so.
func LibraryName(library compute.Library) string {
	switch {
	case library.Pypi != nil:
		name, _, _ := strings.Cut(library.Pypi.Package, "[")
		if end := strings.IndexAny(name, "=<>!~;@ "); end >= 0 {
			name = name[:end]
		}
		return "pypi " + strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	case library.Maven != nil:
		parts := strings.Split(library.Maven.Coordinates, ":")
		return "maven " + strings.Join(parts[:min(len(parts), 2)], ":")
	case library.Cran != nil:
		return "cran " + library.Cran.Package
	default:
		return ""
	}
}

// ShownLibrary is a library for people.
func ShownLibrary(library compute.Library) string {
	switch {
	case library.Pypi != nil:
		return library.Pypi.Package
	case library.Maven != nil:
		return library.Maven.Coordinates
	case library.Cran != nil:
		return library.Cran.Package
	default:
		return library.Jar + library.Whl + library.Requirements
	}
}
