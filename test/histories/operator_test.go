package histories

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// operatorID is the first part of the owner tags of the operator.
const operatorID = "0a1b2c3d"

// operator is one process of the operator, with the intervals that it has by default.
type operator struct {
	link    *link
	cancel  context.CancelFunc
	running sync.WaitGroup
	// started is closed when the controllers run.
	started <-chan struct{}
}

// startOperator starts a process. violated gets what the framework reports as an error.
func startOperator(server *apiServer, workspace http.RoundTripper, arrives func(*http.Request), violated func(string)) (*operator, error) {
	ctx, cancel := context.WithCancel(context.Background())
	started := &operator{link: newLink(), cancel: cancel}
	mgr, err := ctrl.NewManager(&rest.Config{
		Host: "http://kubernetes", Transport: kubeTransport{started.link, server}, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON},
	}, ctrl.Options{
		Scheme:                  scheme,
		MapperProvider:          func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return newMapper(), nil },
		Logger:                  frameworkLog(violated),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		Cache:                   controller.CacheOptions(controller.Scope{}),
		Controller:              config.Controller{SkipNameValidation: new(true)},
		GracefulShutdownTimeout: new(time.Minute),
		NewClient: func(config *rest.Config, options client.Options) (client.Client, error) {
			inner, err := client.NewWithWatch(config, options)
			if err != nil {
				return nil, err
			}
			return interceptor.NewClient(inner, interceptor.Funcs{Get: hotLoops(started.link, violated)}), nil
		},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	allowed, err := databricks.ParseAllowList([]string{workspaceHost})
	if err != nil {
		cancel()
		return nil, err
	}
	transport := databricks.NewTransportOver(allowed, workspaceTransport{started.link, workspace, arrives})
	changes := &controller.EventSource{}
	registry := cache.NewRegistry(cache.Options{
		Dial: func(config databricks.Config) (cache.Client, error) {
			return databricks.New(config, databricks.Options{Transport: transport, Version: "test"})
		},
		OnChange: changes.Changed,
	})
	if err := controller.Setup(mgr, registry, changes, controller.Options{
		OperatorID: operatorID, OwnerTag: true, SeesAllNamespaces: true,
		Adoption: plan.Adoption{Predecessors: []string{formerID}},
	}); err != nil {
		cancel()
		return nil, err
	}
	if err := mgr.Add(&restore.Check{Reader: mgr.GetAPIReader(), Informers: mgr.GetCache(), Every: restore.Every}); err != nil {
		cancel()
		return nil, err
	}
	started.started = mgr.Elected()
	started.running.Go(func() {
		err := mgr.Start(ctx)
		if errors.Is(err, restore.ErrRestored) {
			started.link.kill() // and is started again
			return
		}
		if err != nil {
			violated(fmt.Sprint("the operator ended: ", err))
		}
	})
	return started, nil
}

// kill ends the process without its last writes, and waits for its end. A manager whose
// context ends while it starts is busy until its informers have the objects, so that
// virtual time would not go on: it may still read them.
func (o *operator) kill() {
	o.link.kill()
	<-o.started
	o.cancel()
	o.running.Wait()
}

// maxReconciles is the number of reconciles of one object in a second that no history
// needs.
const maxReconciles = 200

// hotLoops counts the reconciles of every object, each of which begins with a Get. A
// process with a hot loop is killed, because virtual time would not go on.
func hotLoops(process *link, violated func(string)) getFunc {
	type window struct {
		second int64
		count  int
	}
	var mu sync.Mutex // guards windows
	windows := map[client.ObjectKey]window{}
	return func(ctx context.Context, inner client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if reconciles(object) {
			name := client.ObjectKey{Namespace: name.Namespace, Name: fmt.Sprintf("%T %s", object, name.Name)}
			mu.Lock()
			now := windows[name]
			if second := time.Now().Unix(); now.second != second {
				now = window{second: second}
			}
			now.count++
			windows[name] = now
			mu.Unlock()
			if now.count == maxReconciles {
				violated(fmt.Sprintf("[R19] %d reconciles of %s within a second", now.count, name))
				process.kill()
			}
		}
		return inner.Get(ctx, name, object, options...)
	}
}

// reconciles reports whether an object is of a kind that the operator reconciles.
func reconciles(object client.Object) bool {
	switch object.(type) {
	case *v1alpha1.DatabricksCluster, *v1alpha1.DatabricksClusterPolicy, *v1alpha1.DatabricksInstancePool:
		return true
	default:
		return false
	}
}

// getFunc is interceptor.Funcs.Get.
type getFunc = func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error

// scheme has the kinds of all processes, which only read it.
var scheme = newScheme()

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}

func newMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion, corev1.SchemeGroupVersion, eventsv1.SchemeGroupVersion})
	for _, kind := range []string{v1alpha1.ClusterKind, v1alpha1.PolicyKind, v1alpha1.PoolKind} {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	mapper.Add(eventsv1.SchemeGroupVersion.WithKind("Event"), meta.RESTScopeNamespace)
	return mapper
}

// frameworkLog reports panics as violations. Other errors have a cause in the faults of a
// history.
func frameworkLog(violated func(string)) logr.Logger {
	return funcr.New(func(_, line string) {
		if strings.Contains(line, "panic") {
			violated(fmt.Sprint("[R19] the framework logs: ", line))
		}
	}, funcr.Options{Verbosity: -1})
}
