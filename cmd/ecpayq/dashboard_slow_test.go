//go:build slow

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// login logs a user in by hand.
func (t *tab) login(base, user, password string) {
	t.t.Helper()
	t.open(base + "/")
	t.until("the login is asked for", "location.pathname === '/login'")
	t.fill("input[name=user]", user)
	t.fill("input[name=password]", password)
	t.click("button.go")
	t.until("the login is done", "document.readyState === 'complete' && location.pathname === '/'")
}

// action is one of the buttons of a row of asynqmon's list: 1 deletes, 2 runs. They
// show while the mouse is there.
func (t *tab) action(number string, n int) string {
	t.t.Helper()
	t.until("the row of "+number, "(r => r && (r.dataset.row = "+quote(number)+
		"))([...document.querySelectorAll('tbody tr')].find(r => r.innerText.includes("+quote(number)+")))")
	cell := fmt.Sprintf("tr[data-row=%q] td:last-child", number)
	t.point(cell)
	return fmt.Sprintf("%s button:nth-of-type(%d)", cell, n)
}

// fits reports a page that is wider than its window was made: a phone zooms out, and
// then says that its window is as wide.
func (t *tab) fits(page string) {
	t.t.Helper()
	if v, _ := t.eval("document.documentElement.scrollWidth"); v == nil || v.(float64) > float64(t.width) {
		t.t.Errorf("%s is %v wide, and its window %d", page, v, t.width)
	}
}

// browserWorld is a dashboard with dead tasks, and those who look at it.
type browserWorld struct {
	b       *bench
	pages   *child
	browser *browser
	secrets forbidden

	onPage, inAsynq, kept string // voids that ECPay refused
	ambiguous             string // a trigger of which nobody knows

	olga, phone, vera *tab // an operator at a desk and with a phone, and a viewer
}

// The passwords of the dashboard, and what only a payload holds.
const viewer, operator, buyer = "only-looks-7Q", "does-things-9Z", "王小明0912345678"

// refusedVoid is a void that ECPay refused, and takes when it is asked again.
func (b *bench) refusedVoid(number string) string {
	b.Helper()
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
	b.fake.Inject(ecpaytest.Match{Subject: number}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
	r := b.enqueue("invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", "typo", "--remark", buyer)
	b.waitFor(r.ID, "dead")
	return r.ID
}

func newBrowserWorld(t *testing.T) *browserWorld {
	t.Helper()
	b := newBench(t, nil)
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), b.dashboardUsers(viewer, operator)+
		"schedules:\n  - {name: night, cron: '30 3 * * *', kind: [Unavailable, Unknown], older_than: 10m, limit: 500}\n")})
	b.worker()
	d := b.dashboard()
	w := &browserWorld{b: b, pages: d}
	w.onPage, w.inAsynq, w.kept = b.refusedVoid("VG11000041"), b.refusedVoid("VG11000042"), b.refusedVoid("VG11000043")
	lost := "LOSTINBROWSER"
	b.fake.Inject(ecpaytest.Match{Subject: lost}, ecpaytest.Fault{Drop: true})
	w.ambiguous = b.enqueue("trigger-issue", "--tsr", lost).ID
	b.waitFor(w.ambiguous, "dead")
	b.enqueue("trigger-issue", "--tsr", "LATERINBROWSER", "--process-in", "5h")
	heldID := b.enqueue("trigger-issue", "--merchant-id", "1000009", "--tsr", "HELDINBROWSER").ID
	b.await(heldID, "held")

	w.browser = startBrowser(t)
	w.olga = w.browser.tab("en", 1280, 800)
	w.secrets = forbidden{
		"the HashKey": secretForms(ecpaytest.StageHashKey), "the HashIV": secretForms(ecpaytest.StageHashIV),
		"a buyer's data": {buyer, "王小明", "0912345678"}, "a password": {viewer, operator}, "a password's hash": {"$2a$"},
	}
	return w
}

// look searches a page for what nobody may see, keeps a picture of it, and measures it.
func (w *browserWorld) look(tab *tab, name string) {
	w.b.Helper()
	w.secrets.search(w.b.T, name, tab.html())
	tab.screenshot(name)
	if at, _ := tab.eval("location.pathname"); !strings.HasPrefix(fmt.Sprint(at), "/asynq") { // a page of ours
		tab.fits(name)
	}
}

func TestSlowOpsMendAndRunDeadTasksInABrowser(t *testing.T) {
	w := newBrowserWorld(t)
	w.findAndReplay()
	w.runOnAsynqsPages()
	w.seeAllPages()
	w.lookByPhone()
	w.viewerChangesNothing()
	w.otherSitesChangeNothing()
	for _, v := range dump(w.b) {
		if strings.Contains(v.where, "{audit}") {
			w.secrets.search(t, v.where, v.what)
		}
	}
	w.secrets.search(t, "the log of the dashboard", w.pages.err.String())
	w.b.wantEffects("VG11000043")
}

// findAndReplay: a task is found by its kind, why it died is read in both languages, and it is replayed there.
func (w *browserWorld) findAndReplay() {
	w.olga.open(w.pages.url + "/")
	w.look(w.olga, "login")
	w.olga.login(w.pages.url, "olga", operator)
	w.look(w.olga, "dead-en")
	w.olga.until("it chooses a kind", "(s => { s.value = 'Rejected'; return true })(document.querySelector('select[name=kind]'))")
	w.olga.click("form.filter button")
	w.olga.until("the list is filtered",
		"location.search.includes('kind=Rejected') && document.readyState === 'complete' && !document.body.innerText.includes("+
			quote(w.ambiguous)+")")
	w.olga.click(fmt.Sprintf("a[href=%q]", "/dead?id="+w.onPage))
	w.olga.shows("ECPay refuses what is asked for")
	w.olga.shows("correct it and send it again")
	w.look(w.olga, "letter-en")
	w.olga.click("a[lang=zh-TW]")
	w.olga.shows("綠界拒絕此內容")
	w.olga.shows("修正後重送")
	w.look(w.olga, "letter-zh")
	w.olga.click("a[lang=en]")
	w.olga.shows("ECPay refuses what is asked for")

	// Replay it there.
	w.olga.fill("form[action='/dead/replay'] input[name=note]", "ticket 41")
	w.olga.click("#replay")
	w.olga.shows("replayed: 1")
	w.b.waitFor(w.onPage, "completed")
	w.b.wantEffects("VG11000041", "voided")
	w.olga.open(w.pages.url + "/dead?id=" + w.onPage)
	w.olga.shows("This task is not in the ledger.")
	w.olga.shows("ticket 41")
	w.look(w.olga, "letter-done")
}

// runOnAsynqsPages: Run carries out a task, and Delete beside it deletes nothing and says where to go.
func (w *browserWorld) runOnAsynqsPages() {
	w.olga.open(w.pages.url + "/asynq/queues/invalid?status=archived")
	w.olga.shows(w.inAsynq[:20])
	w.look(w.olga, "asynq-archived")
	// Delete beside it deletes nothing and says where to go.
	button := w.olga.action("VG11000042", 1)
	w.olga.click(button)
	w.olga.shows("nothing is deleted here; resolve or cancel it at /dead?id=" + w.inAsynq)
	w.look(w.olga, "asynq-delete")
	if got := w.b.show(w.inAsynq).State; got != "dead" {
		w.b.Errorf("after Delete the task is %s, want dead", got)
	}
	w.olga.click(w.olga.action("VG11000042", 2))
	w.b.waitFor(w.inAsynq, "completed")
	w.b.wantEffects("VG11000042", "voided")
	w.olga.open(w.pages.url + "/")
	w.olga.shows(w.kept)
	if strings.Contains(w.olga.text(), w.inAsynq) || strings.Contains(w.olga.text(), w.onPage) {
		w.b.Errorf("tasks that are done are listed:\n%s", w.olga.text())
	}
}

// seeAllPages: each page is drawn, and says what it is there for.
func (w *browserWorld) seeAllPages() {
	for _, page := range []string{"/waiting", "/merchants", "/schedules", "/audit",
		"/dead?id=" + w.ambiguous, "/asynq/", "/asynq/queues/trigger_issue?status=retry"} {
		w.olga.open(w.pages.url + page)
		w.olga.until("it is drawn", "document.body.innerText.length > 100")
		name := "desktop" + strings.NewReplacer("/", "-", "?", "-").Replace(strings.Split(page, "=")[0])
		w.look(w.olga, name)
	}
	w.olga.open(w.pages.url + "/waiting")
	w.olga.shows("HELDINBROWSER")
	w.olga.shows("no keys")
	w.olga.shows("LATERINBROWSER")
	w.olga.open(w.pages.url + "/audit")
	for _, text := range []string{"dashboard:olga", "replay", "run", "delete", "refused", "ticket 41"} {
		w.olga.shows(text)
	}
}

// lookByPhone: each page fits a phone, in Chinese.
func (w *browserWorld) lookByPhone() {
	w.phone = w.browser.tab("zh-TW,zh;q=0.9", 390, 844)
	w.phone.open(w.pages.url + "/login")
	w.phone.shows("登入")
	w.look(w.phone, "phone-login")
	w.phone.login(w.pages.url, "olga", operator)
	for _, page := range []string{"/", "/dead?id=" + w.ambiguous, "/waiting", "/merchants", "/schedules", "/audit"} {
		w.phone.open(w.pages.url + page)
		w.look(w.phone, "phone"+strings.NewReplacer("/", "-", "?", "-").Replace(strings.Split(page, "=")[0]))
	}
}

// viewerChangesNothing: a viewer sees all of it, and can change nothing.
func (w *browserWorld) viewerChangesNothing() {
	w.vera = w.browser.tab("en", 1280, 800)
	w.vera.login(w.pages.url, "vera", viewer)
	w.vera.open(w.pages.url + "/dead?id=" + w.kept)
	w.vera.shows("correct it and send it again")
	if v, _ := w.vera.eval("document.querySelectorAll('main button').length"); v != 0.0 {
		w.b.Errorf("a viewer has %v buttons, want none", v)
	}
	w.look(w.vera, "viewer")
	// By hand, too.
	w.vera.open(w.pages.url + "/asynq/") // whose policy lets scripts fetch
	for path, body := range map[string]string{"/dead/replay": "id=" + w.kept,
		"/dead/resolve": "id=" + w.kept + "&note=n", w.runKept(): "", "/schedules/run": "name=night"} {
		if got := w.vera.post(path, body); got != float64(http.StatusForbidden) {
			w.b.Errorf("a viewer's POST %s: got status %v, want 403", path, got)
		}
	}
}

// post asks for a page by a script. The promise of a fetch waits for its status.
func (t *tab) post(path, body string) any {
	t.t.Helper()
	v, _ := t.eval(fmt.Sprintf(
		"fetch(%s, {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: %s}).then(r => r.status)",
		quote(path), quote(body),
	))
	return v
}

// runKept is where asynq's pages run the void that nobody may run here.
func (w *browserWorld) runKept() string {
	return "/asynq/api/queues/invalid/archived_tasks/" + w.kept + ":run"
}

// otherSitesChangeNothing: another site's page that olga looks at, with her session, is refused: on another
// port, whose cookies are the same, and under another name.
func (w *browserWorld) otherSitesChangeNothing() {
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<form id=f method=post action="%s%s"><input name=id value="%s"><input name=note value=n></form>`,
			w.pages.url, r.URL.Query().Get("to"), w.kept)
	}))
	defer evil.Close()
	for _, site := range []string{evil.URL, strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)} {
		for _, to := range []string{"/dead/replay", "/dead/resolve", w.runKept()} {
			victim := w.olga
			victim.open(site + "/?to=" + to)
			victim.until("the form is sent", "(document.getElementById('f').submit(), true)")
			victim.until("it is answered", "location.href.startsWith("+quote(w.pages.url+to)+") && document.readyState === 'complete'")
			if text := victim.text(); !strings.Contains(text, "other sites' pages may not ask this") && !strings.Contains(text, "log in first") {
				w.b.Errorf("a form of %s to %s: got %q, want a refusal", site, to, text)
			}
		}
	}
	if got := w.b.show(w.kept).State; got != "dead" {
		w.b.Errorf("after a viewer and other sites have tried, the task is %s, want dead", got)
	}
	if acts := w.b.audit("--id", w.kept); len(acts) != 0 {
		w.b.Errorf("the audit has %+v of it, want nothing", acts)
	}
	for name, tab := range map[string]*tab{"olga": w.olga, "olga's phone": w.phone, "vera": w.vera} {
		for _, c := range tab.complaints(w.pages.url) {
			if !strings.Contains(c, "fetches "+evil.URL) && !strings.Contains(c, "fetches http://localhost:") {
				w.b.Errorf("%s: %s", name, c)
			}
		}
	}
}
