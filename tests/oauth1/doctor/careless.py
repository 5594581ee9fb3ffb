"""Who signs wrongly in these tests: code that shares nothing with valetkey, and can do every step in another way."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.diagnose import Diagnosis, diagnose
from valetkey.oauth1.doctor.wording import explain
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_SECRET = "canary+client/secret=="
TOKEN_SECRET = "canary token secret&"
URL = "https://API.Example.com/v1/Things/?b5=%3D%253D&a3=a&c%40=&a2=r%20b&a3=2%20q&x=1/2*"
QUERY = URL.partition("?")[2]
HOST = "https://api.example.com"
BASE_URI = f"{HOST}/v1/Things/"
BODY = "c2=&a3=2+q&status=Hello+Ladies+%2b+Gentlemen%2C%20caf%C3%A9%21~&text=x"
OAUTH = {
    "oauth_consumer_key": "9djd 82/8*~é!",
    "oauth_token": "kkk9d7dh3k39sjv7",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "137131201",
    "oauth_nonce": "7d8f3e4a",
    "oauth_version": "1.0",
}
NO_TOKEN = {name: text for name, text in OAUTH.items() if name != "oauth_token"}


def enc(text: str) -> str:
    return quote(text, safe="~")


def same(text: str) -> str:
    return text


class Signer:
    """Signs as a careless programmer would: every step can be replaced.

    encode_protocol: None for the same as `encode`. sort_key: of rows of name and value, encoded and as they are.
    unsigned: names that are sent and not signed; more: what is signed and not sent.
    """

    def __init__(self, **steps: Any) -> None:
        self.method = "POST"
        self.base_uri = BASE_URI
        self.encode: Callable[[str], str] = enc
        self.encode_protocol: Callable[[str], str] | None = None
        self.outer: Callable[[str], str] = enc
        self.sort_key: Callable[[tuple[str, str, str, str]], Any] | None = lambda row: row[:2]
        self.query = pairs(QUERY)
        self.form = pairs(BODY)
        self.more: list[tuple[str, str]] = []
        self.unsigned: tuple[str, ...] = ()
        self.key = f"{enc(CLIENT_SECRET)}&{enc(TOKEN_SECRET)}"
        self.digest = "sha1"
        self.text: Callable[[bytes], str] = lambda octets: b64encode(octets).decode()
        self.oauth = dict(OAUTH)
        for name, step in steps.items():
            assert hasattr(self, name), name
            setattr(self, name, step)

    def base_string(self) -> str:
        protocol = self.encode_protocol or self.encode
        rows = [(protocol(name), protocol(text), name, text) for name, text in self.oauth.items()]
        rows += [(self.encode(n), self.encode(t), n, t) for n, t in [*self.query, *self.form, *self.more]]
        rows = [row for row in rows if row[2] not in self.unsigned]
        if self.sort_key is not None:
            rows.sort(key=self.sort_key)
        normalized = "&".join(f"{row[0]}={row[1]}" for row in rows)
        return f"{self.outer(self.method)}&{self.outer(self.base_uri)}&{self.outer(normalized)}"

    def signature(self) -> str:
        made = hmac.new(self.key.encode(), self.base_string().encode(), getattr(hashlib, self.digest))
        return self.text(made.digest())

    def until(self, signature_holds: str) -> Signer:
        """The same, with a nonce that brings one of these characters into the signature."""
        number = 0
        while not set(signature_holds) & set(self.signature()):
            number += 1
            self.oauth["oauth_nonce"] = str(number)
        return self

    def request(self, *, url: str = URL, body: str = BODY, kind: str = FORM, method: str = "POST") -> Request:
        fields = {"realm": "Photos", **self.oauth, "oauth_signature": self.signature()}
        header = "OAuth " + ", ".join(
            f'{name}="{text if name == "realm" else enc(text)}"' for name, text in fields.items()
        )
        return Request(method, url, Headers((("Authorization", header), ("Content-Type", kind))), body.encode())


def small(**steps: Any) -> Signer:
    """One with little to sign, for what tries every two mistakes: brought to the doctor by `small_request`."""
    oauth = {name: text for name, text in NO_TOKEN.items() if name != "oauth_version"}
    return Signer(**{"base_uri": f"{HOST}/V1", "query": [("a", "b c")], "form": [("d", "")], "oauth": oauth} | steps)


def small_request(signer: Signer) -> Request:
    return signer.request(url="https://API.example.com/V1?a=b%20c", body="d=")


def pairs(text: str) -> list[tuple[str, str]]:
    """The fields of a query or form, as they are meant."""
    return parse_qsl(text, keep_blank_values=True)


def raw_pairs(text: str) -> list[tuple[str, str]]:
    """The same as they travel."""
    return [(name, found) for name, _, found in (field.partition("=") for field in text.split("&"))]


def examine(request: Request, **more: Any) -> Diagnosis:
    """What the doctor says of it, and never says a secret."""
    given = {"client_secret": Secret(CLIENT_SECRET), "token_secret": Secret(TOKEN_SECRET), **more}
    diagnosis = diagnose(request, **given)
    shown = "".join(piece.text for piece in explain(diagnosis)) + repr(diagnosis)
    assert "canary" not in unquote(shown)
    return diagnosis


def names(diagnosis: Diagnosis) -> list[str]:
    """What was named, each finding in one text."""
    return [" and ".join(one.name for one in finding) for finding in diagnosis.findings]
