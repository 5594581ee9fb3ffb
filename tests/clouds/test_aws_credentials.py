"""Where AWS puts a function's credentials, with a container's endpoint on loopback."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.clouds.tokens import MAX_ATTEMPTS
from valetkey.dates import read_time
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, PLATFORM, Now, Random, Remaining, Send, Sleep
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valetkey.clouds.aws_sigv4 import AwsCredentials

START = read_time("2026-01-01T00:00:00Z")
RELATIVE = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/canary-id"}


def body(expiration: str = "2026-01-01T06:00:00Z", **changes: object) -> bytes:
    answer = {"AccessKeyId": "ASIA", "SecretAccessKey": "canary-secret", "Token": "canary-token"}
    return json.dumps({**answer, "Expiration": expiration, **changes}).encode()


class World:
    """A clock and an endpoint that answers from a list, the last answer for ever."""

    def __init__(self, *answers: Response | TransportError, remaining: float = 1e9) -> None:
        self.now = float(START)
        self.ends = self.now + remaining
        self.answers = list(answers)
        self.sent: list[Send] = []

    def answer(self, effect: object) -> object:
        match effect:
            case Now():
                return self.now
            case Remaining():
                return max(0.0, self.ends - self.now)
            case Random(octets):
                return os.urandom(octets)
            case Sleep(seconds):
                self.now += seconds
                return None
            case Send():
                self.sent.append(effect)
                reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(reply, TransportError):
                    raise reply
                return reply
        raise AssertionError(effect)

    def current(self, source: AwsCredentialSource) -> AwsCredentials:
        return drive(source.current(), self.answer)


def ok(expiration: str = "2026-01-01T06:00:00Z", **changes: object) -> Response:
    return Response(200, Headers(), body(expiration, **changes))


NO_ANSWER = TransportError("no answer", maybe_received=True)


def test_a_lambda_functions_credentials_come_from_its_environment() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "canary-secret", "AWS_SESSION_TOKEN": "canary-token"}
    world = World(NO_ANSWER)

    found = world.current(AwsCredentialSource(environ | RELATIVE))

    assert (found.access_key_id, found.secret_access_key.reveal()) == ("A", "canary-secret")
    assert found.session_token is not None
    assert found.session_token.reveal() == "canary-token"
    assert not world.sent


def test_credentials_that_the_platform_changes_in_the_environment_are_seen() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
    source, world = AwsCredentialSource(environ), World(NO_ANSWER)
    world.current(source)
    environ["AWS_ACCESS_KEY_ID"] = "B"

    assert world.current(source).access_key_id == "B"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_the_credentials_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="set both"):
        World(NO_ANSWER).current(AwsCredentialSource({name: "canary"}))


def test_no_credentials_at_all_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="give the function a role"):
        World(NO_ANSWER).current(AwsCredentialSource({}))


def test_a_container_asks_the_platforms_fixed_address() -> None:
    world = World(ok())

    found = world.current(AwsCredentialSource(RELATIVE | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token"}))

    assert found.expires_at == START + 6 * 3600
    assert world.sent[0].request.url == "http://169.254.170.2/v2/credentials/canary-id"
    assert world.sent[0].reach == PLATFORM
    assert world.sent[0].request.headers.get("authorization") == "pod-token"
    assert world.sent[0].not_after <= START + 2


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("http://169.254.170.23/v1/credentials", PLATFORM),
        ("http://[fd00:ec2::23]/v1/credentials", PLATFORM),
        ("http://127.0.0.1:9001/2016-11-22/credentials", CONFIGURED),
        ("http://localhost:9001/", CONFIGURED),
        ("https://credentials.example/", CONFIGURED),
    ],
)
def test_a_full_url_is_asked_where_it_may_lead(url: str, reach: str) -> None:
    world = World(ok())

    world.current(AwsCredentialSource({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}))

    assert (world.sent[0].request.url, world.sent[0].reach) == (url, reach)


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://credentials.example/"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.169.254/latest/"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://user@127.0.0.1/"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "file:///etc/passwd"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil.example/"},
        RELATIVE | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary\r\nX: y"},
    ],
)
def test_credentials_are_asked_nowhere_else(environ: dict[str, str]) -> None:
    world = World(ok())

    with pytest.raises(ConfigurationError) as caught:
        world.current(AwsCredentialSource(environ))

    assert not world.sent
    assert "canary" not in str(caught.value)


def test_the_token_file_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path),
    }
    source, world = AwsCredentialSource(environ), World(ok())
    world.current(source)
    path.write_text("second")
    source.forget()

    world.current(source)

    assert [sent.request.headers.get("authorization") for sent in world.sent] == ["first", "second"]


def test_a_token_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    environ = RELATIVE | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "none")}

    with pytest.raises(StoreError, match="cannot be read"):
        World(ok()).current(AwsCredentialSource(environ))


def test_credentials_are_kept_until_shortly_before_they_expire() -> None:
    source, world = AwsCredentialSource(RELATIVE), World(ok(), ok("2026-01-01T12:00:00Z", AccessKeyId="NEXT"))
    world.current(source)
    world.now = START + 6 * 3600 - 301
    assert world.current(source).access_key_id == "ASIA"
    assert len(world.sent) == 1

    world.now += 1

    assert world.current(source).access_key_id == "NEXT"


def test_credentials_that_still_live_survive_a_failed_renewal() -> None:
    source, world = AwsCredentialSource(RELATIVE), World(ok(), NO_ANSWER)
    world.current(source)
    world.now = START + 6 * 3600 - 100

    assert world.current(source).access_key_id == "ASIA"

    world.now = START + 6 * 3600
    with pytest.raises(StoreError, match="gave no AWS credentials"):
        world.current(source)


@pytest.mark.parametrize("first", [NO_ANSWER, Response(500), Response(429)], ids=["no answer", "500", "429"])
def test_a_failure_that_may_pass_is_tried_again(first: Response | TransportError) -> None:
    world = World(first, ok())

    assert world.current(AwsCredentialSource(RELATIVE)).access_key_id == "ASIA"


def test_trying_ends() -> None:
    world = World(NO_ANSWER)

    with pytest.raises(StoreError, match="check the task's or pod's role"):
        world.current(AwsCredentialSource(RELATIVE))

    assert len(world.sent) == MAX_ATTEMPTS


@pytest.mark.parametrize("answer", [NO_ANSWER, Response(500)], ids=["no answer", "500"])
def test_trying_ends_with_the_time_that_is_left(answer: Response | TransportError) -> None:
    world = World(answer, remaining=0.6)
    real = world.answer

    def slowly(effect: object) -> object:
        if isinstance(effect, Send):
            world.now += 0.5
        return real(effect)

    with pytest.raises(StoreError, match="gave no AWS credentials"):
        drive(AwsCredentialSource(RELATIVE).current(), slowly)

    assert [each.not_after for each in world.sent] == [START + 0.6]
    assert world.now < world.ends + 0.5


def test_nothing_is_sent_when_no_time_is_left() -> None:
    world = World(ok(), remaining=0.1)

    with pytest.raises(StoreError, match="gave no AWS credentials"):
        world.current(AwsCredentialSource(RELATIVE))

    assert not world.sent


def test_a_refusal_is_not_tried_again() -> None:
    world = World(Response(403, Headers(), b"canary-body"))

    with pytest.raises(StoreError) as caught:
        world.current(AwsCredentialSource(RELATIVE))

    assert len(world.sent) == 1
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"canary",
        b"[]",
        b"null",
        b"{}",
        body(Token=None),
        body(SecretAccessKey=5),
        body(AccessKeyId=""),
        body("canary"),
        body("2026-02-30T00:00:00Z"),
        b"\xff",
    ],
)
def test_an_answer_that_is_not_credentials_is_an_error_that_quotes_none_of_it(answer: bytes) -> None:
    with pytest.raises(StoreError, match="not credentials") as caught:
        World(Response(200, Headers(), answer)).current(AwsCredentialSource(RELATIVE))

    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)


def test_the_source_prints_nothing_of_what_it_holds() -> None:
    source = AwsCredentialSource(RELATIVE | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary-pod"})
    found = World(ok()).current(source)

    assert "canary" not in repr(source) + str(source) + repr(found) + str(found)


class Endpoint(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        right = (self.path, self.headers["Authorization"]) == ("/get-credentials", "pod-token")
        answer = body("2036-01-01T00:00:00Z") if right else b"{}"
        self.send_response(200 if right else 403)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/get-credentials"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_on_loopback_is_asked_over_a_real_connection(endpoint: str) -> None:
    import time

    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token"}
    performers: dict[type, Callable[..., object]] = {Now: lambda _: time.time(), Remaining: lambda _: 30.0}
    with StdlibTransport() as transport:
        performers[Send] = transport.send
        found = drive(AwsCredentialSource(environ).current(), lambda effect: performers[type(effect)](effect))

    assert found.access_key_id == "ASIA"
