package ecpaytest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// otherKeys are nobody's.
var otherKeys = newKeys("another-16b-key!", "another-16b-iv-!")

// play carries out a request the way the fault says. The zero Fault is no fault.
func (s *Server) play(w http.ResponseWriter, r *http.Request, x *exchange, f Fault) {
	if !f.AfterEffect && !s.wait(r.Context(), f.Latency) {
		s.drop(w, x)
		return
	}
	var v verdict
	switch {
	case f.EffectAfter > 0:
		s.later(x, f)
	case f.AfterEffect || !f.replacesAnswer():
		v = s.process(x, f.ClockOffset)
	}
	if f.AfterEffect && !s.wait(r.Context(), f.Latency) {
		s.drop(w, x)
		return
	}
	s.respond(w, r, x, f, v)
}

// respond gives the answer. v is empty if the fault has kept the request from being processed.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, x *exchange, f Fault, v verdict) {
	switch {
	case f.Hang:
		s.hang(r.Context())
		s.drop(w, x)
	case f.Drop:
		s.drop(w, x)
	case f.Redirect != "":
		w.Header().Set("Location", f.Redirect)
		if f.HTTPStatus == 0 {
			f.HTTPStatus = http.StatusFound
		}
		s.page(w, x, f)
	case f.Huge > 0:
		s.huge(w, x, f)
	case f.Garbage:
		s.write(w, x, f, cmp.Or(f.HTTPStatus, http.StatusOK), "application/json", []byte("\x00\x1f\xef no JSON \xff{[\"<"))
	case f.TransCode != 0:
		s.note(x, f.TransCode, 0)
		s.write(w, x, f, cmp.Or(f.HTTPStatus, statusOf(f.TransCode)), "", s.envelopeBody(x, f, f.TransCode, f.TransMsg, nil))
	case f.UnreadableData:
		s.sealed(w, x, f, base64.StdEncoding.EncodeToString([]byte("not a whole number of blocks")))
	case f.NullData:
		s.sealed(w, x, f, nil)
	case f.WrongKey:
		s.sealed(w, x, f, otherKeys.seal(v.answer.data()))
	case f.AboutAnother && x.plain != nil:
		a := s.aboutAnother(x)
		s.note(x, TransOK, a.code)
		s.ordinary(w, x, f, verdict{TransOK, a})
	case f.RtnCode != 0 && x.merchant != nil:
		s.note(x, TransOK, f.RtnCode)
		a := answer{code: f.RtnCode, msg: f.RtnMsg, asString: f.RtnCodeAsString}
		s.sealed(w, x, f, x.keys.seal(a.data()))
	case f.HTTPStatus != 0 || f.Body != "":
		s.page(w, x, f)
	default:
		s.ordinary(w, x, f, v)
	}
}

// ordinary is the answer of a request that was processed.
func (s *Server) ordinary(w http.ResponseWriter, x *exchange, f Fault, v verdict) {
	if v.trans == 0 {
		v.trans = TransNotActivated // a business answer was scripted for a merchant whose keys nobody knows
	}
	if v.trans != TransOK {
		s.write(w, x, f, statusOf(v.trans), "", s.envelopeBody(x, f, v.trans, "", nil))
		return
	}
	if v.answer.pdf != nil {
		s.pdf(w, x, f, v.answer.pdf)
		return
	}
	v.answer.asString = v.answer.asString || f.RtnCodeAsString
	if f.MerchantIDAsNumber || s.cfg.MerchantIDAsNumber {
		v.answer.more = v.answer.more.withMerchantIDAsNumber()
	}
	var data any = x.keys.seal(v.answer.data())
	if v.answer.plain {
		data = json.RawMessage(v.answer.data())
	}
	s.sealed(w, x, f, data)
}

// sealed writes an envelope with TransCode 1 and the given Data, a string or nil, or an object where it is plain.
func (s *Server) sealed(w http.ResponseWriter, x *exchange, f Fault, data any) {
	s.noteTrans(x)
	s.write(w, x, f, cmp.Or(f.HTTPStatus, http.StatusOK), "", s.envelopeBody(x, f, TransOK, "", data))
}

// page writes the fault's Body, or a page of HTML as a web server in trouble does.
func (s *Server) page(w http.ResponseWriter, x *exchange, f Fault) {
	status, kind, body := cmp.Or(f.HTTPStatus, http.StatusOK), "text/html; charset=utf-8", []byte(f.Body)
	if json.Valid(body) {
		kind = ""
	}
	if f.Body == "" && status >= 400 {
		body = fmt.Appendf(nil, "<!DOCTYPE html>\n<html><head><title>%d</title></head><body><h1>%d %s</h1></body></html>\n",
			status, status, http.StatusText(status))
	}
	s.write(w, x, f, status, kind, body)
}

// huge streams a body of f.Huge bytes that begins like an envelope.
func (s *Server) huge(w http.ResponseWriter, x *exchange, f Fault) {
	s.head(w, x, f, cmp.Or(f.HTTPStatus, http.StatusOK), "", f.Huge)
	chunk := append([]byte(`{"TransCode":1,"Data":"`), bytes.Repeat([]byte{'A'}, 32<<10)...)
	for left := f.Huge; left > 0; {
		n, err := w.Write(chunk[:min(left, len(chunk))])
		if err != nil {
			return // the client has had enough
		}
		left -= n
		chunk = bytes.Repeat([]byte{'A'}, 32<<10)
	}
}

// write sends a whole answer, or half of it if the fault says so. An empty kind is JSON.
func (s *Server) write(w http.ResponseWriter, x *exchange, f Fault, status int, kind string, body []byte) {
	s.head(w, x, f, status, kind, len(body))
	if !f.Truncate {
		_, _ = w.Write(body) // a client that went away is no concern of the server's
		return
	}
	s.noteDropped(x)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	abort(w)
}

// head completes the ledger, so that a client that has the answer finds it there, and sends the headers.
func (s *Server) head(w http.ResponseWriter, x *exchange, f Fault, status int, kind string, length int) {
	s.mu.Lock()
	x.call.HTTPStatus = status
	s.mu.Unlock()
	if kind == "" {
		kind = "application/json; charset=utf-8"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set("Date", s.now().Add(f.ClockOffset).UTC().Format(http.TimeFormat))
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(status)
}

// drop closes the connection without an answer, or after half of one.
func (s *Server) drop(w http.ResponseWriter, x *exchange) {
	s.noteDropped(x)
	abort(w)
}

// abort closes the connection. Where there is none to take over, as in HTTP/2, it panics with http.ErrAbortHandler, which
// net/http treats in the same way.
func abort(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close()
}

// wait waits, and reports whether it came to the end of it rather than to that of the client or the server.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.closed:
	}
	return false
}

// hang waits for the client to go away or the server to close.
func (s *Server) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
}
