package tasks

import (
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cCancelDelayIssue = Type{
	newPayload: func() Payload { return new(B2CCancelDelayIssue) },
	Queue:      "cancel_delay_issue",
	Alias:      "cancel-delay-issue",
	Fields: []Field{
		merchantIDField, tsrField, relateNumberField,
		{
			Name: "VoidReason", Max: 20,
			En:   "void the invoice for this reason where it is issued by now, at most 20 characters; needs RelateNumber",
			ZhTW: "發票若已開立，即以此原因作廢，至多 20 個字元；須同時給 RelateNumber",
		},
	},

	Ahead:       true, // it races the hour of issue
	SendUnasked: true, // ECPay answers 5070305 to a second cancel (?p=15382)
	Shown:       ShownIsConflict,
	MaxPayload:  16 << 10, MaxResult: 8 << 10,
}

// B2CCancelDelayIssue is the payload of b2c:cancel_delay_issue, which cancels a delayed
// invoice that is not issued yet.
type B2CCancelDelayIssue struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// Tsr is the transaction number given to DelayIssue, at most 30 characters.
	Tsr string
	// RelateNumber is the shop's own number given to DelayIssue, at most 50 characters,
	// by which a worker can ask ECPay; empty when unknown. It is not sent.
	RelateNumber string `json:",omitempty"`
	// VoidReason, at most 20 characters, has an invoice that is issued by now voided for this reason. It needs the
	// RelateNumber, by which the invoice is found; empty leaves an issued invoice alone. It is not sent with the cancel.
	VoidReason string `json:",omitempty"`
}

// Request implements [Payload].
func (p *B2CCancelDelayIssue) Request() ecpay.Request { return p.request() }

func (p *B2CCancelDelayIssue) request() *ecpay.B2CCancelDelayIssueRequest {
	return &ecpay.B2CCancelDelayIssueRequest{MerchantID: p.MerchantID, Tsr: p.Tsr}
}

// Validate implements [Payload].
func (p *B2CCancelDelayIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.Tsr = r.MerchantID, r.Tsr
	return join(r, err, append(relateNumberProblems(&p.RelateNumber), p.voidProblems()...))
}

// voidProblems says what is wrong with the VoidReason.
func (p *B2CCancelDelayIssue) voidProblems() []ecpay.FieldError {
	if p.VoidReason = strings.TrimSpace(p.VoidReason); p.VoidReason == "" {
		return nil
	}
	wrong := ecpay.ValidText("VoidReason", p.VoidReason, 20)
	if p.RelateNumber == "" {
		wrong = append(wrong, ecpay.FieldError{Field: "RelateNumber", Problem: "is required with VoidReason"})
	}
	return wrong
}

// schema is that of VoidReason, which came later.
func (p *B2CCancelDelayIssue) schema() int {
	if p.VoidReason != "" {
		return 2
	}
	return Schema
}

// undo voids what is issued by now.
func (p *B2CCancelDelayIssue) undo(shown ecpay.Response) *Undo {
	r, ok := shown.(*ecpay.B2CGetIssueResponse)
	if p.VoidReason == "" || !ok {
		return nil
	}
	issued, err := time.ParseInLocation(time.DateTime, string(r.IIS_Create_Date), ecpay.Taipei)
	if err != nil {
		return nil
	}
	void := &B2CInvalid{
		MerchantID: p.MerchantID, InvoiceNo: string(r.IIS_Number), InvoiceDate: issued.Format(time.DateOnly), Reason: p.VoidReason,
	}
	return &Undo{
		Instead: void, Until: ecpay.VoidDeadline(issued), Over: r.IIS_Invalid_Status == "1",
		Answer: &Undone{r.RtnStatus, "voided", void.InvoiceNo, void.InvoiceDate},
	}
}

func (p *B2CCancelDelayIssue) wantsUndone() bool { return p.VoidReason != "" }

func (p *B2CCancelDelayIssue) subject() []string { return []string{p.Tsr} }

// ask asks GetIssue for the invoice: what is issued was not cancelled.
func (p *B2CCancelDelayIssue) ask(tsrIsRelateNumber bool) *Ask {
	return askIssued(p.MerchantID, p.RelateNumber, p.Tsr, tsrIsRelateNumber)
}
