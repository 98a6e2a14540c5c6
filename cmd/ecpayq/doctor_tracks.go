package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/tracks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// mostTracked is for how many merchants doctor asks about their numbers.
const mostTracked = 50

// checkTracks asks for the invoice numbers that merchants have left, of those for which the queue issued some within a week. It says
// nothing where there are none.
func (p *program) checkTracks(ctx context.Context, rdb redis.UniversalClient, dir *config.Directory) []finding {
	const check = "number tracks"
	unknown := func(err error) finding {
		return found(check, statusWarning, "not known: "+err.Error(), redisHint(err))
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asker, err := p.newAsker("doctor", turnWait, dir, gate.NewQuestions(rdb))
	if err != nil {
		return []finding{unknown(err)}
	}
	defer asker.client.CloseIdleConnections()
	reader := record.NewReader(rdb)
	var report []finding
	looked, more := 0, 0
	for _, m := range dir.All() {
		rates, err := tracks.IssuedInADay(ctx, reader, m.ID(), time.Now())
		switch {
		case err != nil:
			report = append(report, unknown(err))
			continue
		case len(rates) == 0:
			continue
		case looked == mostTracked:
			more++
			continue
		}
		looked++
		all, err := tracks.Look(ctx, tracks.Config{
			Reader: reader, Ask: func(ctx context.Context, q ecpay.Request) (ecpay.Response, error) { return asker.Answer(ctx, m, q) },
		}, m.ID())
		if err != nil {
			report = append(report, unknown(err))
		}
		for _, s := range all {
			if s.Low() {
				report = append(report, found(check, statusWarning,
					fmt.Sprintf("merchant %s, %s, term %s-%d, InvType %s: %s", s.MerchantID, s.Category, s.Year, s.Term, s.InvType, s.Warning),
					record.Text{En: "ecpayq tracks shows the ranges", Zh: s.WarningZh + "；ecpayq tracks 列出各字軌"}))
			}
		}
	}
	if looked > 0 && len(report) == 0 {
		detail := fmt.Sprintf("the invoice numbers of %d merchant(s) last for %d days, or their term", looked, tracks.DefaultWarnDays)
		report = []finding{{Check: check, Status: statusOK, Detail: detail}}
	}
	if more > 0 {
		report = append(report, found(check, statusWarning, fmt.Sprintf("%d more merchant(s) were not asked", more),
			record.Text{En: "ecpayq tracks asks all", Zh: "ecpayq tracks 可查詢全部特店"}))
	}
	return report
}
