package histories

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// settled checks the world after a quiet time: every object is as declared or says why
// not, and no cluster is left of a deleted one.
func (w *world) settled() {
	existing, byID := map[string][]simulator.Record{}, map[string][]simulator.Record{}
	for _, found := range w.workspace.Clusters() {
		if found.Exists() {
			existing[found.Owner] = append(existing[found.Owner], found)
			byID[found.ID] = []simulator.Record{found}
		}
	}
	for _, object := range w.server.all() {
		if id := text(object, "spec", "clusterID"); id != "" {
			w.objectSettled(object, byID[id])
		} else {
			owned := existing[ownerTag(object)]
			if named := byID[text(object, "status", "clusterID")]; len(named) == 1 && named[0].Owner != ownerTag(object) {
				owned = append(named, owned...)
			}
			w.objectSettled(object, owned)
			w.adoptionSettled(object)
		}
		delete(existing, ownerTag(object))
	}
	// Clusters of others, and those that an object adopted and retained.
	delete(existing, "")
	delete(existing, foreignOwner)
	for _, owner := range slices.Sorted(maps.Keys(existing)) {
		w.leftover(owner, existing[owner])
	}
}

// objectSettled compares one object with its clusters.
func (w *world) objectSettled(object document, owned []simulator.Record) {
	name := text(object, "metadata", "namespace") + "/" + text(object, "metadata", "name")
	complain := func(format string, arguments ...any) {
		w.checks.violated(fmt.Sprintf("%s %s; conditions %v, status %s", name, fmt.Sprintf(format, arguments...), conditionsOf(object), document{"status": object["status"], "spec": object["spec"]}.json()))
	}
	conditions := conditionsOf(object)
	switch {
	case object.metadata()["deletionTimestamp"] != nil:
		complain("[R11] is still being deleted")
		return
	case object.at("status", "observedGeneration") != object.at("metadata", "generation"):
		complain("[P7] was not evaluated")
		return
	case isSet(object, "spec", "suspend"):
		return
	case conditions["Reconciling"] != "":
		complain("[R12] does not settle")
		return
	case conditions["Stalled"] != "":
		return // it says why not, and retries when the user changes something
	case len(owned) != 1:
		complain("[R2] has %d clusters", len(owned))
		return
	case text(object, "status", "clusterID") != owned[0].ID:
		complain("[R2] does not know its cluster %s", owned[0].ID)
		return
	}
	if differing := differences(object, owned[0]); len(differing) > 0 {
		mayDiffer := strings.HasPrefix(conditions["Synced"], "False")
		if !mayDiffer {
			complain("[R14] says InSync, but %v differ: %v", differing, owned[0].Settings)
		}
	}
	state, ready := owned[0].State, strings.HasPrefix(conditions["Ready"], "True")
	switch run := text(object, "spec", "runPolicy"); {
	case run == "Running" && state != simulator.Running:
		complain("[R13] has runPolicy Running, and its cluster is %s", state)
	case run == "Scheduled" && text(object, "spec", "schedule", "atEnd") != "Leave" && state != simulator.Terminated:
		complain("[R13] is out of its hours, and its cluster is %s", state)
	case run == "Terminated" && state != simulator.Terminated:
		complain("[R13] has runPolicy Terminated, and its cluster is %s", state)
	case !ready && state == simulator.Running:
		complain("[R12] is not Ready, and its cluster runs")
	}
}

// differences returns the declared fields that the cluster does not have.
func differences(object document, cluster simulator.Record) []string {
	var all []string
	if want, ok := object.at("spec", "numWorkers").(float64); ok && fmt.Sprint(cluster.Settings["num_workers"]) != fmt.Sprint(want) {
		all = append(all, "numWorkers")
	}
	if want, ok := object.at("spec", "autoterminationMinutes").(float64); ok && fmt.Sprint(cluster.Settings["autotermination_minutes"]) != fmt.Sprint(want) {
		all = append(all, "autoterminationMinutes")
	}
	for field, setting := range map[string]string{"customTags": "custom_tags", "sparkConf": "spark_conf"} {
		declared, _ := object.at("spec", field).(map[string]any)
		actual, _ := cluster.Settings[setting].(map[string]any)
		for name, want := range declared {
			if fmt.Sprint(actual[name]) != fmt.Sprint(want) {
				all = append(all, field+"."+name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// leftover checks the clusters of an object that does not exist any more.
func (w *world) leftover(tag string, left []simulator.Record) {
	if of := owner.Parse(tag); of.Operator == formerID || w.checks.isForced(of.UID) {
		return // another object of the name may adopt it
	}
	if w.server.isLost(owner.Parse(tag).UID) {
		return // the orphan report names it
	}
	last, known := w.server.lastOf(owner.Parse(tag).UID)
	if !known {
		w.checks.violated(fmt.Sprintf("[R1] a cluster with the owner tag %q of no object", tag))
		return
	}
	switch policy := deletionPolicy(last); policy {
	case "Retain":
	case "Terminate":
		if state := left[0].State; state != simulator.Terminated {
			w.checks.violated(fmt.Sprintf("[R11] deletionPolicy Terminate left a cluster that is %s", state))
		}
	default:
		w.checks.violated(fmt.Sprintf("[R11] a deleted object left its cluster %s", left[0].ID))
	}
}

// conditionsOf returns the conditions of an object: Ready=True is Running, and of
// Reconciling and Stalled only those that are True.
func conditionsOf(object document) map[string]string {
	all := map[string]string{}
	list, _ := object.at("status", "conditions").([]any)
	for _, item := range list {
		condition, _ := item.(map[string]any)
		kind, status := fmt.Sprint(condition["type"]), fmt.Sprint(condition["status"])
		if kind == "Ready" || kind == "Synced" || status == "True" {
			all[kind] = fmt.Sprintf("%s %v", status, condition["reason"])
		}
	}
	return all
}
