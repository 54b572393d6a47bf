package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// oversized returns an object with a specification of 900 KB: as much text as its
// fields may have each.
func oversized(name string) *v1alpha1.DatabricksCluster {
	object := newObject(name)
	object.Spec.SparkConf = entries(200, strings.Repeat("x", 2048))
	object.Spec.SparkEnvVars = entries(100, strings.Repeat("x", 4096))
	for i := range 100 {
		object.Spec.Libraries = append(object.Spec.Libraries, v1alpha1.Library{Whl: fmt.Sprintf("%01024d", i)})
	}
	return object
}

// oversizedInBytes returns an object with a specification of 900 KB that the schema
// admits: it counts characters, of which these have four bytes each.
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

// measureSizes is P16: what an editor with specifications of 900 KB costs an operator
// that has nothing else to do, as they arrive and again after a restart.
func measureSizes(ctx context.Context, binaries programs.Binaries, objects int) (all []figures.Figure, err error) {
	r, err := newRig(ctx, binaries, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	p := &processes{rig: r}
	one, empty, err := p.startAtRest(ctx, 0)
	if err != nil {
		return nil, err
	}
	refused := names("refused", objects)
	admitted, err := r.createSome(ctx, refused, oversized)
	if err != nil {
		return nil, err
	}
	// Only what is in the API server can cost memory.
	stored := float64(admitted) * specSize(oversized(refused[0]))
	large := names("large", objects)
	if admitted, err = r.createSome(ctx, large, oversizedInBytes); err != nil {
		return nil, err
	}
	if admitted != objects {
		return nil, fmt.Errorf("%d of %d objects were created", admitted, objects)
	}
	stored += float64(objects) * specSize(oversizedInBytes(large[0]))
	if err := p.rests(ctx, one, objects); err != nil {
		return nil, err
	}
	arrived, err := one.highest()
	if err != nil {
		return nil, err
	}
	if err := r.allStalled(ctx, large); err != nil {
		return nil, err
	}
	if err := one.Stop(); err != nil {
		return nil, err
	}
	_, restarted, err := p.startAtRest(ctx, objects)
	if err != nil {
		return nil, err
	}
	calls, err := r.calls(ctx)
	if err != nil {
		return nil, err
	}
	return []figures.Figure{
		{Key: "P16.admitted", Value: stored/specSize(oversizedInBytes(large[0])) - float64(objects)},
		{Key: "P16.arrived", Value: (arrived - empty) / stored},
		{Key: "P16.restarted", Value: (restarted - empty) / stored},
		{Key: "P16.writes", Value: float64(writes(calls))},
	}, nil
}

// startAtRest starts an operator, waits until it has looked at so many objects, and
// returns the most memory that it has used, in MiB.
func (p *processes) startAtRest(ctx context.Context, objects int) (one *operator, highest float64, err error) {
	if one, err = p.start(ctx); err != nil {
		return nil, 0, err
	}
	if err := p.leads(ctx, one); err != nil {
		return nil, 0, err
	}
	if err := p.rests(ctx, one, objects); err != nil {
		return nil, 0, err
	}
	highest, err = one.highest()
	return one, highest, err
}

// createSome creates objects and returns how many the API server admits.
func (r *rig) createSome(ctx context.Context, all []string, object func(name string) *v1alpha1.DatabricksCluster) (admitted int, err error) {
	taken := make([]bool, len(all))
	err = each(ctx, len(all), func(ctx context.Context, i int) error {
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

// allStalled returns an error unless every object is stalled because of its size.
func (r *rig) allStalled(ctx context.Context, all []string) error {
	return each(ctx, len(all), func(ctx context.Context, i int) error {
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

// specSize is the size of a specification as it is stored, in MiB.
func specSize(object *v1alpha1.DatabricksCluster) float64 {
	content, err := json.Marshal(object.Spec)
	if err != nil {
		panic(err) // it has neither channels nor functions
	}
	return float64(len(content)) / (1 << 20)
}

// highest is the most memory that the process has had, in MiB.
func (o *operator) highest() (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.PID()))
	if err != nil {
		return 0, fmt.Errorf("read what the operator has held: %w", err)
	}
	var kilobytes float64
	_, rest, _ := bytes.Cut(content, []byte("VmHWM:"))
	if _, err := fmt.Sscanf(string(rest), "%f kB", &kilobytes); err != nil {
		return 0, fmt.Errorf("read what the operator has held: %w", err)
	}
	return kilobytes / (1 << 10), nil
}
