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
	unknown := func(check string, err error) finding {
		return found(check, statusWarning, "not known: "+err.Error(), redisHint(err))
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asker, err := p.newAsker("doctor", turnWait, dir, gate.NewQuestions(rdb))
	if err != nil {
		return []finding{unknown(check, err)}
	}
	defer asker.client.CloseIdleConnections()
	reader := record.NewReader(rdb)
	var trouble []finding
	looked, more := 0, 0
	for _, m := range dir.All() {
		rates, err := tracks.IssuedInADay(ctx, reader, m.ID(), time.Now())
		switch {
		case err == nil && len(rates) == 0:
			continue
		case looked == mostTracked:
			more++
			continue
		}
		looked++
		var all []tracks.Standing
		if err == nil {
			all, err = tracks.Look(ctx, tracks.Config{
				Reader: reader, Ask: func(ctx context.Context, q ecpay.Request) (ecpay.Response, error) { return asker.Answer(ctx, m, q) },
			}, m.ID())
		}
		if err != nil {
			trouble = append(trouble, unknown("numbers of "+m.ID(), err))
		}
		for _, s := range all {
			if s.Low() {
				trouble = append(trouble, found(fmt.Sprintf("numbers of %s, %s %s-%d %s", m.ID(), s.Category, s.Year, s.Term, s.InvType),
					statusWarning, s.Warning, record.Text{En: "ecpayq tracks shows the ranges", Zh: s.WarningZh + "；ecpayq tracks 列出各字軌"}))
			}
		}
	}
	switch {
	case looked == 0:
		return nil
	case more > 0:
		return append([]finding{found(check, statusWarning, fmt.Sprintf("looked at for %d merchants, not for %d more", looked, more),
			record.Text{En: "ecpayq tracks asks for all", Zh: "ecpayq tracks 可查詢全部特店"})}, trouble...)
	case len(trouble) > 0:
		return append([]finding{{Check: check, Status: statusWarning, Detail: "some end soon, or are not known"}}, trouble...)
	}
	detail := fmt.Sprintf("the invoice numbers of %d merchant(s) last for %d days, or for their term", looked, tracks.DefaultWarnDays)
	return []finding{{Check: check, Status: statusOK, Detail: detail}}
}
