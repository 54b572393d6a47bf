package databricks

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessageBytes bounds every text that came from outside.
	maxMessageBytes = 1 << 10
	maxCodeBytes    = 64
	// maxCleanBytes bounds the work of cleaning, before the result is cut.
	maxCleanBytes = 16 << 10
)

// PlainText makes text that came from a workspace fit to be shown: one line,
// printable, and bounded (1 KiB). Whoever shows such text passes it through
// here; errors of this package already were.
func PlainText(text string) string { return bound(plain(text), maxMessageBytes) }

// plain makes text from outside fit for one line of a condition: valid, without
// control and formatting characters.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, cut(text, maxCleanBytes))
	return strings.Join(strings.Fields(text), " ")
}

// bound keeps at most limit bytes of text and shows that it did.
func bound(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	return cut(text, limit-len(ellipsis)) + ellipsis
}

// cut keeps at most limit bytes of text and splits no rune.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// redacted stands where a secret stood.
const redacted = "***"

// minSecretPrefix is how much of a secret's beginning counts as the secret: a
// server may quote a token cut short.
const minSecretPrefix = 8

// redactor takes secrets, as they stand and as they travel, out of a text that a
// server wrote: some quote the credential that they refuse. It is a function, so
// that printing what holds it shows nothing.
func redactor(secrets ...string) func(string) string {
	var known []string
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		known = append(known, secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)))
		if escaped := url.QueryEscape(secret); escaped != secret {
			known = append(known, escaped)
		}
	}
	return func(text string) string {
		for _, secret := range known {
			text = redactPrefix(text, secret)
		}
		return text
	}
}

// redactPrefix replaces every run of text that is a beginning of secret, of
// minSecretPrefix characters or more.
func redactPrefix(text, secret string) string {
	prefix := secret[:min(minSecretPrefix, len(secret))]
	var out strings.Builder
	for {
		at := strings.Index(text, prefix)
		if at < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:at])
		out.WriteString(redacted)
		text = text[at:]
		same := 0
		for same < min(len(text), len(secret)) && text[same] == secret[same] {
			same++
		}
		text = text[same:]
	}
}
