from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.world import World, text_of

import valetkey
from valetkey.connections.connection import NEXT, Connection
from valetkey.errors import (
    CallbackError,
    KeyUnavailable,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    RequestRefused,
    SealBroken,
    TransportError,
    ValetkeyError,
)
from valetkey.web.pages import (
    BIDI,
    REASONS,
    STATE_WORDS,
    form_actions,
    render,
    render_refusal,
    shown_connection,
    shown_date,
    shown_text,
)
from valetkey.web.reasons import reason_for
from valetkey.web.refusals import Refusal, describe, shown_code

OUTAGES = {"provider_unavailable", "server_unavailable", "busy", "store_unavailable"}


@pytest.mark.parametrize("word", sorted(REASONS))
def test_every_reason_has_a_page_that_a_person_understands(word: str) -> None:
    world = World()

    response = render_refusal(world.settings, Refusal(word, REASONS[word].status), registration="github")

    reason = REASONS[word]
    assert (400 <= response.status < 500) or word in OUTAGES
    text = text_of(response)
    assert reason.title in text
    assert reason.sentence.replace("'", "&#39;") in text
    assert word not in text or "_" not in word
    assert ("/connect/github" in text) == reason.restart


def test_every_reason_that_the_programs_give_has_a_page() -> None:
    given_reasons = set()
    for path in Path(valetkey.__file__).parent.rglob("*.py"):
        if path.parent.name != "sandbox" and path.parent.parent.name != "sandbox":
            given_reasons |= set(
                re.findall(
                    r'(?:CallbackError|RequestRefused|AuthorizationExpired|AuthorizationDenied)\(\s*"([a-z_]+)"',
                    path.read_text(),
                )
            )

    assert len(given_reasons) > 10
    assert given_reasons - set(REASONS) == set()


def test_a_reason_without_a_page_gets_a_general_one() -> None:
    assert reason_for("never_heard_of") is REASONS["callback_refused"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (RequestRefused("not_found", "x", status=404), 404, 0),
        (CallbackError("state_mismatch", "x"), 400, 0),
        (CallbackError("provider_unavailable", "x"), 400, 0),
        (CallbackError("link_expired", "x"), 410, 0),
        (RequestRefused("new_word", "x"), 400, 0),
        (ReauthorizationRequired("github", "invalid_grant"), 409, 0),
        (ReauthorizationRequired("github", "not_connected"), 409, 0),
        (ProviderError("x", error="invalid_grant", status=400), 400, 0),
        (ProviderError("x", error="invalid_client", status=401), 400, 0),
        (ProviderError("x", error="slow_down", status=429, retry_after=2.5), 503, 3),
        (ProviderError("x", error="server_error", status=500), 502, 0),
        (ProviderError("x", error="server_error", status=503, retry_after=1e9), 503, 3600),
        (MalformedResponse("x", status=200), 400, 0),
        (MalformedResponse("x", status=502), 502, 0),
        (TransportError("x", maybe_received=True), 502, 0),
        (SealBroken("x"), 503, 0),
        (KeyUnavailable("old"), 503, 0),
        (RefreshInProgress(0.2), 503, 1),
    ],
)
def test_an_error_is_answered_with_its_status(error: ValetkeyError, status: int, retry_after: int) -> None:
    refusal = describe(error)
    response = render_refusal(World().settings, refusal)

    assert (refusal.status, refusal.retry_after) == (status, retry_after)
    assert response.headers.get("retry-after") == (str(retry_after) if retry_after else None)
    assert "old" not in text_of(response).split("<main")[1] or not isinstance(error, KeyUnavailable)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("invalid_scope", "invalid_scope"),
        ("a" * 64, "a" * 64),
        ("a" * 65, ""),
        ("Invalid", ""),
        ("<script>", ""),
        ("x y", ""),
        ("x\n", ""),
        ("ö", ""),
        ("", ""),
        (None, ""),
        ("malformed_response", ""),
    ],
)
def test_a_providers_code_is_shown_only_if_it_is_a_word(code: object, shown: str) -> None:
    assert shown_code(code) == shown


@given(st.text(max_size=1000))
def test_text_from_outside_is_short_and_without_control_and_bidi_characters(text: str) -> None:
    shown = shown_text(text)

    assert len(shown) <= 200
    assert not BIDI & set(shown)
    assert shown.isprintable()


@given(st.text(alphabet="<>&\"'`=/ \u202e\x00abc", max_size=60))
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    world = World()
    connection = Connection("github", "alice", text, scope=(text,), created_at=1)

    page = text_of(
        render(
            world.settings,
            "connections",
            connections=[shown_connection(world.settings, connection)],
            available=[],
            more=text,
            tokens={"connect": "t", "revoke": "t", "forget": "t"},
            notice=text,
        )
    )
    plain = text_of(
        render(
            world.settings,
            "connections",
            connections=[shown_connection(world.settings, Connection("github", "alice", "x", created_at=1))],
            available=[],
            more="x",
            tokens={"connect": "t", "revoke": "t", "forget": "t"},
            notice="x",
        )
    )

    tags = re.compile(r"<\s*/?[a-z]+")
    if text and shown_text(text):
        assert tags.findall(page) == tags.findall(plain)


def test_every_state_has_words_for_people() -> None:
    assert set(STATE_WORDS) == set(NEXT) - {"gone"}


def test_a_connection_that_cannot_be_opened_says_so_and_can_still_be_ended() -> None:
    world = World()

    shown = shown_connection(world.settings, Connection("github", "alice", problem="key_unavailable"))

    assert shown["words"] == "Cannot be read at the moment"


def test_the_policy_names_the_style_sheet_by_its_hash() -> None:
    response = render_refusal(World().settings, Refusal("not_found", 404))
    style = re.findall(r"<style>(.*?)</style>", text_of(response), re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()

    assert len(style) == 1
    assert f"style-src 'sha256-{digest}'" in (response.headers.get("content-security-policy") or "")


@pytest.mark.parametrize("word", sorted(REASONS))
def test_pages_have_no_scripts_and_load_nothing(word: str) -> None:
    text = text_of(render_refusal(World().settings, Refusal(word, 400)))

    assert "<script" not in text
    assert not re.search(r"\s(src|onclick|style)=", text)
    assert not re.search(r"(url\(|@import)", text)


def test_forms_lead_to_our_origin_and_https_only() -> None:
    world = World()

    assert form_actions(world.settings, ["https://github.example/authorize"]) == "'self' https:"


def test_on_localhost_forms_may_lead_to_a_provider_without_tls() -> None:
    world = World("http://localhost:8000/oauth")

    assert "http://127.0.0.1:9000" in form_actions(world.settings, ["http://127.0.0.1:9000/authorize"])


@given(st.integers(min_value=1, max_value=8_000_000_000))
def test_days_are_those_of_the_calendar(seconds: int) -> None:
    day = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)

    assert shown_date(seconds) == f"{day.day} {day:%B} {day.year}"


def test_no_time_is_no_day() -> None:
    assert shown_date(0) == ""
