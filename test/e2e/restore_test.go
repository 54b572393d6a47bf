package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// restorable is a control plane whose store can be set back to a backup while others
// stay connected to it.
type restorable struct {
	client.Client
	t                    *testing.T
	directory            string
	etcdAddress, address string
	config               *rest.Config
	etcd, apiserver      *programs.Process
}

// administrator is the token of the administrator.
const administrator = "administrators-token"

func newRestorable(t *testing.T) *restorable {
	t.Helper()
	g := NewWithT(t)
	p := &restorable{t: t, directory: t.TempDir(), etcdAddress: "http://" + freeAddress(t), address: freeAddress(t)}
	p.config = &rest.Config{Host: "https://" + p.address, BearerToken: administrator, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	g.Expect(os.WriteFile(p.file("tokens"), []byte(administrator+",admin,admin,system:masters\n"), 0o600)).To(Succeed())
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	g.Expect(os.WriteFile(p.file("accounts.key"), pem.EncodeToMemory(block), 0o600)).To(Succeed())
	p.start()
	t.Cleanup(p.kill)
	_, err = envtest.InstallCRDs(p.config, envtest.CRDInstallOptions{Paths: []string{crdsOfThisVersion}, ErrorIfPathMissing: true})
	g.Expect(err).NotTo(HaveOccurred())
	p.Client, err = client.New(p.config, client.Options{Scheme: kubernetes.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	return p
}

func (p *restorable) file(name string) string { return filepath.Join(p.directory, name) }

func (p *restorable) start() {
	p.t.Helper()
	g := NewWithT(p.t)
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		assets = filepath.Join("..", "..", "bin", "k8s")
	}
	var err error
	p.etcd, err = programs.Start(filepath.Join(assets, "etcd"), p.file("etcd.log"), "--data-dir="+p.file("etcd"),
		"--listen-client-urls="+p.etcdAddress, "--advertise-client-urls="+p.etcdAddress, "--listen-peer-urls=http://127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	p.apiserver, err = programs.Start(filepath.Join(assets, "kube-apiserver"), p.file("apiserver.log"), "--etcd-servers="+p.etcdAddress,
		"--bind-address=127.0.0.1", "--secure-port="+p.address[strings.LastIndex(p.address, ":")+1:], "--cert-dir="+p.file("certificates"),
		"--token-auth-file="+p.file("tokens"), "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+p.file("accounts.key"),
		"--service-account-signing-key-file="+p.file("accounts.key"), "--service-cluster-ip-range=10.0.0.0/24")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() int {
		status, _ := httpGet(p.t, p.config.Host+"/readyz", administrator)
		return status
	}).Should(Equal(http.StatusOK))
}

func (p *restorable) kill() {
	p.apiserver.Kill()
	p.etcd.Kill()
}

// backup keeps the store as it is.
func (p *restorable) backup() {
	p.t.Helper()
	p.kill()
	NewWithT(p.t).Expect(os.CopyFS(p.file("backup"), os.DirFS(p.file("etcd")))).To(Succeed())
	p.start()
}

// restore sets the store back to the backup.
func (p *restorable) restore() {
	p.t.Helper()
	g := NewWithT(p.t)
	p.kill()
	g.Expect(os.RemoveAll(p.file("etcd"))).To(Succeed())
	g.Expect(os.CopyFS(p.file("etcd"), os.DirFS(p.file("backup")))).To(Succeed())
	p.start()
}

// kubeconfig returns the file of an administrator's kubeconfig.
func (p *restorable) kubeconfig() string {
	config := clientcmdapi.NewConfig()
	config.Clusters["own"] = &clientcmdapi.Cluster{Server: p.config.Host, InsecureSkipTLSVerify: true}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: administrator}
	config.Contexts["own"] = &clientcmdapi.Context{Cluster: "own", AuthInfo: "admin"}
	config.CurrentContext = "own"
	NewWithT(p.t).Expect(clientcmd.WriteToFile(*config, p.file("kubeconfig"))).To(Succeed())
	return p.file("kubeconfig")
}

// A store that goes back to the time before any cluster was created costs no second
// cluster, with the operator running and restarted.
func TestARestoreOfTheStore(t *testing.T) {
	t.Run("[case-93] [R18] twelve objects whose clusters were created after the backup find them", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		service := startSimulator(t)
		plane := newRestorable(t)
		flags := []string{
			"--kubeconfig=" + plane.kubeconfig(), "--allowed-hosts=" + service.URL, "--databricks-ca-file=" + service.CAFile,
			"--poll-interval-active=200ms", "--operator-id=0a1b2c3d",
		}
		start := func() *programs.Operator {
			operator, err := programs.StartOperator(t.Context(), builtBinaries(t).Manager, filepath.Join(t.TempDir(), "operator.log"), flags...)
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() {
				operator.Kill()
				if t.Failed() {
					t.Logf("end of the operator's log:\n%s", operator.Log.Tail(40))
				}
			})
			return operator
		}
		operator := start()

		var objects []*v1alpha1.DatabricksCluster
		namespaces := []string{"team-a", "team-b", "team-c"}
		for _, namespace := range namespaces {
			g.Expect(plane.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
			for i := range 4 {
				object := newCluster(namespace, fmt.Sprintf("etl-%d", i))
				g.Expect(plane.Create(t.Context(), object)).To(Succeed())
				objects = append(objects, object)
			}
		}
		reason := func(object *v1alpha1.DatabricksCluster) string {
			now := &v1alpha1.DatabricksCluster{}
			if err := plane.Get(t.Context(), client.ObjectKeyFromObject(object), now); err != nil {
				return err.Error()
			}
			for _, condition := range now.Status.Conditions {
				if condition.Type == v1alpha1.ConditionReady {
					return condition.Reason
				}
			}
			return ""
		}
		// The credentials come after the backup, and again after each restore.
		connect := func() {
			for _, namespace := range namespaces {
				g.Expect(plane.Create(t.Context(), &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: namespace},
					StringData: map[string]string{"DATABRICKS_HOST": service.URL, "DATABRICKS_TOKEN": simulator.DefaultToken},
				})).To(Succeed())
			}
		}
		for _, object := range objects {
			g.Eventually(reason).WithArguments(object).Should(Equal(v1alpha1.ReasonCredentialsNotReady))
		}
		plane.backup()
		connect()
		ids := map[string]string{}
		for _, object := range objects {
			g.Eventually(reason).WithArguments(object).Should(Equal(v1alpha1.ReasonRunning))
			g.Expect(plane.Get(t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
			ids[object.Namespace+"/"+object.Name] = object.Status.ClusterID
		}

		for _, restarted := range []bool{false, true} {
			// A cluster that ended is not what the idempotency token of its creation returns.
			for i := 0; i < len(objects); i += 2 {
				g.Expect(service.Do(t.Context(), http.MethodPost, "clusters/"+objects[i].Status.ClusterID+"/end", map[string]any{}, nil)).To(Succeed())
			}
			if restarted {
				operator.Kill()
			}
			plane.restore()
			if !restarted {
				g.Eventually(operator.Done()).WithTimeout(2*time.Minute).Should(BeClosed(), "it notices the restore")
				g.Expect(operator.Log.Text()).To(ContainSubstring("went back in time"))
			}
			connect()
			operator = start()
			for _, object := range objects {
				g.Eventually(func() string {
					now := &v1alpha1.DatabricksCluster{}
					if err := plane.Get(t.Context(), client.ObjectKeyFromObject(object), now); err != nil {
						return err.Error()
					}
					return now.Status.ClusterID
				}).Should(Equal(ids[object.Namespace+"/"+object.Name]))
			}
			clusters, err := service.Clusters(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(clusters).To(HaveLen(len(objects)), "no cluster was created after the restore")
		}
	})
}
