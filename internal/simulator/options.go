package simulator

import (
	"log/slog"
	"time"
)

// Options say what to simulate. The zero value is one workspace with one
// administrator, whose token is DefaultToken, on a running clock.
type Options struct {
	// Workspaces behind this one address. A request reaches the one that its
	// X-Databricks-Workspace-Id or X-Databricks-Org-Id header or ?o= names, and
	// without them the first that takes its credential. None: one workspace with
	// one administrator.
	Workspaces []Workspace
	// Clock is the simulator's time; nil is NewClock.
	Clock *Clock
	// ClockOffset is how far the workspace's own time (the Date header and every
	// timestamp) is ahead of Clock; negative is behind. See SetClockOffset.
	ClockOffset time.Duration
	// TimeScale is how many times faster than in a real workspace everything
	// goes: launches, idle minutes, retention. 0 is 1.
	TimeScale float64
	// Timings are how long things take before TimeScale; nil is DefaultTimings.
	Timings *Timings
	// Behaviour chooses where the sources are silent or disagree.
	Behaviour Behaviour
	// Limits are the request limits to begin with; see Limit.
	Limits []Limit
	// Faults are the faults to begin with; see Fault.
	Faults []Fault
	// Seed makes percentages of faults, ids and addresses repeatable.
	Seed uint64
	// OwnerTag is the custom tag whose value the log shows and the history is
	// kept by; empty is DefaultOwnerTag.
	OwnerTag string
	// LogSize is how many requests the log keeps, the newest; 0 is 100,000.
	LogSize int
	// Logger gets a line per request, at debug; nil is silence.
	Logger *slog.Logger
	// ListenAddress is where Start serves; empty is a free port of 127.0.0.1.
	ListenAddress string
	// Hostnames are names and addresses in the certificate of Start beside
	// localhost and the listen address.
	Hostnames []string
}

const (
	// DefaultToken is the personal access token of the administrator of the
	// workspace that Options without Workspaces get.
	DefaultToken = "dapi-simulator"
	// DefaultUser is that administrator.
	DefaultUser = "someone@example.com"
	// DefaultOwnerTag is the tag under which an owner is looked for.
	DefaultOwnerTag = "databricks-operator-owner"
)

// Cloud is where a workspace runs; it decides which attributes are allowed and
// filled in.
type Cloud string

// The three clouds, as /.well-known/databricks-config spells them. AnyCloud
// goes by what each cluster asks for.
const (
	AnyCloud Cloud = ""
	AWS      Cloud = "AWS"
	Azure    Cloud = "Azure"
	GCP      Cloud = "GCP"
)

// Workspace is one Databricks workspace: its own clusters, limits and people.
type Workspace struct {
	// Name is how the log and the control endpoint call it.
	Name string
	// ID is the workspace id (X-Databricks-Org-Id); 0 gets one.
	ID int64
	// Cloud restricts node types and attributes; AnyCloud takes all.
	Cloud Cloud
	// DefaultDataSecurityMode is set on clusters that name none, as a setting of
	// the whole workspace would; empty returns none.
	DefaultDataSecurityMode string
	// Principals are the users and service principals that may call, and be
	// named in permissions.
	Principals []Principal
	// Groups are those that permissions may name beside "users", "admins" and
	// the groups of Principals.
	Groups []string
	Policies                []Policy
	Pools                   []Pool
}

// Principal is a user or service principal of a workspace.
type Principal struct {
	// UserName is an e-mail address, or a service principal's application id.
	UserName string
	// ID is the SCIM id; empty gets one.
	ID string
	// DisplayName is what SCIM shows; empty is UserName.
	DisplayName string
	// Tokens are personal access tokens, each with all of the principal's rights.
	// A principal of the same name in another workspace may have the same ones.
	Tokens []string
	// ScopedTokens are personal access tokens with names or fewer rights.
	ScopedTokens []Token
	// OAuthRights narrow what tokens may do that OAuth issues to the principal.
	OAuthRights Rights
	// Groups are those that the principal belongs to beside "users" and, for an
	// administrator, "admins".
	Groups []string
	// ClientSecret lets this service principal (its UserName is the client id)
	// get tokens by client_credentials.
	ClientSecret string
	// Federation lets whoever holds such a token of another issuer exchange it
	// for this principal's.
	Federation *Federation
	// NotAdmin takes the rights of a workspace administrator away.
	NotAdmin bool
	// MayNotCreate takes the right to create clusters away from a principal
	// that is no administrator.
	MayNotCreate bool
	// SeesOwnOnly hides clusters from get and list that this principal neither
	// made nor was granted; for principals that are no administrator.
	SeesOwnOnly bool
}

// Federation is a federation policy: which foreign token stands for a
// principal. Empty fields match everything. Signatures are not checked; expiry
// is.
type Federation struct {
	Issuer, Subject, Audience string
}

// Timings are how long things take in a real workspace. A zero duration is
// over at once: the next look sees its end.
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

// DefaultTimings are typical of a workspace without capacity trouble.
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

// Behaviour chooses where the sources are silent, contradict each other or
// describe older servers. The zero value is what was observed last, and where
// nothing was, what is hardest on a client.
type Behaviour struct {
	// StartIsNoOp answers 200 to start unless TERMINATED, as documented; it was
	// observed to be INVALID_STATE.
	StartIsNoOp bool `json:"start_is_no_op,omitempty"`
	// RestartIsNoOp answers 200 to restart unless RUNNING, as documented.
	RestartIsNoOp bool `json:"restart_is_no_op,omitempty"`
	// IdenticalEditIsNoOp does not restart a RUNNING cluster for an edit or
	// update that changes nothing.
	IdenticalEditIsNoOp bool `json:"identical_edit_is_no_op,omitempty"`
	// SizeEditResizes makes an edit or update of the size alone a resize.
	SizeEditResizes bool `json:"size_edit_resizes,omitempty"`
	// ResizeShowsInSpec writes a resize into GET's spec too.
	ResizeShowsInSpec bool `json:"resize_shows_in_spec,omitempty"`
	// ReturnsWorkloadType, ReturnsRuntimeEngine and ReturnsDeltaPreview fill in
	// workload_type, runtime_engine and
	// spark_conf["spark.databricks.delta.preview.enabled"] where the request left
	// them out, as older workspaces did. Workspace.DefaultDataSecurityMode is the
	// same for data_security_mode.
	ReturnsWorkloadType  bool `json:"returns_workload_type,omitempty"`
	ReturnsRuntimeEngine bool `json:"returns_runtime_engine,omitempty"`
	ReturnsDeltaPreview  bool `json:"returns_delta_preview,omitempty"`
	// ConcreteZone makes zone_id "auto" of AWS a zone, as older recordings show.
	ConcreteZone bool `json:"concrete_zone,omitempty"`
	// FirstOnDemandIsFixed keeps first_on_demand as the cluster was created.
	FirstOnDemandIsFixed bool `json:"first_on_demand_is_fixed,omitempty"`
	// RewriteFirstOnDemand makes a first_on_demand of 0 a 1, as was observed on
	// single-node clusters on Azure.
	RewriteFirstOnDemand bool `json:"rewrite_first_on_demand,omitempty"`
	// LowerCaseUserNames writes single_user_name in lower case.
	LowerCaseUserNames bool `json:"lower_case_user_names,omitempty"`
	// PolicyListsReplace makes an element of a list that a policy fixes replace
	// the element asked for, instead of refusing the request.
	PolicyListsReplace bool `json:"policy_lists_replace,omitempty"`
	// SpecShowsRewritten shows the values of RewriteFirstOnDemand,
	// LowerCaseUserNames and PolicyListsReplace in GET's spec too; without it
	// spec keeps what was asked.
	SpecShowsRewritten bool `json:"spec_shows_rewritten,omitempty"`
	// RegistryPassword is what GET shows of docker_image.basic_auth.password, at
	// the top and in spec: SecretShown (default), SecretMasked or SecretHidden.
	RegistryPassword SecretRule `json:"registry_password,omitempty"`
	// LegacySizeText answers a missing size with the older text.
	LegacySizeText bool `json:"legacy_size_text,omitempty"`
	// BadTokenIsForbidden answers 403 {"error_code":403,"message":"Invalid access
	// token."}, with a number for a code, instead of 401 UNAUTHENTICATED.
	BadTokenIsForbidden bool `json:"bad_token_is_forbidden,omitempty"`
	// WorkspaceIDRequired refuses requests that name no workspace.
	WorkspaceIDRequired bool `json:"workspace_id_required,omitempty"`
	// MissingIsNotFound answers 404 RESOURCE_DOES_NOT_EXIST for an unknown
	// cluster instead of 400 INVALID_PARAMETER_VALUE.
	MissingIsNotFound bool `json:"missing_is_not_found,omitempty"`
	// TokenOfTerminated is what a known idempotency token does whose cluster is
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
	// OAuthTokenLife is how long an OAuth token lives; 0 is an hour. TimeScale
	// does not shorten it.
	OAuthTokenLife time.Duration `json:"-"`
	// AnyPrincipalExists accepts every name in permissions; without it a name
	// that the workspace does not have is refused.
	AnyPrincipalExists bool `json:"any_principal_exists,omitempty"`
	// UnknownPrincipalIsInvalid refuses such a name with 400
	// INVALID_PARAMETER_VALUE instead of 404 RESOURCE_DOES_NOT_EXIST.
	UnknownPrincipalIsInvalid bool `json:"unknown_principal_is_invalid,omitempty"`
	// Permissions is what every call about permissions answers: PermissionsWork
	// (default), PermissionsFail or PermissionsForbidden.
	Permissions PermissionsRule `json:"permissions,omitempty"`
	// ClusterLimit is how many clusters of a workspace may be in a state other
	// than TERMINATED; a create beyond it is INVALID_STATE. 0 is no limit.
	ClusterLimit int `json:"cluster_limit,omitempty"`
	// PinLimit is how many clusters may be pinned; 0 is 100.
	PinLimit int `json:"pin_limit,omitempty"`
	// UnseenByGet and UnseenByList are how long a new cluster is unknown to
	// get, and missing from lists. TimeScale does not shorten them.
	UnseenByGet  time.Duration `json:"-"`
	UnseenByList time.Duration `json:"-"`
}

// TokenRule is what an idempotency token does whose cluster is not active.
type TokenRule string

// Only the answer for an active cluster is documented: its id.
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
