package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAMeterCountsTheThreeWholeSecondsBeforeNow(t *testing.T) {
	g := NewWithT(t)
	m := meter{}
	second := func(n int) time.Time { return epoch.Add(time.Duration(n)*time.Second + 300*time.Millisecond) }
	g.Expect(m.perSecond(second(0))).To(BeZero())
	for i, events := range []int{3, 6, 9, 300} {
		for range events {
			m.add(second(i))
		}
	}
	g.Expect(m.perSecond(second(3))).To(BeNumerically("==", 6))
	g.Expect(m.perSecond(second(4))).To(BeNumerically("==", 105))
	g.Expect(m.perSecond(second(6))).To(BeNumerically("==", 100))
	g.Expect(m.perSecond(second(7))).To(BeZero())
	g.Expect(m.perSecond(second(8))).To(BeZero())
	m.add(second(8))
	m.add(second(100))
	g.Expect(m.perSecond(second(101))).To(BeNumerically("~", 0.333, 0.001), "the events of long ago are forgotten")
}
