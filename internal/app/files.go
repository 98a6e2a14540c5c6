package app

import (
	"cmp"
	"fmt"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/worker"
)

// files is how the files that a process may open are shared. Each connection is one.
type files struct {
	redis    int // connections of each client of Redis
	ecpay    int // requests to ECPay at once
	admin    int // connections to the admin server, or the dashboard
	webhooks int // requests to endpoints, and connections of their client of Redis
	outbox   int // connections of the relay to its database and to Redis
}

const (
	// otherFiles are open beside them: standard streams, the listener and what waits for
	// connections, the subscription of each asynq Server, and for a moment a name that is
	// looked up or what a scrape reads of /proc.
	otherFiles = 16
	// fewAdmin is how many connections of probes and scrapers there is always room for.
	fewAdmin = 8
)

// total is how many files are open at most.
func (f files) total() int { return 2*f.redis + f.ecpay + f.admin + f.webhooks + f.outbox + otherFiles }

// fit takes from a worker's connections to Redis and ECPay what is too much for a limit:
// otherwise they would take the last file, and no probe could connect any more. What is
// left of a limit of 48 is a worker that goes on slowly.
func (f files) fit(limit int) files {
	if limit >= f.total() {
		return f
	}
	rest := limit - otherFiles - fewAdmin - f.webhooks - f.outbox
	return files{
		redis: min(f.redis, max(8, rest*35/100)), ecpay: min(f.ecpay, max(4, rest*3/10)), admin: fewAdmin,
		webhooks: f.webhooks, outbox: f.outbox,
	}
}

// complain says what a limit costs, empty where it costs nothing.
func (f files) complain(limit int) string {
	got := f.fit(limit)
	if got == f {
		return ""
	}
	return fmt.Sprintf("only %d files may be open, of which this worker wants %d: it opens at most %d connections to Redis "+
		"with each of its two clients, and sends at most %d requests to ECPay at once; raise the limit (ulimit -n, or LimitNOFILE of systemd)",
		limit, f.total(), got.redis, got.ecpay)
}

// fitDashboard is fit for a dashboard, which sends nothing to ECPay and whose admin
// connections are those of browsers.
func (f files) fitDashboard(limit int) files {
	if limit >= f.total() {
		return f
	}
	rest := limit - otherFiles
	return files{redis: min(f.redis, max(4, rest/4)), admin: min(f.admin, max(fewAdmin, rest/2))}
}

// clusterNodes is how many nodes of a cluster a client is taken to have connections to.
const clusterNodes = 3

func nodes(redisURL string) int {
	if o, err := enqueue.ParseRedisURL(redisURL); err == nil && o.IsClusterMode {
		return clusterNodes
	}
	return 1
}

// pool is how many connections to one node a share allows.
func (f files) pool(redisURL string) int { return max(4, f.redis/nodes(redisURL)) }

// connectionsOf is how many connections a client has.
func connectionsOf(c Connections, redisURL string) int {
	return cmp.Or(c.Pool, redisx.DefaultPool) * nodes(redisURL)
}

// workerFiles are those that a worker wants.
func workerFiles(cfg WorkerConfig) files {
	return files{
		redis: connectionsOf(cfg.Connections, cfg.RedisURL),
		ecpay: cmp.Or(cfg.Worker.Concurrency, worker.DefaultConcurrency), admin: adminConns, webhooks: webhookFiles(cfg),
		outbox: outboxFiles(cfg.Outbox),
	}
}

// dashboardFiles are those that a dashboard wants.
func dashboardFiles(cfg DashboardConfig) files {
	return files{redis: connectionsOf(cfg.Connections, cfg.RedisURL), admin: dashboardConns}
}
