package ecpaytest

import (
	"regexp"
	"time"
)

// The states of a B2B invoice, as State reports them. All but the first and stateVoided are of exchange mode.
const (
	stateValid           = "valid"     // issued
	stateConfirmed       = "confirmed" // the buyer has confirmed the issue
	stateRejected        = "rejected"  // the buyer has rejected it, and the seller has to confirm that
	stateRejectConfirmed = "reject_confirmed"
	stateAwaitingConfirm = "awaiting_confirm" // voided, and the buyer has to confirm it
	stateVoided          = "voided"           // voided for good, archive mode
	stateVoidConfirmed   = "void_confirmed"
)

// invoiceKey finds an invoice of one merchant. A wrong date finds nothing.
type invoiceKey struct{ number, date string }

// invoiceKey reads the fields that name an invoice to a write.
func (f *fields) invoiceKey() invoiceKey {
	return invoiceKey{f.pattern("InvoiceNumber", 10, invoiceNumber), f.date("InvoiceDate")}
}

// invoiceView is a merchant's side of an invoice.
type invoiceView struct {
	side    string
	invoice *b2bInvoice
}

// b2bInvoice is one B2B invoice, shared by its two sides. Server.mu guards it.
type b2bInvoice struct {
	Invoice
	state     string
	taxAmount int
	allowed   int // what allowances have taken of SalesAmount
	random    string
	issuedAt  time.Time // in Taipei, to the second
	reissued  bool      // by VoidWithReIssue

	issueConfirm, void, voidConfirm, reject, rejectConfirm deed
}

// deed is what one side did about an invoice or an allowance; the zero deed was not done.
type deed struct {
	at             time.Time
	reason, remark string
}

// day is the day of the deed in Taipei, or "".
func (d deed) day() string { return dateIn(d.at) }

// dayOrNull is the day of the deed as most queries answer it (documented for a sibling product).
func (d deed) dayOrNull() any {
	if d.at.IsZero() {
		return nil
	}
	return d.day()
}

// exchangeStatus says whether a deed that awaits a confirm has it (documented for a sibling product).
func (d deed) exchangeStatus() string {
	if d.at.IsZero() {
		return "0"
	}
	return "1"
}

// voided reports whether the invoice is voided, be it confirmed or not.
func (i *b2bInvoice) voided() bool { return !i.void.at.IsZero() }

// invoiceNumber is the form of every Taiwanese invoice number.
var invoiceNumber = regexp.MustCompile(`^[A-Z]{2}[0-9]{8}$`)
