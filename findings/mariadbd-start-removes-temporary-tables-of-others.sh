#!/usr/bin/env bash
# MariaDB 10.11: a server that starts, and mariadb-install-db too, deletes the temporary tables of other running servers
# from a tmpdir that they share, and an ordinary GROUP BY of theirs fails with "Error on delete of …".
#
# Two servers on one machine, or a server and a test that starts one of its own, have different data directories, sockets
# and ports. One would guess that they have nothing in common. But tmpdir is /tmp unless it is set, and each start, that
# which sets a new data directory up included, deletes every file in there whose name begins with #sql, whoever made
# it. With the same user, mysql say, nothing keeps it from that, and its log has no word of it. What then happens in the
# other server:
# - A SELECT that just uses a temporary table on disk, as each GROUP BY of a TEXT column does, ends with error 6 instead
#   of its rows, since the server cannot delete the file of that table after it has used it.
# - A CREATE TEMPORARY TABLE of Aria or MyISAM goes on from files that are open, so that a SELECT and an INSERT succeed.
#   A statement which needs it twice, a join of it with itself, has to open it once more and fails with 1017.
# - One of InnoDB, which is the default, is not in tmpdir and suffers nothing.
# Each server needs a --tmpdir of its own, mariadb-install-db as well.
#
# What runs: a MariaDB server of its own in a temporary folder, with temporary tables and a SELECT that waits in the
# middle of its GROUP BY. Beside them runs nothing, then mariadb-install-db for a second data directory, and then a
# second server on that; the two servers share a tmpdir inside the temporary folder. It passes while all succeeds
# beside nothing and the errors are as told here beside the others, and fails when that changes. Under a minute.
#
# Seen on 2026-11-29 with MariaDB 10.11.19 of Debian 12.
set -euo pipefail

command -v mariadbd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-server
dir=$(mktemp -d)
first= second= session= query=
trap 'exec 3>&-; kill $session $query $first $second 2>/dev/null || true; wait $session $query $first $second 2>/dev/null || true; rm -rf "$dir"' EXIT
exec 3>/dev/null
chmod 755 "$dir"
mkdir "$dir/shared" "$dir/own"
user=()
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown mysql "$dir" "$dir/shared" "$dir/own"
    user=(--user=mysql)
fi
# install N TMPDIR: a new data directory.
install() {
    mariadb-install-db --no-defaults "${user[@]}" --datadir="$dir/data$1" --tmpdir="$2" --auth-root-authentication-method=normal --skip-test-db >"$dir/install$1.log" 2>&1
}
# serve N: a server on that data directory; its process is $!.
serve() {
    mariadbd --no-defaults "${user[@]}" --datadir="$dir/data$1" --tmpdir="$dir/shared" --socket="$dir/sock$1" --pid-file="$dir/pid$1" --skip-networking >/dev/null 2>"$dir/log$1" 3>&- &
}
sql() { mariadb --no-defaults --socket="$dir/sock$1" -u root -N -B "${@:2}"; }
# await WHAT COMMAND…: until it succeeds.
await() {
    for _ in $(seq 300); do
        "${@:2}" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "never: $1"
    exit 2
}
files() { find "$dir/shared" -name '#sql*' | wc -l; }
waits() { sql 1 -e 'SELECT state FROM information_schema.processlist' | grep -q 'User lock'; }

nothing() { :; }
installs() { install 2 "$dir/shared" 3>&-; }
starts() {
    serve 2
    second=$!
    await "the second server answers" sql 2 -e 'SELECT 1'
}

# beside WHAT COMMAND: what the first server's statements say when COMMAND ran in the middle of them.
beside() {
    # One session has the temporary tables and holds a lock that the other's SELECT waits for.
    rm -f "$dir/statements"
    mkfifo "$dir/statements"
    sql 1 shop --force --unbuffered <"$dir/statements" >"$dir/session.out" 2>&1 &
    session=$!
    exec 3>"$dir/statements"
    for engine in Aria MyISAM InnoDB; do
        echo "CREATE TEMPORARY TABLE t_$engine (id INT NOT NULL, parent INT NOT NULL) ENGINE=$engine;"
        echo "INSERT INTO t_$engine VALUES (1, 1), (2, 1);"
    done >&3
    echo "SELECT 'lock', GET_LOCK('gate', 0);" >&3
    await "the lock is taken" grep -q lock "$dir/session.out"
    sql 1 shop -e "SELECT note, COUNT(*), MAX(GET_LOCK('gate', 100)) FROM orders GROUP BY note" >"$dir/query.out" 2>&1 &
    query=$!
    await "the SELECT waits" waits
    before=$(files)
    "$2"
    after=$(files)
    for engine in Aria MyISAM InnoDB; do
        echo "INSERT INTO t_$engine VALUES (3, 2); SELECT '  $engine, one SELECT:', COUNT(*), 'rows' FROM t_$engine;"
        echo "SELECT '  $engine, join with itself:', COUNT(*), 'rows' FROM t_$engine a JOIN t_$engine b ON b.id = a.parent;"
    done >&3
    echo "SELECT '  lock', RELEASE_LOCK('gate');" >&3
    wait "$query" || true
    exec 3>&-
    wait "$session" || true
    session= query=
    {
        echo "beside $1: files named #sql… in tmpdir before: $before, after: $after"
        sed -n -e "s|$dir/||" -e '/lock/d' -e '/^ERROR/s/^/  /' -e '/^  /{s/\t/ /g;p}' "$dir/session.out"
        echo "  GROUP BY of a TEXT column: $(tr '\t\n' ' ;' <"$dir/query.out" | sed "s|$dir/||")"
    } >"$dir/seen"
    cat "$dir/seen"
}
# is PATTERN: one line of what was seen is so.
is() {
    grep -q "$1" "$dir/seen" || changed="$changed  no line: $1"$'\n'
}
changed=

install 1 "$dir/own"
serve 1
first=$!
await "the first server answers" sql 1 -e 'SELECT 1'
sql 1 -e 'SELECT VERSION()'
sql 1 -e "CREATE DATABASE shop; CREATE TABLE shop.orders (note TEXT NOT NULL); INSERT INTO shop.orders VALUES ('red'), ('blue'), ('red')"

beside nothing nothing
is 'before: 6, after: 6'
for engine in Aria MyISAM InnoDB; do
    is "$engine, one SELECT: 3 rows"
    is "$engine, join with itself: 3 rows"
done
is 'GROUP BY of a TEXT column: blue 1 1;red 2 1;'
for what in "installs mariadb-install-db for another data directory" "starts the start of another server"; do
    beside "${what#* }" "${what%% *}"
    is 'before: 6, after: 0'
    is 'Aria, one SELECT: 3 rows'
    is "ERROR 1017.*Can't find file: 'shared/#sql.*MAI'"
    is 'MyISAM, one SELECT: 3 rows'
    is "ERROR 1017.*Can't find file: 'shared/#sql.*MYI'"
    is 'InnoDB, one SELECT: 3 rows'
    is 'InnoDB, join with itself: 3 rows'
    is "GROUP BY of a TEXT column: ERROR 6 .*Error on delete of 'shared/#sql"
done
if [ -n "$changed" ]; then
    echo "this has changed"
    echo "$changed"
    exit 1
fi
