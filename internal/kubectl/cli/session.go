package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/progress"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

// session is what all commands of one call share.
type session struct {
	streams   genericiooptions.IOStreams
	kube      *genericclioptions.ConfigFlags
	workspace workspace.Options
	version   string
}

// requestTimeout is how long one request to the Kubernetes API may take, unless the flag
// --request-timeout says otherwise.
const requestTimeout = 30 * time.Second

func (s *session) addFlags(flags *pflag.FlagSet) {
	s.kube.AddFlags(flags)
	flags.StringVar(&s.workspace.Profile, "profile", "", "Profile of ~/.databrickscfg for the workspace")
	flags.StringVar(&s.workspace.Host, "host", "", "Address of the workspace. Absent: that of the profile or of DATABRICKS_HOST")
	flags.StringVar(&s.workspace.CAFile, "databricks-ca-file", "",
		"File with certificate authorities (PEM) to trust for the workspace in addition to those of the system. Absent: that of "+caFileVariable)
}

// caFileVariable is the environment variable for --databricks-ca-file. The Databricks
// configuration has none.
const caFileVariable = "KUBECTL_DBC_CA_FILE"

// workspaceOptions returns the options of the flags and the environment.
func (s *session) workspaceOptions() workspace.Options {
	options := s.workspace
	options.Version = s.version
	if options.CAFile == "" {
		options.CAFile = os.Getenv(caFileVariable)
	}
	return options
}

// line returns the line of progress of the session.
func (s *session) line() *progress.Line { return progress.On(s.streams.ErrOut) }

// connect returns the user's workspace. The line shows why a request waits.
func (s *session) connect(ctx context.Context, line *progress.Line) (*workspace.Workspace, error) {
	options := s.workspaceOptions()
	options.Waiting = func(reason string) { line.Show("waiting: %s", reason) }
	return workspace.Connect(ctx, options)
}

var scheme = func() *runtime.Scheme {
	known := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(known))
	utilruntime.Must(v1alpha1.AddToScheme(known))
	return known
}()

// kubeConfig returns the configuration of the user's kubeconfig.
func (s *session) kubeConfig() (*rest.Config, error) {
	config, err := s.kube.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	ctrl.SetLogger(logr.Discard())
	config.UserAgent = "kubectl-dbc/" + s.version
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NewWarningWriter(s.streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	if config.Timeout == 0 {
		config.Timeout = requestTimeout
	}
	return config, nil
}

// client returns a client for the user's control plane.
func (s *session) client() (client.Client, error) {
	config, err := s.kubeConfig()
	if err != nil {
		return nil, err
	}
	found, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to the Kubernetes API: %w", err)
	}
	return found, nil
}

// namespace returns the namespace of the flags or of the context.
func (s *session) namespace() (string, error) {
	namespace, _, err := s.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("kubeconfig: %w", err)
	}
	return namespace, nil
}

// explained is an error with what helps.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// explain adds what helps to an error of the Kubernetes API, once.
func explain(err error) error {
	_, isExplained := errors.AsType[*explained](err)
	_, isOfWorkspace := errors.AsType[*databricks.Error](err)
	_, isOfNetwork := errors.AsType[*url.Error](err)
	var text string
	switch {
	case err == nil || isExplained || isOfWorkspace:
		return err
	case meta.IsNoMatchError(err):
		text = "the control plane has no DatabricksClusters: install the CRDs of databricks-operator, or choose another --context"
	case apierrors.IsForbidden(err):
		text = err.Error() + "\nYour rights: kubectl auth can-i --list"
	case apierrors.IsUnauthorized(err):
		text = "the Kubernetes API does not accept your credential, check --kubeconfig and --context: " + err.Error()
	case isOfNetwork && !errors.Is(err, context.Canceled):
		text = "no connection to the Kubernetes API, check --kubeconfig and --context: " + err.Error()
	default:
		return err
	}
	return &explained{text: text, err: err}
}
