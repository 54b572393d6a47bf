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
	// patience is how long a program may take to be ready, and to end when it is
	// asked to, before it is killed.
	patience = 15 * time.Second
	// glance is how often a program is looked at meanwhile.
	glance = 20 * time.Millisecond
)

// Process is a program that runs. On Linux it does not outlive this process,
// however that ends.
type Process struct {
	Log Log

	name    string
	command *exec.Cmd
	ended   chan struct{}
	err     error
}

// Start starts a program; what it prints goes to a file, which is made or
// continued. A terminal's Ctrl-C does not reach it: whoever started it says when
// it ends.
func Start(binary, logFile string, args ...string) (*Process, error) {
	return StartWith(nil, binary, logFile, args...)
}

// StartWith is Start with an environment, as NAME=value, beside this process's
// own.
func StartWith(environment []string, binary, logFile string, args ...string) (*Process, error) {
	log, file, err := openLog(logFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own handle
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

// PID is the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when the process is no more.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is how the process ended, nil for exit code 0. It waits for that.
func (p *Process) Err() error {
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s ended: %w", p.name, p.err)
	}
	return nil
}

// ExitCode is the code that the process ended with, -1 after a signal. It waits
// for that.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.command.ProcessState.ExitCode()
}

// Kill is kill -9. It returns when the process is no more.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // fails only where it has ended already
	<-p.ended
}

// Stop asks the process to end (SIGTERM), and kills it where it does not. One
// that ended before is no error here: Err tells of it.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.command.Process.Signal(syscall.SIGTERM) // fails only where it has ended already
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.Err()
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, patience)
	}
}

// await looks until a condition holds. It fails if the process ends first, ctx
// does, or it takes unreasonably long.
func (p *Process) await(ctx context.Context, holds func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for !holds(ctx) {
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

// awaitLine waits for a line in the log that contains a text.
func (p *Process) awaitLine(ctx context.Context, containing string) (string, error) {
	var found string
	err := p.await(ctx, func(context.Context) bool {
		found = p.Log.line(containing)
		return found != ""
	})
	return found, err
}
