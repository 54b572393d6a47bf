package v1alpha1

// Library is one library to install. Its kind and all its members identify it, so
// another version is another library.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.pypi), has(self.maven), has(self.cran), has(self.jar), has(self.whl), has(self.requirements)].exists_one(chosen, chosen)",message="set exactly one of pypi, maven, cran, jar, whl and requirements; each library is an item of its own"
type Library struct {
	// Operator: a Python package. Libraries API `pypi`.
	// +optional
	PyPI *PyPILibrary `json:"pypi,omitzero"`

	// Operator: a Maven package. Libraries API `maven`.
	// +optional
	Maven *MavenLibrary `json:"maven,omitzero"`

	// Operator: an R package. Libraries API `cran`.
	// +optional
	CRAN *CRANLibrary `json:"cran,omitzero"`

	// Operator: path of a JAR: a Workspace path, a Unity Catalog volume path or
	// an S3 URI. Libraries API `jar`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Jar string `json:"jar,omitempty"`

	// Operator: path of a Python wheel: a Workspace path, a Unity Catalog volume
	// path or an S3 URI. Libraries API `whl`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Whl string `json:"whl,omitempty"`

	// Operator: path of a requirements.txt: a Workspace path or a Unity Catalog
	// volume path; needs runtime 15 or newer. Libraries API `requirements`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Requirements string `json:"requirements,omitempty"`
}

// PyPILibrary is a Python package from an index.
type PyPILibrary struct {
	// Operator: name of the package, optionally with an exact version:
	// simplejson==3.8.0. Libraries API `package`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Package string `json:"package,omitempty"`

	// Operator: index of the package. Absent: the default index. Libraries API
	// `repo`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Repo string `json:"repo,omitempty"`
}

// MavenLibrary is a package from a Maven repository.
type MavenLibrary struct {
	// Operator: coordinates group:artifact:version. Libraries API `coordinates`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Coordinates string `json:"coordinates,omitempty"`

	// Operator: repository of the package. Absent: Maven Central and Spark
	// Packages. Libraries API `repo`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Repo string `json:"repo,omitempty"`

	// Operator: dependencies to exclude, as group:artifact; at most 20.
	// Libraries API `exclusions`.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Exclusions []string `json:"exclusions,omitempty"`
}

// CRANLibrary is an R package.
type CRANLibrary struct {
	// Operator: name of the package. Libraries API `package`.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Package string `json:"package,omitempty"`

	// Operator: repository of the package. Absent: the default CRAN repository.
	// Libraries API `repo`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Repo string `json:"repo,omitempty"`
}
