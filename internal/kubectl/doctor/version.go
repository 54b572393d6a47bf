package doctor

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Installed is an installed operator.
type Installed struct {
	// Name is its Deployment as namespace/name.
	Name string `json:"name"`
	// Version is the tag of its image; empty: the image has none.
	Version string `json:"version,omitempty"`
}

// InstalledOperators returns the operators of a control plane, as far as the user may see
// them.
func InstalledOperators(ctx context.Context, kube client.Client) ([]Installed, error) {
	d := Doctor{Kube: kube}
	found := d.findOperators(ctx)
	if found.err != nil {
		return nil, found.err
	}
	all := make([]Installed, 0, len(found.found))
	for _, o := range found.found {
		installed := Installed{Name: o.name()}
		for _, container := range o.deployment.Spec.Template.Spec.Containers {
			image, _, _ := strings.Cut(container.Image, "@")
			// A colon before the last slash belongs to a port.
			if _, tag, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":"); tagged && container.Name == "manager" {
				installed.Version = tag
			}
		}
		all = append(all, installed)
	}
	return all, nil
}
