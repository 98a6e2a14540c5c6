package ecpay

import (
	"strings"
	"testing"
)

// b2bSamples are valid requests of the B2B operations beside those of [sample].
func b2bSamples() []Request {
	key := InvoiceKey{MerchantID: stageID, InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23"}
	allowance := AllowanceKey{MerchantID: stageID, AllowanceNo: "1909241702402030"}
	return []Request{
		&B2BMaintainMerchantCustomerDataRequest{stageID, "Add", "53538851", "2", "綠界科技", "slang", "0", "a@example.com"},
		&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "", "a@example.com", "1", "C"},
		goodB2BIssue(func(*B2BIssueRequest) {}), goodB2BAllowance(func(*B2BAllowanceRequest) {}),
		&B2BAllowanceConfirmRequest{stageID, "1909241702402030", ""},
		&B2BCancelAllowanceRequest{stageID, "1909241702402030", "r", ""},
		&B2BCancelAllowanceConfirmRequest{stageID, "1909241702402030", ""}, &B2BGetAllowanceInvalidConfirmRequest{allowance},
		&B2BGetAllowanceRequest{allowance}, &B2BGetAllowanceInvalidRequest{allowance},
		&B2BIssueConfirmRequest{stageID, "VG11000002", "2019-09-23", ""},
		&B2BGetIssueConfirmRequest{key},
		&B2BRejectRequest{stageID, "VG11000002", "2019-09-23", "r", ""}, &B2BGetRejectRequest{key},
		&B2BRejectConfirmRequest{stageID, "VG11000002", "2019-09-23", ""}, &B2BGetRejectConfirmRequest{key},
		goodB2BReIssue(func(*B2BVoidWithReIssueRequest) {}),
		&B2BGetCompanyNameByTaxIDRequest{stageID, "23165448"},
		&B2BInvoicePrintRequest{goodB2BPrint()}, &B2BDownloadB2BPdfRequest{goodB2BPrint()},
		&B2BGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, "115"}}, &B2BGetInvoiceWordSettingRequest{goodWordQuery()},
		&B2BAddInvoiceWordSettingRequest{goodWord()}, &B2BUpdateInvoiceWordStatusRequest{InvoiceWordStatus{stageID, "0000000001", "2"}},
	}
}

func TestValidationOfB2BTurns(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	for name, tc := range map[string]struct {
		req    Request
		fields []string
	}{
		"issue confirm, Remark 200":        {&B2BIssueConfirmRequest{stageID, "VG11000002", "2019-09-23", long(200)}, nil},
		"issue confirm, Remark 201":        {&B2BIssueConfirmRequest{stageID, "VG11000002", "2019-09-23", long(201)}, []string{"Remark"}},
		"issue confirm, nothing":           {&B2BIssueConfirmRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"reject, Reason 20":                {&B2BRejectRequest{stageID, "VG11000002", "2019-09-23", long(20), long(200)}, nil},
		"reject, Reason 21":                {&B2BRejectRequest{stageID, "VG11000002", "2019-09-23", long(21), ""}, []string{"Reason"}},
		"reject, Remark 201":               {&B2BRejectRequest{stageID, "VG11000002", "2019-09-23", "r", long(201)}, []string{"Remark"}},
		"reject, nothing":                  {&B2BRejectRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate", "Reason"}},
		"get reject, good":                 {&B2BGetRejectRequest{InvoiceKey{stageID, Sales, " VG11000002", "2019/09/23"}}, nil},
		"get reject, nothing":              {&B2BGetRejectRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"reject confirm, Remark 200":       {&B2BRejectConfirmRequest{stageID, "VG11000002", "2019-09-23", long(200)}, nil},
		"reject confirm, Remark 201":       {&B2BRejectConfirmRequest{stageID, "VG11000002", "2019-09-23", long(201)}, []string{"Remark"}},
		"reject confirm, nothing":          {&B2BRejectConfirmRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"get reject confirm, nothing":      {&B2BGetRejectConfirmRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"cancel allowance, good":           {&B2BCancelAllowanceRequest{stageID, " 1909241702402030", long(20), long(200)}, nil},
		"cancel allowance, a number of 17": {&B2BCancelAllowanceRequest{stageID, "19092417024020301", "r", ""}, []string{"AllowanceNo"}},
		"cancel allowance, Reason 21":      {&B2BCancelAllowanceRequest{stageID, "1909241702402030", long(21), ""}, []string{"Reason"}},
		"cancel allowance, Remark 201":     {&B2BCancelAllowanceRequest{stageID, "1909241702402030", "r", long(201)}, []string{"Remark"}},
		"cancel allowance, nothing":        {&B2BCancelAllowanceRequest{}, []string{"MerchantID", "AllowanceNo", "Reason"}},
		"get allowance, nothing":           {&B2BGetAllowanceRequest{}, []string{"MerchantID", "AllowanceNo"}},
		"get allowance invalid, a sign":    {&B2BGetAllowanceInvalidRequest{AllowanceKey{stageID, "19-09"}}, []string{"AllowanceNo"}},
		"allowance confirm, Remark 200":    {&B2BAllowanceConfirmRequest{stageID, "1909241702402030", long(200)}, nil},
		"allowance confirm, Remark 201":    {&B2BAllowanceConfirmRequest{stageID, "1909241702402030", long(201)}, []string{"Remark"}},
		"allowance confirm, nothing":       {&B2BAllowanceConfirmRequest{}, []string{"MerchantID", "AllowanceNo"}},
		"cancel confirm, Remark 200":       {&B2BCancelAllowanceConfirmRequest{stageID, "1909241702402030", long(200)}, nil},
		"cancel confirm, Remark 201":       {&B2BCancelAllowanceConfirmRequest{stageID, "1909241702402030", long(201)}, []string{"Remark"}},
		"cancel confirm, nothing":          {&B2BCancelAllowanceConfirmRequest{}, []string{"MerchantID", "AllowanceNo"}},
		"get cancel confirm, nothing":      {&B2BGetAllowanceInvalidConfirmRequest{}, []string{"MerchantID", "AllowanceNo"}},
		"maintain, at the limits": {
			&B2BMaintainMerchantCustomerDataRequest{stageID, "Update", "53538851", "3", long(60), long(20), "1", long(80)}, nil,
		},
		"maintain, one past": {
			&B2BMaintainMerchantCustomerDataRequest{stageID, "Remove", "535388510", "4", long(61), long(21), "2", long(81)},
			[]string{"Action", "Identifier", "type", "CompanyName", "TradingSlang", "ExchangeMode", "EmailAddress"},
		},
		"maintain, nothing": {
			&B2BMaintainMerchantCustomerDataRequest{},
			[]string{"MerchantID", "Action", "Identifier", "type", "CompanyName", "TradingSlang", "ExchangeMode", "EmailAddress"},
		},
		"notify of an allowance": {&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "1909241702402030", "a@example.com", "10", "A"}, nil},
		"notify of no allowance": {
			&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "", "a@example.com", "4", "M"}, []string{"AllowanceNo"},
		},
		"notify, NotifyMail 80": {&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "", long(80), "1", "C"}, nil},
		"notify, NotifyMail 81": {&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "", long(81), "1", "C"}, []string{"NotifyMail"}},
		"notify, tag 11":        {&B2BNotifyRequest{stageID, "2019-09-23", "VG11000002", "", "a", "11", "C"}, []string{"InvoiceTag"}},
		"notify, nothing": {
			&B2BNotifyRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate", "InvoiceTag", "NotifyMail", "Notified"},
		},
		"get issue confirm, nothing": {
			&B2BGetIssueConfirmRequest{InvoiceKey{InvoiceCategory: 2}},
			[]string{"MerchantID", "InvoiceCategory", "InvoiceNumber", "InvoiceDate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, tc.req, tc.fields)
		})
	}
}
