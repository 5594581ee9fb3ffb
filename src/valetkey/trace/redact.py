"""Redaction by allow-list: what is known to be harmless is shown, everything else becomes a fingerprint.

    fp-9c1a2b3c4d5e        of a short value
    fp-9c1a2b3c4d5e-43     of one of 43 characters; under 16 the length would say too much

Equal values have equal fingerprints wherever they stand: in a query, a form, JSON, a header or a claim. The one rule:
a value that was once taken for a secret is one everywhere, also inside a value that would have been shown.
Not here: which names and words are harmless (`words`), what the deployment says openly (`known`), the form of an
entry (`entries`).
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from valetkey.digest import hmac_sha256
from valetkey.http import is_loopback, percent_decode, read_form, read_url
from valetkey.keys.aead import length_prefixed
from valetkey.trace.jwt import MAX_READ, describe_jwt
from valetkey.trace.words import (
    FETCH,
    MEDIA_TYPES,
    RESPONSE_TYPES,
    RULES,
    SCHEMES,
    WORDS,
)

if TYPE_CHECKING:
    from valetkey.http import Pairs, Url
    from valetkey.trace.known import Known

DIGITS = 12
MIN_SHOWN_LENGTH = 16
MIN_SECRET = 6
MAX_DEPTH = 6
MAX_MEMBERS = 64
MAX_NUMBER = 13
MAX_SECRETS = 1000  # of one run, the latest: a sweep meets some for each connection, and every text is searched for all
_CODE = re.compile(r"[a-z_]{1,64}")
_NUMBER = re.compile(rf"-?[0-9]{{1,{MAX_NUMBER}}}")
_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_PARAMETER = re.compile(r'([A-Za-z_]{1,40})="([^"]{0,4096})"|([A-Za-z_]{1,40})=([^",\s]{0,4096})')
_FLOW_COOKIE = re.compile(r"(__Host-vk-|vk-)[0-9a-f]{12}")
_SEGMENT = re.compile(r"[A-Za-z0-9._~:=-]{1,64}")
_VERSION = re.compile(r"v?[0-9]{1,2}(\.[0-9]{1,2})?")
_ATTRIBUTE = re.compile(r"Secure|HttpOnly|Path=/|Max-Age=[0-9]{1,9}|SameSite=(Lax|Strict|None)", re.IGNORECASE)


class Redactor:
    """The redaction of one run of a program, which remembers the secrets that it met."""

    def __init__(self, key: bytes, known: Known) -> None:
        self._key, self._known = key, known
        self.secrets: dict[str, None] = {}

    def fingerprint(self, text: str) -> str:
        """The fingerprint, without taking the text for a secret from now on."""
        digits = hmac_sha256(self._key, text.encode("utf-8", "surrogatepass")).hex()[:DIGITS]
        return f"fp-{digits}-{len(text)}" if len(text) >= MIN_SHOWN_LENGTH else f"fp-{digits}"

    def identifier(self, *texts: str) -> str:
        """What a flow or a connection is called in a trace: hexadecimal digits that tell nothing of it."""
        return hmac_sha256(self._key, length_prefixed(("id", *texts))).hex()

    def scrub(self, text: str) -> str:
        """A sentence of ours; only what stands before its colon where a secret stands in it."""
        parts = (text, text.partition(":")[0])
        return next((part for part in parts if not self.tainted(part)), "withheld: a secret stands in it")

    def secret(self, text: str) -> str:
        """The fingerprint of a secret; a JWT with its header and claims beside it, each redacted."""
        if not text:
            return ""
        self._remember(text)
        shown = self.fingerprint(text)
        return f"{shown} {described}" if (described := describe_jwt(text, self.json)) else shown

    def _remember(self, text: str) -> None:
        if len(text) >= MIN_SECRET and not self._known.says(text):
            _ = self.secrets.pop(text, None)
            self.secrets[text] = None
            if len(self.secrets) > MAX_SECRETS:
                del self.secrets[next(iter(self.secrets))]

    def tainted(self, text: str) -> bool:
        """Whether a secret stands in it."""
        return any(secret in text for secret in self.secrets)

    def _shown(self, text: str, *, harmless: bool) -> str:
        return text if harmless and not self.tainted(text) else self.secret(text)

    # What a rule of `words` names

    def word(self, text: str) -> str:
        """A word of the protocols."""
        return self._shown(text, harmless=text in WORDS or text in RESPONSE_TYPES)

    words = word

    def code(self, text: str) -> str:
        """An error code, as RFC 6749 section 5.2 writes them."""
        return self._shown(text, harmless=bool(_CODE.fullmatch(text)) or bool(_NUMBER.fullmatch(text)))

    def number(self, text: str) -> str:
        """A number or a moment."""
        return self._shown(text, harmless=bool(_NUMBER.fullmatch(text)))

    def flag(self, text: str) -> str:
        """True or false."""
        return self._shown(text, harmless=text in ("true", "false"))

    def scope(self, text: str) -> str:
        """Each scope that the configuration names; the others as fingerprints."""
        return " ".join(self._shown(part, harmless=part in self._known.scopes) for part in re.split(r"[ ,]+", text))

    def nested(self, text: str) -> str:
        """What should have been an object."""
        return self.secret(text)

    def url(self, text: str) -> str:
        """A URL that is configured, or one on a host that is; `oob` too."""
        if text in self._known.urls or text == "oob":
            return self._shown(text, harmless=True)
        try:
            url = read_url(text)
        except ValueError:
            return self.secret(text)
        return self._located(text, url, open_path=True)

    def _located(self, text: str, url: Url, *, open_path: bool) -> str:
        known = url.host in self._known.hosts or is_loopback(url.host)
        path = "/".join(self._segment(part, open_path=known and open_path) for part in url.path.split("/"))
        query = self.query(url.query)
        if not known:  # what is secret in it is known now; the host is none: the next request may go there
            return self.fingerprint(text)
        return self._shown(url.origin, harmless=True) + path + query

    def resource(self, text: str) -> str:
        """The URL of a resource; where the configuration does not name it, its path is a resource owner's matter."""
        try:
            url = read_url(text)
        except ValueError:
            return self.secret(text)
        return (
            text if text in self._known.urls and not self.tainted(text) else self._located(text, url, open_path=False)
        )

    def client(self, text: str) -> str:
        """A client identifier, which may be a URL of ours (client id metadata documents)."""
        return self.url(text) if text.startswith("https://") else self.secret(text)

    def location(self, text: str) -> str:
        """Where a browser is sent: a URL, or a path of ours."""
        if text.startswith("/"):
            path, _, query = text.partition("?")
            return "/".join(self._segment(part, open_path=False) for part in path.split("/")) + self.query(query)
        return self.url(text)

    def host(self, text: str) -> str:
        """A host that is configured."""
        return self._shown(text, harmless=text.partition(":")[0].lower() in self._known.hosts)

    def media_type(self, text: str) -> str:
        """Media types; parameters are left out."""
        kinds = [part.partition(";")[0].strip().lower() for part in text.split(",")]
        return ", ".join(self._shown(kind, harmless=kind in MEDIA_TYPES) for kind in kinds if kind)

    def date(self, text: str) -> str:
        """A moment as HTTP writes it."""
        return self._shown(text, harmless=bool(_DATE.fullmatch(text)))

    def fetch(self, text: str) -> str:
        """Words of HTTP and of browsers, of which there are few."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return ", ".join(self._shown(part, harmless=part.lower() in FETCH) for part in parts)

    def authorization(self, text: str) -> str:
        """The scheme, and the parts of the credentials as fingerprints."""
        scheme, _, rest = text.partition(" ")
        lower = scheme.lower()
        if lower == "basic":
            return f"{scheme} {self._basic(rest)}"
        if lower in ("bearer", "dpop"):
            return f"{scheme} {self.secret(rest)}"
        if lower == "oauth":
            return f"{scheme} {self._parameters(rest, encoded=True)}"
        return self.secret(text)

    def challenge(self, text: str) -> str:
        """The scheme and the parameters of a challenge."""
        scheme, _, rest = text.partition(" ")
        if scheme.lower() not in SCHEMES:
            return self.secret(text)
        return f"{scheme} {self._parameters(rest, encoded=False)}".rstrip()

    def cookie(self, text: str) -> str:
        """Names of cookies of ours without the flow's digits, and every value as a fingerprint."""
        return "; ".join(f"{name}={found}" for name, found in self.cookies(text))

    def cookies(self, text: str) -> Pairs:
        """The same as pairs."""
        pairs = [part.strip().partition("=") for part in text.split(";")[:MAX_MEMBERS] if part.strip()]
        return tuple((self.cookie_name(name), self.secret(found)) for name, _, found in pairs)

    def cookie_name(self, name: str) -> str:
        """`__Host-vk-` and a fingerprint; of a cookie that is not ours a fingerprint only."""
        ours = _FLOW_COOKIE.fullmatch(name)
        return f"{ours[1]}{self.fingerprint(name)}" if ours else self.fingerprint(name)

    def set_cookie(self, text: str) -> str:
        """The same for a cookie that is set, with those of its attributes that everybody uses."""
        pair, *attributes = [part.strip() for part in text.split(";")]
        name, _, found = pair.partition("=")
        plain = [part for part in attributes if _ATTRIBUTE.fullmatch(part) and not self.tainted(part)]
        return "; ".join([f"{self.cookie_name(name)}={self.secret(found)}", *plain])

    # Structures

    def name(self, text: str) -> str:
        """The name of a parameter or member, if it is known."""
        return self._shown(text, harmless=text in RULES or text in self._known.names)

    def field(self, name: str, text: str) -> str:
        """The value of a parameter or member, by the rule of its name."""
        rule: str = RULES.get(name, "secret")
        shown: str = getattr(self, rule)(text)
        return shown

    def pairs(self, pairs: Pairs) -> Pairs:
        """Names and values."""
        return tuple((self.name(name), self.field(name, text)) for name, text in pairs[:MAX_MEMBERS])

    def query(self, text: str) -> str:
        """A query with its question mark; empty where there is none."""
        if not text:
            return ""
        pairs = self.read_pairs(text)
        if pairs is None:
            return f"?{self.secret(text)}".replace(" ", "%20")
        return "?" + "&".join(f"{name}={found}".replace(" ", "%20").replace("&", "%26") for name, found in pairs)

    def read_pairs(self, text: str) -> Pairs | None:
        """The pairs of a form, redacted; None where it is not one. Something without any `=` is not one."""
        if len(text) > MAX_READ or "=" not in text:
            return None
        try:
            return self.pairs(read_form(text))
        except ValueError:
            return None

    def target(self, url: str, *, open_path: bool) -> str:
        """The URL of a request that was sent. open_path: its path is the configuration's, and not an API's resource."""
        try:
            parts = read_url(url)
        except ValueError:
            return self.secret(url)
        path = "/".join(self._segment(part, open_path=open_path) for part in parts.path.split("/"))
        return f"{parts.origin}{path}{self.query(parts.query)}"

    def _segment(self, text: str, *, open_path: bool) -> str:
        if not text:
            return ""
        harmless = text in self._known.segments or bool(_VERSION.fullmatch(text))
        harmless = harmless or (open_path and bool(_SEGMENT.fullmatch(text)))
        return self._shown(text, harmless=harmless).replace(" ", "%20")

    def json(self, found: Any, *, name: str = "", depth: int = 0) -> Any:
        """A JSON value, member by member."""
        if depth > MAX_DEPTH:
            return self.secret(str(type(found).__name__))
        if isinstance(found, dict):
            members = list(found.items())[:MAX_MEMBERS]
            return {self.name(key): self.json(item, name=key, depth=depth + 1) for key, item in members}
        if isinstance(found, list):
            return [self.json(item, name=name, depth=depth + 1) for item in found[:MAX_MEMBERS]]
        if found is None or isinstance(found, bool):
            return found
        if isinstance(found, int | float):
            text = str(found)[:MAX_READ]
            shown = RULES.get(name) in ("number", "code") and bool(_NUMBER.fullmatch(text))
            return found if shown and not self.tainted(text) else self.secret(text)
        return self.field(name, str(found))

    def _basic(self, text: str) -> str:
        self._remember(text)
        try:
            client_id, colon, secret = b64decode(text, validate=True).decode().partition(":")
        except ValueError:
            return self.secret(text)
        if not colon:
            return self.secret(text)
        return f"{self.secret(self._plain(client_id))}:{self.secret(self._plain(secret))}"

    def _plain(self, text: str) -> str:
        self._remember(text)
        try:
            return percent_decode(text, plus_is_space=True)  # 6749 s2.3.1: both are form-encoded
        except ValueError:
            return text

    def _parameters(self, text: str, *, encoded: bool) -> str:
        found = []
        for match in list(_PARAMETER.finditer(text))[:MAX_MEMBERS]:
            name, written = match[1] or match[3], match[2] or match[4] or ""
            plain = self._plain(written) if encoded and "%" in written else written
            found.append(f'{self.name(name)}="{self.field(name, plain)}"')
        left = _PARAMETER.sub("", text).strip(" ,\t")
        return ", ".join([*found, self.secret(left)] if left else found)
