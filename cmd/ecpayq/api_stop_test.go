package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

func TestAnAPIThatIsKilledAmongManyPostsLosesNothingAndStoresNothingTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"}) // else most tasks are for later
	const senders, each, kills = 8, 75, 4
	at := env{"ECPAYQ_API_ADDR": freeAddr(t)}
	a := b.api(at)
	url := a.url
	var answered, created, broken atomic.Int64
	var want []string
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	for s := range senders {
		for i := range each {
			want = append(want, triggerID(fmt.Sprintf("KILL%dX%d", s, i)))
		}
		wg.Go(func() {
			for i := range each {
				intent := triggerIntent(fmt.Sprintf("KILL%dX%d", s, i), "")
				for {
					got := callAt(t.Context(), url, "POST", "/v1/intents", "", intent)
					if got.status == 201 {
						created.Add(1)
					}
					if got.status == 201 || got.status == 200 {
						answered.Add(1)
						break
					}
					if t.Context().Err() != nil {
						return
					}
					if got.status != 0 {
						t.Errorf("%s: got status %d and %s", intent, got.status, got.body)
						return
					}
					broken.Add(1)
					<-time.After(20 * time.Millisecond) // before it is tried again, as clients do
				}
			}
		})
	}
	for k := range int64(kills) {
		b.eventually("more are stored", func() bool { return answered.Load() >= (k+1)*senders*each/(kills+1) })
		a.kill()
		a = b.api(at)
	}
	wg.Wait()
	got := b.pendingTriggers()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		different := len(slices.Compact(slices.Clone(got)))
		t.Errorf("got %d tasks, of which %d are different ones, want each of %d once", len(got), different, len(want))
	}
	if broken.Load() == 0 || created.Load() > int64(len(want)) {
		t.Errorf("%d calls were broken off, and %d intents were said to be new", broken.Load(), created.Load())
	}
	a.stop()
}

// pendingTriggers are the ids that wait in the queue, sorted.
func (b *bench) pendingTriggers() []string {
	b.Helper()
	ids, err := b.redis.Client().LRange(b.Context(), asynqx.Key("trigger_issue", "pending"), 0, -1).Result()
	b.must(err)
	slices.Sort(ids)
	return ids
}

func TestAnAPIThatIsStoppedAnswersWhoWaitsAndSumsUpTheBatchThatIsBeingSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_MERCHANT_INTERVAL": "0s"}) // else most tasks are for later
	a := b.api(nil)
	a.call("POST", "/v1/intents", "", triggerIntent("STOPLATER", inAnHour)).wants(t, "an intent for later", 201)
	body, in := io.Pipe()
	defer in.Close()
	answer := make(chan apiAnswer, 1)
	go func() {
		resp, err := apiClient.Post(a.url+"/v1/intents/batch", "application/x-ndjson", body)
		if err != nil {
			answer <- apiAnswer{body: err.Error()}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		answer <- apiAnswer{resp.StatusCode, http.Header{"Error": {fmt.Sprint(err)}}, string(text)}
	}()
	for i := range 1500 {
		_, err := fmt.Fprintln(in, triggerIntent(fmt.Sprintf("STOP%d", i), ""))
		b.must(err)
	}
	b.eventually("some of what was sent is stored", func() bool { return len(b.pendingTriggers()) >= 512 })
	poll := a.longPoll(triggerID("STOPLATER"), "")
	feed := make(chan apiAnswer, 1)
	go func() { feed <- a.call("GET", "/v1/outcomes?wait=30s", "", "") }()
	b.awaitLooking()
	begun := time.Now()
	a.signal(syscall.SIGTERM)
	if got := (<-poll).wants(t, "who waits for a task", 200); !strings.Contains(got.body, `"state":"scheduled"`) {
		t.Errorf("who waits for a task got %s", got.body)
	}
	// It may have come too late.
	if got := <-feed; got.status != 0 && (got.status != 200 || !strings.Contains(got.body, `"outcomes":[]`)) {
		t.Errorf("who waits for outcomes got status %d and %s", got.status, got.body)
	}
	wantStoppedBatch(b, <-answer)
	if r := a.wait(patience); r.code != 0 {
		t.Errorf("got exit code %d, want 0", r.code)
	}
	if took := time.Since(begun); took > 25*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

// wantStoppedBatch holds the answer to a batch that was cut short to what is stored.
func wantStoppedBatch(b *bench, got apiAnswer) {
	b.Helper()
	got.wants(b.T, "the batch", 200)
	var told []string
	var sum struct {
		Summary *struct {
			Lines, Stored, Duplicate, Failed int
			Error                            string
			ErrorZh                          string `json:"error_zh"`
		}
	}
	for line := range strings.Lines(got.body) {
		var one struct{ ID, State, Error string }
		if sum.Summary != nil {
			b.Errorf("after the summary: %s", line)
		}
		b.must(json.Unmarshal([]byte(line), &sum))
		if b.must(json.Unmarshal([]byte(line), &one)); sum.Summary == nil {
			told = append(told, one.ID)
		}
	}
	slices.Sort(told)
	stored := b.pendingTriggers()
	if s := sum.Summary; s == nil || s.Lines != len(told) || s.Stored != len(told) || s.Failed != 0 ||
		!strings.Contains(s.Error, "the API is stopping") || !strings.Contains(s.ErrorZh, "正在停止") {
		b.Errorf("%d results are summed up as %+v (%s), want that the API is stopping", len(told), s, got.header["Error"])
	}
	if !slices.Equal(told, stored) {
		b.Errorf("%d lines have a result and %d tasks are stored, want the same ones", len(told), len(stored))
	}
}
