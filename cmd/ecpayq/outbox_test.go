package main_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// databases are those with an outbox, by the word for their schema.
var databases = map[string]func(dbtest.TB, ...dbtest.Options) *dbtest.Server{"postgres": dbtest.Postgres, "mysql": dbtest.MariaDB}

// outboxWord is a password that may stand nowhere.
const outboxWord = "t0p-of-the-shop"

// outbox is a shop's database with the table, as the command prints it.
type outbox struct {
	*bench
	kind   string
	server *dbtest.Server
	shop   *sql.DB
}

// outbox starts a database, and lets everything of the bench know it by a user that may only claim.
func (b *bench) outbox(kind string, o dbtest.Options, schema ...string) *outbox {
	b.Helper()
	x := &outbox{bench: b, kind: kind, server: databases[kind](b.T, o)}
	x.shop = x.server.Open(b.T)
	user := map[string]string{
		"postgres": "CREATE ROLE ecpayq LOGIN PASSWORD '" + outboxWord + "'",
		"mysql":    "CREATE USER ecpayq IDENTIFIED BY '" + outboxWord + "'",
	}[kind]
	x.exec(user)
	r := b.run(append([]string{"outbox", "schema", "--database", kind, "--relay", "ecpayq"}, schema...)...)
	if r.code != 0 {
		b.Fatalf("outbox schema: %d %s", r.code, r.stderr)
	}
	x.exec(r.stdout)
	x.exec(r.stdout) // which changes nothing
	u, err := url.Parse(x.server.URL())
	b.must(err)
	u.User = url.UserPassword("ecpayq", outboxWord)
	b.set(env{"ECPAYQ_OUTBOX_URL_FILE": b.file("outbox-url", u.String()+"\n")})
	return x
}

func (x *outbox) exec(text string) {
	x.Helper()
	_, err := x.shop.ExecContext(x.Context(), text)
	x.must(err)
}

func (x *outbox) insert(intent string) {
	x.Helper()
	x.exec("INSERT INTO ecpayq_outbox (intent) VALUES ('" + intent + "')")
}

func (x *outbox) left() (n int) {
	x.Helper()
	x.must(x.shop.QueryRowContext(x.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
	return n
}

// outboxRow is what outbox list prints.
type outboxRow struct {
	ID        int64
	Type      string
	TaskID    string `json:"task_id"`
	CreatedAt string `json:"created_at"`
	Attempts  int
	Error     string
	ErrorZh   string `json:"error_zh"`
}

func (x *outbox) list(args ...string) (rows []outboxRow) {
	x.Helper()
	r := x.run(append([]string{"outbox", "list"}, args...)...)
	if r.code != 0 {
		x.Fatalf("outbox list: %d %s", r.code, r.stderr)
	}
	for line := range strings.Lines(r.stdout) {
		rows = append(rows, oneLine[outboxRow](x.T, line))
	}
	return rows
}

func TestAnOrderAndItsInvoiceAreCommittedTogether(t *testing.T) {
	t.Parallel()
	for kind := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			x := b.outbox(kind, dbtest.Options{})
			x.exec("CREATE TABLE orders (merchant_id VARCHAR(10), tsr VARCHAR(30))")
			x.exec("GRANT SELECT ON orders TO ecpayq")
			w := b.worker()
			for _, tsr := range []string{"OUTPAID", "OUTBACK"} {
				b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: tsr, DelayDay: 3}))
				tx, err := x.shop.BeginTx(t.Context(), nil)
				b.must(err)
				for _, text := range []string{
					fmt.Sprintf("INSERT INTO orders VALUES ('%s', '%s')", merchantID, tsr),
					"INSERT INTO ecpayq_outbox (intent) VALUES ('" + triggerIntent(tsr, "") + "')",
				} {
					_, err := tx.ExecContext(t.Context(), text)
					b.must(err)
				}
				if tsr == "OUTPAID" {
					b.must(tx.Commit())
				} else {
					b.must(tx.Rollback())
				}
			}
			b.eventually("the table is empty", func() bool { return x.left() == 0 })
			b.waitFor(triggerID("OUTPAID"), "completed")
			b.wantEffects("OUTPAID", ecpaytest.EffectScheduled)
			b.wantEffects("OUTBACK")
			if _, body := w.get("/metrics"); !strings.Contains(body, `ecpayq_outbox_relayed_total{result="stored"} 1`) ||
				!strings.Contains(body, `ecpayq_outbox_rows{state="waiting"} 0`) {
				t.Errorf("metrics say\n%s", body)
			}
			if r := b.run("outbox", "verify", "--orders", "SELECT merchant_id, tsr FROM orders"); r.code != 0 ||
				!strings.Contains(r.stdout, `{"summary":{"late":0,"wrong":0,"orders":1,"missing":0}}`) {
				t.Errorf("verify: %+v", r)
			}
			// One that was written beside the table is found.
			x.exec("INSERT INTO orders VALUES ('" + merchantID + "', 'OUTALONE')")
			if r := b.run("outbox", "verify", "--orders", "SELECT tsr, merchant_id FROM orders"); r.code != 1 ||
				!strings.Contains(r.stdout, `{"missing":{"merchant_id":"`+merchantID+`","tsr":"OUTALONE","id":"`+triggerID("OUTALONE")+`"}}`) {
				t.Errorf("verify: %+v", r)
			}
			// What Redis has forgotten, ECPay may know.
			b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "OUTLONG", RelateNumber: "ORDER17", Issued: true}))
			x.exec("DELETE FROM orders")
			x.exec("INSERT INTO orders VALUES ('" + merchantID + "', 'OUTLONG')")
			query := "SELECT merchant_id AS \"MerchantID\", tsr, 'ORDER17' AS relate_number FROM orders"
			if kind == "mysql" {
				query = strings.ReplaceAll(query, `"`, "`")
			}
			if r := b.run("outbox", "verify", "--orders", query); r.code != 1 || !strings.Contains(r.stdout, `"missing":1`) {
				t.Errorf("verify: %+v", r)
			}
			if r := b.run("outbox", "verify", "--ask-ecpay", "--orders", query); r.code != 0 ||
				!strings.Contains(r.stdout, `"issued":1,"missing":0`) {
				t.Errorf("verify --ask-ecpay: %+v", r)
			}
			query = strings.ReplaceAll(query, "ORDER17", "ORDER18")
			if r := b.run("outbox", "verify", "--ask-ecpay", "--orders", query); r.code != 1 || !strings.Contains(r.stdout, "NotFound") {
				t.Errorf("verify --ask-ecpay of what ECPay does not know: %+v", r)
			}
			if f := b.doctor(0)["outbox"]; f.Status != "ok" || !strings.Contains(f.Detail, "0 rows wait") {
				t.Errorf("doctor: %+v", f)
			}
			w.stop()
			wantNoWord(t, w.err.String())
		})
	}
}

func wantNoWord(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, outboxWord) {
		t.Errorf("the password of the database is told:\n%s", tail(text, 4000))
	}
}

func TestAPersonDecidesAboutRowsThatAreWrong(t *testing.T) {
	t.Parallel()
	for kind := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			x := b.outbox(kind, dbtest.Options{})
			x.insert(triggerIntent("OUTGOOD", ""))
			x.insert("order 17")
			x.insert(strings.Replace(triggerIntent("OUTLATER", ""), merchantID, "3009999", 1))
			r := b.run("outbox", "relay", "--once")
			if r.code != 1 || r.stdout != `{"stored":1,"duplicate":0,"wrong":2}`+"\n" || !strings.Contains(r.stderr, "ecpayq outbox list") {
				t.Fatalf("relay --once: %+v", r)
			}
			wantNoWord(t, r.stderr)
			rows := x.list()
			if len(rows) != 2 || !strings.Contains(rows[0].Error, "JSON") || rows[0].ErrorZh == "" || rows[1].TaskID == "" || rows[1].Attempts != 1 {
				t.Fatalf("got %+v", rows)
			}
			id := func(i int) string { return fmt.Sprint(rows[i].ID) }
			// Once the merchant is known, it goes.
			if r := b.run("outbox", "retry", id(1)); r.code != 0 || r.stdout != `{"retried":1}`+"\n" {
				t.Errorf("retry: %+v", r)
			}
			if r := b.runWith(env{"ECPAYQ_MERCHANT_ID": ""}, "outbox", "relay", "--once"); r.code != 0 || !strings.Contains(r.stdout, `"stored":1`) {
				t.Errorf("relay --once: %+v", r)
			}
			if r := b.run("outbox", "discard", id(0)); r.code != 2 || !strings.Contains(r.stderr, "--note is required") {
				t.Errorf("discard without a note: %+v", r)
			}
			if r := b.run("outbox", "discard", id(0), "--note", "a test of the shop"); r.code != 0 {
				t.Errorf("discard: %+v", r)
			}
			if r := b.run("outbox", "discard", id(0), "--note", "n"); r.code != 1 ||
				!strings.Contains(r.stderr, "no row with this id has an error") {
				t.Errorf("discard twice: %+v", r)
			}
			if n := x.left(); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			var acts []string
			for _, e := range b.audit() {
				acts = append(acts, e.What+" "+e.Note)
			}
			for _, want := range []string{"replay outbox " + id(1), "resolve outbox " + id(0) + ": a test of the shop"} {
				if !strings.Contains(strings.Join(acts, "\n"), want) {
					t.Errorf("the audit has %q, want %q", acts, want)
				}
			}
		})
	}
}

func TestMistakesAboutTheOutboxAreSaidPlainly(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	x := b.outbox("postgres", dbtest.Options{Password: "superuser"})
	u, err := url.Parse(x.server.URL())
	b.must(err)
	at := func(user, word, path, query string) env {
		v := *u
		v.User, v.Path, v.RawQuery = url.UserPassword(user, word), path, query
		return env{"ECPAYQ_OUTBOX_URL": v.String(), "ECPAYQ_OUTBOX_URL_FILE": ""}
	}
	for name, row := range map[string]struct {
		env  env
		args []string
		code int
		want []string
	}{
		"no URL": {env{"ECPAYQ_OUTBOX_URL_FILE": ""}, []string{"list"}, 1, []string{"ECPAYQ_OUTBOX_URL is not set", "postgres://"}},
		"no URL at all": {env{"ECPAYQ_OUTBOX_URL_FILE": "", "ECPAYQ_OUTBOX_URL": "secret:" + outboxWord}, []string{"list"}, 1,
			[]string{"ECPAYQ_OUTBOX_URL: database URL is malformed"}},
		"another scheme": {env{"ECPAYQ_OUTBOX_URL_FILE": "", "ECPAYQ_OUTBOX_URL": "oracle://u:" + outboxWord + "@h/d"}, []string{"list"}, 1,
			[]string{"database URL is malformed"}},
		"prefer": {at("ecpayq", outboxWord, "/postgres", "sslmode=prefer"), []string{"list"}, 1,
			[]string{"sslmode=prefer", "verify-full"}},
		"an unknown option": {at("ecpayq", outboxWord, "/postgres", "sslmode=disable&passwort="+outboxWord), []string{"list"}, 1, nil},
		"a wrong password": {at("ecpayq", outboxWord+"x", "/postgres", "sslmode=disable"), []string{"list"}, 1,
			[]string{"refuses the user or the password"}},
		"no table":           {at("postgres", "superuser", "/template1", "sslmode=disable"), []string{"list"}, 1, []string{"outbox schema"}},
		"an id that is none": {env{}, []string{"retry", "x1"}, 2, []string{`"x1" is not the id of a row`}},
		"neither id nor all": {env{}, []string{"retry"}, 2, []string{"--all"}},
		"no database":        {env{}, []string{"schema"}, 2, []string{"--database is required"}},
		"another database":   {env{}, []string{"schema", "--database", "oracle"}, 2, []string{"postgres or mysql"}},
		"a quote in a name": {env{}, []string{"schema", "--database", "postgres", "--relay", "a'b"}, 2,
			[]string{"letters, digits and underscores"}},
		"notify of MySQL": {env{}, []string{"schema", "--database", "mysql", "--notify"}, 2, []string{"NOTIFY"}},
		"a poll too long": {env{"ECPAYQ_OUTBOX_POLL": "2h"}, []string{"relay", "--once"}, 2,
			[]string{"ECPAYQ_OUTBOX_POLL is 2h; it must be 10ms to 1m"}},
		"orders of one column": {env{}, []string{"verify", "--orders", "SELECT 1"}, 1, []string{"two columns"}},
		"orders that write":    {env{}, []string{"verify", "--orders", "DELETE FROM ecpayq_outbox RETURNING id, id"}, 1, []string{"read-only"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runIn(t, b.env.with(row.env), append([]string{"outbox"}, row.args...)...)
			if r.code != row.code {
				t.Errorf("exit code %d, want %d: %s", r.code, row.code, r.stderr)
			}
			for _, want := range row.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("got %q, want %q in it", r.stderr, want)
				}
			}
			wantNoWord(t, r.stdout+r.stderr)
		})
	}
}

// A Redis that is away is not taken for the database.
func TestTheOutboxTellsRedisFromTheDatabase(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	x := b.outbox("postgres", dbtest.Options{})
	x.insert(triggerIntent("AWAY", ""))
	for _, args := range [][]string{{"relay", "--once"}, {"retry", "--all"}} {
		r := runIn(t, b.env.with(env{"ECPAYQ_REDIS_URL": "redis://127.0.0.1:1/0"}), append([]string{"outbox"}, args...)...)
		if r.code != 1 || !strings.Contains(r.stderr, "ECPAYQ_REDIS_URL") || strings.Contains(r.stderr, "ECPAYQ_OUTBOX_URL") {
			t.Errorf("%v: exit code %d and %s", args, r.code, r.stderr)
		}
	}
	x.server.Kill()
	for _, args := range [][]string{{"relay", "--once"}, {"list"}, {"doctor"}} {
		if args[0] != "doctor" {
			args = append([]string{"outbox"}, args...)
		}
		r := runIn(t, b.env, args...)
		said := r.stdout + r.stderr
		if r.code != 1 || !strings.Contains(said, "ECPAYQ_OUTBOX_URL") || strings.Contains(said, "ECPAYQ_REDIS_URL") {
			t.Errorf("%v: exit code %d and %s", args, r.code, said)
		}
	}
}

// What wrong rows there are is told on the dashboard, which does not reach the database.
func TestTheDashboardTellsOfWrongRows(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	x := b.outbox("postgres", dbtest.Options{})
	x.insert("order 17")
	w := b.worker()
	d := b.dashboard()
	b.eventually("the page tells of it", func() bool {
		_, page := d.get("/")
		return strings.Contains(page, "1 筆有誤") || strings.Contains(page, "1 rows are wrong")
	})
	w.stop()
	var status map[string]any
	for _, text := range b.redis.Client().HGetAll(t.Context(), "ecpayq:1:{outbox}:state").Val() {
		b.must(json.Unmarshal([]byte(text), &status))
		wantNoWord(t, text)
	}
	if status["wrong"] != 1.0 {
		t.Errorf("got %v", status)
	}
}

func TestAWorkerCarriesTasksWhileTheDatabaseOfTheOutboxIsAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, env{"ECPAYQ_OUTBOX_URL": "postgres://ecpayq:" + outboxWord + "@127.0.0.1:1/shop"})
	b.must(b.fake.StageDelayed(ecpaytest.Delayed{Tsr: "OUTAWAY", DelayDay: 3}))
	w := b.worker()
	w.awaitLog("outbox is not relayed; its rows stay, and it is tried again")
	b.waitFor(b.enqueue("trigger-issue", "--tsr", "OUTAWAY").ID, "completed")
	if status, _ := w.get("/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
	_, metrics := w.get("/metrics")
	if strings.Contains(metrics, "ecpayq_outbox_rows{") || !strings.Contains(metrics, `ecpayq_outbox_errors_total{kind="database"}`) {
		t.Errorf("metrics say\n%s", metrics)
	}
	if f := b.doctor(1)["outbox"]; f.Status != "failed" || !strings.Contains(f.Hint, "runs and can be reached") {
		t.Errorf("doctor: %+v", f)
	}
	w.stop()
	wantNoWord(t, w.err.String())
}

// The relay has no keys: it knows merchants by name, and reads them again on SIGHUP.
func TestARelayReadsMerchantsAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	x := b.outbox("mysql", dbtest.Options{})
	file := b.file("ecpayq.yaml", "merchants: [{merchant_id: '3009999', hash_key_file: /none, hash_iv_file: /none}]\n")
	b.set(env{"ECPAYQ_MERCHANT_ID": "", "ECPAYQ_HASH_KEY": "", "ECPAYQ_HASH_IV": "", "ECPAYQ_CONFIG": file})
	r := startProgram(t, binary, b.env, "outbox", "relay")
	r.awaitLog("outbox is relayed")
	x.insert(triggerIntent("OUTNEW", ""))
	b.eventually("the row is wrong", func() bool { return len(x.list()) == 1 })
	b.must(os.WriteFile(file, []byte("merchants: [{merchant_id: '"+merchantID+"', hash_key_file: /none, hash_iv_file: /none}]\n"), 0o600))
	r.signal(syscall.SIGHUP)
	r.awaitLog("merchants and payload keys were read again")
	if r := b.run("outbox", "retry", "--all"); r.code != 0 || r.stdout != `{"retried":1}`+"\n" {
		t.Errorf("retry: %+v", r)
	}
	b.eventually("the row is relayed", func() bool { return x.left() == 0 })
	r.stop()
}

func TestTheDocumentedRedisUserIsEnoughForTheOutbox(t *testing.T) {
	t.Parallel()
	b, admin := newACLBench(t, documentedACL(t), nil)
	x := b.outbox("mysql", dbtest.Options{})
	x.insert(triggerIntent("OUTACL", ""))
	x.insert("order 17")
	r := startProgram(t, binary, b.env, "outbox", "relay")
	r.awaitLog("outbox is relayed")
	b.eventually("one row is left, and is wrong", func() bool { return x.left() == 1 && len(x.list()) == 1 })
	b.eventually("it has told so", func() bool { return b.redis.Client().HLen(t.Context(), record.OutboxKey).Val() == 1 })
	if r := b.run("outbox", "retry", "--all"); r.code != 0 {
		t.Errorf("retry: %+v", r)
	}
	if r := b.run("outbox", "verify", "--orders", "SELECT '"+merchantID+"', 'OUTACL'"); r.code != 0 {
		t.Errorf("verify: %+v", r)
	}
	r.stop()
	for _, refusal := range refusals(t, admin) {
		t.Errorf("Redis refused %s", refusal)
	}
}
