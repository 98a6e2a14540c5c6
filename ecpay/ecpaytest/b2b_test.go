package ecpaytest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const number = "AB12345678"

func TestVoidAndConfirmStateMachine(t *testing.T) {
	t.Parallel()
	type step struct {
		do   string
		want int
	}
	const void, confirm = "void", "confirm"
	for _, row := range []struct {
		name    string
		archive bool
		refuse  bool
		staged  Invoice
		steps   []step
		effects []string
		state   string
	}{
		{"void, then confirm", false, false, Invoice{}, []step{{void, 1}, {confirm, 1}},
			[]string{EffectVoided, EffectVoidConfirmed}, stateVoidConfirmed},
		{"void alone awaits the confirm", false, false, Invoice{}, []step{{void, 1}}, []string{EffectVoided}, stateAwaitingConfirm},
		{"confirm before the void", false, false, Invoice{}, []step{{confirm, CodeConfirmNotAwaited}}, []string{}, stateValid},
		{"second void", false, false, Invoice{}, []step{{void, 1}, {void, CodeVoidRepeated}},
			[]string{EffectVoided, EffectVoided}, stateAwaitingConfirm},
		{"second void after the confirm", false, false, Invoice{Confirmed: true}, []step{{void, CodeVoidRepeated}},
			[]string{EffectVoided}, stateVoidConfirmed},
		{"second confirm", false, false, Invoice{Voided: true}, []step{{confirm, 1}, {confirm, CodeConfirmRepeated}},
			[]string{EffectVoidConfirmed, EffectVoidConfirmed}, stateVoidConfirmed},
		{"kinder: repeats change nothing", false, true, Invoice{},
			[]step{{void, 1}, {void, CodeVoidRepeated}, {confirm, 1}, {confirm, CodeConfirmRepeated}},
			[]string{EffectVoided, EffectVoidConfirmed}, stateVoidConfirmed},
		{"archive mode: the void is final", true, false, Invoice{}, []step{{void, 1}, {confirm, CodeConfirmArchiveMode}},
			[]string{EffectVoided}, stateVoided},
		{"seller cannot confirm", false, false, Invoice{Side: SideSales}, []step{{void, 1}, {confirm, CodeConfirmNotAwaited}},
			[]string{EffectVoided}, stateAwaitingConfirm},
		{"buyer cannot void", false, false, Invoice{Side: SidePurchase}, []step{{void, CodeNoSuchInvoice}}, []string{}, stateValid},
		{"buyer confirms", false, false, Invoice{Side: SidePurchase, Voided: true}, []step{{confirm, 1}},
			[]string{EffectVoidConfirmed}, stateVoidConfirmed},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{RefuseRepeats: row.refuse, Merchants: []Merchant{{MerchantID: StageMerchantID,
				HashKey: StageHashKey, HashIV: StageHashIV, Archive: row.archive}}})
			row.staged.InvoiceNumber = number
			b.stageInvoice(row.staged)
			for i, step := range row.steps {
				r := b.void
				if step.do == confirm {
					r = b.confirm
				}
				if got := r(number).code(); got != float64(step.want) {
					t.Errorf("step %d, %s: got %v, want %d", i+1, step.do, got, step.want)
				}
			}
			if diff := cmp.Diff(row.effects, b.effectNames(number)); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if got := b.State(StageMerchantID, number); got != row.state {
				t.Errorf("got state %q, want %q", got, row.state)
			}
		})
	}
}

func TestB2BQueries(t *testing.T) {
	t.Parallel()
	keys := func(category any) m {
		return m{"InvoiceCategory": category, "InvoiceNumber": number, "InvoiceDate": startDate}
	}
	get, invalid, confirm := "/B2BInvoice/GetIssue", "/B2BInvoice/GetInvalid", "/B2BInvoice/GetInvalidConfirm"
	for _, row := range []struct {
		name   string
		path   string
		staged Invoice
		data   m
		code   any
		want   m // some of RtnData
	}{
		{"valid", get, Invoice{}, keys(0), "1", m{"Invalid_Status": "0"}},
		{"voided", get, Invoice{Voided: true}, keys(0), "1", m{"Invalid_Status": "1"}},
		{"unknown", get, Invoice{InvoiceNumber: "ZZ00000000"}, keys(0), "2", nil},
		{"other side", get, Invoice{Side: SideSales}, keys(1), "2", nil},
		{"buyer's side", get, Invoice{Side: SidePurchase}, keys(1), "1", m{"InvoiceNumber": number}},
		{"buyer asks for sales", get, Invoice{Side: SidePurchase}, keys(0), "2", nil},
		{"category as string", get, Invoice{}, keys("0"), float64(CodeFieldFormat), nil},
		{"category 2", get, Invoice{}, keys(2), float64(CodeFieldFormat), nil},
		{"RelateNumber alone", get, Invoice{RelateNumber: "R1"}, m{"InvoiceCategory": 0, "RelateNumber": "R1"}, "1", m{"RelateNumber": "R1"}},
		{"RelateNumber of another", get, Invoice{RelateNumber: "R1"},
			m{"InvoiceCategory": 0, "InvoiceNumber": number, "InvoiceDate": startDate, "RelateNumber": "R2"}, "2", nil},
		{"not voided", invalid, Invoice{}, keys(0), 2.0, nil},
		{"awaits the confirm", invalid, Invoice{Voided: true}, keys(0), 1.0,
			m{"CancelDate": startDate, "CancelTime": "07:30:00", "ConfirmDate": "", "ExchangeStatus": "0", "CancelReason": "staged"}},
		{"confirmed", invalid, Invoice{Confirmed: true, UploadStatus: "1"}, keys(0), 1.0,
			m{"ConfirmDate": startDate, "ExchangeStatus": "1", "Upload_Status": "1", "BuyerId": "24549210"}},
		{"confirm of a valid one", confirm, Invoice{}, keys(1), 2.0, nil},
		{"confirm awaited", confirm, Invoice{Voided: true}, keys(1), 1.0, m{"ConfirmDate": nil, "CancelDate": startDate}},
		{"confirm made", confirm, Invoice{Confirmed: true}, keys(1), 1.0, m{"ConfirmDate": startDate, "Buyer_Identifier": "24549210"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			if row.staged.InvoiceNumber == "" {
				row.staged.InvoiceNumber = number
			}
			b.stageInvoice(row.staged)
			r := b.call(row.path, row.data)
			code := row.code
			if code == float64(CodeFieldFormat) {
				code = "9900002" // GetIssue always answers with a string
			}
			if diff := cmp.Diff(code, r.code()); diff != "" {
				t.Fatalf("RtnCode (-want +got):\n%s", diff)
			}
			checkMembers(t, r, row.want)
		})
	}
}

func TestCounterpartySeesTheSameInvoice(t *testing.T) {
	t.Parallel()
	const buyer = "2000933"
	b := newBench(t, Config{Merchants: []Merchant{
		{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV},
		{MerchantID: buyer, HashKey: StageHashKey, HashIV: StageHashIV},
	}})
	b.stageInvoice(Invoice{InvoiceNumber: number, Side: SideSales, Counterparty: buyer})
	if got := b.void(number).code(); got != 1.0 {
		t.Fatalf("void: got %v", got)
	}
	env := b.envelopeOf(m{"MerchantID": buyer, "InvoiceNumber": number, "InvoiceDate": startDate})
	env["MerchantID"] = buyer
	r := b.send(context.Background(), "POST", "/B2BInvoice/InvalidConfirm", "application/json", mustJSON(env))
	if r.code() != 1.0 {
		t.Fatalf("confirm: got %v", r.data)
	}
	if got := b.State(StageMerchantID, number); got != stateVoidConfirmed {
		t.Errorf("got the seller's state %q, want %q", got, stateVoidConfirmed)
	}
	if got := len(b.EffectsOn(buyer, number)); got != 1 {
		t.Errorf("got %d effects of the buyer, want 1", got)
	}
}

func TestGetAllowanceConfirm(t *testing.T) {
	t.Parallel()
	const no = "1909241702402030"
	object := m{"MerchantID": StageMerchantID, "Seller_Identifier": "23165448", "Buyer_Identifier": "", "AllowanceDate": "2019-09-24",
		"ConfirmDate": "2019-09-25", "Upload_Status": "2", "Upload_Date": "2019-09-26", "ConfirmRemark": "a b"}
	for _, row := range []struct {
		name  string
		shape RtnDataShape
		want  any
	}{
		{"object", ShapeObject, object},
		{"string", ShapeString, `{"MerchantID":"2000132","Seller_Identifier":"23165448","Buyer_Identifier":"","AllowanceDate":"2019-09-24",` +
			`"ConfirmDate":"2019-09-25","Upload_Status":"2","Upload_Date":"2019-09-26","ConfirmRemark":"a b"}`},
		{"empty", ShapeEmpty, ""},
		{"null", ShapeNull, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageAllowance(Allowance{AllowanceNo: no})
			if got := b.State(StageMerchantID, no); got != "unconfirmed" {
				t.Errorf("got state %q before the confirm", got)
			}
			b.stageAllowance(Allowance{AllowanceNo: no, AllowanceDate: "2019-09-24", ConfirmDate: "2019-09-25", UploadStatus: "2",
				UploadDate: "2019-09-26", ConfirmRemark: "a b", RtnData: row.shape})
			r := b.call("/B2BInvoice/GetAllowanceConfirm", m{"AllowanceNo": no})
			if diff := cmp.Diff(m{"RtnCode": 1.0, "RtnMsg": "查詢成功", "RtnData": row.want}, r.data); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := b.State(StageMerchantID, no); got != "confirmed" {
				t.Errorf("got state %q after the confirm", got)
			}
		})
	}
}

func TestTheInvoiceTimeOfAnIssueIsOfTheLastSixDays(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-03-09 23:59:59": "2026-03-09", "2026/03/04 07:30:00": "2026-03-04", "2026-03-04 07:29:59": "", "2026-03-10 07:30:01": "",
		"2026-03-09": "",
	} {
		b := newBench(t, Config{})
		r := b.call(pathB2bIssue, b2bIssueOf(m{"InvoiceTime": at}))
		if want == "" {
			if r.code() != float64(CodeFieldFormat) {
				t.Errorf("%s: got %v, want %d", at, r.code(), CodeFieldFormat)
			}
			continue
		}
		found := b.call("/B2BInvoice/GetIssue", m{"InvoiceCategory": 0, "RelateNumber": "B-1"})
		checkMembers(t, found, m{"InvoiceDate": want, "TotalAmount": 105.0, "RandomNumber": r.data["RandomNumber"]})
	}
}

func TestTheSameNumberOnTwoDatesIsTwoInvoices(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: number, InvoiceDate: "2016-03-10", Voided: true})
	b.stageInvoice(Invoice{InvoiceNumber: number})
	b.clock.add(time.Minute)
	if got := b.void(number).code(); got != 1.0 {
		t.Errorf("got %v, want 1", got)
	}
}

func TestMerchantIDAsNumberReachesRtnData(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{MerchantIDAsNumber: true})
	b.stageAllowance(Allowance{AllowanceNo: "1909241702402030"})
	r := b.call("/B2BInvoice/GetAllowanceConfirm", m{"AllowanceNo": "1909241702402030"})
	if data, _ := r.data["RtnData"].(m); r.env["MerchantID"] != 2000132.0 || data["MerchantID"] != 2000132.0 {
		t.Errorf("got %v and %v, want numbers", r.env["MerchantID"], data["MerchantID"])
	}
}
