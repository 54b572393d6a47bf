package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTheDefaultsOfOptions(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Options{}.withDefaults()).To(Equal(Options{Start: 4, Max: 30, Headroom: 0.2, Burst: 5, MaxRetryAfter: 5 * time.Minute}))
	other := Options{Start: 1, Max: 2, Headroom: 0.3, Burst: 4, MaxRetryAfter: time.Second}
	g.Expect(other.withDefaults()).To(Equal(other))
}
