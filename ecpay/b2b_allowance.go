package ecpay

import (
	"context"
	"encoding/json"
)

var opB2BAllowance = Operation{
	Name: "Allowance", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BAllowanceResponse) },
}

// B2BAllowanceRequest makes an allowance (折讓) on invoices that the merchant issued
// (developers.ecpay.com.tw ?p=14923; archive mode ?p=24245). It has no unique key and
// ECPay has no list of allowances: the same request again is a second allowance, and
// whether an unanswered one was executed is for a person to find out in ECPay's back
// office. In exchange mode (交換) the buyer confirms it, and by the page of a sibling
// product (O'Pay) an invoice allows none before the buyer has confirmed its issue.
//
// Lengths that ECPay's pages do not tell are those of O'Pay's.
type B2BAllowanceRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// AllowanceDate is yyyy-mm-dd hh:mm:ss in Asia/Taipei, at most 6 days ago; empty is now.
	AllowanceDate string `json:",omitempty"`
	// CustomerEmail may be several, with ";" between them, at most 80 characters; empty is
	// what the counterparty is registered with.
	CustomerEmail   string `json:",omitempty"`
	CustomerAddress string `json:",omitempty"`
	// TaxAmount is in New Taiwan dollars, and ECPay's to judge.
	TaxAmount int64
	// TotalAmount is without tax: the rounded sum of all ItemAmount.
	TotalAmount int64
	Details     []B2BAllowanceDetail
	// Reason has at most 20 characters and may be empty.
	Reason string `json:",omitempty"`
}

// B2BAllowanceDetail is one line of the allowance. One allowance may be on several
// invoices.
type B2BAllowanceDetail struct {
	// OriginalInvoiceNumber is two capital letters and eight digits.
	OriginalInvoiceNumber string
	// OriginalInvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	OriginalInvoiceDate string
	// OriginalSequenceNumber is the ItemSeq of the item on the invoice, 1 to 999, and
	// ItemName its name there.
	OriginalSequenceNumber int
	ItemName               string
	// ItemCount and ItemPrice are at most those of the invoice, and ItemAmount is their
	// product, without tax. Each has at most 7 decimals.
	ItemCount  json.Number
	ItemPrice  json.Number
	ItemAmount json.Number
	// Tax is in whole dollars; empty is none.
	Tax json.Number `json:",omitempty"`
}

// Operation implements [Request].
func (*B2BAllowanceRequest) Operation() Operation { return opB2BAllowance }

// Merchant implements [Request].
func (r *B2BAllowanceRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request]. It checks presence, lengths and the sum; what is left of
// the invoice is ECPay's to judge.
func (r *B2BAllowanceRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	if r.AllowanceDate != "" {
		c.dateTime("AllowanceDate", &r.AllowanceDate)
	}
	c.text("CustomerEmail", &r.CustomerEmail, 80, false)
	c.text("CustomerAddress", &r.CustomerAddress, 100, false)
	c.wholeDollars("TaxAmount", r.TaxAmount, 0)
	c.wholeDollars("TotalAmount", r.TotalAmount, 1)
	c.entries("Details", len(r.Details))
	sum := new(itemSum)
	for i := range r.Details {
		d := &r.Details[i]
		c.matching("OriginalInvoiceNumber", &d.OriginalInvoiceNumber, 10, IsInvoiceNumber,
			"two capital letters and eight digits, like VG11000002")
		c.date("OriginalInvoiceDate", &d.OriginalInvoiceDate)
		c.between("OriginalSequenceNumber", d.OriginalSequenceNumber, 1, maxItems)
		c.text("ItemName", &d.ItemName, 256, true)
		c.decimal("ItemCount", &d.ItemCount, 8, 7)
		c.decimal("ItemPrice", &d.ItemPrice, 10, 7)
		sum.add(c.decimal("ItemAmount", &d.ItemAmount, 12, 7))
		if d.Tax != "" {
			c.decimal("Tax", &d.Tax, 11, 0)
		}
	}
	if !sum.rounds(r.TotalAmount) {
		c.fail("TotalAmount", "must be the sum of all ItemAmount, rounded to whole dollars")
	}
	c.text("Reason", &r.Reason, 20, false)
	return c.err(opB2BAllowance)
}

// B2BAllowance makes an allowance.
func (c *Client) B2BAllowance(ctx context.Context, m *Merchant, r *B2BAllowanceRequest) (*B2BAllowanceResponse, error) {
	return call[B2BAllowanceResponse](ctx, c, m, r)
}

// B2BAllowanceResponse holds the number of the allowance: without it nothing can be asked
// about it.
type B2BAllowanceResponse struct {
	RtnStatus
	// AllowanceNo has 16 digits.
	AllowanceNo Text `json:",omitempty"`
	// AllowanceNumber is told by O'Pay's page only: the merchant's own number, equal to
	// AllowanceNo where there is none.
	AllowanceNumber Text `json:",omitempty"`
}
