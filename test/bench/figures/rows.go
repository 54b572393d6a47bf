package figures

import (
	"fmt"
	"slices"
	"strconv"
)

// Row is one performance target.
type Row struct {
	// ID is the number of the target, P1 to P16; a target may have several
	// rows.
	ID string
	// Figure describes what is measured, and Unit is its unit.
	Figure, Unit string
	// Key is the key of the figure.
	Key string
	// Max is the target, an upper bound. Rows that only explain another row
	// have none.
	Max Target
	// At is the number of objects to which the target applies; 0 means any
	// number.
	At int
	// FullOnly reports that a short run omits the row.
	FullOnly bool
	// Reference is what is known of other operators; empty if the peers'
	// policies are measured, under the keys of Peer.
	Reference string
	Peer      string
}

// Target is an upper bound; nil means none.
type Target *float64

func limit(value float64) Target { return &value }

// Policies are the polling policies of other operators. Each is measured in the
// same run.
var Policies = []Policy{
	{"30s", "a GET per object per 30 s"},
	{"1m", "a GET per object per minute"},
	{"10m", "a GET and a pin list per object per 10 min"},
}

// Tools are the policies of tools that read every object of their state in each
// run, at most 15 calls a second, which is the default of the SDK that both use.
// Each is measured with a run per hour.
var Tools = []Policy{
	{"terraform", "Terraform, a plan per hour: a GET and a read of the pin per object"},
	{"bundle", "asset bundle of the CLI, a plan per hour: a GET per object"},
}

// Policy is a policy by which others read clusters.
type Policy struct{ Name, Description string }

// Key returns the key of one of the policy's figures.
func (p Policy) Key(figure string) string { return "peer." + p.Name + "." + figure }

// The figures that are measured for every policy.
const (
	PeerCalls   = "calls"   // per cluster and hour, without pin lists
	PeerPins    = "pins"    // pin lists per cluster and hour
	PeerDrift   = "drift"   // longest minutes until drift is detected
	PeerMean    = "mean"    // mean minutes until drift is detected
	PeerProduct = "product" // PeerCalls times PeerMean
	PeerCreate  = "create"  // calls per create→RUNNING
	PeerState   = "state"   // 95th percentile, seconds until RUNNING is observed
	PeerRestart = "restart" // calls in ten minutes after a restart, or after a run began, at 10,000
	PeerChange  = "change"  // calls to resize one of 1,000 clusters, until the end of the resize is known
)

const (
	thousand = 1_000
	all      = 10_000
)

// Rows are all targets, in order.
var Rows = []Row{
	{ID: "P1", Figure: "calls per cluster and hour, quiet, at 1,000", Key: "P1.calls.1000", Max: limit(0.15), Peer: PeerCalls},
	{ID: "P1", Figure: "the same at 10,000", Key: "P1.calls.10000", Max: limit(0.15), Peer: PeerCalls, FullOnly: true},
	{ID: "P1", Figure: "calls per hour in all, quiet, at 100", Key: "P1.calls.100", Max: limit(15), Reference: "100 × the above"},
	{ID: "P1", Figure: "longest until drift is seen", Unit: "min", Key: "P1.drift", Max: limit(5), Peer: PeerDrift},
	{ID: "P2", Figure: "calls per create→RUNNING, 100 at once, poller", Key: "P2.calls", Max: limit(3), Peer: PeerCreate},
	{ID: "P2", Figure: "RUNNING until observed, p95, poller", Unit: "s", Key: "P2.latency", Max: limit(10), Peer: PeerState},
	{ID: "P2", Figure: "calls per create→RUNNING, the operator", Key: "P2.operator.calls", Max: limit(3), Peer: PeerCreate, FullOnly: true},
	{ID: "P2", Figure: "RUNNING until in the status, p95", Unit: "s", Key: "P2.operator.latency", Max: limit(10), Peer: PeerState, FullOnly: true},
	{ID: "P3", Figure: "calls after a restart until settled", Key: "P3.settled", Max: limit(110), At: all, Reference: "≥ 10,000"},
	{ID: "P3", Figure: "calls in ten minutes after a restart, poller", Key: "P3.poller", Max: limit(220), At: all, Peer: PeerRestart},
	{ID: "P3", Figure: "the same, the operator", Key: "P3.ten", Max: limit(220), Peer: PeerRestart, FullOnly: true},
	{ID: "P3", Figure: "Databricks writes after a restart", Key: "P3.writes", Max: limit(0)},
	{ID: "P3", Figure: "Kubernetes writes after a restart", Key: "P3.kubernetes", Max: limit(0)},
	{ID: "P4", Figure: "created until POST while others drain, p99", Unit: "s", Key: "P4.drain", Max: limit(2), At: all, Reference: reportedStarvation},
	{ID: "P4", Figure: "the same, median", Unit: "s", Key: "P4.drain.median", At: all},
	{ID: "P4", Figure: "created until POST, idle, p99", Unit: "s", Key: "P4.idle", At: all},
	{ID: "P4", Figure: "the same, median", Unit: "s", Key: "P4.idle.median", At: all},
	{ID: "P4", Figure: "created until POST, idle, while another program uses every core, p99", Unit: "s", Key: "P4.busy", At: all},
	{ID: "P4", Figure: "ratio of the drain to idle, p99", Unit: "×", Key: "P4.ratio", Max: limit(2), At: all},
	{ID: "P5", Figure: "429 after learning, 1,000 creates at 10/s", Unit: "%", Key: "P5.share", Max: limit(1), Peer: "P5.share"},
	{ID: "P5", Figure: "makespan relative to the optimum", Unit: "×", Key: "P5.makespan", Max: limit(1.1), Peer: "P5.makespan"},
	{ID: "P5", Figure: "the same without the lists", Unit: "×", Key: "P5.alone"},
	{ID: "P5", Figure: "limit halved: 429 in all", Unit: "%", Key: "P5.halved.share"},
	{ID: "P5", Figure: "limit halved: makespan relative to the optimum", Unit: "×", Key: "P5.halved.makespan"},
	{ID: "P5", Figure: "limit halved: until 90 % of it is used again", Unit: "s", Key: "P5.halved.recovery", Max: limit(30)},
	{ID: "P5", Figure: "limit doubled: 429 in all", Unit: "%", Key: "P5.doubled.share"},
	{ID: "P5", Figure: "limit doubled: makespan relative to the optimum", Unit: "×", Key: "P5.doubled.makespan"},
	{ID: "P5", Figure: "limit doubled: until 90 % of it is used", Unit: "s", Key: "P5.doubled.recovery"},
	{ID: "P6", Figure: "longest wait of a terminate behind reads", Unit: "tokens", Key: "P6.terminate", Max: limit(3)},
	{ID: "P6", Figure: "longest pause of the lowest class behind writes", Unit: "intervals", Key: "P6.lowest", Max: limit(2), Reference: "over 40 min"},
	{ID: "P7", Figure: "Kubernetes writes per object and hour, quiet", Key: "P7.quiet", Max: limit(0), Reference: "120 PUT + 120 events · 60 PUT"},
	{ID: "P7", Figure: "writes to the object, create→Ready", Key: "P7.create", Max: limit(5)},
	{ID: "P7", Figure: "events, create→Ready", Key: "P7.events"},
	{ID: "P8", Figure: "resident memory", Unit: "MiB", Key: "P8.resident", Max: limit(200), At: all, Reference: "92 bare informer · 670–4,000 Flux"},
	{ID: "P8", Figure: "heap per object", Unit: "KiB", Key: "P8.heap", Max: limit(12), At: all},
	{ID: "P9", Figure: "1,000 applied until all are Ready", Unit: "s", Key: "P9.ready", Max: limit(60), Reference: "900 CAPI · 480 Flux on 16 cores"},
	{ID: "P9", Figure: "of that, until the last create is sent", Unit: "s", Key: "P9.created"},
	{ID: "P9", Figure: "Databricks calls per object meanwhile", Key: "P9.calls"},
	{ID: "P9", Figure: "the operator's own CPU meanwhile", Unit: "s", Key: "P9.cpu"},
	{ID: "P10", Figure: "idle CPU at 1,000", Unit: "millicores", Key: "P10.1000", Max: limit(20), Reference: "200–300 at 10 (CAPI)"},
	{ID: "P10", Figure: "idle CPU at 10,000", Unit: "millicores", Key: "P10.10000", Max: limit(100), FullOnly: true},
	{ID: "P11", Figure: "calls per cluster-hour × mean minutes to drift", Key: "P11.product", Max: limit(0.4), Peer: PeerProduct},
	{ID: "P12", Figure: "leader killed until the next leader's write", Unit: "s", Key: "P12.write", Max: limit(leaseSeconds + 2), At: all, Reference: "minutes"},
	{ID: "P12", Figure: "of that, until the next leader holds the lease", Unit: "s", Key: "P12.lease", At: all},
	{ID: "P12", Figure: "GETs of the changed cluster until then", Key: "P12.gets", Max: limit(1), At: all},
	{ID: "P12", Figure: "calls by the next leader until settled", Key: "P12.settled", Max: limit(110), At: all},
	{ID: "P13", Figure: "wait of another namespace's create behind 1,000 more", Unit: "tokens", Key: "P13.creates.create", Max: limit(2), Reference: firstRelease},
	{ID: "P13", Figure: "of its resize", Unit: "tokens", Key: "P13.creates.resize", Max: limit(2), Reference: firstRelease},
	{ID: "P13", Figure: "of its delete", Unit: "tokens", Key: "P13.creates.delete", Max: limit(2), Reference: firstRelease},
	{ID: "P13", Figure: "wait of its create behind 1,000 refused creates", Unit: "tokens", Key: "P13.refused.create", Max: limit(2), Reference: firstRelease},
	{ID: "P13", Figure: "of its resize", Unit: "tokens", Key: "P13.refused.resize", Max: limit(2), Reference: firstRelease},
	{ID: "P13", Figure: "of its delete", Unit: "tokens", Key: "P13.refused.delete", Max: limit(2), Reference: firstRelease},
	{ID: "P14", Figure: "calls per cluster and hour at all sizes, most ÷ fewest", Unit: "×", Key: "P14.calls", Max: limit(1.1), At: Largest},
	{ID: "P14", Figure: "heap per object", Unit: "KiB", Key: "P14.heap", Max: limit(12), At: Largest},
	{ID: "P14", Figure: "the same relative to 10,000 objects", Unit: "×", Key: "P14.heap.ratio", Max: limit(1.05), At: Largest},
	{ID: "P14", Figure: "restart until quiet, per 10,000 objects", Unit: "s", Key: "P14.restart", Max: limit(30), At: Largest},
	{ID: "P14", Figure: "the same, 4 shards", Unit: "s", Key: "P14.shards.restart", Max: limit(30), At: Largest, FullOnly: true},
	{ID: "P14", Figure: "Databricks writes meanwhile", Key: "P14.writes", Max: limit(0), At: Largest},
	{ID: "P15", Figure: "calls per hour of a workspace that answers", Key: "P15.calls", Max: limit(15), At: all},
	{ID: "P15", Figure: "attempts per hour to call a silent one", Key: "P15.silent", At: all},
	{ID: "P15", Figure: "until the clusters of all others are known, relative to without silent ones", Unit: "×", Key: "P15.delay", Max: limit(1.05), At: all},
	{ID: "P15", Figure: "longest until drift in them is seen", Unit: "min", Key: "P15.drift", Max: limit(5), At: all},
	{ID: "P15", Figure: "created until POST beside silent ones, after a restart, p99", Unit: "s", Key: "P15.beside", Max: limit(2), At: all},
	{ID: "P15", Figure: "the same without silent ones", Unit: "s", Key: "P15.alone", FullOnly: true},
	{ID: "P15", Figure: "resident memory, highest", Unit: "MiB", Key: "P15.resident", Max: limit(400), At: all},
	{ID: "P16", Figure: "objects with specs of 900 KB that are admitted", Key: "P16.admitted", Max: limit(0), Reference: "all"},
	{ID: "P16", Figure: "memory for 900 KB of multi-byte text, admitted", Unit: "× stored", Key: "P16.arrived", Max: limit(1.5), Reference: firstReleaseMemory},
	{ID: "P16", Figure: "the same after a restart", Unit: "× stored", Key: "P16.restarted", Max: limit(1.5), Reference: firstReleaseMemory, FullOnly: true},
	{ID: "P16", Figure: "Databricks writes for them", Key: "P16.writes", Max: limit(0)},
}

// reportedStarvation is what users of other operators have reported.
const reportedStarvation = "40 min at 6,000 · 30 min at 300"

// firstRelease was measured with the first release of this operator.
const firstRelease = "125 s and more"

// firstReleaseMemory was measured with the first release and 120 objects of 877
// KB: 197 MiB.
const firstReleaseMemory = "1.96 ×"

// leaseSeconds is the duration of a lease whose holder was killed.
const leaseSeconds = 15

// Verdict is the result of comparing a figure with its target.
type Verdict string

// Partial is the verdict on a figure of fewer objects than the target is for.
const (
	Pass     Verdict = "pass"
	Miss     Verdict = "miss"
	NoTarget Verdict = ""
	Partial  Verdict = "fewer objects"
	LeftOut  Verdict = "full run"
)

// Verdict compares a row with the measured figures.
func (r Row) Verdict(measured Set) Verdict {
	figure, known := measured[r.Key]
	switch {
	case !known:
		return LeftOut
	case r.Max == nil:
		return NoTarget
	case figure.Objects != 0 && figure.Objects < r.At:
		return Partial
	case figure.Value <= *r.Max:
		return Pass
	default:
		return Miss
	}
}

// Missing returns the keys that a run should have measured but did not.
func Missing(measured Set, short bool) []string {
	var missing []string
	for _, key := range expected(short) {
		if _, known := measured[key]; !known && !slices.Contains(missing, key) {
			missing = append(missing, key)
		}
	}
	return missing
}

// expected returns the keys that a run measures.
func expected(short bool) (keys []string) {
	for _, row := range Rows {
		if !row.FullOnly || !short {
			keys = append(keys, row.Key)
		}
		keys = append(keys, row.peers()...)
	}
	for _, policy := range slices.Concat(Policies, Tools) {
		for _, figure := range policy.figures() {
			keys = append(keys, policy.Key(figure))
		}
	}
	for _, one := range GoBenchmarks {
		keys = append(keys, one.Key())
	}
	keys = append(keys, cpuKeys()...)
	if !short {
		keys = append(keys, growthKeys()...)
	}
	return keys
}

// figures returns the figures of the policy in the table of the peers.
func (p Policy) figures() []string {
	all := []string{PeerCalls, PeerPins, PeerMean, PeerProduct, PeerChange, PeerRestart}
	if slices.Contains(Policies, p) {
		all = append(all, PeerCreate)
	}
	return all
}

// peers returns the keys of the peers' figures in the row.
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

// number formats a value with three significant digits and separated thousands.
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
