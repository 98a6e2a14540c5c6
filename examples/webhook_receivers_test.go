//go:build examples

package examples_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receivers are the commands of those that receive webhooks at an address, or by CGI.
var receivers = []struct {
	name    string
	command func(host, port string) []string
	cgi     []string
}{
	// Without a php.ini PHP shows its errors, and what the functions were given.
	{name: "PHP", command: func(host, port string) []string {
		return []string{
			"php", "-d", "display_errors=1", "-d", "zend.exception_ignore_args=0", "-d", "zend.exception_string_param_max_len=15",
			"-S", host + ":" + port, "php/webhook.php",
		}
	}},
	{name: "Laravel", command: func(host, port string) []string {
		return []string{"php", "-d", "display_errors=1", "-S", host + ":" + port, "testdata/laravel-webhook.php"}
	}},
	{name: "Node", command: func(_, port string) []string { return []string{"node", "node/webhook.mjs", port} }},
	{name: "Python", command: func(_, port string) []string { return []string{"python3", "python/webhook.py", port} }},
	{name: "shell", cgi: []string{"/bin/sh", "shell/webhook.sh"}},
}

// inEachReceiver runs a test in parallel with each of the receivers, started with some variables.
func inEachReceiver(t *testing.T, f func(t *testing.T, start func(env ...string) (url string))) {
	t.Helper()
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f(t, func(env ...string) string {
				t.Helper()
				if r.cgi != nil {
					return byCGI(t, r.cgi, env)
				}
				host, port := freePort(t)
				return listening(t, r.command(host, port), host+":"+port, env)
			})
		})
	}
}

// byCGI starts a web server that runs a program for each request, and returns where it is.
func byCGI(t *testing.T, command, env []string) (url string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var said lockedBuffer
	s := httptest.NewServer(&cgi.Handler{
		Path: command[0], Args: command[1:], Dir: dir, Env: env, Stderr: &said, Logger: log.New(&said, "", 0),
	})
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(command, " "), &said.Buffer)
		}
	})
	return s.URL
}

// lockedBuffer may be written to from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(text)
}

func freePort(t *testing.T) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if host, port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return host, port
}

// listening starts a receiver, and returns where it is.
func listening(t *testing.T, command []string, address string, env []string) (url string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(command, " "), &said)
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatalf("%s ended before it listened", strings.Join(command, " "))
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen after a minute", strings.Join(command, " "))
	return ""
}

// post sends a webhook, and returns the status, or 0 where no answer came. No answer may tell the secret.
func post(t *testing.T, url string, w webhook) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(w.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = w.header()
	r.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Log(err)
		return 0
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(text), secretOf(webhookKey)[len("whsec_"):][:8]) {
		t.Errorf("the answer tells the secret, or is cut off (%v):\n%s", err, text)
	}
	return resp.StatusCode
}

// storedIn are the bodies of the files in a directory, in the order of their names.
func storedIn(t *testing.T, dir string) (bodies []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(f.Name()) != ".json" {
			t.Errorf("%s was left behind", f.Name())
		}
		bodies = append(bodies, string(text))
	}
	return bodies
}

// outcome is a webhook of the outcome with a number, signed some seconds ago.
func outcome(t *testing.T, seq int, ago int64) webhook {
	t.Helper()
	w := signed(t, time.Now().Unix()-ago, strings.Replace(webhookBody, `"seq":17`, fmt.Sprintf(`"seq":%d`, seq), 1))
	w.ID = fmt.Sprintf("out_2000132_%d_1795000000123", seq)
	return w.sign(webhookKey)
}

func TestWebhookExamplesStoreEachOutcomeOnceInOrder(t *testing.T) {
	t.Parallel()
	inEachReceiver(t, func(t *testing.T, start func(...string) string) {
		dir := t.TempDir()
		url := start("ECPAYQ_WEBHOOK_DIR="+dir, "ECPAYQ_WEBHOOK_SECRET="+secretOf(webhookKey))
		w := outcome(t, 17, 0)
		rotated := outcome(t, 9, 0)
		rotated.Signatures = "v1a,c2lnbmVk " + rotated.sign(strings.Repeat("k", 24)).Signatures + " " + rotated.Signatures
		for _, c := range []struct {
			name string
			webhook
			seqs []int
		}{
			{"the first", w, []int{17}},
			{"the same again", w, []int{17}},
			{"the same, signed at another time", outcome(t, 17, 240), []int{17}},
			{"an earlier one that comes late, with two secrets", rotated, []int{9, 17}},
			{"a later one", outcome(t, 1234567, 0), []int{9, 17, 1234567}},
		} {
			if got := post(t, url, c.webhook); got != http.StatusNoContent {
				t.Errorf("%s: the answer is %d, want 204", c.name, got)
			}
			var want []string
			for _, seq := range c.seqs {
				want = append(want, string(outcome(t, seq, 0).Body))
			}
			if diff := cmp.Diff(want, storedIn(t, dir)); diff != "" {
				t.Errorf("%s: stored (-want +got):\n%s", c.name, diff)
			}
		}
		testing := signed(t, time.Now().Unix(), `{"seq":0,"id":"test","type":"test","merchant_id":"*","state":"test"}`)
		if got := post(t, url, testing); got != http.StatusNoContent {
			t.Errorf("one without a number, as a person sends it to test: the answer is %d, want 204", got)
		}
		together := outcome(t, 2_000_000, 0)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got := post(t, url, together); got != http.StatusNoContent {
					t.Errorf("the same eight times at once: an answer is %d, want 204", got)
				}
			})
		}
		all.Wait()
		if n := len(storedIn(t, dir)); n != 5 {
			t.Errorf("%d are stored, want 5", n)
		}
	})
}

func TestWebhookExamplesStoreNothingThatIsForged(t *testing.T) {
	t.Parallel()
	inEachReceiver(t, func(t *testing.T, start func(...string) string) {
		dir := t.TempDir()
		url := start("ECPAYQ_WEBHOOK_DIR="+dir, "ECPAYQ_WEBHOOK_SECRET="+secretOf(webhookKey))
		right := outcome(t, 17, 0)
		change := func(f func(*webhook)) webhook {
			w := right
			w.Body = bytes.Clone(w.Body)
			f(&w)
			return w
		}
		for name, w := range map[string]webhook{
			"another secret":       right.sign(strings.Repeat("k", 24)),
			"another body":         change(func(w *webhook) { w.Body[7] = '8' }),
			"another id":           change(func(w *webhook) { w.ID += "4" }),
			"no id":                change(func(w *webhook) { w.ID = "" }),
			"no timestamp":         change(func(w *webhook) { w.Timestamp = "" }),
			"no signature":         change(func(w *webhook) { w.Signatures = "" }),
			"a signature in UTF-8": change(func(w *webhook) { w.Signatures = "v1," + strings.Repeat("é", 22) }),
			"five minutes late":    outcome(t, 17, 301),
			"from the future":      outcome(t, 17, -420),
			"no body":              change(func(w *webhook) { w.Body = nil }),
			"more than a mebibyte": change(func(w *webhook) { w.Body = bytes.Repeat([]byte(" "), 1<<20+1) }).sign(webhookKey),
			"no headers":           {Body: right.Body},
		} {
			want := http.StatusUnauthorized
			if len(w.Body) > 1<<20 && strings.HasSuffix(t.Name(), "/Laravel") {
				want = http.StatusInternalServerError // it bounds no body, and finds this one, which is signed, to be no JSON
			}
			if got := post(t, url, w); got != want {
				t.Errorf("%s: the answer is %d, want %d", name, got, want)
			}
		}
		if got := storedIn(t, dir); len(got) != 0 {
			t.Errorf("stored %q, want nothing", got)
		}
		if got := post(t, url, right); got != http.StatusNoContent || len(storedIn(t, dir)) != 1 {
			t.Errorf("the answer to the right one is %d, want 204", got)
		}
	})
}

func TestWebhookExamplesReadTheSecretFromAFile(t *testing.T) {
	t.Parallel()
	inEachReceiver(t, func(t *testing.T, start func(...string) string) {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(secretOf(webhookKey)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		url := start("ECPAYQ_WEBHOOK_DIR="+dir, "ECPAYQ_WEBHOOK_SECRET_FILE="+file)
		if got := post(t, url, outcome(t, 17, 0)); got != http.StatusNoContent || len(storedIn(t, dir)) != 1 {
			t.Errorf("the answer is %d, want 204", got)
		}
	})
}

// A success would be believed, and the outcome never be sent again; nor is it the sender who is wrong.
func TestWebhookExamplesDoNotSayThatTheyStoredWhatTheyDidNot(t *testing.T) {
	t.Parallel()
	inEachReceiver(t, func(t *testing.T, start func(...string) string) {
		dir := t.TempDir()
		noDir := filepath.Join(dir, "a file")
		if err := os.WriteFile(noDir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, env := range map[string][]string{
			"a directory that is none": {"ECPAYQ_WEBHOOK_DIR=" + noDir, "ECPAYQ_WEBHOOK_SECRET=" + secretOf(webhookKey)},
			"a secret that is wrong":   {"ECPAYQ_WEBHOOK_DIR=" + dir, "ECPAYQ_WEBHOOK_SECRET=" + secretOf(webhookKey) + "="},
			"a secret that is short":   {"ECPAYQ_WEBHOOK_DIR=" + dir, "ECPAYQ_WEBHOOK_SECRET=whsec_"},
		} {
			url := start(env...)
			w := outcome(t, 17, 0)
			if strings.HasSuffix(name, "short") {
				w = w.sign("")
			}
			if got := post(t, url, w); got != http.StatusInternalServerError && got != 0 {
				t.Errorf("%s: the answer is %d, want 500 or none", name, got)
			}
			// It goes on after that.
			if got := post(t, url, w); got != http.StatusInternalServerError && got != 0 {
				t.Errorf("%s: the second answer is %d, want 500 or none", name, got)
			}
		}
	})
}
