package install

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// digestOf is the digest that the registry of this test has for every image.
const digestOf = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestAReleaseNamesItsImagesByDigest runs what the release workflow runs, with a registry
// that knows one digest.
func TestAReleaseNamesItsImagesByDigest(t *testing.T) {
	checkout := func(t *testing.T, answer string) string {
		t.Helper()
		g := NewWithT(t)
		copied := t.TempDir()

		for _, file := range []string{"Dockerfile", "dist/install.yaml", "charts/databricks-operator/values.yaml", "hack/pin-images.sh"} {
			content, err := os.ReadFile(filepath.Join(repository, file))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(os.MkdirAll(filepath.Dir(filepath.Join(copied, file)), 0o700)).To(Succeed())
			g.Expect(os.WriteFile(filepath.Join(copied, file), content, 0o700)).To(Succeed())
		}

		script := "#!/bin/sh\n[ \"$1 $2 $3\" = 'buildx imagetools inspect' ] && echo " + answer + "\n"
		g.Expect(os.WriteFile(filepath.Join(copied, "docker"), []byte(script), 0o700)).To(Succeed())
		t.Setenv("PATH", copied+":"+os.Getenv("PATH"))

		return copied
	}

	t.Run("[S18] the images of the Dockerfile", func(t *testing.T) {
		g := NewWithT(t)
		copied := checkout(t, digestOf)
		run(t, exec.CommandContext(t.Context(), filepath.Join(copied, filepath.FromSlash("hack/pin-images.sh")), "bases"))

		content, err := os.ReadFile(filepath.Join(copied, "Dockerfile"))
		g.Expect(err).NotTo(HaveOccurred())

		named := 0

		for line := range strings.Lines(string(content)) {
			if strings.HasPrefix(line, "FROM ") || strings.HasPrefix(line, "# syntax=") {
				g.Expect(strings.Count(line, "@"+digestOf)).To(Equal(1), line)

				named++
			}
		}

		g.Expect(named).To(Equal(3))
		g.Expect(string(content)).To(ContainSubstring("golang:1.26@" + digestOf + " AS build"))
	})

	t.Run("[S18] an answer that is no digest", func(t *testing.T) {
		said, err := exec.CommandContext(t.Context(), filepath.Join(checkout(t, "latest"), filepath.FromSlash("hack/pin-images.sh")), "bases").CombinedOutput()
		NewWithT(t).Expect(err).To(HaveOccurred())
		NewWithT(t).Expect(string(said)).To(ContainSubstring(`"latest", which is none`))
	})

	t.Run("[S18] the manifest and the chart", func(t *testing.T) {
		g := NewWithT(t)
		copied := checkout(t, digestOf)
		run(t, exec.CommandContext(t.Context(), filepath.Join(copied, filepath.FromSlash("hack/pin-images.sh")), "release", digestOf))

		manifest, err := os.ReadFile(filepath.Join(copied, filepath.FromSlash("dist/install.yaml")))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(manifest)).To(MatchRegexp(`(?m)image: ghcr.io/databricks-operator/databricks-operator:v[0-9.]+@` + digestOf + `$`))

		content, err := os.ReadFile(filepath.Join(copied, filepath.FromSlash("charts/databricks-operator/values.yaml")))
		g.Expect(err).NotTo(HaveOccurred())

		var values struct{ Image struct{ Digest string } }
		g.Expect(yaml.Unmarshal(content, &values)).To(Succeed())
		g.Expect(values.Image.Digest).To(Equal(digestOf))
	})

	t.Run("[S18] the workflow waits for the tests and the search for vulnerabilities", func(t *testing.T) {
		g := NewWithT(t)
		workflow, err := os.ReadFile(filepath.Join(repository, filepath.FromSlash(".github/workflows/release.yml")))
		g.Expect(err).NotTo(HaveOccurred())

		at := -1

		for _, step := range []string{"run: .ci/run", "run: make vulncheck", "hack/pin-images.sh bases", "docker buildx build", `hack/pin-images.sh release "$DIGEST"`, "cosign sign-blob", "make package"} {
			found := bytes.Index(workflow, []byte(step))
			g.Expect(found).To(BeNumerically(">", at), step)
			at = found
		}
	})
}
