package tasks

import (
	"strconv"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
)

var b2cIssue = Type{
	newPayload:    func() Payload { return new(B2CIssue) },
	Queue:         "issue",
	Fields:        b2cInvoiceFields,
	Shown:         ShownIsDone,
	AskOnConflict: true, // 5070357: the RelateNumber is used, perhaps by this very invoice
	AnyCase:       true,
	BuyerData:     true,
	Issues:        true,
	MaxPayload:    256 << 10, MaxResult: 8 << 10,
}

// b2cInvoiceFields are those of an invoice that is issued now or later.
var b2cInvoiceFields = []Field{
	merchantIDField,
	{
		Name: "RelateNumber", Max: 50, Shown: true,
		En:   "the shop's own number of the order, once for ever and in any case, at most 50 characters",
		ZhTW: "特店自訂編號，即訂單編號，永不重複（不分大小寫），至多 50 個字元",
	},
	{Name: "ChannelPartner", Max: 1, En: `"1" for an order of Shopee, 1 character`, ZhTW: "蝦皮訂單為 1，共 1 個字元"},
	{Name: "CustomerID", Max: 20, En: "the shop's number of the customer, at most 20 characters", ZhTW: "客戶編號，至多 20 個字元"},
	{Name: "ProductServiceID", Max: 10, En: "chooses a track of numbers, at most 10 characters", ZhTW: "產品服務別代號，至多 10 個字元"},
	{Name: "CustomerIdentifier", En: "the buyer's tax id (統一編號), eight digits", ZhTW: "買方統一編號，八位數字"},
	{Name: "CustomerName", Max: 60, En: "required with Print 1, at most 60 characters", ZhTW: "客戶名稱，Print 為 1 時必填，至多 60 個字元"},
	{Name: "CustomerAddr", Max: 100, En: "required with Print 1, at most 100 characters", ZhTW: "客戶地址，Print 為 1 時必填，至多 100 個字元"},
	{Name: "CustomerPhone", Max: 20, En: "or CustomerEmail, at most 20 characters", ZhTW: "客戶電話，與 CustomerEmail 至少一項，至多 20 個字元"},
	{Name: "CustomerEmail", Max: 80, En: "or CustomerPhone, at most 80 characters", ZhTW: "客戶電子信箱，與 CustomerPhone 至少一項，至多 80 個字元"},
	clearanceMarkField,
	{Name: "Print", En: "1 to print the invoice, 0 not to", ZhTW: "列印註記：1 列印，0 不列印"},
	{Name: "Donation", En: "1 to donate the invoice, 0 not to", ZhTW: "捐贈註記：1 捐贈，0 不捐贈"},
	{Name: "LoveCode", En: "required with Donation 1: three to seven digits", ZhTW: "捐贈碼，Donation 為 1 時必填：三至七位數字"},
	{
		Name: "CarrierType",
		En:   "empty for none, 1 ECPay's own, 2 citizen certificate, 3 mobile barcode, 4 EasyCard, 5 iPass",
		ZhTW: "載具類別：空白為無載具，1 綠界載具，2 自然人憑證，3 手機條碼，4 悠遊卡，5 一卡通",
	},
	{Name: "CarrierNum", En: "number of the carrier, for CarrierType 2 to 5", ZhTW: "載具編號，CarrierType 為 2 至 5 時使用"},
	{Name: "CarrierNum2", En: "number printed on the card, for CarrierType 4 and 5", ZhTW: "卡片表面的號碼，CarrierType 為 4、5 時使用"},
	{Name: "TaxType", En: "1 taxable, 2 zero rate, 3 exempt, 4 special, 9 mixed", ZhTW: "課稅類別：1 應稅，2 零稅率，3 免稅，4 特種應稅，9 混合"},
	{Name: "ZeroTaxRateReason", En: "71 to 79, for TaxType 2 and 9", ZhTW: "零稅率原因，71 至 79，TaxType 為 2、9 時必填"},
	specialTaxTypeField,
	{Name: "SalesAmount", En: "whole dollars with tax: the rounded sum of all ItemAmount", ZhTW: "發票總金額（含稅），為各項 ItemAmount 加總後四捨五入"},
	{Name: "TaxAmount", En: "left out for ECPay to compute", ZhTW: "稅額；不填則由綠界計算"},
	invoiceRemarkField,
	{Name: "Items", En: "1 to 999 lines of the invoice; only by --data", ZhTW: "商品明細，1 至 999 項；只能以 --data 給定"},
	invTypeField,
	{Name: "Vat", En: "1 when ItemPrice includes tax, 0 when not; vat in JSON", ZhTW: "商品單價是否含稅：1 含稅，0 未稅；JSON 欄名為 vat"},
}

// B2CIssue is the payload of b2c:issue, which issues an invoice. Its fields are those of the
// request. It is stored sealed.
//
// RelateNumber is the number of the order, once for ever. ECPay ignores its case, so that numbers
// that differ in nothing else are one intent: its id has capital letters. What is sent is as it was
// given.
type B2CIssue ecpay.B2CInvoice

// Request implements [Payload].
func (p *B2CIssue) Request() ecpay.Request { return p.request() }

func (p *B2CIssue) request() *ecpay.B2CIssueRequest {
	return &ecpay.B2CIssueRequest{B2CInvoice: ecpay.B2CInvoice(*p)}
}

// Validate implements [Payload].
func (p *B2CIssue) Validate() error {
	r := p.request()
	err := r.Validate()
	*p = B2CIssue(r.B2CInvoice)
	return join(r, err, itemProblems(p, len(p.Items)))
}

func (p *B2CIssue) subject() []string { return []string{p.RelateNumber} }

// ask asks GetIssue for the invoice of the order. One of another amount is another order's, to which
// the shop gave the same number.
func (p *B2CIssue) ask(bool) *Ask {
	return askInvoice((*ecpay.B2CInvoice)(p))
}

// askInvoice asks GetIssue for the invoice of an order, of the amount that is in i.
func askInvoice(i *ecpay.B2CInvoice) *Ask {
	return &Ask{
		Request: &ecpay.B2CGetIssueRequest{MerchantID: i.MerchantID, RelateNumber: i.RelateNumber},
		Shows:   func(r ecpay.Response) bool { return costs(i, string(r.(*ecpay.B2CGetIssueResponse).IIS_Sales_Amount)) },
	}
}

// costs reports whether an amount that ECPay shows can be that of the invoice. Where prices are
// without tax ECPay computes the amount, and what it shows of an invoice with a 統一編號, with tax or
// without, has not been seen: there any amount can be.
func costs(i *ecpay.B2CInvoice, shown string) bool {
	whole, rest, _ := strings.Cut(shown, ".")
	return shown == "" || i.Vat == "0" || i.CustomerIdentifier != "" ||
		whole == strconv.FormatInt(i.SalesAmount, 10) && strings.Trim(rest, "0") == ""
}
