package main

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
	"slices"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// inSimulator does what other people and misfortune do to a workspace: a POST to
// the simulator's control endpoint. The answer is read where into is not nil.
func (w *world) inSimulator(ctx context.Context, path string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("tell the simulator %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.simulator.URL+simulator.ControlPath+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("tell the simulator %s: %w", path, err)
	}
	asking, err := trusting(w.simulator.CAFile)
	if err != nil {
		return err
	}
	defer asking.CloseIdleConnections()
	answer, err := asking.Do(request)
	if err != nil {
		return fmt.Errorf("tell the simulator %s: %w", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the simulator's answer to %s: %w", path, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("the simulator answers %s to %s: %s", answer.Status, path, said)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(said, into); err != nil {
		return fmt.Errorf("read the simulator's answer to %s: %w", path, err)
	}
	return nil
}

func trusting(caFile string) (*http.Client, error) {
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the simulator's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}

// wrote are the operations other than reads that the workspace was asked for,
// in order.
func (w *world) wrote(ctx context.Context) ([]string, error) {
	requests, err := w.simulator.Requests(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, request := range requests {
		if request.Method != http.MethodGet {
			all = append(all, request.Endpoint)
		}
	}
	return all, nil
}

// asking does something and checks that it made the operator ask the workspace
// for exactly these operations, reads aside.
func (d *demo) asking(ctx context.Context, wanted []string, do func() error) error {
	before, err := d.world.wrote(ctx)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := d.world.wrote(ctx)
	if err != nil {
		return err
	}
	if wrote := after[len(before):]; !slices.Equal(wrote, wanted) {
		return fmt.Errorf("the operator asked the workspace for %v, where %v was enough", wrote, wanted)
	}
	if len(wanted) == 0 {
		d.screen.done("nothing was written to the workspace")
		return nil
	}
	d.screen.done("what was written to the workspace: %s, and nothing else", strings.Join(wanted, ", "))
	return nil
}
