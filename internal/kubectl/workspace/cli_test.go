package workspace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// databricksCLI stands for the program `databricks`, which the SDK runs for a token of its
// login: it answers from the token cache for one host, or that there is no login.
const databricksCLI = `#!/bin/sh
case "$1 $2" in
"version ") echo "Databricks CLI v0.296.0" ;;
"auth token")
	read -r line < "$HOME/.databricks/token-cache.json" 2>/dev/null || line=""
	if [ -z "$line" ]; then echo "A new access token could not be retrieved because the refresh token is invalid" >&2; exit 1; fi
	echo "$line" ;;
*) exit 2 ;;
esac
exit 0
`

// login installs the program of the CLI with a login of a token; empty: the login has ended.
func (m *machine) login(token string) {
	m.t.Helper()
	if runtime.GOOS == "windows" {
		m.t.Skip("the program is a shell script")
	}
	// The SDK takes a small program for the old CLI, which had no login.
	script := databricksCLI + strings.Repeat("# as large as a program\n", 1<<20/20)
	m.Expect(os.WriteFile(filepath.Join(m.home, "databricks"), []byte(script), 0o700)).To(Succeed())
	m.Expect(os.MkdirAll(filepath.Join(m.home, ".databricks"), 0o700)).To(Succeed())
	content := ""
	if token != "" {
		content = fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expiry":"2099-01-01T00:00:00Z"}`+"\n", token)
	}
	m.Expect(os.WriteFile(filepath.Join(m.home, ".databricks", "token-cache.json"), []byte(content), 0o600)).To(Succeed())
}

// loggedIn writes the profile that `databricks auth login` writes.
func (m *machine) loggedIn() {
	m.t.Helper()
	text := fmt.Sprintf("[DEFAULT]\nhost = %s\nauth_type = databricks-cli\n", m.sim.URL)
	m.Expect(os.WriteFile(filepath.Join(m.home, ".databrickscfg"), []byte(text), 0o600)).To(Succeed())
}

func TestTheLoginOfTheDatabricksCLIIsUsed(t *testing.T) {
	for name, arrange := range map[string]func(m *machine){
		"by the profile": func(m *machine) { m.loggedIn() },
		"by --host":      func(m *machine) { m.options.Host = m.sim.URL },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, simulator.Options{})
			m.login(simulator.DefaultToken)
			arrange(m)
			connected, err := workspace.Connect(t.Context(), m.options)
			m.Expect(err).NotTo(HaveOccurred())
			me, err := connected.Me(t.Context())
			m.Expect(err).NotTo(HaveOccurred())
			m.Expect(me.UserName).To(Equal(simulator.DefaultUser))
		})
	}
}

func TestALoginThatHasEndedIsExplained(t *testing.T) {
	for name, arrange := range map[string]func(m *machine){
		"of the profile":          func(m *machine) { m.login(""); m.loggedIn() },
		"of --host":               func(m *machine) { m.login(""); m.options.Host = m.sim.URL },
		"and there is no program": func(m *machine) { m.loggedIn() },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, simulator.Options{})
			arrange(m)
			_, err := workspace.Connect(t.Context(), m.options)
			m.Expect(err).To(MatchError(ContainSubstring("databricks auth login --host " + m.sim.URL)))
		})
	}
}
