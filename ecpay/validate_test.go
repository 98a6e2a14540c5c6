package ecpay

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidation(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("綠", n) }
	for name, tc := range map[string]struct {
		req    Request
		fields []string
	}{
		"trigger good":         {&B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: "tsr1627439050"}, nil},
		"trigger all missing":  {&B2CTriggerIssueRequest{}, []string{"MerchantID", "Tsr"}},
		"trigger Tsr 30":       {&B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: strings.Repeat("A", 30)}, nil},
		"trigger Tsr 31":       {&B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: strings.Repeat("A", 31)}, []string{"Tsr"}},
		"trigger PayType":      {&B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: "A", PayType: "3"}, []string{"PayType"}},
		"trigger charset":      {&B2CTriggerIssueRequest{MerchantID: "2000132", Tsr: "A B"}, []string{"Tsr"}},
		"merchant 11":          {&B2CTriggerIssueRequest{MerchantID: "12345678901", Tsr: "A"}, []string{"MerchantID"}},
		"merchant charset":     {&B2CTriggerIssueRequest{MerchantID: "20.0132", Tsr: "A"}, []string{"MerchantID"}},
		"cancel good":          {&B2CCancelDelayIssueRequest{MerchantID: "2000132", Tsr: "A"}, nil},
		"cancel missing":       {&B2CCancelDelayIssueRequest{MerchantID: "2000132"}, []string{"Tsr"}},
		"invalid good":         {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", long(20), long(200)}, nil},
		"invalid Reason 21":    {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", long(21), ""}, []string{"Reason"}},
		"invalid Reason emoji": {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", strings.Repeat("😀", 11), ""}, []string{"Reason"}},
		"invalid Remark 201":   {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "r", long(201)}, []string{"Remark"}},
		"invalid Reason empty": {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "  ", ""}, []string{"Reason"}},
		"invalid Reason tag":   {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "<b>x</b>", ""}, []string{"Reason"}},
		"invalid Reason less":  {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "price < 100", ""}, nil},
		"invalid Reason ctrl":  {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "a\x00b", ""}, []string{"Reason"}},
		"invalid Reason UTF-8": {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", "a\xffb", ""}, []string{"Reason"}},
		"invalid number short": {&B2BInvalidRequest{"2000132", "VG1100000", "2019-09-23", "r", ""}, []string{"InvoiceNumber"}},
		"invalid number lower": {&B2BInvalidRequest{"2000132", "vg11000002", "2019-09-23", "r", ""}, []string{"InvoiceNumber"}},
		"invalid date":         {&B2BInvalidRequest{"2000132", "VG11000002", "2019-02-30", "r", ""}, []string{"InvoiceDate"}},
		"invalid date compact": {&B2BInvalidRequest{"2000132", "VG11000002", "20190923", "r", ""}, []string{"InvoiceDate"}},
		"invalid date ROC":     {&B2BInvalidRequest{"2000132", "VG11000002", "0108-09-23", "r", ""}, []string{"InvoiceDate"}},
		"invalid date time":    {&B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23 10:00:00", "r", ""}, []string{"InvoiceDate"}},
		"confirm good":         {&B2BInvalidConfirmRequest{"2000132", "VG11000002", "2019-09-23", ""}, nil},
		"confirm all missing":  {&B2BInvalidConfirmRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"allowance good":       {&B2BGetAllowanceConfirmRequest{"2000132", "1909241702402030"}, nil},
		"allowance 17":         {&B2BGetAllowanceConfirmRequest{"2000132", "19092417024020301"}, []string{"AllowanceNo"}},
		"get issue by number":  {&B2CGetIssueRequest{MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17"}, nil},
		"get issue by relate":  {&B2CGetIssueRequest{MerchantID: "2000132", RelateNumber: "R1"}, nil},
		"get issue by both": {
			&B2CGetIssueRequest{MerchantID: "2000132", RelateNumber: "R1", InvoiceNo: "JU11082064"}, []string{"RelateNumber"},
		},
		"get issue by nothing":  {&B2CGetIssueRequest{MerchantID: "2000132"}, []string{"RelateNumber"}},
		"get invalid good":      {&B2BGetInvalidRequest{InvoiceKey{"2000132", Sales, "VG11000002", "2019-09-23"}}, nil},
		"get invalid category":  {&B2BGetInvalidRequest{InvoiceKey{"2000132", 2, "VG11000002", "2019-09-23"}}, []string{"InvoiceCategory"}},
		"get confirm good":      {&B2BGetInvalidConfirmRequest{InvoiceKey{"2000132", Purchase, "VG11000002", "2019-09-23"}}, nil},
		"b2b get issue missing": {&B2BGetIssueRequest{}, []string{"MerchantID", "InvoiceNumber", "InvoiceDate"}},
		"delay good":            {goodDelayIssue(), nil},
		"delay day 16":          {with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.DelayDay = 16 }), []string{"DelayDay"}},
		"delay flag 1 day 0": {
			with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.DelayFlag, r.DelayDay = DelayAuto, 0 }), []string{"DelayDay"},
		},
		"delay no items":   {with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.Items = nil }), []string{"Items"}},
		"delay no contact": {with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.CustomerEmail = "" }), []string{"CustomerPhone"}},
		"delay zero tax reason": {
			with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.TaxType, r.ClearanceMark = "2", "1" }),
			[]string{"ZeroTaxRateReason"},
		},
		"delay printed": {
			with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.Print = "1" }), []string{"CustomerName", "CustomerAddr"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, tc.req, tc.fields)
		})
	}
}

// checkFields compares the fields that the validation of a request complains of, each in both languages.
func checkFields(t *testing.T, req Request, want []string) {
	t.Helper()
	err := req.Validate()
	var v *ValidationError
	if err != nil && !errors.As(err, &v) {
		t.Fatalf("error of type %T", err)
	}
	var got []string
	if v != nil {
		for _, f := range v.Fields {
			got = append(got, f.Field)
			if f.ProblemZhTW() == f.Problem {
				t.Errorf("%q is in English only", f.Problem)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s%v", diff, err)
	}
}

func with(r *B2CDelayIssueRequest, f func(*B2CDelayIssueRequest)) *B2CDelayIssueRequest {
	f(r)
	return r
}

func goodDelayIssue() *B2CDelayIssueRequest {
	return &B2CDelayIssueRequest{B2CInvoice: goodInvoice(), DelayFlag: DelayTriggered, Tsr: "R1"}
}

func goodReIssue() *B2CVoidWithReIssueRequest {
	return &B2CVoidWithReIssueRequest{
		MerchantID: "2000132", VoidModel: B2CVoidModel{InvoiceNo: "JU11082064", VoidReason: "r"},
		IssueModel: B2CIssueModel{B2CInvoice: goodInvoice(), InvoiceDate: "2026-06-17 12:25:00"},
	}
}

func goodNotify() *B2CInvoiceNotifyRequest {
	return &B2CInvoiceNotifyRequest{
		MerchantID: "2000132", InvoiceNo: "JU11082064", NotifyMail: "a@example.com", Notify: "E", InvoiceTag: "I", Notified: "C",
	}
}

func goodInvoice() B2CInvoice {
	return B2CInvoice{
		MerchantID: "2000132", RelateNumber: "R1", CustomerEmail: "a@example.com", Print: "0", Donation: "0",
		TaxType: "1", SalesAmount: 100, InvType: "07", Vat: "1",
		Items: []B2CInvoiceItem{
			{ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "件", ItemPrice: "100", ItemTaxType: "1", ItemAmount: "100"},
		},
	}
}

func TestValidationNormalises(t *testing.T) {
	t.Parallel()
	r := &B2BInvalidConfirmRequest{MerchantID: " 2000132", InvoiceNumber: " VG11000002", InvoiceDate: "2019/09/22 ", Remark: " ok "}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	want := &B2BInvalidConfirmRequest{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22", Remark: "ok"}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValidationErrorNamesFieldAndLimitButNoValue(t *testing.T) {
	t.Parallel()
	r := &B2BInvalidRequest{"2000132", "VG11000002", "2019-09-23", strings.Repeat("王小明0912345678", 3), ""}
	err := r.Validate()
	if err == nil || !strings.Contains(err.Error(), "Reason has 39 characters, at most 20 are allowed") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), "王小明") {
		t.Error("the error quotes the value")
	}
	for flag, days := range map[string]int{DelayAuto: 99, DelayTriggered: -1} {
		err := with(goodDelayIssue(), func(r *B2CDelayIssueRequest) { r.DelayFlag, r.DelayDay = flag, days }).Validate()
		var invalid *ValidationError
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 {
			t.Fatalf("DelayDay %d: error %v", days, err)
		}
		f := invalid.Fields[0]
		for _, text := range []string{f.Problem, f.ProblemZhTW()} {
			if strings.Contains(text, strconv.Itoa(days)) || !strings.Contains(text, "15") {
				t.Errorf("DelayDay %d: %q, want the limit and not the value", days, text)
			}
		}
		if f.ProblemZhTW() == f.Problem {
			t.Errorf("%q is in English only", f.Problem)
		}
	}
}

func TestTolerantTypes(t *testing.T) {
	t.Parallel()
	type doc struct {
		C Code
		T Text
		N Nested[B2BAllowanceConfirm]
	}
	confirmed := Nested[B2BAllowanceConfirm]{Present: true, Value: B2BAllowanceConfirm{ConfirmDate: "2019-09-25"}}
	for name, tc := range map[string]struct {
		in   string
		want doc
		bad  bool
	}{
		"int, string, object": {`{"C":1,"T":"a","N":{"ConfirmDate":"2019-09-25"}}`, doc{1, "a", confirmed}, false},
		"string, number, text": {
			`{"C":"4000003","T":2000132,"N":"{\"ConfirmDate\":\"2019-09-25\"}"}`, doc{4000003, "2000132", confirmed}, false,
		},
		"null all":                 {`{"C":null,"T":null,"N":null}`, doc{}, false},
		"empty strings":            {`{"C":"","T":"","N":""}`, doc{}, false},
		"the word null":            {`{"T":"null","N":"null"}`, doc{}, false},
		"null date inside":         {`{"N":{"ConfirmDate":"null"}}`, doc{N: Nested[B2BAllowanceConfirm]{Present: true}}, false},
		"key case":                 {`{"N":{"CONFIRMDATE":"2019-09-25"}}`, doc{N: confirmed}, false},
		"code no integer":          {`{"C":"x"}`, doc{}, true},
		"code fraction":            {`{"C":1.5}`, doc{}, true},
		"code object":              {`{"C":{}}`, doc{}, true},
		"text object":              {`{"T":{}}`, doc{}, true},
		"nested array":             {`{"N":[]}`, doc{}, true},
		"nested string of no JSON": {`{"N":"hello"}`, doc{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got doc
			err := json.Unmarshal([]byte(tc.in), &got)
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, want one: %v", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
