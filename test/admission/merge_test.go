package admission

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// apply applies a spec as one of several field owners.
func apply(t *testing.T, owner, name, spec string) (*unstructured.Unstructured, error) {
	t.Helper()
	wanted := object(name, changedSpec(t, `{}`, spec))
	err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner(owner))
	return wanted, err
}

// Two field owners of one object, such as a platform team's GitOps and a data
// team's: sets are merged, maps are merged by key, atomic fields have one
// owner.
func TestTwoOwnersMergeByTheDeclaredTypes(t *testing.T) {
	g := NewWithT(t)
	createObject(t, "merged", changedSpec(t, minimalSpec, `{}`))

	_, err := apply(t, "platform", "merged", `{
		libraries: [{pypi: {package: a==1}}], sshPublicKeys: [key-a], customTags: {a: x},
		initScripts: [{volumes: {destination: /Volumes/a.sh}}], accessControlList: [{groupName: a, permissionLevel: CAN_RESTART}],
		awsAttributes: {firstOnDemand: 1}, connection: {secretRef: {name: a}}}`)
	g.Expect(err).NotTo(HaveOccurred())

	merged, err := apply(t, "data", "merged", `{
		sshPublicKeys: [key-b], customTags: {b: x},
		awsAttributes: {zoneID: auto}}`)
	g.Expect(err).NotTo(HaveOccurred())
	spec := merged.Object["spec"].(map[string]any)
	g.Expect(spec["libraries"]).To(HaveLen(1))
	g.Expect(spec["sshPublicKeys"]).To(ConsistOf("key-a", "key-b"))
	g.Expect(spec["customTags"]).To(Equal(map[string]any{"a": "x", "b": "x"}))
	g.Expect(spec["awsAttributes"]).To(Equal(map[string]any{"firstOnDemand": int64(1), "zoneID": "auto"}))

	// A field that an owner stops applying is removed, unless another owner
	// applies it, too.
	merged, err = apply(t, "platform", "merged", `{customTags: {a: x}}`)
	g.Expect(err).NotTo(HaveOccurred())
	spec = merged.Object["spec"].(map[string]any)
	g.Expect(spec).NotTo(HaveKey("libraries"))
	g.Expect(spec["sshPublicKeys"]).To(ConsistOf("key-b"))
	g.Expect(spec).NotTo(HaveKey("initScripts"))
}

func TestAtomicFieldsBelongToOneOwner(t *testing.T) {
	for field, wishes := range map[string][2]string{
		// Not a set: the API server cannot apply sets of objects.
		"libraries":                 {`[{pypi: {package: a==1}}]`, `[{jar: /Volumes/b.jar}]`},
		"initScripts":               {`[{volumes: {destination: /Volumes/a.sh}}]`, `[{volumes: {destination: /Volumes/b.sh}}]`},
		"accessControlList":         {`[{groupName: a, permissionLevel: CAN_RESTART}]`, `[{groupName: b, permissionLevel: CAN_RESTART}]`},
		"autoscale":                 {`{minWorkers: 1, maxWorkers: 2}`, `{minWorkers: 1, maxWorkers: 3}`},
		"clusterLogConf":            {`{dbfs: {destination: "dbfs:/a"}}`, `{volumes: {destination: /Volumes/b}}`},
		"connection":                {`{secretRef: {name: a}}`, `{workspaceRef: {name: b}}`},
		"workerNodeTypeFlexibility": {`{alternateNodeTypeIDs: [a]}`, `{alternateNodeTypeIDs: [b]}`},
	} {
		t.Run(field, func(t *testing.T) {
			g := NewWithT(t)
			name := "atomic-" + strings.ToLower(field)
			createObject(t, name, changedSpec(t, minimalSpec, `{numWorkers: null, policyID: 9C6308F703005DF2}`))
			_, err := apply(t, "platform", name, `{`+field+`: `+wishes[0]+`}`)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = apply(t, "data", name, `{`+field+`: `+wishes[1]+`}`)
			g.Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		})
	}
}
