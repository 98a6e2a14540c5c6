#!/usr/bin/env bash
# MariaDB 10.11 (InnoDB): two workers of a queue that have claimed different rows, and each delete by DELETE … WHERE id
# IN (…) exactly what they claimed, deadlock with each other.
#
# SELECT … FOR UPDATE SKIP LOCKED gives each worker rows of its own, and id is the primary key. One would guess that a
# DELETE of these ids touches no other row, in READ COMMITTED at least. But of a short table the optimizer finds it
# cheaper to read all of it than to look 50 ids up, and a DELETE that reads a row asks for its lock before it knows
# whether the row is meant. So each worker waits for the other's claim, and one gets 1213: its claim is undone and has to
# be made again. A queue is short most of the time. With 1,000 rows in it the same statement takes the index and nobody
# meets anybody, so that a benchmark of a long queue shows this only towards its end, if at all.
# What reads by the key whatever the length: a join from a derived table of the ids with STRAIGHT_JOIN, or one DELETE for
# each id.
#
# What runs: a MariaDB server of its own in a temporary folder, and a program in which two transactions claim 50 rows
# each, of 200 and of 1,000, and then both delete them, 20 times with each form. It passes while the first form deadlocks
# at 200 rows and not at 1,000, and the others do not, and fails when that changes. Under half a minute.
#
# Seen on 2026-11-29 with MariaDB 10.11.19 of Debian 12, go-sql-driver/mysql v1.10.1, Go 1.26.
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
	"strings"
	"sync"

	"github.com/go-sql-driver/mysql"
)

const (
	claim  = 50
	rounds = 20
)

var (
	ctx = context.Background()
	db  *sql.DB
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

// forms are the ways to delete the rows of these ids, each as one or more statements.
var forms = []struct {
	name    string
	deletes func(ids []string) []string
}{
	{"id IN (…)", func(ids []string) []string {
		return []string{"DELETE FROM q WHERE id IN (" + strings.Join(ids, ", ") + ")"}
	}},
	{"STRAIGHT_JOIN", func(ids []string) []string {
		return []string{"DELETE q FROM (SELECT " + strings.Join(ids, " AS id UNION ALL SELECT ") + ") c STRAIGHT_JOIN q ON q.id = c.id"}
	}},
	{"one id each", func(ids []string) (each []string) {
		for _, id := range ids {
			each = append(each, "DELETE FROM q WHERE id = "+id)
		}
		return each
	}},
}

// take claims rows in tx.
func take(tx *sql.Tx) (ids []string) {
	rows, err := tx.Query(fmt.Sprintf("SELECT id FROM q ORDER BY id LIMIT %d FOR UPDATE SKIP LOCKED", claim))
	must(err)
	for rows.Next() {
		var id string
		must(rows.Scan(&id))
		ids = append(ids, id)
	}
	must(rows.Err())
	return ids
}

// explain tells how a DELETE reads q.
func explain(query string) string {
	rows, err := db.Query("EXPLAIN " + query)
	must(err)
	defer rows.Close()
	for rows.Next() {
		var id, kind, table, access, possible, key, length, ref, count, extra sql.NullString
		must(rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &count, &extra))
		if table.String == "q" {
			if !key.Valid {
				key.String = "none"
			}
			return fmt.Sprintf("type %s, key %s", access.String, key.String)
		}
	}
	return "?"
}

// round has two workers claim rows of a queue of size, and then both delete what they claimed.
func round(size int, deletes func(ids []string) []string) (plan string, deadlocks int, deleted int64) {
	_, err := db.Exec("TRUNCATE q")
	must(err)
	_, err = db.Exec("INSERT INTO q (body) SELECT CONCAT('job ', seq) FROM seq_1_to_" + fmt.Sprint(size))
	must(err)
	var txs [2]*sql.Tx
	var ids [2][]string
	for w := range txs {
		txs[w], err = db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		must(err)
		ids[w] = take(txs[w])
		if len(ids[w]) != claim {
			must(fmt.Errorf("claimed %d", len(ids[w])))
		}
	}
	mine := map[string]bool{}
	for _, id := range append(ids[0], ids[1]...) {
		mine[id] = true
	}
	if len(mine) != 2*claim {
		must(errors.New("the claims are not disjoint"))
	}
	plan = explain(deletes(ids[0])[0])
	var all sync.WaitGroup
	var mu sync.Mutex
	for w := range txs {
		all.Go(func() {
			defer txs[w].Rollback()
			var own int64
			for _, query := range deletes(ids[w]) {
				result, err := txs[w].Exec(query)
				var e *mysql.MySQLError
				if errors.As(err, &e) && e.Number == 1213 {
					mu.Lock()
					deadlocks++
					mu.Unlock()
					return
				}
				must(err)
				n, err := result.RowsAffected()
				must(err)
				own += n
			}
			must(txs[w].Commit())
			mu.Lock()
			deleted += own
			mu.Unlock()
		})
	}
	all.Wait()
	return plan, deadlocks, deleted
}

func main() {
	var err error
	db, err = sql.Open("mysql", os.Args[1])
	must(err)
	defer db.Close()
	var version string
	must(db.QueryRow("SELECT VERSION()").Scan(&version))
	fmt.Println("MariaDB", version)
	_, err = db.Exec("CREATE TABLE q (id BIGINT AUTO_INCREMENT PRIMARY KEY, body TEXT NOT NULL)")
	must(err)

	changed := false
	for _, size := range []int{200, 1000} {
		for i, form := range forms {
			var plan string
			deadlocks, deleted := 0, int64(0)
			for range rounds {
				p, n, d := round(size, form.deletes)
				plan, deadlocks, deleted = p, deadlocks+n, deleted+d
			}
			fmt.Printf("%4d rows, %-13s  (%s): %d deadlocks in %d rounds, %d of %d rows deleted\n", size, form.name, plan, deadlocks, rounds, deleted, 2*claim*rounds)
			if (deadlocks > 0) != (i == 0 && size == 200) {
				changed = true
			}
		}
	}
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
