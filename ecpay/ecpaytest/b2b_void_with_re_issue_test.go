package ecpaytest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pathB2bReIssue = "/B2BInvoice/VoidWithReIssue"

// b2bReIssueOf issues the invoice with the number of these tests anew, with changes of both models.
func b2bReIssueOf(void, issue m) m {
	model := b2bIssueOf(m{"RelateNumber": "R" + number, "InvoiceTime": startDate + " 00:00:00"})
	return m{
		"VoidModel":  changed(m{"InvoiceNumber": number, "VoidReason": "r"}, void),
		"IssueModel": changed(model, issue),
	}
}

func TestAB2BInvoiceIsIssuedAnew(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		staged      Invoice
		void, issue m
		want        int
		effects     []string
		state       string
	}{
		"valid": {Invoice{}, nil, nil, 1, []string{EffectReIssued}, stateValid},
		"confirmed: the buyer has to confirm it again": {
			Invoice{IssueConfirmed: true}, nil, nil, 1, []string{EffectReIssued}, stateValid,
		},
		"with slashes": {Invoice{}, nil, m{"InvoiceTime": "2026/03/10 00:00:00"}, 1, []string{EffectReIssued}, stateValid},
		"long ago": {
			Invoice{InvoiceDate: "2026-01-05"}, nil, m{"InvoiceTime": "2026-01-05 00:00:00"}, 1, []string{EffectReIssued}, stateValid,
		},
		"an unknown number":     {Invoice{}, m{"InvoiceNumber": "ZZ00000000"}, nil, CodeNoSuchInvoice, []string{}, stateValid},
		"the buyer's side":      {Invoice{Side: SidePurchase}, nil, nil, CodeNoSuchInvoice, []string{}, stateValid},
		"voided":                {Invoice{Voided: true}, nil, nil, CodeReIssueNotAwaited, []string{}, stateAwaitingConfirm},
		"rejected":              {Invoice{Rejected: true}, nil, nil, CodeReIssueNotAwaited, []string{}, stateRejected},
		"another RelateNumber":  {Invoice{}, nil, m{"RelateNumber": "R1"}, CodeReIssueDiffers, []string{}, stateValid},
		"another time":          {Invoice{}, nil, m{"InvoiceTime": startDate + " 00:00:01"}, CodeReIssueDiffers, []string{}, stateValid},
		"no time":               {Invoice{}, nil, m{"InvoiceTime": ""}, CodeFieldMissing, []string{}, stateValid},
		"a day":                 {Invoice{}, nil, m{"InvoiceTime": startDate}, CodeFieldFormat, []string{}, stateValid},
		"a reason of 21":        {Invoice{}, m{"VoidReason": longText(21)}, nil, CodeFieldFormat, []string{}, stateValid},
		"no reason":             {Invoice{}, m{"VoidReason": ""}, nil, CodeFieldMissing, []string{}, stateValid},
		"wrong sums":            {Invoice{}, nil, m{"SalesAmount": 101, "TotalAmount": 106}, CodeAmountMismatch, []string{}, stateValid},
		"an unregistered buyer": {Invoice{}, nil, m{"CustomerIdentifier": NoSuchTaxID}, CodeNoSuchBuyer, []string{}, stateValid},
		"an unknown field":      {Invoice{}, m{"InvoiceDate": startDate}, nil, CodeUnknownField, []string{}, stateValid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			row.staged.InvoiceNumber = number
			b.stageInvoice(row.staged)
			r := b.call(pathB2bReIssue, b2bReIssueOf(row.void, row.issue))
			if got := r.code(); got != rtn(row.want) {
				t.Fatalf("got %v %v, want %d", got, r.data["RtnMsg"], row.want)
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

func TestWhatABuyerSeesOfAnInvoiceThatIsIssuedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: number, IssueConfirmed: true})
	keys := m{"InvoiceCategory": 0, "InvoiceNumber": number, "InvoiceDate": startDate}
	before := b.call("/B2BInvoice/GetIssue", keys).data["RtnData"].(m)
	r := b.call(pathB2bReIssue, b2bReIssueOf(nil, m{
		"CustomerIdentifier": "53538851", "SalesAmount": 200, "TaxAmount": 10, "TotalAmount": 210,
		"Items": itemOf(m{"ItemPrice": 200, "ItemAmount": 200}),
	}))
	after := b.call("/B2BInvoice/GetIssue", keys).data["RtnData"].(m)
	random := after["RandomNumber"]
	if r.data["InvoiceNumber"] != number || r.data["RandomNumber"] != random || random == before["RandomNumber"] {
		t.Errorf("got %v, then %v, before it %v; want another random code", r.data, after, before)
	}
	want := m{
		"CreateDate": startDate + " 00:00:00", "RelateNumber": "R" + number, "Buyer_Identifier": "53538851",
		"SalesAmount": 200.0, "TotalAmount": 210.0, "ConfirmDate": nil,
	}
	for member, value := range want {
		if after[member] != value {
			t.Errorf("%s: got %v, want %v", member, after[member], value)
		}
	}
}

func TestASecondReIssueInB2B(t *testing.T) {
	t.Parallel()
	for refuse, want := range map[bool][]string{false: {EffectReIssued, EffectReIssued}, true: {EffectReIssued}} {
		b := newBench(t, Config{RefuseRepeats: refuse})
		b.stageInvoice(Invoice{InvoiceNumber: number})
		for i, code := range []int{CodeOK, CodeReIssueRepeated} {
			if got := b.call(pathB2bReIssue, b2bReIssueOf(nil, nil)).code(); got != rtn(code) {
				t.Errorf("RefuseRepeats %t, call %d: got %v, want %d", refuse, i+1, got, code)
			}
		}
		if diff := cmp.Diff(want, b.effectNames(number)); diff != "" {
			t.Errorf("RefuseRepeats %t: effects (-want +got):\n%s", refuse, diff)
		}
	}
}

func TestAnInvoiceWithAllowancesIsNotIssuedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: confirmedInvoice, IssueConfirmed: true})
	if got := b.call("/B2BInvoice/Allowance", b2bAllowanceOf(nil)).code(); got != rtn(1) {
		t.Fatalf("allowance: got %v", got)
	}
	again := b2bReIssueOf(m{"InvoiceNumber": confirmedInvoice}, m{"RelateNumber": "R" + confirmedInvoice})
	if got := b.call(pathB2bReIssue, again).code(); got != rtn(CodeAllowanceStands) {
		t.Errorf("got %v, want %d", got, CodeAllowanceStands)
	}
}
