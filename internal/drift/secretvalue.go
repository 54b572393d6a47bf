package drift

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
)

// Secrets holds the values that a specification refers to by the name of a Secret.
type Secrets struct {
	DockerUsername, DockerPassword SecretValue
	LogAnalyticsPrimaryKey         SecretValue
}

// IsEmpty reports whether no value is set.
func (s Secrets) IsEmpty() bool {
	return s.DockerUsername.reveal() == "" && s.DockerPassword.reveal() == "" && s.LogAnalyticsPrimaryKey.reveal() == ""
}

// Fingerprint returns a keyed hash that is equal for equal values. It is stable within
// this process only, and does not help to guess a value.
func (s Secrets) Fingerprint() string {
	mac := hmac.New(sha256.New, fingerprintKey)
	for _, value := range []SecretValue{s.DockerUsername, s.DockerPassword, s.LogAnalyticsPrimaryKey} {
		// Writing to a hash never fails.
		_, _ = fmt.Fprintf(mac, "%d:%s", len(value.reveal()), value.reveal())
	}
	return string(mac.Sum(nil))
}

var fingerprintKey = func() []byte {
	key := make([]byte, sha256.Size)
	// crypto/rand.Read never fails.
	_, _ = rand.Read(key)
	return key
}()

// SecretValue is a value of a Secret. It prints as "***" with every verb, and encoding
// and reflection do not reach the value. Only this package reveals it, for the body of a
// request. The zero value is the empty string.
type SecretValue struct{ value func() string }

// NewSecretValue returns a value that prints as "***".
func NewSecretValue(value string) SecretValue {
	return SecretValue{func() string { return value }}
}

func (v SecretValue) reveal() string {
	if v.value == nil {
		return ""
	}
	return v.value()
}

const hiddenValue = "***"

// Format implements fmt.Formatter.
func (v SecretValue) Format(state fmt.State, _ rune) {
	// fmt reports the failure of its own writer.
	_, _ = io.WriteString(state, hiddenValue)
}

// MarshalText returns "***", for encoders and loggers.
func (v SecretValue) MarshalText() ([]byte, error) { return []byte(hiddenValue), nil }
