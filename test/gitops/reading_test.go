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

// reading is how those who wait for an object read it.
type reading struct{ kstatus, flux, expressions, argocd string }

// tools are the columns of a reading.
var tools = []string{"kstatus", "Flux", "with expressions", "Argo CD"}

func (r reading) cells() []string { return []string{r.kstatus, r.flux, r.expressions, r.argocd} }

// readings that occur more than once.
var (
	waiting = reading{"InProgress", "in progress", "in progress", "Progressing"}
	done    = reading{"Current", "current", "current", "Healthy"}
	failed  = reading{"Failed", "failed", "failed", "Degraded"}
	leaving = reading{"Terminating", "in progress", "in progress", "Progressing"}
	asleep  = reading{"InProgress", "in progress", "in progress", "Suspended"}
)

// promise is one row of how an object is read.
type promise struct {
	situation string
	// fits tells the objects that it is about, of those that none before fits.
	fits func(view) bool
	// seen are reasons of Ready that the row must have been proved with.
	seen  []string
	reads reading
}

// promises are all there is to say about an object, in the order of precedence.
var promises = []promise{
	{"deleting", func(v view) bool { return v.deleting }, nil, leaving},
	{"just applied, suspended", func(v view) bool { return v.unseen && v.suspended }, nil, asleep},
	{"just applied", func(v view) bool { return v.unseen }, nil, waiting},
	{"suspended by a new generation", func(v view) bool { return v.changed && v.suspended }, nil, asleep},
	{"new generation, old Ready", func(v view) bool { return v.changed && v.ready }, []string{"Running"}, waiting},
	{"new generation, not Ready", func(v view) bool { return v.changed }, nil, waiting},
	{
		"suspended after Ready", func(v view) bool { return v.suspended && v.ready },
		[]string{"Running"},
		reading{"Current", "current", "current", "Suspended"},
	},
	{
		"suspended, at fault", func(v view) bool { return v.suspended && v.stalled }, nil,
		reading{"Failed", "failed", "current", "Suspended"},
	},
	{
		"suspended before Ready", func(v view) bool { return v.suspended }, nil,
		reading{"InProgress", "in progress", "current", "Suspended"},
	},
	{
		"creating, starting, throttled", func(v view) bool { return v.reconciling },
		[]string{"Creating", "Starting", "RateLimited"},
		waiting,
	},
	{
		"invalid, refused, ended unexpectedly", func(v view) bool { return v.stalled },
		[]string{"InvalidSpec", "PermissionDenied", "StartFailed", "TerminatedUnexpectedly"},
		failed,
	},
	{"changes deferred, drift tolerated, purged while idle", func(v view) bool {
		return v.ready && slices.Contains([]string{"ChangesDeferred", "DriftTolerated", "Purged"}, v.reason)
	}, []string{"ChangesDeferred", "DriftTolerated", "Purged"}, done},
	{
		"running; ended by inactivity with Manual; Observe in sync", func(v view) bool { return v.ready },
		[]string{"Running", "TerminatedNormally", "Observed"},
		done,
	},
}

// view is what of an object decides how it is read.
type view struct {
	deleting, suspended, unseen, changed bool
	ready, reconciling, stalled          bool
	reason                               string
}

func viewOf(object *unstructured.Unstructured) view {
	observed, found, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
	seen := view{
		deleting: object.GetDeletionTimestamp() != nil, suspended: suspended,
		unseen: !found || observed == -1, changed: observed != object.GetGeneration(),
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		condition := item.(map[string]any)
		holds := condition["status"] == "True"
		switch condition["type"] {
		case v1alpha1.ConditionReady:
			seen.ready, seen.reason = holds, condition["reason"].(string)
		case v1alpha1.ConditionReconciling:
			seen.reconciling = holds
		case v1alpha1.ConditionStalled:
			seen.stalled = holds
		}
	}
	return seen
}

// promised is the row that an object belongs to.
func promised(t *testing.T, object *unstructured.Unstructured) promise {
	t.Helper()
	seen := viewOf(object)
	i := slices.IndexFunc(promises, func(p promise) bool { return p.fits(seen) })
	NewWithT(t).Expect(i).NotTo(Equal(-1), "no row is about %s", corpus.Shape(object))
	return promises[i]
}

// read is how an object is really read.
func read(t *testing.T, object *unstructured.Unstructured) reading {
	t.Helper()
	result, err := status.Compute(object)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return reading{
		kstatus:     result.Status.String(),
		flux:        waits(t, object, false),
		expressions: waits(t, object, true),
		argocd:      argocd(t, object).Status,
	}
}

var update = flag.Bool("update", false, "write the statuses that were read to testdata")

// committed are statuses of an earlier run, for when the suites were not run
// just before.
const committed = "testdata/statuses"

// statuses are what the operator wrote in the suites: in the run that this one
// is part of, or else in an earlier one.
func statuses(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	directory := os.Getenv(corpus.Directory)
	if directory == "" {
		directory = committed
	}
	objects, err := corpus.Read(directory)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(objects)).To(BeNumerically(">", 100), "statuses in %s: were the suites run?", directory)
	t.Logf("%d shapes of status from %s", len(objects), directory)
	if *update && directory != committed {
		g.Expect(corpus.Merge(committed+"/statuses.jsonl", objects)).To(Succeed())
	}
	return objects
}

// The table of docs/gitops.md, from what the operator really wrote.
func TestTheTable(t *testing.T) {
	produced := newTable()
	for _, object := range statuses(t) {
		row, got := promised(t, object), read(t, object)
		produced.add(row, object, got)
		if got != row.reads {
			t.Errorf("%s (%s)\n  is read as %v\n  promised is %v", corpus.Shape(object), row.situation, got.cells(), row.reads.cells())
		}
	}
	t.Logf("how an object is read\n\n%s", produced)
	for _, row := range promises {
		for _, reason := range row.seen {
			if produced.reasons[row.situation][reason] == 0 {
				t.Errorf("%q was not proved with %s: no suite brought it about", row.situation, reason)
			}
		}
		if len(produced.reasons[row.situation]) == 0 {
			t.Errorf("%q was not proved at all: no suite brought it about", row.situation)
		}
	}
}

func TestNoObjectIsDoneBeforeItsFirstStatus(t *testing.T) {
	g := NewWithT(t)
	unseen := 0
	for _, object := range statuses(t) {
		if !viewOf(object).unseen {
			continue
		}
		unseen++
		got := read(t, object)
		for i, cell := range got.cells() {
			g.Expect(cell).NotTo(BeElementOf("Current", "current", "Healthy"), "%s of %s", tools[i], corpus.Shape(object))
		}
	}
	g.Expect(unseen).To(BeNumerically(">", 0))
}

func TestEverySituationIsReadInOneWay(t *testing.T) {
	for _, situation := range situations() {
		t.Run(situation.name, func(t *testing.T) {
			g := NewWithT(t)
			fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(situation.object.DatabricksCluster)
			g.Expect(err).NotTo(HaveOccurred())
			object := &unstructured.Unstructured{Object: fields}
			g.Expect(read(t, object)).To(Equal(promised(t, object).reads))
		})
	}
}

func TestTheDocumentedTableIsTheProvenOne(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitops.md")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	for _, row := range promises {
		g.Expect(string(page)).To(ContainSubstring("| " + row.situation + " | " + strings.Join(row.reads.cells(), " | ") + " |\n"))
	}
}

// table is what was read, by situation.
type table struct {
	// reasons counts the reasons of Ready, by situation.
	reasons map[string]map[string]int
	// cells are the distinct readings of a situation, by tool.
	cells map[string][]map[string]bool
}

func newTable() *table {
	return &table{reasons: map[string]map[string]int{}, cells: map[string][]map[string]bool{}}
}

func (b *table) add(row promise, object *unstructured.Unstructured, got reading) {
	if b.reasons[row.situation] == nil {
		b.reasons[row.situation] = map[string]int{}
		b.cells[row.situation] = make([]map[string]bool, len(tools))
	}
	reason := viewOf(object).reason
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

// String is the table for a terminal: a line for each situation, and beneath it
// the reasons of Ready that it was proved with.
func (b *table) String() string {
	const line = "  %-58s %6s   %-12s %-12s %-17s %s\n"
	var text strings.Builder
	fmt.Fprintf(&text, line, "situation", "shapes", "kstatus", "Flux", "with expressions", "Argo CD")
	fmt.Fprintf(&text, "  %s\n", strings.Repeat("─", 124))
	for _, row := range promises {
		shapes, cells := 0, []string{"–", "–", "–", "–"}
		var reasons []string
		for _, reason := range slices.Sorted(maps.Keys(b.reasons[row.situation])) {
			count := b.reasons[row.situation][reason]
			shapes += count
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, count))
		}
		for i, read := range b.cells[row.situation] {
			cells[i] = strings.Join(slices.Sorted(maps.Keys(read)), " or ")
		}
		fmt.Fprintf(&text, line, row.situation, fmt.Sprint(shapes), cells[0], cells[1], cells[2], cells[3])
		for wrapped := range slices.Chunk(reasons, 5) {
			fmt.Fprintf(&text, "      %s\n", strings.Join(wrapped, ", "))
		}
	}
	return text.String()
}
