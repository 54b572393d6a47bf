package simulator

import (
	"log/slog"
	"time"
)

// Options configure a simulator. The zero value is one workspace with one
// administrator, whose token is DefaultToken, on a running clock.
type Options struct {
	// Workspaces share one address. The X-Databricks-Workspace-Id or
	// X-Databricks-Org-Id header or ?o= selects the workspace of a request;
	// without them it is the first that accepts the credential. An empty list
	// means one workspace with one administrator.
	Workspaces []Workspace
	// Clock is the simulator's time; nil means NewClock.
	Clock *Clock
	// ClockOffset is how far the workspace's own time (the Date header and
	// every timestamp) is ahead of Clock; negative is behind. See
	// SetClockOffset.
	ClockOffset time.Duration
	// TimeScale is how many times faster than in a real workspace all
	// transitions are: launches, idle minutes, retention. 0 means 1.
	TimeScale float64
	// Timings are the durations before TimeScale; nil means DefaultTimings.
	Timings *Timings
	// Behaviour selects among behaviours for which the sources are silent or
	// disagree.
	Behaviour Behaviour
	// Limits are the initial request limits; see Limit.
	Limits []Limit
	// Faults are the initial faults; see Fault.
	Faults []Fault
	// Seed makes percentages of faults, ids and addresses reproducible.
	Seed uint64
	// OwnerTag is the custom tag that identifies the owner of a cluster in the
	// log and in MaxClustersByOwner; empty means DefaultOwnerTag.
	OwnerTag string
	// LogSize is the number of newest requests that the log keeps; 0 means
	// 100,000.
	LogSize int
	// Logger gets one line per request at debug level; nil discards it.
	Logger *slog.Logger
	// ListenAddress is the address of Start; empty means a free port of
	// 127.0.0.1.
	ListenAddress string
	// Hostnames are further names and addresses in the certificate of Start;
	// localhost and the listen address are always included.
	Hostnames []string
}

const (
	// DefaultToken is the personal access token of the administrator of the
	// workspace that Options without Workspaces get.
	DefaultToken = "dapi-simulator"
	// DefaultUser is that administrator.
	DefaultUser = "someone@example.com"
	// DefaultOwnerTag is the default of Options.OwnerTag.
	DefaultOwnerTag = "databricks-operator-owner"
)

// Cloud is the cloud of a workspace; it determines which attributes are allowed
// and filled in.
type Cloud string

// The three clouds, as /.well-known/databricks-config spells them. AnyCloud
// accepts the cloud of each request.
const (
	AnyCloud Cloud = ""
	AWS      Cloud = "AWS"
	Azure    Cloud = "Azure"
	GCP      Cloud = "GCP"
)

// Workspace is one Databricks workspace, with clusters, limits and principals
// of its own.
type Workspace struct {
	// Name identifies the workspace in the log and the control API.
	Name string `json:"name,omitempty"`
	// ID is the workspace id (X-Databricks-Org-Id); 0 means a generated one.
	ID int64 `json:"id,omitempty"`
	// Cloud restricts node types and attributes; AnyCloud accepts all.
	Cloud Cloud `json:"cloud,omitempty"`
	// DefaultDataSecurityMode is set on clusters that name none, like a setting
	// of the workspace; empty sets none.
	DefaultDataSecurityMode string `json:"default_data_security_mode,omitempty"`
	// Principals are the users and service principals that may call the API and
	// may be named in permissions.
	Principals []Principal `json:"principals,omitempty"`
	// Groups are further groups that permissions may name; "users", "admins"
	// and the groups of Principals always exist.
	Groups []string `json:"groups,omitempty"`
	// ExtraSpec are undocumented fields of GET's spec. Every new cluster has
	// them; see SetExtraSpec.
	ExtraSpec map[string]any `json:"extra_spec,omitempty"`
	Policies  []Policy       `json:"policies,omitempty"`
	Pools     []Pool         `json:"pools,omitempty"`
}

// Principal is a user or service principal of a workspace.
type Principal struct {
	// UserName is an e-mail address, or a service principal's application id.
	UserName string `json:"user_name"`
	// ID is the SCIM id; empty means a generated one.
	ID string `json:"id,omitempty"`
	// DisplayName is the name in SCIM; empty means UserName.
	DisplayName string `json:"display_name,omitempty"`
	// Tokens are personal access tokens, each with all rights of the principal.
	// A principal with the same name in another workspace may have the same
	// tokens.
	Tokens []string `json:"tokens,omitempty"`
	// ScopedTokens are personal access tokens with names or restricted rights.
	ScopedTokens []Token `json:"scoped_tokens,omitempty"`
	// ClientSecret allows this service principal, whose client id is UserName,
	// to get tokens by client_credentials.
	ClientSecret string `json:"client_secret,omitempty"`
	// Federation allows the exchange of a matching token of another issuer for
	// a token of this principal.
	Federation *Federation `json:"federation,omitempty"`
	// OAuthRights restrict the OAuth tokens of the principal.
	OAuthRights Rights `json:"oauth_rights,omitzero"`
	// Groups are the principal's groups; "users" and, for an administrator,
	// "admins" are implied.
	Groups []string `json:"groups,omitempty"`
	// NotAdmin removes the rights of a workspace administrator.
	NotAdmin bool `json:"not_admin,omitempty"`
	// MayNotCreate removes the right to create clusters from a principal that
	// is not an administrator.
	MayNotCreate bool `json:"may_not_create,omitempty"`
	// SeesOwnOnly hides clusters from get and list unless this principal
	// created them or has a permission on them. It does not apply to
	// administrators.
	SeesOwnOnly bool `json:"sees_own_only,omitempty"`
}

// Federation is a federation policy: which foreign tokens authenticate a
// principal. Empty fields match everything. The expiry is checked, the
// signature is not.
type Federation struct {
	Issuer   string `json:"issuer,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Audience string `json:"audience,omitempty"`
}

// Timings are durations in a real workspace. A zero duration ends at once: the
// next access sees the result.
type Timings struct {
	// Launch is PENDING to RUNNING; PoolLaunch the same from an instance pool.
	Launch, PoolLaunch time.Duration
	// Restart is RESTARTING to RUNNING, Resize RESIZING to RUNNING, Terminate
	// TERMINATING to TERMINATED.
	Restart, Resize, Terminate time.Duration
	// LibraryInstall is PENDING to INSTALLED on a running cluster.
	LibraryInstall time.Duration
	// Retention is how long an unpinned TERMINATED cluster is kept.
	Retention time.Duration
}

// DefaultTimings returns durations that are typical of a workspace with enough
// capacity.
func DefaultTimings() Timings {
	return Timings{
		Launch:         5 * time.Minute,
		PoolLaunch:     time.Minute,
		Restart:        4 * time.Minute,
		Resize:         2 * time.Minute,
		Terminate:      time.Minute,
		LibraryInstall: 30 * time.Second,
		Retention:      30 * 24 * time.Hour,
	}
}

// Behaviour selects among behaviours for which the sources are silent,
// contradict each other or describe older servers. The zero value is the
// behaviour observed last; if none was observed, the most difficult one for a
// client.
type Behaviour struct {
	// StartIsNoOp answers 200 to start unless TERMINATED, as documented;
	// INVALID_STATE was observed.
	StartIsNoOp bool `json:"start_is_no_op,omitempty"`
	// RestartIsNoOp answers 200 to restart unless RUNNING, as documented.
	RestartIsNoOp bool `json:"restart_is_no_op,omitempty"`
	// IdenticalEditIsNoOp does not restart a RUNNING cluster for an edit or
	// update that changes nothing.
	IdenticalEditIsNoOp bool `json:"identical_edit_is_no_op,omitempty"`
	// SizeEditResizes makes an edit or update of only the size a resize.
	SizeEditResizes bool `json:"size_edit_resizes,omitempty"`
	// ResizeShowsInSpec also writes a resize into GET's spec.
	ResizeShowsInSpec bool `json:"resize_shows_in_spec,omitempty"`
	// ReturnsWorkloadType, ReturnsRuntimeEngine and ReturnsDeltaPreview fill in
	// workload_type, runtime_engine and
	// spark_conf["spark.databricks.delta.preview.enabled"] if the request omits
	// them, like older workspaces. Workspace.DefaultDataSecurityMode does the
	// same for data_security_mode.
	ReturnsWorkloadType  bool `json:"returns_workload_type,omitempty"`
	ReturnsRuntimeEngine bool `json:"returns_runtime_engine,omitempty"`
	ReturnsDeltaPreview  bool `json:"returns_delta_preview,omitempty"`
	// ConcreteZone replaces zone_id "auto" on AWS by a zone, as in older
	// recordings.
	ConcreteZone bool `json:"concrete_zone,omitempty"`
	// FirstOnDemandIsFixed keeps the first_on_demand of the create.
	FirstOnDemandIsFixed bool `json:"first_on_demand_is_fixed,omitempty"`
	// RewriteFirstOnDemand changes a first_on_demand of 0 to 1, as observed on
	// single-node clusters on Azure.
	RewriteFirstOnDemand bool `json:"rewrite_first_on_demand,omitempty"`
	// LowerCaseUserNames converts single_user_name to lower case.
	LowerCaseUserNames bool `json:"lower_case_user_names,omitempty"`
	// PolicyListsReplace makes a list element that a policy fixes replace the
	// requested element; otherwise the request fails.
	PolicyListsReplace bool `json:"policy_lists_replace,omitempty"`
	// SpecShowsRewritten also shows the values of RewriteFirstOnDemand,
	// LowerCaseUserNames and PolicyListsReplace in GET's spec; otherwise spec
	// keeps the requested values.
	SpecShowsRewritten bool `json:"spec_shows_rewritten,omitempty"`
	// RegistryPassword is how GET shows docker_image.basic_auth.password, at
	// the top level and in spec: SecretShown (default), SecretMasked or
	// SecretHidden.
	RegistryPassword SecretRule `json:"registry_password,omitempty"`
	// AcceptsUnlisted accepts runtimes and node types of a known form that
	// spark-versions and list-node-types do not have.
	AcceptsUnlisted bool `json:"accepts_unlisted,omitempty"`
	// LegacySizeText answers a missing size with the older message.
	LegacySizeText bool `json:"legacy_size_text,omitempty"`
	// BadTokenIsForbidden answers 403 {"error_code":403,"message":"Invalid
	// access token."}, with a numeric code, instead of 401 UNAUTHENTICATED.
	BadTokenIsForbidden bool `json:"bad_token_is_forbidden,omitempty"`
	// WorkspaceIDRequired rejects requests that name no workspace.
	WorkspaceIDRequired bool `json:"workspace_id_required,omitempty"`
	// MissingIsNotFound answers 404 RESOURCE_DOES_NOT_EXIST for an unknown
	// cluster instead of 400 INVALID_PARAMETER_VALUE.
	MissingIsNotFound bool `json:"missing_is_not_found,omitempty"`
	// TokenOfTerminated is the effect of an idempotency token whose cluster is
	// TERMINATED: TokenCreates (default), TokenReturns or TokenFails.
	TokenOfTerminated TokenRule `json:"token_of_terminated,omitempty"`
	// TokenOfDeleted is the same for a cluster that is permanently deleted.
	TokenOfDeleted TokenRule `json:"token_of_deleted,omitempty"`
	// ReportsWorkersUnderAutoscale adds num_workers to autoscaling clusters.
	ReportsWorkersUnderAutoscale bool `json:"reports_workers_under_autoscale,omitempty"`
	// QuotedInt64 writes 64-bit integers as strings, as some servers do.
	QuotedInt64 bool `json:"quoted_int64,omitempty"`
	// QuotedExpiresIn writes the token answer's expires_in as a string.
	QuotedExpiresIn bool `json:"quoted_expires_in,omitempty"`
	// OAuthTokenLife is the lifetime of an OAuth token; 0 means an hour.
	// TimeScale does not shorten it.
	OAuthTokenLife time.Duration `json:"-"`
	// AnyPrincipalExists accepts every name in permissions; otherwise a name
	// that is unknown in the workspace is rejected.
	AnyPrincipalExists bool `json:"any_principal_exists,omitempty"`
	// UnknownPrincipalIsInvalid rejects such a name with 400
	// INVALID_PARAMETER_VALUE instead of 404 RESOURCE_DOES_NOT_EXIST.
	UnknownPrincipalIsInvalid bool `json:"unknown_principal_is_invalid,omitempty"`
	// Permissions is the response to calls about permissions: PermissionsWork
	// (default), PermissionsFail or PermissionsForbidden.
	Permissions PermissionsRule `json:"permissions,omitempty"`
	// ClusterLimit is how many clusters of a workspace may be in a state other
	// than TERMINATED; a create beyond it fails with INVALID_STATE. 0 means no
	// limit.
	ClusterLimit int `json:"cluster_limit,omitempty"`
	// PinLimit is how many clusters may be pinned; 0 means 100.
	PinLimit int `json:"pin_limit,omitempty"`
	// UnseenByGet and UnseenByList are how long get does not find a new cluster
	// and lists omit it. TimeScale does not shorten them.
	UnseenByGet  time.Duration `json:"-"`
	UnseenByList time.Duration `json:"-"`
}

// TokenRule is the effect of an idempotency token whose cluster is not active.
type TokenRule string

// Only the response for an active cluster is documented: its id.
const (
	TokenCreates TokenRule = ""
	TokenReturns TokenRule = "returns"
	TokenFails   TokenRule = "fails"
)

func (o Options) withDefaults() Options {
	if len(o.Workspaces) == 0 {
		o.Workspaces = []Workspace{{
			Name:       "default",
			Principals: []Principal{{UserName: DefaultUser, Tokens: []string{DefaultToken}}},
		}}
	}
	if o.Clock == nil {
		o.Clock = NewClock()
	}
	if o.TimeScale == 0 {
		o.TimeScale = 1
	}
	if o.Timings == nil {
		timings := DefaultTimings()
		o.Timings = &timings
	}
	if o.OwnerTag == "" {
		o.OwnerTag = DefaultOwnerTag
	}
	if o.LogSize == 0 {
		o.LogSize = 100_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
