"""What is sealed opens as it was or is refused; rows that something else wrote hold up no sweep; accounts are checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.connections.openid import connect, openid_world
from tests.connections.steps import begun, returning
from tests.oauth2.tokens import signed
from tests.properties.outside import altered, anything, bodies, nearly, outcome
from tests.properties.test_errors_bring_nothing_along import held

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.claims import claim_key
from valetkey.connections.codec import APPLICATION, connection_key, partition_of
from valetkey.connections.enrolled_rows import REGISTRATION
from valetkey.connections.identity import MAX_USERINFO_OCTETS, UserInfo, userinfo
from valetkey.connections.keepalive import PROGRESS, keepalive
from valetkey.connections.links import LINK_SECONDS, MAX_LINK, connect_url, read_link
from valetkey.connections.manage import connections
from valetkey.connections.outbox import PARTITION, deliver_events
from valetkey.connections.rescue_import import rescues
from valetkey.connections.reseal import reseal_page
from valetkey.connections.restored import mark_page
from valetkey.connections.scope import ASK_SECONDS, MAX_ASK, MAX_SCOPES, ask_url, needed_scope, read_ask
from valetkey.connections.sign import access_token
from valetkey.connections.unenrol import enrolled_page
from valetkey.connections.webhook import Webhook
from valetkey.effects import Key, Row
from valetkey.errors import (
    CallbackError,
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    RequestRefused,
    StoreError,
    ValetkeyError,
)
from valetkey.http import Headers, Response, read_form
from valetkey.oauth2.requested import is_scope
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "canary-7f3a"

# --- what the userinfo endpoint says

CLAIMS = {"sub": "alice", "name": "Alice", "email": CANARY, "groups": ["a"], "address": {"country": "x"}}
OPENID = openid_world()
connect(*OPENID)
TYPES = ["application/json", "application/jwt", "Application/JWT; charset=utf-8", "text/html", ""]


def asked(body: bytes, kind: str) -> tuple[UserInfo | None, ProviderError | None]:
    """What comes of the connection's userinfo where the endpoint answers so."""
    world, network = OPENID
    network.userinfo, network.userinfo_type = body, kind
    return outcome(lambda: world.run(userinfo(world.settings, "two", resource_owner="alice")), ProviderError)


@given(bodies(CLAIMS, {"sub": "alice"}), st.sampled_from(TYPES))
@settings(max_examples=150)
@example(b'{"sub":"alice","sub":"mallory"}', "application/json")
@example(b'{"sub":"alice","age":NaN}', "application/json")
@example(json.dumps({"sub": "alice", "x": "y" * MAX_USERINFO_OCTETS}).encode(), "application/json")
@example('{"sub":"alice"}'.encode("utf-16"), "application/json")
@example(b"." * 200_000, "application/jwt")
def test_claims_are_those_of_the_connections_subject_or_a_provider_error(body: bytes, kind: str) -> None:
    found, error = asked(body, kind)

    if found is None:
        assert error
        assert error.error in ("malformed_response", "subject_mismatch")
        assert CANARY not in held(error)
        return
    assert "jwt" not in kind.lower()
    assert len(body) <= MAX_USERINFO_OCTETS
    assert found.subject == found.claims["sub"] == "alice"
    assert found.claims == json.loads(body.removeprefix(b"\xef\xbb\xbf"))


SIGNED = {"sub": "alice", "aud": "client-two", "iss": OPENID[0].sandbox.issuer, "email": CANARY}


@given(altered(SIGNED), st.sampled_from([{"kid": "a"}, {"kid": "a", "alg": "PS256"}, {"kid": "b"}, {"alg": "none"}]))
@settings(max_examples=80)
@example({**SIGNED, "aud": {"client-two": 1}}, {"kid": "a"})
@example({**SIGNED, "aud": ["client-two", ["x"]]}, {"kid": "a"})
def test_signed_claims_are_this_clients_and_this_issuers_or_a_provider_error(
    claims: dict[str, Any], header: dict[str, Any]
) -> None:
    found, error = asked(signed(claims, **header).encode(), "application/jwt")

    if found is None:
        assert error
        assert CANARY not in held(error)
        return
    assert header["kid"] == "a"
    assert found.subject == claims["sub"] == "alice"
    assert claims.get("iss", SIGNED["iss"]) == SIGNED["iss"]
    assert "client-two" in (claims.get("aud", "client-two"))


@given(st.data())
@settings(max_examples=60)
def test_any_changed_octet_of_signed_claims_is_refused(data: st.DataObject) -> None:
    right = signed(SIGNED, kid="a")
    at = data.draw(st.integers(0, len(right) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.=~ ").filter(lambda found: found != right[at]))

    found, error = asked((right[:at] + other + right[at + 1 :]).encode(), "application/jwt")

    assert found is None
    assert isinstance(error, MalformedResponse)


# --- the scope that a page is to ask for, and links

WORLD, CONNECTED = World(), World()
CONNECTED.connect()
scopes = st.lists(st.from_regex(r"[!#-\[\]-~]{1,12}", fullmatch=True), max_size=6).map(tuple)
accounts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
owners = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def two() -> Any:
    return WORLD.settings.registration("two")


def ask_of(scope: tuple[str, ...], *, owner: str = "alice", account: str = "") -> str:
    """The sealed `ask` of the page's URL."""
    url = WORLD.run(ask_url(WORLD.settings, two(), scope, resource_owner=owner, account=account))
    return dict(read_form(url.partition("?")[2]))["ask"]


@given(scopes, accounts, owners)
@settings(max_examples=60)
def test_an_ask_comes_back_as_it_was_and_for_its_resource_owner_alone(
    scope: tuple[str, ...], account: str, owner: str
) -> None:
    text = ask_of(scope, owner=owner, account=account)

    found = WORLD.run(read_ask(WORLD.settings, two(), text, resource_owner=owner))
    refusals = [
        read_ask(WORLD.settings, two(), text, resource_owner=owner + "x"),
        read_ask(WORLD.settings, replace(two(), name="other"), text, resource_owner=owner),
        read_ask(replace(WORLD.settings, environment="staging"), two(), text, resource_owner=owner),
        read_link(WORLD.settings, text),
    ]

    assert (found.account, set(found.scope)) == (account, {*two().scope, *scope})
    assert len(text) <= MAX_ASK
    for program in refusals:
        _, refused = outcome(lambda program=program: WORLD.run(program), RequestRefused)  # type: ignore[misc]
        assert refused
        assert (refused.reason, refused.status) == ("link_invalid", 404)


def reading() -> dict[str, tuple[str, Callable[[str], Any]]]:
    """What is sealed into a URL, and what reads it."""
    link = WORLD.run(connect_url(WORLD.settings, "two", resource_owner="alice")).rpartition("/")[2]
    return {
        "ask": (ask_of(("read",)), lambda text: read_ask(WORLD.settings, two(), text, resource_owner="alice")),
        "link": (link, lambda text: read_link(WORLD.settings, text)),
    }


READING = reading()


@pytest.mark.parametrize("kind", ["ask", "link"])
@given(data=st.data())
@settings(max_examples=80)
def test_any_changed_character_of_a_sealed_link_is_refused(kind: str, data: st.DataObject) -> None:
    right, read = READING[kind]
    at = data.draw(st.integers(0, len(right) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.=~\0\xe9\ud800").filter(lambda found: found != right[at]))
    changed = data.draw(
        st.sampled_from([right[:at] + other + right[at + 1 :], right[:at], right + other, other + right])
    )

    _, refused = outcome(lambda: WORLD.run(read(changed)), RequestRefused)

    assert refused
    assert refused.reason == "link_invalid"
    assert right[20:] not in held(refused)


@pytest.mark.parametrize("kind", ["ask", "link"])
@given(text=nearly("vk1.test." + "A" * 80, "A" * (MAX_ASK + 1)) | st.text(max_size=60))
@settings(max_examples=80)
def test_any_other_text_of_a_sealed_link_is_refused(kind: str, text: str) -> None:
    _, refused = outcome(lambda: WORLD.run(READING[kind][1](text)), RequestRefused)

    assert refused
    assert refused.status == 404


@pytest.mark.parametrize(("kind", "seconds"), [("ask", ASK_SECONDS), ("link", LINK_SECONDS)])
def test_a_sealed_link_is_good_for_its_time_and_no_longer(kind: str, seconds: int) -> None:
    right, read = READING[kind]
    before = WORLD.clock.time
    try:
        WORLD.clock.time = before + seconds - 1
        _ = WORLD.run(read(right))
        WORLD.clock.time = before + seconds + 1
        _, refused = outcome(lambda: WORLD.run(read(right)), RequestRefused)
    finally:
        WORLD.clock.time = before

    assert refused
    assert (refused.reason, refused.status) == ("link_expired", 410)
    assert max(MAX_ASK, MAX_LINK) <= 2048


@given(st.data())
@settings(max_examples=60)
def test_any_changed_character_of_a_flows_cookie_exchanges_nothing(data: st.DataObject) -> None:
    world = World(settings=WORLD.settings)
    callback = returning(world, begun(world))
    name, _, text = (callback.headers.get("cookie") or "").partition("=")
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.=~").filter(lambda found: found != text[at]))
    cookie = f"{name}={text[:at]}{other}{text[at + 1 :]}"
    request = replace(callback, headers=Headers((("Cookie", cookie),)))

    _, refused = outcome(
        lambda: world.run(finish_authorization(world.settings, request, resource_owner="alice")), CallbackError
    )

    assert refused
    assert refused.status == 400
    assert world.run(connections(world.settings, resource_owner="alice")).connections == ()


@given(st.lists(nearly('Bearer error="insufficient_scope", scope="repo read:org"', "DPoP scope=x"), max_size=3))
@example([f'Bearer error="insufficient_scope", scope="{" ".join(["a"] * (MAX_SCOPES + 1))}"'])
@example(['Bearer error="insufficient_scope", scope="a  b"'])
def test_the_scope_that_a_refusal_names_is_words_of_scope_or_none(fields: list[str]) -> None:
    fields = [text.encode("ascii", "replace").decode().translate({10: 32, 13: 32, 0: 32}) for text in fields]
    response = Response(403, Headers(tuple(("WWW-Authenticate", text) for text in fields)))

    found = needed_scope(response)

    assert len(found) <= MAX_SCOPES
    assert all(map(is_scope, found))


@given(anything | st.text(max_size=8))
def test_one_word_of_scope_is_printable_ascii_without_blanks_and_quotes(found: object) -> None:
    if is_scope(found):
        assert isinstance(found, str)
        assert found.isascii()
        assert not set(found) & set(' "\\\r\n\0')


# --- rows of the store that something else has written or moved

contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.integers(-(2**63), 2**63 - 1)
RIGHT: dict[str, str | int] = {
    "schema": 1,
    "registration": "two",
    "state": "active",
    "incarnation": "00" * 16,
    "generation": 1,
    "attempt": "",
    "lease_until": 0,
    "claimed_until": 0,
    "next_at": 0,
    "attempts": 0,
    "event_id": "e",
    "cursor": "",
    "key_id": "test",
    "doubts": "",
    "access_expires_at": 1,
    "refresh_due_at": 1,
}
KEYS = [
    connection_key("two", "bob"),
    connection_key("two", APPLICATION),
    Key(partition_of("bob"), "connection/two/%zz"),
    Key(partition_of("bob"), "connection/"),
    Key(partition_of("bob"), "rescue/two//" + "0" * 32),
    Key(partition_of("bob"), "rescue/x"),
    Key(partition_of("bob"), REGISTRATION + "0" * 24),
    Key(PARTITION, "event/000000000001-e"),
    Key(PARTITION, "x"),
    PROGRESS,
    claim_key("0" * 32),
]


@st.composite
def strange_rows(draw: st.DrawFn) -> list[Row]:
    """Rows under our names with columns that were right, some of which are gone or say something else."""
    found: list[Row] = []
    for key in draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True)):
        clear = dict(RIGHT)
        for name in draw(st.lists(st.sampled_from(sorted(RIGHT)), max_size=4, unique=True)):
            if draw(st.booleans()):
                clear[name] = draw(contents)
            else:
                del clear[name]
        sealed = draw(st.sampled_from([b"", b"vk1.test." + b"A" * 80, b"vk1.gone." + b"A" * 80, b"\xff"]))
        found.append(Row(key, bytes([len(found)]) * 16, clear, sealed, draw(st.sampled_from([0, 2**33]))))
    return found


SWEEPS: dict[str, Callable[[Any], Any]] = {
    "reseal": reseal_page,
    "restored": mark_page,
    "keepalive": keepalive,
    "keepalive from the start": lambda found: keepalive(found, cursor=""),
    "events": deliver_events,
    "connections": connections,
    "connections of bob": lambda found: connections(found, resource_owner="bob"),
    "registrations": enrolled_page,
    "rescues": rescues,
}


@pytest.mark.parametrize("name", sorted(SWEEPS))
@given(rows=strange_rows())
@settings(max_examples=60)
def test_rows_that_something_else_wrote_hold_up_no_sweep(name: str, rows: list[Row]) -> None:
    world = World(
        settings=replace(WORLD.settings, webhook=Webhook("https://a.example/", (Secret("whsec_" + "A" * 32),)))
    )
    for row in rows:
        assert world.store.swap(row.key, None, row) == "won"

    _ = world.run(SWEEPS[name](world.settings))

    kept = {row.key for row in world.store.list(None, "").rows}
    assert {row.key for row in rows} - kept <= {Key(PARTITION, "event/000000000001-e")}, "of events alone, those of old"


@pytest.mark.parametrize("name", ["reseal", "restored", "connections", "registrations", "rescues"])
@given(cursor=nearly("AEBhYmNk", "junk") | st.text(min_size=1, max_size=20))
@settings(max_examples=40)
def test_a_cursor_from_anywhere_is_a_place_or_a_configuration_error(name: str, cursor: str) -> None:
    programs: dict[str, Callable[[Any, str], Any]] = {
        "reseal": lambda found, cursor: reseal_page(found, cursor=cursor),
        "restored": lambda found, cursor: mark_page(found, cursor=cursor),
        "connections": lambda found, cursor: connections(found, resource_owner="alice", cursor=cursor),
        "registrations": lambda found, cursor: enrolled_page(found, cursor=cursor),
        "rescues": lambda found, cursor: rescues(found, cursor=cursor),
    }

    found, error = outcome(lambda: WORLD.run(programs[name](WORLD.settings, cursor)), ConfigurationError)

    assert (found is None) == (error is not None)


def test_numbers_that_something_else_wrote_hold_up_no_sweep() -> None:
    clear = {**RIGHT, **dict.fromkeys(("generation", "claimed_until", "next_at", "attempts"), "x"), "attempt": "a"}
    for program in SWEEPS.values():
        world = World(settings=WORLD.settings)
        for key in KEYS:
            row = Row(key, b"v" * 16, {**clear, "cursor": "not one"}, b"vk1.gone." + b"A" * 80)
            assert world.store.swap(key, None, row) == "won"
        _ = world.run(program(world.settings))


@given(strange_rows())
@settings(max_examples=100)
def test_a_connection_that_something_else_wrote_gives_no_token(rows: list[Row]) -> None:
    world = World(settings=WORLD.settings)
    for row in rows:
        assert world.store.swap(row.key, None, row) == "won"

    found, error = outcome(
        lambda: world.run(access_token(world.settings, "two", resource_owner="bob")),
        ValetkeyError,
    )

    assert found is None
    assert error
    assert not isinstance(error, ConfigurationError)


@given(st.data())
@settings(max_examples=60)
def test_any_changed_octet_of_a_stored_connection_gives_no_token_and_keeps_the_row(data: st.DataObject) -> None:
    world = CONNECTED.fork()
    key = connection_key("two", "alice")
    row = world.store.load(key)
    assert row is not None
    at, bit = data.draw(st.integers(0, len(row.sealed) - 1)), data.draw(st.integers(0, 7))
    sealed = bytearray(row.sealed)
    sealed[at] ^= 1 << bit
    assert world.store.swap(key, row.version, replace(row, version=b"w" * 16, sealed=bytes(sealed))) == "won"

    _, error = outcome(lambda: world.run(access_token(world.settings, "two", resource_owner="alice")), StoreError)
    (described,) = world.run(connections(world.settings, resource_owner="alice")).connections

    assert error
    assert described.problem in ("seal_broken", "key_unavailable")
    left = world.store.load(key)
    assert left is not None
    assert left.sealed == bytes(sealed)
