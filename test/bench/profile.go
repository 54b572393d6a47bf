package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// profiled is a file that the build adds to the operator for --profiles. It is
// not part of the operator otherwise.
const profiled = `package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

func init() {
	file := func(kind string) *os.File {
		f, err := os.Create(filepath.Join(%q, fmt.Sprintf("%%s-%%d.pprof", kind, os.Getpid())))
		if err != nil {
			panic(err)
		}
		return f
	}
	cpu := file("cpu")
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	time.AfterFunc(30*time.Second, func() {
		pprof.StopCPUProfile()
		cpu.Close()
		allocations := file("allocations")
		pprof.Lookup("allocs").WriteTo(allocations, 0)
		allocations.Close()
	})
	go func() {
		for minute := 1; ; minute++ {
			time.Sleep(time.Minute)
			heap := file(fmt.Sprintf("heap-%%d", minute))
			pprof.Lookup("heap").WriteTo(heap, 0)
			heap.Close()
		}
	}()
}
`

// profiling returns the flags of `go build` that make the operator write
// profiles into a directory; none without a directory.
func profiling(temporary, profiles string) ([]string, error) {
	if profiles == "" {
		return nil, nil
	}
	profiles, err := filepath.Abs(profiles)
	if err != nil {
		return nil, fmt.Errorf("find the directory for profiles: %w", err)
	}
	if err := os.MkdirAll(profiles, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory for profiles: %w", err)
	}
	source, overlay := filepath.Join(temporary, "profile.go"), filepath.Join(temporary, "overlay.json")
	if err := os.WriteFile(source, fmt.Appendf(nil, profiled, profiles), 0o600); err != nil {
		return nil, fmt.Errorf("write the profiling: %w", err)
	}
	place, err := filepath.Abs(filepath.Join("cmd", "manager", "profile.go"))
	if err != nil {
		return nil, fmt.Errorf("find the operator's source: %w", err)
	}
	content, err := json.Marshal(map[string]any{"Replace": map[string]string{place: source}})
	if err != nil {
		return nil, fmt.Errorf("encode the overlay: %w", err)
	}
	if err := os.WriteFile(overlay, content, 0o600); err != nil {
		return nil, fmt.Errorf("write the overlay: %w", err)
	}
	return []string{"-overlay=" + overlay}, nil
}
