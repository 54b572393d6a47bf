package selection

import (
	"fmt"
	"slices"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Reference names an object of the namespace of a specification.
type Reference struct {
	// Kind is the kind of the object, such as DatabricksClusterPolicy.
	Kind string
	Name string
}

// Referent is the state of the object of a reference. Two are equal if they resolve a
// reference alike.
type Referent struct {
	// ID is the id of what the object manages in the workspace; "": nothing yet.
	ID string
	// Host and WorkspaceID are the workspace that the object is bound to; "": it is unknown.
	Host, WorkspaceID string
	// NotReady is why the object is not Ready for its current generation; "": it is Ready.
	NotReady string
}

// References returns the objects that a specification refers to, each once.
func References(spec *v1alpha1.DatabricksClusterSpec) []Reference {
	var all []Reference
	for _, c := range choices {
		if c.kind == "" || c.asked(spec) == "" {
			continue
		}
		if reference := (Reference{Kind: c.kind, Name: c.asked(spec)}); !slices.Contains(all, reference) {
			all = append(all, reference)
		}
	}
	return all
}

// refer resolves a reference. While the object is not Ready, the earlier choice stands.
func refer(in Input, c choice, kept string) (string, *Problem) {
	reference := Reference{Kind: c.kind, Name: c.asked(in.Spec)}
	found, exists := in.Referents[reference]
	waits := fmt.Sprintf("spec.%s waits for %s %q", c.field, reference.Kind, reference.Name)
	switch {
	case !exists:
		return "", &Problem{Kind: NotReady, Message: waits + ", which the operator does not find in this namespace: create it, or correct the name"}
	case found.isOutside(in.Host, in.WorkspaceID):
		return "", &Problem{Kind: OtherWorkspace, Message: fmt.Sprintf(
			"spec.%s: %s %q is in the workspace %s, and this object in %s: refer to one of the same workspace, or correct spec.connection of one of them",
			c.field, reference.Kind, reference.Name, place(found.Host, found.WorkspaceID), place(in.Host, in.WorkspaceID))}
	case found.ID != "" && found.NotReady == "":
		return found.ID, nil
	case found.ID != "" && kept != "":
		return kept, nil
	case found.NotReady == "":
		return "", &Problem{Kind: NotReady, Message: waits + ", which has no id yet"}
	default:
		return "", &Problem{Kind: NotReady, Message: waits + ": " + found.NotReady}
	}
}

// isOutside reports whether an object is bound to another workspace than a given one.
func (r Referent) isOutside(host, workspaceID string) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(r.Host, host) || differ(r.WorkspaceID, workspaceID)
}

// place returns a workspace as messages call it.
func place(host, workspaceID string) string {
	if workspaceID == "" {
		return host
	}
	return fmt.Sprintf("%s (%s)", host, workspaceID)
}

// nameOf returns the name of a reference; "" if it is absent.
func nameOf(reference *v1alpha1.LocalObjectReference) string {
	if reference == nil {
		return ""
	}
	return reference.Name
}
