package databricks

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestClockSkew(t *testing.T) {
	t.Parallel()
	t.Run("[case-94]", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			g := NewWithT(t)
			var latency, ahead time.Duration
			status, header := http.StatusOK, ""
			client := inMemory(t, map[string]string{"token": testSecret}, func(*http.Request) (*http.Response, error) {
				<-time.After(latency / 2)
				response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"cluster_id":"c1"}`))}
				response.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				if header != "" {
					response.Header.Set("Date", header)
				}
				<-time.After(latency / 2)
				return response, nil
			})
			sendRequest := func() { _ = read(t.Context(), client) }
			skew := func() time.Duration {
				measured, known := client.ClockSkew()
				g.Expect(known).To(BeTrue())
				return measured
			}
			_, known := client.ClockSkew()
			g.Expect(known).To(BeFalse())
			header = "soon"
			sendRequest()
			_, known = client.ClockSkew()
			g.Expect(known).To(BeFalse(), "no date")
			header = ""

			latency, ahead = 8*time.Second, -10*time.Minute
			sendRequest()
			g.Expect(skew()).To(BeNumerically("~", ahead, time.Second))
			latency, ahead, status = 100*time.Millisecond, 15*time.Minute, http.StatusForbidden
			sendRequest()
			g.Expect(skew()).To(BeNumerically("~", ahead, time.Second), "a shorter round trip, of a failure")
			latency, ahead = 10*time.Second, time.Hour
			sendRequest()
			g.Expect(skew()).To(BeNumerically("~", 15*time.Minute, time.Second), "a longer one changes nothing")
			<-time.After(clockWindow)
			sendRequest()
			g.Expect(skew()).To(BeNumerically("~", time.Hour, time.Second), "unless the shorter one is too old")
		})
	})
}

func TestACallHasTheDateOfItsResponse(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var calls []Call
	server := newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Sun, 22 Nov 2026 15:00:30 GMT")
		respondWith(http.StatusForbidden, "{}")(w, r)
	})
	err := read(t.Context(), server.client(t, func(c Call) { calls = append(calls, c) }))
	g.Expect(calls[0].ServerDate).To(Equal(time.Date(2026, 11, 22, 15, 0, 30, 0, time.UTC)))
	g.Expect(err.(*Error).Endpoint).To(Equal(calls[0].Endpoint)) //nolint:errorlint // the type is promised
	g.Expect(calls[0].Endpoint).To(Equal("clusters/get"))
}
