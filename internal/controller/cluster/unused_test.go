package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
)

// keptText is a ConnectionStore in memory.
type keptText struct {
	text  string
	saves int
	err   error
}

func (k *keptText) Load(context.Context) (string, error) { return k.text, k.err }

func (k *keptText) Save(_ context.Context, text string) error {
	if k.err == nil {
		k.text = text
		k.saves++
	}
	return k.err
}

func newUnused(store ConnectionStore) *unusedConnections {
	return newUnusedConnections(&connector.Connector{}, store, logr.Discard(), time.Hour)
}

// using returns an object with a cluster that uses a Secret.
func using(namespace, secret string) v1alpha1.DatabricksCluster {
	var cluster v1alpha1.DatabricksCluster
	cluster.Namespace, cluster.Status.Host = namespace, "https://w"
	if secret != "" {
		cluster.Spec.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: secret}}
	}
	return cluster
}

// known returns the connections that no object uses, the newest first.
func (u *unusedConnections) known() []string {
	var all []string
	for _, one := range u.byAge() {
		name := "default"
		if one.Connection != nil {
			name = one.Connection.SecretRef.Name
		}
		all = append(all, one.Namespace+"/"+name)
	}
	return all
}

var start = time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)

func TestConnectionsThatNoObjectUses(t *testing.T) {
	g := NewWithT(t)
	store := &keptText{}
	u := newUnused(store)
	at := func(after time.Duration, objects ...v1alpha1.DatabricksCluster) []string {
		u.update(t.Context(), objects, start.Add(after))
		return u.known()
	}
	a, b, other := using("a", ""), using("b", "s"), using("b", "s")
	g.Expect(at(0, a, b, other)).To(BeEmpty())
	g.Expect(at(time.Minute, a, b)).To(BeEmpty(), "another object uses it")
	g.Expect(at(2*time.Minute, a)).To(Equal([]string{"b/s"}))
	g.Expect(at(3 * time.Minute)).To(Equal([]string{"a/default", "b/s"}))
	g.Expect(store.saves).To(Equal(2), "only a change is stored")

	next := newUnused(store)
	next.update(t.Context(), nil, start.Add(time.Hour))
	g.Expect(next.known()).To(Equal([]string{"a/default", "b/s"}), "[case-95] the next process knows them")
	g.Expect(store.saves).To(Equal(2))

	g.Expect(at(4*time.Minute, a)).To(Equal([]string{"b/s"}), "an object uses it again")
	g.Expect(at(47*time.Hour, a)).To(Equal([]string{"b/s"}), "[case-95] for at least a day")
	g.Expect(at(49*time.Hour, a)).To(BeEmpty())
	g.Expect(store.text).To(BeEmpty())
}

func TestConnectionsThatAreNotKept(t *testing.T) {
	g := NewWithT(t)
	u := newUnused(nil)
	unmade, shared := using("a", ""), using("b", "")
	unmade.Status.Host = ""
	shared.Spec.Connection = &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: "w"}}
	u.update(t.Context(), []v1alpha1.DatabricksCluster{unmade, shared}, start)
	u.update(t.Context(), nil, start.Add(time.Minute))
	g.Expect(u.known()).To(BeEmpty(), "an object without a cluster, and a DatabricksWorkspace, which has a cache of its own")
}

func TestTheNumberOfKeptConnectionsIsBounded(t *testing.T) {
	g := NewWithT(t)
	store := &keptText{}
	u := newUnused(store)
	for i := range 3 * maxUnused {
		at := start.Add(time.Duration(i) * time.Minute)
		u.update(t.Context(), []v1alpha1.DatabricksCluster{using(fmt.Sprintf("n%03d", i), strings.Repeat("s", 253))}, at)
	}
	u.update(t.Context(), nil, start.Add(10*time.Hour))
	g.Expect(u.known()).To(HaveLen(maxUnused))
	g.Expect(u.known()[0]).To(HavePrefix("n149/"), "the newest stay")
	g.Expect(len(store.text)).To(BeNumerically("<", 32<<10))
}

func TestAStoreThatFails(t *testing.T) {
	g := NewWithT(t)
	store := &keptText{text: `[{"namespace": "a", "host": "https://w", "since": "2026-03-18T12:00:00Z"}]`, err: errors.New("no answer")}
	u := newUnused(store)
	u.update(t.Context(), []v1alpha1.DatabricksCluster{using("b", "")}, start)
	u.update(t.Context(), nil, start.Add(time.Second))
	store.err = nil
	u.update(t.Context(), nil, start.Add(time.Minute))
	g.Expect(u.known()).To(Equal([]string{"a/default"}), "nothing is overwritten before it was read")

	damaged := newUnused(&keptText{text: "{"})
	damaged.update(t.Context(), []v1alpha1.DatabricksCluster{using("b", "")}, start)
	damaged.update(t.Context(), nil, start.Add(time.Minute))
	g.Expect(damaged.known()).To(Equal([]string{"b/default"}))
}
