package ecpaytest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

// exchange is one request under way.
type exchange struct {
	op         *operation
	env        envelope
	merchant   *merchant // nil if unknown
	keys       keys      // that the request and its answer are encrypted with
	plain      []byte    // the decrypted Data, nil if that was impossible
	call       *Call     // guarded by Server.mu
	generation int
}

// verdict is what processing has led to.
type verdict struct {
	trans  int
	answer answer // if trans is TransOK
}

// ServeHTTP answers one request, as ECPay would or as the next matching fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, s.cfg.MaxBody+1))
	if err != nil {
		abort(w) // the client went away before the request was complete; ECPay has seen nothing
		return
	}
	op := operations[r.URL.Path]
	var env envelope
	if op != nil {
		env = readEnvelope(body)
	}
	x := s.enter(r.URL.Path, op, env)
	switch {
	case op == nil || r.Method != http.MethodPost || !isJSONType(r.Header.Get("Content-Type")):
		// Recorded for a wrong path; for a wrong method or another type of content our choice.
		s.page(w, x, Fault{HTTPStatus: http.StatusInternalServerError})
	case int64(len(body)) > s.cfg.MaxBody:
		s.page(w, x, Fault{HTTPStatus: http.StatusRequestEntityTooLarge})
	case s.tooManyPDFs(r, op), s.banned(x):
		s.page(w, x, Fault{HTTPStatus: http.StatusForbidden}) // documented; the body is our choice
	default:
		s.play(w, r, x, s.nextFault(x))
	}
}

// enter decrypts a request and writes it into the ledger.
func (s *Server) enter(path string, op *operation, env envelope) *exchange {
	x := &exchange{op: op, env: env}
	call := &Call{Path: path}
	s.mu.Lock()
	x.merchant, x.generation = s.merchants[env.merchantID], s.generation
	s.mu.Unlock()
	if op != nil {
		*call = Call{Path: path, Operation: op.name, Category: op.category, MerchantID: env.merchantID,
			Timestamp: env.timestamp, RqID: env.rqID, Revision: env.revision}
		x.decrypt()
		if x.plain != nil {
			call.Data = x.plain
			call.Subject = op.subjectOf(x.plain)
		}
	}
	x.call = call

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	call.At = now
	s.record(call, x.generation)
	return x
}

// decrypt opens Data with the keys of the merchant, or of its platform if the request names one.
func (x *exchange) decrypt() {
	if x.merchant == nil {
		return
	}
	x.keys = x.merchant.own
	if x.env.platformID != "" {
		x.keys = x.merchant.platform
	}
	// A wrong IV garbles the first block but leaves the padding whole, so what comes out must be JSON too.
	if plain, err := x.keys.open(x.env.data); err == nil && json.Valid(plain) {
		x.plain = plain
	}
}

// banned applies MinInterval and BanFor to a request of a known merchant.
func (s *Server) banned(x *exchange) bool {
	if s.cfg.MinInterval <= 0 || x.merchant == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, at := x.merchant, x.call.At
	if at.Before(m.bannedUntil) {
		return true
	}
	tooSoon := !m.lastCall.IsZero() && at.Sub(m.lastCall) < s.cfg.MinInterval
	m.lastCall = at
	if tooSoon {
		m.bannedUntil = at.Add(s.cfg.BanFor)
	}
	return tooSoon
}

// process judges a request and carries it out. The caller must not hold mu.
func (s *Server) process(x *exchange, offset time.Duration) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	return s.processAt(x, now, offset)
}

// processAt is process at a moment of the clock. The caller holds mu.
func (s *Server) processAt(x *exchange, at time.Time, offset time.Duration) verdict {
	v := verdict{trans: s.checkEnvelope(x, at.Add(offset))}
	if x.generation != s.generation {
		v.trans = TransNotActivated // Reset has taken the merchant away
	}
	if v.trans == TransOK {
		v.answer = s.perform(x.op, request{merchant: x.merchant, data: newFields(x.plain), at: at, seq: x.call.Seq})
	}
	x.call.TransCode, x.call.RtnCode = v.trans, v.answer.code
	return v
}

// isJSONType reports whether a Content-Type is taken for JSON, as that of forms is: ECPay's own .NET library sends JSON by it
// (seen in shipped clients).
func isJSONType(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "application/x-www-form-urlencoded")
}
