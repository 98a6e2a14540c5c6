"""Follows how tasks end, one JSON line for each: python3 follow.py CURSOR_FILE"""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ONCE = os.environ.get("ECPAYQ_ONCE") == "1"  # end when there are no more
API = os.environ.get("ECPAYQ_API", "http://127.0.0.1:8970").rstrip("/")
HEADERS = {"Authorization": "Bearer " + os.environ["ECPAYQ_TOKEN"]} if os.environ.get("ECPAYQ_TOKEN") else {}
FILE = sys.argv[1]


def get(cursor):
    """Status (0 where no answer came), the page, and the seconds to wait."""
    query = {"wait": "0s" if ONCE else "25s", **({"after": cursor} if cursor else {})}  # none: from the oldest
    request = urllib.request.Request(f"{API}/v1/outcomes?{urllib.parse.urlencode(query)}", headers=HEADERS)
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=60)  # longer than the wait
        except urllib.error.HTTPError as problem:  # it is an answer, too
            answer = problem
        with answer:
            text, after = answer.read(), answer.headers.get("Retry-After", "")
        return answer.status, json.loads(text), int(after) if after.isdigit() else 2
    except (OSError, http.client.HTTPException) as lost:
        return 0, {"detail_zh": str(lost)}, 2
    except ValueError:  # a proxy's own page
        return answer.status, {}, 2


def store(cursor):
    with open(FILE + ".new", "w") as file:
        file.write(cursor)
    os.replace(FILE + ".new", FILE)  # a crash leaves the old one or the new one
    return cursor


cursor = open(FILE).read().strip() if os.path.exists(FILE) else ""
while True:
    status, page, pause = get(cursor)
    if status == 200 and "next" in page:
        for outcome in page["outcomes"]:  # those after the stored cursor come again after a crash: seq tells
            print(json.dumps(outcome, ensure_ascii=False), flush=True)
        cursor = store(page["next"])  # only now: what is not dealt with is not passed over
        if ONCE and not page["outcomes"]:
            sys.exit(0)
        continue
    again = status in (0, 408) or status >= 500
    print("稍後再試：" if again else "需人工處理：", page.get("detail_zh", f"HTTP {status}"), sep="", file=sys.stderr)
    if status == 410:  # some are gone, which a person has to know
        cursor = store(page["next"])
    elif not again:
        sys.exit(1)
    else:
        time.sleep(min(pause, 60))
