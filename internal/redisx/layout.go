package redisx

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// layout is how the fields of a struct are sent to a script, or read from its answer, one
// after the other.
type layout struct {
	of     reflect.Type
	fields []field
}

type field struct {
	name  string
	index []int
	// absent is the index of the embedded pointer that the field is behind, nil for none.
	absent []int
	unit   time.Duration // of times and durations
	none   string        // its value in an answer that does not name it
}

var layouts sync.Map // *layout by reflect.Type

func layoutOf[T any]() *layout {
	t := reflect.TypeFor[T]()
	if l, ok := layouts.Load(t); ok {
		return l.(*layout)
	}
	l := &layout{of: t}
	l.add(t, nil, nil)
	kept, _ := layouts.LoadOrStore(t, l)
	return kept.(*layout)
}

// answerLayout is that of an answer, without fields where it is no list.
func answerLayout[R any]() *layout {
	t := reflect.TypeFor[R]()
	if t.Kind() != reflect.Struct {
		return &layout{of: t}
	}
	return layoutOf[R]()
}

func (l *layout) add(t reflect.Type, index, absent []int) {
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("redisx: %s is no struct", t))
	}
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Pointer:
			l.add(f.Type.Elem(), at, at)
			continue
		case f.Anonymous:
			l.add(f.Type, at, absent)
			continue
		}
		unit, ok := map[string]time.Duration{"ms": time.Millisecond, "us": time.Microsecond}[f.Tag.Get("unit")]
		if timed := f.Type == reflect.TypeFor[time.Time]() || f.Type == reflect.TypeFor[time.Duration](); timed != ok {
			panic(fmt.Sprintf("redisx: %s.%s: times and durations have a unit, others none", t, f.Name))
		}
		none := f.Tag.Get("none")
		if none == "" {
			none = "0"
		}
		l.fields = append(l.fields, field{snake(f.Name), at, absent, unit, none})
	}
}

// snake writes a Go name as Lua does: LockFor is lock_for, and HTTPStatus http_status.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (l *layout) names() []string {
	all := make([]string, len(l.fields))
	for i, f := range l.fields {
		all[i] = f.name
	}
	return all
}

func (l *layout) has(name string) bool { return slices.Contains(l.names(), name) }

// position counts from 1, as Lua does.
func (l *layout) position(name string) int {
	if i := slices.Index(l.names(), name); i >= 0 {
		return i + 1
	}
	panic(fmt.Sprintf("redisx: %s has no field for %s", l.of, name))
}

// strings are the fields of a struct of keys, without empty ones at the end, or with all of a
// list that is the last field.
func (l *layout) strings(of any) []string {
	v := reflect.ValueOf(of)
	all := make([]string, 0, len(l.fields)+4) // with room for those of another script
	last := 0
	for _, f := range l.fields {
		if list, ok := v.FieldByIndex(f.index).Interface().([]string); ok {
			return append(all, list...)
		}
		all = append(all, v.FieldByIndex(f.index).String())
		if all[len(all)-1] != "" {
			last = len(all)
		}
	}
	return all[:last]
}

// values are the fields of a struct of arguments.
func (l *layout) values(of any) []any {
	v := reflect.ValueOf(of)
	all := make([]any, 0, len(l.fields)+8)
	for _, f := range l.fields {
		if f.absent != nil && v.FieldByIndex(f.absent).IsNil() {
			return all
		}
		field := v.FieldByIndex(f.index)
		switch x := field.Interface().(type) {
		case time.Duration:
			all = append(all, int64(x/f.unit))
			continue
		case time.Time:
			all = append(all, since1970(x, f.unit))
			continue
		case []any:
			return append(all, x...)
		case []byte:
			all = append(all, x)
			continue
		}
		switch { // also of named types, which go-redis does not take
		case field.CanInt():
			all = append(all, field.Int())
		case field.CanUint():
			all = append(all, field.Uint())
		case field.Kind() == reflect.Bool:
			all = append(all, flag(field.Bool()))
		default:
			all = append(all, field.String())
		}
	}
	return all
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func since1970(t time.Time, unit time.Duration) int64 {
	switch {
	case t.IsZero():
		return 0
	case unit == time.Microsecond:
		return t.UnixMicro()
	default:
		return t.UnixMilli()
	}
}

// fill reads a list into a struct.
func (l *layout) fill(into any, list []any) error {
	if len(list) != len(l.fields) {
		return fmt.Errorf("%d values in the answer, want %d", len(list), len(l.fields))
	}
	v := reflect.ValueOf(into).Elem()
	for i, f := range l.fields {
		to := v.FieldByIndex(f.index)
		if to.Kind() == reflect.String {
			to.SetString(fmt.Sprint(list[i]))
			continue
		}
		n, ok := list[i].(int64)
		if s, isText := list[i].(string); isText {
			var err error
			n, err = strconv.ParseInt(s, 10, 64)
			ok = err == nil
		}
		switch {
		case !ok:
			return fmt.Errorf("%v for %s in the answer", list[i], f.name)
		case to.Kind() == reflect.Bool:
			to.SetBool(n != 0)
		case f.unit > 0:
			to.SetInt(n * int64(f.unit))
		case to.CanUint():
			to.SetUint(uint64(n))
		default:
			to.SetInt(n)
		}
	}
	return nil
}
