package databricks

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// repeated returns a page of as many items as fit into a number of bytes.
func repeated(before, item, after string, size int) string {
	return before + strings.TrimSuffix(strings.Repeat(item+",", (size-len(before)-len(after))/(len(item)+1)), ",") + after
}

func TestAPageOfManySmallValuesCostsLittleMemory(t *testing.T) {
	const most = 64 << 20
	for name, body := range map[string]string{
		"330,000 clusters":          repeated(`{"clusters":[`, `{"cluster_id":"0123456"}`, `]}`, maxPageBytes),
		"100,000 clusters":          repeated(`{"clusters":[`, `{}`, `]}`, 300_000),
		"a million small objects":   repeated(`{"clusters":[{"cluster_id":"c","executors":[`, `{}`, `]}]}`, maxPageBytes),
		"a million tags":            repeated(`{"clusters":[{"cluster_id":"c","custom_tags":{`, `"":""`, `}}]}`, maxPageBytes),
		"an unknown field":          repeated(`{"more":[`, `[]`, `]}`, maxPageBytes),
		"four million array starts": strings.Repeat("[", maxPageBytes),
	} {
		t.Run("[S6] "+name, func(t *testing.T) {
			g := NewWithT(t)
			server := newWorkspace(t, respondWith(http.StatusOK, body))
			client := server.client(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := client.List(t.Context(), ListQuery{PageSize: 100})
			runtime.ReadMemStats(&after)
			g.Expect(ClassOf(err)).To(Equal(ClassTooLarge), "%v", err)
			g.Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", most))
			t.Logf("%d MiB", (after.TotalAlloc-before.TotalAlloc)>>20)
		})
	}
}

func TestAPageMayHaveTheGreatestNumberOfClusters(t *testing.T) {
	g := NewWithT(t)
	item := `{"cluster_id":"c","custom_tags":{"a,b":"[{,\"{","c":"]"},"executors":[{},{}]},`
	page := `{"clusters":[` + strings.TrimSuffix(strings.Repeat(item, maxPageItems), ",") + `]}`
	got, err := newWorkspace(t, respondWith(http.StatusOK, page)).client(t).List(t.Context(), ListQuery{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Clusters).To(HaveLen(maxPageItems))
	page = `{"clusters":[` + strings.TrimSuffix(strings.Repeat(item, maxPageItems+1), ",") + `]}`
	_, err = newWorkspace(t, respondWith(http.StatusOK, page)).client(t).List(t.Context(), ListQuery{})
	g.Expect(ClassOf(err)).To(Equal(ClassTooLarge), "[S6]")
	g.Expect(err).To(MatchError(ContainSubstring("more than 1000 clusters")))
}
