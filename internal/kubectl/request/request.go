package request

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// Verbs returns the requests that an object understands.
func Verbs() []string {
	return []string{v1alpha1.RequestStart, v1alpha1.RequestTerminate, v1alpha1.RequestRestart, v1alpha1.RequestReconcile}
}

// NewValue returns a value of the request annotation that was never used before. The time
// in it is for readers.
func NewValue(verb string, now time.Time) string {
	random := make([]byte, 4)
	// crypto/rand.Read never fails.
	_, _ = rand.Read(random)
	return fmt.Sprintf("%s@%s-%s", verb, now.UTC().Format("20060102T150405Z"), hex.EncodeToString(random))
}

// RefusalReason returns why a request for an object would not be carried out; empty: it
// will be.
func RefusalReason(object target.Object, verb string) string {
	isReconcile, isCluster := verb == v1alpha1.RequestReconcile, object.Kind == target.Cluster
	switch {
	case !isCluster && !isReconcile:
		return fmt.Sprintf("%s is a request for clusters; %s knows only reconcile", verb, withArticle(object.Kind.Noun))
	case object.IsDeleting():
		return "it is being deleted"
	case object.IsObserving() && (isCluster || !isReconcile):
		return "it only observes its cluster (spec.managementPolicy), and an observing object makes no requests"
	default:
		return ""
	}
}

func withArticle(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// DelayReason returns why a request will be answered late; empty: it will not.
func DelayReason(object target.Object, verb string) string {
	if object.Suspended && verb != v1alpha1.RequestReconcile {
		return "it is suspended, so the request is made when it is resumed ('kubectl dbc resume " + object.Argument() + "')"
	}
	return ""
}

// Make sets the request annotation of an object.
func Make(ctx context.Context, writer client.Writer, object target.Object, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{v1alpha1.AnnotationRequest: value}}})
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	return writer.Patch(ctx, object.Resource, client.RawPatch(types.MergePatchType, patch))
}

// Suspension is whether the operator may write for an object.
type Suspension int

// The suspensions.
const (
	Resumed Suspension = iota
	Suspended
)

// SetSuspension sets spec.suspend of an object, and reports whether that changed it.
func SetSuspension(ctx context.Context, writer client.Writer, object target.Object, suspension Suspension) (changed bool, err error) {
	if object.Suspended == (suspension == Suspended) {
		return false, nil
	}
	patch := `{"spec":{"suspend":null}}`
	if suspension == Suspended {
		patch = `{"spec":{"suspend":true}}`
	}
	return true, writer.Patch(ctx, object.Resource, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// Answer is the answer of the operator to a request.
type Answer struct {
	Key     client.ObjectKey
	Phase   v1alpha1.RequestPhase
	Message string
	// Err is set if there will be no answer.
	Err error
}

// IsFinal reports whether there will be no other answer.
func (a Answer) IsFinal() bool {
	return a.Err != nil || slices.Contains([]v1alpha1.RequestPhase{v1alpha1.RequestSucceeded, v1alpha1.RequestRefused, v1alpha1.RequestFailed}, a.Phase)
}

// AnswerOf returns the answer to a value of the annotation in the status of an object.
func AnswerOf(object target.Object, value string) Answer {
	answer := Answer{Key: client.ObjectKeyFromObject(object)}
	switch asked := object.GetAnnotations()[v1alpha1.AnnotationRequest]; {
	case asked != value && asked != "":
		answer.Err = fmt.Errorf("another request replaced it: %s", asked)
		return answer
	case asked != value:
		answer.Err = fmt.Errorf("the annotation %s was removed", v1alpha1.AnnotationRequest)
		return answer
	case object.IsDeleting():
		answer.Err = errors.New("the object is being deleted")
		return answer
	}
	if status := object.Request; status != nil && status.Value == value {
		answer.Phase, answer.Message = status.Phase, status.Message
	}
	return answer
}

// pollInterval is how often the status is read. A watch needs a right that not every user
// has.
const pollInterval = time.Second

// Pending is a request that was made.
type Pending struct {
	Kind  *target.Kind
	Key   client.ObjectKey
	Value string
}

// Wait waits until all requests have their final answers or ctx ends, and returns the
// answers in the order of the requests. changed is called with the objects after each read;
// one that was never read is nil.
func Wait(ctx context.Context, reader client.Reader, pending []Pending, changed func([]*target.Object)) ([]Answer, error) {
	answers := make([]Answer, len(pending))
	objects := make([]*target.Object, len(pending))
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		open := 0
		for i, p := range pending {
			if answers[i].IsFinal() {
				continue
			}
			resource := p.Kind.New()
			switch err := reader.Get(ctx, p.Key, resource); {
			case ctx.Err() != nil:
				return answers, context.Cause(ctx)
			case apierrors.IsNotFound(err):
				answers[i] = Answer{Key: p.Key, Err: errors.New("the object was deleted")}
				continue
			case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
				answers[i] = Answer{Key: p.Key, Err: err}
				continue
			case err != nil:
				// The API server may be restarting.
				open++
				continue
			}
			object := target.Of(resource)
			objects[i], answers[i] = &object, AnswerOf(object, p.Value)
			if !answers[i].IsFinal() {
				open++
			}
		}
		if open == 0 {
			return answers, nil
		}
		changed(objects)
		select {
		case <-ctx.Done():
			return answers, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// Describe returns the state of an object in a few words, for a line of progress.
func Describe(object target.Object) string {
	parts := []string{object.Argument()}
	if object.State != "" {
		parts = append(parts, object.State)
	}
	for _, condition := range object.Conditions {
		if condition.Type == v1alpha1.ConditionReconciling || condition.Type == v1alpha1.ConditionStalled {
			parts = append(parts, condition.Reason+": "+condition.Message)
		}
	}
	return strings.Join(parts, " ")
}
