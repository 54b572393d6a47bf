package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/request"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
)

// documented are the commands of one place of a page, which are run one after another.
type documented struct {
	page     string
	commands []string
}

// isHelp reports whether the commands only print a help text.
func (p documented) isHelp() bool {
	return !slices.ContainsFunc(p.commands, func(command string) bool { return !strings.HasSuffix(command, " --help") })
}

var (
	shellBlock   = regexp.MustCompile("(?s)\n *```sh\n(.*?)\n *```")
	anyBlock     = regexp.MustCompile("(?s)\n *```.*?\n *```")
	inlineCode   = regexp.MustCompile("`(kubectl dbc[^`]*)`")
	continuation = regexp.MustCompile(`\\\n\s*`)
	trailing     = regexp.MustCompile(`\s+#.*$`)
)

// accompanying are the commands beside `kubectl dbc` that its examples need.
var accompanying = []string{"kubectl apply ", "kubectl wait "}

// documentedCommands returns the commands with `kubectl dbc` of all pages of the repository.
func documentedCommands(t *testing.T) []documented {
	t.Helper()
	g := NewWithT(t)
	var all []documented
	root := filepath.Join("..", "..")
	g.Expect(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || name == ".git"):
			return fs.SkipDir
		case filepath.Ext(name) != ".md":
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		page, err := filepath.Rel(root, path)
		all = append(all, commandsOf(filepath.ToSlash(page), string(content))...)
		return err
	})).To(Succeed())
	return all
}

// commandsOf returns the commands of a page.
func commandsOf(page, text string) []documented {
	var all []documented
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		lines := strings.Split(continuation.ReplaceAllString(block[1], ""), "\n")
		if !slices.ContainsFunc(lines, isOfPlugin) {
			continue
		}
		found := documented{page: page}
		for _, line := range lines {
			line = trailing.ReplaceAllString(strings.TrimSpace(line), "")
			isAccompanying := slices.ContainsFunc(accompanying, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
			if isOfPlugin(line) || isAccompanying {
				found.commands = append(found.commands, line)
			}
		}
		all = append(all, found)
	}
	for _, code := range inlineCode.FindAllStringSubmatch(anyBlock.ReplaceAllString(text, ""), -1) {
		all = append(all, documented{page: page, commands: []string{runnable(strings.Join(strings.Fields(code[1]), " "))}})
	}
	return all
}

func isOfPlugin(line string) bool {
	line = strings.TrimSpace(line)
	return strings.Contains(line, "kubectl dbc ") && !strings.HasPrefix(line, "#")
}

// runnable returns the command that checks code in a sentence: the help of a command that is
// only named, or of which the synopsis is shown.
func runnable(code string) string {
	words := strings.Fields(code)
	isSynopsis := strings.ContainsAny(strings.ReplaceAll(code, "$(", ""), "[|") || strings.Contains(code, " (")
	switch {
	case len(words) == 2:
		return "kubectl dbc --help"
	case len(words) == 3 || isSynopsis:
		return "kubectl dbc " + words[2] + " --help"
	default:
		return code
	}
}

// demo is a rig that looks like `make demo KEEP=1`: the samples in the namespace default of
// an own control plane, with a workspace in which others have clusters, too.
type demo struct {
	*rig

	work string
	// placeholders are texts of pages and what stands for them here; used are those that a
	// page has.
	placeholders map[string]string
	used         map[string]bool
}

func newDemo(t *testing.T) *demo {
	t.Helper()
	g := NewWithT(t)
	control, err := controlplane.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = control.Stop() })
	content, err := control.Kubeconfig()
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
	r := newRigIn(t, control, file, simulator.Workspace{Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}}})
	r.namespace, r.namespaces = metav1.NamespaceDefault, []string{metav1.NamespaceDefault}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		r.Eventually(func() error { return r.api.Get(t.Context(), client.ObjectKey{Name: name}, &corev1.Namespace{}) }).Should(Succeed())
	}
	var system corev1.Namespace
	r.Expect(r.api.Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, &system)).To(Succeed())
	r.operatorID = string(system.UID)[:8]
	r.putCredential(r.namespace)
	r.start()
	d := &demo{rig: r, work: t.TempDir(), used: map[string]bool{}}
	d.environment()
	d.objects()
	lost := owner.Of(r.operatorID, "11111111-2222-3333-4444-555555555555", r.namespace, "lost").Tag()
	foreign := d.seed(map[string]any{"cluster_name": "etl-legacy", "num_workers": 2})
	d.placeholders = map[string]string{
		"0318-151752-abed99":                  foreign,
		"$(terraform output -raw cluster_id)": foreign,
		"0402-110348-lost7x2q":                d.seed(map[string]any{"cluster_name": "lost", "num_workers": 1, "custom_tags": map[string]any{v1alpha1.OwnerTagKey: lost}}),
		"COMMAND":                             "import",
	}
	// A page may compare manifests that it wrote before.
	r.Expect(r.dbcIn(t.Context(), "", "import", "--all", "-o", filepath.Join(d.work, "clusters")).code).To(Equal(0))
	return d
}

func (d *demo) seed(spec map[string]any) string {
	id, err := d.sim.AddCluster(simulator.Seed{State: simulator.Running, Spec: spec})
	d.Expect(err).NotTo(HaveOccurred())
	return id
}

// environment sets what the demo prints, with a browser that shows nothing.
func (d *demo) environment() {
	programs := d.t.TempDir()
	for _, browser := range []string{"xdg-open", "open"} {
		d.Expect(os.WriteFile(filepath.Join(programs, browser), []byte("#!/bin/sh\nexit 0\n"), 0o700)).To(Succeed())
	}
	path := []string{filepath.Dir(builtPlugin(d.t)), programs, filepath.Dir(builtKubectl(d.t)), os.Getenv("PATH")}
	d.t.Setenv("PATH", strings.Join(path, string(os.PathListSeparator)))
	d.t.Setenv("DATABRICKS_HOST", d.sim.URL)
	d.t.Setenv("KUBECTL_DBC_CA_FILE", d.caFile)
}

// objects applies the samples, and writes the one with the name etl into a file.
func (d *demo) objects() {
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "compute_*.yaml"))
	d.Expect(err).NotTo(HaveOccurred())
	for _, file := range files {
		content, err := os.ReadFile(file)
		d.Expect(err).NotTo(HaveOccurred())
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			object := &unstructured.Unstructured{}
			d.Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
			if object.GetKind() == v1alpha1.WorkspaceKind {
				continue
			}
			if object.GetName() == "etl" {
				d.Expect(os.WriteFile(filepath.Join(d.work, "etl.yaml"), []byte(document), 0o600)).To(Succeed())
			}
			object.SetNamespace(d.namespace)
			d.create(object)
		}
	}
}

// samples are the clusters of the samples.
var samples = []string{"etl", "scratch", "single-node"}

// settle removes what commands created and restores what they changed, until every object is
// Ready.
func (d *demo) settle() {
	d.t.Helper()
	var clusters v1alpha1.DatabricksClusterList
	d.Expect(d.api.List(d.t.Context(), &clusters)).To(Succeed())
	for i := range clusters.Items {
		if !slices.Contains(samples, clusters.Items[i].Name) {
			d.Expect(client.IgnoreNotFound(d.api.Delete(d.t.Context(), &clusters.Items[i]))).To(Succeed())
		}
	}
	d.Eventually(func(g Gomega) {
		g.Expect(d.api.List(d.t.Context(), &clusters)).To(Succeed())
		g.Expect(clusters.Items).To(HaveLen(len(samples)))
	}).Should(Succeed())
	etl := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: "etl", Namespace: d.namespace}}
	for _, resource := range []managed.Resource{etl, d.policy("small-jobs"), d.pool("small")} {
		object := d.now(resource)
		if object.Suspended {
			_, err := request.SetSuspension(d.t.Context(), d.api, object, request.Resumed)
			d.Expect(err).NotTo(HaveOccurred())
		}
	}
	if record, _ := d.sim.Cluster(d.now(etl).ID); record.State != simulator.Running {
		d.Expect(request.Make(d.t.Context(), d.api, d.now(etl), request.NewValue(v1alpha1.RequestStart, time.Now()))).To(Succeed())
	}
	for _, resource := range []managed.Resource{etl, d.policy("small-jobs"), d.pool("small")} {
		d.isReady(resource)
	}
}

// run runs a command of a page in a shell. It is interrupted after its first output if it
// would never end.
func (d *demo) run(command string, prepare func(*exec.Cmd)) (err error) {
	d.t.Helper()
	for text, value := range d.placeholders {
		if strings.Contains(command, text) {
			d.used[text] = true
			command = strings.ReplaceAll(command, text, value)
		}
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	shell.Dir, shell.Stdin = d.work, strings.NewReader("yes\n")
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	prepare(shell)
	if err := shell.Start(); err != nil {
		return err
	}
	if strings.HasSuffix(command, " -f") {
		before := len(d.sim.RequestsTo("clusters/events"))
		d.Eventually(func() int { return len(d.sim.RequestsTo("clusters/events")) }).Should(BeNumerically(">", before))
		d.Expect(syscall.Kill(-shell.Process.Pid, syscall.SIGINT)).To(Succeed())
		err := shell.Wait()
		if shell.ProcessState.ExitCode() == 130 {
			return nil
		}
		return fmt.Errorf("after an interrupt: %w", err)
	}
	return shell.Wait()
}

// TestEveryDocumentedCommandRuns runs the commands of all pages as a user would: in a
// terminal of 80 columns, and in a pipe.
func TestEveryDocumentedCommandRuns(t *testing.T) {
	all := documentedCommands(t)
	t.Run("in a terminal", func(t *testing.T) {
		if screen, program, err := openTerminal(80); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("there are no terminals for tests on this system")
		} else {
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			_, _ = screen.Close(), program.Close()
		}
		newDemo(t).runAll(all, (*demo).runInTerminal)
	})
	t.Run("in a pipe", func(t *testing.T) { newDemo(t).runAll(all, (*demo).runInPipe) })
}

func (d *demo) runAll(all []documented, run func(d *demo, command string) error) {
	d.t.Helper()
	verbs := map[string]bool{}
	ran := map[string]bool{}
	for _, place := range all {
		if !place.isHelp() {
			d.settle()
		}
		for _, command := range place.commands {
			if place.isHelp() && ran[command] {
				continue
			}
			ran[command] = true
			if err := run(d, command); err != nil {
				d.t.Errorf("%s: %s: %v", place.page, command, err)
			}
			if _, rest, found := strings.Cut(command, "kubectl dbc "); found {
				verbs[strings.Fields(rest)[0]] = true
			}
		}
	}
	for text := range d.placeholders {
		d.Expect(d.used).To(HaveKey(text), "no page has this placeholder any more")
	}
	names := d.commands()
	d.Expect(len(names)).To(BeNumerically(">=", 15))
	for _, name := range names {
		d.Expect(verbs).To(HaveKey(name), "no page shows this command")
	}
}

// commands returns the names of the commands of the plugin.
func (d *demo) commands() []string {
	text := d.ok("--help")
	var names []string
	for _, line := range regexp.MustCompile(`(?m)^ {2}([a-z]+) +[A-Z]`).FindAllStringSubmatch(text, -1) {
		if line[1] != "help" && line[1] != "completion" {
			names = append(names, line[1])
		}
	}
	return names
}

// runInPipe runs a command whose output goes into a pipe, where there are neither control
// sequences nor progress.
func (d *demo) runInPipe(command string) error {
	var out bytes.Buffer
	err := d.run(command, func(shell *exec.Cmd) { shell.Stdout, shell.Stderr = &out, &out })
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	d.t.Logf("$ %s\n%s", command, out.String())
	if strings.ContainsAny(out.String(), "\x1b\r") {
		return fmt.Errorf("control characters in a pipe: %q", out.String())
	}
	return nil
}

// commandLine matches a command to copy, which is not wrapped.
var commandLine = regexp.MustCompile(`^ +\$ `)

// clearLine is the control sequence that ends a line of progress.
const clearLine = "\x1b[K"

// writesManifests reports whether a command writes manifests to the terminal, which are not
// wrapped.
func writesManifests(command string) bool {
	isImport := strings.HasPrefix(command, "kubectl dbc import ") && !strings.Contains(command, " -o ") && !strings.Contains(command, "--help")
	return isImport || strings.Contains(command, "--dry-run")
}

// runInTerminal runs a command in a terminal of 80 columns, of which no line is wider.
func (d *demo) runInTerminal(command string) error {
	const columns = 80
	screen, program, err := openTerminal(columns)
	if err != nil {
		return err
	}
	shown := make(chan string, 1)
	go func() {
		var out bytes.Buffer
		_, _ = out.ReadFrom(screen) // a closed terminal ends it with an error
		shown <- out.String()
	}()
	err = d.run(command, func(shell *exec.Cmd) { shell.Stdout, shell.Stderr = program, program })
	_ = program.Close()
	text := <-shown
	_ = screen.Close()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	if writesManifests(command) {
		return nil
	}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		line = strings.ReplaceAll(line, clearLine, "")
		switch {
		case strings.Contains(line, "\x1b"):
			return fmt.Errorf("an unknown control sequence: %q", line)
		case utf8.RuneCountInString(line) > columns && !commandLine.MatchString(line):
			return fmt.Errorf("a line of %d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
	return nil
}
