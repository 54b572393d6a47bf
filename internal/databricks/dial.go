package databricks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// errRefusedAddress is the error for an address that must not be dialed.
var errRefusedAddress = errors.New("refused address")

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// headerTimeout limits calls whose context has a later deadline.
	headerTimeout = 30 * time.Second
	// idleTimeout is shorter than the idle timeouts of the load balancers in front of
	// workspaces, so that writes seldom use a connection that is being closed, which
	// makes them ambiguous.
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 64 << 10
	maxCAFileBytes = 4 << 20
)

// Transport is the connection pool that the clients of an operator share. It has the
// hosts that may be reached, and the settings of TLS.
type Transport struct {
	allowed      AllowList
	roundTripper http.RoundTripper
}

// NewTransport returns a transport for the allowed hosts. roots are the trusted
// certificate authorities; nil trusts those of the system. A nil proxy connects directly.
//
// It uses HTTP/1.1 only, because net/http then never repeats a POST of which a byte was
// written. It ignores the proxy settings of the environment, which are not the
// administrator's decision about credentials.
func NewTransport(allowed AllowList, roots *x509.CertPool, proxy *Proxy) *Transport {
	return newTransport(allowed, roots, proxy, net.DefaultResolver)
}

func newTransport(allowed AllowList, roots *x509.CertPool, proxy *Proxy, resolver *net.Resolver) *Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer(allowed, resolver),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    8,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              &protocols,
	}
	if proxy != nil {
		proxy.through(transport, allowed, resolver)
	}
	return &Transport{allowed: allowed, roundTripper: transport}
}

// NewTransportOver returns a transport over a RoundTripper, for simulations without a
// network. It does not check addresses and does not configure TLS.
func NewTransportOver(allowed AllowList, roundTripper http.RoundTripper) *Transport {
	return &Transport{allowed: allowed, roundTripper: roundTripper}
}

// CloseIdleConnections closes the idle connections.
func (t *Transport) CloseIdleConnections() {
	if closer, ok := t.roundTripper.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// dialer returns a dial function that checks every address after it was resolved, which
// prevents DNS rebinding. The addresses of an origin in the allow-list are not checked.
func dialer(allowed AllowList, resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	unchecked := &net.Dialer{Timeout: dialTimeout, Resolver: resolver}
	checked := &net.Dialer{Timeout: dialTimeout, Resolver: resolver, Control: func(_, address string, _ syscall.RawConn) error {
		return checkAddress(address)
	}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if allowed.trusts(address) {
			return unchecked.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
}

// trusts reports whether a host and port are an origin of the allow-list.
func (l AllowList) trusts(address string) bool {
	return slices.ContainsFunc(l.origins, func(o Origin) bool {
		return net.JoinHostPort(o.host, fmt.Sprint(o.port)) == address
	})
}

// checkAddress fails for an address that no workspace has: a loopback, link-local or
// reserved address, or that of a cloud's metadata service. Private ranges are allowed,
// because Private Link uses them.
func checkAddress(address string) error {
	addrPort, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is malformed", errRefusedAddress, address)
	}
	ip := addrPort.Addr().Unmap()
	special := ip.Zone() != "" || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() ||
		slices.ContainsFunc(refusedNetworks, func(network netip.Prefix) bool { return network.Contains(ip) })
	if special {
		return fmt.Errorf("%w: %s is a loopback, link-local, metadata or reserved address", errRefusedAddress, ip)
	}
	if addrPort.Port() != httpsPort {
		return fmt.Errorf("%w: port %d is not 443", errRefusedAddress, addrPort.Port())
	}
	return nil
}

var refusedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this network
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved, and broadcast
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba's metadata
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments, Oracle's metadata
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS's metadata and credentials
	netip.MustParsePrefix("fd20:ce::/32"),       // GCP's metadata
	netip.MustParsePrefix("fec0::/10"),          // site-local, deprecated
	// Prefixes that embed an IPv4 address.
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("::ffff:0:0:0/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),
}

// LoadRoots returns the certificate authorities of --databricks-ca-file, which is PEM,
// together with those of the system. It returns nil, which means those of the system, if
// path is empty.
func LoadRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path) //nolint:gosec // the administrator's flag says which file
	if err != nil {
		return nil, fmt.Errorf("--databricks-ca-file: %w", err)
	}
	// The file was only read, so an error of Close has no consequence.
	defer func() { _ = file.Close() }()
	pem, err := io.ReadAll(io.LimitReader(file, maxCAFileBytes))
	if err != nil {
		return nil, fmt.Errorf("--databricks-ca-file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--databricks-ca-file: %s has no certificate in PEM form", path)
	}
	return roots, nil
}
