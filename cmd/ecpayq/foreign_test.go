package main_test

import (
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// put enqueues by plain asynq, as a producer in another language would.
func (b *bench) put(queue, typeName, id, payload string, headers map[string]string) {
	b.Helper()
	client := asynq.NewClientFromRedisClient(b.redis.Client())
	_, err := client.Enqueue(asynq.NewTaskWithHeaders(typeName, []byte(payload), headers), asynq.TaskID(id), asynq.Queue(queue))
	b.must(err)
}

func TestWhatIsNoPayloadDiesWithAClearReason(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.worker()
	const id = "b2c.trigger_issue.2000132."
	v1 := map[string]string{"v": "1"}
	rows := []struct {
		name, tsr, payload string
		headers            map[string]string
		want               string
	}{
		{"bytes that are no JSON", "P1", "\x00\xff\xfe not JSON", v1, "corrupt payload: not JSON"},
		{"nothing", "P2", "", v1, "corrupt payload"},
		{"JSON cut short", "P3", `{"MerchantID":"2000132","Tsr":"P3`, v1, "corrupt payload"},
		{"an array", "P4", `[1,2]`, v1, "corrupt payload"},
		{"null", "P5", `null`, v1, "corrupt payload"},
		{"a field of the wrong type", "P6", `{"MerchantID":"2000132","Tsr":6,"PayType":"2"}`, v1, `Tsr" has the wrong JSON type`},
		{"a field that is not known", "P7", `{"MerchantID":"2000132","Tsr":"P7","PayType":"2","Tsrr":"P7"}`, v1, "unknown field"},
		{"a name in two cases", "P16", `{"MerchantID":"2000132","Tsr":"P16","TSR":"P17","PayType":"2"}`,
			v1, `unknown field "TSR": names are exact`},
		{"a name twice", "P18", `{"MerchantID":"2000132","Tsr":"P18","Tsr":"P18","PayType":"2"}`, v1, `field "Tsr" is there twice`},
		{"two values", "P8", `{"MerchantID":"2000132","Tsr":"P8","PayType":"2"}{}`, v1, "more than one JSON value"},
		{"a payload of 17 KiB", "P9",
			`{"MerchantID":"2000132","Tsr":"P9","PayType":"2","RelateNumber":"` + strings.Repeat("x", 17<<10) + `"}`, v1, "bytes, at most"},
		{"deeply nested JSON", "P10", strings.Repeat("[", 12000), v1, "corrupt payload"},
		{"a field that breaks a limit", "P11", `{"MerchantID":"2000132","Tsr":"` + strings.Repeat("T", 31) + `","PayType":"2"}`,
			v1, "Tsr has 31 characters, at most 30"},
		{"a payload of another id", "P12", `{"MerchantID":"2000132","Tsr":"OTHERTSR","PayType":"2"}`, v1, "belongs to another intent"},
		{"a payload of another merchant", "P13", `{"MerchantID":"3002601","Tsr":"P13","PayType":"2"}`, v1, "belongs to another intent"},
		{"a schema that is no number", "P14", `{"MerchantID":"2000132","Tsr":"P14","PayType":"2"}`,
			map[string]string{"v": "one"}, "corrupt payload: schema"},
		{"a schema of 0", "P15", `{"MerchantID":"2000132","Tsr":"P15","PayType":"2"}`, map[string]string{"v": "0"}, "corrupt payload: schema"},
	}
	for _, row := range rows {
		b.put("trigger_issue", "b2c:trigger_issue", id+row.tsr, row.payload, row.headers)
	}
	for _, row := range rows {
		got := b.waitFor(id+row.tsr, "dead")
		if got.Kind != "Rejected" || got.Attempts != 1 || !strings.Contains(got.Reason, row.want) || len(got.Reason) > 1000 {
			t.Errorf("%s: got kind %s, %d attempts and reason %q, want Rejected, 1 and %q", row.name, got.Kind, got.Attempts, got.Reason, row.want)
		}
	}
	if got := len(b.fake.Calls()); got != 0 {
		t.Errorf("got %d calls, want none", got)
	}
	// The worker is none the worse for it.
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "AFTER1"}))
	b.waitFor(b.enqueue("trigger-issue", "--tsr", "AFTER1").ID, "completed")
}

func TestAPayloadPutInByPlainAsynqIsCarried(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "PLAIN1"}))
	b.put("trigger_issue", "b2c:trigger_issue", "b2c.trigger_issue.2000132.PLAIN1", `{"MerchantID":"2000132","Tsr":"PLAIN1"}`, nil)
	if again := b.enqueue("trigger-issue", "--tsr", "PLAIN1"); !again.Duplicate || again.State != "pending" {
		t.Errorf("got receipt %+v, want a duplicate that is pending", again)
	}
	b.worker()
	b.waitFor("b2c.trigger_issue.2000132.PLAIN1", "completed")
	b.wantEffects("PLAIN1", "issued")
	b.wantFresh()
}

// In a rolling deployment old workers meet what new producers wrote.
func TestWhatANewerVersionWroteIsHeldForItsWorkers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	w := b.worker()
	v1, newer := map[string]string{"v": "1"}, map[string]string{"v": "3"}
	const payload = `{"MerchantID":"2000132","Tsr":"NEW1","PayType":"2"}`
	rows := []struct {
		name, queue, typeName, id, payload string
		headers                            map[string]string
		want                               string
	}{
		{"a newer schema", "trigger_issue", "b2c:trigger_issue", "b2c.trigger_issue.2000132.NEW1", payload, newer, "written by a newer version"},
		{"a newer schema of a shape that nobody knows", "invalid", "b2b:invalid",
			"b2b.invalid.2000132.VG11000081.2026-03-02", `[{"A":1}]`, newer, "written by a newer version"},
		{"an unknown type", "trigger_issue", "b2c:edit_delay_issue", "b2c.edit_delay_issue.2000132.NEW2", payload, v1, "unknown task type"},
		{"an unknown type with an id of its own kind", "query", "other:thing",
			"123e4567-e89b-12d3-a456-426614174000", "", nil, "unknown task type"},
	}
	for _, row := range rows {
		b.put(row.queue, row.typeName, row.id, row.payload, row.headers)
	}
	inspector := asynq.NewInspectorFromRedisClient(b.redis.Client())
	for _, row := range rows {
		var info *asynq.TaskInfo
		b.eventually(row.name+" is held", func() bool {
			var err error
			info, err = inspector.GetTaskInfo(row.queue, row.id)
			return err == nil && info.State == asynq.TaskStateRetry
		})
		if !strings.Contains(info.LastErr, row.want) || !strings.Contains(info.LastErr, "held for a newer worker") || info.Retried != 0 {
			t.Errorf("%s: got %q after %d retries, want held without one, and %q", row.name, info.LastErr, info.Retried, row.want)
		}
		rec, err := record.Get(t.Context(), b.redis.Client(), row.id)
		if err != nil || rec.State != record.Held || rec.Attempts != 0 {
			t.Errorf("%s: got record %+v and error %v, want held with 0 attempts", row.name, rec, err)
		}
	}
	if got := b.show(rows[0].id); got.State != "held" || got.Attempts != 0 || !strings.Contains(got.ReasonZh, "較新版本") {
		t.Errorf("task show: got %+v, want held with 0 attempts and why", got)
	}
	if got := len(b.fake.Calls()); got != 0 {
		t.Errorf("got %d calls, want none", got)
	}
	if _, metrics := w.get("/metrics"); strings.Contains(metrics, "edit_delay_issue") || strings.Contains(metrics, "other:thing") {
		t.Error("the name of an unknown type became a metric's label")
	}
}
