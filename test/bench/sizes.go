package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// oversized returns an object with a specification of 900 KB, whose fields have
// their maximum length.
func oversized(name string) *v1alpha1.DatabricksCluster {
	object := newObject(name)
	object.Spec.SparkConf = entries(200, strings.Repeat("x", 2048))
	object.Spec.SparkEnvVars = entries(100, strings.Repeat("x", 4096))
	for i := range 100 {
		object.Spec.Libraries = append(object.Spec.Libraries, v1alpha1.Library{Whl: fmt.Sprintf("%01024d", i)})
	}
	return object
}

// oversizedInBytes returns an object with a specification of 900 KB that the
// schema admits, because the schema counts characters and these have four bytes
// each.
func oversizedInBytes(name string) *v1alpha1.DatabricksCluster {
	object := newObject(name)
	object.Spec.SparkConf = entries(112, strings.Repeat("😀", 2048))
	return object
}

func entries(count int, value string) map[string]string {
	all := map[string]string{}
	for i := range count {
		all[fmt.Sprintf("e%d", i)] = value
	}
	return all
}

// sizes measures P16: the memory that specifications of 900 KB cost an
// otherwise idle operator when they are created and, in a full run, after a
// restart.
func (p *processes) sizes(ctx context.Context) error {
	one, empty, err := p.startAtRest(ctx, 0)
	if err != nil {
		return err
	}
	objects, stored, err := p.applyOversized(ctx)
	if err != nil {
		return err
	}
	if err := p.awaitIdle(ctx, one, objects); err != nil {
		return err
	}
	peakMemory, err := one.peakMemory()
	if err != nil {
		return err
	}
	p.measured.Add(figures.Figure{Key: "P16.arrived", Value: (peakMemory - empty) / stored})
	if p.parameters.afterRestart > 0 {
		if err := one.Stop(); err != nil {
			return err
		}
		if _, peakMemory, err = p.startAtRest(ctx, objects); err != nil {
			return err
		}
		p.measured.Add(figures.Figure{Key: "P16.restarted", Value: (peakMemory - empty) / stored})
	}
	calls, err := p.calls(ctx)
	if err != nil {
		return err
	}
	p.measured.Add(figures.Figure{Key: "P16.writes", Value: float64(writes(calls))})
	return p.allStalled(ctx, names("large", p.parameters.oversized))
}

// applyOversized creates objects above the size limit, some of which the schema
// rejects. It returns the number of stored objects, and the size of their
// stored specifications in MiB.
func (p *processes) applyOversized(ctx context.Context) (objects int, stored float64, err error) {
	for prefix, object := range map[string]func(name string) *v1alpha1.DatabricksCluster{"refused": oversized, "large": oversizedInBytes} {
		admitted, err := p.createSome(ctx, names(prefix, p.parameters.oversized), object)
		if err != nil {
			return 0, 0, err
		}
		if prefix == "refused" {
			p.measured.Add(figures.Figure{Key: "P16.admitted", Value: float64(admitted)})
		}
		size, err := specSize(object(prefix))
		if err != nil {
			return 0, 0, err
		}
		objects += admitted
		stored += float64(admitted) * size
	}
	if objects < p.parameters.oversized {
		return 0, 0, fmt.Errorf("%d of %d objects were created", objects, p.parameters.oversized)
	}
	return objects, stored, nil
}

// startAtRest starts an operator, waits until it has reconciled this number of
// objects, and returns its peak memory in MiB.
func (p *processes) startAtRest(ctx context.Context, objects int) (one *operator, peakMemory float64, err error) {
	if one, err = p.start(ctx); err != nil {
		return nil, 0, err
	}
	if err := p.awaitLeader(ctx, one); err != nil {
		return nil, 0, err
	}
	if err := p.awaitIdle(ctx, one, objects); err != nil {
		return nil, 0, err
	}
	peakMemory, err = one.peakMemory()
	return one, peakMemory, err
}

// createSome creates objects and returns how many the API server admits.
func (r *rig) createSome(ctx context.Context, all []string, object func(name string) *v1alpha1.DatabricksCluster) (admitted int, err error) {
	taken := make([]bool, len(all))
	err = forEach(ctx, len(all), func(ctx context.Context, i int) error {
		err := r.api.Create(ctx, object(all[i]))
		taken[i] = err == nil
		if apierrors.IsInvalid(err) {
			return nil
		}
		return err
	})
	for _, one := range taken {
		if one {
			admitted++
		}
	}
	if err != nil {
		return admitted, fmt.Errorf("create the objects: %w", err)
	}
	return admitted, nil
}

// allStalled returns an error unless every object is stalled because of its
// size.
func (r *rig) allStalled(ctx context.Context, all []string) error {
	return forEach(ctx, len(all), func(ctx context.Context, i int) error {
		object := &v1alpha1.DatabricksCluster{}
		if err := r.api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: all[i]}, object); err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		stalled := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil || !strings.Contains(stalled.Message, "at most 256 KiB") {
			return fmt.Errorf("%s is not stalled because of its size: %v", all[i], object.Status.Conditions)
		}
		return nil
	})
}

// specSize returns the size of a stored specification in MiB.
func specSize(object *v1alpha1.DatabricksCluster) (float64, error) {
	content, err := json.Marshal(object.Spec)
	if err != nil {
		return 0, fmt.Errorf("encode a specification: %w", err)
	}
	return float64(len(content)) / (1 << 20), nil
}

// peakMemory returns the peak memory of the process in MiB.
func (o *operator) peakMemory() (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.PID()))
	if err != nil {
		return 0, fmt.Errorf("read the operator's peak memory: %w", err)
	}
	var kilobytes float64
	_, rest, _ := bytes.Cut(content, []byte("VmHWM:"))
	if _, err := fmt.Sscanf(string(rest), "%f kB", &kilobytes); err != nil {
		return 0, fmt.Errorf("read the operator's peak memory: %w", err)
	}
	return kilobytes / (1 << 10), nil
}
