package drift

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// byReference returns the field that is sent for a reference to a Secret, or "".
func byReference(path string) string {
	for _, f := range fields {
		if secret := strings.Join(f.Path(f.Secret), "."); f.SecretRef && path == secret+"_secret_ref" {
			return secret
		}
	}
	return ""
}

// wireName returns the name that the API has for a field of the resource.
func wireName(name string) string { return table.WirePath("/" + name)[0] }

// jsonFields returns the fields of a struct by their JSON names.
func jsonFields(of reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range of.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = field.Type
		}
	}
	return fields
}

func element(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	return of
}

// wirePaths returns the paths of all fields of a struct of the resource, with the
// names of the Clusters API.
func wirePaths(of reflect.Type, above string) []string {
	var paths []string
	for name, kind := range jsonFields(of) {
		path := above + wireName(name)
		paths = append(paths, path)
		if inner := element(kind); inner.Kind() == reflect.Struct && byReference(path) == "" {
			paths = append(paths, wirePaths(inner, path+".")...)
		}
	}
	return paths
}

// knownAt reports whether a type of the SDK has a field at a path.
func knownAt(of reflect.Type, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		next, ok := jsonFields(element(of))[name]
		if !ok {
			return false
		}
		of = next
	}
	return true
}

func TestEveryFieldOfTheResourceHasARow(t *testing.T) {
	g := NewWithT(t)
	for name := range jsonFields(reflect.TypeFor[v1alpha1.ClusterSpec]()) {
		g.Expect(Names()).To(ContainElement(wireName(name)), "%s: give it a row in fields.go", name)
	}
	g.Expect(Names()).To(HaveLen(len(jsonFields(reflect.TypeFor[v1alpha1.ClusterSpec]()))), "a row without a field of the resource")
	g.Expect(slices.Compact(slices.Sorted(slices.Values(Names())))).To(HaveLen(len(fields)), "one row per field")
}

func TestEveryFieldAtAnyDepthHasTheNameOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	paths := wirePaths(reflect.TypeFor[v1alpha1.ClusterSpec](), "")
	g.Expect(len(paths)).To(BeNumerically(">", 100))
	for _, path := range paths {
		if sent := byReference(path); sent != "" {
			path = sent
		}
		g.Expect(knownAt(reflect.TypeFor[compute.ClusterSpec](), path)).To(BeTrue(), "%s in the spec of GET", path)
		g.Expect(knownAt(reflect.TypeFor[compute.CreateCluster](), path)).To(BeTrue(), "%s in the create request", path)
	}
}

func TestOnlySpecMarksTheFieldsThatGETReturnsInSpecOnly(t *testing.T) {
	g := NewWithT(t)
	shown := jsonFields(reflect.TypeFor[compute.ClusterDetails]())
	for _, f := range fields {
		if f.onlySpec {
			g.Expect(shown).NotTo(HaveKey(f.Name))
		} else {
			g.Expect(shown).To(HaveKey(f.Name))
		}
	}
}

func TestTheKindOfARowFitsTheTypeOfItsField(t *testing.T) {
	g := NewWithT(t)
	types := jsonFields(reflect.TypeFor[compute.ClusterSpec]())
	for _, f := range fields {
		switch types[f.Name].Kind() {
		case reflect.Map:
			g.Expect(f.Kind).To(Equal(diff.FreeMap), f.Name)
		case reflect.Pointer:
			g.Expect(f.Kind).To(Equal(diff.Block), f.Name)
		case reflect.Slice:
			g.Expect(f.Kind).To(BeElementOf(diff.Set, diff.Sequence), f.Name)
		default:
			g.Expect(f.Kind).To(Equal(diff.Scalar), f.Name)
		}
	}
}

func TestTheFieldsThatAResizeChanges(t *testing.T) {
	g := NewWithT(t)
	var sizes []string
	for _, f := range fields {
		if f.size {
			sizes = append(sizes, f.Name)
		}
	}
	g.Expect(sizes).To(ConsistOf("num_workers", "autoscale"))
}

func TestTheFieldsThatKeepTheirValueOnRemoval_case22(t *testing.T) {
	g := NewWithT(t)
	var kept []string
	for _, f := range fields {
		if f.Removal == diff.KeepValue {
			kept = append(kept, f.Name)
		}
	}
	g.Expect(kept).To(ConsistOf("cluster_name", "spark_version", "num_workers", "autoscale", "node_type_id"))
}

func TestTheMembersInTheTableAreThoseOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	for _, f := range fields {
		members := append([]string{f.Zone, f.poolMember, f.rewritten, f.Decimal, f.Secret}, append(f.refusesZero, f.WriteOnly...)...)
		for _, member := range members {
			if member != "" && member != diff.WholeField {
				path := strings.Join(f.Path(member), ".")
				g.Expect(knownAt(reflect.TypeFor[compute.ClusterSpec](), path)).To(BeTrue(), path)
			}
		}
	}
}

func TestTheAPIRefusesZeroForEveryEBSSetting(t *testing.T) {
	g := NewWithT(t)
	aws, _ := rowOf("aws_attributes")
	for name, kind := range jsonFields(reflect.TypeFor[compute.AwsAttributes]()) {
		isSetting := strings.HasPrefix(name, "ebs_volume_") && kind.Kind() == reflect.Int
		g.Expect(slices.Contains(aws.refusesZero, name)).To(Equal(isSetting), name)
	}
}
