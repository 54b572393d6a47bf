package gitops

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var (
	application = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}
	appProject  = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "AppProject"}
)

const (
	argoNamespace = "argocd"
	argoExamples  = "../../examples/argocd"
	// argoRefresh requests a refresh; Argo CD removes the annotation
	// afterwards.
	argoRefresh = "argocd.argoproj.io/refresh"
	// healthKey is the key of the health script in argocd-cm.
	healthKey = "resource.customizations.health.compute.databricks-operator.io_DatabricksCluster"
)

// argo is Argo CD's repo-server and application-controller.
type argo struct{ api client.Client }

func startArgoCD(ctx context.Context, l *environment) (tool, error) {
	binary, err := l.find(argoCD)
	if binary == "" {
		return nil, err
	}
	a := &argo{api: l.api}
	if err := a.configure(ctx); err != nil {
		return nil, err
	}
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		return nil, err
	}
	l.onStop(func() error { redis.Close(); return nil })
	var ports [3]string
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	directory := l.file("argocd")
	environment := []string{
		"KUBECONFIG=" + l.kubeconfig(),
		"ARGOCD_FAKE_IN_CLUSTER=true",
		"ARGOCD_GPG_ENABLED=false",
		"HOSTNAME=argocd-0",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
	}
	for name, sub := range map[string]string{
		"HOME": "home", "TMPDIR": "tmp", "ARGOCD_GNUPGHOME": "gnupg", "ARGOCD_TLS_DATA_PATH": "tls",
		"ARGOCD_SSH_DATA_PATH": "ssh", "ARGOCD_PLUGINSOCKFILEPATH": "plugins",
	} {
		path := filepath.Join(directory, sub)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		environment = append(environment, name+"="+path)
	}
	repositories := "127.0.0.1:" + ports[0]
	_, err = l.start(append(environment, "ARGOCD_BINARY_NAME=argocd-repo-server"), binary, "argocd-repo-server",
		"--address=127.0.0.1", "--port="+ports[0],
		"--metrics-address=127.0.0.1", "--metrics-port="+ports[1],
		"--disable-tls",
		"--redis="+redis.Addr(),
	)
	if err != nil {
		return nil, err
	}
	err = l.await(ctx, "Argo CD's repo-server listens", func(ctx context.Context) bool {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", repositories)
		return err == nil && connection.Close() == nil
	})
	if err != nil {
		return nil, err
	}
	_, err = l.start(append(environment, "ARGOCD_BINARY_NAME=argocd-application-controller"), binary, "argocd-application-controller",
		"--kubeconfig="+l.kubeconfig(),
		"--namespace="+argoNamespace,
		"--redis="+redis.Addr(),
		"--repo-server="+repositories, "--repo-server-plaintext",
		"--metrics-port="+ports[2],
		"--app-resync=180",
		"--status-processors=4", "--operation-processors=4",
		"--self-heal-timeout-seconds=1",
	)
	if err != nil {
		return nil, err
	}
	return a, l.await(ctx, "Argo CD's application-controller is ready", func(ctx context.Context) bool {
		return answersOK(ctx, "http://127.0.0.1:"+ports[2]+"/healthz")
	})
}

// configure creates the objects of an Argo CD installation, with the shipped
// example.
func (a *argo) configure(ctx context.Context) error {
	content, err := os.ReadFile(filepath.Join(argoExamples, "argocd-cm.yaml"))
	if err != nil {
		return err
	}
	settings := &corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict(content, settings); err != nil {
		return err
	}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: argoNamespace}}}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: argoNamespace, Name: name, Labels: map[string]string{"app.kubernetes.io/part-of": "argocd"}}
	}
	for _, name := range []string{"argocd-rbac-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm", "argocd-gpg-keys-cm"} {
		objects = append(objects, &corev1.ConfigMap{ObjectMeta: meta(name)})
	}
	project := typed(appProject, argoNamespace, "default")
	project.Object["spec"] = map[string]any{
		"sourceRepos":              []any{"*"},
		"destinations":             []any{map[string]any{"server": "*", "namespace": "*"}},
		"clusterResourceWhitelist": []any{map[string]any{"group": "*", "kind": "*"}},
	}
	objects = append(objects, project,
		&corev1.Secret{ObjectMeta: meta("argocd-secret"), StringData: map[string]string{"server.secretkey": "not-used-here"}},
		settings,
	)
	for _, object := range objects {
		if err := a.api.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
	}
	return nil
}

// setHealthScript sets the health script of DatabricksClusters; "" removes it.
func (a *argo) setHealthScript(ctx context.Context, script string) (before string, err error) {
	settings := &corev1.ConfigMap{}
	if err := a.api.Get(ctx, client.ObjectKey{Namespace: argoNamespace, Name: "argocd-cm"}, settings); err != nil {
		return "", err
	}
	before = settings.Data[healthKey]
	settings.Data[healthKey] = script
	if script == "" {
		delete(settings.Data, healthKey)
	}
	return before, a.api.Update(ctx, settings)
}

func (*argo) String() string  { return "Argo CD" }
func (*argo) program() string { return argoCD }

// startSync applies a typical Application: automated, with self-healing, and
// without the number of workers, which a scaler owns.
func (a *argo) startSync(ctx context.Context, s *fixture) error {
	object := typed(application, argoNamespace, s.namespace)
	object.SetFinalizers([]string{"resources-finalizer.argocd.argoproj.io"})
	object.Object["spec"] = map[string]any{
		"project": "default",
		"source": map[string]any{
			"repoURL": s.repository.url(), "targetRevision": "main", "path": ".", "directory": map[string]any{"recurse": true},
		},
		"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": s.namespace},
		"ignoreDifferences": []any{map[string]any{
			"group": v1alpha1.GroupVersion.Group, "kind": "DatabricksCluster", "jsonPointers": []any{"/spec/numWorkers"},
		}},
		"syncPolicy": map[string]any{
			"automated": map[string]any{"prune": true, "selfHeal": true},
			// Otherwise a commit that fixes a failed launch would wait for all
			// retries of the failed one.
			"retry":       map[string]any{"limit": int64(5), "refresh": true, "backoff": map[string]any{"duration": "5s", "factor": int64(1)}},
			"syncOptions": []any{"RespectIgnoreDifferences=true", "ServerSideApply=true"},
		},
	}
	return a.api.Create(ctx, object)
}

func (a *argo) requestSync(ctx context.Context, s *fixture) error {
	ask := []byte(fmt.Sprintf(`{"metadata":{"annotations":{%q:"normal"}}}`, argoRefresh))
	return a.api.Patch(ctx, typed(application, argoNamespace, s.namespace), client.RawPatch(types.MergePatchType, ask))
}

func (a *argo) verdict(ctx context.Context, s *fixture) (v verdict, message string) {
	object := typed(application, argoNamespace, s.namespace)
	if err := a.api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return inProgress, err.Error()
	}
	head, err := s.repository.head()
	if err != nil {
		return inProgress, err.Error()
	}
	var (
		health  = text(object, "status", "health", "status")
		synced  = text(object, "status", "sync", "status")
		phase   = text(object, "status", "operationState", "phase")
		applied = text(object, "status", "operationState", "syncResult", "revision")
	)
	message = fmt.Sprintf("%s, %s, operation %s: %s", synced, health, phase, text(object, "status", "operationState", "message"))
	_, asked := object.GetAnnotations()[argoRefresh]
	switch {
	case asked || text(object, "status", "sync", "revision") != head:
		return inProgress, "has not looked yet (" + message + ")"
	case health == "Degraded" || applied == head && (phase == "Failed" || phase == "Error"):
		return failed, message
	case health == "Healthy" && synced == "Synced" && phase == "Succeeded":
		return ready, message
	default:
		return inProgress, message
	}
}

func (a *argo) stopSync(ctx context.Context, s *fixture) error {
	object := typed(application, argoNamespace, s.namespace)
	if err := client.IgnoreNotFound(a.api.Delete(ctx, object)); err != nil {
		return err
	}
	return shared.await(ctx, "the Application "+s.namespace+" is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(a.api.Get(ctx, client.ObjectKeyFromObject(object), object))
	})
}
