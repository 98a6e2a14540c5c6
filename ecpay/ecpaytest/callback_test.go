package ecpaytest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// callbacks is a fake whose callbacks come to a channel.
func callbacks(t *testing.T) (*Server, <-chan Callback) {
	t.Helper()
	got := make(chan Callback, 10)
	s := New(Config{Callback: func(c Callback) { got <- c }})
	t.Cleanup(s.Close)
	return s, got
}

// count waits until n have come, and a little for one too many.
func count(t *testing.T, got <-chan Callback, n int) (all []Callback) {
	t.Helper()
	for len(all) < n {
		select {
		case c := <-got:
			all = append(all, c)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d callbacks came, want %d", len(all), n)
		}
	}
	select {
	case c := <-got:
		t.Errorf("one callback too many: %v", c)
	case <-time.After(50 * time.Millisecond):
	}
	return all
}

func TestACallbackComesOnceTwiceLateOrNever(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults []Fault
		want   int
	}{
		"once": {nil, 1}, "twice": {[]Fault{{Twice: true}}, 2}, "late": {[]Fault{{Latency: 30 * time.Millisecond}}, 1},
		"never": {[]Fault{{Drop: true}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, got := callbacks(t)
			s.Inject(Match{Operation: OpCallback, Subject: "T1"}, c.faults...)
			d := Delayed{Tsr: "T1", RelateNumber: "R1", DelayFlag: "1", DelayDay: 3, NotifyURL: "http://shop/notify"}
			if err := s.StageDelayed(d); err != nil {
				t.Fatal(err)
			}
			s.Advance(72 * time.Hour)
			for _, c := range count(t, got, c.want) {
				if f := c.Form; c.URL != "http://shop/notify" || f.Get("inv_mer_id") != StageMerchantID || f.Get("od_sob") != "R1" ||
					f.Get("tsr") != "T1" || len(f.Get("invoicenumber")) != 10 || len(f.Get("invoicecode")) != 4 || f.Get("inv_error") != "" {
					t.Errorf("got %v", c)
				}
			}
		})
	}
}

func TestACallbackSaysThatThereIsNoNumber(t *testing.T) {
	t.Parallel()
	s, got := callbacks(t)
	if err := s.StageTrack(Track{InvoiceHeader: "AB", InvoiceStart: "00000000", InvoiceEnd: "00000049", UseStatus: "3"}); err != nil {
		t.Fatal(err)
	}
	if err := s.StageDelayed(Delayed{Tsr: "T1", DelayFlag: "1", DelayDay: 1, NotifyURL: "http://shop/notify"}); err != nil {
		t.Fatal(err)
	}
	s.Advance(24 * time.Hour)
	s.Advance(24 * time.Hour)
	if c := count(t, got, 1)[0]; c.Form.Get("inv_error") == "" || c.Form.Get("invoicenumber") != "" {
		t.Errorf("got %v", c)
	}
}

func TestACallbackIsSentToThisMachineOnlyAndWantsItsAnswer(t *testing.T) {
	t.Parallel()
	answer := make(chan string, 1)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("tsr") != "T1" {
			t.Errorf("got the form %v", r.Form)
		}
		_, _ = w.Write([]byte(<-answer))
	}))
	defer shop.Close()
	c := Callback{shop.URL, map[string][]string{"tsr": {"T1"}}}
	answer <- "1|OK"
	if err := PostCallback(context.Background(), c); err != nil {
		t.Error(err)
	}
	answer <- "1|OK\n"
	if err := PostCallback(context.Background(), c); err == nil {
		t.Error("an end of line is taken")
	}
	for _, elsewhere := range []string{"http://192.0.2.1/", "http://shop.example/", "http://[2001:db8::1]/"} {
		err := PostCallback(context.Background(), Callback{URL: elsewhere})
		if err == nil || !strings.Contains(err.Error(), "not on this machine") {
			t.Errorf("%s: got %v", elsewhere, err)
		}
	}
}
