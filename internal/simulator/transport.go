package simulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Transport returns a transport to the simulator without a network, for every
// host: for virtual time (testing/synctest cannot wait for sockets) and for
// large numbers. Deadlines, dropped connections and operations that continue
// after their caller disconnected work as over a network; TLS and redirects do
// not.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
		body = read
	}
	ctx, cancel := context.WithCancel(r.Context())
	arrived := r.Clone(ctx)
	arrived.Body = io.NopCloser(bytes.NewReader(body))
	arrived.RequestURI = r.URL.RequestURI()
	if arrived.Host == "" {
		arrived.Host = r.URL.Host
	}
	answered := make(chan *http.Response, 1)
	go func() {
		defer cancel()
		answered <- t.serve(arrived, r) //nolint:bodyclose // the caller closes it, as of any RoundTripper
	}()
	select {
	case response := <-answered:
		if response == nil {
			return nil, io.ErrUnexpectedEOF
		}
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// serve returns the response; nil if the connection was dropped.
func (t transport) serve(arrived, sent *http.Request) (response *http.Response) {
	w := &recorder{header: http.Header{}}
	defer func() {
		cause := recover()
		if err, ok := cause.(error); cause != nil && (!ok || !errors.Is(err, http.ErrAbortHandler)) {
			panic(cause)
		}
	}()
	t.server.ServeHTTP(w, arrived)
	return w.response(sent)
}

// recorder is an http.ResponseWriter that records the response.
type recorder struct {
	once   sync.Once
	status int
	header http.Header
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) { w.once.Do(func() { w.status = status }) }

func (w *recorder) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(data)
}

func (w *recorder) response(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}
}
