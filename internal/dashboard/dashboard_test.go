package dashboard_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/crypto/bcrypt"

	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// world is a dashboard on a Redis of its own.
type world struct {
	*testing.T
	redis  *redistest.Server
	d      *dashboard.Dashboard
	ledger *deadletter.Ledger
	now    time.Time
}

func newWorld(t *testing.T, change func(*dashboard.Config)) *world {
	t.Helper()
	w := &world{T: t, redis: redistest.New(t, redistest.Options{AppendFsync: "no"}), now: time.Now()}
	cfg := dashboard.Config{Redis: w.redis.Client(), Now: func() time.Time { return w.now }}
	if change != nil {
		change(&cfg)
	}
	d, err := dashboard.New(cfg)
	w.must(err)
	w.d, w.ledger = d, deadletter.New(deadletter.Config{Redis: w.redis.Client()})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

const (
	viewerPassword   = "only-looks-7Q"
	operatorPassword = "does-things-9Z"
)

// withUsers lets vera look and olga operate.
func withUsers(t *testing.T) func(*dashboard.Config) {
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	return func(cfg *dashboard.Config) {
		cfg.Users = []dashboard.User{
			{Name: "vera", PasswordHash: hash(viewerPassword), Role: dashboard.Viewer},
			{Name: "olga", PasswordHash: hash(operatorPassword), Role: dashboard.Operator},
		}
	}
}

// request is one request of a browser.
type request struct {
	method, path string
	headers      map[string]string
	form         url.Values
	cookie       *http.Cookie
	tls          bool
}

func (w *world) do(q request) *httptest.ResponseRecorder {
	w.Helper()
	var body io.Reader
	if q.form != nil {
		body = strings.NewReader(q.form.Encode())
	}
	scheme := map[bool]string{false: "http", true: "https"}[q.tls]
	r := httptest.NewRequest(q.method, scheme+"://127.0.0.1:8980"+q.path, body)
	if q.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range q.headers {
		r.Header.Set(k, v)
	}
	if host, ok := q.headers["Host"]; ok {
		r.Host = host
	}
	if q.cookie != nil {
		r.AddCookie(q.cookie)
	}
	rec := httptest.NewRecorder()
	w.d.ServeHTTP(rec, r)
	return rec
}

func (w *world) get(path string) *httptest.ResponseRecorder {
	w.Helper()
	return w.do(request{method: "GET", path: path})
}

// login returns the session's cookie.
func (w *world) login(user, password string) *http.Cookie {
	w.Helper()
	a := w.do(request{method: "POST", path: "/login", form: url.Values{"user": {user}, "password": {password}}})
	for _, c := range a.Result().Cookies() {
		if c.Name == "ecpayq_session" && a.Code == http.StatusSeeOther {
			return c
		}
	}
	w.Fatalf("login of %s: got status %d and %v", user, a.Code, a.Result().Cookies())
	return nil
}

func (w *world) put(id, payload string) {
	w.Helper()
	_, err := asynq.NewClientFromRedisClient(w.redis.Client()).Enqueue(asynq.NewTask("a", []byte(payload)), asynq.TaskID(id), asynq.Queue("q"))
	w.must(err)
}

func TestTheGuardAnswersThisMachineOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.put("1", "")
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
		{"a script of its own page", "GET", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200},
		{"an image on another site", "GET",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"a link on another site", "GET",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"a script on another port", "GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403},
		{"a script on another port, of an old browser", "GET", map[string]string{"Origin": "http://127.0.0.1:9999"}, 403},
		{"another site, asking whether it is there", "HEAD", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
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
			if got := w.do(request{method: row.method, path: path, headers: row.headers}).Code; got != row.want {
				t.Errorf("%s: %s %s: got status %d, want %d", row.name, row.method, path, got, row.want)
			}
			if row.want == 204 { // so that the next row can do it again
				w.do(request{method: "POST", path: prefix + "/api/queues/q:resume"})
			}
		}
	}
}

func TestEveryAnswerHasStrictHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/", "/waiting", "/merchants", "/schedules", "/reconcile", "/audit", "/dead?id=x", "/login",
		"/static/style.css", "/static/asynq.js", "/asynq/", "/asynq/queues/q", "/asynq/api/queues", "/api/queues", "/nowhere"} {
		h := w.get(path).Header()
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("GET %s: got %s %q, want %q", path, name, got, want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src '", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("GET %s: got policy %q, want %s in it", path, csp, want)
			}
		}
		for _, bad := range []string{"unsafe", "http:", "https:", "*"} {
			if strings.Contains(csp, bad) {
				t.Errorf("GET %s: got policy %q, which allows %s", path, csp, bad)
			}
		}
	}
}

func TestAsynqsPageFetchesNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first, second := w.get("/asynq/"), w.get("/asynq/queues/q/tasks/b2c.trigger_issue.1.A")
	if strings.Contains(first.Body.String(), "fonts.g") || strings.Contains(first.Body.String(), `"https://`) {
		t.Errorf("the page fetches from other hosts:\n%s", first.Body)
	}
	nonce := func(a *httptest.ResponseRecorder) string {
		_, rest, _ := strings.Cut(a.Header().Get("Content-Security-Policy"), "script-src 'self' 'nonce-")
		n, _, _ := strings.Cut(rest, "'")
		return n
	}
	if a, b := nonce(first), nonce(second); len(a) < 20 || a == b {
		t.Errorf("got nonces %q and %q, want two long ones that differ", a, b)
	}
	for _, a := range []*httptest.ResponseRecorder{first, second} {
		body := a.Body.String()
		if scripts, ours := strings.Count(body, "<script>"), strings.Count(body, `<script nonce="`+nonce(a)+`">`); scripts != 0 || ours != 2 {
			t.Errorf("got %d scripts without the nonce and %d with it, want 0 and 2", scripts, ours)
		}
		if !strings.Contains(body, `<meta property="csp-nonce" content="`+nonce(a)+`"/>`) || strings.Contains(body, "ECPAYQ-NONCE") {
			t.Error("the page does not tell its script the nonce")
		}
	}
	if got := w.get("/asynq/static/js/main.5adda2da.chunk.js"); got.Code != 200 ||
		!strings.HasPrefix(got.Header().Get("Content-Type"), "application/javascript") {
		t.Errorf("its script: got status %d and type %s", got.Code, got.Header().Get("Content-Type"))
	}
}

func TestWithoutUsersOnlyLoopbackAddressesAreListenedOn(t *testing.T) {
	t.Parallel()
	users := []dashboard.User{{Name: "vera"}}
	for addr, ok := range map[string]bool{
		"127.0.0.1:8980": true, "127.0.0.1:0": true, "[::1]:8980": true, "localhost:8980": true, "127.1.2.3:1": true,
		"0.0.0.0:8980": false, ":8980": false, "[::]:8980": false, "10.0.0.1:8980": false, "example.com:8980": false, "": false,
		"[::ffff:10.0.0.1]:8980": false, "localhost.example.com:8980": false,
	} {
		err := dashboard.CheckAddr(addr, nil)
		if ok != (err == nil) || !ok && !errors.Is(err, dashboard.ErrPublicAddress) {
			t.Errorf("%q: got error %v, want one: %v", addr, err, !ok)
		}
		if err := dashboard.CheckAddr(addr, users); err != nil {
			t.Errorf("%q with users: got error %v, want none", addr, err)
		}
	}
}

func TestCloseClosesTheClientOfTheDashboardWithoutAnError(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	d, err := dashboard.New(dashboard.Config{Redis: rdb})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("got error %v, want none", err)
	}
	if err := rdb.Ping(t.Context()).Err(); err == nil {
		t.Error("the client still works after Close")
	}
}

func TestAPageOpensByALinkOnAnotherSiteAndIsReadByNoneOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, path := range []string{"/", "/waiting", "/merchants", "/audit", "/asynq/", "/login"} {
		for dest, want := range map[string]int{"document": 0, "iframe": 403, "image": 403, "empty": 403, "script": 403} {
			mode := map[bool]string{true: "navigate", false: "no-cors"}[dest == "document" || dest == "iframe"]
			got := w.do(request{
				method: "GET", path: path,
				headers: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest},
			}).Code
			if want == 0 && got >= 400 || want != 0 && got != want {
				t.Errorf("GET %s as %s: got status %d, want %d (0: the page)", path, dest, got, want)
			}
		}
	}
}
