package workspace

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/config"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Options are the user's choice of a workspace.
type Options struct {
	// Profile is a profile of ~/.databrickscfg; empty: the environment or the default
	// profile decides.
	Profile string
	// Host is the address of the workspace; empty: the profile or the environment has it.
	Host string
	// CAFile has certificate authorities in PEM form beside those of the system; empty: none.
	CAFile string
	// Version is the version of the plugin, for the User-Agent.
	Version string
	// Limits are the limits of the requests; the zero value has the operator's defaults.
	Limits ratelimit.Options
	// Waiting is called with the reason why the next request has to wait, such as the
	// request limit of the workspace. It may be nil, and must not block.
	Waiting func(reason string)
}

const (
	// resolveTimeout is how long the search for a credential may take, including the
	// requests for OAuth tokens.
	resolveTimeout = 30 * time.Second
	// metadataTimeout is how long the description of a host may take, which only some
	// ways to authenticate need.
	metadataTimeout = 5 * time.Second
)

// ErrNotConfigured is the error of a machine on which no workspace is configured.
var ErrNotConfigured = errors.New("no workspace is configured: log in with 'databricks auth login --host https://<workspace>', " +
	"or choose one with --profile or DATABRICKS_HOST and a credential")

// Connect returns the workspace of the options. It sends no request to the Clusters API,
// but may request an OAuth token. Its errors contain no secret.
func Connect(ctx context.Context, options Options) (*Workspace, error) {
	transport, err := newTransport(options)
	if err != nil {
		return nil, err
	}
	secret, err := resolve(ctx, options, transport)
	if err != nil {
		return nil, err
	}
	credential, err := databricks.ParseSecret(secret)
	if err != nil {
		return nil, fmt.Errorf("the Databricks configuration: %s", strings.ReplaceAll(err.Error(), "the Secret's key", "the value of"))
	}
	return connect(credential, options, transport)
}

// ConnectWith returns the workspace of a credential that the user chose explicitly.
func ConnectWith(credential databricks.Config, options Options) (*Workspace, error) {
	transport, err := newTransport(options)
	if err != nil {
		return nil, err
	}
	return connect(credential, options, transport)
}

// newTransport returns the transport of all requests. Unlike the operator, a user's program
// obeys the proxy settings of the environment.
func newTransport(options Options) (*http.Transport, error) {
	roots, err := databricks.LoadRoots(options.CAFile)
	if err != nil {
		return nil, err
	}
	var protocols http.Protocols
	// net/http never repeats a POST of which a byte was written with HTTP/1.1 only.
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   concurrency,
		Protocols:             &protocols,
	}, nil
}

func connect(credential databricks.Config, options Options, transport http.RoundTripper) (*Workspace, error) {
	// The user may reach any host; the configured one is the only one that gets the credential.
	allowed, err := databricks.ParseHosts([]string{credential.Host()})
	if err != nil {
		return nil, fmt.Errorf("the host %w", err)
	}
	client, err := databricks.New(credential, databricks.Options{
		Transport: databricks.NewTransportOver(allowed, transport), Version: options.Version + "+kubectl-dbc",
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", credential.Host(), err)
	}
	return &Workspace{
		client: client, host: credential.Host(), waiting: options.Waiting,
		limiter: ratelimit.New(credential.Host(), options.Limits),
	}, nil
}

// resolve returns the host and a bearer token in the form of a credentials Secret.
func resolve(ctx context.Context, options Options, transport http.RoundTripper) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	type outcome struct {
		secret map[string][]byte
		err    error
	}
	// The SDK takes no context, so its work may outlive a cancelled command by its own timeout.
	done := make(chan outcome, 1)
	go func() {
		secret, err := load(ctx, options, transport)
		done <- outcome{secret, err}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("find the Databricks credential: %w", ctx.Err())
	case found := <-done:
		return found.secret, found.err
	}
}

// load runs the SDK's standard search.
func load(ctx context.Context, options Options, transport http.RoundTripper) (map[string][]byte, error) {
	settings := &config.Config{
		Profile: options.Profile, Host: options.Host, HTTPTransport: transport,
		HTTPTimeoutSeconds: int(resolveTimeout.Seconds()), RetryTimeoutSeconds: int(resolveTimeout.Seconds()),
	}
	settings.HostMetadataResolver = func(_ context.Context, host string) (*config.HostMetadata, error) {
		if settings.Token != "" {
			return nil, nil // a personal access token needs no description of the host
		}
		limited, cancel := context.WithTimeout(ctx, metadataTimeout)
		defer cancel()
		// Without the description the SDK continues with what is configured.
		found, err := settings.DefaultHostMetadataResolver()(limited, host)
		if err != nil {
			return nil, nil
		}
		return found, nil
	}
	if err := settings.EnsureResolved(); err != nil {
		return nil, fmt.Errorf("the Databricks configuration: %s", firstSentence(err))
	}
	if settings.Host == "" {
		return nil, ErrNotConfigured
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, settings.Host, http.NoBody)
	if err != nil {
		return nil, errors.New("the Databricks configuration: its host is no address of a workspace")
	}
	if err := settings.Authenticate(request); err != nil {
		return nil, explainAuthentication(settings, err)
	}
	token, isBearer := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return nil, fmt.Errorf("the way to authenticate %q yields no bearer token: use a token or 'databricks auth login'", settings.AuthType)
	}
	return map[string][]byte{"host": []byte(settings.Host), "workspace_id": []byte(settings.WorkspaceID), "token": []byte(token), "auth_type": []byte("pat")}, nil
}

// loginType is the auth_type of the profiles that `databricks auth login` writes. The SDK runs
// the program `databricks` for a token of such a login.
const loginType = "databricks-cli"

// explainAuthentication returns why there is no credential, with the way to get one.
func explainAuthentication(settings *config.Config, err error) error {
	login := "'databricks auth login --host " + settings.Host + "'"
	switch {
	case errors.Is(err, config.ErrCannotConfigureDefault):
		return fmt.Errorf("no credential for %s: run %s, or set DATABRICKS_TOKEN", settings.Host, login)
	case errors.Is(err, config.ErrCliNotFound):
		return fmt.Errorf("the profile uses the login of the Databricks CLI, and its program 'databricks' is not in PATH: "+
			"install it and run %s, or set DATABRICKS_TOKEN", login)
	case settings.AuthType == loginType:
		return fmt.Errorf("the login of the Databricks CLI has no token for %s: run %s: %s", settings.Host, login, firstSentence(err))
	default:
		return fmt.Errorf("the Databricks configuration: %s", firstSentence(err))
	}
}

// firstSentence returns an error of the SDK without the dump of its configuration.
func firstSentence(err error) string {
	text, _, _ := strings.Cut(err.Error(), ". Config: ")
	text, _, _ = strings.Cut(text, ". Env: ")
	return text
}
