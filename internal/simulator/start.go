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

// Service is a Server that is being served over TLS.
type Service struct {
	*Server
	// URL is https://host:port, without a slash at the end.
	URL string
	// CAPEM is the authority, made for this run, that a client must trust.
	CAPEM []byte

	http *http.Server
	done chan struct{}
}

// Start serves a new simulator over TLS, on Options.ListenAddress, until ctx
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
		ErrorLog:          quiet(r.options.Logger),
	}
	go func() {
		defer close(r.done)
		_ = r.http.ServeTLS(listener, "", "") // ends with ErrServerClosed, by Close
	}()
	context.AfterFunc(ctx, func() { _ = r.Close() })
	return r, nil
}

// Close stops serving at once, requests under way included, and waits for the
// listener to be gone. It is safe to call twice.
func (r *Service) Close() error {
	r.Server.Close()
	err := r.http.Close()
	<-r.done
	return err
}

// Shutdown stops serving once the requests under way are answered, or ctx ends.
func (r *Service) Shutdown(ctx context.Context) error {
	r.Server.Close()
	return r.http.Shutdown(ctx)
}

// Client trusts the simulator's authority and no other.
func (r *Service) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.CAPEM)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}
}
