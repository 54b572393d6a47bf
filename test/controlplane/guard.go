package controlplane

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// guard kills the processes of a control plane if this process exits without
// stopping them, because it was killed or a test timed out. They would run
// forever otherwise.
type guard struct {
	shell *exec.Cmd
	// alive is open as long as this process runs: the kernel closes it on exit.
	alive io.WriteCloser
}

// newGuard guards the children of this process. It returns nil if /proc does
// not list them.
func newGuard() (*guard, error) {
	pids := children()
	if len(pids) == 0 {
		return nil, nil
	}
	script := append([]string{"-c", `read -r _ || kill -9 "$@"`, "guard"}, pids...)
	shell := exec.Command("/bin/sh", script...) //nolint:gosec,noctx // fixed but for numbers; it ends with this process
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := shell.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard the control plane: %w", err)
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("guard the control plane: %w", err)
	}
	return &guard{shell: shell, alive: alive}, nil
}

// dismiss ends the guard after a regular stop.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = io.WriteString(g.alive, "stopped\n")
	_ = g.shell.Wait()
}

// children returns the ids of the processes that this process started.
func children() []string {
	var pids []string
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only for a bad pattern
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // beneath /proc
		if err != nil {
			continue // the process has exited
		}
		// The fields after the name, which is in parentheses: state, parent.
		fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(os.Getpid()) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
