package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// board shows the objects as `kubectl get -w` does, and under a row what else
// has changed: the state message and the conditions.
type board struct {
	screen *screen
	// now are the objects that exist, by name.
	now map[string]news
	// changes counts how often an object was written after it was created.
	changes map[string]int

	// nameWidth is that of the longest name; headed tells that the columns have
	// been named in this chapter.
	nameWidth int
	headed    bool
}

func newBoard(s *screen) *board {
	return &board{screen: s, now: map[string]news{}, changes: map[string]int{}}
}

// expect begins a chapter about objects of these names.
func (b *board) expect(names []string) {
	b.headed = false
	for _, name := range names {
		b.nameWidth = max(b.nameWidth, len(name))
	}
}

// take takes a change in, and shows what is new to see.
func (b *board) take(change news) {
	name := change.cluster.Name
	before, known := b.now[name]
	if change.kind != watch.Added {
		b.changes[name]++
	}
	if change.kind == watch.Deleted {
		delete(b.now, name)
		b.row(change)
		b.detail("deleted")
		return
	}
	b.now[name] = change
	details := differences(before.cluster.Status, change.cluster.Status)
	if known && len(details) == 0 && slices.Equal(lasting(before), lasting(change)) {
		return // metadata alone, which nobody sees either
	}
	b.row(change)
	for _, detail := range details {
		b.detail(detail)
	}
}

func (b *board) row(change news) {
	if !b.headed {
		b.headed = true
		b.screen.line("  %s", b.screen.bold(b.aligned(shown(change.columns, func(i int) string {
			return strings.ToUpper(change.columns[i].Name)
		}))))
	}
	b.screen.line("  %s", b.aligned(shown(change.columns, func(i int) string { return text(change.cells[i]) })))
}

func (b *board) detail(text string) {
	b.screen.line("  %*s   %s", b.nameWidth, "", b.screen.dim(text))
}

// cellWidth fits what is shown most of the time: ChangesDeferred, for one.
const cellWidth = 15

func (b *board) aligned(cells []string) string {
	var line strings.Builder
	for i, cell := range cells {
		width := cellWidth
		if i == 0 {
			width = b.nameWidth
		}
		fmt.Fprintf(&line, "%-*s   ", width, cell)
	}
	return strings.TrimRight(line.String(), " ")
}

// shown are the cells of the columns that kubectl shows without `-o wide`.
func shown(columns []metav1.TableColumnDefinition, cell func(int) string) []string {
	var cells []string
	for i, column := range columns {
		if column.Priority == 0 {
			cells = append(cells, cell(i))
		}
	}
	return cells
}

// lasting are the shown cells that do not change by themselves, as the age does.
func lasting(change news) []string {
	return shown(change.columns, func(i int) string {
		if change.columns[i].Name == "Age" {
			return ""
		}
		return text(change.cells[i])
	})
}

func text(cell any) string {
	if cell == nil {
		return ""
	}
	return fmt.Sprint(cell)
}

// differences are what is new about an object beyond its row.
func differences(before, after v1alpha1.DatabricksClusterStatus) []string {
	var all []string
	if after.ClusterID != before.ClusterID && after.ClusterID != "" {
		all = append(all, "cluster "+after.ClusterID)
	}
	if after.Adopted && !before.Adopted {
		all = append(all, "adopted")
	}
	if after.StateMessage != before.StateMessage && after.StateMessage != "" {
		all = append(all, "state message: "+after.StateMessage)
	}
	if told := ending(after.TerminationReason); told != ending(before.TerminationReason) && told != "" {
		all = append(all, "termination reason: "+told)
	}
	if !slices.Equal(after.PendingChanges, before.PendingChanges) && len(after.PendingChanges) > 0 {
		all = append(all, "pending changes: "+strings.Join(after.PendingChanges, ", "))
	}
	all = append(all, changedConditions(before, after)...)
	for _, condition := range before.Conditions {
		if find(after.Conditions, condition.Type) == nil {
			all = append(all, condition.Type+" is over")
		}
	}
	return all
}

// ending is a termination reason in one line, its parameters in order.
func ending(reason *v1alpha1.TerminationReason) string {
	if reason == nil {
		return ""
	}
	told := []string{reason.Code, "(" + reason.Type + ")"}
	for _, name := range slices.Sorted(maps.Keys(reason.Parameters)) {
		told = append(told, fmt.Sprintf("%s=%q", name, reason.Parameters[name]))
	}
	return strings.Join(told, " ")
}

// changedConditions tells those that say the same in one line, and what the
// state message has said not again.
func changedConditions(before, after v1alpha1.DatabricksClusterStatus) []string {
	var reasons, all []string
	types := map[string][]string{}
	for _, condition := range after.Conditions {
		if same(find(before.Conditions, condition.Type), &condition) {
			continue
		}
		reason := condition.Reason
		if condition.Message != after.StateMessage {
			reason += ": " + condition.Message
		}
		if types[reason] == nil {
			reasons = append(reasons, reason)
		}
		types[reason] = append(types[reason], fmt.Sprintf("%s=%s", condition.Type, condition.Status))
	}
	for _, reason := range reasons {
		all = append(all, strings.Join(types[reason], " ")+"  "+reason)
	}
	return all
}

func find(conditions []metav1.Condition, kind string) *metav1.Condition {
	at := slices.IndexFunc(conditions, func(c metav1.Condition) bool { return c.Type == kind })
	if at < 0 {
		return nil
	}
	return &conditions[at]
}

func same(before, after *metav1.Condition) bool {
	return before != nil && before.Status == after.Status && before.Reason == after.Reason && before.Message == after.Message
}

// ready tells whether so many objects exist and all are Ready.
func (b *board) ready(objects int) bool {
	return len(b.now) == objects && len(b.notReady()) == 0
}

// notReady says of each object that is not Ready why.
func (b *board) notReady() []string {
	var all []string
	for name, latest := range b.now {
		ready := find(latest.cluster.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			all = append(all, name+" has no conditions")
		case ready.Status != metav1.ConditionTrue:
			all = append(all, fmt.Sprintf("%s is not Ready (%s: %s)", name, ready.Reason, ready.Message))
		}
	}
	slices.Sort(all)
	return all
}
