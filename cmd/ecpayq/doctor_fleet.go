package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
)

// checkFleet reports what workers have left in Redis: refused keys, bans, dead letters,
// and which of them live. It tells in standing where merchants stand.
func (p *program) checkFleet(
	ctx context.Context, rdb redis.UniversalClient, dir *config.Directory, standing *map[string]merchants.Merchant,
) []finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	unknown := func(check string, err error) finding {
		return found(check, statusWarning, "not known: "+err.Error(), redisHint(err))
	}
	var report []finding
	if list, err := merchants.New(rdb).List(ctx); err != nil {
		report = append(report, unknown("denied keys", err))
	} else {
		*standing = map[string]merchants.Merchant{}
		for _, m := range list {
			(*standing)[m.ID] = m
		}
		report = append(report, deniedFinding(*standing, dir))
		if state, err := gate.NewEgress(rdb, p.cfg.Egress, 0).Look(ctx, false); err != nil {
			report = append(report, unknown("bans", err))
		} else {
			report = append(report, bansFinding(*standing, state))
		}
	}
	if sizes, err := deadletter.New(deadletter.Config{Redis: rdb}).Sizes(ctx); err != nil {
		report = append(report, unknown("dead letters", err))
	} else {
		report = append(report, lettersFinding(sizes))
	}
	if servers, err := asynqx.NewInspector(rdb).Processes(ctx); err != nil {
		report = append(report, unknown("workers", err))
	} else {
		report = append(report, workersFinding(servers))
	}
	return report
}

// some joins the first few of a list.
func some(list []string) string {
	const shown = 10
	if n := len(list) - shown; n > 0 {
		return strings.Join(list[:shown], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(list, "; ")
}

// deniedFinding fails when ECPay refuses keys that are configured here: nothing is sent
// with them.
func deniedFinding(standing map[string]merchants.Merchant, dir *config.Directory) finding {
	f := finding{Check: "denied keys", Status: statusOK, Detail: "none"}
	ours := map[string]bool{}
	if dir != nil {
		for _, m := range dir.All() {
			for _, service := range []ecpay.Category{ecpay.B2C, ecpay.B2B} {
				ours[m.ID()+" "+gate.Scope(service, m.KeyFingerprint())] = true
			}
		}
	}
	var list []string
	failed := false
	for _, id := range slices.Sorted(maps.Keys(standing)) {
		for _, d := range standing[id].Denied {
			keys := "key " + d.Fingerprint
			if d.Fingerprint == gate.NoKeys {
				keys = "no keys"
			}
			failed = failed || ours[id+" "+gate.Scope(ecpay.Category(d.Service), d.Fingerprint)]
			list = append(list, fmt.Sprintf("%s %s, %s, since %s, tried again at %s", id, d.Service, keys, taipei(&d.Since), taipei(&d.NextProbe)))
		}
	}
	if len(list) == 0 {
		return f
	}
	f.Status, f.Detail = statusWarning, some(list)
	if failed {
		f.Status = statusFailed
	}
	f.Hint = "mend the keys, or have ECPay enable the service; then ecpayq merchant resume MERCHANT"
	f.HintZH = "請修正金鑰，或請綠界開通服務；之後執行 ecpayq merchant resume 特店編號"
	return f
}

func bansFinding(standing map[string]merchants.Merchant, egress gate.EgressState) finding {
	f := finding{Check: "bans", Status: statusOK, Detail: "none"}
	var list []string
	if what := dashboard.PausedFor(egress.Why); !what.IsZero() {
		list = append(list, what.En+": nothing is sent until "+taipei(&egress.Until))
	}
	for _, id := range slices.Sorted(maps.Keys(standing)) {
		if b := standing[id].Ban; b != nil {
			list = append(list, id+" until "+taipei(&b.Until)+" (Asia/Taipei)")
		}
	}
	if len(list) > 0 {
		f.Status, f.Detail = statusWarning, some(list)
		f.Hint, f.HintZH = "wait: one request goes first when a ban ends; deploy/RUNBOOK.md has EcpayqBanned",
			"請等候：期滿後會先送出一筆呼叫；參見 deploy/RUNBOOK.md 的 EcpayqBanned"
	}
	return f
}

func lettersFinding(sizes map[string]int64) finding {
	f := finding{Check: "dead letters", Status: statusOK, Detail: "none"}
	total, owners := int64(0), 0
	for _, n := range sizes {
		if n > 0 {
			total, owners = total+n, owners+1
		}
	}
	if total > 0 {
		f.Status, f.Detail = statusWarning, fmt.Sprintf("%d, of %d merchant(s)", total, owners)
		f.Hint, f.HintZH = "ecpayq dead list shows why and what to do", "ecpayq dead list 會列出原因與處理方式"
	}
	return f
}

// workersFinding counts processes: one has several Servers of asynq's.
func workersFinding(servers []asynqx.Process) finding {
	f := finding{Check: "workers", Status: statusOK}
	processes := map[string]bool{}
	for _, s := range servers {
		processes[fmt.Sprintf("%s (process %d)", s.Host, s.PID)] = true
	}
	if len(processes) == 0 {
		f.Status, f.Detail = statusWarning, "none is running: tasks wait"
		f.Hint, f.HintZH = "start one: ecpayq worker", "請啟動：ecpayq worker"
		return f
	}
	f.Detail = fmt.Sprintf("%d running: %s", len(processes), some(slices.Sorted(maps.Keys(processes))))
	return f
}
