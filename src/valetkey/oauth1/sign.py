"""A request made authentic (RFC 5849 section 3).

`sign_request` is pure and on the path of every cold start: it needs time and nonce, and signs with HMAC or PLAINTEXT.
`sign` is the program that draws both and can ask for RSA signatures.

The one rule: a request that cannot be signed in exactly one way raises `ConfigurationError` and is not sent.
Not here: whether this request may be signed for its host (`connections`).
"""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.http import percent_encode
from valetkey.oauth1 import signature, transmission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.errors import ConfigurationError
    from valetkey.http import Pairs, Request
    from valetkey.oauth1.credentials import (
        BodyHash,
        ClientCredentials,
        Placement,
        Server,
        SignatureMethod,
        TemporaryCredentials,
        TokenCredentials,
    )
    from valetkey.secret import Secret

NONCE_OCTETS = 12  # 24 hexadecimal characters: the strictest servers want 20 to 30 alphanumerics

# Written by the signer: no caller may add one of them.
_OWN = frozenset(
    (
        "oauth_consumer_key",
        "oauth_token",
        "oauth_signature_method",
        "oauth_timestamp",
        "oauth_nonce",
        "oauth_version",
        "oauth_signature",
        "oauth_body_hash",
        "realm",
    )
)


def sign_request(
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    timestamp: int,
    nonce: str,
    signature_method: SignatureMethod = "HMAC-SHA1",
    placement: Placement = "header",
    realm: str | None = None,
    extra_parameters: Pairs = (),
    body_hash: bool = True,
    body_hash_algorithm: BodyHash = "",
) -> Request:
    """The request with protocol parameters and an HMAC or PLAINTEXT signature (sections 3.1, 3.4.2, 3.4.4).

    extra_parameters: protocol parameters such as `oauth_callback`, decoded; they go where the others go.
    body_hash: whether a body that is not a form is covered by `oauth_body_hash`; its algorithm is the method's own
      unless one is named.
    Raises ConfigurationError, for RSA methods too: those are signed by the program `sign`.
    """
    try:
        parameters, base_string = _prepare(
            request,
            client,
            token=token,
            signature_method=signature_method,
            timestamp=timestamp,
            nonce=nonce,
            extra_parameters=extra_parameters,
            body_hash=body_hash,
            body_hash_algorithm=body_hash_algorithm,
        )
        token_secret = token.secret if token is not None else None
        text = _signature(signature_method, base_string, client.secret, token_secret)
        parameters.append(("oauth_signature", percent_encode(text)))
        return transmission.place_parameters(request, parameters, placement=placement, realm=realm)
    except ValueError as refused:
        raise refusal(refused) from None


def sign(
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    signature_method: SignatureMethod = "HMAC-SHA1",
    placement: Placement = "header",
    realm: str | None = None,
    extra_parameters: Pairs = (),
    body_hash: bool = True,
    body_hash_algorithm: BodyHash = "",
    clock_offset: int = 0,
) -> WireOp[Request]:
    """The request, signed by any method at the current time with a fresh nonce (section 3.3).

    clock_offset: seconds to add to our clock, measured by `answers.clock_offset` at a server that refused it.
    Raises ConfigurationError.
    """
    from valetkey.effects import Now, Random

    timestamp = int((yield from Now())) + clock_offset
    nonce = (yield from Random(NONCE_OCTETS)).hex()
    if signature_method in signature.RSA_ALGORITHMS:
        return (
            yield from _sign_with_private_key(
                request,
                client,
                token=token,
                signature_method=signature_method,
                placement=placement,
                realm=realm,
                timestamp=timestamp,
                nonce=nonce,
                extra_parameters=extra_parameters,
                body_hash=body_hash,
                body_hash_algorithm=body_hash_algorithm,
            )
        )
    return sign_request(
        request,
        client,
        token=token,
        signature_method=signature_method,
        placement=placement,
        realm=realm,
        timestamp=timestamp,
        nonce=nonce,
        extra_parameters=extra_parameters,
        body_hash=body_hash,
        body_hash_algorithm=body_hash_algorithm,
    )


def sign_for(
    server: Server,
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    extra_parameters: Pairs = (),
    clock_offset: int = 0,
) -> WireOp[Request]:
    """The request, signed in the way that this server wants it. Raises ConfigurationError."""
    if server.parameter_encoding == "unencoded":
        from valetkey.oauth1.mastercard import sign_unencoded

        method = server.signature_method
        return (
            yield from sign_unencoded(request, client, token=token, signature_method=method, clock_offset=clock_offset)
        )
    return (
        yield from sign(
            request,
            client,
            token=token,
            signature_method=server.signature_method,
            placement=server.placement,
            realm=server.realm,
            extra_parameters=extra_parameters,
            body_hash=server.body_hash,
            body_hash_algorithm=server.body_hash_algorithm,
            clock_offset=clock_offset,
        )
    )


def _sign_with_private_key(
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    signature_method: SignatureMethod,
    placement: Placement,
    realm: str | None,
    timestamp: int,
    nonce: str,
    extra_parameters: Pairs,
    body_hash: bool,
    body_hash_algorithm: str,
) -> WireOp[Request]:
    try:
        parameters, base_string = _prepare(
            request,
            client,
            token=token,
            signature_method=signature_method,
            timestamp=timestamp,
            nonce=nonce,
            extra_parameters=extra_parameters,
            body_hash=body_hash,
            body_hash_algorithm=body_hash_algorithm,
        )
    except ValueError as refused:
        raise refusal(refused) from None
    text = yield from rsa_signature(client, signature_method, base_string)
    parameters.append(("oauth_signature", percent_encode(text)))
    try:
        return transmission.place_parameters(request, parameters, placement=placement, realm=realm)
    except ValueError as refused:
        raise refusal(refused) from None


def rsa_signature(client: ClientCredentials, signature_method: str, base_string: str) -> WireOp[str]:
    """The signature by the client's private key, in base64 (section 3.4.3).

    Raises ConfigurationError, and StoreError where a key's own signer fails: its errors may hold anything.
    """
    from valetkey.signing import signed

    if client.private_key is None:
        raise refusal(ValueError(f"{signature_method} needs the client's private key: configure one"))
    algorithm = signature.RSA_ALGORITHMS[signature_method]
    octets = yield from signed(client.private_key, algorithm, base_string.encode())
    return b2a_base64(octets, newline=False).decode()


def _prepare(
    request: Request,
    client: ClientCredentials,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    signature_method: str,
    timestamp: int,
    nonce: str,
    extra_parameters: Pairs,
    body_hash: bool,
    body_hash_algorithm: str,
) -> tuple[list[tuple[str, str]], str]:
    """The protocol parameters, encoded, without the signature; and the base string."""
    if timestamp <= 0:
        message = "a timestamp is a positive number of seconds since 1970"
        raise ValueError(message)
    others = transmission.request_parameters(request)
    parameters = [
        ("oauth_consumer_key", percent_encode(client.identifier)),
        ("oauth_signature_method", signature_method),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_nonce", percent_encode(nonce)),
        ("oauth_version", "1.0"),
    ]
    if token is not None:
        parameters.append(("oauth_token", percent_encode(token.identifier)))
    if request.body and body_hash and signature_method != "PLAINTEXT" and not transmission.is_form(request):
        hashed = signature.body_hash(
            f"HMAC-{body_hash_algorithm}" if body_hash_algorithm else signature_method, request.body
        )
        parameters.append(("oauth_body_hash", percent_encode(hashed)))
    if extra_parameters:
        parameters += _extra(extra_parameters)
    encoded = parameters + signature.encoded_parameters(others)
    return parameters, signature.base_string_of_encoded(request.method, request.url, encoded)


def _extra(pairs: Pairs) -> list[tuple[str, str]]:
    names = [name for name, _ in pairs]
    if not _OWN.isdisjoint(names) or len(set(names)) != len(names):
        message = "extra parameters may not repeat each other or what the signer writes itself"
        raise ValueError(message)
    return signature.encoded_parameters(pairs)


def _signature(method: str, base_string: str, client_secret: Secret, token_secret: Secret | None) -> str:
    if method in signature.RSA_ALGORITHMS:
        message = "RSA signatures are made by the program sign, which can ask for the private key"
        raise ValueError(message)
    if method == "PLAINTEXT":
        return signature.plaintext_signature(client_secret, token_secret)
    return signature.hmac_signature(method, base_string, client_secret, token_secret)


def refusal(reason: ValueError) -> ConfigurationError:
    """The error for a request that cannot be signed, with the reason and nothing of the request."""
    from valetkey.errors import ConfigurationError

    text = "it holds text that is not Unicode" if isinstance(reason, UnicodeError) else str(reason)
    return ConfigurationError(f"the request cannot be signed: {text}")
