package relay_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/relay"
)

func TestAURLIsTakenApartOrRefusedWithoutBeingQuoted(t *testing.T) {
	t.Parallel()
	const word = "s3cr3t-w0rd"
	for text, want := range map[string]struct{ is, warns, err string }{
		"postgres://u:" + word + "@127.0.0.1:5432/shop":                     {is: "postgres 127.0.0.1:5432/shop"},
		"postgresql://u:" + word + "@localhost/shop":                        {is: "postgres localhost:5432/shop"},
		"postgres://u:" + word + "@db.example:5432/shop":                    {is: "postgres db.example:5432/shop"},
		"postgres://u:" + word + "@a.example,b.example/shop":                {is: "postgres a.example:5432/shop"},
		"postgres://u:" + word + "@db.example/shop?sslmode=disable":         {is: "postgres db.example:5432/shop", warns: "sslmode=disable"},
		"postgres://u:" + word + "@db.example/shop?sslmode=require":         {is: "postgres db.example:5432/shop", warns: "sslmode=require"},
		"postgres:///shop?host=/run/postgresql&user=u&password=" + word:     {is: "postgres /run/postgresql:5432/shop"},
		"mysql://u:" + word + "@127.0.0.1/shop":                             {is: "mysql 127.0.0.1:3306/shop"},
		"mariadb://u:" + word + "@db.example:3307/shop":                     {is: "mysql db.example:3307/shop"},
		"mysql://u:" + word + "@db.example/shop?tls=false":                  {is: "mysql db.example:3306/shop", warns: "tls=false"},
		"mysql://u:" + word + "@/shop?socket=/run/mysqld/mysqld.sock":       {is: "mysql /run/mysqld/mysqld.sock/shop"},
		"postgres://u:" + word + "@db.example/shop?sslmode=prefer":          {err: "sslmode=prefer"},
		"postgres://u:" + word + "@db.example/shop?sslmode=allow":           {err: "sslmode=allow"},
		"postgres://u:" + word + "@db.example/shop?sslmode=none":            {err: "refused"},
		"postgres://u:" + word + "@db.example:x/shop":                       {err: "malformed"},
		"postgres://u:" + word + "%zz@db.example/shop":                      {err: "malformed"},
		"mysql://u:" + word + "@db.example":                                 {err: "names no database"},
		"mysql://u:" + word + "@db.example/shop?tls=skip-verify":            {err: "neither true nor false"},
		"mysql://u:" + word + "@db.example/shop?parseTime=" + word:          {err: "unknown"},
		"mysql://u:" + word + "@db.example/shop?ca_file=/no/such/" + "file": {err: "ca_file"},
		"postgres://u:12/" + word + "@db.example/shop":                      {err: "percent-encoded"},
		"mysql://u:12/" + word + "@db.example/shop":                         {err: "percent-encoded"},
		"mysql://u:12?" + word + "@db.example/shop":                         {err: "percent-encoded"},
		"mysql://u:" + word + "@db.example/shop?ca_file=/dev/zero":          {err: "not a regular file"}, // which never ends
		"postgres://u@db.example/shop?connect_timeout=" + word:              {err: "connect_timeout"},
		"redis://u:" + word + "@db.example/0":                               {err: "malformed"},
		word:                                                                {err: "malformed"},
	} {
		db, err := relay.ParseURL(text)
		name := strings.ReplaceAll(text, word, "…")
		switch {
		case err != nil:
			if want.err == "" || !strings.Contains(err.Error(), want.err) || strings.Contains(err.Error(), word) {
				t.Errorf("%s: got %v, want %q", name, err, want.err)
			}
		case want.err != "":
			t.Errorf("%s: got %s, want an error with %q", name, db, want.err)
		case db.String() != want.is || strings.Contains(strings.Join(db.Warnings, " "), word):
			t.Errorf("%s: got %s, %q, want %s", name, db, db.Warnings, want.is)
		case want.warns == "" && len(db.Warnings) > 0, !strings.Contains(strings.Join(db.Warnings, " "), want.warns):
			t.Errorf("%s: it warns %q, want %q", name, db.Warnings, want.warns)
		}
	}
}

// What others are between is encrypted, and the server proves who it is.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	for kind, start := range starts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := start(t, dbtest.Options{TLS: true, Password: "s3cr3t"})
			u, err := url.Parse(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			option := map[string]string{"postgres": "sslrootcert", "mysql": "ca_file"}[kind]
			q := u.Query()
			for ca, works := range map[string]bool{server.CA(): true, server.OtherCA(): false} {
				q.Set(option, ca)
				u.RawQuery = q.Encode()
				if err := reached(t.Context(), u.String()); (err == nil) != works {
					t.Errorf("with the certificate authority %s: %v", ca, err)
				}
			}
			u.RawQuery = map[string]string{"postgres": "sslmode=disable", "mysql": "tls=false"}[kind]
			if err := reached(t.Context(), u.String()); err == nil {
				t.Error("a server that demands TLS takes a connection in the clear")
			}
		})
	}
}

func reached(ctx context.Context, u string) error {
	database, err := relay.ParseURL(u)
	if err != nil {
		return err
	}
	db, err := database.Open()
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

// The first server turns into one that only reads, as an old master does after a failover.
func TestAFailoverOfPostgresIsFollowed(t *testing.T) {
	t.Parallel()
	first := newBenchIn(t, "postgres", dbtest.Postgres(t), "shop", "ecpayq")
	second := newBenchIn(t, "postgres", dbtest.Postgres(t), "shop", "ecpayq")
	u, err := url.Parse(first.url)
	first.must(err)
	u.Host += "," + second.server.Addr()
	q := u.Query()
	q.Set("target_session_attrs", "read-write")
	u.RawQuery = q.Encode()
	first.database, err = relay.ParseURL(u.String())
	first.must(err)
	first.relay(nil)
	first.insert(first.shop, trigger("FIRST"))
	first.eventually("it is relayed", func() bool { return first.inQueue("FIRST") })
	first.exec("ALTER SYSTEM SET default_transaction_read_only = on")
	first.exec("SELECT pg_reload_conf()")
	second.insert(second.shop, trigger("SECOND"))
	old, err := first.shop.Conn(t.Context()) // the row is replicated to the old master
	first.must(err)
	_, err = old.ExecContext(t.Context(), "SET default_transaction_read_only = off")
	first.must(err)
	first.insert(old, trigger("SECOND"))
	first.must(old.Close())
	first.eventually("the row of the other server is relayed", func() bool { return first.inQueue("SECOND") && second.count("true") == 0 })
}

// The name of the database leads to another server from now on, as after a failover, and connections to the
// first one stay open, which only reads. The relay makes new ones.
func TestAFailoverOfMariaDBIsFollowed(t *testing.T) {
	t.Parallel()
	first := newBenchIn(t, "mysql", dbtest.MariaDB(t), "shop", "ecpayq")
	second := newBenchIn(t, "mysql", dbtest.MariaDB(t), "shop", "ecpayq")
	var leads atomic.Value
	leads.Store(first.server.Addr())
	name, err := net.Listen("tcp", "127.0.0.1:0")
	first.must(err)
	t.Cleanup(func() { name.Close() })
	go func() {
		for {
			from, err := name.Accept()
			if err != nil {
				return
			}
			go func() {
				defer from.Close()
				to, err := net.Dial("tcp", leads.Load().(string))
				if err != nil {
					return
				}
				defer to.Close()
				go func() { _, _ = io.Copy(to, from); to.Close() }()
				_, _ = io.Copy(from, to)
			}()
		}
	}()
	u, err := url.Parse(first.url)
	first.must(err)
	u.Host = name.Addr().String()
	first.database, err = relay.ParseURL(u.String())
	first.must(err)
	first.relay(nil)
	first.insert(first.shop, trigger("FIRST"))
	first.eventually("it is relayed", func() bool { return first.inQueue("FIRST") })
	leads.Store(second.server.Addr())
	first.exec("SET GLOBAL read_only = ON")
	second.insert(second.shop, trigger("SECOND"))
	first.eventually("the row of the other server is relayed", func() bool { return first.inQueue("SECOND") && second.count("true") == 0 })
}
