package dashboard

import (
	"bytes"
	"context"
	"embed"
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
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
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
	for _, name := range []string{"login", "dead", "letter", "waiting", "merchants", "schedules", "reconcile", "audit", "problem"} {
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
	Outbox    []record.Text
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
		v.Memory, v.Outbox = d.memory.read(r.Context()), d.outboxNotes(r.Context())
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
		case err != nil || n <= 0 || !slices.Contains(shownResults, ledger.ActResult(name)):
		case ledger.ActResult(name) == nothingToDo:
			words = append(words, l.say("There is nothing to do."))
		default:
			words = append(words, fmt.Sprintf("%s: %d", l.say(name), n))
		}
	}
	return words
}

var shownResults = []ledger.ActResult{
	ledger.Replayed, ledger.Resolved, ledger.Cancelled, ledger.Busy, ledger.AlreadyDone, ledger.NotFound,
	ledger.Skipped, failedReplay, resumedMerchant, wokenTasks, nothingToDo,
}

func counted(n map[ledger.ActResult]int) string {
	var parts []string
	for _, o := range shownResults {
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
