package drift

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
)

func TestASecretValuePrintsAsStars(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	secrets := Secrets{DockerPassword: NewSecretValue("hunter2")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T %v"} {
		g.Expect(fmt.Sprintf(verb, secrets, &secrets)).NotTo(Or(ContainSubstring("hunter2"), ContainSubstring("68756e746572")), verb)
		g.Expect(fmt.Sprintf(verb, secrets.DockerPassword, &secrets.DockerPassword)).NotTo(Or(ContainSubstring("hunter2"), ContainSubstring("68756e746572")), verb)
	}
	g.Expect(fmt.Sprint(secrets.DockerPassword)).To(Equal("***"))
	encoded, err := json.Marshal(map[string]any{"secrets": secrets, "password": secrets.DockerPassword})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(encoded)).To(ContainSubstring(`"password":"***"`))
	g.Expect(string(encoded)).NotTo(ContainSubstring("hunter2"))
}

func TestFingerprintsOfSecretsDifferWithTheValues(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	of := func(username, password, key string) string {
		return Secrets{NewSecretValue(username), NewSecretValue(password), NewSecretValue(key)}.Fingerprint()
	}
	g.Expect(of("a", "b", "c")).To(Equal(of("a", "b", "c")))
	g.Expect(Secrets{}.Fingerprint()).To(Equal(of("", "", "")))
	for _, other := range []string{of("", "ab", "c"), of("ab", "", "c"), of("a", "bc", ""), of("a", "b", "d"), of("b", "a", "c"), of("x", "b", "c"), of("a", "x", "c")} {
		g.Expect(other).NotTo(Equal(of("a", "b", "c")))
	}
}

func TestAFingerprintOfSecretsHasAKey(t *testing.T) {
	t.Parallel()
	secrets := Secrets{NewSecretValue("a"), NewSecretValue("b"), NewSecretValue("c")}
	const withoutKey = "f183f58bd2b0531bdb7e2e1e386919041f7842439315f62615f53f0d2dbf5dd9"
	NewWithT(t).Expect(hex.EncodeToString([]byte(secrets.Fingerprint()))).NotTo(Equal(withoutKey), "[S7] a guess of the values could be confirmed")
}
