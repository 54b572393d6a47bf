package databricks

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"
)

// urlParse returns the host and the port that net/http uses.
func urlParse(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" {
		return "", fmt.Errorf("it is more than an origin: %s", u)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return u.Hostname() + "|" + port, nil
}

func reboundNames(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var queries atomic.Int32
			resolver := fakeResolver(t, net.ParseIP(address), &queries)
			allowed, err := ParseAllowList(DefaultAllowedHosts())
			g.Expect(err).NotTo(HaveOccurred())
			config := parse(t, map[string]string{"host": "rebound.cloud.databricks.com", "token": testSecret})
			client, err := New(config, Options{Transport: newTransport(allowed, nil, nil, resolver)})
			g.Expect(err).NotTo(HaveOccurred())

			_, err = client.Get(t.Context(), "c1")
			g.Expect(queries.Load()).To(BeNumerically(">", 0), "the name was not resolved")
			g.Expect(ClassOf(err)).To(Equal(ClassHost), "%v", err)
			g.Expect(err).To(MatchError(errRefusedAddress))
			g.Expect(ClassOf(client.Start(t.Context(), "c1"))).To(Equal(ClassHost), "a write that was not sent is not ambiguous")
		})
	}
}

// fakeResolver returns a resolver that resolves every name to ip.
func fakeResolver(t *testing.T, ip net.IP, queries *atomic.Int32) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(packet[:n]) != nil {
				continue
			}
			queries.Add(1)
			message.Response = true
			question := message.Questions[0]
			if question.Type == dnsmessage.TypeA {
				message.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
					Body:   &dnsmessage.AResource{A: [4]byte(ip.To4())},
				}}
			}
			message.Additionals = nil
			if reply, err := message.Pack(); err == nil {
				_, _ = server.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
