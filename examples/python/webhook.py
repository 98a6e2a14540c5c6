"""Receives how tasks end, behind a proxy with TLS: python3 webhook.py PORT"""
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refused(Exception):
    """It is not from ecpayq, or not from now."""


def verify(body, id, timestamp, signatures, secret, now=None):
    """The outcome. body are the bytes as they came, for JSON that is encoded again is other bytes."""
    text = secret.strip().removeprefix("whsec_")
    key = base64.b64decode(text)  # passes over what is no base64
    if base64.b64encode(key).decode() != text or len(key) < 24:
        raise ValueError("webhook 密鑰有誤：應為 whsec_ 加上 base64")
    number = int(timestamp) if timestamp.isascii() and timestamp.isdigit() else 0
    if not id or abs(int(time.time() if now is None else now) - number) > 300:
        raise Refused("缺少標頭，或時間與本機相差超過 5 分鐘")
    right = b"v1," + base64.b64encode(hmac.digest(key, f"{id}.{number}.".encode() + body, "sha256"))
    for signature in signatures.split(" "):  # two while the secret is being changed; v1a and others are passed over
        if hmac.compare_digest(right, signature.encode()):  # of two str it would take ASCII only
            return json.loads(body)
    raise Refused("簽章不符")


class Receiver(BaseHTTPRequestHandler):
    timeout = 30  # seconds without a byte

    def do_POST(self):  # after an error that it does not name there is no answer, so that it is sent again
        body = self.rfile.read(min(max(int(self.headers["Content-Length"]), 0), 2**20))  # a longer one is cut off, and refused
        id, timestamp, signatures = (self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        try:
            seq = verify(body, id, timestamp, signatures, SECRET)["seq"]
        except Refused as why:
            self.log_error("拒收：%s", why)
            return self.send_error(401)
        # One that is sent again has the same webhook-id, and so the same name. Some come late: of a task, what has the highest seq stands.
        path = os.path.join(DIR, f"{seq:016d}-{hashlib.sha256(id.encode()).hexdigest()}.json")
        if not os.path.exists(path):  # with a database: INSERT … ON CONFLICT DO NOTHING, webhook_id being unique
            with open(f"{path}.{os.urandom(8).hex()}", "xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.rename(file.name, path)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    DIR = os.environ["ECPAYQ_WEBHOOK_DIR"]  # deal with its *.json in the order of their names
    SECRET = os.environ.get("ECPAYQ_WEBHOOK_SECRET") or open(os.environ["ECPAYQ_WEBHOOK_SECRET_FILE"]).read()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
