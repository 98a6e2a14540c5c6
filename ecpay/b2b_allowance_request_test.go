package ecpay

import (
	"strings"
	"testing"
)

// goodB2BAllowance is an allowance with a change.
func goodB2BAllowance(change func(*B2BAllowanceRequest)) *B2BAllowanceRequest {
	r := &B2BAllowanceRequest{
		MerchantID: stageID, TaxAmount: 1, TotalAmount: 24,
		Details: []B2BAllowanceDetail{{
			OriginalInvoiceNumber: "VG11000003", OriginalInvoiceDate: "2019-09-24", OriginalSequenceNumber: 1,
			ItemName: "小浣熊", ItemCount: "2", ItemPrice: "12", ItemAmount: "24", Tax: "1",
		}},
	}
	change(r)
	return r
}

func TestValidationOfB2BAllowance(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	for name, tc := range map[string]struct {
		change func(*B2BAllowanceRequest)
		fields []string
	}{
		"good":               {func(*B2BAllowanceRequest) {}, nil},
		"AllowanceDate":      {func(r *B2BAllowanceRequest) { r.AllowanceDate = "2026/11/30 00:00:00" }, nil},
		"AllowanceDate none": {func(r *B2BAllowanceRequest) { r.AllowanceDate = "20261130" }, []string{"AllowanceDate"}},
		"CustomerEmail 80":   {func(r *B2BAllowanceRequest) { r.CustomerEmail = long(80) }, nil},
		"CustomerEmail 81":   {func(r *B2BAllowanceRequest) { r.CustomerEmail = long(81) }, []string{"CustomerEmail"}},
		"CustomerAddress":    {func(r *B2BAllowanceRequest) { r.CustomerAddress = long(101) }, []string{"CustomerAddress"}},
		"Reason 20":          {func(r *B2BAllowanceRequest) { r.Reason = long(20) }, nil},
		"Reason 21":          {func(r *B2BAllowanceRequest) { r.Reason = long(21) }, []string{"Reason"}},
		"TaxAmount negative": {func(r *B2BAllowanceRequest) { r.TaxAmount = -1 }, []string{"TaxAmount"}},
		"TotalAmount 0":      {func(r *B2BAllowanceRequest) { r.TotalAmount = 0 }, []string{"TotalAmount", "TotalAmount"}},
		"TotalAmount of 13 digits": {
			func(r *B2BAllowanceRequest) { r.TotalAmount = maxDollars + 1 }, []string{"TotalAmount", "TotalAmount"},
		},
		"TotalAmount with tax": {func(r *B2BAllowanceRequest) { r.TotalAmount = 25 }, []string{"TotalAmount"}},
		"no Details":           {func(r *B2BAllowanceRequest) { r.Details = nil }, []string{"Details", "TotalAmount"}},
		"another's number": {
			func(r *B2BAllowanceRequest) { r.Details[0].OriginalInvoiceNumber = "VG1" }, []string{"OriginalInvoiceNumber"},
		},
		"another's date": {func(r *B2BAllowanceRequest) { r.Details[0].OriginalInvoiceDate = "" }, []string{"OriginalInvoiceDate"}},
		"sequence 0": {
			func(r *B2BAllowanceRequest) { r.Details[0].OriginalSequenceNumber = 0 }, []string{"OriginalSequenceNumber"},
		},
		"sequence 999": {func(r *B2BAllowanceRequest) { r.Details[0].OriginalSequenceNumber = 999 }, nil},
		"sequence 1000": {
			func(r *B2BAllowanceRequest) { r.Details[0].OriginalSequenceNumber = 1000 }, []string{"OriginalSequenceNumber"},
		},
		"ItemName 257":           {func(r *B2BAllowanceRequest) { r.Details[0].ItemName = long(257) }, []string{"ItemName"}},
		"ItemCount, 8 decimals":  {func(r *B2BAllowanceRequest) { r.Details[0].ItemCount = "0.00000001" }, []string{"ItemCount"}},
		"ItemPrice of 11 digits": {func(r *B2BAllowanceRequest) { r.Details[0].ItemPrice = "10000000000" }, []string{"ItemPrice"}},
		"no ItemAmount":          {func(r *B2BAllowanceRequest) { r.Details[0].ItemAmount = "" }, []string{"ItemAmount"}},
		"Tax a fraction":         {func(r *B2BAllowanceRequest) { r.Details[0].Tax = "0.5" }, []string{"Tax"}},
		"two invoices": {func(r *B2BAllowanceRequest) {
			r.Details = append(r.Details, r.Details[0])
			r.Details[1].OriginalInvoiceNumber, r.Details[1].ItemAmount, r.TotalAmount = "VG11000004", "0.5", 25
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, goodB2BAllowance(tc.change), tc.fields)
		})
	}
}
