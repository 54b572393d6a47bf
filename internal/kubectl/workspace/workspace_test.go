package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// machine is a computer of a user with a home of its own and a simulated workspace.
type machine struct {
	Gomega
	t       *testing.T
	sim     *simulator.Service
	home    string
	options workspace.Options
}

func newMachine(t *testing.T, options simulator.Options) *machine {
	t.Helper()
	g := NewWithT(t)
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "DATABRICKS_") || strings.HasPrefix(name, "ARM_") || strings.HasPrefix(name, "GOOGLE_") {
			t.Setenv(name, "")
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", home) // without the Databricks CLI
	sim, err := simulator.Start(context.Background(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = sim.Close() })
	ca := filepath.Join(home, "ca.pem")
	g.Expect(os.WriteFile(ca, sim.CAPEM, 0o600)).To(Succeed())
	return &machine{Gomega: g, t: t, sim: sim, home: home, options: workspace.Options{CAFile: ca, Version: "1.2.3"}}
}

func (m *machine) profile(name, token string) {
	m.t.Helper()
	text := fmt.Sprintf("[%s]\nhost = %s\ntoken = %s\n", name, m.sim.URL, token)
	m.Expect(os.WriteFile(filepath.Join(m.home, ".databrickscfg"), []byte(text), 0o600)).To(Succeed())
}

func TestTheStandardConfigurationIsUsed(t *testing.T) {
	oauth := simulator.Principal{UserName: "11111111-2222-3333-4444-555555555555", ClientSecret: "s3cret-of-the-test"}
	for name, arrange := range map[string]func(m *machine){
		"environment": func(m *machine) {
			m.t.Setenv("DATABRICKS_HOST", m.sim.URL)
			m.t.Setenv("DATABRICKS_TOKEN", simulator.DefaultToken)
		},
		"profile": func(m *machine) {
			m.profile("dev", simulator.DefaultToken)
			m.options.Profile = "dev"
		},
		"default profile": func(m *machine) { m.profile("DEFAULT", simulator.DefaultToken) },
		"--host, and the token of the environment": func(m *machine) {
			m.options.Host = m.sim.URL
			m.t.Setenv("DATABRICKS_TOKEN", simulator.DefaultToken)
		},
		"OAuth client": func(m *machine) {
			m.t.Setenv("DATABRICKS_HOST", m.sim.URL)
			m.t.Setenv("DATABRICKS_CLIENT_ID", oauth.UserName)
			m.t.Setenv("DATABRICKS_CLIENT_SECRET", oauth.ClientSecret)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
				{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}, oauth,
			}}}})
			arrange(m)
			connected, err := workspace.Connect(t.Context(), m.options)
			m.Expect(err).NotTo(HaveOccurred())
			m.Expect(connected.Host()).To(Equal(m.sim.URL))
			me, err := connected.Me(t.Context())
			m.Expect(err).NotTo(HaveOccurred())
			m.Expect(me.UserName).To(BeElementOf(simulator.DefaultUser, oauth.UserName))
		})
	}
}

func TestAMissingConfigurationIsExplained(t *testing.T) {
	m := newMachine(t, simulator.Options{})
	_, err := workspace.Connect(t.Context(), m.options)
	m.Expect(err).To(MatchError(workspace.ErrNotConfigured))
	m.options.Host = m.sim.URL
	_, err = workspace.Connect(t.Context(), m.options)
	m.Expect(err).To(MatchError(ContainSubstring("databricks auth login --host " + m.sim.URL)))
	m.options.Host, m.options.Profile = "", "absent"
	m.profile("dev", simulator.DefaultToken)
	_, err = workspace.Connect(t.Context(), m.options)
	m.Expect(err).To(MatchError(ContainSubstring("absent")))
	m.options.CAFile = filepath.Join(m.home, "absent.pem")
	_, err = workspace.Connect(t.Context(), m.options)
	m.Expect(err).To(MatchError(ContainSubstring("absent.pem")))
}

func TestAWrongTokenIsNotShown(t *testing.T) {
	m := newMachine(t, simulator.Options{})
	m.profile("DEFAULT", "dapi-wrong-token")
	connected, err := workspace.Connect(t.Context(), m.options)
	m.Expect(err).NotTo(HaveOccurred())
	_, err = connected.Me(t.Context())
	m.Expect(databricks.ClassOf(err)).To(Equal(databricks.ClassUnauthenticated))
	m.Expect(err.Error()).NotTo(ContainSubstring("dapi-wrong-token"))
}

func TestAListHasEachClusterOnceAndSorted(t *testing.T) {
	m := newMachine(t, simulator.Options{})
	for i := range 230 {
		_, err := m.sim.AddCluster(simulator.Seed{Spec: map[string]any{"cluster_name": fmt.Sprintf("c%03d", i%7)}})
		m.Expect(err).NotTo(HaveOccurred())
	}
	m.profile("DEFAULT", simulator.DefaultToken)
	connected, err := workspace.Connect(t.Context(), m.options)
	m.Expect(err).NotTo(HaveOccurred())
	all, err := connected.List(t.Context(), databricks.ListQuery{})
	m.Expect(err).NotTo(HaveOccurred())
	ids := make([]string, 0, len(all))
	for _, cluster := range all {
		ids = append(ids, cluster.ClusterId)
	}
	m.Expect(ids).To(HaveLen(230))
	m.Expect(slices.IsSorted(ids)).To(BeTrue())
	m.Expect(m.sim.RequestsTo("clusters/list")).To(HaveLen(3))
}

func TestAThrottledRequestWaitsAndSucceeds(t *testing.T) {
	m := newMachine(t, simulator.Options{})
	id, err := m.sim.AddCluster(simulator.Seed{})
	m.Expect(err).NotTo(HaveOccurred())
	m.profile("DEFAULT", simulator.DefaultToken)
	var waited atomic.Int32
	m.options.Waiting = func(string) { waited.Add(1) }
	connected, err := workspace.Connect(t.Context(), m.options)
	m.Expect(err).NotTo(HaveOccurred())
	m.sim.AddFault(simulator.Fault{Endpoint: "clusters/get", Status: 429, Times: 1, Header: map[string]string{"Retry-After": "1"}})
	begin := time.Now()
	got, err := connected.GetAll(t.Context(), []string{id, id}, nil)
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(got).To(HaveLen(2))
	m.Expect(got[1].Cluster.Details.ClusterId).To(Equal(id))
	m.Expect(time.Since(begin)).To(BeNumerically(">", 900*time.Millisecond), "the Retry-After of a second is obeyed")
	m.Expect(waited.Load()).To(BeNumerically(">", 0))
}

func TestAnInterruptEndsTheWait(t *testing.T) {
	m := newMachine(t, simulator.Options{Faults: []simulator.Fault{{Endpoint: "clusters/get", Status: 429, Header: map[string]string{"Retry-After": "300"}}}})
	m.profile("DEFAULT", simulator.DefaultToken)
	ctx, cancel := context.WithCancel(t.Context())
	m.options.Waiting = func(string) { cancel() }
	connected, err := workspace.Connect(t.Context(), m.options)
	m.Expect(err).NotTo(HaveOccurred())
	_, err = connected.Get(ctx, "0101-000000-aaaaaaaa")
	m.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
}
