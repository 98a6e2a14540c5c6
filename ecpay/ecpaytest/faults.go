package ecpaytest

import (
	"fmt"
	"net/http"
	"time"
)

// Match chooses the requests that a script of faults applies to. An empty field matches anything.
type Match struct {
	Operation  string `json:"operation"` // "TriggerIssue", or "B2B Invalid" where both categories have the name
	Category   string `json:"category"`  // "B2C" or "B2B"
	MerchantID string `json:"merchant_id"`
	Subject    string `json:"subject"` // Tsr, InvoiceNumber, AllowanceNo or RelateNumber
}

// Fault is one step of a script. A Fault with no field but Name lets the request through untouched, which is how a
// script says "the second call, not the first".
//
// A fault that replaces the answer (HTTPStatus, Body, Garbage, Huge, UnreadableData, WrongKey, NullData, TransCode,
// RtnCode, AboutAnother, Redirect, Drop, Hang) keeps the request from being processed, unless AfterEffect or EffectAfter says
// otherwise. The others (Latency, ClockOffset, RtnCodeAsString, MerchantIDAsNumber, Truncate) change how an ordinary
// answer is given.
type Fault struct {
	// Name is what the ledger calls the fault. Defaults to a word for what it does, such as "drop" or "http 403".
	Name string `json:"name"`

	// Times is how many requests it applies to. Zero means 1, or no limit if For is set; negative means for ever.
	Times int `json:"times"`
	// For is how long it applies by the server's clock, from the moment it is first in line.
	For time.Duration `json:"for"`

	// Latency is waited before anything else is done; with AfterEffect it is waited between the effect and the answer.
	// If the client goes away meanwhile, or the server closes, nothing more is done.
	Latency time.Duration `json:"latency"`

	// HTTPStatus, Body and Header are answered as they are. HTTPStatus may also accompany TransCode and RtnCode.
	HTTPStatus int         `json:"http_status"`
	Body       string      `json:"body"`
	Header     http.Header `json:"header"`

	// AfterEffect processes the request before the fault strikes.
	AfterEffect bool `json:"after_effect"`
	// EffectAfter processes the request this long after the fault has struck, by the server's clock, with the window of
	// its Timestamp judged at that moment. Without any other answer it implies Drop.
	EffectAfter time.Duration `json:"effect_after"`

	Drop     bool `json:"drop"`     // closes the connection without a byte of an answer
	Hang     bool `json:"hang"`     // never answers; ends when the client goes away or the server closes
	Truncate bool `json:"truncate"` // processes, and closes the connection half-way through the answer

	Garbage        bool `json:"garbage"`         // HTTP 200 with bytes that are no JSON
	Huge           int  `json:"huge"`            // HTTP 200 with a body of this many bytes, streamed
	UnreadableData bool `json:"unreadable_data"` // TransCode 1 with Data that cannot be decrypted
	WrongKey       bool `json:"wrong_key"`       // TransCode 1 with Data encrypted by another key
	NullData       bool `json:"null_data"`       // TransCode 1 with Data null

	// TransCode refuses at the level of the envelope. 110 comes with HTTP 500, as recorded, unless HTTPStatus is set.
	TransCode int    `json:"trans_code"`
	TransMsg  string `json:"trans_msg"`

	// RtnCode refuses at the level of the business.
	RtnCode int    `json:"rtn_code"`
	RtnMsg  string `json:"rtn_msg"`

	// Twice has a callback come a second time, see OpCallback.
	Twice bool `json:"twice"`

	// AboutAnother answers truly, but about another order, invoice or allowance of the merchant's, in the state that the
	// request asks about or leads to.
	AboutAnother bool `json:"about_another"`

	RtnCodeAsString    bool `json:"rtn_code_as_string"`    // RtnCode comes as a JSON string (documented in an example, and recorded)
	MerchantIDAsNumber bool `json:"merchant_id_as_number"` // MerchantID comes as a JSON number (recorded)

	// ClockOffset judges the window and stamps the answer as if the server's clock were off by this.
	ClockOffset time.Duration `json:"clock_offset"`

	// Redirect answers with this Location, and HTTPStatus or else 302.
	Redirect string `json:"redirect"`
}

// Inject adds a script: its faults are consumed in order, each by the next requests that match. Of several scripts that
// match a request, the one injected first strikes, and only that one.
func (s *Server) Inject(m Match, f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := &script{match: m}
	for _, fault := range f {
		sc.faults = append(sc.faults, fault.normal())
	}
	sc.next(s.now())
	s.scripts = append(s.scripts, sc)
}

// ClearFaults removes every script. What has already struck goes on: hangs hang, and late effects land.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = nil
}

// script is a sequence of faults.
type script struct {
	match  Match
	faults []Fault   // the first is in line
	left   int       // requests that it still applies to; negative: no limit
	until  time.Time // zero: no limit
}

// next prepares the fault that is now in line.
func (sc *script) next(at time.Time) {
	if len(sc.faults) == 0 {
		return
	}
	f := sc.faults[0]
	sc.left, sc.until = f.Times, time.Time{}
	if f.For > 0 {
		sc.until = at.Add(f.For)
	}
}

// take returns the fault that strikes a request at a moment of the clock, if there is one left.
func (sc *script) take(at time.Time) (Fault, bool) {
	for len(sc.faults) > 0 {
		f := sc.faults[0]
		if !sc.until.IsZero() && !at.Before(sc.until) {
			sc.faults = sc.faults[1:]
			sc.next(sc.until) // the next one was in line from then on
			continue
		}
		if sc.left > 0 {
			sc.left--
		}
		if sc.left == 0 {
			sc.faults = sc.faults[1:]
			sc.next(at)
		}
		return f, true
	}
	return Fault{}, false
}

// nextFault returns the fault that strikes a request, and notes it in the ledger.
func (s *Server) nextFault(x *exchange) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range s.scripts {
		if !sc.match.matches(x.call) {
			continue
		}
		if f, ok := sc.take(x.call.At); ok {
			x.call.Fault = f.Name
			return f
		}
	}
	return Fault{}
}

func (m Match) matches(call *Call) bool {
	return (m.Operation == "" || m.Operation == call.Operation || m.Operation == call.Category+" "+call.Operation) &&
		(m.Category == "" || m.Category == call.Category) &&
		(m.MerchantID == "" || m.MerchantID == call.MerchantID) &&
		(m.Subject == "" || m.Subject == call.Subject)
}

// replacesAnswer reports whether the request's own answer is not given.
func (f Fault) replacesAnswer() bool {
	return f.HTTPStatus != 0 || f.Body != "" || f.Redirect != "" || f.TransCode != 0 || f.RtnCode != 0 || f.Huge > 0 ||
		f.AboutAnother || f.Garbage || f.UnreadableData || f.WrongKey || f.NullData || f.Drop || f.Hang
}

// normal returns f with its defaults in place.
func (f Fault) normal() Fault {
	if f.EffectAfter > 0 && !f.replacesAnswer() {
		f.Drop = true
	}
	switch {
	case f.Times == 0 && f.For > 0:
		f.Times = -1
	case f.Times == 0:
		f.Times = 1
	}
	if f.Name == "" {
		f.Name = f.word()
	}
	return f
}

// word says what f does, for the ledger.
func (f Fault) word() string {
	word := "pass"
	switch {
	case f.Hang:
		word = "hang"
	case f.Drop:
		word = "drop"
	case f.Redirect != "":
		word = "redirect"
	case f.Huge > 0:
		word = "huge"
	case f.Garbage:
		word = "garbage"
	case f.TransCode != 0:
		word = fmt.Sprintf("trans code %d", f.TransCode)
	case f.UnreadableData:
		word = "unreadable data"
	case f.NullData:
		word = "null data"
	case f.WrongKey:
		word = "wrong key"
	case f.AboutAnother:
		word = "about another"
	case f.RtnCode != 0:
		word = fmt.Sprintf("rtn code %d", f.RtnCode)
	case f.HTTPStatus != 0:
		word = fmt.Sprintf("http %d", f.HTTPStatus)
	case f.Body != "":
		word = "body"
	case f.Truncate:
		word = "truncate"
	case f.ClockOffset != 0:
		word = "clock offset"
	case f.RtnCodeAsString:
		word = "rtn code as string"
	case f.MerchantIDAsNumber:
		word = "merchant id as number"
	case f.Latency > 0:
		word = "latency"
	}
	switch {
	case f.EffectAfter > 0:
		word += ", effect later"
	case f.AfterEffect:
		word += " after effect"
	}
	return word
}
