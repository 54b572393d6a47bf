package databricks_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// workspace is a simulated workspace over TLS with its own clock, and a client.
type workspace struct {
	*WithT
	*databricks.Client

	ctx context.Context //nolint:containedctx // a test's
	sim *simulator.Service
}

func newWorkspace(t *testing.T, options simulator.Options, secret map[string][]byte) *workspace {
	t.Helper()
	g := NewWithT(t)
	options.Clock = simulator.NewManualClock(time.Date(2026, time.November, 22, 15, 0, 0, 0, time.UTC))
	sim, err := simulator.Start(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = sim.Close() })
	if secret == nil {
		secret = map[string][]byte{"token": []byte(simulator.DefaultToken)}
	}
	secret["host"] = []byte(sim.URL)
	config, err := databricks.ParseSecret(secret)
	g.Expect(err).NotTo(HaveOccurred())
	allowed, err := databricks.ParseAllowList([]string{sim.URL})
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CAPEM)
	client, err := databricks.New(config, databricks.Options{Transport: databricks.NewTransport(allowed, roots, nil), Version: "1.2.3"})
	g.Expect(err).NotTo(HaveOccurred())
	return &workspace{g, client, t.Context(), sim}
}

var small = compute.CreateCluster{
	ClusterName: "small", SparkVersion: "16.4.x-scala2.12", NodeTypeId: "i3.xlarge", NumWorkers: 1,
}

func (s *workspace) create(token string) string {
	id, err := s.Create(s.ctx, databricks.CreateRequest{CreateCluster: small, IdempotencyToken: token})
	s.Expect(err).NotTo(HaveOccurred())
	return id
}

// advance completes all transitions in the simulated workspace.
func (s *workspace) advance() { s.sim.Clock().Advance(20 * time.Minute) }

func (s *workspace) class(err error) databricks.Class { return databricks.ClassOf(err) }

func TestTheLifecycleOfAClusterAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t, simulator.Options{Behaviour: simulator.Behaviour{QuotedInt64: true}}, nil)

	me, err := s.Me(s.ctx)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(me.UserName).To(Equal(simulator.DefaultUser))
	s.Expect(me.WorkspaceID).NotTo(BeEmpty())

	id := s.create("token-1")
	s.Expect(s.create("token-1")).To(Equal(id), "the idempotency token is sent")
	s.Expect(s.class(s.Start(s.ctx, id))).To(Equal(databricks.ClassBusy), "it is PENDING")
	s.advance()
	got, err := s.Get(s.ctx, id)
	s.Expect(err).NotTo(HaveOccurred())
	cluster := got.Details
	s.Expect(cluster.State).To(Equal(compute.StateRunning))
	s.Expect(cluster.SparkContextId).NotTo(BeZero())
	s.Expect(string(got.Spec)).To(ContainSubstring(`"num_workers":1`))

	s.Expect(s.Resize(s.ctx, compute.ResizeCluster{ClusterId: id, ForceSendFields: []string{"NumWorkers"}})).To(Succeed(), "to 0 workers")
	s.advance()
	s.Expect(s.Update(s.ctx, databricks.UpdateRequest{
		ClusterID: id, UpdateMask: "custom_tags", Cluster: json.RawMessage(`{"custom_tags":{"a":"b"}}`),
	})).To(Succeed())
	s.advance()
	s.Expect(s.Edit(s.ctx, id, editOf(id))).To(Succeed())
	s.advance()
	s.Expect(s.Restart(s.ctx, id)).To(Succeed())
	s.advance()
	s.Expect(s.Terminate(s.ctx, id)).To(Succeed())
	s.advance()
	s.Expect(s.class(s.Resize(s.ctx, compute.ResizeCluster{ClusterId: id, NumWorkers: 5}))).To(Equal(databricks.ClassBusy))
	s.Expect(s.Start(s.ctx, id)).To(Succeed())
	s.advance()

	s.Expect(s.Pin(s.ctx, id)).To(Succeed())
	page, err := s.List(s.ctx, databricks.ListQuery{PinnedOnly: true})
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(page.Clusters).To(HaveLen(1))
	s.Expect(page.Clusters[0].Spec).To(BeNil())
	s.Expect(s.class(s.PermanentDelete(s.ctx, id))).To(Equal(databricks.ClassPinned))
	s.Expect(s.Unpin(s.ctx, id)).To(Succeed())
	s.Expect(s.PermanentDelete(s.ctx, id)).To(Succeed())

	for _, missingIsNotFound := range []bool{false, true} {
		s.sim.SetBehaviour(simulator.Behaviour{MissingIsNotFound: missingIsNotFound})
		_, err = s.Get(s.ctx, id)
		s.Expect(s.class(err)).To(Equal(databricks.ClassMissing))
		s.Expect(s.class(s.PermanentDelete(s.ctx, id))).To(Equal(databricks.ClassMissing))
		s.Expect(s.class(s.Edit(s.ctx, id, editOf(id)))).
			To(Equal(databricks.ClassMissing))
	}
}

// editOf returns the full specification of small with three workers.
func editOf(id string) json.RawMessage {
	return json.RawMessage(`{"cluster_id":"` + id + `","spark_version":"16.4.x-scala2.12","node_type_id":"i3.xlarge","num_workers":3}`)
}

func TestAPurgedClusterAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t, simulator.Options{}, nil)
	id := s.create("")
	s.Expect(s.Terminate(s.ctx, id)).To(Succeed())
	s.advance()
	s.Expect(s.sim.Purge(id)).To(Succeed())
	_, err := s.Get(s.ctx, id)
	failure, _ := errors.AsType[*databricks.Error](err)
	s.Expect(failure.Class).To(Equal(databricks.ClassMissing))
	s.Expect(failure.Purged).To(BeTrue())
}

func TestPagesOfAListAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t, simulator.Options{}, nil)
	for range 7 {
		s.create("")
	}
	query := databricks.ListQuery{PageSize: 3, SortByName: true, Sources: []compute.ClusterSource{compute.ClusterSourceApi}}
	seen := map[string]bool{}
	for pages := 1; ; pages++ {
		page, err := s.List(s.ctx, query)
		s.Expect(err).NotTo(HaveOccurred())
		for i := range page.Clusters {
			seen[page.Clusters[i].ClusterId] = true
		}
		if page.NextPageToken == "" {
			s.Expect(pages).To(Equal(3))
			break
		}
		query.PageToken = page.NextPageToken
	}
	s.Expect(seen).To(HaveLen(7))
}

func TestACreateWithoutAValidResponseIsAmbiguousAndNotRepeated(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"dropped":   {Drop: true},
		"truncated": {Truncate: true},
		"html":      {HTML: true},
		"500":       {Status: http.StatusInternalServerError},
		"503":       {Status: http.StatusServiceUnavailable},
		"504":       {Status: http.StatusGatewayTimeout},
		"empty":     {Body: " "},
		"late":      {Delay: time.Hour},
	} {
		t.Run(name+", [case-02]", func(t *testing.T) {
			t.Parallel()
			s := newWorkspace(t, simulator.Options{}, nil)
			fault.Endpoint, fault.When = "clusters/create", simulator.After
			s.sim.AddFault(fault)
			ctx, cancel := context.WithTimeout(s.ctx, time.Second)
			defer cancel()
			_, err := s.Create(ctx, databricks.CreateRequest{CreateCluster: small})
			s.Expect(s.class(err)).To(Equal(databricks.ClassAmbiguous), "%v", err)
			s.Expect(s.sim.Clusters()).To(HaveLen(1))
		})
	}
}

func TestLimitsAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]simulator.Limit{
		"no header":  {},
		"seconds":    {RetryAfter: simulator.RetryAfterSeconds},
		"a date":     {RetryAfter: simulator.RetryAfterDate},
		"RetryInfo":  {RetryInfo: true},
		"negative":   {RetryAfter: "-7"},
		"ten days":   {RetryAfter: "864000"},
		"not a time": {RetryAfter: "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWorkspace(t, simulator.Options{}, nil)
			limit.Rate, limit.Burst = 0.001, 1
			s.sim.SetLimits(limit)
			s.create("")
			_, err := s.Create(s.ctx, databricks.CreateRequest{CreateCluster: small})
			failure, _ := errors.AsType[*databricks.Error](err)
			s.Expect(failure.Class).To(Equal(databricks.ClassThrottled), "%v", err)
			s.Expect(failure.RetryAfter).To(And(BeNumerically(">=", 0), BeNumerically("<=", 10*time.Minute)))
			s.Expect(s.sim.RequestsTo("clusters/create")).To(HaveLen(2))
		})
	}
}

func TestOAuthAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	options := simulator.Options{
		Behaviour: simulator.Behaviour{QuotedExpiresIn: true},
		Workspaces: []simulator.Workspace{{
			Name: "w", Principals: []simulator.Principal{{UserName: "app/1", ClientSecret: "s:e+c/r%t"}},
		}},
	}
	s := newWorkspace(t, options, map[string][]byte{"client_id": []byte("app/1"), "client_secret": []byte("s:e+c/r%t\n")})
	me, err := s.Me(s.ctx)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(me.UserName).To(Equal("app/1"))
	s.sim.RevokeOAuthTokens()
	_, err = s.Me(s.ctx)
	s.Expect(err).NotTo(HaveOccurred(), "a revoked token is replaced")

	wrong := newWorkspace(t, options, map[string][]byte{"client_id": []byte("app/1"), "client_secret": []byte("wrong")})
	_, err = wrong.Me(wrong.ctx)
	wrong.Expect(wrong.class(err)).To(Equal(databricks.ClassUnauthenticated))
}

func TestAWrongTokenAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	for _, forbidden := range []bool{false, true} {
		s := newWorkspace(t, simulator.Options{Behaviour: simulator.Behaviour{BadTokenIsForbidden: forbidden}}, map[string][]byte{"token": []byte("dapi-wrong")})
		_, err := s.Me(s.ctx)
		s.Expect(s.class(err)).To(Equal(databricks.ClassUnauthenticated))
	}
}

func TestComplianceAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		Policies:   []simulator.Policy{{ID: "P1", Name: "team", Definition: `{}`}},
	}}}, nil)
	const clusters = 101
	underPolicy := small
	underPolicy.PolicyId = "P1"
	var first string
	for range clusters {
		id, err := s.Create(s.ctx, databricks.CreateRequest{CreateCluster: underPolicy})
		s.Expect(err).NotTo(HaveOccurred())
		first = id
	}
	s.advance()
	_, err := s.sim.AddPolicy("", simulator.Policy{ID: "P1", Name: "team", Definition: `{"autotermination_minutes": {"type": "fixed", "value": 30}}`})
	s.Expect(err).NotTo(HaveOccurred())

	compliances := func() map[string]compute.ClusterCompliance {
		all := map[string]compute.ClusterCompliance{}
		token, pages := "", 0
		for {
			page, err := s.Compliances(s.ctx, "P1", token)
			s.Expect(err).NotTo(HaveOccurred())
			for i := range page.Clusters {
				all[page.Clusters[i].ClusterId] = page.Clusters[i]
			}
			pages++
			if token = page.NextPageToken; token == "" {
				s.Expect(pages).To(Equal(2))
				return all
			}
		}
	}
	found := compliances()
	s.Expect(found).To(HaveLen(clusters))
	s.Expect(found[first].IsCompliant).To(BeFalse())
	s.Expect(found[first].Violations).To(HaveKey("autotermination_minutes"))

	changed, err := s.EnforceCompliance(s.ctx, first)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(changed).To(Equal([]string{"autotermination_minutes"}))
	_, err = s.EnforceCompliance(s.ctx, first)
	s.Expect(s.class(err)).To(Equal(databricks.ClassBusy), "it restarts")
	s.advance()
	changed, err = s.EnforceCompliance(s.ctx, first)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(changed).To(BeEmpty())
	s.Expect(compliances()[first].IsCompliant).To(BeTrue())
	_, err = s.Compliances(s.ctx, "other", "")
	s.Expect(s.class(err)).To(Equal(databricks.ClassInvalid))
	_, err = s.EnforceCompliance(s.ctx, "")
	s.Expect(s.class(err)).To(Equal(databricks.ClassInvalid))
}

// itemBodies returns the body of a create of an item, by collection.
func itemBodies(name string) map[*databricks.Collection]string {
	return map[*databricks.Collection]string{
		databricks.ClusterPolicies: `{"name":"` + name + `","definition":"{\"num_workers\": {\"type\": \"fixed\", \"value\": 1}}"}`,
		databricks.InstancePools:   `{"instance_pool_name":"` + name + `","node_type_id":"i3.xlarge","min_idle_instances":1}`,
	}
}

func TestTheLifecycleOfItemsAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	for of, body := range itemBodies("team") {
		t.Run(of.ListEndpoint(), func(t *testing.T) {
			t.Parallel()
			s := newWorkspace(t, simulator.Options{}, nil)
			items, err := s.Items(s.ctx, of)
			s.Expect(err).NotTo(HaveOccurred())
			before := len(items)
			_, err = s.Item(s.ctx, of, "unknown")
			s.Expect(s.class(err)).To(Equal(databricks.ClassMissing))

			id, err := s.CreateItem(s.ctx, of, json.RawMessage(body))
			s.Expect(err).NotTo(HaveOccurred())
			_, err = s.CreateItem(s.ctx, of, json.RawMessage(body))
			failure, _ := errors.AsType[*databricks.Error](err)
			s.Expect(failure.Class).To(Equal(databricks.ClassInvalid))
			s.Expect(failure.NameTaken).To(BeTrue(), failure.Message)

			item, err := s.Item(s.ctx, of, id)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(item.ID).To(Equal(id))
			s.Expect(item.Name).To(Equal("team"))
			items, err = s.Items(s.ctx, of)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(items).To(HaveLen(before + 1))
			s.Expect(items).To(ContainElement(item), "a list has what a GET has")

			s.Expect(s.EditItem(s.ctx, of, editOfItem(of, itemBodies("renamed")[of], id))).To(Succeed())
			item, err = s.Item(s.ctx, of, id)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(item.Name).To(Equal("renamed"))

			level := map[*databricks.Collection]iam.PermissionLevel{
				databricks.ClusterPolicies: iam.PermissionLevelCanUse, databricks.InstancePools: iam.PermissionLevelCanAttachTo,
			}[of]
			s.Expect(s.SetItemPermissions(s.ctx, of, id, []iam.AccessControlRequest{{GroupName: "users", PermissionLevel: level}})).To(Succeed())
			s.Expect(s.directPermissions(of, id)).To(Equal(map[string]iam.PermissionLevel{"users": level}))
			s.Expect(s.SetItemPermissions(s.ctx, of, id, nil)).To(Succeed())
			s.Expect(s.directPermissions(of, id)).To(BeEmpty())
			err = s.SetItemPermissions(s.ctx, of, id, []iam.AccessControlRequest{{GroupName: "no-such-group", PermissionLevel: level}})
			s.Expect(s.class(err)).To(Equal(databricks.ClassInvalid))

			s.Expect(s.DeleteItem(s.ctx, of, id)).To(Succeed())
			s.Expect(s.class(s.DeleteItem(s.ctx, of, id))).To(Equal(databricks.ClassMissing))
			s.Expect(s.class(s.EditItem(s.ctx, of, editOfItem(of, body, id)))).To(Equal(databricks.ClassMissing))
			s.Expect(s.class(s.SetItemPermissions(s.ctx, of, id, nil))).To(Equal(databricks.ClassMissing))
			_, err = s.ItemPermissions(s.ctx, of, id)
			s.Expect(s.class(err)).To(Equal(databricks.ClassMissing))
			items, err = s.Items(s.ctx, of)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(items).To(HaveLen(before))
		})
	}
}

// editOfItem returns a body of a create as that of an edit.
func editOfItem(of *databricks.Collection, body, id string) json.RawMessage {
	key := map[*databricks.Collection]string{databricks.ClusterPolicies: "policy_id", databricks.InstancePools: "instance_pool_id"}[of]
	return json.RawMessage(`{"` + key + `":"` + id + `",` + body[1:])
}

// directPermissions returns the direct permissions of groups on an item.
func (s *workspace) directPermissions(of *databricks.Collection, id string) map[string]iam.PermissionLevel {
	entries, err := s.ItemPermissions(s.ctx, of, id)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(entries).NotTo(BeEmpty(), "admins inherit a permission")
	direct := map[string]iam.PermissionLevel{}
	for _, entry := range entries {
		for _, permission := range entry.AllPermissions {
			if !permission.Inherited && entry.GroupName != "" {
				direct[entry.GroupName] = permission.PermissionLevel
			}
		}
	}
	return direct
}

func TestTheClustersOfAPolicyAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t, simulator.Options{}, nil)
	id, err := s.CreateItem(s.ctx, databricks.ClusterPolicies, json.RawMessage(`{"name":"team","definition":"{}"}`))
	s.Expect(err).NotTo(HaveOccurred())
	s.create("")
	underPolicy := small
	underPolicy.PolicyId = id
	const onePage = 100
	for made := range onePage + 1 {
		if made == 1 || made == onePage {
			count, err := s.CountClusters(s.ctx, id)
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(count).To(Equal(databricks.ClusterCount{Clusters: made}))
		}
		_, err := s.Create(s.ctx, databricks.CreateRequest{CreateCluster: underPolicy})
		s.Expect(err).NotTo(HaveOccurred())
	}
	count, err := s.CountClusters(s.ctx, id)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(count).To(Equal(databricks.ClusterCount{Clusters: onePage, More: true}))
}
