package ecpay

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

type requestEnvelope struct {
	PlatformID string `json:",omitempty"`
	MerchantID string
	RqHeader   requestHeader
	Data       string
}

type requestHeader struct {
	// Timestamp is plain Unix seconds. ECPay's wording "GMT+8" adds nothing to it.
	Timestamp int64
	// RqID makes no request idempotent: the same RqID has been seen to mint two
	// invoices.
	RqID     string `json:",omitempty"`
	Revision string
}

// sealed is a request whose Data is encrypted and whose envelope is not written
// yet: the timestamp is the last thing that goes in.
type sealed struct{ env requestEnvelope }

func seal(m *Merchant, op Operation, data []byte) sealed {
	return sealed{requestEnvelope{
		PlatformID: m.platformID,
		MerchantID: m.id,
		RqHeader:   requestHeader{Revision: op.Category.revision()},
		Data:       m.codec.Seal(data),
	}}
}

// envelope returns the body with the given stamp and, for B2B, a new RqID. Its
// length does not depend on the stamp.
func (s sealed) envelope(op Operation, stamp time.Time) ([]byte, error) {
	s.env.RqHeader.Timestamp = stamp.Unix()
	if op.Category == B2B {
		s.env.RqHeader.RqID = newRqID()
	}
	return marshalData(s.env)
}

// lateBody is a request body that is written when the connection stands and
// net/http begins to read it, so that neither connecting nor a TLS handshake
// ages the timestamp.
type lateBody struct {
	write func() ([]byte, error)
	made  *envelopeMade
	r     *bytes.Reader
}

// envelopeMade settles once whether an envelope was made for the body of a request:
// of one whose head alone was sent, ECPay can have executed nothing.
type envelopeMade struct{ state atomic.Int32 }

const (
	envelopeMadeYes = iota + 1
	envelopeMadeNever
)

// yes reports whether one may be made, and holds it to be.
func (m *envelopeMade) yes() bool {
	return m.state.CompareAndSwap(0, envelopeMadeYes) || m.state.Load() == envelopeMadeYes
}

// never reports whether none was made, and lets none be made any more.
func (m *envelopeMade) never() bool { return m.state.CompareAndSwap(0, envelopeMadeNever) }

// Read implements [io.Reader].
func (b *lateBody) Read(p []byte) (int, error) {
	if b.r == nil {
		body, err := b.write()
		if err != nil {
			return 0, err
		}
		if !b.made.yes() {
			return 0, errors.New("the request was given up before its body was made")
		}
		b.r = bytes.NewReader(body)
	}
	return b.r.Read(p)
}

// Close implements [io.Closer].
func (*lateBody) Close() error { return nil }

// newRqID returns a random UUID (version 4).
func newRqID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// responseEnvelope is decoded loosely: fields are added over time.
type responseEnvelope struct {
	PlatformID Text
	MerchantID Text
	TransCode  *Code
	TransMsg   Text
	Data       json.RawMessage
}

// parseEnvelope reports false for everything that is no envelope.
func parseEnvelope(body []byte) (responseEnvelope, bool) {
	var env responseEnvelope
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(body, &env); err != nil || env.TransCode == nil {
		return responseEnvelope{}, false
	}
	return env, true
}

// openText returns the JSON text of Data. Where the operation answers it as it is, that may be an
// object or, as it is everywhere else, a string; and one that ECPay begins to encrypt is read too.
func openText(m *Merchant, op Operation, data json.RawMessage) ([]byte, error) {
	if op.plainData && bytes.HasPrefix(data, []byte("{")) {
		return data, nil
	}
	var sealed string
	if err := json.Unmarshal(data, &sealed); err != nil || sealed == "" {
		return nil, fmt.Errorf("%w: Data is no text", ErrUnreadable)
	}
	if op.plainData && strings.HasPrefix(strings.TrimSpace(sealed), "{") {
		return []byte(sealed), nil
	}
	return m.codec.Open(sealed)
}

// openData decrypts and decodes the Data of an envelope with TransCode 1, that of the
// request being what it has to be about.
func openData(m *Merchant, op Operation, env responseEnvelope, request []byte) (Response, error) {
	if !m.isMeant(env.MerchantID) {
		return nil, fmt.Errorf("%w: the answer is for another MerchantID", ErrUnreadable)
	}
	text, err := openText(m, op, env.Data)
	if err != nil {
		return nil, err
	}
	// RtnCode must be there: without one, an unrelated JSON text would read as
	// RtnCode 0.
	var probe struct{ RtnCode *Code }
	if err := json.Unmarshal(text, &probe); err != nil || probe.RtnCode == nil {
		return nil, fmt.Errorf("%w: no RtnCode in it", ErrUnreadable)
	}
	if err := m.checkSubject(request, text); err != nil {
		return nil, err
	}
	resp := op.newResponse()
	if err := json.Unmarshal(text, resp); err != nil {
		return nil, fmt.Errorf("%w: unexpected shape of %s", ErrUnreadable, op)
	}
	return resp, nil
}
