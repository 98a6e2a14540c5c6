#!/usr/bin/env bash
# Go's database/sql with go-sql-driver/mysql and MariaDB: after a deadlock the server has ended the transaction, the
# *sql.Tx has not, and what is executed on it from then on is committed at once. Rollback then returns nil and undoes
# nothing.
#
# A shop writes its order and a job for a queue in one transaction, and a statement between the two fails. With most
# errors, a duplicate key say, the transaction is as it was before that statement: one may go on, and Rollback undoes
# everything. So one would guess that it is the same for a deadlock (1213), or that the *sql.Tx refuses whatever comes
# after it, as with PostgreSQL. But InnoDB rolls the whole transaction of the loser back and ends it, and the
# connection is in autocommit mode again. The *sql.Tx still holds that connection and sends statements to it: each
# succeeds, and is a transaction of its own. Rollback and Commit are sent too, are valid SQL where there is nothing to
# end, and return nil. So what came before the error is lost although Commit says nil, and what came after it stands
# although Rollback says nil: a job without its order. The server tells in each answer whether a transaction is open,
# but the driver does not look at that.
# Whoever catches an error inside a transaction has to give the transaction up when it is 1213.
#
# What runs: a MariaDB server of its own in a temporary folder, and a program which does that with a duplicate key and
# with a deadlock, ends it by Rollback or by Commit, and has another connection count what is there. It passes while the
# rows are as told here, and fails when that changes. Under half a minute.
#
# Seen on 2026-11-29 with go-sql-driver/mysql v1.10.1, MariaDB 10.11.19 of Debian 12, Go 1.26.
set -euo pipefail

command -v mariadbd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-server
dir=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir "$dir/tmp"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
user=()
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown mysql "$dir" "$dir/tmp"
    user=(--user=mysql)
fi
mariadb-install-db --no-defaults "${user[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1
mariadbd --no-defaults "${user[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --socket="$dir/sock" --pid-file="$dir/pid" --port="$port" --bind-address=127.0.0.1 2>"$dir/log" &
server=$!
for _ in $(seq 200); do
    mariadb --no-defaults --socket="$dir/sock" -u root -e 'CREATE DATABASE IF NOT EXISTS shop' >/dev/null 2>&1 && break
    sleep 0.1
done

mkdir "$dir/run"
cd "$dir/run"
cat >go.mod <<'MOD'
module finding

go 1.25

require github.com/go-sql-driver/mysql v1.10.1
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	ctx     = context.Background()
	db      *sql.DB
	changed bool
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

func exec(on interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string) {
	_, err := on.ExecContext(ctx, query)
	must(err)
}

// number reads one number.
func number(on interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string) (n int) {
	must(on.QueryRowContext(ctx, query).Scan(&n))
	return n
}

// duplicate has a statement of tx fail with 1062.
func duplicate(tx *sql.Tx) error {
	_, err := tx.Exec("INSERT INTO stock VALUES (1, 5)")
	return err
}

// deadlock has tx lose a deadlock, 1213, against a transaction that has changed more rows.
func deadlock(tx *sql.Tx) error {
	other, err := db.BeginTx(ctx, nil)
	must(err)
	defer other.Rollback()
	exec(other, "INSERT INTO ballast SELECT seq FROM seq_1_to_200")
	exec(other, "UPDATE stock SET n = n - 1 WHERE id = 2")
	exec(tx, "UPDATE stock SET n = n - 1 WHERE id = 1")
	result := make(chan error)
	go func() {
		_, err := tx.Exec("UPDATE stock SET n = n - 1 WHERE id = 2")
		result <- err
	}()
	for n := 0; number(db, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") == 0; n++ {
		if n == 100 {
			must(errors.New("the statement does not wait"))
		}
		time.Sleep(50 * time.Millisecond)
	}
	exec(other, "UPDATE stock SET n = n - 1 WHERE id = 1")
	return <-result
}

// sale writes an order, has a statement fail, goes on with a job, and ends the transaction.
func sale(what string, fail func(*sql.Tx) error, code uint16, open int, how string, end func(*sql.Tx) error, orders, jobs int) {
	for _, table := range []string{"orders", "jobs", "ballast"} {
		exec(db, "DELETE FROM "+table)
	}
	tx, err := db.BeginTx(ctx, nil)
	must(err)
	exec(tx, "INSERT INTO orders VALUES ('an order')")
	failed := fail(tx)
	still := number(tx, "SELECT @@in_transaction")
	_, job := tx.Exec("INSERT INTO jobs VALUES ('its job')")
	beside := number(db, "SELECT COUNT(*) FROM jobs")
	ended := end(tx)
	o, j := number(db, "SELECT COUNT(*) FROM orders"), number(db, "SELECT COUNT(*) FROM jobs")
	fmt.Printf("%s, then %s:\n  the statement:      %v\n", what, how, failed)
	fmt.Printf("  in a transaction:   %d (the server's word)\n", still)
	fmt.Printf("  INSERT of the job:  %v; jobs that another connection sees now: %d\n", job, beside)
	fmt.Printf("  %-18s  %v; after that there are orders: %d, jobs: %d\n", how+":", ended, o, j)
	var e *mysql.MySQLError
	if !errors.As(failed, &e) || e.Number != code || still != open || job != nil || beside != 1-open || ended != nil || o != orders || j != jobs {
		changed = true
	}
}

func main() {
	var err error
	db, err = sql.Open("mysql", os.Args[1])
	must(err)
	defer db.Close()
	var version string
	must(db.QueryRow("SELECT CONCAT(VERSION(), ', ', @@tx_isolation)").Scan(&version))
	fmt.Println("MariaDB", version)
	exec(db, "CREATE TABLE orders (name TEXT NOT NULL)")
	exec(db, "CREATE TABLE jobs (name TEXT NOT NULL)")
	exec(db, "CREATE TABLE ballast (n INT NOT NULL)")
	exec(db, "CREATE TABLE stock (id INT PRIMARY KEY, n INT NOT NULL)")
	exec(db, "INSERT INTO stock VALUES (1, 1000), (2, 1000)")

	sale("a duplicate key", duplicate, 1062, 1, "Rollback", (*sql.Tx).Rollback, 0, 0)
	sale("a duplicate key", duplicate, 1062, 1, "Commit", (*sql.Tx).Commit, 1, 1)
	sale("a deadlock", deadlock, 1213, 0, "Rollback", (*sql.Tx).Rollback, 0, 1)
	sale("a deadlock", deadlock, 1213, 0, "Commit", (*sql.Tx).Commit, 0, 1)
	if changed {
		fmt.Println("this has changed")
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go list -m github.com/go-sql-driver/mysql
go version
go build -o finding .
./finding "root@tcp(127.0.0.1:$port)/shop"
