package databricks

import (
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// A page is decoded every few seconds in a busy workspace.
func BenchmarkDecodePage(b *testing.B) {
	const cluster = `{"cluster_id":"0930-084612-uurhdujo","cluster_name":"etl","state":"RUNNING","state_message":"","spark_version":"16.4.x-scala2.12","node_type_id":"i3.xlarge","driver_node_type_id":"i3.xlarge","autotermination_minutes":60,"num_workers":4,"start_time":1600000000123,"spark_context_id":9007199254740993,"cluster_memory_mb":187392,"cluster_cores":24.0,"custom_tags":{"a":"b","c":"d"},"default_tags":{"Vendor":"Databricks","Creator":"x","ClusterName":"etl"},"spark_conf":{"spark.sql.shuffle.partitions":"auto"},"aws_attributes":{"first_on_demand":1,"availability":"SPOT_WITH_FALLBACK","zone_id":"us-west-2c","spot_bid_price_percent":100},"driver":{"node_id":"n","instance_id":"i","start_timestamp":1600000000123,"private_ip":"10.0.0.1"},"executors":[{"node_id":"n","instance_id":"i","start_timestamp":1600000000123,"private_ip":"10.0.0.2"},{"node_id":"n","instance_id":"i","start_timestamp":1600000000123}],"creator_user_name":"a@b.c","cluster_source":"UI","enable_elastic_disk":false,"data_security_mode":"SINGLE_USER","single_user_name":"a@b.c"}`
	body := []byte(`{"clusters":[` + strings.TrimSuffix(strings.Repeat(cluster+",", 100), ",") + `]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var page compute.ListClustersResponse
		if err := decode(body, &page); err != nil {
			b.Fatal(err)
		}
	}
}
