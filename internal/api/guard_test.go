package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/internal/auth"
)

// Every route, with what a caller needs for it.
var routes = []struct {
	method, path, body string
	right              auth.Right // "" for any token
}{
	{"POST", "/v1/intents", trigger, auth.Enqueue},
	{"POST", "/v1/intents/batch", trigger, auth.Enqueue},
	{"GET", "/v1/tasks", "", auth.Read},
	{"GET", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001", "", auth.Read},
	{"POST", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001/cancel", `{"note":"n"}`, auth.Operate},
	{"POST", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001/replay", `{}`, auth.Operate},
	{"POST", "/v1/tasks/b2c.trigger_issue.2000132.ORDER1001/resolve", `{"note":"n"}`, auth.Operate},
	{"GET", "/v1/outcomes", "", auth.Read},
	{"GET", "/metrics", "", ""},
}

func TestATokenMayWhatItsRightsSayAndNothingElse(t *testing.T) {
	t.Parallel()
	tokens := map[auth.Right]string{}
	var list []auth.Token
	for _, r := range auth.Rights() {
		token, hash := auth.New()
		tokens[r] = token
		list = append(list, auth.Token{Name: string(r), Hash: hash, Merchants: []string{"2000132"}, May: []auth.Right{r}})
	}
	b := newBench(t, list...)
	for _, route := range routes {
		for _, bad := range []string{"", "Bearer", "Bearer x", "Basic " + tokens[auth.Operate], tokens[auth.Operate], "Bearer " + list[0].Hash} {
			a := b.call(route.method, route.path, "", route.body, "Authorization", bad)
			p := b.problem(a)
			if a.StatusCode != 401 || p.Type != "urn:ecpayq:problem:unauthorized" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s with %.20q: got %d and %+v", route.method, route.path, bad, a.StatusCode, p)
			}
		}
		for right, token := range tokens {
			a := b.call(route.method, route.path, token, route.body)
			if allowed := route.right == "" || right == route.right; (a.StatusCode != 403) != allowed {
				t.Errorf("%s %s with the right to %s: got %d and %s", route.method, route.path, right, a.StatusCode, a.body)
			}
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/openapi.yaml"} {
		if a := b.get(path); a.StatusCode != 200 {
			t.Errorf("%s: got %d", path, a.StatusCode)
		}
	}
}

func TestATokenReachesItsMerchantsOnly(t *testing.T) {
	t.Parallel()
	mine, mineHash := auth.New()
	all, allHash := auth.New()
	b := newBench(t, auth.Token{Name: "mine", Hash: mineHash, Merchants: []string{"2000132"}, May: auth.Rights()},
		auth.Token{Name: "all", Hash: allHash, Merchants: []string{"*"}, May: auth.Rights()})
	theirs := strings.Replace(trigger, "2000132", "3002607", 1)
	if a := b.call("POST", "/v1/intents", mine, theirs); a.StatusCode != 403 {
		t.Errorf("an intent of theirs: got %d and %s", a.StatusCode, a.body)
	}
	for token, body := range map[string]string{all: theirs, mine: trigger} {
		if a := b.call("POST", "/v1/intents", token, body); a.StatusCode != 201 {
			t.Errorf("got %d and %s", a.StatusCode, a.body)
		}
	}
	const task = "/v1/tasks/b2c.trigger_issue.3002607.ORDER1001"
	for _, c := range []struct{ method, path, body string }{
		{"GET", task, ""}, {"POST", task + "/cancel", `{"note":"n"}`}, {"POST", task + "/replay", `{}`},
		{"POST", task + "/resolve", `{"note":"n"}`},
		{"GET", "/v1/tasks?merchant_id=3002607", ""}, {"GET", "/v1/tasks?merchant_id=2000132&merchant_id=3002607", ""},
		{"GET", "/v1/outcomes?merchant_id=3002607", ""},
	} {
		if a := b.call(c.method, c.path, mine, c.body); a.StatusCode != 403 || strings.Contains(string(a.body), "ORDER1001\",") {
			t.Errorf("%s %s: got %d and %s, want 403", c.method, c.path, a.StatusCode, a.body)
		}
		if a := b.call(c.method, c.path, all, c.body); a.StatusCode == 403 {
			t.Errorf("%s %s for all merchants: got %d", c.method, c.path, a.StatusCode)
		}
	}
	if a := b.call("GET", "/v1/tasks", mine, ""); strings.Contains(string(a.body), "3002607") || !strings.Contains(string(a.body), "2000132") {
		t.Errorf("the list has %s", a.body)
	}
	batch := b.call("POST", "/v1/intents/batch", mine, theirs+"\n"+trigger+"\n")
	if batch.StatusCode != 200 || strings.Count(string(batch.body), "urn:ecpayq:problem:forbidden") != 1 ||
		!strings.Contains(string(batch.body), `"duplicate":1,"failed":1`) {
		t.Errorf("a batch: got %d and %s", batch.StatusCode, batch.body)
	}
}

func TestTokensAreReplacedWhileItRuns(t *testing.T) {
	t.Parallel()
	old, oldHash := auth.New()
	young, youngHash := auth.New()
	b := newBench(t, auth.Token{Name: "a", Hash: oldHash, Merchants: []string{"*"}, May: auth.Rights()})
	if a := b.call("GET", "/v1/tasks", old, ""); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	tokens, err := auth.NewTokens([]auth.Token{{Name: "a", Hash: youngHash, Merchants: []string{"*"}, May: auth.Rights()}})
	b.must(err)
	b.api.SetTokens(tokens)
	if a := b.call("GET", "/v1/tasks", old, ""); a.StatusCode != 401 {
		t.Errorf("the old one: got %d", a.StatusCode)
	}
	if a := b.call("GET", "/v1/tasks", young, ""); a.StatusCode != 200 {
		t.Errorf("the new one: got %d", a.StatusCode)
	}
}

func TestWithoutTokensOnlyThisMachineIsAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:8970": 200, "[::1]:1": 200, "rebound.example": 403, "127.0.0.1.example": 403, "10.0.0.1": 403,
	} {
		if a := b.call("GET", "/v1/tasks", "", "", "Host", host); a.StatusCode != want {
			t.Errorf("host %s: got %d, want %d", host, a.StatusCode, want)
		}
	}
	for _, route := range routes {
		a := b.call(route.method, route.path, "", route.body, "Origin", "http://elsewhere.example")
		if a.StatusCode != 403 {
			t.Errorf("%s %s for another site: got %d", route.method, route.path, a.StatusCode)
		}
	}
}

func TestWhatIsRefusedIsCountedToo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.call("GET", "/v1/tasks", "", "", "Host", "rebound.example")
	b.call("GET", "/v1/tasks", "", "", "Origin", "http://elsewhere.example")
	b.get("/v1/intents")
	b.call("DELETE", "/v1/tasks/b2c.trigger_issue.1.2", "", "")
	b.get("/v1/nothing")
	text := string(b.get("/metrics").body)
	for _, want := range []string{
		`{route="none",status="403"} 2`, `{route="/v1/intents",status="405"} 1`, `{route="/v1/tasks/{id}",status="405"} 1`,
		`{route="none",status="404"} 1`,
	} {
		if !strings.Contains(text, "ecpayq_api_requests_total"+want) {
			t.Errorf("the metrics lack %s: %s", want, text)
		}
	}
}

func TestNothingIsRedirectedAndEveryAnswerIsAProblem(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/v1", 404}, {"GET", "/v1/intents/", 404}, {"POST", "/v1/intents/", 404}, {"POST", "//v1/intents", 404},
		{"POST", "/v1/../v1/intents", 404}, {"GET", "/v1/tasks/", 404}, {"GET", "/v1/tasks/a/b/c", 404}, {"GET", "/v1/tasks/..", 404},
		{"GET", "/v1/intents", 405}, {"PUT", "/v1/intents", 405}, {"DELETE", "/v1/tasks/b2c.trigger_issue.1.2", 405},
		{"POST", "/v1/outcomes", 405},
		{"OPTIONS", "/v1/intents", 405}, {"GET", "/v1/tasks/no-id", 404}, {"GET", "/v1/tasks/b2c.nothing.1.2", 404},
	} {
		a := b.call(row.method, row.path, "", "")
		if a.StatusCode != row.status || a.Header.Get("Location") != "" {
			t.Errorf("%s %s: got %d to %q, want %d", row.method, row.path, a.StatusCode, a.Header.Get("Location"), row.status)
		}
		b.problem(a)
		if row.status == http.StatusMethodNotAllowed && a.Header.Get("Allow") == "" {
			t.Errorf("%s %s: does not say what is allowed", row.method, row.path)
		}
	}
}
