package docs_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
)

// outboxPages are equal but for the language of their words.
var outboxPages = []string{"docs/outbox.md", "docs/outbox.zh-TW.md"}

// spans are the words of a column that are code.
func (t table) spans(n int) []string {
	var list []string
	for _, cell := range t.column(n) {
		for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
			list = append(list, m[1])
		}
	}
	return list
}

func TestTheTablesOfTheOutboxPagesAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	var columns []string
	schema, err := relay.Schema("postgres", relay.SchemaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z_]+) +(?:bigint|text|timestamptz|integer)\b`).FindAllStringSubmatch(schema, -1) {
		columns = append(columns, m[1])
	}
	var kinds, alerts, metrics []string
	for _, k := range relay.Kinds() {
		kinds = append(kinds, string(k))
	}
	for _, name := range names(readAlerts(t)) {
		if strings.HasPrefix(name, "EcpayqOutbox") {
			alerts = append(alerts, name)
		}
	}
	labels := metricLabels(t)
	for name := range labels {
		if strings.HasPrefix(name, "ecpayq_outbox_") {
			metrics = append(metrics, name)
		}
	}
	slices.Sort(metrics)
	for _, name := range outboxPages {
		p := readPage(t, name)
		if diff := cmp.Diff(columns, p.tableWith(t, "id", 4).spans(0)); diff != "" {
			t.Errorf("%s, columns (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(kinds, p.tableWith(t, "invalid-json", 3).spans(0)); diff != "" {
			t.Errorf("%s, kinds (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(alerts, slices.Sorted(slices.Values(p.tableWith(t, "EcpayqOutboxStuck", 2).spans(0)))); diff != "" {
			t.Errorf("%s, alerts (-want +got):\n%s", name, diff)
		}
		table := p.tableWith(t, "ecpayq_outbox_relayed_total", 3)
		if diff := cmp.Diff(metrics, slices.Sorted(slices.Values(table.spans(0)))); diff != "" {
			t.Errorf("%s, metrics (-want +got):\n%s", name, diff)
		}
		for _, row := range table[1:] {
			if want := labels[strings.Trim(row[0], "`")]; strings.Trim(row[1], "`–") != strings.Join(want, ", ") {
				t.Errorf("%s: %s has the labels %s, want %q", name, row[0], row[1], want)
			}
		}
	}
}

func TestTheOutboxPagesNameSettingsAndLimitsOfTheCode(t *testing.T) {
	t.Parallel()
	limit := strconv.Itoa(intents.MaxSize)
	limit = limit[:len(limit)-3] + "," + limit[len(limit)-3:]
	for _, name := range outboxPages {
		text := read(t, name)
		used := map[string]bool{}
		for _, v := range regexp.MustCompile(`\bECPAYQ_[A-Z_]+\b`).FindAllString(text, -1) {
			used[v] = true
			if !slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return s.Env == v }) {
				t.Errorf("%s: there is no %s", name, v)
			}
		}
		for _, s := range config.Settings() {
			if strings.HasPrefix(s.Env, "ECPAYQ_OUTBOX_") && !used[s.Env] {
				t.Errorf("%s does not say what %s is for", name, s.Env)
			}
		}
		if n := strings.Count(text, limit); n < 3 {
			t.Errorf("%s says %d times that an intent has at most %s bytes, want 3 or more", name, n, limit)
		}
	}
}

// A URL has a host that is loopback, so that it needs no TLS and is not warned of.
func TestTheDatabaseURLsOfTheOutboxPagesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, name := range outboxPages {
		seen := 0
		for _, m := range codeSpan.FindAllStringSubmatch(readPage(t, name).prose, -1) {
			if !strings.Contains(m[1], "://") || !strings.Contains(m[1], "@") {
				continue
			}
			seen++
			if db, err := relay.ParseURL(m[1]); err != nil || len(db.Warnings) > 0 {
				t.Errorf("%s: %s: %v, %+v", name, m[1], err, db)
			}
		}
		if seen != 4 {
			t.Errorf("%s: found %d URLs, want 4", name, seen)
		}
	}
}

// What is shown is a piece of a program that is run: each of its lines stands there.
func TestThePiecesOfProgramsOnTheOutboxPagesAreOfTheExamples(t *testing.T) {
	t.Parallel()
	files := map[string][]string{
		"go":     {"enqueue/outbox/example_test.go"},
		"php":    {"examples/php/outbox.php", "examples/php/laravel-outbox.php"},
		"js":     {"examples/node/outbox.mjs"},
		"python": {"examples/python/outbox.py"},
	}
	for _, name := range outboxPages {
		p := readPage(t, name)
		for language, sources := range files {
			pieces := p.blocksOf(language)
			if len(pieces) != len(sources) {
				t.Errorf("%s has %d pieces in %s, want %d", name, len(pieces), language, len(sources))
				continue
			}
			for i, source := range sources {
				there := map[string]bool{}
				for line := range strings.Lines(read(t, source)) {
					there[strings.TrimSpace(line)] = true
				}
				for line := range strings.Lines(pieces[i].text) {
					if !there[strings.TrimSpace(line)] {
						t.Errorf("%s: %s has no line %s", name, source, strings.TrimSpace(line))
					}
				}
			}
		}
	}
}

// shop is a database server with the database shop of the user shop, as the page has it, and a
// client of the server that finds it without being told where.
type shop struct {
	*testing.T
	kind string
	env  []string
}

// shopServers start them, by the word for their schema.
var shopServers = map[string]func(dbtest.TB, ...dbtest.Options) *dbtest.Server{"postgres": dbtest.Postgres, "mysql": dbtest.MariaDB}

func newShop(t *testing.T, kind, ecpayq string, p page) *shop {
	t.Helper()
	server := shopServers[kind](t, dbtest.Options{NoSync: true})
	home := t.TempDir()
	s := &shop{T: t, kind: kind}
	// The client is called mysql on the page, and mariadb where nobody links it.
	for _, link := range [][]string{{"ecpayq", ecpayq}, {"psql", "psql"}, {"mysql", "mysql", "mariadb"}} {
		for _, name := range link[1:] {
			if path, err := exec.LookPath(name); err == nil {
				if err := os.Symlink(path, filepath.Join(home, link[0])); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	var url string
	for _, m := range codeSpan.FindAllStringSubmatch(p.prose, -1) {
		if url == "" && strings.HasPrefix(m[1], kind+"://ecpayq:") {
			url = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(m[1], server.Addr())
		}
	}
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(".my.cnf", fmt.Sprintf("[client]\nhost=127.0.0.1\nport=%d\nuser=root\n", server.Port()))
	s.env = []string{
		"PATH=" + home + ":" + os.Getenv("PATH"), "HOME=" + home,
		"PGHOST=127.0.0.1", fmt.Sprintf("PGPORT=%d", server.Port()), "PGUSER=postgres",
		"ECPAYQ_OUTBOX_URL_FILE=" + write("outbox-url", url+"\n"),
		"ECPAYQ_REDIS_URL=" + redistest.New(t, redistest.Options{AppendFsync: "no"}).URL(),
	}
	db := server.Open(t)
	s.exec(db, "CREATE DATABASE shop", map[string]string{"postgres": "CREATE ROLE shop LOGIN", "mysql": "CREATE USER shop"}[kind])
	orders, err := server.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer orders.Close()
	s.exec(orders, "CREATE TABLE orders (merchant_id VARCHAR(10), tsr VARCHAR(30), state VARCHAR(10), paid_at TIMESTAMP)",
		"INSERT INTO orders VALUES ('2000132', 'ORDER1001', 'placed', '2026-12-01 00:00:00')", "GRANT SELECT, UPDATE ON orders TO shop")
	return s
}

func (s *shop) exec(db *sql.DB, statements ...string) {
	s.Helper()
	for _, text := range statements {
		if _, err := db.ExecContext(s.Context(), text); err != nil {
			s.Fatalf("%s: %v", text, err)
		}
	}
}

// sh runs what is typed, and returns stdout.
func (s *shop) sh(text, stdin string) string {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), "sh", "-e", "-c", text)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stderr = s.env, strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("%s: %v\n%s%s", text, err, out, stderr.String())
	}
	return string(out)
}

// What the page has typed is typed, with a server of either kind.
func outboxPageWorks(t *testing.T, ecpayq string) {
	p := readPage(t, outboxPages[0])
	typed, statements := p.blocksOf("sh"), p.blocksOf("sql")
	if len(typed) != 4 || len(statements) != 1 {
		t.Fatalf("%s has %d blocks of commands and %d of SQL, want 4 and 1", p.name, len(typed), len(statements))
	}
	for i, kind := range []string{"postgres", "mysql"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, kind, ecpayq, p)
			if n := strings.Count(typed[i].text, "\n"); n != 5 {
				t.Errorf("the quick start has %d lines, want 5", n)
			}
			got := s.sh(typed[i].text, "")
			for _, want := range []string{
				`{"stored":1,"duplicate":0,"wrong":0}`, `{"summary":{"late":0,"wrong":0,"orders":1,"missing":0}}`,
			} {
				if !strings.Contains(got, want) {
					t.Errorf("the quick start prints %s, want %s in it", got, want)
				}
			}
			// The SQL with the rights of the shop. Its first intent is that of the quick start.
			client := map[string][]string{
				"postgres": {"psql -v ON_ERROR_STOP=1 -U shop shop", "psql shop -c "}, "mysql": {"mysql -u shop shop", "mysql shop -e "},
			}[kind]
			s.sh(client[0], statements[0].text)
			if got, want := s.sh("ecpayq outbox relay --once", ""), `{"stored":2,"duplicate":1,"wrong":0}`; !strings.Contains(got, want) {
				t.Errorf("relayed %s, want %s", got, want)
			}
			s.sh(client[1]+"'GRANT SELECT ON orders TO ecpayq'", "")
			got = s.sh(typed[2].text, "")
			for _, want := range []string{`"orders":1,"missing":0`, `{"retried":0}`} {
				if !strings.Contains(got, want) {
					t.Errorf("the commands for a cron job print %s, want %s in it", got, want)
				}
			}
		})
	}
}
