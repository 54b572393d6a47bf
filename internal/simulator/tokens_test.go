package simulator_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const mePath = "/api/2.0/preview/scim/v2/Me"

// oneUserWith returns a workspace with one user who has several tokens.
func oneUserWith(tokens ...simulator.Token) simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
		{UserName: "u@example.com", Tokens: []string{simulator.DefaultToken}, ScopedTokens: tokens},
	}}}}
}

func TestTokenWithRestrictedRights(t *testing.T) {
	b := newHarness(t, oneUserWith(
		simulator.Token{Value: "reads", Rights: simulator.Rights{ReadOnly: true}},
		simulator.Token{Value: "keeps", Rights: simulator.Rights{MayNotCreate: true}},
		simulator.Token{Value: "narrow", Rights: simulator.Rights{Refused: []string{"permissions/*"}}},
	))
	id := b.running("one")
	get := "/api/2.1/clusters/get?cluster_id=" + id
	resize := func(as string) int {
		return b.as(as).call(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":1}`).status
	}

	reads := b.as("reads")
	reads.ok(http.MethodGet, get, "")
	reads.ok(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`"}`)
	reads.expectError(http.MethodPost, createPath, createBody, 403, "PERMISSION_DENIED", "may only read")
	reads.expectError(http.MethodPut, permissions(id), `{"access_control_list":[]}`, 403, "PERMISSION_DENIED", "")
	b.Expect(reads.ok(http.MethodGet, mePath, "")).To(HaveKeyWithValue("userName", "u@example.com"))
	b.Expect(resize("reads")).To(Equal(403))

	b.as("keeps").expectError(http.MethodPost, createPath, createBody, 403, "PERMISSION_DENIED", "not authorized to create")
	b.Expect(resize("keeps")).To(Equal(200))
	b.advance(simulator.DefaultTimings().Resize)

	b.as("narrow").expectError(http.MethodGet, permissions(id), "", 403, "PERMISSION_DENIED", "permissions/get")
	b.Expect(resize("narrow")).To(Equal(200))

	b.Expect(b.s.SetTokenRights("reads", simulator.Rights{})).To(Succeed())
	b.as("reads").ok(http.MethodPost, createPath, createBody)
	b.Expect(b.s.SetTokenRights("unknown", simulator.Rights{})).NotTo(Succeed())
}

func TestClusterIsHiddenFromOneToken(t *testing.T) {
	b := newHarness(t, oneUserWith(simulator.Token{Value: "blind"}))
	id := b.create("one")
	b.Expect(b.s.SetTokenRights("blind", simulator.Rights{HiddenClusters: []string{id}})).To(Succeed())
	blind := b.as("blind")
	blind.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	b.Expect(blind.names(blind.ok(http.MethodGet, listPath, ""))).To(BeEmpty())
	b.Expect(b.names(b.ok(http.MethodGet, listPath, ""))).To(ConsistOf("one"))
	b.get(id)
}

func TestRevokedTokenDoesNotAffectOthersOfTheUser(t *testing.T) {
	b := newHarness(t, oneUserWith(simulator.Token{Value: "of-a", Name: "token of a"}, simulator.Token{Value: "of-b", Name: "token of b"}))
	b.s.RevokeToken("of-a")
	b.as("of-a").expectError(http.MethodGet, mePath, "", 401, "UNAUTHENTICATED", "Invalid access token.")
	b.Expect(b.as("of-b").ok(http.MethodGet, mePath, "")).To(HaveKeyWithValue("userName", "u@example.com"))
	b.s.SetBehaviour(simulator.Behaviour{BadTokenIsForbidden: true})
	a := b.as("of-a").call(http.MethodGet, mePath, "")
	b.Expect(a.raw).To(MatchJSON(`{"error_code":403,"message":"Invalid access token."}`))

	log := b.s.Requests()
	b.Expect([]string{log[0].Token, log[1].Token, log[2].Token}).To(Equal([]string{"token of a", "token of b", "token of a"}))
	b.Expect([]string{log[0].Principal, log[1].Principal}).To(Equal([]string{"", "u@example.com"}))
}

func TestTheLogNamesTokensWithoutTheirValues(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	b.ok(http.MethodGet, mePath, "")
	b.as("never-known").call(http.MethodGet, mePath, "")
	b.as("").call(http.MethodGet, mePath, "")
	log := b.s.Requests()
	b.Expect(log[0].Token).To(Equal(simulator.TokenFingerprint(simulator.DefaultToken)))
	b.Expect(log[1].Token).To(Equal(simulator.TokenFingerprint("never-known")))
	b.Expect(log[1].Token).NotTo(ContainSubstring("never-known"))
	b.Expect(log[2].Token).To(BeEmpty())
}

func TestFaultForOneTokenWithANumericCode(t *testing.T) {
	b := newHarness(t, oneUserWith(simulator.Token{Value: "of-a", Name: "a"}))
	b.s.AddFault(simulator.Fault{Token: "a", Endpoint: "clusters/*", Times: 1, Status: 403, ErrorCode: "403", Message: "Invalid access token."})
	b.ok(http.MethodGet, listPath, "")
	a := b.as("of-a").call(http.MethodGet, listPath, "")
	b.Expect(a.status).To(Equal(403))
	b.Expect(a.raw).To(MatchJSON(`{"error_code":403,"message":"Invalid access token."}`))
	b.as("of-a").ok(http.MethodGet, mePath, "")
	b.as("of-a").ok(http.MethodGet, listPath, "")
}

// twoWorkspacesOnOneHost returns two workspaces on one host that share a user
// and a token.
func twoWorkspacesOnOneHost() simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{
		{Name: "a", ID: 11, Principals: []simulator.Principal{{UserName: "both@example.com", Tokens: []string{"both"}}, {UserName: "a@example.com", Tokens: []string{"only-a"}}}},
		{Name: "b", ID: 22, Principals: []simulator.Principal{{UserName: "both@example.com", Tokens: []string{"both"}, ClientSecret: "s"}}},
	}}
}

// to returns the same harness with requests to one workspace of the host.
func (b *harness) to(header, id string) *harness {
	other := *b
	other.header = http.Header{header: {id}}
	return &other
}

func TestHeaderOrQuerySelectsTheWorkspace(t *testing.T) {
	b := newHarness(t, twoWorkspacesOnOneHost()).as("both")
	inB := b.to("X-Databricks-Workspace-Id", "22")
	id := inB.create("one")
	b.Expect(b.names(b.ok(http.MethodGet, listPath, ""))).To(BeEmpty()) // the first workspace
	b.Expect(b.names(b.ok(http.MethodGet, listPath+"?o=22", ""))).To(ConsistOf("one"))
	b.Expect(b.to("X-Databricks-Org-Id", "22").get(id)).To(HaveKeyWithValue("cluster_name", "one"))
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	for _, entry := range b.s.Requests() {
		b.Expect(entry.UnknownFields).To(BeEmpty())
	}

	b.Expect(inB.call(http.MethodGet, mePath, "").header.Get("X-Databricks-Org-Id")).To(Equal("22"))
	b.Expect(b.call(http.MethodGet, mePath, "").header.Get("X-Databricks-Org-Id")).To(Equal("11"))
	expectError := inB.as("only-a").call(http.MethodGet, mePath, "")
	b.Expect(expectError.status).To(Equal(401))
	b.Expect(expectError.header.Get("X-Databricks-Org-Id")).To(Equal("22"))
	b.to("X-Databricks-Workspace-Id", "33").expectError(http.MethodGet, mePath, "", 401, "UNAUTHENTICATED", "")

	b.s.RevokeToken("both")
	inB.expectError(http.MethodGet, mePath, "", 401, "UNAUTHENTICATED", "")
	b.expectError(http.MethodGet, mePath, "", 401, "UNAUTHENTICATED", "")
	b.s.SetBehaviour(simulator.Behaviour{WorkspaceIDRequired: true})
	b.as("only-a").expectError(http.MethodGet, mePath, "", 400, "INVALID_PARAMETER_VALUE", "X-Databricks-Workspace-Id is missing")
}

func TestHostWithOneWorkspaceIgnoresItsID(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	b.to("X-Databricks-Workspace-Id", "99").ok(http.MethodGet, mePath, "")
}

func TestDiscoveryOfAHostWithSeveralWorkspaces(t *testing.T) {
	b := newHarness(t, twoWorkspacesOnOneHost()).as("")
	const path = "/.well-known/databricks-config"
	b.Expect(b.ok(http.MethodGet, path, "")).To(HaveKeyWithValue("host_type", "unified"))
	b.Expect(b.ok(http.MethodGet, path, "")).NotTo(HaveKey("workspace_id"))
	b.Expect(b.ok(http.MethodGet, path+"?o=22", "")).To(HaveKeyWithValue("workspace_id", "22"))
}

func TestLimitsOfOneWorkspaceDoNotAffectTheOther(t *testing.T) {
	b := newHarness(t, twoWorkspacesOnOneHost()).as("both")
	b.s.SetLimits(simulator.Limit{Rate: 1, Burst: 1})
	inB := b.to("X-Databricks-Workspace-Id", "22")
	b.ok(http.MethodGet, listPath, "")
	b.Expect(b.call(http.MethodGet, listPath, "").status).To(Equal(429))
	inB.ok(http.MethodGet, listPath, "")
}

func TestWorkspaceClockMayDifferFromTheCallers(t *testing.T) {
	b := newHarness(t, simulator.Options{ClockOffset: 15 * time.Minute})
	date := func(a answer) time.Time {
		at, err := http.ParseTime(a.header.Get("Date"))
		b.Expect(err).NotTo(HaveOccurred())
		return at
	}
	a := b.call(http.MethodPost, createPath, createBody)
	b.Expect(date(a)).To(Equal(start.Add(15 * time.Minute)))
	id, _ := a.body["cluster_id"].(string)
	b.Expect(b.get(id)["start_time"]).To(Equal(number(decimal(start.Add(15 * time.Minute).UnixMilli()))))
	b.Expect(b.s.Requests()[0].Time).To(Equal(start))

	b.s.SetClockOffset(-10 * time.Minute)
	b.Expect(date(b.call(http.MethodGet, mePath, ""))).To(Equal(start.Add(-10 * time.Minute)))
	b.s.AddFault(simulator.Fault{HTML: true, Times: 1})
	b.Expect(date(b.call(http.MethodGet, mePath, ""))).To(Equal(start.Add(-10 * time.Minute)))
}
