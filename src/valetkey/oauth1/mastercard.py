"""Signatures as Mastercard's own signers make them, which is not how RFC 5849 has it.

Protocol parameters are signed and sent as they are, without the encoding of section 3.6; parameters of the query are
encoded only if the query holds an escape; pairs are sorted as `name=value`; `oauth_body_hash` (SHA-256) is there for an
empty body too, and for forms, whose parameters are not signed. Read in Mastercard's signer for Python, version 1.9.2,
which is also what the tests compare with.

The one rule: nothing of this is used where the provider's entry does not say `parameter_encoding = "unencoded"`.
"""

from __future__ import annotations

from valetkey.http import percent_encode, read_form
from valetkey.oauth1 import signature
from valetkey.oauth1.sign import NONCE_OCTETS, refusal, rsa_signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Request
    from valetkey.oauth1.credentials import ClientCredentials, SignatureMethod, TemporaryCredentials, TokenCredentials

METHODS = ("RSA-SHA256", "RSA-PSS")


def sign_unencoded(
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    signature_method: SignatureMethod,
    clock_offset: int,
) -> WireOp[Request]:
    """The request with its Authorization header. Raises ConfigurationError."""
    from valetkey.effects import Now, Random
    from valetkey.http import Request

    timestamp = int((yield from Now())) + clock_offset
    nonce = (yield from Random(NONCE_OCTETS)).hex()
    if signature_method not in METHODS or token is not None:
        raise refusal(ValueError(f"parameter_encoding unencoded is for {' and '.join(METHODS)} by the client alone"))
    try:
        fields = protocol_parameters(request, client.identifier, signature_method, timestamp, nonce)
        base = unencoded_base_string(request.method, request.url, fields)
    except ValueError as refused:
        raise refusal(refused) from None
    text = yield from rsa_signature(client, signature_method, base)
    fields = (*fields, ("oauth_signature", percent_encode(text)))
    header = "OAuth " + ",".join(f'{name}="{found}"' for name, found in fields)
    headers = request.headers.with_set("Authorization", header)
    return Request(request.method, request.url, headers, request.body, request.platform)


def protocol_parameters(
    request: Request, identifier: str, method: SignatureMethod, timestamp: int, nonce: str
) -> Pairs:
    """The parameters as they are signed and sent; an identifier that could end its quotes raises ValueError."""
    if not identifier.isascii() or not identifier.isprintable() or set(identifier) & set('"\\,& '):
        message = "the client identifier holds a character that cannot stand in the header unencoded"
        raise ValueError(message)
    return (
        ("oauth_consumer_key", identifier),
        ("oauth_nonce", nonce),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_signature_method", method),
        ("oauth_version", "1.0"),
        ("oauth_body_hash", signature.body_hash("HMAC-SHA256", request.body)),
    )


def unencoded_base_string(method: str, url: str, fields: Pairs) -> str:
    """The base string of those signers."""
    query = url.partition("?")[2]
    escaped = "%" in query
    pairs = [(_encoded(name, escaped=escaped), _encoded(text, escaped=escaped)) for name, text in read_form(query)]
    normalized = "&".join(sorted(f"{name}={text}" for name, text in (*pairs, *fields)))
    uri = signature.base_string_uri(url)
    return f"{method.upper()}&{percent_encode(uri)}&{percent_encode(normalized)}"


def _encoded(text: str, *, escaped: bool) -> str:
    return percent_encode(text) if escaped else text.replace(" ", "+")
