#!/usr/bin/env bash
# PHP's PDO with PostgreSQL: after a statement failed and its exception was caught, commit() returns true, and nothing
# is committed.
#
# A shop writes its order and a job for a queue in one transaction, catches the error of a statement that may fail
# ("it is there already"), goes on, and commits. In PostgreSQL a failed statement dooms the whole transaction: COMMIT is
# then carried out as ROLLBACK, which the server says in the answer's tag and not as an error. One would guess that
# commit(), with ERRMODE_EXCEPTION, throws or returns false. It returns true. So the shop tells its customer that the
# order stands, the order is gone, and so is the job. psql shows the word ROLLBACK; PDO shows nothing.
# A savepoint around what may fail keeps the transaction, and INSERT … ON CONFLICT does not fail.
#
# What runs: a PostgreSQL server of its own in a temporary folder, and PHP with PDO. It passes while commit() returns
# true and the row is not there, and fails when that changes. About five seconds.
#
# Seen on 2026-11-28 with PHP 8.2, PDO_PGSQL and PostgreSQL 15.18 of Debian 12.
set -euo pipefail

bin=$(dirname "$(find /usr/lib/postgresql -path '*/bin/initdb' | sort -V | tail -1)")
dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as=()
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    chown postgres "$dir"
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
"${as[@]}" "$bin/initdb" --pgdata "$dir/data" --username shop --auth trust --no-sync >/dev/null
"${as[@]}" "$bin/postgres" -D "$dir/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= 2>"$dir/log" &
server=$!
trap 'kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do
    "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && break
    sleep 0.1
done

php --version | head -1
"$bin/postgres" --version
php -d display_errors=stderr -r '
$db = new PDO("pgsql:host=127.0.0.1;port='"$port"';dbname=postgres", "shop", "", [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec("CREATE TABLE orders (id text PRIMARY KEY)");
$db->exec("INSERT INTO orders VALUES (\x27first\x27)");

$db->beginTransaction();
$db->exec("INSERT INTO orders VALUES (\x27second\x27)");
try {
    $db->exec("INSERT INTO orders VALUES (\x27first\x27)");
} catch (PDOException $e) {
    echo "caught: SQLSTATE ", $e->getCode(), "\n";
}
$said = $db->commit();
$there = (int) $db->query("SELECT count(*) FROM orders WHERE id = \x27second\x27")->fetchColumn();
echo "commit() returned ", var_export($said, true), "; rows of the order in the table: ", $there, "\n";

$db->beginTransaction();
$db->exec("INSERT INTO orders VALUES (\x27third\x27)");
$db->exec("INSERT INTO orders VALUES (\x27first\x27) ON CONFLICT DO NOTHING");
$db->commit();
$third = (int) $db->query("SELECT count(*) FROM orders WHERE id = \x27third\x27")->fetchColumn();
echo "with ON CONFLICT DO NOTHING instead: ", $third, "\n";
if ($said !== true || $there !== 0 || $third !== 1) {
    echo "this has changed\n";
    exit(1);
}'
