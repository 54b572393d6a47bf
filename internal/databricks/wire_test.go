package databricks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// read makes a read, whose lost response has no consequence.
func read(ctx context.Context, c *Client) error { _, err := c.Get(ctx, "c1"); return err }

// write makes a write, whose lost response is ambiguous.
func write(ctx context.Context, c *Client) error {
	_, err := c.Create(ctx, CreateRequest{})
	return err
}

// hangUp closes the connection after do, without an HTTP response.
func hangUp(do func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		do(connection)
		_ = connection.Close()
	}
}

func endlessHeaders(c net.Conn) {
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
	for err == nil {
		_, err = io.WriteString(c, "X-Filler: "+strings.Repeat("x", 1000)+"\r\n")
	}
}

func TestALostResponseIsAmbiguousForAWriteOnly(t *testing.T) {
	t.Parallel()
	send := func(text string) http.HandlerFunc {
		return hangUp(func(c net.Conn) { _, _ = io.WriteString(c, text) })
	}
	for name, handler := range map[string]http.HandlerFunc{
		"end of file": hangUp(func(net.Conn) {}),
		"reset": hangUp(func(c net.Conn) {
			_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
			_ = c.(*tls.Conn).NetConn().Close()
		}),
		"half a status line":  send("HTTP/1.1 2"),
		"half of the headers": send("HTTP/1.1 200 OK\r\nContent-Le"),
		"half of the body":    send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"cluster_id\":\"c1\"}"),
		"half a chunk":        send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n{"),
		"no HTTP at all":      send("220 smtp.example ESMTP\r\n"),
		"500, cut short":      send("HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\n{"),
		"endless headers":     hangUp(endlessHeaders),
		"a broken gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "this is no gzip")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			server := newWorkspace(t, handler)
			client := server.client(t)
			g.Expect(ClassOf(write(t.Context(), client))).To(Equal(ClassAmbiguous))
			g.Expect(server.received()).To(HaveLen(1), "a write is made once")
			g.Expect(ClassOf(read(t.Context(), client))).To(Equal(ClassTransient))
		})
	}
}

func TestAWriteIsNotRepeatedOnAConnectionThatWasReused(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var server *workspace
	server = newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
		if len(server.received()) == 1 {
			respondWith(http.StatusOK, `{"cluster_id":"c1"}`)(w, r)
			return
		}
		hangUp(func(net.Conn) {})(w, r)
	})
	client := server.client(t)
	g.Expect(write(t.Context(), client)).To(Succeed())
	g.Expect(ClassOf(write(t.Context(), client))).To(Equal(ClassAmbiguous))
	g.Expect(server.received()).To(HaveLen(2))
}

// With HTTP/2, net/http may repeat a write that was sent.
func TestOnlyHTTP1IsUsed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	trusted := newAuthority(t)
	certificate := trusted.issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	server := newWorkspaceTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}},
		func(w http.ResponseWriter, r *http.Request) {
			respondWith(http.StatusOK, fmt.Sprintf(`{"cluster_id":"c1","cluster_name":%q}`, r.Proto))(w, r)
		})
	client, err := New(parse(t, map[string]string{"host": server.URL, "token": testSecret}), Options{Transport: transportTo(t, server, trusted)})
	g.Expect(err).NotTo(HaveOccurred())
	cluster, err := client.Get(t.Context(), "c1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cluster.Details.ClusterName).To(Equal("HTTP/1.1"))
}

func TestAWriteThatWasNotSentIsNotAmbiguous(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondWith(http.StatusOK, `{"cluster_id":"c1"}`))
	client := server.client(t)
	server.Close()
	g.Expect(ClassOf(write(t.Context(), client))).To(Equal(ClassTransient), "the port is closed")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := write(ctx, client)
	g.Expect(ClassOf(err)).To(Equal(ClassTransient))
	g.Expect(err).To(MatchError(context.Canceled))
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	t.Run("[S5] no redirect is followed", func(t *testing.T) {
		t.Parallel()
		other := newWorkspace(t, respondWith(http.StatusOK, `{"cluster_id":"c1"}`))
		inClear := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request in clear text") }))
		t.Cleanup(inClear.Close)
		for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
			for _, target := range []string{"/other", other.URL + "/x", inClear.URL + "/x", "//evil.example/x", "::not a url::", ""} {
				g := NewWithT(t)
				server := newWorkspace(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", target)
					w.WriteHeader(status)
				})
				client := server.client(t)
				for _, err := range []error{read(t.Context(), client), write(t.Context(), client)} {
					g.Expect(ClassOf(err)).To(Equal(ClassHost), "%d to %s: %v", status, target, err)
				}
				g.Expect(server.received()).To(HaveLen(2), "%d to %s", status, target)
			}
		}
		NewWithT(t).Expect(other.received()).To(BeEmpty())
	})
	t.Run("private link", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		server := newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login.html?error=private-link-validation-error%3A12", http.StatusFound)
		})
		g.Expect(ClassOf(read(t.Context(), server.client(t)))).To(Equal(ClassForbidden), "with the id of the workspace")
		server = newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login.html?error=session-expired", http.StatusFound)
		})
		g.Expect(ClassOf(read(t.Context(), server.client(t)))).To(Equal(ClassHost), "another error")
		server = newWorkspace(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login.html?error=private-link-validation-error", http.StatusFound)
		})
		err := read(t.Context(), server.client(t))
		g.Expect(ClassOf(err)).To(Equal(ClassForbidden))
		g.Expect(err).To(MatchError(ContainSubstring("PRIVATE_LINK_VALIDATION_ERROR: ")))
	})
}

func TestResponsesHaveASizeLimit(t *testing.T) {
	t.Parallel()
	t.Run("[S6] a gzip bomb", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		var bomb bytes.Buffer
		packer := gzip.NewWriter(&bomb)
		_, _ = io.WriteString(packer, `{"cluster_id":"c1","cluster_name":"`)
		for range 64 {
			_, _ = packer.Write(bytes.Repeat([]byte("x"), 1<<20))
		}
		_, _ = io.WriteString(packer, `"}`)
		_ = packer.Close()
		server := newWorkspace(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		})
		client := server.client(t)
		g.Expect(ClassOf(read(t.Context(), client))).To(Equal(ClassTooLarge))
		g.Expect(ClassOf(write(t.Context(), client))).To(Equal(ClassAmbiguous))
		_, err := client.List(t.Context(), ListQuery{})
		g.Expect(ClassOf(err)).To(Equal(ClassTooLarge))
	})
	t.Run("[S6] an endless body", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
			g := NewWithT(t)
			ended := make(chan int, 1)
			server := newWorkspace(t, func(w http.ResponseWriter, _ *http.Request) {
				sent := 0
				w.WriteHeader(status)
				for {
					n, err := w.Write(bytes.Repeat([]byte(" "), 1<<16))
					sent += n
					if err != nil {
						ended <- sent
						return
					}
				}
			})
			want := map[int]Class{http.StatusOK: ClassTooLarge, http.StatusBadRequest: ClassInvalid}[status]
			g.Expect(ClassOf(read(t.Context(), server.client(t)))).To(Equal(want))
			// Buffers on both sides add to the limit.
			g.Eventually(ended, "5s").Should(Receive(BeNumerically("<", 4*maxPageBytes)))
		}
	})
	t.Run("[S6] endless headers", func(t *testing.T) {
		t.Parallel()
		server := newWorkspace(t, hangUp(endlessHeaders))
		NewWithT(t).Expect(read(t.Context(), server.client(t))).To(MatchError(ContainSubstring("headers exceeded")))
	})
	t.Run("a page at its size limit", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		page := `{"next_page_token":"t"}`
		full := page + strings.Repeat(" ", maxPageBytes-len(page))
		server := newWorkspace(t, respondWith(http.StatusOK, full))
		got, err := server.client(t).List(t.Context(), ListQuery{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.NextPageToken).To(Equal("t"))
		server = newWorkspace(t, respondWith(http.StatusOK, full+" "))
		_, err = server.client(t).List(t.Context(), ListQuery{})
		g.Expect(ClassOf(err)).To(Equal(ClassTooLarge))
	})
	t.Run("[S6] a byte at a time", func(t *testing.T) {
		t.Parallel()
		drip := func(w http.ResponseWriter, r *http.Request) {
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				<-ticker.C
			}
		}
		mustEndInTime(t, newWorkspace(t, drip).client(t))
		mustEndInTime(t, newWorkspace(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).client(t))
		mustEndInTime(t, newWorkspace(t, hangUp(func(c net.Conn) {
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for header := range bytes.SplitSeq([]byte("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1000)), nil) {
				if _, err := c.Write(header); err != nil {
					return
				}
				<-ticker.C
			}
		})).client(t))
	})
}

// mustEndInTime fails unless a call returns at the deadline of its context.
func mustEndInTime(t *testing.T, client *Client) {
	t.Helper()
	g := NewWithT(t)
	for want, call := range map[Class]func(context.Context, *Client) error{ClassTransient: read, ClassAmbiguous: write} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		begin := time.Now()
		err := call(ctx, client)
		cancel()
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		g.Expect(ClassOf(err)).To(Equal(want))
		g.Expect(time.Since(begin)).To(BeNumerically("<", 5*time.Second))
	}
}

// endsAtDeadline is a body that ends without an error at the deadline of its request.
type endsAtDeadline struct{ ctx context.Context } //nolint:containedctx // as a response of net/http does

func (b endsAtDeadline) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, io.EOF
}

func TestAResponseThatEndsAtItsDeadlineIsIncomplete(t *testing.T) {
	t.Parallel()
	for want, call := range map[Class]func(context.Context, *Client) error{ClassTransient: read, ClassAmbiguous: write} {
		t.Run("[S6] "+string(want), func(t *testing.T) {
			g := NewWithT(t)
			client := inMemory(t, map[string]string{"token": testSecret}, func(r *http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(`{"cluster_id":"c1"}`), endsAtDeadline{r.Context()})
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body)}, nil
			})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err := call(ctx, client)
			g.Expect(err).To(MatchError(context.DeadlineExceeded))
			g.Expect(ClassOf(err)).To(Equal(want))
		})
	}
}

func TestACallWithoutADeadlineGetsTheDefaultTimeout(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var remaining time.Duration
	client := inMemory(t, map[string]string{"token": testSecret}, func(r *http.Request) (*http.Response, error) {
		deadline, set := r.Context().Deadline()
		g.Expect(set).To(BeTrue())
		remaining = time.Until(deadline)
		return reply(`{"cluster_id":"c1"}`), nil
	})
	g.Expect(read(context.Background(), client)).To(Succeed())
	g.Expect(remaining).To(BeNumerically("~", DefaultTimeout, time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	g.Expect(read(ctx, client)).To(Succeed())
	g.Expect(remaining).To(BeNumerically("~", time.Hour, time.Second), "the caller's deadline is used")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for name, certificate := range map[string]func(*authority) tls.Certificate{
		"expired":    func(a *authority) tls.Certificate { return a.issue(t, "127.0.0.1", time.Now().Add(-time.Hour)) },
		"wrong host": func(a *authority) tls.Certificate { return a.issue(t, "127.0.0.2", time.Now().Add(time.Hour)) },
		"another authority's": func(*authority) tls.Certificate {
			return newAuthority(t).issue(t, "127.0.0.1", time.Now().Add(time.Hour))
		},
	} {
		t.Run("[S10] a certificate that is "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			trusted := newAuthority(t)
			server, transport := tlsServer(t, trusted, &tls.Config{Certificates: []tls.Certificate{certificate(trusted)}})
			client, err := New(parse(t, map[string]string{"host": server.URL, "token": testSecret}), Options{Transport: transport})
			g.Expect(err).NotTo(HaveOccurred())
			for _, err := range []error{read(t.Context(), client), write(t.Context(), client)} {
				g.Expect(ClassOf(err)).To(Equal(ClassHost), "%v", err)
			}
			g.Expect(server.received()).To(BeEmpty())
		})
	}
	t.Run("[S10] TLS 1.1", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		trusted := newAuthority(t)
		certificate := trusted.issue(t, "127.0.0.1", time.Now().Add(time.Hour))
		server, transport := tlsServer(t, trusted, &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		})
		client, err := New(parse(t, map[string]string{"host": server.URL, "token": testSecret}), Options{Transport: transport})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ClassOf(write(t.Context(), client))).To(Equal(ClassTransient), "nothing was sent")
		g.Expect(server.received()).To(BeEmpty())
	})
	t.Run("a certificate of --databricks-ca-file", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		trusted := newAuthority(t)
		server, _ := tlsServer(t, trusted, &tls.Config{
			Certificates: []tls.Certificate{trusted.issue(t, "127.0.0.1", time.Now().Add(time.Hour))},
		})
		roots, err := LoadRoots(trusted.file(t))
		g.Expect(err).NotTo(HaveOccurred())
		allowed, err := ParseAllowList([]string{server.URL})
		g.Expect(err).NotTo(HaveOccurred())
		client, err := New(parse(t, map[string]string{"host": server.URL, "token": testSecret}), Options{Transport: NewTransport(allowed, roots, nil)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(read(t.Context(), client)).To(Succeed())
	})
}

func tlsServer(t *testing.T, trusted *authority, config *tls.Config) (*workspace, *Transport) {
	t.Helper()
	server := newWorkspaceTLS(t, config, respondWith(http.StatusOK, `{"cluster_id":"c1"}`))
	return server, transportTo(t, server, trusted)
}

func transportTo(t *testing.T, server *workspace, trusted *authority) *Transport {
	t.Helper()
	allowed, err := ParseAllowList([]string{server.URL})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AddCert(trusted.certificate)
	transport := NewTransport(allowed, roots, nil)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestTheLimitsOfConnections(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	transport, ok := NewTransport(AllowList{}, nil, nil).roundTripper.(*http.Transport)
	g.Expect(ok).To(BeTrue())
	g.Expect(transport.TLSHandshakeTimeout).To(Equal(10 * time.Second))
	g.Expect(transport.ResponseHeaderTimeout).To(Equal(30 * time.Second))
	g.Expect(transport.IdleConnTimeout).To(Equal(30 * time.Second))
	g.Expect(transport.MaxIdleConns).To(Equal(100))
	g.Expect(transport.MaxIdleConnsPerHost).To(Equal(8))
	g.Expect(transport.MaxResponseHeaderBytes).To(Equal(int64(65536)))
	g.Expect(transport.TLSClientConfig.MinVersion).To(Equal(uint16(tls.VersionTLS12)))
}

func TestLoadRoots(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	roots, err := LoadRoots("")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(roots).To(BeNil())
	_, err = LoadRoots(t.TempDir() + "/absent")
	g.Expect(err).To(MatchError(ContainSubstring("--databricks-ca-file")))
	_, err = LoadRoots("wire_test.go")
	g.Expect(err).To(MatchError(ContainSubstring("no certificate in PEM form")))
}

func TestEveryRequestIsObserved(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var calls []Call
	server := newWorkspace(t, respondWith(http.StatusForbidden, `{"error_code":"PERMISSION_DENIED","message":"no"}`))
	err := read(t.Context(), server.client(t, func(c Call) { calls = append(calls, c) }))
	g.Expect(calls).To(HaveLen(1))
	g.Expect(calls[0].Method).To(Equal(http.MethodGet))
	g.Expect(calls[0].Path).To(Equal("/api/2.1/clusters/get"))
	g.Expect(calls[0].StatusCode).To(Equal(http.StatusForbidden))
	g.Expect(calls[0].Duration).To(BeNumerically(">", 0))
	g.Expect(calls[0].Err).To(Equal(err))
	failure, _ := errors.AsType[*Error](err)
	g.Expect(failure.Method + " " + failure.Path).To(Equal("GET /api/2.1/clusters/get"))
}

func TestRetryAfterReachesTheError(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := newWorkspace(t, respondRetryAfter(http.StatusTooManyRequests, "17", `{"error_code":"RESOURCE_EXHAUSTED","message":"Too many requests"}`))
	err := write(t.Context(), server.client(t))
	failure, _ := errors.AsType[*Error](err)
	g.Expect(failure.Class).To(Equal(ClassThrottled))
	g.Expect(failure.RetryAfter).To(Equal(17 * time.Second))
	g.Expect(server.received()).To(HaveLen(1), fmt.Sprint(err))
}
