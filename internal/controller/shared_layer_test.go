package controller_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// promptTimeout is the longest duration of a call that nothing delays: some fast lists and
// the responses of a busy machine.
const promptTimeout = 20 * time.Second

// twelve creates twelve objects at once, in three namespaces with the same token, and waits
// until they are in sync. The first one is the test's own.
func (r *rig) twelve(change ...specChange) []*v1alpha1.DatabricksCluster {
	r.t.Helper()
	namespaces := []string{r.namespace}
	for range 2 {
		namespace := r.newNamespace()
		r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
		watchStatuses(r, r.record, namespace)
		namespaces = append(namespaces, namespace)
	}
	r.tenants = append(r.tenants, namespaces[1:]...)
	r.start()
	var all []*v1alpha1.DatabricksCluster
	for i := range 12 {
		cluster := r.small(fmt.Sprintf("member-%02d", i), change...)
		cluster.Namespace = namespaces[i%3]
		all = append(all, r.create(cluster))
	}
	for _, cluster := range all {
		r.inSync(cluster)
		r.becomes(cluster, "Ready=Running")
		r.Eventually(func() string { return r.get(cluster).Status.AppliedDigest }).ShouldNot(BeEmpty())
	}
	r.restartInFleet()
	r.lists(2)
	r.workspace.ClearRequests()
	return all
}

// lists waits for a number of further lists.
func (r *rig) lists(count int) {
	r.t.Helper()
	before := len(r.workspace.RequestsTo("clusters/list"))
	r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) - before }).Should(BeNumerically(">=", count))
}

// quietWrites waits until no write is sent for a while, and returns all writes.
func (r *rig) quietWrites() []string {
	r.t.Helper()
	r.Eventually(func(g Gomega) {
		before := len(r.writes())
		g.Consistently(func() int { return len(r.writes()) }).Should(Equal(before))
	}).Should(Succeed())
	return r.writes()
}

// conditionBaseline has the conditions of objects at one time.
type conditionBaseline struct {
	record *record
	now    map[client.ObjectKey]string
	from   map[client.ObjectKey]int
}

func (r *rig) conditionBaseline(all []*v1alpha1.DatabricksCluster) conditionBaseline {
	baseline := conditionBaseline{record: r.record, now: map[client.ObjectKey]string{}, from: map[client.ObjectKey]int{}}
	for _, cluster := range all {
		key := client.ObjectKeyFromObject(cluster)
		baseline.now[key] = strings.Join(conditionTexts(r.get(cluster)), "; ")
		baseline.from[key] = r.record.count(key)
	}
	return baseline
}

// changes returns the later conditions that differ from the baseline.
func (s conditionBaseline) changes() []string {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	var changed []string
	for key, now := range s.now {
		for _, text := range s.record.conditionTexts[key][s.from[key]:] {
			if text != now {
				changed = append(changed, key.String()+": "+text+", before: "+now)
			}
		}
	}
	return changed
}

func (k *record) count(key client.ObjectKey) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.conditionTexts[key])
}

// neighbours returns the bystanders of the other namespaces.
func (r *rig) neighbours() []*v1alpha1.DatabricksCluster {
	return slices.DeleteFunc(slices.Clone(r.fleet.bystanders), func(b *v1alpha1.DatabricksCluster) bool { return b.Namespace == r.namespace })
}

// serves creates and deletes an object in another namespace of the fleet, and fails the
// test unless the workspace gets both calls within promptTimeout.
func (r *rig) serves(namespace string) {
	r.t.Helper()
	cluster := r.small("served")
	cluster.Namespace = namespace
	began := time.Now()
	count := func(endpoint string) int {
		made := 0
		for _, entry := range r.workspace.Service.RequestsTo(endpoint) {
			if entry.Effect {
				made++
			}
		}
		return made
	}
	created := count("clusters/create")
	r.create(cluster)
	r.Eventually(func() int { return count("clusters/create") }).WithTimeout(promptTimeout).Should(BeNumerically(">", created))
	r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeEmpty())
	id := r.get(cluster).Status.ClusterID
	r.remove(cluster)
	r.Eventually(func() bool {
		record, _ := r.workspace.Cluster(id)
		return record.Deleted
	}).WithTimeout(promptTimeout).Should(BeTrue())
	r.gone(cluster)
	r.t.Logf("a neighbour's create and delete took %s", time.Since(began))
}

// hasShown reports whether any version of an object had a condition.
func (k *record) hasShown(name, want string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.versions[name], func(version *v1alpha1.DatabricksCluster) bool {
		return slices.Contains(conditions(version), want)
	})
}

func tag(key, value string) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.CustomTags = map[string]string{key: value} }
}

func TestAChangeAndItsReversal(t *testing.T) {
	t.Parallel()
	kinds := []struct {
		name string
		a, b specChange
		// calls are the expected calls of a step to b and of a step to a.
		toB, toA string
		shows    func(simulator.Record) any
		isA, isB any
	}{
		{
			"a tag", tag("b", "2"), tag("b", "9"), "update", "update",
			func(c simulator.Record) any { return c.Settings["custom_tags"].(map[string]any)["b"] }, "2", "9",
		},
		{
			"a key of sparkConf", sparkConf("spark.speculation", "true"), sparkConf("spark.speculation", "false"), "update", "update",
			func(c simulator.Record) any { return c.Settings["spark_conf"].(map[string]any)["spark.speculation"] }, "true", "false",
		},
		{
			"a field", func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(60)) },
			func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(90)) }, "update", "update",
			func(c simulator.Record) any { return fmt.Sprint(c.Settings["autotermination_minutes"]) }, "60", "90",
		},
		{
			"a size", fixed(1), fixed(2), "resize", "resize",
			func(c simulator.Record) any { return fmt.Sprint(c.Settings["num_workers"]) }, "1", "2",
		},
		{
			"a kind of size", fixed(1), autoscale(1, 3), "resize", "resize",
			func(c simulator.Record) any { return c.Settings["autoscale"] != nil }, false, true,
		},
		{
			"the run policy", runs(v1alpha1.RunPolicyRunning), runs(v1alpha1.RunPolicyTerminated), "delete", "start",
			func(c simulator.Record) any { return c.State == "RUNNING" }, true, false,
		},
	}
	for _, k := range kinds {
		eachSize(t, "[case-61] [case-26] a change, its reversal and the change again: "+k.name, func(t *testing.T, size size) {
			r := size.rig(t)
			cluster := r.running(runs(v1alpha1.RunPolicyManual), func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(0)) }, k.a)
			reached := func(want any, call string) {
				r.t.Helper()
				r.inSync(cluster)
				r.Eventually(func() any {
					record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
					return k.shows(record)
				}).WithTimeout(promptTimeout).Should(Equal(want), "Synced=InSync was reported for another value")
				r.Expect(r.quietWrites()).To(Equal([]string{call}), "one call per step")
				r.inSync(cluster)
				r.lists(2)
				r.workspace.ClearRequests()
			}
			r.editSpec(cluster, k.b)
			reached(k.isB, k.toB)
			r.editSpec(cluster, k.a)
			reached(k.isA, k.toA)
			r.restartInFleet()
			r.editSpec(cluster, k.b)
			reached(k.isB, k.toB)
			r.editSpec(cluster, k.a)
			reached(k.isA, k.toA)
			r.Expect(r.record.hasShown("scratch", "Stalled=ImmutableField")).To(BeFalse())
		})
	}
}

func TestDriftAfterAnUpdate(t *testing.T) {
	t.Parallel()
	for policy, wantWrites := range map[v1alpha1.DriftPolicy][]string{
		v1alpha1.DriftPolicyWarn:               {},
		v1alpha1.DriftPolicyCorrectWithRestart: {"update"},
	} {
		eachSize(t, "[case-64] a field is edited elsewhere after an update by the operator, driftPolicy "+string(policy), func(t *testing.T, size size) {
			r := size.rig(t)
			cluster := r.running(sparkConf("spark.speculation", "true"), func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = policy })
			id := cluster.Status.ClusterID
			r.editSpec(cluster, sparkConf("spark.speculation", "false"))
			r.inSync(cluster)
			r.lists(2)
			r.workspace.ClearRequests()
			r.Expect(r.workspace.EditElsewhere(id, map[string]any{"spark_conf": map[string]any{"spark.speculation": "true"}})).To(Succeed())
			r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/get")) }).Should(BeNumerically(">", 0), "a GET confirms the difference")
			if policy == v1alpha1.DriftPolicyWarn {
				drifted := r.becomes(cluster, "Synced!=DriftDetected")
				r.Expect(message(drifted, "Synced")).To(ContainSubstring("spark.speculation"))
			} else {
				r.Eventually(r.writes).Should(Equal(wantWrites))
				r.inSync(cluster)
			}
			r.Expect(r.quietWrites()).To(HaveLen(len(wantWrites)))
			r.Expect(r.record.hasShown("scratch", "Stalled=ImmutableField")).To(BeFalse())
		})
	}
}

func TestRemovals(t *testing.T) {
	t.Parallel()
	kinds := []struct {
		name        string
		set, unset  specChange
		owned       string
		isThere     func(simulator.Record) bool
		whileClosed bool
	}{
		{
			"a key of sparkConf", sparkConf("spark.speculation", "true", "spark.ui.enabled", "false"), sparkConf("spark.speculation", "true"),
			"/sparkConf/spark.ui.enabled", inMap("spark_conf", "spark.ui.enabled"), false,
		},
		{
			"the last key of sparkConf", sparkConf("spark.ui.enabled", "false"), func(s *v1alpha1.DatabricksClusterSpec) { s.SparkConf = nil },
			"/sparkConf/spark.ui.enabled", inMap("spark_conf", "spark.ui.enabled"), false,
		},
		{
			"a tag", tag("team", "a"), func(s *v1alpha1.DatabricksClusterSpec) { s.CustomTags = nil },
			"/customTags/team", inMap("custom_tags", "team"), false,
		},
		{
			"a block",
			func(s *v1alpha1.DatabricksClusterSpec) {
				s.ClusterLogConf = &v1alpha1.ClusterLogConf{Volumes: &v1alpha1.StorageDestination{Destination: "/Volumes/a/b/c"}}
			},
			func(s *v1alpha1.DatabricksClusterSpec) { s.ClusterLogConf = nil },
			"/clusterLogConf", func(c simulator.Record) bool { return c.Spec["cluster_log_conf"] != nil }, false,
		},
		{
			"a key while no operator runs", sparkConf("spark.speculation", "true", "spark.ui.enabled", "false"), sparkConf("spark.speculation", "true"),
			"/sparkConf/spark.ui.enabled", inMap("spark_conf", "spark.ui.enabled"), true,
		},
	}
	for _, k := range kinds {
		t.Run("[case-62] [case-63] twelve objects applied at once, one removes "+k.name, func(t *testing.T) {
			r := newRig(t)
			all := r.twelve(k.set)
			cluster := all[0]
			before := r.conditionBaseline(all[1:])
			if k.whileClosed {
				r.stop()
			}
			r.editSpec(cluster, k.unset)
			if k.whileClosed {
				r.start()
			}
			id := r.inSync(cluster).Status.ClusterID
			r.Eventually(func() bool {
				record, _ := r.workspace.Cluster(id)
				return k.isThere(record)
			}).WithTimeout(promptTimeout).Should(BeFalse(), "the removed key is still set, and InSync was reported")
			r.Expect(r.quietWrites()).To(Equal([]string{"update"}))
			r.Eventually(func() []string { return r.get(cluster).Status.OwnedFields }).ShouldNot(ContainElement(HavePrefix(k.owned)))
			r.Expect(r.record.hasShown(cluster.Name, "Stalled=ImmutableField")).To(BeFalse())
			r.Expect(before.changes()).To(BeEmpty())
		})
	}

	t.Run("[case-63] one of twelve that was read by GET before removes a key: never ImmutableField", func(t *testing.T) {
		r := newRig(t)
		all := r.twelve(sparkConf("spark.speculation", "true", "spark.ui.enabled", "false"))
		cluster := all[0]
		r.editSpec(cluster, tag("team", "a"))
		r.inSync(cluster)
		r.lists(2)
		r.workspace.ClearRequests()
		r.editSpec(cluster, sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		r.Expect(r.quietWrites()).To(Equal([]string{"update"}))
		r.lists(3)
		r.inSync(cluster)
		r.Expect(r.record.hasShown(cluster.Name, "Stalled=ImmutableField")).To(BeFalse())
		r.Expect(r.writes()).To(Equal([]string{"update"}))
	})
}

func inMap(field, key string) func(simulator.Record) bool {
	return func(c simulator.Record) bool {
		pairs, _ := c.Spec[field].(map[string]any)
		_, there := pairs[key]
		return there
	}
}

func TestAnswersWithoutSpec(t *testing.T) {
	t.Parallel()
	for _, edited := range []bool{false, true} {
		name := map[bool]string{false: "an adopted cluster", true: "an adopted cluster that is edited meanwhile"}[edited]
		t.Run("[R18] [case-65] a GET without spec: nothing is compared, trimmed, cleared or sent: "+name, func(t *testing.T) {
			r := inFleet.rig(t, simulator.Options{Workspaces: []simulator.Workspace{{
				Policies:   []simulator.Policy{{ID: "P1", Definition: `{}`}},
				Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
			}}})
			foreign := map[string]any{
				"cluster_name": "foreign", "policy_id": "P1",
				"spark_env_vars": map[string]any{"FOREIGN": "1"}, "custom_tags": map[string]any{"foreign": "1"},
			}
			id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: foreign})
			r.workspace.AddFault(simulator.Fault{Name: "no spec", Endpoint: "clusters/get", ClusterID: id, SpecMissing: true})
			r.start()
			cluster := r.create(r.adopting("adopted", id, sparkConf("ours", "1")))
			r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/get")) }).Should(BeNumerically(">=", 1))
			if edited {
				r.editSpec(cluster, sparkConf("ours", "2"))
			}
			r.restartInFleet()
			r.lists(3)
			r.Consistently(r.writes).WithTimeout(time.Second).Should(BeEmpty())
			r.Expect(conditions(r.get(cluster))).NotTo(ContainElement("Synced=InSync"))
			r.workspace.RemoveFault("no spec")
			r.inSync(cluster)
			r.Expect(r.quietWrites()).To(Equal([]string{"update"}))
			record, _ := r.workspace.Cluster(id)
			r.Expect(record.Spec).To(And(HaveKeyWithValue("cluster_name", "foreign"), HaveKeyWithValue("policy_id", "P1")))
			r.Expect(record.Spec["spark_env_vars"]).To(HaveKeyWithValue("FOREIGN", "1"))
			r.Expect(record.Spec["custom_tags"]).To(HaveKeyWithValue("foreign", "1"))
		})
	}
}

func TestOneEndpointFails(t *testing.T) {
	t.Parallel()
	disabled := simulator.Fault{
		Status: http.StatusInternalServerError, ErrorCode: "INTERNAL_ERROR",
		Message: "FEATURE_DISABLED: ACLs for cluster are disabled or not available in this tier",
	}
	faults := map[string]simulator.Fault{
		"500 with a body": disabled,
		"a bare 500":      {Status: http.StatusInternalServerError},
		"403":             {Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no rights here"},
		"a login page":    {HTML: true},
		"a late answer":   {Delay: lateAnswer},
	}
	endpoints := map[string]specChange{
		"permissions/*": grants(toGroup("engineers", "CAN_RESTART")),
		"libraries/*":   libraries(pypi("a==1")),
		"clusters/pin":  pinned(true),
	}
	for endpoint, uses := range endpoints {
		for what, fault := range faults {
			if endpoint != "permissions/*" && fault.ErrorCode == "" {
				continue // The other endpoints behave alike.
			}
			t.Run("[R18] [case-68] "+endpoint+" answers "+what+": creates, deletes and lists of other objects continue", func(t *testing.T) {
				r := inFleet.rig(t)
				if fault.Delay > 0 {
					r.withShortTimeouts()
				}
				// No list succeeds between the failures, as at the default intervals.
				r.cacheOptions.Slow = time.Minute
				r.start()
				for i := range 6 {
					r.create(r.small(fmt.Sprintf("user-%d", i)))
				}
				for i := range 6 {
					r.becomes(r.small(fmt.Sprintf("user-%d", i)), "Ready=Running")
				}
				before := r.conditionBaseline(r.neighbours())
				fault.Endpoint = endpoint
				r.workspace.AddFault(fault)
				for i := range 6 {
					r.editSpec(r.small(fmt.Sprintf("user-%d", i)), uses)
				}
				r.Eventually(func(g Gomega) {
					before := len(r.failed(endpoint))
					g.Expect(before).To(BeNumerically(">=", 6))
					g.Consistently(func() int { return len(r.failed(endpoint)) }).WithTimeout(2 * time.Second).Should(BeNumerically("<=", before+1))
				}).Should(Succeed(), "calls of the failing endpoint")
				r.serves(r.tenants[0])
				r.restartInFleet()
				r.serves(r.tenants[1])
				r.Expect(before.changes()).To(BeEmpty(), "changed conditions of the neighbours")
				for i := range 6 {
					r.remove(r.small(fmt.Sprintf("user-%d", i)))
				}
				for i := range 6 {
					r.gone(r.small(fmt.Sprintf("user-%d", i)))
				}
			})
		}
	}
}

// failed returns the requests to an endpoint that a fault failed.
func (r *rig) failed(endpoint string) []simulator.Entry {
	prefix := strings.TrimSuffix(endpoint, "*")
	return slices.DeleteFunc(r.workspace.Requests(), func(e simulator.Entry) bool {
		return e.Fault == "" || !strings.HasPrefix(e.Endpoint, prefix)
	})
}

func TestOneClusterFails(t *testing.T) {
	t.Parallel()
	faults := map[string]simulator.Fault{
		"500":     {Status: http.StatusInternalServerError, ErrorCode: "INTERNAL_ERROR", Message: "this very cluster is broken"},
		"403":     {Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "this very cluster is broken"},
		"garbage": {Body: `{"cluster_id": [`},
	}
	for what, fault := range faults {
		t.Run("[case-67] the GET of one cluster answers "+what+": only its object reports that", func(t *testing.T) {
			r := newRig(t)
			all := r.twelve()
			failing, others := all[0], all[1:]
			before := r.conditionBaseline(others)
			fault.Name, fault.Endpoint, fault.ClusterID = "failing", "clusters/get", r.get(failing).Status.ClusterID
			r.workspace.AddFault(fault)
			r.editSpec(failing, sparkConf("spark.speculation", "true"))
			r.Eventually(func() int { return len(r.failed("clusters/get")) }).Should(BeNumerically(">=", 1))
			r.Eventually(func() []string { return conditions(r.get(failing)) }).WithTimeout(promptTimeout).ShouldNot(ContainElement("Synced=InSync"))
			if fault.Message != "" {
				r.Eventually(func() string { return strings.Join(conditionTexts(r.get(failing)), "\n") }).WithTimeout(promptTimeout).Should(ContainSubstring(fault.Message))
			}
			r.lists(3)
			r.Expect(before.changes()).To(BeEmpty(), "changed conditions of the others")
			r.editSpec(others[0], fixed(2))
			r.Eventually(r.writes).WithTimeout(promptTimeout).Should(Equal([]string{"resize"}))
			r.workspace.RemoveFault("failing")
			r.inSync(failing)
		})
	}
}

func TestSharedCredentials(t *testing.T) {
	t.Parallel()
	passing := []struct {
		name  string
		fault simulator.Fault
	}{
		{"a 403 on the token", simulator.Fault{Endpoint: "clusters/create", Status: http.StatusForbidden, ErrorCode: "403", Message: "Invalid access token."}},
		{"a 401 on the token", simulator.Fault{Endpoint: "clusters/create", Status: http.StatusUnauthorized, ErrorCode: "UNAUTHENTICATED", Message: "Invalid access token."}},
		{"a bare 401", simulator.Fault{Endpoint: "clusters/create", Status: http.StatusUnauthorized}},
		{"a 401 on a list", simulator.Fault{Endpoint: "clusters/list", Status: http.StatusUnauthorized, ErrorCode: "UNAUTHENTICATED", Message: "Invalid access token."}},
		{"a 403 on a list", simulator.Fault{Endpoint: "clusters/list", Status: http.StatusForbidden, ErrorCode: "403", Message: "Invalid access token."}},
	}
	for _, p := range passing {
		t.Run("[R18] [case-69] "+p.name+", once, has no effect", func(t *testing.T) {
			r := inFleet.rig(t)
			r.cacheOptions.Limits.ProbeRefused = time.Hour
			r.start()
			r.lists(1)
			before := r.conditionBaseline(r.fleet.bystanders)
			p.fault.Times, p.fault.Principal = 1, simulator.DefaultUser
			r.workspace.AddFault(p.fault)
			cluster := r.create(r.small("scratch"))
			r.Eventually(func() int { return len(r.failed(p.fault.Endpoint)) }).Should(Equal(1))
			r.serves(r.tenants[0])
			r.becomes(cluster, "Ready=Running")
			r.Expect(before.changes()).To(BeEmpty())
		})
	}

	t.Run("[R18] [case-69] a revoked token blocks all of its own objects, which report that, and no others", func(t *testing.T) {
		r := inFleet.rig(t)
		r.ownNamespaceSuffers = true
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, tenantToken)).To(Succeed())
		r.putSecret(defaultSecret, r.workspace.URL, tenantToken)
		cluster := r.running()
		before := r.conditionBaseline(r.neighbours())
		r.workspace.RevokeToken(tenantToken)
		own := append([]*v1alpha1.DatabricksCluster{cluster}, slices.DeleteFunc(slices.Clone(r.fleet.bystanders), func(b *v1alpha1.DatabricksCluster) bool { return b.Namespace != r.namespace })...)
		for _, object := range own {
			r.becomes(object, "Ready!=AuthenticationFailed")
		}
		r.Expect(before.changes()).To(BeEmpty())
	})

	for _, c := range []struct {
		name   string
		rights *simulator.Rights
		want   string
	}{
		{"was revoked", nil, "Ready!=AuthenticationFailed"},
		{"may only read", &simulator.Rights{ReadOnly: true}, "Synced!="},
		{"may not resize", &simulator.Rights{Refused: []string{"clusters/resize", "clusters/update", "clusters/edit"}}, "Synced!="},
	} {
		t.Run("[R18] [case-70] [S1] a tenant's token that "+c.name+", beside a working one of the same user: the tenant's calls only carry its own", func(t *testing.T) {
			r := inFleet.rig(t)
			r.ownNamespaceSuffers = true
			r.Expect(r.workspace.AddScopedToken("", simulator.DefaultUser, simulator.Token{Value: tenantToken, Name: "tenant"})).To(Succeed())
			r.putSecret(defaultSecret, r.workspace.URL, tenantToken)
			cluster := r.running()
			id := cluster.Status.ClusterID
			r.workspace.RevokeToken(tenantToken)
			if c.rights != nil {
				r.Expect(r.workspace.AddScopedToken("", simulator.DefaultUser, simulator.Token{Value: tenantToken, Name: "tenant", Rights: *c.rights})).To(Succeed())
			}
			r.editSpec(cluster, fixed(4))
			r.Eventually(func() []string { return conditions(r.get(cluster)) }).Should(ContainElement(HavePrefix(c.want)))
			r.create(r.small("late"))
			r.editSpec(cluster, fixed(5))
			r.Eventually(func() bool { return len(conditions(r.get(r.small("late")))) > 0 }).Should(BeTrue())
			r.restartInFleet()
			r.editSpec(cluster, fixed(6))
			r.Consistently(func() int { return r.calls("clusters/resize") + r.calls("clusters/update") }).WithTimeout(2 * time.Second).Should(BeZero())
			if c.rights == nil || c.rights.ReadOnly {
				r.Expect(r.calls("clusters/create")).To(BeZero())
			}
			for _, entry := range r.workspace.requestsOf(id) {
				r.Expect(entry.Token).To(BeElementOf("tenant", ""), "%s of the tenant's cluster with another's token", entry.Endpoint)
			}
			r.serves(r.tenants[0])
		})
	}
}

const tenantToken = "dapi-tenant-of-the-same-user"

func TestTextOfASpec(t *testing.T) {
	t.Parallel()
	t.Run("[R18] [case-71] [S8] the refusals of sixty objects quote words of another error: these objects have InvalidSpec, without further effects", func(t *testing.T) {
		r := inFleet.rig(t)
		r.start()
		before := r.conditionBaseline(r.fleet.bystanders)
		const many = 60
		for i := range many {
			r.create(r.small(fmt.Sprintf("odd-%02d", i), func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeID = "deadline exceeded" }))
		}
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(BeNumerically(">=", 10))
		r.serves(r.tenants[0])
		r.restartInFleet()
		r.serves(r.tenants[1])
		for i := range many {
			r.becomes(r.small(fmt.Sprintf("odd-%02d", i)), "Stalled=InvalidSpec")
		}
		r.Expect(before.changes()).To(BeEmpty())
		// Each of the two operators tries each one once, and the neighbours make a few requests.
		r.Expect(len(r.workspace.RequestsTo("clusters/create"))).To(BeNumerically("<=", 2*many+6))
	})

	for _, text := range []string{"401 Unauthorized", "Invalid access token.", "PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST", "connection refused", "RESOURCE_EXHAUSTED too many requests"} {
		t.Run("[case-71] a node type with the text "+text, func(t *testing.T) {
			r := newRig(t)
			r.start()
			r.becomes(r.create(r.small("sound")), "Ready=Running")
			r.becomes(r.create(r.small("odd", func(s *v1alpha1.DatabricksClusterSpec) { s.NodeTypeID = text })), "Stalled=InvalidSpec")
			r.Expect(conditions(r.get(r.small("sound")))).To(ContainElement("Ready=Running"))
		})
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	const other = "deadbeef-11111111-2222-3333-4444-555555555555"
	retag := func(r *rig, id, owner string) {
		r.t.Helper()
		record, _ := r.workspace.Cluster(id)
		tags := map[string]any{}
		if set, ok := record.Spec["custom_tags"].(map[string]any); ok {
			maps.Copy(tags, set)
		}
		tags[v1alpha1.OwnerTagKey] = owner
		r.Expect(r.workspace.EditElsewhere(id, map[string]any{"custom_tags": tags})).To(Succeed())
	}

	t.Run("[R18] [case-82] the tag names another owner: the former one writes nothing and its deletion does not change the cluster", func(t *testing.T) {
		r := inFleet.rig(t)
		cluster := r.running(fixed(1))
		id := cluster.Status.ClusterID
		retag(r, id, other)
		r.editSpec(cluster, fixed(4))
		r.becomes(cluster, "Stalled=AlreadyManaged")
		r.restartInFleet()
		r.becomes(cluster, "Stalled=AlreadyManaged")
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.remove(cluster)
		r.gone(cluster)
		record, _ := r.workspace.Cluster(id)
		r.Expect(record.Exists()).To(BeTrue())
		r.Expect(string(record.State)).To(Equal("RUNNING"))
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("[R18] [case-82] a former owner that is not edited reports the change", func(t *testing.T) {
		r := inFleet.rig(t)
		cluster := r.running(fixed(1))
		retag(r, cluster.Status.ClusterID, other)
		r.becomes(cluster, "Stalled=AlreadyManaged")
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("[R18] [case-74] a clusterID in status of another object's cluster: the owner tag prevents every write", func(t *testing.T) {
		r := inFleet.rig(t)
		cluster := r.running(fixed(1))
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Source: "API", Spec: map[string]any{"num_workers": 2, "custom_tags": map[string]any{v1alpha1.OwnerTagKey: other}}})
		forged := r.get(cluster)
		patch := client.MergeFrom(forged.DeepCopy())
		forged.Status.ClusterID = id
		r.Expect(r.api.Status().Patch(t.Context(), forged, patch)).To(Succeed())
		r.restartInFleet()
		r.editSpec(cluster, fixed(5))
		r.becomes(cluster, "Stalled=AlreadyManaged")
		r.remove(cluster)
		r.Eventually(func() bool { return r.get(cluster).Name == "" || !r.get(cluster).DeletionTimestamp.IsZero() }).Should(BeTrue())
		r.quietWrites()
		for _, entry := range r.workspace.requestsOf(id) {
			r.Expect(reads).To(ContainElement(entry.Endpoint), "a write to the cluster of another object")
		}
		record, _ := r.workspace.Cluster(id)
		r.Expect(record.Exists()).To(BeTrue())
	})

	for _, elsewhere := range []bool{false, true} {
		where := map[bool]string{false: "the same namespace", true: "another namespace"}[elsewhere]
		t.Run("[R18] [case-83] two objects name one cluster and the holder is deleted: the other one of "+where+" adopts it, without a write", func(t *testing.T) {
			r := inFleet.rig(t)
			id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 2}})
			r.start()
			first := r.create(r.adopting("first", id, fixed(2)))
			r.becomes(first, "Ready=Running")
			second := r.adopting("second", id, fixed(2))
			if elsewhere {
				second.Namespace = r.tenants[0]
			}
			r.becomes(r.create(second), "Stalled=AlreadyManaged")
			r.remove(first)
			r.gone(first)
			r.Eventually(func() []string { return conditions(r.get(second)) }).WithTimeout(promptTimeout).Should(ContainElement("Ready=Running"))
			r.inSync(second)
			r.Expect(r.writes()).To(BeEmpty())
		})
	}
}

func TestServerNormalized(t *testing.T) {
	t.Parallel()
	onDemand := func(count int32) specChange {
		return func(s *v1alpha1.DatabricksClusterSpec) {
			s.AWSAttributes = &v1alpha1.AWSAttributes{FirstOnDemand: new(count)}
		}
	}
	eachSize(t, "[case-66] a value that the server changed at the create is reported and not sent again; an edit is sent once", func(t *testing.T, size size) {
		r := size.rig(t, simulator.Options{Behaviour: simulator.Behaviour{RewriteFirstOnDemand: true}})
		r.start()
		cluster := r.create(r.small("scratch", onDemand(0)))
		normalized := r.becomes(cluster, "Synced!=ServerNormalized")
		r.becomes(cluster, "Ready=Running")
		r.Expect(message(normalized, "Synced")).To(And(ContainSubstring("firstOnDemand"), ContainSubstring("0"), ContainSubstring("1")))
		r.restartInFleet()
		r.lists(0)
		r.Expect(r.quietWrites()).To(Equal([]string{"create"}))
		r.becomes(cluster, "Synced!=ServerNormalized")
		r.Expect(r.record.hasShown("scratch", "Stalled=ImmutableField")).To(BeFalse())
		r.editSpec(cluster, onDemand(2))
		r.inSync(cluster)
		r.Expect(r.quietWrites()).To(Equal([]string{"create", "update"}))
	})
}

func TestContentionInAFleet(t *testing.T) {
	t.Parallel()
	correcting := func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyCorrectWithRestart }
	reversals := []struct {
		name       string
		want       specChange
		field      string
		correction string
		undo       func(r *rig, id string)
		undone     func(r *rig, id string) bool
	}{
		{
			"an owned key", sparkConf("spark.speculation", "true"), "spark.speculation", "clusters/update",
			func(r *rig, id string) {
				r.Expect(r.workspace.EditElsewhere(id, map[string]any{"spark_conf": map[string]any{"spark.speculation": "false"}})).To(Succeed())
			},
			func(r *rig, id string) bool {
				record, _ := r.workspace.Cluster(id)
				return record.Spec["spark_conf"].(map[string]any)["spark.speculation"] != "true"
			},
		},
		{
			"a size", fixed(2), "numWorkers", "clusters/resize",
			func(r *rig, id string) {
				r.Expect(r.workspace.EditElsewhere(id, map[string]any{"num_workers": 5})).To(Succeed())
			},
			func(r *rig, id string) bool {
				record, _ := r.workspace.Cluster(id)
				return fmt.Sprint(record.Settings["num_workers"]) != "2"
			},
		},
		{
			"the power state", runs(v1alpha1.RunPolicyRunning), "runPolicy", "clusters/start",
			func(r *rig, id string) { r.end(id, "USER_REQUEST", "SUCCESS") },
			func(r *rig, id string) bool {
				record, _ := r.workspace.Cluster(id)
				return record.State != "RUNNING"
			},
		},
		{
			"a pin", pinned(true), "pinned", "clusters/pin",
			func(r *rig, id string) {
				r.call(http.MethodPost, "/api/2.1/clusters/unpin", `{"cluster_id": "`+id+`"}`)
			},
			func(r *rig, id string) bool {
				// A pin is a reversal only after the status had the declared state.
				record, _ := r.workspace.Cluster(id)
				shown := r.get(r.small("scratch")).Status.Pinned
				return !record.Pinned || shown == nil || !*shown
			},
		},
		{
			"a permission", grants(toGroup("engineers", "CAN_RESTART")), "accessControlList", "permissions/set",
			func(r *rig, id string) {
				r.call(http.MethodPatch, "/api/2.0/permissions/clusters/"+id, `{"access_control_list": [{"group_name": "intruders", "permission_level": "CAN_MANAGE"}]}`)
			},
			func(r *rig, id string) bool {
				_, there := r.granted(id)["intruders"]
				return there
			},
		},
	}
	for _, f := range reversals {
		t.Run("[R18] [case-90] [R13] "+f.name+" is reverted for the fourth time: Contended, and no further correction at once", func(t *testing.T) {
			r := inFleet.rig(t)
			r.cacheOptions.Deep = 300 * time.Millisecond
			cluster := r.running(correcting, f.want)
			id := cluster.Status.ClusterID
			r.Eventually(func() bool { return f.undone(r, id) }).Should(BeFalse())
			r.inSync(cluster)
			for i := range 3 {
				f.undo(r, id)
				r.Eventually(func() bool { return f.undone(r, id) }).Should(BeFalse(), "it was not corrected")
				r.Eventually(func() int { return r.corrected(cluster) }).Should(Equal(i + 1))
			}
			r.restartInFleet()
			f.undo(r, id)
			contended := r.becomes(cluster, "Synced!=Contended")
			r.Expect(message(contended, "Synced")).To(ContainSubstring(f.field))
			before := r.calls(f.correction)
			r.Consistently(func() int { return r.calls(f.correction) }).Should(Equal(before))
			r.Expect(r.record.hasShown("scratch", "Stalled=ImmutableField")).To(BeFalse())
		})
	}

	t.Run("[case-90] [R13] a second actor undoes an owned field right after it was corrected: never ImmutableField", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(correcting, sparkConf("spark.speculation", "true"))
		id, key := cluster.Status.ClusterID, reversals[0]
		for range 3 {
			key.undo(r, id)
			r.Eventually(func() bool { return key.undone(r, id) }).WithPolling(time.Millisecond).Should(BeFalse())
		}
		key.undo(r, id)
		r.becomes(cluster, "Synced!=Contended")
		r.Expect(r.record.hasShown("scratch", "Stalled=ImmutableField")).To(BeFalse())
	})

	t.Run("[case-90] [R10] two control planes that adopt one cluster: the second stalls before its first write", func(t *testing.T) {
		r := newRig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 1}})
		r.start()
		// The owner tag is set with the first change that restarts the cluster.
		first := r.create(r.adopting("first", id, func(s *v1alpha1.DatabricksClusterSpec) {
			fixed(2)(s)
			sparkConf("spark.speculation", "true")(s)
		}))
		r.inSync(first)
		namespace := r.newNamespace()
		r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
		other := *r
		other.namespace, other.options.OperatorID = namespace, "deadbeef"
		other.start()
		second := other.create(other.adopting("second", id, fixed(5)))
		before := len(r.quietWrites())
		other.becomes(second, "Stalled=AlreadyManaged")
		r.Consistently(func() int { return len(r.writes()) }).WithTimeout(time.Second).Should(Equal(before))
		record, _ := r.workspace.Cluster(id)
		r.Expect(fmt.Sprint(record.Settings["num_workers"])).To(Equal("2"))
	})
}

// corrected returns how many corrections of an object are recorded as done.
func (r *rig) corrected(cluster *v1alpha1.DatabricksCluster) int {
	count := 0
	for _, entry := range r.get(cluster).Status.Corrections {
		if entry.CorrectedTime != nil {
			count += int(entry.Count)
		}
	}
	return count
}

func TestAnIDThatIsStoredLateInAFleet(t *testing.T) {
	t.Parallel()
	t.Run("[case-89] an id that is stored late is never stored in another object of the same name", func(t *testing.T) {
		r := newRig(t)
		held := make(chan struct{})
		var reached atomic.Bool
		r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			cluster, ok := object.(*v1alpha1.DatabricksCluster)
			if ok && cluster.Status.ClusterID != "" && reached.CompareAndSwap(false, true) {
				<-held
			}
			return inner.SubResource(sub).Patch(ctx, object, patch, options...)
		}
		r.start()
		retained := func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain }
		first := r.create(r.small("scratch", retained, fixed(1)))
		r.Eventually(reached.Load).Should(BeTrue())
		lost := r.live()[0].ID
		r.remove(first)
		r.edit(first, func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil })
		r.gone(first)
		second := r.create(r.small("scratch", fixed(3)))
		close(held)
		r.becomes(second, "Ready=Running")
		r.inSync(second)
		now := r.get(second)
		r.Expect(now.Status.ClusterID).NotTo(Equal(lost))
		r.remove(second)
		r.gone(second)
		record, _ := r.workspace.Cluster(lost)
		r.Expect(record.Exists()).To(BeTrue(), "the first object's cluster is retained")
		r.Expect(fmt.Sprint(record.Settings["num_workers"])).To(Equal("1"))
		for _, cluster := range r.live() {
			r.Expect(cluster.ID).To(Equal(lost), "there is no other cluster")
		}
	})
}

func TestAnIntentThatCannotBePersistedInAFleet(t *testing.T) {
	t.Parallel()
	answers := map[string]error{
		"503": apierrors.NewServiceUnavailable("the API server is away"),
		"403": apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("databricksclusters").GroupResource(), "scratch", nil),
	}
	for code, answer := range answers {
		t.Run("[R18] [case-91] [R12] the API server answers "+code+" to three intents: few attempts, without an effect on other objects", func(t *testing.T) {
			r := inFleet.rig(t)
			r.kubernetesFails = true
			var attempts atomic.Int64
			var healed atomic.Bool
			r.intercept.SubResourcePatch = func(ctx context.Context, inner client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
				cluster, ok := object.(*v1alpha1.DatabricksCluster)
				if ok && !healed.Load() && strings.HasPrefix(cluster.Name, "intent-") && cluster.Status.Creation != nil && cluster.Status.Creation.Token != "" {
					attempts.Add(1)
					return answer
				}
				return inner.SubResource(sub).Patch(ctx, object, patch, options...)
			}
			r.start()
			before := r.conditionBaseline(r.fleet.bystanders)
			for i := range 3 {
				r.create(r.small(fmt.Sprintf("intent-%d", i)))
			}
			r.Eventually(attempts.Load).Should(BeNumerically(">=", 2))
			r.serves(r.tenants[0])
			r.Expect(r.workspace.RequestsTo("clusters/create")).To(HaveLen(1))
			// The first attempts follow each other faster. Afterwards the backoff is some seconds.
			window := time.Now().Add(4 * time.Second)
			var made int64
			started := attempts.Load()
			r.Eventually(func() bool { made = attempts.Load() - started; return time.Now().After(window) }).Should(BeTrue())
			r.Expect(made).To(BeNumerically("<=", 10), "attempts of three objects in four seconds")
			r.Expect(before.changes()).To(BeEmpty())
			healed.Store(true)
			for i := range 3 {
				r.becomes(r.small(fmt.Sprintf("intent-%d", i)), "Ready=Running")
			}
		})
	}
}

func TestAHangingWatch(t *testing.T) {
	t.Parallel()
	protections := map[string]specChange{
		"deletionPolicy Retain": func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = v1alpha1.DeletionPolicyRetain },
		"deletionProtection":    func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true },
	}
	for what, protect := range protections {
		t.Run("[case-92] [R4] "+what+" that the cache does not have yet is respected when a failing workspace recovers", func(t *testing.T) {
			r := newRig(t)
			var frozen atomic.Pointer[v1alpha1.DatabricksCluster]
			r.intercept.Get = func(ctx context.Context, inner client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				err := inner.Get(ctx, key, object, options...)
				if cluster, ok := object.(*v1alpha1.DatabricksCluster); ok && err == nil {
					if old := frozen.Load(); old != nil && old.Name == cluster.Name {
						old.DeepCopyInto(cluster)
					}
				}
				return err
			}
			r.start()
			cluster := r.create(r.small("scratch"))
			r.becomes(cluster, "Ready=Running")
			r.workspace.AddFault(simulator.Fault{Name: "failing", Endpoint: "clusters/permanent-delete", Status: http.StatusServiceUnavailable})
			r.remove(cluster)
			r.Eventually(func() int { return len(r.failed("clusters/permanent-delete")) }).Should(BeNumerically(">=", 1))
			// The operator knows its own last write, so the watch hangs after it.
			r.Eventually(func(g Gomega) {
				before := r.get(cluster).ResourceVersion
				g.Consistently(func() string { return r.get(cluster).ResourceVersion }).WithTimeout(2 * time.Second).Should(Equal(before))
			}).Should(Succeed())
			frozen.Store(r.get(cluster))
			r.editSpec(cluster, protect)
			r.workspace.RemoveFault("failing")
			r.Consistently(func() int { return r.calls("clusters/permanent-delete") }).WithTimeout(10 * time.Second).Should(BeZero())
			frozen.Store(nil)
			r.stop()
			r.intercept = interceptor.Funcs{}
			r.start()
			if what == "deletionPolicy Retain" {
				r.gone(cluster)
			} else {
				r.becomes(cluster, "Stalled=DeletionBlocked")
			}
			r.Expect(r.live()).To(HaveLen(1))
		})
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		t.Run(fmt.Sprintf("[case-94] [R10] the workspace's clock is %s ahead and the response of a create is lost: the object is deleted, and no cluster is left", offset), func(t *testing.T) {
			r := newRig(t, simulator.Options{ClockOffset: offset})
			r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
			r.start()
			cluster := r.create(r.small("scratch"))
			r.Eventually(func() int { return len(r.live()) }).Should(Equal(1))
			r.remove(cluster)
			r.gone(cluster)
			r.Expect(r.live()).To(BeEmpty())
			r.Expect(r.calls("clusters/create")).To(Equal(1))
		})

		t.Run(fmt.Sprintf("[case-94] [R10] the workspace's clock is %s ahead, the response of a create is lost and the cluster terminates: there is no second one", offset), func(t *testing.T) {
			r := newRig(t, simulator.Options{ClockOffset: offset})
			r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
			r.start()
			cluster := r.create(r.small("scratch"))
			r.Eventually(func() int { return len(r.live()) }).Should(Equal(1))
			r.end(r.live()[0].ID, "USER_REQUEST", "SUCCESS")
			r.becomes(cluster, "Ready=TerminatedNormally")
			r.Expect(r.workspace.Clusters()).To(HaveLen(1))
			r.Expect(r.calls("clusters/create")).To(Equal(1))
		})
	}
}

func TestSelectorOfALongName(t *testing.T) {
	t.Parallel()
	for _, length := range []int{63, 64, 100, 253} {
		t.Run(fmt.Sprintf("status.selector of a name of %d characters is a valid selector", length), func(t *testing.T) {
			r := newRig(t)
			r.start()
			cluster := r.create(r.small(strings.Repeat("a", length)))
			r.Eventually(func() string { return r.get(cluster).Status.Selector }).ShouldNot(BeEmpty())
			_, err := labels.Parse(r.get(cluster).Status.Selector)
			r.Expect(err).NotTo(HaveOccurred())
			r.becomes(cluster, "Ready=Running")
		})
	}

	t.Run("status.selector differs for two long names with the same prefix", func(t *testing.T) {
		r := newRig(t)
		r.start()
		first, second := r.create(r.small(strings.Repeat("a", 80)+"-1")), r.create(r.small(strings.Repeat("a", 80)+"-2"))
		for _, cluster := range []*v1alpha1.DatabricksCluster{first, second} {
			r.Eventually(func() string { return r.get(cluster).Status.Selector }).ShouldNot(BeEmpty())
		}
		r.Expect(r.get(first).Status.Selector).NotTo(Equal(r.get(second).Status.Selector))
	})
}
