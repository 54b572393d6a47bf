package figures

import (
	"fmt"
	"slices"
	"strconv"
)

// Row is one promise.
type Row struct {
	// ID is the promise's number, P1 to P16; it may have several rows.
	ID string
	// Figure says what is measured, Unit in what.
	Figure, Unit string
	// Key is that of the figure.
	Key string
	// Most is the target: the figure may not be above it. What only explains
	// another row has none.
	Most Target
	// At is how many objects the target is about; 0: any number.
	At int
	// FullOnly: a short run leaves it out.
	FullOnly bool
	// Anchor is what is known of others; empty where the peers' policies were
	// measured, under the keys of Peer.
	Anchor string
	Peer   string
}

// Target is an upper bound; nil is none.
type Target *float64

func atMost(value float64) Target { return &value }

// Policies are how others poll. Each is measured in the same run.
var Policies = []Policy{
	{"30s", "a GET per object per 30 s"},
	{"1m", "a GET per object per minute"},
	{"10m", "a GET and a pin list per object per 10 min"},
}

// Policy is a way to poll.
type Policy struct{ Name, Says string }

// Key is that of one of a policy's figures.
func (p Policy) Key(figure string) string { return "peer." + p.Name + "." + figure }

// The figures that are measured of every policy.
const (
	PeerCalls   = "calls"   // per cluster and hour, pin lists apart
	PeerPins    = "pins"    // pin lists per cluster and hour
	PeerDrift   = "drift"   // longest minutes until drift is seen
	PeerMean    = "mean"    // mean minutes until drift is seen
	PeerProduct = "product" // PeerCalls times PeerMean
	PeerCreate  = "create"  // calls per create→RUNNING
	PeerState   = "state"   // 95th percentile, seconds until RUNNING is seen
	PeerRestart = "restart" // calls in ten minutes after a restart, at 10,000
)

const (
	thousand = 1_000
	all      = 10_000
)

// Rows are all promises, in order.
var Rows = []Row{
	{ID: "P1", Figure: "calls per cluster and hour, quiet, at 1,000", Key: "P1.calls.1000", Most: atMost(0.15), Peer: PeerCalls},
	{ID: "P1", Figure: "the same at 10,000", Key: "P1.calls.10000", Most: atMost(0.15), Peer: PeerCalls, FullOnly: true},
	{ID: "P1", Figure: "calls per hour in all, quiet, at 100", Key: "P1.calls.100", Most: atMost(15), Anchor: "100 × the above"},
	{ID: "P1", Figure: "longest until drift is seen", Unit: "min", Key: "P1.drift", Most: atMost(5), Peer: PeerDrift},
	{ID: "P2", Figure: "calls per create→RUNNING, 100 at once, poller", Key: "P2.calls", Most: atMost(3), Peer: PeerCreate},
	{ID: "P2", Figure: "RUNNING until known, p95, poller", Unit: "s", Key: "P2.latency", Most: atMost(10), Peer: PeerState},
	{ID: "P2", Figure: "calls per create→RUNNING, the operator", Key: "P2.operator.calls", Most: atMost(3), Peer: PeerCreate, FullOnly: true},
	{ID: "P2", Figure: "RUNNING until in the status, p95", Unit: "s", Key: "P2.operator.latency", Most: atMost(10), Peer: PeerState, FullOnly: true},
	{ID: "P3", Figure: "calls after a restart until settled", Key: "P3.settled", Most: atMost(110), At: all, Anchor: "≥ 10,000"},
	{ID: "P3", Figure: "calls in ten minutes after a restart, poller", Key: "P3.poller", Most: atMost(220), At: all, Peer: PeerRestart},
	{ID: "P3", Figure: "the same, the operator", Key: "P3.ten", Most: atMost(220), Peer: PeerRestart, FullOnly: true},
	{ID: "P3", Figure: "Databricks writes after a restart", Key: "P3.writes", Most: atMost(0)},
	{ID: "P3", Figure: "Kubernetes writes after a restart", Key: "P3.kubernetes", Most: atMost(0)},
	{ID: "P4", Figure: "created until POST while others drain, p99", Unit: "s", Key: "P4.drain", Most: atMost(2), At: all, Anchor: reportedStarvation},
	{ID: "P4", Figure: "the same, idle", Unit: "s", Key: "P4.idle", At: all},
	{ID: "P4", Figure: "the first, times the second", Unit: "×", Key: "P4.ratio", Most: atMost(2), At: all},
	{ID: "P5", Figure: "429 after learning, 1,000 creates at 10/s", Unit: "%", Key: "P5.share", Most: atMost(1), Peer: "P5.share"},
	{ID: "P5", Figure: "makespan, times the optimum", Unit: "×", Key: "P5.makespan", Most: atMost(1.1), Peer: "P5.makespan"},
	{ID: "P5", Figure: "the same, were no list needed meanwhile", Unit: "×", Key: "P5.alone"},
	{ID: "P5", Figure: "limit halved: 429 in all", Unit: "%", Key: "P5.halved.share"},
	{ID: "P5", Figure: "limit halved: makespan, times the optimum", Unit: "×", Key: "P5.halved.makespan"},
	{ID: "P5", Figure: "limit halved: until 90 % of it is used again", Unit: "s", Key: "P5.halved.recovery", Most: atMost(30)},
	{ID: "P5", Figure: "limit doubled: 429 in all", Unit: "%", Key: "P5.doubled.share"},
	{ID: "P5", Figure: "limit doubled: makespan, times the optimum", Unit: "×", Key: "P5.doubled.makespan"},
	{ID: "P5", Figure: "limit doubled: until 90 % of it is used", Unit: "s", Key: "P5.doubled.recovery"},
	{ID: "P6", Figure: "longest wait of a terminate behind reads", Unit: "tokens", Key: "P6.terminate", Most: atMost(3)},
	{ID: "P6", Figure: "longest pause of the lowest class behind writes", Unit: "intervals", Key: "P6.lowest", Most: atMost(2), Anchor: "over 40 min"},
	{ID: "P7", Figure: "Kubernetes writes per object and hour, quiet", Key: "P7.quiet", Most: atMost(0), Anchor: "120 PUT + 120 events · 60 PUT"},
	{ID: "P7", Figure: "writes to the object, create→Ready", Key: "P7.create", Most: atMost(5)},
	{ID: "P7", Figure: "events, create→Ready", Key: "P7.events"},
	{ID: "P8", Figure: "resident memory", Unit: "MiB", Key: "P8.resident", Most: atMost(200), At: all, Anchor: "92 bare informer · 670–4,000 Flux"},
	{ID: "P8", Figure: "heap per object", Unit: "KiB", Key: "P8.heap", Most: atMost(12), At: all},
	{ID: "P9", Figure: "1,000 applied until all are Ready", Unit: "s", Key: "P9.ready", Most: atMost(60), Anchor: "900 CAPI · 480 Flux on 16 cores"},
	{ID: "P9", Figure: "Databricks calls per object meanwhile", Key: "P9.calls"},
	{ID: "P9", Figure: "the operator's own CPU meanwhile", Unit: "s", Key: "P9.cpu"},
	{ID: "P10", Figure: "idle CPU at 1,000", Unit: "millicores", Key: "P10.1000", Most: atMost(20), Anchor: "200–300 at 10 (CAPI)"},
	{ID: "P10", Figure: "idle CPU at 10,000", Unit: "millicores", Key: "P10.10000", Most: atMost(100), FullOnly: true},
	{ID: "P11", Figure: "calls per cluster-hour × mean minutes to drift", Key: "P11.product", Most: atMost(0.4), Peer: PeerProduct},
	{ID: "P12", Figure: "leader killed until the next one's first write", Unit: "s", Key: "P12.write", Most: atMost(leaseSeconds + 2), At: all, Anchor: "minutes"},
	{ID: "P12", Figure: "of it until the lease is the next one's", Unit: "s", Key: "P12.lease", At: all},
	{ID: "P12", Figure: "GETs of the changed cluster until then", Key: "P12.gets", Most: atMost(1), At: all},
	{ID: "P12", Figure: "calls by the next leader until settled", Key: "P12.settled", Most: atMost(110), At: all},
	{ID: "P13", Figure: "wait of another namespace's create behind 1,000 more", Unit: "tokens", Key: "P13.creates.create", Most: atMost(2), Anchor: firstRelease},
	{ID: "P13", Figure: "of its resize", Unit: "tokens", Key: "P13.creates.resize", Most: atMost(2), Anchor: firstRelease},
	{ID: "P13", Figure: "of its delete", Unit: "tokens", Key: "P13.creates.delete", Most: atMost(2), Anchor: firstRelease},
	{ID: "P13", Figure: "wait of its create behind 1,000 refused creates", Unit: "tokens", Key: "P13.refused.create", Most: atMost(2), Anchor: firstRelease},
	{ID: "P13", Figure: "of its resize", Unit: "tokens", Key: "P13.refused.resize", Most: atMost(2), Anchor: firstRelease},
	{ID: "P13", Figure: "of its delete", Unit: "tokens", Key: "P13.refused.delete", Most: atMost(2), Anchor: firstRelease},
	{ID: "P16", Figure: "objects with specs of 900 KB that are admitted", Key: "P16.admitted", Most: atMost(0), Anchor: "all"},
	{ID: "P16", Figure: "memory for 900 KB of multi-byte text, admitted", Unit: "× stored", Key: "P16.arrived", Most: atMost(1.5), Anchor: firstReleaseMemory},
	{ID: "P16", Figure: "the same after a restart", Unit: "× stored", Key: "P16.restarted", Most: atMost(1.5), Anchor: firstReleaseMemory, FullOnly: true},
	{ID: "P16", Figure: "Databricks writes for them", Key: "P16.writes", Most: atMost(0)},
}

// reportedStarvation is what users of other operators have told.
const reportedStarvation = "40 min at 6,000 · 30 min at 300"

// firstRelease is what the first release of this operator was measured to do.
const firstRelease = "125 s and more"

// firstReleaseMemory is what 120 objects of 877 KB were measured to take of it: 197 MiB.
const firstReleaseMemory = "1.96 ×"

// leaseSeconds is how long a lease lasts whose holder is dead.
const leaseSeconds = 15

// Verdict is what a figure comes to.
type Verdict string

// The verdicts. Partial is a figure of fewer objects than its target is about.
const (
	Pass    Verdict = "pass"
	Miss    Verdict = "miss"
	Told    Verdict = ""
	Partial Verdict = "10,000 only"
	LeftOut Verdict = "full run"
)

// Judge compares a row with what was measured.
func (r Row) Judge(measured Set) Verdict {
	figure, known := measured[r.Key]
	switch {
	case !known:
		return LeftOut
	case r.Most == nil:
		return Told
	case figure.Objects != 0 && figure.Objects < r.At:
		return Partial
	case figure.Value <= *r.Most:
		return Pass
	default:
		return Miss
	}
}

// Missing are the keys that were to be measured and were not.
func Missing(measured Set, short bool) []string {
	var missing []string
	note := func(key string) {
		if _, known := measured[key]; !known && !slices.Contains(missing, key) {
			missing = append(missing, key)
		}
	}
	for _, row := range Rows {
		if !row.FullOnly || !short {
			note(row.Key)
		}
		for _, key := range row.peers() {
			note(key)
		}
	}
	return missing
}

// peers are the keys of what the peers need.
func (r Row) peers() []string {
	switch r.Peer {
	case "":
		return nil
	case "P5.share", "P5.makespan":
		return []string{"peer.backoff." + r.Peer}
	}
	var keys []string
	for _, policy := range Policies {
		keys = append(keys, policy.Key(r.Peer))
	}
	if r.Peer == PeerCreate || r.Peer == PeerState {
		keys = append(keys, "peer.waiter."+r.Peer)
	}
	return keys
}

// number is a value as people read it: three digits that matter, thousands apart.
func number(value float64) string {
	switch magnitude := max(value, -value); {
	case magnitude >= 100:
		return thousands(int64(value + 0.5))
	case value == float64(int64(value)):
		return strconv.FormatInt(int64(value), 10)
	case magnitude >= 10:
		return fmt.Sprintf("%.1f", value)
	case magnitude >= 1:
		return fmt.Sprintf("%.2f", value)
	default:
		return fmt.Sprintf("%.3f", value)
	}
}

func thousands(value int64) string {
	if value < thousand {
		return strconv.FormatInt(value, 10)
	}
	return fmt.Sprintf("%s,%03d", thousands(value/thousand), value%thousand)
}
