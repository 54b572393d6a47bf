package crds

import (
	"reflect"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// schema is the part of an OpenAPI schema that names fields.
type schema struct {
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	GroupVersionKinds    []struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
	} `json:"x-kubernetes-group-version-kind"`
}

// document is the part of an OpenAPI document that has the schemas.
type document struct {
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

// ownTypes is the package of the types whose fields are compared.
var ownTypes = reflect.TypeFor[v1alpha1.DatabricksCluster]().PkgPath()

// missingIn returns the paths of the fields of a kind that its schema lacks. A kind without
// a schema lacks itself.
func missingIn(published document, kind string, of reflect.Type) []string {
	for _, candidate := range published.Components.Schemas {
		for _, gvk := range candidate.GroupVersionKinds {
			if gvk.Kind == kind && gvk.Group == v1alpha1.GroupName {
				return lacking(&candidate, of, kind)
			}
		}
	}
	return []string{kind}
}

// lacking returns the paths below path of the fields of a type that a schema lacks.
func lacking(have *schema, of reflect.Type, path string) []string {
	switch {
	case of.Kind() == reflect.Pointer:
		return lacking(have, of.Elem(), path)
	case of.Kind() == reflect.Slice && have.Items != nil:
		return lacking(have.Items, of.Elem(), path)
	case of.Kind() == reflect.Map && have.AdditionalProperties != nil:
		return lacking(have.AdditionalProperties, of.Elem(), path)
	case of.Kind() != reflect.Struct || of.PkgPath() != ownTypes:
		return nil
	}
	var missing []string
	for field := range of.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, there := have.Properties[name]
		switch {
		case strings.Contains(options, "inline"):
			missing = append(missing, lacking(have, field.Type, path)...)
		case name == "" || name == "-" || name == "metadata":
		case !there:
			missing = append(missing, path+"."+name)
		default:
			missing = append(missing, lacking(&property, field.Type, path+"."+name)...)
		}
	}
	return missing
}
