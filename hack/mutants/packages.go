package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// target is a package whose mutants are run.
type target struct {
	directory string
	// tests is the directory of its tests, if it is another one.
	tests string
	// sample is how many mutants a full run takes; zero takes all.
	sample int
	// always are the functions of which a sample takes all mutants.
	always []string
	// run limits the tests of the package.
	run string
}

// controllers is the package whose tests need a control plane.
const controllers = "internal/controller"

// atOnce returns how many mutants of the package run at the same time. Tests with a
// control plane run alone, because they measure time.
func (t target) atOnce() int {
	if cmp.Or(t.tests, t.directory) == controllers {
		return 1
	}
	return runtime.NumCPU()
}

// targets are the packages of a full run. Those that decide and that create are run in
// full, the others by a sample. The suite of the controllers needs a control plane and
// takes minutes, so the tests of creations and fences stand for it.
var targets = []target{
	{directory: "internal/plan"},
	{directory: "internal/report"},
	{directory: "internal/drift"},
	{directory: "internal/diff"},
	{directory: "internal/managed"},
	{directory: "internal/clusterpolicy"},
	{directory: "internal/instancepool"},
	{directory: "internal/connection"},
	{directory: "internal/owner"},
	{directory: "internal/restore"},
	{directory: "internal/schedule"},
	{directory: "internal/selection"},
	{directory: "internal/sparkversion"},
	{directory: "internal/specsize"},
	{directory: "internal/tenancy"},
	{directory: "internal/ratelimit", sample: 150},
	{directory: "internal/metrics", sample: 60},
	{directory: "internal/databricks", sample: 150},
	{directory: "internal/cache", sample: 60},
	{directory: "internal/crds", sample: 30},
	{directory: "internal/kubectl/cli", sample: 30},
	{directory: "internal/kubectl/doctor", sample: 30},
	{directory: "internal/kubectl/importer", sample: 30},
	{directory: "internal/kubectl/orphans", sample: 30},
	{directory: "internal/kubectl/preview", sample: 30},
	{directory: "internal/kubectl/progress", sample: 30},
	{directory: "internal/kubectl/request", sample: 30},
	{directory: "internal/kubectl/target", sample: 30},
	{directory: "internal/kubectl/workspace", sample: 30},
	{
		directory: "internal/controller/cluster", tests: controllers, sample: 10, run: controllerTests,
		always: []string{"create", "declare", "isSuperseded"},
	},
	{
		directory: "internal/controller/kubewrite", tests: controllers, sample: 5, run: controllerTests,
		always: []string{"IDPatch"},
	},
	{
		directory: "internal/controller/listed", tests: controllers, sample: 10, run: listedTests,
		always: []string{"create", "declare", "isSameIntent"},
	},
	{directory: "internal/controller/process", sample: 10},
	{directory: controllers, sample: 5, run: controllerTests},
	{directory: "internal/controller/connector", tests: controllers, sample: 5, run: controllerTests},
	{directory: "internal/controller/queue", tests: controllers, sample: 5, run: controllerTests},
	{directory: "internal/controller/secretvalue", tests: controllers, sample: 5, run: "^TestPoolFields$"},
	{directory: "internal/controller/workspace", tests: controllers, sample: 5, run: "^(TestTheStatusOfAWorkspace|TestRulesOfASharedWorkspace)$"},
}

// withoutMutants are the packages that no mutant is made of: the simulator is no part of
// the operator.
var withoutMutants = []string{"internal/simulator"}

// driver runs mutants.
type driver struct {
	root, directory string
	seed            uint64
	part            part
	timeout         time.Duration
	progress        func(format string, arguments ...any)
}

// score is the result of one package.
type score struct {
	directory string
	mutants   []*mutant
	results   map[int]result
}

func (s score) count(of ...result) int {
	count := 0
	for _, one := range s.results {
		if slices.Contains(of, one) {
			count++
		}
	}
	return count
}

// survivors returns the mutants that no test noticed.
func (s score) survivors() []*mutant {
	return slices.DeleteFunc(slices.Clone(s.mutants), func(one *mutant) bool {
		return s.results[one.id] != survived && s.results[one.id] != notReached
	})
}

// killedOf returns how many mutants were noticed, and of how many that could be.
func (s score) killedOf() (noticed, all int) {
	noticed = s.count(killed, timedOut)
	return noticed, noticed + s.count(survived, notReached)
}

// run runs the mutants of one package, without a control plane some at a time and with the
// tests alone that reach them.
func (d *driver) run(ctx context.Context, of target, same *equivalents) (score, error) {
	pkg, err := load(d.root, of.directory)
	if err != nil {
		return score{}, err
	}
	found := find(d.root, pkg, 0)
	result := score{directory: of.directory, results: map[int]result{}}
	for position, one := range d.sample(of, found) {
		if d.part.has(position) {
			result.mutants = append(result.mutants, one)
		}
	}
	var open []*mutant
	for _, one := range found {
		isEquivalent := same.has(one)
		if !slices.Contains(result.mutants, one) {
			continue
		}
		if isEquivalent {
			result.results[one.id] = equivalent
		} else {
			open = append(open, one)
		}
	}
	d.progress("%s: %d mutants, %d to run", of.directory, len(found), len(open))
	tests, compiled, err := d.compile(ctx, of, pkg, open)
	if err != nil {
		return score{}, err
	}
	tests.run = of.run
	tests, reached, err := tests.baseline(ctx, d.timeout, filepath.Join(d.directory, nameOf(of.directory)+".reached"))
	if err != nil {
		return score{}, err
	}
	var toExecute []*mutant
	for _, one := range open {
		switch {
		case !slices.Contains(compiled, one):
			result.results[one.id] = notCompiled
		case !reached[one.id]:
			result.results[one.id] = notReached
		default:
			toExecute = append(toExecute, one)
		}
	}
	return result, d.execute(ctx, of, tests, toExecute, result)
}

// execute runs the tests that reach a mutant, once for each mutant, and adds the results.
func (d *driver) execute(ctx context.Context, of target, tests binary, mutants []*mutant, result score) error {
	var reaching map[int][]string
	if of.atOnce() > 1 {
		directory := filepath.Join(d.directory, nameOf(of.directory)+".tests")
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		var err error
		if reaching, err = tests.reachingTests(ctx, directory, of.atOnce()); err != nil {
			return err
		}
	}
	var mu sync.Mutex // guards result and done
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(of.atOnce())
	for _, one := range mutants {
		group.Go(func() error {
			chosen := tests
			if names := reaching[one.id]; len(names) > 0 {
				chosen.run = "^(" + strings.Join(names, "|") + ")$"
			}
			outcome, _ := chosen.execute(ctx, selected(one.id))
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("interrupted: %w", err)
			}
			mu.Lock()
			defer mu.Unlock()
			result.results[one.id] = outcome
			if done++; done%50 == 0 {
				d.progress("%s: %d of %d, %d survive", of.directory, done, len(mutants), result.count(survived, notReached))
			}
			return nil
		})
	}
	return group.Wait() //nolint:wrapcheck // they are wrapped above
}

// sample returns the mutants of a run in the order of the source.
func (d *driver) sample(of target, found []*mutant) []*mutant {
	if of.sample == 0 || of.sample >= len(found) {
		return found
	}
	isAlways := func(one *mutant) bool { return slices.Contains(of.always, one.function) }
	taken := slices.DeleteFunc(slices.Clone(found), func(one *mutant) bool { return !isAlways(one) })
	others := slices.DeleteFunc(slices.Clone(found), isAlways)
	random := rand.New(rand.NewPCG(d.seed, uint64(len(found))))
	random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	taken = append(taken, others[:min(of.sample, len(others))]...)
	slices.SortFunc(taken, func(a, b *mutant) int { return cmp.Compare(a.id, b.id) })
	return taken
}

// nameOf returns a file name for a package. Several have the same last element.
func nameOf(directory string) string { return strings.ReplaceAll(directory, "/", "-") }

// compile builds the tests of a package with all its mutants. It leaves out those that
// the compiler refuses.
func (d *driver) compile(ctx context.Context, of target, pkg *loaded, mutants []*mutant) (binary, []*mutant, error) {
	name := nameOf(of.directory)
	const attempts = 20
	for attempt := range attempts {
		directory := filepath.Join(d.directory, name+"-"+strconv.Itoa(attempt))
		overlayFile, err := overlayOf(directory, pkg, mutants)
		if err != nil {
			return binary{}, nil, err
		}
		tests, err := build(ctx, d.root, cmp.Or(of.tests, of.directory), overlayFile, filepath.Join(d.directory, name+".test"))
		if err == nil {
			return tests, mutants, nil
		}
		refused, isRefused := errors.AsType[*compileError](err)
		if !isRefused {
			return binary{}, nil, err
		}
		places, before := refused.lines(), len(mutants)
		mutants = slices.DeleteFunc(slices.Clone(mutants), func(one *mutant) bool {
			return places[filepath.Base(one.file)+":"+strconv.Itoa(one.line)]
		})
		d.progress("%s: the compiler refuses %d mutants", of.directory, before-len(mutants))
		if len(mutants) == before {
			return binary{}, nil, err
		}
	}
	return binary{}, nil, fmt.Errorf("%s does not compile after %d attempts", of.directory, attempts)
}

func overlayOf(directory string, pkg *loaded, mutants []*mutant) (string, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	edits := map[string][]edit{}
	for _, one := range mutants {
		for _, change := range one.edits {
			edits[change.path] = append(edits[change.path], change)
		}
	}
	over := newOverlay(directory)
	for _, file := range pkg.files {
		if len(edits[file.path]) == 0 {
			continue
		}
		if err := over.set(file.path, apply(file.text, edits[file.path])); err != nil {
			return "", err
		}
	}
	if err := over.addRuntime(pkg.dir, pkg.name); err != nil {
		return "", err
	}
	return over.file()
}
