package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	networkTimeout = 10 * time.Second
	// maxProbeBytes bounds what is read of the answer.
	maxProbeBytes = 64 << 10
)

// examineNetwork sends one request without a credential to a host, from the user's machine.
// A workspace answers that it is not authenticated.
func (d *Doctor) examineNetwork(ctx context.Context, host string) Finding {
	ctx, cancel := context.WithTimeout(ctx, networkTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/api/2.1/clusters/spark-versions", http.NoBody)
	if err != nil {
		return Finding{Check: "network", Status: Problem, Text: fmt.Sprintf("%s is no address of a workspace", host)}
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.Roots}, DisableKeepAlives: true,
	}
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil {
		return Finding{Check: "network", Status: Problem, Text: "the proxy of your environment (HTTPS_PROXY) is no URL"}
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return unreachable(request.URL.Hostname(), proxy, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProbeBytes))
	if err != nil {
		return Finding{Check: "network", Status: Problem, Text: fmt.Sprintf("%s breaks its answer off", host)}
	}
	return classifyAnswer(host, answer, string(body))
}

// unreachable returns why no answer came.
func unreachable(name string, proxy *url.URL, err error) Finding {
	finding := Finding{Check: "network", Status: Problem}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, isName := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case isDNS && proxy == nil:
		finding.Text = fmt.Sprintf("DNS does not resolve %s here (%s)", dns.Name, dns.Err)
		finding.Commands = []string{"nslookup " + name}
	case isAuthority:
		finding.Text = "the certificate of " + name + " is signed by an authority that is not trusted here; a proxy that inspects TLS does that. " +
			"Trust it with --databricks-ca-file, which the operator has, too"
	case isName:
		finding.Text = "the certificate is for another name than " + name
	case isInvalid:
		finding.Text = "the certificate of " + name + " is not valid: " + invalid.Error()
	case errors.Is(err, context.DeadlineExceeded):
		finding.Text = fmt.Sprintf("%s does not answer within %s: look at firewalls, and at the IP access list of the workspace", name, networkTimeout)
	case proxy != nil:
		finding.Text = fmt.Sprintf("the proxy %s of your environment does not connect to %s", proxy.Host, name)
	default:
		finding.Text = fmt.Sprintf("no connection to %s: %s", name, lastPart(err))
	}
	finding.Text += " (from this machine; the operator's network may differ)"
	return finding
}

// lastPart returns the cause of a network error, such as "connection refused".
func lastPart(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, ": "); at >= 0 {
		return text[at+2:]
	}
	return text
}

// classifyAnswer returns whether an answer is that of a workspace.
func classifyAnswer(host string, answer *http.Response, body string) Finding {
	isJSON := strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") || strings.HasPrefix(strings.TrimSpace(body), "{")
	isDenied := answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden
	switch {
	case answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest:
		return Finding{Check: "network", Status: Problem, Text: fmt.Sprintf("%s redirects: it is not the address of a workspace", host)}
	case isDenied, isJSON && answer.StatusCode < http.StatusInternalServerError:
		return passed("network", "%s answers from this machine", host)
	case !isJSON:
		return problem("network", nil, "%s answers with a page (status %d): it is not the address of a workspace", host, answer.StatusCode)
	default:
		return problem("network", nil, "%s answers with status %d: look at status.databricks.com", host, answer.StatusCode)
	}
}
