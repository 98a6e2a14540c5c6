package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestAWorkerThatStopsTakesNothingWhileAnEndpointHangs(t *testing.T) {
	t.Parallel()
	cfg, fake, rdb := setup(t)
	asked, answer := make(chan struct{}, 8), make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	}))
	t.Cleanup(shop.Close)
	u, err := webhook.ParseURL(shop.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	key, err := webhook.ParseKey("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	if err != nil {
		t.Fatal(err)
	}
	e := webhook.Endpoint{Name: "shop", URL: u, Secrets: []webhook.Key{key}, Merchants: []string{webhook.AllMerchants}, AllowPrivate: true}
	cfg.Webhooks = []webhook.Endpoint{e}
	w, err := app.StartWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client, err := enqueue.New(enqueue.Config{Redis: rdb.Client()})
	if err != nil {
		t.Fatal(err)
	}
	put := func(tsr string) string {
		t.Helper()
		if err := fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr}); err != nil {
			t.Fatal(err)
		}
		r, err := client.TriggerIssue(t.Context(), trigger(tsr))
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	eventually(t, "the endpoint has begun", func() bool {
		n, err := rdb.Client().HLen(t.Context(), record.WebhookKeysOf(e.Queue()).Positions).Result()
		return err == nil && n > 0
	})
	put("HANG1")
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop() }()
	eventually(t, "the worker takes no task any more", func() bool {
		servers, err := asynq.NewInspectorFromRedisClient(rdb.Client()).Servers()
		if err != nil {
			t.Fatal(err)
		}
		return len(servers) <= 1 // that of the endpoint
	})
	id := put("HANG2")
	close(answer)
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if task, err := client.Task(t.Context(), id); err != nil || task.State != record.StatePending {
		t.Errorf("what came after the stop is %s, %v, want pending", task.State, err)
	}
}
