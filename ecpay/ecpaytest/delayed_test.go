package ecpaytest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const day = 24 * time.Hour

// delayedStep is what is done, or how long is waited, and the RtnCode that it is answered with.
type delayedStep struct {
	do   string
	want any
}

// delayedHistories are what may become of an invoice that was staged.
var delayedHistories = []struct {
	name    string
	cfg     Config
	staged  Delayed
	steps   []delayedStep
	effects []string
	state   string
}{
	{"no delay: issued by the trigger", Config{}, Delayed{Tsr: "T1"},
		[]delayedStep{{"get", rtn(2)}, {"trigger", rtn(4000004)}, {"get", rtn(1)}},
		[]string{EffectIssued}, stateIssued},
	{"delay: scheduled by the trigger, issued when due", Config{}, Delayed{Tsr: "T1", DelayDay: 2},
		[]delayedStep{{"trigger", rtn(4000003)}, {"47h59m", nil}, {"get", rtn(2)}, {"1m", nil}, {"get", rtn(1)}},
		[]string{EffectScheduled, EffectIssued}, stateIssued},
	{"flag 2 is never issued without a trigger", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{{"1000h", nil}, {"get", rtn(2)}}, []string{}, statePending},
	{"flag 1 is issued by itself", Config{}, Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 15},
		[]delayedStep{{"359h", nil}, {"get", rtn(2)}, {"1h", nil}, {"get", rtn(1)}}, []string{EffectIssued}, stateIssued},
	{"flag 1 triggered: its delay starts anew", Config{}, Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 15},
		[]delayedStep{{"240h", nil}, {"trigger", rtn(4000003)}, {"240h", nil}, {"get", rtn(2)}},
		[]string{EffectDelayReset}, stateScheduled},
	{"a second trigger resets the delay", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{
			{"trigger", rtn(4000003)}, {"23h", nil}, {"trigger", rtn(4000003)}, {"23h", nil}, {"get", rtn(2)}, {"1h", nil}, {"get", rtn(1)},
		},
		[]string{EffectScheduled, EffectDelayReset, EffectIssued}, stateIssued},
	{"a second trigger mints a second invoice", Config{}, Delayed{Tsr: "T1"},
		[]delayedStep{{"trigger", rtn(4000004)}, {"trigger", rtn(4000004)}},
		[]string{EffectIssued, EffectIssued}, stateIssued},
	{"a trigger of what has fallen due mints a second invoice", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{{"trigger", rtn(4000003)}, {"25h", nil}, {"trigger", rtn(4000004)}},
		[]string{EffectScheduled, EffectIssued, EffectIssued}, stateIssued},
	{"kinder: a second trigger of a scheduled one is refused", Config{RefuseRepeats: true}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{{"trigger", rtn(4000003)}, {"trigger", rtn(CodeTriggerScheduled)}}, []string{EffectScheduled}, stateScheduled},
	{"kinder: a second trigger of an issued one is refused", Config{RefuseRepeats: true}, Delayed{Tsr: "T1"},
		[]delayedStep{{"trigger", rtn(4000004)}, {"trigger", rtn(CodeTriggerIssued)}}, []string{EffectIssued}, stateIssued},
	{"kinder: the first trigger of flag 1 still counts", Config{RefuseRepeats: true}, Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 1},
		[]delayedStep{{"trigger", rtn(4000003)}, {"trigger", rtn(CodeTriggerScheduled)}}, []string{EffectDelayReset}, stateScheduled},
	{"cancel before the trigger", Config{}, Delayed{Tsr: "T1"},
		[]delayedStep{{"cancel", rtn(1)}, {"cancel", rtn(5070305)}, {"trigger", rtn(4000001)}, {"get", rtn(2)}},
		[]string{EffectCancelled}, stateCancelled},
	{"cancel while scheduled", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{{"trigger", rtn(4000003)}, {"23h", nil}, {"cancel", rtn(1)}, {"48h", nil}, {"get", rtn(2)}},
		[]string{EffectScheduled, EffectCancelled}, stateCancelled},
	{"cancel on the day of issue before 10:00", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{{"10h", nil}, {"trigger", rtn(4000003)}, {"16h29m", nil}, {"cancel", rtn(1)}},
		[]string{EffectScheduled, EffectCancelled}, stateCancelled},
	{"cancel on the day of issue at 10:00", Config{}, Delayed{Tsr: "T1", DelayDay: 1},
		[]delayedStep{
			{"10h", nil}, {"trigger", rtn(4000003)}, {"16h30m", nil},
			{"cancel", rtn(5070305)}, {"get", rtn(2)}, {"7h30m", nil}, {"get", rtn(1)},
		},
		[]string{EffectScheduled, EffectIssued}, stateIssued},
	{"cancel when it is due", Config{}, Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 1},
		[]delayedStep{{"24h", nil}, {"cancel", rtn(5070305)}, {"get", rtn(1)}}, []string{EffectIssued}, stateIssued},
	{"cancel after it is issued", Config{}, Delayed{Tsr: "T1"},
		[]delayedStep{{"trigger", rtn(4000004)}, {"cancel", rtn(5070305)}}, []string{EffectIssued}, stateIssued},
	{"unknown", Config{}, Delayed{Tsr: "T2"},
		[]delayedStep{{"trigger", rtn(4000001)}, {"cancel", rtn(5070305)}, {"get", rtn(2)}}, []string{}, ""},
	{"Tsr in another case is another one", Config{}, Delayed{Tsr: "t1"},
		[]delayedStep{{"trigger", rtn(4000001)}, {"get", rtn(2)}}, []string{}, ""},
	{"issued from the back office", Config{}, Delayed{Tsr: "T1", Issued: true},
		[]delayedStep{{"get", rtn(1)}, {"cancel", rtn(5070305)}}, []string{}, stateIssued},
	{"cancelled from the back office", Config{}, Delayed{Tsr: "T1", Cancelled: true},
		[]delayedStep{{"trigger", rtn(4000001)}}, []string{}, stateCancelled},
	{"a day may be shorter", Config{Day: time.Second}, Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 3},
		[]delayedStep{{"3s", nil}, {"get", rtn(1)}}, []string{EffectIssued}, stateIssued},
}

func TestDelayedInvoiceStateMachine(t *testing.T) {
	t.Parallel()
	// A step is "trigger", "cancel", a duration to wait, or "get"; its answer is RtnCode as it came, nil for a wait.
	for _, row := range delayedHistories {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, row.cfg)
			b.stageDelayed(row.staged)
			for i, step := range row.steps {
				var got any
				switch step.do {
				case "trigger":
					got = b.trigger("T1").code()
				case "cancel":
					got = b.cancel("T1").code()
				case "get":
					got = b.call("/B2CInvoice/GetIssue", m{"RelateNumber": "T1"}).code()
				default:
					wait, err := time.ParseDuration(step.do)
					if err != nil {
						t.Fatal(err)
					}
					b.clock.add(wait)
				}
				if diff := cmp.Diff(step.want, got); diff != "" {
					t.Errorf("step %d, %s (-want +got):\n%s", i+1, step.do, diff)
				}
			}
			if diff := cmp.Diff(row.effects, b.effectNames("T1")); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if got := b.State(StageMerchantID, "T1"); got != row.state {
				t.Errorf("got state %q, want %q", got, row.state)
			}
		})
	}
}

func TestTriggerAnswerNamesTheTsr(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		cfg  Config
		tsr  string
		want m
	}{
		{"as in the example", Config{}, "T1", m{"RtnCode": 4000004.0, "RtnMsg": "開立發票成功", "Tsr": "T1"}},
		{"as in the table", Config{TriggerOrderNumber: true}, "T1", m{"RtnCode": 4000004.0, "RtnMsg": "開立發票成功", "OrderNumber": "T1"}},
		{"blank on failure", Config{}, "T2", m{"RtnCode": 4000001.0, "RtnMsg": "不存在此交易單號", "Tsr": ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, row.cfg)
			b.stageDelayed(Delayed{Tsr: "T1"})
			if diff := cmp.Diff(row.want, b.trigger(row.tsr).data); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFieldsAreChecked(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return string(make([]rune, n)) }
	trigger, cancel := "/B2CInvoice/TriggerIssue", "/B2CInvoice/CancelDelayIssue"
	invalid, confirm := "/B2BInvoice/Invalid", "/B2BInvoice/InvalidConfirm"
	void := func(change m) m {
		data := m{"InvoiceNumber": "AB12345678", "InvoiceDate": startDate, "Reason": "wrong buyer"}
		for name, v := range change {
			data[name] = v
		}
		return data
	}
	for _, row := range []struct {
		name, path string
		data       m
		want       int
	}{
		{"another merchant's Data", cancel, m{"MerchantID": "2000933", "Tsr": "T1"}, CodeMerchantMismatch},
		{"MerchantID as number", cancel, m{"MerchantID": 2000132, "Tsr": "T1"}, CodeFieldFormat},
		{"MerchantID null", cancel, m{"MerchantID": nil, "Tsr": "T1"}, CodeFieldFormat},
		{"no Tsr", cancel, m{}, CodeFieldMissing},
		{"empty Tsr", cancel, m{"Tsr": ""}, CodeFieldMissing},
		{"Tsr as number", cancel, m{"Tsr": 1}, CodeFieldFormat},
		{"Tsr too long", cancel, m{"Tsr": long(31)}, CodeFieldFormat},
		{"Tsr with a space", cancel, m{"Tsr": " T1"}, CodeFieldFormat},
		{"field of another operation", cancel, m{"Tsr": "T1", "PayType": "2"}, CodeUnknownField},
		{"no PayType", trigger, m{"Tsr": "T1"}, CodeFieldMissing},
		{"PayType 3", trigger, m{"Tsr": "T1", "PayType": "3"}, CodeFieldFormat},
		{"PayType as number", trigger, m{"Tsr": "T1", "PayType": 2}, CodeFieldFormat},
		{"RelateNumber in TriggerIssue", trigger, m{"Tsr": "T1", "PayType": "2", "RelateNumber": "T1"}, CodeUnknownField},
		{"field in another case", trigger, m{"tsr": "T1", "PayType": "2"}, CodeFieldMissing},
		{"no Reason", invalid, void(m{"Reason": ""}), CodeBadReason},
		{"Reason too long, before the date is looked at", invalid, void(m{"Reason": long(21), "InvoiceDate": "x"}), CodeBadReason},
		{"Reason of 20 characters", invalid, void(m{"Reason": "二十個字二十個字二十個字二十個字二十個字"}), CodeOK},
		{"Reason as number", invalid, void(m{"Reason": 1}), CodeBadReason},
		{"Remark too long", invalid, void(m{"Remark": long(201)}), CodeFieldFormat},
		{"empty Remark", invalid, void(m{"Remark": ""}), CodeOK},
		{"date with slashes", invalid, void(m{"InvoiceDate": "2026/03/10"}), CodeFieldFormat},
		{"date with time", invalid, void(m{"InvoiceDate": "2026-03-10 00:00:00"}), CodeFieldFormat},
		{"30 February", invalid, void(m{"InvoiceDate": "2026-02-30"}), CodeFieldFormat},
		{"yesterday, the date in UTC", invalid, void(m{"InvoiceDate": "2026-03-09"}), CodeNoSuchInvoice},
		{"unknown number", invalid, void(m{"InvoiceNumber": "AB12345679"}), CodeNoSuchInvoice},
		{"number in lower case", invalid, void(m{"InvoiceNumber": "ab12345678"}), CodeFieldFormat},
		{"InvoiceNo, as B2C says", invalid, void(m{"InvoiceNo": "AB12345678"}), CodeUnknownField},
		{"Reason in a confirm", confirm, void(nil), CodeUnknownField},
		{"number with a space in a confirm", confirm, m{"InvoiceNumber": " AB12345678", "InvoiceDate": startDate}, CodeFieldFormat},
		{"unknown number in a confirm", confirm, m{"InvoiceNumber": "AB12345679", "InvoiceDate": startDate}, CodeNoSuchInvoice},
		{"allowance number too short", "/B2BInvoice/GetAllowanceConfirm", m{"AllowanceNo": "190924170240203"}, CodeFieldFormat},
		{"unknown allowance number", "/B2BInvoice/GetAllowanceConfirm", m{"AllowanceNo": "1909241702402031"}, CodeNoSuchAllowance},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "T1"})
			b.stageInvoice(Invoice{InvoiceNumber: "AB12345678"})
			r := b.call(row.path, row.data)
			if got := r.code(); got != float64(row.want) {
				t.Errorf("got %v %v, want %d", got, r.data["RtnMsg"], row.want)
			}
			if row.want != CodeOK && len(b.Effects()) > 0 {
				t.Errorf("got effects %v, want none", b.Effects())
			}
		})
	}
}

func TestAllowUnknownFields(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{AllowUnknownFields: true})
	b.stageDelayed(Delayed{Tsr: "T1"})
	r := b.call("/B2CInvoice/TriggerIssue", m{"Tsr": "T1", "PayType": "2", "RelateNumber": "T1"})
	if got := r.code(); got != float64(CodeIssued) {
		t.Errorf("got %v, want %d", got, CodeIssued)
	}
}

func TestGetIssueGoesByTheKeysThatAreThere(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		data m
		want int
	}{
		{"RelateNumber", m{"RelateNumber": "Order1"}, CodeOK},
		{"RelateNumber in another case", m{"RelateNumber": "ORDER1"}, CodeOK},
		{"number and date", m{"InvoiceNo": "FK00000001", "InvoiceDate": startDate}, CodeOK},
		{"all three", m{"RelateNumber": "Order1", "InvoiceNo": "FK00000001", "InvoiceDate": startDate}, CodeOK},
		{"wrong date", m{"InvoiceNo": "FK00000001", "InvoiceDate": "2026-03-09"}, CodeNoData},
		{"number without date", m{"InvoiceNo": "FK00000001"}, CodeNoData},
		{"RelateNumber beside empty keys", m{"RelateNumber": "Order1", "InvoiceNo": "", "InvoiceDate": ""}, CodeNoData},
		{"number beside an empty RelateNumber", m{"RelateNumber": "", "InvoiceNo": "FK00000001", "InvoiceDate": startDate}, CodeNoData},
		{"number of another RelateNumber", m{"RelateNumber": "Order2", "InvoiceNo": "FK00000001", "InvoiceDate": startDate}, CodeNoData},
		{"Tsr instead", m{"Tsr": "T1", "RelateNumber": "Order1"}, CodeUnknownField},
		{"Tsr where it is not the RelateNumber", m{"RelateNumber": "T1"}, CodeNoData},
		{"nothing", m{}, CodeFieldMissing},
		{"bad date", m{"InvoiceNo": "FK00000001", "InvoiceDate": "2026/03/10"}, CodeFieldFormat},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "T1", RelateNumber: "Order1"})
			b.stageDelayed(Delayed{Tsr: "T2", RelateNumber: "Order2"})
			b.trigger("T1")
			r := b.call("/B2CInvoice/GetIssue", row.data)
			if got := r.code(); got != float64(row.want) {
				t.Errorf("got %v, want %d", got, row.want)
			}
			if row.want == CodeOK && (r.data["IIS_Number"] != "FK00000001" || r.data["IIS_Relate_Number"] != "Order1") {
				t.Errorf("got %v", r.data)
			}
		})
	}
}

func TestEffectsSayWhatAndWhen(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "T1", DelayDay: 1})
	b.trigger("T1")
	b.clock.add(3 * day)
	want := []Effect{
		{At: start, Name: EffectScheduled, MerchantID: StageMerchantID, Subject: "T1", CallSeq: 1},
		{At: start.Add(day), Name: EffectIssued, MerchantID: StageMerchantID, Subject: "T1", Detail: "FK00000001"},
	}
	if diff := cmp.Diff(want, b.Effects()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAdvanceMovesTheCalendarButNotTheClock(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "T1", DelayDay: 7})
	b.trigger("T1")
	b.Advance(8 * day)
	r := b.call("/B2CInvoice/GetIssue", m{"RelateNumber": "T1"}) // with a Timestamp of the unmoved clock
	if r.data["IIS_Create_Date"] != "2026-03-17 07:30:00" {
		t.Errorf("got %v, want the invoice of a week later", r.data)
	}
}

func TestIssueDueCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	for _, tsr := range []string{"T1", "T2", "T3"} {
		b.stageDelayed(Delayed{Tsr: tsr, DelayFlag: "1", DelayDay: len(tsr)})
	}
	b.cancel("T3")
	b.clock.add(2 * day)
	if got := b.IssueDue(); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
	if got := b.IssueDue(); got != 0 {
		t.Errorf("again: got %d, want 0", got)
	}
}

func TestDataMustBeAnObject(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	env := b.envelopeOf([]string{StageMerchantID})
	r := b.send(t.Context(), "POST", "/B2CInvoice/CancelDelayIssue", "application/json", mustJSON(env))
	if got := r.code(); got != float64(CodeFieldFormat) {
		t.Errorf("got %v, want %d", got, CodeFieldFormat)
	}
}
