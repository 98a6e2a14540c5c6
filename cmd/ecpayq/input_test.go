package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/tasks"
)

// said is what one run of the program, in this process, has left.
type said struct {
	code        int
	out, errors string
}

// runHere runs the program in this process, with an environment of its own.
func runHere(t *testing.T, env map[string]string, in string, args ...string) said {
	t.Helper()
	var out, errw bytes.Buffer
	code := run(t.Context(), append([]string{"ecpayq"}, args...), streams{
		in: strings.NewReader(in), out: &out, err: &errw,
		env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	return said{code, out.String(), errw.String()}
}

// goWords are those of Go and of the libraries that nobody at a shop knows.
var goWords = []string{"strconv", "time:", "parse error", "invalid syntax", "as int",
	"unmarshal", "open /", "stat /", "json:", "yaml:", "defined", "UNKNOWN", "failed: ", "duplicate this"}

func (s said) wantMistake(t *testing.T, name, want, hint string) {
	t.Helper()
	if s.code != exitUsage || s.out != "" {
		t.Errorf("%s: got exit code %d and %q on stdout, want %d and nothing", name, s.code, s.out, exitUsage)
	}
	line, rest, _ := strings.Cut(s.errors, "\n")
	if !strings.HasPrefix(line, "ecpayq: error: ") || !strings.Contains(line, want) ||
		!strings.HasPrefix(rest, "hint: ") || !strings.Contains(rest, hint) {
		t.Errorf("%s: got %q, want an error that says %q and a hint with %q", name, s.errors, want, hint)
	}
	for _, word := range goWords {
		if strings.Contains(s.errors, word) {
			t.Errorf("%s: %q has the word %q", name, s.errors, word)
		}
	}
}

// badNumbers are numbers to Go's source, or to nobody.
var badNumbers = []string{"010", "08", "0x10", "0b1", "0o7", "1_000", "+5",
	" 5", "5 ", "5.0", "1e1", "-0", "٣", "five", "", "99999999999999999999"}

func TestANumberIsDecimalOnEveryWayIn(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ECPAYQ_MERCHANT_ID": "2000132"}
	for flag, command := range map[string]string{
		"--delay-day":          "enqueue trigger-issue --tsr T",
		"--limit":              "dead list",
		"--concurrency":        "worker",
		"--egress-rate":        "worker",
		"--confirm-replicas":   "enqueue batch -",
		"--max-attempts":       "doctor",
		"--merchant-in-flight": "worker",
	} {
		for _, number := range badNumbers {
			args := append(strings.Fields(command), flag+"="+number)
			want := flag + " must be a whole number in decimal digits"
			if number == "99999999999999999999" {
				want = flag + " is a number out of range"
			}
			runHere(t, env, "", args...).wantMistake(t, fmt.Sprintf("%s=%q", flag, number), want, "help")
			if v := variable(flag); number != "" &&
				strings.Contains("ECPAYQ_CONCURRENCY ECPAYQ_EGRESS_RATE ECPAYQ_CONFIRM_REPLICAS ECPAYQ_MAX_ATTEMPTS", v) {
				runHere(t, map[string]string{"ECPAYQ_MERCHANT_ID": "1", v: number}, "", strings.Fields(command)...).
					wantMistake(t, fmt.Sprintf("%s=%q", v, number), strings.Replace(want, flag, v, 1), "help")
			}
		}
	}
}

// A flag of the library itself would read 010 as 8, know no days, and answer in its own
// words; one that may be given twice lets the last win.
func TestEveryFlagIsOneOfOurs(t *testing.T) {
	t.Parallel()
	_, root := newRoot(streams{env: func(string) (string, bool) { return "", false }})
	seen := 0
	var look func(*cli.Command, string)
	look = func(c *cli.Command, path string) {
		for _, f := range c.Flags {
			once := true
			switch f := f.(type) {
			case *cli.StringFlag:
				once = f.OnlyOnce
			case *config.IntFlag:
				once = f.OnlyOnce
			case *config.DurationFlag:
				once = f.OnlyOnce
			case *config.BoolFlag:
				once = f.OnlyOnce
			case *cli.StringSliceFlag:
			default:
				t.Errorf("%s --%s is a %T, want one of the package config", path, f.Names()[0], f)
			}
			if !once {
				t.Errorf("%s --%s may be given twice", path, f.Names()[0])
			}
			seen++
		}
		for _, sub := range c.Commands {
			look(sub, path+" "+sub.Name)
		}
	}
	look(root, "ecpayq")
	if seen < 100 {
		t.Errorf("looked at %d flags only", seen)
	}
}

func variable(flag string) string {
	return "ECPAYQ_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(flag, "--"), "-", "_"))
}

func TestAMistakeIsToldInWordsForPeople(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ECPAYQ_MERCHANT_ID": "2000132"}
	for _, row := range []struct {
		args, want, hint string
	}{
		{"worker --fence soon", "--fence must be a duration with its unit, like 500ms, 90s, 10m, 12h, 7d or 1d12h", "help"},
		{"worker --fence 10", "--fence must be a duration with its unit", "help"},
		{"dead list --older-than 1w", "--older-than must be a duration with its unit", "help"},
		{"dead list --older-than -7d", "must not be negative", "help"},
		{"worker --confirm-disk=perhaps", "--confirm-disk must be true or false", "help"},
		{"worker --metrics-by-merchant=yes", "--metrics-by-merchant must be true or false", "help"},
		{"enqueue trigger-issue --tsr", "--tsr needs a value", "help"},
		{"enqueue trigger-issue --tsr A --tsr B", "--tsr is there twice", "help"},
		{"enqueue trigger-issue --tsr A --delay-day 1 --delay-day 2", "--delay-day is there twice", "help"},
		{"dead replay --merchant-id 1 --merchant-id 2", "--merchant-id is there twice", "help"},
		{"dead replay --set Reason=a --set Reason=b b2b.invalid.1.A.B", "--set names Reason twice", "help"},
		{"dead replay --not-executed false b2b.invalid.1.A.B", `unexpected argument "false"`, "help"},
		{"dead replay --not-executed= b2b.invalid.1.A.B", "--not-executed is empty; it must be true or false", "help"},
		{"dead replay --merchant-id=", "--merchant-id is empty", "help"},
		{"dead replay --type=", "--type is empty", "help"},
		{"dead replay --kind=", "--kind is empty", "help"},
		{"task list --state=", "--state is empty", "help"},
		{"enqueue trigger-issue --tsr A --process-at=", "--process-at is empty", "help"},
		{"enqueue trigger-issue --tsr A --process-in 500ms",
			"--process-in is 500ms; it must be whole seconds, because asynq drops what is less: set it to 1s", "help"},
		{"enqueue trigger-issue --tsr A --process-in 1.9s", "--process-in is 1.9s; it must be whole seconds", "help"},
		{"enqueue trigger-issue --tsr A --retention 500ms",
			"ECPAYQ_RETENTION is 500ms; it must be whole seconds, because asynq drops what is less: set it to 1s", "help"},
		{"enqueue batch --retention 0s -", "ECPAYQ_RETENTION is 0s; it must be more than 0", "help"},
		{"dead replay --retention 1.9s", "ECPAYQ_RETENTION is 1.9s; it must be whole seconds", "help"},
		{"dead resolve --note x --finish-ttl 0s b2b.invalid.1.A.B", "ECPAYQ_FINISH_TTL is 0s; it must be more than 0", "help"},
		{"wroker", `no command "wroker" in ecpayq`, "did you mean worker? ecpayq --help lists its commands"},
		{"enqueue triger-issue", `no command "triger-issue" in ecpayq enqueue`,
			"did you mean trigger-issue? ecpayq enqueue --help lists its commands"},
		{"help wroker", `no command "wroker" in ecpayq`, "did you mean worker?"},
		{"help nosuch", `no command "nosuch" in ecpayq`, "ecpayq --help lists its commands"},
		{"help dead nosuch", `no command "nosuch" in ecpayq dead`, "ecpayq dead --help lists its commands"},
		{"dead help relpay", `no command "relpay" in ecpayq dead`, "did you mean replay?"},
		{"nosuch --help", `no command "nosuch" in ecpayq`, "ecpayq --help lists its commands"},
		{"worker --concurency 3", `ecpayq worker has no flag "--concurency"`, "did you mean --concurrency? ecpayq worker --help lists its flags"},
		{"enqueue trigger-issue --tsr T --dealy-day 1",
			`ecpayq enqueue b2c-trigger-issue has no flag "--dealy-day"`, "did you mean --delay-day?"},
		{"worker --speed 9", `ecpayq worker has no flag "--speed"`, "ecpayq worker --help lists its flags"},
		{"--speed 9", `ecpayq has no flag "--speed"`, "ecpayq --help lists"},
	} {
		got := runHere(t, env, "", strings.Fields(row.args)...)
		got.wantMistake(t, row.args, row.want, row.hint)
		if !strings.Contains(row.hint, "did you mean") && strings.Contains(got.errors, "did you mean") {
			t.Errorf("%s: got %q, which proposes what nobody meant", row.args, got.errors)
		}
	}
	if got := runHere(t, env, "", "worker", "--help"); !strings.Contains(got.out, "(default: 11m)") ||
		!strings.Contains(got.out, "(default: 1080h)") || strings.Contains(got.out, "m0s") {
		t.Errorf("worker --help writes durations as Go does:\n%s", got.out)
	}
	for _, args := range []string{"help", "help help", "help enqueue trigger-issue",
		"enqueue help batch", "enqueue batch --help", "dead help", "version --help"} {
		if got := runHere(t, env, "", strings.Fields(args)...); got.code != exitOK ||
			got.errors != "" || !strings.HasPrefix(got.out, "NAME:\n   ecpayq") {
			t.Errorf("%s: got %+v, want help", args, got)
		}
	}
}

func TestTheVersionSaysWhatTheProgramIsMadeOf(t *testing.T) {
	t.Parallel()
	got := runHere(t, nil, "", "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(got.out), &b); err != nil || got.code != exitOK {
		t.Fatalf("got %+v, %v", got, err)
	}
	if b.Version != version || b.Commit == "" || b.Go != runtime.Version() || !strings.HasPrefix(b.Asynq, "v0.") {
		t.Errorf("got %+v, want the version, commit, Go and asynq", b)
	}
	if got := runHere(t, nil, "", "--version"); got.code != exitOK || got.out != "ecpayq version "+version+"\n" {
		t.Errorf("--version: got %+v", got)
	}
}

// dies makes asynq hold a task of ours as dead, as a worker leaves it.
func dies(t *testing.T, s *redistest.Server, id, queue string) {
	t.Helper()
	if err := asynq.NewInspectorFromRedisClient(s.Client()).ArchiveTask(queue, id); err != nil {
		t.Fatal(err)
	}
}

// A shop that looks at nothing but the exit code must not take it for success.
func TestWhatIsNotStoredBecauseTheEarlierOneStandsEndsWithExitCode3(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	env := map[string]string{"ECPAYQ_MERCHANT_ID": "2000132", "ECPAYQ_REDIS_URL": s.URL()}
	enqueue := func(in string, args ...string) said {
		return runHere(t, env, in, append([]string{"enqueue"}, args...)...)
	}
	trigger := func(tsr string, more ...string) []string {
		return append([]string{"trigger-issue", "--tsr", tsr}, more...)
	}
	line := func(tsr, more string) string {
		return fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":%q%s}}`+"\n", tsr, more)
	}
	for _, tsr := range []string{"DEAD", "LIVE"} {
		if got := enqueue("", trigger(tsr)...); got.code != exitOK {
			t.Fatalf("%+v", got)
		}
	}
	const dead = "b2c.trigger_issue.2000132.DEAD"
	dies(t, s, dead, "trigger_issue")
	for _, row := range []struct {
		name, in   string
		args       []string
		code       int
		want, hint string // on stderr
	}{
		{"a duplicate", "", trigger("LIVE"), exitOK, "this was enqueued before and is pending", ""},
		{"one that is dead", "", trigger("DEAD"), exitNotStored, "ecpayq: error: nothing was stored: this was enqueued before and is dead\n",
			"hint: ecpayq dead show " + dead + " says why; --replace-dead"},
		{
			"one that differs", "", trigger("LIVE", "--delay-day", "3"), exitNotStored,
			"nothing was stored: this was enqueued before and is pending, and differs in DelayDay\n",
			"hint: ecpayq task show b2c.trigger_issue.2000132.LIVE",
		},
		{"one that is dead and differs", "", trigger("DEAD", "--delay-day", "3"),
			exitNotStored, "is dead, and differs in DelayDay\n", "hint: ecpayq dead show " + dead},
		{"one that is dead, which is allowed", "", trigger("DEAD", "--ok-if-dead"), exitOK, "this was enqueued before and is dead", ""},
		{"one that differs, which is allowed", "", trigger("LIVE", "--delay-day", "3", "--ok-if-dead"), exitOK, "differs in DelayDay", ""},
		{"a batch of duplicates", line("LIVE", ""), []string{"batch", "-"}, exitOK, "duplicate 1", ""},
		{"a batch with one that is dead", line("NEW1", "") + line("DEAD", ""), []string{"batch", "-"}, exitNotStored,
			"nothing was stored of 1 lines, whose earlier tasks are dead or differ\n", "hint: ecpayq dead show ID"},
		{"a batch with one that differs", line("LIVE", `,"DelayDay":3`), []string{"batch", "-"}, exitNotStored,
			"line 1: warning: the earlier task, which stands, differs in DelayDay\n", "hint: ecpayq dead show ID"},
		{"a batch with one that is dead, which is allowed", line("DEAD", ""), []string{"batch", "--ok-if-dead", "-"},
			exitOK, "line 1: warning: this was enqueued before and is dead\n", ""},
		{"a batch with one that is dead and one that is wrong", line("DEAD", "") + "x\n",
			[]string{"batch", "-"}, exitFailure, "1 of 2 lines were not stored", ""},
		{"one put in its place", "", trigger("DEAD", "--replace-dead"), exitOK, "", ""},
	} {
		got := enqueue(row.in, row.args...)
		if got.code != row.code || !strings.Contains(got.errors, row.want) || !strings.Contains(got.errors, row.hint) {
			t.Errorf("%s: got exit code %d and %q, want %d, %q and %q", row.name, got.code, got.errors, row.code, row.want, row.hint)
		}
		if (row.code == exitOK) == strings.Contains(got.errors, "ecpayq: error") {
			t.Errorf("%s: got exit code %d with %q", row.name, got.code, got.errors)
		}
		if !strings.Contains(got.out, `"id":"b2c.trigger_issue.2000132.`) {
			t.Errorf("%s: got %q on stdout, want the receipt", row.name, got.out)
		}
	}
}

// Each line has what the last of two, or a name in another case, would change.
func TestABatchTakesNamesAndNumbersAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	env := map[string]string{"ECPAYQ_REDIS_URL": s.URL()}
	const head = `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132",`
	for text, want := range map[string]string{
		head + `"Tsr":"AA","TSR":"BB"}}`:                               `unknown field \"TSR\": names are exact, it is \"Tsr\"`,
		head + `"tſr":"AA"}}`:                                          `unknown field \"tſr\": names are exact, it is \"Tsr\"`,
		head + `"Tsr":"AA","Tsr":"BB"}}`:                               `\"data.Tsr\" is there twice`,
		head + `"Tsr":"AA"},"type":"b2c:cancel_delay_issue"}`:          `\"type\" is there twice`,
		head + `"Tsr":"AA"},"Process_At":"2126-01-31T09:00:00+08:00"}`: `unknown field \"Process_At\": names are exact, it is \"process_at\"`,
		head + `"Tsr":"AA","DelayDay":010}}`:                           `not JSON at byte 83, at \"DelayDay\"`,
		head +
			`"Tsr":"AA","DelayDay":1e1}}`: `\"DelayDay\" has the wrong JSON type: it must be a whole number in decimal digits`,
		head + `"Tsr":"AA","DelayDay":-0}}`: `\"DelayDay\" has the wrong JSON type`,
		head + `"Tsr":"AA"}}]`:              `more than one JSON value`,
		`{"type":"b2c:trigger_issue","data":[]}`: `\"data\" has the wrong JSON type: it must be an object, not a list; ` +
			`PHP writes an empty array as []`,
		`{"type":"b2c:trigger_issue","data":null}`:          `\"data\" has the wrong JSON type: it must be an object`,
		head + "\"Tsr\":\"AA\",\"RelateNumber\":\"\xa7\"}}": `not UTF-8`,
	} {
		got := runHere(t, env, text+"\n", "enqueue", "batch", "-")
		if got.code != exitFailure || !strings.Contains(got.out, want) || strings.Contains(got.out, `"id"`) {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", text, got.code, got.out, exitFailure, want)
		}
	}
	if keys := s.Client().Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("something was stored: %q", keys)
	}
}

// --set is the one way to change what is stored, so it is as exact as the others.
func TestACorrectionNamesItsFieldExactly(t *testing.T) {
	t.Parallel()
	s := redistest.New(t)
	env := map[string]string{"ECPAYQ_MERCHANT_ID": "2000132", "ECPAYQ_REDIS_URL": s.URL()}
	if got := runHere(t, env, "", "enqueue", "trigger-issue", "--tsr", "A"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	const id = "b2c.trigger_issue.2000132.A"
	dies(t, s, id, "trigger_issue")
	for set, want := range map[string]string{
		"relatenumber=R1": `unknown field "relatenumber": names are exact, it is "RelateNumber"`,
		"DELAYDAY=1":      `unknown field "DELAYDAY": names are exact, it is "DelayDay"`,
		"DelayDay=010":    `cannot set DelayDay: `,
		"DelayDay=1e1":    `cannot set DelayDay: `,
		"DelayDay=-0":     `cannot set DelayDay: `,
		"DelayDay=+1":     `cannot set DelayDay: `,
	} {
		runHere(t, env, "", "dead", "replay", "--set", set, id).wantCorrection(t, set, want)
	}
	if got := runHere(t, env, "", "dead", "replay", "--set", "DelayDay=7", id); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	info, err := asynq.NewInspectorFromRedisClient(s.Client()).GetTaskInfo("trigger_issue", id)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tasks.Decode(info.Type, nil, info.Payload)
	if err != nil || *p.(*tasks.B2CTriggerIssue).DelayDay != 7 {
		t.Errorf("got %s and %v, want a DelayDay of 7", info.Payload, err)
	}
}

func (s said) wantCorrection(t *testing.T, set, want string) {
	t.Helper()
	if s.code != exitUsage || !strings.Contains(s.errors, want) {
		t.Errorf("--set %s: got exit code %d and %q, want %d and %q", set, s.code, s.errors, exitUsage, want)
	}
}

// What Redis has said is told without what asynq puts before it.
func TestAnErrorOfRedisHasNoWordsOfAsynq(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ECPAYQ_MERCHANT_ID": "2000132", "ECPAYQ_REDIS_URL": "redis://127.0.0.1:1/0"}
	got := runHere(t, env, "", "enqueue", "trigger-issue", "--tsr", "T")
	if got.code != exitFailure || !strings.Contains(got.errors, "redis is not available: ") {
		t.Errorf("got %+v, want that Redis is not available", got)
	}
	for _, word := range []string{"SADD", "UNKNOWN", "command error", "eval error", "INTERNAL"} {
		if strings.Contains(got.errors, word) {
			t.Errorf("%q has the word %q", got.errors, word)
		}
	}
}
