package ecpaytest

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// envelope is the outer JSON object of a request. A member that is absent or has the wrong type is left zero, and its
// "Valid" field false.
type envelope struct {
	valid           bool // the body is a JSON object with an RqHeader
	merchantID      string
	platformID      string
	platformIDValid bool
	timestamp       int64
	timestampValid  bool // a whole JSON number
	rqID            string
	revision        string
	data            string
	dataValid       bool // a string, null or absent
}

// readEnvelope reads what it can. Names must be spelt as documented, in their case.
func readEnvelope(body []byte) envelope {
	var e envelope
	var outer, header map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil || outer == nil {
		return e
	}
	e.valid = json.Unmarshal(outer["RqHeader"], &header) == nil && header != nil
	e.merchantID, _ = text(outer, "MerchantID")
	e.platformID, e.platformIDValid = text(outer, "PlatformID")
	e.timestampValid = json.Unmarshal(header["Timestamp"], &e.timestamp) == nil && string(header["Timestamp"]) != "null"
	e.rqID, _ = text(header, "RqID")
	e.revision, _ = text(header, "Revision")
	e.data, e.dataValid = text(outer, "Data")
	return e
}

// text returns a string member, and whether it is a string, null or absent.
func text(members map[string]json.RawMessage, name string) (string, bool) {
	raw, ok := members[name]
	if !ok {
		return "", true
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	if s == nil {
		return "", true
	}
	return *s, true
}

// checkEnvelope returns the TransCode of what is wrong with the envelope of x at a moment of the server's clock, or
// TransOK. The order of the checks is our choice.
func (s *Server) checkEnvelope(x *exchange, at time.Time) int {
	e := x.env
	if !e.valid || e.merchantID == "" || !e.timestampValid || !e.dataValid || !e.platformIDValid {
		return TransBadEnvelope
	}
	m := x.merchant
	if m == nil || x.op.category == "B2C" && m.B2CDisabled || x.op.category == "B2B" && m.B2BDisabled {
		return TransNotActivated
	}
	if e.platformID != "" && e.platformID != m.PlatformID {
		return TransBadPlatform
	}
	if s.stale(e.timestamp, at) {
		return TransStale
	}
	if e.data == "" {
		return TransEmptyData
	}
	if x.plain == nil {
		return TransDecryptFail
	}
	if !s.cfg.AnyRevision && e.revision != "" && !slices.Contains(revisions[x.op.category], e.revision) {
		return TransBadRevision
	}
	return TransOK
}

// stale reports whether a Timestamp lies outside the window. Milliseconds do, far in the future.
func (s *Server) stale(timestamp int64, at time.Time) bool {
	now := at.Unix()
	if timestamp < now-int64(s.cfg.Window/time.Second) {
		return true
	}
	return s.cfg.Future >= 0 && timestamp > now+int64(s.cfg.Future/time.Second)
}

// statusOf is the HTTP status that goes with a TransCode: 500 for a failed decryption (recorded), otherwise 200.
func statusOf(trans int) int {
	if trans == TransDecryptFail {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// envelopeBody is the outer JSON object of an answer. Data is a string, or nil for null.
func (s *Server) envelopeBody(x *exchange, f Fault, trans int, msg string, data any) []byte {
	if msg == "" {
		msg = transMessages[trans]
	}
	header := object{{"Timestamp", s.now().Add(f.ClockOffset).Unix()}}
	number := s.cfg.MerchantIDAsNumber || f.MerchantIDAsNumber
	if x.op.category == "B2B" { // recorded, misspelling and all
		number = true
		if x.env.rqID != "" {
			header = append(header, member{"RqID", x.env.rqID})
		}
		header = append(header, member{"Reversion", revisions["B2B"][0]})
	}
	return mustJSON(object{
		{"PlatformID", x.env.platformID},
		{"MerchantID", merchantIDValue(x.env.merchantID, number)},
		{"RpHeader", header},
		{"TransCode", trans},
		{"TransMsg", msg},
		{"Data", data},
	})
}
