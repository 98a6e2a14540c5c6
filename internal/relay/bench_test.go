package relay_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
)

// servers are shared by the tests that do nothing to them.
var servers = map[string]*dbtest.Server{}

func TestMain(m *testing.M) {
	code := 1
	for kind, start := range map[string]func(context.Context, dbtest.Options) (*dbtest.Server, error){
		"postgres": dbtest.StartPostgres, "mysql": dbtest.StartMariaDB,
	} {
		s, err := start(context.Background(), dbtest.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			stopAll()
			os.Exit(1)
		}
		servers[kind] = s
	}
	code = m.Run()
	stopAll()
	os.Exit(code)
}

func stopAll() {
	for _, s := range servers {
		_ = s.Stop()
	}
}

const merchant = "2000132"

// bench is a database with the table, a Redis, and a shop that uses both.
type bench struct {
	*testing.T
	kind     string
	server   *dbtest.Server
	url      string // of the relay, with its user
	user     string
	database *relay.Database
	shop     *sql.DB
	redis    *redistest.Server
	rdb      redis.UniversalClient
	client   *enqueue.Client
}

// both runs a test with each database.
func both(t *testing.T, f func(b *bench)) {
	t.Parallel()
	for _, kind := range []string{"postgres", "mysql"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(newBench(t, kind, servers[kind]))
		})
	}
}

var databases atomic.Int64

func newBench(t *testing.T, kind string, server *dbtest.Server) *bench {
	t.Helper()
	n := databases.Add(1)
	return newBenchIn(t, kind, server, fmt.Sprintf("shop%d", n), fmt.Sprintf("ecpayq%d", n))
}

// newBenchIn is newBench with a name for the database and one for the user of the relay.
func newBenchIn(t *testing.T, kind string, server *dbtest.Server, name, user string) *bench {
	t.Helper()
	b := &bench{T: t, kind: kind, server: server, redis: redistest.New(t, redistest.Options{AppendFsync: "no"})}
	u, err := url.Parse(server.Database(t, name))
	b.must(err)
	b.shop = server.OpenDatabase(t, name)
	b.user = user
	b.exec(map[string]string{"postgres": "CREATE ROLE " + user + " LOGIN", "mysql": "CREATE USER " + user}[kind])
	text, err := relay.Schema(kind, relay.SchemaOptions{Relay: user, Notify: kind == "postgres"})
	b.must(err)
	b.exec(text)
	u.User = url.User(user)
	b.url = u.String()
	b.database, err = relay.ParseURL(b.url)
	b.must(err)
	b.rdb = b.redis.Client()
	b.client, err = enqueue.New(enqueue.Config{RedisURL: b.redis.URL()})
	b.must(err)
	t.Cleanup(func() { _ = b.client.Close() })
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) exec(text string, args ...any) {
	b.Helper()
	_, err := b.shop.ExecContext(b.Context(), text, args...)
	b.must(err)
}

// mark is the first parameter of a statement.
func (b *bench) mark() string { return map[string]string{"postgres": "$1", "mysql": "?"}[b.kind] }

func trigger(tsr string) string {
	return fmt.Sprintf(`{"type":"b2c:trigger_issue","data":{"MerchantID":%q,"Tsr":%q}}`, merchant, tsr)
}

// execer is a transaction or a pool of the shop's.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (b *bench) insert(in execer, intent any) {
	b.Helper()
	_, err := in.ExecContext(b.Context(), "INSERT INTO ecpayq_outbox (intent) VALUES ("+b.mark()+")", intent)
	b.must(err)
}

func (b *bench) config() relay.Config {
	return relay.Config{Database: b.database, Client: b.client, Logger: zerolog.Nop()}
}

// relay runs one until the end of the test.
func (b *bench) relay(change func(*relay.Config)) *relay.Relay {
	b.Helper()
	cfg := b.config()
	if change != nil {
		change(&cfg)
	}
	r, err := relay.New(cfg)
	b.must(err)
	r.Start()
	b.Cleanup(func() { _ = r.Stop() })
	return r
}

func (b *bench) once(change func(*relay.Config)) relay.Claim {
	b.Helper()
	cfg := b.config()
	if change != nil {
		change(&cfg)
	}
	r, err := relay.New(cfg)
	b.must(err)
	defer func() { _ = r.Stop() }()
	c, err := r.Once(b.Context())
	b.must(err)
	return c
}

// inQueue reports whether asynq has the task of a Tsr.
func (b *bench) inQueue(tsr string) bool {
	b.Helper()
	n, err := b.rdb.Exists(b.Context(), asynqx.TaskKey("trigger_issue", "b2c.trigger_issue."+merchant+"."+tsr)).Result()
	b.must(err)
	return n == 1
}

func (b *bench) count(where string) (n int) {
	b.Helper()
	b.must(b.shop.QueryRowContext(b.Context(), "SELECT count(*) FROM ecpayq_outbox WHERE "+where).Scan(&n))
	return n
}

// eventually waits for something that comes by itself.
func (b *bench) eventually(what string, ok func() bool) {
	b.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not within a minute: %s", what)
		}
	}
}

func (b *bench) admin() *relay.Admin {
	b.Helper()
	db, err := b.database.Open()
	b.must(err)
	b.Cleanup(func() { _ = db.Close() })
	return relay.NewAdmin(b.database, db)
}

func (b *bench) rows(all bool) (list []relay.Row) {
	b.Helper()
	b.must(b.admin().List(b.Context(), all, func(r relay.Row) error {
		list = append(list, r)
		return nil
	}))
	return list
}

// afterPipelines calls f after the n-th pipeline of a client has been answered.
type afterPipelines struct {
	n     int64
	count atomic.Int64
	f     func()
}

func (h *afterPipelines) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *afterPipelines) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *afterPipelines) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if h.count.Add(1) == h.n {
			h.f()
		}
		return err
	}
}

// throughPgBouncer has relays reach the database through a pooler.
func (b *bench) throughPgBouncer() {
	b.Helper()
	pooler := dbtest.PgBouncer(b.T, b.server)
	u, err := url.Parse(b.url)
	b.must(err)
	u.Host = pooler.Addr()
	b.database, err = relay.ParseURL(u.String())
	b.must(err)
}
