package ecpay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Code is a RtnCode or TransCode. ECPay documents an integer; answers also
// carry it as a string, "1", and B2B queries do so as a rule.
type Code int64

// UnmarshalJSON accepts an integer, a string that holds one, and null or "" as 0.
func (c *Code) UnmarshalJSON(b []byte) error {
	s := strings.TrimSpace(strings.Trim(string(b), `"`))
	if s == "" || s == "null" {
		*c = 0
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("a code that is no integer")
	}
	*c = Code(n)
	return nil
}

// Text is a string that ECPay may also send as a number or null. The word
// "null" inside a string, which ECPay uses for dates that are not there, is
// empty as well.
type Text string

// UnmarshalJSON accepts a string, a number, a boolean or null.
func (t *Text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s == "null" {
			s = ""
		}
		*t = Text(s)
	case b[0] == '{' || b[0] == '[':
		return fmt.Errorf("an object or array where text was expected")
	default:
		*t = Text(b)
	}
	return nil
}

// Nested is a RtnData: documented as String, it is seen as an object, as a
// string that holds JSON, as "" and as null. Present tells whether there was
// an object in any form.
type Nested[T any] struct {
	Present bool
	Value   T
}

// UnmarshalJSON accepts every form that ECPay is known to send.
func (n *Nested[T]) UnmarshalJSON(b []byte) error {
	*n = Nested[T]{}
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		b = bytes.TrimSpace([]byte(s))
	}
	if len(b) == 0 || bytes.Equal(b, []byte("null")) {
		return nil
	}
	n.Present = true
	return json.Unmarshal(b, &n.Value)
}

// MarshalJSON writes the object, or null where there was none.
func (n Nested[T]) MarshalJSON() ([]byte, error) {
	if !n.Present {
		return []byte("null"), nil
	}
	return json.Marshal(n.Value)
}
