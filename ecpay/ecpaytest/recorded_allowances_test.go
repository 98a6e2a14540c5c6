package ecpaytest

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	pathAllow       = "/B2CInvoice/Allowance"
	pathOffer       = "/B2CInvoice/AllowanceByCollegiate"
	pathVoidAllowed = "/B2CInvoice/AllowanceInvalid"
	pathWithdraw    = "/B2CInvoice/AllowanceInvalidByCollegiate"
	pathGetAllowed  = "/B2CInvoice/GetAllowance"
	pathListAllowed = "/B2CInvoice/GetAllowanceList"
	pathGetVoided   = "/B2CInvoice/GetAllowanceInvalid"
)

// The allowances of FK00000001, of whose 100 dollars they leave 45.
const (
	paperNo   = "2026031000009001" // 30 dollars
	voidedNo  = "2026031000009002" // 10, given back
	pendingNo = "2026031000009003" // 20
	agreedNo  = "2026031000009004" // 5
)

func (b *bench) stageEachB2CAllowance() {
	b.t.Helper()
	for _, a := range []B2CAllowance{
		{AllowanceNo: paperNo, Amount: 30},
		{AllowanceNo: voidedNo, Amount: 10, Voided: true},
		{AllowanceNo: pendingNo, Amount: 20, Pending: true},
		{AllowanceNo: agreedNo, Amount: 5, Online: true},
	} {
		a.InvoiceNo = "FK00000001"
		b.stageB2CAllowance(a)
	}
}

// allowanceOf is a complete Allowance of ten dollars and a half with changes, as ECPay's PHP sample has it.
func allowanceOf(change m) m {
	data := changed(issuedKeys(), m{
		"AllowanceNotify": "E", "NotifyMail": "test-allowance@ecpay.com.tw", "AllowanceAmount": 11,
		"Items": []m{{"ItemSeq": 1, "ItemName": "測試商品01", "ItemCount": 1, "ItemWord": "個", "ItemPrice": 10.5, "ItemAmount": 10.5}},
	})
	maps.Copy(data, change)
	maps.DeleteFunc(data, func(_ string, v any) bool { return v == nil })
	return data
}

// allowanceOfDollars changes an allowance to one of so much.
func allowanceOfDollars(n int, change m) m {
	return allowanceOf(changed(m{"AllowanceAmount": n, "Items": itemOf(m{"ItemPrice": n, "ItemAmount": n})}, change))
}

// allowanceKeys name an allowance of FK00000001, with a reason.
func allowanceKeys(number string) m {
	return m{"InvoiceNo": "FK00000001", "AllowanceNo": number, "Reason": "r"}
}

// twoKeys name an allowance of FK00000001.
func twoKeys(number string) m { return m{"InvoiceNo": "FK00000001", "AllowanceNo": number} }

// left is a look at what is left of FK00000001.
func left(b *bench) any {
	b.t.Helper()
	return b.call(pathGet, issuedKeys()).data["IIS_Remain_Allowance_Amt"]
}

// numbers are the allowances in the answer of a list.
func numbers(r result) []any {
	var all []any
	list, _ := r.data["AllowanceInfo"].([]any)
	for _, row := range list {
		all = append(all, row.(m)["IA_Allow_No"])
	}
	return all
}

// listed is a look at the allowances of a list.
func listed(want ...any) func(*bench, result) string {
	return func(_ *bench, r result) string { return cmp.Diff(want, numbers(r)) }
}

func knownOfAllowances() []known {
	return append(knownOfAllowanceWrites(), knownOfAllowanceQueries()...)
}

func knownOfAllowanceWrites() []known {
	return []known{
		{documented, "Allowance", pathAllow, allowanceOf(nil), rtn(1), func(b *bench, r result) string {
			want := m{
				"RtnCode": 1.0, "RtnMsg": "折讓單資料新增成功", "IA_Allow_No": r.data["IA_Allow_No"], "IA_Invoice_No": "FK00000001",
				"IA_Date": startDate + " 07:30:00", "IA_Remain_Allowance_Amt": 34.0,
			}
			return cmp.Diff(want, r.data) + cmp.Diff(any(34.0), left(b)) + effects("FK00000001", EffectAllowanceIssued)(b, r)
		}},
		{shipped, "Allowance that nobody is told of", pathAllow, allowanceOf(m{"AllowanceNotify": "N", "NotifyMail": nil}), rtn(1), nil},
		{shipped, "Allowance with a reason and an ItemRemark", pathAllow, allowanceOf(m{
			"Reason": longText(50), "AllowanceAmount": "1", "Items": itemOf(m{"ItemPrice": "1", "ItemAmount": "1", "ItemRemark": "r"}),
		}), rtn(1), nil},
		{documented, "Allowance of all that is left", pathAllow, allowanceOfDollars(45, nil), rtn(1), has("IA_Remain_Allowance_Amt", 0.0)},
		{live, "Allowance of more than is left", pathAllow, allowanceOfDollars(46, nil), rtn(2000034), func(b *bench, r result) string {
			return has("IA_Allow_No", nil)(b, r) + effects("FK00000001")(b, r)
		}},
		{live, "Allowance of an unknown invoice", pathAllow, allowanceOf(m{"InvoiceNo": "FK99999999"}), rtn(2000018), nil},
		{live, "Allowance of a voided invoice", pathAllow, allowanceOf(m{"InvoiceNo": "FK00000002"}), rtn(2000042), nil},
		{documented, "Allowance of nothing", pathAllow, allowanceOfDollars(0, nil), rtn(CodeFieldFormat), nil},
		{documented, "Allowance by mail without an address", pathAllow, allowanceOf(m{"NotifyMail": nil}), rtn(CodeFieldMissing), nil},
		{
			documented, "Allowance by text message without a number", pathAllow,
			allowanceOf(m{"AllowanceNotify": "S"}), rtn(CodeFieldMissing), nil,
		},
		{
			documented, "AllowanceByCollegiate", pathOffer, allowanceOf(m{"ReturnURL": "https://shop.example/agreed"}),
			rtn(1), func(b *bench, r result) string {
				return has("IA_TempDate", startDate+" 07:30:00")(b, r) + has("IA_TempExpireDate", "2026-03-13 07:30:00")(b, r) +
					has("IA_Remain_Allowance_Amt", 34.0)(b, r) + effects("FK00000001", EffectAllowanceOffered)(b, r) +
					cmp.Diff("pending", b.State(StageMerchantID, r.data["IA_Allow_No"].(string)))
			},
		},
		{documented, "AllowanceByCollegiate by text message", pathOffer, allowanceOf(m{"AllowanceNotify": "S"}), rtn(CodeFieldFormat), nil},
		{live, "AllowanceInvalid", pathVoidAllowed, allowanceKeys(paperNo), rtn(1), func(b *bench, r result) string {
			return has("IA_Invoice_No", "FK00000001")(b, r) + effects(paperNo, EffectAllowanceVoided)(b, r) + cmp.Diff(any(75.0), left(b)) +
				cmp.Diff(any("r"), b.call(pathGetVoided, twoKeys(paperNo)).data["Reason"])
		}},
		{live, "AllowanceInvalid a second time", pathVoidAllowed, allowanceKeys(voidedNo), rtn(2000063), effects(voidedNo)},
		{live, "AllowanceInvalid of an unknown number", pathVoidAllowed, allowanceKeys("9999999999999999"), rtn(2000039), nil},
		{documented, "AllowanceInvalid without a reason", pathVoidAllowed, twoKeys(paperNo), rtn(CodeFieldMissing), nil},
		{
			live, "AllowanceInvalidByCollegiate", pathWithdraw, allowanceKeys(pendingNo), rtn(1), func(b *bench, r result) string {
				return effects(pendingNo, EffectAllowanceCancelled)(b, r) + cmp.Diff(any(65.0), left(b))
			},
		},
		{live, "AllowanceInvalidByCollegiate after the buyer agreed", pathWithdraw, allowanceKeys(agreedNo), rtn(5070250), effects(agreedNo)},
	}
}

func knownOfAllowanceQueries() []known {
	return []known{
		{live, "GetAllowance", pathGetAllowed, twoKeys(paperNo), rtn(1), func(b *bench, r result) string {
			return has("IA_Allow_No", paperNo)(b, r) + has("IA_Total_Tax_Amount", 30.0)(b, r) + has("IA_Invalid_Status", "0")(b, r)
		}},
		{live, "GetAllowance without InvoiceNo", pathGetAllowed, m{"AllowanceNo": paperNo, "SearchType": "0"}, rtn(2014001), nil},
		{live, "GetAllowance without AllowanceNo", pathGetAllowed, m{
			"InvoiceNo": "FK00000001", "AllowanceNo": "", "SearchType": "1", "Date": startDate,
		}, rtn(2014003), nil},
		{live, "GetAllowance without both", pathGetAllowed, m{"AllowanceNo": "", "InvoiceNo": ""}, rtn(2014001), nil},
		{
			live, "GetAllowanceList by number", pathListAllowed, m{"SearchType": "0", "AllowanceNo": paperNo},
			rtn(1), listed(paperNo),
		},
		{documented, "GetAllowanceList by the day of the invoice, without offers", pathListAllowed, m{
			"SearchType": "1", "InvoiceNo": "FK00000001", "Date": startDate,
		}, rtn(1), listed(agreedNo, voidedNo, paperNo)},
		{documented, "GetAllowanceList by the day of the allowance", pathListAllowed, m{
			"SearchType": "2", "InvoiceNo": "FK00000001", "Date": startDate,
		}, rtn(1), listed(agreedNo, voidedNo, paperNo)},
		{documented, "GetAllowanceList of an offer", pathListAllowed, m{"SearchType": "0", "AllowanceNo": pendingNo}, rtn(CodeNoData), nil},
		{documented, "GetAllowanceList without Date", pathListAllowed, m{
			"SearchType": "1", "InvoiceNo": "FK00000001",
		}, rtn(CodeFieldMissing), nil},
		{live, "GetAllowanceInvalid", pathGetVoided, twoKeys(voidedNo), rtn(1), func(b *bench, r result) string {
			return has("AI_Allow_No", voidedNo)(b, r) + has("AI_Mer_ID", 2000132.0)(b, r)
		}},
	}
}

// stepOfAllowance is what happened to the allowances of FK00000001, and what is known or chosen of the next call.
type stepOfAllowance struct {
	name string
	do   func(*bench)
	then known // of no mark
}

func lifeOfAllowances() []stepOfAllowance {
	invalid := changed(issuedKeys(), m{"Reason": "r"})
	return []stepOfAllowance{
		{"an invoice with an allowance is not voided", nil, known{path: pathInvalid, data: invalid, code: rtn(5070450)}},
		{
			"nor one with an open offer alone", func(b *bench) {
				b.call(pathVoidAllowed, allowanceKeys(paperNo))
				b.call(pathVoidAllowed, allowanceKeys(agreedNo))
			}, known{path: pathInvalid, data: invalid, code: rtn(5070450)},
		},
		{
			"it is when the last of them is gone", func(b *bench) {
				b.call(pathVoidAllowed, allowanceKeys(paperNo))
				b.call(pathVoidAllowed, allowanceKeys(agreedNo))
				b.call(pathWithdraw, allowanceKeys(pendingNo))
			}, known{path: pathInvalid, data: invalid, code: rtn(1), look: effects("FK00000001", EffectVoided)},
		},
		{
			"a repeat is a second allowance", func(b *bench) { b.call(pathAllow, allowanceOf(nil)) },
			known{path: pathAllow, data: allowanceOf(nil), code: rtn(1), look: func(b *bench, r result) string {
				return has("IA_Remain_Allowance_Amt", 23.0)(b, r) +
					effects("FK00000001", EffectAllowanceIssued, EffectAllowanceIssued)(b, r)
			}},
		},
		{
			"until nothing is left", func(b *bench) { b.call(pathAllow, allowanceOfDollars(40, nil)) },
			known{path: pathAllow, data: allowanceOfDollars(40, nil), code: rtn(2000034)},
		},
		{
			"a repeat is a second offer", func(b *bench) { b.call(pathOffer, allowanceOf(nil)) },
			known{path: pathOffer, data: allowanceOf(nil), code: rtn(1), look: func(b *bench, r result) string {
				return has("IA_Remain_Allowance_Amt", 23.0)(b, r) +
					effects("FK00000001", EffectAllowanceOffered, EffectAllowanceOffered)(b, r)
			}},
		},
		{
			"an offer is not voided", nil, known{path: pathVoidAllowed, data: allowanceKeys(pendingNo), code: rtn(2000039)},
		},
		{
			"an offer is not shown", nil, known{path: pathGetAllowed, data: twoKeys(pendingNo), code: rtn(CodeNoData)},
		},
		{
			"an offer that is withdrawn again", func(b *bench) { b.call(pathWithdraw, allowanceKeys(pendingNo)) },
			known{path: pathWithdraw, data: allowanceKeys(pendingNo), code: rtn(CodeOfferEnded), look: effects(pendingNo, EffectAllowanceCancelled)},
		},
		{"what was never an offer is not withdrawn", nil, known{path: pathWithdraw, data: allowanceKeys(paperNo), code: rtn(2000039)}},
		{
			"an allowance of another invoice", nil,
			known{path: pathVoidAllowed, data: changed(allowanceKeys(paperNo), m{"InvoiceNo": "FK00000002"}), code: rtn(2000039)},
		},
		{"a wrong day of issue", nil, known{path: pathAllow, data: allowanceOf(m{"InvoiceDate": "2026-03-09"}), code: rtn(2000018)}},
		{"items that do not add up", nil, known{path: pathAllow, data: allowanceOf(m{"AllowanceAmount": 10}), code: rtn(CodeAmountMismatch)}},
		{"what is not voided has no void", nil, known{path: pathGetVoided, data: twoKeys(paperNo), code: rtn(CodeNoData)}},
		{"another day of the invoice", nil, known{path: pathListAllowed, data: m{
			"SearchType": "1", "InvoiceNo": "FK00000001", "Date": "2026-03-09",
		}, code: rtn(CodeNoData)}},
	}
}

func TestTheLifeOfAB2CAllowance(t *testing.T) {
	t.Parallel()
	for _, row := range lifeOfAllowances() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
			b.stageDelayed(Delayed{Tsr: "VOIDED", Issued: true, Voided: true})
			b.stageEachB2CAllowance()
			if row.do != nil {
				row.do(b)
			}
			r := b.call(row.then.path, row.then.data)
			if r.code() != row.then.code {
				t.Fatalf("got %v %v, want %v", r.code(), r.data["RtnMsg"], row.then.code)
			}
			if row.then.look != nil {
				if diff := row.then.look(b, r); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestTheBuyerAgreesToAnOfferOrLetsItExpire(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
	offer := func() string { return b.call(pathOffer, allowanceOf(nil)).data["IA_Allow_No"].(string) }
	agreed, ignored := offer(), offer()
	b.clock.add(3*day - 1)
	if status, answer := steer(t, b.Server, "POST", "/_fake/agree", `{"allowance_no":"`+agreed+`"}`); status != 200 {
		t.Errorf("got %d %v", status, answer)
	}
	b.clock.add(1)
	if err := b.AgreeAllowance("", ignored); err == nil {
		t.Error("agreed after 72 hours")
	}
	if status, _ := steer(t, b.Server, "POST", "/_fake/agree", `{"allowance_no":"1"}`); status != 400 {
		t.Errorf("got %d for an offer that there is not, want 400", status)
	}
	list := b.call(pathListAllowed, m{"SearchType": "2", "InvoiceNo": "FK00000001", "Date": "2026-03-13"})
	if diff := cmp.Diff([]any{agreed}, numbers(list)); diff != "" {
		t.Errorf("by the day on which the buyer agreed (-want +got):\n%s", diff)
	}
	if got := []string{b.State(StageMerchantID, agreed), b.State(StageMerchantID, ignored)}; got[0] != "issued" || got[1] != "expired" {
		t.Errorf("got %v, want issued and expired", got)
	}
	if got := left(b); got != 89.0 {
		t.Errorf("got %v left, want 89", got)
	}
	want := []Effect{
		{At: start, Name: EffectAllowanceOffered, CallSeq: 1, Detail: agreed},
		{At: start, Name: EffectAllowanceOffered, CallSeq: 2, Detail: ignored},
		{At: start.Add(3*day - 1), Name: EffectAllowanceIssued, Detail: agreed},
		{At: start.Add(3 * day), Name: EffectAllowanceExpired, Detail: ignored},
	}
	for i := range want {
		want[i].MerchantID, want[i].Subject = StageMerchantID, "FK00000001"
	}
	if diff := cmp.Diff(want, b.Effects()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnOfferExpiresByTheCalendarToo(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
	b.call(pathOffer, allowanceOf(nil))
	b.Advance(4 * day)
	if diff := cmp.Diff([]string{EffectAllowanceOffered, EffectAllowanceExpired}, b.effectNames("FK00000001")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at := b.Effects()[1].At; !at.Equal(start) {
		t.Errorf("expired at %v, before it was offered", at)
	}
}
