package figures

import (
	"fmt"
	"path/filepath"
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
	for i := range 13 {
		wanted = append(wanted, fmt.Sprintf("P%d", i+1))
	}
	wanted = append(wanted, "P16")
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
	for _, policy := range Policies {
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
