package dashboard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

func ask(h http.Handler, method, path string, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8980"+path, nil)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	if host, ok := headers["Host"]; ok {
		r.Host = host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheGuardAnswersThisMachineOnly(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"})
	d := dashboard.New(dashboard.Config{Redis: rdb.Client()})
	if _, err := asynq.NewClientFromRedisClient(rdb.Client()).Enqueue(asynq.NewTask("a", nil), asynq.Queue("q")); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, method string
		headers      map[string]string
		want         int
	}{
		{"by its address", "POST", nil, 204},
		{"by another loopback address", "POST", map[string]string{"Host": "127.8.9.10:1"}, 204},
		{"by IPv6", "POST", map[string]string{"Host": "[::1]:8980"}, 204},
		{"by IPv6 without a port", "POST", map[string]string{"Host": "[::1]"}, 204},
		{"by name", "POST", map[string]string{"Host": "localhost"}, 204},
		{"from its own page", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, 204},
		{"typed into the address bar", "GET", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"a link on another site", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		{"a form on another site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a form on another site, deleting", "DELETE", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a form on another port", "POST", map[string]string{"Origin": "http://127.0.0.1:9999"}, 403},
		{"a sandboxed frame", "POST", map[string]string{"Origin": "null"}, 403},
		{"a name that points here", "GET", map[string]string{"Host": "evil.example"}, 403},
		{"a name that points here, with loopback in it", "GET", map[string]string{"Host": "127.0.0.1.evil.example:8980"}, 403},
		{"a name below localhost", "GET", map[string]string{"Host": "evil.localhost"}, 403},
		{"an address in the network", "GET", map[string]string{"Host": "10.0.0.1:8980"}, 403},
		{"all addresses", "GET", map[string]string{"Host": "0.0.0.0:8980"}, 403},
		{"no Host", "GET", map[string]string{"Host": ""}, 403},
	}
	for _, row := range rows {
		for _, prefix := range []string{"/asynq", ""} {
			path := prefix + "/api/queues"
			switch row.method {
			case "POST":
				path += "/q:pause"
			case "DELETE":
				path += "/q"
			}
			w := ask(d, row.method, path, row.headers)
			if w.Code != row.want {
				t.Errorf("%s: %s %s: got status %d, want %d", row.name, row.method, path, w.Code, row.want)
			}
			if w.Code == 204 { // so that the next row can do it again
				ask(d, "POST", prefix+"/api/queues/q:resume", nil)
			}
		}
	}
}

func TestEveryAnswerForbidsFramingAndSniffing(t *testing.T) {
	t.Parallel()
	d := dashboard.New(dashboard.Config{Redis: redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()})
	for _, path := range []string{"/", "/asynq/", "/asynq/api/queues", "/api/queues"} {
		h := ask(d, "GET", path, nil).Header()
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := h.Get(name); got != want {
				t.Errorf("GET %s: got %s %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestAPayloadThatIsNoJSONIsCountedAndNotShown(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"})
	d := dashboard.New(dashboard.Config{Redis: rdb.Client()})
	client := asynq.NewClientFromRedisClient(rdb.Client())
	for id, payload := range map[string]string{"bytes": "\x00\xffs3cret", "json": "{\n \"Tsr\": \"T1\"\n}"} {
		if _, err := client.Enqueue(asynq.NewTask("a", []byte(payload)), asynq.TaskID(id), asynq.Queue("q")); err != nil {
			t.Fatal(err)
		}
	}
	body := ask(d, "GET", "/asynq/api/queues/q/pending_tasks", nil).Body.String()
	if strings.Contains(body, "s3cret") || !strings.Contains(body, "(8 bytes that are no JSON)") || !strings.Contains(body, `{\"Tsr\":\"T1\"}`) {
		t.Errorf("got %s, want one payload counted and the other in one line", body)
	}
}

func TestAReadOnlyDashboardAnswersQuestionsOnly(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"})
	d := dashboard.New(dashboard.Config{Redis: rdb.Client(), ReadOnly: true})
	if _, err := asynq.NewClientFromRedisClient(rdb.Client()).Enqueue(asynq.NewTask("a", nil), asynq.Queue("q")); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"POST", "DELETE", "PUT", "PATCH"} {
		for _, path := range []string{"/asynq/api/queues/q:pause", "/asynq/api/queues/q", "/api/queues/q:pause", "/api/queues/q"} {
			if got := ask(d, method, path, nil).Code; got < 400 {
				t.Errorf("%s %s: got status %d, want a refusal", method, path, got)
			}
		}
	}
	if got := ask(d, "GET", "/asynq/api/queues/q", nil).Code; got != 200 {
		t.Errorf("GET: got status %d, want 200", got)
	}
}

func TestCloseClosesTheClientOfTheDashboardWithoutAnError(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	d := dashboard.New(dashboard.Config{Redis: rdb})
	if err := d.Close(); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if err := rdb.Ping(t.Context()).Err(); err == nil {
		t.Error("the client still works after Close")
	}
}

func TestOnlyLoopbackAddressesAreListenedOn(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:8980": true, "127.0.0.1:0": true, "[::1]:8980": true, "localhost:8980": true, "127.1.2.3:1": true,
		"0.0.0.0:8980": false, ":8980": false, "[::]:8980": false, "10.0.0.1:8980": false, "example.com:8980": false, "": false,
		"[::ffff:10.0.0.1]:8980": false, "localhost.example.com:8980": false,
	} {
		err := dashboard.CheckAddr(addr)
		if ok != (err == nil) || !ok && !errors.Is(err, dashboard.ErrPublicAddress) {
			t.Errorf("%q: got error %v, want one: %v", addr, err, !ok)
		}
	}
}
