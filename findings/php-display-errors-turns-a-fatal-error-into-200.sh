#!/usr/bin/env bash
# PHP 8.2: a receiver of webhooks that dies of a fatal error answers 200 where PHP has no php.ini.
#
# One would guess that an uncaught exception is a 500, so that the sender of a webhook tries again. PHP sends 500 only
# while display_errors is off. It is on where no php.ini turns it off, as in a container or a build that brings none: then
# the message goes into the body and the status stays 200, which every sender takes for "stored". The event is lost
# and nothing but the body says so. A receiver has to say 500 first, by http_response_code(500) in its first line, and the
# good status last.
#
# What runs: PHP's own server with a script that calls a function that does not exist, as it is, with display_errors off,
# and with http_response_code(500) as the first line. It passes while the answers are 200, 500 and 500. Seconds.
#
# Seen on 2026-11-29 with PHP 8.2.36 (cli-server).
set -euo pipefail

dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cat >"$dir/plain.php" <<'PHP'
<?php
$event = json_decode(file_get_contents('php://input'), true);
store($event); // there is no such function
http_response_code(204);
PHP
{ echo '<?php http_response_code(500);'; tail -n +2 "$dir/plain.php"; } >"$dir/careful.php"

# answer prints the status that a script answers under some options of PHP.
answer() {
	local script=$1 port
	shift
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	php -n "$@" -S "127.0.0.1:$port" "$dir/$script" >"$dir/log" 2>&1 &
	server=$!
	curl -s -o "$dir/body" -w '%{http_code}' --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 10 \
		-H 'Content-Type: application/json' -d '{"id":1}' "http://127.0.0.1:$port/"
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}

php -v | head -n 1
got=
for how in "plain.php" "plain.php -d display_errors=0" "careful.php"; do
	# shellcheck disable=SC2086
	status=$(answer $how)
	echo "$how: $status"
	got="$got $status"
done
[ "$got" = " 200 500 500" ] || { echo "it is not so any more"; exit 1; }
