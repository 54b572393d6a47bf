package connection_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/connection"
)

const (
	host              = "https://one.cloud.databricks.com"
	otherHost         = "https://two.cloud.databricks.com"
	defaultSecret     = "databricks-credentials"
	operatorNamespace = "operator-system"
	tenant            = "team-a"
)

// kubernetes is the part of the Kubernetes API that the package uses.
type kubernetes struct {
	client.Reader
	client.SubResourceWriter

	// mu guards all fields below.
	mu         sync.Mutex
	secrets    map[types.NamespacedName]map[string][]byte
	accounts   map[types.NamespacedName]bool
	namespaces map[string]map[string]string
	workspaces map[string]v1alpha1.DatabricksWorkspaceSpec
	// fail is the error of every read of a Secret or namespace and of every token
	// request; nil for none.
	fail error
	// failWorkspaces is the error of every read of a DatabricksWorkspace; nil for none.
	failWorkspaces error
	// held delays reads of Secrets until it is closed; nil for no delay.
	held chan struct{}
	// reads has the times at which each Secret, namespace or token was requested.
	reads map[string][]time.Time
	// ended returns why the context of the last read ended; nil if it did not.
	ended func() error
}

func newKubernetes() *kubernetes {
	return &kubernetes{
		secrets:    map[types.NamespacedName]map[string][]byte{},
		accounts:   map[types.NamespacedName]bool{},
		namespaces: map[string]map[string]string{},
		workspaces: map[string]v1alpha1.DatabricksWorkspaceSpec{},
		reads:      map[string][]time.Time{},
	}
}

func (k *kubernetes) Get(ctx context.Context, name types.NamespacedName, into client.Object, _ ...client.GetOption) error {
	k.mu.Lock()
	held := k.held
	if workspace, ok := into.(*v1alpha1.DatabricksWorkspace); ok {
		defer k.mu.Unlock()
		spec, found := k.workspaces[name.Name]
		if k.failWorkspaces != nil {
			return k.failWorkspaces
		}
		if !found {
			return notFound(name.Name)
		}
		workspace.Name, workspace.Spec = name.Name, spec
		return nil
	}
	k.reads[name.String()] = append(k.reads[name.String()], time.Now())
	k.ended = ctx.Err
	k.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	found := false
	switch object := into.(type) {
	case *corev1.Secret:
		object.Name, object.Namespace = name.Name, name.Namespace
		object.Data, found = k.secrets[name]
	case *corev1.Namespace:
		object.Labels, found = k.namespaces[name.Name]
	}
	if !found {
		return notFound(name.Name)
	}
	return nil
}

// Create issues the token of a service account.
func (k *kubernetes) Create(_ context.Context, owner, body client.Object, _ ...client.SubResourceCreateOption) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := client.ObjectKeyFromObject(owner)
	k.reads[name.String()] = append(k.reads[name.String()], time.Now())
	if k.fail != nil {
		return k.fail
	}
	if !k.accounts[name] {
		return notFound(name.Name)
	}
	request, ok := body.(*authenticationv1.TokenRequest)
	if !ok {
		return errors.New("not a token request")
	}
	request.Status.Token = "token-for-" + request.Spec.Audiences[0]
	return nil
}

func notFound(name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "objects"}, name)
}

var errCanary = errors.New("canary")

func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "objects"}, "", errCanary)
}

// change changes the state of the fake Kubernetes API.
func (k *kubernetes) change(alter func(*kubernetes)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	alter(k)
}

func (k *kubernetes) putSecret(namespace, name, host, token string) {
	k.change(func(k *kubernetes) {
		k.secrets[types.NamespacedName{Namespace: namespace, Name: name}] = map[string][]byte{
			"DATABRICKS_HOST": []byte(host), "DATABRICKS_TOKEN": []byte(token),
		}
	})
}

// readsOf returns when an object was read.
func (k *kubernetes) readsOf(namespace, name string) []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reads[types.NamespacedName{Namespace: namespace, Name: name}.String()]
}

// rig is a Resolver that reads a fake Kubernetes API.
type rig struct {
	Gomega
	*kubernetes
	resolver *connection.Resolver
	// stop ends the context of the Resolver.
	stop context.CancelFunc

	// mu guards enqueued.
	mu       sync.Mutex
	enqueued []connection.User
}

// inVirtualTime runs a test with a Resolver that reads sources again when they are
// due.
func inVirtualTime(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	withOptions(t, func(*connection.Options) {}, test)
}

// withOptions is inVirtualTime with other options.
func withOptions(t *testing.T, adapt func(*connection.Options), test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Gomega: NewWithT(t), kubernetes: newKubernetes()}
		rules, err := connection.ParseHostRules([]string{"narrowed-*=https://narrow.cloud.databricks.com"})
		r.Expect(err).NotTo(HaveOccurred())
		options := connection.Options{
			DefaultSecret: defaultSecret, Workspaces: true, AllowedTokenAudiences: []string{"databricks"}, HostRules: rules,
			OperatorNamespace: operatorNamespace, OperatorServiceAccount: "operator",
			Enqueue: func(user connection.User) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.enqueued = append(r.enqueued, user)
			},
		}
		adapt(&options)
		r.resolver = connection.New(r.kubernetes, r.kubernetes, r.kubernetes, options)
		ctx, stop := context.WithCancel(t.Context())
		r.stop = stop
		var running sync.WaitGroup
		running.Go(func() { _ = r.resolver.Start(ctx) })
		defer running.Wait()
		defer stop()
		synctest.Wait() // the Resolver has no source yet, and waits
		test(t, r)
	})
}

// after advances virtual time and waits until all goroutines are idle.
func after(span time.Duration) {
	<-time.After(span)
	synctest.Wait()
}

// events returns the names of the objects that were enqueued since the last call.
func (r *rig) events() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, user := range r.enqueued {
		names = append(names, user.Name)
	}
	r.enqueued = nil
	return names
}

// object returns the first object of a name.
func object(name string) connection.User {
	return connection.User{Kind: v1alpha1.ClusterKind, Namespace: tenant, Name: name, UID: "uid-" + name}
}

func objects(count int) []connection.User {
	users := make([]connection.User, count)
	for i := range users {
		users[i] = object(fmt.Sprint("object-", i))
	}
	return users
}

// resolve returns the credential of the default Secret for an object.
func (r *rig) resolve(t *testing.T, user connection.User) (connection.Credential, *connection.Blocked) {
	t.Helper()
	return r.resolver.Resolve(t.Context(), connection.Request{User: user})
}

// works asserts that an object has a credential for the host.
func (r *rig) works(t *testing.T, user connection.User) {
	t.Helper()
	credential, blocked := r.resolve(t, user)
	r.Expect(blocked).To(BeNil())
	r.Expect(credential.Config.Host()).To(Equal(host))
}

// blocked asserts that an object has no credential, and returns why.
func (r *rig) blocked(t *testing.T, user connection.User, reason string) *connection.Blocked {
	t.Helper()
	_, blocked := r.resolve(t, user)
	r.Expect(blocked).NotTo(BeNil())
	r.Expect(blocked.Reason).To(Equal(reason), blocked.Message)
	return blocked
}

func references(workspace string) *v1alpha1.Connection {
	return &v1alpha1.Connection{WorkspaceRef: &v1alpha1.WorkspaceReference{Name: workspace}}
}

func names(allowed ...string) *v1alpha1.AllowedNamespaces {
	return &v1alpha1.AllowedNamespaces{Names: allowed}
}

func labelled(key, value string) *v1alpha1.AllowedNamespaces {
	return &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}}
}

// share creates or changes a DatabricksWorkspace.
func (r *rig) share(name string, allowed *v1alpha1.AllowedNamespaces) {
	r.change(func(k *kubernetes) {
		k.workspaces[name] = v1alpha1.DatabricksWorkspaceSpec{
			Host: host, SecretRef: &v1alpha1.OperatorSecretReference{Name: "shared"}, AllowedNamespaces: allowed,
		}
	})
}

// edit changes the spec of a DatabricksWorkspace.
func (r *rig) edit(name string, alter func(*v1alpha1.DatabricksWorkspaceSpec)) {
	r.change(func(k *kubernetes) {
		spec := k.workspaces[name]
		alter(&spec)
		k.workspaces[name] = spec
	})
}

func keyOf(name string) types.NamespacedName { return types.NamespacedName{Name: name} }

func secretName(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}
