package listed

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/test/explore"
)

var pool, policy = instancepool.Kind, clusterpolicy.Kind

// depth is how far a configuration is explored: by default, and by make explore.
type depth struct{ usual, deep int }

// lessUnderRace is how much less deep the race detector goes, which has nothing to find in
// one goroutine.
const lessUnderRace = 4

func (d depth) chosen() int {
	switch {
	case os.Getenv("EXPLORE") == "deep":
		return d.deep
	case underRace:
		return d.usual - lessUnderRace
	default:
		return d.usual
	}
}

func TestEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		model Model
		depth depth
	}{
		{"[R1] [R2] [R4] [R10] [R20] a pool, one fault", Model{Kind: pool, Bounds: Bounds{Faults: 1, Objects: 1}}, depth{14, 20}},
		{"[R1] [R2] [R4] [R10] [R20] a policy, one fault", Model{Kind: policy, Bounds: Bounds{Faults: 1, Objects: 1}}, depth{13, 20}},
		{"[R1] [R4] [R6] [R20] a pool is created and deleted", Model{Kind: pool, Bounds: Bounds{Faults: 1, Objects: 1, Deletions: 1}, CompleteLists: true}, depth{12, 18}},
		{"[R1] [R4] [R6] [R20] a policy is created and deleted", Model{Kind: policy, Bounds: Bounds{Faults: 1, Objects: 1, Deletions: 1}, CompleteLists: true}, depth{12, 18}},
		{"[R4] [R20] deletionPolicy: Retain is set meanwhile", Model{Kind: pool, Bounds: Bounds{Objects: 1, Deletions: 1, Edits: 1}}, depth{13, 19}},
		{"[R6] [R20] the pool is deleted elsewhere", Model{Kind: pool, Bounds: Bounds{Faults: 1, Objects: 1, Elsewhere: 1}}, depth{13, 19}},
		{"[R5] [R20] another pool object of the same name", Model{Kind: pool, Bounds: Bounds{Objects: 2, Deletions: 2, Forced: 1}}, depth{12, 18}},
		{"[R5] [R20] another policy object of the same name", Model{Kind: policy, Bounds: Bounds{Objects: 2, Deletions: 2, Forced: 1}}, depth{12, 18}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := Explore(c.model, c.depth.chosen())
			t.Log(found)
			if found.Violation != "" {
				t.Error("a fence is missing")
			}
		})
	}
}

// TestEachFence takes one fence away at a time. Where another one covers it, the test names
// that one, and takes both away.
func TestEachFence(t *testing.T) {
	one := Bounds{Faults: 1, Objects: 1}
	deletes := Bounds{Faults: 1, Objects: 1, Deletions: 1}
	replaced := Bounds{Objects: 2, Deletions: 1, Forced: 1}
	for _, c := range []struct {
		name  string
		model Model
		depth depth
		want  violation
	}{
		{"[R20] optimistic lock of the intent: the unique name covers it", Model{Kind: pool, Bounds: one, Without: LockOfIntent}, depth{12, 16}, holds},
		{"[R20] optimistic lock of the intent, and the workspace accepts a name twice", Model{Kind: pool, Bounds: one, Without: LockOfIntent | UniqueName}, depth{16, 20}, twoRemotes},
		{"[R20] the unique name: the intent covers it", Model{Kind: pool, Bounds: one, Without: UniqueName, CompleteLists: true}, depth{12, 17}, holds},
		{"[R20] the unique name of a policy: the intent covers it", Model{Kind: policy, Bounds: one, Without: UniqueName, CompleteLists: true}, depth{12, 17}, holds},
		{"[R6] [R20] the unique name, and a list leaves a pool out", Model{Kind: pool, Bounds: one, Without: UniqueName}, depth{17, 18}, twoRemotes},
		{"[R20] deadline of the intent", Model{Kind: pool, Bounds: deletes, Without: DeadlineOfIntent}, depth{18, 20}, remoteLeft},
		{"[R20] a list that began late enough", Model{Kind: pool, Bounds: deletes, Without: FreshList}, depth{18, 20}, remoteLeft},
		{"[R20] a list that began late enough, and the workspace accepts a name twice", Model{Kind: pool, Bounds: one, Without: FreshList | UniqueName}, depth{18, 20}, twoRemotes},
		{"[R20] owner tag", Model{Kind: pool, Bounds: one, Without: OwnerTag}, depth{18, 20}, notConverging},
		{"[R20] GET that confirms", Model{Kind: pool, Bounds: deletes, Without: ConfirmingGet}, depth{18, 20}, remoteLeft},
		{"[R20] tests of the uid and the token in the patch of the id", Model{Kind: pool, Bounds: replaced, Without: TestsOfID}, depth{18, 20}, foreignID},
		{"[R20] uncached read before a deletion", Model{Kind: pool, Bounds: Bounds{Objects: 1, Deletions: 1, Edits: 1}, Without: UncachedRead}, depth{18, 20}, retainedDeleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			depth := c.depth.chosen()
			if c.want != holds {
				depth = c.depth.usual
			}
			found := Explore(c.model, depth)
			t.Log(found)
			if found.Violation != violations[c.want] {
				t.Errorf("found %q, not %q", found.Violation, violations[c.want])
			}
		})
	}
}

func TestAHistoryIsTheSameEveryTime(t *testing.T) {
	model := Model{Kind: pool, Bounds: Bounds{Objects: 1}, Without: LockOfIntent | UniqueName}
	first, second := Explore(model, 20), Explore(model, 20)
	if strings.Join(first.History, "\n") != strings.Join(second.History, "\n") || first.States != second.States {
		t.Errorf("%v\nand then\n%v", first, second)
	}
}

func TestTheEffectsOfALifeWithoutFaults(t *testing.T) {
	want := []explore.Effect{
		explore.PatchFinalizers, explore.PatchIntent, PostCreate, explore.PatchID, explore.GetUncached, PostDelete, explore.PatchFinalizers,
	}
	for _, kind := range []*managed.Kind{pool, policy} {
		if got := FaultFree(kind); !slices.Equal(got, want) {
			t.Errorf("%s: %q", kind.Name, got)
		}
	}
}
