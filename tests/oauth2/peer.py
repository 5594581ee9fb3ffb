"""A provider that says what a test wants, asked through the real driver; and values that most tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from valetkey.drivers.drive import drive
from valetkey.effects import Now, Send
from valetkey.http import FORM, Headers, Request, Response, read_form
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import AuthorizationServer
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.effects import AnyEffect, Op

T = TypeVar("T")

NOW = 1_750_000_000.75
SERVER = AuthorizationServer(
    "https://as.example",
    "https://as.example/authorize",
    "https://as.example/token",
    revocation_endpoint="https://as.example/revoke",
    introspection_endpoint="https://as.example/introspect",
)
CLIENT = Client("client", Secret("s3cret-canary"), "https://app.example/callback/x")
PUBLIC_CLIENT = Client("client", None, "https://app.example/callback/x")


class Peer:
    """Answers one Send after the other, and keeps what it was asked."""

    def __init__(self, *responses: Response | Exception) -> None:
        self.responses = list(responses)
        self.sent: list[Send] = []

    def run(self, op: Op[T]) -> T:
        return drive(op, self.answer)

    def answer(self, effect: AnyEffect) -> object:
        if isinstance(effect, Now):
            return NOW
        assert isinstance(effect, Send)
        assert isinstance(effect.request, Request)
        assert effect.reach in ("public", "configured", "platform")
        assert effect.not_after >= NOW - 1, "every request ends"
        self.sent.append(effect)
        response = self.responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    @property
    def request(self) -> Request:
        return self.sent[-1].request


def answer(body: str | bytes, *, status: int = 200, content_type: str = "application/json", **headers: str) -> Response:
    octets = body.encode() if isinstance(body, str) else body
    more = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Response(status, Headers((("Content-Type", content_type), *more)), octets)


def form_of(request: Request) -> dict[str, str]:
    assert request.headers.get("Content-Type") == FORM
    pairs = read_form(request.body.decode())
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
