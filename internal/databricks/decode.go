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

// decode reads one JSON object into one of the SDK's types, as the SDK would:
// unknown fields and enum values are tolerated, numbers may be quoted, int64
// keeps every digit, and ForceSendFields tells which plain fields were there. A
// value of a wrong type is an error, and never a panic.
//
// The SDK's own UnmarshalJSON does all that, too, but reads a value again at
// each level above it and looks its type up at each key: a page of a hundred
// clusters takes it 100 ms (BenchmarkDecodePage).
func decode(body []byte, result any) error {
	tree, err := decodeTree(body)
	if err != nil {
		return err
	}
	return fill(reflect.ValueOf(result).Elem(), tree)
}

// decodeTree reads one JSON object and keeps numbers as they were written.
func decodeTree(body []byte) (map[string]any, error) {
	if len(body) == 0 {
		return nil, errors.New("it is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it goes on after its end")
	}
	if tree == nil {
		return nil, errors.New("it is null")
	}
	return tree, nil
}

// fill puts a decoded JSON value where its type allows. null changes nothing.
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
			// The key is the server's text, not ours: it is not repeated.
			return fmt.Errorf("an entry: %w", err)
		}
		entries.SetMapIndex(reflect.ValueOf(key).Convert(target.Type().Key()), entry)
	}
	target.Set(entries)
	return nil
}

// fillScalar takes numbers for texts and texts for numbers, as the API's
// services differ in it.
func fillScalar(target reflect.Value, value any) error {
	if truth, ok := value.(bool); ok && target.Kind() == reflect.Bool {
		target.SetBool(truth)
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

// wrongType names types alone: the value may be anything.
func wrongType(target reflect.Value, value any) error {
	return fmt.Errorf("is a %T where a %s was due", value, target.Kind())
}

// layout is what decoding needs to know of a struct.
type layout struct {
	fields []field
	// present is the index of ForceSendFields; -1 where there is none.
	present int
}

type field struct {
	key, name string
	index     int
	// plain fields are those that ForceSendFields names.
	plain bool
}

var layouts sync.Map // of layout, by reflect.Type

func layoutOf(of reflect.Type) layout {
	if known, found := layouts.Load(of); found {
		return known.(layout) //nolint:forcetypeassert // only layouts are stored
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
