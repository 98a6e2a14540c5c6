package ecpay

import (
	"context"
	"encoding/json"
)

var opB2CAllowanceByCollegiate = Operation{
	Name: "AllowanceByCollegiate", Category: B2C, Write: true,
	Success:     []int64{1},
	newResponse: func() Response { return new(B2CAllowanceByCollegiateResponse) },
}

// B2CAllowanceByCollegiateRequest offers the buyer an allowance by e-mail
// (developers.ecpay.com.tw ?p=15391). Success is the offer alone: the allowance comes into
// being when the buyer agrees, within 72 hours, and no list shows it before. Until then
// [B2CAllowanceInvalidByCollegiateRequest] withdraws it.
//
// Nothing in it is unique: a repeat is a second offer. An open offer has been seen to
// take its amount from what is left of the invoice, so the IIS_Remain_Allowance_Amt of
// [B2CGetIssueResponse], before and after, is all that tells whether an unanswered one
// was made.
type B2CAllowanceByCollegiateRequest struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// InvoiceNo is two capital letters and eight digits.
	InvoiceNo string
	// InvoiceDate is the day of issue in Asia/Taipei, yyyy-mm-dd.
	InvoiceDate string
	// AllowanceNotify is always [NotifyEmail]; empty becomes it.
	AllowanceNotify string
	CustomerName    string `json:",omitempty"`
	// NotifyMail is where the offer goes: addresses, separated by semicolons, of at most
	// 100 characters together.
	NotifyMail string
	// AllowanceAmount is the sum of all ItemAmount, rounded to whole dollars.
	AllowanceAmount json.Number
	// Reason has at most 50 characters (seen in ECPay's .NET library).
	Reason string `json:",omitempty"`
	Items  []B2CAllowanceItem
	// ReturnURL is told by a form, with a CheckMacValue, when the buyer has agreed; at
	// most 200 characters. It has to answer 1|OK.
	ReturnURL string `json:",omitempty"`
}

// Operation implements [Request].
func (*B2CAllowanceByCollegiateRequest) Operation() Operation { return opB2CAllowanceByCollegiate }

// Merchant implements [Request].
func (r *B2CAllowanceByCollegiateRequest) Merchant() string { return r.MerchantID }

// Validate implements [Request]. It adds up the items; whether so much is left of the
// invoice is ECPay's to judge.
func (r *B2CAllowanceByCollegiateRequest) Validate() error {
	var c check
	c.merchantID(&r.MerchantID)
	c.invoiceNo(&r.InvoiceNo)
	c.date("InvoiceDate", &r.InvoiceDate)
	if r.AllowanceNotify == "" {
		r.AllowanceNotify = NotifyEmail
	}
	c.oneOf("AllowanceNotify", &r.AllowanceNotify, NotifyEmail)
	c.text("CustomerName", &r.CustomerName, 60, false)
	c.mails("NotifyMail", &r.NotifyMail, maxNotifyMail, true)
	c.text("Reason", &r.Reason, maxAllowanceReason, false)
	c.allowanceItems(&r.AllowanceAmount, r.Items)
	c.text("ReturnURL", &r.ReturnURL, 200, false)
	return c.err(opB2CAllowanceByCollegiate)
}

// B2CAllowanceByCollegiate offers the buyer an allowance.
func (c *Client) B2CAllowanceByCollegiate(
	ctx context.Context, m *Merchant, r *B2CAllowanceByCollegiateRequest,
) (*B2CAllowanceByCollegiateResponse, error) {
	return call[B2CAllowanceByCollegiateResponse](ctx, c, m, r)
}

// B2CAllowanceByCollegiateResponse names the offer. Its number becomes that of the
// allowance.
type B2CAllowanceByCollegiateResponse struct {
	RtnStatus
	// IA_Allow_No is the AllowanceNo of other requests, 16 digits.
	IA_Allow_No   Text `json:",omitempty"` // ECPay's spelling
	IA_Invoice_No Text `json:",omitempty"`
	// IA_TempDate and IA_TempExpireDate are yyyy-MM-dd HH:mm:ss in Asia/Taipei: when the
	// offer was made, and until when the buyer may agree.
	IA_TempDate       Text `json:",omitempty"`
	IA_TempExpireDate Text `json:",omitempty"`
	// IA_Remain_Allowance_Amt is what is left of the invoice, in dollars with tax.
	IA_Remain_Allowance_Amt Text `json:",omitempty"`
}
