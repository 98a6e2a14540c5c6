package ecpay

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyField sets every field of the shared ones, for what is written of them.
func everyField() B2CInvoice {
	return B2CInvoice{
		MerchantID: "2000132", RelateNumber: "R1", ChannelPartner: "1", CustomerID: "C_1", ProductServiceID: "P1",
		CustomerIdentifier: "23165448", CustomerName: "王小明", CustomerAddr: "台北市", CustomerPhone: "0912345678", CustomerEmail: "a@example.com",
		ClearanceMark: "1", Print: "0", Donation: "1", LoveCode: "168001", CarrierType: "3", CarrierNum: "/ABC+123", CarrierNum2: "2",
		TaxType: "9", ZeroTaxRateReason: "71", SpecialTaxType: 8, SalesAmount: 100, TaxAmount: new(int64),
		InvoiceRemark: "備註", InvType: "07", Vat: "1",
		Items: []B2CInvoiceItem{{
			ItemSeq: 1, ItemName: "茶 & <餅>", ItemCount: "1.50", ItemWord: "包", ItemPrice: "66.6666667", ItemTaxType: "1",
			ItemAmount: "100.0000001", ItemRemark: "甜",
		}},
	}
}

const everyFieldJSON = `"MerchantID":"2000132","RelateNumber":"R1","ChannelPartner":"1","CustomerID":"C_1",` +
	`"ProductServiceID":"P1","CustomerIdentifier":"23165448",` +
	`"CustomerName":"王小明","CustomerAddr":"台北市","CustomerPhone":"0912345678","CustomerEmail":"a@example.com",` +
	`"ClearanceMark":"1","Print":"0","Donation":"1","LoveCode":"168001","CarrierType":"3","CarrierNum":"/ABC+123","CarrierNum2":"2",` +
	`"TaxType":"9","ZeroTaxRateReason":"71","SpecialTaxType":8,"SalesAmount":100,"TaxAmount":0,"InvoiceRemark":"備註",` +
	`"Items":[{"ItemSeq":1,"ItemName":"茶 & <餅>","ItemCount":1.50,"ItemWord":"包","ItemPrice":66.6666667,"ItemTaxType":"1",` +
	`"ItemAmount":100.0000001,"ItemRemark":"甜"}],"InvType":"07","vat":"1"`

const leastFieldsJSON = `"MerchantID":"2000132","RelateNumber":"R1","CustomerEmail":"a@example.com","Print":"0","Donation":"0",` +
	`"TaxType":"1","SalesAmount":100,"Items":[{"ItemSeq":1,"ItemName":"商品","ItemCount":1,"ItemWord":"件","ItemPrice":100,` +
	`"ItemTaxType":"1","ItemAmount":100}],"InvType":"07","vat":"1"`

// What is on the wire, byte for byte, does not depend on how the fields are kept.
func TestTheFormOfAnInvoiceOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		req  Request
		want string
	}{
		"DelayIssue, all of it": {
			&B2CDelayIssueRequest{B2CInvoice: everyField(), DelayFlag: "2", Tsr: "R1", PayType: "2", PayAct: "ECPAY", NotifyURL: "https://a.b"},
			`{` + everyFieldJSON + `,"DelayFlag":"2","DelayDay":0,"Tsr":"R1","PayType":"2","PayAct":"ECPAY","NotifyURL":"https://a.b"}`,
		},
		"DelayIssue, the least of it": {
			goodDelayIssue(),
			`{` + leastFieldsJSON + `,"DelayFlag":"2","DelayDay":0,"Tsr":"R1","PayType":"","PayAct":""}`,
		},
		"Issue":          {&B2CIssueRequest{goodInvoice()}, `{` + leastFieldsJSON + `}`},
		"EditDelayIssue": {&B2CEditDelayIssueRequest{B2CInvoice: goodInvoice(), Tsr: "R1"}, `{` + leastFieldsJSON + `,"Tsr":"R1"}`},
		"VoidWithReIssue": {
			validated(t, goodReIssue()), `{"MerchantID":"2000132","VoidModel":{"MerchantID":"2000132","InvoiceNo":"JU11082064","VoidReason":"r"},` +
				`"IssueModel":{` + leastFieldsJSON + `,"InvoiceDate":"2026-06-17 12:25:00"}}`,
		},
	} {
		got, err := marshalData(tc.req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, string(bytes.TrimSpace(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", name)
		}
	}
}

func validated(t *testing.T, r Request) Request {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// invoiceRow is a change to a good invoice, and the fields that are complained of then.
type invoiceRow struct {
	change func(*B2CInvoice)
	fields []string
}

func times(n int) string { return strings.Repeat("綠", n) }

// buyerRows change whom the invoice is for.
func buyerRows() map[string]invoiceRow {
	return map[string]invoiceRow{
		"as it is":            {func(*B2CInvoice) {}, nil},
		"no merchant":         {func(r *B2CInvoice) { r.MerchantID = "" }, []string{"MerchantID"}},
		"RelateNumber 50":     {func(r *B2CInvoice) { r.RelateNumber = strings.Repeat("A", 50) }, nil},
		"RelateNumber 51":     {func(r *B2CInvoice) { r.RelateNumber = strings.Repeat("A", 51) }, []string{"RelateNumber"}},
		"RelateNumber blank":  {func(r *B2CInvoice) { r.RelateNumber = "A B" }, []string{"RelateNumber"}},
		"CustomerID 20":       {func(r *B2CInvoice) { r.CustomerID = times(20) }, nil},
		"CustomerID 21":       {func(r *B2CInvoice) { r.CustomerID = times(21) }, []string{"CustomerID"}},
		"ProductServiceID 11": {func(r *B2CInvoice) { r.ProductServiceID = times(11) }, []string{"ProductServiceID"}},
		"ChannelPartner 2":    {func(r *B2CInvoice) { r.ChannelPartner = "11" }, []string{"ChannelPartner"}},
		"identifier of seven": {
			func(r *B2CInvoice) { r.CustomerIdentifier, r.CarrierType = "2316544", "1" },
			[]string{"CustomerIdentifier"},
		},
		"identifier check digit": {
			func(r *B2CInvoice) { r.CustomerIdentifier, r.CarrierType = "23165447", "1" },
			[]string{"CustomerIdentifier"},
		},
		"identifier and carrier": {func(r *B2CInvoice) { r.CustomerIdentifier, r.CarrierType = "23165448", "1" }, nil},
		"identifier and nothing": {func(r *B2CInvoice) { r.CustomerIdentifier = "23165448" }, []string{"CustomerIdentifier"}},
		"identifier and a print": {func(r *B2CInvoice) { r.CustomerIdentifier = "23165448"; printed(r) }, nil},
		"print without buyer":    {func(r *B2CInvoice) { r.Print = "1" }, []string{"CustomerName", "CustomerAddr"}},
		"print and carrier":      {func(r *B2CInvoice) { printed(r); r.CarrierType = "1" }, []string{"Print"}},
		"print and barcode":      {func(r *B2CInvoice) { printed(r); r.CarrierType, r.CarrierNum = "3", "/ABC+123" }, []string{"Print"}},
		"print, barcode and 統編":  {func(r *B2CInvoice) { printed(r); barcode(r); r.CustomerIdentifier = "23165448" }, nil},
		"names at their limits":  {func(r *B2CInvoice) { r.CustomerName, r.CustomerAddr = times(60), times(100) }, nil},
		"names past their limits": {
			func(r *B2CInvoice) { r.CustomerName, r.CustomerAddr = times(61), times(101) },
			[]string{"CustomerName", "CustomerAddr"},
		},
		"phone 21, mail 81": {
			func(r *B2CInvoice) { r.CustomerPhone, r.CustomerEmail = times(21), times(81) }, []string{"CustomerPhone", "CustomerEmail"},
		},
		"phone 20, mail 80": {func(r *B2CInvoice) { r.CustomerPhone, r.CustomerEmail = times(20), times(80) }, nil},
		"nobody to tell":    {func(r *B2CInvoice) { r.CustomerEmail = "" }, []string{"CustomerPhone"}},
		"phone alone":       {func(r *B2CInvoice) { r.CustomerPhone, r.CustomerEmail = "0912345678", "" }, nil},
	}
}

// carrierRows change by what it reaches them.
func carrierRows() map[string]invoiceRow {
	return map[string]invoiceRow{
		"donation": {func(r *B2CInvoice) { r.Donation, r.LoveCode = "1", "168001" }, nil},
		"donation and carrier": {
			func(r *B2CInvoice) { barcode(r); r.Donation, r.LoveCode = "1", "001" }, nil,
		},
		"donation to nobody":    {func(r *B2CInvoice) { r.Donation = "1" }, []string{"LoveCode"}},
		"donation code of two":  {func(r *B2CInvoice) { r.Donation, r.LoveCode = "1", "12" }, []string{"LoveCode"}},
		"donation code of 7":    {func(r *B2CInvoice) { r.Donation, r.LoveCode = "1", "1234567" }, nil},
		"donation code of 8":    {func(r *B2CInvoice) { r.Donation, r.LoveCode = "1", "12345678" }, []string{"LoveCode"}},
		"donation code letters": {func(r *B2CInvoice) { r.Donation, r.LoveCode = "1", "X123" }, []string{"LoveCode"}},
		"Print and Donation 2":  {func(r *B2CInvoice) { r.Print, r.Donation = "2", "2" }, []string{"Print", "Donation"}},
		"CarrierType 5":         {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum, r.CarrierNum2 = "5", "1", "2" }, nil},
		"CarrierType 6":         {func(r *B2CInvoice) { r.CarrierType = "6" }, []string{"CarrierType"}},
		"card without numbers":  {func(r *B2CInvoice) { r.CarrierType = "4" }, []string{"CarrierNum", "CarrierNum2"}},
		"certificate":           {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "2", "AB12345678901234" }, nil},
		"certificate of 15":     {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "2", "AB1234567890123" }, []string{"CarrierNum"}},
		"certificate lower":     {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "2", "ab12345678901234" }, []string{"CarrierNum"}},
		"barcode":               {barcode, nil},
		"barcode lower":         {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "3", "/abc+123" }, []string{"CarrierNum"}},
		"barcode of 7":          {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "3", "/ABC+12" }, []string{"CarrierNum"}},
		"barcode missing":       {func(r *B2CInvoice) { r.CarrierType = "3" }, []string{"CarrierNum"}},
		"CarrierNum 65":         {func(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "1", times(65) }, []string{"CarrierNum"}},
	}
}

// taxRows change tax and sums.
func taxRows() map[string]invoiceRow {
	return map[string]invoiceRow{
		"TaxType 5":           {func(r *B2CInvoice) { r.TaxType = "5" }, []string{"TaxType"}},
		"zero rate":           {func(r *B2CInvoice) { r.TaxType, r.ClearanceMark, r.ZeroTaxRateReason = "2", "1", "79" }, nil},
		"zero rate alone":     {func(r *B2CInvoice) { r.TaxType = "2" }, []string{"ClearanceMark", "ZeroTaxRateReason"}},
		"zero rate reason 80": {func(r *B2CInvoice) { r.TaxType, r.ZeroTaxRateReason = "9", "80" }, []string{"ZeroTaxRateReason"}},
		"ClearanceMark 3":     {func(r *B2CInvoice) { r.ClearanceMark = "3" }, []string{"ClearanceMark"}},
		"mixed without kinds": {
			func(r *B2CInvoice) { r.TaxType, r.ZeroTaxRateReason, r.Items[0].ItemTaxType = "9", "71", "" }, []string{"ItemTaxType"},
		},
		"SpecialTaxType 8":   {func(r *B2CInvoice) { r.TaxType, r.SpecialTaxType, r.InvType = "4", 8, "08" }, nil},
		"SpecialTaxType 9":   {func(r *B2CInvoice) { r.SpecialTaxType = 9 }, []string{"SpecialTaxType"}},
		"InvType, vat":       {func(r *B2CInvoice) { r.InvType, r.Vat = "09", "2" }, []string{"InvType", "vat"}},
		"no vat":             {func(r *B2CInvoice) { r.Vat = "" }, nil},
		"remark 200":         {func(r *B2CInvoice) { r.InvoiceRemark = times(200) }, nil},
		"remark 201":         {func(r *B2CInvoice) { r.InvoiceRemark = times(201) }, []string{"InvoiceRemark"}},
		"nothing to pay":     {func(r *B2CInvoice) { r.SalesAmount, r.Items[0].ItemAmount = 0, "0" }, []string{"SalesAmount"}},
		"another sum":        {func(r *B2CInvoice) { r.SalesAmount = 99 }, []string{"SalesAmount"}},
		"another sum, vat 0": {func(r *B2CInvoice) { r.SalesAmount, r.Vat = 99, "0" }, nil},
		"another sum, vat none": {
			func(r *B2CInvoice) { r.SalesAmount, r.Vat = 101, "" }, []string{"SalesAmount"},
		},
		"TaxAmount below 0": {func(r *B2CInvoice) { r.TaxAmount = new(int64); *r.TaxAmount = -1 }, []string{"TaxAmount"}},
	}
}

// itemRows change what was bought.
func itemRows() map[string]invoiceRow {
	return map[string]invoiceRow{
		"no items":   {func(r *B2CInvoice) { r.Items = nil }, []string{"Items"}},
		"999 items":  {func(r *B2CInvoice) { many(r, 999) }, nil},
		"1000 items": {func(r *B2CInvoice) { many(r, 1000) }, []string{"Items"}},
		"item at its limits": {
			func(r *B2CInvoice) {
				r.Items[0].ItemName, r.Items[0].ItemWord, r.Items[0].ItemRemark = times(500), times(6), times(120)
			}, nil,
		},
		"item past its limits": {
			func(r *B2CInvoice) {
				r.Items[0].ItemName, r.Items[0].ItemWord, r.Items[0].ItemRemark = times(501), times(7), times(121)
			},
			[]string{"ItemName", "ItemWord", "ItemRemark"},
		},
		"item of nothing": {
			func(r *B2CInvoice) { r.Items[0] = B2CInvoiceItem{} },
			[]string{"ItemName", "ItemCount", "ItemWord", "ItemPrice", "ItemAmount"},
		},
		"item with wrong numbers": {
			func(r *B2CInvoice) {
				r.Items[0].ItemCount, r.Items[0].ItemPrice, r.Items[0].ItemAmount = "1.125", "1e2", "100000000"
			}, []string{"ItemCount", "ItemPrice", "ItemAmount"},
		},
		"a discount": {
			func(r *B2CInvoice) {
				r.Items = append(r.Items, B2CInvoiceItem{ItemName: "折扣", ItemCount: "1", ItemWord: "式", ItemPrice: "-10.5", ItemAmount: "-10.5"})
				r.SalesAmount = 90
			}, nil,
		},
	}
}

func TestValidationOfTheFieldsOfAnInvoice(t *testing.T) {
	t.Parallel()
	rows := map[string]invoiceRow{}
	for _, more := range []map[string]invoiceRow{buyerRows(), carrierRows(), taxRows(), itemRows()} {
		maps.Copy(rows, more)
	}
	for name, tc := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &B2CDelayIssueRequest{B2CInvoice: goodInvoice(), DelayFlag: DelayTriggered, Tsr: "R1"}
			tc.change(&r.B2CInvoice)
			checkFields(t, r, tc.fields)
		})
	}
}

func printed(r *B2CInvoice) { r.Print, r.CustomerName, r.CustomerAddr = "1", "王", "台北" }

func barcode(r *B2CInvoice) { r.CarrierType, r.CarrierNum = "3", "/ABC+123" }

func many(r *B2CInvoice, n int) {
	item := r.Items[0]
	r.Items = nil
	for range n {
		r.Items = append(r.Items, item)
	}
	r.SalesAmount = int64(100 * n)
}
