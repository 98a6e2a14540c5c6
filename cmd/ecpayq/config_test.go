package main_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Two merchants beside that of the stage environment, with keys of their own.
const (
	otherID, otherKey, otherIV = "3002601", "Other1HashKey002", "Other1HashIv0003"
	thirdID, thirdKey, thirdIV = "3002602", "1234567890123456", "6543210987654321"
)

func severalMerchants() ecpaytest.Config {
	return ecpaytest.Config{Merchants: []ecpaytest.Merchant{
		{MerchantID: merchantID, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV},
		{MerchantID: otherID, HashKey: otherKey, HashIV: otherIV},
		{MerchantID: thirdID, HashKey: thirdKey, HashIV: thirdIV},
	}}
}

// noMerchant removes the merchant of the environment.
var noMerchant = env{"ECPAYQ_MERCHANT_ID": "", "ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_IV": ""}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATaskOfAnUnknownMerchantIsHeldUntilItsKeysAreThere(t *testing.T) {
	t.Parallel()
	b := newBenchOf(t, severalMerchants(), noMerchant)
	const stage = "merchants:\n  - merchant_id: \"2000132\"\n    hash_key: ejCk326UnaZWKisg\n    hash_iv: q9jcZX8Ib9LM8wYk\n"
	file := writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), stage)
	b.set(env{"ECPAYQ_CONFIG": file})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: otherID, Tsr: "OTHER1"}))
	for _, tsr := range []string{"OWN1", "OWN2"} {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
	}
	w := b.worker()
	r := b.enqueue("trigger-issue", "--merchant-id", otherID, "--tsr", "OTHER1")
	held := b.await(r.ID, "held")
	if held.Kind != "Denied" || held.Attempts != 0 || held.NextAt.IsZero() || !strings.Contains(held.ReasonZh, "金鑰") {
		t.Errorf("got %+v, want held by Denied with 0 attempts, when it goes on and why", held)
	}
	if got := len(b.fake.Calls()); got != 0 {
		t.Errorf("got %d calls without keys, want none", got)
	}

	// A file that is wrong changes nothing.
	writeFile(t, file, strings.Replace(stage, "ejCk326UnaZWKisg", "tooShort", 1))
	w.signal(syscall.SIGHUP)
	line := w.awaitLog("configuration not reloaded, the old one stays")
	if text, _ := line["error"].(string); !strings.Contains(text, "HashKey has 8 bytes") || strings.Contains(text, "tooShort") {
		t.Errorf("got error %q, want the length and not the key", text)
	}
	b.waitFor(b.enqueue("trigger-issue", "--merchant-id", merchantID, "--tsr", "OWN1").ID, "completed")

	writeFile(t, file, stage+"  - {merchant_id: \""+otherID+"\", hash_key: "+otherKey+", hash_iv: "+otherIV+"}\n")
	w.signal(syscall.SIGHUP)
	if line := w.awaitLog("configuration reloaded"); line["merchants"] != 2.0 {
		t.Errorf("got %v merchants after the reload, want 2", line["merchants"])
	}
	if got := b.waitFor(r.ID, "completed"); got.Attempts != 1 {
		t.Errorf("got %d attempts, want 1: the hold has spent none", got.Attempts)
	}
	b.waitFor(b.enqueue("trigger-issue", "--merchant-id", merchantID, "--tsr", "OWN2").ID, "completed")
	if got := len(b.fake.EffectsOn(otherID, "OTHER1")); got != 1 {
		t.Errorf("got %d effects, want 1", got)
	}
	b.wantFresh()
}

func TestAWrongKeyHoldsTheTaskUntilItIsMended(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	key := writeFile(t, filepath.Join(t.TempDir(), "hash_key"), "WrongHashKey0000\n")
	b.set(env{"ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_KEY_FILE": key})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "WRONG1"}))
	w := b.worker()
	r := b.enqueue("trigger-issue", "--tsr", "WRONG1")
	held := b.await(r.ID, "held")
	if held.Kind != "Denied" || held.TransCode != 110 || held.HTTPStatus != http.StatusInternalServerError || held.Attempts != 0 {
		t.Errorf("got %+v, want held by Denied with TransCode 110, HTTP status 500 and 0 attempts", held)
	}
	writeFile(t, key, "  "+ecpaytest.StageHashKey+" \n") // as editors leave it
	w.signal(syscall.SIGHUP)
	w.awaitLog("configuration reloaded")
	b.waitFor(r.ID, "completed")
	b.wantEffects("WRONG1", "issued")
}

// A task whose answer was lost must be asked about before it is sent again, also
// when it was held for want of keys in between.
func TestAnUnansweredWriteIsStillAskedAboutAfterAHoldForMissingKeys(t *testing.T) {
	t.Parallel()
	b := newBenchOf(t, severalMerchants(), noMerchant)
	const keys = "merchants:\n" +
		"  - {merchant_id: \"" + thirdID + "\", hash_key: " + thirdKey + ", hash_iv: " + thirdIV + "}\n"
	const both = keys + "  - {merchant_id: \"2000132\", hash_key: ejCk326UnaZWKisg, hash_iv: q9jcZX8Ib9LM8wYk}\n"
	file := writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), both)
	b.set(env{"ECPAYQ_CONFIG": file, "ECPAYQ_BACKOFF_BASE": "10m"})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "LOST1", RelateNumber: "RLOST1"}))
	b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{Drop: true, AfterEffect: true})
	w, d := b.worker(), b.dashboard()
	r := b.enqueue("trigger-issue", "--tsr", "LOST1", "--merchant-id", merchantID, "--relate-number", "RLOST1", "--delay-day", "0")
	b.eventually("the answer is lost", func() bool {
		k := b.look(r.ID).Kind
		return k != nil && *k == ecpay.Ambiguous
	})
	b.await(r.ID, "retry")

	writeFile(t, file, keys)
	w.signal(syscall.SIGHUP)
	w.awaitLog("configuration reloaded")
	d.runTask("/asynq", "retry_tasks", r.Queue, r.ID)
	if held := b.await(r.ID, "held"); held.Kind != "Denied" {
		t.Errorf("got kind %s without keys, want Denied", held.Kind)
	}

	writeFile(t, file, both)
	w.signal(syscall.SIGHUP)
	b.eventually("the keys are back", func() bool { return strings.Count(w.err.String(), `"configuration reloaded"`) == 2 })
	if got := b.waitFor(r.ID, "completed"); got.Kind != "AlreadyDone" {
		t.Errorf("got kind %s, want AlreadyDone: ECPay was asked", got.Kind)
	}
	b.wantEffects("LOST1", "issued")
	if diff := cmp.Diff([]string{"TriggerIssue"}, b.operations("LOST1")); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// Five attempts that never ended kill a task; whether the last one was sent is
// not known, so a run from the dashboard must ask first.
func TestATaskGivenUpAfterFiveCrashesIsAskedAboutBeforeItIsSentAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "CRASHED1", RelateNumber: "RCRASHED1", Issued: true}))
	r := b.enqueue("trigger-issue", "--tsr", "CRASHED1", "--relate-number", "RCRASHED1", "--delay-day", "0")
	// As five crashed workers leave it: the last attempt marked its write and never left.
	now := b.redis.Client().Time(t.Context()).Val().UnixMilli()
	b.must(b.redis.Client().HSet(t.Context(), record.TaskKey(r.ID), record.FieldState, string(record.Active), record.FieldToken, "gone",
		record.FieldAttempts, 5, record.FieldCrashes, 4, record.FieldSince, now, record.FieldFirst, now, record.FieldInFlight, now).Err())
	b.worker()
	dead := b.waitFor(r.ID, "dead")
	if !strings.Contains(dead.Reason, "five attempts") {
		t.Errorf("got reason %q, want that five attempts ended without a trace", dead.Reason)
	}
	if got := len(b.fake.Calls()); got != 0 {
		t.Errorf("got %d calls after five crashes, want none", got)
	}
	b.dashboard().runTask("/asynq", "archived_tasks", r.Queue, r.ID)
	if got := b.waitFor(r.ID, "completed"); got.Kind != "AlreadyDone" {
		t.Errorf("got kind %s, want AlreadyDone: ECPay was asked", got.Kind)
	}
	b.wantEffects("CRASHED1")
	if diff := cmp.Diff([]string{}, b.operations("CRASHED1")); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestSecretsAndNumbersComeFromFilesAndTheYAML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string { return writeFile(t, filepath.Join(dir, name), text) }
	rows := []struct {
		name    string
		changes env
		id      string
	}{
		{"everything by file", env{
			"ECPAYQ_MERCHANT_ID": "", "ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_IV": "",
			"ECPAYQ_MERCHANT_ID_FILE": file("id", merchantID+"\n"), "ECPAYQ_HASH_KEY_FILE": file("key", ecpaytest.StageHashKey+"\n"),
			"ECPAYQ_HASH_IV_FILE": file("iv", ecpaytest.StageHashIV+"\n"),
		}, merchantID},
		{"keys of digits only in the YAML", onlyYAML(
			file("digits.yaml", "merchants:\n- {merchant_id: "+thirdID+", hash_key: "+thirdKey+", hash_iv: "+thirdIV+"}\n"),
		), thirdID},
		{"key files in the YAML", onlyYAML(
			file("files.yaml",
				"merchants:\n- merchant_id: \""+otherID+"\"\n  hash_key_file: "+file("okey", otherKey)+"\n  hash_iv_file: "+file("oiv", otherIV)+"\n"),
		), otherID},
		{"the environment beside the YAML", env{
			"ECPAYQ_CONFIG": file("beside.yaml", "merchants:\n- {merchant_id: \""+otherID+"\", hash_key: "+otherKey+", hash_iv: "+otherIV+"}\n"),
		}, otherID},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchOf(t, severalMerchants(), row.changes)
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: row.id, Tsr: "FILE1"}))
			b.worker()
			b.waitFor(b.enqueue("trigger-issue", "--merchant-id", row.id, "--tsr", "FILE1").ID, "completed")
			if got := len(b.fake.EffectsOn(row.id, "FILE1")); got != 1 {
				t.Errorf("got %d effects, want 1", got)
			}
		})
	}
}

func TestASubMerchantsRequestsAreSealedWithThePlatformsKeys(t *testing.T) {
	t.Parallel()
	const platformID = "3085340"
	cfg := ecpaytest.Config{Merchants: []ecpaytest.Merchant{{
		MerchantID: otherID, HashKey: otherKey, HashIV: otherIV,
		PlatformID: platformID, PlatformHashKey: thirdKey, PlatformHashIV: thirdIV,
	}}}
	file := writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"),
		"platforms:\n- {platform_id: \""+platformID+"\", hash_key: "+thirdKey+", hash_iv: "+thirdIV+"}\n"+
			"merchants:\n- {merchant_id: \""+otherID+"\", platform_id: \""+platformID+"\", keys: platform}\n")
	b := newBenchOf(t, cfg, onlyYAML(file))
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: otherID, Tsr: "SUB1"}))
	b.worker()
	b.waitFor(b.enqueue("trigger-issue", "--merchant-id", otherID, "--tsr", "SUB1").ID, "completed")
	if got := len(b.fake.EffectsOn(otherID, "SUB1")); got != 1 {
		t.Errorf("got %d effects, want 1", got)
	}
	if bodies := b.bodies.all(); len(bodies) != 1 || !strings.Contains(bodies[0], `"PlatformID":"`+platformID+`"`) {
		t.Errorf("got requests %q, want one that names the platform", bodies)
	}
}

// onlyYAML removes the merchant of the environment and names a YAML file.
func onlyYAML(path string) env {
	e := maps.Clone(noMerchant)
	e["ECPAYQ_CONFIG"] = path
	return e
}

func TestAWorkerWithAWrongConfigurationSaysWhatIsWrongAndStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const key, iv = "SecretHashKey001", "SecretHashIv0002"
	file := func(name, text string) string { return writeFile(t, filepath.Join(dir, name), text) }
	yaml := func(name, text string) env { return onlyYAML(file(name+".yaml", text)) }
	entry := "  - {merchant_id: \"2000132\", hash_key: " + key + ", hash_iv: " + iv + "}\n"
	rows := []struct {
		name    string
		changes env
		want    string
		hint    bool
	}{
		{"a merchant twice in the YAML", yaml("twice", "merchants:\n"+entry+entry), "merchant 2000132 is configured twice", true},
		{"a merchant in the YAML and in the environment",
			env{"ECPAYQ_CONFIG": file("also.yaml", "merchants:\n"+entry)}, "merchant 2000132 is configured twice", true},
		{"an unknown field in the YAML", yaml("unknown", "merchants:\n  - {merchant_id: \"1\", hash_kee: "+key+"}\n"), "hash_kee", true},
		{"a YAML that is none", yaml("none", "merchants: [\n"), "ECPAYQ_CONFIG", true},
		{"a YAML file that is not there", onlyYAML(filepath.Join(dir, "missing.yaml")), "ECPAYQ_CONFIG", true},
		{"a YAML file that is a directory", onlyYAML(dir), "ECPAYQ_CONFIG", true},
		{"a key file that is not there",
			env{"ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_KEY_FILE": filepath.Join(dir, "missing")}, "ECPAYQ_HASH_KEY_FILE", true},
		{"a key file that cannot be read", env{"ECPAYQ_HASH_IV": "", "ECPAYQ_HASH_IV_FILE": dir}, "ECPAYQ_HASH_IV_FILE", true},
		{"a key file that is empty", env{"ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_KEY_FILE": file("empty", "\n")}, "is empty", false},
		{"a key and its file", env{"ECPAYQ_HASH_KEY": key, "ECPAYQ_HASH_KEY_FILE": file("key", key)}, "not both", false},
		{"a HashKey that is too short", env{"ECPAYQ_HASH_KEY": key[1:]}, "HashKey has 15 bytes, want 16", true},
		{"a HashIV that is too long", env{"ECPAYQ_HASH_IV": iv + "x"}, "HashIV has 17 bytes, want 16", true},
		{"a HashKey in hexadecimal", env{"ECPAYQ_HASH_KEY": strings.Repeat("5A", 16)}, "HashKey has 32 bytes, want 16", true},
		{"a key in the YAML that is too short",
			yaml("short", "merchants:\n  - {merchant_id: \"7\", hash_key: "+key[1:]+", hash_iv: "+iv+"}\n"), "HashKey has 15 bytes", true},
		{"keys without a MerchantID", env{"ECPAYQ_MERCHANT_ID": "", "ECPAYQ_HASH_KEY": key, "ECPAYQ_HASH_IV": iv},
			"not ECPAYQ_MERCHANT_ID", false},
		{"a MerchantID without a HashIV", env{"ECPAYQ_HASH_KEY": key, "ECPAYQ_HASH_IV": ""}, "ECPAYQ_HASH_IV is required", true},
		{"no merchant at all", noMerchant, "no merchant is configured", true},
		{"plain http to another machine", env{"ECPAYQ_ECPAY_URL": "http://192.0.2.1"}, "loopback", true},
		{"a time that is no duration", env{"ECPAYQ_FENCE": "eleven minutes"}, "ECPAYQ_FENCE", true},
		{"a number that is none", env{"ECPAYQ_CONCURRENCY": "many"}, "ECPAYQ_CONCURRENCY", true},
		{"a rate that is negative", env{"ECPAYQ_EGRESS_RATE": "-1"}, "ECPAYQ_EGRESS_RATE is -1", false},
		{"an egress whose name has braces", env{"ECPAYQ_EGRESS": "{a}"}, "ECPAYQ_EGRESS", false},
		{"timeouts that do not nest", env{"ECPAYQ_HTTP_TIMEOUT": "50s"},
			"ECPAYQ_HTTP_TIMEOUT 50s must be less than ECPAYQ_TASK_TIMEOUT 45s", false},
		{"a task timeout beyond asynq's", env{"ECPAYQ_TASK_TIMEOUT": "61s", "ECPAYQ_SHUTDOWN_TIMEOUT": "2m"}, "ECPAYQ_TASK_TIMEOUT", false},
		{"a log level that is none", env{"ECPAYQ_LOG_LEVEL": "loud"}, "ECPAYQ_LOG_LEVEL", true},
		{"a log format that is none", env{"ECPAYQ_LOG_FORMAT": "xml"}, "ECPAYQ_LOG_FORMAT", false},
		{"an admin address that cannot be listened on", env{"ECPAYQ_ADMIN_ADDR": "192.0.2.1:1"},
			"listen on 192.0.2.1:1: this machine has no such address", false},
		{"a port that is none", env{"ECPAYQ_ADMIN_ADDR": "127.0.0.1:99999"}, "it must be HOST:PORT", false},
	}
	b := newBench(t, nil)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := runIn(t, b.env.with(row.changes), "worker")
			if r.code != 1 && r.code != 2 || r.stdout != "" {
				t.Errorf("got exit code %d and %q on stdout, want 1 or 2 and nothing", r.code, r.stdout)
			}
			_, text, ok := strings.Cut("\n"+r.stderr, "\necpayq: error: ")
			if !ok || !strings.Contains(text, row.want) {
				t.Errorf("got %q on stderr, want an error that says %q", r.stderr, row.want)
			}
			if row.hint && !strings.Contains(text, "\nhint: ") {
				t.Errorf("got %q on stderr, want a hint", r.stderr)
			}
			for _, secret := range []string{key[1:], iv, ecpaytest.StageHashKey, ecpaytest.StageHashIV} {
				if strings.Contains(r.stderr, secret) {
					t.Errorf("the error holds a key: %q", r.stderr)
				}
			}
		})
	}
}

func TestAKeyOnTheCommandLineIsRefusedAndNotRepeated(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	for _, args := range [][]string{{"worker", "--hash-key", "SecretHashKey001"}, {"worker", "--hash-iv=SecretHashKey001"}} {
		r := b.run(args...)
		if r.code != 2 || strings.Contains(r.stderr+r.stdout, "SecretHashKey001") {
			t.Errorf("%s: got exit code %d and %q, want 2 and no key", args[1], r.code, r.stderr)
		}
	}
}
