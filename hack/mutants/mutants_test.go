package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const exampleCode = `package example

import "time"

const limit = 3

var names = map[string]int{"a": 1, "b": 2}

func Small(n int) bool { return n < limit && n >= 0 }

func Wait(n int) time.Duration {
	if n > 10 {
		return 0
	}
	pause := time.Second
	for range n {
		pause *= 2
	}
	return pause
}

func Name(n int) (string, error) {
	switch n {
	case 1:
		return "one", nil
	default:
		return "", nil
	}
}

func Value(name string) int { return names[name] }
`

// refusedCode has a constant without a type, which would be an int as an argument.
const refusedCode = `package example

import "time"

func Ago(pause time.Duration) time.Duration {
	ago := -limit * pause
	return ago
}
`

const exampleTest = `package example

import (
	"testing"
	"time"
)

func TestAll(t *testing.T) {
	for n, want := range map[int]bool{-1: false, 0: true, 2: true, 3: false} {
		if Small(n) != want {
			t.Error(n)
		}
	}
	for n, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 10: 1024 * time.Second, 11: 0} {
		if Wait(n) != want {
			t.Error(n)
		}
	}
	if one, _ := Name(1); one != "one" {
		t.Error(one)
	}
	if two, _ := Name(2); two != "" {
		t.Error(two)
	}
}

func TestValue(t *testing.T) {
	if Value("a") != 1 {
		t.Error("a")
	}
}
`

const brokenTest = `package example

import "testing"

func TestBroken(t *testing.T) { t.Error("always") }
`

const greedyTest = `package example

import "testing"

var kept [][]byte

func TestGreedy(t *testing.T) {
	for range 1 << 10 {
		kept = append(kept, make([]byte, 1<<28))
	}
}
`

// newModule writes a module with one package and returns its directory.
func newModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/example\n\ngo 1.24\n", "example/example.go": exampleCode, "example/example_test.go": exampleTest,
	} {
		path := filepath.Join(root, name)
		NewWithT(t).Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	}
	return root
}

func newDriver(t *testing.T, root string) *driver {
	t.Helper()
	return &driver{root: root, directory: t.TempDir(), seed: 1, timeout: 10 * time.Second, progress: t.Logf}
}

func TestEveryMutantIsSelectedAlone(t *testing.T) {
	g := NewWithT(t)
	root := newModule(t)
	result, err := newDriver(t, root).run(context.Background(), target{directory: "example"}, &equivalents{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.count(notCompiled)).To(BeZero())
	g.Expect(len(result.mutants)).To(BeNumerically(">", 20))
	var survivors []string
	for _, one := range result.survivors() {
		survivors = append(survivors, one.function+": "+one.change)
	}
	// The tests read one entry of the map only.
	g.Expect(survivors).To(ConsistOf(`(package): entry removed: "b"`, "(package): constant changed: 2"))
	text, err := os.ReadFile(filepath.Join(root, "example", "example.go"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(Equal(exampleCode))
}

func TestAMutantIsRunWithTheTestsThatReachIt(t *testing.T) {
	g := NewWithT(t)
	root := newModule(t)
	d, of := newDriver(t, root), target{directory: "example"}
	pkg, err := load(root, of.directory)
	g.Expect(err).NotTo(HaveOccurred())
	found := find(root, pkg, 0)
	tests, _, err := d.compile(context.Background(), of, pkg, found)
	g.Expect(err).NotTo(HaveOccurred())
	tests.timeout = time.Minute
	reaching, err := tests.reachingTests(context.Background(), t.TempDir(), 2)
	g.Expect(err).NotTo(HaveOccurred())
	wanted := map[string][]string{"Small": {"TestAll"}, "Value": {"TestValue"}, "(package)": {"TestAll", "TestValue"}}
	for _, one := range found {
		if names, ok := wanted[one.function]; ok {
			g.Expect(reaching[one.id]).To(ConsistOf(names), "%s: %s", one.function, one.change)
		}
	}
}

func TestAMutantThatTheCompilerRefusesIsLeftOut(t *testing.T) {
	g := NewWithT(t)
	root := newModule(t)
	g.Expect(os.WriteFile(filepath.Join(root, "example", "refused.go"), []byte(refusedCode), 0o600)).To(Succeed())
	result, err := newDriver(t, root).run(context.Background(), target{directory: "example"}, &equivalents{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.count(notCompiled)).To(Equal(1))
	g.Expect(len(result.mutants)).To(BeNumerically(">", 20))
}

func TestTestsThatAllocateWithoutEndAreStopped(t *testing.T) {
	g := NewWithT(t)
	root := newModule(t)
	g.Expect(os.WriteFile(filepath.Join(root, "example", "greedy_test.go"), []byte(greedyTest), 0o600)).To(Succeed())
	_, err := newDriver(t, root).run(context.Background(), target{directory: "example"}, &equivalents{})
	g.Expect(err).To(MatchError(ContainSubstring("fail without a mutant (killed)")))
}

func TestCriticalMutants(t *testing.T) {
	g := NewWithT(t)
	root := newModule(t)
	inFunction := &critical{ID: "a", File: "example/example.go", From: "n >= 0", To: "true", Package: "example", number: 1}
	unnoticed := &critical{ID: "b", File: "example/example.go", From: "return names[name]", To: "return names[name] + 0", Package: "example", number: 2}
	outside := &critical{ID: "c", File: "example/example.go", From: "limit = 3", To: "limit = 4", Package: "example", number: 3}
	g.Expect(newDriver(t, root).runCritical(context.Background(), []*critical{inFunction, unnoticed, outside})).To(Succeed())
	g.Expect(inFunction.outcome).To(Equal(killed))
	g.Expect(unnoticed.outcome).To(Equal(survived))
	g.Expect(outside.outcome).To(Equal(killed))

	g.Expect(os.WriteFile(filepath.Join(root, "example", "broken_test.go"), []byte(brokenTest), 0o600)).To(Succeed())
	g.Expect(newDriver(t, root).runCritical(context.Background(), []*critical{inFunction})).To(MatchError(ContainSubstring("fail without a mutant")),
		"tests that fail anyway notice nothing")

	stale := &critical{ID: "d", File: "example/example.go", From: "return"}
	_, err := stale.offset(root)
	g.Expect(err).To(MatchError(ContainSubstring("it must stand there once")))
}

// The list is checked here as well, because a full run is rare and the code moves.
func TestTheListOfCriticalMutantsIsCurrent(t *testing.T) {
	g := NewWithT(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	g.Expect(err).NotTo(HaveOccurred())
	all, err := readCritical(root, filepath.Join(root, "test", "mutants", "critical"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(all)).To(BeNumerically(">=", 60))
	for _, entry := range all {
		for name := range strings.SplitSeq(entry.Run, "|") {
			if !isInTests(t, filepath.Join(root, entry.Package), name) {
				t.Errorf("%s: no test of %s matches %q", entry.ID, entry.Package, name)
			}
		}
	}
}

// isInTests reports whether a pattern of tests matches the name of one in a package.
func isInTests(t *testing.T, directory, pattern string) bool {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	g.Expect(err).NotTo(HaveOccurred())
	wanted := regexp.MustCompile(pattern)
	for _, file := range files {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, found := range testName.FindAllStringSubmatch(string(text), -1) {
			if wanted.MatchString(found[1]) {
				return true
			}
		}
	}
	return false
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

func TestASampleDependsOnItsSeedAlone(t *testing.T) {
	g := NewWithT(t)
	var found []*mutant
	for id := range 100 {
		found = append(found, &mutant{id: id, function: map[bool]string{true: "create", false: "other"}[id < 3]})
	}
	of := target{sample: 10, always: []string{"create"}}
	one := (&driver{seed: 1}).sample(of, found)
	g.Expect(one).To(HaveLen(13))
	g.Expect(one).To(ContainElements(found[:3]))
	g.Expect((&driver{seed: 1}).sample(of, found)).To(Equal(one))
	g.Expect((&driver{seed: 2}).sample(of, found)).NotTo(Equal(one))
	g.Expect((&driver{seed: 1}).sample(target{}, found)).To(Equal(found))
}

func TestThePartsTogetherAreTheWhole(t *testing.T) {
	g := NewWithT(t)
	for position := range 20 {
		of := 0
		for _, text := range []string{"1/3", "2/3", "3/3"} {
			var one part
			g.Expect(one.Set(text)).To(Succeed())
			g.Expect(one.String()).To(Equal(text))
			if one.has(position) {
				of++
			}
		}
		g.Expect(of).To(Equal(1))
		g.Expect((&part{}).has(position)).To(BeTrue())
	}
	for _, wrong := range []string{"", "0/3", "4/3", "1", "x"} {
		g.Expect((&part{}).Set(wrong)).NotTo(Succeed(), wrong)
	}
}

// A package that is added later is neither left out of a full run nor of the weekly one.
func TestEveryPackageIsATarget(t *testing.T) {
	g := NewWithT(t)
	workflow, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", "mutants.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	matrix := regexp.MustCompile(`(?m)^ {8}package: \[(.+)\]$`).FindSubmatch(workflow)
	g.Expect(matrix).NotTo(BeNil())
	var wanted, weekly []string
	for name := range strings.SplitSeq(string(matrix[1]), ", ") {
		weekly = append(weekly, "internal/"+name)
	}
	root := filepath.Join("..", "..")
	g.Expect(filepath.WalkDir(filepath.Join(root, "internal"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		directory, err := filepath.Rel(root, filepath.Dir(path))
		if !slices.Contains(wanted, directory) && !slices.Contains(withoutMutants, directory) {
			wanted = append(wanted, directory)
		}
		return err
	})).To(Succeed())
	var all []string
	for _, one := range targets {
		all = append(all, one.directory)
		for name := range strings.SplitSeq(strings.Trim(one.run, "^()$"), "|") {
			if !isInTests(t, filepath.Join(root, cmp.Or(one.tests, one.directory)), "^"+name) {
				t.Errorf("%s: no test matches %q", one.directory, name)
			}
		}
	}
	g.Expect(all).To(ConsistOf(wanted))
	g.Expect(weekly).To(ConsistOf(wanted))
}
