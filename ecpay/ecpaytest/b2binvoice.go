package ecpaytest

import (
	"regexp"
	"time"
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
