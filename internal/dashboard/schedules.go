package dashboard

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

func (d *Dashboard) schedulesPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	all, err := schedule.List(ctx, d.rdb, d.cfg.Schedules)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	d.show(w, r, http.StatusOK, "schedules", "Schedules", all)
}

// runSchedule replays now what a schedule would. What a minute does not suffice for
// is left, and pressing it again goes on.
func (d *Dashboard) runSchedule(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("name")
	i := slices.IndexFunc(d.cfg.Schedules, func(e schedule.Entry) bool { return e.Name == name })
	if i < 0 {
		d.problem(w, r, http.StatusNotFound, "There is no such schedule.")
		return
	}
	if d.cfg.Schedules[i].Do == schedule.Reconcile {
		d.problem(w, r, http.StatusBadRequest, "This schedule compares invoices and replays nothing: ecpayq reconcile does it now.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actLimit)
	defer cancel()
	o := deadletter.ReplayOptions{By: who(r), Note: clip(strings.TrimSpace("schedule " + name + " " + r.PostFormValue("note")))}
	report, err := schedule.Once(ctx, d.rdb, d.ledger, d.cfg.Schedules[i], o, func(id string, err error) {
		d.cfg.Logger.Warn().Err(err).Str("task_id", id).Msg("dead task not replayed")
	})
	res := results{done: map[ledger.ActResult]int{ledger.Replayed: report.Replayed, ledger.Skipped: report.Left, failedReplay: report.Failed}}
	if err == nil && report.Replayed+report.Failed == 0 {
		res.done[nothingToDo] = 1
	}
	if report == (schedule.Report{}) || ctx.Err() == nil {
		res.ended = err
	}
	d.report(w, r, 0, res)
}

// Results of a run of a schedule.
const (
	failedReplay ledger.ActResult = "failed"
	nothingToDo  ledger.ActResult = "nothing"
)
