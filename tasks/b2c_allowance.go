package tasks

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cAllowance = Type{
	newPayload: func() Payload { return new(B2CAllowance) },
	Queue:      "allowance",
	Fields: []Field{
		merchantIDField, invoiceNoField, invoiceDateField, referenceField,
		{
			Name: "AllowanceNotify", Shown: true,
			En:   "how the buyer is told: S (SMS), E (e-mail), A (both) or N (not at all)",
			ZhTW: "通知買受人的方式：S（簡訊）、E（電子郵件）、A（兩者）或 N（不通知）",
		},
		customerNameField, notifyMailField,
		{Name: "NotifyPhone", Max: 20, En: "mobile phone number, at most 20 digits", ZhTW: "通知的手機號碼，至多 20 位數字"},
		allowanceAmountField, allowanceReasonField, allowanceItemsField,
	},
	Shown:      ShownIsDone,
	NotUnique:  true,
	LockedBy:   1,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
	BuyerData: true,
}

// Fields of both kinds of B2C allowance.
var (
	customerNameField = Field{Name: "CustomerName", Max: 60, En: "the buyer's name, at most 60 characters", ZhTW: "客戶名稱，至多 60 個字元"}
	notifyMailField   = Field{
		Name: "NotifyMail", Max: 100,
		En:   "e-mail addresses, separated by semicolons, at most 100 characters together",
		ZhTW: "通知的電子郵件，可用半形分號分隔多個，合計至多 100 個字元",
	}
	allowanceAmountField = Field{
		Name: "AllowanceAmount", Shown: true,
		En: "sum of all ItemAmount with tax, in whole dollars", ZhTW: "折讓總金額（含稅），為所有 ItemAmount 之和，以元為單位",
	}
	allowanceReasonField = Field{Name: "Reason", Max: 50, En: "reason of the allowance, at most 50 characters", ZhTW: "折讓原因，至多 50 個字元"}
	allowanceItemsField  = Field{
		Name: "Items",
		En:   "its lines: ItemSeq, ItemName, ItemCount, ItemWord, ItemPrice, ItemTaxType and ItemAmount",
		ZhTW: "折讓明細：ItemSeq、ItemName、ItemCount、ItemWord、ItemPrice、ItemTaxType、ItemAmount",
	}
)

// B2CAllowance is the payload of b2c:allowance, which allows the buyer a part or all of an issued
// invoice. Its fields are those of [ecpay.B2CAllowanceRequest] and a Reference.
type B2CAllowance struct {
	MerchantID  string
	InvoiceNo   string
	InvoiceDate string
	// Reference is the shop's own number of this allowance, such as that of the refund, at most 50
	// characters. ECPay tells no allowance of an invoice from another: the same Reference twice
	// is one task, and another one is another allowance. It is not sent.
	Reference       string
	AllowanceNotify string
	CustomerName    string `json:",omitempty"`
	NotifyMail      string `json:",omitempty"`
	NotifyPhone     string `json:",omitempty"`
	AllowanceAmount json.Number
	Reason          string `json:",omitempty"`
	Items           []ecpay.B2CAllowanceItem
}

// Request implements [Payload].
func (p *B2CAllowance) Request() ecpay.Request { return p.request() }

func (p *B2CAllowance) request() *ecpay.B2CAllowanceRequest {
	return &ecpay.B2CAllowanceRequest{
		MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, InvoiceDate: p.InvoiceDate, AllowanceNotify: p.AllowanceNotify,
		CustomerName: p.CustomerName, NotifyMail: p.NotifyMail, NotifyPhone: p.NotifyPhone,
		AllowanceAmount: p.AllowanceAmount, Reason: p.Reason, Items: p.Items,
	}
}

// Validate implements [Payload].
func (p *B2CAllowance) Validate() error {
	r := p.request()
	err := r.Validate() // which fills in what is left out of Items
	p.MerchantID, p.InvoiceNo, p.InvoiceDate, p.AllowanceNotify = r.MerchantID, r.InvoiceNo, r.InvoiceDate, r.AllowanceNotify
	p.CustomerName, p.NotifyMail, p.NotifyPhone = r.CustomerName, r.NotifyMail, r.NotifyPhone
	p.AllowanceAmount, p.Reason = r.AllowanceAmount, r.Reason
	return join(r, err, append(referenceProblems(&p.Reference), itemProblems(p, len(p.Items))...))
}

func (p *B2CAllowance) subject() []string { return []string{p.InvoiceNo, p.Reference} }

// compare looks at the allowances of the invoice, which ECPay lists, and at what is left of it.
func (p *B2CAllowance) compare() *Comparison {
	return &Comparison{
		List: &ecpay.B2CGetAllowanceListRequest{
			MerchantID: p.MerchantID, SearchType: ecpay.ByInvoiceDate, InvoiceNo: p.InvoiceNo, Date: p.InvoiceDate,
		},
		Known: func(list ecpay.Response) (string, bool) {
			rows, ok := allowanceRows(list)
			var numbers []string
			for _, row := range rows {
				numbers = append(numbers, string(row.IA_Allow_No))
			}
			known, fits := knownOf(numbers)
			return known, ok && fits
		},
		Whole: &ecpay.B2CGetIssueRequest{MerchantID: p.MerchantID, InvoiceNo: p.InvoiceNo, InvoiceDate: p.InvoiceDate},
		Judge: p.judge,
	}
}

// judge takes the one allowance that is new and of these amounts for this one. While one runs, no
// other task allows or voids anything of the invoice, see [Type.LockedBy]; what people or other
// programs do meanwhile shows as more than one, or in a sum that does not agree.
func (p *B2CAllowance) judge(known string, list, whole ecpay.Response) (Shown, ecpay.Response) {
	rows, ok := allowanceRows(list)
	invoice, found := whole.(*ecpay.B2CGetIssueResponse)
	amount, digits := wholeDollars(string(p.AllowanceAmount))
	if !ok || !found || !digits || !accountsFor(rows, invoice) {
		return Undecided, nil
	}
	var made []ecpay.B2CAllowanceInfo
	for _, row := range rows {
		if of, _ := wholeDollars(string(row.IA_Total_Tax_Amount)); of == amount && !wasKnown(known, string(row.IA_Allow_No)) {
			made = append(made, row)
		}
	}
	switch {
	case len(made) == 0:
		return NotMade, nil
	case known == "" || len(made) > 1 || made[0].IA_Invalid_Status == "1" || !p.hasLines(made[0].Items):
		return Undecided, nil
	}
	return Made, &ecpay.B2CAllowanceResponse{
		RtnStatus:   list.(*ecpay.B2CGetAllowanceListResponse).RtnStatus,
		IA_Allow_No: made[0].IA_Allow_No, IA_Invoice_No: made[0].IA_Invoice_No, IA_Date: made[0].IA_Date,
		IA_Remain_Allowance_Amt: invoice.IIS_Remain_Allowance_Amt,
	}
}

// hasLines reports whether the lines of an allowance have the amounts of this one's, in any order.
// An answer without lines says nothing else.
func (p *B2CAllowance) hasLines(lines ecpay.Nested[[]ecpay.B2CAllowanceInfoItem]) bool {
	var want, got []string
	for _, item := range p.Items {
		want = append(want, plainAmount(string(item.ItemAmount)))
	}
	for _, line := range lines.Value {
		got = append(got, plainAmount(string(line.ItemAmount)))
	}
	slices.Sort(want)
	slices.Sort(got)
	return !lines.Present || slices.Equal(want, got)
}

// plainAmount is an amount without zeros that change nothing.
func plainAmount(s string) string {
	if s = strings.TrimSpace(s); strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// allowanceRows are those of an answer, where it has a list or says that there is none.
func allowanceRows(list ecpay.Response) ([]ecpay.B2CAllowanceInfo, bool) {
	if list == nil {
		return nil, true
	}
	r, ok := list.(*ecpay.B2CGetAllowanceListResponse)
	if !ok || !r.AllowanceInfo.Present {
		return nil, false
	}
	return r.AllowanceInfo.Value, true
}

// accountsFor reports whether what is left of an invoice is what the allowances leave of it.
func accountsFor(rows []ecpay.B2CAllowanceInfo, invoice *ecpay.B2CGetIssueResponse) bool {
	left, ok := wholeDollars(string(invoice.IIS_Sales_Amount))
	remain, known := wholeDollars(string(invoice.IIS_Remain_Allowance_Amt))
	for _, row := range rows {
		of, digits := wholeDollars(string(row.IA_Total_Tax_Amount))
		if ok = ok && digits; row.IA_Invalid_Status != "1" {
			left -= of
		}
	}
	return ok && known && left == remain
}

// wholeDollars reads an amount without a part of a dollar.
func wholeDollars(s string) (int64, bool) {
	whole, part, _ := strings.Cut(strings.TrimSpace(s), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	return n, err == nil && strings.Trim(part, "0") == ""
}
