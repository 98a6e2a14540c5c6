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

func TestSlowOpsMendAndRunDeadTasksInABrowser(t *testing.T) {
	b := newBench(t, nil)
	const viewer, operator, buyer = "only-looks-7Q", "does-things-9Z", "王小明0912345678"
	b.set(env{"ECPAYQ_CONFIG": writeFile(t, filepath.Join(t.TempDir(), "ecpayq.yaml"), b.dashboardUsers(viewer, operator)+
		"schedules:\n  - {name: night, cron: '30 3 * * *', kind: [Unavailable, Unknown], older_than: 10m, limit: 500}\n")})
	b.worker()
	d := b.dashboard()
	void := func(number string) string {
		b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: number, InvoiceDate: invoiceDate}))
		b.fake.Inject(ecpaytest.Match{Subject: number}, ecpaytest.Fault{RtnCode: 2103005, RtnMsg: "發票作廢原因格式錯誤"})
		r := b.enqueue("invalid", "--invoice-number", number, "--invoice-date", invoiceDate, "--reason", "typo", "--remark", buyer)
		b.waitFor(r.ID, "dead")
		return r.ID
	}
	onPage, inAsynq, kept := void("VG11000041"), void("VG11000042"), void("VG11000043")
	lost := "LOSTINBROWSER"
	b.fake.Inject(ecpaytest.Match{Subject: lost}, ecpaytest.Fault{Drop: true})
	ambiguous := b.enqueue("trigger-issue", "--tsr", lost).ID
	b.waitFor(ambiguous, "dead")
	b.enqueue("trigger-issue", "--tsr", "LATERINBROWSER", "--process-in", "5h")
	heldID := b.enqueue("trigger-issue", "--merchant-id", "1000009", "--tsr", "HELDINBROWSER").ID
	b.await(heldID, "held")

	browser := startBrowser(t)
	olga := browser.tab("en", 1280, 800)
	secrets := forbidden{
		"the HashKey": secretForms(ecpaytest.StageHashKey), "the HashIV": secretForms(ecpaytest.StageHashIV),
		"a buyer's data": {buyer, "王小明", "0912345678"}, "a password": {viewer, operator}, "a password's hash": {"$2a$"},
	}
	look := func(tab *tab, name string) {
		t.Helper()
		secrets.search(t, name, tab.html())
		tab.screenshot(name)
		if at, _ := tab.eval("location.pathname"); !strings.HasPrefix(fmt.Sprint(at), "/asynq") { // a page of ours
			tab.fits(name)
		}
	}

	olga.open(d.url + "/")
	look(olga, "login")
	olga.login(d.url, "olga", operator)
	look(olga, "dead-en")
	// Find a task by its kind, read why it died, in both languages.
	olga.until("it chooses a kind", "(s => { s.value = 'Rejected'; return true })(document.querySelector('select[name=kind]'))")
	olga.click("form.filter button")
	olga.until("the list is filtered",
		"location.search.includes('kind=Rejected') && document.readyState === 'complete' && !document.body.innerText.includes("+
			quote(ambiguous)+")")
	olga.click(fmt.Sprintf("a[href=%q]", "/dead?id="+onPage))
	olga.shows("ECPay refuses what is asked for")
	olga.shows("correct it and send it again")
	look(olga, "letter-en")
	olga.click("a[lang=zh-TW]")
	olga.shows("綠界拒絕此內容")
	olga.shows("修正後重送")
	look(olga, "letter-zh")
	olga.click("a[lang=en]")
	olga.shows("ECPay refuses what is asked for")

	// Replay it there.
	olga.fill("form[action='/dead/replay'] input[name=note]", "ticket 41")
	olga.click("#replay")
	olga.shows("replayed: 1")
	b.waitFor(onPage, "completed")
	b.wantEffects("VG11000041", "voided")
	olga.open(d.url + "/dead?id=" + onPage)
	olga.shows("This task is not in the ledger.")
	olga.shows("ticket 41")
	look(olga, "letter-done")

	// Run the other one on asynq's pages.
	olga.open(d.url + "/asynq/queues/invalid?status=archived")
	olga.shows(inAsynq[:20])
	look(olga, "asynq-archived")
	// Delete beside it deletes nothing and says where to go.
	button := olga.action("VG11000042", 1)
	olga.click(button)
	olga.shows("nothing is deleted here; resolve or cancel it at /dead?id=" + inAsynq)
	look(olga, "asynq-delete")
	if got := b.show(inAsynq).State; got != "dead" {
		t.Errorf("after Delete the task is %s, want dead", got)
	}
	olga.click(olga.action("VG11000042", 2))
	b.waitFor(inAsynq, "completed")
	b.wantEffects("VG11000042", "voided")
	olga.open(d.url + "/")
	olga.shows(kept)
	if strings.Contains(olga.text(), inAsynq) || strings.Contains(olga.text(), onPage) {
		t.Errorf("tasks that are done are listed:\n%s", olga.text())
	}
	for _, page := range []string{"/waiting", "/merchants", "/schedules", "/audit",
		"/dead?id=" + ambiguous, "/asynq/", "/asynq/queues/trigger_issue?status=retry"} {
		olga.open(d.url + page)
		olga.until("it is drawn", "document.body.innerText.length > 100")
		name := "desktop" + strings.NewReplacer("/", "-", "?", "-").Replace(strings.Split(page, "=")[0])
		look(olga, name)
	}
	olga.open(d.url + "/waiting")
	olga.shows("HELDINBROWSER")
	olga.shows("no keys")
	olga.shows("LATERINBROWSER")
	olga.open(d.url + "/audit")
	for _, text := range []string{"dashboard:olga", "replay", "run", "delete", "refused", "ticket 41"} {
		olga.shows(text)
	}

	// Each page fits a phone, in Chinese.
	phone := browser.tab("zh-TW,zh;q=0.9", 390, 844)
	phone.open(d.url + "/login")
	phone.shows("登入")
	look(phone, "phone-login")
	phone.login(d.url, "olga", operator)
	for _, page := range []string{"/", "/dead?id=" + ambiguous, "/waiting", "/merchants", "/schedules", "/audit"} {
		phone.open(d.url + page)
		look(phone, "phone"+strings.NewReplacer("/", "-", "?", "-").Replace(strings.Split(page, "=")[0]))
	}

	// A viewer sees all of it, and can change nothing.
	vera := browser.tab("en", 1280, 800)
	vera.login(d.url, "vera", viewer)
	vera.open(d.url + "/dead?id=" + kept)
	vera.shows("correct it and send it again")
	if v, _ := vera.eval("document.querySelectorAll('main button').length"); v != 0.0 {
		t.Errorf("a viewer has %v buttons, want none", v)
	}
	look(vera, "viewer")
	// By hand, too. The promise of a fetch waits for its status.
	status := func(tab *tab, path, body string) any {
		v, _ := tab.eval(fmt.Sprintf(
			"fetch(%s, {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: %s}).then(r => r.status)",
			quote(path), quote(body),
		))
		return v
	}
	runKept := "/asynq/api/queues/invalid/archived_tasks/" + kept + ":run"
	vera.open(d.url + "/asynq/") // whose policy lets scripts fetch
	for path, body := range map[string]string{"/dead/replay": "id=" + kept,
		"/dead/resolve": "id=" + kept + "&note=n", runKept: "", "/schedules/run": "name=night"} {
		if got := status(vera, path, body); got != float64(http.StatusForbidden) {
			t.Errorf("a viewer's POST %s: got status %v, want 403", path, got)
		}
	}

	// Another site's page that olga looks at, with her session: on another port, whose
	// cookies are the same, and under another name.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form id=f method=post action="%s%s"><input name=id value="%s"><input name=note value=n></form>`,
			d.url, r.URL.Query().Get("to"), kept)
	}))
	defer evil.Close()
	for _, site := range []string{evil.URL, strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)} {
		for _, to := range []string{"/dead/replay", "/dead/resolve", runKept} {
			victim := olga
			victim.open(site + "/?to=" + to)
			victim.until("the form is sent", "(document.getElementById('f').submit(), true)")
			victim.until("it is answered", "location.href.startsWith("+quote(d.url+to)+") && document.readyState === 'complete'")
			if text := victim.text(); !strings.Contains(text, "other sites' pages may not ask this") && !strings.Contains(text, "log in first") {
				t.Errorf("a form of %s to %s: got %q, want a refusal", site, to, text)
			}
		}
	}
	if got := b.show(kept).State; got != "dead" {
		t.Errorf("after a viewer and other sites have tried, the task is %s, want dead", got)
	}
	if acts := b.audit("--id", kept); len(acts) != 0 {
		t.Errorf("the audit has %+v of it, want nothing", acts)
	}
	for name, tab := range map[string]*tab{"olga": olga, "olga's phone": phone, "vera": vera} {
		for _, c := range tab.complaints(d.url) {
			if !strings.Contains(c, "fetches "+evil.URL) && !strings.Contains(c, "fetches http://localhost:") {
				t.Errorf("%s: %s", name, c)
			}
		}
	}
	for _, v := range dump(b) {
		if strings.Contains(v.where, "{audit}") {
			secrets.search(t, v.where, v.what)
		}
	}
	secrets.search(t, "the log of the dashboard", d.err.String())
	b.wantEffects("VG11000043")
}
