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
	// ChannelPartner is "1" for an order of Shopee (蝦皮).
	ChannelPartner string `json:",omitempty"`
	CustomerID     string `json:",omitempty"`
	// ProductServiceID chooses among several tracks of numbers, where ECPay has enabled them.
	ProductServiceID string `json:",omitempty"`
	// CustomerIdentifier is the buyer's 統一編號, eight digits with a check digit. It needs Print 1 or a
	// carrier.
	CustomerIdentifier string `json:",omitempty"`
	// CustomerName and CustomerAddr are required with Print 1.
	CustomerName string `json:",omitempty"`
	CustomerAddr string `json:",omitempty"`
	// CustomerPhone or CustomerEmail is required.
	CustomerPhone string `json:",omitempty"`
	CustomerEmail string `json:",omitempty"`
	// ClearanceMark is required for TaxType 2: "1" not through the customs, "2" through them.
	ClearanceMark string `json:",omitempty"`
	// Print and Donation are "0" or "1". An invoice with a carrier is not printed.
	Print    string
	Donation string
	// LoveCode is required with Donation 1: three to seven digits.
	LoveCode string `json:",omitempty"`
	// CarrierType is empty for none, "1" ECPay's own, "2" a citizen certificate, "3" a mobile barcode,
	// "4" EasyCard (悠遊卡) or "5" iPass (一卡通).
	CarrierType string `json:",omitempty"`
	// CarrierNum is, for CarrierType 2, two capital letters and fourteen digits; for 3, a slash and
	// seven of 0-9, A-Z, "+", "-" and "."; for 4 and 5, the number inside the card.
	CarrierNum string `json:",omitempty"`
	// CarrierNum2 is the number that is printed on the card, for CarrierType 4 and 5.
	CarrierNum2 string `json:",omitempty"`
	// TaxType is "1" taxable, "2" zero rate, "3" exempt, "4" special, or "9" mixed.
	TaxType string
	// ZeroTaxRateReason is required for TaxType 2 and 9 since 2026-01-01: "71" to "79". So it is
	// documented; the stage host was seen to issue without it.
	ZeroTaxRateReason string `json:",omitempty"`
	// SpecialTaxType is 1 to 8, for the rates of TaxType 4.
	SpecialTaxType int `json:",omitempty"`
	// SalesAmount includes tax. It is the rounded sum of all ItemAmount, see [B2CInvoice.Amounts].
	SalesAmount int64
	// TaxAmount is left to ECPay to compute where it is nil. With TaxType 4 it is 0.
	TaxAmount     *int64 `json:",omitempty"`
	InvoiceRemark string `json:",omitempty"`
	Items         []B2CInvoiceItem
	// InvType is "07" general or "08" special.
	InvType string
	// Vat is "1" when ItemPrice includes tax, "0" when not; empty is "1".
	Vat string `json:"vat,omitempty"`
}

// B2CInvoiceItem is one line of the invoice. Its numbers are decimals without an exponent.
type B2CInvoiceItem struct {
	ItemSeq  int
	ItemName string
	// ItemCount has at most 8 digits before the point and 2 after it.
	ItemCount json.Number
	ItemWord  string
	// ItemPrice has at most 8 digits before the point and 7 after it. Vat says whether it includes tax.
	ItemPrice json.Number
	// ItemTaxType is "1" taxable, "2" zero rate or "3" exempt. It is required for TaxType 9.
	ItemTaxType string `json:",omitempty"`
	// ItemAmount has as many digits as ItemPrice, and includes tax whatever Vat says.
	ItemAmount json.Number
	ItemRemark string `json:",omitempty"`
}

// Merchant implements [Request].
func (r *B2CInvoice) Merchant() string { return r.MerchantID }

const maxItems = 999

// check checks presence, lengths, forms and sets, and of combinations those that ECPay is known to
// refuse. It is known to accept a carrier with a donation, and one with a CustomerIdentifier.
func (r *B2CInvoice) check(c *check) {
	c.merchantID(&r.MerchantID)
	c.code("RelateNumber", &r.RelateNumber, 50)
	c.text("ChannelPartner", &r.ChannelPartner, 1, false)
	c.text("CustomerID", &r.CustomerID, 20, false)
	c.text("ProductServiceID", &r.ProductServiceID, 10, false)
	r.checkBuyer(c)
	r.checkCarrier(c)
	r.checkTax(c)
	c.text("InvoiceRemark", &r.InvoiceRemark, 200, false)
	r.checkAmounts(c)
}

func (r *B2CInvoice) checkBuyer(c *check) {
	if r.CustomerIdentifier != "" {
		c.taxID("CustomerIdentifier", &r.CustomerIdentifier)
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
		c.loveCode("LoveCode", &r.LoveCode)
	} else {
		c.text("LoveCode", &r.LoveCode, 7, false)
	}
	if r.CarrierType != "" {
		c.oneOf("CarrierType", &r.CarrierType, "1", "2", "3", "4", "5")
	}
	switch r.CarrierType {
	case "2":
		c.matching("CarrierNum", &r.CarrierNum, 16, citizenCertificate, "two capital letters and fourteen digits with CarrierType 2")
	case "3":
		c.mobileBarcode("CarrierNum", &r.CarrierNum)
	default:
		card := r.CarrierType == "4" || r.CarrierType == "5"
		c.text("CarrierNum", &r.CarrierNum, 64, card)
		c.text("CarrierNum2", &r.CarrierNum2, 64, card)
	}
	switch {
	case r.CarrierType != "" && r.Print == "1" && (r.CarrierType != "3" || r.CustomerIdentifier == ""):
		// 5000015. A sibling product prints one with a mobile barcode and a 統一編號; what ECPay says to it is unknown.
		c.fail("Print", "must be 0 with a CarrierType: leave one of them out")
	case r.CustomerIdentifier != "" && r.CarrierType == "" && r.Print == "0": // 5000028
		c.fail("CustomerIdentifier", "needs Print 1 or a CarrierType")
	}
}

func (r *B2CInvoice) checkTax(c *check) {
	c.oneOf("TaxType", &r.TaxType, "1", "2", "3", "4", "9")
	if r.TaxType == "2" || r.ClearanceMark != "" { // 5000007
		c.oneOf("ClearanceMark", &r.ClearanceMark, "1", "2")
	}
	if slices.Contains([]string{"2", "9"}, r.TaxType) {
		c.oneOf("ZeroTaxRateReason", &r.ZeroTaxRateReason, "71", "72", "73", "74", "75", "76", "77", "78", "79")
	}
	c.between("SpecialTaxType", r.SpecialTaxType, 0, 8)
	c.oneOf("InvType", &r.InvType, "07", "08")
	if r.Vat != "" {
		c.oneOf("vat", &r.Vat, "0", "1")
	}
}

func (r *B2CInvoice) checkAmounts(c *check) {
	if r.TaxAmount != nil && *r.TaxAmount < 0 {
		c.fail("TaxAmount", "may not be less than 0")
	}
	c.entries("Items", len(r.Items))
	before := len(c.fields)
	for i := range r.Items {
		item := &r.Items[i]
		c.text("ItemName", &item.ItemName, 500, true)
		c.decimal("ItemCount", &item.ItemCount, itemWhole, issueCountPlaces)
		c.text("ItemWord", &item.ItemWord, 6, true)
		c.decimal("ItemPrice", &item.ItemPrice, itemWhole, itemAmountPlaces)
		if r.TaxType == "9" {
			c.oneOf("ItemTaxType", &item.ItemTaxType, "1", "2", "3")
		} else {
			c.text("ItemTaxType", &item.ItemTaxType, 1, false)
		}
		c.decimal("ItemAmount", &item.ItemAmount, itemWhole, itemAmountPlaces)
		c.text("ItemRemark", &item.ItemRemark, 120, false)
	}
	switch {
	case r.SalesAmount <= 0:
		c.fail("SalesAmount", "must be more than 0")
	case len(r.Items) > 0 && len(c.fields) == before:
		r.checkSum(c)
	}
}
