package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rarelyCollected returns a directory with programs that run those of assets with
// a garbage collector that starts a fourth as often as usual, unless GOGC is set.
// It is a third of the API server's CPU otherwise. The variable is not set in
// this process, because the operators that it starts meanwhile would have it, too.
func rarelyCollected(assets string) (directory string, err error) {
	if assets, err = filepath.Abs(assets); err != nil {
		return "", fmt.Errorf("find the control plane: %w", err)
	}
	if directory, err = os.MkdirTemp("", "databricks-operator-controlplane-"); err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	for _, program := range programs {
		script := fmt.Sprintf("#!/bin/sh\nGOGC=\"${GOGC:-400}\" exec %s \"$@\"\n", quoted(filepath.Join(assets, program)))
		if err := os.WriteFile(filepath.Join(directory, program), []byte(script), 0o700); err != nil { //nolint:gosec // a program
			return directory, fmt.Errorf("write a program: %w", err)
		}
	}
	return directory, nil
}

// quoted returns a word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
