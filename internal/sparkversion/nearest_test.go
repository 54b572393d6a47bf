package sparkversion

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	runtimes := []string{
		"18.x-scala2.13", "17.3.x-scala2.13", "16.4.x-scala2.13", "16.4.x-scala2.12",
		"16.4.x-cpu-ml-scala2.12", "16.4.x-gpu-ml-scala2.12", "15.4.x-scala2.12", "apache-spark-2.4.x-scala2.11",
	}
	nodes := []string{"i3.xlarge", "i3.2xlarge", "i3.4xlarge", "m5.large", "Standard_DS3_v2", "Standard_D4ds_v5", "n2-highmem-4"}
	for name, row := range map[string]struct {
		name  string
		known []string
		want  []string
	}{
		"one letter":            {"i3.xlarg", nodes, []string{"i3.xlarge", "i3.2xlarge", "i3.4xlarge"}},
		"case":                  {"standard_ds3_V2", nodes, []string{"Standard_DS3_v2", "Standard_D4ds_v5"}},
		"the wrong Scala":       {"17.3.x-scala2.12", runtimes, []string{"17.3.x-scala2.13", "15.4.x-scala2.12", "16.4.x-scala2.12"}},
		"neither cpu nor gpu":   {"16.4.x-ml-scala2.12", runtimes, []string{"16.4.x-scala2.12", "16.4.x-cpu-ml-scala2.12", "16.4.x-gpu-ml-scala2.12"}},
		"only the beginning":    {"16.4", runtimes, []string{"16.4.x-scala2.12", "16.4.x-scala2.13", "16.4.x-cpu-ml-scala2.12"}},
		"nothing alike":         {"p4d.24xlarge-metal", nodes, nil},
		"nothing said":          {"", nodes, nil},
		"nothing known":         {"i3.xlarge", nil, nil},
		"not itself":            {"m5.large", []string{"m5.large", "m5.large"}, nil},
		"each once":             {"m5.larg", []string{"m5.large", "m5.large"}, []string{"m5.large"}},
		"short names":           {"dev", []string{"qa", "dew", "dux", "prd"}, []string{"dew"}},
		"one letter, and empty": {"a", []string{"", "b"}, []string{"b"}},
		"five letters at most":  {"abcdefghijklmnopqr", []string{"12345fghijklmnopqr", "123456ghijklmnopqr"}, []string{"12345fghijklmnopqr"}},
		"longest names":         {strings.Repeat("a", 512), []string{strings.Repeat("a", 511) + "b"}, []string{strings.Repeat("a", 511) + "b"}},
		"letters, not bytes":    {"équipe", []string{"equipe"}, []string{"equipe"}},
		"too long to be a name": {strings.Repeat("a", maxName+1), []string{strings.Repeat("a", maxName)}, nil},
		"too long to be known":  {"a", []string{strings.Repeat("a", maxName+1)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewWithT(t).Expect(Nearest(row.name, row.known)).To(HaveExactElements(row.want))
		})
	}
}

func TestNearestIsBoundedAndIgnoresTheOrderOfTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		names := rapid.StringMatching(`[abAB.é-]{0,9}`)
		name := names.Draw(t, "name")
		known := rapid.SliceOfN(names, 0, 12).Draw(t, "known")

		got := Nearest(name, known)

		g.Expect(len(got)).To(BeNumerically("<=", maxNearest))
		for i, n := range got {
			g.Expect(known).To(ContainElement(n))
			g.Expect(n).NotTo(Equal(name))
			g.Expect(got[i+1:]).NotTo(ContainElement(n))
		}
		g.Expect(Nearest(name, rapid.Permutation(known).Draw(t, "shuffled"))).To(Equal(got))
	})
}

func TestEditDistanceIsADistance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		runes := rapid.SliceOfN(rapid.RuneFrom([]rune("abé")), 0, 8)
		a, b, c := runes.Draw(t, "a"), runes.Draw(t, "b"), runes.Draw(t, "c")
		ab := editDistance(a, b)
		if slices.Equal(a, b) {
			g.Expect(ab).To(BeZero())
		} else {
			g.Expect(ab).To(BeNumerically(">", 0))
		}
		g.Expect(ab).To(Equal(editDistance(b, a)))
		g.Expect(ab).To(BeNumerically("<=", editDistance(a, c)+editDistance(c, b)))
		g.Expect(ab).To(BeNumerically("<=", max(len(a), len(b))))
		g.Expect(ab).To(BeNumerically(">=", max(len(a), len(b))-min(len(a), len(b))))
	})
	g := NewWithT(t)
	g.Expect(editDistance([]rune("kitten"), []rune("sitting"))).To(Equal(3))
	g.Expect(editDistance([]rune("flaw"), []rune("lawn"))).To(Equal(2))
}
