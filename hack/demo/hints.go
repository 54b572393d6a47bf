package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// hint is a command and what it shows.
type hint struct{ command, about string }

// printHints prints how to use the running programs.
func (d *demo) printHints(added existing) {
	d.screen.section("Try it", "the programs run until Ctrl-C; in another terminal:")
	d.screen.line("\n  %s", d.screen.bold("export KUBECONFIG="+d.environment.kubeconfig()))
	if _, err := exec.LookPath("kubectl"); err != nil {
		if built, err := filepath.Abs(filepath.Join(d.settings.bin, "k8s", "kubectl")); err == nil {
			d.screen.line("  alias kubectl=%s", built)
		}
	}
	name := d.clusters()[0].GetName()
	for _, hint := range []hint{
		{"kubectl get dbc -o wide", "all objects"},
		{"kubectl describe dbc " + name, "status, conditions and events of one object"},
		{"kubectl explain dbc.spec", "every field, explained"},
		{"kubectl scale dbc " + name + " --replicas=3", "a resize, without a restart"},
		{"kubectl delete dbc " + name, "deletes the cluster, then the object"},
		{"tail -f " + d.environment.operator.Log.Path(), "the operator's log"},
		{"curl --cacert " + d.environment.simulator.CAFile + " " + d.environment.simulator.URL + simulator.ControlPath, "the simulator's control API"},
	} {
		d.printHint(hint)
	}
	d.printPluginHints(added)
	note := fmt.Sprintf("The workspace runs %g times faster than a real one, so idle clusters terminate soon.", d.settings.timeScale)
	d.screen.line("\n  %s", d.screen.dim(note))
}

func (d *demo) printHint(h hint) {
	d.screen.line("\n  %s\n  %s", d.screen.dim("# "+h.about), h.command)
}

// printPluginHints prints how to use the kubectl plugin, if it was built.
func (d *demo) printPluginHints(added existing) {
	directory, err := filepath.Abs(d.settings.bin)
	if err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(directory, "kubectl-dbc")); err != nil {
		return
	}
	d.screen.line("\n  %s", d.screen.dim("# the plugin: kubectl finds it in PATH, and it reads the workspace with your own credential"))
	for _, line := range []string{
		"PATH=" + directory + ":$PATH", "DATABRICKS_HOST=" + d.environment.simulator.URL, "DATABRICKS_TOKEN=" + simulator.DefaultToken,
		"KUBECTL_DBC_CA_FILE=" + d.environment.simulator.CAFile,
	} {
		d.screen.line("  %s", d.screen.bold("export "+line))
	}
	for _, hint := range []hint{
		{"kubectl dbc doctor etl", "why is it not Ready?"},
		{"kubectl dbc tree etl", "what belongs to an object"},
		{"kubectl dbc start etl --wait", "a request, and its answer"},
		{"kubectl dbc import " + added.foreign, "the manifest of a cluster that another user created"},
		{"kubectl dbc import --all -o clusters/ && kubectl dbc diff -f clusters/", "applying it changes nothing"},
		{"kubectl dbc diff etl policy/small-jobs pool/small", "what the operator would do for existing objects"},
		{"kubectl dbc orphans " + added.orphan + " --adopt", "a cluster whose object is lost"},
	} {
		d.printHint(hint)
	}
}
