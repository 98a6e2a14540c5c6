package dashboard

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/clean"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
)

// monPage is the one HTML page of asynqmon, a program that runs in the browser,
// without what it would fetch from other hosts.
type monPage struct{ html string }

// nonceMark is replaced by a random text for each answer.
const nonceMark = "ECPAYQ-NONCE"

// wayBack leads from asynqmon to our page, and has room for what asynq.js shows.
const wayBack = `<style nonce="` + nonceMark + `">` +
	`#ecpayq,#ecpayq-note{position:fixed;right:1rem;z-index:2000;font:500 1rem system-ui,sans-serif}` +
	`#ecpayq{top:1.2rem}#ecpayq-note{bottom:1rem;max-width:36rem;padding:1rem;border-radius:.4rem;background:#fdecea}` +
	`#ecpayq-note a{color:#b3261e}</style>` +
	`<a id="ecpayq" href="/">ecpayq ↩</a><div id="ecpayq-note" role="alert" hidden></div>`

var (
	foreignSheet = regexp.MustCompile(`<link rel="stylesheet" href="https?://[^>]*>`)
	inlineScript = regexp.MustCompile(`<script>`)
	foreignFetch = regexp.MustCompile(`(src|href)="?(https?:)?//`)
)

// readMonPage takes the page from asynqmon v0.7.2.
func readMonPage(mon http.Handler) (*monPage, error) {
	r, err := http.NewRequest(http.MethodGet, Path+"/", nil)
	if err != nil {
		return nil, err
	}
	w := &answer{header: http.Header{}}
	mon.ServeHTTP(w, r)
	html := foreignSheet.ReplaceAllString(w.body.String(), "")
	if !strings.Contains(html, "<head>") || foreignFetch.MatchString(html) {
		return nil, errors.New("the page of asynqmon is not what is expected of v0.7.2: it fetches from other hosts")
	}
	html = inlineScript.ReplaceAllString(html, `<script nonce="`+nonceMark+`">`)
	// Its styles are made by script, which takes the nonce from here.
	html = strings.Replace(html, "<head>",
		`<head><meta property="csp-nonce" content="`+nonceMark+`"/><script src="/static/asynq.js"></script>`, 1)
	html = strings.Replace(html, "<body>", `<body>`+wayBack, 1)
	return &monPage{html}, nil
}

func (p *monPage) serve(w http.ResponseWriter) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'nonce-"+nonce+"'; style-src 'self' 'nonce-"+nonce+
		"'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, strings.ReplaceAll(p.html, nonceMark, nonce))
}

// answer keeps what a handler answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// asynq answers for everything below [Path].
func (d *Dashboard) asynq(w http.ResponseWriter, r *http.Request) {
	mon, path := d.monitor(!d.mayChange(r)), strings.TrimPrefix(r.URL.Path, Path)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		d.change(w, r, mon, strings.TrimPrefix(path, "/api"))
	case path == "/api/queues":
		d.listQueues(w, r, mon)
	case strings.HasPrefix(path, "/api/"):
		if err := checkPaging(r.URL.Query()); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		serveShown(w, r, mon)
	case strings.HasPrefix(path, "/static/"), strings.Count(path, "/") == 1 && strings.Contains(path, "."):
		d.monFile(w, r)
	default: // what its script shows
		d.monPage[!d.mayChange(r)].serve(w)
	}
}

// serveShown answers with what asynqmon does, safe to show: beside payloads and results, for
// which it has formatters, there are ids, names of queues and errors.
func serveShown(w http.ResponseWriter, r *http.Request, mon http.Handler) {
	a := &answer{header: w.Header()}
	mon.ServeHTTP(a, r)
	a.WriteHeader(http.StatusOK) // unless it has one
	w.WriteHeader(a.status)
	_, _ = w.Write(clean.Shown(a.body.Bytes()))
}

// verbs are the changes that asynqmon knows, by how its routes end, and what the
// audit calls them.
var verbs = map[string]string{
	"run": ledger.ActRun, "run_all": ledger.ActRun, "batch_run": ledger.ActRun,
	"archive": ledger.ActArchive, "archive_all": ledger.ActArchive, "batch_archive": ledger.ActArchive,
	"cancel": ledger.ActInterrupt, "cancel_all": ledger.ActInterrupt, "batch_cancel": ledger.ActInterrupt,
	"delete": ledger.ActDelete, "delete_all": ledger.ActDelete, "batch_delete": ledger.ActDelete,
	"pause": ledger.ActPause, "resume": ledger.ActResume,
}

// press is a change that is asked for on asynq's pages.
type press struct {
	act string
	ids []string // empty for a queue, or all of a list
	on  string   // the queue and the list
	// queue and list are the same apart; list is empty for a queue, or one of a group.
	queue, list string
}

// parsePress reads a route of asynqmon's: queues/Q[:verb], queues/Q/LIST[:verb],
// queues/Q/LIST/ID[:verb], and groups/G before a list.
func parsePress(method, path string, body []byte) (p press, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 2 || parts[0] != "queues" {
		return press{}, false
	}
	parts = parts[1:]
	last := len(parts) - 1
	name, verb := parts[last], "delete"
	switch i := strings.LastIndexByte(name, ':'); {
	case method == http.MethodDelete:
		name = strings.TrimSuffix(name, ":delete_all")
	case method != http.MethodPost || i < 0:
		return press{}, false
	default:
		name, verb = name[:i], name[i+1:]
	}
	p.act = verbs[verb]
	if last > 0 && !strings.HasSuffix(name, "_tasks") {
		p.ids, parts = []string{name}, parts[:last]
	} else {
		parts[last] = name
	}
	p.on, p.queue = strings.Join(parts, " "), parts[0]
	if len(parts) == 2 {
		p.list = parts[1]
	}
	if strings.HasPrefix(verb, "batch_") {
		var list struct {
			IDs []string `json:"task_ids"`
		}
		if exactjson.Unmarshal(body, &list) != nil || len(list.IDs) == 0 {
			return press{}, false
		}
		p.ids = list.IDs
	}
	return p, p.act != ""
}

// mostPressed is how many tasks asynqmon shows on a page, and so in one press.
const mostPressed = 100

// change lets asynqmon do what operators ask for, after it is in the audit. It
// deletes nothing: what is deleted in asynq leaves no trace, and would never reach
// ECPay or a person.
func (d *Dashboard) change(w http.ResponseWriter, r *http.Request, mon http.Handler, path string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "too large; choose fewer tasks / 內容過大，請減少選取", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p, ok := parsePress(r.Method, path, body)
	switch {
	case !d.mayChange(r):
		http.Error(w, "you may look, but not change anything here / 您的權限僅供檢視，不可變更", http.StatusForbidden)
		return
	case !ok:
		http.Error(w, "no such change / 沒有這項操作", http.StatusNotFound)
		return
	case len(p.ids) > mostPressed: // nobody is to flush the audit
		http.Error(w, fmt.Sprintf("at most %d tasks at once; choose fewer / 一次至多 %[1]d 項任務，請減少選取", mostPressed), http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actLimit)
	defer cancel()
	if err := d.auditPress(ctx, r, p); err != nil {
		d.cfg.Logger.Error().Err(err).Msg("change refused: it cannot be audited")
		http.Error(w, "the audit cannot be written, so nothing was changed / 操作紀錄無法寫入，因此未做任何變更", http.StatusServiceUnavailable)
		return
	}
	if p.act == ledger.ActDelete {
		refuseDelete(w, p)
		return
	}
	if p.act == ledger.ActArchive {
		d.archive(w, r, mon, p)
		return
	}
	if p.act == ledger.ActRun && len(p.ids) == 0 && p.list == "archived_tasks" {
		if _, ours := tasks.Queues()[p.queue]; ours {
			d.runArchived(ctx, w, p.queue)
			return
		}
	}
	serveShown(w, r, mon)
}

// runArchived runs all that asynq has archived in a queue of ours, but for what a
// person stopped: nobody names that by pressing for all of them.
func (d *Dashboard) runArchived(ctx context.Context, w http.ResponseWriter, queue string) {
	ran, left, err := d.runUnstopped(ctx, queue)
	switch {
	case err != nil:
		d.cfg.Logger.Warn().Err(err).Str("queue", queue).Int("ran", ran).Msg("archived tasks not all run")
		http.Error(w, fmt.Sprintf("%d tasks run, then it failed; try again / 已執行 %[1]d 項任務後失敗，請再試一次", ran), http.StatusServiceUnavailable)
	case left > 0:
		w.Header().Set("Link", `</?kind=Stopped>; rel="alternate"`)
		http.Error(
			w,
			fmt.Sprintf("%d tasks run; %d that a person stopped left alone: run them one by one / 已執行 %[1]d 項任務；略過由人停止的 %[2]d 項，請逐一執行", ran, left),
			http.StatusConflict,
		)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (d *Dashboard) runUnstopped(ctx context.Context, queue string) (ran, left int, err error) {
	ids, err := d.rdb.ZRange(ctx, asynqx.Key(queue, asynqx.Archived), 0, mostArchived-1).Result()
	if err != nil {
		return 0, 0, err
	}
	for some := range slices.Chunk(ids, 500) {
		letters, err := d.store.Entries(ctx, some)
		if err != nil {
			return ran, left, err
		}
		byHand := d.store.ArchivedByHand(ctx, queue, some)
		for i, id := range some {
			if byHand[id] || letters[i].Stopped() {
				left++
				continue
			}
			switch err := d.queues.Run(ctx, queue, id); {
			case err == nil:
				ran++
			case !errors.Is(err, asynqx.ErrNotFound): // somebody was faster
				return ran, left, err
			}
		}
		if ctx.Err() != nil {
			return ran, left, ctx.Err()
		}
	}
	return ran, left, nil
}

// archive lets asynqmon archive tasks and puts them into the ledger, as archived by
// whoever pressed it. What it does not get to is copied by the next sweep, which
// knows that it was a person, and not who.
func (d *Dashboard) archive(w http.ResponseWriter, r *http.Request, mon http.Handler, p press) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actLimit)
	defer cancel()
	ids := p.ids
	if len(ids) == 0 {
		var err error
		if ids, err = d.listOf(ctx, p); err != nil {
			d.cfg.Logger.Warn().Err(err).Str("queue", p.queue).Msg("tasks that are archived by hand are not known one by one")
		}
	}
	since, err := d.store.Now(ctx)
	if err != nil {
		d.cfg.Logger.Warn().Err(err).Msg("nothing archived")
		http.Error(w, "redis is not available / Redis 目前無法使用", http.StatusServiceUnavailable)
		return
	}
	a := &answer{header: http.Header{}}
	mon.ServeHTTP(a, r)
	if _, ours := tasks.Queues()[p.queue]; ours && a.status < http.StatusMultipleChoices {
		var batch struct {
			IDs *[]string `json:"archived_ids"`
		}
		if json.Unmarshal(a.body.Bytes(), &batch) == nil && batch.IDs != nil {
			ids = *batch.IDs
		}
		for some := range slices.Chunk(ids, 500) {
			for i, one := range d.store.DepositByHand(ctx, p.queue, some, who(r), since) {
				if one.Err != nil {
					d.cfg.Logger.Warn().Err(one.Err).Str("task_id", some[i]).Msg("task archived by hand not in the ledger yet; the next sweep copies it")
				}
			}
		}
	}
	maps.Copy(w.Header(), a.header)
	a.WriteHeader(http.StatusOK) // unless it has one
	w.WriteHeader(a.status)
	_, _ = w.Write(clean.Shown(a.body.Bytes()))
}

// mostArchived is how many tasks asynq's archive holds.
const mostArchived = 10_000

// listOf returns what is in a list, as far as asynq's archive has room for it. What
// joins the list before asynq archives all of it is left to the next sweep.
func (d *Dashboard) listOf(ctx context.Context, p press) ([]string, error) {
	switch p.list {
	case "pending_tasks":
		return d.rdb.LRange(ctx, asynqx.Key(p.queue, asynqx.Pending), 0, mostArchived-1).Result()
	case "scheduled_tasks", "retry_tasks":
		return d.rdb.ZRange(ctx, asynqx.Key(p.queue, strings.TrimSuffix(p.list, "_tasks")), 0, mostArchived-1).Result()
	default: // none of ours is in a group
		return nil, nil
	}
}

func (d *Dashboard) auditPress(ctx context.Context, r *http.Request, p press) error {
	ids := p.ids
	if len(ids) == 0 {
		ids = []string{""}
	}
	note := p.on
	if p.act == ledger.ActDelete {
		note += ", refused"
	}
	for _, id := range ids {
		if err := d.store.Audit(ctx, ledger.AuditEntry{Who: who(r), What: p.act, ID: clip(id), Note: clip(note)}); err != nil {
			return err
		}
	}
	return nil
}

// refuseDelete says what to do instead. asynqmon shows the text beside the status.
func refuseDelete(w http.ResponseWriter, p press) {
	link := "/"
	if len(p.ids) == 1 {
		link = "/dead?id=" + url.QueryEscape(p.ids[0])
	}
	if !strings.Contains(p.on, "archived_tasks") && strings.Contains(p.on, "_tasks") {
		link = "/waiting"
	}
	w.Header().Set("Link", "<"+link+`>; rel="alternate"`)
	http.Error(w, "nothing is deleted here; resolve or cancel it at "+link+" / 此處不可刪除，請至 "+link+" 結案或取消", http.StatusForbidden)
}

const maxText = 500

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// listQueues is asynqmon's list of queues, queue by queue: one that asynq cannot
// sum up would blank it. Of such a one the lengths are shown.
func (d *Dashboard) listQueues(w http.ResponseWriter, r *http.Request, mon http.Handler) {
	names, err := d.rdb.SMembers(r.Context(), asynqx.QueuesKey).Result()
	if err != nil {
		d.cfg.Logger.Warn().Err(err).Msg("queues not listed")
		http.Error(w, "redis is not available / Redis 目前無法使用", http.StatusInternalServerError)
		return
	}
	slices.Sort(names)
	list := []json.RawMessage{}
	for _, q := range names {
		sub := r.Clone(r.Context())
		sub.URL.Path, sub.URL.RawPath = Path+"/api/queues/"+q, ""
		a := &answer{header: http.Header{}}
		mon.ServeHTTP(a, sub)
		var one struct {
			Current json.RawMessage `json:"current"`
		}
		if a.status != http.StatusOK || json.Unmarshal(a.body.Bytes(), &one) != nil || one.Current == nil {
			one.Current = d.lengths(r.Context(), q)
		}
		list = append(list, one.Current)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	b, _ := json.Marshal(map[string]any{"queues": list}) // always can be
	_, _ = w.Write(clean.Shown(b))
}

// lengths is the form in which asynqmon sums up a queue, with what can be had of a
// broken one.
func (d *Dashboard) lengths(ctx context.Context, queue string) json.RawMessage {
	pipe := d.rdb.Pipeline()
	pending, active := pipe.LLen(ctx, asynqx.Key(queue, asynqx.Pending)), pipe.LLen(ctx, asynqx.Key(queue, asynqx.Active))
	scheduled, retry := pipe.ZCard(ctx, asynqx.Key(queue, asynqx.Scheduled)), pipe.ZCard(ctx, asynqx.Key(queue, asynqx.Retry))
	archived, completed := pipe.ZCard(ctx, asynqx.Key(queue, asynqx.Archived)), pipe.ZCard(ctx, asynqx.Key(queue, asynqx.Completed))
	paused := pipe.Exists(ctx, asynqx.Key(queue, asynqx.Paused))
	_ = redisx.Exec(ctx, pipe) // what cannot be read is 0
	size := int64(0)
	for _, n := range []int64{pending.Val(), active.Val(), scheduled.Val(), retry.Val(), archived.Val(), completed.Val()} {
		size += n
	}
	b, err := json.Marshal(map[string]any{
		"queue": queue, "memory_usage_bytes": 0, "size": size, "groups": 0, "latency_msec": 0, "display_latency": "?",
		"active": active.Val(), "pending": pending.Val(), "aggregating": 0, "scheduled": scheduled.Val(), "retry": retry.Val(),
		"archived": archived.Val(), "completed": completed.Val(), "processed": 0, "succeeded": 0, "failed": 0,
		"paused": paused.Val() == 1, "timestamp": d.cfg.Now().UTC().Format(time.RFC3339),
	})
	if err != nil {
		return json.RawMessage(fmt.Sprintf("{%q:%q}", "queue", queue))
	}
	return b
}
