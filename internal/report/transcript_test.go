package report

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

// The transcripts in testdata are one file per topic. Each case is a comment, the lines of
// its situation, four dashes, and the report. With -update the reports are rewritten, so
// that a reviewer reads the change in the diff.
//
// A case starts with a cluster that was created, runs, was compared and was reported once.
// The line "report" ends a reconciliation and starts the next one, which observes the same
// running cluster. The report of the last reconciliation is compared.
var update = flag.Bool("update", false, "rewrite the reports of the transcripts")

// round is one reconciliation of a transcript: the facts, and the object between reports.
type round struct {
	h  *history
	in Input
	// isPlanned is set if a line gives the plan; otherwise plan.Make does.
	isPlanned bool
}

func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(strings.TrimSpace(string(raw)), "\n\n")
		for i, block := range blocks {
			situation, want, _ := strings.Cut(block+"\n", "----\n")
			lines := strings.Split(strings.TrimSpace(situation), "\n")
			topic := strings.TrimSuffix(filepath.Base(path), ".txt")
			t.Run(topic+"/"+strings.TrimPrefix(lines[0], "# "), func(t *testing.T) {
				got := reportOf(t, lines)
				blocks[i] = strings.TrimSpace(strings.TrimSpace(situation) + "\n----\n" + got)
				if got != want && !*update {
					t.Errorf("the report is\n%s\nand not\n%s", got, want)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// reportOf returns the text of the last report of a case.
func reportOf(t *testing.T, lines []string) string {
	t.Helper()
	r := &round{h: newHistory().created().inState("RUNNING")}
	r.start()
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		switch action, isKnown := actions[name]; {
		case name == "#":
		case isKnown:
			action(t, r, strings.Fields(rest))
		default:
			t.Fatalf("%q is not an action of transcripts", name)
		}
	}
	r.end()
	if broken := conformance.BrokenRules(r.h.cluster); len(broken) > 0 {
		t.Errorf("the status breaks rules: %v", broken)
	}
	return shown(r.h)
}

// start begins a reconciliation in which the cluster runs as declared.
func (r *round) start() {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, StateMessage: "why", SparkContextId: 7, NumWorkers: 2}
	r.isPlanned = false
	r.in = Input{Observed: plan.Observation{
		Host: host, Principal: "me@example.com", Presence: managed.Present, Details: details, Desired: desired, Compared: true, SpecKnown: true,
	}}
}

// end reports.
func (r *round) end() {
	if !r.isPlanned {
		r.in.Plan = plan.Make(plan.Input{Cluster: r.h.cluster, Observed: r.in.Observed, Limits: limits, Now: r.h.now})
	}
	r.h.report(r.in)
}

// actions are the first words of the lines.
var actions = map[string]func(t *testing.T, r *round, args []string){
	"report": func(_ *testing.T, r *round, _ []string) { r.end(); r.start() },
	// The object. spec and status merge JSON into it.
	"spec":   func(t *testing.T, r *round, args []string) { merge(t, args, &r.h.cluster.Spec) },
	"status": func(t *testing.T, r *round, args []string) { merge(t, args, &r.h.cluster.Status) },
	"edited": func(_ *testing.T, r *round, _ []string) { r.h.cluster.Generation++ },
	"oversized": func(_ *testing.T, r *round, _ []string) {
		r.h.cluster.Spec.SparkConf = map[string]string{"a": strings.Repeat("x", specsize.Limit+1)}
		specsize.Trim(r.h.cluster)
	},
	// The cluster. details merges JSON into it.
	"is":           func(_ *testing.T, r *round, args []string) { r.in.Observed.Details.State = compute.State(args[0]) },
	"details":      func(t *testing.T, r *round, args []string) { merge(t, args, r.in.Observed.Details) },
	"missing":      func(_ *testing.T, r *round, _ []string) { r.absent(managed.Missing) },
	"purged":       func(_ *testing.T, r *round, _ []string) { r.absent(managed.Purged) },
	"not-observed": func(_ *testing.T, r *round, _ []string) { r.absent(managed.Unknown) },
	"not-compared": func(_ *testing.T, r *round, _ []string) { r.in.Observed.Compared = false },
	"unconfirmed": func(_ *testing.T, r *round, _ []string) {
		r.in.Observed.Compared, r.in.Observed.UnconfirmedDiff = false, true
	},
	"pinned": func(_ *testing.T, r *round, args []string) { r.in.Observed.Pinned = new(args[0] == "true") },
	"advice": func(_ *testing.T, r *round, args []string) {
		r.in.Observed.Advice = append(r.in.Observed.Advice, strings.Join(args, " "))
	},
	"library": observedLibrary,
	"library-of-all-clusters": func(t *testing.T, r *round, args []string) {
		observedLibrary(t, r, args)
		statuses := r.in.Observed.Libraries.Statuses
		statuses[len(statuses)-1].IsLibraryForAllClusters = true
	},
	"libraries-read": func(_ *testing.T, r *round, _ []string) { r.in.Observed.Libraries.Seen = true },
	// differs and normalized are followed by a path, the desired and the actual value.
	"differs": func(t *testing.T, r *round, args []string) {
		r.in.Observed.Differences = append(r.in.Observed.Differences, difference(t, args))
	},
	"normalized": func(t *testing.T, r *round, args []string) {
		r.in.Observed.Normalized = append(r.in.Observed.Normalized, difference(t, args))
	},
	// The plan, and the outcome of its step.
	"step": func(t *testing.T, r *round, args []string) {
		r.isPlanned, r.in.Plan.Step, r.in.Outcome.Ran = true, stepOf(t, r, args), true
	},
	"verdict": func(_ *testing.T, r *round, args []string) {
		r.isPlanned, r.in.Plan.Verdict = true, managed.Verdict{Reason: args[0], Message: strings.Join(args[1:], " ")}
	},
	"stalled": func(_ *testing.T, r *round, args []string) {
		r.isPlanned, r.in.Plan.Verdict = true, managed.Verdict{Reason: args[0], Message: strings.Join(args[1:], " "), Stalled: true}
	},
	"request": func(_ *testing.T, r *round, args []string) {
		r.in.Plan.Request = &v1alpha1.RequestStatus{Value: args[0], Phase: v1alpha1.RequestInProgress}
	},
	"note": func(_ *testing.T, r *round, args []string) {
		r.isPlanned, r.in.Plan.Note = true, strings.Join(args, " ")
	},
	"contended": func(t *testing.T, r *round, args []string) {
		one := plan.Contention{Subject: args[0]}
		switch {
		case strings.HasPrefix(args[0], "/") && len(args) > 1:
			found := difference(t, args)
			one.Subject, one.Difference = found.SpecPath(), &found
		case len(args) > 1:
			one.Desired, one.Actual = args[1], args[2]
		}
		r.isPlanned, r.in.Plan.Contended = true, append(r.in.Plan.Contended, one)
	},
	"waits": func(_ *testing.T, r *round, _ []string) { r.in.Outcome = Outcome{} },
	"failed": func(_ *testing.T, r *round, args []string) {
		r.in.Outcome.Failure = &managed.Failure{Class: databricks.Class(args[0]), Message: strings.Join(args[1:], " ")}
	},
}

// absent has the observation contain no cluster.
func (r *round) absent(presence managed.Presence) {
	r.in.Observed.Presence, r.in.Observed.Details, r.in.Observed.Compared = presence, nil, false
}

// observedLibrary adds a library to the observation: its package, its status and its messages,
// of which each is one word.
func observedLibrary(_ *testing.T, r *round, args []string) {
	r.in.Observed.Libraries.Seen = true
	r.in.Observed.Libraries.Statuses = append(r.in.Observed.Libraries.Statuses, compute.LibraryFullStatus{
		Library: &compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: args[0]}}, Status: compute.LibraryInstallStatus(args[1]), Messages: args[2:],
	})
}

// difference returns a difference of a path of the Clusters API, a desired and an actual value in JSON.
func difference(t *testing.T, args []string) drift.Difference {
	t.Helper()
	found := drift.Difference{Path: args[0], Field: strings.Split(args[0], "/")[1], Size: args[0] == "/num_workers"}
	merge(t, args[1:2], &found.Desired)
	merge(t, args[2:3], &found.Actual)
	return found
}

// stepOf returns the step of a kind. Its differences are those observed.
func stepOf(t *testing.T, r *round, args []string) plan.Step {
	t.Helper()
	switch kind := plan.StepKind(args[0]); kind {
	case plan.StepCreate:
		r.in.Outcome.Created = clusterID
		return plan.Create{}
	case plan.StepStoreClusterID:
		source := map[string]plan.ClusterSource{
			"created": plan.CreatedByProcess, "found": plan.FoundByTag, "adopted": plan.AdoptedBySpec, "named": plan.FoundByName,
		}[args[1]]
		return plan.StoreClusterID{ClusterID: clusterID, Source: source}
	case plan.StepResize:
		return plan.Resize{ClusterID: clusterID, Differences: r.in.Observed.Differences}
	case plan.StepUpdate:
		return plan.Update{ClusterID: clusterID, Differences: r.in.Observed.Differences}
	case plan.StepRestart:
		return plan.Restart{ClusterID: clusterID}
	case plan.StepStart:
		return plan.Start{ClusterID: clusterID}
	case plan.StepPin:
		return plan.Pin{ClusterID: clusterID}
	case plan.StepAcknowledgeRequest:
		return plan.AcknowledgeRequest{Request: v1alpha1.RequestStatus{Value: args[1], Phase: v1alpha1.RequestPhase(args[2])}}
	default:
		t.Fatalf("%q is not a step of transcripts", kind)
		return nil
	}
}

// merge sets what JSON names.
func merge(t *testing.T, args []string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(strings.Join(args, " ")), into); err != nil {
		t.Fatal(err)
	}
}

// shown returns the last report as text: the conditions and the events, and the parts of the
// status that the topics are about.
func shown(h *history) string {
	var out strings.Builder
	status := h.cluster.Status
	for _, one := range status.Conditions {
		fmt.Fprintf(&out, "%s %s %s: %s\n", one.Type, one.Status, one.Reason, one.Message)
	}
	for _, one := range status.Libraries {
		fmt.Fprintf(&out, "library: %s\n", strings.TrimSpace(one.Library.PyPI.Package+" "+one.Status+" "+strings.Join(one.Messages, ", ")))
	}
	for _, one := range status.Drift {
		fmt.Fprintf(&out, "drift: %s desired %q actual %q\n", one.Path, one.Desired, one.Actual)
	}
	if len(status.PendingChanges) > 0 {
		fmt.Fprintf(&out, "pending: %s since %s\n", strings.Join(status.PendingChanges, ", "), status.PendingSince.UTC().Format("15:04"))
	}
	if status.Pinned != nil {
		fmt.Fprintf(&out, "pinned: %t\n", *status.Pinned)
	}
	if status.Request != nil {
		fmt.Fprintf(&out, "request: %s %s\n", status.Request.Value, status.Request.Phase)
	}
	if status.Effective.Runtime != "" {
		fmt.Fprintf(&out, "runtime: %s\n", status.Effective.Runtime)
	}
	for _, one := range slices.Concat(h.last.ActionEvents, h.last.Events) {
		fmt.Fprintf(&out, "event: %s %s by %s: %s\n", one.Type, one.Reason, one.Action, one.Note)
	}
	return out.String()
}
