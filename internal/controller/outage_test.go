package controller_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// outages are the ways in which a workspace is away. At the deadline of the rig, the first
// answer is only late.
var outages = map[string]simulator.Fault{
	"answers 503":     {Endpoint: "*", Status: http.StatusServiceUnavailable},
	"does not answer": {Endpoint: "*", Delay: time.Minute},
	"closes":          {Endpoint: "*", Drop: true},
}

func TestAnOutageWhileAFleetRestarts(t *testing.T) {
	t.Parallel()
	for how, fault := range outages {
		t.Run("[R18] [case-67] [R8] the workspace "+how+" after a restart: what was Ready stays Ready, and its comparison is unknown", func(t *testing.T) {
			r := inFleet.rig(t)
			r.options.ConnectDeadline = 500 * time.Millisecond
			r.cacheOptions.RequestDeadline = 5 * time.Second
			edited := r.running()
			r.inSync(edited)
			r.stop()
			before := r.conditionBaseline(r.fleet.bystanders)
			name := r.workspace.AddFault(fault)
			r.start()
			for _, cluster := range append(slices.Clone(r.fleet.bystanders), edited) {
				r.becomes(cluster, "Synced?=APIUnavailable")
				r.becomes(cluster, "Ready=Running")
			}
			r.editSpec(edited, fixed(3))
			r.becomes(edited, "Ready!=RetryingAfterError")
			r.workspace.RemoveFault(name)
			r.inSync(edited)
			for _, cluster := range r.fleet.bystanders {
				r.inSync(cluster)
			}
			r.Expect(before.changes()).To(HaveEach(ContainSubstring(": Ready=Running: the cluster is up; Synced?=APIUnavailable")))
		})
	}

	t.Run("[case-133] objects of every listed kind", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.withTenants()
			all := r.fleetOf()
			r.stop()
			name := r.workspace.AddFault(outages["answers 503"])
			r.start()
			for _, object := range all {
				r.is(object, "Synced?=APIUnavailable")
				r.is(object, "Ready=Available")
			}
			r.workspace.RemoveFault(name)
			for _, object := range all {
				r.is(object, "Synced=InSync")
			}
		})
	})

	t.Run("[case-67] a DatabricksWorkspace, and an object that uses it", func(t *testing.T) {
		r := platform(t)
		shared := r.share()
		r.start()
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name)))
		r.becomes(cluster, "Ready=Running")
		r.inSync(cluster)
		r.workspaceBecomes(shared, "Ready=Connected")
		r.stop()
		name := r.workspace.AddFault(outages["answers 503"])
		r.start()
		r.becomes(cluster, "Synced?=APIUnavailable")
		r.becomes(cluster, "Ready=Running")
		r.Consistently(func() []string { return conditionsIn(r.getWorkspace(shared).Status.Conditions) }).Should(ContainElement("Ready=Connected"))
		r.workspace.RemoveFault(name)
		r.inSync(cluster)
	})
}

func TestATokenThatIsRefusedAfterARestart(t *testing.T) {
	t.Parallel()
	t.Run("[case-69] it is no outage: the object is not Ready at once", func(t *testing.T) {
		r := newRig(t)
		r.Expect(r.workspace.AddToken("", simulator.DefaultUser, tenantToken)).To(Succeed())
		r.putSecret(defaultSecret, r.workspace.URL, tenantToken)
		cluster := r.running()
		r.stop()
		r.workspace.RevokeToken(tenantToken)
		r.start()
		r.becomes(cluster, "Ready!=AuthenticationFailed")
	})
}
