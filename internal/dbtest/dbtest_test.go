//go:build unix

package dbtest_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/dbtest"
)

func TestServersAreDurableAndLocalByDefault(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		ctx := deadline(t, limit)
		s := dbtest.Postgres(t)
		db := s.Open(t)
		want := map[string]string{
			"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "listen_addresses": "127.0.0.1", "ssl": "off",
			"port": fmt.Sprint(s.Port()), "data_directory": filepath.Join(s.Dir(), "data"), "unix_socket_directories": s.Dir(),
			"server_encoding": "UTF8", "default_transaction_isolation": "read committed", "is_superuser": "on", "TimeZone": "UTC",
		}
		got := map[string]string{}
		for name := range want {
			got[name] = value(t, ctx, db, "SHOW "+name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
		if got, want := s.URL(), "postgres://postgres@"+s.Addr()+"/postgres?sslmode=disable"; got != want {
			t.Errorf("URL() = %q, want %q", got, want)
		}
		if s.CA() != "" || s.OtherCA() != "" {
			t.Errorf("without TLS there are CA() = %q and OtherCA() = %q", s.CA(), s.OtherCA())
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		ctx := deadline(t, limit)
		s := dbtest.MariaDB(t)
		db := s.Open(t)
		want := map[string]string{
			"innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "1", "bind_address": "127.0.0.1", "skip_networking": "0",
			"port": fmt.Sprint(s.Port()), "datadir": filepath.Join(s.Dir(), "data") + "/", "socket": s.Socket(),
			"character_set_server": "utf8mb4", "tx_isolation": "REPEATABLE-READ", "have_ssl": "DISABLED", "log_bin": "0",
		}
		got := map[string]string{}
		for name := range want {
			got[name] = value(t, ctx, db, "SELECT @@"+name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
		if got, want := s.URL(), "mysql://root@"+s.Addr()+"/test"; got != want {
			t.Errorf("URL() = %q, want %q", got, want)
		}
		if got := value(t, ctx, db, "SELECT GROUP_CONCAT(DISTINCT User) FROM mysql.global_priv WHERE User <> 'mariadb.sys'"); got != "root" {
			t.Errorf("there are users %s, want root alone", got)
		}
	})
}

func TestOptionsReachTheServer(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		ctx := deadline(t, limit)
		db := dbtest.Postgres(t, dbtest.Options{NoSync: true, Args: []string{"--synchronous_commit=off", "-c", "max_connections=17"}}).Open(t)
		for name, want := range map[string]string{"fsync": "off", "synchronous_commit": "off", "max_connections": "17"} {
			if got := value(t, ctx, db, "SHOW "+name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		ctx := deadline(t, limit)
		db := dbtest.MariaDB(t, dbtest.Options{NoSync: true, Args: []string{
			"--transaction-isolation=READ-COMMITTED", "--sql-mode=ANSI_QUOTES", "--log-bin", "--binlog-format=ROW",
		}}).Open(t)
		for name, want := range map[string]string{
			"innodb_flush_log_at_trx_commit": "2", "global.tx_isolation": "READ-COMMITTED", "global.sql_mode": "ANSI_QUOTES",
			"log_bin": "1", "binlog_format": "ROW",
		} {
			if got := value(t, ctx, db, "SELECT @@"+name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	})
}

func TestWhatWasCommittedOutlivesAKill(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, noSync := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, NoSync %t", kind.name, noSync), func(t *testing.T) {
				t.Parallel()
				ctx := deadline(t, limit)
				s := kind.start(t, dbtest.Options{NoSync: noSync})
				db := s.Open(t)
				exec(t, ctx, db, "CREATE TABLE kept (n INT)")
				for n := range 50 {
					exec(t, ctx, db, fmt.Sprintf("INSERT INTO kept VALUES (%d)", n))
				}
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(ctx, "INSERT INTO kept VALUES (1000)"); err != nil {
					t.Fatal(err)
				}
				addr, all := s.Addr(), s.Processes()
				s.Kill()
				for _, p := range all {
					if !p.Gone() {
						t.Errorf("%s is still there after Kill", p)
					}
				}
				if tx.Commit() == nil {
					t.Error("a transaction of a killed server was committed")
				}
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					t.Error("somebody accepts connections after Kill")
				}
				if err := s.Restart(ctx); err != nil {
					t.Fatal(err)
				}
				if got := value(t, ctx, db, "SELECT COUNT(*) FROM kept"); got != "50" {
					t.Errorf("%s rows after Kill and Restart, want the 50 that were committed", got)
				}
				if s.Addr() != addr {
					t.Errorf("restarted on %s, want %s", s.Addr(), addr)
				}
			})
		}
	}
}

func TestStopAndRestartKeepTheData(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			s := kind.start(t)
			db := s.Open(t)
			exec(t, ctx, db, "CREATE TABLE kept (n INT)", "INSERT INTO kept VALUES (1)")
			held, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			begun := time.Now()
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			t.Logf("stopped in %s", time.Since(begun))
			if s.PID() != 0 {
				t.Errorf("PID() = %d after Stop", s.PID())
			}
			if err := s.Stop(); err != nil {
				t.Errorf("a second Stop: %v", err)
			}
			s.Kill()
			s.Pause()
			s.Resume()
			for range 2 { // of a stopped server, and of a running one
				if err := s.Restart(ctx); err != nil {
					t.Fatal(err)
				}
				if got := value(t, ctx, db, "SELECT COUNT(*) FROM kept"); got != "1" {
					t.Errorf("%s rows after Restart, want 1", got)
				}
			}
			if log := s.Log(); strings.Contains(log, "automatic recovery") || strings.Contains(log, "Starting crash recovery") {
				t.Errorf("the server had to recover after Stop:\n%s", log)
			}
		})
	}
}

func TestAPausedServerAnswersNobodyUntilItIsResumed(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			s := kind.start(t)
			db := s.Open(t)
			held, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			s.Pause()
			for _, p := range s.Processes() {
				if !p.Halted() {
					t.Errorf("%s runs while the server is paused", p)
				}
			}
			conn, err := net.DialTimeout("tcp", s.Addr(), 10*time.Second)
			if err != nil {
				t.Errorf("a paused server accepts no connection: %v", err)
			} else {
				conn.Close()
			}
			answer := make(chan error, 1)
			go func() {
				var one int
				answer <- held.QueryRowContext(ctx, "SELECT 1").Scan(&one)
			}()
			select {
			case err := <-answer:
				t.Errorf("a paused server answered: %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			s.Resume()
			if err := <-answer; err != nil {
				t.Errorf("after Resume: %v", err)
			}
			s.Pause()
			s.Kill()
			if err := s.Restart(ctx); err != nil {
				t.Fatalf("after a Kill of a paused server: %v", err)
			}
			s.Pause()
			if err := s.Restart(ctx); err != nil {
				t.Fatalf("of a paused server: %v", err)
			}
			value(t, ctx, db, "SELECT 1")
		})
	}
}

func TestKillEndsProcessesThatAreBusy(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			s := kind.start(t)
			db := s.Open(t)
			ended := make(chan error, 1)
			go func() {
				_, err := db.ExecContext(ctx, kind.sleep)
				ended <- err
			}()
			list := "SELECT COUNT(*) FROM information_schema.processlist WHERE info = '" + kind.sleep + "'"
			if kind.name == "PostgreSQL" {
				list = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '" + kind.sleep + "'"
			}
			eventually(t, ctx, "waiting for the statement to run", func() error {
				if n := value(t, ctx, db, list); n != "1" {
					return errors.New("it runs " + n + " times")
				}
				return nil
			})
			s.Kill()
			if err := <-ended; err == nil {
				t.Error("the statement ended well")
			}
		})
	}
}

func TestDatabasesOfOneServerAreApart(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t, limit)
			s := kind.start(t)
			names := []string{"plain", "With/slash?", `"quoted"`, "`quoted`", "帳單"}
			done := make(chan string)
			for _, name := range names { // at once, as the tests that share a server would
				go func() {
					u, err := s.CreateDatabase(ctx, name)
					if err != nil {
						t.Error(err)
					}
					done <- u
				}()
			}
			for range names {
				<-done
			}
			for _, name := range names {
				db := s.OpenDatabase(t, name)
				exec(t, ctx, db, "CREATE TABLE mine (n INT)")
				if got := value(t, ctx, db, kind.database); got != name {
					t.Errorf("connected to %q, want %q", got, name)
				}
			}
			if _, err := s.CreateDatabase(ctx, "plain"); err == nil || !strings.Contains(err.Error(), `making database "plain"`) {
				t.Errorf("a second database of the same name: %v", err)
			}
			if got, want := s.Database(t, "another"), "/another"; !strings.Contains(got, s.Addr()+want) {
				t.Errorf("Database() = %q, want it to have %q", got, s.Addr()+want)
			}
		})
	}
}
