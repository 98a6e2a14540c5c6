package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
)

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
		if letter.SealedBy == "" {
			data.Fields, _, _ = object(letter.Payload)
		}
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
