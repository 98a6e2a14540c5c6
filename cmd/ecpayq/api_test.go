package main_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/openapitest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// api starts ecpayq api and returns when it listens.
func (b *bench) api(changes env, args ...string) *child {
	b.Helper()
	return apiOf(b.T, b.env.with(env{"ECPAYQ_API_ADDR": "127.0.0.1:0"}).with(changes), append([]string{"api"}, args...)...)
}

func apiOf(t *testing.T, e env, args ...string) *child {
	t.Helper()
	c := start(t, e, args...)
	eventually(t, "the API listens", func() bool {
		_, url, ok := strings.Cut(c.err.String(), "ecpayq: API on ")
		c.url, _, _ = strings.Cut(url, "\n")
		select {
		case <-c.done:
			t.Fatalf("ecpayq %s ended with exit code %d\n%s", c.name, c.cmd.ProcessState.ExitCode(), c.err)
		default:
		}
		return ok && strings.Contains(url, "\n")
	})
	return c
}

// apiClient waits longer than the API does.
var apiClient = &http.Client{Timeout: 2 * patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

var description = sync.OnceValues(func() (*openapitest.Description, error) {
	return openapitest.Load("../../internal/api/openapi.yaml")
})

// apiAnswer is what came; of status 0, body says why nothing did, or why it is not as openapi.yaml has it.
type apiAnswer struct {
	status int
	header http.Header
	body   string
}

// call sends a request to the API, with a token unless it is empty. The headers are name and value in turn.
func (c *child) call(method, path, token, body string, headers ...string) apiAnswer {
	return callAt(context.Background(), c.url, method, path, token, body, headers...)
}

func callAt(ctx context.Context, url, method, path, token, body string, headers ...string) apiAnswer {
	req, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		return apiAnswer{body: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/batch") {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	resp, err := apiClient.Do(req)
	if err != nil {
		return apiAnswer{body: err.Error()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return apiAnswer{body: err.Error()}
	}
	d, err := description()
	if err == nil {
		err = d.Check(req, body, resp.StatusCode, resp.Header, text)
	}
	if err != nil {
		return apiAnswer{body: err.Error()}
	}
	return apiAnswer{resp.StatusCode, resp.Header, string(text)}
}

// wants demands a status.
func (a apiAnswer) wants(t *testing.T, what string, status int) apiAnswer {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: got status %d and %s, want %d", what, a.status, a.body, status)
	}
	return a
}

// wantProblem demands a problem of RFC 9457.
func (a apiAnswer) wantProblem(t *testing.T, what string, status int, name string) {
	t.Helper()
	var p struct{ Type string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Type != "urn:ecpayq:problem:"+name {
		t.Errorf("%s: got status %d and %s, want %d %s", what, a.status, a.body, status, name)
	}
}

// triggerIntent is an intent for later, or at once.
func triggerIntent(tsr, more string) string {
	return fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":"%s","Tsr":%q}%s}`, merchantID, tsr, more)
}

const inAnHour = `,"process_at":"2036-01-01T00:00:00+08:00"`

func triggerID(tsr string) string { return "b2c.trigger_issue." + merchantID + "." + tsr }

// longPoll asks for a task until it has ended, and answers in the channel.
func (c *child) longPoll(id, token string) <-chan apiAnswer {
	sent, answer := make(chan struct{}), make(chan apiAnswer, 1)
	once := sync.OnceFunc(func() { close(sent) })
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once() }})
	go func() {
		answer <- callAt(ctx, c.url, "GET", "/v1/tasks/"+id+"?wait=30s", token, "")
		once()
	}()
	<-sent
	return answer
}

// end waits until a task has ended, with an answer that is on its way and, on a slow machine, more.
func (c *child) end(t *testing.T, id string, poll <-chan apiAnswer) (v task) {
	t.Helper()
	for {
		got := <-poll
		if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != 200 {
			t.Fatalf("%s: got status %d and %s", id, got.status, got.body)
		}
		if slices.Contains([]string{"completed", "dead", "missing"}, v.State) {
			return v
		}
		poll = c.longPoll(id, "")
	}
}

// awaitLooking waits until somebody who waits looks into Redis, where nothing else does.
func (b *bench) awaitLooking() {
	b.Helper()
	calls := func() string {
		var lines []string
		for l := range strings.Lines(b.redis.Client().Info(b.Context(), "commandstats").Val()) {
			name, _, _ := strings.Cut(l, ":")
			if !slices.Contains([]string{"cmdstat_info", "cmdstat_hello", "cmdstat_ping", "cmdstat_client"}, strings.ToLower(name)) {
				lines = append(lines, l)
			}
		}
		return strings.Join(lines, "")
	}
	before := calls()
	b.eventually("one who waits looks", func() bool { return calls() != before })
}

// awaitLogs waits for the nth line with a message, and returns it.
func (c *child) awaitLogs(message string, n int) (line map[string]any) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%q is logged %d times", message, n), func() bool {
		seen := 0
		for _, l := range c.logs() {
			if l["message"] == message {
				line = l
				seen++
			}
		}
		return seen == n
	})
	return line
}

func TestEveryOperationGoesFromHTTPToECPayOnceAndIsTheSameFromTheShellAndGo(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"})
	a := b.api(nil)
	client, err := enqueue.New(enqueue.Config{RedisURL: b.redis.URL(), Interval: tasks.Every(0), PayloadKeys: samples.PayloadKeys()})
	b.must(err)
	defer client.Close()
	type one struct {
		samples.Case
		subject, id string
	}
	var all []one
	for n, c := range samples.Usual() {
		at := samples.At{Subject: c.Subject("HTTP", n+1), Date: invoiceDate}
		b.must(c.Stage(b.fake, at))
		id := tasks.ID(c.Payload(at))
		all = append(all, one{c, at.Subject, id})
		data, err := tasks.Encode(c.Payload(at))
		b.must(err)
		ways := map[string]func() receipt{
			"HTTP": func() receipt {
				got := a.call("POST", "/v1/intents", "", fmt.Sprintf(`{"type":%q,"data":%s}`, c.Type, data))
				r := oneLine[receipt](t, got.body)
				if want := map[bool]int{false: 201, true: 200}[r.Duplicate]; got.status != want || got.header.Get("Location") != "/v1/tasks/"+id {
					t.Errorf("%s: got status %d and Location %q for %+v", c.Name, got.status, got.header.Get("Location"), r)
				}
				return r
			},
			"shell": func() receipt { return b.enqueue(c.Args(at, b.TempDir)...) },
			"Go": func() receipt {
				r, err := client.Enqueue(t.Context(), c.Payload(at))
				b.must(err)
				return receipt{ID: r.ID, Type: r.Type, Queue: r.Queue, State: r.State, Duplicate: r.Duplicate, Differs: r.Differs}
			},
		}
		order := []string{"HTTP", "shell", "Go", "HTTP", "shell"}[n%3 : n%3+3]
		for i, way := range order {
			want := receipt{ID: id, Type: c.Type, Queue: c.Queue, State: "pending", Duplicate: i > 0}
			if r := ways[way](); !cmp.Equal(r, want) {
				t.Errorf("%s by %s, number %d of %v: got %+v", c.Name, way, i+1, order, r)
			}
		}
	}
	if got := b.redis.Client().Keys(t.Context(), "asynq:{*}:t:*").Val(); len(got) != len(all) {
		t.Errorf("got the tasks %q, want one for each of %d", got, len(all))
	}
	polls := map[string]<-chan apiAnswer{}
	for _, x := range all {
		polls[x.id] = a.longPoll(x.id, "")
	}
	b.worker()
	for _, x := range all {
		if got := a.end(t, x.id, polls[x.id]); got.State != "completed" || got.RtnCode != x.RtnCode || got.ID != x.id {
			t.Errorf("%s: got %+v, want it completed with %d", x.Name, got, x.RtnCode)
		}
		writes := slices.DeleteFunc(b.operations(x.subject), func(name string) bool { return slices.Contains(x.Questions(), name) })
		if len(writes) != 1 {
			t.Errorf("%s: got the calls %q beside questions, want one", x.Name, writes)
		}
		if x.Effect != "" {
			b.wantEffects(x.subject, x.Effect)
		}
	}
	ends := a.readOutcomes(t, "", "", len(all))
	for _, x := range all {
		if o := ends[x.id]; o.State != record.OutcomeDone || o.Type != x.Type || o.MerchantID != merchantID {
			t.Errorf("%s: got the outcome %+v, want that it is done", x.Name, o)
		}
	}
}

// readOutcomes follows the feed from a cursor, a few at once, until there are n ends, of which no two are about one task.
func (c *child) readOutcomes(t *testing.T, token, after string, n int) map[string]outcome {
	t.Helper()
	all := map[string]outcome{}
	for len(all) < n {
		var page struct {
			Outcomes []outcome
			Next     string
		}
		got := c.call("GET", "/v1/outcomes?limit=2&wait=30s"+after, token, "")
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 || len(page.Outcomes) == 0 {
			t.Fatalf("after %d outcomes: got status %d and %s", len(all), got.status, got.body)
		}
		for _, o := range page.Outcomes {
			if o.State == record.OutcomeIssued {
				continue // which tells of a task that has ended
			}
			if _, twice := all[o.ID]; twice {
				t.Errorf("%s is there twice", o.ID)
			}
			all[o.ID] = o
		}
		after = "&after=" + page.Next
	}
	got := c.call("GET", "/v1/outcomes?limit=2"+after, token, "")
	if strings.Count(got.body, `"state"`) != strings.Count(got.body, `"issued"`) {
		t.Errorf("after the last end: got status %d and %s", got.status, got.body)
	}
	return all
}

// apiToken is what ecpayq api token prints.
type apiToken struct {
	Token, Name, Hash string
	Merchants, May    []string
}

func (b *bench) apiToken(args ...string) apiToken {
	b.Helper()
	r := b.run(append([]string{"api", "token", "--merchant-id", merchantID, "--json"}, args...)...)
	if r.code != 0 || r.stderr != "" {
		b.Fatalf("ecpayq api token: %+v", r)
	}
	return oneLine[apiToken](b.T, r.stdout)
}

// tokenFile writes the YAML file that accepts tokens.
func tokenFile(t *testing.T, path string, tokens ...apiToken) string {
	t.Helper()
	text := "api:\n  tokens:\n"
	for _, k := range tokens {
		text += fmt.Sprintf("    - {name: %s, hash: %q, merchants: [%q], may: [%s]}\n",
			k.Name, k.Hash, strings.Join(k.Merchants, `", "`), strings.Join(k.May, ", "))
	}
	return writeFile(t, path, text)
}

func TestTokensAreAskedForAndReadAgainWithoutDroppingWhoWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "TOKEN1"}))
	first, second := b.apiToken(), b.apiToken("--name", "other", "--may", "read")
	path := tokenFile(t, filepath.Join(t.TempDir(), "api.yaml"), first)
	a := b.api(env{"ECPAYQ_CONFIG": path}.with(noMerchant))
	intent := triggerIntent("TOKEN1", "")
	for _, token := range []string{"", second.Token, first.Token + "x", first.Hash} {
		got := a.call("POST", "/v1/intents", token, intent)
		got.wantProblem(t, "another token", 401, "unauthorized")
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("got WWW-Authenticate %q", got.header.Get("WWW-Authenticate"))
		}
	}
	a.call("GET", "/metrics", "", "").wantProblem(t, "metrics without a token", 401, "unauthorized")
	a.call("GET", "/readyz", "", "").wants(t, "a probe without a token", 200)
	id := oneLine[receipt](t, a.call("POST", "/v1/intents", first.Token, intent).wants(t, "with the token", 201).body).ID
	a.call("POST", "/v1/intents", first.Token, strings.Replace(intent, merchantID, "3002607", 1)).
		wantProblem(t, "another merchant", 403, "forbidden")
	a.call("POST", "/v1/tasks/"+id+"/cancel", first.Token, `{"note":"n"}`).wantProblem(t, "an act", 403, "forbidden")

	begun, poll := time.Now(), a.longPoll(id, first.Token)
	b.awaitLooking()
	tokenFile(t, path, second)
	a.signal(syscall.SIGHUP)
	if l := a.awaitLogs("tokens were read again", 1); l["tokens"] != 1.0 {
		t.Errorf("got %v, want one token", l)
	}
	a.call("GET", "/v1/tasks/"+id, first.Token, "").wantProblem(t, "the token that is no more", 401, "unauthorized")
	a.call("GET", "/v1/tasks/"+id, second.Token, "").wants(t, "the new token", 200)
	a.call("POST", "/v1/intents", second.Token, intent).wantProblem(t, "a token that may only read", 403, "forbidden")

	for n, text := range []string{
		"api: {tokens: [", "api: {tokens: [{name: x, hash: 'sha256:S3CRET', merchants: ['1'], may: [read]}]}", "api: {tokenz: []}",
		"", "api: {tokens: []}", "merchants: []\n",
	} {
		writeFile(t, path, text)
		a.signal(syscall.SIGHUP)
		l := a.awaitLogs("tokens not read again; those from before stay", n+1)
		if why := fmt.Sprint(l["error"]); l["level"] != "error" || len(why) < 10 || strings.Contains(why, "S3CRET") {
			t.Errorf("%q: got %v, want an error that says why, without a hash", text, l)
		}
		a.call("GET", "/v1/tasks/"+id, second.Token, "").wants(t, text, 200)
		a.call("GET", "/v1/tasks/"+id, "", "").wantProblem(t, "nobody's after "+text, 401, "unauthorized")
	}
	select {
	case got := <-poll:
		t.Fatalf("who waits was answered with %+v before the task ended", got)
	default:
	}
	b.worker()
	got := (<-poll).wants(t, "who waited", 200)
	if took := time.Since(begun); !strings.Contains(got.body, `"state":"completed"`) && took < 30*time.Second {
		t.Errorf("got %s after %s, want it completed, or the end of the wait", got.body, took)
	}
	a.stop()
}

func TestWithoutTokensTheAPIListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8970", "example.com:8970", "localhost.example.com:0", ""} {
		r := b.run("api", "--addr", addr)
		if r.code != 1 && r.code != 2 || r.stdout != "" ||
			!strings.Contains(r.stderr, "loopback") || !strings.Contains(r.stderr, "ecpayq api token") {
			t.Errorf("--addr %q: got %+v, want an error about loopback that names ecpayq api token", addr, r)
		}
	}
	for _, addr := range []string{"foo", "127.0.0.1", "::1"} {
		r := b.run("api", "--addr", addr)
		if r.code == 0 || !strings.Contains(r.stderr, "addr: ") || !strings.Contains(r.stderr, "host and port") {
			t.Errorf("--addr %q: got %+v, want an error that names the setting", addr, r)
		}
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "api.yaml"), "merchants: []\n")
	a := b.api(env{"ECPAYQ_CONFIG": path})
	a.call("GET", "/v1/outcomes", "", "").wants(t, "nobody needs a token", 200)
	if status, body := a.post("/v1/intents", map[string]string{"Host": "evil.example"}); status != 403 {
		t.Errorf("under a foreign name: got status %d and %s, want 403", status, body)
	}
	if status, body := a.post("/v1/intents", map[string]string{"Origin": "http://evil.example"}); status != 403 {
		t.Errorf("from another site: got status %d and %s, want 403", status, body)
	}
	// The first tokens need no restart.
	tokenFile(t, path, b.apiToken())
	a.signal(syscall.SIGHUP)
	a.awaitLogs("tokens were read again", 1)
	a.call("GET", "/v1/outcomes", "", "").wantProblem(t, "since there are tokens", 401, "unauthorized")
}

// What docker-compose.yml starts, but for where Redis, the file and a free port are.
func TestTheAPIOfTheComposeFileStartsAndIsHealthyButNotWithoutTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	path := filepath.Join(t.TempDir(), "api.yaml")
	service, environment := b.composeService("api", "/run/secrets/api", path, "0.0.0.0:8970", "0.0.0.0:0")
	if r := runIn(t, environment, service.Command...); r.code == 0 || !strings.Contains(r.stderr, "api.yaml") {
		t.Errorf("without the file: %+v", r)
	}
	writeFile(t, path, "merchants: []\n")
	r := runIn(t, environment, service.Command...)
	if r.code != 1 && r.code != 2 || !strings.Contains(r.stderr, "no tokens are configured") {
		t.Errorf("with a file that has no tokens: %+v", r)
	}
	token := b.apiToken()
	tokenFile(t, path, token)
	a := apiOf(t, environment, service.Command...)
	if !strings.Contains(a.err.String(), "speaks no TLS") {
		t.Errorf("got %s, want a warning about TLS", a.err)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(a.url, "http://"))
	b.must(err)
	a.url = "http://127.0.0.1:" + port
	a.call("POST", "/v1/intents", token.Token, triggerIntent("COMPOSE1", "")).wants(t, "an intent", 201)
	ask := service.Healthcheck.Test
	if len(ask) < 3 || ask[0] != "CMD" || ask[1] != "/ecpayq" {
		t.Fatalf("healthcheck %q", ask)
	}
	ask = strings.Split(strings.ReplaceAll(strings.Join(ask[2:], " "), ":8970", ":"+port), " ")
	if r := runIn(t, environment, ask...); r.code != 0 || r.stdout != "ok\n" {
		t.Errorf("%q: %+v", ask, r)
	}
	b.redis.Kill()
	if r := runIn(t, environment, ask...); r.code != 1 || !strings.Contains(r.stderr, "redis cannot be used: refused") {
		t.Errorf("%q without Redis: %+v", ask, r)
	}
	a.stop()
}

func TestTheAPISpeaksTLSByItsCertificate(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	cert, key := selfSigned(t)
	a := b.api(nil, "--tls-cert", cert, "--tls-key", key)
	pem, err := os.ReadFile(cert)
	b.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	post := func(url string, config *tls.Config) (*http.Response, error) {
		client := &http.Client{Timeout: patience,
			Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		resp, err := client.Post(url+"/v1/intents", "application/json", strings.NewReader(triggerIntent("TLS1", "")))
		if err == nil {
			resp.Body.Close()
		}
		return resp, err
	}
	if resp, err := post(a.url, &tls.Config{RootCAs: roots}); err != nil || resp.StatusCode != 201 || resp.ProtoMajor != 2 {
		t.Errorf("got %+v and %v, want 201 by HTTP/2", resp, err)
	}
	if resp, err := post(a.url, &tls.Config{}); err == nil {
		t.Errorf("a client that does not know the certificate: got %+v", resp)
	}
	if resp, err := post(a.url, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Errorf("TLS 1.1: got %+v", resp)
	}
	if resp, err := post(strings.Replace(a.url, "https", "http", 1), nil); err == nil && resp.StatusCode != 400 {
		t.Errorf("without TLS: got %+v, want 400", resp)
	}
	if got := b.show(triggerID("TLS1")); got.State != "pending" {
		t.Errorf("got %+v", got)
	}
	for flag, missing := range map[string]string{"--tls-cert": "tls-key is not set", "--tls-key": "tls-cert is not set"} {
		if r := b.run("api", "--addr", "127.0.0.1:0", flag, cert); r.code == 0 || !strings.Contains(r.stderr, missing) {
			t.Errorf("%s alone: got %+v, want %q", flag, r, missing)
		}
	}
	for _, args := range [][]string{
		{"--tls-cert", cert}, {"--tls-key", key}, {"--tls-cert", key, "--tls-key", cert}, {"--tls-cert", cert, "--tls-key", "/nowhere"},
	} {
		r := b.run(append([]string{"api", "--addr", "127.0.0.1:0"}, args...)...)
		if r.code == 0 || !strings.Contains(r.stderr, "certificate of the API") || strings.Contains(r.stderr, "PRIVATE") {
			t.Errorf("%q: got %+v, want an error about the certificate", args, r)
		}
	}
	a.stop()
}
