package ecpaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The marks of TestWhatIsKnownOfECPay: L recorded on the live stage host by third parties, S seen in shipped clients, D documented
// by ECPay. What has none of them is not in the table.
const (
	live       = "L"
	shipped    = "S"
	documented = "D"
)

// known is one thing that is known of ECPay: what it answers to a request.
type known struct {
	mark string
	name string
	path string
	data m
	code any // RtnCode as it comes
	look func(*bench, result) string
}

// issueOf is a complete Issue with changes, as delayIssueOf is of DelayIssue.
func issueOf(change m) m {
	data := delayIssueOf(m{"Tsr": nil, "PayType": nil, "PayAct": nil, "DelayFlag": nil, "DelayDay": nil, "NotifyURL": nil})
	maps.Copy(data, change)
	maps.DeleteFunc(data, func(_ string, v any) bool { return v == nil })
	return data
}

// b2bIssueOf is a complete B2B Issue with changes.
func b2bIssueOf(change m) m {
	data := m{
		"RelateNumber": "B-1", "CustomerIdentifier": "23165448", "InvType": "07",
		"TaxType": "1", "SalesAmount": 100, "TaxAmount": 5, "TotalAmount": 105,
		"Items": []m{{"ItemSeq": 1, "ItemName": "茶", "ItemCount": 1, "ItemWord": "包", "ItemPrice": 100, "ItemAmount": 100, "ItemTax": 5}},
	}
	maps.Copy(data, change)
	return data
}

func wordOf(change m) m {
	data := m{
		"InvoiceTerm": 2, "InvoiceYear": "115", "InvType": "07", "InvoiceCategory": "1",
		"InvoiceHeader": "KK", "InvoiceStart": "10000000", "InvoiceEnd": "10000049",
	}
	maps.Copy(data, change)
	return data
}

func rtn(code int) any { return float64(code) }

// has is a look at a member of the answer.
func has(name string, want any) func(*bench, result) string {
	return func(_ *bench, r result) string { return cmp.Diff(want, r.data[name]) }
}

// effects is a look at what came about.
func effects(subject string, want ...string) func(*bench, result) string {
	return func(b *bench, _ result) string { return cmp.Diff(append([]string{}, want...), b.effectNames(subject)) }
}

const (
	pathIssue      = "/B2CInvoice/Issue"
	pathDelay      = "/B2CInvoice/DelayIssue"
	pathEdit       = "/B2CInvoice/EditDelayIssue"
	pathCancel     = "/B2CInvoice/CancelDelayIssue"
	pathGet        = "/B2CInvoice/GetIssue"
	pathList       = "/B2CInvoice/GetIssueList"
	pathGetInvalid = "/B2CInvoice/GetInvalid"
	pathInvalid    = "/B2CInvoice/Invalid"
	pathReIssue    = "/B2CInvoice/VoidWithReIssue"
	pathPrint      = "/B2CInvoice/InvoicePrint"
	pathNotify     = "/B2CInvoice/InvoiceNotify"
	pathBarcode    = "/B2CInvoice/CheckBarcode"
	pathLove       = "/B2CInvoice/CheckLoveCode"
	pathCompany    = "/B2CInvoice/GetCompanyNameByTaxID"
	pathGovWord    = "/B2CInvoice/GetGovInvoiceWordSetting"
	pathAddWord    = "/B2CInvoice/AddInvoiceWordSetting"
	pathSetWord    = "/B2CInvoice/UpdateInvoiceWordStatus"
	pathGetWord    = "/B2CInvoice/GetInvoiceWordSetting"
	pathB2bIssue   = "/B2BInvoice/Issue"
)

func longText(n int) string { return strings.Repeat("x", n) }

func itemOf(change m) []m {
	return []m{changed(m{"ItemSeq": 1, "ItemName": "茶", "ItemCount": 1, "ItemWord": "包", "ItemPrice": 100, "ItemAmount": 100}, change)}
}

// changed is a copy of data in which some of it is another.
func changed(data, change m) m {
	data = maps.Clone(data)
	maps.Copy(data, change)
	return data
}

// issuedKeys name the invoice that stands from the beginning.
func issuedKeys() m { return m{"InvoiceNo": "FK00000001", "InvoiceDate": startDate} }

// reIssueOf voids it and issues it anew, with changes to both models.
func reIssueOf(void, issue m) m {
	return m{
		"VoidModel":  changed(m{"InvoiceNo": "FK00000001", "VoidReason": "r"}, void),
		"IssueModel": issueOf(changed(m{"RelateNumber": "ISSUED", "InvoiceDate": startDate + " 07:30:00"}, issue)),
	}
}

// cheaper is a change to an invoice that costs 60 instead of 100.
func cheaper() m { return m{"SalesAmount": 60, "Items": itemOf(m{"ItemAmount": 60})} }

// messageOf asks for a message about it.
func messageOf() m {
	return m{"InvoiceNo": "FK00000001", "Notify": "E", "InvoiceTag": "I", "Notified": "C", "NotifyMail": "c@example.com"}
}

func knownOfAnswers() []known {
	return slices.Concat(knownOfFields(), knownOfIssued(), knownOfReIssued(), knownOfNotified(), knownOfAllowances(), knownOfChecks(),
		knownOfB2B(), knownOfB2BIssue())
}

// knownOfFields: what ECPay takes in the fields of an invoice.
func knownOfFields() []known {
	return []known{
		{live, "cancel, success", pathCancel, m{"Tsr": "STAGED"}, rtn(1), nil},
		{live, "amounts that differ, prices with tax", pathIssue, issueOf(m{"SalesAmount": 99}), rtn(5000022), effects("Order1")},
		{
			live, "amounts that differ, prices without tax", pathIssue,
			issueOf(m{"SalesAmount": 99, "vat": "0"}), rtn(1), func(b *bench, r result) string {
				found := b.call(pathGet, m{"RelateNumber": "Order1"}).data
				return effects("Order1", EffectIssued)(b, r) + cmp.Diff(any(105.0), found["IIS_Sales_Amount"])
			},
		},
		{live, "amounts that differ, no vat", pathDelay, delayIssueOf(m{"SalesAmount": 99, "vat": nil}), rtn(5000022), nil},
		{live, "TaxType 7", pathIssue, issueOf(m{"TaxType": "7"}), rtn(2001019), nil},
		{live, "CarrierType 9", pathIssue, issueOf(m{"CarrierType": "9", "CarrierNum": "x"}), rtn(2001096), nil},
		{live, "TaxType 2 without ClearanceMark", pathIssue, issueOf(m{"TaxType": "2"}), rtn(5000007), nil},
		{live, "TaxType 2 without ZeroTaxRateReason", pathIssue, issueOf(m{"TaxType": "2", "ClearanceMark": "1"}), rtn(1), nil},
		{
			live, "a carrier that is printed", pathIssue,
			issueOf(m{"CarrierType": "1", "Print": "1", "CustomerName": "王", "CustomerAddr": "台北"}), rtn(5000015), nil,
		},
		{live, "統編 without print and carrier", pathIssue, issueOf(m{"CustomerIdentifier": "23165448"}), rtn(5000028), nil},
		{live, "統編 with a carrier", pathIssue, issueOf(m{"CustomerIdentifier": "23165448", "CarrierType": "1"}), rtn(1), nil},
		{live, "a donation with a carrier", pathIssue, issueOf(m{"Donation": "1", "LoveCode": "168001", "CarrierType": "1"}), rtn(1), nil},
		{live, "flag 1 with DelayDay 0", pathDelay, delayIssueOf(m{"DelayFlag": "1", "DelayDay": 0}), rtn(1200119), effects("T1")},
		{live, "DelayDay 16", pathDelay, delayIssueOf(m{"DelayDay": 16}), rtn(1200119), nil},
		{live, "RelateNumber of 51", pathIssue, issueOf(m{"RelateNumber": longText(51)}), rtn(2001003), nil},
		{documented, "RelateNumber of 50", pathIssue, issueOf(m{"RelateNumber": longText(50)}), rtn(1), nil},
		{live, "e-mail of 82", pathIssue, issueOf(m{"CustomerEmail": longText(70) + "@example.com"}), rtn(2001010), nil},
		{documented, "e-mail of 80", pathIssue, issueOf(m{"CustomerEmail": longText(68) + "@example.com"}), rtn(1), nil},
		{
			shipped, "amounts, counts and prices as strings", pathIssue,
			issueOf(m{"SalesAmount": "100", "TaxAmount": "5", "Items": itemOf(m{"ItemCount": "1", "ItemPrice": "100", "ItemAmount": "100.0"})}),
			rtn(1), effects("Order1", EffectIssued),
		},
		{
			shipped, "the same, staged", pathDelay,
			delayIssueOf(m{"SalesAmount": "100", "Items": itemOf(m{"ItemCount": "1", "ItemPrice": "100", "ItemAmount": "100"})}),
			rtn(1), effects("T1", EffectDelayed),
		},
		{
			shipped, "RelateNumber with - and _", pathIssue,
			issueOf(m{"RelateNumber": "INV_2026-0001"}), rtn(1), effects("INV_2026-0001", EffectIssued),
		},
		{live, "GetIssue of nothing", pathGet, m{"RelateNumber": "Nothing1"}, rtn(2), has("RtnMsg", "查無發票資料，請重新確認")},
	}
}

// knownOfIssued: an invoice is issued, edited and voided.
func knownOfIssued() []known {
	return []known{
		{documented, "Issue", pathIssue, issueOf(nil), rtn(1), func(b *bench, r result) string {
			want := m{
				"RtnCode": 1.0, "RtnMsg": "開立發票成功", "InvoiceNo": "FK00000005",
				"InvoiceDate": startDate + " 07:30:00", "RandomNumber": r.data["RandomNumber"],
			}
			return cmp.Diff(want, r.data) + effects("Order1", EffectIssued)(b, r) + cmp.Diff("issued", b.State(StageMerchantID, "Order1")) +
				has("IIS_Number", "FK00000005")(b, b.call(pathGet, m{"RelateNumber": "ORDER1"}))
		}},
		{live, "Issue of a RelateNumber that was used, in another case", pathIssue, issueOf(m{"RelateNumber": "staged"}), rtn(5070357), nil},
		{live, "EditDelayIssue", pathEdit, issueOf(m{"RelateNumber": "STAGED", "Tsr": "STAGED"}), rtn(1), func(b *bench, r result) string {
			return has("RtnMsg", "更新成功")(b, r) + effects("STAGED", EffectEdited)(b, r)
		}},
		{live, "EditDelayIssue of an unknown Tsr", pathEdit, issueOf(m{"Tsr": "NOBODY"}), rtn(4000001), nil},
		{
			documented, "EditDelayIssue with a DelayDay", pathEdit,
			issueOf(m{"RelateNumber": "STAGED", "Tsr": "STAGED", "DelayDay": 1}), rtn(CodeUnknownField), nil,
		},
		{
			live, "B2C Invalid of an unknown number", pathInvalid,
			m{"InvoiceNo": "FK99999999", "InvoiceDate": startDate, "Reason": "r"}, rtn(1600003), nil,
		},
		{
			live, "B2C Invalid a second time", pathInvalid,
			m{"InvoiceNo": "FK00000002", "InvoiceDate": startDate, "Reason": "r"}, rtn(5070453), effects("FK00000002"),
		},
		{live, "B2C Invalid for a reason of 21", pathInvalid, changed(issuedKeys(), m{"Reason": longText(21)}), rtn(2009005), nil},
		{shipped, "B2C Invalid with the time of its issue", pathInvalid, m{
			"InvoiceNo": "FK00000001", "InvoiceDate": startDate + " 07:30:00", "Reason": "r",
		}, rtn(1), func(b *bench, r result) string {
			return has("RtnMsg", "作廢發票成功")(b, r) + has("InvoiceNo", "FK00000001")(b, r) + effects("FK00000001", EffectVoided)(b, r) +
				has("IIS_Invalid_Status", "1")(b, b.call(pathGet, m{"RelateNumber": "ISSUED"}))
		}},
		{live, "B2C GetInvalid without one of its keys", pathGetInvalid, issuedKeys(), rtn(2013001), nil},
		{live, "B2C GetInvalid of what is not voided", pathGetInvalid, changed(issuedKeys(), m{"RelateNumber": "ISSUED"}), rtn(2), nil},
		{
			live, "B2C GetInvalid", pathGetInvalid, m{"RelateNumber": "voided", "InvoiceNo": "FK00000002", "InvoiceDate": startDate},
			rtn(1), has("II_Invoice_No", "FK00000002"),
		},
	}
}

// knownOfReIssued: an invoice is voided and issued anew, and printed.
func knownOfReIssued() []known {
	return []known{
		{live, "VoidWithReIssue", pathReIssue, reIssueOf(nil, cheaper()), rtn(1), func(b *bench, r result) string {
			found := b.call(pathGet, m{"RelateNumber": "ISSUED"}).data
			if r.data["RandomNumber"] == "7919" || r.data["RandomNumber"] != found["IIS_Random_Number"] {
				return "the random code stayed, or is not that of the invoice"
			}
			return has("InvoiceNo", "FK00000001")(b, r) + has("InvoiceDate", startDate+" 07:30:00")(b, r) +
				cmp.Diff(any("FK00000001"), found["IIS_Number"]) + cmp.Diff(any(60.0), found["IIS_Sales_Amount"]) +
				effects("FK00000001", EffectReIssued)(b, r)
		}},
		{
			live, "VoidWithReIssue a second time", pathReIssue,
			reIssueOf(m{"InvoiceNo": "FK50000000"}, m{"RelateNumber": "REISSUED"}), rtn(5070451), effects("FK50000000"),
		},
		{
			live, "B2C Invalid of what was issued anew", pathInvalid,
			m{"InvoiceNo": "FK50000000", "InvoiceDate": startDate, "Reason": "r"}, rtn(5070451), effects("FK50000000"),
		},
		{documented, "VoidWithReIssue of another order", pathReIssue, reIssueOf(nil, m{"RelateNumber": "OTHER"}), rtn(CodeReIssueDiffers), nil},
		{
			documented, "VoidWithReIssue at another time", pathReIssue,
			reIssueOf(nil, m{"InvoiceDate": startDate + " 07:30:01"}), rtn(CodeReIssueDiffers), effects("FK00000001"),
		},
		{documented, "VoidWithReIssue, slashes in the time", pathReIssue, reIssueOf(nil, m{"InvoiceDate": "2026/03/10 07:30:00"}), rtn(1), nil},
		{documented, "VoidWithReIssue without a time", pathReIssue, reIssueOf(nil, m{"InvoiceDate": nil}), rtn(CodeFieldMissing), nil},
		{live, "InvoicePrint", pathPrint, issuedKeys(), rtn(1), has("InvoiceHtml", "https://einvoice.invalid/print/FK00000001")},
		{
			documented, "InvoicePrint, all of it", pathPrint,
			changed(issuedKeys(), m{"PrintStyle": 3, "IsShowingDetail": 2, "IsReprintInvoice": "Y"}), rtn(1), nil,
		},
		{documented, "InvoicePrint in a style of nobody", pathPrint, changed(issuedKeys(), m{"PrintStyle": 6}), rtn(CodeFieldFormat), nil},
		{live, "InvoicePrint of an unknown number", pathPrint, changed(issuedKeys(), m{"InvoiceNo": "FK99999999"}), rtn(7), nil},
		{live, "InvoicePrint of what has a carrier", pathPrint, changed(issuedKeys(), m{"InvoiceNo": "FK50000001"}), rtn(7), nil},
	}
}

// knownOfNotified: an invoice is told of.
func knownOfNotified() []known {
	return []known{
		{documented, "InvoiceNotify", pathNotify, messageOf(), rtn(1), effects("FK00000001", EffectNotified)},
		{live, "InvoiceNotify of an unknown number", pathNotify, changed(messageOf(), m{"InvoiceNo": "FK99999999"}), rtn(1600003), nil},
		{documented, "InvoiceNotify with a tag of nobody", pathNotify, changed(messageOf(), m{"InvoiceTag": "X"}), rtn(CodeFieldFormat), nil},
		{documented, "InvoiceNotify by text message without a number", pathNotify,
			changed(messageOf(), m{"Notify": "S"}), rtn(CodeFieldMissing), nil},
		{
			documented, "InvoiceNotify of an allowance without its number", pathNotify,
			changed(messageOf(), m{"InvoiceTag": "AI"}), rtn(CodeFieldMissing), nil,
		},
		{documented, "InvoiceNotify of a prize", pathNotify, changed(messageOf(), m{"InvoiceTag": "AW"}), rtn(1), nil},
	}
}

// knownOfChecks: numbers that are looked up, invoice words, B2B, and lists.
func knownOfChecks() []known {
	return []known{
		{documented, "CheckBarcode", pathBarcode, m{"BarCode": "/ABC+123"}, rtn(1), has("IsExist", "Y")},
		{documented, "CheckBarcode of none", pathBarcode, m{"BarCode": NoSuchBarcode}, rtn(1), has("IsExist", "N")},
		{live, "CheckBarcode, malformed", pathBarcode, m{"BarCode": "ABC"}, rtn(2019001), nil},
		{documented, "CheckLoveCode", pathLove, m{"LoveCode": "X123"}, rtn(1), has("IsExist", "Y")},
		{documented, "CheckLoveCode of none", pathLove, m{"LoveCode": NoSuchLoveCode}, rtn(1), has("OrganName", "")},
		{live, "CheckLoveCode, malformed", pathLove, m{"LoveCode": "12"}, rtn(2020001), nil},
		{documented, "GetCompanyNameByTaxID", pathCompany, m{"UnifiedBusinessNo": "23165448"}, rtn(1), has("CompanyName", "公司23165448")},
		{live, "GetCompanyNameByTaxID, malformed", pathCompany, m{"UnifiedBusinessNo": "2316544"}, rtn(2027000), nil},
		{live, "GetCompanyNameByTaxID, wrong check digit", pathCompany, m{"UnifiedBusinessNo": "23165447"}, rtn(1200125), nil},
		{live, "GetCompanyNameByTaxID of none", pathCompany, m{"UnifiedBusinessNo": NoSuchTaxID}, rtn(7), nil},
		{documented, "GetGovInvoiceWordSetting", pathGovWord, m{"InvoiceYear": "115"}, rtn(1), nil},
		{shipped, "AddInvoiceWordSetting", pathAddWord, wordOf(nil), rtn(1), func(b *bench, r result) string {
			id := r.data["TrackID"]
			query := m{"InvoiceYear": "115", "InvoiceTerm": 2, "UseStatus": 0, "InvoiceCategory": 1, "InvType": "07", "InvoiceHeader": "KK"}
			found := b.call(pathGetWord, query).data["InvoiceInfo"].([]any)[0].(m)
			b.call(pathSetWord, m{"TrackID": id, "InvoiceStatus": "2"})
			// InvoiceNo is the number that was used last.
			return cmp.Diff(id, found["TrackID"]) + cmp.Diff(any(""), found["InvoiceNo"]) +
				effects("KK", EffectWordAdded)(b, r) + effects(fmt.Sprint(id), EffectWordStatus)(b, r)
		}},
		{live, "UpdateInvoiceWordStatus of an unknown TrackID", pathSetWord, m{"TrackID": "9", "InvoiceStatus": 2}, rtn(7), nil},
		{
			live, "GetInvoiceWordSetting of none", pathGetWord,
			m{"InvoiceYear": "115", "InvoiceTerm": 0, "UseStatus": 0, "InvoiceCategory": 1}, rtn(7), nil,
		},
		{live, "B2B Issue", pathB2bIssue, b2bIssueOf(nil), rtn(1), func(b *bench, r result) string {
			number := fmt.Sprint(r.data["InvoiceNumber"])
			asked := b.call("/B2BInvoice/GetIssue", m{"InvoiceCategory": 0, "InvoiceNumber": number, "InvoiceDate": startDate})
			return cmp.Diff([]string{"InvoiceNumber", "RandomNumber", "RtnCode", "RtnMsg"}, slices.Sorted(maps.Keys(r.data))) + // no date
				has("RtnMsg", "發票開立成功")(b, r) + effects("B-1", EffectIssued)(b, r) + cmp.Diff(any("1"), asked.code())
		}},
		{live, "B2B Issue to a buyer who is not registered", pathB2bIssue, b2bIssueOf(m{"CustomerIdentifier": NoSuchTaxID}), rtn(6000015), nil},
		{
			documented, "B2B Issue in exchange mode with a RelateNumber of 21", pathB2bIssue,
			b2bIssueOf(m{"RelateNumber": longText(21)}), rtn(CodeFieldFormat), nil,
		},
		{
			shipped, "B2B Issue with amounts as strings", pathB2bIssue,
			b2bIssueOf(m{"SalesAmount": "100", "TaxAmount": "5", "TotalAmount": "105"}), rtn(1), nil,
		},
		{live, "GetIssueList: Data is not encrypted", pathList, m{
			"BeginDate": startDate, "EndDate": startDate, "NumPerPage": "1", "ShowingPage": 1, "DataType": "1",
		}, nil, func(_ *bench, r result) string {
			var data struct {
				RtnCode, TotalCount int
				InvoiceData         []struct{ IIS_Number string }
			}
			text, _ := json.Marshal(r.env["Data"])
			if err := json.Unmarshal(text, &data); err != nil {
				return err.Error()
			}
			if data.RtnCode != 1 || data.TotalCount != 4 || len(data.InvoiceData) != 1 || data.InvoiceData[0].IIS_Number != "FK50000001" {
				return string(text) // the newest first
			}
			return ""
		}},
		{
			documented, "GetIssueList of 201 a page", pathList,
			m{"BeginDate": startDate, "EndDate": startDate, "NumPerPage": 201, "ShowingPage": 1}, rtn(CodeFieldFormat), nil,
		},
	}
}

// TestWhatIsKnownOfECPay has a row for each answer that is known beside the state machine of delayed and B2B invoices, which
// has tables of its own.
func TestWhatIsKnownOfECPay(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, row := range knownOfAnswers() {
		served[row.path] = true
		t.Run(row.mark+" "+row.path[1:4]+" "+row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "STAGED"})
			b.stageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
			b.stageDelayed(Delayed{Tsr: "VOIDED", Issued: true, Voided: true})
			b.stageDelayed(Delayed{Tsr: "REISSUED", Issued: true, ReIssued: true, InvoiceNo: "FK50000000"})
			b.stageDelayed(Delayed{Tsr: "CARRIED", Issued: true, Paperless: true, InvoiceNo: "FK50000001"})
			b.stageB2B()
			if strings.Contains(row.path, "Allowance") {
				b.stageEachB2CAllowance()
			}
			r := b.call(row.path, maps.Clone(row.data))
			if r.code() != row.code {
				t.Fatalf("got %v %v, want %v", r.code(), r.data["RtnMsg"], row.code)
			}
			if row.look != nil {
				if diff := row.look(b, r); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	for path := range operations {
		if other := strings.HasPrefix(path, "/B2BInvoice/") && path != "/B2BInvoice/Issue" ||
			path == "/B2CInvoice/TriggerIssue"; !served[path] && !other {
			t.Errorf("%s has no row", path)
		}
	}
}

// An answer about another subject has no effect, and about none of the fake's own making is there nothing to say.
func TestEveryOperationCanAnswerAboutAnotherSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.Inject(Match{}, Fault{AboutAnother: true, Times: -1})
	for _, row := range knownOfAnswers() {
		r := b.call(row.path, maps.Clone(row.data))
		if r.trans != TransOK || row.code == 1.0 && r.code() != 1.0 && !strings.Contains(row.path, "WordS") {
			t.Errorf("%s, %s: got %s, RtnCode %v %v", row.path, row.name, r.body, r.code(), r.data["RtnMsg"])
		}
	}
	if n := len(b.Effects()); n != 0 {
		t.Errorf("got %d effects, want none", n)
	}
}

// TestWhatIsKnownOfEnvelopes has a row for what is known of envelopes in clients that are shipped, and in answers.
func TestWhatIsKnownOfEnvelopes(t *testing.T) {
	t.Parallel()
	number, id := any(2000132.0), "701b3264-a538-437e-ad45-2505eb7dde39"
	for _, row := range []struct {
		mark, name, path, kind string
		data, header           m
		want                   m // of the envelope of the answer
	}{
		{shipped, "B2C by the .NET library", "/B2CInvoice/CancelDelayIssue", "application/x-www-form-urlencoded",
			m{"Tsr": "STAGED"}, m{"Revision": "1.0.0"},
			m{"MerchantID": "2000132", "RpHeader": m{"Timestamp": float64(start.Unix())}}},
		{live, "B2B", "/B2BInvoice/Issue", "application/json", b2bIssueOf(nil), m{"Revision": "1.0.0", "RqID": id},
			m{"MerchantID": number, "RpHeader": m{"Timestamp": float64(start.Unix()), "RqID": id, "Reversion": "1.0.0"}}},
		{live, "B2B without a RqID", "/B2BInvoice/Issue", "application/json", b2bIssueOf(nil), m{},
			m{"MerchantID": number, "RpHeader": m{"Timestamp": float64(start.Unix()), "Reversion": "1.0.0"}}},
	} {
		t.Run(row.mark+" "+row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "STAGED"})
			env := b.envelopeOf(maps.Clone(row.data))
			maps.Copy(env["RqHeader"].(m), row.header)
			r := b.send(context.Background(), http.MethodPost, row.path, row.kind, mustJSON(env))
			if r.code() != 1.0 {
				t.Fatalf("got %s", r.body)
			}
			if diff := cmp.Diff(row.want, m{"MerchantID": r.env["MerchantID"], "RpHeader": r.env["RpHeader"]}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The string is what the example of the page shows.
func TestACancelMayAnswerWithAString(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{CancelCodeAsString: true})
	b.stageDelayed(Delayed{Tsr: "T1"})
	if got := b.cancel("T1").code(); got != "1" {
		t.Errorf("got %#v, want a string", got)
	}
}

// ECPay's own sample has no MerchantID in Data itself.
func TestVoidWithReIssueWithMerchantIDInItsModels(t *testing.T) {
	t.Parallel()
	id := m{"MerchantID": StageMerchantID}
	for name, tc := range map[string]struct {
		void, issue m
		want        int
	}{
		"in both": {id, id, CodeOK}, "in one": {id, nil, CodeFieldMissing}, "in none": {nil, nil, CodeFieldMissing},
		"another's": {id, m{"MerchantID": "2000133"}, CodeMerchantMismatch},
	} {
		b := newBench(t, Config{})
		b.stageDelayed(Delayed{Tsr: "ISSUED", Issued: true})
		env := b.envelopeOf(nil)
		env["Data"] = newKeys(StageHashKey, StageHashIV).seal(mustJSON(reIssueOf(tc.void, tc.issue)))
		if r := b.send(context.Background(), http.MethodPost, pathReIssue, "application/json", mustJSON(env)); r.code() != rtn(tc.want) {
			t.Errorf("%s: got %v, want %d", name, r.code(), tc.want)
		}
	}
}
