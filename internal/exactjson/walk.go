package exactjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// What a value must be.
const (
	anObject  = "an object"
	aList     = "a list"
	aString   = "text in double quotes"
	aBool     = "true or false"
	aNumber   = "a number"
	anInteger = "a whole number in decimal digits"
	aCount    = "a whole number in decimal digits, not negative"
)

// describe says what becomes a value of the type; empty when anything may.
func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return anObject
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return aString // base64
		}
		return aList
	case reflect.Array:
		return aList
	case reflect.String:
		return aString
	case reflect.Bool:
		return aBool
	case reflect.Float32, reflect.Float64:
		return aNumber
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return anInteger
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return aCount
	default:
		return ""
	}
}

// walk goes through a text that is valid JSON, beside the type that it was decoded
// into.
type walk struct {
	text []byte
	at   int
	path []step // to where it is
}

// step is a member of an object, by its name, or of a list, by its number.
type step struct {
	name []byte // nil in a list
	i    int
}

// peek skips space and returns the byte that follows, of which there is one.
func (w *walk) peek() byte {
	w.at = skipSpace(w.text, w.at)
	return w.text[w.at]
}

func (w *walk) fail(e *Error) error {
	e.Field = w.field()
	return e
}

func (w *walk) field() string {
	var b strings.Builder
	for _, s := range w.path {
		if s.name == nil {
			b.WriteString("[" + strconv.Itoa(s.i) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if len(s.name) == 0 {
			b.WriteString(`""`)
		}
		b.WriteString(Name(string(s.name)))
		if b.Len() > maxPath {
			return b.String() + "…"
		}
	}
	return b.String()
}

// maxPath is where the names around a field are broken off.
const maxPath = 200

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	object          = reflect.TypeFor[Object]()
	number          = reflect.TypeFor[json.Number]()
)

// value passes over one value. t is nil for a value of which only the names are
// looked at. null may stand for anything but an object that is wanted.
func (w *walk) value(t reflect.Type) error {
	mayBeNull := false
	for t != nil && t.Kind() == reflect.Pointer {
		mayBeNull, t = true, t.Elem()
	}
	want := ""
	switch {
	case t == object:
		want, t, mayBeNull = anObject, nil, false
	case t == nil || t == number || t.Kind() == reflect.Interface ||
		reflect.PointerTo(t).Implements(unmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler):
		t = nil
	default:
		want = describe(t)
	}
	first := w.peek()
	got, ok := kindOf(first), true
	switch {
	case first == 'n':
		ok = want != anObject || mayBeNull || t != nil && t.Kind() == reflect.Map
	case want == anInteger || want == aCount:
		ok = got == aNumber && w.decimal(want == aCount)
	case want != "":
		ok = got == want
	}
	if !ok {
		return w.fail(&Error{Problem: WrongType, Want: want, EmptyList: want == anObject && w.emptyList()})
	}
	switch got {
	case anObject:
		return w.object(t)
	case aList:
		return w.list(t)
	case aString:
		_, err := w.string()
		return err
	default:
		w.at = wordEnd(w.text, w.at)
		return nil
	}
}

func kindOf(first byte) string {
	switch first {
	case '{':
		return anObject
	case '[':
		return aList
	case '"':
		return aString
	case 't', 'f':
		return aBool
	case 'n':
		return ""
	default:
		return aNumber
	}
}

// wordEnd is the position after a number, true, false or null.
func wordEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return i
}

// decimal reports whether the number here is written as an integer is.
func (w *walk) decimal(count bool) bool {
	digits, negative := bytes.CutPrefix(w.text[w.at:wordEnd(w.text, w.at)], []byte("-"))
	return !bytes.ContainsAny(digits, ".eE") && !(negative && (count || string(digits) == "0"))
}

func (w *walk) emptyList() bool {
	if w.text[w.at] != '[' {
		return false
	}
	next := skipSpace(w.text, w.at+1)
	return w.text[next] == ']'
}

// string passes over a string and returns it with its quotes.
func (w *walk) string() ([]byte, error) {
	end := stringEnd(w.text, w.at)
	quoted := w.text[w.at:end]
	w.at = end
	if halfPair(quoted) {
		return nil, w.fail(&Error{Problem: NotUTF8})
	}
	return quoted, nil
}

// halfPair reports whether a string escapes half of a surrogate pair, of which
// encoding/json makes U+FFFD.
func halfPair(quoted []byte) bool {
	for i := bytes.IndexByte(quoted, '\\'); i >= 0 && i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++
		if quoted[i] != 'u' {
			continue
		}
		switch unit(quoted[i:]) & 0xfc00 {
		case 0xdc00:
			return true
		case 0xd800:
			if low := quoted[i+5:]; len(low) < 6 || low[0] != '\\' || low[1] != 'u' || unit(low[1:])&0xfc00 != 0xdc00 {
				return true
			}
			i += 6
		}
		i += 4
	}
	return false
}

// unit is the number of an escape that begins with u.
func unit(escape []byte) uint64 {
	n, _ := strconv.ParseUint(string(escape[1:5]), 16, 32)
	return n
}

func (w *walk) list(t reflect.Type) error {
	if t != nil {
		t = t.Elem()
	}
	w.at++
	for i := 0; w.peek() != ']'; i++ {
		if w.text[w.at] == ',' {
			w.at++
		}
		w.path = append(w.path, step{i: i})
		if err := w.value(t); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.at++
	return nil
}

func (w *walk) object(t reflect.Type) error {
	var known map[string]reflect.Type
	var member reflect.Type
	switch {
	case t == nil:
	case t.Kind() == reflect.Map:
		member = t.Elem()
	default:
		known = fieldsOf(t)
	}
	var seen names
	w.at++
	for w.peek() != '}' {
		if w.text[w.at] == ',' {
			w.at++
			w.peek()
		}
		quoted, err := w.string()
		if err != nil {
			return err
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(quoted))
		}
		w.path = append(w.path, step{name: name})
		if known != nil {
			var ok bool
			if member, ok = known[string(name)]; !ok {
				return w.unknown(string(name), known)
			}
		}
		if !seen.add(name) {
			return w.fail(&Error{Problem: Twice})
		}
		w.peek() // the colon
		w.at++
		if err := w.value(member); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.at++
	return nil
}

// names are those of one object so far. Of a few, looking at each is quicker than a
// map.
type names struct {
	few  [8][]byte
	n    int
	many map[string]bool
}

// add reports whether the name is new.
func (s *names) add(name []byte) bool {
	for _, have := range s.few[:s.n] {
		if bytes.Equal(have, name) {
			return false
		}
	}
	switch {
	case s.n < len(s.few):
		s.few[s.n] = name
		s.n++
		return true
	case s.many[string(name)]:
		return false
	case s.many == nil:
		s.many = map[string]bool{}
	}
	s.many[string(name)] = true
	return true
}

func (w *walk) unknown(name string, known map[string]reflect.Type) error {
	e := &Error{Problem: UnknownField}
	for field := range known {
		if strings.EqualFold(field, name) {
			e.Meant = field
		}
	}
	return w.fail(e)
}

var fieldCache sync.Map // of reflect.Type: map[string]reflect.Type

// fieldsOf returns the names by which encoding/json knows the fields of a struct.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := fieldCache.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	known := map[string]reflect.Type{}
	var embedded []reflect.Type
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _ := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			embedded = append(embedded, inner)
		case !f.IsExported():
		case name == "":
			known[f.Name] = f.Type
		default:
			known[name] = f.Type
		}
	}
	for _, inner := range embedded {
		for name, field := range fieldsOf(inner) {
			if _, nearer := known[name]; !nearer {
				known[name] = field
			}
		}
	}
	fieldCache.Store(t, known)
	return known
}
