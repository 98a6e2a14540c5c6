package ecpay

import (
	"strings"
	"testing"
)

// changed is a copy of a good request in which some of it is another.
func changed[R any](good R, change func(*R)) *R {
	change(&good)
	return &good
}

func TestValidationOfIssuing(t *testing.T) {
	t.Parallel()
	type edit = B2CEditDelayIssueRequest
	type again = B2CVoidWithReIssueRequest
	type notify = B2CInvoiceNotifyRequest
	goodEdit := func() edit { return edit{B2CInvoice: goodInvoice(), Tsr: "R1"} }
	for name, tc := range map[string]struct {
		req    Request
		fields []string
	}{
		"issue": {&B2CIssueRequest{goodInvoice()}, nil},
		"issue, another sum": {
			changed(B2CIssueRequest{goodInvoice()}, func(r *B2CIssueRequest) { r.SalesAmount = 1 }),
			[]string{"SalesAmount"},
		},
		"edit":                {changed(goodEdit(), func(r *edit) { r.Tsr = strings.Repeat("A", 30) }), nil},
		"edit, Tsr 31":        {changed(goodEdit(), func(r *edit) { r.Tsr = strings.Repeat("A", 31) }), []string{"Tsr"}},
		"edit, no Tsr":        {changed(goodEdit(), func(r *edit) { r.Tsr = "" }), []string{"Tsr"}},
		"edit, another sum":   {changed(goodEdit(), func(r *edit) { r.SalesAmount = 1 }), []string{"SalesAmount"}},
		"edit, NotifyURL 200": {changed(goodEdit(), func(r *edit) { r.NotifyURL = strings.Repeat("a", 200) }), nil},
		"edit, NotifyURL 201": {changed(goodEdit(), func(r *edit) { r.NotifyURL = strings.Repeat("a", 201) }), []string{"NotifyURL"}},
		"anew":                {goodReIssue(), nil},
		"anew, nothing said":  {&again{}, []string{"MerchantID", "InvoiceNo", "VoidReason", "InvoiceDate"}},
		"anew, reason 20":     {changed(*goodReIssue(), func(r *again) { r.VoidModel.VoidReason = times(20) }), nil},
		"anew, reason 21":     {changed(*goodReIssue(), func(r *again) { r.VoidModel.VoidReason = times(21) }), []string{"VoidReason"}},
		"anew, number":        {changed(*goodReIssue(), func(r *again) { r.VoidModel.InvoiceNo = "JU1108206" }), []string{"InvoiceNo"}},
		"anew, date": {
			changed(*goodReIssue(), func(r *again) { r.IssueModel.InvoiceDate = "2026-06-17" }),
			[]string{"InvoiceDate"},
		},
		"anew, hour 24": {
			changed(*goodReIssue(), func(r *again) { r.IssueModel.InvoiceDate = "2026-06-17 24:00:00" }),
			[]string{"InvoiceDate"},
		},
		"anew, part of a second": {changed(*goodReIssue(), func(r *again) { r.IssueModel.InvoiceDate += ".5" }), []string{"InvoiceDate"}},
		"anew, slashes":          {changed(*goodReIssue(), func(r *again) { r.IssueModel.InvoiceDate = " 2026/06/17 12:25:00" }), nil},
		"anew, another sum":      {changed(*goodReIssue(), func(r *again) { r.IssueModel.SalesAmount = 1 }), []string{"SalesAmount"}},
		"anew, another's void":   {changed(*goodReIssue(), func(r *again) { r.VoidModel.MerchantID = "2000133" }), []string{"MerchantID"}},
		"anew, another's issue":  {changed(*goodReIssue(), func(r *again) { r.IssueModel.MerchantID = "2000133" }), []string{"MerchantID"}},
		"notify":                 {goodNotify(), nil},
		"notify, nothing said":   {&notify{}, []string{"MerchantID", "InvoiceNo", "Notify", "InvoiceTag", "Notified"}},
		"notify, values": {
			changed(*goodNotify(), func(r *notify) { r.InvoiceTag, r.Notified = "X", "S" }),
			[]string{"InvoiceTag", "Notified"},
		},
		"notify, no mail":         {changed(*goodNotify(), func(r *notify) { r.NotifyMail = "" }), []string{"NotifyMail"}},
		"notify, no phone":        {changed(*goodNotify(), func(r *notify) { r.Notify = "S" }), []string{"Phone"}},
		"notify, both, one":       {changed(*goodNotify(), func(r *notify) { r.Notify = "A" }), []string{"Phone"}},
		"notify, mail 200":        {changed(*goodNotify(), func(r *notify) { r.NotifyMail = times(200) }), nil},
		"notify, mail 201":        {changed(*goodNotify(), func(r *notify) { r.NotifyMail = times(201) }), []string{"NotifyMail"}},
		"notify, phone 21":        {changed(*goodNotify(), func(r *notify) { r.Phone = times(21) }), []string{"Phone"}},
		"notify, allowance":       {changed(*goodNotify(), func(r *notify) { r.InvoiceTag = "AI" }), []string{"AllowanceNo"}},
		"notify, allowance of 15": {changed(*goodNotify(), func(r *notify) { r.AllowanceNo = "190924170240203" }), []string{"AllowanceNo"}},
		"notify, allowance of 16": {changed(*goodNotify(), func(r *notify) { r.InvoiceTag, r.AllowanceNo = "OA", "1909241702402030" }), nil},
		"notify, prize":           {changed(*goodNotify(), func(r *notify) { r.InvoiceTag = "AW" }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, tc.req, tc.fields)
		})
	}
}

func TestValidationOfQueries(t *testing.T) {
	t.Parallel()
	type list = B2CGetIssueListRequest
	type printed = B2CInvoicePrintRequest
	goodList := list{"2000132", "2026-06-01", "2026/06/30", 200, 1, ""}
	goodPrint := printed{MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17"}
	for name, tc := range map[string]struct {
		req    Request
		fields []string
	}{
		"list":                 {&goodList, nil},
		"list, nothing said":   {&list{}, []string{"MerchantID", "BeginDate", "EndDate", "NumPerPage", "ShowingPage"}},
		"list, 201 a page":     {changed(goodList, func(r *list) { r.NumPerPage = 201 }), []string{"NumPerPage"}},
		"list, page 0":         {changed(goodList, func(r *list) { r.ShowingPage = 0 }), []string{"ShowingPage"}},
		"list, CSV":            {changed(goodList, func(r *list) { r.DataType = "2" }), []string{"DataType"}},
		"list, one day":        {changed(goodList, func(r *list) { r.EndDate = "2026-06-01" }), nil},
		"list, backwards":      {changed(goodList, func(r *list) { r.EndDate = "2026-05-31" }), []string{"EndDate"}},
		"void":                 {&B2CGetInvalidRequest{"2000132", "R1", "JU11082064", "2026-06-17"}, nil},
		"void, nothing said":   {&B2CGetInvalidRequest{}, []string{"MerchantID", "RelateNumber", "InvoiceNo", "InvoiceDate"}},
		"barcode":              {&B2CCheckBarcodeRequest{"2000132", "/A+-.9Z0"}, nil},
		"barcode, no slash":    {&B2CCheckBarcodeRequest{"2000132", "ABC+1234"}, []string{"BarCode"}},
		"barcode of 9":         {&B2CCheckBarcodeRequest{"2000132", "/ABC+1234"}, []string{"BarCode"}},
		"barcode of none":      {&B2CCheckBarcodeRequest{"", ""}, []string{"MerchantID", "BarCode"}},
		"donation code of 3":   {&B2CCheckLoveCodeRequest{"2000132", "001"}, nil},
		"donation code of 2":   {&B2CCheckLoveCodeRequest{"2000132", "01"}, []string{"LoveCode"}},
		"donation code of 8":   {&B2CCheckLoveCodeRequest{"2000132", "12345678"}, []string{"LoveCode"}},
		"company":              {&B2CGetCompanyNameByTaxIDRequest{"2000132", " 23165448"}, nil},
		"company, check digit": {&B2CGetCompanyNameByTaxIDRequest{"2000132", "23165447"}, []string{"UnifiedBusinessNo"}},
		"company of seven":     {&B2CGetCompanyNameByTaxIDRequest{"2000132", "2316544"}, []string{"UnifiedBusinessNo"}},
		"given words":          {&B2CGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{"2000132", "115"}}, nil},
		"given words, AD":      {&B2CGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{"2000132", "2026"}}, []string{"InvoiceYear"}},
		"given words, of 99":   {&B2CGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{"2000132", "99"}}, []string{"InvoiceYear"}},
		"print":                {changed(goodPrint, func(r *printed) { r.PrintStyle, r.IsShowingDetail, r.IsReprintInvoice = 5, 2, "Y" }), nil},
		"print, nothing said":  {&printed{}, []string{"MerchantID", "InvoiceNo", "InvoiceDate"}},
		"print, past limits": {
			changed(goodPrint, func(r *printed) { r.PrintStyle, r.IsShowingDetail, r.IsReprintInvoice = 6, 3, "N" }),
			[]string{"PrintStyle", "IsShowingDetail", "IsReprintInvoice"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, tc.req, tc.fields)
		})
	}
}
