package tasks

import "github.com/ecpayq/ecpayq/ecpay"

var b2bIssue = Type{
	newPayload: func() Payload { return new(B2BIssue) },
	Queue:      "issue",
	Fields: []Field{
		merchantIDField,
		{
			Name: "RelateNumber", Max: 50, Shown: true,
			En:   "the shop's own number of the order, once for ever and in any case, at most 50 characters; in exchange mode 20",
			ZhTW: "特店自訂編號，即訂單編號，永不重複（不分大小寫），至多 50 個字元；交換模式為 20",
		},
		{
			Name: "InvoiceTime", En: "left out for now, else yyyy-mm-dd hh:mm:ss in Taipei, at most 6 days ago",
			ZhTW: "不填即為現在，否則為台北時間 yyyy-mm-dd hh:mm:ss，至多 6 天前",
		},
		{Name: "CustomerIdentifier", En: "the buyer's tax id (統一編號), eight digits, registered as a counterparty", ZhTW: "買方統一編號，八位數字，須已登錄為交易對象"},
		{
			Name: "CustomerEmail", Max: 200, En: "e-mail addresses, separated by semicolons, at most 200 characters together",
			ZhTW: "電子郵件，可用半形分號分隔多個，合計至多 200 個字元",
		},
		{Name: "CustomerAddress", Max: 100, En: "the buyer's address, at most 100 characters", ZhTW: "買方地址，至多 100 個字元"},
		{Name: "CustomerTelephoneNumber", Max: 30, En: "the buyer's phone, at most 30 characters", ZhTW: "買方電話，至多 30 個字元"},
		clearanceMarkField,
		invTypeField,
		{Name: "TaxType", En: "1 taxable, 2 zero rate, 3 exempt, 4 special", ZhTW: "課稅類別：1 應稅，2 零稅率，3 免稅，4 特種應稅"},
		{Name: "ZeroTaxRateReason", En: "71 to 79, for TaxType 2", ZhTW: "零稅率原因，71 至 79，TaxType 為 2 時使用"},
		specialTaxTypeField,
		{Name: "Items", En: "1 to 999 lines of the invoice, prices without tax; only by --data", ZhTW: "商品明細（未稅），1 至 999 項；只能以 --data 給定"},
		{Name: "SalesAmount", En: "whole dollars without tax: the rounded sum of all ItemAmount", ZhTW: "銷售額（未稅），為各項 ItemAmount 加總後四捨五入"},
		{Name: "TaxAmount", En: "the tax in whole dollars", ZhTW: "營業稅額，以元為單位"},
		{Name: "TotalAmount", Shown: true, En: "SalesAmount and TaxAmount together", ZhTW: "發票總金額，為 SalesAmount 與 TaxAmount 之和"},
		invoiceRemarkField,
	},
	Shown:      ShownIsDone,
	AnyCase:    true,
	BuyerData:  true,
	Issues:     true,
	MaxPayload: 256 << 10, MaxResult: 8 << 10,
}

// B2BIssue is the payload of b2b:issue, which issues a B2B invoice. Its fields are those of the
// request. It is stored sealed.
//
// RelateNumber is the number of the order, once for ever. Whether ECPay minds its case in B2B is not
// known; in B2C it does not. So numbers that differ in nothing else are one intent.
type B2BIssue ecpay.B2BIssueRequest

// Request implements [Payload].
func (p *B2BIssue) Request() ecpay.Request { return (*ecpay.B2BIssueRequest)(p) }

// Validate implements [Payload].
func (p *B2BIssue) Validate() error {
	return join(p.Request(), p.Request().Validate(), itemProblems(p, len(p.Items)))
}

func (p *B2BIssue) subject() []string { return []string{p.RelateNumber} }

// ask asks GetIssue, on the seller's side, for the invoice of the order. One of another amount is
// another order's, to which the shop gave the same number.
func (p *B2BIssue) ask(bool) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetIssueRequest{
			InvoiceKey:   ecpay.InvoiceKey{MerchantID: p.MerchantID, InvoiceCategory: ecpay.Sales},
			RelateNumber: p.RelateNumber,
		},
		Shows: func(r ecpay.Response) bool {
			shown := string(r.(*ecpay.B2BGetIssueResponse).RtnData.Value.TotalAmount)
			total, digits := wholeDollars(shown)
			return shown == "" || digits && total == p.TotalAmount
		},
	}
}
