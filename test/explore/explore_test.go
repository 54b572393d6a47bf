package explore

import (
	"os"
	"strings"
	"testing"
)

// depths are how far the configurations are explored: by default, by make explore, and
// under the race detector, which has nothing to find in one goroutine.
type depths struct{ usual, deep, raced int }

func (d depths) chosen() int {
	switch {
	case os.Getenv("EXPLORE") == "deep":
		return d.deep
	case underRace:
		return d.raced
	default:
		return d.usual
	}
}

// complete is deeper than any history of a model without faults.
const complete = 1000

func TestEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		model Model
		depth depths
	}{
		{"[R1] [R2] [R4] [R10] [R20] create", Model{Bounds: Bounds{Faults: 1, Objects: 1}}, depths{22, 30, 16}},
		{"[R1] [R2] [R20] create, two faults", Model{Bounds: Bounds{Faults: 2, Objects: 1}}, depths{17, 24, 12}},
		{"[R1] [R4] [R6] [R20] create and delete", Model{Bounds: Bounds{Faults: 1, Objects: 1, Deletions: 1}}, depths{18, 25, 13}},
		{"[R4] [R20] deletionPolicy: Retain is set meanwhile", Model{Bounds: Bounds{Objects: 1, Deletions: 1, Edits: 1}}, depths{19, 25, 13}},
		{"[R6] [R20] the cluster is deleted elsewhere", Model{Bounds: Bounds{Faults: 1, Objects: 1, Elsewhere: 1}}, depths{19, 26, 14}},
		{"[R5] [R20] another object of the same name", Model{Bounds: Bounds{Objects: 2, Deletions: 2, Forced: 1}}, depths{18, 24, 13}},
		{"[R2] [R20] without an owner tag", Model{Bounds: Bounds{Faults: 1, Objects: 1}, Untagged: true}, depths{20, 26, 14}},
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

// TestEachFence takes one fence away at a time. Where another one covers it, the test
// names that one, and takes both away.
func TestEachFence(t *testing.T) {
	creates := Bounds{Faults: 1, Objects: 1}
	for _, c := range []struct {
		name  string
		model Model
		// covered: another fence, which the name says, prevents the violation.
		covered bool
		want    violation
	}{
		{"[R20] optimistic lock of the intent: the token covers it", Model{Bounds: Bounds{Objects: 1}, Without: LockOfIntent}, true, holds},
		{"[R20] optimistic lock of the intent, and the workspace ignores tokens", Model{Bounds: Bounds{Objects: 1}, Without: LockOfIntent | IdempotencyToken}, false, twoClusters},
		{"[R20] deadline of the intent", Model{Bounds: Bounds{Objects: 1, Deletions: 1}, Without: DeadlineOfIntent}, false, clusterLeft},
		{"[R20] idempotency token: the search for the owner tag covers it", Model{Bounds: creates, Without: IdempotencyToken}, true, holds},
		{"[R20] idempotency token, and the operator does not tag", Model{Bounds: creates, Without: IdempotencyToken, Untagged: true}, false, twoClusters},
		{"[R20] search for the owner tag: the token covers it until a repeated create is refused", Model{Bounds: creates, Without: OwnerTagSearch}, false, twoClusters},
		{"[R20] search for the owner tag, and the workspace ignores tokens", Model{Bounds: creates, Without: OwnerTagSearch | IdempotencyToken}, false, twoClusters},
		{"[R20] search for the owner tag, and the object is deleted", Model{Bounds: Bounds{Faults: 1, Objects: 1, Deletions: 1}, Without: OwnerTagSearch}, false, clusterLeft},
		{"[R20] GET that confirms", Model{Bounds: creates, Without: ConfirmingGet}, false, twoClusters},
		{"[R20] grace of a new entry of the cache", Model{Bounds: Bounds{Objects: 1}, Without: GraceOfEntry}, false, twoClusters},
		{"[R20] test of the uid in the patch of the id: that of the token covers it", Model{Bounds: replaced, Without: TestOfUID}, true, holds},
		{"[R20] test of the token in the patch of the id: that of the uid covers it", Model{Bounds: replaced, Without: TestOfToken}, true, holds},
		{"[R20] tests of uid and token in the patch of the id", Model{Bounds: replaced, Without: TestOfUID | TestOfToken}, false, foreignID},
		{"[R20] uncached read before permanent-delete", Model{Bounds: Bounds{Objects: 1, Deletions: 1, Edits: 1}, Without: UncachedRead}, false, retainedDeleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			depth := depths{19, 20, 19}
			if c.covered {
				depth = depths{17, 20, 13}
			}
			found := Explore(c.model, depth.chosen())
			t.Log(found)
			if found.Violation != violations[c.want] {
				t.Errorf("found %q, not %q", found.Violation, violations[c.want])
			}
		})
	}
}

// replaced is an object that is replaced by another one of its name while its creation
// is under way.
var replaced = Bounds{Objects: 2, Deletions: 1, Forced: 1}

func TestAHistoryIsTheSameEveryTime(t *testing.T) {
	model := Model{Bounds: Bounds{Objects: 1}, Without: LockOfIntent | IdempotencyToken}
	first, second := Explore(model, complete), Explore(model, complete)
	if strings.Join(first.History, "\n") != strings.Join(second.History, "\n") || first.States != second.States {
		t.Errorf("%v\nand then\n%v", first, second)
	}
}

func TestTheEffectsOfALifeWithoutFaults(t *testing.T) {
	want := []Effect{PatchFinalizers, PatchIntent, PostCreate, PatchID, GetUncached, PostPermanentDelete, PatchFinalizers}
	got := FaultFree()
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %q, not %q", i+1, got[i], want[i])
		}
	}
}
