package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// TestEveryReasonOfStalledHasARemedy reads the reasons from their source, so that a new one
// cannot be forgotten. Those of the credential have an empty entry: its check names them.
func TestEveryReasonOfStalledHasARemedy(t *testing.T) {
	g := NewWithT(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../../../api/v1alpha1/conditions.go", nil, parser.ParseComments)
	g.Expect(err).NotTo(HaveOccurred())
	count := 0
	for _, declaration := range file.Decls {
		group, isGroup := declaration.(*ast.GenDecl)
		if !isGroup || !strings.HasPrefix(group.Doc.Text(), "Reasons of Stalled.") {
			continue
		}
		for _, spec := range group.Specs {
			literal, _ := spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit)
			g.Expect(remedies).To(HaveKey(strings.Trim(literal.Value, `"`)))
			count++
		}
	}
	g.Expect(count).To(BeNumerically(">", 20))
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Name: "small", Namespace: "team-a"}}
	for reason := range remedies {
		for _, command := range remedy(target.Of(pool), reason) {
			g.Expect(command).NotTo(MatchRegexp(`NAME|NAMESPACE|TYPE|TARGET`))
		}
	}
	g.Expect(remedy(target.Of(pool), v1alpha1.ReasonReferenceNotFound)).To(Equal([]string{
		"kubectl edit -n team-a databricksinstancepool small", "kubectl dbc reconcile -n team-a pool/small",
	}))
}

func TestAnOperatorThatDoesNotLeadIsAProblem(t *testing.T) {
	g := NewWithT(t)
	now := time.Now()
	o := operator{deployment: appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "manager"}}}
	o.deployment.Status.ReadyReplicas = 1
	o.lease = &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: new(metav1.NewMicroTime(now.Add(-20 * time.Second)))}}
	g.Expect(o.examine(now).Status).To(Equal(OK))
	o.lease.Spec.RenewTime = new(metav1.NewMicroTime(now.Add(-time.Minute)))
	g.Expect(o.examine(now)).To(And(HaveField("Status", Problem), HaveField("Text", ContainSubstring("renewed 1m0s ago"))))
	o.deployment.Spec.Replicas = new(int32(0))
	g.Expect(o.examine(now).Commands).To(ConsistOf("kubectl scale -n system deployment manager --replicas=1"))
}

func TestFlagsAreReadInEveryForm(t *testing.T) {
	g := NewWithT(t)
	flags := flagsOf(corev1.PodSpec{Containers: []corev1.Container{
		{Name: "proxy", Args: []string{"--other=1"}},
		{Name: "manager", Command: []string{"/manager", "--leader-elect"}, Args: []string{"--allowed-hosts=a,b", "--allowed-hosts=c", "--shard", "x"}},
	}})
	g.Expect(flags).To(Equal(map[string]string{"leader-elect": "true", "allowed-hosts": "a,b,c", "shard": "x"}))
	g.Expect(flagsOf(corev1.PodSpec{})).To(BeEmpty())
}

func TestTheNetworkCheckKnowsAWorkspaceByItsAnswer(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Location", "https://login.example.com")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  Status
		text    string
	}{
		"a workspace":       {answer(401, "application/json", `{"error_code":"UNAUTHENTICATED"}`), OK, "answers from this machine"},
		"a login page":      {answer(200, "text/html", "<html>"), Problem, "answers with a page (status 200)"},
		"a redirect":        {answer(302, "text/html", ""), Problem, "redirects"},
		"a broken service":  {answer(503, "application/json", `{}`), Problem, "status 503"},
		"a broken balancer": {answer(502, "text/html", "<html>"), Problem, "page (status 502)"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := httptest.NewTLSServer(c.handler)
			defer server.Close()
			d := Doctor{Roots: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
			finding := d.examineNetwork(t.Context(), server.URL)
			g.Expect(finding).To(And(HaveField("Status", c.status), HaveField("Text", ContainSubstring(c.text))))
		})
	}
	t.Run("an authority that is not trusted", func(t *testing.T) {
		g := NewWithT(t)
		server := httptest.NewTLSServer(answer(401, "application/json", "{}"))
		defer server.Close()
		g.Expect((&Doctor{}).examineNetwork(t.Context(), server.URL).Text).To(ContainSubstring("not trusted here"))
	})
	t.Run("no server", func(t *testing.T) {
		g := NewWithT(t)
		server := httptest.NewTLSServer(nil)
		server.Close()
		g.Expect((&Doctor{}).examineNetwork(t.Context(), server.URL).Text).To(ContainSubstring("connection refused"))
	})
}
