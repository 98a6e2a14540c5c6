package main_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// ECPay wants some time between the calls of a merchant, whoever makes them. When a
// call arrives depends on the machine; when it was permitted is what Redis wrote.
func TestAllWorkersTogetherKeepTheIntervalOfAMerchant(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const n, interval = 30, 200 * time.Millisecond
	ids := make([]string, n)
	for i := range ids {
		tsr := fmt.Sprintf("PACE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}))
		ids[i] = b.enqueue("trigger-issue", "--tsr", tsr).ID
	}
	permissions := b.permissions(record.KeysOfTask(ids[0]).Pace)
	for range 3 {
		b.worker()
	}
	for i, id := range ids {
		b.waitFor(id, "completed")
		b.wantEffects(fmt.Sprintf("PACE%d", i), "issued")
	}
	given, calls := permissions(), b.fake.Calls()
	if len(calls) != n || len(given) != n {
		t.Fatalf("got %d calls with %d permissions, want %d", len(calls), len(given), n)
	}
	for i := range n {
		if i > 0 && given[i].Sub(given[i-1]) < interval {
			t.Errorf("permission %d was given %s after the one before, want at least %s", i, given[i].Sub(given[i-1]), interval)
		}
		if calls[i].At.Before(given[i]) {
			t.Errorf("call %d came %s before its permission", i, given[i].Sub(calls[i].At))
		}
	}
	if took := given[n-1].Sub(given[0]); took > 3*n*interval {
		t.Errorf("%d calls took %s, want about %s: the pace is also to be used", n, took, (n-1)*interval)
	}
	b.wantFresh()
}

// permissions watches what is written to a merchant's pace. The func it returns
// ends that, and says when each permission was given.
func (b *bench) permissions(pace string) func() []time.Time {
	b.Helper()
	conn, err := net.Dial("tcp", b.redis.Addr())
	b.must(err)
	b.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte("MONITOR\r\n"))
	b.must(err)
	lines := bufio.NewReader(conn)
	if first, err := lines.ReadString('\n'); err != nil || first != "+OK\r\n" {
		b.Fatalf("MONITOR: got %q and error %v, want OK", first, err)
	}
	const end = "no more permissions"
	given := make(chan []time.Time, 1)
	go func() {
		var all []time.Time
		defer func() { given <- all }()
		write := regexp.MustCompile(`"HSET" "` + regexp.QuoteMeta(pace) + `" "last" "(\d+)"`)
		for {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, end) {
				return
			}
			if m := write.FindStringSubmatch(line); m != nil {
				at, _ := strconv.ParseInt(m[1], 10, 64)
				all = append(all, time.UnixMicro(at))
			}
		}
	}()
	return func() []time.Time {
		b.must(b.redis.Client().Echo(b.Context(), end).Err())
		return <-given
	}
}

// bannedBench has two workers, of which one has met a 403 of the stage's merchant, and ids of
// its tasks and of those of a merchant with which all is well.
func bannedBench(t *testing.T, pause string) (b *bench, banned, free []string) {
	t.Helper()
	other := ecpaytest.Merchant{MerchantID: "1000002", HashKey: "abcdefgh12345678", HashIV: "12345678abcdefgh"}
	stage := ecpaytest.Merchant{MerchantID: merchantID, HashKey: ecpaytest.StageHashKey, HashIV: ecpaytest.StageHashIV}
	b = newBenchOf(t, ecpaytest.Config{Merchants: []ecpaytest.Merchant{stage, other}}, env{"ECPAYQ_BAN_PAUSE": pause})
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, t.TempDir()+"/merchants.yaml",
		"merchants:\n  - merchant_id: \"1000002\"\n    hash_key: abcdefgh12345678\n    hash_iv: 12345678abcdefgh\n")})
	b.fake.Inject(ecpaytest.Match{MerchantID: merchantID}, ecpaytest.Fault{HTTPStatus: http.StatusForbidden})
	b.worker()
	b.worker()
	for i := range 6 {
		tsr := fmt.Sprintf("BANNED%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: merchantID, Tsr: tsr}))
		banned = append(banned, b.enqueue("trigger-issue", "--tsr", tsr).ID)
		if i == 0 {
			b.await(banned[0], "held") // a request that is on its way when the 403 is read is stopped by nobody
		}
		tsr = fmt.Sprintf("FREE%d", i)
		b.must(b.fake.StageDelayed(ecpaytest.Delayed{MerchantID: "1000002", Tsr: tsr}))
		free = append(free, b.enqueue("trigger-issue", "--merchant-id", "1000002", "--tsr", tsr).ID)
	}
	return b, banned, free
}

// The ban lasts for longer than any machine is busy: who waits for it never completes.
func TestABanOfAMerchantStopsAllItsTasksInAllWorkersAndNoOther(t *testing.T) {
	t.Parallel()
	b, banned, free := bannedBench(t, "1h")
	for _, id := range free {
		b.waitFor(id, "completed")
	}
	calls := func() (n int) {
		for _, c := range b.fake.Calls() {
			if c.MerchantID == merchantID {
				n++
			}
		}
		return n
	}
	if n := calls(); n != 1 {
		t.Errorf("%d calls of the merchant that is banned, want the one that was refused", n)
	}
	if n := len(b.fake.Effects()); n != len(free) {
		t.Errorf("%d effects while the ban lasts, want %d", n, len(free))
	}
	if r := b.run("merchant", "resume", merchantID); r.code != 0 {
		t.Errorf("merchant resume: %+v", r)
	}
	for _, id := range banned {
		b.waitFor(id, "completed")
	}
}

func TestNothingOfAMerchantIsSentBeforeItsBanIsOverAndAllAfterIt(t *testing.T) {
	t.Parallel()
	b, banned, _ := bannedBench(t, "6s")
	for _, id := range banned {
		b.waitFor(id, "completed")
	}
	var refused time.Time
	for _, c := range b.fake.Calls() {
		switch {
		case c.MerchantID != merchantID:
		case c.HTTPStatus == http.StatusForbidden:
			refused = c.At
		case refused.IsZero() || c.At.Sub(refused) < 6*time.Second:
			t.Errorf("%s came %s after the 403, want no call for 6s", c.Subject, c.At.Sub(refused))
		}
	}
}
