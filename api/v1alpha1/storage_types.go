package v1alpha1

// InitScript is the location of one script.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.workspace), has(self.volumes), has(self.s3), has(self.abfss), has(self.gcs), has(self.file)].exists_one(chosen, chosen)",message="set exactly one of workspace, volumes, s3, abfss, gcs and file; each script is an item of its own"
type InitScript struct {
	// Clusters API `workspace`: a workspace file, /Users/… or /Shared/….
	// +optional
	Workspace *StorageDestination `json:"workspace,omitzero"`

	// Clusters API `volumes`: a file in a Unity Catalog volume,
	// /Volumes/<catalog>/<schema>/<volume>/….
	// +optional
	Volumes *StorageDestination `json:"volumes,omitzero"`

	// Clusters API `s3`: an object on S3, read by the cluster's instance profile.
	// +optional
	S3 *S3Destination `json:"s3,omitzero"`

	// Clusters API `abfss`: a file on Azure Data Lake Storage,
	// abfss://<container>@<account>.dfs.core.windows.net/….
	// +optional
	Abfss *StorageDestination `json:"abfss,omitzero"`

	// Clusters API `gcs`: an object on Google Cloud Storage, gs://<bucket>/….
	// +optional
	GCS *StorageDestination `json:"gcs,omitzero"`

	// Clusters API `file`: a file of the container image, file:/…. Only with
	// dockerImage.
	// +optional
	File *StorageDestination `json:"file,omitzero"`
}

// ClusterLogConf is the location to which logs are delivered.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.dbfs), has(self.s3), has(self.volumes)].exists_one(chosen, chosen)",message="set exactly one of dbfs, s3 and volumes"
type ClusterLogConf struct {
	// Clusters API `dbfs`: a DBFS folder, dbfs:/….
	// +optional
	DBFS *StorageDestination `json:"dbfs,omitzero"`

	// Clusters API `s3`: an S3 prefix; needs awsAttributes.instanceProfileARN.
	// +optional
	S3 *S3Destination `json:"s3,omitzero"`

	// Clusters API `volumes`: a folder in a Unity Catalog volume,
	// /Volumes/<catalog>/<schema>/<volume>/….
	// +optional
	Volumes *StorageDestination `json:"volumes,omitzero"`
}

// StorageDestination is a location given by its path.
type StorageDestination struct {
	// Clusters API `destination`: path, in the form of its store.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Destination string `json:"destination,omitempty"`
}

// S3Destination is a location on S3 with the options for writing to it.
type S3Destination struct {
	// Clusters API `destination`: s3://<bucket>/<prefix>.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Destination string `json:"destination,omitempty"`

	// Clusters API `region`: region of the bucket, such as us-west-2. Region or
	// endpoint is required; endpoint takes precedence.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Region string `json:"region,omitempty"`

	// Clusters API `endpoint`: S3 endpoint, such as
	// https://s3-us-west-2.amazonaws.com.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Endpoint string `json:"endpoint,omitempty"`

	// Clusters API `enable_encryption`: true encrypts on the server's side.
	// +optional
	EnableEncryption *bool `json:"enableEncryption,omitempty"`

	// Clusters API `encryption_type`: sse-s3 (the server's default) or sse-kms.
	// +optional
	EncryptionType S3EncryptionType `json:"encryptionType,omitempty"`

	// Clusters API `kms_key`: ARN of the KMS key for sse-kms.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	KMSKey string `json:"kmsKey,omitempty"`

	// Clusters API `canned_acl`: canned access control list, such as
	// bucket-owner-full-control.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	CannedACL string `json:"cannedACL,omitempty"`
}

// S3EncryptionType is a kind of encryption on S3, verbatim.
//
// +kubebuilder:validation:Enum=sse-s3;sse-kms
type S3EncryptionType string

// The kinds of encryption on S3.
const (
	S3EncryptionTypeS3  S3EncryptionType = "sse-s3"
	S3EncryptionTypeKMS S3EncryptionType = "sse-kms"
)
