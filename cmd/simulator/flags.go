package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// settings holds the values of the flags.
type settings struct {
	options   simulator.Options
	caFile    string
	logFormat string
	verbose   bool
}

// usage has placeholders for the control path, the switches and the flags.
const usage = `Simulates a Databricks workspace for offline development and tests.

Usage:
  simulator [flags]

While it runs, GET %s on its address lists the control API for
clusters, faults, limits, clock, log, workspaces, tokens, policies, pools.

A file for --config is YAML or JSON:

  workspaces:
  - name: default
    id: 7000000000000001
    cloud: AWS
    groups: [data]
    principals:
    - user_name: someone@example.com
      tokens: [dapi-simulator]
      scoped_tokens:
      - {token: dapi-reads, name: reads, rights: {read_only: true}}
    - user_name: 6f7c-app
      federation: {issuer: "https://issuer", subject: "system:serviceaccount:a:b", audience: databricks}
    policies:
    - {policy_id: P1, name: small, definition: '{"num_workers": {"type": "range", "maxValue": 4}}'}
    pools:
    - {instance_pool_id: pool-1, instance_pool_name: warm, node_type_id: i3.xlarge}
  behaviour: {rewrite_first_on_demand: true, permissions: internal_error}
  limits: [{endpoint: clusters/get, rate: 5, burst: 10}]
  faults: [{endpoint: clusters/create, status: 503, times: 1}]
  timings: {launch: 5m}
  clock_offset: 10m

Switches of behaviour, all off by default (in --config or as --behaviour):
%s
Flags:
%s`

// parseFlags parses the command line. Its errors name the flag, the value and a
// remedy. Help is written to out.
func parseFlags(args []string, out io.Writer) (settings, error) {
	var s settings
	var tokens, clients, limits []string
	var groups, behaviour []string
	var cloudName, config string
	flags := pflag.NewFlagSet("simulator", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {
		_, _ = fmt.Fprintf(out, usage, simulator.ControlPath, switches(), flags.FlagUsages())
	}
	flags.StringVar(&s.options.ListenAddress, "listen-address", "127.0.0.1:8443", "host:port to serve TLS on; port 0 selects a free port")
	flags.StringSliceVar(&s.options.Hostnames, "hostname", nil, "further name or address in the certificate; localhost and the listen address are always included")
	flags.StringVar(&s.caFile, "ca-file", "", "file to which the certificate authority is written that clients must trust (PEM); every start creates a new one")
	flags.StringArrayVar(&tokens, "token", []string{simulator.DefaultToken}, "personal access token, as [[workspace/]user=]token; repeat it for several principals and workspaces")
	flags.StringArrayVar(&clients, "oauth-client", nil, "service principal for OAuth client credentials, as [workspace/]client-id=secret")
	flags.StringArrayVar(&groups, "group", nil, "group that permissions may name, as [workspace/]group; users and admins always exist")
	flags.StringVar(&config, "config", "", "file of workspaces, tokens, policies, pools, behaviour, limits, faults and timings; flags add to it")
	flags.StringArrayVar(&behaviour, "behaviour", nil, "switch of behaviour, as name or name=value, such as rewrite_first_on_demand or cluster_limit=5")
	flags.DurationVar(&s.options.ClockOffset, "clock-offset", 0, "how far the workspace's own time is ahead of this machine's; negative is behind")
	flags.StringVar(&cloudName, "cloud", "", "AWS, Azure or GCP: reject node types and attributes of the other two (default: accept all)")
	flags.Float64Var(&s.options.TimeScale, "time-scale", 1, "factor by which launches, idle minutes and retention are faster than in a real workspace; 60 turns a minute into a second")
	flags.StringArrayVar(&limits, "rate-limit", nil, "requests per second and workspace, as [endpoint=]rate[:burst], such as 10, clusters/get=5:10 or clusters/*=5; none by default")
	flags.StringVar(&s.options.OwnerTag, "owner-tag", simulator.DefaultOwnerTag, "custom tag whose value the log shows as owner")
	flags.Uint64Var(&s.options.Seed, "seed", 0, "makes ids and percentages of faults reproducible")
	flags.StringVar(&s.logFormat, "log-format", "text", "text or json")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log every request")
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if *showVersion {
		_, _ = fmt.Fprintln(out, "databricks-operator simulator", version)
		return s, pflag.ErrHelp
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q; all options are flags", flags.Arg(0))
	}
	if err := s.check(); err != nil {
		return s, err
	}
	if err := s.configure(config, behaviour); err != nil {
		return s, err
	}
	if len(s.options.Workspaces) > 0 && !flags.Changed("token") {
		tokens = nil // the default token applies only without a configuration
	}
	cloud, err := cloudByName(cloudName)
	if err != nil {
		return s, err
	}
	if err := addPrincipals(&s.options.Workspaces, tokens, clients, cloud); err != nil {
		return s, err
	}
	for _, flag := range groups {
		workspace, group := splitPrincipal(flag)
		w := workspaceOf(&s.options.Workspaces, workspace, cloud)
		w.Groups = append(w.Groups, group)
	}
	more, err := rateLimits(limits)
	s.options.Limits = append(s.options.Limits, more...)
	return s, err
}

// configure applies the file of --config, then the switches of --behaviour.
func (s *settings) configure(file string, behaviour []string) error {
	offset := s.options.ClockOffset
	if file != "" {
		data, err := os.ReadFile(file) //nolint:gosec // the file that the caller names
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		config, err := yaml.YAMLToJSON(data)
		if err != nil {
			return fmt.Errorf("--config %s: %w", file, err)
		}
		if s.options, err = s.options.Configured(config); err != nil {
			return fmt.Errorf("--config %s: %w", file, err)
		}
	}
	if offset != 0 {
		s.options.ClockOffset = offset
	}
	for _, flag := range behaviour {
		name, value, given := strings.Cut(flag, "=")
		if !given {
			value = "true"
		}
		if !json.Valid([]byte(value)) {
			value = strconv.Quote(value)
		}
		var err error
		if s.options, err = s.options.Configured(fmt.Appendf(nil, `{"behaviour":{%q:%s}}`, name, value)); err != nil {
			return fmt.Errorf("--behaviour is %q; it must be name or name=value with a name that --help lists: %w", flag, err)
		}
	}
	return nil
}

// switches returns the names of the switches of behaviour, wrapped for --help.
func switches() string {
	var lines strings.Builder
	line := " "
	for _, name := range simulator.BehaviourNames() {
		if len(line)+len(name) > 90 {
			lines.WriteString(line + "\n")
			line = " "
		}
		line += " " + name
	}
	return lines.String() + line + "\n"
}

func (s *settings) check() error {
	if _, _, err := net.SplitHostPort(s.options.ListenAddress); err != nil {
		return fmt.Errorf("--listen-address is %q; it must be host:port, such as 127.0.0.1:8443", s.options.ListenAddress)
	}
	if s.options.TimeScale <= 0 {
		return fmt.Errorf("--time-scale is %v; it must be greater than 0, and 1 is real time", s.options.TimeScale)
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		return fmt.Errorf("--log-format is %q; it must be text or json", s.logFormat)
	}
	return nil
}

func cloudByName(name string) (simulator.Cloud, error) {
	found := map[string]simulator.Cloud{
		"": simulator.AnyCloud, "aws": simulator.AWS, "azure": simulator.Azure, "gcp": simulator.GCP,
	}
	cloud, known := found[strings.ToLower(name)]
	if !known {
		return "", fmt.Errorf("--cloud is %q; it must be AWS, Azure or GCP", name)
	}
	return cloud, nil
}

// addPrincipals adds the principals of --token and --oauth-client to the
// workspaces.
func addPrincipals(all *[]simulator.Workspace, tokens, clients []string, cloud simulator.Cloud) error {
	for _, flag := range tokens {
		owner, token, named := strings.Cut(flag, "=")
		if !named {
			owner, token = "", flag
		}
		if token == "" {
			return fmt.Errorf("--token is %q; it must be [[workspace/]user=]token", flag)
		}
		workspace, user := splitPrincipal(owner)
		p := principalOf(all, workspace, cmp.Or(user, simulator.DefaultUser), cloud)
		p.Tokens = append(p.Tokens, token)
	}
	for _, flag := range clients {
		owner, secret, named := strings.Cut(flag, "=")
		workspace, id := splitPrincipal(owner)
		if !named || id == "" || secret == "" {
			return fmt.Errorf("--oauth-client must be [workspace/]client-id=secret; it names no %s", missingPart(id))
		}
		principalOf(all, workspace, id, cloud).ClientSecret = secret
	}
	return nil
}

func missingPart(id string) string {
	if id == "" {
		return "client id"
	}
	return "secret for " + strconv.Quote(id)
}

func splitPrincipal(owner string) (workspace, user string) {
	if before, after, both := strings.Cut(owner, "/"); both {
		return before, after
	}
	return "default", owner
}

// principalOf returns a principal of a workspace and creates both if necessary.
func principalOf(all *[]simulator.Workspace, workspace, user string, cloud simulator.Cloud) *simulator.Principal {
	w := workspaceOf(all, workspace, cloud)
	for i := range w.Principals {
		if w.Principals[i].UserName == user {
			return &w.Principals[i]
		}
	}
	w.Principals = append(w.Principals, simulator.Principal{UserName: user})
	return &w.Principals[len(w.Principals)-1]
}

// workspaceOf returns a workspace by name and creates it if necessary.
func workspaceOf(all *[]simulator.Workspace, name string, cloud simulator.Cloud) *simulator.Workspace {
	at := slices.IndexFunc(*all, func(w simulator.Workspace) bool { return w.Name == name })
	if at < 0 {
		*all = append(*all, simulator.Workspace{Name: name, Cloud: cloud})
		at = len(*all) - 1
	}
	return &(*all)[at]
}

func rateLimits(given []string) ([]simulator.Limit, error) {
	var limits []simulator.Limit
	for _, flag := range given {
		endpoint, bucket, named := strings.Cut(flag, "=")
		if !named {
			endpoint, bucket = "", flag
		}
		rate, burst, bursts := strings.Cut(bucket, ":")
		limit := simulator.Limit{Endpoint: endpoint, RetryAfter: simulator.RetryAfterSeconds}
		var err error
		if limit.Rate, err = strconv.ParseFloat(rate, 64); err != nil || limit.Rate <= 0 {
			return nil, fmt.Errorf("--rate-limit is %q; it must be [endpoint=]rate[:burst], such as clusters/get=5:10", flag)
		}
		if bursts {
			if limit.Burst, err = strconv.Atoi(burst); err != nil || limit.Burst < 1 {
				return nil, fmt.Errorf("--rate-limit is %q; its burst must be a whole number from 1", flag)
			}
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

func (s *settings) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.verbose {
		options.Level = slog.LevelDebug
	}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
