"""What comes beside the credentials, and what of it an application may read.

    token endpoint   RFC 6749 sections 5.1 and 8.2, RFC 9396 section 7, RFC 5849 section 2.3   Connection.extra
    callback         RFC 6749 sections 4.1.2 and 8.2                                           callback_parameters

The one rule: no credential is among it, under whatever name it came, and there is an end to its size. What the browser
brought is kept apart from what the provider said: whoever holds the browser can write anything into an address.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.connection import Tokens
    from valetkey.http import Pairs

MAX_FIELDS = 32
MAX_OCTETS = 512  # of one name and its text
MAX_OF = {"authorization_details": 8300}  # but for these
MIN_SECRET = 8  # a shorter token would be found in anything
_CREDENTIALS = (
    "token",
    "tokens",
    "secret",
    "secrets",
    "password",
    "passwd",
    "passphrase",
    "assertion",
    "credential",
    "credentials",
    "verifier",
    "jwt",
    "cookie",
    "bearer",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "sharedkey",
    "signingkey",
    "encryptionkey",
    "sessionhandle",
    "sessionid",
    "authorizationcode",
    "devicecode",
)


def beside(pairs: Pairs, *, tokens: Tokens | None = None) -> Pairs:
    """The pairs that may be read: short texts of one line that are no credentials, each name once, 32 at most.

    tokens: what they came with; a pair that repeats one of these is one, whatever it is called.
    """
    found: dict[str, str] = {}
    for name, text in pairs:
        short = len((name + text).encode("utf-8", "surrogatepass")) <= MAX_OF.get(name, MAX_OCTETS)
        if not name or not short or name in found or len(found) == MAX_FIELDS or _has_control(name + text):
            continue
        if not _is_credential(name, text, tokens):
            found[name] = text
    return tuple(found.items())


def newer(pairs: Pairs, older: Pairs) -> Pairs:
    """What a refresh answered over what was known before it: a provider does not say everything again."""
    said = {name for name, _ in pairs}
    return (*pairs, *(pair for pair in older if pair[0] not in said))[:MAX_FIELDS]


def _has_control(text: str) -> bool:
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


def _is_credential(name: str, text: str, tokens: Tokens | None) -> bool:
    letters = "".join(character for character in name.lower() if character.isalnum())
    if letters == "code" or letters.endswith(_CREDENTIALS) or _looks_signed(text):
        return True
    return any(secret in text for secret in _secrets(tokens))


def _looks_signed(text: str) -> bool:
    """Whether it is a JWT in compact form (RFC 7519 section 3), whose header begins with `{"` in base64url."""
    return text.startswith("eyJ") and text.count(".") in (2, 4)


def _secrets(tokens: Tokens | None) -> list[str]:
    if tokens is None:
        return []
    parts = (tokens.access_token, tokens.refresh_token, tokens.token_secret)
    return [part.reveal() for part in parts if part is not None and len(part.reveal()) >= MIN_SECRET]
