"""The people of these tests: a client, its token, a server that checks what they sign."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from valetkey.effects import Now, PrivateKey, Random, Send, Sign
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.verify import Keys
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import AnyEffect
    from valetkey.http import Response

NOW = 1_700_000_000
CLIENT_SECRET = "canary-client-secret-&%/é"
TOKEN_SECRET = "canary-token-secret"
CLIENT = ClientCredentials("dpf43f3p2l4k3l03", Secret(CLIENT_SECRET))
TOKEN = TokenCredentials("nnch734d00sl2jdk", Secret(TOKEN_SECRET))
KEYS = Keys(Secret(CLIENT_SECRET), Secret(TOKEN_SECRET))
URL = "https://photos.example.net/photos?file=vacation.jpg&size=original"


@cache
def key_pair() -> tuple[str, str]:
    """A private key and its public key, in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), public.decode()


def rsa_client() -> ClientCredentials:
    return ClientCredentials(CLIENT.identifier, CLIENT.secret, PrivateKey(Secret(key_pair()[0])))


def rsa_sign(effect: Sign) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(effect.key.pem.reveal().encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    if effect.algorithm == "PS256":
        return key.sign(effect.message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    hashes = {"RS1": SHA1(), "RS256": SHA256(), "RS512": SHA512()}
    return key.sign(effect.message, padding.PKCS1v15(), hashes[effect.algorithm])


class World:
    """Answers the effects of a program: a clock that stands, octets that count, and a server given as a function."""

    def __init__(self, server: Callable[[Request], Response] | None = None, *, now: float = NOW) -> None:
        self.server, self.now = server, now
        self.drawn = 0
        self.sent: list[Send] = []

    def answer(self, effect: AnyEffect) -> object:
        if isinstance(effect, Now):
            return self.now
        if isinstance(effect, Random):
            self.drawn += 1
            return self.drawn.to_bytes(effect.octets, "big")
        if isinstance(effect, Sign):
            return rsa_sign(effect)
        assert isinstance(effect, Send)
        assert self.server is not None
        assert (effect.reach, effect.not_after >= NOW - 1) == ("configured", True), "every request ends"
        self.sent.append(effect)
        return self.server(effect.request)


def form_request(body: str, *, url: str = URL, method: str = "POST", kind: str = FORM) -> Request:
    return Request(method, url, Headers((("Content-Type", kind),)), body.encode())
