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
	// maxMessageBytes limits every text of a server, after cleaning.
	maxMessageBytes = 1 << 10
	maxCodeBytes    = 64
	// maxCleanBytes limits every text of a server, before cleaning.
	maxCleanBytes = 16 << 10
)

// PlainText returns a text of a workspace as one printable line of at most 1 KiB. Every
// such text must be cleaned before it is shown; errors of this package are clean.
func PlainText(text string) string { return shorten(singleLine(text), maxMessageBytes) }

// singleLine returns a text as one line of valid UTF-8, without control and formatting
// characters.
func singleLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, truncate(text, maxCleanBytes))
	return strings.Join(strings.Fields(text), " ")
}

// shorten returns at most limit bytes of a text, with an ellipsis if it is shortened.
func shorten(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	return truncate(text, limit-len(ellipsis)) + ellipsis
}

// truncate returns at most limit bytes of a text, without a partial rune.
func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// redacted replaces a secret.
const redacted = "***"

// minSecretPrefix is the length, in bytes, from which a prefix of a secret is redacted,
// because a server may quote a truncated token.
const minSecretPrefix = 8

// redactor returns a function that removes secrets from a text of a server, which may
// quote the credential that it refuses. It also removes their encoded forms. The
// result is a function, so that printing a struct with it does not show the secrets.
func redactor(secrets ...string) func(string) string {
	var forms []string
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		forms = append(forms, secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)))
		if escaped := url.QueryEscape(secret); escaped != secret {
			forms = append(forms, escaped)
		}
	}
	return func(text string) string {
		for _, form := range forms {
			text = redactPrefix(text, form)
		}
		return text
	}
}

// redactPrefix redacts every prefix of secret in a text that has minSecretPrefix bytes
// or more.
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
