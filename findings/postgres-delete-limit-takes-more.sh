#!/usr/bin/env bash
# PostgreSQL 15: a queue's claim in one statement, DELETE … WHERE id IN (SELECT … LIMIT 50 FOR UPDATE SKIP LOCKED)
# RETURNING, may delete the whole queue at once, when the queue was nearly empty the last time it was analysed.
#
# One would guess that LIMIT 50 bounds what the statement takes. It bounds one execution of the subselect, and how often
# that is executed is for the planner to choose. While it expects more than a few rows it joins by a hash and executes it
# once. When it expects one row it takes a nested loop and executes the subselect again for each row of the table. Each
# time the rows that this very statement has deleted are passed over, so each time the subselect has 50 others, and every
# row finds itself among them sooner or later.
# A queue is nearly empty most of the time, and then it is analysed: autovacuum does so after a long queue was worked
# off, and finds one row on many pages. The burst that comes next goes into those pages, and until autovacuum has come
# again (it looks once a minute) the first worker that claims 50 jobs gets all of them. It then holds thousands in one
# transaction, the other workers find nothing, and a program that reserved room for 50 has not enough. With DELETE …
# USING (subselect) it is the same. A test on a new table does not show it: of this one, never analysed, the planner
# expects 1,200 rows, and takes the hash. A subselect in WITH … AS MATERIALIZED, or in = ANY (ARRAY(…)), is executed
# once.
#
# What runs: a PostgreSQL server of its own in a temporary folder. 5,000 jobs are enqueued and all but one deleted, the
# table is analysed, 3,000 are enqueued, and each form claims 50 and is rolled back; then the table is analysed again. It
# passes while the first two forms take all 3,001 before and 50 after that and the other two take 50 throughout, and fails
# when that changes. Autovacuum is off, so that it cannot come between; left on, it gives the planner the same numbers.
# About ten seconds.
#
# Seen on 2026-11-29 with PostgreSQL 15.18 of Debian 12.
set -euo pipefail

bin=/usr/lib/postgresql/15/bin
[ -x "$bin/initdb" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -q postgresql-15
dir=$(mktemp -d)
server=
trap 'kill -INT $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as=()
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown postgres "$dir"
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
cd "$dir"
"${as[@]}" "$bin/initdb" --pgdata "$dir/data" --username shop --auth trust --no-sync >/dev/null
"${as[@]}" "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c autovacuum=off 2>"$dir/log" &
server=$!
for _ in $(seq 100); do
    "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && break
    sleep 0.1
done
sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U shop postgres "$@"; }
sql -c 'SELECT version()'

claim='SELECT id FROM q ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED'
declare -A form=(
    [in]="DELETE FROM q WHERE id IN ($claim) RETURNING q.id"
    [using]="DELETE FROM q USING ($claim) c WHERE q.id = c.id RETURNING q.id"
    [with]="WITH c AS MATERIALIZED ($claim) DELETE FROM q USING c WHERE q.id = c.id RETURNING q.id"
    [array]="DELETE FROM q WHERE id = ANY (ARRAY($claim)) RETURNING q.id"
)
# claims WHEN: how many rows each form deletes, and how the first is planned.
claims() {
    echo "$1: the planner's numbers are $(sql -c "SELECT relpages || ' pages, ' || reltuples || ' rows' FROM pg_class WHERE relname = 'q'"); the table has $(sql -c 'SELECT count(*) FROM q') rows"
    sql -c BEGIN -c "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) ${form[in]}" -c ROLLBACK | sed 's/^/    /'
    for f in in using with array; do
        n=$(sql -c BEGIN -c "${form[$f]}" -c ROLLBACK | wc -l)
        echo "  LIMIT 50 by $f: $n rows deleted"
        took+=" $n"
    done
}

took=
sql -c 'CREATE TABLE q (id bigserial PRIMARY KEY, body text NOT NULL)' \
    -c "INSERT INTO q (body) SELECT 'job ' || n FROM generate_series(1, 300) n"
claims "a new table, never analysed"
sql -c 'TRUNCATE q RESTART IDENTITY' -c "INSERT INTO q (body) SELECT 'job ' || n FROM generate_series(1, 5000) n" \
    -c 'DELETE FROM q WHERE id < 5000' -c 'VACUUM (ANALYZE) q' \
    -c "INSERT INTO q (body) SELECT 'job ' || n FROM generate_series(1, 3000) n"
claims "filled again after it was analysed nearly empty"
sql -c 'ANALYZE q'
claims "the same, analysed now"
if [ "$took" != " 50 50 50 50 3001 3001 50 50 50 50 50 50" ]; then
    echo "this has changed: $took"
    exit 1
fi
