package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// act is what a person, or a program for one, wants done to a task.
type act struct {
	Note string `json:"note"`
	// Set and NotExecuted are for a replay, see [deadletter.ReplayOptions].
	Set         map[string]string `json:"set"`
	NotExecuted bool              `json:"not_executed"`
}

// acted is what became of it.
type acted struct {
	ID     string           `json:"id"`
	Result ledger.ActResult `json:"outcome"`
	// GoesAt is when a replay is sent at the earliest, where that is not at once.
	GoesAt *time.Time `json:"goes_at,omitempty"`
}

const maxNote = 1000

// actTime bounds one act.
const actTime = time.Minute

// readAct returns what is to be done to which task.
func (a *API) readAct(w http.ResponseWriter, r *http.Request, who auth.Token, noteNeeded bool) (id string, v act, p *Problem) {
	if id, p = taskID(r, who); p != nil {
		return id, v, p
	}
	body, p := a.readBody(w, r, intents.MaxSize)
	if p != nil {
		return id, v, p
	}
	var wrong *exactjson.Error
	if err := exactjson.Unmarshal(body, &v); errors.As(err, &wrong) {
		return id, v, jsonProblem(wrong)
	} else if err != nil {
		return id, v, newProblem(invalidJSON, record.Text{En: "this is no JSON object", Zh: "這不是 JSON 物件"})
	}
	v.Note = strings.TrimSpace(v.Note)
	switch {
	case noteNeeded && v.Note == "":
		p = wrongField("note", record.Text{En: "is required: say why", Zh: "為必填：請說明原因"})
	case len(v.Note) > maxNote:
		p = wrongField("note", record.Text{En: "has more than 1,000 bytes", Zh: "超過 1,000 位元組"})
	}
	return id, v, p
}

func (a *API) cancel(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	return a.end(w, r, who, func(ctx context.Context, id, by, note string) (ledger.ActResult, error) {
		out, err := a.cfg.Ledger.Cancel(ctx, id, by, note)
		if err == nil && out != ledger.Cancelled && a.cancelledBefore(ctx, id, by, note) {
			return ledger.Cancelled, nil
		}
		return out, err
	})
}

// cancelledBefore reports whether the same call has cancelled a task before: its answer may have
// been lost.
func (a *API) cancelledBefore(ctx context.Context, id, by, note string) bool {
	rec, err := record.Get(ctx, a.cfg.Redis, id)
	if err != nil || rec.State != record.Done || rec.ResolvedBy != by || rec.Note != note {
		return false
	}
	finished, err := a.cfg.Redis.Exists(ctx, record.DoneKey(id)).Result() // by a resolve
	return err == nil && finished == 0
}

func (a *API) resolve(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	return a.end(w, r, who, a.cfg.Ledger.Resolve)
}

// end does what needs a note.
func (a *API) end(
	w http.ResponseWriter, r *http.Request, who auth.Token, f func(ctx context.Context, id, by, note string) (ledger.ActResult, error),
) *Problem {
	id, v, p := a.readAct(w, r, who, true)
	if p != nil {
		return p
	}
	for name, there := range map[string]bool{"set": len(v.Set) > 0, "not_executed": v.NotExecuted} {
		if there {
			return wrongField(name, record.Text{En: "is for a replay only", Zh: "僅用於重送"})
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	out, err := f(ctx, id, by(who), v.Note)
	if out == ledger.AlreadyDone && strings.HasSuffix(r.URL.Path, "/resolve") {
		out = ledger.Resolved // it has ended, and a finish marker keeps it so
	}
	return a.answerAct(ctx, w, acted{ID: id, Result: out}, err, nil)
}

func (a *API) replay(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	id, v, p := a.readAct(w, r, who, false)
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actTime)
	defer cancel()
	o := deadletter.ReplayOptions{Set: v.Set, NotExecuted: v.NotExecuted, By: by(who), Note: v.Note}
	answer, failed := acted{ID: id}, error(nil)
	err := a.cfg.Ledger.ReplayAll(ctx, deadletter.Filter{IDs: []string{id}}, o, func(one deadletter.Result) {
		answer.Result, answer.GoesAt, failed = one.ActResult, one.GoesAt, one.Err
	})
	return a.answerAct(ctx, w, answer, errors.Join(err, failed), v.Set)
}

// answerAct says what became of an act that set fields, and of one that could not be done where
// the task is.
func (a *API) answerAct(ctx context.Context, w http.ResponseWriter, answer acted, err error, set map[string]string) *Problem {
	typ, _, _ := tasks.ParseID(answer.ID) // it was looked at before
	if p := actProblem(err, typ, set); p != nil {
		p.Task = taskPath(answer.ID)
		return p
	}
	switch answer.Result {
	case ledger.Busy, ledger.NotFound, ledger.AlreadyDone:
		return a.elsewhere(ctx, answer.ID)
	default:
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func actProblem(err error, typ tasks.Type, set map[string]string) *Problem {
	var invalid *ecpay.ValidationError
	var wrong *deadletter.SetError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, deadletter.ErrBegun):
		return newProblem(busy, record.Text{
			En: "this task was begun before, or may have been: let it run, or resolve it once it is dead",
			Zh: "此任務曾經開始執行，或可能曾經開始：請讓它執行，或待其終止後結案",
		})
	case errors.Is(err, ledger.ErrOtherID):
		return wrongField("set", record.Text{En: "would make another task of it: enqueue that one instead", Zh: "會使它成為另一個任務，請改以新任務送入佇列"})
	case errors.Is(err, ledger.ErrNoPayload):
		return newProblem(busy, record.Text{
			En: "neither the ledger nor asynq has what it was: enqueue it again, or resolve it", Zh: "帳冊與 asynq 都沒有此任務的內容，請重新送入佇列，或結案",
		})
	case errors.As(err, &invalid):
		p := fieldsProblem(invalid, typ)
		for i, f := range p.Errors {
			if _, ok := set[f.Field]; ok {
				p.Errors[i].Field = "set." + f.Field
			}
		}
		return p
	case errors.As(err, &wrong):
		return setProblem(wrong)
	case errors.Is(err, context.DeadlineExceeded):
		return away(err)
	}
	return problemOf(err, tasks.Type{})
}

// setProblem says which correction cannot be made. It quotes none.
func setProblem(e *deadletter.SetError) *Problem {
	switch {
	case e.Sealed != nil:
		return newProblem(noKey, record.Text{En: "the task is " + e.Sealed.Error(), Zh: e.Sealed.ZhTW()}).because(e)
	case e.Field == "":
		return wrongField("set", record.Text{En: "cannot be made: the task as it is stored cannot be read", Zh: "無法套用：" + e.ZhTW()})
	case e.Wrong == nil:
		return wrongField("set."+e.Field, record.Text{En: "makes the task too large", Zh: "使任務內容過大"})
	}
	said := about(e.Wrong)
	if e.Wrong.Want != "" { // every value of set is text
		said = record.Text{En: "must be " + e.Wrong.Want, Zh: "須為" + e.Wrong.WantZhTW()}
	}
	return wrongField("set."+e.Wrong.Field, said)
}

// elsewhere says where a task is to which nothing was done.
func (a *API) elsewhere(ctx context.Context, id string) *Problem {
	t, err := a.cfg.Client.Task(ctx, id)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return noTask()
	case err != nil:
		return problemOf(err, tasks.Type{})
	}
	p := newProblem(busy, record.Text{
		En: "nothing was done, for the task is " + t.State +
			"; only a dead one is replayed or resolved, and one for later that never began is cancelled",
		Zh: "未做任何處理：任務目前為 " + t.State + "；只有已終止的任務可重送或結案，尚未開始的預約任務可取消",
	})
	p.State, p.Task = t.State, taskPath(id)
	return p
}
