package ecpay

import (
	"encoding/json"
	"slices"
)

// B2CInvoice holds the fields of a B2C invoice that Issue, DelayIssue, EditDelayIssue and the
// IssueModel of VoidWithReIssue share (developers.ecpay.com.tw ?p=7896). Amounts are New Taiwan
// dollars. What is empty is not sent.
type B2CInvoice struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// RelateNumber is the shop's own number, unique for ever, at most 50 characters. ECPay ignores
	// its case.
	RelateNumber string
	CustomerID   string `json:",omitempty"`
	// CustomerIdentifier is the buyer's 統一編號, eight digits.
	CustomerIdentifier string `json:",omitempty"`
	// CustomerName and CustomerAddr are required with Print 1.
	CustomerName  string `json:",omitempty"`
	CustomerAddr  string `json:",omitempty"`
	CustomerPhone string `json:",omitempty"`
	CustomerEmail string `json:",omitempty"`
	ClearanceMark string `json:",omitempty"`
	// Print and Donation are "0" or "1".
	Print       string
	Donation    string
	LoveCode    string `json:",omitempty"`
	CarrierType string `json:",omitempty"`
	CarrierNum  string `json:",omitempty"`
	// TaxType is "1" taxable, "2" zero rate, "3" exempt, "4" special, or "9" mixed.
	TaxType string
	// ZeroTaxRateReason is required for TaxType 2 and 9 since 2026-01-01: "71" to "79". That is
	// documented; the stage host was seen to issue without it.
	ZeroTaxRateReason string `json:",omitempty"`
	SpecialTaxType    int    `json:",omitempty"`
	// SalesAmount is the rounded sum of all ItemAmount.
	SalesAmount   int64
	InvoiceRemark string `json:",omitempty"`
	Items         []B2CInvoiceItem
	// InvType is "07" general or "08" special.
	InvType string
	// Vat is "1" when ItemPrice includes tax, "0" when not; empty is "1".
	Vat string `json:"vat,omitempty"`
}

// B2CInvoiceItem is one line of the invoice.
type B2CInvoiceItem struct {
	ItemSeq     int
	ItemName    string
	ItemCount   json.Number
	ItemWord    string
	ItemPrice   json.Number
	ItemTaxType string `json:",omitempty"`
	ItemAmount  json.Number
	ItemRemark  string `json:",omitempty"`
}

// Merchant implements [Request].
func (r *B2CInvoice) Merchant() string { return r.MerchantID }

const maxItems = 999

// check checks presence, lengths and sets; sums and check digits are ECPay's to judge.
func (r *B2CInvoice) check(c *check) {
	c.merchantID(&r.MerchantID)
	c.code("RelateNumber", &r.RelateNumber, 50)
	c.text("CustomerID", &r.CustomerID, 20, false)
	r.checkBuyer(c)
	r.checkCarrier(c)
	r.checkTax(c)
	if r.SalesAmount <= 0 {
		c.fail("SalesAmount", "must be more than 0")
	}
	c.text("InvoiceRemark", &r.InvoiceRemark, 200, false)
	r.checkItems(c)
}

func (r *B2CInvoice) checkBuyer(c *check) {
	if r.CustomerIdentifier != "" {
		c.matching("CustomerIdentifier", &r.CustomerIdentifier, 8, digitChars, "eight digits")
	}
	printed := r.Print == "1"
	c.text("CustomerName", &r.CustomerName, 60, printed)
	c.text("CustomerAddr", &r.CustomerAddr, 100, printed)
	c.text("CustomerPhone", &r.CustomerPhone, 20, false)
	c.text("CustomerEmail", &r.CustomerEmail, 80, false)
	if r.CustomerPhone == "" && r.CustomerEmail == "" {
		c.fail("CustomerPhone", "or CustomerEmail is required")
	}
}

func (r *B2CInvoice) checkCarrier(c *check) {
	c.oneOf("Print", &r.Print, "0", "1")
	c.oneOf("Donation", &r.Donation, "0", "1")
	if r.Donation == "1" {
		c.matching("LoveCode", &r.LoveCode, 7, alnumChars, "a donation code")
	}
	c.text("CarrierType", &r.CarrierType, 1, false)
	c.text("CarrierNum", &r.CarrierNum, 64, false)
}

func (r *B2CInvoice) checkTax(c *check) {
	c.oneOf("TaxType", &r.TaxType, "1", "2", "3", "4", "9")
	if slices.Contains([]string{"2", "9"}, r.TaxType) {
		c.oneOf("ZeroTaxRateReason", &r.ZeroTaxRateReason, "71", "72", "73", "74", "75", "76", "77", "78", "79")
	}
}

func (r *B2CInvoice) checkItems(c *check) {
	if n := len(r.Items); n == 0 || n > maxItems {
		c.fail("Items", "has %d entries, 1 to %d are allowed", n, maxItems)
	}
	for i := range r.Items {
		item := &r.Items[i]
		c.text("ItemName", &item.ItemName, 500, true)
		c.text("ItemWord", &item.ItemWord, 6, true)
		c.text("ItemRemark", &item.ItemRemark, 120, false)
	}
	c.oneOf("InvType", &r.InvType, "07", "08")
	if r.Vat != "" {
		c.oneOf("vat", &r.Vat, "0", "1")
	}
}
