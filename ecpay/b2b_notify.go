package ecpay

import (
	"context"
	"slices"
)

var opB2BNotify = Operation{
	Name: "Notify", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BNotifyResponse) },
}

// B2BNotifyRequest has ECPay mail about an invoice or an allowance
// (developers.ecpay.com.tw ?p=14988). No query tells whether a mail went out, and the same
// request again is a second mail: it may not be repeated. Stage sends none.
type B2BNotifyRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// InvoiceNumber is two capital letters and eight digits.
	InvoiceNumber string
	// AllowanceNo has at most 16 letters and digits, and is required for InvoiceTag 4, 5, 9
	// and 10, which are about an allowance (inferred; no page says when it is).
	AllowanceNo string `json:",omitempty"`
	// NotifyMail may be several addresses, with ";" between them, at most 80 characters.
	NotifyMail string
	// InvoiceTag is "1" issue, "2" void, "3" rejection, "4" allowance, "5" void of an
	// allowance, and in exchange mode (交換) their confirms in this order, "6" to "10".
	InvoiceTag string
	// Notified is "C" the customer, "M" the merchant, "A" both.
	Notified string
}

// Operation implements [Request].
func (*B2BNotifyRequest) Operation() Operation { return opB2BNotify }

// Merchant implements [Request].
func (r *B2BNotifyRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request].
func (r *B2BNotifyRequest) Validate() error {
	var c check
	c.b2bInvoice(&r.MerchantID, &r.InvoiceNumber, &r.InvoiceDate)
	c.oneOf("InvoiceTag", &r.InvoiceTag, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
	if about := slices.Contains([]string{"4", "5", "9", "10"}, r.InvoiceTag); about || r.AllowanceNo != "" {
		c.allowanceNo(&r.AllowanceNo)
	}
	c.text("NotifyMail", &r.NotifyMail, 80, true)
	c.oneOf("Notified", &r.Notified, "C", "M", "A")
	return c.err(opB2BNotify)
}

// B2BNotify has ECPay mail about an invoice or an allowance.
func (c *Client) B2BNotify(ctx context.Context, m *Merchant, r *B2BNotifyRequest) (*B2BNotifyResponse, error) {
	return call[B2BNotifyResponse](ctx, c, m, r)
}

// B2BNotifyResponse has no fields of its own.
type B2BNotifyResponse struct{ RtnStatus }
