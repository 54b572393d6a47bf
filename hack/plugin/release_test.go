package plugin_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// platforms are those of a release.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// manifest is what krew reads of dbc.yaml.
type manifest struct {
	APIVersion, Kind string
	Metadata         struct{ Name string }
	Spec             struct {
		Version, Homepage, ShortDescription, Description, Caveats string
		Platforms                                                 []struct {
			Selector struct {
				MatchLabels map[string]string
			}
			URI, SHA256, Bin string
		}
	}
}

// TestAReleaseIsWhatItsManifestSays builds the archive of this platform and reads it. With
// PLUGIN_ARCHIVES it reads the release in that directory, which has all platforms.
func TestAReleaseIsWhatItsManifestSays(t *testing.T) {
	g := NewWithT(t)
	directory, wanted := os.Getenv("PLUGIN_ARCHIVES"), platforms
	if directory == "" {
		directory, wanted = t.TempDir(), []string{runtime.GOOS + "/" + runtime.GOARCH}
		g.Expect(platforms).To(ContainElement(wanted[0]), "there is no release for this machine")
		build(t, directory, wanted[0])
	}
	content, err := os.ReadFile(filepath.Join(directory, "dbc.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var m manifest
	g.Expect(yaml.UnmarshalStrict(content, &m)).To(Succeed())
	g.Expect(m.APIVersion).To(Equal("krew.googlecontainertools.github.com/v1alpha2"))
	g.Expect(m.Kind).To(Equal("Plugin"))
	g.Expect(m.Metadata.Name).To(Equal("dbc"), "kubectl-dbc")
	g.Expect(m.Spec.Version).To(HavePrefix("v"))
	g.Expect(m.Spec.Homepage).To(HavePrefix("https://"))
	g.Expect(len(m.Spec.ShortDescription)).To(And(BeNumerically(">", 0), BeNumerically("<=", 60)))
	g.Expect(m.Spec.Description).NotTo(BeEmpty())

	checksums, err := os.ReadFile(filepath.Join(directory, "kubectl-dbc_checksums.txt"))
	g.Expect(err).NotTo(HaveOccurred())
	sums := map[string]string{}
	for line := range strings.Lines(string(checksums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	found := make([]string, 0, len(m.Spec.Platforms))
	for _, platform := range m.Spec.Platforms {
		labels := platform.Selector.MatchLabels
		g.Expect(labels).To(HaveLen(2))
		name := fmt.Sprintf("kubectl-dbc_%s_%s_%s.tar.gz", m.Spec.Version, labels["os"], labels["arch"])
		g.Expect(platform.URI).To(Equal("https://github.com/databricks-operator/databricks-operator/releases/download/" + m.Spec.Version + "/" + name))
		archive, err := os.ReadFile(filepath.Join(directory, name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(platform.SHA256).To(Equal(fmt.Sprintf("%x", sha256.Sum256(archive))), name)
		g.Expect(sums).To(HaveKeyWithValue(name, platform.SHA256))
		g.Expect(platform.Bin).To(Equal(map[bool]string{true: "kubectl-dbc.exe", false: "kubectl-dbc"}[labels["os"] == "windows"]))
		checkArchive(t, archive, platform.Bin, labels["os"], labels["arch"], m.Spec.Version)
		found = append(found, labels["os"]+"/"+labels["arch"])
	}
	g.Expect(found).To(ConsistOf(wanted))
	g.Expect(sums).To(HaveLen(len(wanted)))
}

// build builds the release of one platform.
func build(t *testing.T, directory, platform string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "release.sh", "v0.0.0-test", directory)
	command.Env = append(os.Environ(), "PLUGIN_PLATFORMS="+platform)
	text, err := command.CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), string(text))
}

// checkArchive checks the files of an archive.
func checkArchive(t *testing.T, archive []byte, binary, goos, goarch, version string) {
	t.Helper()
	g := NewWithT(t)
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	g.Expect(err).NotTo(HaveOccurred())
	contents := map[string][]byte{}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		if header.Typeflag == tar.TypeDir {
			continue
		}
		name := strings.TrimPrefix(header.Name, "./")
		contents[name], err = io.ReadAll(io.LimitReader(files, 200<<20))
		g.Expect(err).NotTo(HaveOccurred())
		if name != "LICENSE" {
			g.Expect(header.FileInfo().Mode().Perm()&0o111).NotTo(BeZero(), "%s can be run", name)
		}
	}
	g.Expect(contents).To(And(HaveLen(3), HaveKey(binary), HaveKey("LICENSE"), HaveKey("kubectl_complete-dbc")))
	license, err := os.ReadFile(filepath.Join("..", "..", "LICENSE"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(contents["LICENSE"]).To(Equal(license))
	g.Expect(string(contents["kubectl_complete-dbc"])).To(ContainSubstring("kubectl dbc __complete"))

	info, err := buildinfo.Read(bytes.NewReader(contents[binary]))
	g.Expect(err).NotTo(HaveOccurred())
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	g.Expect(info.Path).To(HaveSuffix("/cmd/kubectl-dbc"))
	g.Expect(settings).To(And(HaveKeyWithValue("GOOS", goos), HaveKeyWithValue("GOARCH", goarch), HaveKeyWithValue("CGO_ENABLED", "0")))
	if goos != runtime.GOOS || goarch != runtime.GOARCH {
		return
	}
	program := filepath.Join(t.TempDir(), binary)
	g.Expect(os.WriteFile(program, contents[binary], 0o700)).To(Succeed())
	text, err := exec.CommandContext(t.Context(), program, "--version").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(ContainSubstring(version))
}
