package databricks

import (
	"fmt"
	"net"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"adb-123.4.azuredatabricks.net":             "https://adb-123.4.azuredatabricks.net",
		"https://adb-123.4.azuredatabricks.net":     "https://adb-123.4.azuredatabricks.net",
		"https://adb-123.4.azuredatabricks.net/":    "https://adb-123.4.azuredatabricks.net",
		"https://adb-123.4.azuredatabricks.net:443": "https://adb-123.4.azuredatabricks.net",
		"dbc-a1b2c3d4-e5f6.cloud.databricks.com":    "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
		"https://127.0.0.1:8443":                    "https://127.0.0.1:8443",
		"https://localhost:8443/":                   "https://localhost:8443",
		"https://[::1]:8443":                        "https://[::1]:8443",
		"https://[fd00::1]":                         "https://[fd00::1]",
		"https://simulator.databricks.svc:8443":     "https://simulator.databricks.svc:8443",
	} {
		g := NewWithT(t)
		origin, err := ParseOrigin(raw)
		g.Expect(err).NotTo(HaveOccurred(), raw)
		g.Expect(origin.String()).To(Equal(want))
	}
}

func TestDefaultAllowedHosts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	allowed, err := ParseAllowList(DefaultAllowedHosts())
	g.Expect(err).NotTo(HaveOccurred())
	for _, host := range []string{
		"dbc-1.cloud.databricks.com", "dbc-1.cloud.databricks.us", "dbc-1.cloud.databricks.mil", "adb-1.2.azuredatabricks.net",
		"adb-1.2.databricks.azure.us", "adb-1.2.databricks.azure.cn", "123.4.gcp.databricks.com",
	} {
		origin, err := ParseOrigin(host)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(allowed.Check(origin)).To(Succeed())
	}
}

func TestParseAllowListRefusesInvalidValues(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", ".", ".com", "cloud.databricks.com", "*.cloud.databricks.com", "..databricks.com", ".Databricks.com", ".data bricks.com",
		"http://127.0.0.1:8080", "https://", "https://a.b/path", "https://u@a.b", ".databricks.com:443", ".a/b.c", "https://*.a.b",
	} {
		_, err := ParseAllowList([]string{entry})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("--allowed-hosts")), "%q", entry)
	}
	_, err := ParseAllowList(nil)
	NewWithT(t).Expect(err).To(HaveOccurred())
}

// hostileHosts are hosts of a Secret that parsers may interpret differently, or that are
// not those of a workspace. %s is the address of a listening server, and %p its port.
func hostileHosts() []string {
	return []string{
		// Other schemes, and invalid ones.
		"http://%s", "HTTP://%s", "HTTPS://%s", "hTTps://%s", "ftp://%s", "file:///etc/passwd", "gopher://%s", "ws://%s", "https:/%s",
		"https:%s", "https:///%s", "//%s", "://%s", "https://https://%s", "http://dbc.cloud.databricks.com", "unix:///var/run/docker.sock",
		"javascript:alert(1)", "data:text/html,x", "jar:https://%s",
		// User information and similar forms.
		"https://user@%s", "https://user:pass@%s", "https://dbc.cloud.databricks.com@%s", "https://dbc.cloud.databricks.com:443@%s",
		"https://%s@dbc.cloud.databricks.com", "https://@%s", "https://:@%s", "dbc.cloud.databricks.com@%s", `https://dbc.cloud.databricks.com\@%s`,
		"https://dbc.cloud.databricks.com%40%s", "https://dbc.cloud.databricks.com&@%s", "https://dbc.cloud.databricks.com#@%s", "https://dbc.cloud.databricks.com?@%s",
		// Paths, queries, fragments.
		"https://%s/path", "https://%s//", "https://%s/.", "https://%s/../", "https://%s?x", "https://%s#x", "https://%s/?o=1", "https://%s/;a",
		"https://%s/.cloud.databricks.com", "https://%s?.cloud.databricks.com", "https://%s#.cloud.databricks.com", `https://%s\.cloud.databricks.com`,
		"https://%s%2f.cloud.databricks.com", "https://%s%23.cloud.databricks.com", "https://dbc.cloud.databricks.com/../%s",
		// Ports.
		"https://dbc.cloud.databricks.com:%p", "https://dbc.cloud.databricks.com:80", "https://dbc.cloud.databricks.com:8443", "https://dbc.cloud.databricks.com:",
		"https://dbc.cloud.databricks.com:0", "https://dbc.cloud.databricks.com:0443", "https://dbc.cloud.databricks.com:65979", "https://dbc.cloud.databricks.com:-443",
		"https://dbc.cloud.databricks.com:+443", "https://dbc.cloud.databricks.com:443:443", "https://dbc.cloud.databricks.com:443/x", "https://dbc.cloud.databricks.com:https",
		"https://dbc.cloud.databricks.com:４４３", "https://dbc.cloud.databricks.com: 443",
		// Hosts similar to an allowed one.
		"https://cloud.databricks.com", "https://.cloud.databricks.com", "https://evilcloud.databricks.com", "https://cloud.databricks.com.evil.example",
		"https://dbc.cloud.databricks.com.evil.example", "https://dbc-cloud.databricks.com", "https://dbc.cloud.databricks.comm", "https://dbc.cloud.databricks.co",
		"https://dbc.cloud-databricks.com", "https://azuredatabricks.net", "https://adb-1.azuredatabricks.net.evil.example", "https://gcp.databricks.com.example",
		"https://databricks.com", "https://www.databricks.com", "https://dbc.azuredatabricks.net.", "https://dbc.cloud.databricks.com.", "https://dbc..cloud.databricks.com",
		"https://-dbc.cloud.databricks.com", "https://dbc-.cloud.databricks.com", "https://DBC.cloud.databricks.com", "https://dbc.Cloud.Databricks.Com",
		"https://*.cloud.databricks.com", "https://d_b.cloud.databricks.com", "https://dbc.cloud.databricks.com,evil.example", "https://dbc.cloud.databricks.com;evil.example",
		"https://evil.example dbc.cloud.databricks.com", "https://evil.example\tdbc.cloud.databricks.com", "https://evil.example\r\nHost: x.cloud.databricks.com",
		"https://evil.example\x00.cloud.databricks.com", "https://evil.example%00.cloud.databricks.com", "https://" + strings.Repeat("a", 64) + ".cloud.databricks.com",
		"https://" + strings.Repeat("a.", 130) + "cloud.databricks.com",
		// Internationalized look-alikes.
		"https://dbc.cloud.dаtabricks.com", "https://dbc.cloud.databricks。com", "https://dbc。cloud.databricks.com", "https://xn--dbc-1.cloud.databricks.com",
		"https://dbc.cloud.xn--dtabricks-2fg.com", "https://ⓓⓑⓒ.cloud.databricks.com", "https://dbc\u200b.cloud.databricks.com", "https://dbc\u202e.cloud.databricks.com",
		"https://ｄｂｃ.cloud.databricks.com", "https://evil.example／.cloud.databricks.com", "https://evil.example＠dbc.cloud.databricks.com",
		// Account consoles.
		"https://accounts.cloud.databricks.com", "https://accounts.azuredatabricks.net", "https://accounts.gcp.databricks.com", "https://accounts-dod.cloud.databricks.us",
		// Addresses in every form, with and without the listening port.
		"https://%s", "127.0.0.1", "https://127.0.0.1", "https://localhost", "https://localhost:%p", "https://127.1:%p", "https://0x7f.1:%p", "https://0x7f000001:%p",
		"https://2130706433:%p", "https://017700000001:%p", "https://0177.0.0.1:%p", "https://127.0.0.1.:%p", "https://127.000.000.001:%p", "https://0:%p", "https://0.0.0.0:%p",
		"https://[::1]:%p", "https://[::]:%p", "https://[::ffff:127.0.0.1]:%p", "https://[::ffff:7f00:1]:%p", "https://[0:0:0:0:0:0:0:1]:%p", "https://[::1%25lo]:%p",
		"https://[::1%lo]:%p", "https://[::1]@dbc.cloud.databricks.com", "https://[dbc.cloud.databricks.com]", "https://::1", "https://[::1", "https://[::1]x:%p", "https://[]:%p",
		"https://169.254.169.254", "https://[fd00:ec2::254]", "https://168.63.129.16", "https://100.100.100.200", "https://metadata.google.internal", "https://metadata",
		"https://kubernetes.default.svc", "https://10.0.0.1", "https://192.168.0.1", "https://127.0.0.1.nip.io:%p", "https://①②⑦.0.0.1:%p",
		// Empty hosts.
		"https://", "https:///", "/", ".", "..", ":", "@", "https://:443", "https://.", "https://-", "%s",
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	t.Run("[S3] no credential is sent to a hostile host", noCredentialIsSent)
	t.Run("[S3] addresses that are never dialed", addressesNeverDialed)
	t.Run("[S3] a name that resolves to a refused address is not dialed", reboundNames)
}

func noCredentialIsSent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 1000)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- connection
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	place := strings.NewReplacer("%s", listener.Addr().String(), "%p", port)
	// The list also allows another port of the same address.
	allowed, err := ParseAllowList(append(DefaultAllowedHosts(), "https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1"))
	g.Expect(err).NotTo(HaveOccurred())
	transport := NewTransport(allowed, nil, nil)

	hosts := hostileHosts()
	g.Expect(len(hosts)).To(BeNumerically(">=", 100))
	for _, raw := range hosts {
		host := place.Replace(raw)
		config, err := ParseSecret(asData(map[string]string{"host": host, "token": testSecret}))
		if err != nil {
			g.Expect(err.Error()).To(ContainSubstring("host"), "%q", host)
			g.Expect(err.Error()).NotTo(ContainSubstring(testSecret))
			continue
		}
		_, err = New(config, Options{Transport: transport})
		g.Expect(ClassOf(err)).To(Equal(ClassHost), "%q was allowed as %s", host, config.Host())
	}
	g.Expect(accepted).To(BeEmpty(), "there was a connection")
}

func TestATokenUnderTheKeyHostIsNotShown(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	_, err := ParseSecret(asData(map[string]string{"host": testSecret, "token": "dbc.cloud.databricks.com"}))
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring(testSecret))
}

func addressesNeverDialed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	refused := []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:168.63.129.16", "::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
	}
	for _, ip := range refused {
		g.Expect(checkAddress(net.JoinHostPort(ip, "443"))).To(MatchError(errRefusedAddress), ip)
	}
	for _, ip := range []string{"10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "20.42.4.209", "2603:1030::1", "fd12:3456::1", "::ffff:10.0.0.1"} {
		g.Expect(checkAddress(net.JoinHostPort(ip, "443"))).To(Succeed(), ip)
		g.Expect(checkAddress(net.JoinHostPort(ip, "80"))).To(MatchError(errRefusedAddress), ip)
	}
	g.Expect(checkAddress("nonsense")).To(MatchError(errRefusedAddress))
}

func TestErrorsAboutHostsHaveAdvice(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"https://u:p@dbc.cloud.databricks.com":   "user information",
		"https://127.1":                          "neither a host name nor an address",
		"https://0x7f000001:8443":                "neither a host name nor an address",
		"https://2130706433":                     "neither a host name nor an address",
		"https://dbc.0x7f":                       "neither a host name nor an address",
		"https://dbc.cloud.databricks.com/x?o=1": "path",
		"https://dbc.cloud.databricks.com/?x=1":  "query",
		"https://DBC.cloud.databricks.com":       "upper case",
		"https://[0:0:0:0:0:0:0:1]:8443":         "short form",
		"http://dbc.cloud.databricks.com":        "another scheme than https",
		"https://dbc.cloud.databricks.com.":      "dot at its end",
		"dbc":                                    "full host name",
		"":                                       "host",
	} {
		_, err := ParseSecret(asData(map[string]string{"host": host, "token": testSecret}))
		NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("host (or DATABRICKS_HOST)"), ContainSubstring(want))), host)
	}
	config := parse(t, map[string]string{"host": "dbc.evil.example", "token": testSecret})
	allowed, _ := ParseAllowList(DefaultAllowedHosts())
	_, err := New(config, Options{Transport: NewTransport(allowed, nil, nil)})
	NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("https://dbc.evil.example"), ContainSubstring("--allowed-hosts"))))
}

func FuzzParseOrigin(f *testing.F) {
	for _, host := range hostileHosts() {
		f.Add(host)
	}
	f.Add("https://dbc.cloud.databricks.com/")
	f.Fuzz(func(t *testing.T, raw string) {
		origin, err := ParseOrigin(raw)
		if err != nil {
			if raw != "" && len(raw) > 12 && strings.Contains(err.Error(), raw) {
				t.Fatalf("the error repeats %q", raw)
			}
			return
		}
		mustMatchURLParser(t, raw, origin)
	})
}

// mustMatchURLParser fails if the parser of net/http finds another host or port in an
// accepted origin.
func mustMatchURLParser(t *testing.T, raw string, origin Origin) {
	t.Helper()
	again, err := ParseOrigin(origin.String())
	if err != nil || again != origin {
		t.Fatalf("%q became %s, which reads as %s, %v", raw, origin, again, err)
	}
	parsed, err := urlParse(origin.String())
	if err != nil {
		t.Fatalf("%q became %s: %v", raw, origin, err)
	}
	if parsed != fmt.Sprintf("%s|%d", origin.host, origin.port) {
		t.Fatalf("%q is %s, and %s for net/http", raw, origin, parsed)
	}
}

func TestEveryDomainOfDatabricksHasACloud(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	for _, suffix := range DefaultAllowedHosts() {
		g.Expect(CloudOf("https://dbc-1"+suffix)).To(BeElementOf("AWS", "Azure", "GCP"), suffix)
	}
	g.Expect(CloudOf("https://adb-1.2.azuredatabricks.net/")).To(Equal("Azure"))
	g.Expect(CloudOf("https://127.0.0.1:8443")).To(BeEmpty())
	g.Expect(CloudOf("not a host")).To(BeEmpty())
}
