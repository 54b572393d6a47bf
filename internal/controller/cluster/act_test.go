package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestEveryStepThatWritesHasARequest(t *testing.T) {
	for _, kind := range plan.StepKinds() {
		_, known := requests[kind]
		NewWithT(t).Expect(known).To(Equal(kind.WritesToDatabricks()), string(kind))
	}
}
