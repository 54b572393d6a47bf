package drift

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// requestTypes are the types of the SDK that contain a cluster specification.
var requestTypes = []reflect.Type{
	reflect.TypeFor[compute.ClusterSpec](), reflect.TypeFor[compute.CreateCluster](),
	reflect.TypeFor[compute.EditCluster](), reflect.TypeFor[compute.UpdateClusterResource](),
}

// notSecret are the fields that have the name of a secret and are none, with the reason.
var notSecret = map[string]string{
	"/ssh_public_keys":             "public keys",
	"/cluster_log_conf/s3/kms_key": "the ARN of a key that KMS does not disclose",
	"/init_scripts/s3/kms_key":     "the ARN of a key that KMS does not disclose",
}

// fieldPaths returns the JSON Pointers of all fields of a type of the SDK, at any depth.
func fieldPaths(of reflect.Type, above string) []string {
	var paths []string
	for name, kind := range jsonFields(of) {
		paths = append(paths, above+"/"+name)
		if inner := element(kind); inner.Kind() == reflect.Struct {
			paths = append(paths, fieldPaths(inner, above+"/"+name)...)
		}
	}
	return paths
}

func isSecretPath(path string) bool {
	return Difference{Path: path, Field: diff.SplitPointer(path)[0]}.Secret()
}

func TestEveryFieldWithTheNameOfASecretIsMarked(t *testing.T) {
	words := []string{"password", "secret", "key", "token", "auth", "credential"}
	found := map[string]bool{}
	for _, of := range requestTypes {
		for _, path := range fieldPaths(of, "") {
			name := path[strings.LastIndex(path, "/")+1:]
			for _, word := range words {
				if strings.Contains(name, word) {
					found[path] = true
				}
			}
		}
	}
	for path := range found {
		t.Run("[case-76] "+path, func(t *testing.T) {
			NewWithT(t).Expect(isSecretPath(path)).To(Equal(notSecret[path] == ""),
				"mark it in the column secret of fields.go, or add the reason to notSecret")
		})
	}
	for path := range notSecret {
		NewWithT(t).Expect(found).To(HaveKey(path), "the SDK has no such field")
	}
}

// textDocuments returns a JSON document for every text in a type of the SDK, by the JSON
// Pointer of the text. The document has only that text, with the given value.
func textDocuments(of reflect.Type, value string) map[string]any {
	documents := map[string]any{}
	switch of.Kind() {
	case reflect.String:
		documents[""] = value
	case reflect.Pointer:
		return textDocuments(of.Elem(), value)
	case reflect.Slice:
		for path, inner := range textDocuments(of.Elem(), value) {
			documents[path] = []any{inner}
		}
	case reflect.Map:
		for path, inner := range textDocuments(of.Elem(), value) {
			documents["/key"+path] = map[string]any{"key": inner}
		}
	case reflect.Struct:
		for name, kind := range jsonFields(of) {
			for path, inner := range textDocuments(kind, value) {
				documents["/"+name+path] = map[string]any{name: inner}
			}
		}
	default: // numbers and booleans
	}
	return documents
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// quotingClient returns a client of a server that refuses every request with a message.
func quotingClient(t *testing.T, message string) *databricks.Client {
	t.Helper()
	g := NewWithT(t)
	body, err := json.Marshal(map[string]string{"error_code": "INVALID_PARAMETER_VALUE", "message": message})
	g.Expect(err).NotTo(HaveOccurred())
	config, err := databricks.ParseSecret(map[string][]byte{"host": []byte("https://dbc-1.cloud.databricks.com"), "token": []byte("dapi-token-of-test")})
	g.Expect(err).NotTo(HaveOccurred())
	allowed, err := databricks.ParseAllowList(databricks.DefaultAllowedHosts())
	g.Expect(err).NotTo(HaveOccurred())
	refuse := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	})
	client, err := databricks.New(config, databricks.Options{Transport: databricks.NewTransportOver(allowed, refuse)})
	g.Expect(err).NotTo(HaveOccurred())
	return client
}

// The client has its own list of secrets, because it must not import this package.
func TestRedactionCoversTheSecretsOfTheTable(t *testing.T) {
	const value = "value-of-the-user"
	client := quotingClient(t, "refused: "+value)
	for _, of := range requestTypes {
		for path, document := range textDocuments(of, value) {
			t.Run("[case-76] "+of.Name()+path, func(t *testing.T) {
				g := NewWithT(t)
				cluster, err := json.Marshal(document)
				g.Expect(err).NotTo(HaveOccurred())
				err = client.Update(t.Context(), databricks.UpdateRequest{ClusterID: "c1", Cluster: cluster})
				message := value
				if isSecretPath(path) {
					message = "***"
				}
				g.Expect(err).To(MatchError("INVALID_PARAMETER_VALUE: refused: " + message))
			})
		}
	}
}
