package tasks

import (
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2bVoidWithReIssue = Type{
	newPayload: func() Payload { return new(B2BVoidWithReIssue) },
	Queue:      "invalid",
	Fields: []Field{
		merchantIDField, referenceField,
		{
			Name: "VoidModel", En: "the invoice that is voided, InvoiceNumber and VoidReason of at most 20 characters; only by --data",
			ZhTW: "要作廢的發票：InvoiceNumber 與至多 20 個字元的 VoidReason；只能以 --data 給定",
		},
		{
			Name: "IssueModel", En: "the fields of Issue with the RelateNumber of the first, and its time as InvoiceTime; only by --data",
			ZhTW: "與 Issue 相同的欄位，RelateNumber 同原發票，InvoiceTime 為原開立時間；只能以 --data 給定",
		},
	},
	Shown:      ShownIsDone,
	NotUnique:  true,
	LockedBy:   2, // the invoice and its date, as its void
	BuyerData:  true,
	Issues:     true,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
}

// B2BVoidWithReIssue is the payload of b2b:void_with_re_issue, which voids a B2B invoice and issues it
// anew under the same number. Its fields are those of [ecpay.B2BVoidWithReIssueRequest] and a Reference.
type B2BVoidWithReIssue struct {
	MerchantID string
	// Reference is the shop's own number of this correction, at most 50 characters: a second one has
	// another. It is not sent.
	Reference  string
	VoidModel  ecpay.B2BVoidModel
	IssueModel ecpay.B2BIssueModel
}

// Request implements [Payload].
func (p *B2BVoidWithReIssue) Request() ecpay.Request { return p.request() }

func (p *B2BVoidWithReIssue) request() *ecpay.B2BVoidWithReIssueRequest {
	return &ecpay.B2BVoidWithReIssueRequest{MerchantID: p.MerchantID, VoidModel: p.VoidModel, IssueModel: p.IssueModel}
}

// Validate implements [Payload].
func (p *B2BVoidWithReIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.VoidModel, p.IssueModel = r.MerchantID, r.VoidModel, r.IssueModel
	return join(r, err, append(referenceProblems(&p.Reference), itemProblems(p, len(p.IssueModel.Items))...))
}

// subject has the day of the number, which is that of InvoiceTime.
func (p *B2BVoidWithReIssue) subject() []string {
	return []string{p.VoidModel.InvoiceNumber, p.issuedOn(), p.Reference}
}

func (p *B2BVoidWithReIssue) issuedOn() string {
	day, _, _ := strings.Cut(p.IssueModel.InvoiceTime, " ")
	return day
}

// compare looks at the random code of the invoice, which is another one once it is issued anew.
func (p *B2BVoidWithReIssue) compare() *Comparison {
	return &Comparison{
		List: &ecpay.B2BGetIssueRequest{
			InvoiceKey:   ecpay.InvoiceKey{MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales},
			RelateNumber: p.IssueModel.RelateNumber,
		},
		Known: func(list ecpay.Response) (string, bool) { return p.shown(list).known(list != nil) },
		Judge: p.judge,
	}
}

// shown is what an answer of GetIssue shows of the invoice.
func (p *B2BVoidWithReIssue) shown(list ecpay.Response) issuedAnew {
	answer, ok := list.(*ecpay.B2BGetIssueResponse)
	if !ok {
		return issuedAnew{}
	}
	r := answer.RtnData.Value
	total, digits := wholeDollars(string(r.TotalAmount))
	return issuedAnew{
		string(r.InvoiceNumber), string(r.RandomNumber), r.Invalid_Status == "1", digits && total == p.IssueModel.TotalAmount,
	}
}

func (p *B2BVoidWithReIssue) judge(known string, list, _ ecpay.Response) (Shown, ecpay.Response) {
	shows := p.shown(list).judge(known, p.VoidModel.InvoiceNumber)
	if shows != Made {
		return shows, nil
	}
	r := list.(*ecpay.B2BGetIssueResponse)
	return Made, &ecpay.B2BVoidWithReIssueResponse{
		RtnStatus: r.RtnStatus, InvoiceNumber: r.RtnData.Value.InvoiceNumber, RandomNumber: r.RtnData.Value.RandomNumber,
	}
}
