package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// shown reports whether the value of a field is a number of an invoice or an order, a
// date or a code, by the tables of the task types. All others, known or not, may hold
// what a person wrote or who a buyer is. A result has such fields of its own.
func shown(name string) bool {
	return tasks.FieldShown(name) || name == "RtnCode" || name == "TransCode" || name == "Upload_Status"
}

// maxShown bounds a value that is shown, in bytes; ECPay's longest number has 50.
const maxShown = 64

// fieldName is how programs name fields; anything else may be a text.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// mask shows a payload or result in one line: the names of its fields, and the
// values of [shown] only.
func mask(_ string, payload []byte) string {
	if key, sealed := seal.KeyOf(payload); sealed {
		return "(sealed with the payload key " + key + ")"
	}
	names, fields, err := object(payload)
	if err != nil {
		return fmt.Sprintf("(%d bytes that are no JSON object)", len(payload))
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		if fieldName.MatchString(name) {
			out.Write(quoted(name))
		} else {
			out.Write(quoted("…"))
		}
		out.WriteByte(':')
		out.Write(maskValue(name, fields[name]))
	}
	out.WriteByte('}')
	return out.String()
}

// object takes a JSON object apart, names in their order.
func object(b []byte) (names []string, fields map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(b, &fields); err != nil || fields == nil {
		return nil, nil, fmt.Errorf("no JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	depth := 0
	for wantName := false; ; {
		t, err := dec.Token()
		if err != nil {
			return names, fields, nil // its end: it is valid
		}
		switch d, isDelim := t.(json.Delim); {
		case isDelim && (d == '{' || d == '['):
			depth++
			wantName = depth == 1
			continue
		case isDelim:
			depth--
			wantName = depth == 1
			continue
		case depth == 1 && wantName:
			if name, _ := t.(string); !slices.Contains(names, name) {
				names = append(names, name)
			}
			wantName = false
		case depth == 1:
			wantName = true
		}
	}
}

func quoted(s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be
	return bytes.TrimRight(out.Bytes(), "\n")
}

func maskValue(name string, v json.RawMessage) []byte {
	v = bytes.TrimSpace(v)
	scalar := len(v) > 0 && v[0] != '{' && v[0] != '['
	if scalar && len(v) <= maxShown && shown(name) {
		return v
	}
	var s string
	switch {
	case json.Unmarshal(v, &s) == nil && string(v) != "null":
		return quoted(fmt.Sprintf("(%d characters)", utf8.RuneCountInString(s)))
	default:
		return quoted("(not shown)")
	}
}
