package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// result is what the tests made of a mutant.
type result string

const (
	killed      result = "killed"
	timedOut    result = "timed out"
	survived    result = "survived"
	notReached  result = "not reached"
	notCompiled result = "not compiled"
	equivalent  result = "equivalent"
)

// memoryLimit is the memory of a test and of each of its programs in KiB: a mutant may
// allocate without end. It is no limit of the address space, of which etcd reserves ten
// gigabytes.
const memoryLimit = 4 << 20

// binary is a compiled test binary.
type binary struct {
	path, directory string
	// run is the -run pattern; empty runs all tests.
	run string
	// flags are further flags of the tests, and environment further variables.
	flags, environment []string
	// timeout is the time of one run.
	timeout time.Duration
}

// build compiles the tests of a package with an overlay.
func build(ctx context.Context, root, directory, overlayFile, into string) (binary, error) {
	compile := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlayFile, "-o", into, "./"+directory)
	compile.Dir = root
	output, err := compile.CombinedOutput()
	if err != nil {
		return binary{}, &compileError{directory, string(output)}
	}
	tests := binary{path: into, directory: filepath.Join(root, directory)}
	program, err := os.ReadFile(into)
	if err != nil {
		return binary{}, fmt.Errorf("read a test binary: %w", err)
	}
	if directory == controllers {
		// These tests wait more than they compute, and a failed one waits until the timeout.
		tests.flags = append(tests.flags, "-test.parallel=12")
		tests.environment = append(tests.environment, "GOMEGA_DEFAULT_EVENTUALLY_TIMEOUT=30s")
	}
	if bytes.Contains(program, []byte("rapid.nofailfile")) {
		// A failed property is neither simplified nor written to testdata.
		tests.flags = append(tests.flags, "-rapid.nofailfile", "-rapid.shrinktime=0", "-rapid.seed=1")
	}
	return tests, nil
}

// compileError is a build that failed, with the messages of the compiler.
type compileError struct{ directory, output string }

func (e *compileError) Error() string {
	return fmt.Sprintf("the tests of %s do not compile:\n%s", e.directory, e.output)
}

// compilerPosition is the position in a message of the compiler.
var compilerPosition = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+:`)

// lines returns the places that the compiler refused, as "file:line" with the base
// name of the file.
func (e *compileError) lines() map[string]bool {
	places := map[string]bool{}
	for _, match := range compilerPosition.FindAllStringSubmatch(e.output, -1) {
		places[filepath.Base(match[1])+":"+match[2]] = true
	}
	return places
}

// execute runs the tests with some variables in the environment. It ends the run at
// the first failure.
func (b binary) execute(ctx context.Context, variables ...string) (result, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	limited := fmt.Sprintf(`ulimit -d %d; exec "$@"`, memoryLimit)
	arguments := []string{"-c", limited, "sh", b.path, "-test.v", "-test.failfast", "-test.timeout=0"}
	arguments = append(arguments, b.flags...)
	if b.run != "" {
		arguments = append(arguments, "-test.run", b.run)
	}
	tests := exec.CommandContext(ctx, "/bin/sh", arguments...)
	tests.Dir = b.directory
	tests.Env = slices.Concat(os.Environ(), b.environment, variables)
	tests.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	tests.Cancel = func() error { return syscall.Kill(-tests.Process.Pid, syscall.SIGKILL) }
	tests.WaitDelay = time.Second
	reader, writer := io.Pipe()
	tests.Stdout, tests.Stderr = writer, writer
	failed := make(chan bool, 1)
	go func() { failed <- sawFailure(reader, cancel) }()
	began := time.Now()
	err := tests.Run()
	took := time.Since(began)
	_ = writer.Close()
	switch sawOne := <-failed; {
	case sawOne:
		return killed, took
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timedOut, took
	case err != nil:
		return killed, took
	default:
		return survived, took
	}
}

// sawFailure reads the output of tests and reports whether one failed. It stops them
// at the first that did.
func sawFailure(output io.Reader, stop func()) bool {
	failed := false
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		if !failed && strings.HasPrefix(strings.TrimLeft(line, " "), "--- FAIL:") {
			failed = true
			stop()
		}
		if err != nil {
			return failed
		}
	}
}

// baseline runs the tests without a mutant. It returns the mutants whose places they
// reach, and the binary with the timeout that follows from their duration.
func (b binary) baseline(ctx context.Context, shortest time.Duration, reachedFile string) (binary, map[int]bool, error) {
	const longest, times = 40 * time.Minute, 5
	b.timeout = longest
	outcome, took := b.execute(ctx, "MUTANTS_REACHED="+reachedFile)
	if outcome != survived {
		return b, nil, fmt.Errorf("the tests of %s fail without a mutant (%s)", b.directory, outcome)
	}
	b.timeout = max(shortest, times*took)
	reached, err := readReached(reachedFile)
	return b, reached, err
}

func readReached(path string) (map[int]bool, error) {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the reached mutants: %w", err)
	}
	reached := map[int]bool{}
	for line := range bytes.Lines(raw) {
		if id, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil {
			reached[id] = true
		}
	}
	return reached, nil
}

// reachingTests runs every test alone, some at once, and returns the names of those that
// reach each mutant. A mutant that no test reaches alone is not in it.
func (b binary) reachingTests(ctx context.Context, directory string, atOnce int) (map[int][]string, error) {
	names, err := b.names(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards all
	all := map[int][]string{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, name := range names {
		group.Go(func() error {
			one, file := b, filepath.Join(directory, name)
			one.run = "^" + name + "$"
			if outcome, _ := one.execute(ctx, "MUTANTS_REACHED="+file); outcome != survived {
				return fmt.Errorf("%s of %s fails alone without a mutant (%s)", name, b.directory, outcome)
			}
			reached, err := readReached(file)
			mu.Lock()
			defer mu.Unlock()
			for id := range reached {
				all[id] = append(all[id], name)
			}
			return err
		})
	}
	return all, group.Wait() //nolint:wrapcheck // they are wrapped above
}

// names returns the names of the tests of a binary that it runs.
func (b binary) names(ctx context.Context) ([]string, error) {
	list := exec.CommandContext(ctx, b.path, "-test.list", cmp.Or(b.run, "."))
	list.Dir = b.directory
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests of %s: %w", b.directory, err)
	}
	var names []string
	for name := range strings.Lines(string(output)) {
		if name = strings.TrimSpace(name); name != "" && !strings.HasPrefix(name, "Benchmark") {
			names = append(names, name)
		}
	}
	return names, nil
}

func selected(id int) string { return "MUTANT=" + strconv.Itoa(id) }
