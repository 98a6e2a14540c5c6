package tasks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/internal/exactjson"
)

// ID returns the id of the task that carries p: its type, the MerchantID and
// the subject, joined by dots, like "b2c.trigger_issue.2000132.201909170001".
// Different intents never have equal ids, and an id may stand in a URL path as
// it is: letters, digits, "-" and "_" stay, any other byte is "~" and two
// hexadecimal digits.
func ID(p Payload) string {
	var b strings.Builder
	b.Grow(64) // of most ids, so that they are made in one piece
	t := index().byPayload[reflect.TypeOf(p)]
	b.WriteString(t.idPrefix)
	b.WriteByte('.')
	escape(&b, p.Request().Merchant())
	for i, s := range p.subject() {
		b.WriteByte('.')
		if i < len(t.subjectIs) { // what comes after them is ours
			s = t.folded(s)
		}
		escape(&b, s)
	}
	return b.String()
}

// ParseID returns the type and the MerchantID of an id.
func ParseID(id string) (t Type, merchantID string, err error) {
	category, rest, _ := strings.Cut(id, ".")
	operation, rest, _ := strings.Cut(rest, ".")
	merchantID, _, ok := strings.Cut(rest, ".")
	if !ok {
		return Type{}, "", fmt.Errorf("%q is no task id, which looks like b2c.trigger_issue.2000132.201909170001", exactjson.Name(id))
	}
	prefix := id[:len(category)+1+len(operation)]
	if t, ok = found(index().byPrefix[prefix]); !ok {
		return Type{}, "", fmt.Errorf("%w %q in the id", ErrUnknownType, exactjson.Name(category+":"+operation))
	}
	if merchantID, ok = unescape(merchantID); !ok || merchantID == "" {
		return Type{}, "", fmt.Errorf("no MerchantID in the id %q", exactjson.Name(id))
	}
	return t, merchantID, nil
}

// Lock returns what tasks that exclude each other have in common: the category, the
// MerchantID and the first [Type.LockedBy] fields of the subject, whatever is to be done
// to it. So a trigger and a cancel of one Tsr never run at once. An id of no task of ours
// is a lock of its own.
func Lock(id string) string {
	t, _, err := ParseID(id)
	if err != nil {
		return id
	}
	return t.LockOf(id)
}

// LockOf is [Lock] for an id of the type.
func (t Type) LockOf(id string) string {
	parts := strings.Split(strings.TrimPrefix(id, t.idPrefix+"."), ".")
	if n := 1 + t.LockedBy; t.LockedBy > 0 && n < len(parts) {
		parts = parts[:n]
	}
	return strings.ToLower(string(t.Operation.Category)) + "." + strings.Join(parts, ".")
}

// UndoneByOf returns the id of the task that undoes what the task of an id of the type does,
// empty for none: a cancel of a delayed invoice undoes its trigger.
func (t Type) UndoneByOf(id string) string {
	if t.UndoneBy == "" {
		return ""
	}
	return index().byName[t.UndoneBy].idPrefix + strings.TrimPrefix(id, t.idPrefix)
}

// SubjectOf returns the subject that an id of the type names, by the names of its fields; nil for
// an id that it does not fit.
func (t Type) SubjectOf(id string) map[string]string {
	parts := strings.Split(strings.TrimPrefix(id, t.idPrefix+"."), ".")
	if len(parts) < 1+len(t.subjectIs) { // an id may have more, see tasks/b2b_get_allowance_confirm.go
		return nil
	}
	subject := make(map[string]string, len(t.subjectIs))
	for i, name := range t.subjectIs {
		value, ok := unescape(parts[1+i])
		if !ok {
			return nil
		}
		subject[name] = value
	}
	return subject
}

// IDOf returns the id that every task of the type has for a merchant and a subject, and whether
// there is only one: the subject has all that makes it, and none that waits has an id of its own.
func (t Type) IDOf(merchantID string, subject map[string]string) (id string, ok bool) {
	if _, waits := t.newPayload().(waiter); waits {
		return "", false
	}
	var b strings.Builder
	b.WriteString(t.idPrefix)
	b.WriteByte('.')
	escape(&b, merchantID)
	for _, name := range t.subjectIs {
		value, ok := subject[name]
		if !ok {
			return "", false
		}
		b.WriteByte('.')
		escape(&b, t.folded(value))
	}
	return b.String(), len(t.subjectIs) > 0
}

// SubjectNames are the names of the fields of the subject, in the order in which an id has them.
func (t Type) SubjectNames() []string { return slices.Clone(t.subjectIs) }

// folded is a field of a subject as ids have it.
func (t Type) folded(s string) string {
	if t.AnyCase {
		return strings.ToUpper(s)
	}
	return s
}

// subjectNames asks a payload in which the name of each field is its value.
func subjectNames(p Payload) []string {
	nameStrings(reflect.ValueOf(p).Elem())
	return p.subject()
}

// nameStrings gives every field of text its name as its value, those of nested structs and of one line of
// each list among them.
func nameStrings(v reflect.Value) {
	for f, field := range v.Fields() {
		switch {
		case field.Kind() == reflect.String:
			field.SetString(f.Name)
		case field.Kind() == reflect.Struct:
			nameStrings(field)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			nameStrings(field.Index(0))
		}
	}
}

const upperHex = "0123456789ABCDEF"

func plain(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

func escape(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('~')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
}

func unescape(s string) (string, bool) {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 || !plain(byte(r)) }) < 0 {
		return s, true // nearly always
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case plain(s[i]):
			b.WriteByte(s[i])
		case s[i] == '~' && i+2 < len(s):
			hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), true
}
