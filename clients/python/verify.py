import base64
import hashlib
import hmac
import time


def verify(secret, headers, body, now=None):
    """Raises ValueError if a webhook's request is not signed with the secret, or is not of the last
    five minutes. headers have names in lower case. Pass the body as it was received: bytes, before
    it is decoded."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    if not key:
        raise ValueError("the secret is not one")

    at = headers.get("webhook-timestamp", "")
    now = time.time() if now is None else now
    if not (at.isascii() and at.isdigit()) or abs(now - int(at)) > 300:
        raise ValueError("the timestamp is too old, or in the future")

    signed = f"{headers.get('webhook-id', '')}.{at}.".encode() + body
    mac = hmac.new(key, signed, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(mac)

    # While the secret is rotated, there is a signature of each secret.
    for signature in headers.get("webhook-signature", "").split():
        if hmac.compare_digest(signature.encode(), expected):
            return

    raise ValueError("no signature is of the secret")
