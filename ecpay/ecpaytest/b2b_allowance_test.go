package ecpaytest

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const allowanceNo = "1909241702402030"

// writeAllowance calls a B2B write about an allowance.
func (b *bench) writeAllowance(name, number string) result {
	b.t.Helper()
	data := m{"AllowanceNo": number, "Remark": "a remark"}
	if name == "CancelAllowance" {
		data["Reason"] = "a reason"
	}
	return b.call("/B2BInvoice/"+name, data)
}

// allowanceRow is what happens to a staged allowance.
type allowanceRow struct {
	refuse, archive bool
	staged          Allowance
	steps           []did
	effects         []string
	state           string
}

func cancelRows() map[string]allowanceRow {
	confirmed := Allowance{ConfirmDate: startDate}
	return map[string]allowanceRow{
		"it is cancelled unconfirmed": {
			steps: []did{{"CancelAllowance", 1}}, effects: []string{EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
		"it is cancelled after its confirm": {
			staged: confirmed, steps: []did{{"CancelAllowance", 1}}, effects: []string{EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
		"it is cancelled in archive mode": {
			archive: true, steps: []did{{"CancelAllowance", 1}}, effects: []string{EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
		"it is cancelled twice": {
			steps:   []did{{"CancelAllowance", 1}, {"CancelAllowance", CodeCancelRepeated}},
			effects: []string{EffectAllowanceVoided, EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
		"kinder: it is cancelled twice": {
			refuse: true, staged: Allowance{Cancelled: true}, steps: []did{{"CancelAllowance", CodeCancelRepeated}}, state: stateAllowanceCancelled,
		},
		"its buyer cancels": {
			staged: Allowance{Side: SidePurchase}, steps: []did{{"CancelAllowance", 1}, {"CancelAllowance", CodeCancelRepeated}},
			effects: []string{EffectAllowanceVoided, EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
	}
}

func cancelConfirmRows() map[string]allowanceRow {
	return map[string]allowanceRow{
		"its cancel is confirmed": {
			steps:   []did{{"CancelAllowance", 1}, {"CancelAllowanceConfirm", 1}},
			effects: []string{EffectAllowanceVoided, EffectCancelConfirmed}, state: stateCancelConfirmed,
		},
		"its cancel is confirmed twice": {
			staged: Allowance{Cancelled: true}, steps: []did{{"CancelAllowanceConfirm", 1}, {"CancelAllowanceConfirm", CodeCancelConfirmRepeated}},
			effects: []string{EffectCancelConfirmed, EffectCancelConfirmed}, state: stateCancelConfirmed,
		},
		"kinder: its cancel is confirmed twice": {
			refuse: true, staged: Allowance{CancelConfirmed: true}, steps: []did{{"CancelAllowanceConfirm", CodeCancelConfirmRepeated}},
			state: stateCancelConfirmed,
		},
		"after the confirm of a cancel nothing happens": {
			staged: Allowance{CancelConfirmed: true}, state: stateCancelConfirmed,
			steps: []did{{"CancelAllowance", CodeCancelNotAwaited}, {"AllowanceConfirm", CodeAllowanceConfirmNotAwaited}},
		},
		"what is not cancelled has no cancel to confirm": {
			steps: []did{{"CancelAllowanceConfirm", CodeCancelConfirmNotAwaited}}, state: stateUnconfirmed,
		},
		"who cancelled does not confirm that": {
			staged: Allowance{Side: SideSales}, steps: []did{{"CancelAllowance", 1}, {"CancelAllowanceConfirm", CodeCancelConfirmNotAwaited}},
			effects: []string{EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
		"the seller confirms what the buyer cancelled": {
			staged: Allowance{Side: SideSales, Cancelled: true, CancelledBy: SidePurchase}, steps: []did{{"CancelAllowanceConfirm", 1}},
			effects: []string{EffectCancelConfirmed}, state: stateCancelConfirmed,
		},
		"archive mode has no confirm of a cancel": {
			archive: true, steps: []did{{"CancelAllowance", 1}, {"CancelAllowanceConfirm", CodeConfirmArchiveMode}},
			effects: []string{EffectAllowanceVoided}, state: stateAllowanceCancelled,
		},
	}
}

func allowanceConfirmRows() map[string]allowanceRow {
	return map[string]allowanceRow{
		"it is confirmed": {steps: []did{{"AllowanceConfirm", 1}}, effects: []string{EffectAllowanceConfirmed}, state: stateAllowanceConfirmed},
		"it is confirmed twice": {
			steps:   []did{{"AllowanceConfirm", 1}, {"AllowanceConfirm", CodeAllowanceConfirmRepeated}},
			effects: []string{EffectAllowanceConfirmed, EffectAllowanceConfirmed}, state: stateAllowanceConfirmed,
		},
		"kinder: it is confirmed twice": {
			refuse: true, staged: Allowance{ConfirmDate: startDate}, steps: []did{{"AllowanceConfirm", CodeAllowanceConfirmRepeated}},
			state: stateAllowanceConfirmed,
		},
		"a cancelled one is not confirmed": {
			staged: Allowance{Cancelled: true}, steps: []did{{"AllowanceConfirm", CodeAllowanceConfirmNotAwaited}}, state: stateAllowanceCancelled,
		},
		"its seller does not confirm it": {
			staged: Allowance{Side: SideSales}, steps: []did{{"AllowanceConfirm", CodeAllowanceConfirmNotAwaited}}, state: stateUnconfirmed,
		},
		"archive mode has no confirm of it": {
			archive: true, steps: []did{{"AllowanceConfirm", CodeConfirmArchiveMode}}, state: stateUnconfirmed,
		},
	}
}

func TestTurnsOfTheExchangeOfAllowances(t *testing.T) {
	t.Parallel()
	rows := cancelRows()
	maps.Copy(rows, allowanceConfirmRows())
	maps.Copy(rows, cancelConfirmRows())
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{RefuseRepeats: row.refuse})
			if row.archive {
				b = newArchiveBench(t)
			}
			row.staged.AllowanceNo = allowanceNo
			b.stageAllowance(row.staged)
			for i, step := range row.steps {
				if got := b.writeAllowance(step.name, allowanceNo).code(); got != float64(step.want) {
					t.Errorf("step %d, %s: got %v, want %d", i+1, step.name, got, step.want)
				}
			}
			if diff := cmp.Diff(append([]string{}, row.effects...), b.effectNames(allowanceNo)); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if got := b.State(StageMerchantID, allowanceNo); got != row.state {
				t.Errorf("got state %q, want %q", got, row.state)
			}
		})
	}
}

func TestWhatIsSaidOfAnUnknownAllowance(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	for _, name := range []string{"AllowanceConfirm", "CancelAllowance", "CancelAllowanceConfirm"} {
		if got := b.writeAllowance(name, allowanceNo).code(); got != float64(CodeNoSuchAllowance) {
			t.Errorf("%s: got %v, want %d", name, got, CodeNoSuchAllowance)
		}
	}
	for _, name := range []string{"GetAllowance", "GetAllowanceConfirm", "GetAllowanceInvalid", "GetAllowanceInvalidConfirm"} {
		if got := b.call("/B2BInvoice/"+name, m{"AllowanceNo": allowanceNo}).code(); got != float64(CodeNoSuchAllowance) {
			t.Errorf("%s: got %v, want %d", name, got, CodeNoSuchAllowance)
		}
		if got := b.call("/B2BInvoice/"+name, m{"AllowanceNo": "19092417"}).code(); got != float64(CodeFieldFormat) {
			t.Errorf("%s of 8 digits: got %v, want %d", name, got, CodeFieldFormat)
		}
	}
}

func TestQueriesAboutAllowances(t *testing.T) {
	t.Parallel()
	const get, invalid, confirm = "GetAllowance", "GetAllowanceInvalid", "GetAllowanceInvalidConfirm"
	for name, row := range map[string]struct {
		query  string
		staged Allowance
		code   float64
		want   m // some of RtnData
	}{
		"unconfirmed": {get, Allowance{TotalAmount: 24, TaxAmount: 1}, 1, m{
			"AllowanceNo": allowanceNo, "TotalAmount": 24.0, "TaxAmount": 1.0, "ConfirmDate": nil, "ExchangeStatus": "0", "Invalid_Status": "0",
		}},
		"confirmed": {
			get, Allowance{ConfirmDate: "2026-03-11"}, 1, m{"ConfirmDate": "2026-03-11", "ExchangeStatus": "1"},
		},
		"cancelled": {get, Allowance{Cancelled: true}, 1, m{"Invalid_Status": "1"}},
		"its cancel": {
			invalid, Allowance{Cancelled: true}, 1, m{"CancelDate": startDate, "CancelReason": "staged", "ExchangeStatus": "0"},
		},
		"not cancelled":                        {invalid, Allowance{}, 2, nil},
		"the confirm of its cancel is awaited": {confirm, Allowance{Cancelled: true}, 1, m{"CancelDate": startDate, "ExchangeStatus": "0"}},
		"its cancel is confirmed":              {confirm, Allowance{CancelConfirmed: true}, 1, m{"ExchangeStatus": "1", "ConfirmRemark": ""}},
		"no cancel to confirm":                 {confirm, Allowance{}, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			row.staged.AllowanceNo = allowanceNo
			b.stageAllowance(row.staged)
			r := b.call("/B2BInvoice/"+row.query, m{"AllowanceNo": allowanceNo})
			if got := r.code(); got != row.code {
				t.Fatalf("got %v, want %v", got, row.code)
			}
			checkMembers(t, r, row.want)
		})
	}
}

func TestTheShapeOfRtnDataIsThatOfTheStagedAllowance(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageAllowance(Allowance{AllowanceNo: allowanceNo, RtnData: ShapeString, Cancelled: true})
	for _, name := range []string{"GetAllowance", "GetAllowanceInvalid", "GetAllowanceInvalidConfirm"} {
		if _, ok := b.call("/B2BInvoice/"+name, m{"AllowanceNo": allowanceNo}).data["RtnData"].(string); !ok {
			t.Errorf("%s: RtnData is no string", name)
		}
	}
}

func TestTheOtherSideSeesTheSameAllowance(t *testing.T) {
	t.Parallel()
	const buyer = "2000933"
	b := newBench(t, Config{Merchants: []Merchant{
		{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV},
		{MerchantID: buyer, HashKey: StageHashKey, HashIV: StageHashIV},
	}})
	b.stageAllowance(Allowance{AllowanceNo: allowanceNo, Side: SideSales, Counterparty: buyer})
	if got := b.writeAllowance("CancelAllowance", allowanceNo).code(); got != 1.0 {
		t.Fatalf("cancel: got %v", got)
	}
	if got := b.State(buyer, allowanceNo); got != stateAllowanceCancelled {
		t.Errorf("got the buyer's state %q, want %q", got, stateAllowanceCancelled)
	}
}

func TestB2BAllowance(t *testing.T) {
	t.Parallel()
	about := func(number string, change m) m {
		return b2bAllowanceOf(changed(m{"Details": []m{detailOf(m{"OriginalInvoiceNumber": number})}}, change))
	}
	of := func(total int, amounts ...any) m {
		var details []m
		for _, amount := range amounts {
			details = append(details, detailOf(m{"ItemAmount": amount}))
		}
		return b2bAllowanceOf(m{"TotalAmount": total, "Details": details})
	}
	for name, row := range map[string]struct {
		data m
		code int
	}{
		"on a confirmed invoice":                  {about(confirmedInvoice, nil), CodeOK},
		"on one that is not confirmed":            {about(validInvoice, nil), CodeAllowanceNotConfirmed},
		"on a rejected one":                       {about(rejectedInvoice, nil), CodeAllowanceNotConfirmed},
		"on a voided one":                         {about("AB00000004", nil), CodeAllowanceVoided},
		"on one that was received":                {about("AB00000005", nil), CodeNoSuchInvoice},
		"on an unknown one":                       {about("ZZ00000000", nil), CodeNoSuchInvoice},
		"of all of it":                            {of(100, "100"), CodeOK},
		"of more than it":                         {of(101, 101), CodeAllowanceTooMuch},
		"whose sum is another":                    {about(confirmedInvoice, m{"TotalAmount": 25}), CodeAmountMismatch},
		"of six days ago":                         {about(confirmedInvoice, m{"AllowanceDate": "2026-03-04 07:30:00"}), CodeOK},
		"of more than six days ago":               {about(confirmedInvoice, m{"AllowanceDate": "2026-03-04 07:29:59"}), CodeFieldFormat},
		"for a reason of 21":                      {about(confirmedInvoice, m{"Reason": longText(21)}), CodeFieldFormat},
		"with a field of nobody":                  {about(confirmedInvoice, m{"RelateNumber": "R1"}), CodeUnknownField},
		"in two lines that are too much together": {of(102, 51, 51), CodeAllowanceTooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageB2B()
			b.stageInvoice(Invoice{InvoiceNumber: "AB00000004", IssueConfirmed: true, Voided: true})
			b.stageInvoice(Invoice{InvoiceNumber: "AB00000005", IssueConfirmed: true, Side: SidePurchase})
			if got := b.call("/B2BInvoice/Allowance", row.data).code(); got != float64(row.code) {
				t.Errorf("got %v, want %d", got, row.code)
			}
		})
	}
}

// What an allowance took comes back when its cancel is final, and the invoice is voided then.
func TestACancelledAllowanceGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageB2B()
	whole := b2bAllowanceOf(m{"TotalAmount": 100, "Details": []m{detailOf(m{"ItemAmount": 100})}})
	first := b.call("/B2BInvoice/Allowance", whole)
	number, _ := first.data["AllowanceNo"].(string)
	for _, step := range []struct {
		what string
		got  result
		want int
	}{
		{"another", b.call("/B2BInvoice/Allowance", whole), CodeAllowanceTooMuch},
		{"a void", b.write("Invalid", confirmedInvoice), CodeAllowanceStands},
		{"the cancel", b.writeAllowance("CancelAllowance", number), CodeOK},
		{"another before its confirm", b.call("/B2BInvoice/Allowance", whole), CodeAllowanceTooMuch},
		{"the confirm of the cancel", b.writeAllowance("CancelAllowanceConfirm", number), CodeOK},
		{"a second confirm", b.writeAllowance("CancelAllowanceConfirm", number), CodeCancelConfirmRepeated},
		{"another after it", b.call("/B2BInvoice/Allowance", whole), CodeOK},
	} {
		if got := step.got.code(); got != float64(step.want) {
			t.Errorf("%s: got %v, want %d", step.what, got, step.want)
		}
	}
	if diff := cmp.Diff([]string{EffectAllowanceIssued, EffectAllowanceIssued}, b.effectNames(confirmedInvoice)); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}
