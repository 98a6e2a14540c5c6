#!/bin/sh
# After a payment: sh enqueue.sh MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY
# Exit 0: stored. 1: a person must look. 2: nobody knows whether it is stored; run the same again.
set -eu

if [ $# -ne 4 ]; then
    echo 'usage: sh enqueue.sh MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY' >&2
    exit 1
fi
case "$1$2$3$4" in *[!A-Za-z0-9_-]*) # the shell writes no JSON: what would need escapes is refused
    echo '需人工處理：參數只能有英數字、「-」與「_」' >&2
    exit 1 ;;
esac
url=${ECPAYQ_API:-http://127.0.0.1:8970}/v1/intents
# RelateNumber and DelayDay are what ECPay is asked by when an answer of its is lost.
intent=$(printf '{"type":"b2c:trigger_issue","data":{"MerchantID":"%s","Tsr":"%s","RelateNumber":"%s","DelayDay":%s}}' "$@")
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# The token goes by stdin, since everybody can read the arguments of a process.
token() {
    if [ -n "${ECPAYQ_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$ECPAYQ_TOKEN"
    fi
}

# The same intent has the same id and is stored once, so that curl may send it as often as need be: again
# after 503 (it obeys Retry-After), and with --retry-all-errors after no answer. With --fail-with-body that
# would be after 422, too.
status=$(token | curl --silent --show-error --config - \
    --retry 5 --retry-all-errors --retry-max-time 60 --connect-timeout 3 --max-time 15 \
    --header 'Content-Type: application/json' --data-binary "$intent" \
    --output "$answer" --write-out '%{http_code}' "$url") || status=000

case $status in
200 | 201) # 200: it was stored before
    cat "$answer" ;;
000 | 408 | 5??)
    echo "無法得知是否已儲存，請以相同內容再執行一次：HTTP $status" >&2
    exit 2 ;;
*) # detail_zh says why
    printf '需人工處理：%s\n' "$(cat "$answer")" >&2
    exit 1 ;;
esac
