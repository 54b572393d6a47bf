package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/databricks-operator/databricks-operator/test/programs"
)

// logLines is the number of log lines to print after a failure.
const logLines = 20

// errUnexpectedExit is the error of a program that exits with code 0 before it
// is stopped.
var errUnexpectedExit = errors.New("it exited unexpectedly with exit code 0")

// demo runs some objects through their lifecycle, from apply to delete.
type demo struct {
	settings    settings
	screen      *screen
	environment environment
	board       *board
	changes     chan objectChange
	objects     []*unstructured.Unstructured
	// adopted is the id of the cluster that is kept when its object is deleted.
	adopted string
	figures figures
}

// chapter is one part of the demo; an error ends the demo.
type chapter func(context.Context) error

func newDemo(s settings, screen *screen) *demo {
	return &demo{settings: s, screen: screen, board: newBoard(screen), changes: make(chan objectChange)}
}

// run runs the whole demo and always stops the programs that it started.
func (d *demo) run(ctx context.Context) error {
	d.figures.began = time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	err := d.runChapters(ctx, cancel)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) && d.environment.operator != nil {
		d.screen.section("Log", "end of the operator's log")
		d.screen.line("%s", d.environment.operator.Log.Tail(logLines))
	}
	cancel(nil)
	stop := d.screen.wait("stopping all programs")
	defer stop()
	return errors.Join(err, d.environment.stop())
}

func (d *demo) runChapters(ctx context.Context, cancel context.CancelCauseFunc) error {
	if err := d.start(ctx); err != nil {
		return err
	}
	d.supervise(ctx, cancel)
	if err := inOrder(ctx, d.apply, d.awaitReady); err != nil {
		return err
	}
	if d.settings.keep {
		return d.keep(ctx)
	}
	return inOrder(ctx,
		d.scale,
		d.edit,
		d.deferEdit,
		d.adopt,
		d.failLaunch,
		d.delete,
		d.checkRemaining,
		d.promote,
		d.printFigures,
	)
}

func inOrder(ctx context.Context, chapters ...chapter) error {
	for _, run := range chapters {
		if err := run(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) start(ctx context.Context) error {
	d.screen.section("Start", "three programs, configured only by documented flags")
	binaries, err := programs.Find(d.settings.bin)
	if err != nil {
		return err
	}
	if d.objects, err = readSamples(d.settings.samples); err != nil {
		return err
	}
	if err := d.environment.makeDirectory(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"control plane", func() (string, error) { return d.environment.startKubernetes(ctx) }},
		{"workspace", func() (string, error) {
			return d.environment.startSimulator(ctx, binaries.Simulator, d.settings.timeScale)
		}},
		{"operator", func() (string, error) { return d.environment.startOperator(ctx, binaries.Manager) }},
	}
	for _, step := range steps {
		if err := d.screen.step(step.name, step.do); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// supervise ends the demo when a program exits, and starts the watch of the
// objects. The watch must start before the first write, or the figures would
// vary.
func (d *demo) supervise(ctx context.Context, cancel context.CancelCauseFunc) {
	for name, process := range map[string]*programs.Process{"operator": d.environment.operator.Process, "simulator": d.environment.simulator.Process} {
		go func() {
			select {
			case <-process.Done():
				cancel(fmt.Errorf("the %s stopped working: %w", name, cmp.Or(process.Err(), errUnexpectedExit)))
			case <-ctx.Done():
			}
		}()
	}
	watching := make(chan struct{})
	opened := sync.OnceFunc(func() { close(watching) })
	go func() {
		for ctx.Err() == nil {
			if err := follow(ctx, d.environment.kubernetes.Config, opened, func(change objectChange) {
				select {
				case d.changes <- change:
				case <-ctx.Done():
				}
			}); err != nil {
				cancel(err)
			}
		}
	}()
	select {
	case <-watching:
	case <-ctx.Done():
	}
}

// withObjects adds the objects' conditions to an error.
func (d *demo) withObjects(err error) error {
	return fmt.Errorf("%w\n  %s", err, strings.Join(d.board.notReady(), "\n  "))
}

// until prints changes until a condition holds.
func (d *demo) until(ctx context.Context, what string, limit time.Duration, condition func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took more than %s", what, limit))
	defer cancel()
	stop := d.screen.wait(what)
	defer stop()
	for !condition() {
		select {
		case change := <-d.changes:
			d.board.update(change)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// keep prints changes until Ctrl-C.
func (d *demo) keep(ctx context.Context) error {
	added, err := d.preparePlugin(ctx)
	if err != nil {
		return err
	}
	d.printHints(added)
	d.board.startSection(nil)
	for {
		select {
		case change := <-d.changes:
			d.board.update(change)
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}
