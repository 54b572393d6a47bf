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

// guard ends the processes of a control plane whose owner died without having
// stopped it: killed, or a test that ran out of time. They would go on for ever.
type guard struct {
	shell *exec.Cmd
	// alive is held by this process alone: the system closes it with us.
	alive io.WriteCloser
}

// newGuard guards the children of this process, where /proc tells which they
// are; elsewhere it is nil.
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

// dismiss ends the guard when there is nothing left to guard.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = io.WriteString(g.alive, "stopped\n")
	_ = g.shell.Wait()
}

// children are the ids of the processes that this one started.
func children() []string {
	var pids []string
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // fails for a bad pattern only
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // beneath /proc
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name in parentheses, which may hold anything: state, parent.
		fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(os.Getpid()) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
