// Package clean makes texts safe to show. What ECPay answers, what a shop sent and what
// is in Redis may have characters that drive a terminal, turn the direction of a line or
// are not to be seen. All that is shown goes through this package: what people read has
// a mark in their place, and JSON has them escaped, so that nothing of it is lost.
package clean

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// hidden reports whether a character is not to be seen, or changes how others are: the
// controls C0, DEL and C1, separators of lines, marks of direction, joiners and the
// like. Selectors of variants, which names have, are none of them.
func hidden(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// Text is a text on one line. Tabs and line breaks become spaces, and what is hidden or
// no UTF-8 the mark U+FFFD.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		return marked(r)
	}, s)
}

// Page is a text with its tabs and line breaks, like a page.
func Page(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return r
		}
		return marked(r)
	}, b)
}

func marked(r rune) rune {
	if hidden(r) {
		return utf8.RuneError
	}
	return r
}

// Value is a value of JSON as [encoding/json] decodes it, with every text in it as [Text]
// makes it.
func Value(v any) any {
	switch v := v.(type) {
	case string:
		return Text(v)
	case []any:
		for i := range v {
			v[i] = Value(v[i])
		}
	case map[string]any:
		for k, one := range v {
			delete(v, k)
			v[Text(k)] = Value(one)
		}
	}
	return v
}

// JSON escapes what is hidden in a JSON text. It says the same as before.
func JSON(b []byte) []byte {
	if !hasHidden(b) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case r < ' ' || !hidden(r): // a control there is the space between values
			out = append(out, b[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

func hasHidden(b []byte) bool {
	return !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r >= ' ' && hidden(r) })
}

// Shown is a JSON text for a program that shows what is in it, with every text as [Text]
// makes it, or what is no JSON as [Page] does.
func Shown(b []byte) []byte {
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return Page(b)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(Value(v)) != nil {
		return Page(b)
	}
	return out.Bytes()
}

// Writer returns a writer of JSON texts, each written at once, that go to w as [JSON]
// makes them.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ io.Writer }

func (w writer) Write(b []byte) (int, error) {
	if _, err := w.Writer.Write(JSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}
