package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

var update = flag.Bool("update", false, "write docs/kubectl-dbc.md anew")

const introduction = "# kubectl dbc\n\n" +
	"The kubectl plugin works with the objects of databricks-operator and with their workspaces. This page is generated from\n" +
	"the commands themselves, which `kubectl dbc COMMAND --help` prints.\n\n" +
	"## Installation\n\n" +
	"An archive of a [release](https://github.com/databricks-operator/databricks-operator/releases) has the program `kubectl-dbc`\n" +
	"for Linux, macOS and Windows: put it into a directory of your `PATH`, and `kubectl dbc` works. With\n" +
	"[krew](https://krew.sigs.k8s.io), install it by the manifest of the release:\n\n" +
	"```sh\nkubectl krew install --manifest-url=https://github.com/databricks-operator/databricks-operator/releases/latest/download/dbc.yaml\n```\n\n" +
	"In a checkout, `make plugin` builds `bin/kubectl-dbc`. For completion, put the script `kubectl_complete-dbc` of the archive into\n" +
	"your `PATH`, too: the completion of kubectl then asks the plugin, also for names of objects.\n\n" +
	"## Two sides\n\n" +
	"- **Kubernetes**: your kubeconfig, with the flags of kubectl: `--context`, `--namespace`, `--as` and the others. The commands work\n" +
	"  with the rights that you have, and say what they could not look at.\n" +
	"- **Databricks**: your own configuration, as for the Databricks CLI: `--profile` and `--host`, the environment\n" +
	"  (`DATABRICKS_HOST`, `DATABRICKS_TOKEN` and the others), `~/.databrickscfg`, or the login of `databricks auth login`, for which\n" +
	"  the program `databricks` must be in your `PATH`. The plugin never uses the operator's credential, except for\n" +
	"  `doctor --use-credential`. It obeys the request limit of the workspace as the operator does.\n\n" +
	"Results go to the standard output, everything else to the standard error. Progress is shown only on a terminal.\n\n" +
	"| flag of all commands that read a workspace | meaning |\n|---|---|\n"

func root() *cobra.Command {
	discard := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &bytes.Buffer{}, ErrOut: &bytes.Buffer{}}
	return NewCommand(Options{Streams: discard, Version: "test"})
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	g := NewWithT(t)
	var text strings.Builder
	text.WriteString(introduction)
	for _, name := range []string{"profile", "host", "databricks-ca-file"} {
		text.WriteString(row(root().PersistentFlags().Lookup(name)))
	}
	for _, command := range root().Commands() {
		text.WriteString(section(command))
	}
	file := filepath.Join("..", "..", "..", "docs", "kubectl-dbc.md")
	if *update {
		g.Expect(os.WriteFile(file, []byte(text.String()), 0o600)).To(Succeed())
	}
	written, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(written)).To(Equal(text.String()), "docs/kubectl-dbc.md is stale: go test ./internal/kubectl/cli -run Reference -update")
}

// section returns the section of a command.
func section(command *cobra.Command) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n## kubectl dbc %s\n\n%s\n\n```sh\n%s\n```\n", command.Name(), paragraphs(command.Long), unindented(command.Example))
	fmt.Fprintf(&text, "\n`kubectl dbc %s`\n", command.Use)
	if command.LocalNonPersistentFlags().HasFlags() {
		text.WriteString("\n| flag | meaning |\n|---|---|\n")
		command.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { text.WriteString(row(f)) })
	}
	return text.String()
}

func row(f *pflag.Flag) string {
	name := "`--" + f.Name + "`"
	if f.Shorthand != "" {
		name = "`-" + f.Shorthand + "`, " + name
	}
	meaning := strings.ReplaceAll(f.Usage, "|", `\|`)
	if value := strings.Trim(f.DefValue, "[]"); value != "" && value != "false" {
		meaning += " (default `" + value + "`)"
	}
	return fmt.Sprintf("| %s | %s |\n", name, meaning)
}

// paragraphs joins the lines of each paragraph, which the help wraps for a terminal. An
// indented one becomes a block of text.
func paragraphs(text string) string {
	all := strings.Split(text, "\n\n")
	for i, paragraph := range all {
		if strings.HasPrefix(paragraph, " ") {
			all[i] = "```text\n" + unindented(paragraph) + "\n```"
		} else {
			all[i] = strings.ReplaceAll(paragraph, "\n", " ")
		}
	}
	return strings.Join(all, "\n\n")
}

func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

func TestEveryCommandIsExplained(t *testing.T) {
	g := NewWithT(t)
	commands := root().Commands()
	g.Expect(len(commands)).To(BeNumerically(">=", 15))
	for _, command := range commands {
		g.Expect(command.Short).NotTo(BeEmpty(), command.Name())
		g.Expect(len("  "+command.UseLine())).To(BeNumerically("<=", 80), command.UseLine())
		g.Expect(command.Example).To(ContainSubstring("kubectl dbc "+command.Name()), command.Name())
		for line := range strings.SplitSeq(command.Long+"\n"+command.Short, "\n") {
			g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), "%s: %s", command.Name(), line)
		}
	}
}

func TestCompletionKnowsCommandsAndValues(t *testing.T) {
	g := NewWithT(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "doc"}, "doctor\t"},
		{[]string{"__complete", "import", "--with", ""}, "libraries\n"},
		{[]string{"__complete", "doctor", "-o", ""}, "yaml\n"},
	} {
		var out bytes.Buffer
		streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &bytes.Buffer{}}
		g.Expect(Run(t.Context(), c.args, Options{Streams: streams, Version: "test"})).To(Equal(0))
		g.Expect(out.String()).To(ContainSubstring(c.want))
	}
}

func TestTextsAreWrapped(t *testing.T) {
	g := NewWithT(t)
	g.Expect(wrapped("- ", "a b")).To(Equal("- a b\n"))
	long := wrapped("  - ", strings.Repeat("word ", 40)+strings.Repeat("x", 100))
	for line := range strings.SplitSeq(long, "\n") {
		if !strings.Contains(line, "xxx") {
			g.Expect(len(line)).To(BeNumerically("<=", 80))
		}
	}
	g.Expect(long).To(ContainSubstring("\n    word"))
	g.Expect(oneLine("a\x1b[31m\nb\u009bc")).To(Equal("a [31m b c"))
}

func TestATableFitsTheTerminal(t *testing.T) {
	g := NewWithT(t)
	rows := [][]string{{"NAMESPACE", "NAME", "NODES"}, {strings.Repeat("n", 63), strings.Repeat("m", 40), "12"}}
	g.Expect(columnWidths(rows, 0)).To(Equal([]int{63, 40, 5}), "in a pipe nothing is cut")
	g.Expect(columnWidths(rows, 200)).To(Equal([]int{63, 40, 5}))
	fitting := columnWidths(rows, 80)
	g.Expect(fitting[0] + fitting[1] + fitting[2] + 2*columnGap).To(Equal(80))
	g.Expect(fitting[2]).To(Equal(5), "the widest are cut")
	g.Expect(columnWidths(rows, 10)).To(Equal([]int{8, 8, 5}))
}

func TestATreeIsWrapped(t *testing.T) {
	g := NewWithT(t)
	root := &node{}
	child := root.add("one two three")
	child.add("four five")
	root.add("six seven")
	var out strings.Builder
	root.write(&out, "", 12)
	g.Expect(out.String()).To(Equal("├─ one two\n│  │  three\n│  └─ four\n│     five\n└─ six seven\n"))
	out.Reset()
	root.write(&out, "", 0)
	g.Expect(out.String()).To(Equal("├─ one two three\n│  └─ four five\n└─ six seven\n"))
}
