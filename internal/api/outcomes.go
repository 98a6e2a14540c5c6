package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// outcomes answers with how tasks ended after a cursor.
func (a *API) outcomes(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	q := queryOf(r)
	wanted := record.OutcomeQuery{
		After: q.one("after"), Limit: q.count("limit", record.DefaultOutcomes, record.MaxOutcomes), Wait: q.duration("wait", MaxWait),
	}
	merchants := q.all("merchant_id")
	if p := q.done(); p != nil {
		return p
	}
	var p *Problem
	if wanted.Merchants, p = merchantsOf(who, merchants); p != nil {
		return p
	}
	if slices.ContainsFunc(merchants, func(m string) bool { return strings.ContainsAny(m, "{}") }) {
		return wrongField("merchant_id", record.Text{En: "may not have braces", Zh: "不可有大括號"})
	}
	if wanted.Wait > 0 {
		leave, p := a.enter()
		if p != nil {
			return p
		}
		defer leave()
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.stopping, cancel)()
	page, err := a.cfg.Client.OutcomePage(ctx, wanted)
	if err != nil && ctx.Err() != nil { // who waits is told what there is; one who sends no more may read yet
		wanted.Wait = 0
		page, err = a.cfg.Client.OutcomePage(context.WithoutCancel(ctx), wanted)
	}
	var gap *enqueue.OutcomeGapError
	var wrong *enqueue.OutcomeQueryError
	switch {
	case errors.Is(err, enqueue.ErrCursor):
		return wrongField("after", record.Text{
			En: "is no cursor of outcomes; give back the next that came with the last page, or leave it out to begin",
			Zh: "不是結果的游標；請送回上一頁的 next，或省略以從頭開始",
		})
	case errors.As(err, &gap):
		p := newProblem(gone, record.Text{En: gap.Error(), Zh: gap.ZhTW()})
		p.Next = gap.Next
		return p
	case errors.As(err, &wrong):
		return wrongField("merchant_id", record.Text{ // there are more merchants than are read at once
			En: fmt.Sprintf("is required, for very many merchants have outcomes: name up to %d", maxMerchants),
			Zh: fmt.Sprintf("為必填：有結果的特店過多，請指定至多 %d 個", maxMerchants),
		})
	case err != nil:
		return away(err)
	}
	if page.Outcomes == nil {
		page.Outcomes = []record.Outcome{}
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
