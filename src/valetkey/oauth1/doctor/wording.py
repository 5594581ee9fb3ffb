"""What is shown to people: the base string piece by piece, without a secret in it.

The one rule: a secret becomes a fingerprint, the first eight hex digits of its SHA-256, so that two can be compared.
Not here: the search (`diagnose`).
"""

from __future__ import annotations

from valetkey.digest import sha256_hex
from valetkey.oauth1.doctor.making import ENCODERS, base_string, base_string_uri, normalized
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs
    from valetkey.oauth1.doctor.diagnose import Diagnosis
    from valetkey.oauth1.doctor.making import Making
    from valetkey.secret import Secret

TELLING = ("password", "secret", "verifier", "code", "token", "assertion", "pin", "key", "session_handle", "signature")
PUBLIC = ("oauth_consumer_key", "oauth_signature_method", "oauth_token")  # identifiers, which prove nothing


@value
class Piece:
    """One step. section: of RFC 5849."""

    section: str
    title: str
    text: str


def fingerprint(secret: Secret | None) -> str:
    """`sha256:` and eight hex digits, or that there is none."""
    if secret is None:
        return "not given"
    return f"sha256:{sha256_hex(secret.reveal())[:8]}" if secret else "empty"


def explain(diagnosis: Diagnosis) -> tuple[Piece, ...]:
    """How the right signature of the request comes about, step by step."""
    making = hidden(diagnosis.parts.making)
    inner = ENCODERS["rfc"]
    pieces = [
        Piece("3.4.1.1", "method", making.method),
        Piece("3.4.1.2", "base string URI", base_string_uri(making)),
    ]
    for place, pairs in ((diagnosis.parts.placement, making.protocol), ("query", making.query), ("form", making.form)):
        pieces += [
            Piece("3.4.1.3.1", f"parameter from the {place}", f"{inner(name)}={inner(text)}") for name, text in pairs
        ]
    pieces += [
        Piece("3.4.1.3.2", "normalized parameters", normalized(making)),
        Piece("3.4.1.1", "signature base string", base_string(making)),
        Piece("3.4.2", "client secret", fingerprint(making.client_secret)),
        Piece("3.4.2", "token secret", fingerprint(making.token_secret)),
    ]
    if diagnosis.expected and making.client_secret is not None:
        plain = making.signature_method == "PLAINTEXT"
        text = fingerprint(diagnosis.expected) if plain else diagnosis.expected.reveal()
        pieces.append(Piece("3.4.4" if plain else "3.4.2", f"{making.signature_method} signature", text))
    return tuple(pieces)


def hidden(making: Making) -> Making:
    """The same with every value that may be a secret replaced by its fingerprint."""
    return replace(making, protocol=_hidden(making.protocol), query=_hidden(making.query), form=_hidden(making.form))


def _hidden(pairs: Pairs) -> Pairs:
    return tuple((name, f"HIDDEN-{sha256_hex(text)[:8]}" if _tells(name, text) else text) for name, text in pairs)


def _tells(name: str, text: str) -> bool:
    return bool(text) and name not in PUBLIC and any(word in name.lower() for word in TELLING)
