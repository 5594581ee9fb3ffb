"""The server's side of a signature (RFC 5849 section 3.2): read it, check its time, check it.

    signed = read_signed_request(request)          400: it cannot be read in exactly one way
    check_timestamp(signed, now=now)               401
    check_signature(signed, keys or NOBODY)        401; NOBODY costs what a known client costs
    ... and then the nonce, so that nobody can spend another's nonces with signatures that are wrong

The one rule: whatever comes from outside is refused with `RequestRefused`, never with another error; its `reason` is a
word of OAuth Problem Reporting (`signature_invalid`, `timestamp_refused`, ...).
Not here: who remembers nonces, clients and tokens (`sandbox`).
"""

from __future__ import annotations

from valetkey.errors import RequestRefused
from valetkey.oauth1 import signature, transmission
from valetkey.oauth1.signature import RSA_ALGORITHMS, SIGNATURE_METHODS
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from valetkey.http import Pairs, Request
    from valetkey.oauth1.credentials import Placement

TIMESTAMP_WINDOW_SECONDS = 300
MAX_NONCE_CHARACTERS = 255
MAX_TIMESTAMP_DIGITS = 12

_DIGITS = frozenset("0123456789")
_REQUIRED = ("oauth_consumer_key", "oauth_signature_method", "oauth_signature")
_READ = frozenset((*_REQUIRED, "oauth_token", "oauth_timestamp", "oauth_nonce", "oauth_version"))


@value
class SignedRequest:
    """What a request says about who sent it; nothing of it is proven before `check_signature`.

    timestamp, nonce: None only with PLAINTEXT, which needs neither (section 3.1).
    parameters: the other protocol parameters, such as `oauth_callback` and `oauth_verifier`.
    """

    client_identifier: str
    token_identifier: str | None
    signature_method: str
    signature: Secret
    timestamp: int | None
    nonce: str | None
    realm: str | None
    placement: Placement
    parameters: Pairs
    base_string: str

    def parameter(self, name: str) -> str | None:
        """The other protocol parameter of that name, or None."""
        return dict(self.parameters).get(name)

    def __repr__(self) -> str:
        return f"SignedRequest({self.client_identifier!r}, {self.signature_method!r}, {self.placement!r})"


@value
class Keys:
    """What a client and a token are checked with. public_key: PEM, for the RSA methods.

    client_secret: None for a client that has only a public key; HMAC and PLAINTEXT are then refused.
    token_secret: None where the request has no token.
    """

    client_secret: Secret | None
    token_secret: Secret | None = None
    public_key: str | None = None


def read_signed_request(
    request: Request, *, methods: tuple[str, ...] = SIGNATURE_METHODS, plaintext_over_http: bool = False
) -> SignedRequest:
    """What the request says, from the header, the query or the form body, but one of them only (section 3.5).

    The request's URL must be absolute, as the client wrote it. Raises RequestRefused.
    """
    try:
        placement, realm, protocol, others = _collect(request)
        fields = _fields(protocol)
        signed = _base_string(request, (*protocol, *others))
        _check_body_hash(request, fields)
    except ValueError as wrong:
        text = "it holds text that is not UTF-8" if isinstance(wrong, UnicodeError) else str(wrong)
        refuse("parameter_rejected", text, status=400)
    method = fields["oauth_signature_method"]
    if method not in methods or method not in SIGNATURE_METHODS:
        refuse("signature_method_rejected", "this signature method is not taken here", status=400)
    if method == "PLAINTEXT" and not plaintext_over_http and request.url[:8].lower() != "https://":
        refuse("signature_method_rejected", "PLAINTEXT is for https only", status=400)  # 5849 s3.4.4
    if fields.get("oauth_version", "1.0") != "1.0":
        refuse("version_rejected", "oauth_version is 1.0 or absent", status=400)
    timestamp, nonce = _timestamp_and_nonce(fields)
    return SignedRequest(
        fields["oauth_consumer_key"],
        fields.get("oauth_token"),
        method,
        Secret(fields["oauth_signature"]),
        timestamp,
        nonce,
        realm,
        placement,
        tuple([pair for pair in fields.items() if pair[0] not in _READ]),
        signed,
    )


def check_timestamp(signed: SignedRequest, *, now: float, window_seconds: int = TIMESTAMP_WINDOW_SECONDS) -> None:
    """Refuse a request signed too long ago or too far ahead (section 3.3). Raises RequestRefused."""
    if signed.timestamp is not None and abs(signed.timestamp - now) > window_seconds:
        refuse("timestamp_refused", "the timestamp is too far from this server's clock", status=401)


def check_signature(signed: SignedRequest, keys: Keys) -> None:
    """Refuse a signature that these keys did not make; compared in constant time. Raises RequestRefused.

    With NOBODY every signature is refused, even the one that its keys make: everybody can read them.
    """
    method = signed.signature_method
    given = signed.signature.reveal()
    if method in RSA_ALGORITHMS:
        if keys.public_key is None:
            refuse("signature_method_rejected", "this client has no public key", status=401)
        good = rsa_signature_is_valid(keys.public_key, method, signed.base_string, given)
    else:
        secret = keys.client_secret
        # A public key is no secret: a client that has one must not be imitated by an HMAC under it.
        if secret is None or secret.reveal().lstrip().startswith("-----BEGIN"):
            refuse("signature_method_rejected", "this client has no shared secret", status=401)
        if method == "PLAINTEXT":
            expected = signature.plaintext_signature(secret, keys.token_secret)
        else:
            expected = signature.hmac_signature(method, signed.base_string, secret, keys.token_secret)
        good = constant_time_equal(expected, given)
    if not good or keys is NOBODY:
        refuse("signature_invalid", "the signature is not that of this request", status=401)


def rsa_signature_is_valid(public_key: str, method: str, base_string: str, given: str) -> bool:
    """Whether the base64 text is a signature of the base string by this PEM key (section 3.4.3)."""
    from binascii import a2b_base64, b2a_base64

    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    hashes = {
        "RSA-SHA1": SHA1(),  # noqa: S303 - RFC 5849 section 3.4.3
        "RSA-SHA256": SHA256(),
        "RSA-SHA512": SHA512(),
        "RSA-PSS": SHA256(),
    }
    scheme = padding.PSS(padding.MGF1(SHA256()), 32) if method == "RSA-PSS" else padding.PKCS1v15()
    try:
        octets = a2b_base64(given)
        if b2a_base64(octets, newline=False).decode() != given:  # another spelling of the same octets
            return False
        key.verify(octets, base_string.encode(), scheme, hashes[method])
    except (InvalidSignature, ValueError):
        return False
    except UnsupportedAlgorithm:  # a FIPS or RHEL policy that forbids SHA-1 in signatures
        refuse("signature_method_rejected", f"this server's crypto policy refuses {method}", status=401)
    else:
        return True  # here and nowhere else, so that no other way out of the check means yes


def is_rsa_public_key(text: str) -> bool:
    """Whether the text is the PEM form of an RSA public key, which is what the RSA methods are checked with."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return isinstance(load_pem_public_key(text.encode()), RSAPublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _collect(request: Request) -> tuple[Placement, str | None, Pairs, Pairs]:
    """The place of the protocol parameters, the realm, the parameters of that place, and the others."""
    headers = request.headers.all("Authorization")
    if len(headers) > 1:
        message = "a request has one Authorization header"
        raise ValueError(message)
    if headers and headers[0][:6].lower() != "oauth ":
        headers = ()
    realm, header = transmission.read_authorization_header(headers[0]) if headers else (None, ())
    query = transmission.query_parameters(request)
    body = transmission.body_parameters(request)
    places: list[Placement] = ["header"] if headers else []
    if [name for name, _ in query if name.startswith("oauth_")]:
        places.append("query")
    if [name for name, _ in body if name.startswith("oauth_")]:
        places.append("body")
    if len(places) > 1:
        message = "protocol parameters stand in one place: the header, the query or the body"
        raise ValueError(message)
    if not places:
        refuse("parameter_absent", "the request is not signed", status=401)
    if places[0] == "header":
        return "header", realm, header, query + body
    return (places[0], None, query, body) if places[0] == "query" else (places[0], None, body, query)


def _fields(pairs: Pairs) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, text in pairs:
        if name.startswith("oauth_"):
            if name in fields:
                message = "a protocol parameter stands twice"
                raise ValueError(message)
            fields[name] = text
    for name in _REQUIRED:
        if not fields.get(name):
            refuse("parameter_absent", f"{name} is missing", status=400)
    return fields


def _base_string(request: Request, pairs: Pairs) -> str:
    covered = [pair for pair in pairs if pair[0] != "oauth_signature"]
    return signature.signature_base_string(request.method, request.url, covered)


def _timestamp_and_nonce(fields: dict[str, str]) -> tuple[int | None, str | None]:
    text, nonce = fields.get("oauth_timestamp"), fields.get("oauth_nonce")
    if text is None and nonce is None and fields["oauth_signature_method"] == "PLAINTEXT":
        return None, None
    if text is None or nonce is None:
        refuse("parameter_absent", "oauth_timestamp and oauth_nonce are missing", status=400)
    # int() would take blanks, signs, underscores and the digits of other scripts.
    if not 1 <= len(text) <= MAX_TIMESTAMP_DIGITS or not _DIGITS.issuperset(text):
        refuse("parameter_rejected", "oauth_timestamp is a number of seconds", status=400)
    if not 1 <= len(nonce) <= MAX_NONCE_CHARACTERS:
        refuse("parameter_rejected", f"oauth_nonce has 1 to {MAX_NONCE_CHARACTERS} characters", status=400)
    return int(text), nonce


def _check_body_hash(request: Request, fields: dict[str, str]) -> None:
    given = fields.get("oauth_body_hash")
    if given is None:
        return
    if transmission.is_form(request):
        refuse("parameter_rejected", "a form is signed itself: it has no oauth_body_hash", status=400)
    # Many clients hash with SHA-1 whatever the method, the only hash that the draft names.
    allowed = {"HMAC-SHA1", "HMAC-SHA256", fields["oauth_signature_method"]} & set(SIGNATURE_METHODS) - {"PLAINTEXT"}
    if not any(constant_time_equal(signature.body_hash(method, request.body), given) for method in allowed):
        refuse("signature_invalid", "the body is not the one that was hashed", status=401)


def refuse(reason: str, message: str, *, status: int) -> NoReturn:
    """Raise RequestRefused with a word of OAuth Problem Reporting."""
    raise RequestRefused(reason, message, status=status)


# The public half of a key whose private half was thrown away.
_NOBODYS_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApY2gR2ijqwryKc5vHy8R
eQCQeYNoVYRlmwWDcmExWG7hBPB4ZyCaj9kyx25VE95blkVa8/IobsjLvl6PebA0
SaZvDnlCckgEdhWEWyiD7ZE8xEjka/9fDTW8xfhnVgY0lACo2qxOkCUu7FGaHKhg
gyAQnpKlAN7SnQdeC2XzwNS51nWGhQdWXFlOc9uMhiziTC7c7J6JQcD7XD3sFxgb
K1THWPTYR6HvYZLcBYZKagWmVBPAaTijf1bQyQB1M3GQim2N31b+MCFaJM4QDri4
aEZGmwKCtVkQxSgAJOScyDlbUtEbyG6treyKwDT0+pFdxrlxQFNZ3oE+Z0YAc6vA
CwIDAQAB
-----END PUBLIC KEY-----
"""
NOBODY = Keys(Secret("nobody"), Secret("nobody"), _NOBODYS_KEY)
"""Keys with which every signature is refused: an unknown client costs the same work as a known one."""
