package drift

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "write config/admission/preview.yaml")

// restarting returns the fields of a spec of which a change restarts a running cluster:
// all rows of the table that are no size, and the names and selectors in place of ids.
func restarting() []string {
	var names []string
	for _, f := range fields {
		if !f.size {
			names = append(names, strings.TrimPrefix(SpecPointer([]string{f.Name}), "/"))
		}
	}
	for field := range reflect.TypeFor[v1alpha1.ReferenceSpec]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// preview returns the manifest of the policies that preview the effect of a write.
func preview() string {
	var changed []string
	for _, name := range restarting() {
		changed = append(changed, fmt.Sprintf(
			"(has(object.spec.%[1]s) == has(oldObject.spec.%[1]s)\n      && (!has(object.spec.%[1]s) || object.spec.%[1]s == oldObject.spec.%[1]s) ? [] : ['%[1]s'])", name))
	}
	return strings.Replace(previewPolicies, "CHANGED", strings.Join(changed, "\n      + "), 1)
}

const previewPolicies = `# Warns before a write restarts a running cluster, deletes one or stops one, so that
# kubectl apply --dry-run=server is a preview. Nothing is refused. The fields are those of
# the table in internal/drift/fields.go; make manifests generates this file.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: preview-restart
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - apiGroups: [compute.databricks-operator.io]
      apiVersions: ["*"]
      resources: [databricksclusters]
      operations: [UPDATE]
  matchConditions:
  - name: running
    expression: >-
      has(oldObject.status) && has(oldObject.status.state) && has(oldObject.status.clusterID)
      && oldObject.status.state in ['RUNNING', 'RESIZING']
  - name: managed
    expression: >-
      !has(object.metadata.deletionTimestamp) && !(has(object.spec.suspend) && object.spec.suspend)
      && !(has(object.spec.managementPolicy) && object.spec.managementPolicy == 'Observe')
  - name: at-once
    expression: >-
      !has(object.spec.updateStrategy) || !has(object.spec.updateStrategy.type) || object.spec.updateStrategy.type == 'Restart'
  variables:
  - name: changed
    expression: >-
      CHANGED
  validations:
  - expression: size(variables.changed) == 0
    messageExpression: >-
      'this restarts the ' + oldObject.status.state + ' cluster ' + oldObject.status.clusterID + ': ' + variables.changed.join(', ')
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: preview-restart
spec:
  policyName: preview-restart
  validationActions: [Warn]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: preview-deletion
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - apiGroups: [compute.databricks-operator.io]
      apiVersions: ["*"]
      resources: [databricksclusters]
      operations: [DELETE]
  matchConditions:
  - name: has-cluster
    expression: >-
      has(oldObject.status) && has(oldObject.status.clusterID) && has(oldObject.status.host) && has(oldObject.status.state)
  - name: managed
    expression: >-
      !(has(oldObject.spec.managementPolicy) && oldObject.spec.managementPolicy == 'Observe')
  variables:
  - name: policy
    expression: >-
      has(oldObject.spec.deletionPolicy) ? oldObject.spec.deletionPolicy : has(oldObject.spec.clusterID) ? 'Retain' : 'Delete'
  - name: cluster
    expression: >-
      'cluster ' + oldObject.status.clusterID + ' (' + oldObject.status.state + ') in ' + oldObject.status.host
  validations:
  - expression: variables.policy == 'Retain'
    messageExpression: >-
      variables.policy == 'Delete' ? 'this deletes ' + variables.cluster + ' for good' : 'this terminates ' + variables.cluster
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: preview-deletion
spec:
  policyName: preview-deletion
  validationActions: [Warn]
---
# The same for policies and instance pools, which clusters may use.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: preview-removal
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - apiGroups: [compute.databricks-operator.io]
      apiVersions: ["*"]
      resources: [databricksclusterpolicies, databricksinstancepools]
      operations: [DELETE]
  matchConditions:
  - name: bound
    expression: has(oldObject.status) && has(oldObject.status.host)
  - name: managed
    expression: >-
      !(has(oldObject.spec.managementPolicy) && oldObject.spec.managementPolicy == 'Observe')
  variables:
  - name: adopted
    expression: >-
      has(oldObject.spec.policyID) || has(oldObject.spec.poolID) || has(oldObject.status.adopted) && oldObject.status.adopted
  - name: policy
    expression: >-
      has(oldObject.spec.deletionPolicy) ? oldObject.spec.deletionPolicy : variables.adopted ? 'Retain' : 'Delete'
  - name: remote
    expression: >-
      has(oldObject.status.policyID) ? 'policy ' + oldObject.status.policyID
      : has(oldObject.status.poolID) ? 'instance pool ' + oldObject.status.poolID : ''
  - name: used
    expression: >-
      has(oldObject.status.stats) && has(oldObject.status.stats.used) && oldObject.status.stats.used > 0
      ? ', of which clusters use ' + string(oldObject.status.stats.used) + ' instances' : ''
  validations:
  - expression: variables.policy == 'Retain' || variables.remote == ''
    messageExpression: >-
      'this deletes ' + variables.remote + ' in ' + oldObject.status.host + variables.used
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: preview-removal
spec:
  policyName: preview-removal
  validationActions: [Warn]
---
# Warns of annotations of the operator's group that the operator does not know, because an
# annotation with a typing error has no effect.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: preview-annotation
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - apiGroups: [compute.databricks-operator.io]
      apiVersions: ["*"]
      resources: [databricksclusters, databricksclusterpolicies, databricksinstancepools, databricksworkspaces]
      operations: [CREATE, UPDATE]
  matchConditions:
  - name: annotated
    expression: has(object.metadata.annotations)
  variables:
  - name: unknown
    expression: >-
      object.metadata.annotations.filter(name, name.startsWith('compute.databricks-operator.io/')
      && !(name in ['compute.databricks-operator.io/request', 'compute.databricks-operator.io/take-over',
      'compute.databricks-operator.io/confirm-deletion']))
  validations:
  - expression: size(variables.unknown) == 0
    messageExpression: >-
      'the operator does not know the annotation ' + variables.unknown[0] + ': it knows request, take-over and confirm-deletion'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: preview-annotation
spec:
  policyName: preview-annotation
  validationActions: [Warn]
`

func TestTheReferenceIsUpToDate(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join("..", "..", "config", "admission", "preview.yaml")
	if *update {
		g.Expect(os.WriteFile(file, []byte(preview()), 0o600)).To(Succeed())
	}
	written, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(written)).To(Equal(preview()), "config/admission/preview.yaml is stale: make manifests")
	g.Expect(restarting()).To(ContainElements("sparkConf", "nodeTypeID", "useMLRuntime", "policyName", "driverNodeTypeSelector"))
	g.Expect(restarting()).NotTo(ContainElements("numWorkers", "autoscale"))
}
