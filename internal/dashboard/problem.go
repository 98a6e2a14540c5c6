package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// problemData is what went wrong.
type problemData struct {
	Text string
	// Tasks are those of several that could not be done, and Done is what the others
	// came to.
	Tasks []taskProblem
	Done  []string
	Back  string
}

type taskProblem struct{ ID, Why string }

// Titles.
const notDone, partlyDone = "This could not be done", "Not all of it could be done"

// problem shows what went wrong, in words of ours.
func (d *Dashboard) problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	d.show(w, r, status, "problem", notDone, problemData{Text: langOf(r).say(text), Back: cameFrom(r).String()})
}

// failed shows an error and logs it, unless it is the user's to mend.
func (d *Dashboard) failed(w http.ResponseWriter, r *http.Request, err error) {
	status, text := explain(langOf(r), err)
	d.logFailed(r, status, "", err)
	d.problem(w, r, status, text)
}

func (d *Dashboard) logFailed(r *http.Request, status int, id string, err error) {
	if status >= http.StatusInternalServerError {
		d.cfg.Logger.Warn().Err(err).Str("path", r.URL.Path).Str("task_id", id).Msg("not done, or not shown")
	}
}

// explain says what an error means for whoever pressed a button.
func explain(l lang, err error) (status int, text string) {
	var invalid *ecpay.ValidationError
	var set *deadletter.SetError
	var keyless *seal.NoKeyError
	switch {
	case errors.Is(err, deadletter.ErrBegun):
		return http.StatusUnprocessableEntity, l.say("This task was begun before, or may have been: let it run, or resolve it once it is dead.")
	case errors.Is(err, ledger.ErrOtherID):
		return http.StatusUnprocessableEntity, l.say("The correction would make another task of it: enqueue that one instead.")
	case errors.Is(err, ledger.ErrNoPayload):
		return http.StatusUnprocessableEntity, l.say("Neither the ledger nor asynq has what it was: enqueue it again, or resolve it.")
	case errors.As(err, &invalid):
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Field+" "+l.sayProblem(f))
		}
		return http.StatusUnprocessableEntity, l.say("ECPay would refuse this:") + " " + strings.Join(fields, "; ")
	case errors.As(err, &set):
		return http.StatusUnprocessableEntity, l.say("This correction cannot be made:") + " " + l.of(record.Text{En: set.Text, Zh: set.ZhTW()})
	case errors.As(err, &keyless):
		return http.StatusServiceUnavailable, l.say("This correction cannot be made:") + " " +
			l.of(record.Text{En: keyless.Error(), Zh: keyless.ZhTW()})
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, l.say("It took too long and was ended; what was done until then is done. Try again to go on.")
	case redishealth.ReasonOf(err) != "":
		return http.StatusServiceUnavailable, l.say("Redis is not available; try again.") + " " + l.sayHint(err)
	default:
		return http.StatusInternalServerError, l.say("This went wrong; the log of the dashboard says why.")
	}
}

// sayHint is the advice about an error of Redis.
func (l lang) sayHint(err error) string {
	h := redishealth.HintFor(err)
	if l == chinese {
		return h.Zh + "。"
	}
	return strings.ToUpper(h.En[:1]) + h.En[1:] + "."
}

// results are what became of the tasks of a form.
type results struct {
	done  map[ledger.ActResult]int
	wrong []wrong
	// ended is why the rest was not tried.
	ended error
}

type wrong struct {
	id  string
	err error
}

func (res *results) add(id string, out ledger.ActResult, err error) {
	if err != nil {
		res.wrong = append(res.wrong, wrong{id, err})
		return
	}
	res.done[out]++
}

// report leads back where the form about some tasks came from, or, when something could not be
// done, shows what was and what was not.
func (d *Dashboard) report(w http.ResponseWriter, r *http.Request, asked int, res results) {
	switch {
	case len(res.wrong) == 0 && res.ended == nil:
		back(w, r, res.done)
		return
	case len(res.wrong) == 0 && counted(res.done) == "":
		d.failed(w, r, res.ended)
		return
	}
	l := langOf(r)
	data := problemData{Done: doneWords(l, counted(res.done)), Back: cameFrom(r).String()}
	status, left := 0, asked-len(res.wrong)
	for _, n := range res.done {
		left -= n
	}
	for _, one := range res.wrong {
		s, why := explain(l, one.err)
		d.logFailed(r, s, one.id, one.err)
		data.Tasks, status = append(data.Tasks, taskProblem{one.id, why}), max(status, s)
	}
	if res.ended != nil {
		s, why := explain(l, res.ended)
		d.logFailed(r, s, "", res.ended)
		data.Text, status = why, max(status, s)
		if left > 0 {
			data.Text += fmt.Sprintf(" %s: %d", l.say("Not tried, or it is not known what became of them"), left)
		}
	}
	title := partlyDone
	if len(data.Done) == 0 {
		title = notDone
	}
	d.show(w, r, status, "problem", title, data)
}

// cameFrom is where a form was, or the first page.
func cameFrom(r *http.Request) *url.URL {
	u, err := url.Parse(localPath(r.PostFormValue("back")))
	if err != nil {
		return &url.URL{Path: "/"}
	}
	return u
}
