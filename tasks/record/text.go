package record

import (
	"strings"
	"unicode"
)

// Text is what people are told, in English and in Traditional Chinese as it is
// written in Taiwan. Nothing decides by it.
type Text struct{ En, Zh string }

// Plain is a text that is the same for all: what a program or ECPay said.
func Plain(s string) Text { return Text{s, s} }

// IsZero reports whether there is nothing to tell.
func (t Text) IsZero() bool { return t == Text{} }

// And adds another sentence.
func (t Text) And(more Text) Text { return t.join(more, "; ", "；") }

// About adds what it is about.
func (t Text) About(what Text) Text { return t.join(what, ": ", "：") }

func (t Text) join(more Text, en, zh string) Text {
	if t.IsZero() || more.IsZero() {
		return Text{t.En + more.En, t.Zh + more.Zh}
	}
	return Text{t.En + en + more.En, t.Zh + zh + more.Zh}
}

// Both is one line with both languages, for where nobody knows who reads it.
func (t Text) Both() string {
	if t.En == t.Zh || t.Zh == "" {
		return t.En
	}
	return t.En + " / " + t.Zh
}

// Clip shortens s to n bytes, not inside a character.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// readText reads a text that is stored in two fields, or by an older worker in one: "English / 中文",
// perhaps several of them with "; " or ": " between. During a rolling deploy an older
// worker leaves its one field beside a second one that belongs to another text.
func readText(en, zh string, two bool) Text {
	if t, ok := splitText(en); ok {
		return t
	}
	if !two || en == "" {
		zh = en
	}
	return Text{en, zh}
}

// splitText takes a text of one field apart, and reports false when it is none.
func splitText(s string) (t Text, ok bool) {
	parts := strings.Split(s, " / ")
	if len(parts) < 2 {
		return Text{}, false
	}
	next := parts[0]
	for i, part := range parts[1:] {
		zh, rest := part, ""
		if at := afterHan(part); at >= 0 {
			zh, rest = part[:at], part[at:]
		}
		last := i == len(parts)-2
		if hasHan(next) || !hasHan(zh) || rest == "" && !last {
			return Text{}, false
		}
		t = t.join(Text{next, zh}, "", "")
		if last {
			return t.join(Plain(rest), "", ""), true
		}
		t, next = t.join(Text{rest[:2], map[string]string{"; ": "；", ": ": "："}[rest[:2]]}, "", ""), rest[2:]
	}
	return Text{}, false
}

// afterHan is where the last "; " or ": " after the last Chinese character of s is, -1
// without one.
func afterHan(s string) int {
	last := strings.LastIndexFunc(s, isHan)
	if last < 0 {
		return -1
	}
	semicolon, colon := strings.Index(s[last:], "; "), strings.Index(s[last:], ": ")
	switch {
	case semicolon < 0 && colon < 0:
		return -1
	case semicolon < 0 || colon >= 0 && colon < semicolon:
		return last + colon
	default:
		return last + semicolon
	}
}

func hasHan(s string) bool { return strings.ContainsFunc(s, isHan) }

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }
