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

// Simulator is cmd/simulator as a process.
type Simulator struct {
	*Process
	// URL is https://127.0.0.1:port.
	URL string
	// CAFile holds the authority to trust.
	CAFile string

	client *http.Client
}

// readyAt is what the simulator prints before its URL.
const readyAt = "simulator: ready at "

// StartSimulator starts the simulator on a free port, with flags of `simulator
// --help`, and waits until it serves. It writes its authority to caFile.
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
		Timeout:   patience,
	}
	return nil
}

// Clusters are all clusters ever made, whatever became of them.
func (s *Simulator) Clusters(ctx context.Context) ([]simulator.Record, error) {
	var all []simulator.Record
	err := s.read(ctx, "clusters", &all)
	return all, err
}

// Owners are how many clusters of each owner tag existed at once at most.
func (s *Simulator) Owners(ctx context.Context) (map[string]int, error) {
	var all map[string]int
	err := s.read(ctx, "owners", &all)
	return all, err
}

// Requests are the requests answered so far, oldest first.
func (s *Simulator) Requests(ctx context.Context) ([]simulator.Entry, error) {
	var all []simulator.Entry
	err := s.read(ctx, "requests", &all)
	return all, err
}

// RequestsAfter are the requests with a greater sequence number.
func (s *Simulator) RequestsAfter(ctx context.Context, sequence int64) ([]simulator.Entry, error) {
	var all []simulator.Entry
	err := s.read(ctx, fmt.Sprintf("requests?after=%d", sequence), &all)
	return all, err
}

// Do does what the control endpoint offers: a method and a path below it, with a
// body where there is one. The answer is read where into is not nil.
func (s *Simulator) Do(ctx context.Context, method, what string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("tell the simulator %s: %w", what, err)
	}
	return s.ask(ctx, method, what, bytes.NewReader(content), into)
}

// read asks the control endpoint.
func (s *Simulator) read(ctx context.Context, what string, into any) error {
	return s.ask(ctx, http.MethodGet, what, http.NoBody, into)
}

func (s *Simulator) ask(ctx context.Context, method, what string, body io.Reader, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+simulator.ControlPath+what, body)
	if err != nil {
		return fmt.Errorf("ask the simulator for its %s: %w", what, err)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the simulator for its %s: %w", what, err)
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
