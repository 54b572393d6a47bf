package plan

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhichStepsChangeTheWorkspace(t *testing.T) {
	writes := map[StepKind]bool{}
	for _, step := range []Step{
		Create{},
		Start{},
		Restart{},
		Resize{},
		Update{},
		Terminate{},
		PermanentDelete{},
		Pin{},
		Unpin{},
		SetPermissions{},
		EnforceCompliance{},
		InstallLibraries{},
		UninstallLibraries{},
	} {
		writes[KindOf(step)] = true
	}
	for _, step := range []Step{
		nil, AddFinalizer{}, RemoveFinalizer{}, StoreClusterID{}, PersistOwnership{}, PersistLibraries{}, AcknowledgeRequest{}, Publish{}, ReadSpec{},
	} {
		writes[KindOf(step)] = false
	}
	for kind, want := range writes {
		t.Run(string(kind), func(t *testing.T) {
			NewWithT(t).Expect(kind.WritesToDatabricks()).To(Equal(want))
		})
	}
}

func TestTheKindsOfSteps(t *testing.T) {
	g := NewWithT(t)
	g.Expect(StepKinds()).To(Equal([]StepKind{
		"AcknowledgeRequest", "AddFinalizer", "Create", "EnforceCompliance", "InstallLibraries", "PermanentDelete", "PersistLibraries",
		"PersistOwnership", "Pin", "Publish", "ReadSpec", "RemoveFinalizer", "Resize", "Restart", "SetPermissions", "Start", "StoreClusterID",
		"Terminate", "UninstallLibraries", "Unpin", "Update",
	}))
	g.Expect(KindOf(nil)).To(Equal(StepNone))
}
