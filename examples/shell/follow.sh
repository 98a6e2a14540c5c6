#!/bin/sh
# Follows how tasks end: sh follow.sh CURSOR_FILE   (needs jq)
# Prints one JSON line for each. With ECPAYQ_ONCE=1 it ends when there are no more.
set -eu

if [ $# -ne 1 ]; then
    echo 'usage: sh follow.sh CURSOR_FILE' >&2
    exit 1
fi
file=$1
url=${ECPAYQ_API:-http://127.0.0.1:8970}/v1/outcomes
once=${ECPAYQ_ONCE:-}
cursor=
if [ -f "$file" ]; then cursor=$(cat "$file"); fi # none: from the oldest
page=$(mktemp)
trap 'rm -f "$page"' EXIT

# The token goes by stdin, since everybody can read the arguments of a process.
token() {
    if [ -n "${ECPAYQ_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$ECPAYQ_TOKEN"
    fi
}

store() {
    printf '%s' "$1" >"$file.new"
    mv -f "$file.new" "$file" # a crash leaves the old one or the new one
    cursor=$1
}

say() { printf '%s：%s\n' "$1" "$(jq -r '.detail_zh // empty' "$page" 2>/dev/null || true) (HTTP $status)" >&2; }

while :; do
    set -- --data "wait=$([ "$once" = 1 ] && echo 0s || echo 25s)"
    if [ -n "$cursor" ]; then set -- "$@" --data-urlencode "after=$cursor"; fi
    : >"$page" # so that it has nothing of the last one where no answer comes
    # curl sends again after 503, for which it obeys Retry-After, and after no answer. It waits longer than the API does.
    status=$(token | curl --silent --show-error --config - --get "$@" \
        --retry 5 --retry-all-errors --connect-timeout 3 --max-time 60 \
        --output "$page" --write-out '%{http_code}' "$url") || status=000
    next=$(jq -r '.next // empty' "$page" 2>/dev/null) || next= # a proxy's own page
    case $status:$next in
    200:?*)
        jq -c '.outcomes[]' "$page" # those after the stored cursor come again after a crash: seq tells
        store "$next"               # only now: what is not dealt with is not passed over
        if [ "$once" = 1 ] && jq -e '.outcomes == []' "$page" >/dev/null; then exit 0; fi ;;
    410:?*) # some are gone, which a person has to know
        say '需人工處理'
        store "$next" ;;
    000:* | 408:* | 5??:*)
        say '稍後再試'
        sleep 2 ;;
    *)
        say '需人工處理'
        exit 1 ;;
    esac
done
