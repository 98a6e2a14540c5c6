package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/enqueue/outbox"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks"
)

// servers are shared, each test having a database of its own, and started when one is wanted: a
// fuzzer runs this program many times.
var servers = map[string]func() (*dbtest.Server, error){
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

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range started.list {
		_ = s.Stop()
	}
	os.Exit(code)
}

// bench is the database of a shop with the table, and a Redis to which its rows are relayed.
type bench struct {
	*testing.T
	kind, name, address, url string
	shop                     *sql.DB
	redis                    *redistest.Server
	client                   *enqueue.Client
}

// both runs a test with each database.
func both(t *testing.T, f func(b *bench)) {
	t.Parallel()
	for kind := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(newBench(t, kind, ""))
		})
	}
}

var databases atomic.Int64

// newBench takes what follows CREATE DATABASE and the name.
func newBench(t *testing.T, kind, with string) *bench {
	t.Helper()
	server, err := servers[kind]()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, kind: kind, name: fmt.Sprintf("shop%d", databases.Add(1))}
	b.address, b.redis = server.Addr(), redistest.New(t, redistest.Options{AppendFsync: "no"})
	_, err = server.Open(t).ExecContext(t.Context(), "CREATE DATABASE "+b.name+" "+with)
	b.must(err)
	b.url = map[string]string{
		"postgres": "postgres://postgres@" + b.address + "/" + b.name + "?sslmode=disable",
		"mysql":    "mysql://root@" + b.address + "/" + b.name,
	}[kind]
	b.shop = server.OpenDatabase(t, b.name)
	if with != "" && kind == "postgres" { // that of the server says nothing, and so talks in the encoding of the database
		b.shop, err = sql.Open("pgx", b.url+"&client_encoding=UTF8")
		b.must(err)
		t.Cleanup(func() { _ = b.shop.Close() })
	}
	schema, err := relay.Schema(kind, relay.SchemaOptions{})
	b.must(err)
	b.exec(schema)
	b.client, err = enqueue.New(enqueue.Config{RedisURL: b.redis.URL(), PayloadKeys: samples.PayloadKeys()})
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

func (b *bench) exec(text string) {
	b.Helper()
	_, err := b.shop.ExecContext(b.Context(), text)
	b.must(err)
}

// database is the option for it.
func (b *bench) database() outbox.Database { return outbox.Database(b.kind) }

// commit adds an intent in a transaction of its own.
func (b *bench) commit(p tasks.Payload, opts ...outbox.Option) {
	b.Helper()
	tx, err := b.shop.BeginTx(b.Context(), nil)
	b.must(err)
	b.must(outbox.Add(b.Context(), tx, p, opts...))
	b.must(tx.Commit())
}

// relay relays what is there, of which nothing may be wrong.
func (b *bench) relay() relay.Claim {
	b.Helper()
	database, err := relay.ParseURL(b.url)
	b.must(err)
	r, err := relay.New(relay.Config{Database: database, Client: b.client, Logger: zerolog.New(zerolog.NewTestWriter(b))})
	b.must(err)
	defer func() { _ = r.Stop() }()
	c, err := r.Once(b.Context())
	b.must(err)
	return c
}

func (b *bench) rows() (n int) {
	b.Helper()
	b.must(b.shop.QueryRowContext(b.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
	return n
}

// stored reports whether Redis has the task of a payload as it is.
func (b *bench) stored(p tasks.Payload) bool {
	b.Helper()
	want, err := tasks.Encode(p)
	b.must(err)
	task, err := b.client.Task(b.Context(), tasks.ID(p))
	if err != nil {
		return false
	}
	payload, err := samples.PayloadKeys().Open(task.ID, task.Type, task.Payload)
	return err == nil && string(payload) == string(want)
}

func trigger(tsr string) *enqueue.TriggerIssue {
	return &enqueue.TriggerIssue{MerchantID: "2000132", Tsr: tsr, PayType: "2"}
}

func void(number, reason string) *enqueue.Invalid {
	return &enqueue.Invalid{MerchantID: "2000132", InvoiceNumber: number, InvoiceDate: "2026-11-01", Reason: reason}
}
