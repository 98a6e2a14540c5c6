package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// page reads a YAML text as programs without keys do.
func page(t *testing.T, text string) (config.Page, error) {
	t.Helper()
	return mustParse(t, map[string]string{"ECPAYQ_CONFIG": write(t, "ecpayq.yaml", text)}).Page()
}

func TestAPageReadsUsersSchedulesAndIntervalsAndNoKey(t *testing.T) {
	t.Parallel()
	p, err := page(t, `
merchants:
  - {merchant_id: "1000001", hash_key_file: /nowhere, hash_iv_file: /nowhere, interval: 50ms}
codes:
  - {rtn_code: 1234567, kind: Operator, en: check the back office}
dashboard:
  users:
    - {name: olga, role: operator, password_hash: $2a$12$x}
schedules:
  - name: night
    cron: 30 3 * * *
  - name: often
    cron: "*/10 * * * *"
    time_zone: UTC
    kind: [Unavailable, Rejected]
    type: b2b:invalid
    merchant_id: "1000001"
    older_than: 10m
    limit: 500
  - {name: one, cron: "@daily", time_zone: Asia/Taipei, kind: Ambiguous}
  - {name: compare, cron: 30 4 * * *, do: reconcile, days: 4, merchant_id: "1000001"}
  - {name: yesterday, cron: 30 4 * * *, do: reconcile}
`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]config.User{{Name: "olga", PasswordHash: "$2a$12$x", Role: "operator"}}, p.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if a, b := p.Interval("1000001"), p.Interval("2"); a != 50*time.Millisecond || b != 200*time.Millisecond {
		t.Errorf("got intervals %s and %s, want its own and that of all", a, b)
	}
	if _, ok := p.Codes.Lookup(ecpay.OperationID{Category: ecpay.B2C, Name: "TriggerIssue"}, 1234567, 0); !ok {
		t.Error("the code is not known")
	}
	type row struct {
		Name, Cron, Zone string
		F                schedule.Filter
		Do               schedule.Job
		Days             int
	}
	var got []row
	for _, e := range p.Schedules {
		got = append(got, row{e.Name, e.Cron, e.Zone.String(), e.Filter, e.Do, e.Days})
	}
	want := []row{
		{"night", "30 3 * * *", "Asia/Taipei", schedule.Filter{}, schedule.Replay, 0},
		{"often", "*/10 * * * *", "UTC", schedule.Filter{Kinds: []ecpay.Kind{ecpay.Unavailable, ecpay.Rejected},
			Type: "b2b:invalid", MerchantID: "1000001", OlderThan: 10 * time.Minute, Limit: 500}, schedule.Replay, 0},
		{"one", "@daily", "Asia/Taipei", schedule.Filter{Kinds: []ecpay.Kind{ecpay.Ambiguous}}, schedule.Replay, 0},
		{"compare", "30 4 * * *", "Asia/Taipei", schedule.Filter{MerchantID: "1000001"}, schedule.Reconcile, 4},
		{"yesterday", "30 4 * * *", "Asia/Taipei", schedule.Filter{}, schedule.Reconcile, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schedules (-want +got):\n%s", diff)
	}
}

func TestMistakesInSchedulesAreSaidToWorkersAndToPages(t *testing.T) {
	t.Parallel()
	const merchants = "merchants:\n  - {merchant_id: \"1\", hash_key: " + keyA + ", hash_iv: " + ivA + "}\n"
	for text, want := range map[string]string{
		"{name: a, cron: x}": "schedule a: cron expression", "{cron: '@daily'}": "name", "{name: a, cron: '@daily', time_zone: Mars}": `"Mars"`,
		"{name: a, cron: '@daily', time_zone: Local}": "time zone", "{name: a, cron: '@daily', kind: Bad}": "a kind must be one of",
		"{name: a, cron: '@daily', kind: {a: b}}": "must be a list", "{name: a, cron: '@daily', type: invalid}": "b2b:invalid",
		"{name: a, cron: '@daily', older_than: -1h}": "negative", "{name: a, cron: '@daily', every: 1h}": `unknown field "every"`,
		"{name: a, cron: '@daily', do: replays}": `do is "replays"`, "{name: a, cron: '@daily', days: 3}": "days is for do: reconcile",
		"{name: a, cron: '@daily', do: reconcile, kind: Unknown}": "are for replays", "{name: a, cron: x, do: reconcile}": "cron expression",
		"{name: a, cron: '@daily', do: reconcile, days: 0}": "1 to 31", "{name: a, cron: '@daily', do: reconcile, days: 32}": "1 to 31",
		"{name: a, cron: '@daily'}\n  - {name: a, cron: '@daily'}": "twice",
	} {
		text = merchants + "schedules:\n  - " + text + "\n"
		if _, err := page(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v of a page, want %q", text, err, want)
		}
		if _, err := open(t, text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v of a worker, want %q", text, err, want)
		}
	}
}
