package figures

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// everything returns a figure for every row and every peer.
func everything(value float64) Set {
	measured := Set{}
	for _, key := range Missing(measured, false) {
		measured.Add(Figure{Key: key, Value: value})
	}
	return measured
}

func TestEveryPromiseHasARow(t *testing.T) {
	g := NewWithT(t)
	var ids, keys []string
	for _, row := range Rows {
		if len(ids) == 0 || ids[len(ids)-1] != row.ID {
			ids = append(ids, row.ID)
		}
		keys = append(keys, row.Key)
		g.Expect(row.Key).To(HavePrefix(row.ID + "."))
	}
	var wanted []string
	for i := range 16 {
		wanted = append(wanted, fmt.Sprintf("P%d", i+1))
	}
	g.Expect(ids).To(Equal(wanted))
	slices.Sort(keys)
	g.Expect(slices.Compact(slices.Clone(keys))).To(Equal(keys), "a key has one row")
}

func TestVerdicts(t *testing.T) {
	row := Row{Key: "k", Max: limit(2), At: all}
	for name, c := range map[string]struct {
		row      Row
		measured []Figure
		want     Verdict
	}{
		"at the target":   {row, []Figure{{Key: "k", Value: 2, Objects: all}}, Pass},
		"above it":        {row, []Figure{{Key: "k", Value: 2.01, Objects: all}}, Miss},
		"too few objects": {row, []Figure{{Key: "k", Value: 1, Objects: 1000}}, Partial},
		"not measured":    {row, nil, LeftOut},
		"no target":       {Row{Key: "k"}, []Figure{{Key: "k", Value: 9}}, NoTarget},
		"zero is kept":    {Row{Key: "k", Max: limit(0)}, []Figure{{Key: "k"}}, Pass},
		"zero is not":     {Row{Key: "k", Max: limit(0)}, []Figure{{Key: "k", Value: 0.001}}, Miss},
	} {
		t.Run(name, func(t *testing.T) {
			measured := Set{}
			measured.Add(c.measured...)
			NewWithT(t).Expect(c.row.Verdict(measured)).To(Equal(c.want))
		})
	}
}

func TestMissingFiguresAreNamed(t *testing.T) {
	g := NewWithT(t)
	measured := everything(1)
	g.Expect(Missing(measured, false)).To(BeEmpty())
	delete(measured, "P10.10000")
	delete(measured, "peer.1m.calls")
	g.Expect(Missing(measured, false)).To(ConsistOf("P10.10000", "peer.1m.calls"))
	g.Expect(Missing(measured, true)).To(ConsistOf("peer.1m.calls"), "a short run leaves the other out")
}

func TestTheTableShowsEveryRowAndCountsVerdicts(t *testing.T) {
	g := NewWithT(t)
	text := Text(Run{Objects: all, Machine: "2 cores", Go: "go1", Commit: "abc", Took: "1s"}, everything(1000), false)
	for _, row := range Rows {
		g.Expect(text).To(ContainSubstring(row.Figure))
	}
	for _, policy := range slices.Concat(Policies, Tools) {
		g.Expect(text).To(ContainSubstring(policy.Description))
	}
	g.Expect(text).To(MatchRegexp(`\n0 pass, \d+ miss\n`))
	g.Expect(text).NotTo(ContainSubstring("\x1b"))
	g.Expect(Text(Run{}, everything(0), true)).To(ContainSubstring("\x1b[32mpass"))
}

func TestInsertReplacesTheTable(t *testing.T) {
	g := NewWithT(t)
	page, err := Insert("before\n"+begin+"old\n"+end+"after\n", "new\n")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page).To(Equal("before\n" + begin + "\nnew\n\n" + end + "after\n"))
	again, err := Insert(page, "new\n")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(page))
	_, err = Insert("a page without a place", "new")
	g.Expect(err).To(MatchError(ContainSubstring("needs the lines")))
}

func TestMediansAndQuantiles(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Median("k", 0, 5, 1, 3).Value).To(Equal(3.0))
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	g.Expect(Quantile(0.95, hundred...)).To(Equal(95.0))
	g.Expect(Quantile(0.99, 1, 2, 3)).To(Equal(3.0))
}

func TestFiguresOutliveAProcess(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "figures")
	g.Expect(Append(file, Figure{Key: "a", Value: 1})).To(Succeed())
	g.Expect(Append(file, Figure{Key: "b", Value: 2, Objects: 3, Runs: 4})).To(Succeed())
	g.Expect(Append(file, Figure{Key: "a", Value: 5})).To(Succeed())
	read, err := Read(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(Set{"a": {Key: "a", Value: 5}, "b": {Key: "b", Value: 2, Objects: 3, Runs: 4}}))
}

func TestNumbersAreForPeople(t *testing.T) {
	g := NewWithT(t)
	var all []string
	for _, value := range []float64{0, 3, 0.1341, 2.256, 13.42, 153.4, 1234567} {
		all = append(all, number(value))
	}
	g.Expect(strings.Join(all, " ")).To(Equal("0 3 0.134 2.26 13.4 153 1,234,567"))
}

func TestASizeThatWasNotMeasuredIsExtrapolated(t *testing.T) {
	g := NewWithT(t)
	measured := Set{}
	for _, size := range []int{1_000, 10_000, 30_000} {
		measured.Add(
			OneProcess.Figure(GrowthHeap, size, 10+5_000/float64(size)), // 5,000 KiB and 10 KiB for each
			OneProcess.Figure(GrowthRestart, size, 1+2*float64(size)/10_000),
			FourShards.Figure(GrowthRestart, size, 3),
			OneProcess.Figure(GrowthWrites, size, 0),
		)
	}
	measured.Complete(false)
	heap := measured[OneProcess.Key(GrowthHeap, Largest)]
	g.Expect(heap.Value).To(BeNumerically("~", 10.05, 1e-6))
	g.Expect(heap.Fitted).To(Equal([]int{1_000, 10_000, 30_000}))
	g.Expect(measured["P14.heap"]).To(Equal(Figure{Key: "P14.heap", Value: heap.Value, Objects: Largest, Fitted: heap.Fitted}))
	g.Expect(measured["P14.heap.ratio"].Value).To(BeNumerically("~", 10.05/10.5, 1e-6))
	g.Expect(measured["P14.restart"].Value).To(BeNumerically("~", 2.1, 1e-6), "21 s for 100,000")
	g.Expect(measured["P14.shards.restart"].Value).To(BeNumerically("~", 1, 1e-6), "of the largest measured size")

	page := Markdown(Run{}, measured)
	g.Expect(page).To(ContainSubstring("| P14 | heap per object |  | ≤ 12 | ≈ 10.1 KiB | pass |"))
	g.Expect(page).To(MatchRegexp(`\n\| 100,000 \|.*\| ≈ 10\.1 \|`))
	g.Expect(page).To(ContainSubstring("through the totals at 1,000 · 10,000 · 30,000 objects"))
	g.Expect(string(Picture(measured))).To(ContainSubstring(`fill="#ffffff" stroke="`))
}

func TestAMeasuredSizeIsNotExtrapolated(t *testing.T) {
	g := NewWithT(t)
	measured := Set{}
	for _, size := range Sizes {
		measured.Add(OneProcess.Figure(GrowthHeap, size, 11), OneProcess.Figure(GrowthRestart, size, 1))
	}
	measured.Complete(false)
	g.Expect(measured[OneProcess.Key(GrowthHeap, Largest)].Fitted).To(BeEmpty())
	g.Expect(Markdown(Run{}, measured)).NotTo(ContainSubstring("extrapolation"))
}

func TestAShortRunExtrapolatesNothing(t *testing.T) {
	g := NewWithT(t)
	measured := Set{}
	for _, size := range []int{1_000, 3_000} {
		measured.Add(OneProcess.Figure(GrowthHeap, size, 11), OneProcess.Figure(GrowthRestart, size, 1))
	}
	measured.Complete(true)
	g.Expect(measured).NotTo(HaveKey(OneProcess.Key(GrowthHeap, Largest)))
	for _, row := range Rows {
		if row.Key == "P14.heap" {
			g.Expect(row.Verdict(measured)).To(Equal(Partial))
		}
	}
}

func TestABudgetIsExceededByItsRatio(t *testing.T) {
	g := NewWithT(t)
	budget := Budgets[0]
	measured := Set{}
	g.Expect(Exceeded(measured)).To(BeEmpty(), "nothing was measured")
	measured.Add(Figure{Key: budget.Key, Value: budget.Former * budget.Ratio})
	g.Expect(Exceeded(measured)).To(BeEmpty())
	measured.Add(Figure{Key: budget.Key, Value: budget.Former * (budget.Ratio + 0.01)})
	g.Expect(Exceeded(measured)).To(ConsistOf(ContainSubstring(budget.Figure)))
	g.Expect(Markdown(Run{}, measured)).To(ContainSubstring("| " + budget.Figure + " | "))
}

func TestSharesOfTheCores(t *testing.T) {
	g := NewWithT(t)
	measured := Set{}
	measured.Add(Figure{Key: CPUKey("P4", CPUWall), Value: 10})
	for _, column := range programColumns {
		measured.Add(Figure{Key: CPUKey("P4", column.program), Value: float64(runtime.NumCPU())})
	}
	g.Expect(Markdown(Run{}, measured)).To(ContainSubstring("| 10 | 10 % | 10 % | 10 % | 10 % | 10 % | 50 % |"))
}

func TestOnlySizesThatFitAreMeasured(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Fitting(Sizes, 30_000)).To(Equal([]int{1_000, 10_000, 30_000}))
	g.Expect(Fitting(Sizes, 10)).To(Equal([]int{1_000}))
}
