package progress_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/progress"
)

func TestALineIsReplacedAndRemoved(t *testing.T) {
	g := NewWithT(t)
	var out strings.Builder
	line := progress.To(&out, 20)
	line.Show("read %d of %d", 1, 2)
	line.Show("%s", strings.Repeat("x", 50))
	line.Clear()
	line.Clear()
	g.Expect(out.String()).To(Equal("\rread 1 of 2\x1b[K\r" + strings.Repeat("x", 18) + "…\x1b[K\r\x1b[K"))
}

func TestAPipeShowsNothing(t *testing.T) {
	g := NewWithT(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	line := progress.On(file)
	line.Show("read")
	line.Clear()
	content, err := os.ReadFile(file.Name())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(content).To(BeEmpty())
	var none *progress.Line
	none.Show("nothing")
	none.Clear()
}
