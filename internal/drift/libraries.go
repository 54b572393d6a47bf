package drift

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Library returns a declared library in the form of the Libraries API.
func Library(declared v1alpha1.Library) compute.Library {
	library := compute.Library{Jar: declared.Jar, Whl: declared.Whl, Requirements: declared.Requirements}
	if pypi := declared.PyPI; pypi != nil {
		library.Pypi = &compute.PythonPyPiLibrary{Package: pypi.Package, Repo: pypi.Repo}
	}
	if maven := declared.Maven; maven != nil {
		library.Maven = &compute.MavenLibrary{Coordinates: maven.Coordinates, Repo: maven.Repo, Exclusions: maven.Exclusions}
	}
	if cran := declared.CRAN; cran != nil {
		library.Cran = &compute.RCranLibrary{Package: cran.Package, Repo: cran.Repo}
	}
	return library
}

// LibraryIdentity returns a key that is equal for equal libraries: the kind with all
// members, exclusions in any order.
func LibraryIdentity(library compute.Library) string {
	if maven := library.Maven; maven != nil {
		sorted := *maven
		sorted.Exclusions = slices.Sorted(slices.Values(maven.Exclusions))
		library.Maven = &sorted
	}
	// A library has only texts, which encoding/json can always encode.
	text, _ := json.Marshal(library) //nolint:errchkjson // see above
	return string(text)
}

// LibraryName returns the kind and the name of a library, which its versions have in
// common, or "" for a file.
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

// LibraryDisplayName returns the name of a library for messages.
func LibraryDisplayName(library compute.Library) string {
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
