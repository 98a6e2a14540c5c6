#!/usr/bin/env bash
# MariaDB 10.11 (InnoDB): a queue's claim that finds no row, SELECT … FOR UPDATE SKIP LOCKED, keeps every other session
# from inserting one, until its transaction ends.
#
# SKIP LOCKED is what queues in a table are built on: who claims waits for nobody. One would guess that a claim of no
# rows locks nothing and that nobody waits for it either. But in the default isolation, REPEATABLE READ, the scan locks
# the gaps that it passes, and in an empty table that is the whole index: each INSERT waits until the claim's
# transaction ends, or for innodb_lock_wait_timeout (50 s), and then fails with 1205. A worker that polls an empty table
# and sleeps or is stopped before it ends its transaction so holds up every order of the shop. In READ COMMITTED the same
# claim blocks nobody.
#
# What runs: a MariaDB server of its own in a temporary folder, and two sessions. It passes while the INSERT fails with
# 1205 beside the one isolation and succeeds beside the other, and fails when that changes. About ten seconds.
#
# Seen on 2026-11-28 with MariaDB 10.11 of Debian 12.
set -euo pipefail

dir=$(mktemp -d)
chmod 755 "$dir"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
user=()
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown mysql "$dir"
    user=(--user=mysql)
fi
mariadb-install-db --no-defaults "${user[@]}" --datadir="$dir/data" --tmpdir="$dir" --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1
mariadbd --no-defaults "${user[@]}" --datadir="$dir/data" --tmpdir="$dir" --socket="$dir/sock" --pid-file="$dir/pid" --port="$port" --bind-address=127.0.0.1 2>"$dir/log" &
server=$!
claimer=
trap 'kill $claimer "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
sql() { mariadb --no-defaults --socket="$dir/sock" -u root -N -B "$@"; }
for _ in $(seq 200); do
    sql -e 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
done
sql -e 'SELECT VERSION(), @@tx_isolation; CREATE DATABASE shop; CREATE TABLE shop.queue (id BIGINT AUTO_INCREMENT PRIMARY KEY, body TEXT NOT NULL)'

# beside ISOLATION: what an INSERT meets while a claim of no rows is open.
beside() {
    : >"$dir/claim"
    sql shop --unbuffered -e "SET SESSION TRANSACTION ISOLATION LEVEL $1; START TRANSACTION;
        SELECT id FROM queue ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED;
        SELECT CONNECTION_ID(); SELECT SLEEP(30);" >"$dir/claim" 2>/dev/null &
    claimer=$!
    for _ in $(seq 100); do
        [ -s "$dir/claim" ] && break
        sleep 0.1
    done
    [ -s "$dir/claim" ] || { echo "the claim did not come through"; return 2; }
    if sql shop -e "SET SESSION innodb_lock_wait_timeout = 3; INSERT INTO queue (body) VALUES ('an order')" 2>"$dir/error"; then
        echo "INSERT beside a claim of no rows, $1: inserted"
    else
        echo "INSERT beside a claim of no rows, $1: $(grep ERROR "$dir/error")"
    fi
    sql -e "KILL $(cat "$dir/claim")"
    wait "$claimer" || true
    sql shop -e 'DELETE FROM queue'
}
beside "REPEATABLE READ" | tee "$dir/repeatable"
beside "READ COMMITTED" | tee "$dir/committed"
if ! grep -q 'ERROR 1205' "$dir/repeatable" || ! grep -q inserted "$dir/committed"; then
    echo "this has changed"
    exit 1
fi
