package controller_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The checks that every suite makes are themselves tested here.
func TestOperatorLogDetectsFaults(t *testing.T) {
	t.Parallel()
	object := client.ObjectKey{Namespace: "a", Name: "b"}
	watched := func(mark *string) *operatorLog {
		log := newOperatorLog()
		log.externalState = func(client.ObjectKey) string { return *mark }
		return log
	}
	reconciles := func(log *operatorLog, count int) {
		logger := log.logger().WithValues("controller", "databrickscluster", "namespace", object.Namespace, "name", object.Name)
		for range count {
			logger.V(5).Info("Reconciling")
		}
	}

	t.Run("[R19] a recovered panic, also while the operator stops", func(t *testing.T) {
		g, mark := NewWithT(t), "1"
		log := watched(&mark)
		logger := log.logger()
		log.stop(log.run())
		logger.Info("Observed a panic in reconciler: boom")
		logger.Error(errors.New("panic: boom [recovered]"), "Reconciler error")
		g.Expect(log.faults).To(ConsistOf(HavePrefix("panic: "), HavePrefix("panic: ")))
	})

	t.Run("[R19] an error of the framework, unless the operator stops", func(t *testing.T) {
		g, mark := NewWithT(t), "1"
		log := watched(&mark)
		first := log.logger()
		first.Error(errors.New("no"), "Reconciler error")
		log.stop(log.run())
		first.Error(errors.New("context canceled"), "Reconciler error")
		log.logger().Error(errors.New("no more"), "Reconciler error")
		g.Expect(log.faults).To(ConsistOf(And(HavePrefix("error: "), ContainSubstring("no")), And(HavePrefix("error: "), ContainSubstring("no more"))))
		g.Expect(log.find("context canceled")).To(HaveLen(1), "other lines are in the log as well")
	})

	t.Run("[R19] a hot loop is reported once; an external change restarts the count", func(t *testing.T) {
		g, mark := NewWithT(t), "1"
		log := watched(&mark)
		reconciles(log, mostReconcile)
		g.Expect(log.faults).To(BeEmpty())
		mark = "2"
		reconciles(log, mostReconcile)
		g.Expect(log.faults).To(BeEmpty())
		reconciles(log, 5)
		g.Expect(log.faults).To(ConsistOf(HavePrefix("hot loop: a/b")))
	})
}
