package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// timeout is how long a program may take to become ready, and to exit after
	// SIGTERM before it is killed.
	timeout = 15 * time.Second
	// pollInterval is the interval between checks of a condition.
	pollInterval = 20 * time.Millisecond
)

// Process is a running program. On Linux it is killed when this process exits
// for any reason.
type Process struct {
	Log Log

	name    string
	command *exec.Cmd
	ended   chan struct{}
	err     error
}

// Start starts a program and appends its output to a file. Ctrl-C in a terminal
// does not reach the program; the caller must end it.
func Start(binary, logFile string, args ...string) (*Process, error) {
	return StartWith(nil, binary, logFile, args...)
}

// StartWith is Start with additional environment variables, as NAME=value.
func StartWith(environment []string, binary, logFile string, args ...string) (*Process, error) {
	log, file, err := openLog(logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own descriptor
	p := &Process{
		Log:     log,
		name:    filepath.Base(binary),
		command: exec.Command(binary, args...), //nolint:gosec,noctx // the caller's own program, which Stop and Kill end
		ended:   make(chan struct{}),
	}
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = file, file
	p.command.SysProcAttr = attributes()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	return p, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done returns a channel that is closed when the process has exited.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Err waits for the process to exit and returns its error, nil for exit code 0.
func (p *Process) Err() error {
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s ended: %w", p.name, p.err)
	}
	return nil
}

// ExitCode waits for the process to exit and returns its exit code, -1 after a
// signal.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.command.ProcessState.ExitCode()
}

// Kill sends SIGKILL and returns when the process has exited.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // fails only if the process has exited
	<-p.ended
}

// Stop sends SIGTERM, and kills the process if it does not exit in time. It
// returns nil if the process had exited before; Err returns that error.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // fails only if the process has exited
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.Err()
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, timeout)
	}
}

// await polls until a condition holds. It fails if the process exits, ctx ends
// or the timeout passes.
func (p *Process) await(ctx context.Context, condition func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !condition(ctx) {
		select {
		case <-ticker.C:
		case <-p.ended:
			return errors.Join(fmt.Errorf("%s ended before it was ready", p.name), p.err)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be ready: %w", p.name, ctx.Err())
		}
	}
	return nil
}

// awaitLine waits for a line in the log that contains a string and returns it.
func (p *Process) awaitLine(ctx context.Context, containing string) (string, error) {
	var found string
	err := p.await(ctx, func(context.Context) bool {
		found = p.Log.line(containing)
		return found != ""
	})
	return found, err
}
