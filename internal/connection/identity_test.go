package connection

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tokenRequests records the audiences of token requests.
type tokenRequests struct {
	client.SubResourceWriter

	audiences [][]string
}

func (r *tokenRequests) Create(_ context.Context, _, request client.Object, _ ...client.SubResourceCreateOption) error {
	made, ok := request.(*authenticationv1.TokenRequest)
	if ok {
		r.audiences, made.Status.Token = append(r.audiences, made.Spec.Audiences), "token"
	}
	return nil
}

func TestNoTokenIsRequestedWithoutAnAudience(t *testing.T) {
	g := NewWithT(t)
	requests := &tokenRequests{}
	r := &Resolver{tokens: requests}
	account := types.NamespacedName{Namespace: "team-a", Name: "etl"}

	token, err := r.requestToken(t.Context(), account, "")
	g.Expect(err).To(MatchError(errNoAudience))
	g.Expect(token).To(BeEmpty())
	g.Expect(requests.audiences).To(BeEmpty())

	token, err = r.requestToken(t.Context(), account, "https://one.cloud.databricks.com")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token).To(Equal("token"))
	g.Expect(requests.audiences).To(Equal([][]string{{"https://one.cloud.databricks.com"}}))
}
