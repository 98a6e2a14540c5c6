//go:build slow

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker"
)

func init() { helpers["worker that can be poisoned"] = vulnerableWorker }

// poisonVariable says what kills a vulnerable worker: "keys", looking for the
// keys of the poisonous merchant, which is before anything is sent; "answer",
// any answer of ECPay's about it.
const (
	poisonVariable = "ECPAYQ_TEST_POISON"
	poisonID       = thirdID
)

// vulnerableWorker is the worker of the shipped binary, assembled by the same
// code, with a place at which one merchant kills the process. The binary itself
// has none.
func vulnerableWorker() int {
	log := zerolog.New(os.Stderr)
	app.UseLogger(log)
	ecpayURL := os.Getenv("ECPAYQ_ECPAY_URL")
	if os.Getenv(poisonVariable) == "answer" {
		ecpayURL = deadlyProxy(ecpayURL)
	}
	base, err := ecpay.ParseBaseURL(ecpayURL)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w, err := app.StartWorker(app.WorkerConfig{
		RedisURL: os.Getenv("ECPAYQ_REDIS_URL"), BaseURL: base, Keys: deadlyKeys{}, HTTPTimeout: 800 * time.Millisecond,
		Worker: worker.Config{
			Policy: worker.Policy{BackoffBase: 200 * time.Millisecond, Fence: 15 * time.Second}, Concurrency: 8,
			// The lock of an attempt that was killed lives for 15 s more.
			TaskTimeout: 2 * time.Second, ShutdownTimeout: 4 * time.Second,
		},
		Logger: log, Version: "test",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	if err := w.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// die ends the process as the kernel does when memory is short.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// deadlyKeys has the keys of [severalMerchants].
type deadlyKeys struct{}

func (deadlyKeys) Merchant(_ context.Context, id string) (worker.Merchant, error) {
	if id == poisonID && os.Getenv(poisonVariable) == "keys" {
		die()
	}
	for _, m := range severalMerchants().Merchants {
		if m.MerchantID == id {
			m, err := ecpay.NewMerchant(ecpay.MerchantConfig{MerchantID: id, HashKey: ecpay.NewSecret(m.HashKey), HashIV: ecpay.NewSecret(m.HashIV)})
			return worker.Merchant{Merchant: m}, err
		}
	}
	return worker.Merchant{}, worker.ErrUnknownMerchant
}

// deadlyProxy stands between the worker and ECPay, in the worker's process, and
// dies of ECPay's answers about the poisonous merchant.
func deadlyProxy(target string) (proxyURL string) {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		resp, err := http.Post(target+r.URL.Path, r.Header.Get("Content-Type"), bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		if bytes.Contains(body, []byte(`"MerchantID":"`+poisonID+`"`)) {
			die()
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})).URL
}

// letLeasesEnd makes asynq give back what a killed worker left: it would do so
// by itself one to two minutes later. Our own lock is left alone.
func letLeasesEnd(b *bench, rdb *redis.Client) {
	b.Helper()
	for queue := range tasks.Queues() {
		key := asynqx.Key(queue, "lease")
		ids, err := rdb.ZRange(b.Context(), key, 0, -1).Result()
		b.must(err)
		for _, id := range ids {
			b.must(rdb.ZAddXX(b.Context(), key, redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: id}).Err())
		}
	}
}

type poisonRow struct {
	name, poison string
	kind         string
	effects      []string // of the poisonous task
}

func TestSlowATaskThatKillsItsWorkerFiveTimesIsDeadAndTheOthersAreDone(t *testing.T) {
	for _, row := range []poisonRow{
		{"before anything is sent", "keys", "Unknown", nil},
		{"with a write on its way", "answer", "Ambiguous", []string{ecpaytest.EffectIssued}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			killsItsWorker(t, row)
		})
	}
}

func killsItsWorker(t *testing.T, row poisonRow) {
	t.Helper()
	b := newBenchOf(t, ecpaytest.Config{Merchants: severalMerchants().Merchants, Window: 10 * time.Second}, nil)
	rdb := b.redis.Client()
	self, err := os.Executable()
	b.must(err)
	newWorker := func() *child {
		w := startProgram(t, self, b.env.with(env{helperVariable: "worker that can be poisoned", poisonVariable: row.poison}))
		w.awaitLog("worker is running")
		return w
	}
	trigger := func(merchant, tsr string) string {
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: merchant, Tsr: tsr, RelateNumber: "R" + tsr}))
		return b.enqueue("trigger-issue", "--merchant-id", merchant, "--tsr", tsr, "--relate-number", "R"+tsr, "--delay-day", "0").ID
	}
	type other struct{ id, merchant, tsr string }
	var others []other
	addOthers := func(round int) {
		for i, merchant := range []string{merchantID, otherID} {
			tsr := fmt.Sprintf("OTHER%d%d", round, i)
			others = append(others, other{trigger(merchant, tsr), merchant, tsr})
		}
	}

	poison := trigger(poisonID, "POISON")
	addOthers(0)
	crashes := 0
	w := newWorker()
	for begin := time.Now(); b.show(poison).State != "dead"; {
		if time.Since(begin) > 6*time.Minute {
			t.Fatalf("not dead after %d crashes: %+v", crashes, b.show(poison))
		}
		select {
		case <-w.done:
			if signal := w.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); signal != syscall.SIGKILL {
				t.Fatalf("the worker ended by %s with exit code %d, want by SIGKILL", signal, w.cmd.ProcessState.ExitCode())
			}
			crashes++
			t.Logf("crash %d after %s", crashes, time.Since(begin).Round(time.Second))
			addOthers(crashes)
			letLeasesEnd(b, rdb)
			w = newWorker()
		case <-time.After(200 * time.Millisecond):
		}
	}
	if crashes != worker.MaxCrashes {
		t.Errorf("%d crashes, want %d", crashes, worker.MaxCrashes)
	}

	b.wantPoisonLetter(poison, row.kind)

	// It stays dead over a restart, and nothing crashes any more.
	w.stop()
	addOthers(6)
	w = newWorker()
	for _, o := range others {
		b.waitFor(o.id, "completed")
		if got := b.fake.EffectsOn(o.merchant, o.tsr); len(got) != 1 || got[0].Name != ecpaytest.EffectIssued {
			t.Errorf("%s: effects %+v, want one, issued", o.id, got)
		}
	}
	select {
	case <-w.done:
		t.Error("the worker crashed again")
	default:
		w.stop()
	}
	b.wantPoisonEffects(row.effects)

	// A person ends it.
	b.dead("resolve", poison, "--note", "done by hand")
	if got := b.dead("list").stdout; got != "" {
		t.Errorf("resolved, and still listed: %s", got)
	}
}

func (b *bench) wantPoisonEffects(want []string) {
	b.Helper()
	var effects []string
	for _, e := range b.fake.EffectsOn(poisonID, "POISON") {
		effects = append(effects, e.Name)
	}
	if diff := cmp.Diff(want, effects); diff != "" {
		b.Errorf("effects of the poisonous task (-want +got):\n%s", diff)
	}
}

// wantPoisonLetter: the letter of a task that killed its workers says so, and has its payload.
func (b *bench) wantPoisonLetter(poison, kind string) {
	b.Helper()
	rec, err := record.Get(b.Context(), b.redis.Client(), poison)
	b.must(err)
	// The sixth attempt is the one that found five crashes.
	if rec.Crashes != 5 || rec.Attempts != 6 {
		b.Errorf("the record has %d crashes and %d attempts, want 5 and 6", rec.Crashes, rec.Attempts)
	}
	shown := lettersOf(b.T, b.dead("show", poison).stdout)
	if len(shown) != 1 || shown[0].Kind != kind || shown[0].State != "dead" ||
		shown[0].Attempts != 6 || shown[0].Payload["Tsr"] != "POISON" ||
		!strings.Contains(shown[0].Reason, "may kill its worker") || !strings.Contains(shown[0].ReasonZh, "當掉") {
		b.Errorf("dead show: %+v; want a letter of kind %s that says why, with its payload", shown, kind)
	}
	if list := lettersOf(b.T, b.dead("list").stdout); len(list) != 1 || list[0].ID != poison {
		b.Errorf("dead list: %+v, want the one task", list)
	}
}
