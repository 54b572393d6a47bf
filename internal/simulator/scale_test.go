package simulator_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// A client that watches a large workspace reads complete lists.
func BenchmarkListOf10000(b *testing.B) {
	s := simulator.New(simulator.Options{})
	for range 10_000 {
		if _, err := s.AddCluster(simulator.Seed{State: simulator.Running}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		token, pages := "", 0
		for {
			path := listPath + "?page_size=100&sort_by.field=CLUSTER_NAME"
			if token != "" {
				path += "&page_token=" + token
			}
			token = nextPage(b, s, path)
			pages++
			if token == "" {
				break
			}
		}
		b.ReportMetric(float64(pages), "pages")
	}
}

func nextPage(b *testing.B, s *simulator.Server, path string) (nextPageToken string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://simulator.test"+path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	response, err := s.Transport().RoundTrip(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		NextPageToken string `json:"next_page_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		b.Fatal(err)
	}
	return answer.NextPageToken
}
