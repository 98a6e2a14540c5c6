package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// asPart makes this test program a part of the bench.
const asPart = "a-part-of-the-bench"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asPart {
		if err := Part(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The race detector, if it is built in, makes every part sleep at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func tiny() Config {
	return Config{Runs: 1, Command: []string{os.Args[0], asPart}, sizes: &sizes{
		enqueueOne: 20, enqueueMany: 40, throughput: 40, roundTrip: 40, idleOurs: 2, idlePlain: 1, idleSeconds: 1,
		scheduled: 4, scheduledSeconds: 1, size: 50, few: 10, many: 100, growth: 30, codec: 20,
		pace: 1, crowd: 3, crowdSeconds: 1, ban: 1, banned: 5, hanging: 10,
		hangMillis: 100, others: 3, backlogs: []int{20, 40}, held: 10, batch: 50, loop: 10, api: 40,
		outbox: 50, commits: 3,
	}}
}

func newLab(t *testing.T) *lab {
	t.Helper()
	cfg := tiny()
	cfg.Progress = func(string) {}
	return &lab{Config: cfg, sizes: *cfg.sizes, figure: "test"}
}

func newTestWorld(t *testing.T) *world {
	t.Helper()
	w, err := newLab(t).newWorld(t.Context(), everysec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func TestEveryFigureIsMeasuredForEveryVariant(t *testing.T) {
	t.Parallel()
	cfg := tiny()
	var progress []string
	cfg.Progress = func(s string) { progress = append(progress, s) }
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	seen, beside := map[string]bool{}, map[string]bool{"held": true} // plain asynq holds nothing
	for _, l := range r.Lines {
		seen[l.Figure] = true
		if l.Series[0].Variant != ours {
			t.Errorf("%s, %s: the first variant is %s", l.Figure, l.Name, l.Series[0].Variant)
		}
		if len(l.Series) > 1 {
			beside[l.Figure] = true
		}
		for _, s := range l.Series {
			if len(s.Runs) != cfg.Runs {
				t.Errorf("%s, %s: %d runs of %s, want %d", l.Figure, l.Name, len(s.Runs), s.Variant, cfg.Runs)
			}
			if l.Unit == "/s" && s.Median <= 0 {
				t.Errorf("%s, %s: the median of %s is %v", l.Figure, l.Name, s.Variant, s.Median)
			}
		}
	}
	for _, name := range Names() {
		if !seen[name] {
			t.Errorf("no line of %s", name)
		}
		if !beside[name] {
			t.Errorf("%s is measured beside nothing", name)
		}
		if !slices.ContainsFunc(progress, func(s string) bool { return strings.HasPrefix(s, name) }) && name != "codec" {
			t.Errorf("no progress of %s was told", name)
		}
	}
	if r.Machine.Redis == "" || r.Machine.CPUs < 1 {
		t.Errorf("the machine is %+v", r.Machine)
	}
}

func TestJSONOfAReportKeepsItsShape(t *testing.T) {
	t.Parallel()
	m := measured{variants: []string{ours, plain}}
	m.add(ours, map[string]float64{"rate": 90})
	m.add(plain, map[string]float64{"rate": 100})
	l := m.line("rate", "one", "/s", atLeast(0.95).times(plain))
	l.Figure = "throughput"
	got, err := json.Marshal(Report{Machine: Machine{OS: "linux"}, Runs: 1, Lines: []Line{l}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"machine":{"os":"linux","arch":"","cpus":0,"go":"","redis":"","asynq":""},"runs":1,"quick":false,"lines":[` +
		`{"figure":"throughput","name":"one","unit":"/s","series":[` +
		`{"variant":"ecpayq","median":90,"runs":[90]},{"variant":"plain asynq","median":100,"runs":[100]}],` +
		`"goals":[{"goal":"≥ 0.95 × plain asynq","against":"plain asynq","value":0.9,"met":false}]}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestARunFailsWhenECPayDidSomethingTwice(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]side{"ecpayq": ourSide, "plain asynq": plainSide} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestWorld(t)
			if err := w.ecpay.stage(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			// Somebody triggers one of the invoices behind our back, and the fake lets a
			// second trigger have its effect again.
			h, err := newPlainHandler(w.order(s))
			if err != nil {
				t.Fatal(err)
			}
			p := intent(3)
			if _, err := h.client.B2CTriggerIssue(t.Context(), h.merchants[p.MerchantID], p.Request().(*ecpay.B2CTriggerIssueRequest)); err != nil {
				t.Fatal(err)
			}
			var wrong *WrongError
			if _, err := w.carryStaged(t.Context(), s, 5, w.order(s)); !errors.As(err, &wrong) || !strings.Contains(wrong.What, subject(3)) {
				t.Errorf("error %v, want one about two invoices for %s", err, subject(3))
			}
		})
	}
}

func TestALedgerMustShowEachIntentOnceAndNothingElse(t *testing.T) {
	t.Parallel()
	issued := func(i int) effect {
		return effect{Name: ecpaytest.EffectIssued, MerchantID: merchantID(i), Subject: subject(i)}
	}
	for name, tc := range map[string]struct {
		effects []effect
		says    string
	}{
		"each once":      {[]effect{issued(1), issued(0)}, ""},
		"one missing":    {[]effect{issued(1)}, "1 intents, want 2"},
		"one twice":      {[]effect{issued(1), issued(0), issued(1)}, "2 invoices"},
		"one too many":   {[]effect{issued(1), issued(0), issued(2)}, "3 intents, want 2"},
		"another effect": {[]effect{issued(1), {Name: ecpaytest.EffectCancelled, Subject: subject(0)}}, "cancelled"},
	} {
		err := check(tc.effects, 2)
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: %v, want %q", name, err, tc.says)
		}
	}
}

func TestRunRefusesAFigureThatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Config{Only: []string{"speed"}}); !errors.Is(err, ErrUnknownFigure) ||
		!strings.Contains(err.Error(), "throughput") {
		t.Errorf("error %v, want one that names the figures", err)
	}
}

func TestAPartEndsWithTheBench(t *testing.T) {
	t.Parallel()
	in, order := io.Pipe()
	answer, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Part(t.Context(), partFake, in, out) }()
	if _, err := io.WriteString(order, "{}\n"); err != nil {
		t.Fatal(err)
	}
	var r ready
	if err := json.NewDecoder(answer).Decode(&r); err != nil || r.URL == "" {
		t.Fatalf("ready %+v, error %v", r, err)
	}
	if err := order.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the part goes on")
	}
}

func TestAPartThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		order order
		says  string
	}{
		partOurs:  {order{RedisURL: "http://127.0.0.1/"}, "scheme"},
		partRelay: {order{RedisURL: "redis://127.0.0.1:1", DatabaseURL: "redis://127.0.0.1/shop"}, "database URL"},
		partRiver: {order{DatabaseURL: "postgres://127.0.0.1:1/shop"}, "connect"},
	} {
		_, err := newLab(t).start(t.Context(), name, tc.order)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one about the %s", name, err, tc.says)
		}
	}
}

func TestProcessorTimeOfAFamilyIsThatOfItsChildrenToo(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done & wait; read -r line`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	t.Cleanup(func() { _ = in.Close() })
	if _, known := familySeconds(cmd.Process.Pid); !known {
		t.Skip("only Linux tells it")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		own, _ := cpuSeconds(cmd.Process.Pid)
		if all, _ := familySeconds(cmd.Process.Pid); all >= own+0.05 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the time of the child is not counted; that of the process itself is %v s", own)
		}
	}
}

func TestProxyDelaysARoundTripButNotAPipeline(t *testing.T) {
	t.Parallel()
	s := redistest.New(t, redistest.Options{AppendFsync: "no"})
	const delay = 50 * time.Millisecond
	p, err := startProxy(s.Addr(), delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	rdb := redis.NewClient(&redis.Options{Addr: p.addr(), DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Ping(t.Context()).Err(); err != nil { // opens the connection
		t.Fatal(err)
	}
	start := time.Now()
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < delay {
		t.Errorf("a round trip took %s, want at least %s", took, delay)
	}
	start = time.Now()
	if _, err := rdb.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for range 1000 {
			pipe.Echo(t.Context(), strings.Repeat("x", 1000))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < delay || took > 20*delay {
		t.Errorf("a pipeline of 1000 took %s, want about %s", took, delay)
	}
}

func TestRatiosAreThoseOfNeighbouringRuns(t *testing.T) {
	t.Parallel()
	m := measured{variants: []string{ours, plain}}
	for _, pair := range [][2]float64{{50, 100}, {10, 10}, {400, 500}} { // the machine's load changes
		m.add(ours, map[string]float64{"x": pair[0]})
		m.add(plain, map[string]float64{"x": pair[1]})
	}
	l := m.line("x", "x", "ms", atLeast(0.8).times(plain), atMost(40), atLeast(60), atLeast(10).inEveryRun(), atMost(10).inEveryRun())
	want := []Goal{
		{Goal: "≥ 0.80 × plain asynq", Against: plain, Value: 0.8, Met: true},
		{Goal: "≤ 40 ms", Value: 50, Met: false},
		{Goal: "≥ 60 ms", Value: 50, Met: false},
		{Goal: "≥ 10 ms", Value: 10, Met: true},
		{Goal: "≤ 10 ms", Value: 400, Met: false},
	}
	if !slices.Equal(l.Goals, want) {
		t.Errorf("got %+v\nwant %+v", l.Goals, want)
	}
}

func TestNumbersHaveAsManyDigitsAsMeanSomething(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 4: "4", 0.954: "0.95", 1.05: "1.05", 12.34: "12.3", 123.4: "123",
		1234.5: "1,234", 1e6: "1,000,000", -2.5: "-2.50", -12345: "-12,345",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := quantile([]float64{4, 1, 3, 2}, 0.5); got != 2.5 {
		t.Errorf("the median is %v, want 2.5", got)
	}
	if got := quantile([]float64{7}, 0.99); got != 7 {
		t.Errorf("p99 of one value is %v, want 7", got)
	}
}
