"""The request is signed, and can be read in one way only."""

from __future__ import annotations

from valetkey.http import Request, is_loopback, read_url
from valetkey.oauth1.verify import read_signed_request
from valetkey.sandbox.exchange import MAX_BODY, Exchange, Refusal


def signed_request_readable(exchange: Exchange) -> None:
    """RFC 5849 sections 3.1, 3.2 and 3.5. Sets `signed`; nothing of it is proved yet.

    PLAINTEXT is read where nobody listens: over https, on loopback, or where the sandbox is told so (section 3.4.4).
    """
    request, sandbox = exchange.request, exchange.sandbox
    if len(request.body) > MAX_BODY:
        raise Refusal("parameter_rejected", "The body is longer than 64 KiB.", status=413)
    allowed = sandbox.plaintext_allowed
    if allowed is None:
        allowed = is_loopback(read_url(sandbox.base_url).host)
    # 5849 s3.4.1.2: the URL as the client wrote it, which is this server's origin and the target
    absolute = Request(request.method, sandbox.base_url + exchange.target, request.headers, request.body)
    exchange.signed = read_signed_request(absolute, plaintext_over_http=allowed)
    exchange.notes["signature_method"] = exchange.signed.signature_method
