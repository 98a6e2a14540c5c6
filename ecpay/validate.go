package ecpay

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// Taipei is the zone of every date in ECPay's API. It is a fixed offset, so
// that no time zone database is needed; Taiwan keeps no summer time.
var Taipei = time.FixedZone("Asia/Taipei", 8*60*60)

// Date returns the calendar day of t in Asia/Taipei as ECPay writes it,
// yyyy-mm-dd.
func Date(t time.Time) string { return t.In(Taipei).Format(time.DateOnly) }

// FieldError is one field that breaks a limit of ECPay's.
type FieldError struct {
	// Field is ECPay's name of the field.
	Field string `json:"field"`
	// Problem says what is wrong, with the limit, for people.
	Problem string `json:"problem"`
}

// Error implements error.
func (e FieldError) Error() string { return e.Field + " " + e.Problem }

// ValidationError lists every field of a request that breaks a limit. It never
// quotes a value: values may be personal data.
type ValidationError struct {
	// Op is the operation by category and name, like "B2B Invalid".
	Op     string
	Fields []FieldError
}

// Error implements error.
func (e *ValidationError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Error()
	}
	return e.Op + ": invalid request: " + strings.Join(parts, "; ")
}

// ValidCode reports what keeps v, trimmed, from being an identifier as Tsr and
// RelateNumber are: at most limit ASCII letters, digits, "-" and "_".
func ValidCode(field, v string, limit int) []FieldError {
	var c check
	c.code(field, &v, limit)
	return c.fields
}

// ValidText says what is wrong with a text of a field that is not sent with its request; it is required.
func ValidText(field, v string, limit int) []FieldError {
	var c check
	c.text(field, &v, limit, true)
	return c.fields
}

// check collects the problems of one request. Each method normalises the field
// in place first.
type check struct{ fields []FieldError }

func (c *check) fail(field, format string, args ...any) {
	c.fields = append(c.fields, FieldError{field, fmt.Sprintf(format, args...)})
}

func (c *check) err(op Operation) error {
	if len(c.fields) == 0 {
		return nil
	}
	return &ValidationError{Op: op.String(), Fields: c.fields}
}

// length counts as ECPay's servers do: UTF-16 code units, so that a Chinese
// character is one and an emoji two.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

func (c *check) size(field, v string, limit int) bool {
	if n := length(v); n > limit {
		c.fail(field, "has %d characters, at most %d are allowed", n, limit)
		return false
	}
	return true
}

func (c *check) present(field, v string) bool {
	if v == "" {
		c.fail(field, "is required")
		return false
	}
	return true
}

var tagLike = regexp.MustCompile(`<[A-Za-z/!?]`)

// The forms of most fields. They are looked at for every task, several times, and
// regular expressions were a twentieth of what enqueueing takes.
func codeChars(s string) bool {
	return every(s, func(b byte) bool { return alnum(b) || b == '-' || b == '_' })
}
func alnumChars(s string) bool { return every(s, alnum) }
func digitChars(s string) bool { return every(s, digit) }

// eightDigits is a 統一編號. Whether its check digit is right is ECPay's to judge.
func eightDigits(s string) bool { return len(s) == 8 && digitChars(s) }

// IsInvoiceNumber reports whether a text is two capital letters and eight digits.
func IsInvoiceNumber(s string) bool {
	return len(s) == 10 && every(s[:2], capital) && every(s[2:], digit)
}

// every reports whether s has bytes, and only such.
func every(s string, such func(byte) bool) bool {
	for i := range len(s) {
		if !such(s[i]) {
			return false
		}
	}
	return s != ""
}

func digit(b byte) bool   { return '0' <= b && b <= '9' }
func capital(b byte) bool { return 'A' <= b && b <= 'Z' }
func alnum(b byte) bool   { return digit(b) || capital(b) || 'a' <= b && b <= 'z' }

// code is an identifier: required, bounded, ASCII letters, digits, "-" and "_".
func (c *check) code(field string, v *string, limit int) {
	*v = strings.TrimSpace(*v)
	if c.present(field, *v) && c.size(field, *v, limit) && !codeChars(*v) {
		c.fail(field, `may hold letters, digits, "-" and "_" only`)
	}
}

func (c *check) matching(field string, v *string, limit int, such func(string) bool, want string) {
	*v = strings.TrimSpace(*v)
	if c.present(field, *v) && c.size(field, *v, limit) && !such(*v) {
		c.fail(field, "must be %s", want)
	}
}

func (c *check) merchantID(v *string) {
	c.matching("MerchantID", v, 10, alnumChars, "letters and digits")
}

func (c *check) invoiceNumber(v *string) {
	*v = strings.TrimSpace(*v)
	if c.present("InvoiceNumber", *v) && !IsInvoiceNumber(*v) {
		c.fail("InvoiceNumber", "must be two capital letters and eight digits, like VG11000002")
	}
}

// invoiceNo is what B2C calls the InvoiceNumber of B2B.
func (c *check) invoiceNo(v *string) {
	c.matching("InvoiceNo", v, 10, IsInvoiceNumber, "two capital letters and eight digits, like JU11082064")
}

func (c *check) allowanceNo(v *string) {
	c.matching("AllowanceNo", v, 16, alnumChars, "letters and digits")
}

// mails are e-mail addresses, separated by semicolons. Whether they are in use is not
// theirs to tell.
func (c *check) mails(field string, v *string, limit int, required bool) {
	told := len(c.fields)
	c.text(field, v, limit, required)
	if *v == "" || len(c.fields) > told {
		return
	}
	for mail := range strings.SplitSeq(*v, ";") {
		name, host, _ := strings.Cut(strings.TrimSpace(mail), "@")
		if name == "" || host == "" || strings.ContainsAny(name+host, "@, ") {
			c.fail(field, "must be e-mail addresses, separated by semicolons")
			return
		}
	}
}

// date accepts yyyy-mm-dd and yyyy/mm/dd and leaves the former. No look at the
// clock: a worker whose clock is wrong must not kill a task for its date.
func (c *check) date(field string, v *string) {
	*v = strings.ReplaceAll(strings.TrimSpace(*v), "/", "-")
	if !c.present(field, *v) {
		return
	}
	day, err := time.Parse(time.DateOnly, *v)
	switch {
	case err != nil:
		c.fail(field, "must be a calendar day written yyyy-mm-dd (Asia/Taipei), like 2019-09-23")
	case day.Year() < 2000 || day.Year() > 2099:
		c.fail(field, "must be in the years 2000 to 2099; a year of the Republic of China is 1911 less")
	}
}

// entries is how many there are of what comes in a list.
func (c *check) entries(field string, n int) {
	if n == 0 || n > maxItems {
		c.fail(field, "has %d entries, 1 to %d are allowed", n, maxItems)
	}
}

// dateTime accepts yyyy-mm-dd hh:mm:ss, with slashes too, and leaves the former.
func (c *check) dateTime(field string, v *string) {
	*v = strings.ReplaceAll(strings.TrimSpace(*v), "/", "-")
	if !c.present(field, *v) {
		return
	}
	if _, err := time.Parse(time.DateTime, *v); err != nil || len(*v) != len(time.DateTime) {
		c.fail(field, "must be a time written yyyy-mm-dd hh:mm:ss (Asia/Taipei)")
	}
}

// invoiceYear is a year of the Republic of China.
func (c *check) invoiceYear(v *string) {
	c.matching("InvoiceYear", v, 3, func(s string) bool { return len(s) == 3 && s[0] == '1' && digitChars(s) },
		"a year of the Republic of China, three digits like 115")
}

func (c *check) between(field string, n, low, high int) {
	if n < low || n > high {
		c.fail(field, "must be %d to %d", low, high)
	}
}

// text is free text. Tag-like strings are refused, since ECPay's firewall may
// answer them with the same HTTP 403 as a ban.
func (c *check) text(field string, v *string, limit int, required bool) {
	*v = strings.TrimSpace(*v)
	if *v == "" {
		if required {
			c.fail(field, "is required")
		}
		return
	}
	if !c.size(field, *v, limit) {
		return
	}
	switch {
	case strings.ContainsFunc(*v, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		c.fail(field, "may not hold control characters or broken UTF-8")
	case tagLike.MatchString(*v):
		c.fail(field, "may not hold anything like an HTML tag")
	}
}

func (c *check) oneOf(field string, v *string, allowed ...string) {
	*v = strings.TrimSpace(*v)
	for _, a := range allowed {
		if *v == a {
			return
		}
	}
	quoted := make([]string, len(allowed))
	for i, a := range allowed {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	c.fail(field, "must be one of %s", strings.Join(quoted, ", "))
}

// b2bInvoice is what names an invoice to a B2B write.
func (c *check) b2bInvoice(merchantID, number, date *string) {
	c.merchantID(merchantID)
	c.invoiceNumber(number)
	c.date("InvoiceDate", date)
}
