//go:build examples

package examples_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
)

// databases are started when a test wants one, and shared: each test has a database of its own.
var databases = map[string]func() (*dbtest.Server, error){
	"postgres": startOnce(dbtest.StartPostgres), "mysql": startOnce(dbtest.StartMariaDB),
}

var started struct {
	sync.Mutex
	list []*dbtest.Server
}

func startOnce(start func(context.Context, dbtest.Options) (*dbtest.Server, error)) func() (*dbtest.Server, error) {
	return sync.OnceValues(func() (*dbtest.Server, error) {
		s, err := start(context.Background(), dbtest.Options{NoSync: true})
		if err == nil {
			started.Lock()
			defer started.Unlock()
			started.list = append(started.list, s)
		}
		return s, err
	})
}

func stopDatabases() {
	for _, s := range started.list {
		_ = s.Stop()
	}
}

// shop is a database with orders and the outbox, and a Redis to which it is relayed.
type shop struct {
	*testing.T
	kind, name string
	server     *dbtest.Server
	// host and port are where clients connect, and encoding is what they say that they speak; empty for what
	// they speak by themselves.
	host, port, encoding string
	db                   *sql.DB
	redisURL             string
}

var shops atomic.Int64

func newShop(t *testing.T, kind string, orders ...string) *shop {
	t.Helper()
	server, err := databases[kind]()
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{T: t, kind: kind, name: fmt.Sprintf("shop%d", shops.Add(1)), server: server, encoding: "latin1"}
	s.redisURL = redistest.New(t, redistest.Options{AppendFsync: "no"}).URL()
	s.host, s.port, err = net.SplitHostPort(server.Addr())
	s.must(err)
	server.Database(t, s.name)
	s.db = server.OpenDatabase(t, s.name)
	s.exec(s.ecpayq("schema", "--database", kind))
	s.exec("CREATE TABLE orders (tsr varchar(30) PRIMARY KEY, state varchar(10) NOT NULL)")
	for _, tsr := range orders {
		s.exec("INSERT INTO orders VALUES ('" + tsr + "', 'placed')")
	}
	return s
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shop) exec(text string) {
	s.Helper()
	_, err := s.db.ExecContext(s.Context(), text)
	s.must(err)
}

func (s *shop) rows(where string) (n int) {
	s.Helper()
	s.must(s.db.QueryRowContext(s.Context(), "SELECT count(*) FROM ecpayq_outbox WHERE "+where).Scan(&n))
	return n
}

// ecpayq runs ecpayq outbox, and returns its stdout.
func (s *shop) ecpayq(args ...string) string {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), binary, append([]string{"outbox"}, args...)...)
	scheme := map[string]string{"postgres": "postgres://postgres@", "mysql": "mysql://root@"}[s.kind]
	cmd.Env = []string{"ECPAYQ_REDIS_URL=" + s.redisURL, "ECPAYQ_OUTBOX_URL=" + scheme + s.server.Addr() + "/" + s.name}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("ecpayq outbox %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// voidReason is text that a connection's character set would spoil.
const voidReason = "訂單取消許功蓋🧾"

// relayed has a relay carry the rows, and wants that many tasks in Redis, of these orders and none of the others.
func (s *shop) relayed(paid []string, unpaid ...string) {
	s.Helper()
	if n := s.rows("octet_length(intent) <> char_length(intent)"); n > 0 {
		s.Errorf("%d intents are not ASCII", n)
	}
	var did struct{ Stored, Duplicate, Wrong int }
	s.must(json.Unmarshal([]byte(s.ecpayq("relay", "--once", "--json")), &did))
	if did.Stored != len(paid) || did.Duplicate != 0 || did.Wrong != 0 || s.rows("true") != 0 {
		s.Errorf("the relay did %+v and left %d rows, want %d stored and none", did, s.rows("true"), len(paid))
	}
	client, err := enqueue.New(enqueue.Config{RedisURL: s.redisURL})
	s.must(err)
	defer client.Close()
	for _, tsr := range slices.Concat(paid, unpaid) {
		task, err := client.Task(s.Context(), "b2b.invalid."+merchant+"."+tsr+".2026-11-01")
		got := err == nil && strings.Contains(string(task.Payload), `"Reason":"`+voidReason+`"`)
		if want := slices.Contains(paid, tsr); got != want {
			s.Errorf("%s: its task as it was asked for is in Redis: %t, want %t (%s, %v)", tsr, got, want, task.Payload, err)
		}
	}
}

// pay has a program pay orders, and returns what it says of each.
func (s *shop) pay(program outboxProgram, orders ...string) []string {
	s.Helper()
	said, err := s.run(program.command(s.T), program.bridged, orders)
	s.must(err)
	return said
}

func (s *shop) run(program []string, bridged bool, orders []string) (said []string, err error) {
	ctx, cancel := context.WithTimeout(s.Context(), 3*time.Minute)
	defer cancel()
	args := slices.Concat(program[1:], []string{s.kind, s.host, s.port, s.name, s.encoding}, orders)
	cmd := exec.CommandContext(ctx, program[0], args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	if bridged {
		said, err = s.bridge(ctx, lines, stdin)
	} else {
		for lines.Scan() {
			said = append(said, lines.Text())
		}
	}
	if err = errors.Join(err, cmd.Wait()); err == nil && len(said) != len(orders) {
		err = fmt.Errorf("it said %q of %d orders", said, len(orders))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", program[0], err, &stderr)
	}
	return said, nil
}

// bridge carries out the statements of a program on one connection, as a driver would.
func (s *shop) bridge(ctx context.Context, lines *bufio.Scanner, answers io.WriteCloser) (said []string, err error) {
	defer answers.Close()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for lines.Scan() {
		var line struct {
			Text, Said string
			Values     []any
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		if line.Said != "" {
			said = append(said, line.Said)
			continue
		}
		var answer struct {
			Rows  int    `json:"rows"`
			Error string `json:"error,omitempty"`
		}
		if answer.Rows, err = statement(ctx, conn, line.Text, line.Values); err != nil {
			answer.Error = err.Error()
		}
		if err := json.NewEncoder(answers).Encode(answer); err != nil {
			return nil, err
		}
	}
	return said, lines.Err()
}

// statement returns how many rows it found or changed.
func statement(ctx context.Context, conn *sql.Conn, text string, values []any) (n int, err error) {
	if !strings.HasPrefix(text, "SELECT") {
		result, err := conn.ExecContext(ctx, text, values...)
		if err != nil {
			return 0, err
		}
		changed, err := result.RowsAffected()
		return int(changed), err
	}
	rows, err := conn.QueryContext(ctx, text, values...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// inEachProgram runs a test in parallel with each program and each database, where some orders are placed.
func inEachProgram(t *testing.T, placed []string, f func(s *shop, program outboxProgram)) {
	t.Helper()
	for _, program := range outboxPrograms {
		for kind := range databases {
			t.Run(program.name+" with "+kind, func(t *testing.T) {
				t.Parallel()
				f(newShop(t, kind, placed...), program)
			})
		}
	}
}

func TestOutboxExamplesCommitTheOrderAndItsIntentOrNeither(t *testing.T) {
	t.Parallel()
	inEachProgram(t, []string{"AA00000001", "AA00000002", "AA00000003", "AA00000004"}, func(s *shop, program outboxProgram) {
		// Each is paid once, whatever came before it on the same connection.
		got := s.pay(program, "AA00000001", "AA00000001", "AA00000002:fails", "AA00000009", "AA00000003", "AA00000004:caught")
		want := []string{"new", "before", "failed", "failed", "new", "new"}
		paid, unpaid := []string{"AA00000001", "AA00000003", "AA00000004"}, []string{"AA00000002", "AA00000009"}
		if s.kind == "postgres" { // where the error that was caught has undone the rest
			want[5] = "failed"
			paid, unpaid = paid[:2], append(unpaid, "AA00000004")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.Errorf("what it says (-want +got):\n%s", diff)
		}
		s.relayed(paid, unpaid...)
		// What failed can be done again.
		if diff := cmp.Diff([]string{"before", "new"}, s.pay(program, "AA00000001", "AA00000002")); diff != "" {
			s.Errorf("what it says afterwards (-want +got):\n%s", diff)
		}
		s.relayed([]string{"AA00000002"})
	})
}

func TestOutboxExamplesSaySoWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	for _, happens := range []string{"killed", "lost"} {
		inEachProgram(t, []string{"AA00000001"}, func(s *shop, program outboxProgram) {
			if got := s.pay(program, "AA00000001:"+happens); got[0] != "failed" {
				s.Errorf("it says %q", got)
			}
			s.relayed(nil, "AA00000001")
			if got := s.pay(program, "AA00000001"); got[0] != "new" {
				s.Errorf("it says %q afterwards", got)
			}
			s.relayed([]string{"AA00000001"})
		})
	}
}

// A payment is called back several times at once, and each time by way of PgBouncer where it is PostgreSQL.
func TestOutboxExamplesPayAnOrderOnceHoweverOftenItIsCalledBack(t *testing.T) {
	t.Parallel()
	var orders []string
	for i := range 40 {
		orders = append(orders, fmt.Sprintf("AA%08d", i))
	}
	inEachProgram(t, orders, func(s *shop, program outboxProgram) {
		if s.kind == "postgres" {
			bouncer := dbtest.PgBouncer(s.T, s.server, dbtest.Options{Args: []string{"default_pool_size = 2"}})
			var err error
			s.host, s.port, err = net.SplitHostPort(bouncer.Addr())
			s.must(err)
			s.encoding = "" // PgBouncer does not let it through
		}
		said, errs := make([][]string, 4), make([]error, 4)
		command := program.command(s.T)
		var all sync.WaitGroup
		for i := range said {
			all.Go(func() { said[i], errs[i] = s.run(command, program.bridged, orders) })
		}
		all.Wait()
		s.must(errors.Join(errs...))
		for k, tsr := range orders {
			new := 0
			for _, one := range said {
				switch one[k] {
				case "new":
					new++
				case "failed":
					s.Errorf("%s failed", tsr)
				}
			}
			if new != 1 {
				s.Errorf("%s was new %d times", tsr, new)
			}
		}
		s.relayed(orders)
	})
}
