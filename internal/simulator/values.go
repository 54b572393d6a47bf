package simulator

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Access to JSON values and copies of them.

func textOf(p params, field string) string { v, _ := p[field].(string); return v }

func integerOf(p params, field string) int64 { v, _ := p[field].(int64); return v }

func boolOf(p params, field string) bool { v, _ := p[field].(bool); return v }

// objectIn returns the object in a field of p, which it creates if necessary.
func objectIn(p params, field string) params {
	inner, ok := p[field].(params)
	if !ok {
		inner = params{}
		p[field] = inner
	}
	return inner
}

// setDefault sets a field unless it is present.
func setDefault(p params, field string, value any) {
	if _, present := p[field]; !present {
		p[field] = value
	}
}

func cloneParams(p params) params {
	if p == nil {
		return params{}
	}
	copied, _ := clone(p).(params)
	return copied
}

func clone(value any) any {
	switch v := value.(type) {
	case params:
		copied := make(params, len(v))
		for key, inner := range v {
			copied[key] = clone(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = clone(inner)
		}
		return copied
	default:
		return value
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// millis returns a time as milliseconds on the wire: 0 means never.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// rpcName returns "ClustersCreate" for "clusters/create", as messages of a 429
// spell it.
func rpcName(endpoint string) string {
	var name strings.Builder
	for _, word := range strings.FieldsFunc(endpoint, func(r rune) bool { return r == '/' || r == '-' }) {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}
