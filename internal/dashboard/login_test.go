package dashboard_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/dashboard"
)

func TestNobodySeesAnythingWithoutALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	for path, want := range map[string]string{
		"/": "/login?next=%2F", "/waiting": "/login?next=%2Fwaiting", "/dead?id=a&lang=en": "/login?next=%2Fdead%3Fid%3Da%26lang%3Den",
		"/audit": "/login?next=%2Faudit", "/asynq/": "/login?next=%2Fasynq%2F",
		"/asynq/static/js/main.5adda2da.chunk.js": "/login?next=%2Fasynq%2Fstatic%2Fjs%2Fmain.5adda2da.chunk.js",
	} {
		if a := w.get(path); a.Code != http.StatusSeeOther || a.Header().Get("Location") != want {
			t.Errorf("GET %s: got status %d to %q, want 303 to %q", path, a.Code, a.Header().Get("Location"), want)
		}
	}
	for _, q := range []request{
		{method: "GET", path: "/asynq/api/queues"}, {method: "GET", path: "/api/queues"}, {method: "POST", path: "/dead/replay"},
		{method: "POST", path: "/asynq/api/queues/q:pause"}, {method: "DELETE", path: "/api/queues/q"}, {method: "POST", path: "/waiting/cancel"},
		{method: "GET", path: "/asynq/api/queues", cookie: &http.Cookie{Name: "ecpayq_session", Value: ""}},
		{method: "GET", path: "/asynq/api/queues", cookie: &http.Cookie{Name: "ecpayq_session", Value: "made up"}},
	} {
		if a := w.do(q); a.Code != http.StatusUnauthorized {
			t.Errorf("%s %s: got status %d, want 401", q.method, q.path, a.Code)
		}
	}
	for _, path := range []string{"/login", "/static/style.css", "/static/asynq.js"} {
		if a := w.get(path); a.Code != http.StatusOK {
			t.Errorf("GET %s: got status %d, want 200", path, a.Code)
		}
	}
}

func TestASessionIsACookieThatScriptsAndOtherSitesDoNotGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	c := w.login("olga", operatorPassword)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || len(c.Value) < 20 {
		t.Errorf("over http: got %+v, want HttpOnly, SameSite=Strict and a long random value", c)
	}
	form := url.Values{"user": {"olga"}, "password": {operatorPassword}, "next": {"/audit"}}
	for name, q := range map[string]request{
		"over https": {method: "POST", path: "/login", form: form, tls: true},
		"behind a proxy that speaks https": {method: "POST", path: "/login",
			form: form, headers: map[string]string{"X-Forwarded-Proto": "https"}},
	} {
		a := w.do(q)
		if cs := a.Result().Cookies(); len(cs) != 1 || !cs[0].Secure || a.Header().Get("Location") != "/audit" {
			t.Errorf("%s: got %v and Location %q, want a Secure cookie and /audit", name, cs, a.Header().Get("Location"))
		}
	}
	if a := w.do(request{method: "GET", path: "/", cookie: c}); a.Code != http.StatusOK || !strings.Contains(a.Body.String(), "olga") {
		t.Errorf("with the cookie: got status %d, want 200 and the name", a.Code)
	}
	w.do(request{method: "POST", path: "/logout", cookie: c})
	if a := w.do(request{method: "GET", path: "/", cookie: c}); a.Code != http.StatusSeeOther {
		t.Errorf("after logging out: got status %d, want 303", a.Code)
	}
	old := w.login("olga", operatorPassword)
	w.now = w.now.Add(12 * time.Hour)
	if a := w.do(request{method: "GET", path: "/", cookie: old}); a.Code != http.StatusSeeOther {
		t.Errorf("after 12 hours: got status %d, want 303", a.Code)
	}
}

func TestALoginLeadsToNoOtherSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	for next, want := range map[string]string{
		"/waiting": "/waiting", "/dead?id=a": "/dead?id=a", "": "/", "//evil.example/": "/", "https://evil.example/": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "waiting": "/", "/\x00": "/",
	} {
		a := w.do(request{method: "POST", path: "/login", form: url.Values{"user": {"vera"}, "password": {viewerPassword}, "next": {next}}})
		if got := a.Header().Get("Location"); got != want {
			t.Errorf("next=%q: got Location %q, want %q", next, got, want)
		}
	}
}

func TestWrongPasswordsAreCountedAndNeverLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	users := withUsers(t)
	w := newWorld(t, func(cfg *dashboard.Config) { users(cfg); cfg.Logger = zerolog.New(&log) })
	try := func(user, password string) int {
		return w.do(request{method: "POST", path: "/login", form: url.Values{"user": {user}, "password": {password}}}).Code
	}
	for i, row := range [][2]string{
		{"olga", "wrong-SECRET"}, {"nobody", operatorPassword}, {"", ""}, {"vera", operatorPassword}, {operatorPassword, "olga"},
		{"olga", ""}, {"OLGA", operatorPassword}, {"olga", operatorPassword + " "},
		{"olga", "1"}, {"olga", "2"}, {"olga", "3"}, {"olga", "4"}, {"olga", "5"},
		{"olga", "6"}, {"olga", "7"},
	} {
		if got := try(row[0], row[1]); got != http.StatusUnauthorized {
			t.Errorf("attempt %d: got status %d, want 401", i, got)
		}
	}
	refused := w.do(request{method: "POST", path: "/login", form: url.Values{"user": {"olga"}, "password": {operatorPassword}}})
	if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") != "60" {
		t.Errorf("after ten failures of that name: got status %d and Retry-After %q, want 429 and 60",
			refused.Code, refused.Header().Get("Retry-After"))
	}
	w.now = w.now.Add(time.Minute)
	if got := try("olga", operatorPassword); got != http.StatusSeeOther {
		t.Errorf("a minute later: got status %d, want 303", got)
	}
	if got := log.String(); strings.Contains(got, "SECRET") ||
		strings.Contains(got, operatorPassword) || !strings.Contains(got, `"user":"olga"`) {
		t.Errorf("got log %s, want the user and no password", got)
	}
}

func TestManyLoginsAtOnceFailNoMoreOftenThanOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withUsers(t))
	const n = 40
	status := make(chan int, n)
	for i := range n {
		go func() {
			a := w.do(request{method: "POST", path: "/login", form: url.Values{"user": {"olga"}, "password": {fmt.Sprint(i)}}})
			if a.Code == http.StatusTooManyRequests && a.Header().Get("Retry-After") == "" {
				t.Error("an answer 429 does not say when to try again")
			}
			status <- a.Code
		}()
	}
	seen := map[int]int{}
	for range n {
		seen[<-status]++
	}
	if got := seen[http.StatusUnauthorized]; got < 1 || got > 10 || seen[http.StatusTooManyRequests] != n-got {
		t.Errorf("got %v, want at most 10 that are compared and refused, and no more", seen)
	}
}

func TestAViewerLooksAndChangesNothing(t *testing.T) {
	t.Parallel()
	users := withUsers(t)
	for name, row := range map[string]struct {
		change         func(*dashboard.Config)
		user, password string
	}{
		"a viewer":                             {users, "vera", viewerPassword},
		"an operator of a read-only dashboard": {func(c *dashboard.Config) { users(c); c.ReadOnly = true }, "olga", operatorPassword},
	} {
		w := newWorld(t, row.change)
		w.put("1", "{}")
		c := w.login(row.user, row.password)
		for _, q := range []request{
			{method: "POST", path: "/dead/replay", form: url.Values{"id": {"1"}}},
			{method: "POST", path: "/dead/resolve", form: url.Values{"id": {"1"}, "note": {"n"}}},
			{method: "POST", path: "/waiting/cancel", form: url.Values{"id": {"1"}, "note": {"n"}}},
			{method: "POST", path: "/merchants/resume", form: url.Values{"merchant": {"1"}}},
			{method: "POST", path: "/asynq/api/queues/q:pause"}, {method: "POST", path: "/api/queues/q:pause"},
			{method: "POST", path: "/asynq/api/queues/q/pending_tasks/1:archive"}, {method: "DELETE", path: "/asynq/api/queues/q/pending_tasks/1"},
			{method: "PUT", path: "/asynq/api/queues/q"}, {method: "PATCH", path: "/api/queues/q"},
		} {
			q.cookie = c
			if got := w.do(q).Code; got != http.StatusForbidden {
				t.Errorf("%s: %s %s: got status %d, want 403", name, q.method, q.path, got)
			}
		}
		for _, path := range []string{"/", "/waiting", "/merchants", "/schedules", "/reconcile",
			"/audit", "/asynq/", "/asynq/api/queues/q", "/api/queues/q/pending_tasks"} {
			if got := w.do(request{method: "GET", path: path, cookie: c}).Code; got != http.StatusOK {
				t.Errorf("%s: GET %s: got status %d, want 200", name, path, got)
			}
		}
		if got := w.do(request{method: "GET", path: "/asynq/", cookie: c}).Body.String(); !strings.Contains(got, `FLAG_READ_ONLY="true"`) {
			t.Errorf("%s: asynq's page offers changes", name)
		}
		if got := w.redis.Client().XLen(t.Context(), "ecpayq:1:{audit}").Val(); got != 0 {
			t.Errorf("%s: %d entries in the audit, want none", name, got)
		}
	}
}

func TestUsersThatCannotLogInAreRefused(t *testing.T) {
	t.Parallel()
	good, err := dashboard.HashPassword("a password")
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		users []dashboard.User
		want  string
	}{
		"no name":      {[]dashboard.User{{Name: "", PasswordHash: good, Role: "viewer"}}, "name"},
		"odd name":     {[]dashboard.User{{Name: "a b", PasswordHash: good, Role: "viewer"}}, "name"},
		"no role":      {[]dashboard.User{{Name: "a", PasswordHash: good}}, "viewer or operator"},
		"another role": {[]dashboard.User{{Name: "a", PasswordHash: good, Role: "root"}}, "viewer or operator"},
		"in the clear": {[]dashboard.User{{Name: "a", PasswordHash: "secret-in-clear", Role: "viewer"}}, "bcrypt"},
		"too cheap":    {[]dashboard.User{{Name: "a", PasswordHash: "$2a$04$" + good[7:], Role: "viewer"}}, "cost"},
		"twice": {[]dashboard.User{{Name: "a", PasswordHash: good, Role: "viewer"}, {Name: "a", PasswordHash: good, Role: "operator"}},
			"twice"},
	} {
		_, err := dashboard.New(dashboard.Config{Users: row.users})
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "secret-in-clear") {
			t.Errorf("%s: got error %v, want one that says %q", name, err, row.want)
		}
	}
	for _, password := range []string{"", strings.Repeat("x", dashboard.MaxPassword+1)} {
		if _, err := dashboard.HashPassword(password); err == nil {
			t.Errorf("a password of %d bytes was hashed", len(password))
		}
	}
}
