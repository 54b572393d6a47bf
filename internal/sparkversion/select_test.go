package sparkversion

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
)

var listed = []compute.SparkVersion{
	{Key: "19.x-scala2.13", Name: "19 Beta (includes Apache Spark 4.2.0, Scala 2.13)"},
	{Key: "18.2.x-scala2.13", Name: "18.2 (includes Apache Spark 4.1.0, Scala 2.13)"},
	{Key: "18.x-scala2.13", Name: "18 LTS (includes Apache Spark 4.1.0, Scala 2.13)"},
	{Key: "17.3.x-scala2.13", Name: "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)"},
	{Key: "17.3.x-cpu-ml-scala2.13", Name: "17.3 LTS ML (includes Apache Spark 4.0.0, Scala 2.13)"},
	{Key: "16.4.x-scala2.13", Name: "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.13)"},
	{Key: "16.4.x-scala2.12", Name: "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"},
	{Key: "16.4.x-gpu-ml-scala2.12", Name: "16.4 LTS ML (includes Apache Spark 3.5.2, GPU, Scala 2.12)"},
	{Key: "15.4.x-scala2.12", Name: "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"},
	{Key: "6.4.x-esr-scala2.11", Name: "6.4 Extended Support (includes Apache Spark 2.4.5, Scala 2.11)"},
	{Key: "9.1.x-photon-scala2.12", Name: "9.1 LTS Photon (includes Apache Spark 3.1.2, Scala 2.12)"},
	{Key: "7.3.x-hls-scala2.12", Name: "7.3 LTS Genomics (includes Apache Spark 3.0.1, Scala 2.12)"},
	{Key: "11.3.x-aarch64-scala2.12", Name: "11.3 LTS aarch64 (includes Apache Spark 3.3.0, Scala 2.12)"},
	{Key: "apache-spark-2.4.x-scala2.11", Name: "Light 2.4 (includes Apache Spark 2.4, Scala 2.11)"},
	{Key: "custom:special-scala2.12", Name: "special (includes Apache Spark 3.5.0, Scala 2.12)"},
}

func TestNewest(t *testing.T) {
	for name, row := range map[string]struct {
		request compute.SparkVersionRequest
		want    string
	}{
		"18.2.x is newer than 18.x":                   {compute.SparkVersionRequest{}, "18.2.x-scala2.13"},
		"long-term support":                           {compute.SparkVersionRequest{LongTermSupport: true}, "18.x-scala2.13"},
		"extended support is long-term":               {compute.SparkVersionRequest{LongTermSupport: true, Scala: "2.11"}, "6.4.x-esr-scala2.11"},
		"a beta release only if it is asked for":      {compute.SparkVersionRequest{Beta: true}, "19.x-scala2.13"},
		"machine learning":                            {compute.SparkVersionRequest{ML: true}, "17.3.x-cpu-ml-scala2.13"},
		"GPUs need ml, too":                           {compute.SparkVersionRequest{GPU: true, ML: true}, "16.4.x-gpu-ml-scala2.12"},
		"GPUs alone":                                  {compute.SparkVersionRequest{GPU: true}, ""},
		"Scala":                                       {compute.SparkVersionRequest{Scala: "2.12"}, "16.4.x-scala2.12"},
		"Spark by its beginning, and the older Scala": {compute.SparkVersionRequest{SparkVersion: "3.5"}, "16.4.x-scala2.12"},
		"Photon":   {compute.SparkVersionRequest{Photon: true}, "9.1.x-photon-scala2.12"},
		"genomics": {compute.SparkVersionRequest{Genomics: true}, "7.3.x-hls-scala2.12"},
		"Graviton": {compute.SparkVersionRequest{Graviton: true}, "11.3.x-aarch64-scala2.12"},
		"nothing":  {compute.SparkVersionRequest{SparkVersion: "5"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				offered := slices.Clone(listed)
				rand.Shuffle(len(offered), func(i, j int) { offered[i], offered[j] = offered[j], offered[i] })
				NewWithT(t).Expect(Newest(row.request, offered)).To(Equal(row.want))
			}
		})
	}
	NewWithT(t).Expect(Newest(compute.SparkVersionRequest{}, nil)).To(BeEmpty())
	light := compute.SparkVersion{Key: "apache-spark-2.4.x-scala2.11", Name: "Light 2.4 (includes Apache Spark 2.4, Scala 2.11)"}
	NewWithT(t).Expect(Newest(compute.SparkVersionRequest{}, []compute.SparkVersion{light})).To(BeEmpty(), "a light runtime runs no cluster")
	unnamed := compute.SparkVersion{Key: "16.4.x-scala2.12"}
	NewWithT(t).Expect(Newest(compute.SparkVersionRequest{}, []compute.SparkVersion{unnamed})).To(Equal("16.4.x-scala2.12"), "no Spark is asked for")
}

func TestTheNewestKey(t *testing.T) {
	for name, row := range map[string]struct{ older, newest string }{
		"no release":                {"custom:a", "1.x-scala2.12"},
		"a release alone":           {"16.4", "1.x-scala2.12"},
		"a word and a number":       {"a.9.x-scala2.12", "0.x-scala2.12"},
		"a number and a word":       {"0.b.x-scala2.12", "0.x-scala2.12"},
		"a number with a letter":    {"1a.x-scala2.12", "1.x-scala2.12"},
		"a feature with a letter":   {"1.1a.x-scala2.12", "1.0.x-scala2.12"},
		"a lower major":             {"9.9.x-scala2.12", "10.1.x-scala2.12"},
		"a lower feature":           {"16.3.x-scala2.12", "16.4.x-scala2.12"},
		"a feature with one digit":  {"16.4.x-scala2.12", "16.10.x-scala2.12"},
		"a newer Scala":             {"16.4.x-scala2.13", "16.4.x-scala2.12"},
		"no feature, which is zero": {"18.x-scala2.12", "18.1.x-scala2.12"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(NewestKey([]string{row.older, row.newest})).To(Equal(row.newest))
			g.Expect(NewestKey([]string{row.newest, row.older})).To(Equal(row.newest))
		})
	}
}

// TestNewestAgreesWithTheSDK: the SDK chooses the same runtime of the same list. Its order
// of runtimes that differ in Scala alone is arbitrary.
func TestNewestAgreesWithTheSDK(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	flag := func() bool { return random.IntN(4) == 0 }
	withoutScala := func(key string) string { before, _, _ := strings.Cut(key, "-scala"); return before }
	for range 20_000 {
		offered := slices.DeleteFunc(slices.Clone(listed), func(compute.SparkVersion) bool { return flag() })
		request := compute.SparkVersionRequest{
			LongTermSupport: flag(), Beta: flag(), ML: flag(), Genomics: flag(), GPU: flag(), Photon: flag(), Graviton: flag(), Latest: true,
			Scala:        []string{"", "2.1", "2.12", "2.13"}[random.IntN(4)],
			SparkVersion: []string{"", "3.5", "4"}[random.IntN(3)],
		}
		want, err := compute.GetSparkVersionsResponse{Versions: offered}.Select(request)
		got := Newest(request, offered)
		if (err != nil) != (got == "") || withoutScala(got) != withoutScala(want) {
			t.Fatalf("%+v of %v: %q, and the SDK chooses %q: %v", request, offered, got, want, err)
		}
	}
}

func node(id string, cores float64, memoryGB int, changes ...func(*compute.NodeType)) compute.NodeType {
	n := compute.NodeType{NodeTypeId: id, InstanceTypeId: id, NumCores: cores, MemoryMb: memoryGB * 1024, Category: "General Purpose"}
	for _, change := range changes {
		change(&n)
	}
	return n
}

func withDisks(plain, plainGB, nvme, nvmeGB int) func(*compute.NodeType) {
	return func(n *compute.NodeType) {
		n.NodeInstanceType = &compute.NodeInstanceType{LocalDisks: plain, LocalDiskSizeGb: plainGB, LocalNvmeDisks: nvme, LocalNvmeDiskSizeGb: nvmeGB}
	}
}

var nodes = []compute.NodeType{
	node("tiny", 0.5, 2),
	node("small", 2, 8, withDisks(0, 0, 0, 0)),
	node("medium", 4, 16, withDisks(1, 80, 0, 0)),
	node("medium-nvme", 4, 16, withDisks(0, 0, 1, 150)),
	node("memory", 4, 32, func(n *compute.NodeType) { n.Category = "Memory Optimized" }),
	node("old", 2, 4, func(n *compute.NodeType) { n.IsDeprecated = true }),
	node("arm", 4, 16, func(n *compute.NodeType) { n.IsGraviton = true }),
	node("rd-fleet.xlarge", 4, 32),
	node("gpu", 8, 64, func(n *compute.NodeType) { n.NumGpus = 1 }),
	node("photon", 8, 64, func(n *compute.NodeType) { n.PhotonDriverCapable, n.PhotonWorkerCapable = true, true }),
	node("cached", 16, 64, func(n *compute.NodeType) { n.IsIoCacheEnabled, n.SupportPortForwarding = true, true }),
	node("elsewhere", 1, 1, func(n *compute.NodeType) {
		n.NodeInfo = &compute.CloudProviderNodeInfo{Status: []compute.CloudProviderNodeStatus{compute.CloudProviderNodeStatusNotAvailableInRegion}}
	}),
}

func TestSmallest(t *testing.T) {
	for name, row := range map[string]struct {
		request compute.NodeTypeRequest
		want    string
	}{
		"any, and not one that is unavailable": {compute.NodeTypeRequest{}, "tiny"},
		"GB per core, with less than one core": {compute.NodeTypeRequest{GBPerCore: 4}, "small"},
		"cores":                                {compute.NodeTypeRequest{MinCores: 3}, "medium-nvme"},
		"memory":                               {compute.NodeTypeRequest{MinMemoryGB: 20}, "memory"},
		"a GPU":                                {compute.NodeTypeRequest{MinGPUs: 1}, "gpu"},
		"a local disk, in any case":            {compute.NodeTypeRequest{LocalDisk: true, Category: "general purpose", MinCores: 1}, "medium-nvme"},
		"a local disk of a size":               {compute.NodeTypeRequest{LocalDiskMinSize: 100, MinCores: 3, Category: "General Purpose"}, "medium-nvme"},
		"a category":                           {compute.NodeTypeRequest{Category: "memory optimized"}, "memory"},
		"Graviton":                             {compute.NodeTypeRequest{Graviton: true}, "arm"},
		"a fleet":                              {compute.NodeTypeRequest{Fleet: true}, "rd-fleet.xlarge"},
		"Photon for workers":                   {compute.NodeTypeRequest{PhotonWorkerCapable: true}, "photon"},
		"Photon for drivers":                   {compute.NodeTypeRequest{PhotonDriverCapable: true}, "photon"},
		"the disk cache":                       {compute.NodeTypeRequest{IsIOCacheEnabled: true}, "cached"},
		"port forwarding":                      {compute.NodeTypeRequest{SupportPortForwarding: true}, "cached"},
		"nothing":                              {compute.NodeTypeRequest{MinCores: 1000}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				offered := slices.Clone(nodes)
				rand.Shuffle(len(offered), func(i, j int) { offered[i], offered[j] = offered[j], offered[i] })
				NewWithT(t).Expect(Smallest(row.request, offered)).To(Equal(row.want))
			}
		})
	}
	thin, single, disk := node("thin", 4, 2), node("single", 1, 8), node("disk", 4, 16, withDisks(0, 0, 1, 150))
	NewWithT(t).Expect(Smallest(compute.NodeTypeRequest{GBPerCore: 1}, []compute.NodeType{thin})).To(BeEmpty(), "half a GB per core")
	NewWithT(t).Expect(Smallest(compute.NodeTypeRequest{GBPerCore: 8}, []compute.NodeType{thin, single})).To(Equal("single"))
	NewWithT(t).Expect(Smallest(compute.NodeTypeRequest{LocalDiskMinSize: 150}, []compute.NodeType{disk})).To(Equal("disk"))
	NewWithT(t).Expect(Smallest(compute.NodeTypeRequest{LocalDiskMinSize: 151}, []compute.NodeType{disk})).To(BeEmpty())
	NewWithT(t).Expect(Smallest(compute.NodeTypeRequest{}, []compute.NodeType{nodes[5], nodes[9]})).To(Equal("photon"), "a deprecated node type comes last")
}

// TestSmallestAgreesWithTheSDK: the SDK chooses the same node type of the same list. With
// GB per core it panics at a node type with less than one core.
func TestSmallestAgreesWithTheSDK(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	flag := func() bool { return random.IntN(6) == 0 }
	some := func(values ...int32) int32 { return values[random.IntN(len(values))] }
	for range 20_000 {
		offered := slices.DeleteFunc(slices.Clone(nodes), func(n compute.NodeType) bool { return flag() || n.NumCores < 1 })
		for i := range offered {
			// Otherwise the order of equal ones is arbitrary in the SDK.
			offered[i].InstanceTypeId = fmt.Sprint(offered[i].InstanceTypeId, i)
		}
		request := compute.NodeTypeRequest{
			MinMemoryGB: some(0, 0, 8, 32), GBPerCore: some(0, 0, 4, 8), MinCores: some(0, 0, 4, 8), MinGPUs: some(0, 0, 1),
			LocalDisk: flag(), LocalDiskMinSize: some(0, 0, 0, 100), Category: []string{"", "", "Memory Optimized", "general purpose"}[random.IntN(4)],
			PhotonWorkerCapable: flag(), PhotonDriverCapable: flag(), IsIOCacheEnabled: flag(), SupportPortForwarding: flag(), Graviton: flag(), Fleet: flag(),
		}
		got := Smallest(request, offered)
		want, err := (&compute.ListNodeTypesResponse{NodeTypes: slices.Clone(offered)}).Smallest(request)
		if (err != nil) != (got == "") || got != want {
			t.Fatalf("%+v: %q, and the SDK chooses %q: %v", request, got, want, err)
		}
	}
}
