package admission

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// Every rule of the schema is tested: a rule that rejects nothing in any test
// may be ineffective.
func TestEveryRuleOfTheSchemaIsTested(t *testing.T) {
	proven := []string{stays, ofOwn}
	for _, rule := range allRules() {
		for _, rejection := range rule.rejected {
			proven = append(proven, rejection.causes...)
		}
	}
	said := strings.Join(proven, "\n")

	var messages []string
	for _, definition := range manifests(t, filepath.Join(definitions, "compute.databricks-operator.io_databricksclusters.yaml")) {
		messages = append(messages, ruleMessages(definition.Object)...)
	}
	g := NewWithT(t)
	g.Expect(messages).NotTo(BeEmpty())
	for _, message := range messages {
		g.Expect(said).To(ContainSubstring(message))
	}
}

// ruleMessages returns the messages of all rules below a node of a CRD.
func ruleMessages(node any) []string {
	var messages []string
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			if rules, ok := value.([]any); ok && key == "x-kubernetes-validations" {
				for _, rule := range rules {
					messages = append(messages, rule.(map[string]any)["message"].(string))
				}
				continue
			}
			messages = append(messages, ruleMessages(value)...)
		}
	case []any:
		for _, value := range node {
			messages = append(messages, ruleMessages(value)...)
		}
	}
	return messages
}
