package diff

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
)

// Equal reports whether two values of the field are equal by the kind of the field. A
// value of a member is compared as a part of it. An alias is equal to the declared value,
// and members that a server added, or omitted because they are empty, are no difference.
func (f Field) Equal(want, have any) bool {
	switch f.Kind {
	case Set:
		return sameMembers(f.readable(want), f.readable(have))
	case Sequence:
		return Includes(f.readable(want), f.readable(have))
	case JSON:
		return sameJSON(want, have)
	default:
		name, _ := want.(string)
		other, _ := have.(string)
		return Includes(want, have) || slices.Contains(f.Aliases[name], other)
	}
}

// readable returns a list without the write-only values of its items.
func (f Field) readable(list any) any {
	if len(f.WriteOnly) == 0 {
		return list
	}
	list = runtime.DeepCopyJSONValue(list)
	for _, member := range f.WriteOnly {
		remove(list, strings.Split(member, "/"))
	}
	return list
}

// Includes reports whether a value has everything that was declared. Members that a
// server added, or omitted because they are empty, are no difference.
func Includes(want, have any) bool {
	switch want := want.(type) {
	case map[string]any:
		members, ok := have.(map[string]any)
		for key, value := range want {
			item, present := members[key]
			ok = ok && (Includes(value, item) || (!present && IsEmpty(value)))
		}
		return ok
	case []any:
		items, ok := have.([]any)
		return ok && slices.EqualFunc(want, items, Includes)
	default:
		return sameValue(want, have)
	}
}

// sameMembers reports whether two lists have the same items in any order. A value that is
// no list has no items.
func sameMembers(want, have any) bool {
	wanted, _ := want.([]any)
	items, _ := have.([]any)
	if len(wanted) != len(items) {
		return false
	}
	// assigned are the positions of the wanted items by the position of the item that
	// includes them.
	assigned := make(map[int]int, len(items))
	for i := range wanted {
		if !assign(i, wanted, items, assigned, map[int]bool{}) {
			return false
		}
	}
	return true
}

// assign assigns an item that includes the wanted one, and gives another item to the
// wanted one that had it before. The items in tried are not tried again.
func assign(i int, wanted, items []any, assigned map[int]int, tried map[int]bool) bool {
	for j, item := range items {
		if tried[j] || !Includes(wanted[i], item) {
			continue
		}
		tried[j] = true
		if before, taken := assigned[j]; !taken || assign(before, wanted, items, assigned, tried) {
			assigned[j] = i
			return true
		}
	}
	return false
}

// isMasked reports whether a value is a mask that stands for a secret, such as ***,
// •••• or [REDACTED].
func isMasked(value any) bool {
	text, ok := value.(string)
	if !ok {
		return false
	}
	lower := strings.ToLower(text)
	first, _ := utf8.DecodeRuneInString(text)
	oneRune := strings.Trim(text, string(first)) == ""
	return oneRune || strings.Contains(text, "**") || strings.Contains(lower, "redacted") || strings.Contains(lower, "hidden")
}

// IsEmpty reports whether a value is 0, false or without members. The API omits such
// values from its responses.
func IsEmpty(value any) bool {
	switch value := value.(type) {
	case float64:
		return value == 0
	case json.Number:
		number, err := value.Float64()
		return err == nil && number == 0
	case bool:
		return !value
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	default:
		return false
	}
}

// sameValue reports whether a value is equal to a scalar, numbers by their value.
func sameValue(scalar, have any) bool {
	if scalar == have {
		return true
	}
	a, aIsNumber := numberOf(scalar)
	b, bIsNumber := numberOf(have)
	return aIsNumber && bIsNumber && a == b
}

func numberOf(value any) (float64, bool) {
	switch value := value.(type) {
	case float64:
		return value, true
	case int64:
		return float64(value), true
	case json.Number:
		number, err := value.Float64()
		return number, err == nil
	default:
		return 0, false
	}
}
