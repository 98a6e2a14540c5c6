package ecpaytest

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// did is a call of a B2B write about the invoice number, and the code it gets.
type did struct {
	name string
	want int
}

// write calls a B2B write about an invoice.
func (b *bench) write(name, number string) result {
	b.t.Helper()
	data := m{"InvoiceNumber": number, "InvoiceDate": startDate, "Remark": "a remark"}
	if name == "Invalid" || name == "Reject" {
		data["Reason"] = "a reason"
	}
	return b.call("/B2BInvoice/"+name, data)
}

// newArchiveBench is a bench whose merchant is in archive mode.
func newArchiveBench(t *testing.T) *bench {
	t.Helper()
	return newBench(t, Config{Merchants: []Merchant{{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV, Archive: true}}})
}

// turnRow is what happens to a staged invoice.
type turnRow struct {
	refuse  bool
	staged  Invoice
	steps   []did
	effects []string
	state   string
}

func confirmRows() map[string]turnRow {
	return map[string]turnRow{
		"the issue is confirmed": {false, Invoice{}, []did{{"IssueConfirm", 1}}, []string{EffectIssueConfirmed}, stateConfirmed},
		"confirmed twice": {
			false, Invoice{}, []did{{"IssueConfirm", 1}, {"IssueConfirm", CodeIssueConfirmRepeated}},
			[]string{EffectIssueConfirmed, EffectIssueConfirmed}, stateConfirmed,
		},
		"kinder: confirmed twice": {
			true, Invoice{IssueConfirmed: true}, []did{{"IssueConfirm", CodeIssueConfirmRepeated}}, []string{}, stateConfirmed,
		},
		"confirmed, then voided": {
			false, Invoice{}, []did{{"IssueConfirm", 1}, {"Invalid", 1}, {"InvalidConfirm", 1}, {"IssueConfirm", CodeIssueConfirmNotAwaited}},
			[]string{EffectIssueConfirmed, EffectVoided, EffectVoidConfirmed}, stateVoidConfirmed,
		},
		"a voided one is not confirmed": {
			false, Invoice{Voided: true}, []did{{"IssueConfirm", CodeIssueConfirmNotAwaited}}, []string{}, stateAwaitingConfirm,
		},
		"its seller does not confirm": {
			false, Invoice{Side: SideSales}, []did{{"IssueConfirm", CodeIssueConfirmNotAwaited}}, []string{}, stateValid,
		},
		"its buyer confirms": {false, Invoice{Side: SidePurchase}, []did{{"IssueConfirm", 1}}, []string{EffectIssueConfirmed}, stateConfirmed},
	}
}

func rejectRows() map[string]turnRow {
	return map[string]turnRow{
		"it is rejected": {false, Invoice{}, []did{{"Reject", 1}}, []string{EffectRejected}, stateRejected},
		"rejected twice": {
			false, Invoice{}, []did{{"Reject", 1}, {"Reject", CodeRejectRepeated}}, []string{EffectRejected, EffectRejected}, stateRejected,
		},
		"kinder: rejected twice": {true, Invoice{Rejected: true}, []did{{"Reject", CodeRejectRepeated}}, []string{}, stateRejected},
		"a rejected one is neither confirmed nor voided": {
			false, Invoice{Rejected: true}, []did{{"IssueConfirm", CodeIssueConfirmNotAwaited}, {"Invalid", CodeVoidRejected}},
			[]string{}, stateRejected,
		},
		"a confirmed one is not rejected": {
			false, Invoice{IssueConfirmed: true}, []did{{"Reject", CodeRejectNotAwaited}}, []string{}, stateConfirmed,
		},
		"a voided one is not rejected": {
			false, Invoice{Confirmed: true}, []did{{"Reject", CodeRejectNotAwaited}}, []string{}, stateVoidConfirmed,
		},
		"its seller does not reject": {false, Invoice{Side: SideSales}, []did{{"Reject", CodeRejectNotAwaited}}, []string{}, stateValid},
		"its rejection is confirmed": {
			false, Invoice{}, []did{{"Reject", 1}, {"RejectConfirm", 1}}, []string{EffectRejected, EffectRejectConfirmed}, stateRejectConfirmed,
		},
		"its rejection is confirmed twice": {
			false, Invoice{Rejected: true}, []did{{"RejectConfirm", 1}, {"RejectConfirm", CodeRejectConfirmRepeated}},
			[]string{EffectRejectConfirmed, EffectRejectConfirmed}, stateRejectConfirmed,
		},
		"kinder: its rejection is confirmed twice": {
			true, Invoice{RejectConfirmed: true}, []did{{"RejectConfirm", CodeRejectConfirmRepeated}}, []string{}, stateRejectConfirmed,
		},
		"after the confirm of a rejection nothing happens": {
			false, Invoice{RejectConfirmed: true},
			[]did{{"Reject", CodeRejectNotAwaited}, {"Invalid", CodeVoidRejected}, {"IssueConfirm", CodeIssueConfirmNotAwaited}},
			[]string{}, stateRejectConfirmed,
		},
		"what is not rejected has no rejection to confirm": {
			false, Invoice{}, []did{{"RejectConfirm", CodeRejectConfirmNotAwaited}}, []string{}, stateValid,
		},
		"its buyer does not confirm the rejection": {
			false, Invoice{Side: SidePurchase, Rejected: true}, []did{{"RejectConfirm", CodeRejectConfirmNotAwaited}}, []string{}, stateRejected,
		},
	}
}

func TestTurnsOfTheExchangeOfInvoices(t *testing.T) {
	t.Parallel()
	rows := confirmRows()
	maps.Copy(rows, rejectRows())
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{RefuseRepeats: row.refuse})
			row.staged.InvoiceNumber = number
			b.stageInvoice(row.staged)
			for i, step := range row.steps {
				if got := b.write(step.name, number).code(); got != float64(step.want) {
					t.Errorf("step %d, %s: got %v, want %d", i+1, step.name, got, step.want)
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

// turns are the writes that exchange mode has and archive mode has not.
func turns() []string { return []string{"IssueConfirm", "Reject", "RejectConfirm", "InvalidConfirm"} }

func TestTurnsOfTheExchangeAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range turns() {
		b, archive := newBench(t, Config{}), newArchiveBench(t)
		archive.stageInvoice(Invoice{InvoiceNumber: number})
		if got := b.write(name, number).code(); got != float64(CodeNoSuchInvoice) {
			t.Errorf("%s of an unknown number: got %v, want %d", name, got, CodeNoSuchInvoice)
		}
		if got := archive.write(name, number).code(); got != float64(CodeConfirmArchiveMode) {
			t.Errorf("%s in archive mode: got %v, want %d", name, got, CodeConfirmArchiveMode)
		}
		got := b.call("/B2BInvoice/"+name, m{
			"InvoiceNumber": number, "InvoiceDate": startDate, "Reason": "r", "Remark": strings.Repeat("x", 201),
		}).code()
		if got != float64(CodeFieldFormat) {
			t.Errorf("%s with a remark of 201: got %v, want %d", name, got, CodeFieldFormat)
		}
	}
}

func TestQueriesAboutTurnsOfTheExchange(t *testing.T) {
	t.Parallel()
	const get, issue, reject = "/B2BInvoice/GetIssue", "/B2BInvoice/GetIssueConfirm", "/B2BInvoice/GetReject"
	const rejectConfirm = "/B2BInvoice/GetRejectConfirm"
	for name, row := range map[string]struct {
		path     string
		staged   Invoice
		category int
		code     any
		want     m // some of RtnData
	}{
		"the confirm of the issue is awaited": {
			issue, Invoice{}, 1, 1.0, m{"InvoiceNumber": number, "ConfirmDate": nil, "Upload_Status": "0", "MerchantID": StageMerchantID},
		},
		"the issue is confirmed": {
			issue, Invoice{IssueConfirmed: true}, 1, 1.0, m{"ConfirmDate": startDate, "Buyer_Identifier": "24549210", "ConfirmRemark": ""},
		},
		"the seller does not upload the confirm": {issue, Invoice{IssueConfirmed: true}, 0, 1.0, m{"Upload_Status": "", "Upload_Date": nil}},
		"the confirm of the other side":          {issue, Invoice{Side: SideSales}, 1, 2.0, nil},
		"GetIssue of a confirmed one": {
			get, Invoice{IssueConfirmed: true}, 0, "1", m{"ConfirmDate": startDate, "ExchangeStatus": "1", "ExchangeMode": "1", "Issue_Status": "1"},
		},
		"it is rejected": {
			reject, Invoice{Rejected: true}, 1, 1.0,
			m{"RejectDate": startDate, "RejectReason": "staged", "ConfirmDate": nil, "ExchangeStatus": "0", "Upload_Status": ""},
		},
		"it is not rejected":     {reject, Invoice{IssueConfirmed: true}, 1, 2.0, nil},
		"GetIssue of a rejected": {get, Invoice{Rejected: true}, 0, "1", m{"Issue_Status": "0", "Invalid_Status": "0"}},
		"its rejection is confirmed": {
			reject, Invoice{RejectConfirmed: true}, 0, 1.0, m{"ConfirmDate": startDate, "ExchangeStatus": "1", "Upload_Status": "0"},
		},
		"the confirm of the rejection is awaited": {
			rejectConfirm, Invoice{Rejected: true}, 0, 1.0, m{"ConfirmDate": nil, "RejectDate": startDate, "Upload_Status": ""},
		},
		"the confirm of the rejection": {
			rejectConfirm, Invoice{RejectConfirmed: true}, 1, 1.0, m{"ConfirmDate": startDate, "RejectReason": "staged", "Upload_Status": "0"},
		},
		"no rejection to confirm":     {rejectConfirm, Invoice{}, 0, 2.0, nil},
		"GetIssue of one that is not": {get, Invoice{}, 0, "1", m{"ConfirmDate": nil, "ExchangeStatus": "0", "Upload_Status": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			row.staged.InvoiceNumber = number
			b.stageInvoice(row.staged)
			r := b.call(row.path, m{"InvoiceCategory": row.category, "InvoiceNumber": number, "InvoiceDate": startDate})
			if diff := cmp.Diff(row.code, r.code()); diff != "" {
				t.Fatalf("RtnCode (-want +got):\n%s", diff)
			}
			checkMembers(t, r, row.want)
		})
	}
}

// checkMembers: RtnData has these members.
func checkMembers(t *testing.T, r result, want m) {
	t.Helper()
	data, _ := r.data["RtnData"].(m)
	for name, want := range want {
		if got, ok := data[name]; !ok || got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestGetIssueInArchiveModeAwaitsNoConfirm(t *testing.T) {
	t.Parallel()
	b := newArchiveBench(t)
	b.stageInvoice(Invoice{InvoiceNumber: number})
	r := b.call("/B2BInvoice/GetIssue", m{"InvoiceCategory": 0, "InvoiceNumber": number, "InvoiceDate": startDate})
	checkMembers(t, r, m{"ExchangeMode": "0", "ExchangeStatus": ""})
}

func TestCounterparties(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	maintain := func(action, id string) any {
		return b.call("/B2BInvoice/MaintainMerchantCustomerData", customerOf(m{"Action": action, "Identifier": id})).code()
	}
	issue := func(id string) any {
		return b.call(pathB2bIssue, b2bIssueOf(m{"CustomerIdentifier": id, "RelateNumber": "B-" + id})).code()
	}
	for i, step := range []struct {
		got  any
		want int
	}{
		{maintain("Update", NoSuchTaxID), CodeNoSuchCustomer},
		{maintain("Delete", NoSuchTaxID), CodeNoSuchCustomer},
		{maintain("Add", NoSuchTaxID), CodeOK},
		{maintain("Add", NoSuchTaxID), CodeCustomerExists},
		{maintain("Update", NoSuchTaxID), CodeOK},
		{issue(NoSuchTaxID), CodeOK},
		{maintain("Delete", "53538851"), CodeOK},
		{maintain("Delete", "53538851"), CodeNoSuchCustomer},
		{issue("53538851"), CodeNoSuchBuyer},
		{maintain("Remove", "53538851"), CodeFieldFormat},
	} {
		if step.got != float64(step.want) {
			t.Errorf("step %d: got %v, want %d", i+1, step.got, step.want)
		}
	}
}

func TestB2BNotifyIsRefused(t *testing.T) {
	t.Parallel()
	b, archive := newBench(t, Config{}), newArchiveBench(t)
	b.stageB2B()
	archive.stageInvoice(Invoice{InvoiceNumber: validInvoice})
	for _, row := range []struct {
		bench *bench
		data  m
		want  int
	}{
		{b, mailAbout(m{"InvoiceNumber": "ZZ00000000"}), CodeNoSuchInvoice},
		{b, mailAbout(m{"InvoiceTag": "4"}), CodeFieldMissing},
		{b, mailAbout(m{"InvoiceTag": "4", "AllowanceNo": allowanceNo}), CodeNoSuchAllowance},
		{b, mailAbout(m{"Notified": "X"}), CodeFieldFormat},
		{archive, mailAbout(m{"InvoiceTag": "6"}), CodeNotifyArchiveMode},
		{archive, mailAbout(m{"InvoiceTag": "2"}), CodeOK},
	} {
		if got := row.bench.call("/B2BInvoice/Notify", row.data).code(); got != float64(row.want) {
			t.Errorf("%v: got %v, want %d", row.data, got, row.want)
		}
	}
}
