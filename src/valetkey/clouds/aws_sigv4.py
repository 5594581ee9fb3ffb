"""Signature Version 4: how AWS's services know who sent a request. Pure.

    canonical request = method, path, query, headers, names of the signed headers, hash of the body
    text to sign      = algorithm, time, scope (day/region/service/aws4_request), hash of the canonical request
    signature         = HMAC-SHA256 under a key derived from the secret, the day, the region and the service

The one rule: what is signed is what is sent; every header of the request is covered but those that proxies change.
The specification is "Create a signed AWS API request" in AWS's IAM user guide. Paths are encoded twice, as all
services but S3 want it: do not use this for S3.
"""

from __future__ import annotations

from valetkey.dates import basic_time
from valetkey.digest import sha256
from valetkey.http import Request, percent_decode, percent_encode, read_url
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.http import Headers
    from valetkey.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_HEADERS = frozenset(
    {
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    }
)  # fmt: skip


@value
class AwsCredentials:
    """What signs for AWS. expires_at: Unix seconds, 0 where they do not expire."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: int = 0


def can_sign(credentials: AwsCredentials) -> bool:
    """Whether all of them can stand in a header: what was pasted may have a line break at its end."""
    parts = [credentials.access_key_id, credentials.secret_access_key.reveal()]
    if credentials.session_token is not None:
        parts.append(credentials.session_token.reveal())
    return all(part.isascii() and part.isprintable() and part for part in parts)


def sign_request(request: Request, credentials: AwsCredentials, *, region: str, service: str, now: int) -> Request:
    """The request with `X-Amz-Date`, `X-Amz-Security-Token` where there is one, and `Authorization`."""
    time = basic_time(now)
    headers = request.headers.with_set("X-Amz-Date", time)
    if credentials.session_token is not None:
        headers = headers.with_set("X-Amz-Security-Token", credentials.session_token.reveal())
    if headers.get("host") is None:  # the transport writes the same one
        headers = headers.with_added("Host", _host(request.url))
    names = sorted({name.lower() for name, _ in headers.pairs} - UNSIGNED_HEADERS)
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    canonical = canonical_request(replace(request, headers=headers), names)
    to_sign = "\n".join((ALGORITHM, time, scope, sha256(canonical.encode()).hexdigest()))
    signature = _signature(credentials.secret_access_key, (time[:8], region, service, "aws4_request"), to_sign)
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope},"
        f" SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return replace(request, headers=headers.with_set("Authorization", authorization))


def canonical_request(request: Request, names: Sequence[str]) -> str:
    """The text whose hash is signed; `names` are the signed headers, in lower case and sorted."""
    url = read_url(request.url)
    return "\n".join(
        (
            request.method,
            _canonical_path(url.path),
            _canonical_query(url.query),
            *(f"{name}:{_canonical_value(request.headers, name)}" for name in names),
            "",
            ";".join(names),
            sha256(request.body).hexdigest(),
        )
    )


def _host(url: str) -> str:
    return read_url(url).origin.partition("://")[2]


def _canonical_path(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):  # RFC 3986 section 5.2.4, and empty segments go too
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(percent_encode(segment))
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def _canonical_query(query: str) -> str:
    pairs = []
    for field in query.split("&") if query else ():
        name, _, text = field.partition("=")
        pairs.append((percent_encode(percent_decode(name)), percent_encode(percent_decode(text))))
    return "&".join(f"{name}={text}" for name, text in sorted(pairs))


def _canonical_value(headers: Headers, name: str) -> str:
    return ",".join(" ".join(text.split()) for text in headers.all(name))


def _signature(secret: Secret, scope: Sequence[str], to_sign: str) -> str:
    from hmac import digest

    key = b"AWS4" + secret.reveal().encode()
    for part in scope:
        key = digest(key, part.encode(), "sha256")
    return digest(key, to_sign.encode(), "sha256").hex()
