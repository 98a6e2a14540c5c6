package ecpay

import (
	"context"
	"encoding/json"
)

var opB2CAllowance = Operation{
	Name: "Allowance", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CAllowanceResponse) },
}

// AllowanceNotify values of [B2CAllowanceRequest]: how the buyer is told.
const (
	NotifySMS   = "S"
	NotifyEmail = "E"
	NotifyBoth  = "A"
	NotifyNone  = "N"
)

// B2CAllowanceRequest allows the buyer a part or all of an issued invoice
// (developers.ecpay.com.tw ?p=7901). Amounts are New Taiwan dollars with tax.
//
// Nothing in it is unique: ECPay takes a repeat for a second allowance. What an
// unanswered one did is found out before it is sent again, by [B2CGetAllowanceListRequest]
// and by the IIS_Remain_Allowance_Amt of [B2CGetIssueResponse], which it lowers.
type B2CAllowanceRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// AllowanceNotify is [NotifySMS], [NotifyEmail], [NotifyBoth] or [NotifyNone].
	AllowanceNotify string
	CustomerName    string `json:",omitempty"`
	// NotifyMail is required with NotifyEmail and NotifyBoth: addresses, separated by
	// semicolons, of at most 100 characters together.
	NotifyMail string `json:",omitempty"`
	// NotifyPhone is required with NotifySMS and NotifyBoth: at most 20 digits.
	NotifyPhone string `json:",omitempty"`
	// AllowanceAmount is the sum of all ItemAmount, rounded to whole dollars. ECPay
	// refuses more than is left of the invoice with 2000034.
	AllowanceAmount json.Number
	// Reason has at most 50 characters (seen in ECPay's .NET library).
	Reason string `json:",omitempty"`
	Items  []B2CAllowanceItem
}

// B2CAllowanceItem is one line of an allowance. Its numbers are decimal digits: at most
// 8 before the point, 6 after it in ItemCount, 7 in ItemPrice and ItemAmount.
type B2CAllowanceItem struct {
	// ItemSeq is 1 to 999; 0 becomes the place in the list.
	ItemSeq  int
	ItemName string
	// ItemCount is more than 0.
	ItemCount json.Number
	ItemWord  string
	ItemPrice json.Number
	// ItemTaxType is "1", "2", "3" or empty.
	ItemTaxType string `json:",omitempty"`
	// ItemAmount includes the tax. The tax office wants whole dollars in it.
	ItemAmount json.Number
}

// Operation implements [Request].
func (*B2CAllowanceRequest) Operation() Operation { return opB2CAllowance }

// Merchant implements [Request].
func (r *B2CAllowanceRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request]. It adds up the items; whether so much is left of the
// invoice is ECPay's to judge.
func (r *B2CAllowanceRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	c.oneOf("AllowanceNotify", &r.AllowanceNotify, NotifySMS, NotifyEmail, NotifyBoth, NotifyNone)
	c.text("CustomerName", &r.CustomerName, 60, false)
	c.mails("NotifyMail", &r.NotifyMail, maxNotifyMail, r.AllowanceNotify == NotifyEmail || r.AllowanceNotify == NotifyBoth)
	if r.NotifyPhone != "" || r.AllowanceNotify == NotifySMS || r.AllowanceNotify == NotifyBoth {
		c.matching("NotifyPhone", &r.NotifyPhone, 20, digitChars, "digits")
	}
	c.text("Reason", &r.Reason, maxAllowanceReason, false)
	c.allowanceItems(&r.AllowanceAmount, r.Items)
	return c.err(opB2CAllowance)
}

const (
	maxNotifyMail      = 100
	maxAllowanceReason = 50
)

// allowanceItems checks the lines of an allowance, and that they add up to its amount.
func (c *check) allowanceItems(amount *json.Number, items []B2CAllowanceItem) {
	total := c.dollars("AllowanceAmount", amount)
	before := len(c.fields)
	if c.entries("Items", len(items)); len(c.fields) > before {
		return
	}
	sum := new(itemSum)
	for i := range items {
		item := &items[i]
		if item.ItemSeq == 0 {
			item.ItemSeq = i + 1
		}
		c.between("ItemSeq", item.ItemSeq, 1, maxItems)
		c.text("ItemName", &item.ItemName, 500, true)
		if n := c.decimal("ItemCount", &item.ItemCount, itemWhole, itemCountPlaces); n != nil && n.Sign() <= 0 {
			c.fail("ItemCount", "must be more than 0")
		}
		c.text("ItemWord", &item.ItemWord, 6, true)
		c.decimal("ItemPrice", &item.ItemPrice, itemWhole, itemAmountPlaces)
		if item.ItemTaxType != "" {
			c.oneOf("ItemTaxType", &item.ItemTaxType, "1", "2", "3")
		}
		sum.add(c.decimal("ItemAmount", &item.ItemAmount, itemWhole, itemAmountPlaces))
	}
	if total != nil && !sum.rounds(total.Int64()) {
		c.fail("AllowanceAmount", "must be the sum of all ItemAmount, rounded to whole dollars")
	}
}

// B2CAllowance makes an allowance.
func (c *Client) B2CAllowance(ctx context.Context, m *Merchant, r *B2CAllowanceRequest) (*B2CAllowanceResponse, error) {
	return call[B2CAllowanceResponse](ctx, c, m, r)
}

// B2CAllowanceResponse names the allowance, by which it can be voided and asked about.
type B2CAllowanceResponse struct {
	RtnStatus
	// IA_Allow_No is the AllowanceNo of other requests, 16 digits.
	IA_Allow_No   Text `json:",omitempty"` // ECPay's spelling
	IA_Invoice_No Text `json:",omitempty"`
	// IA_Date is yyyy-MM-dd HH:mm:ss in Asia/Taipei.
	IA_Date Text `json:",omitempty"`
	// IA_Remain_Allowance_Amt is what is left of the invoice, in dollars with tax.
	IA_Remain_Allowance_Amt Text `json:",omitempty"`
}
