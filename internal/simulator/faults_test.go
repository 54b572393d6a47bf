package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const createPath = "/api/2.1/clusters/create"

var createBody = "{" + small + `,"num_workers":1}`

func TestFaultBeforeAndAfterTheOperation(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.s.AddFault(simulator.Fault{Name: "down", Endpoint: "clusters/create", Times: 1, Status: 503, Message: "try later", Header: map[string]string{"Retry-After": "7"}})
	a := b.call(http.MethodPost, createPath, createBody)
	b.Expect(a.status).To(Equal(503))
	b.Expect(a.body).To(HaveKeyWithValue("error_code", "TEMPORARILY_UNAVAILABLE"))
	b.Expect(a.header.Get("Retry-After")).To(Equal("7"))
	b.Expect(b.s.Clusters()).To(BeEmpty())

	b.s.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Status: 500, ErrorCode: "UNKNOWN"})
	b.expectError(http.MethodPost, createPath, createBody, 500, "UNKNOWN", "")
	b.Expect(b.s.Clusters()).To(HaveLen(1))

	log := b.s.RequestsTo("clusters/create")
	b.Expect(log[0].Fault).To(Equal("down"))
	b.Expect(log[0].Effect).To(BeFalse())
	b.Expect(log[1].Effect).To(BeTrue())
	b.Expect(log[1].ClusterID).To(Equal(b.s.Clusters()[0].ID))
	b.ok(http.MethodPost, createPath, createBody)
}

func TestDamagedResponses(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	get := "/api/2.1/clusters/get?cluster_id=" + id
	withFault := func(f simulator.Fault) (answer, error) {
		f.Times = 1
		b.s.AddFault(f)
		return b.send(http.MethodGet, get, "")
	}
	_, err := withFault(simulator.Fault{Drop: true})
	b.Expect(err).To(MatchError(io.ErrUnexpectedEOF))
	a, err := withFault(simulator.Fault{HTML: true})
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(a.status).To(Equal(200))
	b.Expect(a.raw).To(HavePrefix("<!doctype html>"))
	a, _ = withFault(simulator.Fault{HTML: true, Status: 400, Body: "<pre>Worker environment not ready</pre>"})
	b.Expect([]any{a.status, a.raw, a.header.Get("Content-Type")}).To(Equal([]any{400, "<pre>Worker environment not ready</pre>", "text/html; charset=utf-8"}))
	a, _ = withFault(simulator.Fault{Truncate: true})
	b.Expect(a.status).To(Equal(200))
	b.Expect(a.raw).To(HavePrefix(`{"`))
	b.Expect(strings.TrimSpace(a.raw)).NotTo(HaveSuffix("}"))
	a, _ = withFault(simulator.Fault{Body: `{"state": 7}`})
	b.Expect(a.raw).To(Equal(`{"state": 7}`))
	b.Expect(b.s.RequestsTo("clusters/get")[0].Status).To(BeZero())
}

func TestFaultsSelectRequests(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	one, two := b.create("one"), b.create("two")
	b.ok(http.MethodPatch, permissions(one), `{"access_control_list":[{"service_principal_name":"app-1","permission_level":"CAN_ATTACH_TO"}]}`)
	status := func(b *harness, method, path, body string) int { return b.call(method, path, body).status }
	get := func(id string) int { return status(b, http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "") }

	for name, c := range map[string]struct {
		fault simulator.Fault
		want  []int // get one, get two, get one with 2.0, get one as the other, terminate one
	}{
		"cluster":   {simulator.Fault{ClusterID: one}, []int{503, 200, 503, 503, 503}},
		"method":    {simulator.Fault{Method: http.MethodPost}, []int{200, 200, 200, 200, 503}},
		"path":      {simulator.Fault{Path: "/api/2.0/clusters/get"}, []int{200, 200, 503, 200, 200}},
		"endpoint":  {simulator.Fault{Endpoint: "clusters/g*"}, []int{503, 503, 503, 503, 200}},
		"principal": {simulator.Fault{Principal: "app-1"}, []int{200, 200, 200, 503, 200}},
		"skip":      {simulator.Fault{Skip: 2, Times: 1}, []int{200, 200, 503, 200, 200}},
		"workspace": {simulator.Fault{Workspace: "other"}, []int{200, 200, 200, 200, 200}},
		"all":       {simulator.Fault{Endpoint: "*"}, []int{503, 503, 503, 503, 503}},
	} {
		b.s.ClearFaults()
		c.fault.Status = 503
		b.s.AddFault(c.fault)
		b.Expect([]int{
			get(one), get(two),
			status(b, http.MethodGet, "/api/2.0/clusters/get?cluster_id="+one, ""),
			status(b.as("app-token"), http.MethodGet, "/api/2.1/clusters/get?cluster_id="+one, ""),
			status(b, http.MethodPost, "/api/2.1/clusters/delete", `{"cluster_id":"`+one+`"}`),
		}).To(Equal(c.want), name)
	}
}

func TestPercentageOfRequestsIsReproducible(t *testing.T) {
	statuses := func() []int {
		b := newHarness(t, simulator.Options{Seed: 7, Faults: []simulator.Fault{{Percent: 50, Status: 503}}})
		var all []int
		for range 200 {
			all = append(all, b.call(http.MethodGet, "/api/2.1/clusters/list", "").status)
		}
		return all
	}
	g := NewWithT(t)
	first := statuses()
	g.Expect(statuses()).To(Equal(first))
	failed := 0
	for _, status := range first {
		if status == 503 {
			failed++
		}
	}
	g.Expect(failed).To(BeNumerically("~", 100, 30))
}

func TestFailedLaunchTerminatesWithItsReason(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	reason := simulator.TerminationReason{
		Code: "AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE", Type: "CLOUD_FAILURE",
		Parameters: map[string]string{"aws_error_message": "no capacity"},
	}
	b.s.AddFault(simulator.Fault{Endpoint: "clusters/*", Method: http.MethodPost, Times: 1, Launch: &reason})
	id := b.create("dry")
	b.Expect(b.state(id)).To(Equal("PENDING"))
	b.advance(5 * time.Minute)
	b.Expect(b.state(id)).To(Equal("TERMINATING"))
	b.advance(time.Minute)
	got := b.get(id)
	b.Expect(got).To(HaveKeyWithValue("state", "TERMINATED"))
	b.Expect(got).To(HaveKeyWithValue("state_message", "no capacity"))
	b.Expect(got["termination_reason"]).To(And(HaveKeyWithValue("code", reason.Code), HaveKeyWithValue("type", "CLOUD_FAILURE")))

	b.verb("start", id)
	starting := b.get(id)
	b.Expect(starting).NotTo(HaveKey("termination_reason"))
	b.Expect(starting).To(HaveKeyWithValue("terminated_time", number("0")))
	b.advance(5 * time.Minute)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
}

func TestMissingNodesKeepTheTarget(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("short")
	b.s.AddFault(simulator.Fault{Endpoint: "clusters/resize", MissingNodes: 2})
	b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":5}`)
	b.advance(2 * time.Minute)
	got := b.get(id)
	b.Expect(got).To(HaveKeyWithValue("num_workers", number("5")))
	b.Expect(got["executors"]).To(HaveLen(3))
}

func TestDelays(t *testing.T) {
	// createWithTimeout creates with a timeout of a second.
	createWithTimeout := func(b *harness) error {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://simulator.test"+createPath, strings.NewReader(createBody))
		b.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Authorization", "Bearer "+b.token)
		response, err := b.s.Transport().RoundTrip(request)
		if err == nil {
			b.Expect(response.Body.Close()).To(Succeed())
		}
		return err
	}
	for name, c := range map[string]struct {
		when                   simulator.When
		atDeadline, eventually int
	}{
		"before: a disconnect prevents the operation":          {simulator.Before, 0, 0},
		"after: the operation is carried out at once":          {simulator.After, 1, 1},
		"late: the operation is carried out after the timeout": {simulator.Late, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newHarness(t, simulator.Options{Clock: simulator.NewClock()})
				b.s.AddFault(simulator.Fault{Endpoint: "clusters/create", When: c.when, Delay: 10 * time.Second})
				err := createWithTimeout(b)
				b.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue(), "%v", err)
				b.Expect(b.s.Clusters()).To(HaveLen(c.atDeadline))
				<-time.After(20 * time.Second)
				b.Expect(b.s.Clusters()).To(HaveLen(c.eventually))
			})
		})
	}
	t.Run("a caller that waits gets the true response", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newHarness(t, simulator.Options{Clock: simulator.NewClock()})
			b.s.AddFault(simulator.Fault{Delay: 10 * time.Second})
			began := time.Now()
			b.ok(http.MethodGet, "/api/2.1/clusters/list", "")
			b.Expect(time.Since(began)).To(Equal(10 * time.Second))
		})
	})
}

func TestExternalChanges(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one", `"custom_tags":{"databricks-operator-owner":"op-1"}`)
	b.Expect(b.s.EditElsewhere(id, map[string]any{"cluster_name": "renamed", "autotermination_minutes": 30, "custom_tags": nil})).To(Succeed())
	got := b.get(id)
	b.Expect(got).To(fields(map[string]any{"cluster_name": "renamed", "state": "RUNNING", "autotermination_minutes": number("30")}))
	b.Expect(got["spec"]).NotTo(HaveKey("custom_tags"))
	b.Expect(b.s.EditElsewhere(id, map[string]any{"colour": 1})).To(MatchError(ContainSubstring("colour")))

	b.Expect(b.s.EndElsewhere(id, simulator.TerminationReason{Code: "SPOT_INSTANCE_TERMINATION", Type: "CLOUD_FAILURE"})).To(Succeed())
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	b.Expect(b.s.Purge(id)).To(Succeed())
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_STATE", "Cannot access cluster")
	b.Expect(b.s.Purge(id)).To(MatchError(ContainSubstring("there is no cluster")))

	second := b.create("two", `"custom_tags":{"databricks-operator-owner":"op-1"}`)
	b.Expect(b.s.MaxClustersByOwner()).To(HaveKeyWithValue("op-1", 1))
	b.create("three", `"custom_tags":{"databricks-operator-owner":"op-1"}`)
	b.Expect(b.s.DeleteElsewhere(second)).To(Succeed())
	b.Expect(b.s.MaxClustersByOwner()).To(HaveKeyWithValue("op-1", 2))
	b.Expect(b.s.RequestsTo("clusters/create")[1].Owner).To(Equal("op-1"))
	record, known := b.s.Cluster(second)
	b.Expect(known).To(BeTrue())
	b.Expect(record.Exists()).To(BeFalse())
}
