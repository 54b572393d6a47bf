package histories

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// frame is one line of the body of a watch.
type frame struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// watch answers a watch: first the objects, if the request asks for them, then each
// change, until the caller closes the body or the timeout of the request ends. deliver is
// called before each change is sent, and may delay it.
func (s *apiServer) watch(r *http.Request, deliver func(context.Context) error) *http.Response {
	where, _ := parsePath(r.URL.Path)
	query := r.URL.Query()
	seconds, err := strconv.Atoi(query.Get("timeoutSeconds"))
	if err != nil {
		seconds = 300
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(seconds)*time.Second)
	body, stream := io.Pipe()
	watch := &watcher{server: s, where: where, frames: json.NewEncoder(stream), deliver: deliver}
	go func() {
		defer cancel()
		err := watch.run(ctx, query.Get("resourceVersion"), query.Get("sendInitialEvents") == "true")
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // the regular end of a watch
		}
		_ = stream.CloseWithError(err)
	}()
	return response(r, http.StatusOK, watchBody{PipeReader: body, cancel: cancel})
}

// watchBody ends the watch when it is closed.
type watchBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b watchBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

type watcher struct {
	server  *apiServer
	where   key
	frames  *json.Encoder
	deliver func(context.Context) error
	// seen is the version of the last change that was sent.
	seen int64
}

func (w *watcher) run(ctx context.Context, from string, sendInitial bool) error {
	if sendInitial {
		if err := w.sendInitial(); err != nil {
			return err
		}
	} else if seen, err := strconv.ParseInt(from, 10, 64); err == nil {
		w.seen = seen
	}
	for {
		pending, next, err := w.pending()
		if err != nil {
			return w.frames.Encode(frame{Type: "ERROR", Object: mustJSON(statusOf(err))})
		}
		for _, change := range pending {
			if err := w.deliver(ctx); err != nil {
				return err
			}
			w.seen = change.version
			if err := w.frames.Encode(frame{Type: change.kind, Object: change.object}); err != nil {
				return err
			}
		}
		if len(pending) > 0 {
			continue
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendInitial sends all objects, and a bookmark that marks their end.
func (w *watcher) sendInitial() error {
	w.server.mu.Lock()
	version := w.server.version
	var objects []json.RawMessage
	for _, at := range w.server.keys(w.where) {
		objects = append(objects, w.server.json(at))
	}
	w.server.mu.Unlock()
	for _, object := range objects {
		if err := w.frames.Encode(frame{Type: "ADDED", Object: object}); err != nil {
			return err
		}
	}
	w.seen = version
	bookmark := document{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": kinds[w.where.resource],
		"metadata": map[string]any{
			"resourceVersion": strconv.FormatInt(version, 10),
			"annotations":     map[string]any{metav1.InitialEventsAnnotationKey: "true"},
		},
		"spec": map[string]any{},
	}
	return w.frames.Encode(frame{Type: "BOOKMARK", Object: bookmark.json()})
}

// pending returns the changes that were not sent yet, and what is closed by the next one.
func (w *watcher) pending() (changes []change, next <-chan struct{}, err error) {
	s := w.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.seen < s.forgotten {
		return nil, nil, apierrors.NewResourceExpired("the resource version is too old")
	}
	for i := len(s.changes) - 1; i >= 0 && s.changes[i].version > w.seen; i-- {
		at := s.changes[i].key
		if at.resource == w.where.resource && (w.where.namespace == "" || at.namespace == w.where.namespace) {
			changes = append(changes, s.changes[i])
		}
	}
	for i, j := 0, len(changes)-1; i < j; i, j = i+1, j-1 {
		changes[i], changes[j] = changes[j], changes[i]
	}
	return changes, s.written, nil
}

// statusOf returns the Status of an error as the API server sends it.
func statusOf(err error) metav1.Status {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	return status
}

func mustJSON(value any) []byte {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return raw
}

func response(r *http.Request, code int, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ContentLength: -1, Request: r,
	}
}
