package ecpaytest

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEnvelopeIsChecked(t *testing.T) {
	t.Parallel()
	type want struct{ Status, Trans int }
	var (
		ok      = want{200, TransOK}
		stale   = want{200, TransStale}
		bad     = want{200, TransBadEnvelope}
		unknown = want{200, TransNotActivated}
		decrypt = want{500, TransDecryptFail}
	)
	stamp := func(v any) func(m) { return func(e m) { e["RqHeader"].(m)["Timestamp"] = v } }
	set := func(name string, v any) func(m) { return func(e m) { e[name] = v } }
	now := start.Unix()
	for _, row := range []struct {
		name   string
		change func(m)
		want   want
	}{
		{"as documented", func(m) {}, ok},
		{"window still open", stamp(now - 600), ok},
		{"too old", stamp(now - 601), stale},
		{"a little ahead", stamp(now + 120), ok},
		{"too far ahead", stamp(now + 121), stale},
		{"Taipei time taken for UTC", stamp(now + 8*3600), stale},
		{"milliseconds", stamp(now * 1000), stale},
		{"timestamp as string", stamp("1525168923"), bad},
		{"timestamp with a fraction", stamp(1525168923.5), bad},
		{"timestamp null", stamp(nil), bad},
		{"no timestamp", func(e m) { delete(e["RqHeader"].(m), "Timestamp") }, bad},
		{"no RqHeader", func(e m) { delete(e, "RqHeader") }, bad},
		{"MerchantID in lower case", func(e m) { e["merchantid"] = e["MerchantID"]; delete(e, "MerchantID") }, bad},
		{"MerchantID as number", set("MerchantID", 2000132), bad},
		{"unknown merchant", set("MerchantID", "3002607"), unknown},
		{"empty PlatformID", set("PlatformID", ""), ok},
		{"foreign PlatformID", set("PlatformID", "3085340"), want{200, TransBadPlatform}},
		{"empty Data", set("Data", ""), want{200, TransEmptyData}},
		{"no Data", func(e m) { delete(e, "Data") }, want{200, TransEmptyData}},
		{"Data as object", set("Data", m{}), bad},
		{"Data by another key", set("Data", otherKeys.seal([]byte(`{}`))), decrypt},
		{"Data by another IV", set("Data", newKeys(StageHashKey, "0000000000000000").seal([]byte(`{"MerchantID":"2000132"}`))), decrypt},
		{"Data in plain JSON", set("Data", `{"MerchantID":"2000132"}`), decrypt},
		{"revision of the samples", func(e m) { e["RqHeader"].(m)["Revision"] = "3.0.0" }, ok},
		{"revision of the .NET library", func(e m) { e["RqHeader"].(m)["Revision"] = "1.0.0" }, ok},
		{"revision of nobody", func(e m) { e["RqHeader"].(m)["Revision"] = "2.0.0" }, want{200, TransBadRevision}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			env := b.envelopeOf(m{"Tsr": "T1"})
			row.change(env)
			r := b.send(context.Background(), http.MethodPost, "/B2CInvoice/CancelDelayIssue", "application/json", mustJSON(env))
			if diff := cmp.Diff(row.want, want{r.status, r.trans}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.trans != TransOK && (r.env["Data"] != nil || r.env["TransMsg"] == "") {
				t.Errorf("got %s, want Data null and a TransMsg", r.body)
			}
			if got := b.lastCall(); got.HTTPStatus != row.want.Status || got.TransCode != row.want.Trans {
				t.Errorf("ledger has %d and %d, want %+v", got.HTTPStatus, got.TransCode, row.want)
			}
		})
	}
}

func TestEnvelopeOfAnAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "T1"})
	r := b.trigger("T1")
	if _, ok := r.env["Data"].(string); !ok {
		t.Fatalf("got %s, want Data to be a string", r.body)
	}
	delete(r.env, "Data")
	want := m{"PlatformID": "", "MerchantID": StageMerchantID, "RpHeader": m{"Timestamp": float64(start.Unix())},
		"TransCode": 1.0, "TransMsg": "Success"}
	if diff := cmp.Diff(want, r.env); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(start.Format(http.TimeFormat), r.header.Get("Date")); diff != "" {
		t.Errorf("Date (-want +got):\n%s", diff)
	}

	b.stageInvoice(Invoice{InvoiceNumber: "AB12345678"})
	header := b.void("AB12345678").env["RpHeader"]
	if diff := cmp.Diff(m{"Timestamp": float64(start.Unix()), "Reversion": "1.0.0"}, header); diff != "" {
		t.Errorf("B2B RpHeader (-want +got):\n%s", diff)
	}
}

func TestSpacesComeBackAsPlus(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageDelayed(Delayed{Tsr: "T1", Issued: true})
	r := b.call("/B2CInvoice/GetIssue", m{"RelateNumber": "T1"})
	sealed, err := base64.StdEncoding.DecodeString(r.env["Data"].(string))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := newKeys(StageHashKey, StageHashIV).decrypt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2026-03-10+07%3A30%3A00"; !strings.Contains(string(encoded), want) {
		t.Errorf("got %s, want %s in it", encoded, want)
	}
}

func TestWrongRequestsGetAPageOfHTML(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, path, kind string
		size, want               int
	}{
		{"wrong path", "POST", "/B2CInvoice/Trigger", "application/json", 0, 500},
		{"path in lower case", "POST", "/b2cinvoice/triggerissue", "application/json", 0, 500},
		{"GET", "GET", "/B2CInvoice/TriggerIssue", "application/json", 0, 500},
		{"plain text", "POST", "/B2CInvoice/TriggerIssue", "text/plain", 0, 500},
		{"JSON as a form, as the .NET library sends it", "POST", "/B2CInvoice/TriggerIssue", "application/x-www-form-urlencoded", 0, 200},
		{"JSON with charset", "POST", "/B2CInvoice/TriggerIssue", "application/json; charset=utf-8", 0, 200},
		{"too large", "POST", "/B2CInvoice/TriggerIssue", "application/json", 2000, 413},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{MaxBody: 1000})
			body := mustJSON(b.envelopeOf(m{"Tsr": "T1", "PayType": "2"}))
			if row.size > 0 {
				body = []byte(strings.Repeat("x", row.size))
			}
			r := b.send(context.Background(), row.method, row.path, row.kind, body)
			if r.status != row.want {
				t.Errorf("got HTTP %d, want %d", r.status, row.want)
			}
			if html := strings.HasPrefix(r.header.Get("Content-Type"), "text/html"); html != (row.want != 200) {
				t.Errorf("got %s", r.header.Get("Content-Type"))
			}
			if got := b.lastCall(); got.HTTPStatus != row.want || got.Path != row.path {
				t.Errorf("ledger has %+v", got)
			}
		})
	}
}

func TestServiceMayBeWithheld(t *testing.T) {
	t.Parallel()
	stage := Merchant{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV}
	for _, row := range []struct {
		name     string
		change   func(*Merchant)
		b2c, b2b int
	}{
		{"both", func(*Merchant) {}, TransOK, TransOK},
		{"B2B only", func(m *Merchant) { m.B2CDisabled = true }, TransNotActivated, TransOK},
		{"B2C only", func(m *Merchant) { m.B2BDisabled = true }, TransOK, TransNotActivated},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			merchant := stage
			row.change(&merchant)
			b := newBench(t, Config{Merchants: []Merchant{merchant}})
			if got := b.cancel("T1").trans; got != row.b2c {
				t.Errorf("B2C: got %d, want %d", got, row.b2c)
			}
			if got := b.void("AB12345678").trans; got != row.b2b {
				t.Errorf("B2B: got %d, want %d", got, row.b2b)
			}
		})
	}
}

func TestPlatformKeys(t *testing.T) {
	t.Parallel()
	platform := newKeys("platform-hash-k!", "platform-hash-i!")
	own := newKeys(StageHashKey, StageHashIV)
	b := newBench(t, Config{Merchants: []Merchant{{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV,
		PlatformID: "3085340", PlatformHashKey: "platform-hash-k!", PlatformHashIV: "platform-hash-i!"}}})
	for _, row := range []struct {
		name       string
		platformID string
		keys       keys
		want       int
	}{
		{"platform with its keys", "3085340", platform, TransOK},
		{"platform with the merchant's keys", "3085340", own, TransDecryptFail},
		{"merchant with its keys", "", own, TransOK},
		{"merchant with the platform's keys", "", platform, TransDecryptFail},
	} {
		env := b.envelopeOf(m{"Tsr": "T1"})
		env["PlatformID"] = row.platformID
		env["Data"] = row.keys.seal([]byte(`{"MerchantID":"2000132","Tsr":"T1"}`))
		r := b.send(context.Background(), http.MethodPost, "/B2CInvoice/CancelDelayIssue", "application/json", mustJSON(env))
		if r.trans != row.want {
			t.Errorf("%s: got %d, want %d", row.name, r.trans, row.want)
		}
		if sealed, ok := r.env["Data"].(string); ok {
			if _, err := row.keys.open(sealed); err != nil {
				t.Errorf("%s: the answer is not encrypted with the request's keys", row.name)
			}
		}
	}
}

func TestMinIntervalBans(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{MinInterval: 200 * time.Millisecond, Merchants: []Merchant{
		{MerchantID: StageMerchantID, HashKey: StageHashKey, HashIV: StageHashIV},
		{MerchantID: "2000933", HashKey: StageHashKey, HashIV: StageHashIV},
	}})
	step := func(name string, wait time.Duration, want int) {
		t.Helper()
		b.clock.add(wait)
		if got := b.cancel("T1").status; got != want {
			t.Errorf("%s: got HTTP %d, want %d", name, got, want)
		}
	}
	step("first", 0, 200)
	step("in time", 200*time.Millisecond, 200)
	step("too soon", 199*time.Millisecond, 403)
	step("during the ban", 29*time.Minute, 403)
	env := b.envelopeOf(m{"MerchantID": "2000933", "Tsr": "T1"})
	env["MerchantID"] = "2000933"
	if got := b.send(context.Background(), "POST", "/B2CInvoice/CancelDelayIssue", "application/json", mustJSON(env)).status; got != 200 {
		t.Errorf("another merchant: got HTTP %d, want 200", got)
	}
	step("after the ban", time.Minute, 200)
}
