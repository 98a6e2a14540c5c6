package outbox

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ecpayq/ecpayq/tasks"
)

// row is what the options say.
type row struct {
	database    Database
	processAt   time.Time
	replaceDead bool
	err         error
}

// intent is the text of the row, as a line of a batch.
func (r row) intent(p tasks.Payload) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	if r.err != nil {
		return "", r.err
	}
	stored, err := tasks.Encode(p)
	if err != nil {
		return "", err
	}
	t := tasks.TypeOf(p)
	data := ascii(stored)
	if err := fits(t, data); err != nil {
		return "", err
	}
	text := `{"type":"` + t.Name + `","data":` + data // without spaces, as it is read fastest
	// The time is in the intent and not in the column of the same name: each database has other
	// ideas of a time. What is before 1970 has passed, which is at once, and can be a year that has
	// no RFC 3339.
	if r.processAt.After(time.Unix(0, 0)) {
		text += `,"process_at":"` + r.processAt.Format(time.RFC3339Nano) + `"`
	}
	if r.replaceDead {
		text += `,"replace_dead":true`
	}
	return text + "}", nil
}

// fits holds a payload to the limit by which the relay would refuse the row.
func fits(t tasks.Type, data string) error {
	if len(data) > t.MaxPayload {
		return fmt.Errorf("%s has %d bytes in ASCII, at most %d are allowed", t.Name, len(data), t.MaxPayload)
	}
	return nil
}

// ascii writes JSON without any other character. A connection may have any character set: sent
// as latin1, text in UTF-8 is stored as other characters, and that is valid JSON, too.
func ascii(json []byte) string {
	var b strings.Builder
	b.Grow(len(json))
	for len(json) > 0 {
		c, n := utf8.DecodeRune(json)
		json = json[n:]
		switch high, low := utf16.EncodeRune(c); {
		case c < utf8.RuneSelf:
			b.WriteByte(byte(c))
		case c > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
