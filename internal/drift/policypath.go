package drift

import (
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// PolicyPath returns a path of the policy language, such as aws_attributes.zone_id or
// spark_conf.spark.speculation, as a path of the Clusters API. The policy language has
// other names below cluster_log_conf, and the path of a list ends at the list.
//
// https://docs.databricks.com/aws/en/admin/clusters/policy-definition
func PolicyPath(path string) []string {
	name, rest, hasRest := strings.Cut(path, ".")
	row, known := rowOf(name)
	switch {
	case !hasRest, !known, name == "cluster_log_conf", row.Kind == diff.Set, row.Kind == diff.Sequence:
		return []string{name}
	case row.Kind == diff.FreeMap:
		return []string{name, rest}
	default:
		return append([]string{name}, strings.Split(rest, ".")...)
	}
}

// Touches reports whether the difference is at a path of the Clusters API, above or below
// it.
func (d Difference) Touches(path []string) bool {
	at := diff.Pointer(path...)
	return strings.HasPrefix(d.Path+"/", at+"/") || strings.HasPrefix(at+"/", d.Path+"/")
}

// MayBeSecret reports whether the value at a path of the Clusters API may be secret and
// must not be shown.
func MayBeSecret(path []string) bool {
	return Difference{Path: diff.Pointer(path...), Field: path[0]}.Secret()
}
