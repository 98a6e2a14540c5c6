package ecpay

import (
	"context"
	"slices"
)

var opB2CInvoiceNotify = Operation{
	Name: "InvoiceNotify", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CInvoiceNotifyResponse) },
}

// B2CInvoiceNotifyRequest has ECPay tell of an invoice by mail or text message
// (developers.ecpay.com.tw ?p=7938). No query shows whether it did, and a repeat is a second message:
// an unanswered call stays undecided.
type B2CInvoiceNotifyRequest struct {
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// AllowanceNo is sixteen digits, required with InvoiceTag A, AI and OA.
	AllowanceNo string `json:",omitempty"`
	// Phone has at most 20 characters, required with Notify S and A.
	Phone string `json:",omitempty"`
	// NotifyMail has at most 200 characters, several addresses with ";" between them; required with
	// Notify E and A.
	NotifyMail string `json:",omitempty"`
	// Notify is "S" text message, "E" mail or "A" both.
	Notify string
	// InvoiceTag is "I" issue, "II" void, "A" allowance, "AI" its void, "AW" prize or "OA" online
	// allowance.
	InvoiceTag string
	// Notified is "C" the customer, "M" the merchant or "A" both.
	Notified string
}

// Operation implements [Request].
func (*B2CInvoiceNotifyRequest) Operation() Operation { return opB2CInvoiceNotify }

// Merchant implements [Request].
func (r *B2CInvoiceNotifyRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2CInvoiceNotifyRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.oneOf("Notify", &r.Notify, "S", "E", "A")
	c.oneOf("InvoiceTag", &r.InvoiceTag, "I", "II", "A", "AI", "AW", "OA")
	c.oneOf("Notified", &r.Notified, "C", "M", "A")
	if slices.Contains([]string{"A", "AI", "OA"}, r.InvoiceTag) || r.AllowanceNo != "" {
		c.matching("AllowanceNo", &r.AllowanceNo, 16, func(s string) bool { return len(s) == 16 && digitChars(s) }, "sixteen digits")
	}
	c.text("Phone", &r.Phone, 20, r.Notify == "S" || r.Notify == "A")
	c.text("NotifyMail", &r.NotifyMail, 200, r.Notify == "E" || r.Notify == "A")
	return c.err(opB2CInvoiceNotify)
}

// B2CInvoiceNotify has ECPay tell of an invoice.
func (c *Client) B2CInvoiceNotify(ctx context.Context, m *Merchant, r *B2CInvoiceNotifyRequest) (*B2CInvoiceNotifyResponse, error) {
	return call[B2CInvoiceNotifyResponse](ctx, c, m, r)
}

// B2CInvoiceNotifyResponse tells no more than that ECPay will send it.
type B2CInvoiceNotifyResponse struct{ RtnStatus }
