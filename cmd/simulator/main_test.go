package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// The program prints its address, writes its certificate authority, accepts its
// token and stops when its context ends.
func TestRunServesUntilContextEnds(t *testing.T) {
	g := NewWithT(t)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	settings, err := parseFlags([]string{"--listen-address", "127.0.0.1:0", "--ca-file", authority, "--token", "a@b.c=dapi-1"}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())

	ctx, stop := context.WithCancel(t.Context())
	output, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, settings, out, io.Discard) }()
	line, err := bufio.NewReader(output).ReadString('\n')
	g.Expect(err).NotTo(HaveOccurred())
	_, url, found := strings.Cut(strings.TrimSpace(line), "simulator: ready at ")
	g.Expect(found).To(BeTrue(), line)

	pem, err := os.ReadFile(authority)
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM(pem)).To(BeTrue())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/2.0/preview/scim/v2/Me", http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer dapi-1")
	response, err := client.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	body, err := io.ReadAll(response.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(response.Body.Close()).To(Succeed())
	g.Expect(string(body)).To(ContainSubstring(`"userName":"a@b.c"`))

	stop()
	g.Eventually(ended, "10s").Should(Receive(BeNil()))
}

func TestHelpNamesEveryFlag(t *testing.T) {
	g := NewWithT(t)
	var help strings.Builder
	_, err := parseFlags([]string{"--help"}, &help)
	g.Expect(err).To(HaveOccurred())
	for _, flag := range []string{"--listen-address", "--ca-file", "--token", "--oauth-client", "--time-scale", "--rate-limit", "--config", "--behaviour", "--group", "--clock-offset", "rewrite_first_on_demand", "/simulator/"} {
		g.Expect(help.String()).To(ContainSubstring(flag))
	}
}

func TestBadFlagsNameTheFlagTheValueAndARemedy(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"address":   {[]string{"--listen-address", "8443"}, `--listen-address is "8443"; it must be host:port`},
		"scale":     {[]string{"--time-scale", "0"}, "--time-scale is 0; it must be greater than 0"},
		"cloud":     {[]string{"--cloud", "IBM"}, `--cloud is "IBM"; it must be AWS, Azure or GCP`},
		"format":    {[]string{"--log-format", "xml"}, `--log-format is "xml"`},
		"token":     {[]string{"--token", "a@b.c="}, `--token is "a@b.c="; it must be [[workspace/]user=]token`},
		"client":    {[]string{"--oauth-client", "id"}, `--oauth-client must be [workspace/]client-id=secret; it names no secret for "id"`},
		"limit":     {[]string{"--rate-limit", "clusters/get=fast"}, `--rate-limit is "clusters/get=fast"`},
		"burst":     {[]string{"--rate-limit", "5:0"}, `--rate-limit is "5:0"; its burst`},
		"behaviour": {[]string{"--behaviour", "no_such"}, `--behaviour is "no_such"; it must be name or name=value`},
		"config":    {[]string{"--config", "/no/such/file"}, "--config: open /no/such/file"},
		"arguments": {[]string{"serve"}, `unexpected argument "serve"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseFlags(c.args, io.Discard)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

const configured = `
workspaces:
- name: prod
  id: 11
  groups: [data]
  principals:
  - user_name: a@b.c
    tokens: [dapi-1]
    scoped_tokens: [{token: dapi-2, name: reads, rights: {read_only: true}}]
    federation: {issuer: "https://issuer", subject: s}
  policies: [{policy_id: P1, name: small, definition: '{"num_workers": {"type": "fixed", "value": 1}}'}]
  pools: [{instance_pool_id: pool-1, instance_pool_name: warm, node_type_id: i3.xlarge}]
behaviour: {rewrite_first_on_demand: true}
clock_offset: 5m
`

func TestFileAndFlagsConfigureTheSameOptions(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "simulator.yaml")
	g.Expect(os.WriteFile(file, []byte(configured), 0o600)).To(Succeed())
	settings, err := parseFlags([]string{
		"--config", file, "--behaviour", "permissions=internal_error", "--behaviour", "cluster_limit=5", "--behaviour", "unseen_by_get=2s",
		"--token", "prod/a@b.c=dapi-3", "--group", "prod/web", "--clock-offset", "-10m",
	}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	options := settings.options
	g.Expect(options.Workspaces).To(HaveLen(1))
	w := options.Workspaces[0]
	g.Expect(w.Groups).To(Equal([]string{"data", "web"}))
	g.Expect(w.Principals[0].Tokens).To(Equal([]string{"dapi-1", "dapi-3"}))
	g.Expect(w.Principals[0].ScopedTokens[0].Rights.ReadOnly).To(BeTrue())
	g.Expect(w.Principals[0].Federation.Issuer).To(Equal("https://issuer"))
	g.Expect(w.Policies[0].ID).To(Equal("P1"))
	g.Expect(w.Pools[0].NodeTypeID).To(Equal("i3.xlarge"))
	g.Expect(options.Behaviour).To(Equal(simulator.Behaviour{
		RewriteFirstOnDemand: true, Permissions: simulator.PermissionsFail, ClusterLimit: 5, UnseenByGet: 2 * time.Second,
	}))
	g.Expect(options.ClockOffset).To(Equal(-10 * time.Minute))

	settings, err = parseFlags([]string{"--config", file}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(settings.options.Workspaces).To(HaveLen(1), "the default token makes no second workspace")
	g.Expect(settings.options.ClockOffset).To(Equal(5 * time.Minute))
}

func TestTokensAndClientsCreateWorkspacesAndPrincipals(t *testing.T) {
	g := NewWithT(t)
	settings, err := parseFlags([]string{
		"--token", "dapi-1", "--token", "a@b.c=dapi-2", "--token", "staging/a@b.c=dapi-3",
		"--oauth-client", "staging/app=se=cret", "--rate-limit", "10", "--rate-limit", "clusters/get=5:7",
	}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	all := settings.options.Workspaces
	g.Expect(all).To(HaveLen(2))
	g.Expect(all[0].Principals).To(HaveLen(2))
	g.Expect(all[1].Name).To(Equal("staging"))
	g.Expect(all[1].Principals[0].Tokens).To(ConsistOf("dapi-3"))
	g.Expect(all[1].Principals[1].ClientSecret).To(Equal("se=cret"))
	g.Expect(settings.options.Limits[0].Endpoint).To(BeEmpty())
	g.Expect(settings.options.Limits[1].Endpoint).To(Equal("clusters/get"))
	g.Expect(settings.options.Limits[1].Burst).To(Equal(7))
}

func TestDocumentedFileIsValidAndEverySwitchIsDocumented(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range simulator.BehaviourNames() {
		g.Expect(string(page)).To(ContainSubstring("`"+name+"`"), "docs/simulator.md describes no %s", name)
	}
	_, after, found := strings.Cut(string(page), "```yaml\n")
	g.Expect(found).To(BeTrue())
	example, _, _ := strings.Cut(after, "```")
	file := filepath.Join(t.TempDir(), "example.yaml")
	g.Expect(os.WriteFile(file, []byte(example), 0o600)).To(Succeed())
	settings, err := parseFlags([]string{"--config", file}, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(settings.options.Faults).To(HaveLen(1))
	g.Expect(simulator.New(settings.options).ClockOffset()).To(Equal(10 * time.Minute))
}
