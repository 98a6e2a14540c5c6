package app

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/webhook"
	"github.com/ecpayq/ecpayq/worker"
)

// webhooks are those of a worker. They have connections of their own, opened with the first
// endpoint, so that tasks never wait for one that deliveries hold.
type webhooks struct {
	metrics *webhook.Metrics
	service *webhook.Service
}

// WebhookAgent is what requests to endpoints are called in the header User-Agent.
const WebhookAgent = "ecpayq"

// openWebhooks makes what delivers, without endpoints.
func (w *Worker) openWebhooks(cfg WorkerConfig, reg prometheus.Registerer) (*webhooks, error) {
	rdb, err := openWebhookRedis(cfg)
	if err != nil {
		return nil, err
	}
	w.onStop("redis client of webhooks", rdb.Close)
	m, err := webhook.NewMetrics(reg, webhook.NewAdmin(rdb))
	if err != nil {
		return nil, err
	}
	return &webhooks{metrics: m, service: webhook.New(webhook.Config{
		Redis: rdb, Logger: cfg.Logger, Quiet: worker.QuietHook, Agent: WebhookAgent, Observe: m.Try,
		ShutdownTimeout: cmp.Or(cfg.Worker.ShutdownTimeout, worker.DefaultShutdownTimeout),
	})}, nil
}

// SetWebhooks replaces the endpoints to which outcomes are delivered.
func (w *Worker) SetWebhooks(list []webhook.Endpoint) error {
	w.webhooks.metrics.Set(list)
	return w.webhooks.service.Set(list)
}

// webhookPool is how many connections to one node of Redis there are at most: each endpoint has one
// that waits for tasks, and few more are busy at a time. With fewer, those that wait would keep
// everything else, scrapes among it, from having one.
const webhookPool = webhook.MaxEndpoints + 8

// webhookFiles are those that are open for the endpoints of the start.
func webhookFiles(cfg WorkerConfig) int {
	if len(cfg.Webhooks) == 0 {
		return 0
	}
	n := webhookPool * nodes(cfg.RedisURL)
	for _, e := range cfg.Webhooks {
		n += cmp.Or(e.InFlight, webhook.DefaultInFlight) + 1 // and its subscription
	}
	return n
}

// openWebhookRedis opens a client that is as patient as that of asynq's Servers. It makes no
// connection until it is used.
func openWebhookRedis(cfg WorkerConfig) (redis.UniversalClient, error) {
	o, err := enqueue.ParseRedisURL(cfg.RedisURL)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.DialTimeout = 5 * time.Second
	cfg.Connections.set(o)
	o.PoolSize = webhookPool
	o.MaxIdleConns = min(o.MaxIdleConns, o.PoolSize)
	o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 20, 50*time.Millisecond, time.Second
	return redis.NewUniversalClient(o), nil
}
