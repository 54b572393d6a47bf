package databricks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// decode decodes one JSON object into one of the SDK's types, with the SDK's rules: it
// tolerates unknown fields and enum values, accepts quoted numbers, keeps every digit of
// an int64, and lists the plain fields that were present in ForceSendFields. A value of
// a wrong type is an error and never causes a panic.
//
// The SDK's own UnmarshalJSON has the same result, but decodes a value again at each
// level above it and looks up its type for each key: it takes 100 ms for a page of a
// hundred clusters (BenchmarkDecodePage).
func decode(body []byte, result any) error {
	tree, err := decodeTree(body)
	if err != nil {
		return err
	}
	return fill(reflect.ValueOf(result).Elem(), tree)
}

// decodeTree decodes one JSON object and keeps number literals.
func decodeTree(body []byte) (map[string]any, error) {
	if len(body) == 0 {
		return nil, errors.New("it is empty")
	}
	if values, _ := countValues(body); values > maxValues {
		return nil, fmt.Errorf("it has more than %d values: %w", maxValues, errTooLarge)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has data after its end")
	}
	if tree == nil {
		return nil, errors.New("it is null")
	}
	return tree, nil
}

// maxValues limits the values in a response: decoded, a small one takes many times its
// size on the wire. A page of a hundred clusters has about ten thousand.
const maxValues = 200_000

// countValues returns the number of values in a JSON text, and how many of them are items
// of arrays that are members of the outermost object, such as the clusters of a page. It
// allocates nothing; an invalid text gives any result, which the decoder refuses.
func countValues(text []byte) (values, items int) {
	depth, inArray, quoted := 0, false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth == 2 {
				inArray = c == '['
			}
			values++
			if inArray && depth == 3 {
				items++
			}
		case c == '}', c == ']':
			depth--
		case c == ',':
			values++
		}
	}
	return values, items
}

// fill sets target to a decoded JSON value. null changes nothing.
func fill(target reflect.Value, value any) error {
	if value == nil {
		return nil
	}
	switch target.Kind() {
	case reflect.Pointer:
		pointee := reflect.New(target.Type().Elem())
		target.Set(pointee)
		return fill(pointee.Elem(), value)
	case reflect.Struct:
		return fillStruct(target, value)
	case reflect.Slice:
		return fillSlice(target, value)
	case reflect.Map:
		return fillMap(target, value)
	case reflect.Interface:
		target.Set(reflect.ValueOf(value))
		return nil
	default:
		return fillScalar(target, value)
	}
}

func fillStruct(target reflect.Value, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongType(target, value)
	}
	layout := layoutOf(target.Type())
	var present []string
	for _, field := range layout.fields {
		value, found := object[field.key]
		if !found {
			continue
		}
		if err := fill(target.Field(field.index), value); err != nil {
			return fmt.Errorf("%s: %w", field.key, err)
		}
		if field.plain {
			present = append(present, field.name)
		}
	}
	if layout.present >= 0 && present != nil {
		target.Field(layout.present).Set(reflect.ValueOf(present))
	}
	return nil
}

func fillSlice(target reflect.Value, value any) error {
	items, ok := value.([]any)
	if !ok {
		return wrongType(target, value)
	}
	slice := reflect.MakeSlice(target.Type(), len(items), len(items))
	for i, item := range items {
		if err := fill(slice.Index(i), item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	target.Set(slice)
	return nil
}

func fillMap(target reflect.Value, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongType(target, value)
	}
	entries := reflect.MakeMapWithSize(target.Type(), len(object))
	for key, value := range object {
		entry := reflect.New(target.Type().Elem()).Elem()
		if err := fill(entry, value); err != nil {
			// The error must not contain the key, which is a text of the server.
			return fmt.Errorf("an entry: %w", err)
		}
		entries.SetMapIndex(reflect.ValueOf(key).Convert(target.Type().Key()), entry)
	}
	target.Set(entries)
	return nil
}

// fillScalar accepts a number for a string and a string for a number, because the
// services of the API differ.
func fillScalar(target reflect.Value, value any) error {
	if boolean, ok := value.(bool); ok && target.Kind() == reflect.Bool {
		target.SetBool(boolean)
		return nil
	}
	var text string
	switch value := value.(type) {
	case string:
		text = value
	case json.Number:
		text = value.String()
	default:
		return wrongType(target, value)
	}
	switch {
	case target.Kind() == reflect.String:
		target.SetString(text)
		return nil
	case target.CanInt():
		number, err := strconv.ParseInt(text, 10, target.Type().Bits())
		if err != nil {
			return wrongType(target, value)
		}
		target.SetInt(number)
		return nil
	case target.CanFloat():
		number, err := strconv.ParseFloat(text, target.Type().Bits())
		if err != nil {
			return wrongType(target, value)
		}
		target.SetFloat(number)
		return nil
	default:
		return wrongType(target, value)
	}
}

// wrongType returns an error with the types only, because the value is a text of the
// server.
func wrongType(target reflect.Value, value any) error {
	return fmt.Errorf("is a %T instead of a %s", value, target.Kind())
}

// layout describes the fields of a struct.
type layout struct {
	fields []field
	// present is the index of ForceSendFields; -1 if there is none.
	present int
}

type field struct {
	key, name string
	index     int
	// plain is set for a field that ForceSendFields can list.
	plain bool
}

var layouts sync.Map // of layout, by reflect.Type

func layoutOf(of reflect.Type) layout {
	if cached, found := layouts.Load(of); found {
		return cached.(layout) //nolint:forcetypeassert // only layouts are stored
	}
	result := layout{present: -1}
	for i := range of.NumField() {
		member := of.Field(i)
		if member.Name == "ForceSendFields" {
			result.present = i
		}
		key, _, _ := strings.Cut(member.Tag.Get("json"), ",")
		if key == "" || key == "-" || !member.IsExported() {
			continue
		}
		result.fields = append(result.fields, field{key: key, name: member.Name, index: i, plain: isPlain(member.Type.Kind())})
	}
	layouts.Store(of, result)
	return result
}

func isPlain(kind reflect.Kind) bool {
	switch kind {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return true
	default:
		return false
	}
}
