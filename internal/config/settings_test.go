package config_test

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
)

// The keys of ECPay's public stage environment.
const (
	stageID, stageKey, stageIV = "2000132", "ejCk326UnaZWKisg", "q9jcZX8Ib9LM8wYk"
)

// parse reads a command line and an environment as a worker does.
func parse(t *testing.T, env map[string]string, args ...string) (*config.Config, error) {
	t.Helper()
	c := &config.Config{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	cmd := &cli.Command{
		Name: "worker", Flags: c.Flags(config.Worker), Writer: io.Discard, ErrWriter: io.Discard,
		Action:         func(context.Context, *cli.Command) error { return nil },
		OnUsageError:   func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	return c, cmd.Run(t.Context(), append([]string{"worker"}, args...))
}

func mustParse(t *testing.T, env map[string]string, args ...string) *config.Config {
	t.Helper()
	c, err := parse(t, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stage is an environment with one merchant; changes go on top.
func stage(changes map[string]string) map[string]string {
	env := map[string]string{"ECPAYQ_MERCHANT_ID": stageID, "ECPAYQ_HASH_KEY": stageKey, "ECPAYQ_HASH_IV": stageIV}
	for k, v := range changes {
		env[k] = v
	}
	return env
}

func TestEverySettingHasItsDocumentedNameAndDefault(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // the table of the documentation
		"ECPAYQ_REDIS_URL": "redis://127.0.0.1:6379/0", "ECPAYQ_REDIS_URL_FILE": "", "ECPAYQ_ECPAY_URL": "stage",
		"ECPAYQ_MERCHANT_ID": "", "ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_IV": "", "ECPAYQ_PLATFORM_ID": "",
		"ECPAYQ_MERCHANT_ID_FILE": "", "ECPAYQ_HASH_KEY_FILE": "", "ECPAYQ_HASH_IV_FILE": "", "ECPAYQ_PLATFORM_ID_FILE": "",
		"ECPAYQ_CONFIG": "", "ECPAYQ_TSR_IS_RELATE_NUMBER": "false", "ECPAYQ_RETRIGGER_SCHEDULED": "false",
		"ECPAYQ_CONCURRENCY": "32", "ECPAYQ_BAN_PAUSE": "30m", "ECPAYQ_EGRESS": "default", "ECPAYQ_EGRESS_RATE": "0",
		"ECPAYQ_BACKOFF_BASE": "5s", "ECPAYQ_BACKOFF_MAX": "15m", "ECPAYQ_MAX_ATTEMPTS": "25", "ECPAYQ_MAX_AGE": "72h",
		"ECPAYQ_FENCE": "11m", "ECPAYQ_NOT_FOUND_GRACE": "10m",
		"ECPAYQ_HTTP_TIMEOUT": "20s", "ECPAYQ_TASK_TIMEOUT": "45s", "ECPAYQ_SHUTDOWN_TIMEOUT": "60s",
		"ECPAYQ_RETENTION": "24h", "ECPAYQ_FINISH_TTL": "1080h", "ECPAYQ_OUTCOME_RETENTION": "168h",
		"ECPAYQ_FETCH_INVOICE": "true", "ECPAYQ_ADMIN_ADDR": "127.0.0.1:8989",
		"ECPAYQ_LOG_LEVEL": "info", "ECPAYQ_LOG_FORMAT": "json",
	}
	flag, env := map[string]bool{}, map[string]bool{}
	for _, s := range config.Settings() {
		if env[s.Env] || !strings.HasPrefix(s.Env, "ECPAYQ_") {
			t.Errorf("%s is there twice, or does not begin with ECPAYQ_", s.Env)
		}
		env[s.Env] = true
		if s.Usage == "" || s.Role != config.Producer && s.Role != config.Worker {
			t.Errorf("%s has usage %q and role %q, want both", s.Env, s.Usage, s.Role)
		}
		if def, ok := want[s.Env]; ok && s.Default != def {
			t.Errorf("%s: got default %q, want %q", s.Env, s.Default, def)
		}
		delete(want, s.Env)
		if strings.Contains(s.Env, "HASH_") && !strings.HasSuffix(s.Env, "_FILE") {
			if s.Flag != "" {
				t.Errorf("%s has the flag --%s: a key must not stand on the command line, where ps shows it", s.Env, s.Flag)
			}
			continue
		}
		if byName := "ECPAYQ_" + strings.ToUpper(strings.ReplaceAll(s.Flag, "-", "_")); byName != s.Env || flag[s.Flag] {
			t.Errorf("%s has the flag --%s, want one of the same name and only once", s.Env, s.Flag)
		}
		flag[s.Flag] = true
	}
	for name := range want {
		t.Errorf("there is no setting %s", name)
	}
}

func TestAFlagGoesBeforeItsVariableAndThatBeforeTheDefault(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"ECPAYQ_FENCE": "12m", "ECPAYQ_CONCURRENCY": "7", "ECPAYQ_RETRIGGER_SCHEDULED": "true", "ECPAYQ_LOG_LEVEL": "warn",
		"ECPAYQ_BACKOFF_BASE": "", // empty counts as not set
	}
	c := mustParse(t, env, "--fence", "13m", "--retrigger-scheduled=false")
	type view struct {
		Fence, BackoffBase time.Duration
		Concurrency        int
		Retrigger          bool
		LogLevel, ECPayURL string
	}
	want := view{13 * time.Minute, 5 * time.Second, 7, false, "warn", "stage"}
	got := view{c.Fence, c.BackoffBase, c.Concurrency, c.RetriggerScheduled, c.LogLevel, c.ECPayURL}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// Every setting reaches the field that it is named after: two that share one
// would overwrite each other.
func TestEachSettingHasAFieldOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, s := range config.Settings() {
		if s.Flag == "" {
			continue
		}
		value := "3"
		switch {
		case regexp.MustCompile(`^[0-9]+(ms|s|m|h)$`).MatchString(s.Default):
			value = "3s"
		case s.Default == "false":
			value = "on"
		case s.Default == "true":
			value = "off"
		}
		plain, changed := mustParse(t, nil), mustParse(t, map[string]string{s.Env: value})
		plain.Env, changed.Env = nil, nil
		if n := countDifferences(*plain, *changed); n != 1 {
			t.Errorf("%s=%s changed %d fields, want 1", s.Env, value, n)
		}
	}
}

func countDifferences(a, b config.Config) int {
	n := 0
	cmp.Equal(a, b, cmp.Reporter(&counter{n: &n}))
	return n
}

type counter struct{ n *int }

func (*counter) PushStep(cmp.PathStep) {}
func (*counter) PopStep()              {}
func (c *counter) Report(r cmp.Result) {
	if !r.Equal() {
		*c.n++
	}
}

func TestWhatIsValidAndGivesUpAPromiseIsToldOf(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		env  map[string]string
		want string // empty: nothing
	}{
		"the defaults":                        {nil, ""},
		"a fence of ECPay's 10 minutes alone": {map[string]string{"ECPAYQ_FENCE": "10m"}, "ECPAYQ_FENCE 10m is less than"},
		"a short interval":                    {map[string]string{"ECPAYQ_MERCHANT_INTERVAL": "11250ms"}, ""},
		"an interval that two requests have no time for": {map[string]string{"ECPAYQ_MERCHANT_INTERVAL": "11251ms"},
			"ECPAYQ_MERCHANT_INTERVAL 11.251s is more than a quarter of ECPAYQ_TASK_TIMEOUT, 11.25s"},
	} {
		c := mustParse(t, stage(row.env))
		if err := c.Validate(); err != nil {
			t.Errorf("%s: got error %v, want none", name, err)
		}
		if got := strings.Join(c.Warnings(), "\n"); !strings.HasPrefix(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func TestAConfigurationIsCheckedForWhatDoesNotFitTogether(t *testing.T) {
	t.Parallel()
	if err := mustParse(t, stage(nil)).Validate(); err != nil {
		t.Errorf("the defaults: got error %v, want none", err)
	}
	rows := []struct {
		name string
		env  map[string]string
		want string // empty: valid
	}{
		{"http timeout as long as the task's", map[string]string{"ECPAYQ_HTTP_TIMEOUT": "45s"},
			"ECPAYQ_HTTP_TIMEOUT 45s must be less than ECPAYQ_TASK_TIMEOUT 45s"},
		{"task timeout as long as the shutdown's", map[string]string{"ECPAYQ_SHUTDOWN_TIMEOUT": "45s"},
			"ECPAYQ_TASK_TIMEOUT 45s must be less than ECPAYQ_SHUTDOWN_TIMEOUT 45s"},
		{"task timeout of 60s", map[string]string{"ECPAYQ_TASK_TIMEOUT": "60s", "ECPAYQ_SHUTDOWN_TIMEOUT": "61s"}, ""},
		{"task timeout above 60s", map[string]string{"ECPAYQ_TASK_TIMEOUT": "61s", "ECPAYQ_SHUTDOWN_TIMEOUT": "62s"}, "must be at most 1m:"},
		{"backoff base above its maximum", map[string]string{"ECPAYQ_BACKOFF_BASE": "16m"},
			"ECPAYQ_BACKOFF_BASE 16m must not be more than ECPAYQ_BACKOFF_MAX 15m"},
		{"backoff base equal to its maximum", map[string]string{"ECPAYQ_BACKOFF_BASE": "15m"}, ""},
		{"retention above the finish marker's", map[string]string{"ECPAYQ_FINISH_TTL": "23h"},
			"ECPAYQ_RETENTION 24h must not be more than ECPAYQ_FINISH_TTL 23h"},
		{"no concurrency", map[string]string{"ECPAYQ_CONCURRENCY": "0"}, "ECPAYQ_CONCURRENCY is 0"},
		{"negative concurrency", map[string]string{"ECPAYQ_CONCURRENCY": "-1"}, "ECPAYQ_CONCURRENCY is -1"},
		{"fewer connections than queues", map[string]string{"ECPAYQ_REDIS_POOL": "5"}, "ECPAYQ_REDIS_POOL is 5"},
		{"no idle connection", map[string]string{"ECPAYQ_REDIS_IDLE": "0"}, "ECPAYQ_REDIS_IDLE is 0"},
		{"connections that are never used again", map[string]string{"ECPAYQ_REDIS_IDLE_TIMEOUT": "0s"}, "ECPAYQ_REDIS_IDLE_TIMEOUT is 0s"},
		{"a negative wait for Redis", map[string]string{"ECPAYQ_REDIS_LOADING_TIMEOUT": "-1s"}, "ECPAYQ_REDIS_LOADING_TIMEOUT is -1s"},
		{"no attempts", map[string]string{"ECPAYQ_MAX_ATTEMPTS": "0"}, "ECPAYQ_MAX_ATTEMPTS is 0"},
		{"no fence", map[string]string{"ECPAYQ_FENCE": "0s"}, "ECPAYQ_FENCE is 0s"},
		{"negative age", map[string]string{"ECPAYQ_MAX_AGE": "-1h"}, "ECPAYQ_MAX_AGE is -1h"},
		{"no ban pause", map[string]string{"ECPAYQ_BAN_PAUSE": "0"}, "ECPAYQ_BAN_PAUSE is 0s"},
		{"no grace", map[string]string{"ECPAYQ_NOT_FOUND_GRACE": "0s"}, ""},
		{"negative grace", map[string]string{"ECPAYQ_NOT_FOUND_GRACE": "-1s"},
			"ECPAYQ_NOT_FOUND_GRACE is -1s; it must not be negative, and 0s is none"},
		{"retention that asynq stores as none", map[string]string{"ECPAYQ_RETENTION": "500ms"},
			"ECPAYQ_RETENTION is 500ms; it must be whole seconds, because asynq drops what is less: set it to 1s"},
		{"retention of which asynq drops a part", map[string]string{"ECPAYQ_RETENTION": "1.9s"},
			"ECPAYQ_RETENTION is 1.9s; it must be whole seconds, because asynq drops what is less: set it to 1s"},
		{"retention in days", map[string]string{"ECPAYQ_RETENTION": "7d"}, ""},
		{"days and hours", map[string]string{"ECPAYQ_MAX_AGE": "1d12h"}, ""},
		{"no http timeout", map[string]string{"ECPAYQ_HTTP_TIMEOUT": "0s"}, "ECPAYQ_HTTP_TIMEOUT is 0s"},
		{"no retention", map[string]string{"ECPAYQ_RETENTION": "0s"}, "ECPAYQ_RETENTION is 0s"},
		{"log format", map[string]string{"ECPAYQ_LOG_FORMAT": "text"}, `ECPAYQ_LOG_FORMAT is "text"`},
		{"console", map[string]string{"ECPAYQ_LOG_FORMAT": "console"}, ""},
		{"production", map[string]string{"ECPAYQ_ECPAY_URL": "production"}, ""},
		{"ECPay by an https URL", map[string]string{"ECPAYQ_ECPAY_URL": "https://ecpay.example/base"}, ""},
		{"ECPay by http on loopback", map[string]string{"ECPAYQ_ECPAY_URL": "http://[::1]:8990"}, ""},
		{"ECPay by http elsewhere", map[string]string{"ECPAYQ_ECPAY_URL": "http://ecpay.example"}, "ECPAYQ_ECPAY_URL"},
		{"ECPay with a password", map[string]string{"ECPAYQ_ECPAY_URL": "https://a:pass-word@ecpay.example"}, "ECPAYQ_ECPAY_URL"},
		{"ECPay by a word", map[string]string{"ECPAYQ_ECPAY_URL": "prod"}, "ECPAYQ_ECPAY_URL"},
		{"Redis by another scheme", map[string]string{"ECPAYQ_REDIS_URL": "mysql://:pass-word@127.0.0.1"}, "ECPAYQ_REDIS_URL"},
		{"Redis Sentinel", map[string]string{"ECPAYQ_REDIS_URL": "redis-sentinel://a:26379,b:26379/0?master=m"}, ""},
		{"Redis Cluster", map[string]string{"ECPAYQ_REDIS_URL": "redis-cluster://a:6379,b:6379"}, ""},
		{"several things at once", map[string]string{"ECPAYQ_CONCURRENCY": "0", "ECPAYQ_FENCE": "0s", "ECPAYQ_LOG_FORMAT": "x"}, "ECPAYQ_FENCE"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := mustParse(t, stage(row.env)).Validate()
			if row.want == "" {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got error %v, want one that says %q", err, row.want)
			}
			for name := range row.env {
				if strings.HasPrefix(row.name, "several") && !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not name %s: %v", name, err)
				}
			}
			if strings.Contains(err.Error(), "pass-word") {
				t.Errorf("the error holds a password: %v", err)
			}
		})
	}
}
