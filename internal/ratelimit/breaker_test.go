package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestWhichRequestProbesAnOpenBreakerAndWhen(t *testing.T) {
	const second = time.Second
	for name, row := range map[string]struct {
		probeAt     time.Duration // after the breaker opened
		isHeldOther bool
		request     suitability
		at, until   time.Duration
	}{
		"a request that failed, before the probe":                  {10 * second, false, unproven, 10*second - 1, 10 * second},
		"a request that failed, at the probe":                      {10 * second, false, unproven, 10 * second, 0},
		"a request that failed, while a better one is expected":    {10 * second, true, unproven, 10 * second, 12 * second},
		"a request that failed, after the better one did not come": {10 * second, true, unproven, 12 * second, 0},
		"a suitable request, at once":                              {10 * second, false, suitable, second, 2 * second},
		"a suitable request, after two seconds":                    {10 * second, false, suitable, 2 * second, 0},
		"a suitable request, while one is expected":                {10 * second, true, suitable, 2 * second, 0},
		"a suitable request, if the probe is due sooner than that": {second + second/2, false, suitable, second, second + second/2},
	} {
		t.Run("[case-98] "+name, func(t *testing.T) {
			b := breaker{openSince: epoch, suitableAt: epoch.Add(minProbeInterval), probeAt: epoch.Add(row.probeAt), suitableHeld: row.isHeldOther}
			want := time.Time{}
			if row.until > 0 {
				want = epoch.Add(row.until)
			}
			NewWithT(t).Expect(b.hold(row.request, epoch.Add(row.at))).To(Equal(want))
		})
	}
}

func TestASuitableRequestThatIsHeldIsExpectedAsTheNextProbe(t *testing.T) {
	for name, row := range map[string]struct {
		held  suitability
		until time.Duration
	}{
		"suitable": {suitable, 12 * time.Second}, "failed": {unproven, 0},
	} {
		t.Run("[case-98] "+name, func(t *testing.T) {
			g := NewWithT(t)
			b := breaker{openSince: epoch, suitableAt: epoch.Add(minProbeInterval), probeAt: epoch.Add(10 * time.Second), interval: 10 * time.Second}
			g.Expect(b.hold(row.held, epoch.Add(time.Second))).NotTo(BeZero())
			want := time.Time{}
			if row.until > 0 {
				want = epoch.Add(row.until)
			}
			g.Expect(b.hold(unproven, epoch.Add(10*time.Second))).To(Equal(want))
			b.probed(row.held, epoch.Add(12*time.Second))
			g.Expect(b.hold(unproven, b.probeAt)).To(BeZero(), "the probe was sent")
		})
	}
}

func TestProbesOfFailingRequestsDoNotDelayASuitableOne(t *testing.T) {
	g := NewWithT(t)
	b := breaker{}
	b.trip(epoch)
	g.Expect(b.hold(unproven, epoch)).NotTo(BeZero())
	g.Expect(b.hold(suitable, epoch)).To(BeZero())
	b.probed(unproven, epoch.Add(2*time.Second-1))
	g.Expect(b.hold(suitable, epoch.Add(2*time.Second))).To(BeZero())
	b.probed(suitable, epoch.Add(2*time.Second))
	b.probed(unproven, epoch.Add(3*time.Second))
	g.Expect(b.hold(suitable, epoch.Add(3*time.Second))).To(Equal(epoch.Add(4 * time.Second)))
}

func TestTheTimeBetweenProbesGrowsToHalfAMinute(t *testing.T) {
	g := NewWithT(t)
	b := breaker{}
	g.Expect(b.isOpen()).To(BeFalse())
	g.Expect(b.hold(unproven, epoch)).To(BeZero())
	g.Expect(b.reset()).To(BeFalse(), "it was closed")
	b.trip(epoch)
	g.Expect(b.isOpen()).To(BeTrue())
	now := epoch
	for i, seconds := range []float64{2, 2.6, 3.38, 4.394, 5.7122, 7.42586, 9.653618, 12.5497, 16.3146, 21.2090, 27.5717, 30, 30} {
		if i > 0 {
			b.probed(suitable, now)
		}
		span := time.Duration(seconds * float64(time.Second))
		g.Expect(b.probeAt.Sub(now)).To(BeNumerically("~", span, span/4+time.Millisecond), "probe %d", i)
		if i > 0 {
			g.Expect(b.suitableAt).To(Equal(now.Add(2 * time.Second)))
		}
		now = b.probeAt
	}
	g.Expect(b.openSince).To(Equal(epoch))
	g.Expect(b.reset()).To(BeTrue())
	g.Expect(b.isOpen()).To(BeFalse())
}

func TestProbesDifferByUpToAQuarter(t *testing.T) {
	g := NewWithT(t)
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		span := jittered(8 * time.Second)
		least, most = min(least, span), max(most, span)
	}
	g.Expect(least).To(BeNumerically("~", 6*time.Second, 200*time.Millisecond))
	g.Expect(least).To(BeNumerically(">=", 6*time.Second))
	g.Expect(most).To(BeNumerically("~", 10*time.Second, 200*time.Millisecond))
	g.Expect(most).To(BeNumerically("<", 10*time.Second))
}
