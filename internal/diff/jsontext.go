package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// parseJSON returns the value of a JSON text, with numbers as json.Number. It reports false
// if the text is no JSON.
func parseJSON(text string) (value any, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return value, errors.Is(err, io.EOF)
}

// canonicalJSON returns the same text for equal JSON texts, but not for two forms of one
// number. A text that is no JSON stays as it is.
func canonicalJSON(text string) string {
	value, ok := parseJSON(text)
	if !ok {
		return text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return text
	}
	return strings.TrimSpace(out.String())
}

// sameJSON reports whether two JSON texts have the same value. Texts that are no JSON are
// compared as text.
func sameJSON(want, have any) bool {
	a, aIsText := want.(string)
	b, bIsText := have.(string)
	if !aIsText || !bIsText {
		return false
	}
	if a == b {
		return true
	}
	x, xIsJSON := parseJSON(a)
	y, yIsJSON := parseJSON(b)
	return xIsJSON && yIsJSON && equalJSON(x, y)
}

// equalJSON reports whether two values of JSON are equal. Nothing may be added or omitted.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		members, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, members, equalJSON)
	case []any:
		items, ok := b.([]any)
		return ok && slices.EqualFunc(a, items, equalJSON)
	case json.Number:
		number, ok := b.(json.Number)
		return ok && sameNumber(a, number)
	default:
		return a == b
	}
}

// sameNumber compares integers exactly, and other numbers as float64.
func sameNumber(a, b json.Number) bool {
	x, errX := a.Int64()
	y, errY := b.Int64()
	if errX == nil && errY == nil {
		return x == y
	}
	return sameValue(a, b)
}
