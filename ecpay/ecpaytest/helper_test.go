package ecpaytest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// start is when the tests' clocks begin: shortly before midnight UTC, when Taipei already has the next day.
var start = time.Date(2026, 3, 9, 23, 30, 0, 0, time.UTC)

const startDate = "2026-03-10" // in Taipei

// clock is a clock that only moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a fake behind a real HTTP server, and a client with its own hands on the wire.
type bench struct {
	*Server
	t     *testing.T
	url   string
	clock *clock
	http  *http.Client
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: start}}
	cfg.Now = b.clock.Now
	b.Server = New(cfg)
	web := httptest.NewServer(b.Server)
	b.url = web.URL
	b.http = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // so that no dropped connection is silently retried
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		b.Close()
		web.Close()
	})
	return b
}

// result is one answer. A got that compares no header leaves Header out by clearing it.
type result struct {
	status int
	header http.Header
	body   string
	trans  int
	env    map[string]any
	data   map[string]any // decrypted; nil if that was impossible
	err    error
}

// code is RtnCode as it came.
func (r result) code() any { return r.data["RtnCode"] }

// m is a JSON object of a test.
type m = map[string]any

// envelopeOf builds the documented envelope around data.
func (b *bench) envelopeOf(data any) m {
	fields, ok := data.(m)
	if ok {
		if _, given := fields["MerchantID"]; !given {
			fields["MerchantID"] = StageMerchantID
		}
	}
	return m{
		"MerchantID": StageMerchantID,
		"RqHeader":   m{"Timestamp": b.clock.Now().Unix()},
		"Data":       newKeys(StageHashKey, StageHashIV).seal(mustJSON(data)),
	}
}

// call calls an operation with the documented envelope.
func (b *bench) call(path string, data m) result {
	b.t.Helper()
	return b.send(context.Background(), http.MethodPost, path, "application/json", mustJSON(b.envelopeOf(data)))
}

// send sends any request and reads what it can of the answer.
func (b *bench) send(ctx context.Context, method, path, kind string, body []byte) result {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := b.http.Do(req)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	r := result{status: resp.StatusCode, header: resp.Header, body: string(text), err: err}
	if json.Unmarshal(text, &r.env) != nil {
		return r
	}
	if n, ok := r.env["TransCode"].(float64); ok {
		r.trans = int(n)
	}
	if sealed, ok := r.env["Data"].(string); ok {
		if plain, err := newKeys(StageHashKey, StageHashIV).open(sealed); err == nil {
			_ = json.Unmarshal(plain, &r.data) // stays nil if it is no JSON
		}
	}
	return r
}

func (b *bench) trigger(tsr string) result {
	b.t.Helper()
	return b.call("/B2CInvoice/TriggerIssue", m{"Tsr": tsr, "PayType": "2"})
}

func (b *bench) cancel(tsr string) result {
	b.t.Helper()
	return b.call("/B2CInvoice/CancelDelayIssue", m{"Tsr": tsr})
}

func (b *bench) void(number string) result {
	b.t.Helper()
	return b.call("/B2BInvoice/Invalid", m{"InvoiceNumber": number, "InvoiceDate": startDate, "Reason": "wrong buyer"})
}

func (b *bench) confirm(number string) result {
	b.t.Helper()
	return b.call("/B2BInvoice/InvalidConfirm", m{"InvoiceNumber": number, "InvoiceDate": startDate})
}

func (b *bench) stageDelayed(d Delayed) {
	b.t.Helper()
	if err := b.StageDelayed(d); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stageInvoice(i Invoice) {
	b.t.Helper()
	if err := b.StageInvoice(i); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stageAllowance(a Allowance) {
	b.t.Helper()
	if err := b.StageAllowance(a); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stageB2CAllowance(a B2CAllowance) {
	b.t.Helper()
	if err := b.StageB2CAllowance(a); err != nil {
		b.t.Fatal(err)
	}
}

// effectNames are the names of the effects on a subject of the stage merchant.
func (b *bench) effectNames(subject string) []string {
	names := []string{}
	for _, e := range b.EffectsOn(StageMerchantID, subject) {
		names = append(names, e.Name)
	}
	return names
}

// lastCall is the ledger's last entry.
func (b *bench) lastCall() Call {
	b.t.Helper()
	calls := b.Calls()
	if len(calls) == 0 {
		b.t.Fatal("the ledger is empty")
	}
	return calls[len(calls)-1]
}

// eventually polls until ok, or fails the test after five seconds.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			b.t.Fatalf("not within 5 s: %s", what)
		}
	}
}

// sealEncoded encrypts text that is taken to be URL-encoded already.
func sealEncoded(k keys, encoded string) string {
	return base64.StdEncoding.EncodeToString(k.encrypt([]byte(encoded)))
}
