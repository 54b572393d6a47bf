package metrics

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// orders are both orders of two parts, which have the same sum.
func orders[S any](a, b S) [][]S { return [][]S{{a, b}, {b, a}} }

func TestTheLimitersOfAHostAreAddedUp(t *testing.T) {
	paused := time.Now().Add(time.Hour)
	one := func() ratelimit.State {
		return ratelimit.State{
			Name: host, Rate: 2, Learned: 3, UnavailableEndpoints: []string{"clusters/edit", "clusters/get"},
			Waits:      map[ratelimit.Reason]int64{ratelimit.ReasonRateLimited: 6},
			Priorities: map[string]ratelimit.PriorityState{"change": {Granted: 1, Refused: 2, Throttled: 3, PausedUntil: paused}},
		}
	}
	other := func() ratelimit.State {
		return ratelimit.State{
			Name: host, Rate: 4, HostUnavailable: true, UnavailableEndpoints: []string{"clusters/get"},
			Waits: map[ratelimit.Reason]int64{ratelimit.ReasonRateLimited: 1, ratelimit.ReasonRetryAfter: 1},
			Priorities: map[string]ratelimit.PriorityState{
				"change": {Granted: 10, Refused: 20, Throttled: 30, PausedUntil: paused.Add(-time.Minute)}, "deep": {Granted: 7},
			},
		}
	}
	for _, each := range orders(one, other) {
		g := NewWithT(t)
		state, _, workspaces := everything()
		workspaces.limiters = []ratelimit.State{each[0](), each[1]()}
		series := gather(t, state)
		g.Expect(series["gate_paused_seconds[change "+host+"]"]).To(BeNumerically("~", 3600, 30))
		for name, value := range map[string]float64{
			"gate_allowed_requests_per_second[" + host + "]":        6,
			"gate_learned_requests_per_second[" + host + "]":        3,
			"gate_breaker_open[" + host + "]":                       1,
			"gate_endpoint_unavailable[clusters/edit " + host + "]": 1,
			"gate_endpoint_unavailable[clusters/get " + host + "]":  1,
			"gate_waits_total[" + host + " RateLimited]":            7,
			"gate_waits_total[" + host + " RetryAfter]":             1,
			"gate_granted_total[change " + host + "]":               11,
			"gate_refused_total[change " + host + "]":               22,
			"gate_throttled_total[change " + host + "]":             33,
			"gate_granted_total[deep " + host + "]":                 7,
		} {
			g.Expect(series).To(HaveKeyWithValue(name, value))
		}
	}
	g := NewWithT(t)
	state, _, workspaces := everything()
	workspaces.limiters = []ratelimit.State{{Name: host}}
	series := gather(t, state)
	g.Expect(series).NotTo(HaveKey("gate_learned_requests_per_second["+host+"]"), "no limit was learned")
	g.Expect(series).To(HaveKeyWithValue("gate_breaker_open["+host+"]", 0.0))
}

func TestTheCachesOfAPrincipalAreAddedUp(t *testing.T) {
	first := cache.State{
		Host: host, Principal: "robot", Objects: 1, Listed: 7, ListedAt: time.Unix(500, 0), ClockSkew: -time.Minute,
		Health: cache.Health{LastSuccess: time.Unix(700, 0)},
	}
	second := cache.State{
		Host: host, Principal: "robot", Objects: 2, Listed: 9, ListedAt: time.Unix(400, 0), ClockSkew: time.Second,
		Health: cache.Health{LastSuccess: time.Unix(600, 0), Err: errors.New("no answer")},
	}
	for _, caches := range orders(first, second) {
		g := NewWithT(t)
		state, _, workspaces := everything()
		workspaces.caches = slices.Clone(caches)
		series := gather(t, state)
		for name, value := range map[string]float64{
			"mirror_objects":                  3,
			"mirror_listed_clusters":          9,
			"mirror_listed_timestamp_seconds": 400,
			"mirror_read_timestamp_seconds":   600,
			"mirror_failing":                  1,
			"mirror_clock_skew_seconds":       -60,
		} {
			g.Expect(series).To(HaveKeyWithValue(name+"["+host+" robot]", value))
		}
	}
	g := NewWithT(t)
	g.Expect(older(time.Time{}, time.Unix(1, 0))).To(Equal(time.Unix(1, 0)))
	g.Expect(older(time.Unix(1, 0), time.Time{})).To(Equal(time.Unix(1, 0)), "a cache that has not been read has no age")
}

// A creation of a pool is one of all open creations.
func TestTheOpenCreationOfAPool(t *testing.T) {
	g := NewWithT(t)
	state, objects, _ := everything()
	*objects = inMemory{pools: make([]v1alpha1.DatabricksInstancePool, 1)}
	objects.pools[0].Status.Creation = &v1alpha1.CreationIntent{Token: "p", NotAfter: new(metav1.Unix(1400, 0))}
	series := gather(t, state)
	g.Expect(series).To(HaveKeyWithValue("open_creations[]", 1.0))
	g.Expect(series).To(HaveKeyWithValue("oldest_creation_deadline_timestamp_seconds[]", 1400.0))
}

// failing is an informer cache without one kind.
type failing struct {
	*inMemory
	kind client.ObjectList
}

func (f failing) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if reflect.TypeOf(list) == reflect.TypeOf(f.kind) {
		return errors.New("the cache is not started")
	}
	return f.inMemory.List(ctx, list, options...)
}

// A kind that cannot be listed has no series, not those of a fleet without it.
func TestAKindThatCannotBeListedHasNoSeries(t *testing.T) {
	for kind, list := range map[string]client.ObjectList{
		"DatabricksInstancePool": &v1alpha1.DatabricksInstancePoolList{},
		"DatabricksWorkspace":    &v1alpha1.DatabricksWorkspaceList{},
	} {
		g := NewWithT(t)
		state, objects, _ := everything()
		state.Reader = failing{objects, list}
		series := gather(t, state)
		g.Expect(series).NotTo(HaveKey("unobserved_objects[" + kind + "]"))
		g.Expect(series).To(HaveKey("unobserved_objects[DatabricksCluster]"))
	}
}

// The alerts and the dashboard use these limits.
func TestTheBucketsOfTheDurationOfRequests(t *testing.T) {
	g := NewWithT(t)
	state, _, _ := everything()
	families, err := registryOf(t, state).Gather()
	g.Expect(err).NotTo(HaveOccurred())
	var limits []float64
	for _, family := range families {
		if family.GetName() == namespace+"_request_duration_seconds" {
			for _, bucket := range family.GetMetric()[0].GetHistogram().GetBucket() {
				limits = append(limits, bucket.GetUpperBound())
			}
		}
	}
	g.Expect(limits).To(Equal([]float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30}))
}
