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
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

var file = flag.String("figures", "", "file to add figures to; without it nothing is measured")

// measuring skips a test that nobody asked for.
func measuring(t *testing.T) {
	t.Helper()
	if *file == "" {
		t.Skip("run it with `make bench`")
	}
}

// note keeps the figure of some runs.
func note(t *testing.T, key string, objects int, values ...float64) {
	t.Helper()
	figure := figures.Median(key, objects, values...)
	t.Logf("%s = %.4g of %.4g", key, figure.Value, values)
	if err := figures.Append(*file, figure); err != nil {
		t.Fatal(err)
	}
}

// pick is what a short run needs, or a full one.
func pick[T any](short, full T) T {
	if testing.Short() {
		return short
	}
	return full
}

// runs is of how many the median is taken.
func runs() int { return pick(1, 5) }

const host = "https://adb-1.2.azuredatabricks.net"

// world is a registry and a simulated workspace in virtual time.
type world struct {
	*cache.Registry
	t         *testing.T
	simulated *simulator.Server
	ledger    ledger
	config    databricks.Config

	mu sync.Mutex
	// told is when an object was last told of news.
	told map[cache.Object]time.Time
}

// inWorld runs an experiment in virtual time.
func inWorld(t *testing.T, options cache.Options, simulated simulator.Options, experiment func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		simulated.LogSize = 1 // the ledger is the log
		w := &world{t: t, simulated: simulator.New(simulated), told: map[cache.Object]time.Time{}}
		var err error
		w.config, err = databricks.ParseSecret(map[string][]byte{"host": []byte(host), "token": []byte(simulator.DefaultToken)})
		if err != nil {
			t.Fatal(err)
		}
		options.Dial = func(databricks.Config) (cache.Client, error) { return w.courier(), nil }
		options.OnChange = func(objects []cache.Object) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, object := range objects {
				w.told[object] = time.Now()
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

func (w *world) courier() *courier {
	return &courier{through: w.simulated.Transport(), ledger: &w.ledger}
}

// fill makes running clusters with names of their own.
func (w *world) fill(prefix string, count int) []string {
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

// connect lets an object use the workspace.
func (w *world) connect(object cache.Object) *cache.Workspace {
	w.t.Helper()
	for {
		connected, err := w.Connect(object, w.config, "")
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

// watchAll gives every cluster an object, named as its id.
func (w *world) watchAll(ids []string) (connected *cache.Workspace) {
	w.t.Helper()
	for _, id := range ids {
		connected = w.connect(objectOf(id))
		connected.Subscribe(cache.Interest{ClusterID: id})
	}
	return connected
}

// heard is when an object was last told of news since a time; zero: not yet.
func (w *world) heard(object cache.Object, since time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.told[object]; !at.Before(since) {
		return at
	}
	return time.Time{}
}

// do makes a write as soon as it is let through; what the workspace throttles is
// tried again a second later.
func (w *world) do(connected *cache.Workspace, write cache.Write, call func(context.Context, databricks.Writer) error) {
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

// create makes a cluster of a name and has the object watch it.
func (w *world) create(name string) (id string) {
	connected := w.connect(objectOf(name))
	w.do(connected, creation, func(ctx context.Context, api databricks.Writer) (err error) {
		id, err = api.Create(ctx, createRequest(name))
		return err
	})
	connected.Subscribe(cache.Interest{ClusterID: id})
	return id
}

// creation is a create, as the rate limiter sees it.
var creation = cache.Write{Priority: ratelimit.PriorityChange, Endpoint: "clusters/create"}

// objectOf returns an object of one namespace: all of them share a flow.
func objectOf(name string) cache.Object { return cache.Object("bench/" + name) }

func createRequest(name string) databricks.CreateRequest {
	return databricks.CreateRequest{CreateCluster: compute.CreateCluster{
		ClusterName: name, SparkVersion: "16.4.x-scala2.12", NodeTypeId: "i3.xlarge", NumWorkers: 1,
	}}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// together runs what many do at once, and returns how long that took.
func together(count int, do func(i int)) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() { do(i) })
	}
	all.Wait()
	return time.Since(began)
}

// entry is one request and its answer.
type entry struct {
	endpoint string
	cluster  string
	at       time.Time
	status   int
}

// ledger keeps what was asked of the workspace.
type ledger struct {
	mu      sync.Mutex
	entries []entry
}

func (l *ledger) add(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// count is how many requests from a time on fit.
func (l *ledger) count(since time.Time, fits func(entry) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if !e.at.Before(since) && fits(e) {
			n++
		}
	}
	return n
}

func anything(entry) bool { return true }

func denied(e entry) bool { return e.status == http.StatusTooManyRequests }

func served(e entry) bool { return !denied(e) }

// times are those of the requests that fit.
func (l *ledger) times(fits func(entry) bool) (all []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if fits(e) {
			all = append(all, e.at)
		}
	}
	return all
}

// latency is how long every call is under way.
const latency = 50 * time.Millisecond

// courier carries calls to the simulated workspace without a network, which
// virtual time could not wait for. Calls that no experiment makes are absent.
type courier struct {
	cache.Client
	through http.RoundTripper
	ledger  *ledger
}

func (c *courier) Me(ctx context.Context) (databricks.Principal, error) {
	var me struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
	}
	err := c.ask(ctx, http.MethodGet, "/api/2.0/preview/scim/v2/Me", nil, "", nil, &me)
	return databricks.Principal{ID: me.ID, UserName: me.UserName}, err
}

// plain is what of a cluster matters here. The SDK's own way to decode all of it
// takes ten times as long.
type plain struct {
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

func (p plain) cluster() compute.ClusterDetails {
	return compute.ClusterDetails{
		ClusterId: p.ID, ClusterName: p.Name, ClusterSource: p.Source, State: p.State, StateMessage: p.Message,
		NumWorkers: p.Workers, CustomTags: p.Tags, StartTime: p.StartTime, LastRestartedTime: p.LastLaunch,
	}
}

func (c *courier) Get(ctx context.Context, id string) (databricks.Cluster, error) {
	var got struct {
		plain
		Spec json.RawMessage `json:"spec"`
	}
	err := c.ask(ctx, http.MethodGet, "/api/2.1/clusters/get", url.Values{"cluster_id": {id}}, id, nil, &got)
	if err != nil {
		return databricks.Cluster{}, err
	}
	cluster := got.cluster()
	return databricks.Cluster{Details: &cluster, Spec: got.Spec}, nil
}

// raw is a GET whose answer is only compared.
func (c *courier) raw(ctx context.Context, id string) ([]byte, error) {
	var got json.RawMessage
	err := c.ask(ctx, http.MethodGet, "/api/2.1/clusters/get", url.Values{"cluster_id": {id}}, id, nil, &got)
	return got, err
}

// pins asks for the first page of what is pinned.
func (c *courier) pins(ctx context.Context) error {
	var page json.RawMessage
	return c.ask(ctx, http.MethodGet, "/api/2.1/clusters/list", url.Values{"filter_by.is_pinned": {"true"}}, "pins", nil, &page)
}

func (c *courier) List(ctx context.Context, query databricks.ListQuery) (databricks.ListPage, error) {
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
		Clusters []plain `json:"clusters"`
		Next     string  `json:"next_page_token"`
	}
	if err := c.ask(ctx, http.MethodGet, "/api/2.1/clusters/list", values, "", nil, &page); err != nil {
		return databricks.ListPage{}, err
	}
	listed := databricks.ListPage{NextPageToken: page.Next}
	for _, cluster := range page.Clusters {
		listed.Clusters = append(listed.Clusters, cluster.cluster())
	}
	return listed, nil
}

func (c *courier) Create(ctx context.Context, request databricks.CreateRequest) (string, error) {
	var made struct {
		ID string `json:"cluster_id"`
	}
	err := c.ask(ctx, http.MethodPost, "/api/2.1/clusters/create", nil, "", request, &made)
	return made.ID, err
}

func (c *courier) Terminate(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodPost, "/api/2.1/clusters/delete", nil, id, map[string]string{"cluster_id": id}, nil)
}

func (c *courier) Start(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodPost, "/api/2.1/clusters/start", nil, id, map[string]string{"cluster_id": id}, nil)
}

// ask makes one request. What fails has the class that the operator's own client
// would give it.
func (c *courier) ask(ctx context.Context, method, path string, query url.Values, cluster string, body, into any) error {
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
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultToken)
	at := time.Now()
	answer, err := c.through.RoundTrip(request)
	if err != nil {
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: err.Error()}
	}
	<-time.After(latency)
	c.ledger.add(entry{path, cluster, at, answer.StatusCode})
	said, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	switch {
	case err != nil:
		return &databricks.Error{Class: databricks.ClassAmbiguous, Message: err.Error()}
	case answer.StatusCode == http.StatusTooManyRequests:
		return &databricks.Error{Class: databricks.ClassThrottled, StatusCode: answer.StatusCode}
	case answer.StatusCode != http.StatusOK:
		return &databricks.Error{Class: databricks.ClassInvalid, StatusCode: answer.StatusCode, Message: string(said)}
	case into == nil:
		return nil
	}
	return json.Unmarshal(said, into)
}
