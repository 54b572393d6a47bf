package gitops

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/corpus"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// evaluation is the status of an object according to each tool.
type evaluation struct{ kstatus, flux, expressions, argocd string }

// tools are the columns of an evaluation.
var tools = []string{"kstatus", "Flux", "with expressions", "Argo CD"}

func (r evaluation) cells() []string { return []string{r.kstatus, r.flux, r.expressions, r.argocd} }

// Evaluations that occur more than once.
var (
	waiting        = evaluation{"InProgress", "in progress", "in progress", "Progressing"}
	done           = evaluation{"Current", "current", "current", "Healthy"}
	failed         = evaluation{"Failed", "failed", "failed", "Degraded"}
	terminating    = evaluation{"Terminating", "in progress", "in progress", "Progressing"}
	suspendedState = evaluation{"InProgress", "in progress", "in progress", "Suspended"}
)

// expectation is one row of the table of evaluations.
type expectation struct {
	situation string
	// matches selects the objects of the row, among those that no earlier row
	// matches.
	matches func(properties) bool
	// reasons are reasons of Ready that the recorded statuses of the row must
	// include.
	reasons    []string
	evaluation evaluation
}

// expectations are all rows, in order of precedence.
var expectations = []expectation{
	{"deleting", func(v properties) bool { return v.deleting }, nil, terminating},
	{"just applied, suspended", func(v properties) bool { return v.neverObserved && v.suspended }, nil, suspendedState},
	{"just applied", func(v properties) bool { return v.neverObserved }, nil, waiting},
	{"suspended by a new generation", func(v properties) bool { return v.changed && v.suspended }, nil, suspendedState},
	{"new generation, old Ready", func(v properties) bool { return v.changed && v.ready }, []string{"Running"}, waiting},
	{"new generation, not Ready", func(v properties) bool { return v.changed }, nil, waiting},
	{
		"suspended after Ready", func(v properties) bool { return v.suspended && v.ready },
		[]string{"Running"},
		evaluation{"Current", "current", "current", "Suspended"},
	},
	{
		"suspended, at fault", func(v properties) bool { return v.suspended && v.stalled }, nil,
		evaluation{"Failed", "failed", "current", "Suspended"},
	},
	{
		"suspended before Ready", func(v properties) bool { return v.suspended }, nil,
		evaluation{"InProgress", "in progress", "current", "Suspended"},
	},
	{
		"creating, starting, throttled", func(v properties) bool { return v.reconciling },
		[]string{"Creating", "Starting", "RateLimited"},
		waiting,
	},
	{
		"invalid, refused, ended unexpectedly", func(v properties) bool { return v.stalled },
		[]string{"InvalidSpec", "PermissionDenied", "StartFailed", "TerminatedUnexpectedly"},
		failed,
	},
	{"changes deferred, drift tolerated, purged while idle", func(v properties) bool {
		return v.ready && slices.Contains([]string{"ChangesDeferred", "DriftTolerated", "Purged"}, v.reason)
	}, []string{"ChangesDeferred", "DriftTolerated", "Purged"}, done},
	{
		"running; ended by inactivity with Manual; Observe in sync", func(v properties) bool { return v.ready },
		[]string{"Running", "TerminatedNormally", "Observed"},
		done,
	},
}

// properties are the properties of an object that determine its evaluation.
type properties struct {
	deleting, suspended, neverObserved, changed bool
	ready, reconciling, stalled                 bool
	reason                                      string
}

func propertiesOf(object *unstructured.Unstructured) properties {
	observed, found, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
	p := properties{
		deleting: object.GetDeletionTimestamp() != nil, suspended: suspended,
		neverObserved: !found || observed == -1, changed: observed != object.GetGeneration(),
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		condition := item.(map[string]any)
		isTrue := condition["status"] == "True"
		switch condition["type"] {
		case v1alpha1.ConditionReady:
			p.ready, p.reason = isTrue, condition["reason"].(string)
		case v1alpha1.ConditionReconciling:
			p.reconciling = isTrue
		case v1alpha1.ConditionStalled:
			p.stalled = isTrue
		}
	}
	return p
}

// expectedRow returns the row of an object.
func expectedRow(t *testing.T, object *unstructured.Unstructured) expectation {
	t.Helper()
	p := propertiesOf(object)
	i := slices.IndexFunc(expectations, func(e expectation) bool { return e.matches(p) })
	NewWithT(t).Expect(i).NotTo(Equal(-1), "no row matches %s", corpus.Shape(object))
	return expectations[i]
}

// evaluate returns the tools' evaluation of an object.
func evaluate(t *testing.T, object *unstructured.Unstructured) evaluation {
	t.Helper()
	result, err := status.Compute(object)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return evaluation{
		kstatus:     result.Status.String(),
		flux:        fluxStatus(t, object, false),
		expressions: fluxStatus(t, object, true),
		argocd:      argocd(t, object).Status,
	}
}

var update = flag.Bool("update", false, "write the evaluated statuses to testdata")

// committed contains statuses of an earlier run, for runs without the other
// suites.
const committed = "testdata/statuses"

// statuses returns the statuses that the operator wrote in the suites, in this
// run or else in an earlier one.
func statuses(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	directory := os.Getenv(corpus.Directory)
	if directory == "" {
		directory = committed
	}
	objects, err := corpus.Read(directory)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(objects)).To(BeNumerically(">", 100), "statuses in %s: run the suites first", directory)
	t.Logf("%d shapes of status from %s", len(objects), directory)
	if *update && directory != committed {
		g.Expect(corpus.Merge(committed+"/statuses.jsonl", objects)).To(Succeed())
	}
	return objects
}

// The table of docs/gitops.md agrees with the statuses that the operator wrote.
func TestTableAgreesWithRecordedStatuses(t *testing.T) {
	produced := newTable()
	for _, object := range statuses(t) {
		row, got := expectedRow(t, object), evaluate(t, object)
		produced.add(row, object, got)
		if got != row.evaluation {
			t.Errorf("%s (%s)\n  evaluates to %v\n  instead of %v", corpus.Shape(object), row.situation, got.cells(), row.evaluation.cells())
		}
	}
	t.Logf("evaluation of statuses\n\n%s", produced)
	for _, row := range expectations {
		for _, reason := range row.reasons {
			if produced.reasons[row.situation][reason] == 0 {
				t.Errorf("%q has no recorded status with reason %s", row.situation, reason)
			}
		}
		if len(produced.reasons[row.situation]) == 0 {
			t.Errorf("%q has no recorded status", row.situation)
		}
	}
}

// Policies and pools have the conditions of clusters, so each tool has to read them alike.
func TestToolsReadEveryKindAlike(t *testing.T) {
	g := NewWithT(t)
	for _, object := range statuses(t) {
		if object.GetKind() != v1alpha1.ClusterKind {
			continue
		}
		row := expectedRow(t, object)
		for _, kind := range []string{v1alpha1.PolicyKind, v1alpha1.PoolKind} {
			object.SetKind(kind)
			g.Expect(evaluate(t, object)).To(Equal(row.evaluation), "%s as a %s", corpus.Shape(object), kind)
		}
	}
}

func TestNoObjectIsCurrentBeforeItsFirstStatus(t *testing.T) {
	g := NewWithT(t)
	neverObserved := 0
	for _, object := range statuses(t) {
		if !propertiesOf(object).neverObserved {
			continue
		}
		neverObserved++
		got := evaluate(t, object)
		for i, cell := range got.cells() {
			g.Expect(cell).NotTo(BeElementOf("Current", "current", "Healthy"), "%s of %s", tools[i], corpus.Shape(object))
		}
	}
	g.Expect(neverObserved).To(BeNumerically(">", 0))
}

func TestToolsAgreeOnEverySituation(t *testing.T) {
	for _, situation := range situations() {
		t.Run(situation.name, func(t *testing.T) {
			g := NewWithT(t)
			fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(situation.object.DatabricksCluster)
			g.Expect(err).NotTo(HaveOccurred())
			object := &unstructured.Unstructured{Object: fields}
			g.Expect(evaluate(t, object)).To(Equal(expectedRow(t, object).evaluation))
		})
	}
}

func TestDocumentedTableMatchesTheStatuses(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitops.md")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	for _, row := range expectations {
		g.Expect(string(page)).To(ContainSubstring("| " + row.situation + " | " + strings.Join(row.evaluation.cells(), " | ") + " |\n"))
	}
}

// table collects the evaluations by situation.
type table struct {
	// reasons counts the reasons of Ready by situation.
	reasons map[string]map[string]int
	// cells are the distinct evaluations of a situation, by tool.
	cells map[string][]map[string]bool
}

func newTable() *table {
	return &table{reasons: map[string]map[string]int{}, cells: map[string][]map[string]bool{}}
}

func (b *table) add(row expectation, object *unstructured.Unstructured, got evaluation) {
	if b.reasons[row.situation] == nil {
		b.reasons[row.situation] = map[string]int{}
		b.cells[row.situation] = make([]map[string]bool, len(tools))
	}
	reason := propertiesOf(object).reason
	if reason == "" {
		reason = "no condition yet"
	}
	b.reasons[row.situation][reason]++
	for i, cell := range got.cells() {
		if b.cells[row.situation][i] == nil {
			b.cells[row.situation][i] = map[string]bool{}
		}
		b.cells[row.situation][i][cell] = true
	}
}

// String returns the table for a terminal: one line for each situation, and
// below it the recorded reasons of Ready.
func (b *table) String() string {
	const line = "  %-58s %6s   %-12s %-12s %-17s %s\n"
	var text strings.Builder
	fmt.Fprintf(&text, line, "situation", "shapes", "kstatus", "Flux", "with expressions", "Argo CD")
	fmt.Fprintf(&text, "  %s\n", strings.Repeat("─", 124))
	for _, row := range expectations {
		shapes, cells := 0, []string{"–", "–", "–", "–"}
		var reasons []string
		for _, reason := range slices.Sorted(maps.Keys(b.reasons[row.situation])) {
			count := b.reasons[row.situation][reason]
			shapes += count
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, count))
		}
		for i, values := range b.cells[row.situation] {
			cells[i] = strings.Join(slices.Sorted(maps.Keys(values)), " or ")
		}
		fmt.Fprintf(&text, line, row.situation, fmt.Sprint(shapes), cells[0], cells[1], cells[2], cells[3])
		for wrapped := range slices.Chunk(reasons, 5) {
			fmt.Fprintf(&text, "      %s\n", strings.Join(wrapped, ", "))
		}
	}
	return text.String()
}
