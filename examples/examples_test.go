//go:build examples

// Package examples_test runs the examples as shops do, against a real ecpayq api and a real Redis.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// binary is the built ecpayq.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ecpayq-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer stopDatabases()
	binary = filepath.Join(dir, "ecpayq")
	cmd := exec.Command("go", "build", "-o", binary, "../cmd/ecpayq")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// language is one in which there are examples.
type language struct {
	name    string
	probe   []string // succeeds where the examples can run
	enqueue []string
	follow  []string
}

var languages = []language{
	{
		name: "PHP", probe: []string{"php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"},
		enqueue: []string{"php", "php/enqueue.php"}, follow: []string{"php", "php/follow.php"},
	},
	{
		name: "Node", probe: []string{"node", "-e", "process.exit(typeof fetch === 'function' ? 0 : 1)"},
		enqueue: []string{"node", "node/enqueue.mjs"}, follow: []string{"node", "node/follow.mjs"},
	},
	{
		name: "Python", probe: []string{"python3", "--version"},
		enqueue: []string{"python3", "python/enqueue.py"}, follow: []string{"python3", "python/follow.py"},
	},
	{
		name: "shell", probe: []string{"sh", "-c", "curl --version && jq --version"},
		enqueue: []string{"sh", "shell/enqueue.sh"}, follow: []string{"sh", "shell/follow.sh"},
	},
}

// inEach runs a test in parallel for each of the languages.
func inEach(t *testing.T, languages []language, f func(t *testing.T, l language)) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.CommandContext(t.Context(), l.probe[0], l.probe[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", strings.Join(l.probe, " "), err, out)
			}
			f(t, l)
		})
	}
}

// startAPI starts ecpayq api with a Redis of its own, and returns where it is.
func startAPI(t *testing.T) string {
	t.Helper()
	api, _ := startAPIAndRedis(t)
	return api
}

func startAPIAndRedis(t *testing.T) (api, redisURL string) {
	t.Helper()
	redisURL = redistest.New(t, redistest.Options{AppendFsync: "no"}).URL()
	cmd := exec.Command(binary, "api", "--addr", "127.0.0.1:0")
	cmd.Env = []string{"ECPAYQ_REDIS_URL=" + redisURL, "ECPAYQ_PAYLOAD_KEY_FILE=" + payloadKeyFile(t)}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	listens, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if url, ok := strings.CutPrefix(lines.Text(), "ecpayq: API on "); ok {
				listens <- url
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("stderr of ecpayq api:\n%s", &said)
		}
	})
	select {
	case url := <-listens:
		return url, redisURL
	case <-ended:
		t.Fatal("ecpayq api ended before it listened")
	case <-time.After(time.Minute):
		t.Fatal("ecpayq api does not listen after a minute")
	}
	return "", ""
}

// result is how an example ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs an example against an API, with a token which an API without tokens does not look at.
func run(t *testing.T, api string, example []string, args ...string) (r result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, example[0], slices.Concat(example[1:], args)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"ECPAYQ_API=" + api, "ECPAYQ_TOKEN=" + token, "ECPAYQ_ONCE=1",
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v\n%s", strings.Join(example, " "), err, &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

const token = "a-token-of-a-test"

// receipt is what an example prints of an intent that is stored.
type receipt struct {
	ID        string
	Duplicate bool
}

// stored runs an example that has to store an intent.
func stored(t *testing.T, api string, example []string, args ...string) receipt {
	t.Helper()
	got := run(t, api, example, args...)
	var r receipt
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != 0 {
		t.Fatalf("the example ended with %+v (%v), want a receipt and exit code 0", got, err)
	}
	return r
}

const merchant = "2000132"

func taskOf(tsr string) string { return "b2c.trigger_issue." + merchant + "." + tsr }

// do sends a request of JSON that has to succeed, and returns the id of the answer.
func do(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ ID string }
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode > http.StatusCreated {
		t.Fatalf("%s %s: %s (%v)\n%s", method, url, resp.Status, err, text)
	}
	return answer.ID
}

func enqueuers() []language { return append(slices.Clone(languages), laravelEnqueue) }

func TestEnqueueExamplesStoreAnIntentOnce(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	inEach(t, enqueuers(), func(t *testing.T, l language) {
		tsr := "ONCE" + l.name
		for _, want := range []receipt{{ID: taskOf(tsr)}, {ID: taskOf(tsr), Duplicate: true}} {
			if diff := cmp.Diff(want, stored(t, api, l.enqueue, merchant, tsr, tsr, "0")); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		}
		if got := do(t, http.MethodGet, api+"/v1/tasks/"+taskOf(tsr), ""); got != taskOf(tsr) {
			t.Errorf("the API shows task %q, want %q", got, taskOf(tsr))
		}
	})
}

func TestEnqueueExamplesTellAPersonWhatIsRefused(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	inEach(t, enqueuers(), func(t *testing.T, l language) {
		tsr := "REFUSED" + l.name
		stored(t, api, l.enqueue, merchant, tsr, tsr, "0")
		for _, c := range []struct {
			name  string
			args  []string
			words []string
		}{
			{"a field that is too long", []string{merchant, strings.Repeat("9", 31), "1", "0"}, []string{"Tsr", "31 個字元"}},
			{"a number that is too great", []string{merchant, "1", "1", "16"}, []string{"DelayDay", "0 至 15 天"}},
			{"two fields", []string{"", "", "1", "0"}, []string{"MerchantID", "Tsr", "為必填"}},
			{"another order with the same Tsr", []string{merchant, tsr, "OTHER", "0"}, []string{"RelateNumber", "不同"}},
		} {
			got := run(t, api, l.enqueue, c.args...)
			for _, word := range append(c.words, "需人工處理：") {
				if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, word) {
					t.Errorf("%s: the example ended with %+v, want exit code 1 and the word %q", c.name, got, word)
				}
			}
		}
	})
}

// recorded stands before an API, keeps when requests came, and does something else for the first.
type recorded struct {
	*httptest.Server
	mu   sync.Mutex
	came []time.Time
}

func standBefore(t *testing.T, api string, first func(w http.ResponseWriter, r *http.Request, api http.Handler)) *recorded {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	rec := &recorded{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("Authorization is %q", got)
		}
		rec.mu.Lock()
		rec.came = append(rec.came, time.Now())
		n := len(rec.came)
		rec.mu.Unlock()
		if n == 1 {
			first(w, r, proxy)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *recorded) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.came)
}

func TestEnqueueExamplesTellAPersonWhatADeadTaskNeeds(t *testing.T) {
	t.Parallel()
	inEach(t, enqueuers(), func(t *testing.T, l language) {
		between := standBefore(t, "http://127.0.0.1:1", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintln(w, `{"status":409,"detail_zh":"相同的任務已終止","advice_zh":"確認號碼後重送或結案"}`)
		})
		got := run(t, between.URL, l.enqueue, merchant, "DEAD", "DEAD", "0")
		if got.code != 1 || !strings.Contains(got.stderr, "相同的任務已終止") || !strings.Contains(got.stderr, "確認號碼後重送或結案") {
			t.Errorf("the example ended with %+v, want exit code 1 and both texts", got)
		}
	})
}

func TestEnqueueExamplesSendAgainWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	inEach(t, enqueuers(), func(t *testing.T, l language) {
		between := standBefore(t, api, func(_ http.ResponseWriter, r *http.Request, api http.Handler) {
			answer := httptest.NewRecorder()
			if api.ServeHTTP(answer, r); answer.Code != http.StatusCreated {
				t.Errorf("the API answered %d to the first request, want 201", answer.Code)
			}
			panic(http.ErrAbortHandler) // the connection is closed without a byte
		})
		tsr := "LOST" + l.name
		want := receipt{ID: taskOf(tsr), Duplicate: true}
		if diff := cmp.Diff(want, stored(t, between.URL, l.enqueue, merchant, tsr, tsr, "0")); diff != "" {
			t.Errorf("receipt (-want +got):\n%s", diff)
		}
		if n := len(between.times()); n != 2 {
			t.Errorf("%d requests came, want 2", n)
		}
	})
}

func TestEnqueueExamplesComeAgainWhenTheyAreTold(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	inEach(t, enqueuers(), func(t *testing.T, l language) {
		const after = 2 * time.Second
		between := standBefore(t, api, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		tsr := "LATER" + l.name
		if got := stored(t, between.URL, l.enqueue, merchant, tsr, tsr, "0"); got.ID != taskOf(tsr) || got.Duplicate {
			t.Errorf("receipt %+v, want a new one of %s", got, taskOf(tsr))
		}
		if came := between.times(); len(came) != 2 || came[1].Sub(came[0]) < after {
			t.Errorf("requests came at %v, want two with %s between them", came, after)
		}
	})
}

// endTwo brings two tasks to an end.
func endTwo(t *testing.T, api, name string) {
	t.Helper()
	for i := range 2 {
		tsr := fmt.Sprintf("%s%d", name, i)
		do(t, http.MethodPost, api+"/v1/intents", fmt.Sprintf(
			`{"type":"b2c:trigger_issue","data":{"MerchantID":%q,"Tsr":%q},"process_at":"2099-01-01T00:00:00+08:00"}`, merchant, tsr))
		do(t, http.MethodPost, api+"/v1/tasks/"+taskOf(tsr)+"/cancel", `{"note":"for a test"}`)
	}
}

// followed runs an example, and returns of each outcome that it prints the subject and the state.
func followed(t *testing.T, l language, api, cursor string) (ends []string, stderr string) {
	t.Helper()
	got := run(t, api, l.follow, cursor)
	if got.code != 0 {
		t.Fatalf("the example ended with %+v, want exit code 0", got)
	}
	for line := range strings.Lines(got.stdout) {
		var o struct {
			Seq     int
			Subject struct{ Tsr string }
			State   string
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ends = append(ends, fmt.Sprintf("%d %s %s", o.Seq, o.Subject.Tsr, o.State))
	}
	return ends, got.stderr
}

func followers() []language { return append(slices.Clone(languages), laravelFollow) }

func TestFollowExamplesComeAgainWhenTheyAreTold(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	endTwo(t, api, "A")
	inEach(t, followers(), func(t *testing.T, l language) {
		const after = 2 * time.Second
		between := standBefore(t, api, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		got, _ := followed(t, l, between.URL, filepath.Join(t.TempDir(), "cursor"))
		if diff := cmp.Diff([]string{"1 A0 cancelled", "2 A1 cancelled"}, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if came := between.times(); len(came) < 2 || came[1].Sub(came[0]) < after {
			t.Errorf("requests came at %v, want %s between the first two", came, after)
		}
	})
}

func TestFollowExamplesTellEachOutcomeOnceAndGapsToAPerson(t *testing.T) {
	t.Parallel()
	inEach(t, followers(), func(t *testing.T, l language) {
		api, cursor := startAPI(t), filepath.Join(t.TempDir(), "cursor")
		look := func(when, warning string, want ...string) {
			t.Helper()
			got, stderr := followed(t, l, api, cursor)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			if !strings.Contains(stderr, warning) || warning == "" && stderr != "" {
				t.Errorf("%s: stderr is %q, want %q in it", when, stderr, warning)
			}
		}
		look("of an empty feed", "")
		endTwo(t, api, "A")
		look("of the first outcomes", "", "1 A0 cancelled", "2 A1 cancelled")
		look("of no more", "")
		api = startAPI(t) // where what was read is not there, as after a failover that lost the last writes
		endTwo(t, api, "B")
		look("after a loss", "需人工處理：", "1 B0 cancelled", "2 B1 cancelled")
		look("of no more after a loss", "")
	})
}

// exampleFiles are the files that shops copy.
func exampleFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(name, "/") && !strings.HasPrefix(name, "testdata/") {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) < 9 {
		t.Fatalf("found %q (%v), want nine files at least", names, err)
	}
	return names
}

func TestEveryExampleHasFewerThanSixtyLines(t *testing.T) {
	t.Parallel()
	for _, name := range exampleFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n >= 60 {
			t.Errorf("%s has %d lines, want fewer than 60", name, n)
		}
	}
}

func TestTheReadmesNameEveryExample(t *testing.T) {
	t.Parallel()
	for _, readme := range []string{"README.md", "README.zh-TW.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range exampleFiles(t) {
			if !strings.Contains(string(text), "]("+name+")") {
				t.Errorf("%s has no link to %s", readme, name)
			}
		}
	}
}

func TestTheLaravelExamplesArePHP(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"php/laravel.php", "php/laravel-webhook.php", "php/laravel-outbox.php", "php/laravel-follow.php"} {
		if out, err := exec.CommandContext(t.Context(), "php", "-l", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
