package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestTourGoesAsItShould(t *testing.T) {
	for name, path := range map[string]string{"with a real redis-server": "", "with miniredis": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			if path != "" {
				t.Setenv("PATH", path)
			}
			var out, errw bytes.Buffer
			if code := run(t.Context(), []string{"ecpayq-dev", "up", "--once", "--json"}, &out, &errw); code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, out.String(), errw.String())
			}
			var results []result
			if err := json.Unmarshal(out.Bytes(), &results); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if len(results) != len(steps()) {
				t.Errorf("%d results for %d steps", len(results), len(steps()))
			}
			for _, r := range results {
				if !r.OK {
					t.Errorf("%s: %s", r.Step, r.Problem)
				}
			}
		})
	}
}

// TestTourNotices shows that the tour can fail.
func TestTourNotices(t *testing.T) {
	t.Parallel()
	tr := &tour{stack: &stack{fake: &fake{Server: ecpaytest.New(ecpaytest.Config{})}}, p: newPrinter(io.Discard)}
	ok := ecpay.OK
	good := record.Task{State: record.StateCompleted, Kind: &ok, Attempts: 1}
	s := step{payload: voidOf("VG11000001"), want: want{state: record.StateCompleted, kind: ecpay.OK, attempts: 1}}
	if r := tr.judge(s, good, 0); !r.OK {
		t.Errorf("a step that went well: %s", r.Problem)
	}
	for name, tc := range map[string]struct {
		task   record.Task
		effect string
		says   string
	}{
		"dead":       {record.Task{State: record.StateDead, Kind: &ok, Attempts: 1}, "", "state is dead"},
		"no effect":  {good, ecpaytest.EffectVoided, "effects at ECPay"},
		"attempts":   {record.Task{State: record.StateCompleted, Kind: &ok, Attempts: 2}, "", "2 attempts"},
		"other kind": {record.Task{State: record.StateCompleted, Attempts: 1}, "", "kind is"},
	} {
		s.want.effect = tc.effect
		r := tr.judge(s, tc.task, 0)
		if r.OK || !strings.Contains(r.Problem, tc.says) || failures([]result{r}) != 1 {
			t.Errorf("%s: ok %v, %q", name, r.OK, r.Problem)
		}
	}
}

// TestUpKeepsServing is the default command: it ends when it is told to.
func TestUpKeepsServing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"ecpayq-dev"}, w, io.Discard)
		_ = w.Close()
	}()
	var told strings.Builder
	var dashboard, curl string
	buf := make([]byte, 4096)
	for !strings.Contains(told.String(), "/_fake/effects") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after\n%s", err, told.String())
		}
		told.Write(buf[:n])
	}
	for line := range strings.Lines(told.String()) {
		if _, rest, ok := strings.Cut(line, "dashboard            "); ok {
			dashboard = strings.TrimSpace(rest)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "curl ") {
			curl = strings.TrimSpace(line)
		}
	}
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Get(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || !bytes.Contains(bytes.ToLower(body), []byte("asynq")) {
		t.Errorf("dashboard on %s: %s", dashboard, resp.Status)
	}
	// What stands in the line is sent as curl would send it.
	address := regexp.MustCompile(`http://\S+`).FindString(curl)
	_, intent, _ := strings.Cut(strings.TrimSuffix(curl, "'"), " -d '")
	resp, err = (&http.Client{Timeout: 5 * time.Second}).Post(address, "application/json", strings.NewReader(intent))
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode >= 300 { // the tour has asked the same
		t.Errorf("%s: got %s and %s", curl, resp.Status, body)
	}
	const issue = `{"type":"b2c:issue","data":{"MerchantID":"2000132","RelateNumber":"UP1","CustomerEmail":"a@example.com","Print":"0",` +
		`"Donation":"0","TaxType":"1","SalesAmount":100,"InvType":"07","vat":"1","Items":[{"ItemSeq":1,"ItemName":"x","ItemCount":1,` +
		`"ItemWord":"x","ItemPrice":100,"ItemTaxType":"1","ItemAmount":100}]}}`
	resp, err = (&http.Client{Timeout: 5 * time.Second}).Post(address, "application/json", strings.NewReader(issue))
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("an invoice with a buyer: got %s and %s", resp.Status, body)
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d, want 0", c)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown flag":        {[]string{"up", "--nope"}, 2, "nope"},
		"stray argument":      {[]string{"up", "x"}, 2, "unexpected"},
		"json without once":   {[]string{"up", "--json"}, 2, "--once"},
		"fake on all hosts":   {[]string{"fake", "--addr", "0.0.0.0:1"}, 2, "loopback"},
		"fake without a port": {[]string{"fake", "--addr", "127.0.0.1"}, 2, "loopback"},
	} {
		var out, errw bytes.Buffer
		if code := run(t.Context(), append([]string{"ecpayq-dev"}, tc.args...), &out, &errw); code != tc.code ||
			!strings.Contains(errw.String(), tc.says) {
			t.Errorf("%s: exit code %d\n%s", name, code, errw.String())
		}
	}
}
