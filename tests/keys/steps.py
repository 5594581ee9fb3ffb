"""What the tests of key services do again and again: a world that counts what is sent, and an administrator of KMS."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.clouds.aws_sigv4 import AwsCredentials, sign_request
from valetkey.drivers.drive import drive, drive_async
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, Now, Place, Random, Remaining, Send, Sleep
from valetkey.http import Headers, Request, Response
from valetkey.keys.aws_kms import AwsKms
from valetkey.keys.envelope import EnvelopeKeyRing
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from valetkey.effects import WireOp
    from valetkey.keys.key_service import KeyService, WrappedKey

PLACE = Place("connection", ("production", "alice", "connection/github/", "incarnation", "1"))
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}
REGION = "eu-central-1"


class World:
    """Answers the wire effects: real requests, counted; virtual or real time."""

    def __init__(self, send: Callable[[Send], Response], *, real: bool = False) -> None:
        self._send, self._real = send, real
        self.now = 1_800_000_000.0
        self.remaining = 30.0
        self.sent: list[Send] = []
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def send(self, effect: Send) -> Response:
        with self._lock:
            self.sent.append(effect)
        return self._send(effect)

    def answer(self, effect: object) -> object:
        match effect:
            case Now():
                return time.time() if self._real else self.now
            case Remaining():
                return self.remaining
            case Random(octets):
                return os.urandom(octets)
            case Sleep(seconds):
                if self._real:
                    time.sleep(seconds)
                else:
                    self.now += seconds
                    self.slept.append(seconds)
                return None
            case Send():
                return self.send(effect)
        raise AssertionError(effect)

    def answer_async(self, effect: object) -> object:
        if isinstance(effect, Send):
            return asyncio.to_thread(self.send, effect)
        if isinstance(effect, Sleep) and self._real:
            return asyncio.sleep(effect.seconds)
        return self.answer(effect)

    def run(self, program: Any) -> Any:
        return drive(program, self.answer)

    async def run_async(self, program: Any) -> Any:
        return await drive_async(program, self.answer_async)


def ring(
    *keys: tuple[str, bytes] | WrappedKey, service: KeyService, environment: str = "production", **changes: Any
) -> EnvelopeKeyRing:
    services = dict.fromkeys(("aws-kms", "gcp-kms", "azure-key-vault"), service)
    return EnvelopeKeyRing(keys, services=services, environment=environment, **changes)


def refuse(status: int, body: object) -> Callable[[Send], Response]:
    """A service that always answers so."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: Response(status, Headers(), octets)


class KmsServer:
    """moto's KMS, and what an administrator does there."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.transport = StdlibTransport()
        self.service = AwsKms(credentials=AwsCredentialSource(ENVIRON), endpoint=endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def world(self, *, real: bool = False) -> World:
        return World(self.transport.send, real=real)

    def administer(self, operation: str, **content: object) -> Any:
        headers = Headers(
            (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"TrentService.{operation}"))
        )
        request = sign_request(
            Request("POST", f"{self.endpoint}/", headers, json.dumps(content).encode()),
            AwsCredentials("AKIDEXAMPLE", Secret("canary-secret-key")),
            region=REGION,
            service="kms",
            now=int(time.time()),
        )
        response = self.transport.send(Send(request, CONFIGURED, time.time() + 10))
        assert response.status == 200, response.body
        return json.loads(response.body or b"{}")

    def create_key(self) -> str:
        arn: str = self.administer("CreateKey")["KeyMetadata"]["Arn"]
        return arn

    def wrap(self, name: str, key_id: str = "k-1", environment: str = "production") -> WrappedKey:
        program: WireOp[WrappedKey] = self.service.wrap(name, key_id=key_id, environment=environment)
        found: WrappedKey = self.world().run(program)
        return found
