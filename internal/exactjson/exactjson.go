// Package exactjson reads JSON as it is written. [encoding/json] takes a name in
// any case, even "tſr" for Tsr, lets the last of two values for one name win,
// and makes U+FFFD of bytes that are no UTF-8: what a person reads is then not
// what is carried out. Everything that comes from outside and asks for something
// is read here: lines of a batch, corrections, bodies of requests, payloads as they
// are stored.
package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Unmarshal reads text into v, a pointer, as [json.Unmarshal] does. It refuses,
// at every depth, a name that is there twice, and in an object that becomes a
// struct a name that is not exactly that of a field. Integers are decimal digits
// with "-" before them where negative ones are allowed: 1e1, 1.0 and -0 are
// refused. Text is UTF-8 throughout, escaped halves of a surrogate pair included.
// What becomes a struct is never null, the whole text neither; what else is null stays
// as it is.
//
// Errors are an [*Error], which quotes no value. After one, v holds anything.
func Unmarshal(text []byte, v any) error {
	if !utf8.Valid(text) {
		return &Error{Problem: NotUTF8}
	}
	decoded := json.Unmarshal(text, v)
	var syntax *json.SyntaxError
	if errors.As(decoded, &syntax) {
		return notJSON(text, syntax.Offset)
	}
	w := walk{text: text}
	if err := w.value(reflect.TypeOf(v).Elem()); err != nil {
		return err
	}
	// The walk has found all but a number out of range, and what a type's own
	// UnmarshalJSON refuses, whose words may quote the value.
	var kind *json.UnmarshalTypeError
	switch {
	case decoded == nil:
		return nil
	case errors.As(decoded, &kind):
		return &Error{Field: kind.Field[strings.LastIndexByte(kind.Field, '.')+1:], Problem: WrongType, Want: describe(kind.Type)}
	default:
		return &Error{Problem: WrongType}
	}
}

// Object is the text of an object, to be read later. What is no object is
// refused, null included.
type Object []byte

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Object) UnmarshalJSON(text []byte) error {
	*o = append((*o)[:0], text...)
	return nil // the walk has seen to it
}

// MarshalJSON implements [json.Marshaler].
func (o Object) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("null"), nil
	}
	return o, nil
}

// notJSON describes where a text stops being one JSON value.
func notJSON(text []byte, offset int64) error {
	if skipSpace(text, 0) == len(text) {
		return &Error{Problem: NotJSON}
	}
	if json.NewDecoder(bytes.NewReader(text)).Decode(new(json.RawMessage)) == nil {
		return &Error{Problem: Trailing, Offset: offset}
	}
	return &Error{Problem: NotJSON, Offset: offset, Field: lastName(text[:min(int(offset), len(text))])}
}

// lastName is the last name in the beginning of an object, empty if there is none.
// It finds the way to a mistake that no parser gets past.
func lastName(text []byte) (name string) {
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		end := stringEnd(text, i)
		if end < 0 {
			return name
		}
		rest, before := skipSpace(text, end), bytes.TrimRight(text[:i], " \t\r\n")
		begins := len(before) > 0 && (before[len(before)-1] == '{' || before[len(before)-1] == ',')
		if begins && rest < len(text) && text[rest] == ':' {
			name = Name(unquote(text[i:end]))
		}
		i = end - 1
	}
	return name
}

// stringEnd is the position after a string that begins at i, -1 if it does not end.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

func unquote(quoted []byte) string {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}
