package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// MaxWait is how long a request may wait for something to happen. Clients of PHP give up after 60 s
// by themselves.
const MaxWait = 30 * time.Second

// task is a task as the API shows it.
type task struct {
	record.Task
	// Advice says what to do about a dead one.
	Advice   string `json:"advice,omitempty"`
	AdviceZh string `json:"advice_zh,omitempty"`
}

func shown(t record.Task) task {
	v := task{Task: t}
	if t.State == record.StateDead && t.Kind != nil {
		advice := deadletter.Advice(deadletter.Letter{Kind: *t.Kind})
		v.Advice, v.AdviceZh = advice.En, advice.Zh
	}
	return v
}

// taskID returns the id of a path whose merchant the token is for.
func taskID(r *http.Request, who auth.Token) (string, *Problem) {
	id := r.PathValue("id")
	_, merchantID, err := tasks.ParseID(id)
	if err != nil {
		return "", notFound(record.Text{
			En: "this is no task's id, which looks like b2c.trigger_issue.2000132.201909170001",
			Zh: "這不是任務編號；任務編號如 b2c.trigger_issue.2000132.201909170001",
		})
	}
	return id, owns(who, merchantID)
}

func noTask() *Problem {
	return notFound(record.Text{En: "there is no task with this id, or it ended and was forgotten", Zh: "查無此任務，或其已結束而不再保存"})
}

// getTask shows a task, once it has ended or the wait is over.
func (a *API) getTask(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	id, p := taskID(r, who)
	if p != nil {
		return p
	}
	q := queryOf(r)
	wait := q.duration("wait", MaxWait)
	if p := q.done(); p != nil {
		return p
	}
	if wait > 0 {
		leave, p := a.enter()
		if p != nil {
			return p
		}
		defer leave()
	}
	t, err := a.await(r.Context(), id, wait)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return noTask()
	case err != nil:
		return problemOf(err, tasks.Type{})
	}
	writeJSON(w, http.StatusOK, shown(t))
	return nil
}

// enter takes a slot among those who wait.
func (a *API) enter() (leave func(), p *Problem) {
	select {
	case a.waits <- struct{}{}:
		return func() { <-a.waits }, nil
	default:
		return nil, crowded()
	}
}

// How long one who waits pauses between two looks.
const firstPause, longestPause = 50 * time.Millisecond, 500 * time.Millisecond

// await returns a task as it is once it has ended, the wait is over, or the API stops. Redis may be
// away in between.
func (a *API) await(ctx context.Context, id string, wait time.Duration) (t record.Task, err error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	t, err = a.cfg.Client.Task(context.WithoutCancel(ctx), id) // a client that sends no more may read yet
	if err != nil || wait <= 0 {
		return t, err
	}
	for pause := firstPause; !t.Ended(); pause = min(2*pause, longestPause) {
		select {
		case <-time.After(pause):
		case <-over.C:
			return t, nil
		case <-a.stopping.Done():
			return t, nil
		case <-ctx.Done(): // the client is gone, or sends no more
			return t, nil
		}
		switch now, err := a.cfg.Client.Task(ctx, id); {
		case err == nil:
			t = now
		case errors.Is(err, record.ErrNotFound):
			return t, err
		}
	}
	return t, nil
}

// numbers are the numbers by which tasks are looked for, with the names that fields have for them.
var numbers = []struct {
	parameter string
	names     []string
	isIssued  bool // a task is also found by that of its invoice
}{
	{"tsr", []string{"Tsr"}, false},
	{"relate_number", []string{"RelateNumber"}, false},
	{"invoice_number", []string{"InvoiceNumber", "InvoiceNo", "OriginalInvoiceNumber"}, true},
	{"allowance_no", []string{"AllowanceNo", "AllowanceNumber"}, false},
}

// listTasks lists the tasks that are asked for.
func (a *API) listTasks(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	q := queryOf(r)
	wanted := record.TaskQuery{After: q.one("cursor"), Limit: q.count("limit", record.DefaultTasks, record.MaxTasks)}
	wanted.State = q.of("state", record.ListedStates())
	for _, n := range numbers {
		if v := q.one(n.parameter); v != "" {
			wanted.Fields = append(wanted.Fields, record.FieldIs{Names: n.names, Value: v, Issued: n.isIssued})
		}
	}
	merchants := q.all("merchant_id")
	if p := q.done(); p != nil {
		return p
	}
	var p *Problem
	if wanted.Merchants, p = merchantsOf(who, merchants); p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), listTime)
	defer cancel()
	page, err := a.reader.Tasks(ctx, wanted)
	switch {
	case errors.Is(err, record.ErrTaskCursor):
		return wrongField("cursor", record.Text{En: "is none of a list of tasks; leave it out to begin", Zh: "不是任務清單的游標；省略則從頭開始"})
	case err != nil && ctx.Err() != nil:
		return crowded().because(err)
	case err != nil:
		return away(err)
	}
	answer := struct {
		Tasks []task  `json:"tasks"`
		Next  *string `json:"next"`
		// Broken are merchants of whose tasks some may be missing.
		Broken []string `json:"broken,omitempty"`
	}{Tasks: []task{}, Broken: page.Broken}
	for _, t := range page.Tasks {
		answer.Tasks = append(answer.Tasks, shown(t))
	}
	if page.Next != "" {
		answer.Next = &page.Next
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// maxMerchants is how many merchants a request may name.
const maxMerchants = 100

// listTime bounds one page.
const listTime = 20 * time.Second

// merchantsOf are those of a request: the ones that it names, else all of the token's; nil for all
// that there are.
func merchantsOf(who auth.Token, named []string) ([]string, *Problem) {
	named = slices.Compact(slices.Sorted(slices.Values(named)))
	if len(named) > maxMerchants {
		return nil, wrongField("merchant_id", record.Text{
			En: fmt.Sprintf("is there %d times, at most %d are allowed", len(named), maxMerchants),
			Zh: fmt.Sprintf("有 %d 個，至多 %d 個", len(named), maxMerchants),
		})
	}
	for _, m := range named {
		if p := owns(who, m); p != nil {
			return nil, p
		}
	}
	if len(named) > 0 || who.All() {
		return named, nil
	}
	return who.Merchants, nil
}

// query reads parameters, and remembers the first that is wrong.
type query struct {
	values url.Values
	known  []string
	p      *Problem
}

// queryOf reads the parameters of a request. What cannot be read is refused: it is dropped by [url.URL.Query],
// and more would be listed than was asked for.
func queryOf(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.p = newProblem(unknownField, record.Text{
			En: "the parameters cannot be read: they are name=value, joined by &, with % before two hexadecimal digits only",
			Zh: "無法讀取參數：格式為 name=value，以 & 相連，% 之後須為兩個十六進位數字",
		})
	}
	return q
}

func (q *query) fail(name, en, zh string) {
	if q.p == nil {
		q.p = wrongField(name, record.Text{En: en, Zh: zh})
	}
}

// twice refuses a parameter that is there more than once, as a name in a body is refused.
func (q *query) twice(name string) {
	if q.p == nil || q.p.Status != http.StatusBadRequest {
		q.p = wrongName(name, record.Text{En: "is there twice", Zh: "重複"})
	}
}

func (q *query) all(name string) []string {
	q.known = append(q.known, name)
	for _, v := range q.values[name] {
		if v == "" {
			q.fail(name, "is empty; leave it out instead", "為空；不需要時請省略")
		}
	}
	return q.values[name]
}

func (q *query) one(name string) string {
	all := q.all(name)
	switch {
	case len(all) > 1:
		q.twice(name)
	case len(all) == 0:
		return ""
	case len(all[0]) > maxParameter:
		q.fail(name, "is too long", "過長")
	}
	return all[0]
}

// maxParameter is more than any number or cursor of tasks has. That of outcomes has more, and
// is looked at where it is read.
const maxParameter = 64 << 10

func (q *query) of(name string, values []string) string {
	v := q.one(name)
	if v != "" && !slices.Contains(values, v) {
		list := strings.Join(values, ", ")
		q.fail(name, "must be one of "+list, "須為下列之一："+list)
	}
	return v
}

func (q *query) count(name string, usual, most int) int {
	v := q.one(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		q.fail(name, fmt.Sprintf("must be a number from 1 to %d", most), fmt.Sprintf("須為 1 至 %d 的數字", most))
	}
	return n
}

func (q *query) duration(name string, most time.Duration) time.Duration {
	v := q.one(name)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > most {
		seconds := int(most / time.Second)
		q.fail(name, fmt.Sprintf("must be a time from 0s to %ds, like %ds", seconds, seconds),
			fmt.Sprintf("須為 0s 至 %ds，例如 %ds", seconds, seconds))
	}
	return d
}

// done refuses what nothing has read, and what was wrong.
func (q *query) done() *Problem {
	if q.p != nil && q.p.Status == http.StatusBadRequest {
		return q.p
	}
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			p := newProblem(unknownField, record.Text{
				En: "there is no parameter of this name; known are " + strings.Join(q.known, ", "), Zh: "沒有此參數；可用的參數為 " + strings.Join(q.known, "、"),
			})
			return p
		}
	}
	return q.p
}
