package ecpay

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// goodB2BIssue is an invoice with a change.
func goodB2BIssue(change func(*B2BIssueRequest)) *B2BIssueRequest {
	r := &B2BIssueRequest{MerchantID: stageID, B2BIssueModel: B2BIssueModel{
		RelateNumber: "R1", CustomerIdentifier: "23165448", InvType: "07", TaxType: "1",
		Items:       []B2BIssueItem{{ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemPrice: "100", ItemAmount: "100"}},
		SalesAmount: 100, TaxAmount: 5, TotalAmount: 105,
	}}
	change(r)
	return r
}

// goodB2BReIssue issues that invoice anew, with a change.
func goodB2BReIssue(change func(*B2BVoidWithReIssueRequest)) *B2BVoidWithReIssueRequest {
	r := &B2BVoidWithReIssueRequest{
		MerchantID: stageID, VoidModel: B2BVoidModel{"VG11000002", "r"},
		IssueModel: goodB2BIssue(func(r *B2BIssueRequest) { r.InvoiceTime = "2019-09-23 12:25:00" }).B2BIssueModel,
	}
	change(r)
	return r
}

func TestValidationOfB2BReIssue(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	for name, tc := range map[string]struct {
		change func(*B2BVoidWithReIssueRequest)
		fields []string
	}{
		"good":           {func(*B2BVoidWithReIssueRequest) {}, nil},
		"VoidReason 20":  {func(r *B2BVoidWithReIssueRequest) { r.VoidModel.VoidReason = long(20) }, nil},
		"VoidReason 21":  {func(r *B2BVoidWithReIssueRequest) { r.VoidModel.VoidReason = long(21) }, []string{"VoidReason"}},
		"no InvoiceTime": {func(r *B2BVoidWithReIssueRequest) { r.IssueModel.InvoiceTime = "" }, []string{"InvoiceTime"}},
		"a small letter": {func(r *B2BVoidWithReIssueRequest) { r.VoidModel.InvoiceNumber = "vG11000002" }, []string{"InvoiceNumber"}},
		"TotalAmount":    {func(r *B2BVoidWithReIssueRequest) { r.IssueModel.TotalAmount++ }, []string{"TotalAmount"}},
		"nothing": {
			func(r *B2BVoidWithReIssueRequest) { r.MerchantID, r.VoidModel = "", B2BVoidModel{} },
			[]string{"MerchantID", "InvoiceNumber", "VoidReason"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, goodB2BReIssue(tc.change), tc.fields)
		})
	}
}

func TestValidationOfB2BIssue(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	for name, tc := range map[string]struct {
		change func(*B2BIssueRequest)
		fields []string
	}{
		"good":                  {func(*B2BIssueRequest) {}, nil},
		"RelateNumber 50":       {func(r *B2BIssueRequest) { r.RelateNumber = strings.Repeat("R", 50) }, nil},
		"RelateNumber 51":       {func(r *B2BIssueRequest) { r.RelateNumber = strings.Repeat("R", 51) }, []string{"RelateNumber"}},
		"no CustomerIdentifier": {func(r *B2BIssueRequest) { r.CustomerIdentifier = "" }, []string{"CustomerIdentifier"}},
		"CustomerIdentifier 7":  {func(r *B2BIssueRequest) { r.CustomerIdentifier = "2316544" }, []string{"CustomerIdentifier"}},
		"CustomerIdentifier 9":  {func(r *B2BIssueRequest) { r.CustomerIdentifier = "231654480" }, []string{"CustomerIdentifier"}},
		"InvoiceTime":           {func(r *B2BIssueRequest) { r.InvoiceTime = "2026/11/30 08:00:00" }, nil},
		"InvoiceTime a day":     {func(r *B2BIssueRequest) { r.InvoiceTime = "2026-11-30" }, []string{"InvoiceTime"}},
		"InvoiceTime none":      {func(r *B2BIssueRequest) { r.InvoiceTime = "2026-11-31 08:00:00" }, []string{"InvoiceTime"}},
		"CustomerEmail 201":     {func(r *B2BIssueRequest) { r.CustomerEmail = long(201) }, []string{"CustomerEmail"}},
		"CustomerAddress 101":   {func(r *B2BIssueRequest) { r.CustomerAddress = long(101) }, []string{"CustomerAddress"}},
		"telephone 31":          {func(r *B2BIssueRequest) { r.CustomerTelephoneNumber = long(31) }, []string{"CustomerTelephoneNumber"}},
		"InvType":               {func(r *B2BIssueRequest) { r.InvType = "09" }, []string{"InvType"}},
		"07 and TaxType 4":      {func(r *B2BIssueRequest) { r.TaxType = "4" }, []string{"TaxType", "SpecialTaxType"}},
		"08 and TaxType 1":      {func(r *B2BIssueRequest) { r.InvType = "08" }, []string{"TaxType"}},
		"08, special":           {func(r *B2BIssueRequest) { r.InvType, r.TaxType, r.SpecialTaxType = "08", "4", 8 }, nil},
		"SpecialTaxType 9":      {func(r *B2BIssueRequest) { r.InvType, r.TaxType, r.SpecialTaxType = "08", "4", 9 }, []string{"SpecialTaxType"}},
		"no ClearanceMark":      {func(r *B2BIssueRequest) { r.TaxType = "2" }, []string{"ClearanceMark"}},
		"ClearanceMark":         {func(r *B2BIssueRequest) { r.TaxType, r.ClearanceMark = "2", "2" }, nil},
		"ZeroTaxRateReason":     {func(r *B2BIssueRequest) { r.ZeroTaxRateReason = "70" }, []string{"ZeroTaxRateReason"}},
		"no Items":              {func(r *B2BIssueRequest) { r.Items = nil }, []string{"Items", "SalesAmount"}},
		"ItemSeq 0":             {func(r *B2BIssueRequest) { r.Items[0].ItemSeq = 0 }, []string{"ItemSeq"}},
		"ItemSeq 1000":          {func(r *B2BIssueRequest) { r.Items[0].ItemSeq = 1000 }, []string{"ItemSeq"}},
		"ItemSeq twice": {
			func(r *B2BIssueRequest) { r.Items = append(r.Items, r.Items[0]) }, []string{"ItemSeq", "SalesAmount"},
		},
		"ItemName 256":           {func(r *B2BIssueRequest) { r.Items[0].ItemName = long(256) }, nil},
		"ItemName 257":           {func(r *B2BIssueRequest) { r.Items[0].ItemName = long(257) }, []string{"ItemName"}},
		"ItemWord 7":             {func(r *B2BIssueRequest) { r.Items[0].ItemWord = long(7) }, []string{"ItemWord"}},
		"ItemRemark 201":         {func(r *B2BIssueRequest) { r.Items[0].ItemRemark = long(201) }, []string{"ItemRemark"}},
		"ItemCount 0.0000001":    {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "0.0000001" }, nil},
		"ItemCount of 8 digits":  {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "99999999" }, nil},
		"ItemCount of 9 digits":  {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "100000000" }, []string{"ItemCount"}},
		"ItemCount, 8 decimals":  {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "0.00000001" }, []string{"ItemCount"}},
		"ItemCount, exponent":    {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "1e2" }, []string{"ItemCount"}},
		"ItemCount, leading 0":   {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "01" }, []string{"ItemCount"}},
		"ItemCount, no fraction": {func(r *B2BIssueRequest) { r.Items[0].ItemCount = "1." }, []string{"ItemCount"}},
		"no ItemPrice":           {func(r *B2BIssueRequest) { r.Items[0].ItemPrice = "" }, []string{"ItemPrice"}},
		"ItemAmount no number":   {func(r *B2BIssueRequest) { r.Items[0].ItemAmount = "x" }, []string{"ItemAmount"}},
		"ItemTax a fraction":     {func(r *B2BIssueRequest) { r.Items[0].ItemTax = "5.5" }, []string{"ItemTax"}},
		"SalesAmount another":    {func(r *B2BIssueRequest) { r.SalesAmount, r.TotalAmount = 101, 106 }, []string{"SalesAmount"}},
		"SalesAmount 0":          {func(r *B2BIssueRequest) { r.SalesAmount, r.TotalAmount = 0, 5 }, []string{"SalesAmount", "SalesAmount"}},
		"TaxAmount negative":     {func(r *B2BIssueRequest) { r.TaxAmount, r.TotalAmount = -1, 99 }, []string{"TaxAmount"}},
		"TotalAmount another":    {func(r *B2BIssueRequest) { r.TotalAmount = 104 }, []string{"TotalAmount"}},
		"InvoiceRemark 201":      {func(r *B2BIssueRequest) { r.InvoiceRemark = long(201) }, []string{"InvoiceRemark"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, goodB2BIssue(tc.change), tc.fields)
		})
	}
	checkFields(t, &B2BGetIssueRequest{InvoiceKey: InvoiceKey{MerchantID: stageID}, RelateNumber: "R1"}, nil)
	checkFields(t, &B2BGetIssueRequest{InvoiceKey: InvoiceKey{MerchantID: stageID, InvoiceDate: "2019-09-23"}, RelateNumber: "R 1"},
		[]string{"InvoiceNumber", "RelateNumber"})
}

func TestSumsAreRoundedAsTheTaxOfficeDoes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		amounts []json.Number
		want    int64
	}{
		{[]json.Number{"0.5"}, 1},
		{[]json.Number{"0.4999999"}, 0},
		{[]json.Number{"1.1", "2.2", "3.2"}, 7}, // 6.5, which no float holds as a sum of these
		{[]json.Number{"1.005", "0.495"}, 2},
		{[]json.Number{"100", "-0.5"}, 100},
		{[]json.Number{"-0.5"}, -1},
		{[]json.Number{"999999999999.4", "0.0999999"}, 999999999999},
		{nil, 0},
	} {
		sum := new(itemSum)
		for _, a := range row.amounts {
			n, _ := new(big.Rat).SetString(string(a))
			sum.add(n)
		}
		for _, off := range []int64{-1, 0, 1} {
			if got := sum.rounds(row.want + off); got != (off == 0) {
				t.Errorf("%v rounds to %d: got %t", row.amounts, row.want+off, got)
			}
		}
	}
}

func TestTheFieldsOfAnIssueAreThoseOfECPay(t *testing.T) {
	t.Parallel()
	got, err := marshalData(goodB2BIssue(func(r *B2BIssueRequest) { r.Items[0].ItemTax = "5" }))
	want := `{"MerchantID":"2000132","RelateNumber":"R1","CustomerIdentifier":"23165448","InvType":"07","TaxType":"1",` +
		`"Items":[{"ItemSeq":1,"ItemName":"商品","ItemCount":1,"ItemPrice":100,"ItemAmount":100,"ItemTax":5}],` +
		`"SalesAmount":100,"TaxAmount":5,"TotalAmount":105}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
