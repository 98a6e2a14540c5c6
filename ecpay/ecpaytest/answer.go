package ecpaytest

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// member is one name and value of an answer's JSON object, whose order is kept.
type member struct {
	name  string
	value any
}

// object is a JSON object with its members in order.
type object []member

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(mustJSON(m.name))
		b.WriteByte(':')
		b.Write(mustJSON(m.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// answer is the outcome of one operation before it is written down.
type answer struct {
	code     int
	msg      string // empty: the text in messages
	asString bool   // RtnCode comes as a string
	plain    bool   // Data is the object itself, not encrypted
	pdf      []byte // if not nil, this file is the answer
	more     object // what follows RtnCode and RtnMsg
}

// refuse returns an answer with a code and its text.
func refuse(code int) answer { return answer{code: code} }

// data returns the JSON text of the answer's Data.
func (a answer) data() []byte {
	msg := a.msg
	if msg == "" {
		msg = messages[a.code]
	}
	o := object{{"RtnCode", a.code}, {"RtnMsg", msg}}
	if a.asString {
		o[0].value = strconv.Itoa(a.code)
	}
	return mustJSON(append(o, a.more...))
}

// merchantIDValue is a MerchantID as it appears in answers: a string, or a number where that quirk is asked for and the
// ID can be one (recorded: both occur).
func merchantIDValue(id string, asNumber bool) any {
	if n, err := strconv.ParseInt(id, 10, 64); asNumber && err == nil {
		return n
	}
	return id
}

// withMerchantIDAsNumber returns a copy in which every MerchantID, in nested objects too, is a number.
func (o object) withMerchantIDAsNumber() object {
	out := make(object, len(o))
	for i, m := range o {
		switch v := m.value.(type) {
		case object:
			m.value = v.withMerchantIDAsNumber()
		case string:
			if m.name == "MerchantID" {
				m.value = merchantIDValue(v, true)
			}
		}
		out[i] = m
	}
	return out
}

// mustJSON marshals a value of this package's making, without Go's escaping of <, > and &.
func mustJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
