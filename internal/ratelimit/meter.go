package ratelimit

import "time"

// meter counts events within the last few seconds.
type meter struct {
	counts [meterSeconds]int
	// second is the newest second counted, since the Unix epoch.
	second int64
}

const meterSeconds = 4

// add counts one event.
func (m *meter) add(now time.Time) {
	m.forget(now)
	m.counts[now.Unix()%meterSeconds]++
}

// perSecond returns the rate over the whole seconds before now.
func (m *meter) perSecond(now time.Time) float64 {
	m.forget(now)
	sum := 0
	for i, count := range m.counts {
		if int64(i) != now.Unix()%meterSeconds {
			sum += count
		}
	}
	return float64(sum) / (meterSeconds - 1)
}

func (m *meter) forget(now time.Time) {
	for second := max(m.second+1, now.Unix()-meterSeconds+1); second <= now.Unix(); second++ {
		m.counts[second%meterSeconds] = 0
	}
	m.second = max(m.second, now.Unix())
}
