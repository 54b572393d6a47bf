package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// source is one parsed file.
type source struct {
	// path is absolute.
	path string
	text []byte
	tree *ast.File
}

// loaded is one type-checked package without its tests.
type loaded struct {
	name, dir string
	fset      *token.FileSet
	files     []source
	info      *types.Info
}

// listed is what `go list` prints of a package.
type listed struct {
	ImportPath string   `json:"ImportPath"`
	Name       string   `json:"Name"`
	Dir        string   `json:"Dir"`
	Export     string   `json:"Export"`
	GoFiles    []string `json:"GoFiles"`
	DepOnly    bool     `json:"DepOnly"`
}

// load parses and type-checks the package in a directory of the module.
func load(root, directory string) (*loaded, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles,DepOnly", "./"+directory) //nolint:noctx // ends by itself
	list.Dir, list.Stderr = root, os.Stderr
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", directory, err)
	}
	exports := map[string]string{}
	var target listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var one listed
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("decode the output of go list: %w", err)
		}
		exports[one.ImportPath] = one.Export
		if !one.DepOnly {
			target = one
		}
	}
	return check(target, exports)
}

func check(target listed, exports map[string]string) (*loaded, error) {
	pkg := &loaded{name: target.Name, dir: target.Dir, fset: token.NewFileSet()}
	var trees []*ast.File
	for _, name := range target.GoFiles {
		path := filepath.Join(target.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a source file: %w", err)
		}
		tree, err := parser.ParseFile(pkg.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse a source file: %w", err)
		}
		pkg.files, trees = append(pkg.files, source{path, text, tree}), append(trees, tree)
	}
	pkg.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(pkg.fset, "gc", open)}
	if _, err := config.Check(target.ImportPath, pkg.fset, trees, pkg.info); err != nil {
		return nil, fmt.Errorf("type-check %s: %w", target.ImportPath, err)
	}
	return pkg, nil
}
