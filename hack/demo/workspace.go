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

// callSimulator sends a POST to the simulator's control API, which acts as
// other users and injects failures. It decodes the response into the
// value that into points to, unless into is nil.
func (w *environment) callSimulator(ctx context.Context, path string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("call the simulator's %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.simulator.URL+simulator.ControlPath+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("call the simulator's %s: %w", path, err)
	}
	httpClient, err := clientTrusting(w.simulator.CAFile)
	if err != nil {
		return err
	}
	defer httpClient.CloseIdleConnections()
	answer, err := httpClient.Do(request)
	if err != nil {
		return fmt.Errorf("call the simulator's %s: %w", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	response, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the simulator's answer to %s: %w", path, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("the simulator answers %s to %s: %s", answer.Status, path, response)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(response, into); err != nil {
		return fmt.Errorf("read the simulator's answer to %s: %w", path, err)
	}
	return nil
}

func clientTrusting(caFile string) (*http.Client, error) {
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the simulator's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, nil
}

// writes returns the operations on the workspace except reads, in order.
func (w *environment) writes(ctx context.Context) ([]string, error) {
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

// expectWrites calls do and checks that the operator then sent exactly these
// writes to the workspace.
func (d *demo) expectWrites(ctx context.Context, wanted []string, do func() error) error {
	before, err := d.environment.writes(ctx)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := d.environment.writes(ctx)
	if err != nil {
		return err
	}
	if writes := after[len(before):]; !slices.Equal(writes, wanted) {
		return fmt.Errorf("the operator sent the writes %v to the workspace instead of %v", writes, wanted)
	}
	if len(wanted) == 0 {
		d.screen.done("no writes to the workspace")
		return nil
	}
	d.screen.done("writes to the workspace: %s, and no others", strings.Join(wanted, ", "))
	return nil
}
