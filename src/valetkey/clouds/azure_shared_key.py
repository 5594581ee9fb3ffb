"""Shared Key: how Azure's Table service knows who sent a request that was signed with the account's key. Pure.

    Shared Key       method, Content-MD5, Content-Type, date, canonicalized resource
    Shared Key Lite  date, canonicalized resource
    signature        HMAC-SHA256 under the account's key, in base64

The specification is "Authorize with Shared Key" of the storage services' REST reference. The Table service leaves
headers out of the text that is signed; blobs, queues and files do not: do not use this for them. The one rule: the path
is signed as it is sent, escapes and all.
"""

from __future__ import annotations

from valetkey.dates import http_date
from valetkey.http import percent_decode, read_url
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Request
    from valetkey.secret import Secret


def sign_with_shared_key(request: Request, *, account: str, key: Secret, now: int) -> Request:
    """The request with `x-ms-date` and `Authorization: SharedKey`. ValueError: the key is not base64."""
    request = replace(request, headers=request.headers.with_set("x-ms-date", http_date(now)))
    signature = _signature(key, shared_key_text(request, account))
    return replace(request, headers=request.headers.with_set("Authorization", f"SharedKey {account}:{signature}"))


def sign_with_shared_key_lite(request: Request, *, account: str, key: Secret, now: int) -> Request:
    """The request with `x-ms-date` and `Authorization: SharedKeyLite`. ValueError: the key is not base64."""
    request = replace(request, headers=request.headers.with_set("x-ms-date", http_date(now)))
    signature = _signature(key, shared_key_lite_text(request, account))
    return replace(request, headers=request.headers.with_set("Authorization", f"SharedKeyLite {account}:{signature}"))


def shared_key_text(request: Request, account: str) -> str:
    """The text that Shared Key signs for the Table service."""
    md5, kind = (request.headers.get(name) or "" for name in ("Content-MD5", "Content-Type"))
    return "\n".join((request.method, md5, kind, _date(request), canonicalized_resource(request.url, account)))


def shared_key_lite_text(request: Request, account: str) -> str:
    """The text that Shared Key Lite signs for the Table service."""
    return f"{_date(request)}\n{canonicalized_resource(request.url, account)}"


def canonicalized_resource(url: str, account: str) -> str:
    """`/account/path`, and of the query `comp` alone (the 2009-09-19 format for the Table service)."""
    parts = read_url(url)
    for field in parts.query.split("&"):
        name, _, text = field.partition("=")
        if name == "comp":
            return f"/{account}{parts.path}?comp={percent_decode(text)}"
    return f"/{account}{parts.path}"


def _date(request: Request) -> str:
    return request.headers.get("x-ms-date") or request.headers.get("Date") or ""


def _signature(key: Secret, text: str) -> str:
    from binascii import a2b_base64, b2a_base64
    from hmac import digest

    octets = a2b_base64(key.reveal(), strict_mode=True)
    return b2a_base64(digest(octets, text.encode(), "sha256"), newline=False).decode()
