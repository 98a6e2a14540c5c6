package dashboard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

func TestMerchantsShowPaceBanAndRefusedKeysAndAreResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rdb := w.redis.Client()
	wantText(t, "no merchant", w.get("/merchants"), []string{"nothing is held"})
	micro := func(d time.Duration) int64 { return time.Now().Add(d).UnixMicro() }
	pace := func(id string, fields ...any) {
		w.must(rdb.HSet(t.Context(), record.KeysOf(id).Pace, fields...).Err())
	}
	pace("1000001", "interval", 200_000, "last", micro(-time.Second))
	pace("1000002", "interval", 50_000, "last", micro(-time.Minute), "ban",
		micro(time.Hour), "ban_since", micro(-time.Minute), "ban_why", "HTTP 403")
	w.must(merchants.New(rdb).Seen(t.Context(), []string{"1000001", "1000002"}))

	page := w.get("/merchants")
	wantText(t, "merchants", page, []string{"1000001", "200ms", "1000002", "50ms", "banned", "HTTP 403", "Resume"})
	if body := page.Body.String(); strings.Index(body, "1000002") > strings.Index(body, "1000001") ||
		strings.Count(body, "Resume</button>") != 1 {
		t.Errorf("who is in trouble is not first, or who is not can be resumed:\n%s", body)
	}
	wantText(
		t, "in Chinese",
		w.do(request{method: "GET", path: "/merchants?merchant=1000002", headers: map[string]string{"Accept-Language": "zh-TW"}}),
		[]string{"綠界要求暫停", "恢復"}, "1000001",
	)
	resume := func(id string) *httptest.ResponseRecorder {
		return w.do(request{method: "POST", path: "/merchants/resume",
			form: url.Values{"merchant": {id}, "note": {"ECPay agreed"}, "back": {"/merchants"}}})
	}
	if a := resume("1000002"); a.Header().Get("Location") != "/merchants?done=resumed.1" {
		t.Errorf("resume: got status %d to %q", a.Code, a.Header().Get("Location"))
	}
	if a := resume("1000009"); a.Code != http.StatusNotFound {
		t.Errorf("a merchant of which nothing is known: got status %d, want 404", a.Code)
	}
	if m, err := merchants.New(rdb).Get(t.Context(), "1000002"); err != nil || m.Ban != nil {
		t.Errorf("after it: %+v, %v, want no ban", m, err)
	}
	if a := w.audit(); len(a) != 1 || a[0].MerchantID != "1000002" ||
		a[0].What != "resume" || a[0].Who != "dashboard" || a[0].Note != "ECPay agreed" {
		t.Errorf("audit: %+v", a)
	}
	wantText(t, "audit", w.get("/audit"), []string{"/merchants?merchant=1000002", "ECPay agreed"})
}

func TestMerchantsShowWhichKeysAreRefusedAndWhenTheyAreTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rdb := w.redis.Client()
	since, next := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	denial := func(probeEnd time.Time) string { // as the gate keeps it
		return fmt.Sprintf("%d %d 1 %d - B2B Invalid: Denied: TransCode 110: 金鑰 / IV 錯誤, HashKey mismatch",
			since.UnixMicro(), next.UnixMicro(), probeEnd.UnixMicro())
	}
	w.must(rdb.HSet(t.Context(), record.KeysOf("1000001").Pace, "interval", 200_000,
		"last", since.UnixMicro(), "denied:B2C:0000000a", denial(since)).Err())
	w.must(rdb.HSet(t.Context(), record.KeysOf("1000002").Pace, "interval", 200_000,
		"last", since.UnixMicro(), "denied:B2B:"+gate.NoKeys, denial(next)).Err())
	w.must(merchants.New(rdb).Seen(t.Context(), []string{"1000001", "1000002"}))
	zh := map[string]string{"Accept-Language": "zh-TW"}
	get := func(id string, headers map[string]string) *httptest.ResponseRecorder {
		return w.do(request{method: "GET", path: "/merchants?merchant=" + id, headers: headers})
	}
	wantText(t, "with keys", get("1000001", nil), []string{
		">denied</span> B2C, key <code>0000000a</code>, since <span class=\"time\">2026-01-02 11:04:05",
		"tried again at <span class=\"time\">2099-01-02 11:04:05",
		"B2B Invalid: Denied: TransCode 110: 金鑰 / IV 錯誤, HashKey mismatch<", "Resume</button>",
	}, "遭拒", "no keys", "banned")
	wantText(t, "with keys, in Chinese", get("1000001", zh),
		[]string{">遭拒</span> B2C, 金鑰 <code>0000000a</code>", "下次重試", "B2B Invalid: Denied: TransCode 110: 金鑰 / IV 錯誤, HashKey mismatch<"})
	wantText(t, "without keys, and tried now", get("1000002", nil),
		[]string{">denied</span> B2B, no keys, since", "tried at this moment"}, "tried again at")
}

func TestMerchantsShowAPauseThatIsNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	wantText(t, "while all is well", w.get("/merchants"), nil, "othing is sent")
	egress := gate.NewEgress(w.redis.Client(), worker.DefaultEgress, 0)
	for i := range 3 {
		_, err := egress.Forbidden(t.Context(), gate.Attempt{Token: "t"}, fmt.Sprint(i), time.Hour)
		w.must(err)
	}
	wantText(t, "a ban of the address", w.get("/merchants"),
		[]string{"<strong>ECPay bans the address</strong>: nothing is sent until", "egress <code>default</code>"})
	wantText(t, "in Chinese", w.do(request{method: "GET", path: "/merchants", headers: map[string]string{"Accept-Language": "zh-TW"}}),
		[]string{"<strong>綠界封鎖對外位址</strong>； 在此之前不送出任何呼叫"}, "othing is sent")
}
