#!/bin/sh
# Receives how tasks end, as a CGI program behind a web server with TLS.   (needs openssl and jq)
# Each outcome becomes a file in ECPAYQ_WEBHOOK_DIR, out of every visitor's reach. Deal with its *.json in the order of their names.
export LC_ALL=C

digest() { openssl dgst -sha256 -r | cut -d ' ' -f 1; }

# pad writes the bytes of the key, each XOR $1, for an HMAC by its definition (RFC 2104): openssl takes keys as
# arguments only, which everybody can read of a process.
pad() {
    for byte in $key; do
        byte=$((0x$byte ^ $1))
        printf "\\$((byte / 64))$((byte / 8 % 8))$((byte % 8))"
    done
}

# ecpayq_verify BODY_FILE ID TIMESTAMP SIGNATURES SECRET [NOW] returns 0 for a body from ecpayq. 1: it is not, or not from now.
# 2: the secret here is wrong. The file has the bytes as they came, for JSON that is encoded again is other bytes.
ecpayq_verify() {
    key=$(printf '%s' "$5" | tr -d '\r\n')
    key=${key#whsec_}
    size=$(printf '%s' "$key" | openssl base64 -d -A | wc -c)
    if [ "$(printf '%s' "$key" | openssl base64 -d -A | openssl base64 -A)" != "$key" ]; then return 2; fi
    if [ "$size" -lt 24 ] || [ "$size" -gt 64 ]; then return 2; fi
    key=$({ printf '%s' "$key" | openssl base64 -d -A; head -c $((64 - size)) /dev/zero; } | od -A n -v -t x1)
    case $3 in '' | *[!0-9]* | ?????????????*) return 1 ;; esac
    at=${3#"${3%%[!0]*}"} # without zeros before it, with which it would be octal
    age=$((${6:-$(date +%s)} - ${at:=0}))
    if [ -z "$2" ] || [ "$age" -gt 300 ] || [ "$age" -lt -300 ]; then return 1; fi
    right=v1,$({ pad 0x5c; { pad 0x36; printf '%s.%s.' "$2" "$at"; cat "$1"; } | openssl dgst -sha256 -binary; } |
        openssl dgst -sha256 -binary | openssl base64 -A)
    once=$(openssl rand -hex 32) # digests with it are compared: how long that takes tells nothing about the signature
    right=$(printf '%s' "$once$right" | digest)
    rest="$4 "
    while [ -n "$rest" ]; do # two while the secret is being changed; v1a and others are passed over
        if [ -n "$right" ] && [ "$(printf '%s' "$once${rest%% *}" | digest)" = "$right" ]; then return 0; fi
        rest=${rest#* }
    done
    return 1
}

case ${0##*/} in webhook.sh) ;; *) return 0 ;; esac # another script wants the function only
set -eu
status=500 body= verdict=0 # until it is stored
trap 'rm -f "$body"; printf "Status: %s\r\n\r\n" "$status"' EXIT
size=${CONTENT_LENGTH:-0} id=${HTTP_WEBHOOK_ID:-}
body=$(mktemp "$ECPAYQ_WEBHOOK_DIR/new.XXXXXX")
head -c "$((size < 1048576 ? size : 1048576))" >"$body" # a longer one is cut off, and refused
ecpayq_verify "$body" "$id" "${HTTP_WEBHOOK_TIMESTAMP:-}" "${HTTP_WEBHOOK_SIGNATURE:-}" \
    "${ECPAYQ_WEBHOOK_SECRET:-$(cat "$ECPAYQ_WEBHOOK_SECRET_FILE")}" || verdict=$?
case $verdict in
0) seq=$(jq -ers '.[0].seq' "$body") ;; # fails without one
1) status=401; echo '拒收：簽章不符、缺少標頭，或時間與本機相差超過 5 分鐘' >&2; exit ;;
*) echo 'webhook 密鑰有誤：應為 whsec_ 加上 base64' >&2; exit ;;
esac
# One that is sent again has the same webhook-id, and so the same name. Some come late: of a task, what has the highest seq stands.
sync "$body" # what gets its name is whole; with a database: an INSERT of a unique webhook_id
mv -f "$body" "$ECPAYQ_WEBHOOK_DIR/$(printf '%016d-%s.json' "$seq" "$(printf '%s' "$id" | digest)")"
status=204
