package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

//go:embed page/*.html
var pageFiles embed.FS

var (
	//go:embed page/style.css
	styleSheet []byte
	//go:embed page/asynq.js
	asynqScript []byte
)

// pages are the templates of each page, with the layout that all have. Most commands
// need none.
var pages = sync.OnceValue(func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"login", "dead", "letter", "waiting", "merchants", "schedules", "audit", "problem"} {
		all[name] = template.Must(template.ParseFS(pageFiles, "page/layout.html", "page/"+name+".html"))
	}
	return all
})

// serveFile serves what everybody may see.
func serveFile(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(content)
	}
}

const (
	// readLimit and actLimit bound what one page, or one change, may take.
	readLimit = 10 * time.Second
	actLimit  = 60 * time.Second
)

// view is what every template gets.
type view struct {
	Lang      lang
	Title     string
	Page      string
	User      User
	LoggedIn  bool
	CanChange bool
	Done      []string // what a change came to
	Switch    string   // this page in the other language
	Here      string   // this page
	Broken    []string // queues that asynq cannot sum up
	Memory    *redisMemory
	Data      any
}

// T translates.
func (v view) T(text string) string { return v.Lang.say(text) }

// Of takes a text that is stored in both languages.
func (v view) Of(t record.Text) string { return v.Lang.of(t) }

// Ref is an id in a form, which [idsOf] reads: no character of it is lost on the page.
func (v view) Ref(id string) string { return url.QueryEscape(id) }

// idsOf are the ids of a form, each once.
func idsOf(form url.Values) []string {
	var ids []string
	for _, ref := range form["id"] {
		id, err := url.QueryUnescape(ref)
		if err != nil {
			id = ref
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// By says who put a letter into the ledger.
func (v view) By(by string) string {
	if who, ok := record.ArchivedByHand(by); ok {
		return v.T("by hand:") + " " + who
	}
	return by
}

// Local shows a time where it is.
func (v view) Local(t any) string {
	switch t := t.(type) {
	case time.Time:
		return t.Format(time.DateTime)
	case *time.Time:
		return t.Format(time.DateTime)
	}
	return "–"
}

// Time shows a time.
func (v view) Time(t any) string {
	switch t := t.(type) {
	case time.Time:
		if !t.IsZero() {
			return t.In(ecpay.Taipei).Format(time.DateTime)
		}
	case *time.Time:
		if t != nil {
			return t.In(ecpay.Taipei).Format(time.DateTime)
		}
	}
	return "–"
}

func (d *Dashboard) show(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	l := langOf(r)
	l.remember(w, r)
	at := pageOf(r, data)
	v := view{
		Lang: l, Title: title, Page: page, User: userOf(r), LoggedIn: userOf(r).Name != "", CanChange: d.mayChange(r),
		Done: doneWords(l, r.URL.Query().Get("done")), Switch: switched(at, l), Here: here(at), Data: data,
	}
	if page == "dead" || page == "waiting" {
		v.Broken = d.brokenQueues(r.Context())
	}
	if page != "login" && page != "problem" {
		v.Memory = d.memory.read(r.Context())
	}
	var out bytes.Buffer
	if err := pages()[page].ExecuteTemplate(&out, "layout", v); err != nil {
		d.cfg.Logger.Error().Err(err).Str("page", page).Msg("page not shown")
		http.Error(w, "this page cannot be shown / 無法顯示此頁", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(clean.Page(out.Bytes()))
}

// pageOf is where to find the page again: a form itself is no page.
func pageOf(r *http.Request, data any) *url.URL {
	login, ok := data.(loginData)
	switch {
	case ok:
		return &url.URL{Path: "/login", RawQuery: url.Values{"next": {login.Next}}.Encode()}
	case r.Method == http.MethodPost:
		return cameFrom(r)
	default:
		return r.URL
	}
}

// switched is the address of this page in the other language.
func switched(u *url.URL, l lang) string {
	return here(u, "lang", map[lang]string{english: string(chinese), chinese: string(english)}[l])
}

// here is the address of a page without what was done before it was shown, with
// something else set.
func here(u *url.URL, set ...string) string {
	q := u.Query()
	q.Del("done")
	q.Del("lang")
	for i := 0; i < len(set); i += 2 {
		q.Set(set[i], set[i+1])
	}
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String()
}

// doneWords reads "replayed.3,busy.1", as [counted] made it.
func doneWords(l lang, text string) []string {
	var words []string
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, ".")
		n, err := strconv.Atoi(number)
		switch {
		case err != nil || n <= 0 || !slices.Contains(outcomes, ledger.ActResult(name)):
		case ledger.ActResult(name) == nothingToDo:
			words = append(words, l.say("There is nothing to do."))
		default:
			words = append(words, fmt.Sprintf("%s: %d", l.say(name), n))
		}
	}
	return words
}

var outcomes = []ledger.ActResult{
	ledger.Replayed, ledger.Resolved, ledger.Cancelled, ledger.Busy, ledger.AlreadyDone, ledger.NotFound,
	ledger.Skipped, failedReplay, resumedMerchant, wokenTasks, nothingToDo,
}

func counted(n map[ledger.ActResult]int) string {
	var parts []string
	for _, o := range outcomes {
		if n[o] > 0 {
			parts = append(parts, fmt.Sprintf("%s.%d", o, n[o]))
		}
	}
	return strings.Join(parts, ",")
}

// brokenQueues names the queues that asynq cannot sum up, which its own pages and
// lists cannot show.
func (d *Dashboard) brokenQueues(ctx context.Context) []string {
	names, err := d.rdb.SMembers(ctx, asynqx.QueuesKey).Result()
	if err != nil {
		return nil // the page itself says so
	}
	var broken []string
	for _, q := range names {
		if err := d.queues.SumUp(ctx, q); err != nil && ctx.Err() == nil {
			broken = append(broken, q)
		}
	}
	slices.Sort(broken)
	return broken
}

// deadData is the list of dead letters.
type deadData struct {
	Letters []row
	Total   int
	// Partial means that the search took too long to come to its end.
	Partial bool
	// Unlisted are the merchants whose letters cannot be listed.
	Unlisted []string
	// More is where more of them are, if there are more than Limit.
	More string
	// What was asked for, and what may be.
	Type, Kind, Merchant, Older string
	Limit                       int
	Types                       []string
	Kinds                       []ecpay.Kind
	Ages                        []age
}

type age struct{ Value, Words string }

// row is a letter with what its code means.
type row struct {
	deadletter.Letter
	Meaning string
}

var ages = []age{{"", "any"}, {"1h", "1 hour"}, {"24h", "1 day"}, {"168h", "7 days"}, {"720h", "30 days"}}

const (
	listed    = 100 // on a page
	maxListed = 1000
)

func limitOf(q url.Values) int {
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n <= 0 {
		return listed
	}
	return min(n, maxListed)
}

// moreOf is the address of a list with as many as a page may have.
func moreOf(u *url.URL) string { return here(u, "limit", strconv.Itoa(maxListed)) }

func (d *Dashboard) deadPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	q := r.URL.Query()
	data := deadData{
		Type: q.Get("type"), Kind: q.Get("kind"), Merchant: strings.TrimSpace(q.Get("merchant")), Older: q.Get("older"),
		Limit: limitOf(q), Kinds: record.Kinds(), Ages: ages,
	}
	for _, t := range tasks.Types() {
		data.Types = append(data.Types, t.Name)
	}
	f := deadletter.Filter{Type: data.Type, MerchantID: data.Merchant, Limit: data.Limit + 1, Live: true}
	if k, err := ecpay.ParseKind(data.Kind); err == nil && data.Kind != "" {
		f.Kind = &k
	}
	if age, err := time.ParseDuration(data.Older); err == nil && age > 0 {
		f.OlderThan = age
	}
	f.Broken = func(owner string, err error) {
		d.cfg.Logger.Warn().Err(err).Str("merchant_id", owner).Msg("dead letters not listed")
		data.Unlisted = append(data.Unlisted, owner)
	}
	for l, err := range d.ledger.List(ctx, f) {
		if data.Partial = errors.Is(ctx.Err(), context.DeadlineExceeded); data.Partial {
			break
		}
		if err != nil {
			d.failed(w, r, err)
			return
		}
		if len(data.Letters) == data.Limit {
			data.More = moreOf(r.URL)
			break
		}
		data.Letters = append(data.Letters, row{l, d.meaning(l, langOf(r))})
	}
	var err error
	if data.Total, err = d.ledger.Size(r.Context()); err != nil {
		d.failed(w, r, err)
		return
	}
	d.show(w, r, http.StatusOK, "dead", "Dead letters", data)
}

// meaning is what the code table says of a letter's code.
func (d *Dashboard) meaning(letter deadletter.Letter, l lang) string {
	typ, ok := tasks.ByName(letter.Type)
	if !ok {
		return ""
	}
	code, ok := d.cfg.Codes.Lookup(typ.Operation.ID(), letter.RtnCode, letter.TransCode)
	switch {
	case !ok:
		return ""
	case l == chinese && code.ZhTW != "":
		return code.ZhTW
	default:
		return code.En
	}
}

// letterData is one dead letter, or what became of it.
type letterData struct {
	ID string
	// Letter is nil when the ledger does not have it; then State says where it is.
	Letter  *row
	State   string
	Payload string
	// Fields may be corrected.
	Fields []string
	Acts   []ledger.AuditEntry
}

func (d *Dashboard) letterPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	data := letterData{ID: r.URL.Query().Get("id")}
	since := 30 * 24 * time.Hour
	status := http.StatusOK
	letter, err := d.ledger.Get(ctx, data.ID)
	switch {
	case errors.Is(err, deadletter.ErrNotFound):
		status = http.StatusNotFound
		if t, err := d.reader.Get(ctx, data.ID); err == nil {
			status, data.State = http.StatusOK, t.State
		}
	case err != nil:
		d.failed(w, r, err)
		return
	default:
		data.Letter = &row{letter, d.meaning(letter, langOf(r))}
		data.Payload = mask(letter.Type, letter.Payload)
		data.Fields, _, _ = object(letter.Payload)
		since = time.Since(letter.DiedAt) + 24*time.Hour
	}
	for e, err := range d.ledger.Audit(ctx, deadletter.AuditFilter{NewerThan: since}) {
		if err != nil {
			d.failed(w, r, err)
			return
		}
		if e.ID == data.ID || data.Letter != nil && archivedAll(e, letter) {
			data.Acts = append(data.Acts, e)
		}
		if len(data.Acts) == 20 {
			break
		}
	}
	d.show(w, r, status, "letter", "Dead letter", data)
}

// archivedAll reports whether an act on a whole list put a letter into the ledger.
func archivedAll(e ledger.AuditEntry, l deadletter.Letter) bool {
	took := l.DiedAt.Sub(e.At)
	return e.ID == "" && e.What == ledger.ActArchive && record.ByHand(e.Who) == l.By &&
		strings.HasPrefix(e.Note, l.Queue+" ") && took >= 0 && took < actLimit
}

// back leads to where a form came from, with what it came to.
func back(w http.ResponseWriter, r *http.Request, n map[ledger.ActResult]int) {
	u := cameFrom(r)
	q := u.Query()
	q.Set("done", counted(n))
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

// chosen returns the ids of a form, or answers that there are none. Of what a form
// names twice, the ids apart, the last would be dropped unseen.
func (d *Dashboard) chosen(w http.ResponseWriter, r *http.Request) []string {
	err := r.ParseForm()
	for name, values := range r.PostForm {
		if err != nil || name != "id" && len(values) > 1 {
			d.problem(w, r, http.StatusBadRequest, "The form names a field twice, and nothing was changed.")
			return nil
		}
	}
	ids := idsOf(r.PostForm)
	if len(ids) == 0 {
		d.problem(w, r, http.StatusUnprocessableEntity, "Choose at least one task.")
	}
	return ids
}

func (d *Dashboard) replay(w http.ResponseWriter, r *http.Request) {
	ids := d.chosen(w, r)
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actLimit)
	defer cancel()
	o := deadletter.ReplayOptions{By: who(r), Note: clip(strings.TrimSpace(r.PostFormValue("note")))}
	o.Unnamed = len(ids) > 1 // a list that is ticked off names nothing that a person stopped
	if len(ids) == 1 {       // a person's word, and a correction, are about one task
		o.NotExecuted = r.PostFormValue("not_executed") == "1"
		if field := r.PostFormValue("field"); field != "" {
			o.Set = map[string]string{field: r.PostFormValue("value")}
		}
	}
	res := results{done: map[ledger.ActResult]int{}}
	err := d.ledger.ReplayAll(ctx, deadletter.Filter{IDs: ids}, o, func(one deadletter.Result) { res.add(one.ID, one.ActResult, one.Err) })
	if err != nil {
		res.ended = errors.Join(err, ctx.Err())
	}
	d.report(w, r, len(ids), res)
}

func (d *Dashboard) resolve(w http.ResponseWriter, r *http.Request) {
	d.each(w, r, d.ledger.Resolve)
}

func (d *Dashboard) cancel(w http.ResponseWriter, r *http.Request) {
	d.each(w, r, d.ledger.Cancel)
}

// each does what needs a note to the tasks of a form.
func (d *Dashboard) each(
	w http.ResponseWriter, r *http.Request, act func(ctx context.Context, id, by, note string) (ledger.ActResult, error),
) {
	ids := d.chosen(w, r)
	if len(ids) == 0 {
		return
	}
	note := clip(strings.TrimSpace(r.PostFormValue("note")))
	if note == "" {
		d.problem(w, r, http.StatusUnprocessableEntity, "A note is required: say why nothing more has to happen.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actLimit)
	defer cancel()
	res := results{done: map[ledger.ActResult]int{}}
	for _, id := range ids {
		out, err := act(ctx, id, who(r), note)
		if err != nil && (ctx.Err() != nil || redishealth.ReasonOf(err) != "") {
			res.ended = errors.Join(err, ctx.Err())
			break
		}
		res.add(id, out, err)
	}
	d.report(w, r, len(ids), res)
}

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

const acts = 200 // entries of the audit on its page

func (d *Dashboard) auditPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readLimit)
	defer cancel()
	var list []ledger.AuditEntry
	for e, err := range d.ledger.Audit(ctx, deadletter.AuditFilter{Limit: acts}) {
		if err != nil {
			d.failed(w, r, err)
			return
		}
		list = append(list, e)
	}
	d.show(w, r, http.StatusOK, "audit", "Audit", list)
}
