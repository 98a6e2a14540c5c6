package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2cVoidWithReIssue = Type{
	newPayload: func() Payload { return new(B2CVoidWithReIssue) },
	Queue:      "invalid",
	Fields: []Field{
		merchantIDField, referenceField,
		{
			Name: "VoidModel", En: "the invoice that is voided, InvoiceNo and VoidReason of at most 20 characters; only by --data",
			ZhTW: "要作廢的發票：InvoiceNo 與至多 20 個字元的 VoidReason；只能以 --data 給定",
		},
		{
			Name: "IssueModel", En: "the fields of Issue with the RelateNumber of the first, and its time as InvoiceDate; only by --data",
			ZhTW: "與 Issue 相同的欄位，RelateNumber 同原發票，InvoiceDate 為原開立時間；只能以 --data 給定",
		},
	},
	Shown:      ShownIsDone,
	NotUnique:  true,
	LockedBy:   1, // the invoice, as its void and its allowances
	BuyerData:  true,
	Issues:     true,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
}

// B2CVoidWithReIssue is the payload of b2c:void_with_re_issue, which voids an invoice and issues it anew
// under the same number. Its fields are those of [ecpay.B2CVoidWithReIssueRequest] and a Reference.
type B2CVoidWithReIssue struct {
	MerchantID string
	// Reference is the shop's own number of this correction, at most 50 characters: an invoice may be
	// issued anew once more after it is uploaded, and that has another one. It is not sent.
	Reference  string
	VoidModel  ecpay.B2CVoidModel
	IssueModel ecpay.B2CIssueModel
}

// Request implements [Payload].
func (p *B2CVoidWithReIssue) Request() ecpay.Request { return p.request() }

func (p *B2CVoidWithReIssue) request() *ecpay.B2CVoidWithReIssueRequest {
	return &ecpay.B2CVoidWithReIssueRequest{MerchantID: p.MerchantID, VoidModel: p.VoidModel, IssueModel: p.IssueModel}
}

// Validate implements [Payload].
func (p *B2CVoidWithReIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	p.MerchantID, p.VoidModel, p.IssueModel = r.MerchantID, r.VoidModel, r.IssueModel
	p.VoidModel.MerchantID, p.IssueModel.MerchantID = "", "" // which the request fills in
	return join(r, err, append(referenceProblems(&p.Reference), itemProblems(p, len(p.IssueModel.Items))...))
}

func (p *B2CVoidWithReIssue) subject() []string {
	return []string{p.VoidModel.InvoiceNo, p.Reference}
}

// compare looks at the random code of the invoice, which is another one once it is issued anew.
func (p *B2CVoidWithReIssue) compare() *Comparison {
	return &Comparison{
		List:  &ecpay.B2CGetIssueRequest{MerchantID: p.MerchantID, RelateNumber: p.IssueModel.RelateNumber},
		Known: func(list ecpay.Response) (string, bool) { return p.shown(list).known(list != nil) },
		Judge: p.judge,
	}
}

// shown is what an answer of GetIssue shows of the invoice.
func (p *B2CVoidWithReIssue) shown(list ecpay.Response) issuedAnew {
	r, ok := list.(*ecpay.B2CGetIssueResponse)
	if !ok {
		return issuedAnew{}
	}
	return issuedAnew{
		string(r.IIS_Number), string(r.IIS_Random_Number), r.IIS_Invalid_Status == "1",
		costs(&p.IssueModel.B2CInvoice, string(r.IIS_Sales_Amount)),
	}
}

func (p *B2CVoidWithReIssue) judge(known string, list, _ ecpay.Response) (Shown, ecpay.Response) {
	shows := p.shown(list).judge(known, p.VoidModel.InvoiceNo)
	if shows != Made {
		return shows, nil
	}
	r := list.(*ecpay.B2CGetIssueResponse)
	return Made, &ecpay.B2CVoidWithReIssueResponse{RtnStatus: r.RtnStatus, B2CNumber: ecpay.B2CNumber{
		InvoiceNo: r.IIS_Number, InvoiceDate: r.IIS_Create_Date, RandomNumber: r.IIS_Random_Number,
	}}
}
