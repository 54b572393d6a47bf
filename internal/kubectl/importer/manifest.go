package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Stream returns all manifests as one YAML stream.
func (r Result) Stream() ([]byte, error) {
	var out bytes.Buffer
	for i, object := range r.Objects {
		manifest, err := object.Manifest(r.Host)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(manifest)
	}
	return out.Bytes(), nil
}

// Manifest returns the manifest of the object as YAML. Comments before it have the cluster,
// the Secrets to create, and what the manifest leaves to the cluster.
func (o Object) Manifest(host string) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", comment(fmt.Sprintf("%s %q of %s.", nouns[o.Kind], o.Title, host)))
	if len(o.Secrets) > 0 {
		out.WriteString("#\n# Before you apply it, create:\n")
		for _, secret := range o.Secrets {
			fmt.Fprintf(&out, "#   - Secret %s, key%s %s (for %s):\n", secret.Name, plural(secret.Keys), strings.Join(secret.Keys, " and "), secret.Path)
			for _, line := range secret.Commands() {
				fmt.Fprintf(&out, "#       %s\n", line)
			}
		}
	}
	if len(o.Notes) > 0 {
		out.WriteString("#\n# Not claimed:\n")
		for _, note := range o.Notes {
			fmt.Fprintf(&out, "#   - %s: %s\n", comment(note.Path), comment(note.Text))
		}
	}
	metadata := map[string]any{"name": o.Resource.GetName()}
	if namespace := o.Resource.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	if annotations := o.Resource.GetAnnotations(); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	spec, err := specOf(o.Resource)
	if err != nil {
		return nil, err
	}
	body, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": o.Resource.GetObjectKind().GroupVersionKind().Kind, "metadata": metadata, "spec": spec,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of %s: %w", o.Resource.GetName(), err)
	}
	out.Write(body)
	return out.Bytes(), nil
}

var nouns = map[Kind]string{Clusters: "Cluster", Policies: "Cluster policy", Pools: "Instance pool"}

// specOf returns the specification of an object.
func specOf(resource managed.Resource) (json.RawMessage, error) {
	raw, err := json.Marshal(resource)
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of %s: %w", resource.GetName(), err)
	}
	var members struct {
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("decode the manifest of %s: %w", resource.GetName(), err)
	}
	return members.Spec, nil
}

// Commands returns the commands that create the Secret, with placeholders for its values.
func (s Secret) Commands() []string {
	create := fmt.Sprintf("kubectl create secret generic %s --from-literal=%s=...", s.Name, strings.Join(s.Keys, "=... --from-literal="))
	return []string{create, fmt.Sprintf("kubectl label secret %s %s=%s", s.Name, v1alpha1.LabelUse, s.Use)}
}

func plural(items []string) string {
	if len(items) == 1 {
		return ""
	}
	return "s"
}

// comment returns a text without line breaks and control characters, which would end a
// comment.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
