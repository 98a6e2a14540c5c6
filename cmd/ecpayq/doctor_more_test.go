package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// Redis answers PING in each of these states.
func TestDoctorFailsWhenRedisAnswersAndCannotBeUsed(t *testing.T) {
	t.Parallel()
	sentinel := redistest.NewSentinel(t, redistest.SentinelOptions{AppendFsync: "no", Sentinels: 1})
	user := func(rules string) redistest.Options {
		return redistest.Options{AppendFsync: "no", Username: "queue", Password: "s3cret-word", ACL: "~* &* +@all " + rules}
	}
	for name, row := range map[string]struct {
		options  redistest.Options
		commands []string
		url      string
		hint, zh string
	}{
		"full":      {commands: []string{"CONFIG SET maxmemory 1"}, hint: "raise maxmemory", zh: "調高 maxmemory"},
		"read-only": {commands: []string{"REPLICAOF 127.0.0.1 1"}, hint: "is a replica", zh: "複本"},
		"no replicas": {commands: []string{"CONFIG SET min-replicas-to-write 1"},
			hint: "min-replicas-to-write", zh: "min-replicas-to-write"},
		"no EVAL":           {options: user("-eval"), hint: "may not use EVAL:", zh: "無權使用 EVAL"},
		"no TIME":           {options: user("-time"), hint: "may not use TIME:", zh: "無權使用 TIME"},
		"no INFO":           {options: user("-info"), hint: "may not use INFO:", zh: "無權使用 INFO"},
		"not our keys":      {options: user("resetkeys ~asynq:*"), hint: "may not use keys ecpayq:*", zh: "無權使用 keys ecpayq:*"},
		"a Sentinel's port": {url: "redis://" + sentinel.Sentinels[0].Addr(), hint: "redis-sentinel://", zh: "Sentinel 的連接埠"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWithout(t, ecpaytest.Config{}, nil)
			if row.url != "" {
				b.env["ECPAYQ_REDIS_URL"] = row.url
			} else {
				if row.options.AppendFsync == "" {
					row.options.AppendFsync = "no"
				}
				b.useRedis(row.options)
				for _, c := range row.commands {
					var args []any
					for _, w := range strings.Fields(c) {
						args = append(args, w)
					}
					b.must(b.redis.Client().Do(t.Context(), args...).Err())
				}
			}
			if f := b.doctorArgs(1, "--json")["redis"]; f.Status != "failed" ||
				!strings.Contains(f.Hint, row.hint) || !strings.Contains(f.HintZH, row.zh) {
				t.Errorf("got %+v, want failed with %q and %q", f, row.hint, row.zh)
			}
		})
	}
}

func TestDoctorSaysOfEachMerchantWhatECPayAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	key := "merchant " + merchantID
	only := func(category string) ecpaytest.Match {
		return ecpaytest.Match{Operation: "GetIssue", Category: category}
	}
	b.fake.Inject(only("B2C"), ecpaytest.Fault{TransCode: 115})
	if f := b.doctor(0)["keys at ecpay"]; f.Status != "ok" || !strings.Contains(f.Detail, "B2B") {
		t.Errorf("B2B alone is enabled: got %+v, want that it works", f)
	}
	b.fake.Inject(only("B2C"), ecpaytest.Fault{TransCode: 115})
	b.fake.Inject(only("B2B"), ecpaytest.Fault{TransCode: 115})
	if f := b.doctor(1)[key]; f.Status != "failed" || !strings.Contains(f.Detail, "neither B2C nor B2B") || f.HintZH == "" {
		t.Errorf("nothing is enabled: got %+v", f)
	}
	b.set(env{"ECPAYQ_HASH_KEY": "0123456789abcdef"})
	if f := b.doctor(1)[key]; f.Status != "failed" || !strings.Contains(f.Detail, "TransCode 110") ||
		!strings.Contains(f.Hint, "HashKey") || !strings.Contains(f.HintZH, "HashKey") {
		t.Errorf("a wrong key: got %+v, want that ECPay refuses it", f)
	}
	b.set(env{"ECPAYQ_HASH_KEY": ecpaytest.StageHashKey})
	b.fake.Inject(only("B2C"), ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	before := len(b.questions())
	if f := b.doctor(1)[key]; f.Status != "failed" || !strings.Contains(f.Detail, "403") || !strings.Contains(f.Hint, "30 minutes") {
		t.Errorf("a ban: got %+v", f)
	}
	// The fleet knows of it, and so does the next doctor, who does not ask again.
	again := b.doctor(0)
	if f := again["bans"]; f.Status != "warning" || !strings.Contains(f.Detail, merchantID) {
		t.Errorf("after a ban: got %+v, want that it is reported", f)
	}
	if f := again[key]; f.Status != "warning" || !strings.Contains(f.Detail, "not asked") {
		t.Errorf("after a ban: got %+v, want that nothing is asked", f)
	}
	if got := len(b.questions()) - before; got != 1 {
		t.Errorf("%d questions around a ban, want 1", got)
	}
	if r := b.run("merchant", "resume", merchantID); r.code != 0 {
		t.Fatalf("resume: %+v", r)
	}
	b.set(env{"ECPAYQ_ECPAY_URL": "http://" + freeAddr(t)})
	away := b.doctor(1)
	if f := away["keys at ecpay"]; f.Status != "warning" || !strings.Contains(f.Detail, "not asked") {
		t.Errorf("without a network: got %+v, want that nothing is asked", f)
	}
	if f := away["ecpay"]; !strings.Contains(f.Detail, "is not reachable from here") {
		t.Errorf("without a network: got %+v, want that it says so", f)
	}
}

func TestDoctorReportsRefusedKeysDeadLettersMemoryAndWorkers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.worker()
	b.rejectedVoid("VG11000061")
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "DOCTOR1"}))
	b.fake.Inject(ecpaytest.Match{Subject: "DOCTOR1"}, ecpaytest.Fault{TransCode: 115})
	b.await(b.enqueue("trigger-issue", "--tsr", "DOCTOR1").ID, "held")
	b.must(b.redis.Client().ConfigSet(t.Context(), "maxmemory", "1gb").Err())
	got := b.doctor(1)
	for check, want := range map[string][2]string{
		"denied keys":   {"failed", merchantID + " B2C, key "},
		"dead letters":  {"warning", "1, of 1 merchant(s)"},
		"workers":       {"ok", fmt.Sprintf("1 running: %s", hostName(t))},
		"redis memory":  {"ok", "of 1.0 GiB used (0 %)"},
		"keys at ecpay": {"ok", "takes the keys"}, // now it does; a person resumes the merchant
	} {
		if f := got[check]; f.Status != want[0] || !strings.Contains(f.Detail, want[1]) || f.Status != "ok" && (f.Hint == "" || f.HintZH == "") {
			t.Errorf("%s: got %+v, want %s and %q", check, f, want[0], want[1])
		}
	}
	w.stop()
	used := b.redis.Client().Info(t.Context(), "memory").Val()
	_, used, _ = strings.Cut(used, "used_memory:")
	used, _, _ = strings.Cut(used, "\r")
	b.must(b.redis.Client().ConfigSet(t.Context(), "maxmemory", used).Err())
	if f := b.doctorArgs(1, "--no-ecpay")["redis memory"]; f.Status != "warning" || !strings.Contains(f.Hint, "maxmemory") {
		t.Errorf("a full Redis: got %+v, want a warning", f)
	}
}

func hostName(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
