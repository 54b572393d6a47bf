package programs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// Simulator is a cmd/simulator process.
type Simulator struct {
	*Process
	// URL is https://127.0.0.1:port.
	URL string
	// CAFile is the file of the certificate authority to trust.
	CAFile string

	client *http.Client
}

// readyAt precedes the URL in the simulator's output.
const readyAt = "simulator: ready at "

// StartSimulator starts the simulator on a free port with flags of `simulator
// --help`, and waits until it serves. It writes its certificate authority to
// caFile.
func StartSimulator(ctx context.Context, binary, logFile, caFile string, flags ...string) (*Simulator, error) {
	process, err := Start(binary, logFile, append(flags, "--listen-address=127.0.0.1:0", "--ca-file="+caFile)...)
	if err != nil {
		return nil, err
	}
	service := &Simulator{Process: process, CAFile: caFile}
	if err := service.awaitReady(ctx); err != nil {
		process.Kill()
		return nil, fmt.Errorf("%w\n%s", err, process.Log.Tail(5))
	}
	return service, nil
}

func (s *Simulator) awaitReady(ctx context.Context) error {
	line, err := s.awaitLine(ctx, readyAt)
	if err != nil {
		return err
	}
	_, s.URL, _ = strings.Cut(line, readyAt)
	authority, err := os.ReadFile(s.CAFile)
	if err != nil {
		return fmt.Errorf("read the simulator's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	s.client = &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		Timeout:   timeout,
	}
	return nil
}

// Clusters returns all clusters ever created, also deleted ones.
func (s *Simulator) Clusters(ctx context.Context) ([]simulator.Record, error) {
	var all []simulator.Record
	err := s.read(ctx, "clusters", &all)
	return all, err
}

// Owners returns the maximum number of clusters that existed at the same time,
// by owner tag.
func (s *Simulator) Owners(ctx context.Context) (map[string]int, error) {
	var all map[string]int
	err := s.read(ctx, "owners", &all)
	return all, err
}

// Requests returns the requests answered so far, oldest first.
func (s *Simulator) Requests(ctx context.Context) ([]simulator.Entry, error) {
	var all []simulator.Entry
	err := s.read(ctx, "requests", &all)
	return all, err
}

// RequestsAfter returns the requests with a greater sequence number.
func (s *Simulator) RequestsAfter(ctx context.Context, sequence int64) ([]simulator.Entry, error) {
	var all []simulator.Entry
	err := s.read(ctx, fmt.Sprintf("requests?after=%d", sequence), &all)
	return all, err
}

// Do calls the control API with a method, a path below it and a body. It
// decodes the response into the last argument, unless that is nil.
func (s *Simulator) Do(ctx context.Context, method, what string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request for the simulator's %s: %w", what, err)
	}
	return s.request(ctx, method, what, bytes.NewReader(content), into)
}

// read sends a GET to the control API and decodes the response.
func (s *Simulator) read(ctx context.Context, what string, into any) error {
	return s.request(ctx, http.MethodGet, what, http.NoBody, into)
}

func (s *Simulator) request(ctx context.Context, method, what string, body io.Reader, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+simulator.ControlPath+what, body)
	if err != nil {
		return fmt.Errorf("request the simulator's %s: %w", what, err)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("request the simulator's %s: %w", what, err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read the simulator's %s: %w", what, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator answers %s for its %s: %s", answer.Status, what, content)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read the simulator's %s: %w", what, err)
	}
	return nil
}
