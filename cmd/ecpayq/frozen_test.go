//go:build slow

package main_test

import (
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/tasks"
)

// A process that is stopped for a while (by a debugger, a checkpoint, a host that
// has no processor left) wakes in the middle of an attempt that another worker has
// taken over and finished.
func TestSlowAWorkerThatWasFrozenPastItsLockSendsNothingOnWaking(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		hold func(*redisProxy, string) *hold // what the worker waits for when it is frozen
		// failed is how often it failed before: then it is not marked on beginning.
		failed int
		// story is that of the other worker.
		story []string
	}{
		{"on beginning, with its mark, before the first byte", func(p *redisProxy, id string) *hold {
			return p.holdReplies(gateScript(t, "begin"), id)
		}, 0, []string{"GetIssue", "TriggerIssue"}},
		{"with the lock, before its mark", func(p *redisProxy, id string) *hold {
			return p.holdRequests(gateScript(t, "enter"), id)
		}, 1, []string{"TriggerIssue"}},
		{"after its mark, before the first byte", func(p *redisProxy, id string) *hold {
			return p.holdReplies(gateScript(t, "enter"), id)
		}, 1, []string{"GetIssue", "TriggerIssue"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchOf(t, ecpaytest.Config{Window: 8 * time.Second}, env{
				"ECPAYQ_MERCHANT_INTERVAL": "0s", "ECPAYQ_FENCE": "12s", "ECPAYQ_HTTP_TIMEOUT": "4s",
				"ECPAYQ_TASK_TIMEOUT": "8s", "ECPAYQ_SHUTDOWN_TIMEOUT": "20s", "ECPAYQ_LOG_LEVEL": "info",
			})
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "FROZEN1", RelateNumber: "RFROZEN1"}))
			if row.failed > 0 {
				b.fake.Inject(ecpaytest.Match{Operation: "TriggerIssue"}, ecpaytest.Fault{RtnCode: 9000001, Times: row.failed})
			}
			client, err := enqueue.New(enqueue.Config{RedisURL: b.redis.URL()})
			b.must(err)
			defer client.Close()
			payload := tasks.B2CTriggerIssue{
				MerchantID: merchantID, Tsr: "FROZEN1",
				RelateNumber: "RFROZEN1", DelayDay: new(0),
			}
			id := tasks.ID(&payload)
			_, err = client.TriggerIssue(t.Context(), payload)
			b.must(err)

			// The worker that is frozen has its own way to Redis and to ECPay.
			proxy := newRedisProxy(t, b.redis.Addr())
			waits := row.hold(proxy, id)
			sent := &recorder{next: b.fake}
			web := httptest.NewServer(sent)
			t.Cleanup(web.Close)
			frozen := b.worker(env{"ECPAYQ_REDIS_URL": proxy.URL(), "ECPAYQ_ECPAY_URL": web.URL})
			b.eventually("the worker waits for Redis", waits.all)
			frozen.freeze()
			proxy.release()

			b.worker()
			b.awaitLease(id) // until then the frozen one has the task
			b.waitFor(id, "completed")
			frozen.signal(syscall.SIGCONT)
			frozen.awaitLog("attempt finished")
			if requests := len(sent.all()) - row.failed; requests != 0 {
				t.Errorf("the worker that was frozen has sent %d requests on waking, want none", requests)
			}
			b.wantEffects("FROZEN1", "issued")
			diff := cmp.Diff(append(slices.Repeat([]string{"TriggerIssue"}, row.failed), row.story...), story(b.fake.Calls(), "FROZEN1", "RFROZEN1"))
			if diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			b.wantFresh()
		})
	}
}

// freeze halts the child and returns when none of its threads runs any more: a
// parent is told of a child that is stopped when all of it is.
func (c *child) freeze() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
	eventually(c.t, "the worker is frozen", func() bool {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED|syscall.WNOHANG, nil)
		return err == nil && pid == c.cmd.Process.Pid && status.Stopped()
	})
}
