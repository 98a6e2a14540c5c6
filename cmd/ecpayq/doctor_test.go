package main_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// finding is one element of what doctor prints.
type finding struct {
	Check, Status, Detail, Hint string
	HintZH                      string `json:"hint_zh"`
}

// questions are the operations of ECPay that were called.
func (b *bench) questions() []string {
	var list []string
	for _, c := range b.fake.Calls() {
		if c.Operation != "" {
			list = append(list, c.Category+" "+c.Operation)
		}
	}
	return list
}

// doctor runs ecpayq doctor and returns its findings by check.
func (b *bench) doctor(code int) map[string]finding { return b.doctorArgs(code) }

func (b *bench) doctorArgs(code int, args ...string) map[string]finding {
	b.Helper()
	r := b.run(append([]string{"doctor"}, args...)...)
	if r.code != code {
		b.Errorf("doctor: got exit code %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	for _, secret := range []string{b.env["ECPAYQ_HASH_KEY"], b.env["ECPAYQ_HASH_IV"], "s3cret-word"} {
		if secret != "" && strings.Contains(r.stdout+r.stderr, secret) {
			b.Errorf("doctor prints a secret: %s%s", r.stdout, r.stderr)
		}
	}
	byCheck := map[string]finding{}
	for line := range strings.Lines(r.stdout) {
		f := oneLine[finding](b.T, line)
		if _, twice := byCheck[f.Check]; twice || f.Status != "ok" && f.Status != "warning" && f.Status != "failed" {
			b.Errorf("got finding %+v, want each check once, and ok, warning or failed", f)
		}
		if (f.Hint == "") != (f.HintZH == "") {
			b.Errorf("%s: got hint %q and hint_zh %q, want advice in both languages or in none", f.Check, f.Hint, f.HintZH)
		}
		byCheck[f.Check] = f
	}
	return byCheck
}

func TestDoctorFindsNothingWrongWithASoundSetup(t *testing.T) {
	t.Parallel()
	b := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.useRedis(redistest.Options{Password: "s3cret-word"})
	got := b.doctor(0)
	for _, check := range []string{"configuration", "keys", "redis", "redis durability", "redis memory",
		"clock against redis", "ecpay", "clock against ecpay", "keys at ecpay", "denied keys", "bans", "dead letters"} {
		if f, ok := got[check]; !ok || f.Status != "ok" || f.Detail == "" {
			t.Errorf("%s: got %+v, want ok with its detail", check, f)
		}
	}
	if r := b.run("doctor", "--json"); r.code != 0 || r.stderr != "" {
		t.Errorf("doctor --json: got exit code %d and %q on stderr, want 0 and nothing", r.code, r.stderr)
	}
	if f := got["workers"]; f.Status != "warning" || f.Hint == "" || f.HintZH == "" {
		t.Errorf("without a worker: got %+v, want a warning with hints in both languages", f)
	}
	if got := b.questions(); len(got) != 2 || got[0] != "B2C GetIssue" || got[1] != "B2C GetIssue" {
		t.Errorf("two doctors asked %v, want GetIssue of B2C each", got)
	}
	if effects := b.fake.Effects(); len(effects) != 0 {
		t.Errorf("doctor had effects: %v", effects)
	}
	b.doctorArgs(0, "--no-ecpay")
	if got := b.questions(); len(got) != 2 {
		t.Errorf("doctor --no-ecpay asked %v", got[2:])
	}
}

func TestAFenceShorterThanECPaysWindowIsWarnedAbout(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_FENCE": "10m30s"})
	if f := b.doctor(0)["configuration"]; f.Status != "warning" ||
		!strings.Contains(f.Detail, "10m45s") || !strings.Contains(f.Hint, "ECPAYQ_FENCE") {
		t.Errorf("doctor: got %+v, want a warning with the least that is safe", f)
	}
	b.worker().awaitLog("ECPAYQ_FENCE 10m30s is less than ECPay's 10 minutes and ECPAYQ_TASK_TIMEOUT, 10m45s: a " +
		"write that was not answered may land after it was sent again")
}

func TestDoctorNamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	slow := ecpaytest.New(ecpaytest.Config{Now: func() time.Time { return time.Now().Add(-20 * time.Minute) }})
	late := httptest.NewServer(slow)
	t.Cleanup(late.Close)
	readable := writeFile(t, filepath.Join(t.TempDir(), "iv"), ecpaytest.StageHashIV+"\n")
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	frozen := redistest.New(t)
	frozen.Freeze()
	rows := []struct {
		name    string
		redis   redistest.Options
		changes env
		code    int
		check   string
		status  string
		want    string
		hint    bool
	}{
		{name: "Redis is away", changes: env{"ECPAYQ_REDIS_URL": "redis://" + freeAddr(t) + "/0"},
			code: 1, check: "redis", status: "failed", want: "refused", hint: true},
		{name: "Redis does not answer", changes: env{"ECPAYQ_REDIS_URL": frozen.URL()},
			code: 1, check: "redis", status: "failed", want: "timeout", hint: true},
		{name: "the Redis URL is wrong", changes: env{"ECPAYQ_REDIS_URL": "http://127.0.0.1"},
			code: 1, check: "redis", status: "failed", want: "scheme", hint: true},
		{name: "no AOF", redis: redistest.Options{AppendFsync: "no"},
			check: "redis durability", status: "warning", want: "appendonly is no", hint: true},
		{name: "AOF synced every second", redis: redistest.Options{AppendFsync: "everysec"},
			check: "redis durability", status: "warning", want: "appendfsync is everysec", hint: true},
		{name: "eviction", redis: redistest.Options{MaxmemoryPolicy: "allkeys-lru"},
			check: "redis durability", status: "warning", want: "maxmemory-policy is allkeys-lru", hint: true},
		{name: "CONFIG GET is not allowed", redis: redistest.Options{Username: "queue", Password: "s3cret-word", ACL: "~* &* +@all -config"},
			check: "redis durability", status: "warning", want: "not known", hint: true},
		{name: "a key of the wrong length", changes: env{"ECPAYQ_HASH_KEY": "tooShort"},
			code: 1, check: "keys", status: "failed", want: "HashKey has 8 bytes", hint: true},
		{name: "no merchant", changes: noMerchant, code: 1, check: "keys", status: "failed", want: "no merchant is configured", hint: true},
		{name: "a key file that is not there", changes: env{"ECPAYQ_HASH_IV": "", "ECPAYQ_HASH_IV_FILE": "/nowhere/iv"},
			code: 1, check: "keys", status: "failed", want: "ECPAYQ_HASH_IV_FILE", hint: true},
		{name: "a key file that everybody can read", changes: env{"ECPAYQ_HASH_IV": "", "ECPAYQ_HASH_IV_FILE": readable}, check: "key files",
			status: "warning", want: "ECPAYQ_HASH_IV_FILE: " + readable + " can be read by every user of this machine (mode 0644)", hint: true},
		{name: "a key file that never ends", changes: env{"ECPAYQ_HASH_IV": "", "ECPAYQ_HASH_IV_FILE": "/dev/zero"},
			code: 1, check: "keys", status: "failed", want: "/dev/zero is a device", hint: true},
		{name: "timeouts that do not nest", changes: env{"ECPAYQ_SHUTDOWN_TIMEOUT": "10s"},
			code: 1, check: "configuration", status: "failed", want: "ECPAYQ_SHUTDOWN_TIMEOUT 10s"},
		{name: "ECPay is away", changes: env{"ECPAYQ_ECPAY_URL": "http://" + freeAddr(t)},
			code: 1, check: "ecpay", status: "failed", want: "refused", hint: true},
		{name: "the ECPay URL is wrong", changes: env{"ECPAYQ_ECPAY_URL": "http://192.0.2.1"},
			code: 1, check: "ecpay", status: "failed", want: "loopback", hint: true},
		{name: "the clock is wrong", changes: env{"ECPAYQ_ECPAY_URL": late.URL}, code: 1,
			check: "clock against ecpay", status: "failed", want: "s behind ours", hint: true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, nil)
			b.useRedis(row.redis)
			b.set(row.changes)
			found := b.doctor(row.code)
			got := found[row.check]
			if got.Status != row.status || !strings.Contains(got.Detail, row.want) || row.hint && got.Hint == "" {
				t.Errorf("%s: got %+v, want %s with %q and a hint: %v", row.check, got, row.status, row.want, row.hint)
			}
			for check, f := range found {
				if f.Status == "failed" && check != row.check && !(check == "configuration" && row.check != "keys") {
					t.Errorf("%s failed too: %+v", check, f)
				}
			}
		})
	}
}
