package plan

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// The transcripts in testdata/rules are one file per rule. Each case is a comment, the lines
// of its situation, four dashes, and the decision. With -update the decisions are
// rewritten, so that a reviewer reads the change in the diff.
var update = flag.Bool("update", false, "rewrite the decisions of the transcripts")

const transcripts = "testdata/rules"

// transcript is one file.
type transcript struct {
	rule  string
	cases []transcriptCase
}

// transcriptCase is one case: lines is everything before the dashes.
type transcriptCase struct {
	lines  []string
	wanted string
}

func (c transcriptCase) name() string { return strings.TrimPrefix(c.lines[0], "# ") }

func TestTranscriptsOfEveryRule(t *testing.T) {
	decided := map[string]bool{}
	paths, err := filepath.Glob(filepath.Join(transcripts, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		read := readTranscript(t, path)
		for i, one := range read.cases {
			t.Run(read.rule+"/"+one.name(), func(t *testing.T) {
				in := situation()
				for _, line := range one.lines {
					apply(t, &in, line)
				}
				got := decision(in)
				decided[read.rule] = decided[read.rule] || strings.Contains(got, "rule: "+read.rule+"\n")
				if *update {
					read.cases[i].wanted = got
				} else if got != one.wanted {
					t.Errorf("the decision is\n%s\nand not\n%s", got, one.wanted)
				}
			})
		}
		if *update {
			read.write(t, path)
		}
	}
	for _, rule := range slices.Concat(liveRules, existingRules, deletionRules) {
		if name := nameOf(rule); name != "whenManaged" && !decided[name] {
			t.Errorf("no transcript shows a decision of %s", name)
		}
	}
}

func readTranscript(t *testing.T, path string) transcript {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := transcript{rule: strings.TrimSuffix(filepath.Base(path), ".txt")}
	for block := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n\n") {
		before, wanted, _ := strings.Cut(block+"\n", "----\n")
		read.cases = append(read.cases, transcriptCase{lines: strings.Split(strings.TrimSpace(before), "\n"), wanted: wanted})
	}
	return read
}

func (r transcript) write(t *testing.T, path string) {
	t.Helper()
	blocks := make([]string, 0, len(r.cases))
	for _, one := range r.cases {
		blocks = append(blocks, strings.Join(one.lines, "\n")+"\n----\n"+one.wanted)
	}
	if err := os.WriteFile(path, []byte(strings.Join(blocks, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func nameOf(r rule) string {
	name := runtime.FuncForPC(reflect.ValueOf(r).Pointer()).Name()
	return name[strings.LastIndex(name, ".")+1:]
}

// decidingRule returns the name of the rule that decides.
func decidingRule(in Input) string {
	chain := liveRules
	if in.isDeleting() {
		chain = deletionRules
	}
	for _, rule := range chain {
		if _, ok := rule(in); !ok {
			continue
		}
		if nameOf(rule) != "whenManaged" {
			return nameOf(rule)
		}
		for _, inner := range existingRules {
			if _, ok := inner(in); ok {
				return nameOf(inner)
			}
		}
		return "whenManaged"
	}
	return "none"
}

// decision returns a plan as text.
func decision(in Input) string {
	next := Make(in)
	var out strings.Builder
	fmt.Fprintf(&out, "rule: %s\n", decidingRule(in))
	fmt.Fprintf(&out, "step: %s\n", shownStep(next.Step))
	if next.NonBlocking {
		out.WriteString("blocks: nothing\n")
	}
	if next.Request != nil {
		fmt.Fprintf(&out, "request: %s\n", next.Request.Phase)
	}
	if next.Verdict != (managed.Verdict{}) {
		kind := "progress"
		if next.Verdict.Stalled {
			kind = "stalled"
		}
		fmt.Fprintf(&out, "%s: %s: %s\n", kind, next.Verdict.Reason, next.Verdict.Message)
	}
	if next.Note != "" {
		fmt.Fprintf(&out, "note: %s\n", next.Note)
	}
	if next.Enforcement != "" {
		fmt.Fprintf(&out, "enforcement: %s\n", next.Enforcement)
	}
	for _, one := range next.Contended {
		fmt.Fprintf(&out, "contended: %s\n", one.Subject)
	}
	if !next.RequeueAt.IsZero() {
		fmt.Fprintf(&out, "requeue: after %s\n", next.RequeueAt.Sub(in.Now))
	}
	return out.String()
}

func shownStep(step Step) string {
	if step == nil {
		return "none"
	}
	shown := string(KindOf(step))
	switch step := step.(type) {
	case Create:
		return fmt.Sprintf("%s incarnation %d attempt %d within %s", shown, step.Intent.Incarnation, step.Intent.Attempt, step.Intent.NotAfter.Sub(noon))
	case StoreClusterID:
		source := map[ClusterSource]string{CreatedByProcess: "created", FoundByTag: "found", FoundByName: "found by its name", AdoptedBySpec: "adopted"}[step.Source]
		return shown + " " + step.ClusterID + " " + source
	case AcknowledgeRequest:
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", shown, step.Request.Phase, step.Request.Message))
	case Update:
		method := map[UpdateMethod]string{UpdateWithMask: "mask", EditWhole: "edit"}[step.Method]
		return shown + " " + DiffPaths(step.Differences) + " by " + method
	case Resize:
		return shown + " " + DiffPaths(step.Differences)
	case ReadSpec:
		return shown + " for " + DiffPaths(step.Differences)
	case InstallLibraries:
		return shown + " " + shownLibraries(step.Libraries)
	case UninstallLibraries:
		return shown + " " + shownLibraries(step.Libraries)
	case SetPermissions:
		return fmt.Sprintf("%s %d entries", shown, len(step.Permissions))
	default:
		return shown
	}
}

// facts are the first words of lines without arguments.
var facts = map[string]change{
	"deleted": deleted, "suspended": suspended, "untagged": untagged, "no-finalizer": withoutFinalizer,
	"adopting": adopting, "observing": observing, "owning": owning, "unreachable": unreachable, "other-host": otherHost,
	"edited": newGeneration, "compared": compared, "declared": declared, "unconfirmed": unconfirmed, "older-than-process": older,
	"applying": applied(Applying), "never-compared": applied(""),
	"managed-elsewhere":  func(in *Input) { in.Observed.ManagedBy = "team/older" },
	"never-seen":         func(in *Input) { in.Cluster.Status.State = "" },
	"adopted":            func(in *Input) { in.Cluster.Status.Adopted = true },
	"spec-known":         func(in *Input) { in.Observed.SpecKnown, in.Observed.SpecAt = true, noon },
	"no-update-call":     func(in *Input) { in.Observed.LacksUpdate = true },
	"libraries-seen":     func(in *Input) { in.Observed.Libraries.Seen = true },
	"failure-of-cluster": func(in *Input) { in.Observed.ReadFailureOfCluster = true },
	"other-credential":   func(in *Input) { in.Observed.Credential = "second" },
	"no-get":             func(in *Input) { in.Observed.SpecAt = time.Time{} },
	"based": func(in *Input) {
		in.Attempts = in.Attempts.WithBase(in.Observed.Differences, in.Observed.SpecAt)
	},
}

// factsWithArguments are the first words of lines with arguments.
var factsWithArguments = map[string]func(t *testing.T, in *Input, args []string){
	// spec and status merge JSON into the object, details into the cluster.
	"spec":      func(t *testing.T, in *Input, args []string) { merge(t, args, &in.Cluster.Spec) },
	"status":    func(t *testing.T, in *Input, args []string) { merge(t, args, &in.Cluster.Status) },
	"details":   func(t *testing.T, in *Input, args []string) { merge(t, args, in.Observed.Details) },
	"workspace": func(_ *testing.T, in *Input, args []string) { in.Observed.WorkspaceID = args[0] },
	"pypi": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Libraries.Seen = true
		in.Observed.Libraries.Statuses = append(in.Observed.Libraries.Statuses, compute.LibraryFullStatus{
			Library: &compute.Library{Pypi: &compute.PythonPyPiLibrary{Package: args[0]}}, Status: compute.LibraryInstallStatus(args[1]),
		})
	},
	"is": func(_ *testing.T, in *Input, args []string) { is(compute.State(args[0]))(in) },
	"gone": func(_ *testing.T, in *Input, args []string) {
		gone(map[string]managed.Presence{"missing": managed.Missing, "purged": managed.Purged}[args[0]])(in)
	},
	"ended": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Details.TerminationReason = &compute.TerminationReason{Type: compute.TerminationReasonType(args[0]), Code: compute.TerminationReasonCode(args[1])}
		in.Observed.Details.TerminatedTime = noon.Add(-span(args[2])).UnixMilli()
	},
	"owner-tag": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Details.CustomTags = map[string]string{v1alpha1.OwnerTagKey: strings.ReplaceAll(args[0], "own", ownerTag.Value)}
	},
	"annotated": func(_ *testing.T, in *Input, args []string) {
		in.Cluster.Annotations = map[string]string{map[string]string{"request": v1alpha1.AnnotationRequest, "take-over": v1alpha1.AnnotationTakeOver}[args[0]]: args[1]}
	},
	"pending":  func(_ *testing.T, in *Input, args []string) { pendingSince(noon.Add(-span(args[0])))(in) },
	"searched": searchedFor,
	"adopting-by-name": func(_ *testing.T, in *Input, _ []string) {
		unmade(in)
		adopts(v1alpha1.AdoptionPolicyAdoptOrCreate)(in)
	},
	"searched-earlier": func(_ *testing.T, in *Input, args []string) {
		var matches []*compute.ClusterDetails
		for _, id := range args {
			matches = append(matches, match(id, tagged(earlier(thisOperator))))
		}
		searched(1, matches...)(in)
	},
	"name-not-found": func(_ *testing.T, in *Input, _ []string) {
		in.Observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonReferenceNotFound, Message: `spec.policyName "smal" is not found`, Stalled: true, ByLists: true}
	},
	"did": func(_ *testing.T, in *Input, args []string) { did(StepKind(args[0]), span(args[1]))(in) },
	"failed": func(_ *testing.T, in *Input, args []string) {
		failed(StepKind(args[0]), databricks.Class(args[1]), span(args[2]))(in)
	},
	"failed-beside": func(_ *testing.T, in *Input, args []string) {
		in.Attempts = in.Attempts.RecordedSideStep(Attempt{
			Step: StepKind(args[0]), Failure: &managed.Failure{Class: databricks.Class(args[1]), Message: "CODE: the message of the API"}, At: noon.Add(-span(args[2])), Generation: 1,
			Credential: in.Observed.Credential,
		})
	},
	"created-by-process": func(_ *testing.T, in *Input, args []string) {
		attempt, _ := strconv.ParseInt(args[0], 10, 64)
		in.Attempts.Last = Attempt{Step: StepCreate, ClusterID: clusterID, Token: uid + "-3", CreateAttempt: attempt}
	},
	"installed": func(_ *testing.T, in *Input, args []string) {
		in.Attempts.Last = Attempt{Step: StepInstallLibraries, At: noon.Add(-span(args[1])), Generation: 1, Libraries: []compute.Library{{Whl: args[0]}}}
	},
	"reads-fail": func(_ *testing.T, in *Input, args []string) { readsFail(databricks.Class(args[0]), span(args[1]))(in) },
	"differs": func(_ *testing.T, in *Input, args []string) {
		isSize := args[0] == "/num_workers"
		differs(args[0], strings.Split(args[0], "/")[1], isSize)(in)
	},
	"asked": func(_ *testing.T, in *Input, args []string) { in.Observed.Differences[0].Requested = args[0] },
	"condition": func(_ *testing.T, in *Input, args []string) {
		condition := metav1.Condition{Type: args[0], Status: metav1.ConditionStatus(args[1]), Reason: args[2], Message: "so", ObservedGeneration: 1}
		if len(args) > 3 {
			condition.LastTransitionTime = metav1.NewTime(noon.Add(-span(args[3])))
		}
		in.Cluster.Status.Conditions = append(in.Cluster.Status.Conditions, condition)
	},
	"contended":    func(_ *testing.T, in *Input, args []string) { contended(args[0], span(args[1]))(in) },
	"outage":       func(_ *testing.T, in *Input, args []string) { outage(span(args[0]))(in) },
	"block-remedy": func(_ *testing.T, in *Input, args []string) { in.Observed.Blocked.Remedy = strings.Join(args, " ") },
	"library": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Libraries.Seen = true
		in.Observed.Libraries.Statuses = append(in.Observed.Libraries.Statuses, compute.LibraryFullStatus{
			Library: &compute.Library{Whl: args[0]}, Status: compute.LibraryInstallStatus(args[1]), Messages: args[2:],
		})
	},
	"libraries-fail": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Libraries.Failure = &managed.Failure{Class: databricks.Class(args[0]), Message: "CODE: the message of the API"}
	},
	"violates": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Compliance.PolicyID, in.Observed.Compliance.Seen = "P1", true
		in.Observed.Compliance.Violations = append(in.Observed.Compliance.Violations, Violation{Path: args[0], Message: "it is too large"})
	},
	"did-beside": func(_ *testing.T, in *Input, args []string) {
		in.Attempts = in.Attempts.RecordedSideStep(Attempt{Step: StepKind(args[0]), At: noon.Add(-span(args[1])), Generation: 1})
	},
	"pin": func(_ *testing.T, in *Input, args []string) { in.Observed.Pinned = new(args[0] == "true") },
	"permissions": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Permissions = map[string]Permissions{
			"unknown":  {},
			"in-place": {InPlace: true},
			"none":     {Seen: true},
			"granted":  {Seen: true, Direct: []drift.Permission{{GroupName: "data", PermissionLevel: "CAN_RESTART"}}},
			"fail":     {Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "CODE: the message of the API"}},
		}[args[0]]
	},
	"output": func(_ *testing.T, in *Input, args []string) {
		in.Observed.Output = map[string]Output{
			"absent":    {},
			"foreign":   {Foreign: true},
			"fails":     {Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "the API server does not answer"}},
			"written":   {Data: Published(in.Cluster)},
			"outdated":  {Data: publishedBut(in.Cluster, OutputClusterID, "another")},
			"extended":  {Data: publishedBut(in.Cluster, "COLOUR", "blue")},
			"forbidden": {Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "the operator may not read it"}},
		}[args[0]]
	},
}

func searchedFor(t *testing.T, in *Input, args []string) {
	lists, err := strconv.Atoi(args[0])
	if err != nil {
		t.Fatal(err)
	}
	var matches []*compute.ClusterDetails
	for _, id := range args[1:] {
		matches = append(matches, match(id))
	}
	searched(lists, matches...)(in)
}

// publishedBut returns the content of the ConfigMap with another value of one key.
func publishedBut(cluster *v1alpha1.DatabricksCluster, key, value string) map[string]string {
	data := Published(cluster)
	data[key] = value
	return data
}

// span returns a duration such as 90s.
func span(text string) time.Duration {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

// merge sets the fields in a JSON object.
func merge(t *testing.T, args []string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(strings.Join(args, " ")), into); err != nil {
		t.Fatal(err)
	}
}

// apply changes a situation by one line.
func apply(t *testing.T, in *Input, line string) {
	t.Helper()
	if strings.HasPrefix(line, "#") {
		return
	}
	name, rest, _ := strings.Cut(line, " ")
	if change, known := facts[name]; known {
		change(in)
		return
	}
	set, known := factsWithArguments[name]
	if !known {
		t.Fatalf("%q is not a fact of transcripts", name)
	}
	set(t, in, strings.Fields(rest))
}
