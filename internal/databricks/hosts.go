package databricks

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Origin is the origin of a workspace: https, a host and a port. The zero value is no
// origin. Origins are comparable.
type Origin struct {
	host string
	port uint16
}

const httpsPort = 443

// DefaultAllowedHosts returns the domains of Databricks workspaces: AWS (with GovCloud
// and DoD), Azure (with US government and China) and GCP.
func DefaultAllowedHosts() []string {
	return []string{
		".cloud.databricks.com",
		".cloud.databricks.us",
		".cloud.databricks.mil",
		".azuredatabricks.net",
		".databricks.azure.us",
		".databricks.azure.cn",
		".gcp.databricks.com",
	}
}

// clouds maps the domains of workspaces to their clouds.
var clouds = map[string]string{
	".cloud.databricks.com": "AWS",
	".cloud.databricks.us":  "AWS",
	".cloud.databricks.mil": "AWS",
	".azuredatabricks.net":  "Azure",
	".databricks.azure.us":  "Azure",
	".databricks.azure.cn":  "Azure",
	".gcp.databricks.com":   "GCP",
}

// CloudOf returns AWS, Azure or GCP for the domain of a host in the forms of
// ParseOrigin, or "" for any other host.
func CloudOf(host string) string {
	origin, err := ParseOrigin(host)
	if err != nil {
		return ""
	}
	for suffix, cloud := range clouds {
		if strings.HasSuffix(origin.host, suffix) {
			return cloud
		}
	}
	return ""
}

// ParseOrigin parses "host", "https://host" and "https://host/", each with an optional
// port. Any other part of a URL (user information, a path, a query, another scheme) is
// an error, and so is any form that two parsers could interpret differently. The error
// never contains raw, which may be a secret under a wrong key.
func ParseOrigin(raw string) (Origin, error) {
	if raw == "" {
		return Origin{}, fmt.Errorf("is empty: use the workspace's URL, such as https://dbc-a1b2c3d4-e5f6.cloud.databricks.com")
	}
	rest := strings.TrimPrefix(raw, "https://")
	if strings.Contains(rest, "://") {
		return Origin{}, fmt.Errorf("has another scheme than https://")
	}
	rest = strings.TrimSuffix(rest, "/")
	for _, r := range rest {
		if problem := hostRuneProblem(r); problem != "" {
			return Origin{}, fmt.Errorf("%s: use https:// and the host name alone", problem)
		}
	}
	if strings.HasPrefix(rest, "[") || strings.Count(rest, ":") > 1 {
		return parseIPv6Origin(rest)
	}
	host, port, hasPort := strings.Cut(rest, ":")
	origin := Origin{host: host, port: httpsPort}
	if hasPort {
		number, err := parsePort(port)
		if err != nil {
			return Origin{}, err
		}
		origin.port = number
	}
	if address, err := netip.ParseAddr(host); err == nil && address.Is4() {
		return origin, nil
	}
	if err := checkHostName(host); err != nil {
		return Origin{}, err
	}
	if !strings.Contains(host, ".") && !hasPort {
		return Origin{}, fmt.Errorf("has no dot: use the full host name of the workspace")
	}
	return origin, nil
}

// ParseHost parses the forms of ParseOrigin with an optional query that selects the
// workspace, as in the address bar of a browser: "https://host/?o=1234567890". o and
// workspace_id are digits, and w is any form of an id. An account id (a, account_id) is
// ignored, and any other key is an error. The error never contains raw.
func ParseHost(raw string) (origin Origin, workspaceID string, err error) {
	base, query, _ := strings.Cut(raw, "?")
	origin, err = ParseOrigin(base)
	if err != nil || query == "" {
		if err == nil && base != raw {
			err = fmt.Errorf("has an empty query: remove it")
		}
		return origin, "", err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Origin{}, "", fmt.Errorf("has a malformed query: use https:// and the host name alone")
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			if workspaceID, err = parseQueryParameter(key, value, workspaceID); err != nil {
				return Origin{}, "", err
			}
		}
	}
	return origin, workspaceID, nil
}

// parseQueryParameter returns the workspace id after one parameter of a host's query;
// known is the id of the previous parameters.
func parseQueryParameter(key, value, known string) (string, error) {
	switch key {
	case "a", "account_id":
		return known, nil
	case "o", "workspace_id":
		if strings.Trim(value, "0123456789") != "" {
			return "", fmt.Errorf("has a workspace id in its query that is not a number")
		}
	case "w":
	default:
		return "", fmt.Errorf("has a query with other keys than o, w and workspace_id: use https:// and the host name alone")
	}
	if value == "" {
		return "", fmt.Errorf("has an empty workspace id in its query")
	}
	return oneWorkspaceID(known, value)
}

var workspaceIDForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// oneWorkspaceID returns the workspace id of two sources, of which either may be empty.
// It fails if they differ.
func oneWorkspaceID(one, other string) (string, error) {
	id := cmp.Or(one, other)
	switch {
	case id == "":
		return "", nil
	case one != "" && other != "" && one != other:
		return "", fmt.Errorf("differs from the workspace id in the query of the host: remove one")
	case !workspaceIDForm.MatchString(id):
		return "", fmt.Errorf("is not a workspace id: use the number after ?o= in the address of the workspace")
	}
	return id, nil
}

// hostRuneProblem returns the reason why a host must not contain a rune, or "".
func hostRuneProblem(r rune) string {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune("-.:[]", r):
		return ""
	case r >= 'A' && r <= 'Z':
		return "has upper case letters"
	case r == '@':
		return "has user information"
	case r == '/' || r == '\\':
		return "has a path"
	case r == '?' || r == '#':
		return "has a query or fragment"
	case r == '%':
		return "has a percent escape"
	case r > '~':
		return "has characters outside ASCII"
	default:
		return "has a character that no host name has"
	}
}

func parseIPv6Origin(rest string) (Origin, error) {
	inner, after, closed := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	address, err := netip.ParseAddr(inner)
	if !strings.HasPrefix(rest, "[") || !closed || err != nil || !address.Is6() || address.String() != inner {
		return Origin{}, fmt.Errorf("has a malformed address or port: an IPv6 address must be in brackets and in its short form")
	}
	origin := Origin{host: inner, port: httpsPort}
	if after == "" {
		return origin, nil
	}
	port, hasPort := strings.CutPrefix(after, ":")
	if !hasPort {
		return Origin{}, fmt.Errorf("has text after its address")
	}
	origin.port, err = parsePort(port)
	return origin, err
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || strconv.FormatUint(port, 10) != text {
		return 0, fmt.Errorf("has a malformed port")
	}
	return uint16(port), nil
}

// checkHostName fails unless a name follows RFC 1123 in lower case. Punycode labels are
// refused, because only look-alikes of workspaces have them. A last label that begins
// with a digit is refused, because some resolvers read "0x7f.1" or "2130706433" as an
// address.
func checkHostName(host string) error {
	if len(host) > 253 {
		return fmt.Errorf("is longer than 253 characters")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return fmt.Errorf("has an empty label or a dot at its end")
		case len(label) > 63:
			return fmt.Errorf("has a label of more than 63 characters")
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return fmt.Errorf("has a label that begins or ends with a hyphen")
		case strings.HasPrefix(label, "xn--"):
			return fmt.Errorf("has an internationalized label")
		case strings.ContainsAny(label, ":[]"):
			return fmt.Errorf("has a character that no host name has")
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		return fmt.Errorf("is neither a host name nor an address")
	}
	return nil
}

// String returns "https://host", with the port if it is not 443.
func (o Origin) String() string {
	if o == (Origin{}) {
		return ""
	}
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port != httpsPort {
		host += ":" + strconv.Itoa(int(o.port))
	}
	return "https://" + host
}

// AllowList is the list of origins that may be reached. The cluster administrator sets
// it, so that a user's Secret cannot make the operator connect to any host. The zero
// value allows nothing.
type AllowList struct {
	suffixes []string
	origins  []Origin
}

// ParseAllowList parses the values of --allowed-hosts, of which there must be one. They
// have the forms of ParseHosts.
func ParseAllowList(entries []string) (AllowList, error) {
	if len(entries) == 0 {
		return AllowList{}, fmt.Errorf("--allowed-hosts: is empty, so that no workspace could be reached: omit it for the domains of Databricks")
	}
	list, err := ParseHosts(entries)
	if err != nil {
		return AllowList{}, fmt.Errorf("--allowed-hosts: %w", err)
	}
	return list, nil
}

// ParseHosts parses the hosts of a list. A value that begins with a dot is a suffix: it
// allows the hosts of the domain on port 443, but no reserved addresses. A value that
// begins with https:// is an origin: it is allowed with any address and port.
func ParseHosts(entries []string) (AllowList, error) {
	var list AllowList
	for _, entry := range entries {
		switch {
		case strings.HasPrefix(entry, "."):
			if err := checkSuffix(entry); err != nil {
				return AllowList{}, fmt.Errorf("%q %w", entry, err)
			}
			list.suffixes = append(list.suffixes, entry)
		case strings.HasPrefix(entry, "https://"):
			origin, err := ParseOrigin(entry)
			if err != nil {
				return AllowList{}, fmt.Errorf("%q %w", entry, err)
			}
			list.origins = append(list.origins, origin)
		default:
			return AllowList{}, fmt.Errorf("%q is neither a suffix, which begins with a dot, nor an origin, which begins with https://", entry)
		}
	}
	return list, nil
}

func checkSuffix(suffix string) error {
	name := suffix[1:]
	for _, r := range name {
		if problem := hostRuneProblem(r); problem != "" {
			return fmt.Errorf("%s", problem)
		}
	}
	if err := checkHostName(name); err != nil {
		return err
	}
	if !strings.Contains(name, ".") {
		return fmt.Errorf("allows a whole top-level domain: use a domain below it")
	}
	return nil
}

// Check fails with ClassHost if the list does not allow the origin.
func (l AllowList) Check(origin Origin) error {
	if slices.Contains(l.origins, origin) {
		return nil
	}
	refuse := func(advice string) error {
		return &Error{Class: ClassHost, Message: fmt.Sprintf("host %s is not allowed: %s", origin, advice)}
	}
	hasSuffix := slices.ContainsFunc(l.suffixes, func(suffix string) bool {
		return strings.HasSuffix(origin.host, suffix)
	})
	switch {
	case !hasSuffix:
		return refuse("use a host that the operator's --allowed-hosts names, or ask its administrator to add this one")
	case origin.port != httpsPort:
		return refuse("a workspace has port 443, remove the port")
	case isAccountConsole(origin.host):
		return refuse("it is an account console, use the URL of a workspace")
	}
	return nil
}

// Allows reports whether the list allows the host of a config.
func (l AllowList) Allows(config Config) bool { return l.Check(config.origin) == nil }

func isAccountConsole(host string) bool {
	label, _, _ := strings.Cut(host, ".")
	return label == "accounts" || strings.HasPrefix(label, "accounts-")
}
