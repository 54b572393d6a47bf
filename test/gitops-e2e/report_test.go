package gitops

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// report collects the results of the scenarios and prints them.
type report struct {
	began time.Time

	mu      sync.Mutex
	rows    []string
	results map[string]map[string]result
}

// result is the result of one scenario with one tool.
type result struct {
	took            time.Duration
	passed, skipped bool
}

func newReport() *report {
	return &report{began: time.Now(), results: map[string]map[string]result{}}
}

// progress prints a line about the progress.
func (r *report) progress(format string, args ...any) {
	fmt.Printf("e2e-gitops: %4.0f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// addRow adds a row for a scenario, in the order of their starts.
func (r *report) addRow(scenario string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.rows, scenario) {
		r.rows = append(r.rows, scenario)
		r.results[scenario] = map[string]result{}
	}
}

func (r *report) record(scenario, program string, found result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[scenario][program] = found
}

// column is the width of a tool's column.
const column = 10

// print prints the summary.
func (r *report) print(l *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	versions := recordedVersions()
	fmt.Printf("\n  %-58s %*s %*s\n", "", column, "Flux", column, "Argo CD")
	failures, skips := 0, 0
	// Scenarios that -run excludes have no results.
	scenarios := slices.DeleteFunc(r.rows, func(scenario string) bool { return len(r.results[scenario]) == 0 })
	for _, scenario := range scenarios {
		fmt.Printf("  %-58s", scenario)
		for _, program := range tools {
			found, ran := r.results[scenario][program]
			fmt.Printf(" %*s", column, found.text(ran))
			if ran && !found.passed && !found.skipped {
				failures++
			}
			if found.skipped {
				skips++
			}
		}
		fmt.Println()
	}
	fmt.Println()
	for _, program := range []string{kubeControllerManager, kustomizeController, argoCD} {
		if reason, skipped := l.skips[program]; skipped {
			fmt.Printf("  SKIPPED %s, which could not be fetched: %s\n", program, reason)
			continue
		}
		fmt.Printf("  %s %s\n", program, versions[program])
	}
	fmt.Printf("\ne2e-gitops: %d scenarios in %.0f s, %d failed, %d skipped\n", len(scenarios), time.Since(r.began).Seconds(), failures, skips)
}

func (r result) text(ran bool) string {
	switch {
	case !ran:
		return "-"
	case r.skipped:
		return "SKIPPED"
	case !r.passed:
		return "FAILED"
	default:
		return fmt.Sprintf("%.0f s", r.took.Seconds())
	}
}

// recordedVersions returns the versions of the programs that `make e2e-gitops`
// built.
func recordedVersions() map[string]string {
	content, err := os.ReadFile(filepath.Join(binaryDirectory, "VERSION"))
	if err != nil {
		return nil
	}
	found := map[string]string{}
	for line := range strings.Lines(string(content)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		for program, of := range map[string]string{
			kubeControllerManager: "k8s.io/kubernetes",
			kustomizeController:   "github.com/fluxcd/kustomize-controller",
			argoCD:                "github.com/argoproj/argo-cd/v3",
		} {
			if module == of {
				found[program] = version
			}
		}
	}
	return found
}
