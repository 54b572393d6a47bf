package databricks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// errProxy is the error of a proxy that did not connect. Its text is ours and quotes
// nothing that the proxy said.
var errProxy = errors.New("proxy")

const (
	// maxProxyCredentialBytes bounds a file with a user name or a password.
	maxProxyCredentialBytes = 64 << 10
	// The files of a proxy's credentials, as in a Secret of the type
	// kubernetes.io/basic-auth.
	proxyUserFile     = "username"
	proxyPasswordFile = "password"
)

// Proxy is an HTTP proxy that connects to workspaces by CONNECT. TLS is between the
// operator and the workspace, so a proxy learns the host and nothing else.
type Proxy struct {
	address *url.URL
	// credentials is the directory of the credentials; "" sends none.
	credentials string
}

// ParseProxy returns the proxy of --databricks-proxy, and nil if address is empty.
// credentials is the directory of --databricks-proxy-credentials-dir, with the files
// username and password, or empty. They are read for each connection, so that new ones
// are used without a restart. Errors name the flag.
func ParseProxy(address, credentials string) (*Proxy, error) {
	if address == "" {
		if credentials != "" {
			return nil, fmt.Errorf("--databricks-proxy-credentials-dir %q needs --databricks-proxy, such as http://proxy.example.com:3128", credentials)
		}
		return nil, nil
	}
	parsed, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("--databricks-proxy is no URL; use one such as http://proxy.example.com:3128") // the value may have a password
	case parsed.User != nil:
		return nil, fmt.Errorf("--databricks-proxy for %q has a user name: put it into "+
			"--databricks-proxy-credentials-dir, because a command line is not secret", parsed.Host)
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, fmt.Errorf("--databricks-proxy %q must begin with http:// or https://", address)
	case parsed.Hostname() == "" || parsed.Port() == "":
		return nil, fmt.Errorf("--databricks-proxy %q needs a host and a port, such as http://proxy.example.com:3128", address)
	case strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return nil, fmt.Errorf("--databricks-proxy %q has more than a scheme, a host and a port", address)
	}
	proxy := &Proxy{address: &url.URL{Scheme: parsed.Scheme, Host: parsed.Host}, credentials: credentials}
	if _, err := proxy.authorization(); err != nil {
		return nil, fmt.Errorf("--databricks-proxy-credentials-dir %q: %w", credentials, err)
	}
	return proxy, nil
}

// authorization returns the value of Proxy-Authorization, or "" without credentials.
func (p *Proxy) authorization() (string, error) {
	if p.credentials == "" {
		return "", nil
	}
	var values [2]string
	for i, file := range []string{proxyUserFile, proxyPasswordFile} {
		content, err := os.ReadFile(filepath.Join(p.credentials, file)) //nolint:gosec // the administrator's flag says which file
		if err != nil {
			return "", fmt.Errorf("read the credentials of the proxy: %w", err)
		}
		if len(content) > maxProxyCredentialBytes {
			return "", fmt.Errorf("read the credentials of the proxy: %s is over %d bytes", file, maxProxyCredentialBytes)
		}
		values[i] = strings.TrimRight(string(content), "\r\n")
	}
	if values[0] == "" {
		return "", fmt.Errorf("read the credentials of the proxy: %s is empty", proxyUserFile)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(values[0]+":"+values[1])), nil
}

// through makes a transport connect by the proxy. dial connects to the proxy itself,
// which is not checked, because the administrator names it.
//
// The address of a workspace is checked before the proxy is asked for it, as far as the
// name is known here. A proxy often resolves names that the operator cannot; those are
// left to it.
func (p *Proxy) through(transport *http.Transport, allowed AllowList, resolver *net.Resolver) {
	transport.Proxy = http.ProxyURL(p.address)
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout, Resolver: resolver}).DialContext
	transport.GetProxyConnectHeader = func(ctx context.Context, _ *url.URL, target string) (http.Header, error) {
		if err := checkTarget(ctx, target, allowed, resolver); err != nil {
			return nil, err
		}
		authorization, err := p.authorization()
		if err != nil || authorization == "" {
			return nil, err
		}
		return http.Header{"Proxy-Authorization": {authorization}}, nil
	}
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		return p.refusal(answer.StatusCode)
	}
}

// refusal returns the error that a proxy's answer to CONNECT means, or nil.
func (p *Proxy) refusal(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return fmt.Errorf("%w %s requires other credentials (HTTP 407): see --databricks-proxy-credentials-dir", errProxy, p.address)
	case http.StatusForbidden:
		return fmt.Errorf("%w %s does not permit this host (HTTP 403)", errProxy, p.address)
	default:
		return fmt.Errorf("%w %s does not reach this host (HTTP %d)", errProxy, p.address, status)
	}
}

// checkTarget fails for a host and port that the operator would not dial itself.
func checkTarget(ctx context.Context, target string, allowed AllowList, resolver *net.Resolver) error {
	if allowed.trusts(target) {
		return nil
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return fmt.Errorf("%w: %s is malformed", errRefusedAddress, target)
	}
	addresses := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, literal)
	} else {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		addresses, err = resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil // the proxy resolves it
		}
	}
	for _, address := range addresses {
		if err := checkAddress(net.JoinHostPort(address.String(), port)); err != nil {
			return err
		}
	}
	return nil
}
