"""After a payment: python3 enqueue.py MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY

Exit 0: stored. 1: a person must look. 2: nobody knows whether it is stored; run the same again.
"""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

API = os.environ.get("ECPAYQ_API", "http://127.0.0.1:8970").rstrip("/")
HEADERS = {"Content-Type": "application/json"}  # urllib would say that it is a form
if os.environ.get("ECPAYQ_TOKEN"):
    HEADERS["Authorization"] = "Bearer " + os.environ["ECPAYQ_TOKEN"]


def post(body):
    """Status (0 where no answer came), what was said, and the seconds to wait."""
    request = urllib.request.Request(API + "/v1/intents", data=body, headers=HEADERS)
    try:
        try:
            answer = urllib.request.urlopen(request, timeout=15)
        except urllib.error.HTTPError as problem:  # it is an answer, too
            answer = problem
        with answer:
            text, after = answer.read(), answer.headers.get("Retry-After", "")
    except (OSError, http.client.HTTPException) as lost:
        return 0, {"detail_zh": str(lost)}, 0
    try:
        said = json.loads(text)
    except ValueError:  # a proxy's own page
        said = {}
    return answer.status, said, int(after) if after.isdigit() else 0


def enqueue(intent):
    """The same intent has the same id and is stored once, so that it may be sent as often as need be."""
    body = json.dumps(intent).encode()
    retry_after, why = 0, ""
    for pause in (0, 0.5, 1, 2, 4, 8):
        time.sleep(max(pause, min(retry_after, 60)))
        status, said, retry_after = post(body)
        if status in (201, 200) and "id" in said:  # 200: it was stored before
            print(json.dumps(said))
            return
        why = said.get("detail_zh", f"HTTP {status}")
        if status not in (0, 408) and status < 500:
            print("需人工處理：" + "。".join(filter(None, [why, said.get("advice_zh")])), file=sys.stderr)
            sys.exit(1)
    print(f"無法得知是否已儲存，請以相同內容再執行一次：{why}", file=sys.stderr)
    sys.exit(2)


merchant_id, tsr, relate_number, delay_day = sys.argv[1:]
data = {"MerchantID": merchant_id, "Tsr": tsr, "RelateNumber": relate_number, "DelayDay": int(delay_day)}
enqueue({"type": "b2c:trigger_issue", "data": data})  # the last two are what ECPay is asked by when its answer is lost
