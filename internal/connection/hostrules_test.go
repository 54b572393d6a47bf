package connection

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestHostRules(t *testing.T) {
	t.Parallel()
	rules, err := ParseHostRules([]string{
		"team-a=https://adb-1.2.azuredatabricks.net", "team-a=https://adb-3.4.azuredatabricks.net",
		"dev-*=.cloud.databricks.com", "*-prod=https://dbc-prod.cloud.databricks.com",
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for name, tc := range map[string]struct {
		namespace, host string
		allowed         bool
	}{
		"first of two":             {"team-a", "https://adb-1.2.azuredatabricks.net", true},
		"second of two":            {"team-a", "https://adb-3.4.azuredatabricks.net", true},
		"another one":              {"team-a", "https://dbc-prod.cloud.databricks.com", false},
		"a longer name":            {"team-ab", "https://dbc-prod.cloud.databricks.com", true},
		"pattern":                  {"dev-x", "https://dbc-1.cloud.databricks.com", true},
		"pattern, another domain":  {"dev-x", "https://adb-1.2.azuredatabricks.net", false},
		"pattern at the beginning": {"x-prod", "https://dbc-1.cloud.databricks.com", false},
		"two patterns, either":     {"dev-prod", "https://dbc-1.cloud.databricks.com", true},
		"two patterns, none":       {"dev-prod", "https://adb-1.2.azuredatabricks.net", false},
		"no rule":                  {"other", "https://adb-1.2.azuredatabricks.net", true},
	} {
		g := NewWithT(t)
		config, err := databricks.ParseSecret(map[string][]byte{"host": []byte(tc.host), "token": []byte("dapi")})
		g.Expect(err).NotTo(HaveOccurred())
		blocked := rules.check(tc.namespace, config)
		g.Expect(blocked == nil).To(Equal(tc.allowed), name)
		if tc.allowed {
			g.Expect(rules.Refusal(tc.namespace, config)).To(BeEmpty(), name)
		}
		if blocked != nil {
			g.Expect(blocked.Stalled).To(BeTrue())
			g.Expect(rules.Refusal(tc.namespace, config)).To(Equal(blocked.Message), name)
			g.Expect(blocked.Message).To(And(ContainSubstring(tc.host), ContainSubstring(tc.namespace), ContainSubstring("--namespace-hosts")))
		}
	}
	g := NewWithT(t)
	g.Expect(HostRules(nil).check("any", databricks.Config{})).To(BeNil())
}

func TestInvalidHostRules(t *testing.T) {
	t.Parallel()
	for value, problem := range map[string]string{
		"team-a":                         "namespace=host",
		"=https://a.example.com":         "namespace=host",
		"team-a=":                        "namespace=host",
		"Team=https://a.example.com":     `"Team" is not the name`,
		"[a-z]=https://a.example.com":    "is not the name",
		"team-a=a.example.com":           "neither a suffix",
		"team-a=https://a.example.com/x": "has a path",
		"team-a=.com":                    "top-level",
	} {
		_, err := ParseHostRules([]string{value})
		NewWithT(t).Expect(err).To(MatchError(And(HavePrefix("--namespace-hosts "), ContainSubstring(problem), Not(ContainSubstring("--allowed-hosts")))), value)
	}
}
