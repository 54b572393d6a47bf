package controller_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/controller/process"
)

func TestAStatusThatAnotherProcessOverwritesIsWrittenRarely(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*rig){
		"[R10] [R12] of a settled object":                     func(*rig) {},
		"[R10] [R12] of an object whose finalizer is refused": (*rig).refuseFinalizers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("DatabricksCluster", func(t *testing.T) {
				r := newRig(t)
				writes := r.overwriteStatuses(`{"status":{"selector":null}}`)
				prepare(r)
				r.start()
				r.create(r.small("contested"))
				r.stopsAt(writes)
			})
			forListed(t, func(r *listedRig) {
				writes := r.overwriteStatuses(`{"status":{"conditions":null}}`)
				prepare(r.rig)
				r.start()
				r.make(r.with("contested"))
				r.stopsAt(writes)
			})
		})
	}
}

// overwriteStatuses applies a merge patch to each status that the operator writes, as a
// second process does that reports something else. It returns the count of the writes.
func (r *rig) overwriteStatuses(with string) *atomic.Int64 {
	var writes atomic.Int64
	r.options.Coalesce = time.Minute
	r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
		if err := inner.SubResource(sub).Patch(ctx, object, patch, options...); err != nil {
			return err //nolint:wrapcheck // as the API server says it
		}
		writes.Add(1)
		overwritten, _ := object.DeepCopyObject().(client.Object)
		return r.api.Status().Patch(ctx, overwritten, client.RawPatch(types.MergePatchType, []byte(with)))
	}
	return &writes
}

// refuseFinalizers refuses every change of the metadata of an object.
func (r *rig) refuseFinalizers() {
	r.intercept.Patch = func(_ context.Context, _ client.WithWatch, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
		return apierrors.NewForbidden(schema.GroupResource{}, object.GetName(), errors.New("no finalizers in this namespace"))
	}
}

// stopsAt waits until a status was written as often as in one window, and no more.
func (r *rig) stopsAt(writes *atomic.Int64) {
	r.t.Helper()
	// The intent to create is no report.
	const most = process.MaxWrites + 1
	r.Eventually(writes.Load).Should(BeNumerically(">=", process.MaxWrites))
	r.Consistently(writes.Load).Should(BeNumerically("<=", most))
}
