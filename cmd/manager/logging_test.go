package main

import (
	"bytes"
	"io"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

func TestVerbosityIsCapped(t *testing.T) {
	for _, flag := range []string{"--zap-log-level=10", "--zap-log-level=127", "--zap-devel=true", "--zap-log-level=debug", "--zap-log-level=6", "--zap-log-level=1"} {
		t.Run("[S7] "+flag, func(t *testing.T) {
			g := NewWithT(t)
			options, err := parseFlags([]string{"--operator-id=0a1b2c3d", flag}, io.Discard)
			g.Expect(err).NotTo(HaveOccurred())
			var out bytes.Buffer
			logger := zap.New(zap.UseFlagOptions(&options.logging), zap.WriteTo(&out))
			logger.V(1).Info("own debug output")
			g.Expect(out.String()).To(ContainSubstring("own debug output"))
			for level := maxVerbosity + 1; level <= 127; level++ {
				g.Expect(logger.V(level).Enabled()).To(BeFalse(), "level %d", level)
			}
		})
	}
	t.Run("without a flag only information is logged", func(t *testing.T) {
		g := NewWithT(t)
		options, err := parseFlags([]string{"--operator-id=0a1b2c3d"}, io.Discard)
		g.Expect(err).NotTo(HaveOccurred())
		logger := zap.New(zap.UseFlagOptions(&options.logging), zap.WriteTo(io.Discard))
		g.Expect(logger.V(0).Enabled()).To(BeTrue())
		g.Expect(logger.V(1).Enabled()).To(BeFalse())
	})
}
