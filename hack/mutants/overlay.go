package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// overlay is a set of files that the compiler reads in place of those on disk.
type overlay struct {
	directory string
	replace   map[string]string
}

func newOverlay(directory string) *overlay { return &overlay{directory, map[string]string{}} }

// set replaces a file, or adds one that does not exist. The copy has the name of the
// file, because the messages of the compiler name the copy.
func (o *overlay) set(path string, text []byte) error {
	copied := filepath.Join(o.directory, strconv.Itoa(len(o.replace)), filepath.Base(path))
	if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		return fmt.Errorf("write a file of the overlay: %w", err)
	}
	o.replace[path] = copied
	return nil
}

// addRuntime adds the functions that select a mutant to a package.
func (o *overlay) addRuntime(directory, name string) error {
	text := strings.Replace(runtimeFile, "PACKAGE", name, 1)
	return o.set(filepath.Join(directory, "mutants_runtime.go"), []byte(text))
}

// file writes the description that `go test -overlay` reads and returns its path.
func (o *overlay) file() (string, error) {
	raw, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return "", fmt.Errorf("encode the overlay: %w", err)
	}
	path := filepath.Join(o.directory, "overlay.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return path, nil
}

// apply returns a source with edits. Edits of an outer node are given before those of
// the nodes in it. No edit adds a line, so that positions stay as they are.
func apply(text []byte, edits []edit) []byte {
	type ordered struct {
		edit
		order int
	}
	all := make([]ordered, 0, len(edits))
	for i, one := range edits {
		if one.isSuffix {
			i = -i
		}
		all = append(all, ordered{one, i})
	}
	slices.SortFunc(all, func(a, b ordered) int {
		switch {
		case a.offset != b.offset:
			return a.offset - b.offset
		case a.isSuffix != b.isSuffix && a.isSuffix:
			return -1
		case a.isSuffix != b.isSuffix:
			return 1
		default:
			return a.order - b.order
		}
	})
	var result []byte
	at := 0
	for _, one := range all {
		result = append(result, text[at:one.offset]...)
		result = append(result, one.text...)
		at = one.offset + one.length
	}
	return append(result, text[at:]...)
}
