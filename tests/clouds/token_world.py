"""A world for token sources: a clock, chance, a key that signs, and endpoints that answer from a list."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from valetkey.dates import read_time
from valetkey.drivers.drive import drive
from valetkey.effects import Now, Random, Remaining, Send, Sign, Sleep
from valetkey.errors import TransportError
from valetkey.http import Headers, Response
from valetkey.keys.signer import LocalSigner

if TYPE_CHECKING:
    from valetkey.clouds.tokens import TokenSource

START = read_time("2026-01-01T00:00:00Z")
NO_ANSWER = TransportError("no answer", maybe_received=True)


def token(text: str = "canary-token", **changes: object) -> Response:
    answer = {"access_token": text, "token_type": "Bearer", "expires_in": 3600, **changes}
    return Response(200, Headers(), json.dumps(answer).encode())


def refusal(error: str, status: int = 400) -> Response:
    body = json.dumps({"error": error, "error_description": "canary-body"}).encode()
    return Response(status, Headers(), body)


class TokenWorld:
    """The last answer is given for ever."""

    def __init__(self, *answers: Response | TransportError, remaining: float = 30.0) -> None:
        self.now, self.remaining = float(START), remaining
        self.answers = list(answers)
        self.sent: list[Send] = []
        self.signer = LocalSigner()

    def answer(self, effect: object) -> object:
        match effect:
            case Now():
                return self.now
            case Remaining():
                return self.remaining
            case Random(octets):
                return os.urandom(octets)
            case Sleep(seconds):
                self.now += seconds
                return None
            case Sign(key, algorithm, message):
                return self.signer.sign(key, algorithm, message)
            case Send():
                self.sent.append(effect)
                reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(reply, TransportError):
                    raise reply
                return reply
        raise AssertionError(effect)

    def current(self, source: TokenSource) -> str:
        return drive(source.current(), self.answer).reveal()
