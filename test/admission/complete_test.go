package admission

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A rule that nobody has seen refuse anything may be one that never does.
func TestEveryRuleOfTheSchemaIsProven(t *testing.T) {
	proven := []string{stays, ofOwn}
	for _, rule := range allRules() {
		for _, refused := range rule.refused {
			proven = append(proven, refused.causes...)
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

// ruleMessages are what the rules anywhere below a node of a CRD say.
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
