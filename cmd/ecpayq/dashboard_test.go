package main_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestTheDashboardSaysWhatSIGHUPDoesNotChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	d := b.dashboard()
	d.signal(syscall.SIGHUP)
	d.awaitLog("SIGHUP reads nothing but the payload keys here: restart the dashboard, so that it reads users, schedules and codes again")
}

func TestTheDashboardRefusesWhatOtherSitesSend(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("trigger-issue", "--tsr", "GUARD1", "--process-in", "1h")
	d := b.dashboard()
	_, port, _ := strings.Cut(strings.TrimPrefix(d.url, "http://"), ":")
	run := "/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run"
	refused := []struct {
		name    string
		headers map[string]string
	}{
		{"a form of another site", map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{"a form of a sibling site", map[string]string{"Sec-Fetch-Site": "same-site"}},
		{"an Origin of another site, from an old browser", map[string]string{"Origin": "http://evil.example"}},
		{"an Origin of another port", map[string]string{"Origin": "http://127.0.0.1:1"}},
		{"the Origin null", map[string]string{"Origin": "null"}},
		{"a foreign Host (DNS rebinding)", map[string]string{"Host": "evil.example:" + port}},
		{"a Host that begins like loopback", map[string]string{"Host": "127.0.0.1.evil.example:" + port}},
		{"a Host that ends like localhost", map[string]string{"Host": "evil.localhost.example"}},
		{"an address of the network as Host", map[string]string{"Host": "192.168.1.5:" + port}},
	}
	for _, row := range refused {
		for _, path := range []string{run, strings.TrimPrefix(run, "/asynq")} {
			if status, _ := d.post(path, row.headers); status != http.StatusForbidden {
				t.Errorf("%s: POST %s: got status %d, want 403", row.name, path, status)
			}
		}
	}
	if got := b.show(r.ID); got.State != "scheduled" {
		t.Errorf("got state %s after refused requests, want scheduled", got.State)
	}
	req, err := http.NewRequest(http.MethodGet, d.url+"/asynq/api/queues", nil)
	b.must(err)
	req.Host = "evil.example"
	resp, err := plainHTTP.Do(req)
	b.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("GET under a foreign Host: got status %d, want 403", resp.StatusCode)
	}

	for _, headers := range []map[string]string{
		{"Origin": d.url, "Sec-Fetch-Site": "same-origin"},
		{"Host": "localhost:" + port, "Origin": "http://localhost:" + port},
	} {
		if status, body := d.post("/asynq/api/queues/"+r.Queue+":pause", headers); status != http.StatusNoContent {
			t.Errorf("its own page (%v): got status %d, want 204\n%s", headers, status, body)
		}
		if status, _ := d.post("/asynq/api/queues/"+r.Queue+":resume", headers); status != http.StatusNoContent {
			t.Errorf("its own page (%v): got status %d, want 204", headers, status)
		}
	}
}

func TestTheDashboardShowsTheQueuesAndItsPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("invalid", "--invoice-number", "VG11000051", "--invoice-date", invoiceDate, "--reason", "訂單取消")
	d := b.dashboard()
	status, body := d.get("/asynq/api/queues/invalid/pending_tasks")
	if status != http.StatusOK || !strings.Contains(body, r.ID) || !strings.Contains(body, "VG11000051") || strings.Contains(body, "訂單取消") {
		t.Errorf("pending tasks: got status %d and %s, want the task with its number and without its words", status, body)
	}
	if status, body := d.get("/asynq/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("page: got status %d, want 200 and HTML", status)
	}
	if status, body := d.get("/"); status != http.StatusOK || !strings.Contains(body, "Nothing is dead.") {
		t.Errorf("our page: got status %d and %s, want 200 and that nothing is dead", status, body)
	}
	if got := d.stdout.String(); got != "" {
		t.Errorf("got %q on stdout, want nothing", got)
	}
	d.stop()
}

func TestAReadOnlyDashboardRefusesEveryChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.enqueue("trigger-issue", "--tsr", "RO1", "--process-in", "1h")
	d := b.dashboard("--read-only")
	for _, path := range []string{
		"/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run",
		"/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":run",
		"/asynq/api/queues/" + r.Queue + "/scheduled_tasks/" + r.ID + ":archive",
		"/asynq/api/queues/" + r.Queue + ":pause",
	} {
		if status, _ := d.post(path, nil); status != http.StatusMethodNotAllowed && status != http.StatusForbidden {
			t.Errorf("POST %s: got status %d, want 405 or 403", path, status)
		}
	}
	if status, body := d.get("/asynq/api/queues/" + r.Queue + "/scheduled_tasks"); status != http.StatusOK || !strings.Contains(body, r.ID) {
		t.Errorf("list: got status %d and %s, want the task", status, body)
	}
	if got := b.show(r.ID); got.State != "scheduled" {
		t.Errorf("got state %s, want scheduled", got.State)
	}
}

func TestTheDashboardListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8980", "example.com:8980", ""} {
		r := b.run("dashboard", "--addr", addr)
		if r.code == 0 || r.stdout != "" || !strings.HasPrefix(r.stderr, "ecpayq: error: ") || !strings.Contains(r.stderr, "loopback") {
			t.Errorf("--addr %q: got exit code %d, %q on stdout and %q, want an error about loopback", addr, r.code, r.stdout, r.stderr)
		}
		if !strings.Contains(r.stderr, "\nhint: ") || !strings.Contains(r.stderr, "127.0.0.1") {
			t.Errorf("--addr %q: got %q, want a hint that names 127.0.0.1", addr, r.stderr)
		}
	}
}

// dashboardUsers makes the YAML of a viewer, whose hash is by ecpayq itself, and an
// operator, whose hash costs less: the race detector makes them slow.
func (b *bench) dashboardUsers(viewer, operator string) string {
	b.Helper()
	in, err := os.Open(writeFile(b.T, filepath.Join(b.TempDir(), "password"), viewer+"\n"))
	b.must(err)
	defer in.Close()
	r := startReading(b.T, command, in, b.env, "dashboard", "password").wait(time.Minute)
	if r.code != 0 || strings.Contains(r.stdout, viewer) {
		b.Fatalf("dashboard password: %+v", r)
	}
	cheap, err := bcrypt.GenerateFromPassword([]byte(operator), bcrypt.DefaultCost)
	b.must(err)
	return "dashboard:\n  users:\n" +
		"    - {name: vera, role: viewer, password_hash: " + strings.TrimSpace(r.stdout) + "}\n" +
		"    - {name: olga, role: operator, password_hash: " + string(cheap) + "}\n"
}

func TestWithUsersTheDashboardMayBePublicAndAsksForALogin(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	cert, key := selfSigned(t)
	// It needs no keys of merchants: their files are not even read.
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), b.dashboardUsers("looks", "does-things")+
		"merchants:\n  - {merchant_id: \"1\", hash_key_file: /nowhere, hash_iv_file: /nowhere, interval: 1s}\n")})
	b.set(noMerchant)
	d := b.dashboardOn("0.0.0.0:0", "--tls-cert", cert, "--tls-key", key)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(d.url, "https://"))
	b.must(err)
	jar, err := cookiejar.New(nil)
	b.must(err)
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	url := "https://127.0.0.1:" + port
	get := func(path string) (int, string, string) {
		resp, err := client.Get(url + path)
		b.must(err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		b.must(err)
		return resp.StatusCode, resp.Request.URL.Path, string(body)
	}
	if status, path, _ := get("/"); status != http.StatusOK || path != "/login" {
		t.Errorf("before the login: got status %d at %s, want the login page", status, path)
	}
	if status, _, _ := get("/asynq/api/queues"); status != http.StatusUnauthorized {
		t.Errorf("the API before the login: got status %d, want 401", status)
	}
	resp, err := client.PostForm(url+"/login", neturl.Values{"user": {"olga"}, "password": {"does-things"}})
	b.must(err)
	resp.Body.Close()
	for _, c := range resp.Request.Response.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("got cookie %+v, want Secure, HttpOnly, SameSite=Strict", c)
		}
	}
	if status, path, body := get("/"); status != http.StatusOK || path != "/" || !strings.Contains(body, "olga") {
		t.Errorf("after the login: got status %d at %s, want our page", status, path)
	}
}

// composeService is a service of docker-compose.yml.
type composeService struct {
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

// composeService reads a service, and its environment with our Redis and other places than are in it,
// old and new in turn.
func (b *bench) composeService(name string, places ...string) (composeService, env) {
	b.Helper()
	var compose struct {
		Services map[string]composeService `yaml:"services"`
	}
	text, err := os.ReadFile("../../docker-compose.yml")
	b.must(err)
	b.must(yaml.Unmarshal(text, &compose))
	service, environment := compose.Services[name], env{"HOME": b.env["HOME"], "GORACE": b.env["GORACE"]}
	place := strings.NewReplacer(append(places, "redis://redis:6379/0", b.redis.URL())...)
	for name, value := range service.Environment {
		environment[name] = place.Replace(value)
	}
	return service, environment
}

// What docker-compose.yml starts, but for where Redis, the users' file and a free port
// are; that the file says so is shown in deploy.
func TestTheDashboardOfTheComposeFileStartsAndIsHealthyButNotWithoutUsers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	users := filepath.Join(t.TempDir(), "dashboard.yaml")
	service, environment := b.composeService("dashboard", "/run/secrets/dashboard", users, "0.0.0.0:8980", "0.0.0.0:0")
	without := runIn(t, environment, service.Command...)
	if without.code == 0 || !strings.Contains(without.stderr, "dashboard.yaml") {
		t.Errorf("without the file: %+v", without)
	}
	writeFile(t, users, "merchants: []\n")
	if without = runIn(t, environment, service.Command...); without.code == 0 || !strings.Contains(without.stderr, "no users are configured") {
		t.Errorf("with a file that names no users: %+v", without)
	}
	writeFile(t, users, b.dashboardUsers("looks", "does-things"))
	d := dashboardOf(t, environment, service.Command...)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(d.url, "http://"))
	b.must(err)
	d.url = "http://127.0.0.1:" + port
	if status, body := d.get("/login"); status != http.StatusOK || !strings.Contains(body, `name="password"`) {
		t.Errorf("got status %d and %s, want the login page", status, body)
	}
	ask := service.Healthcheck.Test
	if len(ask) < 3 || ask[0] != "CMD" || ask[1] != "/ecpayq" {
		t.Fatalf("healthcheck %q", ask)
	}
	ask = strings.Split(strings.ReplaceAll(strings.Join(ask[2:], " "), ":8980", ":"+port), " ")
	if r := runIn(t, environment, ask...); r.code != 0 || r.stdout != "ok\n" {
		t.Errorf("%q: %+v", ask, r)
	}
	b.redis.Kill()
	if r := runIn(t, environment, ask...); r.code != 1 || !strings.Contains(r.stderr, "redis cannot be used: refused") {
		t.Errorf("%q without Redis: %+v", ask, r)
	}
	d.stop()
	if r := runIn(t, environment, ask...); r.code != 1 || !strings.Contains(r.stderr, "not reachable") {
		t.Errorf("%q without a dashboard: %+v", ask, r)
	}
}

func TestMistakesInTheUsersOfTheDashboardAreSaidWithoutTheHash(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, row := range []struct{ yaml, want string }{
		{"dashboard: {users: [{name: a, role: viewer, password_hash: S3CRETpassword}]}", "bcrypt"},
		{"dashboard: {users: [{name: a, role: king, password_hash: S3CRETpassword}]}", "viewer or operator"},
		{"dashboard: {users: [{name: a, role: viewer, password: S3CRETpassword}]}", "unknown field"},
		{"dashboard: {users: S3CRETpassword}", "must be a list"},
	} {
		r := b.runWith(env{"ECPAYQ_CONFIG": writeFile(t, filepath.Join(t.TempDir(), "f.yaml"), row.yaml)}, "dashboard", "--addr", "127.0.0.1:0")
		if r.code == 0 || !strings.Contains(r.stderr, row.want) || strings.Contains(r.stderr, "S3CRET") {
			t.Errorf("%s: got %+v, want %q", row.yaml, r, row.want)
		}
	}
	in, err := os.Open(writeFile(t, filepath.Join(t.TempDir(), "empty"), "\n"))
	b.must(err)
	defer in.Close()
	if r := startWith(t, in, b.env, "dashboard", "password").wait(time.Minute); r.code != 2 || r.stdout != "" {
		t.Errorf("an empty password: %+v, want exit code 2", r)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, priv)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, kind string, b []byte) string {
		return writeFile(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})))
	}
	return file("cert.pem", "CERTIFICATE", der), file("key.pem", "PRIVATE KEY", raw)
}

func TestTheDashboardEndsOnSIGTERM(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	d := b.dashboard()
	d.signal(syscall.SIGTERM)
	if r := d.wait(patience); r.code != 0 {
		t.Errorf("got exit code %d, want 0", r.code)
	}
}
