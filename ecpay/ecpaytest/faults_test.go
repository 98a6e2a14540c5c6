package ecpaytest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// faultWant is what a client and the ledger see of a fault.
type faultWant struct {
	Status int // 0: no complete answer
	Trans  int
	Code   any // of readable Data
	Fault  string
	Effect bool
}

var codeIssued = any(4000004.0)

var faultRows = []struct {
	name  string
	fault Fault
	want  faultWant
	look  func(*testing.T, result)
}{
	{"pass", Fault{}, faultWant{200, 1, codeIssued, "pass", true}, nil},
	{"name", Fault{Name: "ours"}, faultWant{200, 1, codeIssued, "ours", true}, nil},
	{"latency", Fault{Latency: time.Millisecond}, faultWant{200, 1, codeIssued, "latency", true}, nil},
	{"latency after effect", Fault{Latency: time.Millisecond, AfterEffect: true},
		faultWant{200, 1, codeIssued, "latency after effect", true}, nil},
	{"403 with Retry-After", Fault{HTTPStatus: 403, Header: http.Header{"Retry-After": {"1800"}}},
		faultWant{403, 0, nil, "http 403", false}, func(t *testing.T, r result) {
			if got := r.header.Get("Retry-After"); got != "1800" {
				t.Errorf("got Retry-After %q, want 1800", got)
			}
		}},
	{"429", Fault{HTTPStatus: 429}, faultWant{429, 0, nil, "http 429", false}, nil},
	{"500 HTML", Fault{HTTPStatus: 500}, faultWant{500, 0, nil, "http 500", false}, func(t *testing.T, r result) {
		if !strings.Contains(r.body, "<html>") {
			t.Errorf("got %q, want HTML", r.body)
		}
	}},
	{"502 after effect", Fault{HTTPStatus: 502, AfterEffect: true}, faultWant{502, 0, nil, "http 502 after effect", true}, nil},
	{"body", Fault{Body: "maintenance"}, faultWant{200, 0, nil, "body", false}, func(t *testing.T, r result) {
		if r.body != "maintenance" {
			t.Errorf("got %q", r.body)
		}
	}},
	{"JSON body", Fault{Body: `{"TransCode":128}`, HTTPStatus: 503}, faultWant{503, 128, nil, "http 503", false}, nil},
	{"drop", Fault{Drop: true}, faultWant{0, 0, nil, "drop", false}, nil},
	{"drop after effect", Fault{Drop: true, AfterEffect: true}, faultWant{0, 0, nil, "drop after effect", true}, nil},
	{"truncate", Fault{Truncate: true}, faultWant{0, 0, nil, "truncate", true}, nil},
	{"garbage", Fault{Garbage: true}, faultWant{200, 0, nil, "garbage", false}, nil},
	{"garbage after effect", Fault{Garbage: true, AfterEffect: true}, faultWant{200, 0, nil, "garbage after effect", true}, nil},
	{"huge", Fault{Huge: 3 << 20}, faultWant{200, 0, nil, "huge", false}, func(t *testing.T, r result) {
		if len(r.body) != 3<<20 {
			t.Errorf("got %d bytes, want 3 MiB", len(r.body))
		}
	}},
	{"unreadable data", Fault{UnreadableData: true}, faultWant{200, 1, nil, "unreadable data", false}, nil},
	{"unreadable data after effect", Fault{UnreadableData: true, AfterEffect: true},
		faultWant{200, 1, nil, "unreadable data after effect", true}, nil},
	{"wrong key", Fault{WrongKey: true}, faultWant{200, 1, nil, "wrong key", false}, nil},
	{"wrong key after effect", Fault{WrongKey: true, AfterEffect: true}, faultWant{200, 1, nil, "wrong key after effect", true}, nil},
	{"null data", Fault{NullData: true}, faultWant{200, 1, nil, "null data", false}, func(t *testing.T, r result) {
		if v, ok := r.env["Data"]; !ok || v != nil {
			t.Errorf("got Data %v, want null", v)
		}
	}},
	{"trans code", Fault{TransCode: 104}, faultWant{200, 104, nil, "trans code 104", false}, nil},
	{"trans code 110 comes with HTTP 500", Fault{TransCode: 110}, faultWant{500, 110, nil, "trans code 110", false}, nil},
	{"trans code with its own status and text", Fault{TransCode: 128, TransMsg: "系統異常", HTTPStatus: 503},
		faultWant{503, 128, nil, "trans code 128", false}, func(t *testing.T, r result) {
			if r.env["TransMsg"] != "系統異常" {
				t.Errorf("got %v", r.env["TransMsg"])
			}
		}},
	{"rtn code", Fault{RtnCode: 5070350, RtnMsg: "請確認字軌"},
		faultWant{200, 1, 5070350.0, "rtn code 5070350", false}, func(t *testing.T, r result) {
			if r.data["RtnMsg"] != "請確認字軌" {
				t.Errorf("got %v", r.data["RtnMsg"])
			}
		}},
	{"rtn code after effect", Fault{RtnCode: 1, AfterEffect: true}, faultWant{200, 1, 1.0, "rtn code 1 after effect", true}, nil},
	{"rtn code as string", Fault{RtnCodeAsString: true}, faultWant{200, 1, "4000004", "rtn code as string", true}, nil},
	{"merchant id as number", Fault{MerchantIDAsNumber: true}, faultWant{200, 1, codeIssued, "merchant id as number", true},
		func(t *testing.T, r result) {
			if r.env["MerchantID"] != 2000132.0 {
				t.Errorf("got %v", r.env["MerchantID"])
			}
		}},
	{"clock offset", Fault{ClockOffset: 11 * time.Minute}, faultWant{200, 104, nil, "clock offset", false}, func(t *testing.T, r result) {
		if got, want := r.header.Get("Date"), start.Add(11*time.Minute).Format(http.TimeFormat); got != want {
			t.Errorf("got Date %s, want %s", got, want)
		}
		if got := r.env["RpHeader"].(m)["Timestamp"]; got != float64(start.Add(11*time.Minute).Unix()) {
			t.Errorf("got Timestamp %v", got)
		}
	}},
	{"redirect", Fault{Redirect: "/elsewhere"}, faultWant{302, 0, nil, "redirect", false}, func(t *testing.T, r result) {
		if got := r.header.Get("Location"); got != "/elsewhere" {
			t.Errorf("got Location %q", got)
		}
	}},
	{"redirect that keeps the method", Fault{Redirect: "/elsewhere", HTTPStatus: 307}, faultWant{307, 0, nil, "redirect", false}, nil},
}

// TestEveryFault strikes a trigger with each kind of fault, before and after its effect.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	for _, row := range faultRows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "T1"})
			b.Inject(Match{}, row.fault)
			r := b.trigger("T1")
			if r.err != nil {
				r.status = 0
			}
			call := b.lastCall()
			got := faultWant{r.status, r.trans, r.code(), call.Fault, len(b.effectNames("T1")) == 1}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if call.Dropped != (row.want.Status == 0) {
				t.Errorf("ledger says dropped %v, want %v", call.Dropped, row.want.Status == 0)
			}
			if row.look != nil {
				row.look(t, r)
			}
			if got := b.trigger("T1"); got.code() != codeIssued {
				t.Errorf("the next request: got %v, want no fault", got)
			}
		})
	}
}

func TestHangEndsWithTheClientOrTheServer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault Fault
		want  []string
	}{
		{"before the effect", Fault{Hang: true}, []string{}},
		{"after the effect", Fault{Hang: true, AfterEffect: true}, []string{EffectIssued}},
		{"latency before the effect", Fault{Latency: time.Hour}, []string{}},
		{"latency after the effect", Fault{Latency: time.Hour, AfterEffect: true}, []string{EffectIssued}},
	} {
		for _, end := range []string{"client", "server"} {
			t.Run(row.name+", "+end, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Config{})
				b.stageDelayed(Delayed{Tsr: "T1"})
				b.Inject(Match{}, row.fault)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				done := make(chan result, 1)
				go func() {
					body := mustJSON(b.envelopeOf(m{"Tsr": "T1", "PayType": "2"}))
					done <- b.send(ctx, "POST", "/B2CInvoice/TriggerIssue", "application/json", body)
				}()
				b.eventually("the request is in the ledger", func() bool { return len(b.Calls()) == 1 })
				b.eventually("the effect", func() bool { return len(b.effectNames("T1")) == len(row.want) })
				select {
				case r := <-done:
					t.Fatalf("got an answer: %+v", r)
				default:
				}
				if end == "client" {
					cancel()
				} else {
					b.Close()
				}
				if r := <-done; r.err == nil {
					t.Errorf("got %+v, want no answer", r)
				}
				b.eventually("the drop is in the ledger", func() bool { return b.lastCall().Dropped })
				if diff := cmp.Diff(row.want, b.effectNames("T1")); diff != "" {
					t.Errorf("effects (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestScriptsAreConsumedInOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.Inject(Match{Operation: "CancelDelayIssue"}, Fault{HTTPStatus: 501, Times: 2}, Fault{Name: "let one through"},
		Fault{HTTPStatus: 502, For: time.Minute}, Fault{HTTPStatus: 503, For: time.Minute, Times: 1}, Fault{HTTPStatus: 504, Times: -1})
	b.Inject(Match{}, Fault{HTTPStatus: 599})
	got := []int{}
	cancel := func() { got = append(got, b.cancel("T1").status) }
	cancel()
	cancel()
	cancel()
	cancel()
	b.clock.add(59 * time.Second)
	cancel()
	b.clock.add(time.Second)
	cancel()
	cancel()
	cancel()
	if diff := cmp.Diff([]int{501, 501, 200, 502, 502, 503, 504, 504}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := b.trigger("T1").status; got != 599 {
		t.Errorf("the other script: got %d, want 599", got)
	}
	b.ClearFaults()
	if got := b.cancel("T1").status; got != 200 {
		t.Errorf("after ClearFaults: got %d, want 200", got)
	}
}

func TestFaultForAWhileBeginsWhenItIsFirstInLine(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.Inject(Match{}, Fault{HTTPStatus: 502, For: time.Minute}, Fault{HTTPStatus: 503, For: time.Minute})
	b.clock.add(90 * time.Second)
	if got := b.cancel("T1").status; got != 503 {
		t.Errorf("got %d, want 503, half-way through it", got)
	}
	b.clock.add(30 * time.Second)
	if got := b.cancel("T1").status; got != 200 {
		t.Errorf("got %d, want 200, both being over", got)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		match Match
		want  bool
	}{
		{"anything", Match{}, true},
		{"operation", Match{Operation: "TriggerIssue"}, true},
		{"another operation", Match{Operation: "CancelDelayIssue"}, false},
		{"operation with its category", Match{Operation: "B2C TriggerIssue"}, true},
		{"operation of another category", Match{Operation: "B2B TriggerIssue"}, false},
		{"category", Match{Category: "B2C"}, true},
		{"another category", Match{Category: "B2B"}, false},
		{"merchant", Match{MerchantID: StageMerchantID}, true},
		{"another merchant", Match{MerchantID: "2000933"}, false},
		{"subject", Match{Subject: "T1"}, true},
		{"another subject", Match{Subject: "T2"}, false},
		{"all of it", Match{"TriggerIssue", "B2C", StageMerchantID, "T1"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.Inject(row.match, Fault{HTTPStatus: 502})
			if got := b.trigger("T1").status == 502; got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestEffectAfterLandsWhenTheClockSaysSo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault Fault
		wait  time.Duration
		want  []string
		trans int
	}{
		{"not yet", Fault{EffectAfter: time.Minute}, 59 * time.Second, []string{}, 0},
		{"landed", Fault{EffectAfter: time.Minute}, time.Minute, []string{EffectIssued}, TransOK},
		{"too late for its Timestamp", Fault{EffectAfter: 11 * time.Minute}, 12 * time.Minute, []string{}, TransStale},
		{"too late, but for a slow clock", Fault{EffectAfter: 11 * time.Minute, ClockOffset: -2 * time.Minute}, 12 * time.Minute,
			[]string{EffectIssued}, TransOK},
		{"after a 502", Fault{EffectAfter: time.Minute, HTTPStatus: 502}, time.Minute, []string{EffectIssued}, TransOK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "T1"})
			b.Inject(Match{}, row.fault)
			r := b.trigger("T1")
			if r.status != row.fault.HTTPStatus {
				t.Errorf("got HTTP %d, want %d", r.status, row.fault.HTTPStatus)
			}
			if got := b.call("/B2CInvoice/GetIssue", m{"RelateNumber": "T1"}).code(); got != 2.0 {
				t.Errorf("asked at once: got %v, want 2", got)
			}
			b.clock.add(row.wait)
			if diff := cmp.Diff(row.want, b.effectNames("T1")); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
			if got := b.Calls()[0].TransCode; got != row.trans {
				t.Errorf("ledger has TransCode %d, want %d", got, row.trans)
			}
		})
	}
}

func TestLateEffectsAndDueInvoicesComeInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Day: time.Minute})
	b.stageDelayed(Delayed{Tsr: "early", DelayFlag: "1", DelayDay: 1})
	b.stageDelayed(Delayed{Tsr: "later", DelayFlag: "1", DelayDay: 3})
	b.Inject(Match{Operation: "CancelDelayIssue"}, Fault{EffectAfter: 2 * time.Minute, Times: 2})
	b.cancel("early")
	b.cancel("later")
	b.clock.add(5 * time.Minute)
	if diff := cmp.Diff([]string{EffectIssued}, b.effectNames("early")); diff != "" {
		t.Errorf("issued before the cancel landed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{EffectCancelled}, b.effectNames("later")); diff != "" {
		t.Errorf("cancelled before it was due (-want +got):\n%s", diff)
	}
}

func TestLateEffectsEndAtCloseAndReset(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(*Server)
	}{
		{"close", (*Server).Close},
		{"reset", (*Server).Reset},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "T1"})
			b.Inject(Match{}, Fault{EffectAfter: time.Minute})
			b.trigger("T1")
			row.end(b.Server)
			b.clock.add(time.Hour)
			if got := b.Effects(); len(got) != 0 {
				t.Errorf("got %v, want none", got)
			}
		})
	}
}

func TestHugeStopsWhenTheClientHasHadEnough(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.Inject(Match{}, Fault{Huge: 1 << 40})
	req, err := http.NewRequest(
		"POST", b.url+"/B2CInvoice/CancelDelayIssue", strings.NewReader(string(mustJSON(b.envelopeOf(m{"Tsr": "T1"})))),
	)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Errorf("got %d bytes and %v", n, err)
	}
	resp.Body.Close() // and newBench's clean-up proves that the handler ends
}

// TestAnAnswerAboutAnotherSubject is as true as any, but not about what was asked for.
func TestAnAnswerAboutAnotherSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "T1"})
	b.stageInvoice(Invoice{InvoiceNumber: number})
	keys := m{"InvoiceCategory": 0, "InvoiceNumber": number, "InvoiceDate": startDate}
	inner := func(r result, field string) any { return r.data["RtnData"].(m)[field] }
	for _, row := range []struct {
		operation string
		call      func() result
		code      any
		named     func(result) any
		want      any
	}{
		{"TriggerIssue", func() result { return b.trigger("T1") }, 4000004.0, func(r result) any { return r.data["Tsr"] }, "ANOTHER1"},
		{"CancelDelayIssue", func() result { return b.cancel("T1") }, 1.0, func(result) any { return nil }, nil},
		{"Invalid", func() result { return b.void(number) }, 1.0, func(result) any { return nil }, nil},
		{"InvalidConfirm", func() result { return b.confirm(number) }, 1.0, func(result) any { return nil }, nil},
		{"GetIssue", func() result { return b.call("/B2CInvoice/GetIssue", m{"RelateNumber": "T1"}) }, 1.0,
			func(r result) any { return r.data["IIS_Relate_Number"] }, "ANOTHER1"},
		{"GetInvalid", func() result { return b.call("/B2BInvoice/GetInvalid", keys) }, 1.0,
			func(r result) any { return inner(r, "InvoiceNumber") }, "ZZ99999999"},
		{"GetInvalidConfirm", func() result { return b.call("/B2BInvoice/GetInvalidConfirm", keys) }, 1.0,
			func(r result) any { return inner(r, "ConfirmDate") }, startDate},
		{"GetAllowanceConfirm", func() result { return b.call("/B2BInvoice/GetAllowanceConfirm", m{"AllowanceNo": "1909241702402030"}) }, 1.0,
			func(r result) any { return inner(r, "ConfirmDate") }, startDate},
	} {
		b.Inject(Match{Operation: row.operation}, Fault{AboutAnother: true})
		r := row.call()
		if r.code() != row.code || row.named(r) != row.want {
			t.Errorf("%s: got %v about %v, want %v about %v", row.operation, r.code(), row.named(r), row.code, row.want)
		}
		if got := b.lastCall(); got.Fault != "about another" || float64(got.RtnCode) != row.code {
			t.Errorf("%s: the ledger has %q and %d", row.operation, got.Fault, got.RtnCode)
		}
	}
	if n := len(b.Effects()); n != 0 {
		t.Errorf("got %d effects, want none", n)
	}
	b.Inject(Match{}, Fault{AboutAnother: true, AfterEffect: true})
	if b.trigger("T1"); b.State(StageMerchantID, "T1") != "issued" {
		t.Error("the request itself was not processed before")
	}
}
