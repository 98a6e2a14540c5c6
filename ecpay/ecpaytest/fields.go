package ecpaytest

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// fields reads the members of one JSON object, remembers which of them were asked for, and keeps the first complaint.
type fields struct {
	members map[string]json.RawMessage
	asked   map[string]bool
	refusal *answer
}

// newFields reads an object. Anything else is complained about.
func newFields(text []byte) *fields {
	f := &fields{asked: map[string]bool{}}
	if err := json.Unmarshal(text, &f.members); err != nil || f.members == nil {
		f.complain(CodeFieldFormat, "Data is no JSON object")
	}
	return f
}

// complain keeps the first complaint.
func (f *fields) complain(code int, format string, args ...any) {
	if f.refusal == nil {
		f.refusal = &answer{code: code, msg: fmt.Sprintf(format, args...)}
	}
}

// refuse keeps a code with its own text as the first complaint.
func (f *fields) refuse(code int) {
	if f.refusal == nil {
		f.refusal = &answer{code: code}
	}
}

// present reports whether there is a member of that name, whatever its value.
func (f *fields) present(name string) bool {
	f.asked[name] = true
	_, ok := f.members[name]
	return ok
}

// optional returns a string of at most limit characters; absent is empty.
func (f *fields) optional(name string, limit int) string {
	if !f.present(name) {
		return ""
	}
	var s *string
	if err := json.Unmarshal(f.members[name], &s); err != nil || s == nil {
		f.complain(CodeFieldFormat, "%s must be a string", name)
		return ""
	}
	if utf8.RuneCountInString(*s) > limit {
		f.complain(CodeFieldFormat, "%s must have at most %d characters", name, limit)
	}
	return *s
}

// required returns a string of 1 to limit characters with no space around it.
func (f *fields) required(name string, limit int) string {
	s := f.optional(name, limit)
	switch {
	case s == "":
		f.complain(CodeFieldMissing, "%s is required", name)
	case strings.TrimSpace(s) != s:
		f.complain(CodeFieldFormat, "%s has spaces around it", name)
	}
	return s
}

// pattern returns a required string that must match as a whole.
func (f *fields) pattern(name string, limit int, re *regexp.Regexp) string {
	s := f.required(name, limit)
	if !re.MatchString(s) {
		f.complain(CodeFieldFormat, "%s must look like %s", name, re)
	}
	return s
}

// date returns a required date of the form yyyy-mm-dd.
func (f *fields) date(name string) string {
	s := f.required(name, 20)
	if !validDate(s) {
		f.complain(CodeFieldFormat, "%s must be yyyy-mm-dd", name)
	}
	return s
}

// day is a date that may have a time of day after it, as shipped clients send it.
func (f *fields) day(name string) string {
	s, _, _ := strings.Cut(f.required(name, 20), " ")
	if !validDate(s) {
		f.complain(CodeFieldFormat, "%s must be yyyy-mm-dd", name)
	}
	return s
}

// slashedDay is a day that may be written with slashes (documented of some operations).
func (f *fields) slashedDay(name string) string {
	s := strings.ReplaceAll(f.required(name, 20), "/", "-")
	if !validDate(s) {
		f.complain(CodeFieldFormat, "%s must be yyyy-mm-dd or yyyy/mm/dd", name)
	}
	return s
}

// integer returns a required whole JSON number.
func (f *fields) integer(name string) int {
	if !f.present(name) {
		f.complain(CodeFieldMissing, "%s is required", name)
		return 0
	}
	var n *int
	if err := json.Unmarshal(f.members[name], &n); err != nil || n == nil {
		f.complain(CodeFieldFormat, "%s must be a whole number", name)
		return 0
	}
	return *n
}

// between is an integer between low and high.
func (f *fields) between(name string, low, high int) int {
	n := f.integer(name)
	if n < low || n > high {
		f.complain(CodeFieldFormat, "%s must be %d to %d", name, low, high)
		return low
	}
	return n
}

// amount returns a number, written as JSON's or in a string as shipped plugins do (recorded: both are accepted); required
// or else 0 when absent or an empty string.
func (f *fields) amount(name string, required bool) float64 {
	if !f.present(name) {
		if required {
			f.complain(CodeFieldMissing, "%s is required", name)
		}
		return 0
	}
	text := strings.Trim(string(f.members[name]), `"`)
	if text == "" && !required {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		f.complain(CodeFieldFormat, "%s must be a number", name)
	}
	return n
}

// wholeAmount is a required amount that is a whole number of 0 or more.
func (f *fields) wholeAmount(name string) int {
	n := f.amount(name, true)
	if n < 0 || n > math.MaxInt32 || n != math.Trunc(n) {
		f.complain(CodeFieldFormat, "%s must be a whole number", name)
		return 0
	}
	return int(n)
}

// onlyAsked complains about the first member, in alphabetical order, that nobody has asked for.
func (f *fields) onlyAsked() {
	first := ""
	for name := range f.members {
		if !f.asked[name] && (first == "" || name < first) {
			first = name
		}
	}
	if first != "" {
		f.complain(CodeUnknownField, "%s is not a field of this operation", first)
	}
}

// validDate reports whether s is a date of the form yyyy-mm-dd.
func validDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
