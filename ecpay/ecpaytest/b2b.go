package ecpaytest

import (
	"regexp"
	"time"
	"unicode/utf8"
)

// The states of a B2B invoice, as State reports them.
const (
	stateValid           = "valid"
	stateAwaitingConfirm = "awaiting_confirm" // voided, exchange mode
	stateVoided          = "voided"           // voided for good, archive mode
	stateVoidConfirmed   = "void_confirmed"
)

// invoiceKey finds an invoice of one merchant. A wrong date finds nothing.
type invoiceKey struct{ number, date string }

// invoiceView is a merchant's side of an invoice.
type invoiceView struct {
	side    string
	invoice *b2bInvoice
}

// b2bInvoice is one B2B invoice, shared by its two sides. Server.mu guards it.
type b2bInvoice struct {
	Invoice
	state       string
	reason      string
	voidedAt    time.Time
	confirmedAt time.Time
}

// invoiceNumber is the form of every Taiwanese invoice number.
var invoiceNumber = regexp.MustCompile(`^[A-Z]{2}[0-9]{8}$`)

// invalid is B2B Invalid. Recorded: a bad Reason is refused before the invoice is looked for; 6070004 for an unknown number
// or wrong date. Documented: in exchange mode the void awaits the counterparty. What a second void does is unknown, and
// here it has its effect again and answers a code nobody knows.
func (s *Server) invalid(r request) answer {
	f := r.data
	var reason string
	if f.present("Reason") {
		reason = f.optional("Reason", 1<<20)
	}
	if f.refusal != nil || reason == "" || utf8.RuneCountInString(reason) > 20 {
		return refuse(CodeBadReason)
	}
	key := invoiceKey{f.pattern("InvoiceNumber", 10, invoiceNumber), f.date("InvoiceDate")}
	f.optional("Remark", 200)
	if a, ok := s.checked(f); !ok {
		return a
	}
	view := r.merchant.invoices[key]
	if view == nil || view.side == SidePurchase {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	repeated := i.state != stateValid
	if repeated && s.cfg.RefuseRepeats {
		return refuse(CodeVoidRepeated)
	}
	s.effect(r.at, EffectVoided, r.merchant, i.InvoiceNumber, r.seq, "")
	if repeated {
		return refuse(CodeVoidRepeated)
	}
	i.reason, i.voidedAt, i.state = reason, r.at, stateAwaitingConfirm
	if r.merchant.Archive {
		i.state = stateVoided
	}
	return answer{code: CodeOK}
}

// invalidConfirm is B2B InvalidConfirm. Documented: exchange mode only, by the party that received the void. Every code
// but 1 and 6070004 is unknown. A second confirm has its effect again and answers a code nobody knows.
func (s *Server) invalidConfirm(r request) answer {
	f := r.data
	key := invoiceKey{f.pattern("InvoiceNumber", 10, invoiceNumber), f.date("InvoiceDate")}
	f.optional("Remark", 200)
	if a, ok := s.checked(f); !ok {
		return a
	}
	if r.merchant.Archive {
		return refuse(CodeConfirmArchiveMode)
	}
	view := r.merchant.invoices[key]
	if view == nil {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	if view.side == SideSales || i.state == stateValid || i.state == stateVoided {
		return refuse(CodeConfirmNotAwaited)
	}
	repeated := i.state == stateVoidConfirmed
	if repeated && s.cfg.RefuseRepeats {
		return refuse(CodeConfirmRepeated)
	}
	s.effect(r.at, EffectVoidConfirmed, r.merchant, i.InvoiceNumber, r.seq, "")
	if repeated {
		return refuse(CodeConfirmRepeated)
	}
	i.confirmedAt, i.state = r.at, stateVoidConfirmed
	return answer{code: CodeOK}
}
