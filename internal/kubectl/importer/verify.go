package importer

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// verify completes the object and leaves out what would not survive: values that the
// operator would see as a difference, because the server keeps another value than the
// requested one, and values that the resource refuses.
func (d *draft) verify(object *v1alpha1.DatabricksCluster, cluster databricks.Cluster, options Options) error {
	d.fields["clusterID"] = cluster.Details.ClusterId
	if options.Connection != nil {
		d.fields["connection"] = options.Connection
	}
	if options.Management != "" {
		d.fields["managementPolicy"] = options.Management
	}
	// Each round leaves out at least one value.
	for rounds := countValues(d.fields) + 1; rounds > 0; rounds-- {
		left, err := d.leaveOut(object, cluster)
		if err != nil {
			return err
		}
		if !left {
			return nil
		}
	}
	return fmt.Errorf("no part of its specification fits the resource")
}

// leaveOut leaves out what does not survive now, and reports whether there was anything.
func (d *draft) leaveOut(object *v1alpha1.DatabricksCluster, cluster databricks.Cluster) (bool, error) {
	spec, err := d.typed()
	if err != nil {
		return false, err
	}
	object.Spec = spec
	refused, err := refusals(Clusters, object)
	if err != nil {
		return false, err
	}
	for _, refusal := range refused {
		if path := refusal.path; d.has(path) && !isOwn(path[0]) {
			remove(d.fields, path)
			d.note(pointer(path), "this resource refuses the value (%s); the cluster keeps it", refusal.message)
			return true, nil
		}
	}
	if len(refused) > 0 {
		return false, fmt.Errorf("this resource refuses it: %s", refused[0].message)
	}
	desired, err := drift.Desired(d.resolved(spec), drift.Secrets{})
	if err != nil {
		return false, err
	}
	observed, err := drift.Observe(cluster.Details, cluster.Spec)
	if err != nil {
		return false, err
	}
	found := drift.Compare(desired, observed)
	left := false
	for _, difference := range append(found.Differences, found.Normalized...) {
		path := d.declaring(parse(difference.SpecPath()))
		if path == nil {
			return false, fmt.Errorf("the operator would change %s", difference.SpecPath())
		}
		remove(d.fields, path)
		left = true
		text := "another value than the requested one is in effect; the cluster keeps it"
		if !difference.Secret() {
			text = fmt.Sprintf("%s was requested and %s is in effect; the cluster keeps it", shown(difference.Requested), shown(difference.Actual))
		}
		d.note(pointer(path), "%s", text)
	}
	return left, nil
}

// resolved returns a specification with the ids in place of the references, by which the
// operator compares it.
func (d *draft) resolved(spec v1alpha1.DatabricksClusterSpec) *v1alpha1.ClusterSpec {
	if spec.PolicyName != "" || spec.PolicyRef != nil {
		spec.PolicyID = d.referred["policyID"]
	}
	if spec.InstancePoolName != "" || spec.InstancePoolRef != nil {
		spec.InstancePoolID = d.referred["instancePoolID"]
	}
	if spec.DriverInstancePoolName != "" || spec.DriverInstancePoolRef != nil {
		spec.DriverInstancePoolID = d.referred["driverInstancePoolID"]
	}
	return &spec.ClusterSpec
}

// declaring returns the path of the value that declares a path, which may be a part of it
// or a field that implies it; nil: none does.
func (d *draft) declaring(path []string) []string {
	for _, candidate := range [][]string{path, path[:1], {"isSingleNode"}} {
		if d.has(candidate) && (candidate[0] == path[0] || path[0] == "numWorkers") {
			return candidate
		}
	}
	return nil
}

// isOwn reports whether a field is the operator's own, without which there is no manifest.
func isOwn(field string) bool {
	return field == "clusterID" || field == "connection" || field == "managementPolicy"
}

func pointer(path []string) string {
	parts := make([]string, len(path))
	for i, name := range path {
		parts[i] = escaped(name)
	}
	return "/" + strings.Join(parts, "/")
}

func parse(pointer string) []string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// shown returns a value for a note.
func shown(value any) string {
	const longest = 60
	text := fmt.Sprint(value)
	if value == nil {
		text = "nothing"
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return cmp.Or(text, `""`)
}

func countValues(members map[string]any) int {
	count := 0
	for _, value := range members {
		count++
		if inner, isObject := value.(map[string]any); isObject {
			count += countValues(inner)
		}
	}
	return count
}
