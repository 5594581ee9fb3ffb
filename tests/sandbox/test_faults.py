"""Misbehaviour on request, what the log says of it, and the control endpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sandbox.steps import BASE_URL, Bench, fields, refusal

from valetkey.errors import ConfigurationError, TransportError
from valetkey.http import Headers, Request, Response, read_form
from valetkey.sandbox import ResponseLost
from valetkey.sandbox.faults import RequestLost

JSON = ("Content-Type", "application/json")


def with_fault(fault: str, **details: Any) -> tuple[Bench, str]:
    """A bench with a fresh code, and a fault at the token endpoint."""
    bench = Bench()
    code = bench.code()
    bench.sandbox.faults.add(endpoint="token", fault=fault, **details)
    return bench, code


def acted(bench: Bench) -> bool:
    return bench.sandbox.seen.count("token", outcome="ok") > 0


def test_a_lost_response_leaves_the_act_done() -> None:
    bench, code = with_fault("lose_response")

    with pytest.raises(ResponseLost) as lost:
        bench.redeem(code)

    assert isinstance(lost.value, TransportError)
    assert lost.value.maybe_received
    assert acted(bench)
    assert refusal(bench.redeem(code)) == (400, "invalid_grant")


def test_a_lost_request_was_never_there() -> None:
    bench, code = with_fault("lose_request")

    with pytest.raises(RequestLost) as lost:
        bench.redeem(code)

    assert not lost.value.maybe_received
    assert bench.sandbox.seen.count("token") == 0
    assert bench.redeem(code).status == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_takes_its_time(when: str) -> None:
    bench, code = with_fault("delay", seconds=61, when=when)
    began = bench.clock()

    response = bench.redeem(code)

    assert bench.clock() == began + 61
    assert response.status == (400 if when == "before" else 200)  # a code lives a minute


def test_too_many_requests_say_when_to_come_back_and_nothing_is_done() -> None:
    bench, code = with_fault("status", status=429, retry_after=7)

    response = bench.redeem(code)

    assert (response.status, response.headers.get("Retry-After")) == (429, "7")
    assert bench.sandbox.seen.count("token", outcome="fault", grant_type="authorization_code") == 1
    assert bench.redeem(code).status == 200


def test_a_server_error_may_come_after_the_act() -> None:
    bench, code = with_fault("status", status=502, when="after")

    assert bench.redeem(code).status == 502
    assert acted(bench)
    assert bench.sandbox.seen.count("token", fault="status") == 1


@pytest.mark.parametrize(("when", "done"), [("", True), ("after", True), ("before", False)])
def test_a_page_may_come_instead_of_json(when: str, done: bool) -> None:
    bench, code = with_fault("html", when=when)

    response = bench.redeem(code)

    assert (response.status, response.headers.get("Content-Type")) == (200, "text/html; charset=utf-8")
    assert acted(bench) is done


def test_an_answer_may_be_form_encoded() -> None:
    bench, code = with_fault("form_encoded")

    response = bench.redeem(code)

    assert response.headers.get("Content-Type") == "application/x-www-form-urlencoded"
    assert bench.works(dict(read_form(response.body.decode()))["access_token"])


def test_an_error_may_come_with_status_200() -> None:
    bench, code = with_fault("error_with_status_200")

    response = bench.redeem(code, code_verifier=None)

    assert response.status == 200
    assert json.loads(response.body)["error"] == "invalid_grant"


def test_an_error_of_ones_choice_may_come_with_status_200_without_an_act() -> None:
    bench, code = with_fault("error_with_status_200", error="bad_verification_code")

    assert fields(bench.redeem(code)) == {"error": "bad_verification_code"}
    assert not acted(bench)


def test_the_refresh_token_may_be_missing() -> None:
    bench, code = with_fault("missing_refresh_token")

    found = fields(bench.redeem(code))

    assert "refresh_token" not in found
    assert bench.works(found["access_token"])


def test_the_lifetime_may_come_as_a_string() -> None:
    bench, code = with_fault("expires_in_string")

    assert fields(bench.redeem(code))["expires_in"] == "3600"


@pytest.mark.parametrize(("answer", "status"), [("first", 200), ("second", 400)])
def test_a_request_may_be_delivered_twice(answer: str, status: int) -> None:
    bench, code = with_fault("double_delivery", answer=answer)

    assert bench.redeem(code).status == status
    assert bench.sandbox.seen.count("token") == 2


def test_a_fault_happens_as_often_as_it_says_then_no_more() -> None:
    bench, code = with_fault("status", times=2)

    assert [bench.redeem(code).status for _ in range(3)] == [503, 503, 200]
    assert bench.sandbox.faults.pending() == ()


def test_a_fault_may_be_for_some_requests_only() -> None:
    bench, code = with_fault("status", only={"grant_type": "refresh_token"})

    found = fields(bench.redeem(code))

    assert bench.refresh(found["refresh_token"]).status == 503


def test_faults_come_in_the_order_in_which_they_were_added_and_can_be_cleared() -> None:
    bench, code = with_fault("status", status=500)
    bench.sandbox.faults.add(endpoint="token", fault="status", status=501)
    bench.sandbox.faults.add(endpoint="token", fault="status", status=502)
    bench.sandbox.faults.add(endpoint="me", fault="status", status=504)

    assert [bench.redeem(code).status for _ in range(2)] == [500, 501]
    assert bench.me("x").status == 504
    bench.sandbox.faults.clear()
    assert bench.redeem(code).status == 200


def test_faults_reach_the_pages_and_oauth1_too() -> None:
    bench = Bench()
    for endpoint in ("authorize", "oauth1_initiate", "metadata"):
        bench.sandbox.faults.add(endpoint=endpoint, fault="html", status=500)

    assert bench.get(bench.location()).status == 500
    assert bench.sandbox.respond(bench.signed("POST", "/oauth1/initiate")).status == 500
    assert bench.get("/.well-known/oauth-authorization-server").status == 500


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "tokens", "fault": "html"},
        {"endpoint": "token", "fault": "explode"},
        {"endpoint": "token", "fault": "html", "when": "never"},
        {"endpoint": "token", "fault": "html", "times": 0},
        {"endpoint": "token", "fault": "status", "status": 99},
        {"endpoint": "token", "fault": "double_delivery", "answer": "third"},
        {"endpoint": "token", "fault": "html", "colour": "red"},
    ],
)
def test_a_fault_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Bench().sandbox.faults.add(**wrong)


def test_the_log_counts_by_endpoint_grant_and_outcome() -> None:
    bench = Bench()
    tokens = bench.tokens()
    bench.refresh(tokens["refresh_token"])
    bench.refresh(tokens["refresh_token"])

    seen = bench.sandbox.seen

    assert seen.count("token") == 3
    assert seen.count("token", grant_type="refresh_token") == 2
    assert seen.count("token", grant_type="refresh_token", outcome="ok", client_id="app") == 1
    assert seen.count("token", status="400") == 1
    assert seen.counters()["token refresh_token invalid_grant"] == 1
    seen.clear()
    assert len(seen) == 0


def control(bench: Bench, method: str, path: str, body: object = None, *headers: tuple[str, str]) -> Response:
    octets = b"" if body is None else json.dumps(body).encode()
    return bench.sandbox.respond(Request(method, path, Headers(headers), octets))


def test_the_control_endpoints_are_not_there_unless_switched_on() -> None:
    bench = Bench()

    assert control(bench, "GET", "/sandbox/seen").status == 404
    assert control(bench, "POST", "/sandbox/faults", {"endpoint": "token", "fault": "html"}, JSON).status == 404
    assert bench.sandbox.faults.pending() == ()


def test_faults_are_added_shown_and_cleared_over_http() -> None:
    bench = Bench(control=True)
    added = {"endpoint": "token", "fault": "status", "status": 429, "times": 2, "only": {"grant_type": "refresh_token"}}

    assert control(bench, "POST", "/sandbox/faults", added, JSON).status == 204
    assert fields(control(bench, "GET", "/sandbox/faults")) == {
        "faults": [{"endpoint": "token", "fault": "status", "times": 2}]
    }
    assert bench.refresh("x").status == 429
    assert control(bench, "DELETE", "/sandbox/faults").status == 204
    assert bench.refresh("x").status == 400


def test_what_was_seen_is_shown_over_http_without_secrets() -> None:
    bench = Bench(control=True)
    tokens = bench.tokens()

    response = control(bench, "GET", "/sandbox/seen")

    assert fields(response)["counters"]["token authorization_code ok"] == 1
    assert tokens["access_token"].encode() not in response.body
    assert b"app-secret" not in response.body


@pytest.mark.parametrize("body", [[], {"endpoint": "token"}, {"endpoint": "nothing", "fault": "html"}, {"x": 1}, "{"])
def test_a_fault_that_makes_no_sense_is_a_bad_request(body: object) -> None:
    assert control(Bench(control=True), "POST", "/sandbox/faults", body, JSON).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        (JSON, ("Origin", "https://evil.example")),
        (JSON, ("Origin", BASE_URL)),
        (JSON, ("Host", "evil.example")),
        (("Content-Type", "text/plain"),),
        (),
    ],
)
def test_a_web_page_cannot_reach_the_control_endpoints(headers: tuple[tuple[str, str], ...]) -> None:
    bench = Bench(control=True)

    response = control(bench, "POST", "/sandbox/faults", {"endpoint": "token", "fault": "html"}, *headers)

    assert response.status in (403, 415)
    assert bench.sandbox.faults.pending() == ()
