"""The local front does to a request what an HTTP API does, and one invocation runs at a time."""

from __future__ import annotations

import http.client
import threading
from base64 import b64decode

import pytest

from valetkey.errors import ConfigurationError
from valetkey.gateways.aws import event_shape, read_event
from valetkey.testing.front import MAX_BODY_OCTETS, Front, read_answer, write_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def exchange(
    front: Front, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(front.host, front.port, timeout=10)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_an_event_is_what_the_gateway_reads_back() -> None:
    headers = [("Host", "localhost:1"), ("Cookie", "a=1; b=2"), ("X-Two", "one"), ("X-Two", "other")]
    event = write_event("POST", "/oauth/connect/a%20b?x=%2F&y=+", headers, b"")

    request = read_event(event)

    assert event_shape(event) == "http"
    assert event["rawPath"] == "/oauth/connect/a b"
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-two"] == "one,other"
    assert request.url == "/oauth/connect/a%20b?x=%2F&y=+"
    assert request.headers.get("cookie") == "a=1; b=2"


def test_a_form_arrives_as_base64_and_json_as_text() -> None:
    form = write_event("POST", "/", [("Content-Type", "application/x-www-form-urlencoded")], b"a=1")
    json = write_event("POST", "/", [("Content-Type", "application/json")], b"{}")

    assert (form["isBase64Encoded"], b64decode(form["body"])) == (True, b"a=1")
    assert (json["isBase64Encoded"], json["body"]) == (False, "{}")
    assert read_event(form).body == b"a=1"


def test_an_answer_without_a_status_is_no_answer() -> None:
    with pytest.raises(ValueError, match="statusCode"):
        read_answer({"body": "x"})


def test_cookies_of_the_answer_become_fields_of_their_own() -> None:
    def handler(event: Mapping[str, Any], _: object) -> dict[str, Any]:
        assert event["requestContext"]["http"]["method"] == "DELETE"
        return {
            "statusCode": 201,
            "headers": {"X-A": "b"},
            "cookies": ["a=1", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": True,
        }

    with Front(handler) as front:
        response, body = exchange(front, "DELETE", "/x")

    assert (response.status, body) == (201, b"hi")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_handler_that_fails_is_a_500_that_says_nothing() -> None:
    def handler(_: Mapping[str, Any], __: object) -> dict[str, Any]:
        raise RuntimeError("canary")

    with Front(handler) as front:
        response, body = exchange(front, "GET", "/")

    assert (response.status, body) == (500, b'{"message":"Internal Server Error"}')


def test_a_body_that_is_too_large_never_reaches_the_handler() -> None:
    calls: list[object] = []

    def handler(event: Mapping[str, Any], _: object) -> dict[str, Any]:
        calls.append(event)
        return {"statusCode": 200}

    with Front(handler) as front:
        response, _ = exchange(front, "POST", "/", headers={"Content-Length": str(MAX_BODY_OCTETS + 1)})

    assert (response.status, calls) == (413, [])


def test_invocations_run_one_at_a_time_and_see_how_long_they_have() -> None:
    inside = threading.Semaphore(1)
    overlaps: list[bool] = []

    def handler(_: Mapping[str, Any], context: Any) -> dict[str, Any]:
        alone = inside.acquire(blocking=False)
        overlaps.append(not alone)
        remaining = context.get_remaining_time_in_millis()
        if alone:
            inside.release()
        return {"statusCode": 200 if 0 < remaining <= 29_000 else 500}

    with Front(handler) as front:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(exchange(front, "GET", "/")[0].status)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses == [200] * 8
    assert overlaps == [False] * 8


def test_it_listens_on_loopback_only_and_says_so_when_the_port_is_taken() -> None:
    def handler(_: Mapping[str, Any], __: object) -> dict[str, Any]:
        return {"statusCode": 200}

    with pytest.raises(ConfigurationError, match="not a loopback"):
        Front(handler, host="0.0.0.0")
    with Front(handler) as front, pytest.raises(ConfigurationError, match="choose another port"):
        Front(handler, port=front.port)
