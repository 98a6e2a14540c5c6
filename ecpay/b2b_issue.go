package ecpay

import (
	"context"
	"encoding/json"
)

var opB2BIssue = Operation{
	Name: "Issue", Category: B2B, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2BIssueResponse) },
}

// B2BIssueRequest issues a B2B invoice (developers.ecpay.com.tw ?p=14850; archive mode
// ?p=24230). The buyer has to be registered by MaintainMerchantCustomerData, else RtnCode
// 6000015. In exchange mode (交換) the buyer confirms or rejects it. What ECPay answers to
// a RelateNumber that was used before is unknown; GetIssue by RelateNumber tells whether
// it was.
type B2BIssueRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	B2BIssueModel
}

// B2BIssueModel is the invoice of [B2BIssueRequest] and of [B2BVoidWithReIssueRequest].
// Amounts are New Taiwan dollars, and prices are without tax. Lengths that ECPay's pages
// do not tell are those of a sibling product's (O'Pay), the longer one where two differ.
type B2BIssueModel struct {
	// RelateNumber is the merchant's own number, unique for ever, at most 50 characters;
	// in exchange mode (交換) ECPay takes 20.
	RelateNumber string
	// InvoiceTime is yyyy-mm-dd hh:mm:ss in Asia/Taipei, at most 6 days ago by O'Pay's page.
	// Leave it empty: ECPay issues now, and the day of the number is that of Taipei, see
	// [Date].
	InvoiceTime string `json:",omitempty"`
	// CustomerIdentifier is the buyer's 統一編號, eight digits.
	CustomerIdentifier string
	// CustomerEmail may be several, with ";" between them, at most 200 characters; empty
	// is what the counterparty is registered with.
	CustomerEmail           string `json:",omitempty"`
	CustomerAddress         string `json:",omitempty"`
	CustomerTelephoneNumber string `json:",omitempty"`
	// ClearanceMark is "1" or "2" with TaxType 2.
	ClearanceMark string `json:",omitempty"`
	// InvType is "07" with TaxType "1", "2" or "3", "08" with TaxType "3" or "4".
	InvType string
	TaxType string
	// ZeroTaxRateReason is "71" to "79", with TaxType 2. ECPay does not insist on it.
	ZeroTaxRateReason string `json:",omitempty"`
	// SpecialTaxType is 1 to 8 with TaxType 4.
	SpecialTaxType int `json:",omitempty"`
	Items          []B2BIssueItem
	// SalesAmount is the rounded sum of all ItemAmount.
	SalesAmount int64
	// TaxAmount is ECPay's to judge: by O'Pay's page at most 2 dollars from the rounded
	// tax of SalesAmount.
	TaxAmount int64
	// TotalAmount is SalesAmount and TaxAmount together.
	TotalAmount   int64
	InvoiceRemark string `json:",omitempty"`
}

// B2BIssueItem is one line of the invoice.
type B2BIssueItem struct {
	// ItemSeq is 1 to 999, and no other item's.
	ItemSeq int
	// ItemName has at most 256 characters.
	ItemName string
	// ItemCount and ItemPrice have at most 8 and 10 digits, ItemAmount 12, each with at
	// most 7 decimals.
	ItemCount json.Number
	// ItemWord, the unit, has at most 6 characters and may be empty.
	ItemWord   string `json:",omitempty"`
	ItemPrice  json.Number
	ItemAmount json.Number
	// ItemTax is the tax in whole dollars, for ECPay to check; empty is none. ECPay's PHP
	// sample has no ItemTax but an ItemTaxType, which no page of B2B names.
	ItemTax    json.Number `json:",omitempty"`
	ItemRemark string      `json:",omitempty"`
}

// Operation implements [Request].
func (*B2BIssueRequest) Operation() Operation { return opB2BIssue }

// Merchant implements [Request].
func (r *B2BIssueRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request]. It checks presence, lengths, sets and sums; taxes and
// check digits are ECPay's to judge.
func (r *B2BIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.b2bIssue(&r.B2BIssueModel)
	return c.err(opB2BIssue)
}

func (c *check) b2bIssue(r *B2BIssueModel) {
	c.code("RelateNumber", &r.RelateNumber, 50)
	if r.InvoiceTime != "" {
		c.dateTime("InvoiceTime", &r.InvoiceTime)
	}
	c.matching("CustomerIdentifier", &r.CustomerIdentifier, 8, eightDigits, "eight digits")
	c.text("CustomerEmail", &r.CustomerEmail, 200, false)
	c.text("CustomerAddress", &r.CustomerAddress, 100, false)
	c.text("CustomerTelephoneNumber", &r.CustomerTelephoneNumber, 30, false)
	c.oneOf("InvType", &r.InvType, "07", "08")
	c.b2bTax(r)
	c.b2bItems(r)
	c.text("InvoiceRemark", &r.InvoiceRemark, 200, false)
}

// b2bTax: which taxes go with which InvType, and what goes with them.
func (c *check) b2bTax(r *B2BIssueModel) {
	switch r.InvType {
	case "08":
		c.oneOf("TaxType", &r.TaxType, "3", "4")
	default:
		c.oneOf("TaxType", &r.TaxType, "1", "2", "3")
	}
	if r.TaxType == "2" {
		c.oneOf("ClearanceMark", &r.ClearanceMark, "1", "2")
	}
	if r.ZeroTaxRateReason != "" {
		c.oneOf("ZeroTaxRateReason", &r.ZeroTaxRateReason, "71", "72", "73", "74", "75", "76", "77", "78", "79")
	}
	if r.TaxType == "4" && r.SpecialTaxType == 0 || r.SpecialTaxType < 0 || r.SpecialTaxType > 8 {
		c.fail("SpecialTaxType", "is required with TaxType 4: a number from 1 to 8")
	}
}

func (c *check) b2bItems(r *B2BIssueModel) {
	c.entries("Items", len(r.Items))
	seen := map[int]bool{}
	sum := new(itemSum)
	for i := range r.Items {
		item := &r.Items[i]
		c.between("ItemSeq", item.ItemSeq, 1, maxItems)
		if seen[item.ItemSeq] {
			c.fail("ItemSeq", "must differ from that of every other item")
		}
		seen[item.ItemSeq] = true
		c.text("ItemName", &item.ItemName, 256, true)
		c.decimal("ItemCount", &item.ItemCount, 8, 7)
		c.text("ItemWord", &item.ItemWord, 6, false)
		c.decimal("ItemPrice", &item.ItemPrice, 10, 7)
		sum.add(c.decimal("ItemAmount", &item.ItemAmount, 12, 7))
		if item.ItemTax != "" {
			c.decimal("ItemTax", &item.ItemTax, 11, 0)
		}
		c.text("ItemRemark", &item.ItemRemark, 200, false)
	}
	c.wholeDollars("SalesAmount", r.SalesAmount, 1)
	if !sum.rounds(r.SalesAmount) {
		c.fail("SalesAmount", "must be the sum of all ItemAmount, rounded to whole dollars")
	}
	c.wholeDollars("TaxAmount", r.TaxAmount, 0)
	if r.TotalAmount != r.SalesAmount+r.TaxAmount {
		c.fail("TotalAmount", "must be SalesAmount and TaxAmount together")
	}
}

// B2BIssue issues a B2B invoice.
func (c *Client) B2BIssue(ctx context.Context, m *Merchant, r *B2BIssueRequest) (*B2BIssueResponse, error) {
	return call[B2BIssueResponse](ctx, c, m, r)
}

// B2BIssueResponse has no date: the day of the number is Taipei's when ECPay issued it.
// Near midnight GetIssue by RelateNumber tells it.
type B2BIssueResponse struct {
	RtnStatus
	InvoiceNumber Text `json:",omitempty"`
	RandomNumber  Text `json:",omitempty"`
}
