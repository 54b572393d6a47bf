package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"time"
)

// maxBody is the Clusters API's limit on a request body.
const maxBody = 10 << 20

// endpoint is one operation of the API.
type endpoint struct {
	// name identifies the endpoint in limits, faults and the log, such as
	// "clusters/get".
	name string
	// accepts is the schema of its parameters; nil for a form.
	accepts *schema
	// anonymous reports whether the endpoint needs no credential.
	anonymous bool
	handle    func(*call) (any, *apiError)
}

// call is one request while the server handles it.
type call struct {
	server    *Server
	endpoint  *endpoint
	request   *http.Request
	body      []byte
	params    params
	raw       params    // the JSON object before its conversion
	readError *apiError // why the request could not be read
	now       time.Time // in the workspace's time
	entry     Entry
	// workspaceID is the X-Databricks-Org-Id of the answer.
	workspaceID string

	*session // the caller's; nil for anonymous endpoints and bad credentials
	fault    *faultRule
}

// reply is one response.
type reply struct {
	status      int
	contentType string
	header      http.Header
	body        []byte
}

func (s *Server) serve(e *endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{server: s, endpoint: e, request: r}
		c.entry = Entry{Time: s.clock.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Endpoint: e.name}
		c.read()
		answer := c.answer()
		if answer == nil {
			s.log.add(c.entry)
			panic(http.ErrAbortHandler) // net/http drops the connection
		}
		c.entry.Status = answer.status
		s.log.add(c.entry)
		s.options.Logger.Debug("request", "method", r.Method, "path", r.URL.Path,
			"status", answer.status, "workspace", c.entry.Workspace, "clusterID", c.entry.ClusterID, "fault", c.entry.Fault)
		answer.write(w)
	})
}

// answer returns the response; nil drops the connection.
func (c *call) answer() *reply {
	denied := c.admit()
	if denied != nil {
		return c.errorReply(denied)
	}
	if c.fault == nil {
		return c.perform()
	}
	c.entry.Fault = c.fault.Name
	return c.answerWithFault()
}

// admit authenticates the caller, applies the limits and chooses the fault of
// the call.
func (c *call) admit() *apiError {
	s := c.server
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c.now = s.now()
	c.workspaceID = s.workspaceID(c.request, nil)
	c.entry.Token = s.tokenName(bearerToken(c.request))
	if !c.endpoint.anonymous {
		session, r := s.identify(c.request, c.now)
		if r != nil {
			return r
		}
		c.session = session
		c.workspaceID = s.workspaceID(c.request, session)
		c.entry.Workspace = session.workspace.name
		c.entry.Principal = session.principal.UserName
	}
	if r := s.limits.admit(c.entry.Workspace, c.endpoint.name, c.now); r != nil {
		return r
	}
	c.fault = s.faults.choose(c)
	return nil
}

// perform carries out the operation and returns its response.
func (c *call) perform() *reply {
	if c.readError != nil {
		return c.errorReply(c.readError)
	}
	s := c.server
	s.mutex.Lock()
	defer s.mutex.Unlock()
	c.now = s.now()
	for _, check := range []func() *apiError{c.checkRights, c.checkPermissionsEnabled} {
		if r := check(); r != nil {
			return c.errorReply(r)
		}
	}
	result, r := c.endpoint.handle(c)
	if r != nil {
		return c.errorReply(r)
	}
	c.entry.Effect = true
	return c.succeeded(result)
}

func (c *call) succeeded(result any) *reply {
	return &reply{
		status: http.StatusOK, contentType: c.contentType(), header: c.header(), body: encode(result),
	}
}

func (c *call) errorReply(r *apiError) *reply {
	answer := &reply{status: r.status, contentType: c.contentType(), header: c.header(), body: encode(r.body())}
	maps.Copy(answer.header, r.header)
	return answer
}

func (c *call) header() http.Header {
	header := http.Header{}
	header.Set("Date", c.now.UTC().Format(http.TimeFormat))
	if c.workspaceID != "" {
		header.Set("X-Databricks-Org-Id", c.workspaceID)
	}
	return header
}

func (c *call) contentType() string {
	if c.endpoint.name == "scim/me" {
		return "application/scim+json"
	}
	return "application/json"
}

func (r *reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.Header().Set("Content-Type", r.contentType)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // the caller may have closed the connection
}

// read reads the parameters from the query string and from the body, also of a
// GET.
func (c *call) read() {
	body, err := io.ReadAll(io.LimitReader(c.request.Body, maxBody+1))
	switch {
	case err != nil:
		c.readError = malformed("The request body could not be read")
		return
	case len(body) > maxBody:
		c.readError = newAPIError(http.StatusRequestEntityTooLarge, "MALFORMED_REQUEST", "The request body is larger than 10 MB")
		return
	}
	c.body = body
	if c.endpoint.accepts == nil {
		return
	}
	c.entry.setBody(body)
	c.readError = c.decode()
}

func (c *call) decode() *apiError {
	raw := map[string]any{}
	if c.request.Method == http.MethodGet {
		query := c.request.URL.Query()
		query.Del("o") // the workspace id
		raw = fromQuery(query, c.endpoint.accepts)
	}
	if len(bytes.TrimSpace(c.body)) > 0 {
		if err := decodeObject(c.body, raw); err != nil {
			return malformed("Invalid JSON given in the body of the request - expected a map")
		}
	}
	c.raw = raw
	c.entry.ClusterID, _ = raw["cluster_id"].(string)
	if id := c.request.PathValue("cluster_id"); id != "" {
		c.entry.ClusterID = id
	}
	c.entry.describe(raw, c.server.options.OwnerTag)
	var checker schemaChecker
	converted, r := checker.object(raw, c.endpoint.accepts, "")
	c.entry.UnknownFields = checker.unknown
	c.params = converted
	return r
}

var errTrailingData = errors.New("unexpected data after the JSON object")

func decodeObject(data []byte, into map[string]any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&into); err != nil {
		return err
	}
	if into == nil { // the body was null
		return errTrailingData
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errTrailingData
	}
	return nil
}

func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // only plain maps, lists, texts and numbers are encoded
	}
	return buffer.Bytes()
}
