package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// critical is a mistake that certain tests must notice.
type critical struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	File string `json:"file"`
	// From is text that stands once in the file, To takes its place.
	From string `json:"from"`
	To   string `json:"to"`
	// Package has the tests that must fail, Run selects them.
	Package string `json:"package"`
	Run     string `json:"run"`
	// Effect is what would happen.
	Effect string `json:"effect"`

	number  int
	outcome result
}

// controllerPackage has the tests that need a control plane.
const controllerPackage = "internal/controller"

// readCritical reads the files in a directory and checks every entry.
func readCritical(root, directory string) ([]*critical, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", directory, err)
	}
	var all []*critical
	for _, file := range files {
		var some []*critical
		if err := readYAML(file, &some); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	seen := map[string]bool{}
	var problems []error
	for i, entry := range all {
		entry.number = i + 1
		if entry.ID == "" || entry.Kind == "" || entry.Package == "" || entry.Effect == "" || seen[entry.ID] {
			problems = append(problems, fmt.Errorf("critical mutant %q: a field is missing, or the id is not unique", entry.ID))
		}
		seen[entry.ID] = true
		if _, err := entry.offset(root); err != nil {
			problems = append(problems, err)
		}
	}
	return all, errors.Join(problems...)
}

// offset returns where the text stands in its file. It fails if it does not stand
// there exactly once.
func (c *critical) offset(root string) (int, error) {
	text, err := os.ReadFile(filepath.Join(root, c.File))
	if err != nil {
		return 0, fmt.Errorf("critical mutant %s: %w", c.ID, err)
	}
	if count := bytes.Count(text, []byte(c.From)); count != 1 || c.From == "" {
		return 0, fmt.Errorf("critical mutant %s: its text stands %d times in %s; it must stand there once: %s", c.ID, count, c.File, shown(c.From))
	}
	return bytes.Index(text, []byte(c.From)), nil
}

// run runs critical mutants: those in a function together in one build per package of
// tests, each other in a build of its own.
func (d *driver) runCritical(ctx context.Context, entries []*critical) error {
	if err := d.passWithoutMistakes(ctx, entries); err != nil {
		return err
	}
	over := newOverlay(filepath.Join(d.directory, "critical"))
	if err := os.MkdirAll(over.directory, 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	together, alone, err := compose(d.root, over, entries)
	if err != nil {
		return err
	}
	if err := d.runTogether(ctx, over, together); err != nil {
		return err
	}
	for _, entry := range alone {
		over := newOverlay(filepath.Join(d.directory, fmt.Sprintf("critical-%d", entry.number)))
		if err := os.MkdirAll(over.directory, 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		path := filepath.Join(d.root, entry.File)
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a source file: %w", err)
		}
		if err := over.set(path, bytes.Replace(text, []byte(entry.From), []byte(entry.To), 1)); err != nil {
			return err
		}
		if err := d.runTogether(ctx, over, []*critical{entry}); err != nil {
			return err
		}
	}
	return nil
}

// passWithoutMistakes returns an error if the tests of an entry fail without its mistake:
// such tests notice nothing.
func (d *driver) passWithoutMistakes(ctx context.Context, entries []*critical) error {
	unchanged := newOverlay(filepath.Join(d.directory, "unchanged"))
	if err := os.MkdirAll(unchanged.directory, 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	overlayFile, err := unchanged.file()
	if err != nil {
		return err
	}
	byPackage := groupByPackage(entries)
	for _, directory := range slices.Sorted(maps.Keys(byPackage)) {
		tests, err := build(ctx, d.root, directory, overlayFile, filepath.Join(unchanged.directory, filepath.Base(directory)+".test"))
		if err != nil {
			return err
		}
		runs := map[string]bool{}
		for _, entry := range byPackage[directory] {
			runs[entry.Run] = true
		}
		for _, run := range slices.Sorted(maps.Keys(runs)) {
			tests.run = run
			if _, _, err := tests.baseline(ctx, d.timeout, filepath.Join(unchanged.directory, "reached")); err != nil {
				return err
			}
		}
		d.progress("critical mutants: the tests of %s pass without them", directory)
	}
	return nil
}

func groupByPackage(entries []*critical) map[string][]*critical {
	byPackage := map[string][]*critical{}
	for _, entry := range entries {
		byPackage[entry.Package] = append(byPackage[entry.Package], entry)
	}
	return byPackage
}

func (d *driver) runTogether(ctx context.Context, over *overlay, entries []*critical) error {
	overlayFile, err := over.file()
	if err != nil {
		return err
	}
	byPackage := groupByPackage(entries)
	for _, directory := range slices.Sorted(maps.Keys(byPackage)) {
		some := byPackage[directory]
		tests, err := build(ctx, d.root, directory, overlayFile, filepath.Join(over.directory, filepath.Base(directory)+".test"))
		if err != nil {
			return err
		}
		const times = 10
		for _, entry := range some {
			tests.run, tests.timeout = entry.Run, times*d.timeout
			entry.outcome, _ = tests.execute(ctx, selected(entry.number))
			d.progress("critical mutant %s: %s", entry.ID, entry.outcome)
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("interrupted: %w", err)
			}
		}
	}
	return nil
}

// compose adds to each function with a mutant a copy that has the mistake, and a call
// of the copy at its beginning. It returns the mutants for which that is possible, and
// the others.
func compose(root string, over *overlay, entries []*critical) (together, alone []*critical, err error) {
	byFile := map[string][]*critical{}
	for _, entry := range entries {
		byFile[entry.File] = append(byFile[entry.File], entry)
	}
	packages := map[string]string{}
	for name, some := range byFile {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, fmt.Errorf("read a source file: %w", err)
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, fmt.Errorf("parse a source file: %w", err)
		}
		var edits []edit
		var copies []string
		for _, entry := range some {
			start, err := entry.offset(root)
			if err != nil {
				return nil, nil, err
			}
			offset := func(at token.Pos) int { return fset.Position(at).Offset }
			function := functionAround(tree, offset, start, start+len(entry.From))
			if function == nil || !canBeCopied(function) {
				alone = append(alone, entry)
				continue
			}
			together = append(together, entry)
			edits = append(edits, edit{offset: offset(function.Body.Lbrace) + 1, text: callOfCopy(function, entry.number)})
			copies = append(copies, copyOf(text, function, offset, entry))
		}
		if len(copies) == 0 {
			continue
		}
		changed := append(apply(text, edits), strings.Join(copies, "")...)
		if err := over.set(path, changed); err != nil {
			return nil, nil, err
		}
		packages[filepath.Dir(path)] = tree.Name.Name
	}
	for directory, name := range packages {
		if err := over.addRuntime(directory, name); err != nil {
			return nil, nil, err
		}
	}
	byNumber := func(a, b *critical) int { return cmp.Compare(a.number, b.number) }
	slices.SortFunc(together, byNumber)
	slices.SortFunc(alone, byNumber)
	return together, alone, nil
}

// functionAround returns the function whose body has a range of the text.
func functionAround(tree *ast.File, offset func(token.Pos) int, start, end int) *ast.FuncDecl {
	for _, declaration := range tree.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && function.Body != nil && offset(function.Body.Lbrace) < start && end <= offset(function.Body.Rbrace) {
			return function
		}
	}
	return nil
}

// canBeCopied reports whether a call can pass on all arguments.
func canBeCopied(function *ast.FuncDecl) bool {
	fields := slices.Clone(function.Type.Params.List)
	if function.Recv != nil {
		fields = append(fields, function.Recv.List...)
	}
	for _, field := range fields {
		if len(field.Names) == 0 || slices.ContainsFunc(field.Names, func(name *ast.Ident) bool { return name.Name == "_" }) {
			return false
		}
	}
	return function.Type.TypeParams == nil && function.Name.Name != "init"
}

func copyName(function *ast.FuncDecl, number int) string {
	return fmt.Sprintf("%sMutant%d", function.Name.Name, number)
}

func callOfCopy(function *ast.FuncDecl, number int) string {
	var arguments []string
	for _, field := range function.Type.Params.List {
		for _, name := range field.Names {
			argument := name.Name
			if _, isVariadic := field.Type.(*ast.Ellipsis); isVariadic {
				argument += "..."
			}
			arguments = append(arguments, argument)
		}
	}
	call := copyName(function, number) + "(" + strings.Join(arguments, ", ") + ")"
	if function.Recv != nil {
		call = function.Recv.List[0].Names[0].Name + "." + call
	}
	if function.Type.Results == nil {
		return fmt.Sprintf(" if mutantIs(%d) { %s; return };", number, call)
	}
	return fmt.Sprintf(" if mutantIs(%d) { return %s };", number, call)
}

func copyOf(text []byte, function *ast.FuncDecl, offset func(token.Pos) int, entry *critical) string {
	before := string(text[offset(function.Pos()):offset(function.Name.Pos())])
	after := string(text[offset(function.Name.End()):offset(function.End())])
	if function.Doc != nil {
		before = string(text[offset(function.Type.Func):offset(function.Name.Pos())])
	}
	return "\n" + before + copyName(function, entry.number) + strings.Replace(after, entry.From, entry.To, 1) + "\n"
}

// choose returns the critical mutants of a run: all, those that need no control plane,
// none, or those whose id matches a pattern.
func choose(all []*critical, which string) ([]*critical, error) {
	switch which {
	case "all":
		return all, nil
	case "none":
		return nil, nil
	case "pure":
		return slices.DeleteFunc(slices.Clone(all), func(entry *critical) bool { return entry.Package == controllerPackage }), nil
	}
	pattern, err := regexp.Compile(which)
	if err != nil {
		return nil, fmt.Errorf("--critical: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(entry *critical) bool { return !pattern.MatchString(entry.ID) }), nil
}
