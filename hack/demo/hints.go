package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// tellHints says how to reach what stays up, and what to try.
func (d *demo) tellHints() {
	d.screen.section("Yours", "it stays up until Ctrl-C; in another terminal:")
	d.screen.line("\n  %s", d.screen.bold("export KUBECONFIG="+d.world.kubeconfig()))
	if _, err := exec.LookPath("kubectl"); err != nil {
		if built, err := filepath.Abs(filepath.Join(d.settings.bin, "k8s", "kubectl")); err == nil {
			d.screen.line("  alias kubectl=%s", built)
		}
	}
	name := d.clusters()[0].GetName()
	for _, hint := range []struct{ command, about string }{
		{"kubectl get dbc -o wide", "what there is"},
		{"kubectl describe dbc " + name, "status, conditions and events of one"},
		{"kubectl explain dbc.spec", "every field, explained"},
		{"kubectl scale dbc " + name + " --replicas=3", "a resize, without a restart"},
		{"kubectl delete dbc " + name, "the cluster goes, then the object"},
		{"tail -f " + d.world.operator.Log.Path(), "what the operator does"},
		{"curl --cacert " + d.world.simulator.CAFile + " " + d.world.simulator.URL + simulator.ControlPath, "how to look into the workspace, and make it fail"},
	} {
		d.screen.line("\n  %s\n  %s", d.screen.dim("# "+hint.about), hint.command)
	}
	soon := fmt.Sprintf("The workspace is %g times as fast as life: idle clusters end after their autoterminationMinutes, soon.", d.settings.timeScale)
	d.screen.line("\n  %s", d.screen.dim(soon))
}
