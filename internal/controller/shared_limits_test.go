package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestTwoWorkspacesOfOneHost(t *testing.T) {
	t.Parallel()
	const first, second = 7100000000000001, 7100000000000002
	host := func(tokens ...string) simulator.Options {
		of := func(name string, id int64, token string) simulator.Workspace {
			return simulator.Workspace{Name: name, ID: id, Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{token}}}}
		}
		return simulator.Options{Workspaces: []simulator.Workspace{of("first", first, tokens[0]), of("second", second, tokens[1])}}
	}
	cases := []struct {
		name   string
		tokens [2]string
		// key is the key of the workspace id in the Secret; empty if it has none.
		key string
	}{
		{"that differ in their tokens", [2]string{simulator.DefaultToken, tenantToken}, ""},
		{"that differ in the workspace id in the Secret, with one token", [2]string{simulator.DefaultToken, simulator.DefaultToken}, "DATABRICKS_WORKSPACE_ID"},
		{"that differ in the workspace id in the host, with one token", [2]string{simulator.DefaultToken, simulator.DefaultToken}, "DATABRICKS_HOST"},
	}
	for _, c := range cases {
		t.Run("[case-75] two workspaces behind one host, "+c.name+": neither has the other's clusters or limits", func(t *testing.T) {
			r := newRig(t, host(c.tokens[:]...))
			namespaces := []string{r.namespace, r.newNamespace()}
			r.tenants = namespaces[1:]
			for i, id := range []int64{first, second} {
				r.putSecretIn(namespaces[i], defaultSecret, r.workspace.URL, c.tokens[i])
				secret := &corev1.Secret{}
				r.Expect(r.api.Get(t.Context(), client.ObjectKey{Namespace: namespaces[i], Name: defaultSecret}, secret)).To(Succeed())
				switch c.key {
				case "DATABRICKS_HOST":
					secret.Data[c.key] = fmt.Appendf(nil, "%s/?o=%d", r.workspace.URL, id)
				case "":
				default:
					secret.Data[c.key] = fmt.Append(nil, id)
				}
				r.Expect(r.api.Update(t.Context(), secret)).To(Succeed())
			}
			r.start()
			ids := map[string]string{}
			for i, name := range []string{"first", "second"} {
				for n := range 3 {
					cluster := r.small(fmt.Sprintf("member-%d", n))
					cluster.Namespace = namespaces[i]
					ready := r.becomes(r.create(cluster), "Ready=Running")
					record, _ := r.workspace.Cluster(ready.Status.ClusterID)
					r.Expect(record.Workspace).To(Equal(name))
					ids[name] = ready.Status.ClusterID
				}
			}
			stray := r.adopting("stray", ids["second"], fixed(1))
			r.becomes(r.create(stray), "Stalled=AdoptionTargetNotFound")
			for _, entry := range r.workspace.RequestsTo("clusters/create") {
				r.Expect(entry.Workspace).To(Equal(map[bool]string{true: "first", false: "second"}[strings.Contains(string(entry.Body), namespaces[0])]))
			}

			r.workspace.AddFault(simulator.Fault{Workspace: "second", Endpoint: "*", Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "60"}})
			late := r.small("late-second")
			late.Namespace = namespaces[1]
			r.create(late)
			r.Eventually(func() int { return len(r.failed("*")) }).Should(BeNumerically(">", 0))
			r.create(r.small("late-first"))
			r.Eventually(func() string { return r.get(r.small("late-first")).Status.ClusterID }).WithTimeout(promptTimeout).ShouldNot(BeEmpty())
		})
	}
}

func TestManyCreatesOfOneNamespace(t *testing.T) {
	t.Parallel()
	t.Run("[R18] [case-72] [S17] a hundred creates of one namespace under a low limit: a create, an edit and a delete of another one wait at most two tokens", func(t *testing.T) {
		r := inFleet.rig(t)
		const rate, creates = 5, 100
		r.options.Limits.CreateWindow = time.Minute
		r.cacheOptions.Limits.Start, r.cacheOptions.Limits.Max, r.cacheOptions.Limits.Burst = rate, rate, 1
		r.cacheOptions.Slow = time.Minute
		r.start()
		edited, _ := r.bySubject()
		creating(creates, unchanged)(r)
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(BeNumerically(">=", 5))
		for _, namespace := range r.tenants[:1] {
			for kind, took := range r.latencies(namespace, edited[namespace]) {
				// A resize also waits for the GET that it needs.
				r.Expect(took).To(BeNumerically("<", 4*time.Second/rate+2*noise), "%s of another namespace, of %s that all creates take", kind, creates*time.Second/rate)
			}
		}
		r.Expect(len(r.workspace.RequestsTo("clusters/create"))).To(BeNumerically("<", creates), "the creates ended before they could delay other calls")
		r.fleet.checked = true
	})
}

func TestAHeldObjectReportsItsReason(t *testing.T) {
	held := []struct {
		name  string
		fault simulator.Fault
		text  string
	}{
		{
			"a Retry-After",
			simulator.Fault{Endpoint: "clusters/create", Status: http.StatusTooManyRequests, ErrorCode: "RESOURCE_EXHAUSTED", Header: map[string]string{"Retry-After": "120"}},
			v1alpha1.ReasonRateLimited,
		},
		{"creates that fail", simulator.Fault{Endpoint: "clusters/create", Status: http.StatusServiceUnavailable}, ""},
		{"a host that fails", simulator.Fault{Endpoint: "clusters/*", Method: http.MethodGet, Status: http.StatusServiceUnavailable}, v1alpha1.ReasonAPIUnavailable},
	}
	for _, h := range held {
		t.Run("[R18] [case-73] "+h.name+" is reported by every object with a pending step, and a delete is sent", func(t *testing.T) {
			r := inFleet.rig(t)
			r.start()
			running := r.create(r.small("running"))
			id := r.becomes(running, "Ready=Running").Status.ClusterID
			r.workspace.AddFault(h.fault)
			for i := range 4 {
				r.create(r.small(fmt.Sprintf("waits-%d", i)))
			}
			for i := range 4 {
				r.Eventually(func(g Gomega) {
					texts := strings.Join(conditionTexts(r.get(r.small(fmt.Sprintf("waits-%d", i)))), "\n")
					g.Expect(texts).NotTo(BeEmpty())
					g.Expect(texts).NotTo(ContainSubstring("being created"))
					g.Expect(texts).To(ContainSubstring(h.text))
				}).WithTimeout(promptTimeout).Should(Succeed())
			}
			r.remove(running)
			r.Eventually(func() bool {
				record, _ := r.workspace.Cluster(id)
				return record.Deleted
			}).WithTimeout(promptTimeout).Should(BeTrue())
		})
	}
}

func TestExternalChangesOfPinsAndLibraries(t *testing.T) {
	t.Parallel()
	t.Run("[R18] [case-97] a removed pin is detected at the interval of the lists", func(t *testing.T) {
		r := inFleet.rig(t)
		cluster := r.running(pinned(true))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		r.workspace.ClearRequests()
		r.call(http.MethodPost, "/api/2.1/clusters/unpin", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.Eventually(r.writes).Should(Equal([]string{"unpin", "pin"}))
	})

	t.Run("[R18] [case-97] another permission is detected at the interval of deep reads", func(t *testing.T) {
		r := inFleet.rig(t).withGroups("engineers", "intruders")
		r.cacheOptions.Deep = 300 * time.Millisecond
		cluster := r.running(grants(toGroup("engineers", "CAN_RESTART")))
		id := cluster.Status.ClusterID
		r.Eventually(func() map[string]string { return r.granted(id) }).Should(HaveKeyWithValue("engineers", "CAN_RESTART"))
		r.inSync(cluster)
		r.workspace.ClearRequests()
		r.call(http.MethodPatch, "/api/2.0/permissions/clusters/"+id, `{"access_control_list": [{"group_name": "intruders", "permission_level": "CAN_MANAGE"}]}`)
		r.Eventually(func() map[string]string { return r.granted(id) }).ShouldNot(HaveKey("intruders"))
		r.Expect(r.granted(id)).To(HaveKeyWithValue("engineers", "CAN_RESTART"))
	})

	t.Run("[R18] [case-97] a library that was uninstalled elsewhere is not reported as installed", func(t *testing.T) {
		r := withLibraries(t, inFleet)
		cluster := r.running(libraries(pypi("a==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.takes(func(t *simulator.Timings) { t.LibraryInstall = time.Hour })
		r.elsewhere("uninstall", cluster.Status.ClusterID, `{"pypi": {"package": "a==1"}}`)
		r.Eventually(func() string { return statuses(r.get(cluster))["a==1"] }).ShouldNot(Equal("INSTALLED"))
	})
}

func TestAnIntermittentWorkspace(t *testing.T) {
	t.Parallel()
	t.Run("[R18] [case-98] a workspace that works half of the time: objects stay Ready, and calls continue while it works", func(t *testing.T) {
		r := inFleet.rig(t)
		r.start()
		r.lists(1)
		baseline := r.conditionBaseline(r.fleet.bystanders)
		r.workspace.ClearRequests()
		// A create fails at random meanwhile, and each failure doubles its backoff.
		// Therefore the workspace recovers after ten failures.
		var toggling sync.WaitGroup
		toggling.Go(func() {
			half := time.NewTicker(time.Second)
			defer half.Stop()
			for range 10 {
				r.workspace.AddFault(simulator.Fault{Name: "down", Endpoint: "*", Status: http.StatusServiceUnavailable})
				<-half.C
				r.workspace.RemoveFault("down")
				<-half.C
			}
		})
		defer toggling.Wait()
		var created []*v1alpha1.DatabricksCluster
		for i := range 4 {
			created = append(created, r.create(r.small(fmt.Sprintf("by-halves-%d", i))))
		}
		toggling.Wait()
		served := func(entry simulator.Entry) bool { return entry.Status == http.StatusOK }
		r.Expect(slices.ContainsFunc(r.workspace.Requests(), served)).To(BeTrue(), "no call was sent while the workspace worked")
		for _, cluster := range created {
			r.Eventually(func() []string { return conditions(r.get(cluster)) }).WithTimeout(2 * time.Minute).Should(ContainElement("Ready=Running"))
		}
		for _, text := range baseline.changes() {
			r.Expect(text).NotTo(ContainSubstring("Ready!="))
		}
		r.Expect(r.live()).To(HaveLen(4))
	})
}
