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

// board shows the objects like `kubectl get -w`, and below each row the other
// changes: the state message and the conditions.
type board struct {
	screen *screen
	// objects are the existing objects, by name.
	objects map[string]objectChange
	// changes counts the writes to each object after its creation.
	changes map[string]int

	// nameWidth is the length of the longest name; hasHeader reports whether
	// the header of this section has been printed.
	nameWidth int
	hasHeader bool
}

func newBoard(s *screen) *board {
	return &board{screen: s, objects: map[string]objectChange{}, changes: map[string]int{}}
}

// startSection starts a section about objects with these names.
func (b *board) startSection(names []string) {
	b.hasHeader = false
	for _, name := range names {
		b.nameWidth = max(b.nameWidth, len(name))
	}
}

// update records a change and prints what differs.
func (b *board) update(change objectChange) {
	name := change.cluster.Name
	before, known := b.objects[name]
	if change.kind != watch.Added {
		b.changes[name]++
	}
	if change.kind == watch.Deleted {
		delete(b.objects, name)
		b.row(change)
		b.detail("deleted")
		return
	}
	b.objects[name] = change
	details := differences(before.cluster.Status, change.cluster.Status)
	if known && len(details) == 0 && slices.Equal(stableCells(before), stableCells(change)) {
		return // only metadata changed
	}
	b.row(change)
	for _, detail := range details {
		b.detail(detail)
	}
}

func (b *board) row(change objectChange) {
	if !b.hasHeader {
		b.hasHeader = true
		b.screen.line("  %s", b.screen.bold(b.aligned(visibleCells(change.columns, func(i int) string {
			return strings.ToUpper(change.columns[i].Name)
		}))))
	}
	b.screen.line("  %s", b.aligned(visibleCells(change.columns, func(i int) string { return text(change.cells[i]) })))
}

func (b *board) detail(text string) {
	b.screen.line("  %*s   %s", b.nameWidth, "", b.screen.dim(text))
}

// cellWidth fits most values, such as ChangesDeferred.
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

// visibleCells returns the cells of the columns that kubectl shows without `-o
// wide`.
func visibleCells(columns []metav1.TableColumnDefinition, cell func(int) string) []string {
	var cells []string
	for i, column := range columns {
		if column.Priority == 0 {
			cells = append(cells, cell(i))
		}
	}
	return cells
}

// stableCells returns the visible cells without the age, which changes by
// itself.
func stableCells(change objectChange) []string {
	return visibleCells(change.columns, func(i int) string {
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

// differences returns the changes of a status that its row does not show.
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
	if reason := formatReason(after.TerminationReason); reason != formatReason(before.TerminationReason) && reason != "" {
		all = append(all, "termination reason: "+reason)
	}
	if !slices.Equal(after.PendingChanges, before.PendingChanges) && len(after.PendingChanges) > 0 {
		all = append(all, "pending changes: "+strings.Join(after.PendingChanges, ", "))
	}
	all = append(all, changedConditions(before, after)...)
	for _, condition := range before.Conditions {
		if find(after.Conditions, condition.Type) == nil {
			all = append(all, condition.Type+" is removed")
		}
	}
	return all
}

// formatReason formats a termination reason in one line, with sorted
// parameters.
func formatReason(reason *v1alpha1.TerminationReason) string {
	if reason == nil {
		return ""
	}
	parts := []string{reason.Code, "(" + reason.Type + ")"}
	for _, name := range slices.Sorted(maps.Keys(reason.Parameters)) {
		parts = append(parts, fmt.Sprintf("%s=%q", name, reason.Parameters[name]))
	}
	return strings.Join(parts, " ")
}

// changedConditions formats the changed conditions, with equal reasons in one
// line, and without messages that repeat the state message.
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

// ready reports whether this number of objects exists and all are Ready.
func (b *board) ready(objects int) bool {
	return len(b.objects) == objects && len(b.notReady()) == 0
}

// notReady describes why objects are not Ready.
func (b *board) notReady() []string {
	var all []string
	for name, latest := range b.objects {
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
