package ecpaytest

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLedgerSaysWhatWasSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: number})
	env := b.envelopeOf(m{"InvoiceNumber": number, "InvoiceDate": startDate, "Reason": "x"})
	env["RqHeader"] = m{"Timestamp": start.Unix() - 5, "RqID": "701b3264-a538-437e-ad45-2505eb7dde39", "Revision": "1.0.0"}
	b.clock.add(time.Second)
	b.send(t.Context(), "POST", "/B2BInvoice/Invalid", "application/json", mustJSON(env))
	want := []Call{{
		Seq: 1, At: start.Add(time.Second), Path: "/B2BInvoice/Invalid", Operation: "Invalid", Category: "B2B",
		MerchantID: StageMerchantID, Subject: number, Timestamp: start.Unix() - 5, RqID: "701b3264-a538-437e-ad45-2505eb7dde39",
		Revision: "1.0.0", HTTPStatus: 200, TransCode: 1, RtnCode: 1,
		Data: json.RawMessage(`{"InvoiceDate":"2026-03-10","InvoiceNumber":"AB12345678","MerchantID":"2000132","Reason":"x"}`),
	}}
	if diff := cmp.Diff(want, b.Calls()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMaxCallsForgetsTheOlderHalf(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{MaxCalls: 4})
	for range 5 {
		b.cancel("T1")
	}
	seqs := []int{}
	for _, call := range b.Calls() {
		seqs = append(seqs, call.Seq)
	}
	if diff := cmp.Diff([]int{3, 4, 5}, seqs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{MinInterval: time.Second})
	b.stageDelayed(Delayed{Tsr: "T1"})
	b.trigger("T1")
	b.trigger("T1") // banned
	b.Inject(Match{}, Fault{HTTPStatus: 502, Times: -1})
	b.Reset()
	if calls, effects, state := b.Calls(), b.Effects(), b.State(StageMerchantID, "T1"); len(calls)+len(effects) > 0 || state != "" {
		t.Errorf("got %v, %v, %q, want nothing", calls, effects, state)
	}
	if got := b.trigger("T1").code(); got != 4000001.0 {
		t.Errorf("got %v, want 4000001", got)
	}
	if got := b.lastCall().Seq; got != 1 {
		t.Errorf("got Seq %d, want 1", got)
	}
}

func TestServerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const n = 40
	b := newBench(t, Config{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			tsr := fmt.Sprintf("T%d", i)
			b.stageDelayed(Delayed{Tsr: tsr, DelayDay: i % 2})
			b.Inject(Match{Subject: tsr}, Fault{Drop: i%3 == 0}, Fault{EffectAfter: time.Second})
			b.trigger(tsr)
			b.trigger(tsr)
			b.clock.add(time.Second)
			b.Calls()
			b.Effects()
			b.trigger(tsr)
		})
	}
	wg.Wait()
	if got := len(b.Calls()); got != 3*n {
		t.Errorf("got %d calls, want %d", got, 3*n)
	}
	for i, call := range b.Calls() {
		if call.Seq != i+1 {
			t.Errorf("call %d has Seq %d", i, call.Seq)
		}
	}
}
