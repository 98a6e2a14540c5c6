//go:build examples

package examples_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// client is a program that sends a file to an address, as those of shops do, and prints the answer.
// Its arguments are the address, the Content-Type and the file.
type client struct {
	name    string
	command []string
}

// clients send with what each language brings along, without care for anything.
var clients = []client{
	{"curl", []string{"sh", "-c", `exec curl -sS -H "Content-Type: $2" --data-binary "@$3" "$1"`, "curl"}},
	{"PHP with curl", []string{"php", "-r", `$c = curl_init($argv[1]); curl_setopt_array($c, [
		CURLOPT_POSTFIELDS => file_get_contents($argv[3]),
		CURLOPT_HTTPHEADER => ["Content-Type: $argv[2]"], CURLOPT_RETURNTRANSFER => true]); echo curl_exec($c);`, "--"}},
	{"PHP with a stream", []string{"php", "-r", `echo file_get_contents($argv[1], false, stream_context_create(["http" => ["method" => "POST",
		"header" => "Content-Type: $argv[2]", "content" => file_get_contents($argv[3]), "ignore_errors" => true]]));`, "--"}},
	{"Node", []string{"node", "-e", `const [url, type, file] = process.argv.slice(1);
		fetch(url, {method: "POST", headers: {"Content-Type": type}, body: require("fs").readFileSync(file)})
		.then(r => r.text()).then(t => process.stdout.write(t))`, "--"}},
	{"Python", []string{"python3", "-c", `import sys, urllib.request as u
sys.stdout.write(u.urlopen(u.Request(sys.argv[1], open(sys.argv[3], "rb").read(), {"Content-Type": sys.argv[2]})).read().decode())`}},
}

// send has the client send a text, and returns what came back.
func (c client) send(t *testing.T, url, contentType, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute*time.Duration(max(1, *most/100_000)))
	defer cancel()
	args := append(c.command[1:len(c.command):len(c.command)], url, contentType, file)
	cmd := exec.CommandContext(ctx, c.command[0], args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, &stderr)
	}
	return string(out)
}

// most may be 1,000,000, as many as the API takes: go test -tags examples ./examples -run ABatch -lines 1000000 -timeout 1h
var most = flag.Int("lines", 100_000, "lines of the largest batch that clients send")

// Each writes all of a batch before it reads, or both at once, as it likes.
func TestNoClientLosesALineOfABatchOfAnySize(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, 10, 1_000, 20_000, *most} {
				var text strings.Builder
				for i := range n {
					fmt.Fprintf(&text, `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"B%d"}}`+"\n", i)
				}
				answer := c.send(t, api+"/v1/intents/batch", "application/x-ndjson", text.String())
				line, summary := 0, ""
				for in := bufio.NewScanner(strings.NewReader(answer)); in.Scan(); summary = in.Text() {
					if line++; line <= n && !strings.HasPrefix(in.Text(), fmt.Sprintf(`{"line":%d,"id":`, line)) {
						t.Fatalf("%d lines: line %d is %s", n, line, in.Text())
					}
				}
				if line != n+1 || !strings.HasPrefix(summary, fmt.Sprintf(`{"summary":{"lines":%d,`, n)) || !strings.Contains(summary, `"failed":0`) {
					t.Fatalf("%d lines: %d came back, the last is %s", n, line, summary)
				}
			}
		})
	}
}

// Every operation goes the whole way by HTTP, from each kind of client.
func TestEveryOperationGoesToECPayFromEachClient(t *testing.T) {
	t.Parallel()
	api, fake := startAll(t)
	for i, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for k, s := range samples.Usual() {
				at := samples.At{MerchantID: ecpaytest.StageMerchantID, Subject: s.Subject("CLIENT", 100*i+k)}
				if err := s.Stage(fake, at); err != nil {
					t.Fatal(err)
				}
				data, err := tasks.Encode(s.Payload(at))
				if err != nil {
					t.Fatal(err)
				}
				var r receipt
				answer := c.send(t, api+"/v1/intents", "application/json", fmt.Sprintf(`{"type":%q,"data":%s}`, s.Type, data))
				if err := json.Unmarshal([]byte(answer), &r); err != nil || r.ID != tasks.ID(s.Payload(at)) {
					t.Fatalf("%s: got %s", s.Name, answer)
				}
				if got := state(t, api, r.ID); got != "completed" {
					t.Errorf("%s is %s, want completed", r.ID, got)
				}
				if n := len(fake.EffectsOn(at.MerchantID, at.Subject)); s.Effect != "" && n != 1 {
					t.Errorf("%s has %d effects, want 1", r.ID, n)
				}
			}
		})
	}
}

// state waits until a task has ended.
func state(t *testing.T, api, id string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", api+"/v1/tasks/"+id+"?wait=30s").Output()
	var task struct{ State string }
	if err == nil {
		err = json.Unmarshal(out, &task)
	}
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return task.State
}

// payloadKeyFile makes a file of payload keys.
func payloadKeyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "payload_keys")
	if err := os.WriteFile(file, []byte(samples.PayloadKeyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startAll starts the API, a worker and a fake ECPay.
func startAll(t *testing.T) (api string, fake *ecpaytest.Server) {
	t.Helper()
	fake = ecpaytest.New(ecpaytest.Config{})
	ecpay := httptest.NewServer(fake)
	t.Cleanup(ecpay.Close)
	api, redisURL := startAPIAndRedis(t)
	worker := exec.Command(binary, "worker", "--admin-addr", "127.0.0.1:0")
	worker.Env = []string{
		"ECPAYQ_REDIS_URL=" + redisURL, "ECPAYQ_ECPAY_URL=" + ecpay.URL, "ECPAYQ_MERCHANT_ID=" + ecpaytest.StageMerchantID,
		"ECPAYQ_HASH_KEY=" + ecpaytest.StageHashKey, "ECPAYQ_HASH_IV=" + ecpaytest.StageHashIV, "ECPAYQ_MERCHANT_INTERVAL=0s",
		"ECPAYQ_PAYLOAD_KEY_FILE=" + payloadKeyFile(t),
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = worker.Process.Signal(os.Interrupt)
		_ = worker.Wait()
	})
	return api, fake
}
