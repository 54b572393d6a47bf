package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Service is a Server that is served over TLS.
type Service struct {
	*Server
	// URL is https://host:port, without a trailing slash.
	URL string
	// CAPEM is the certificate authority of this run, which a client must
	// trust.
	CAPEM []byte

	http *http.Server
	done chan struct{}
}

// Start serves a new simulator over TLS on Options.ListenAddress, until ctx
// ends or Close is called.
func Start(ctx context.Context, options Options) (*Service, error) {
	address := options.ListenAddress
	if address == "" {
		address = "127.0.0.1:0"
	}
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	certificate, authority, err := newCertificate(append(options.Hostnames, host))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	r := &Service{
		Server: New(options),
		URL:    "https://" + net.JoinHostPort(host, port),
		CAPEM:  authority,
		done:   make(chan struct{}),
	}
	r.http = &http.Server{
		Handler:           r.Server,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:          debugLog(r.options.Logger),
	}
	go func() {
		defer close(r.done)
		_ = r.http.ServeTLS(listener, "", "") // returns ErrServerClosed after Close
	}()
	context.AfterFunc(ctx, func() { _ = r.Close() })
	return r, nil
}

// Close stops serving at once, drops requests in progress and waits for the
// listener to close. It may be called twice.
func (r *Service) Close() error {
	r.Server.Close()
	err := r.http.Close()
	<-r.done
	return err
}

// Shutdown stops serving after requests in progress are answered, or when ctx
// ends.
func (r *Service) Shutdown(ctx context.Context) error {
	r.Server.Close()
	return r.http.Shutdown(ctx)
}

// Client returns a client that trusts only the simulator's certificate
// authority.
func (r *Service) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.CAPEM)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}
}
