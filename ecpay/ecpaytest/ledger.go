package ecpaytest

import (
	"encoding/json"
	"slices"
	"time"
)

// Call is one HTTP request as the server saw it. It enters the ledger when it has been read and is completed when it
// has been answered; HTTPStatus 0 means no answer, or none yet. TransCode and RtnCode are what the answer said, or, if it
// said nothing readable, what processing the request has led to, be it later; 0 means that it was not processed.
type Call struct {
	Seq        int             `json:"seq"` // from 1
	At         time.Time       `json:"at"`  // the server's clock at arrival
	Path       string          `json:"path"`
	Operation  string          `json:"operation"` // "TriggerIssue", ...; empty for a wrong path
	Category   string          `json:"category"`  // "B2C" or "B2B"
	MerchantID string          `json:"merchant_id"`
	Subject    string          `json:"subject"`   // Tsr, InvoiceNumber, AllowanceNo or RelateNumber
	Timestamp  int64           `json:"timestamp"` // RqHeader.Timestamp as sent; 0 if it was no whole number
	RqID       string          `json:"rq_id"`
	Revision   string          `json:"revision"`
	Data       json.RawMessage `json:"data,omitempty"` // decrypted; nil if that was impossible
	HTTPStatus int             `json:"http_status"`
	TransCode  int             `json:"trans_code"`
	RtnCode    int             `json:"rtn_code"`
	Fault      string          `json:"fault,omitempty"`
	Dropped    bool            `json:"dropped,omitempty"` // the client got no complete answer
}

// Effect is one change of state that ECPay would have made.
type Effect struct {
	At         time.Time `json:"at"`   // the server's clock
	Name       string    `json:"name"` // one of the Effect constants
	MerchantID string    `json:"merchant_id"`
	Subject    string    `json:"subject"`  // Tsr, InvoiceNumber or AllowanceNo; for Issue the RelateNumber
	CallSeq    int       `json:"call_seq"` // the Call that caused it; 0 for the passing of time
	// Detail is, for EffectIssued, the number of the invoice, for EffectReIssued its random code, for those of allowances
	// the other number, for EffectCustomer the Action, for EffectNotified of B2B the InvoiceTag.
	Detail string `json:"detail,omitempty"`
}

// The names of effects. Staging by the Go helpers or the control API is no effect.
const (
	EffectDelayed       = "delayed"        // DelayIssue staged a delayed invoice
	EffectScheduled     = "scheduled"      // TriggerIssue started the delay
	EffectDelayReset    = "delay_reset"    // TriggerIssue started a running delay anew
	EffectIssued        = "issued"         // an invoice came into being
	EffectCancelled     = "cancelled"      // CancelDelayIssue
	EffectEdited        = "edited"         // EditDelayIssue
	EffectReIssued      = "reissued"       // VoidWithReIssue
	EffectNotified      = "notified"       // InvoiceNotify: a message went out
	EffectWordAdded     = "word_added"     // AddInvoiceWordSetting
	EffectWordStatus    = "word_status"    // UpdateInvoiceWordStatus
	EffectVoided        = "voided"         // Invalid
	EffectVoidConfirmed = "void_confirmed" // B2B InvalidConfirm

	EffectIssueConfirmed     = "issue_confirmed"     // B2B IssueConfirm
	EffectRejected           = "rejected"            // B2B Reject
	EffectRejectConfirmed    = "reject_confirmed"    // B2B RejectConfirm
	EffectCustomer           = "customer"            // B2B MaintainMerchantCustomerData, on the Identifier
	EffectAllowanceConfirmed = "allowance_confirmed" // B2B AllowanceConfirm
	EffectCancelConfirmed    = "cancel_confirmed"    // B2B CancelAllowanceConfirm

	// Those of allowances. The first three are on the invoice, with the AllowanceNo as Detail, the others the other way round;
	// those of B2B have no Detail there.
	EffectAllowanceIssued    = "allowance_issued"    // Allowance, or the buyer's agreement; in B2B on the first invoice it is about
	EffectAllowanceOffered   = "allowance_offered"   // AllowanceByCollegiate
	EffectAllowanceExpired   = "allowance_expired"   // nobody agreed to the offer within 72 hours
	EffectAllowanceVoided    = "allowance_voided"    // AllowanceInvalid, B2B CancelAllowance
	EffectAllowanceCancelled = "allowance_cancelled" // AllowanceInvalidByCollegiate
)

// Calls returns a copy of the ledger of requests in the order of their arrival.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now()) // a late effect completes its call
	out := make([]Call, len(s.calls))
	for i, call := range s.calls {
		out[i] = *call
	}
	return out
}

// Effects returns a copy of the ledger of effects in the order in which they came about.
func (s *Server) Effects() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	return slices.Clone(s.effects)
}

// EffectsOn returns the effects on one Tsr, InvoiceNumber or AllowanceNo of a merchant.
func (s *Server) EffectsOn(merchantID, subject string) []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	var out []Effect
	for _, e := range s.effects {
		if e.MerchantID == merchantID && e.Subject == subject {
			out = append(out, e)
		}
	}
	return out
}

// record enters a call and gives it its number. The caller holds mu.
func (s *Server) record(call *Call, generation int) {
	if generation != s.generation {
		return // read before a Reset
	}
	s.callSeq++
	call.Seq = s.callSeq
	s.calls = append(bounded(s.calls, s.cfg.MaxCalls), call)
}

// effect enters an effect. The caller holds mu.
func (s *Server) effect(at time.Time, name string, m *merchant, subject string, callSeq int, detail string) {
	s.effects = append(bounded(s.effects, s.cfg.MaxCalls), Effect{At: at, Name: name, MerchantID: m.MerchantID,
		Subject: subject, CallSeq: callSeq, Detail: detail})
}

// bounded forgets the older half of a full ledger.
func bounded[T any](ledger []T, limit int) []T {
	if limit > 0 && len(ledger) >= limit {
		return slices.Clone(ledger[len(ledger)-limit/2:])
	}
	return ledger
}

// note writes what the answer says into the ledger.
func (s *Server) note(x *exchange, trans, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.call.TransCode, x.call.RtnCode = trans, code
}

// noteTrans writes TransCode 1 into the ledger and leaves RtnCode as processing, if there was any, has left it.
func (s *Server) noteTrans(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.call.TransCode = TransOK
}

// noteDropped writes into the ledger that the client got no complete answer.
func (s *Server) noteDropped(x *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.call.Dropped = true
}
