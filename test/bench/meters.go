package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// samples are the samples of a metrics endpoint, by name and labels as printed.
type samples map[string]float64

func parseSamples(text io.Reader) samples {
	all := samples{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			all[line[:at]] = value
		}
	}
	return all
}

// sum returns the sum of the samples of a metric whose labels contain all the
// strings.
func (s samples) sum(metric string, labels ...string) float64 { return s.of(metric, labels...).total() }

// of returns the samples of a metric whose labels contain all the strings.
func (s samples) of(metric string, labels ...string) samples {
	found := samples{}
next:
	for name, value := range s {
		if name != metric && !strings.HasPrefix(name, metric+"{") {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(name, label) {
				continue next
			}
		}
		found[name] = value
	}
	return found
}

func (s samples) total() (total float64) {
	for _, value := range s {
		total += value
	}
	return total
}

// scrape returns the operator's metrics.
func (o *operator) scrape(ctx context.Context) (samples, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("read the operator's metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the operator's metrics: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the operator's metrics: %s", answer.Status)
	}
	return parseSamples(answer.Body), nil
}

// work is the progress of an operator through its queue.
type work struct {
	isLeader            bool
	reconciled, waiting float64
	// heap is what the last garbage collection left, in bytes, and collections
	// is their number.
	heap, collections float64
	// allocations is the number of allocated objects, and allocated their bytes.
	allocations, allocated float64
}

func (o *operator) work(ctx context.Context) (work, error) {
	now, err := o.scrape(ctx)
	if err != nil {
		return work{}, err
	}
	const controller = `controller="databrickscluster"`
	return work{
		isLeader:    now.sum("leader_election_master_status") > 0,
		reconciled:  now.sum("controller_runtime_reconcile_total", controller),
		waiting:     now.sum("workqueue_depth", controller) + now.sum("controller_runtime_active_workers", controller),
		heap:        max(now.sum("go_gc_heap_live_bytes"), 0),
		collections: now.sum("go_gc_cycles_total_gc_cycles_total"),
		allocations: now.sum("go_gc_heap_allocs_objects_total"),
		allocated:   now.sum("go_gc_heap_allocs_bytes_total"),
	}, nil
}

// cpu returns the CPU time that the process has used.
func (o *operator) cpu() (time.Duration, error) { return cpuOf(o.PID()) }

// cpuOf returns the CPU time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read a CPU time: %w", err)
	}
	// The fields after the name, which is in parentheses: state is the first,
	// utime the 12th.
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	const user, system, perSecond = 11, 12, 100
	if len(fields) <= system {
		return 0, fmt.Errorf("read a CPU time: %q", content)
	}
	var ticks int64
	for _, field := range []int{user, system} {
		value, err := strconv.ParseInt(string(fields[field]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read a CPU time: %w", err)
		}
		ticks += value
	}
	return time.Duration(ticks) * time.Second / perSecond, nil
}

// residentMemory returns the process's resident memory in MiB.
func (o *operator) residentMemory() (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", o.PID()))
	if err != nil {
		return 0, fmt.Errorf("read the operator's memory: %w", err)
	}
	fields := bytes.Fields(content)
	if len(fields) < 2 {
		return 0, fmt.Errorf("read the operator's memory: %q", content)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the operator's memory: %w", err)
	}
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20), nil
}

// kubernetesWrites counts writes to the API server about objects of this
// operator, by the operator and by the load generator.
type kubernetesWrites struct {
	objects, events float64
	// requests are the counters of the API server, by name and labels.
	requests samples
}

func (w kubernetesWrites) all() float64 { return w.objects + w.events }

func (w kubernetesWrites) since(before kubernetesWrites) kubernetesWrites {
	added := samples{}
	for labels, count := range w.requests {
		if more := count - before.requests[labels]; more != 0 {
			added[labels] = more
		}
	}
	return kubernetesWrites{w.objects - before.objects, w.events - before.events, added}
}

// String lists the counters.
func (w kubernetesWrites) String() string {
	lines := make([]string, 0, len(w.requests))
	for _, labels := range slices.Sorted(maps.Keys(w.requests)) {
		lines = append(lines, fmt.Sprintf("%s %.0f", labels, w.requests[labels]))
	}
	return strings.Join(lines, "\n")
}

func (r *rig) kubernetesWrites(ctx context.Context) (kubernetesWrites, error) {
	asking, err := kubernetes.NewForConfig(r.config)
	if err != nil {
		return kubernetesWrites{}, fmt.Errorf("make a client: %w", err)
	}
	content, err := asking.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return kubernetesWrites{}, fmt.Errorf("read the API server's metrics: %w", err)
	}
	now, written := parseSamples(bytes.NewReader(content)), kubernetesWrites{requests: samples{}}
	for _, verb := range []string{"POST", "PUT", "PATCH", "APPLY", "DELETE"} {
		verb = `verb="` + verb + `"`
		objects := now.of("apiserver_request_total", verb, `group="compute.databricks-operator.io"`)
		// Leader election writes events of the core group.
		events := now.of("apiserver_request_total", verb, `group="events.k8s.io"`)
		written.objects += objects.total()
		written.events += events.total()
		maps.Copy(written.requests, objects)
		maps.Copy(written.requests, events)
	}
	return written, nil
}

// clearRequestLog empties the workspace's request log.
func (r *rig) clearRequestLog(ctx context.Context) error {
	return r.simulator.Do(ctx, http.MethodDelete, "requests", nil, nil)
}

// calls returns the requests to the workspace since the log was emptied.
func (r *rig) calls(ctx context.Context) ([]simulator.Entry, error) { return r.simulator.Requests(ctx) }

// writes returns the number of calls that change something.
func writes(calls []simulator.Entry) (n int) {
	for i := range calls {
		if calls[i].Method != http.MethodGet {
			n++
		}
	}
	return n
}

// millicores returns the average CPU usage over a period.
func millicores(used, span time.Duration) float64 {
	return math.Round(1000 * used.Seconds() / span.Seconds())
}
