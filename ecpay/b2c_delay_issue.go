package ecpay

import (
	"context"
	"encoding/json"
	"slices"
)

var opB2CDelayIssue = Operation{
	Name: "DelayIssue", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CDelayIssueResponse) },
}

// DelayFlag values of [B2CDelayIssueRequest].
const (
	// DelayAuto issues by itself DelayDay days from now (1 to 15).
	DelayAuto = "1"
	// DelayTriggered waits for TriggerIssue, then DelayDay days (0 to 15).
	DelayTriggered = "2"
)

// B2CDelayIssueRequest stages a delayed invoice (developers.ecpay.com.tw ?p=15369;
// invoice fields as ?p=7896). Amounts are New Taiwan dollars.
type B2CDelayIssueRequest struct {
	MerchantID string
	// RelateNumber is the shop's own number, unique for ever, at most 50 characters.
	RelateNumber       string
	CustomerID         string `json:",omitempty"`
	CustomerIdentifier string `json:",omitempty"`
	CustomerName       string `json:",omitempty"`
	CustomerAddr       string `json:",omitempty"`
	CustomerPhone      string `json:",omitempty"`
	CustomerEmail      string `json:",omitempty"`
	ClearanceMark      string `json:",omitempty"`
	// Print and Donation are "0" or "1".
	Print       string
	Donation    string
	LoveCode    string `json:",omitempty"`
	CarrierType string `json:",omitempty"`
	CarrierNum  string `json:",omitempty"`
	// TaxType is "1", "2", "3", "4" or "9".
	TaxType string
	// ZeroTaxRateReason is required for TaxType 2 and 9 since 2026-01-01: "71" to "79".
	ZeroTaxRateReason string `json:",omitempty"`
	SpecialTaxType    int    `json:",omitempty"`
	// SalesAmount is the rounded sum of all ItemAmount.
	SalesAmount   int64
	InvoiceRemark string `json:",omitempty"`
	Items         []B2CDelayIssueItem
	// InvType is "07" or "08".
	InvType string
	// Vat is "1" when the prices include tax, "0" when not.
	Vat string `json:"vat,omitempty"`
	// DelayFlag is [DelayAuto] or [DelayTriggered].
	DelayFlag string
	DelayDay  int
	// Tsr is the transaction number, never reusable, at most 30 characters. Make
	// it equal to RelateNumber, so that one number addresses both.
	Tsr string
	// PayType is always "2" and PayAct "ECPAY"; empty becomes these.
	PayType   string
	PayAct    string
	NotifyURL string `json:",omitempty"`
}

// B2CDelayIssueItem is one line of the invoice.
type B2CDelayIssueItem struct {
	ItemSeq     int
	ItemName    string
	ItemCount   json.Number
	ItemWord    string
	ItemPrice   json.Number
	ItemTaxType string `json:",omitempty"`
	ItemAmount  json.Number
	ItemRemark  string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CDelayIssueRequest) Operation() Operation { return opB2CDelayIssue }

// Merchant implements [Request].
func (r *B2CDelayIssueRequest) Merchant() string { return r.MerchantID }

const maxItems = 999

// Validate implements [Request]. It checks presence, lengths and sets; sums and
// check digits are ECPay's to judge.
func (r *B2CDelayIssueRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.code("RelateNumber", &r.RelateNumber, 50)
	c.text("CustomerID", &r.CustomerID, 20, false)
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
	c.oneOf("Print", &r.Print, "0", "1")
	c.oneOf("Donation", &r.Donation, "0", "1")
	if r.Donation == "1" {
		c.matching("LoveCode", &r.LoveCode, 7, alnumChars, "a donation code")
	}
	c.text("CarrierType", &r.CarrierType, 1, false)
	c.text("CarrierNum", &r.CarrierNum, 64, false)
	c.oneOf("TaxType", &r.TaxType, "1", "2", "3", "4", "9")
	if slices.Contains([]string{"2", "9"}, r.TaxType) {
		c.oneOf("ZeroTaxRateReason", &r.ZeroTaxRateReason, "71", "72", "73", "74", "75", "76", "77", "78", "79")
	}
	if r.SalesAmount <= 0 {
		c.fail("SalesAmount", "must be more than 0")
	}
	c.text("InvoiceRemark", &r.InvoiceRemark, 200, false)
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
	c.oneOf("DelayFlag", &r.DelayFlag, DelayAuto, DelayTriggered)
	if least := 1; r.DelayDay < least && r.DelayFlag == DelayAuto || r.DelayDay < 0 || r.DelayDay > MaxDelayDay {
		c.fail("DelayDay", "must be 1 to %d days with DelayFlag 1, 0 to %d with DelayFlag 2", MaxDelayDay, MaxDelayDay)
	}
	c.code("Tsr", &r.Tsr, 30)
	if r.PayType == "" {
		r.PayType = "2"
	}
	c.oneOf("PayType", &r.PayType, "2")
	if r.PayAct == "" {
		r.PayAct = "ECPAY"
	}
	c.oneOf("PayAct", &r.PayAct, "ECPAY")
	c.text("NotifyURL", &r.NotifyURL, 200, false)
	return c.err(opB2CDelayIssue)
}

// MaxDelayDay is the longest delay ECPay accepts, in days.
const MaxDelayDay = 15

// B2CDelayIssue stages a delayed invoice.
func (c *Client) B2CDelayIssue(ctx context.Context, m *Merchant, r *B2CDelayIssueRequest) (*B2CDelayIssueResponse, error) {
	return call[B2CDelayIssueResponse](ctx, c, m, r)
}

// B2CDelayIssueResponse carries the Tsr as OrderNumber.
type B2CDelayIssueResponse struct {
	RtnStatus
	OrderNumber Text `json:",omitempty"`
}
