package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// printHints prints how to use the running programs.
func (d *demo) printHints() {
	d.screen.section("Try it", "the programs run until Ctrl-C; in another terminal:")
	d.screen.line("\n  %s", d.screen.bold("export KUBECONFIG="+d.environment.kubeconfig()))
	if _, err := exec.LookPath("kubectl"); err != nil {
		if built, err := filepath.Abs(filepath.Join(d.settings.bin, "k8s", "kubectl")); err == nil {
			d.screen.line("  alias kubectl=%s", built)
		}
	}
	name := d.clusters()[0].GetName()
	for _, hint := range []struct{ command, about string }{
		{"kubectl get dbc -o wide", "all objects"},
		{"kubectl describe dbc " + name, "status, conditions and events of one object"},
		{"kubectl explain dbc.spec", "every field, explained"},
		{"kubectl scale dbc " + name + " --replicas=3", "a resize, without a restart"},
		{"kubectl delete dbc " + name, "deletes the cluster, then the object"},
		{"tail -f " + d.environment.operator.Log.Path(), "the operator's log"},
		{"curl --cacert " + d.environment.simulator.CAFile + " " + d.environment.simulator.URL + simulator.ControlPath, "the simulator's control API"},
	} {
		d.screen.line("\n  %s\n  %s", d.screen.dim("# "+hint.about), hint.command)
	}
	note := fmt.Sprintf("The workspace runs %g times faster than a real one, so idle clusters terminate soon.", d.settings.timeScale)
	d.screen.line("\n  %s", d.screen.dim(note))
}
