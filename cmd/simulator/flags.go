package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// settings is everything that the command line says.
type settings struct {
	options   simulator.Options
	caFile    string
	logFormat string
	verbose   bool
}

// parseFlags reads the command line. Its errors name the flag, the value and
// the way out. Help goes to out.
func parseFlags(args []string, out io.Writer) (settings, error) {
	var s settings
	var tokens, clients, limits []string
	var cloud string
	flags := pflag.NewFlagSet("simulator", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {
		_, _ = fmt.Fprintf(out, `A Databricks workspace to develop and test against, offline.

Usage:
  simulator [flags]

While it runs, GET %s on its address lists how to read and change it:
clusters, faults, limits, clock, log.

Flags:
%s`, simulator.ControlPath, flags.FlagUsages())
	}
	flags.StringVar(&s.options.ListenAddress, "listen-address", "127.0.0.1:8443", "host:port to serve TLS on; port 0 takes a free one")
	flags.StringSliceVar(&s.options.Hostnames, "hostname", nil, "name or address in the certificate beside localhost and the listen address")
	flags.StringVar(&s.caFile, "ca-file", "", "file to write the authority to that clients must trust (PEM); it is a new one at every start")
	flags.StringArrayVar(&tokens, "token", []string{simulator.DefaultToken}, "personal access token, as [[workspace/]user=]token; give it several times for several principals and workspaces")
	flags.StringArrayVar(&clients, "oauth-client", nil, "service principal for OAuth client credentials, as [workspace/]client-id=secret")
	flags.StringVar(&cloud, "cloud", "", "AWS, Azure or GCP: refuse node types and attributes of the other two (default: take all)")
	flags.Float64Var(&s.options.TimeScale, "time-scale", 1, "how many times faster than in a real workspace launches, idle minutes and retention go; 60 makes a minute a second")
	flags.StringArrayVar(&limits, "rate-limit", nil, "requests per second and workspace, as [endpoint=]rate[:burst], such as 10, clusters/get=5:10 or clusters/*=5; none by default")
	flags.StringVar(&s.options.OwnerTag, "owner-tag", simulator.DefaultOwnerTag, "custom tag whose value the log shows as owner")
	flags.Uint64Var(&s.options.Seed, "seed", 0, "makes ids and percentages of faults repeatable")
	flags.StringVar(&s.logFormat, "log-format", "text", "text or json")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log every request")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q; everything is a flag", flags.Arg(0))
	}
	if err := s.check(); err != nil {
		return s, err
	}
	var err error
	if s.options.Workspaces, err = workspaces(tokens, clients, cloud); err != nil {
		return s, err
	}
	s.options.Limits, err = rateLimits(limits)
	return s, err
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

// workspaces are who may come in, and where to.
func workspaces(tokens, clients []string, cloud string) ([]simulator.Workspace, error) {
	found := map[string]simulator.Cloud{
		"": simulator.AnyCloud, "aws": simulator.AWS, "azure": simulator.Azure, "gcp": simulator.GCP,
	}
	where, known := found[strings.ToLower(cloud)]
	if !known {
		return nil, fmt.Errorf("--cloud is %q; it must be AWS, Azure or GCP", cloud)
	}
	var all []simulator.Workspace
	for _, flag := range tokens {
		who, token, named := strings.Cut(flag, "=")
		if !named {
			who, token = "", flag
		}
		if token == "" {
			return nil, fmt.Errorf("--token is %q; it must be [[workspace/]user=]token", flag)
		}
		workspace, user := splitPrincipal(who)
		p := principalOf(&all, workspace, cmp.Or(user, simulator.DefaultUser), where)
		p.Tokens = append(p.Tokens, token)
	}
	for _, flag := range clients {
		who, secret, named := strings.Cut(flag, "=")
		workspace, id := splitPrincipal(who)
		if !named || id == "" || secret == "" {
			return nil, fmt.Errorf("--oauth-client must be [workspace/]client-id=secret; it names no %s", missingPart(id))
		}
		principalOf(&all, workspace, id, where).ClientSecret = secret
	}
	return all, nil
}

func missingPart(id string) string {
	if id == "" {
		return "client id"
	}
	return "secret for " + strconv.Quote(id)
}

func splitPrincipal(who string) (workspace, user string) {
	if before, after, both := strings.Cut(who, "/"); both {
		return before, after
	}
	return "default", who
}

// principalOf is a principal of a workspace; both are made if need be.
func principalOf(all *[]simulator.Workspace, workspace, user string, cloud simulator.Cloud) *simulator.Principal {
	at := slices.IndexFunc(*all, func(w simulator.Workspace) bool { return w.Name == workspace })
	if at < 0 {
		*all = append(*all, simulator.Workspace{Name: workspace, Cloud: cloud})
		at = len(*all) - 1
	}
	w := &(*all)[at]
	for i := range w.Principals {
		if w.Principals[i].UserName == user {
			return &w.Principals[i]
		}
	}
	w.Principals = append(w.Principals, simulator.Principal{UserName: user})
	return &w.Principals[len(w.Principals)-1]
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
