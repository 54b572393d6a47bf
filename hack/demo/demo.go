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

// logLines is how much of the operator's log a failure shows.
const logLines = 20

// errUnasked is how a program ended that nobody asked to, and without a failure.
var errUnasked = errors.New("it ended with exit code 0, unasked")

// demo is the story of some objects from apply to delete.
type demo struct {
	settings settings
	screen   *screen
	world    world
	board    *board
	news     chan news
	objects  []*unstructured.Unstructured
	// adopted is the cluster that outlives its object.
	adopted string
	figures figures
}

// chapter is a part of the story; an error ends all of it.
type chapter func(context.Context) error

func newDemo(s settings, screen *screen) *demo {
	return &demo{settings: s, screen: screen, board: newBoard(screen), news: make(chan news)}
}

// run tells the story from beginning to end. Whatever happens, nothing is left
// running.
func (d *demo) run(ctx context.Context) error {
	d.figures.began = time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	err := d.tell(ctx, cancel)
	if errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) && d.world.operator != nil {
		d.screen.section("Log", "the end of the operator's")
		d.screen.line("%s", d.world.operator.Log.Tail(logLines))
	}
	cancel(nil)
	stop := d.screen.wait("stopping what was started")
	defer stop()
	return errors.Join(err, d.world.stop())
}

func (d *demo) tell(ctx context.Context, cancel context.CancelCauseFunc) error {
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
		d.checkWhatIsLeft,
		d.tellFigures,
	)
}

func inOrder(ctx context.Context, chapters ...chapter) error {
	for _, tell := range chapters {
		if err := tell(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) start(ctx context.Context) error {
	d.screen.section("Start", "three programs, as anybody would start them")
	binaries, err := programs.Find(d.settings.bin)
	if err != nil {
		return err
	}
	if d.objects, err = readSamples(d.settings.samples); err != nil {
		return err
	}
	if err := d.world.makeDirectory(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"control plane", func() (string, error) { return d.world.startKubernetes(ctx) }},
		{"workspace", func() (string, error) {
			return d.world.startSimulator(ctx, binaries.Simulator, d.settings.timeScale)
		}},
		{"operator", func() (string, error) { return d.world.startOperator(ctx, binaries.Manager) }},
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

// supervise ends the story where a program ends by itself, and has the objects
// watched: from the first write on, or the figures would vary.
func (d *demo) supervise(ctx context.Context, cancel context.CancelCauseFunc) {
	for name, process := range map[string]*programs.Process{"operator": d.world.operator.Process, "simulator": d.world.simulator.Process} {
		go func() {
			select {
			case <-process.Done():
				cancel(fmt.Errorf("the %s stopped working: %w", name, cmp.Or(process.Err(), errUnasked)))
			case <-ctx.Done():
			}
		}()
	}
	watching := make(chan struct{})
	opened := sync.OnceFunc(func() { close(watching) })
	go func() {
		for ctx.Err() == nil {
			if err := follow(ctx, d.world.kubernetes.Config, opened, func(change news) {
				select {
				case d.news <- change:
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

// withObjects adds to a failure how the objects stand.
func (d *demo) withObjects(err error) error {
	return fmt.Errorf("%w\n  %s", err, strings.Join(d.board.notReady(), "\n  "))
}

// until shows what happens until a condition holds.
func (d *demo) until(ctx context.Context, what string, limit time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took more than %s", what, limit))
	defer cancel()
	stop := d.screen.wait(what)
	defer stop()
	for !holds() {
		select {
		case change := <-d.news:
			d.board.take(change)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// keep stays up until Ctrl-C, and shows what happens meanwhile.
func (d *demo) keep(ctx context.Context) error {
	d.tellHints()
	d.board.expect(nil)
	for {
		select {
		case change := <-d.news:
			d.board.take(change)
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}
