package plugin_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestARequestWaitsForTheAnswer(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	etl, reports := r.small("etl"), r.small("reports")
	etl.Labels = map[string]string{"team": "data"}
	reports.Labels = etl.Labels
	r.create(etl)
	r.create(reports)
	r.becomes(etl, v1alpha1.ConditionReady, "True Running")
	r.becomes(reports, v1alpha1.ConditionReady, "True Running")

	r.Expect(r.ok("terminate", "etl", "--wait")).To(Equal("databrickscluster/etl: terminate requested\n" +
		"databrickscluster/etl: terminate succeeded: the cluster is down\n"))
	r.Expect(r.get(client.ObjectKeyFromObject(etl)).Status.State).To(Equal("TERMINATED"))

	refused := r.dbc("restart", "-l", "team=data", "--wait")
	r.Expect(refused.code).To(Equal(1))
	r.Expect(refused.errOut).To(Equal("error: etl: the operator refused the request: the cluster is down; request\n       start@<token>\n"))
	r.Expect(refused.out).To(ContainSubstring("databrickscluster/reports: restart succeeded: the cluster was restarted\n"))

	r.Expect(r.ok("start", "etl", "--wait")).To(HaveSuffix("start succeeded: the cluster is up\n"))
	r.Expect(r.ok("reconcile", "etl", "reports", "--wait")).To(HaveSuffix("databrickscluster/reports: reconcile succeeded: the workspace is read again\n"))
}

func TestARequestWithoutAnAnswerTimesOut(t *testing.T) {
	r := newRig(t, 1)
	r.create(r.small("etl"))
	begin := time.Now()
	result := r.dbc("start", "etl", "--wait", "--timeout=100ms")
	r.Expect(result.code).To(Equal(1))
	r.Expect(time.Since(begin)).To(BeNumerically("<", 10*time.Second))
	r.Expect(strings.Join(strings.Fields(result.errOut), " ")).To(Equal("error: etl: no answer within --timeout: the operator has not noticed the request; " +
		"'kubectl dbc doctor etl' finds out why"))
}

func TestARequestThatCannotBeAnsweredIsNotMade(t *testing.T) {
	r := newRig(t, 1)
	observer := r.small("observer", func(s *v1alpha1.DatabricksClusterSpec) {
		s.ManagementPolicy, s.ClusterID = v1alpha1.ManagementPolicyObserve, "0101-000000-aaaaaaaa"
	})
	r.create(observer)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an observing object":   {[]string{"start", "observer"}, "observes its cluster"},
		"an unknown name":       {[]string{"start", "absent"}, `"absent" not found`},
		"no name":               {[]string{"start"}, "name the objects"},
		"a name and a selector": {[]string{"start", "observer", "-l", "a=b"}, "not both"},
		"a selector of nothing": {[]string{"start", "-l", "a=b"}, "no cluster matches"},
		"an unknown type":       {[]string{"start", "pod/etl"}, `there is no TYPE "pod": choose one of cluster (databrickscluster, dbc), policy (databricksclusterpolicy, dbcp), pool`},
		"a malformed selector":  {[]string{"start", "-l", "a=b=c"}, "--selector"},
	} {
		t.Run(name, func(*testing.T) {
			result := r.dbc(c.args...)
			r.Expect(result.code).To(Equal(1))
			r.Expect(strings.Join(strings.Fields(result.errOut), " ")).To(And(HavePrefix("error: "), ContainSubstring(c.want)))
			r.Expect(r.get(client.ObjectKeyFromObject(observer)).Annotations).To(BeEmpty())
		})
	}
	t.Run("a broken kubeconfig", func(t *testing.T) {
		t.Setenv("KUBECONFIG", r.caFile)
		result := r.dbc("start", "observer")
		r.Expect(result.code).To(Equal(1))
		r.Expect(result.errOut).To(HavePrefix("error: kubeconfig: "))
	})
}

func TestSuspendAndResume(t *testing.T) {
	r := newRig(t, 1)
	etl := r.small("etl")
	r.create(etl)
	key := client.ObjectKeyFromObject(etl)
	r.Expect(r.ok("suspend", "etl")).To(Equal("databrickscluster/etl: suspended\n"))
	r.Expect(r.get(key).Spec.Suspend).To(BeTrue())
	r.Expect(r.ok("suspend", "etl")).To(Equal("databrickscluster/etl: is suspended already\n"))
	noted := r.dbc("start", "etl")
	r.Expect(noted.code).To(Equal(0))
	r.Expect(noted.errOut).To(HavePrefix("note: etl: it is suspended"))
	r.Expect(r.ok("resume", "etl")).To(Equal("databrickscluster/etl: resumed\n"))
	r.Expect(r.get(key).Spec.Suspend).To(BeFalse())
	r.Expect(r.ok("resume", "etl")).To(Equal("databrickscluster/etl: is not suspended\n"))
}

func TestRequestsAndSuspensionOfPoliciesAndPools(t *testing.T) {
	r := newRig(t, 1)
	r.start()
	policy, pool := r.policy("small-jobs"), r.pool("small")
	r.create(policy)
	r.create(pool)
	r.Expect(r.ok("reconcile", "policy/small-jobs", "dbip/small", "--wait")).To(Equal("databricksclusterpolicy/small-jobs: reconcile requested\n" +
		"databricksinstancepool/small: reconcile requested\n" +
		"databricksclusterpolicy/small-jobs: reconcile succeeded: the workspace is read again\n" +
		"databricksinstancepool/small: reconcile succeeded: the workspace is read again\n"))
	refused := r.dbc("start", "pool/small")
	r.Expect(refused.code).To(Equal(1))
	r.Expect(refused.errOut).To(Equal("error: pool/small: start is a request for clusters; an instance pool knows only\n       reconcile\n"))
	for _, object := range []string{"policy/small-jobs", "pool/small"} {
		r.Expect(r.ok("suspend", object)).To(HaveSuffix(": suspended\n"))
	}
	key := client.ObjectKeyFromObject(pool)
	r.Expect(r.api.Get(t.Context(), key, pool)).To(Succeed())
	r.Expect(pool.Spec.Suspend).To(BeTrue())
	r.Expect(r.ok("resume", "pool/small", "policy/small-jobs")).To(Equal("databricksinstancepool/small: resumed\ndatabricksclusterpolicy/small-jobs: resumed\n"))
	r.Expect(r.api.Get(t.Context(), key, pool)).To(Succeed())
	r.Expect(pool.Spec.Suspend).To(BeFalse())
}
