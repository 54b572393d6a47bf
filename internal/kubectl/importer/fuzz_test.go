package importer

import (
	"encoding/json"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// FuzzBuild builds manifests from any specification that a server may return. A manifest
// is accepted by the resource, and the operator sees no difference.
func FuzzBuild(f *testing.F) {
	for _, spec := range []string{
		`{"num_workers":2,"spark_version":"16.4.x-scala2.12","spark_conf":{"a/b":"1"},"init_scripts":[{"dbfs":{"destination":"dbfs:/a"}}]}`,
		`{"autoscale":{"min_workers":"1","max_workers":4},"instance_pool_id":"a","node_type_id":"b","aws_attributes":{"zone_id":"auto","first_on_demand":0}}`,
		`{"docker_image":{"url":"a","basic_auth":{"username":"u","password":"p"}},"azure_attributes":{"spot_bid_max_price":1e2,"log_analytics_info":{"log_analytics_primary_key":"k"}}}`,
		`{"is_single_node":true,"kind":"CLASSIC_PREVIEW","custom_tags":{"Name":"x","databricks-operator-owner":"y"},"unknown":{"a":[1]}}`,
	} {
		f.Add([]byte(spec), int64(1))
	}
	f.Fuzz(func(t *testing.T, spec []byte, workers int64) {
		g := NewWithT(t)
		details := &compute.ClusterDetails{}
		if json.Unmarshal(spec, details) != nil {
			return
		}
		details.ClusterId, details.NumWorkers = "0101-000000-aaaaaaaa", int(workers)
		object, err := build("fuzzed", databricks.Cluster{Details: details, Spec: spec}, commonData{})
		if err != nil {
			return
		}
		refused, err := refusals(Clusters, object.Cluster)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(refused).To(BeEmpty())
		desired, err := drift.Desired(&object.Cluster.Spec.ClusterSpec, drift.Secrets{})
		g.Expect(err).NotTo(HaveOccurred())
		observed, err := drift.Observe(details, spec)
		g.Expect(err).NotTo(HaveOccurred())
		found := drift.Compare(desired, observed)
		g.Expect(append(found.Differences, found.Normalized...)).To(BeEmpty())
		_, err = object.Manifest("https://a.cloud.databricks.com")
		g.Expect(err).NotTo(HaveOccurred())
	})
}
