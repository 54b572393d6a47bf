package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binaries are the paths of the programs.
type Binaries struct {
	Manager, Simulator string
}

// Find returns the programs that `make build` wrote to a directory, or an error
// if one is missing.
func Find(directory string) (Binaries, error) {
	absolute, err := filepath.Abs(directory)
	if err != nil {
		return Binaries{}, fmt.Errorf("find %s: %w", directory, err)
	}
	found := Binaries{Manager: filepath.Join(absolute, "manager"), Simulator: filepath.Join(absolute, "simulator")}
	for _, file := range []string{found.Manager, found.Simulator} {
		if _, err := os.Stat(file); err != nil {
			return Binaries{}, fmt.Errorf("%s is not built: run 'make build' (%w)", filepath.Base(file), err)
		}
	}
	return found, nil
}

// Build builds both programs from this checkout into a directory, with flags of
// `go build`.
func Build(ctx context.Context, directory string, flags ...string) (Binaries, error) {
	const module = "github.com/databricks-operator/databricks-operator"
	into := directory + string(filepath.Separator)
	arguments := append([]string{"build", "-buildvcs=false"}, flags...)
	arguments = append(arguments, "-o", into, module+"/cmd/manager", module+"/cmd/simulator")
	build := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // the caller's own directory
	if output, err := build.CombinedOutput(); err != nil {
		return Binaries{}, fmt.Errorf("build the operator and the simulator: %w\n%s", err, output)
	}
	return Find(directory)
}
