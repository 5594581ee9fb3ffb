"""How a signature comes about (RFC 5849 section 3.4), in steps that can each be done wrong.

The one rule: a `Making` as it is first made is right; `mistakes` changes one field at a time. It is written out here a
second time, in the plainest way, so that the doctor does not share a mistake with the signer.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from valetkey.http import Pairs
    from valetkey.secret import Secret

    # name and value as decoded, and whether it is a protocol parameter
    Parameter: TypeAlias = tuple[str, str, bool]

DEFAULT_PORTS = {"http": "80", "https": "443"}
HMAC_METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512")


def _encode(text: str) -> str:
    return quote(text, safe="-._~")


def _latin1(text: str) -> str:
    return quote(text.encode("latin-1", "replace"), safe="-._~")


def _lower(text: str) -> str:
    parts = _encode(text).split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


ENCODERS: Mapping[str, Callable[[str], str]] = {
    "rfc": _encode,
    "plus": lambda text: _encode(text).replace("%20", "+"),
    "twice": lambda text: _encode(_encode(text)),
    "none": lambda text: text,
    "lower": _lower,
    "marks": lambda text: quote(text, safe="-._~!*'()"),
    "slash": lambda text: quote(text, safe="-._~/"),
    "tilde": lambda text: _encode(text).replace("~", "%7E"),
    "latin1": _latin1,
}
OUTPUTS: Mapping[str, Callable[[bytes], str]] = {
    "base64": lambda octets: b64encode(octets).decode(),
    "unpadded": lambda octets: b64encode(octets).decode().rstrip("="),
    "base64url": lambda octets: urlsafe_b64encode(octets).decode(),
    "base64url_unpadded": lambda octets: urlsafe_b64encode(octets).decode().rstrip("="),
    "hex": bytes.hex,
    "base64_of_hex": lambda octets: b64encode(octets.hex().encode()).decode(),
}


@value
class Making:
    """Everything that goes into one signature.

    port: as it enters the base string, empty for the scheme's own. written_host, written_port: as the URL has them.
    uri_query: what is appended to the base string URI: nothing.
    query, form: decoded pairs. raw_query, raw_form: the same as they travel. body_form: what a body of another type
      would be as a form. realm: None where there is none.
    encode, encode_protocol, outer: names in ENCODERS; order: how the parameters are sorted.
    key: how the two secrets become one key. output: how the octets become text, a name in OUTPUTS.
    """

    method: str
    scheme: str
    host: str
    port: str
    path: str
    written_host: str
    written_port: str
    protocol: Pairs
    query: Pairs
    form: Pairs
    raw_query: str
    raw_form: str
    body_form: Pairs
    realm: str | None
    signature_method: str
    client_secret: Secret | None
    token_secret: Secret | None
    uri_query: str = ""
    written_method: str = ""
    encode: str = "rfc"
    encode_protocol: str = "rfc"
    outer: str = "rfc"
    order: str = "encoded"
    key: str = "rfc"
    output: str = "base64"

    def __repr__(self) -> str:
        return f"Making({self.method} {self.scheme}://{self.host}{self.path})"


def base_string_uri(making: Making) -> str:
    """Section 3.4.1.2."""
    host = f"[{making.host}]" if ":" in making.host else making.host
    port = f":{making.port}" if making.port else ""
    return f"{making.scheme}://{host}{port}{making.path}{making.uri_query}"


def normalized(making: Making) -> str:
    """Section 3.4.1.3.2."""
    inner, protocol = ENCODERS[making.encode], ENCODERS[making.encode_protocol]
    given = [(name, text, protocol) for name, text in making.protocol]
    given += [(name, text, inner) for name, text in (*making.query, *making.form)]
    if making.order == "decoded":
        given.sort(key=lambda item: item[:2])
    pairs = [(encode(name), encode(text)) for name, text, encode in given]
    if making.order == "encoded":
        pairs.sort()
    elif making.order == "name":
        pairs.sort(key=lambda pair: pair[0])
    written = [f"{name}={text}" for name, text in pairs]
    return "&".join(sorted(written) if making.order == "joined" else written)


def base_string(making: Making) -> str:
    """Section 3.4.1.1."""
    outer = ENCODERS[making.outer]
    return "&".join((outer(making.method), outer(base_string_uri(making)), outer(normalized(making))))


def signing_key(making: Making) -> str:
    """Section 3.4.2."""
    client = making.client_secret.reveal() if making.client_secret else ""
    token = making.token_secret.reveal() if making.token_secret else ""
    if making.key == "unencoded":
        return f"{client}&{token}"
    client, token = _encode(client), _encode(token)
    if making.key == "swapped":
        return f"{token}&{client}"
    if making.key == "no_ampersand":
        return f"{client}&{token}" if token else client
    if making.key == "client_only":
        return client
    return f"{client}&{token}"


def signature(making: Making, base: str) -> str:
    """Sections 3.4.2 and 3.4.4; empty for the RSA methods, which need a private key, and for what no method is."""
    if making.signature_method == "PLAINTEXT":
        return signing_key(making)
    if making.signature_method not in HMAC_METHODS:
        return ""
    import hmac

    octets = hmac.digest(signing_key(making).encode(), base.encode(), making.signature_method[5:].lower())
    return OUTPUTS[making.output](octets)
