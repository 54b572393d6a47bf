package controller_test

import (
	"fmt"
	"net/http"
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
		// key is where the Secret has the workspace id; empty for nowhere.
		key string
	}{
		{"told apart by their tokens", [2]string{simulator.DefaultToken, tenantToken}, ""},
		{"told apart by the workspace id in the Secret, with one token", [2]string{simulator.DefaultToken, simulator.DefaultToken}, "DATABRICKS_WORKSPACE_ID"},
		{"told apart by the workspace id in the host, with one token", [2]string{simulator.DefaultToken, simulator.DefaultToken}, "DATABRICKS_HOST"},
	}
	for _, c := range cases {
		t.Run("[case-75] two workspaces behind one host, "+c.name+": neither sees the other's clusters or limits", func(t *testing.T) {
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
			r.Eventually(func() string { return r.get(r.small("late-first")).Status.ClusterID }).WithTimeout(soon).ShouldNot(BeEmpty())
		})
	}
}

func TestManyCreatesOfOneNamespace(t *testing.T) {
	t.Run("[R18] [case-72] [S17] a hundred creates of one namespace under a low limit: another one's create, edit and delete wait two tokens", func(t *testing.T) {
		r := inFleet.rig(t)
		const rate, creates = 5, 100
		r.patient()
		r.options.Limits.CreateWindow = time.Minute
		r.cacheOptions.Limits.Start, r.cacheOptions.Limits.Max, r.cacheOptions.Limits.Burst = rate, rate, 1
		r.cacheOptions.Slow = time.Minute
		r.start()
		edited, _ := r.bySubject()
		creating(creates, unchanged)(r)
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(BeNumerically(">=", 5))
		for _, namespace := range r.tenants[:1] {
			for kind, took := range r.latencies(namespace, edited[namespace]) {
				// A resize waits for the GET that it rests on, too.
				r.Expect(took).To(BeNumerically("<", 4*time.Second/rate+2*noise), "%s of another namespace, of %s that all creates take", kind, creates*time.Second/rate)
			}
		}
		r.Expect(len(r.workspace.RequestsTo("clusters/create"))).To(BeNumerically("<", creates), "the creates were over before they could hold anything up")
		r.fleet.checked = true
	})
}

func TestWhatHoldsAnObjectUpIsSaid(t *testing.T) {
	held := []struct {
		name  string
		fault simulator.Fault
		says  string
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
		t.Run("[R18] [case-73] "+h.name+" is named by every object that has something to do, and a delete gets through", func(t *testing.T) {
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
					said := strings.Join(told(r.get(r.small(fmt.Sprintf("waits-%d", i)))), "\n")
					g.Expect(said).NotTo(BeEmpty())
					g.Expect(said).NotTo(ContainSubstring("being created"))
					g.Expect(said).To(ContainSubstring(h.says))
				}).WithTimeout(soon).Should(Succeed())
			}
			r.remove(running)
			r.Eventually(func() bool {
				record, _ := r.workspace.Cluster(id)
				return record.Deleted
			}).WithTimeout(soon).Should(BeTrue())
		})
	}
}

func TestWhatOthersChangedBesideTheCluster(t *testing.T) {
	t.Run("[R18] [case-97] a pin that was taken is seen at the pace of the lists", func(t *testing.T) {
		r := inFleet.rig(t)
		cluster := r.running(pinned(true))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		r.workspace.ClearRequests()
		r.call(http.MethodPost, "/api/2.1/clusters/unpin", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.Eventually(r.writes).Should(Equal([]string{"unpin", "pin"}))
	})

	t.Run("[R18] [case-97] a library that was uninstalled elsewhere is not claimed to be in place", func(t *testing.T) {
		r := withLibraries(t, inFleet)
		cluster := r.running(libraries(pypi("a==1")))
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		r.workspace.ClearRequests()
		r.elsewhere("uninstall", cluster.Status.ClusterID, `{"pypi": {"package": "a==1"}}`)
		r.Eventually(func() string { return statuses(r.get(cluster))["a==1"] }).ShouldNot(Equal("INSTALLED"))
	})
}

func TestAWorkspaceThatIsWellByHalves(t *testing.T) {
	t.Run("[R18] [case-98] a workspace that is well for half of the time: objects stay Ready, and calls go on in the good halves", func(t *testing.T) {
		r := inFleet.rig(t)
		r.start()
		r.lists(1)
		said := r.statements(r.fleet.bystanders)
		stop := make(chan struct{})
		var toggling sync.WaitGroup
		toggling.Go(func() {
			half := time.NewTicker(time.Second)
			defer half.Stop()
			for down := true; ; down = !down {
				if down {
					r.workspace.AddFault(simulator.Fault{Name: "down", Endpoint: "*", Status: http.StatusServiceUnavailable})
				} else {
					r.workspace.RemoveFault("down")
				}
				select {
				case <-half.C:
				case <-stop:
					r.workspace.RemoveFault("down")
					return
				}
			}
		})
		defer func() { close(stop); toggling.Wait() }()
		for i := range 4 {
			cluster := r.create(r.small(fmt.Sprintf("by-halves-%d", i)))
			r.Eventually(func() []string { return conditions(r.get(cluster)) }).Should(ContainElement("Ready=Running"))
		}
		for _, statement := range said.others() {
			r.Expect(statement).NotTo(ContainSubstring("Ready!="))
		}
		r.Expect(r.live()).To(HaveLen(4))
	})
}
