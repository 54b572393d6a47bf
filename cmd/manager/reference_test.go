package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/flags.md anew")

const introduction = "# Flags of the manager\n\n" +
	"This page is generated from the flags themselves, which `manager --help` prints. In the Helm chart most of them are\n" +
	"[values](../charts/databricks-operator/values.yaml); with kustomize they are arguments of the\n" +
	"[Deployment](install.md#kustomize). Durations are numbers with a unit, such as `30s` or `4m30s`.\n\n" +
	"| flag | default | meaning |\n|---|---|---|\n"

func TestTheReferenceIsUpToDate(t *testing.T) {
	// Some defaults come from the pod.
	t.Setenv("POD_NAMESPACE", "")
	t.Setenv("POD_SERVICE_ACCOUNT", "")
	g := NewWithT(t)
	var text strings.Builder
	text.WriteString(introduction)
	new(options).flagSet().VisitAll(func(f *pflag.Flag) {
		value := f.DefValue
		if value == "" || value == "[]" {
			value = "none"
		} else {
			value = "`" + strings.Trim(value, "[]") + "`"
		}
		meaning := strings.ReplaceAll(strings.Join(strings.Fields(f.Usage), " "), "|", `\|`)
		fmt.Fprintf(&text, "| `--%s` | %s | %s |\n", f.Name, value, meaning)
	})
	file := filepath.Join("..", "..", "docs", "flags.md")
	if *update {
		g.Expect(os.WriteFile(file, []byte(text.String()), 0o600)).To(Succeed())
	}
	written, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(written)).To(Equal(text.String()), "docs/flags.md is stale: go test ./cmd/manager -run Reference -update")
}
