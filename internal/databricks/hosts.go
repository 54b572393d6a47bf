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

// Origin is where a workspace lives: https, a host and a port, nothing else.
// The zero value is no origin. It is comparable: equal origins are one place.
type Origin struct {
	host string
	port uint16
}

const httpsPort = 443

// DefaultAllowedHosts are the domains of Databricks workspaces: AWS (with
// GovCloud and DoD), Azure (with US government and China) and GCP.
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

// clouds are the domains of workspaces by the cloud that they run in.
var clouds = map[string]string{
	".cloud.databricks.com": "AWS",
	".cloud.databricks.us":  "AWS",
	".cloud.databricks.mil": "AWS",
	".azuredatabricks.net":  "Azure",
	".databricks.azure.us":  "Azure",
	".databricks.azure.cn":  "Azure",
	".gcp.databricks.com":   "GCP",
}

// CloudOf is AWS, Azure or GCP, by the domain of a host in the forms of
// ParseOrigin; "" for a host of another name.
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

// ParseOrigin reads the forms that people write a host in: "host",
// "https://host" and "https://host/", each with an optional port. Whatever else
// a URL can hold (user information, a path, a query, another scheme) and every
// spelling that two parsers could understand differently is an error. The error
// never repeats raw: people mistake keys, and it may be a secret.
func ParseOrigin(raw string) (Origin, error) {
	if raw == "" {
		return Origin{}, fmt.Errorf("is empty: give the workspace's URL, such as https://dbc-a1b2c3d4-e5f6.cloud.databricks.com")
	}
	rest := strings.TrimPrefix(raw, "https://")
	if strings.Contains(rest, "://") {
		return Origin{}, fmt.Errorf("has another scheme than https://")
	}
	rest = strings.TrimSuffix(rest, "/")
	for _, r := range rest {
		if problem := refusedRune(r); problem != "" {
			return Origin{}, fmt.Errorf("%s: give https:// and the host name alone", problem)
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
		return Origin{}, fmt.Errorf("is a single word: give the full host name of the workspace")
	}
	return origin, nil
}

// ParseHost reads the forms of ParseOrigin, and a query that names the workspace, as
// in the address that a browser shows: "https://host/?o=1234567890". o and
// workspace_id hold digits, w any form of an id; an account id (a, account_id) is
// ignored, and any other key is an error. The error never repeats raw.
func ParseHost(raw string) (origin Origin, workspaceID string, err error) {
	place, query, _ := strings.Cut(raw, "?")
	origin, err = ParseOrigin(place)
	if err != nil || query == "" {
		if err == nil && place != raw {
			err = fmt.Errorf("has an empty query: remove it")
		}
		return origin, "", err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Origin{}, "", fmt.Errorf("has a malformed query: give https:// and the host name alone")
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			if workspaceID, err = liftWorkspaceID(key, value, workspaceID); err != nil {
				return Origin{}, "", err
			}
		}
	}
	return origin, workspaceID, nil
}

// liftWorkspaceID reads one parameter of a host's query; known is what the others said.
func liftWorkspaceID(key, value, known string) (string, error) {
	switch key {
	case "a", "account_id":
		return known, nil
	case "o", "workspace_id":
		if strings.Trim(value, "0123456789") != "" {
			return "", fmt.Errorf("has a workspace id in its query that is no number")
		}
	case "w":
	default:
		return "", fmt.Errorf("has a query with other keys than o, w and workspace_id: give https:// and the host name alone")
	}
	if value == "" {
		return "", fmt.Errorf("has an empty workspace id in its query")
	}
	return oneWorkspaceID(known, value)
}

var workspaceIDForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// oneWorkspaceID returns the workspace id that two sources name; either may be empty.
func oneWorkspaceID(one, other string) (string, error) {
	id := cmp.Or(one, other)
	switch {
	case id == "":
		return "", nil
	case one != "" && other != "" && one != other:
		return "", fmt.Errorf("names another workspace than the query of the host does: remove one")
	case !workspaceIDForm.MatchString(id):
		return "", fmt.Errorf("is no workspace id: give the number behind ?o= in the address of the workspace")
	}
	return id, nil
}

// refusedRune says what a rune that no plain host name holds is about.
func refusedRune(r rune) string {
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
		return Origin{}, fmt.Errorf("has a malformed address or port: an IPv6 address stands in brackets in its short form")
	}
	origin := Origin{host: inner, port: httpsPort}
	if after == "" {
		return origin, nil
	}
	port, hasPort := strings.CutPrefix(after, ":")
	if !hasPort {
		return Origin{}, fmt.Errorf("has text behind its address")
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

// checkHostName holds a name to RFC 1123 in lower case. Punycode labels are
// refused: no workspace has one, and look-alikes do. A last label of digits is
// refused: some resolvers take "0x7f.1" or "2130706433" for an address.
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

// String is "https://host", with the port where it is not 443.
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

// AllowList is which origins may be reached at all. It is the cluster
// administrator's word, so that a user's Secret cannot make the operator talk
// to whatever the user likes. The zero value allows nothing.
type AllowList struct {
	suffixes []string
	origins  []Origin
}

// ParseAllowList reads the values of --allowed-hosts. One that begins with a
// dot is a suffix: hosts beneath it may be reached on port 443, at addresses
// that are no special ones. One that begins with https:// is an origin: it may
// be reached as it stands, whatever its address and port.
func ParseAllowList(entries []string) (AllowList, error) {
	var list AllowList
	for _, entry := range entries {
		switch {
		case strings.HasPrefix(entry, "."):
			if err := checkSuffix(entry); err != nil {
				return AllowList{}, fmt.Errorf("--allowed-hosts: %q %w", entry, err)
			}
			list.suffixes = append(list.suffixes, entry)
		case strings.HasPrefix(entry, "https://"):
			origin, err := ParseOrigin(entry)
			if err != nil {
				return AllowList{}, fmt.Errorf("--allowed-hosts: %q %w", entry, err)
			}
			list.origins = append(list.origins, origin)
		default:
			return AllowList{}, fmt.Errorf("--allowed-hosts: %q is neither a suffix, which begins with a dot, nor an origin, which begins with https://", entry)
		}
	}
	if len(entries) == 0 {
		return AllowList{}, fmt.Errorf("--allowed-hosts: is empty, so that no workspace could be reached: leave it out for the domains of Databricks")
	}
	return list, nil
}

func checkSuffix(suffix string) error {
	name := suffix[1:]
	for _, r := range name {
		if problem := refusedRune(r); problem != "" {
			return fmt.Errorf("%s", problem)
		}
	}
	if err := checkHostName(name); err != nil {
		return err
	}
	if !strings.Contains(name, ".") {
		return fmt.Errorf("allows a whole top-level domain: name the domain beneath it")
	}
	return nil
}

// Check fails, with ClassHost, where origin may not be reached.
func (l AllowList) Check(origin Origin) error {
	if l.asItStands(origin) {
		return nil
	}
	refuse := func(why string) error {
		return &Error{Class: ClassHost, Message: fmt.Sprintf("host %s is not allowed: %s", origin, why)}
	}
	suffixed := slices.ContainsFunc(l.suffixes, func(suffix string) bool {
		return strings.HasSuffix(origin.host, suffix)
	})
	switch {
	case !suffixed:
		return refuse("use a host that the operator's --allowed-hosts names, or ask its administrator to add this one")
	case origin.port != httpsPort:
		return refuse("a workspace answers on port 443, leave the port out")
	case isAccountConsole(origin.host):
		return refuse("it is an account console, give the URL of a workspace")
	}
	return nil
}

// asItStands tells whether the administrator named this very origin.
func (l AllowList) asItStands(origin Origin) bool {
	return slices.Contains(l.origins, origin)
}

func isAccountConsole(host string) bool {
	label, _, _ := strings.Cut(host, ".")
	return label == "accounts" || strings.HasPrefix(label, "accounts-")
}
