package ecpay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	stageID  = "2000132"
	stageKey = "ejCk326UnaZWKisg"
	stageIV  = "q9jcZX8Ib9LM8wYk"
)

func stageMerchant(t testing.TB) *Merchant {
	t.Helper()
	m, err := NewMerchant(MerchantConfig{MerchantID: stageID, HashKey: NewSecret(stageKey), HashIV: NewSecret(stageIV)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newServer serves h below a path, so that an absolute path in the client fails.
func newServer(t *testing.T, h http.HandlerFunc, mod ...func(*Config)) *Client {
	t.Helper()
	srv := httptest.NewServer(http.StripPrefix("/base", h))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + "/base")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{BaseURL: u, Timeout: 5 * time.Second}
	for _, f := range mod {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// answer writes an envelope whose Data is the sealed text.
func answer(t testing.TB, data string) string {
	t.Helper()
	return fmt.Sprintf(`{"MerchantID":2000132,"RpHeader":{"Timestamp":1525169058},"TransCode":1,"TransMsg":"","Data":%q}`,
		testCodec(t, stageKey, stageIV).Seal([]byte(data)))
}

func trigger() *B2CTriggerIssueRequest {
	return &B2CTriggerIssueRequest{MerchantID: stageID, Tsr: "201909170001"}
}

func allowance() *B2BGetAllowanceConfirmRequest {
	return &B2BGetAllowanceConfirmRequest{MerchantID: stageID, AllowanceNo: "1909241702402030"}
}

// sample returns a valid request of every operation, so that tests range over
// the operation table.
func sample(op Operation) Request {
	key := InvoiceKey{MerchantID: stageID, InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23"}
	for _, r := range append(b2bSamples(), []Request{
		trigger(), allowance(), goodDelayIssue(),
		&B2CCancelDelayIssueRequest{stageID, "201909170001"},
		&B2CGetIssueRequest{MerchantID: stageID, RelateNumber: "R1"},
		&B2CInvalidRequest{stageID, "JU11082064", "2019-09-23", "r"},
		goodAllowance(), goodOffer(),
		&B2CAllowanceInvalidRequest{stageID, "JU11082064", "2026061721545183", "r"},
		&B2CAllowanceInvalidByCollegiateRequest{stageID, "JU11082064", "2026061721545183", "r"},
		&B2CGetAllowanceRequest{stageID, "JU11082064", "2026061721545183"},
		&B2CGetAllowanceListRequest{MerchantID: stageID, SearchType: ByInvoiceDate, InvoiceNo: "JU11082064", Date: "2019-09-23"},
		&B2CGetAllowanceInvalidRequest{stageID, "JU11082064", "2026061721545183"},
		&B2CIssueRequest{goodInvoice()}, &B2CEditDelayIssueRequest{B2CInvoice: goodInvoice(), Tsr: "R1"}, goodReIssue(), goodNotify(),
		&B2CGetIssueListRequest{stageID, "2026-06-01", "2026-06-30", 200, 1, "1"},
		&B2CGetInvalidRequest{stageID, "R1", "JU11082064", "2019-09-23"},
		&B2CCheckBarcodeRequest{stageID, "/ABC+123"}, &B2CCheckLoveCodeRequest{stageID, "168001"},
		&B2CGetCompanyNameByTaxIDRequest{stageID, "23165448"}, &B2CGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, "115"}},
		&B2CGetInvoiceWordSettingRequest{goodWordQuery()}, &B2CAddInvoiceWordSettingRequest{goodWord()},
		&B2CUpdateInvoiceWordStatusRequest{InvoiceWordStatus{stageID, "0000000001", "2"}},
		&B2CInvoicePrintRequest{MerchantID: stageID, InvoiceNo: "JU11082064", InvoiceDate: "2019-09-23"},
		&B2BInvalidRequest{stageID, "VG11000002", "2019-09-23", "r", ""},
		&B2BInvalidConfirmRequest{stageID, "VG11000002", "2019-09-23", ""},
		&B2BGetIssueRequest{InvoiceKey: key}, &B2BGetInvalidRequest{key}, &B2BGetInvalidConfirmRequest{key},
	}...) {
		if r.Operation().String() == op.String() {
			return r
		}
	}
	return nil
}

func TestAnOperationMakesItsRequestWhereItIsAQuery(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		req := op.NewQuery()
		if (req == nil) != op.Write {
			t.Errorf("%s: write is %v, and NewQuery returns %T", op, op.Write, req)
		}
		if req != nil && req.Operation().ID() != op.ID() {
			t.Errorf("%s: NewQuery returns a request of %s", op, req.Operation())
		}
	}
}

func TestEnvelopeOfEveryOperation(t *testing.T) {
	t.Parallel()
	type header struct {
		Timestamp json.Number
		RqID      string
		Revision  string
	}
	type envelope struct {
		PlatformID *string
		MerchantID string
		RqHeader   header
		Data       string
	}
	for _, op := range Operations() {
		t.Run(op.String(), func(t *testing.T) {
			t.Parallel()
			req := sample(op)
			if req == nil {
				t.Fatal("no sample request")
			}
			var got envelope
			seen := map[string]bool{}
			c := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if want := "/" + string(op.Category) + "Invoice/" + op.Name; r.URL.Path != want || r.Method != http.MethodPost {
					t.Errorf("%s %s, want POST %s", r.Method, r.URL.Path, want)
				}
				dec := json.NewDecoder(r.Body)
				dec.DisallowUnknownFields()
				if err := dec.Decode(&got); err != nil {
					t.Error(err)
				}
				seen[got.RqHeader.RqID] = true
				if op.pdf {
					w.Header().Set("Content-Type", "application/pdf")
					_, _ = io.WriteString(w, smallPDF)
					return
				}
				_, _ = io.WriteString(w, answer(t, fmt.Sprintf(`{"RtnCode":%d,"RtnMsg":""}`, op.Success[0])))
			})
			for range 2 {
				resp, err := c.Do(t.Context(), stageMerchant(t), req)
				if err != nil {
					t.Fatal(err)
				}
				if code, _ := resp.Result(); code != op.Success[0] {
					t.Errorf("code %d", code)
				}
			}
			stamp, err := got.RqHeader.Timestamp.Int64()
			if age := time.Since(time.Unix(stamp, 0)); err != nil || age < -time.Second || age > 3*time.Second {
				t.Errorf("timestamp %s is %v old", got.RqHeader.Timestamp, age)
			}
			data, err := testCodec(t, stageKey, stageIV).Open(got.Data)
			want, _ := marshalData(req)
			if err != nil || string(data) != string(want) {
				t.Errorf("Data %s, %v, want %s", data, err, want)
			}
			switch {
			case op.Category == B2C && (got.RqHeader.Revision != "3.0.0" || got.RqHeader.RqID != ""):
				t.Errorf("B2C header %+v", got.RqHeader)
			case op.Category == B2B && (got.RqHeader.Revision != "1.0.0" || len(seen) != 2 || len(got.RqHeader.RqID) != 36):
				t.Errorf("B2B header %+v, %d different RqID, want 2", got.RqHeader, len(seen))
			}
			if got.PlatformID != nil {
				t.Error("PlatformID is sent for an ordinary merchant")
			}
		})
	}
}

func TestPlatformIDIsSent(t *testing.T) {
	t.Parallel()
	c := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"PlatformID":"3000001"`) {
			t.Errorf("body %s", body)
		}
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":4000004}`))
	})
	m, err := NewMerchant(MerchantConfig{MerchantID: stageID, PlatformID: "3000001", HashKey: NewSecret(stageKey), HashIV: NewSecret(stageIV)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.B2CTriggerIssue(t.Context(), m, trigger()); err != nil {
		t.Fatal(err)
	}
}

func TestNotSentIsProven(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close() // nobody listens here any more
	base, _ := url.Parse("http://" + addr)
	c, err := New(Config{BaseURL: base, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	check := func(c *Client, ctx context.Context, kind Kind, want Execution) {
		t.Helper()
		_, err := c.Do(ctx, stageMerchant(t), trigger())
		var e *Error
		if !errors.As(err, &e) || e.Kind != kind || e.Execution != want {
			t.Errorf("%v: got %+v, want %s, %s", err, e, kind, want)
		}
	}
	check(c, t.Context(), Unavailable, NotSent) // refused

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	check(c, cancelled, Unavailable, NotSent)

	// A TLS handshake that fails has written bytes, but none of the request.
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	base, _ = url.Parse(strings.Replace(plain.URL, "http:", "https:", 1))
	c, err = New(Config{BaseURL: base, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	check(c, t.Context(), Unavailable, NotSent)

	// A server that reads and drops may have acted.
	c = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	check(c, t.Context(), Ambiguous, MaybeExecuted)

	// Over TLS too.
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(srv.Close)
	base, _ = url.Parse(srv.URL)
	c, err = New(Config{BaseURL: base, Timeout: 2 * time.Second, RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	check(c, t.Context(), Ambiguous, MaybeExecuted)

	// A hang until the caller gives up, which is not before the request is there.
	impatient, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	c = newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		giveUp()
		<-r.Context().Done()
	})
	check(c, impatient, Ambiguous, MaybeExecuted)
}

// lateContext is over, but its timer has not fired: a process that wakes from
// a freeze.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }

func TestNothingIsSentAfterTheDeadlineEvenIfNoTimerFired(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":4000004}`))
	})
	if _, err := c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger()); err != nil {
		t.Fatal(err) // leaves a connection that needs no dialling
	}
	_, err := c.B2CTriggerIssue(lateContext{t.Context()}, stageMerchant(t), trigger())
	var e *Error
	if !errors.As(err, &e) || e.Execution != NotSent || calls.Load() != 1 {
		t.Errorf("%v, %d calls; want nothing sent", err, calls.Load())
	}
}

// While a machine is suspended, the clock by which deadlines are kept stands still.
func TestNothingIsSentAfterTheMachineSlept(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); len(b) > 0 { // the head alone tells nothing
			calls.Add(1)
		}
	}))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	var slept atomic.Int64
	c, err := New(Config{
		BaseURL: base, Now: func() time.Time { return time.Now().Add(time.Duration(slept.Load())) },
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			slept.Store(int64(20 * time.Second))
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), stageMerchant(t), trigger())
	var e *Error
	if !errors.As(err, &e) || e.Execution != NotSent || calls.Load() != 0 {
		t.Errorf("%v, %d calls; want nothing sent", err, calls.Load())
	}
}

func TestStampIsMadeAfterConnecting(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(1_800_000_000)
	var stamp atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var env struct{ RqHeader struct{ Timestamp int64 } }
		_ = json.NewDecoder(r.Body).Decode(&env)
		stamp.Store(env.RqHeader.Timestamp)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew { // connecting took 15 seconds
			now.Add(15)
		}
	}
	// The listener lets the client connect only after the server saw it: TLS
	// needs the server's part of the handshake.
	srv.StartTLS()
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	c, err := New(Config{
		BaseURL: base, Now: func() time.Time { return time.Unix(now.Load(), 0) },
		RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Do(t.Context(), stageMerchant(t), trigger())
	if got := stamp.Load(); got != 1_800_000_015 {
		t.Errorf("stamp %d, want the time after the handshake, 1800000015", got)
	}
}

// Go's client sends a POST again by itself only when it has such a key: a second write at ECPay.
func TestNoIdempotencyKeyIsSent(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[http.Header]
	c := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		got.Store(&h)
		fmt.Fprint(w, answer(t, `{"RtnCode":1}`))
	})
	_, _ = c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger())
	h := got.Load()
	if h == nil {
		t.Fatal("nothing was sent")
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} { // which net/http looks for
		if v, ok := (*h)[name]; ok {
			t.Errorf("%s is sent: %q", name, v)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":4000004}`))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	c, err := New(Config{BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := c.B2CTriggerIssue(t.Context(), stageMerchant(t), trigger()); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 10 requests, want 1", n)
	}
}

func TestRequestsThatCannotBeRightAreNotSent(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := newServer(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	for name, tc := range map[string]struct {
		m    *Merchant
		req  Request
		want Kind
	}{
		"invalid field":    {stageMerchant(t), &B2CTriggerIssueRequest{MerchantID: stageID}, Rejected},
		"no keys":          {nil, trigger(), Denied},
		"another merchant": {stageMerchant(t), &B2CTriggerIssueRequest{MerchantID: "3085340", Tsr: "A"}, Rejected},
	} {
		_, err := c.Do(t.Context(), tc.m, tc.req)
		var e *Error
		if !errors.As(err, &e) || e.Kind != tc.want || e.Execution != NotSent {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls.Load() != 0 {
		t.Error("something was sent")
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"stage": true, "production": true, "https://example.com/x": true, "http://127.0.0.1:8990": true, "http://[::1]:1": true,
		"http://localhost:1": true, "http://example.com": false, "http://10.0.0.1": false, "ftp://127.0.0.1": false, "": false,
		"stagee": false, "https://u:p@example.com": false, "https://example.com?a=b": false,
	} {
		if _, err := ParseBaseURL(in); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestErrorsHoldNoSecretAndNoField(t *testing.T) {
	t.Parallel()
	var body string
	c := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.WriteHeader(500)
		_, _ = w.Write(b) // a hostile server echoes everything
	})
	req := &B2BInvalidRequest{stageID, "VG11000002", "2019-09-23", "王小明", "0912345678"}
	_, err := c.B2BInvalid(t.Context(), stageMerchant(t), req)
	var env requestEnvelope
	if uerr := json.Unmarshal([]byte(body), &env); uerr != nil {
		t.Fatal(uerr)
	}
	if _, oerr := testCodec(t, stageKey, stageIV).Open(env.Data); oerr != nil {
		t.Fatalf("the request was not made with the secret: %v", oerr)
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, secret := range []string{stageKey, stageIV, env.Data, env.RqHeader.RqID, fmt.Sprint(env.RqHeader.Timestamp), "王小明", "0912345678"} {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

func parseRequest(t testing.TB, body []byte) requestEnvelope {
	t.Helper()
	var env requestEnvelope
	if err := json.Unmarshal(body, &env); err != nil {
		t.Errorf("request %s: %v", body, err)
	}
	return env
}
