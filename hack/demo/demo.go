package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

const (
	readyWithin   = 2 * time.Minute
	deletedWithin = time.Minute
	// logLines is how much of the operator's log a failure shows.
	logLines = 20
)

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
	figures  figures
}

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
	for _, chapter := range []func(context.Context) error{d.apply, d.awaitReady} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	if d.settings.keep {
		return d.keep(ctx)
	}
	for _, chapter := range []func(context.Context) error{d.delete, d.checkNothingIsLeft, d.tellFigures} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) start(ctx context.Context) error {
	d.screen.section("Start", "three programs, as anybody would start them")
	binaries, err := programs.In(d.settings.bin)
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
// watched.
func (d *demo) supervise(ctx context.Context, cancel context.CancelCauseFunc) {
	for name, process := range map[string]*programs.Process{"operator": d.world.operator.Process, "simulator": d.world.simulator.Process} {
		go func() {
			select {
			case <-process.Ended():
				cancel(fmt.Errorf("the %s stopped working: %w", name, cmp.Or(process.Err(), errUnasked)))
			case <-ctx.Done():
			}
		}()
	}
	go func() {
		for ctx.Err() == nil {
			if err := follow(ctx, d.world.kubernetes.Config, func(change news) {
				select {
				case d.news <- change:
				case <-ctx.Done():
				}
			}); err != nil {
				cancel(err)
			}
		}
	}()
}

func (d *demo) apply(ctx context.Context) error {
	d.screen.section("Apply", "kubectl apply --server-side -k "+d.settings.samples+", its Secret pointed at the simulator")
	for _, object := range d.objects {
		if err := pointAt(object, d.world.simulator.URL, simulator.DefaultToken); err != nil {
			return err
		}
		if err := apply(ctx, d.world.api, object); err != nil {
			return err
		}
		d.screen.line("  %s %s/%s", d.screen.green("✓"), strings.ToLower(object.GetKind()), object.GetName())
	}
	d.figures.applied = time.Now()
	return nil
}

// clusters are the samples without the Secret.
func (d *demo) clusters() []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(d.objects), func(object *unstructured.Unstructured) bool {
		return object.GetKind() != "DatabricksCluster"
	})
}

func (d *demo) names() []string {
	var all []string
	for _, object := range d.clusters() {
		all = append(all, object.GetName())
	}
	return all
}

func (d *demo) awaitReady(ctx context.Context) error {
	d.screen.section("Watch", "kubectl get dbc -w, and beneath each row what else has changed")
	d.board.expect(d.names())
	if err := d.until(ctx, "waiting for the clusters to run", readyWithin, func() bool { return d.board.ready(len(d.clusters())) }); err != nil {
		return d.withObjects(err)
	}
	d.figures.ready = time.Now()
	return nil
}

func (d *demo) delete(ctx context.Context) error {
	d.screen.section("Delete", "kubectl delete -k "+d.settings.samples)
	d.board.expect(d.names())
	d.figures.deleting = time.Now()
	for _, object := range d.clusters() {
		if err := d.world.api.Delete(ctx, object); err != nil {
			return fmt.Errorf("delete %s: %w", object.GetName(), err)
		}
	}
	if err := d.until(ctx, "waiting for the objects to go", deletedWithin, func() bool { return len(d.board.now) == 0 }); err != nil {
		return d.withObjects(err)
	}
	d.figures.deleted = time.Now()
	return nil
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

// checkNothingIsLeft asks the workspace itself.
func (d *demo) checkNothingIsLeft(ctx context.Context) error {
	d.screen.section("Check", "what the workspace itself says")
	records, err := d.world.simulator.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, record := range records {
		if record.Exists() {
			return fmt.Errorf("cluster %s (%s) is left in the workspace, %s", record.ID, record.Name, record.State)
		}
	}
	if made, wanted := len(records), len(d.clusters()); made != wanted {
		return fmt.Errorf("%d clusters were made for %d objects", made, wanted)
	}
	d.screen.line("  %s %d clusters were made, one per object, and none is left", d.screen.green("✓"), len(records))
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
