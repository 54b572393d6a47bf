package databricks

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAuthority(t *testing.T) {
	t.Parallel()
	client := map[string]string{"host": someHost, "client_id": "id", "client_secret": testSecret}
	token := map[string]string{"host": someHost, "token": testSecret}
	with := func(base map[string]string, key, value string) Config {
		changed := maps.Clone(base)
		changed[key] = value
		return parse(t, changed)
	}
	identity := func(change func(*WorkloadIdentity)) Config {
		workload := WorkloadIdentity{Host: someHost, ClientID: "id", Audience: "a", Subject: subject, Token: nil}
		change(&workload)
		config, err := workload.Config()
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return config
	}
	same := func(*WorkloadIdentity) {}
	for name, tc := range map[string]struct {
		one, other            Config
		authority, credential bool
	}{
		"the same token":                {parse(t, token), parse(t, token), true, true},
		"another token":                 {parse(t, token), with(token, "token", testSecret+"2"), false, false},
		"another host":                  {parse(t, token), with(token, "host", "https://dbc-2.cloud.databricks.com"), false, false},
		"another workspace":             {parse(t, token), with(token, "workspace_id", "7"), false, false},
		"the workspace in the host":     {with(token, "host", someHost+"/?o=7"), with(token, "workspace_id", "7"), true, true},
		"another secret of one client":  {parse(t, client), with(client, "client_secret", testSecret+"2"), true, false},
		"another client":                {parse(t, client), with(client, "client_id", "id2"), false, false},
		"a client and a token":          {parse(t, client), parse(t, token), false, false},
		"a client and an identity":      {parse(t, client), identity(same), false, false},
		"the same identity":             {identity(same), identity(same), true, true},
		"an identity, another audience": {identity(same), identity(func(w *WorkloadIdentity) { w.Audience = "b" }), true, false},
		"an identity, another subject":  {identity(same), identity(func(w *WorkloadIdentity) { w.Subject = "x" }), false, false},
		"an identity, another client":   {identity(same), identity(func(w *WorkloadIdentity) { w.ClientID = "x" }), false, false},
		"an identity, a workspace":      {identity(same), identity(func(w *WorkloadIdentity) { w.WorkspaceID = "7" }), false, false},
		"nothing":                       {Config{}, Config{}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			sameAuthority, sameCredential := tc.one.Authority() == tc.other.Authority(), tc.one.Fingerprint() == tc.other.Fingerprint()
			g.Expect(sameAuthority).To(Equal(tc.authority))
			g.Expect(sameCredential).To(Equal(tc.credential))
			g.Expect(tc.one.Authority()).NotTo(Or(BeEmpty(), Equal(tc.one.Fingerprint()), ContainSubstring(testSecret)))
		})
	}
}

func TestWorkspaceID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		host, key, id, want string
	}{
		"none":                  {someHost, "", "", ""},
		"key":                   {someHost, "workspace_id", "123", "123"},
		"environment":           {someHost, "DATABRICKS_WORKSPACE_ID", "123\n", "123"},
		"o":                     {someHost + "/?o=123", "", "", "123"},
		"o, without a slash":    {someHost + "?o=123", "", "", "123"},
		"w":                     {someHost + "?w=ws_1-a", "", "", "ws_1-a"},
		"workspace_id":          {someHost + "?workspace_id=123&a=9", "", "", "123"},
		"twice the same":        {someHost + "?o=123&w=123&account_id=x", "workspace_id", "123", "123"},
		"host without a scheme": {strings.TrimPrefix(someHost, "https://") + "?o=123", "", "", "123"},
	} {
		t.Run("[case-75] "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			config := parse(t, map[string]string{"host": tc.host, "token": testSecret, tc.key: tc.id})
			g.Expect(config.WorkspaceID()).To(Equal(tc.want))
			g.Expect(config.Host()).To(Equal(someHost))
			workload, err := WorkloadIdentity{Host: tc.host, WorkspaceID: strings.TrimSpace(tc.id)}.Config()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(workload.WorkspaceID()).To(Equal(tc.want))
		})
	}
	for _, host := range []string{
		"?", "?o=", "?o=x", "?workspace_id=a1", "?o=1&o=2", "?o=1&w=2", "?w=a%0d%0ab", "?w=a%20b", "?x=1", "?o=1&x=2", "?o=%zz", "?o=1#f", "?o=1?o=2", "?w=" + strings.Repeat("a", 65), "/p?o=1",
	} {
		_, err := ParseSecret(asData(map[string]string{"host": someHost + host, "token": testSecret}))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("host (or DATABRICKS_HOST)")), host)
	}
	_, err := ParseSecret(asData(map[string]string{"host": someHost + "?o=1", "workspace_id": "2", "token": testSecret}))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("workspace_id (or DATABRICKS_WORKSPACE_ID)")))
	_, err = ParseSecret(asData(map[string]string{"host": someHost, "workspace_id": testSecret + "!", "token": testSecret}))
	NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("workspace_id"), Not(ContainSubstring(testSecret)))))
	_, err = WorkloadIdentity{Host: someHost + "?o=1", WorkspaceID: "2"}.Config()
	NewWithT(t).Expect(err).To(HaveOccurred())
}

func TestEveryAPIRequestHasTheWorkspaceID(t *testing.T) {
	t.Parallel()
	const header = "X-Databricks-Workspace-Id"
	g := NewWithT(t)
	var server *workspace
	serve := (&issuer{}).serve(func() string { return server.URL })
	server = newWorkspace(t, serve)
	client := server.clientOf(t, map[string]string{"host": server.URL + "?o=42", "client_id": "id", "client_secret": testSecret})
	g.Expect(read(t.Context(), client)).To(Succeed())
	g.Expect(write(t.Context(), client)).To(Succeed())
	for _, r := range server.received() {
		want := ""
		if strings.HasPrefix(r.path, "/api/") {
			want = "42"
		}
		g.Expect(r.header.Get(header)).To(Equal(want), "[case-75] %s", r.path)
	}
	plain := newWorkspace(t, respondWith(http.StatusOK, `{"cluster_id":"c1"}`))
	g.Expect(read(t.Context(), plain.client(t))).To(Succeed())
	g.Expect(plain.received()[0].header).NotTo(HaveKey(header))
}
