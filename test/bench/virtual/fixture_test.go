package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

var (
	file = flag.String("figures", "", "file to add figures to; without it nothing is measured")
	rows = flag.String("rows", "", "targets to measure, such as P1,P14; empty means all")
)

// skipUnlessBenchmarking skips a test unless `make bench` measures one of its
// targets.
func skipUnlessBenchmarking(t *testing.T, targets ...string) {
	t.Helper()
	if *file == "" {
		t.Skip("run it with `make bench`")
	}
	selected := strings.Split(*rows, ",")
	if *rows != "" && !slices.ContainsFunc(targets, func(target string) bool { return slices.Contains(selected, target) }) {
		t.Skip("not selected")
	}
}

// saveFigure saves the median of some runs as a figure.
func saveFigure(t *testing.T, key string, objects int, values ...float64) {
	t.Helper()
	figure := figures.Median(key, objects, values...)
	t.Logf("%s = %.4g of %.4g", key, figure.Value, values)
	if err := figures.Append(*file, figure); err != nil {
		t.Fatal(err)
	}
}

// byMode returns the value for a short run, or that for a full one.
func byMode[T any](short, full T) T {
	if testing.Short() {
		return short
	}
	return full
}

// runs is the number of runs for a median.
func runs() int { return byMode(1, 5) }

const host = "https://adb-1.2.azuredatabricks.net"

// fixture is a registry and a simulated workspace in virtual time.
type fixture struct {
	*cache.Registry
	t          *testing.T
	simulated  *simulator.Server
	requestLog requestLog
	config     databricks.Config
	// dial returns the client of a workspace other than that of config.
	dial func(databricks.Config) cache.Client

	mu sync.Mutex
	// lastEvent is when an object was last enqueued.
	lastEvent map[cache.Object]time.Time
}

// runVirtual runs an experiment in virtual time.
func runVirtual(t *testing.T, options cache.Options, simulated simulator.Options, experiment func(w *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		simulated.LogSize = 1 // requestLog replaces the simulator's log
		w := &fixture{t: t, simulated: simulator.New(simulated), lastEvent: map[cache.Object]time.Time{}}
		var err error
		w.config, err = databricks.ParseSecret(map[string][]byte{"host": []byte(host), "token": []byte(simulator.DefaultToken)})
		if err != nil {
			t.Fatal(err)
		}
		options.Dial = func(config databricks.Config) (cache.Client, error) {
			if w.dial != nil {
				return w.dial(config), nil
			}
			return w.simulatorClient(), nil
		}
		options.OnChange = func(objects []cache.Object) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, object := range objects {
				w.lastEvent[object] = time.Now()
			}
		}
		w.Registry = cache.NewRegistry(options)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := w.Start(ctx); err != nil {
				t.Error(err)
			}
		})
		defer running.Wait()
		defer stop()
		experiment(w)
	})
}

func (w *fixture) simulatorClient() *simulatorClient {
	return &simulatorClient{transport: w.simulated.Transport(), requestLog: &w.requestLog, token: simulator.DefaultToken}
}

// addClusters adds running clusters with distinct names.
func (w *fixture) addClusters(prefix string, count int) []string {
	w.t.Helper()
	ids := make([]string, count)
	for i := range ids {
		id, err := w.simulated.AddCluster(simulator.Seed{
			Source: "API", State: simulator.Running,
			Spec: map[string]any{"cluster_name": fmt.Sprintf("%s-%05d", prefix, i), "num_workers": 1, "autotermination_minutes": 0},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		ids[i] = id
	}
	return ids
}

// connect connects an object to the workspace.
func (w *fixture) connect(object cache.Object) *cache.Workspace {
	w.t.Helper()
	return w.connectTo(object, w.config)
}

// connectTo is connect for another workspace.
func (w *fixture) connectTo(object cache.Object, config databricks.Config) *cache.Workspace {
	w.t.Helper()
	for {
		connected, err := w.Connect(object, config, "")
		if wait, ok := errors.AsType[*cache.WaitError](err); ok {
			<-time.After(max(time.Until(wait.At), time.Millisecond))
			continue
		}
		if err != nil {
			w.t.Error(err)
			return nil
		}
		return connected
	}
}

// watchAll subscribes an object for each cluster, with the cluster's id as its
// name.
func (w *fixture) watchAll(ids []string) (connected *cache.Workspace) {
	w.t.Helper()
	for _, id := range ids {
		connected = w.connect(objectOf(id))
		connected.Subscribe(cache.Interest{ClusterID: id})
	}
	return connected
}

// eventSince returns when an object was last enqueued since a time; zero if it
// was not.
func (w *fixture) eventSince(object cache.Object, since time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.lastEvent[object]; !at.Before(since) {
		return at
	}
	return time.Time{}
}

// writeWithRetry makes a write as soon as it is admitted, and repeats it a
// second after each 429.
func (w *fixture) writeWithRetry(connected *cache.Workspace, write cache.Write, call func(context.Context, databricks.Writer) error) {
	for w.t.Context().Err() == nil {
		err := w.Writers().Do(w.t.Context(), connected, write, call)
		wait, waits := errors.AsType[*cache.WaitError](err)
		switch {
		case err == nil:
			return
		case waits:
			<-time.After(max(time.Until(wait.At), time.Millisecond))
		case databricks.ClassOf(err) == databricks.ClassThrottled:
			<-time.After(time.Second)
		default:
			w.t.Error(err)
			return
		}
	}
}

// create creates a cluster and subscribes an object to it.
func (w *fixture) create(name string) (id string) {
	connected := w.connect(objectOf(name))
	w.writeWithRetry(connected, creation, func(ctx context.Context, api databricks.Writer) (err error) {
		id, err = api.Create(ctx, createRequest(name))
		return err
	})
	connected.Subscribe(cache.Interest{ClusterID: id})
	return id
}

// creation describes a create to the rate limiter.
var creation = cache.Write{Priority: ratelimit.PriorityChange, Endpoint: "clusters/create"}

// objectOf returns an object of one namespace, so that all objects share a
// flow.
func objectOf(name string) cache.Object { return objectIn("bench", name) }

func objectIn(namespace, name string) cache.Object {
	return cache.Object{Kind: v1alpha1.ClusterKind, Namespace: namespace, Name: name, UID: name}
}

func createRequest(name string) databricks.CreateRequest {
	return databricks.CreateRequest{CreateCluster: compute.CreateCluster{
		ClusterName: name, SparkVersion: "16.4.x-scala2.12", NodeTypeId: "i3.xlarge", NumWorkers: 1,
	}}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// concurrently runs do count times concurrently, and returns the elapsed time.
func concurrently(count int, writeWithRetry func(i int)) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() { writeWithRetry(i) })
	}
	all.Wait()
	return time.Since(began)
}

// entry is one request and its response.
type entry struct {
	endpoint string
	cluster  string
	at       time.Time
	status   int
	token    string
}

// requestLog records the requests to the workspace.
type requestLog struct {
	mu      sync.Mutex
	entries []entry
}

func (l *requestLog) add(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// count returns the number of matching requests since a time.
func (l *requestLog) count(since time.Time, matches func(entry) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if !e.at.Before(since) && matches(e) {
			n++
		}
	}
	return n
}

func anyRequest(entry) bool { return true }

func denied(e entry) bool { return e.status == http.StatusTooManyRequests }

func served(e entry) bool { return !denied(e) }

// times returns the times of the matching requests.
func (l *requestLog) times(matches func(entry) bool) (all []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if matches(e) {
			all = append(all, e.at)
		}
	}
	return all
}

// latency is the duration of every call.
const latency = 50 * time.Millisecond

// simulatorClient sends calls to the simulated workspace without a network,
// because virtual time cannot wait for one. It implements only the calls of the
// experiments.
type simulatorClient struct {
	cache.Client
	transport  http.RoundTripper
	requestLog *requestLog
	token      string
	// silentFrom is when the workspace stops answering; zero means never.
	silentFrom time.Time
}

func (c *simulatorClient) Me(ctx context.Context) (databricks.Principal, error) {
	var me struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
	}
	err := c.send(ctx, http.MethodGet, "/api/2.0/preview/scim/v2/Me", nil, "", nil, &me)
	return databricks.Principal{ID: me.ID, UserName: me.UserName}, err
}

// clusterState holds the needed fields of a cluster. Decoding all fields, as
// the SDK does, takes ten times as long.
type clusterState struct {
	ID         string                `json:"cluster_id"`
	Name       string                `json:"cluster_name"`
	Source     compute.ClusterSource `json:"cluster_source"`
	State      compute.State         `json:"state"`
	Message    string                `json:"state_message"`
	Workers    int                   `json:"num_workers"`
	Tags       map[string]string     `json:"custom_tags"`
	StartTime  int64                 `json:"start_time"`
	LastLaunch int64                 `json:"last_restarted_time"`
}

func (p clusterState) cluster() compute.ClusterDetails {
	return compute.ClusterDetails{
		ClusterId: p.ID, ClusterName: p.Name, ClusterSource: p.Source, State: p.State, StateMessage: p.Message,
		NumWorkers: p.Workers, CustomTags: p.Tags, StartTime: p.StartTime, LastRestartedTime: p.LastLaunch,
	}
}

func (c *simulatorClient) Get(ctx context.Context, id string) (databricks.Cluster, error) {
	var got struct {
		clusterState
		Spec json.RawMessage `json:"spec"`
	}
	err := c.send(ctx, http.MethodGet, "/api/2.1/clusters/get", url.Values{"cluster_id": {id}}, id, nil, &got)
	if err != nil {
		return databricks.Cluster{}, err
	}
	cluster := got.cluster()
	return databricks.Cluster{Details: &cluster, Spec: got.Spec}, nil
}

// raw gets a cluster without decoding it.
func (c *simulatorClient) raw(ctx context.Context, id string) ([]byte, error) {
	var got json.RawMessage
	err := c.send(ctx, http.MethodGet, "/api/2.1/clusters/get", url.Values{"cluster_id": {id}}, id, nil, &got)
	return got, err
}

// pins gets the first page of pinned clusters.
func (c *simulatorClient) pins(ctx context.Context) error {
	var page json.RawMessage
	return c.send(ctx, http.MethodGet, "/api/2.1/clusters/list", url.Values{"filter_by.is_pinned": {"true"}}, "pins", nil, &page)
}

func (c *simulatorClient) List(ctx context.Context, query databricks.ListQuery) (databricks.ListPage, error) {
	values := url.Values{"page_size": {strconv.Itoa(query.PageSize)}}
	if query.PageToken != "" {
		values.Set("page_token", query.PageToken)
	}
	if query.SortByName {
		values.Set("sort_by.field", "CLUSTER_NAME")
	}
	for _, source := range query.Sources {
		values.Add("filter_by.cluster_sources", string(source))
	}
	var page struct {
		Clusters []clusterState `json:"clusters"`
		Next     string         `json:"next_page_token"`
	}
	if err := c.send(ctx, http.MethodGet, "/api/2.1/clusters/list", values, "", nil, &page); err != nil {
		return databricks.ListPage{}, err
	}
	listed := databricks.ListPage{NextPageToken: page.Next}
	for _, cluster := range page.Clusters {
		listed.Clusters = append(listed.Clusters, cluster.cluster())
	}
	return listed, nil
}

func (c *simulatorClient) Create(ctx context.Context, request databricks.CreateRequest) (string, error) {
	var burstResult struct {
		ID string `json:"cluster_id"`
	}
	err := c.send(ctx, http.MethodPost, "/api/2.1/clusters/create", nil, "", request, &burstResult)
	return burstResult.ID, err
}

func (c *simulatorClient) Terminate(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodPost, "/api/2.1/clusters/delete", nil, id, map[string]string{"cluster_id": id}, nil)
}

func (c *simulatorClient) Start(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodPost, "/api/2.1/clusters/start", nil, id, map[string]string{"cluster_id": id}, nil)
}

// Resize changes the number of workers.
func (c *simulatorClient) Resize(ctx context.Context, request compute.ResizeCluster) error {
	return c.send(ctx, http.MethodPost, "/api/2.1/clusters/resize", nil, request.ClusterId, request, nil)
}

// send sends one request. Its errors have the classes that the operator's own
// client returns.
func (c *simulatorClient) send(ctx context.Context, method, path string, query url.Values, cluster string, body, into any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, host+path+"?"+query.Encode(), &content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	at := time.Now()
	if !c.silentFrom.IsZero() && !at.Before(c.silentFrom) {
		c.requestLog.add(entry{endpoint: path, cluster: cluster, at: at, token: c.token})
		<-ctx.Done()
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: ctx.Err().Error()}
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: err.Error()}
	}
	<-time.After(latency)
	c.requestLog.add(entry{path, cluster, at, answer.StatusCode, c.token})
	responseBody, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	switch {
	case err != nil:
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: err.Error()}
	case answer.StatusCode == http.StatusTooManyRequests:
		return &databricks.Error{Class: databricks.ClassThrottled, StatusCode: answer.StatusCode}
	case answer.StatusCode != http.StatusOK:
		return &databricks.Error{Class: databricks.ClassInvalid, StatusCode: answer.StatusCode, Message: string(responseBody)}
	case into == nil:
		return nil
	}
	return json.Unmarshal(responseBody, into)
}
