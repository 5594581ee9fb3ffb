"""The signature base string and the signatures over it (RFC 5849 section 3.4); RSA is asked of the effect `Sign`.

The one rule: parameters come in decoded, are encoded once, and are sorted after that. What cannot be signed raises
`ValueError` with a reason that holds none of it. Only built-in modules are imported: `hashlib` and `hmac` cost a cold
start more than the signature does.
Not here: which parameters are signed (`transmission`).
"""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.digest import sha1, sha256, sha512
from valetkey.http import percent_encode, read_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valetkey.effects import SignatureAlgorithm
    from valetkey.oauth1.credentials import SignatureMethod
    from valetkey.secret import Secret

SIGNATURE_METHODS: tuple[SignatureMethod, ...] = (
    "HMAC-SHA1",
    "HMAC-SHA256",
    "HMAC-SHA512",
    "PLAINTEXT",
    "RSA-SHA1",
    "RSA-SHA256",
    "RSA-SHA512",
    "RSA-PSS",  # not of the RFC: RSASSA-PSS with SHA-256 and a salt of 32 octets
)
RSA_ALGORITHMS: Mapping[str, SignatureAlgorithm] = {
    "RSA-SHA1": "RS1",
    "RSA-SHA256": "RS256",
    "RSA-SHA512": "RS512",
    "RSA-PSS": "PS256",
}

_HASHES = {"SHA1": sha1, "SHA256": sha256, "SHA512": sha512, "PSS": sha256}
_BLOCK_OCTETS = {"SHA1": 64, "SHA256": 64, "SHA512": 128}  # RFC 2104 section 2, RFC 4868 section 2.1
_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))


def base_string_uri(url: str) -> str:
    """The URL without query, host in lower case, port only if it is not the scheme's own (section 3.4.1.2)."""
    parts = read_url(url)
    return parts.origin + parts.path


def encoded_parameters(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and values encoded by section 3.6."""
    # Alphanumerics, the most of it, are passed without a call: this is where signing spends its time.
    return [
        (
            name if name.isidentifier() and name.isascii() else percent_encode(name),
            text if text.isalnum() and text.isascii() else percent_encode(text),
        )
        for name, text in pairs
    ]


def normalized_parameters(pairs: Iterable[tuple[str, str]]) -> str:
    """The parameters in one string (section 3.4.1.3.2); pairs are decoded and lack `oauth_signature` and `realm`."""
    # 5849 s3.4.1.3.2: sorted by name and then value, both encoded, so "a-=1" comes after "a=2".
    return "&".join([f"{name}={text}" for name, text in sorted(encoded_parameters(pairs))])


def signature_base_string(method: str, url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """What is signed (section 3.4.1.1): pairs are all parameters, decoded, those of the URL's query among them."""
    return base_string_of_encoded(method, url, encoded_parameters(pairs))


def base_string_of_encoded(method: str, url: str, encoded: list[tuple[str, str]]) -> str:
    """The same from parameters that are encoded already, which is how a signer has them."""
    normalized = "&".join([f"{name}={text}" for name, text in sorted(encoded)])
    # Encoding what is encoded meets only three characters that are not unreserved; "%" must be first.
    twice = normalized.replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    uri = "%2F".join([percent_encode(part) for part in base_string_uri(url).split("/")])  # short parts encode fast
    return f"{percent_encode(method.upper())}&{uri}&{twice}"


def signing_key(client_secret: Secret, token_secret: Secret | None) -> str:
    """Both secrets encoded and joined by `&`, which is there even where the second is empty (section 3.4.2)."""
    second = percent_encode(token_secret.reveal()) if token_secret is not None else ""
    return f"{percent_encode(client_secret.reveal())}&{second}"


def hmac_signature(method: str, base_string: str, client_secret: Secret, token_secret: Secret | None) -> str:
    """The signature of HMAC-SHA1 (section 3.4.2), HMAC-SHA256 or HMAC-SHA512, in base64."""
    if not method.startswith("HMAC-") or method not in SIGNATURE_METHODS:
        message = "this is not an HMAC signature method: use HMAC-SHA1, HMAC-SHA256 or HMAC-SHA512"
        raise ValueError(message)
    digest = _hmac(method[5:], signing_key(client_secret, token_secret).encode(), base_string.encode())
    return b2a_base64(digest, newline=False).decode()


def plaintext_signature(client_secret: Secret, token_secret: Secret | None) -> str:
    """The secrets themselves, encoded (section 3.4.4): for https only."""
    return signing_key(client_secret, token_secret)


def body_hash(method: str, body: bytes) -> str:
    """The value of `oauth_body_hash` by the method's own hash (OAuth Request Body Hash 1.0, draft 4, section 3.2)."""
    if method not in SIGNATURE_METHODS or method == "PLAINTEXT":
        message = "a body hash is only made for HMAC and RSA signature methods"
        raise ValueError(message)
    return b2a_base64(_HASHES[method.partition("-")[2]](body).digest(), newline=False).decode()


def _hmac(hash_name: str, key: bytes, message: bytes) -> bytes:
    # RFC 2104 by hand on the C hash: the module `hmac` imports hashlib, warnings and OpenSSL.
    make = _HASHES[hash_name]
    block = _BLOCK_OCTETS[hash_name]
    if len(key) > block:
        key = make(key).digest()
    key = key.ljust(block, b"\0")
    return make(key.translate(_OUTER_PAD) + make(key.translate(_INNER_PAD) + message).digest()).digest()
