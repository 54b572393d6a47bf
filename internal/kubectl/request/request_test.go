package request_test

import (
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/request"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

const value = "start@20261128T010203Z-0a1b2c3d"

// asked returns an object with the request annotation and a status.
func asked(status *v1alpha1.RequestStatus) *v1alpha1.DatabricksCluster {
	object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
		Name: "etl", Namespace: "team", Annotations: map[string]string{v1alpha1.AnnotationRequest: value},
	}}
	object.Status.Request = status
	return object
}

func TestEachValueIsUsedOnce(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, time.November, 28, 1, 2, 3, 0, time.UTC)
	first, second := request.NewValue("start", now), request.NewValue("start", now)
	g.Expect(first).To(MatchRegexp(`^start@20261128T010203Z-[0-9a-f]{8}$`))
	g.Expect(second).NotTo(Equal(first))
}

func TestAnAnswerBelongsToItsRequest(t *testing.T) {
	g := NewWithT(t)
	answer := func(object *v1alpha1.DatabricksCluster) request.Answer {
		return request.AnswerOf(target.Of(object), value)
	}
	g.Expect(answer(asked(nil)).IsFinal()).To(BeFalse())
	g.Expect(answer(asked(&v1alpha1.RequestStatus{Value: "start@1", Phase: v1alpha1.RequestSucceeded})).IsFinal()).To(BeFalse(), "an older answer")
	g.Expect(answer(asked(&v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestInProgress})).IsFinal()).To(BeFalse())
	for _, phase := range []v1alpha1.RequestPhase{v1alpha1.RequestSucceeded, v1alpha1.RequestRefused, v1alpha1.RequestFailed} {
		final := answer(asked(&v1alpha1.RequestStatus{Value: value, Phase: phase, Message: "m"}))
		g.Expect(final.IsFinal()).To(BeTrue())
		g.Expect(final).To(And(HaveField("Phase", phase), HaveField("Message", "m"), HaveField("Err", BeNil())))
	}
	replaced := asked(nil)
	replaced.Annotations[v1alpha1.AnnotationRequest] = "restart@2"
	g.Expect(answer(replaced).Err).To(MatchError(ContainSubstring("another request replaced it: restart@2")))
	removed := asked(nil)
	removed.Annotations = nil
	g.Expect(answer(removed).Err).To(MatchError(ContainSubstring("was removed")))
	deleted := asked(nil)
	deleted.DeletionTimestamp = new(metav1.Now())
	g.Expect(answer(deleted).Err).To(MatchError(ContainSubstring("is being deleted")))
}

// reader answers with one object after another, or that it is not available for nil, and
// then that there is none.
type reader struct {
	client.Reader
	objects []*v1alpha1.DatabricksCluster
}

func (r *reader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if len(r.objects) == 0 {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "databricksclusters"}, key.Name)
	}
	if r.objects[0] == nil {
		r.objects = r.objects[1:]
		return apierrors.NewServiceUnavailable("restarting")
	}
	r.objects[0].DeepCopyInto(into.(*v1alpha1.DatabricksCluster))
	r.objects = r.objects[1:]
	return nil
}

func TestAWaitEndsWithTheAnswer(t *testing.T) {
	pending := []request.Pending{{Kind: target.Cluster, Key: client.ObjectKey{Namespace: "team", Name: "etl"}, Value: value}}
	done := &v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestSucceeded, Message: "the cluster is up"}
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		begin, reads := time.Now(), 0
		answers, err := request.Wait(t.Context(), &reader{objects: []*v1alpha1.DatabricksCluster{asked(nil), nil, asked(done)}}, pending,
			func([]*target.Object) { reads++ })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answers[0].Message).To(Equal("the cluster is up"))
		g.Expect(reads).To(Equal(2))
		g.Expect(time.Since(begin)).To(Equal(2 * time.Second))

		answers, err = request.Wait(t.Context(), &reader{objects: []*v1alpha1.DatabricksCluster{asked(nil)}}, pending, func([]*target.Object) {})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answers[0].Err).To(MatchError("the object was deleted"))

		limited, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err = request.Wait(limited, &reader{objects: []*v1alpha1.DatabricksCluster{asked(nil)}}, pending, func([]*target.Object) {})
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
	})
}

func TestDescribeNamesTheState(t *testing.T) {
	g := NewWithT(t)
	object := asked(nil)
	object.Status.State = "PENDING"
	object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReconciling, Reason: v1alpha1.ReasonStarting, Message: "Finding instances"}}
	g.Expect(request.Describe(target.Of(object))).To(Equal("etl PENDING Starting: Finding instances"))
	g.Expect(regexp.MustCompile(`\s$`).MatchString(request.Describe(target.Of(asked(nil))))).To(BeFalse())
}

func TestARequestForAnotherKindThanClusters(t *testing.T) {
	g := NewWithT(t)
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	g.Expect(request.RefusalReason(target.Of(pool), v1alpha1.RequestStart)).To(Equal("start is a request for clusters; an instance pool knows only reconcile"))
	policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	g.Expect(request.RefusalReason(target.Of(policy), v1alpha1.RequestRestart)).To(ContainSubstring("a policy knows only reconcile"))
	// The operator answers an observing policy, and not an observing cluster.
	policy.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
	g.Expect(request.RefusalReason(target.Of(policy), v1alpha1.RequestReconcile)).To(BeEmpty())
	observer := asked(nil)
	observer.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
	g.Expect(request.RefusalReason(target.Of(observer), v1alpha1.RequestReconcile)).To(ContainSubstring("only observes its cluster"))
}
