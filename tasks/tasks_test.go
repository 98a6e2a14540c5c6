package tasks

import (
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

func b2cInvoiceOf(merchantID, relateNumber string) ecpay.B2CInvoice {
	return ecpay.B2CInvoice{
		MerchantID: merchantID, RelateNumber: relateNumber, CustomerName: "王小明 <3", CustomerAddr: "台北市", CustomerPhone: "0912345678",
		CustomerEmail: "buyer@example.com", Print: "1", Donation: "0", TaxType: "1", SalesAmount: 105, InvoiceRemark: "備註", InvType: "07",
		Vat: "1",
		Items: []ecpay.B2CInvoiceItem{{
			ItemSeq: 1, ItemName: "茶 & 餅", ItemCount: "1.50", ItemWord: "包", ItemPrice: "70", ItemAmount: "105", ItemRemark: "甜",
		}},
	}
}

func samples() map[string]Payload {
	all := map[string]Payload{
		"trigger_issue": &B2CTriggerIssue{MerchantID: "2000132", Tsr: "201909170001", PayType: "2"},
		"trigger_issue_all": &B2CTriggerIssue{
			MerchantID: "2000132", Tsr: "201909170001", PayType: "2",
			RelateNumber: "R201909170001", DelayDay: ptr(0),
		},
		"cancel_delay_issue":     &B2CCancelDelayIssue{MerchantID: "2000132", Tsr: "201909170001"},
		"cancel_delay_issue_all": &B2CCancelDelayIssue{MerchantID: "2000132", Tsr: "201909170001", RelateNumber: "R201909170001"},
		"cancel_delay_issue_or_void": &B2CCancelDelayIssue{
			MerchantID: "2000132", Tsr: "201909170001", RelateNumber: "R201909170001", VoidReason: "訂單取消 <3",
		},
		"invalid": &B2BInvalid{
			MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23", Reason: "訂單取消 <3", Remark: "Seller_Invalid_Remark",
		},
		"b2c_invalid": &B2CInvalid{MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17", Reason: "訂單取消 <3"},
		"b2c_allowance_invalid": &B2CAllowanceInvalid{
			MerchantID: "2000132", InvoiceNo: "JU11082064", AllowanceNo: "2026061700000001", Reason: "退貨取消 <3",
		},
		"b2b_issue_confirm": &B2BIssueConfirm{
			MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22", Remark: "Buyer_Remark",
		},
		"b2b_reject": &B2BReject{
			MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22", Reason: "金額有誤 <3", Remark: "Buyer_Remark",
		},
		"b2b_reject_confirm":    &B2BRejectConfirm{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22", Remark: "同意"},
		"b2b_allowance_confirm": &B2BAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1909241702402030", Remark: "同意"},
		"b2b_cancel_allowance": &B2BCancelAllowance{
			MerchantID: "2000132", AllowanceNo: "1909241702402030", Reason: "退貨取消 <3", Remark: "Seller_Remark",
		},
		"b2b_cancel_allowance_confirm": &B2BCancelAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1909241702402030", Remark: "同意"},
		"invalid_confirm":              &B2BInvalidConfirm{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22"},
		"query":                        &B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1909241702402030"},
		"query_until_confirmed":        &B2BGetAllowanceConfirm{MerchantID: "2000132", AllowanceNo: "1909241702402030", UntilConfirmed: true},
	}
	maps.Copy(all, invoiceSamples())
	return all
}

// invoiceSamples are those of what issues, allows and tells of invoices.
func invoiceSamples() map[string]Payload {
	return map[string]Payload{
		"b2c_issue": (*B2CIssue)(new(b2cInvoiceOf("2000132", "order-1_A"))),
		"b2b_issue": &B2BIssue{MerchantID: "2000132", B2BIssueModel: ecpay.B2BIssueModel{
			RelateNumber: "order-2_A", CustomerIdentifier: "97025978", CustomerEmail: "buyer@shop.example", CustomerAddress: "台北市",
			CustomerTelephoneNumber: "02-12345678", InvType: "07", TaxType: "1", SalesAmount: 105, TaxAmount: 5, TotalAmount: 110,
			InvoiceRemark: "備註 <3",
			Items: []ecpay.B2BIssueItem{
				{ItemSeq: 1, ItemName: "茶 & 餅", ItemCount: "1.50", ItemWord: "包", ItemPrice: "70", ItemAmount: "105", ItemTax: "5", ItemRemark: "甜"},
			},
		}},
		"b2b_allowance": &B2BAllowance{
			MerchantID: "2000132", Reference: "REFUND-2", CustomerEmail: "buyer@shop.example", CustomerAddress: "台北市", TaxAmount: 1, TotalAmount: 20,
			Details: []ecpay.B2BAllowanceDetail{{
				OriginalInvoiceNumber: "VG11000002", OriginalInvoiceDate: "2019-09-22", OriginalSequenceNumber: 1, ItemName: "茶 & 餅",
				ItemCount: "1", ItemPrice: "20", ItemAmount: "20", Tax: "1",
			}}, Reason: "退貨",
		},
		"b2c_allowance_invalid_by_collegiate": &B2CAllowanceInvalidByCollegiate{
			MerchantID: "2000132", InvoiceNo: "JU11082064", AllowanceNo: "2606171424020305", Reason: "退貨取消 <3",
		},
		"b2c_void_with_re_issue": &B2CVoidWithReIssue{
			MerchantID: "2000132", Reference: "FIX-1", VoidModel: ecpay.B2CVoidModel{InvoiceNo: "JU11082064", VoidReason: "金額有誤"},
			IssueModel: ecpay.B2CIssueModel{B2CInvoice: b2cInvoiceOf("", "order-3_A"), InvoiceDate: "2026-06-17 10:20:30"},
		},
		"b2b_void_with_re_issue": &B2BVoidWithReIssue{
			MerchantID: "2000132", Reference: "FIX-1", VoidModel: ecpay.B2BVoidModel{InvoiceNumber: "VG11000002", VoidReason: "金額有誤"},
			IssueModel: ecpay.B2BIssueModel{
				RelateNumber: "order-2_A", InvoiceTime: "2019-09-22 10:20:30", CustomerIdentifier: "97025978", InvType: "07", TaxType: "1",
				SalesAmount: 105, TaxAmount: 5, TotalAmount: 110,
				Items: []ecpay.B2BIssueItem{{ItemSeq: 1, ItemName: "茶", ItemCount: "1.5", ItemPrice: "70", ItemAmount: "105"}},
			},
		},
		"b2c_get_issue": &B2CGetIssue{MerchantID: "2000132", RelateNumber: "Order-1", Days: 3, TaskID: "b2c.trigger_issue.2000132.201909170001"},
		"b2c_delay_issue": &B2CDelayIssue{
			B2CInvoice: b2cInvoiceOf("2000132", "order-4_A"), DelayFlag: ecpay.DelayTriggered, DelayDay: 3, Tsr: "order-4_A",
			PayType: "2", PayAct: "ECPAY", NotifyURL: "https://shop.example/issued",
		},
		"b2c_allowance": &B2CAllowance{
			MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17", Reference: "REFUND-1",
			AllowanceNotify: ecpay.NotifyBoth, CustomerName: "買受人 <3", NotifyMail: "buyer@shop.example", NotifyPhone: "0900000000",
			AllowanceAmount: "30", Reason: "退貨", Items: []ecpay.B2CAllowanceItem{
				{ItemSeq: 1, ItemName: "商品", ItemCount: "2", ItemWord: "件", ItemPrice: "10.5", ItemTaxType: "1", ItemAmount: "21"},
				{ItemSeq: 2, ItemName: "運費", ItemCount: "1", ItemWord: "式", ItemPrice: "9", ItemAmount: "9"},
			},
		},
		"b2c_allowance_by_collegiate": &B2CAllowanceByCollegiate{
			MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17", Reference: "REFUND-1", AllowanceNotify: ecpay.NotifyEmail,
			CustomerName: "買受人 <3", NotifyMail: "buyer@shop.example", AllowanceAmount: "9", Reason: "退貨", ReturnURL: "https://shop.example/agreed",
			Items: []ecpay.B2CAllowanceItem{{ItemSeq: 1, ItemName: "運費", ItemCount: "1", ItemWord: "式", ItemPrice: "9", ItemAmount: "9"}},
		},
		"b2c_invoice_notify": &B2CInvoiceNotify{
			MerchantID: "2000132", InvoiceNo: "JU11082064", Reference: "MAIL-1", AllowanceNo: "2026061700000001", Phone: "0900000000",
			NotifyMail: "buyer@shop.example", Notify: "A", InvoiceTag: "A", Notified: "C",
		},
		"b2b_notify": &B2BNotify{
			MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22", Reference: "MAIL-1", AllowanceNo: "1909241702402030",
			NotifyMail: "buyer@shop.example", InvoiceTag: "4", Notified: "C",
		},
	}
}

// The golden files are the stored format: a change here breaks tasks that are
// already in somebody's Redis, and wants a new Schema.
func TestStoredFormatIsGolden(t *testing.T) {
	t.Parallel()
	type golden struct {
		ID      string
		Type    string
		Queue   string
		Headers map[string]string
		Payload json.RawMessage
	}
	for name, p := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			b, err := Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			h := Headers{
				Schema: SchemaOf(p), Enqueued: time.UnixMilli(1_568_678_400_123), ProcessAt: time.UnixMilli(1_568_678_460_000), Nonce: "ABCDEFGH",
			}
			got, err := json.MarshalIndent(golden{ID(p), TypeOf(p).Name, TypeOf(p).Queue, h.Map(), b}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden.json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			back, err := Decode(TypeOf(p).Name, h.Map(), b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, back); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(h, ParseHeaders(h.Map())); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			typ, merchant, err := ParseID(ID(p))
			if err != nil || typ.Name != TypeOf(p).Name || merchant != "2000132" {
				t.Errorf("ParseID(%s) = %s, %s, %v", ID(p), typ.Name, merchant, err)
			}
		})
	}
}

func TestTriggerAndCancelOfOneTsrAreDifferentIntents(t *testing.T) {
	t.Parallel()
	s := samples()
	if a, b := ID(s["trigger_issue"]), ID(s["cancel_delay_issue"]); a == b {
		t.Errorf("both are %s", a)
	}
	if a, b := ID(s["trigger_issue"]), ID(s["trigger_issue_all"]); a != b {
		t.Errorf("%s and %s differ though the intent is the same", a, b)
	}
	if a, b := ID(s["query"]), ID(s["query_until_confirmed"]); a == b {
		t.Errorf("both are %s", a)
	}
}

func TestOrdersThatDifferInTheCaseOfTheirNumberAreOneIntent(t *testing.T) {
	t.Parallel()
	a, b := &B2CIssue{MerchantID: "2000132", RelateNumber: "order-1_a"}, &B2CIssue{MerchantID: "2000132", RelateNumber: "ORDER-1_A"}
	const want = "b2c.issue.2000132.ORDER-1_A"
	if ID(a) != want || ID(b) != want {
		t.Errorf("got %s and %s, want %s", ID(a), ID(b), want)
	}
	if got := a.Request().(*ecpay.B2CIssueRequest).RelateNumber; got != "order-1_a" {
		t.Errorf("%s is sent", got)
	}
	typ, _ := ByName("b2c:issue")
	if id, ok := typ.IDOf("2000132", map[string]string{"RelateNumber": "Order-1_a"}); !ok || id != want {
		t.Errorf("IDOf = %s, %v, want %s", id, ok, want)
	}
	if id := ID(&B2CTriggerIssue{MerchantID: "2000132", Tsr: "a"}); id != "b2c.trigger_issue.2000132.a" {
		t.Errorf("the id of a Tsr is %s", id)
	}
}

func TestAnInvoiceOfAnotherAmountIsAnotherOrders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		amount, vat, identifier string
		want                    bool
	}{
		{"100", "1", "", true}, {"100.0", "", "", true}, {"", "1", "", true}, {"99", "1", "", false}, {"1000", "1", "", false},
		{"100.5", "1", "", false}, {"105", "0", "", true}, {"95", "1", "23165448", true},
	} {
		p := &B2CIssue{MerchantID: "2000132", RelateNumber: "R1", SalesAmount: 100, Vat: tc.vat, CustomerIdentifier: tc.identifier}
		r := &ecpay.B2CGetIssueResponse{B2CIssued: ecpay.B2CIssued{IIS_Sales_Amount: ecpay.Text(tc.amount)}}
		if got := AskOf(p, false).Shows(r); got != tc.want {
			t.Errorf("%+v: an invoice of %q shows it: %v", tc, tc.amount, got)
		}
	}
}

func TestAPayloadOfTooManyItemsIsRefused(t *testing.T) {
	t.Parallel()
	p := samples()["b2c_issue"].(*B2CIssue)
	item := p.Items[0]
	item.ItemName, item.ItemRemark = strings.Repeat("茶", 500), strings.Repeat("甜", 120)
	for n, want := range map[int]string{fewItems: "", 999: "Items make the payload "} {
		p.Items, p.Vat = nil, "0" // whose sum is not looked at
		for range n {
			p.Items = append(p.Items, item)
		}
		err := p.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d items: got the error %v, want %q", n, err, want)
		}
		if b, _ := Encode(p); want == "" && len(b) > TypeOf(p).MaxPayload {
			t.Errorf("%d items make %d bytes", n, len(b))
		}
	}
}

func TestOneLockIsSharedByTheOperationsOnOneThing(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"b2c.trigger_issue.2000132.T1":               "b2c.2000132.T1",
		"b2c.cancel_delay_issue.2000132.T1":          "b2c.2000132.T1",
		"b2b.invalid.2000132.VG11000002.2019-09-23":  "b2b.2000132.VG11000002.2019-09-23",
		"b2b.invalid_confirm.2000132.VG1.2019-09-23": "b2b.2000132.VG1.2019-09-23",
		"b2b.get_allowance_confirm.2000132.1":        "b2b.2000132.1",
		"by other means":                             "by other means",
		"b2c.unknown.2000132.T1":                     "b2c.unknown.2000132.T1",
	} {
		if got := Lock(id); got != want {
			t.Errorf("Lock(%s) = %s, want %s", id, got, want)
		}
	}
}

func TestDecodeJudgesStoredBytes(t *testing.T) {
	t.Parallel()
	const good = `{"MerchantID":"2000132","Tsr":"A","PayType":"2"}`
	for name, tc := range map[string]struct {
		typ     string
		headers map[string]string
		payload string
		want    error
	}{
		"good":             {"b2c:trigger_issue", map[string]string{"v": "1"}, good, nil},
		"by plain asynq":   {"b2c:trigger_issue", nil, good, nil},
		"unknown type":     {"b2c:unknown", nil, good, ErrUnknownType},
		"newer schema":     {"b2c:trigger_issue", map[string]string{"v": "3"}, good, ErrNewerSchema},
		"newest schema":    {"b2c:trigger_issue", map[string]string{"v": "2"}, good, nil},
		"newer, unknown":   {"b2c:new", map[string]string{"v": "9"}, "\x00", ErrNewerSchema},
		"schema no number": {"b2c:trigger_issue", map[string]string{"v": "x"}, good, ErrCorrupt},
		"schema 0":         {"b2c:trigger_issue", map[string]string{"v": "0"}, good, ErrCorrupt},
		"empty":            {"b2c:trigger_issue", nil, "", ErrCorrupt},
		"cut off":          {"b2c:trigger_issue", nil, good[:20], ErrCorrupt},
		"binary":           {"b2c:trigger_issue", nil, "\xff\x00\x01", ErrCorrupt},
		"array":            {"b2c:trigger_issue", nil, "[]", ErrCorrupt},
		"wrong field type": {"b2c:trigger_issue", nil, `{"Tsr":5}`, ErrCorrupt},
		"unknown field":    {"b2c:trigger_issue", nil, `{"Tsr":"A","InvoiceNo":"x"}`, ErrCorrupt},
		"another case":     {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","tsr":"A"}`, ErrCorrupt},
		"by folding":       {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","tſr":"A"}`, ErrCorrupt},
		"name twice":       {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","Tsr":"A","Tsr":"B"}`, ErrCorrupt},
		"name in two ways": {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","Tsr":"A","TSR":"B"}`, ErrCorrupt},
		"power of ten":     {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","Tsr":"A","DelayDay":1e1}`, ErrCorrupt},
		"minus zero":       {"b2c:trigger_issue", nil, `{"MerchantID":"2000132","Tsr":"A","DelayDay":-0}`, ErrCorrupt},
		"Big5":             {"b2b:invalid", nil, "{\"Reason\":\"\xad\xec\"}", ErrCorrupt},
		"two values":       {"b2c:trigger_issue", nil, good + good, ErrCorrupt},
		"too large":        {"b2c:trigger_issue", nil, `{"Tsr":"` + strings.Repeat("A", MaxPayload()) + `"}`, ErrCorrupt},
		"another type's":   {"b2b:invalid", nil, good, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode(tc.typ, tc.headers, []byte(tc.payload))
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestExtraFieldsAreChecked(t *testing.T) {
	t.Parallel()
	p := &B2CTriggerIssue{RelateNumber: strings.Repeat("R", 51), DelayDay: ptr(16)}
	err := p.Validate()
	for _, want := range []string{
		"MerchantID is required", "Tsr is required", "RelateNumber has 51 characters, at most 50", "DelayDay must be 0 to 15 days",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestDiffers(t *testing.T) {
	t.Parallel()
	a := &B2BInvalid{MerchantID: "1", InvoiceNumber: "VG11000002", Reason: "a"}
	b := &B2BInvalid{MerchantID: "1", InvoiceNumber: "VG11000002", Reason: "b", Remark: "c"}
	if diff := cmp.Diff([]string{"Reason", "Remark"}, Differs(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := Differs(a, a); d != nil {
		t.Errorf("a differs from itself in %v", d)
	}
	x := &B2CTriggerIssue{DelayDay: ptr(1)}
	if d := Differs(x, &B2CTriggerIssue{DelayDay: ptr(1)}); d != nil {
		t.Errorf("equal pointers differ in %v", d)
	}
}

func TestOnlyQueriesAreForgottenSoon(t *testing.T) {
	t.Parallel()
	for name, p := range samples() {
		if got, want := WantedOnce(p), name != "query" && name != "b2c_get_issue"; got != want {
			t.Errorf("%s: WantedOnce = %v, want %v", name, got, want)
		}
	}
}

var urlSafe = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

func FuzzID(f *testing.F) {
	f.Add(0, "2000132", "A", "", 0, "2000132", "a", "")
	f.Add(2, "1", "VG1.1", "2", 2, "1.VG1", "1", "2")
	f.Add(0, "~2E", ".", "", 1, ".", "~2E", "")
	f.Add(4, "1", "A", "", 4, "1", "A", "until_confirmed")
	make := func(kind int, m, a, b string) Payload {
		switch kind % 5 {
		case 0:
			return &B2CTriggerIssue{MerchantID: m, Tsr: a}
		case 1:
			return &B2CCancelDelayIssue{MerchantID: m, Tsr: a}
		case 2:
			return &B2BInvalid{MerchantID: m, InvoiceNumber: a, InvoiceDate: b}
		case 3:
			return &B2BInvalidConfirm{MerchantID: m, InvoiceNumber: a, InvoiceDate: b}
		default:
			return &B2BGetAllowanceConfirm{MerchantID: m, AllowanceNo: a, UntilConfirmed: b != ""}
		}
	}
	f.Fuzz(func(t *testing.T, k1 int, m1, a1, b1 string, k2 int, m2, a2, b2 string) {
		if k1 < 0 || k2 < 0 {
			return
		}
		p, q := make(k1, m1, a1, b1), make(k2, m2, a2, b2)
		idP, idQ := ID(p), ID(q)
		same := TypeOf(p).Name == TypeOf(q).Name && len(Differs(p, q)) == 0
		if same != (idP == idQ) {
			t.Fatalf("same intent %v, ids %s and %s", same, idP, idQ)
		}
		if !urlSafe.MatchString(idP) {
			t.Fatalf("id %s may not stand in a URL path", idP)
		}
		if m1 != "" {
			if typ, m, err := ParseID(idP); err != nil || m != m1 || typ.Name != TypeOf(p).Name {
				t.Fatalf("ParseID(%s) = %s, %q, %v", idP, typ.Name, m, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("b2c:trigger_issue", "1", []byte(`{"MerchantID":"2000132","Tsr":"A","PayType":"2","DelayDay":null}`))
	f.Add("b2b:invalid", "", []byte(`{"InvoiceNumber":" VG11000002"}`))
	f.Add("x", "2", []byte{0})
	f.Fuzz(func(t *testing.T, typ, schema string, payload []byte) {
		p, err := Decode(typ, map[string]string{"v": schema}, payload)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerSchema) && !errors.Is(err, ErrUnknownType) {
				t.Fatalf("error outside the contract: %v", err)
			}
			if len(err.Error()) > 300 {
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
			return
		}
		_ = p.Validate()
		again, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Decode(typ, nil, again)
		if err != nil || len(Differs(p, q)) != 0 {
			t.Fatalf("%s does not survive a round trip: %v", again, err)
		}
	})
}

func BenchmarkPayload(b *testing.B) {
	p := samples()["invalid"]
	stored, _ := Encode(p)
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Encode(p)
		}
	})
	b.Run("ID", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = ID(p)
		}
	})
	b.Run("Validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = p.Validate()
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Decode("b2b:invalid", nil, stored)
		}
	})
}
