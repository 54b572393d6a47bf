package workspace

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func TestConflictsInARowAreCountedForEachWorkspace(t *testing.T) {
	r := &Reconciler{conflicts: map[types.NamespacedName]int{}}
	one, other := types.NamespacedName{Name: "one"}, types.NamespacedName{Name: "other"}
	for _, want := range []int{0, 1, 2} {
		if got := r.countConflict(one); got != want {
			t.Errorf("%d earlier conflicts, not %d", got, want)
		}
	}
	if got := r.countConflict(other); got != 0 {
		t.Errorf("%d earlier conflicts of another workspace", got)
	}
	r.endConflicts(one)
	if got := r.countConflict(one); got != 0 {
		t.Errorf("%d conflicts are remembered after a write", got)
	}
	if got := r.countConflict(other); got != 1 {
		t.Error("a write of one workspace ended the conflicts of another")
	}
}
