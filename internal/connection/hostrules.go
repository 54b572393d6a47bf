package connection

import (
	"fmt"
	"path"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// HostRules narrow the hosts that the credentials of a namespace may name. A namespace
// that no rule matches may use every host that the operator may reach. DatabricksWorkspaces
// are not concerned, because they name the namespaces that may use them.
type HostRules []hostRule

// hostRule allows hosts to the namespaces of a pattern.
type hostRule struct {
	pattern string
	hosts   databricks.AllowList
}

// ParseHostRules parses the values of --namespace-hosts: a pattern of namespaces, in which
// an asterisk stands for any characters, and a host in the forms of --allowed-hosts, such
// as team-a-*=https://adb-1.2.azuredatabricks.net.
func ParseHostRules(values []string) (HostRules, error) {
	var rules HostRules
	for _, value := range values {
		pattern, host, _ := strings.Cut(value, "=")
		if pattern == "" || host == "" {
			return nil, fmt.Errorf("--namespace-hosts %q: it has the form namespace=host, such as team-a-*=https://adb-1.2.azuredatabricks.net", value)
		}
		if strings.Trim(pattern, "abcdefghijklmnopqrstuvwxyz0123456789-*") != "" {
			return nil, fmt.Errorf("--namespace-hosts %q: %q is not the name of a namespace with asterisks", value, pattern)
		}
		hosts, err := databricks.ParseHosts([]string{host})
		if err != nil {
			return nil, fmt.Errorf("--namespace-hosts %q: %w", value, err)
		}
		rules = append(rules, hostRule{pattern, hosts})
	}
	return rules, nil
}

// Refusal returns why objects of a namespace may not use the host of a config; empty: they
// may. It is for programs that explain the rules without a Resolver.
func (r HostRules) Refusal(namespace string, config databricks.Config) string {
	if blocked := r.check(namespace, config); blocked != nil {
		return blocked.Message
	}
	return ""
}

// check returns why objects of a namespace may not use the host of a config, or nil.
func (r HostRules) check(namespace string, config databricks.Config) *Blocked {
	isNarrowed := false
	for _, rule := range r {
		// A pattern of letters and asterisks is never malformed.
		if matches, _ := path.Match(rule.pattern, namespace); !matches {
			continue
		}
		if rule.hosts.Allows(config) {
			return nil
		}
		isNarrowed = true
	}
	if !isNarrowed {
		return nil
	}
	return misconfigured("host %s is not allowed in namespace %s: use a host that the operator's --namespace-hosts names for it, "+
		"or ask its administrator to add this one", config.Host(), namespace)
}
