package connection

import (
	"strings"
	"testing"
)

func FuzzParseHostRules(f *testing.F) {
	f.Add("team-a-*=https://adb-1.2.azuredatabricks.net")
	f.Add("*=.cloud.databricks.com")
	f.Add("a=b=c")
	f.Fuzz(func(t *testing.T, value string) {
		rules, err := ParseHostRules([]string{value})
		if err == nil && len(rules) != 1 {
			t.Fatalf("[S14] %q has %d rules", value, len(rules))
		}
		if err != nil && !strings.HasPrefix(err.Error(), "--namespace-hosts ") {
			t.Fatalf("[S14] %q has the error %v", value, err)
		}
	})
}
