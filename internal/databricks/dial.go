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

// errRefusedAddress marks a connection that was not made because of where it
// would have led.
var errRefusedAddress = errors.New("refused address")

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// headerTimeout is a net for calls whose context allows longer.
	headerTimeout = 30 * time.Second
	// idleTimeout stays below the idle timeouts of the load balancers in front
	// of workspaces, so that a write seldom meets a connection that is just
	// being closed and then counts as ambiguous.
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 64 << 10
	maxCAFileBytes = 4 << 20
)

// Transport is the connections of one operator: which hosts it may reach, how
// TLS is verified, and the pool that its clients share.
type Transport struct {
	allowed AllowList
	round   http.RoundTripper
}

// NewTransport makes the connections that allowed permits. roots are the
// authorities to trust; nil trusts the system's.
//
// It speaks HTTP/1.1 alone, where net/http repeats no POST of which a byte was
// written. It takes no proxy from the environment: behind a proxy the address
// that is reached cannot be checked.
func NewTransport(allowed AllowList, roots *x509.CertPool) *Transport {
	return newTransport(allowed, roots, net.DefaultResolver)
}

func newTransport(allowed AllowList, roots *x509.CertPool, resolver *net.Resolver) *Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Transport{
		allowed: allowed,
		round: &http.Transport{
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
		},
	}
}

// NewTransportOver makes requests over round, for simulations without a
// network. Of this package's protections only allowed and those of the requests
// themselves are left.
func NewTransportOver(allowed AllowList, round http.RoundTripper) *Transport {
	return &Transport{allowed: allowed, round: round}
}

// CloseIdleConnections lets go of connections that nobody uses.
func (t *Transport) CloseIdleConnections() {
	if closer, ok := t.round.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// dialer checks the address that is really dialled, after every resolution, so
// that a name cannot mean one address when looked at and another when used. An
// origin that the administrator named is dialled unchecked.
func dialer(allowed AllowList, resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout, Resolver: resolver}
	checked := &net.Dialer{Timeout: dialTimeout, Resolver: resolver, Control: func(_, address string, _ syscall.RawConn) error {
		return checkAddress(address)
	}}
	named := map[string]bool{}
	for _, origin := range allowed.origins {
		named[net.JoinHostPort(origin.host, fmt.Sprint(origin.port))] = true
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if named[address] {
			return plain.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
}

// checkAddress fails for an address that no workspace has: of this machine, of
// its link, of a cloud's metadata service, or of nobody. Private ranges pass,
// as Private Link needs them.
func checkAddress(address string) error {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is malformed", errRefusedAddress, address)
	}
	ip := where.Addr().Unmap()
	special := ip.Zone() != "" || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() ||
		slices.ContainsFunc(refusedNetworks, func(network netip.Prefix) bool { return network.Contains(ip) })
	if special {
		return fmt.Errorf("%w: %s is a loopback, link-local, metadata or reserved address", errRefusedAddress, ip)
	}
	if where.Port() != httpsPort {
		return fmt.Errorf("%w: port %d is not 443", errRefusedAddress, where.Port())
	}
	return nil
}

var refusedNetworks = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),          // this network
	netip.MustParsePrefix("240.0.0.0/4"),        // reserved, and broadcast
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba's metadata
	netip.MustParsePrefix("192.0.0.0/24"),       // protocol assignments, Oracle's metadata
	netip.MustParsePrefix("::/96"),              // addresses that embed an IPv4 address, from here
	netip.MustParsePrefix("::ffff:0:0:0/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("2002::/16"),     // to here
	netip.MustParsePrefix("fd00:ec2::/32"), // AWS's metadata and credentials
	netip.MustParsePrefix("fd20:ce::/32"),  // GCP's metadata
	netip.MustParsePrefix("fec0::/10"),     // site-local, deprecated
}

// LoadRoots reads --databricks-ca-file: authorities, as PEM, to trust beside
// the system's. No path trusts the system's alone: the pool is then nil.
func LoadRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path) //nolint:gosec // the administrator's flag says which file
	if err != nil {
		return nil, fmt.Errorf("--databricks-ca-file: %w", err)
	}
	// It was only read.
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
		return nil, fmt.Errorf("--databricks-ca-file: %s holds no certificate in PEM form", path)
	}
	return roots, nil
}
