package exactjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is what is wrong with a text.
type Problem int

// The problems.
const (
	// NotJSON is no JSON at all, from Offset on.
	NotJSON Problem = iota + 1
	// Trailing is something after the one value, at Offset.
	Trailing
	// NotUTF8 is text that is not UTF-8, or half of a surrogate pair.
	NotUTF8
	// UnknownField is a name that no field has.
	UnknownField
	// Twice is a name that is there more than once.
	Twice
	// WrongType is a value that is not Want.
	WrongType
)

// Error says what is wrong, and where. It holds names of the text, shortened,
// and no value.
type Error struct {
	Problem Problem
	// Field is the field that it is about, with those around it: "data.Tsr", "ids[2]".
	// It is empty for the whole text; after NotJSON it is the last name that could
	// be read.
	Field string
	// Offset is the byte, counted from 1, of NotJSON and Trailing; 0 where there is nothing.
	Offset int64
	// Want is what a WrongType should be, like "an object"; empty when a type of
	// its own refuses the value.
	Want string
	// Meant is the field that an UnknownField is but for the case of its letters.
	Meant string
	// EmptyList means that a WrongType is [], as PHP writes an empty array.
	EmptyList bool
}

// Error implements error.
func (e *Error) Error() string {
	where := "the value"
	if e.Field != "" {
		where = "field " + strconv.Quote(e.Field)
	}
	switch e.Problem {
	case Trailing:
		return fmt.Sprintf("more than one JSON value: something follows at byte %d", e.Offset)
	case NotUTF8:
		if e.Field == "" {
			return "not JSON: text that is not UTF-8"
		}
		return where + " is not UTF-8"
	case UnknownField:
		if e.Meant != "" {
			return fmt.Sprintf("unknown field %q: names are exact, it is %q", e.Field, e.Meant)
		}
		return fmt.Sprintf("unknown field %q", e.Field)
	case Twice:
		return where + " is there twice"
	case WrongType:
		text := where + " has the wrong JSON type"
		if e.Want != "" {
			text += ": it must be " + e.Want
		}
		if e.EmptyList {
			text += ", not a list; PHP writes an empty array as [], (object)[] as {}"
		}
		return text
	default:
		switch {
		case e.Offset == 0:
			return "not JSON: there is nothing"
		case e.Field != "":
			return fmt.Sprintf("not JSON at byte %d, at %q", e.Offset, e.Field)
		}
		return fmt.Sprintf("not JSON at byte %d", e.Offset)
	}
}

// inChinese are the values of Want.
var inChinese = map[string]string{
	anObject: "物件", aList: "陣列", aString: "字串", aBool: "true 或 false", aNumber: "數字",
	anInteger: "十進位整數", aCount: "不為負的十進位整數",
}

// WantZhTW is Want in the Chinese of Taiwan.
func (e *Error) WantZhTW() string { return inChinese[e.Want] }

// ZhTW is [Error.Error] in the Chinese of Taiwan.
func (e *Error) ZhTW() string {
	where := "內容"
	if e.Field != "" {
		where = "欄位「" + e.Field + "」"
	}
	switch e.Problem {
	case Trailing:
		return fmt.Sprintf("只能有一個 JSON 值，第 %d 個位元組之後還有其他內容", e.Offset)
	case NotUTF8:
		return where + "不是 UTF-8"
	case UnknownField:
		if e.Meant != "" {
			return fmt.Sprintf("沒有欄位「%s」：名稱大小寫須完全相同，應為「%s」", e.Field, e.Meant)
		}
		return fmt.Sprintf("沒有欄位「%s」", e.Field)
	case Twice:
		return where + "重複"
	case WrongType:
		text := where + "的 JSON 型別不對"
		if e.Want != "" {
			text += "，須為" + inChinese[e.Want]
		}
		if e.EmptyList {
			text += "，不可為陣列；PHP 的空陣列會寫成 []，(object)[] 才會寫成 {}"
		}
		return text
	default:
		switch {
		case e.Offset == 0:
			return "不是 JSON：沒有任何內容"
		case e.Field != "":
			return fmt.Sprintf("第 %d 個位元組起不是 JSON，在「%s」", e.Offset, e.Field)
		}
		return fmt.Sprintf("第 %d 個位元組起不是 JSON", e.Offset)
	}
}

// Name shortens a name or id that somebody gave, for an error, and takes out of it what no name has.
func Name(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
