"""Promises about values that are read and written again: whatever goes in comes out, and what is altered does not open."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valetkey.connections.codec import (
    SCHEMA,
    connection_key,
    read_clear,
    read_connection_name,
    read_credentials,
    write_clear,
    write_credentials,
)
from valetkey.connections.connection import (
    GONE,
    NEXT,
    USABLE,
    Connection,
    Credentials,
    Doubt,
    Tokens,
    next_state,
)
from valetkey.connections.cookies import read_cookies, write_cookie
from valetkey.connections.lifetimes import cool_until, refresh_due_at, window_ends_at
from valetkey.connections.pending import (
    Pending,
    completed,
    lean,
    pack_pending,
    read_state,
    unpack_pending,
    write_state,
)
from valetkey.connections.refresh_plan import plan
from valetkey.effects import Key, Place
from valetkey.errors import CallbackError, SealBroken, StoreError, ValetkeyError
from valetkey.http import Headers
from valetkey.keys import aead
from valetkey.providers.provider import ROTATION_KINDS, Rotation
from valetkey.secret import Secret
from valetkey.stores.rows import check_clear
from valetkey.value import replace

seconds = st.integers(0, 2**40)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
labels = texts.filter(lambda text: len(text.encode()) <= 200)
hexes = st.binary(min_size=16, max_size=16).map(bytes.hex)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80).map(Secret)
tokens = st.builds(Tokens, secrets, st.none() | secrets, st.none() | secrets)
doubts = st.lists(st.builds(Doubt, hexes, seconds, seconds), max_size=12).map(tuple)
states = st.sampled_from(list(NEXT))
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)

connections = st.builds(
    Connection,
    registration=names,
    resource_owner=st.just(""),
    account=labels,
    state=states,
    incarnation=hexes,
    generation=st.integers(1, 2**31),
    attempt=st.just("") | hexes,
    lease_until=seconds,
    doubts=doubts,
    cool_until=seconds,
    access_expires_at=seconds,
    refresh_due_at=seconds,
    previous_until=seconds,
    created_at=seconds,
    refreshed_at=seconds,
    last_error=st.sampled_from(["", "invalid_grant", "no_answer"]),
    authorized_by=hexes,
    key_id=st.sampled_from(["", "2026-11"]),
)


@given(connections)
def test_a_connection_comes_back_from_its_columns_as_it_was(connection: Connection) -> None:
    key = connection_key(connection.registration, "alice", connection.account)
    clear = write_clear(connection)

    check_clear(clear)  # every store takes it
    assert read_clear(clear, key) == connection
    assert read_connection_name(key.name) == (connection.registration, connection.account)


@given(connections, st.integers(SCHEMA + 1, 1000) | st.none() | st.text(max_size=3))
def test_a_row_of_another_schema_is_refused_never_guessed(connection: Connection, schema: Any) -> None:
    key = connection_key(connection.registration, "alice", connection.account)
    columns: dict[str, Any] = {**write_clear(connection), "schema": schema}
    clear: dict[str, Any] = {name: text for name, text in columns.items() if text is not None}

    with pytest.raises(StoreError):
        _ = read_clear(clear, key)


@given(connections, st.sampled_from(["state", "doubts", "generation", "lease_until", "access_expires_at"]), texts)
def test_a_column_that_was_altered_is_a_store_error_or_a_connection_and_nothing_else(
    connection: Connection, column: str, text: str
) -> None:
    key = connection_key(connection.registration, "alice", connection.account)
    try:
        found = read_clear({**write_clear(connection), column: text}, key)
    except StoreError:
        return
    assert found.state in NEXT


@given(texts)
def test_a_name_that_was_altered_is_a_store_error_or_a_connection_and_nothing_else(text: str) -> None:
    clear = write_clear(Connection("two", ""))
    try:
        _ = read_clear(clear, Key("00", f"connection/{text}"))
    except StoreError:
        return


@given(
    st.builds(
        Credentials,
        texts,
        tokens,
        st.none() | tokens,
        st.lists(texts, max_size=4).map(tuple),
        st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
        client=st.just(("", "")) | st.tuples(texts.filter(bool), texts),
    )
)
def test_credentials_come_back_as_they_were(credentials: Credentials) -> None:
    assert read_credentials(write_credentials(credentials)) == credentials


def test_credentials_of_a_newer_schema_are_refused() -> None:
    with pytest.raises(StoreError):
        _ = read_credentials(b'{"v":2,"owner":"a","now":["t",null,null],"scope":[]}')


def test_what_an_older_version_wrote_is_read() -> None:
    """Rows of schema 1 as the first release wrote them; a later release keeps this vector."""
    clear: dict[str, str | int] = {"schema": 1, "registration": "two", "state": "active"}
    found = read_clear(clear, Key("00", "connection/two/work%2F1"))
    assert (found.registration, found.account, found.state, found.generation) == ("two", "work/1", "active", 0)
    credentials = read_credentials(b'{"v":1,"owner":"alice","now":["a","r",null],"scope":["read"]}')
    assert credentials == Credentials("alice", Tokens(Secret("a"), Secret("r")), scope=("read",))


# --- the state table

HAPPENINGS = sorted({happening for row in NEXT.values() for happening in row})


@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("state", list(NEXT))
def test_every_move_is_in_the_table_or_a_bug(state: Any, happening: Any) -> None:
    for remain in (False, True):
        if happening in NEXT[state]:
            following = next_state(state, happening, doubts_remain=remain)
            assert following in NEXT
            assert following == NEXT[state][happening] or (remain and happening in ("not_processed", "put_back"))
        else:
            with pytest.raises(ValueError):
                _ = next_state(state, happening, doubts_remain=remain)


def test_every_state_but_gone_can_be_authorized_again_and_revoked() -> None:
    for state, row in NEXT.items():
        assert ("reauthorized" in row) == (state != GONE)
        assert ("revocation_begun" in row) == (state != GONE)
    assert set(USABLE) < set(NEXT)


# --- when to refresh

rotations = st.builds(
    Rotation, st.sampled_from(ROTATION_KINDS), st.sampled_from([0, 30, 600]), st.booleans(), st.booleans()
)


@given(connections, rotations, st.booleans(), st.booleans(), seconds)
@settings(max_examples=300)
def test_nothing_is_claimed_before_it_is_due_or_under_anothers_lease(
    connection: Connection, rotation: Rotation, can_refresh: bool, rejected: bool, now: int
) -> None:
    found = plan(connection, rotation=rotation, can_refresh=can_refresh, rejected=rejected, now=now)

    alive = not connection.access_expires_at or now < connection.access_expires_at
    due = bool(connection.refresh_due_at) and now >= connection.refresh_due_at
    assert found.usable == (alive and not rejected)
    if found.step == "claim":
        assert can_refresh
        assert due or not alive or rejected or connection.doubts
        assert now >= connection.cool_until
        assert not (connection.attempt and now < connection.lease_until)
    if found.step == "use":
        assert found.usable
    if found.usable:
        assert found.step in ("use", "claim"), "nobody waits for a token that still works"
    if found.step in ("wait", "cool"):
        assert found.until > now


@given(st.integers(0, 2**33), st.integers(1, 10**8), st.binary(min_size=1, max_size=1))
def test_a_refresh_falls_due_inside_the_life_of_its_token(now: int, life: int, chance: bytes) -> None:
    due = refresh_due_at(now, now + life, chance=chance)
    assert now < due <= now + life
    assert now + life - due <= 75
    assert now + life - due <= life * 0.25 + 1


@given(connections, rotations, st.none() | st.floats(0, 10_000), st.binary(min_size=1, max_size=1), seconds)
def test_a_cool_down_is_short_and_ends_inside_the_window(
    connection: Connection, rotation: Rotation, retry_after: float | None, chance: bytes, now: int
) -> None:
    until = cool_until(now, connection, rotation, retry_after=retry_after, chance=chance)
    assert now < until <= now + 3601
    ends = window_ends_at(connection, rotation)
    if connection.doubts and now + 2 < ends:
        assert until <= ends + 1


# --- cookies


@given(
    st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=80), max_size=6), st.data()
)
def test_a_good_cookie_is_found_beside_any_junk(junk: list[str], data: st.DataObject) -> None:
    good = "__Host-vk-0123456789ab=two~00~vk1.k.AA"
    place = data.draw(st.integers(0, len(junk)))
    field = "; ".join([*junk[:place], good, *junk[place:]])

    assert ("__Host-vk-0123456789ab", "two~00~vk1.k.AA") in read_cookies(Headers((("Cookie", field),)))


@given(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=300), max_size=5))
def test_reading_cookies_never_fails_and_has_limits(fields: list[str]) -> None:
    found = read_cookies(Headers(tuple(("Cookie", field) for field in fields)))
    assert len(found) <= 200


def test_a_flood_of_cookies_is_cut_off() -> None:
    assert len(read_cookies(Headers((("Cookie", ";".join(f"a{n}=b" for n in range(5000))),)))) == 200
    assert read_cookies(Headers((("Cookie", "x" * 20_000 + "; good=1"),))) == ()


def test_a_removed_cookie_has_the_attributes_of_the_one_that_was_set() -> None:
    set_one = write_cookie("a", "b", max_age=600, secure=True)
    removed = write_cookie("a", "", max_age=0, secure=True)
    assert set_one.split("; ")[1:2] == removed.split("; ")[1:2] == ["Path=/"]
    assert "Secure" in removed


# --- pending authorizations

pendings = st.builds(
    Pending,
    context=names,
    flow=hexes,
    half=hexes,
    owner=hexes,
    issued_at=seconds,
    redirect_uri=texts,
    account=texts,
    return_to=texts,
    issuer=texts,
    verifier=st.none() | secrets,
    temporary=texts,
    secret=st.none() | secrets,
    scope=texts,
    link=st.booleans(),
)


@given(pendings)
def test_a_pending_authorization_comes_back_as_it_was(pending: Pending) -> None:
    assert unpack_pending(pending.context, pending.flow, pack_pending(pending)) == pending


@given(pendings, texts, texts)
def test_what_a_large_one_leaves_out_comes_back_only_as_it_was(
    pending: Pending, redirect_uri: str, issuer: str
) -> None:
    carried = unpack_pending(pending.context, pending.flow, pack_pending(lean(pending)))
    assert (carried.redirect_uri, carried.issuer) == ("", "")

    assert completed(carried, redirect_uri=pending.redirect_uri, issuer=pending.issuer) == pending
    if (redirect_uri, issuer) != (pending.redirect_uri, pending.issuer):
        with pytest.raises(CallbackError) as refused:
            _ = completed(carried, redirect_uri=redirect_uri, issuer=issuer)
        other = "issuer_mismatch" if issuer != pending.issuer else "redirect_uri_changed"
        assert refused.value.reason == other


@given(st.binary(min_size=32, max_size=32))
def test_a_state_comes_back_in_its_two_halves(octets: bytes) -> None:
    assert "".join(read_state(write_state(octets))) == octets.hex()


@given(st.text(max_size=600))
def test_any_other_state_is_refused(text: str) -> None:
    try:
        flow, half = read_state(text)
    except CallbackError:
        return
    assert write_state(bytes.fromhex(flow + half)) == text


# --- seals

KEY = bytes(range(7, 39))
PLACE = Place("flow", ("default", "two", "00" * 16))


@given(st.binary(max_size=300), st.binary(min_size=12, max_size=12), st.data())
@settings(max_examples=200)
def test_any_flipped_bit_of_a_sealed_value_is_found(plaintext: bytes, nonce: bytes, data: st.DataObject) -> None:
    sealed = aead.seal(KEY, PLACE, key_id="k", plaintext=plaintext, nonce=nonce)
    assert aead.open_sealed(KEY, PLACE, sealed=sealed) == plaintext
    position, bit = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(0, 7))
    forged = bytearray(sealed)
    forged[position] ^= 1 << bit

    with pytest.raises(SealBroken):
        _ = aead.open_sealed(KEY, PLACE, sealed=bytes(forged))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4), st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_no_two_places_share_a_seal(one: list[str], other: list[str]) -> None:
    sealed = aead.seal(KEY, Place("flow", tuple(one)), key_id="k", plaintext=b"x", nonce=bytes(12))
    try:
        _ = aead.open_sealed(KEY, Place("flow", tuple(other)), sealed=sealed)
    except SealBroken:
        assert one != other
    else:
        assert one == other


@given(pendings)
@settings(max_examples=30)
def test_no_value_prints_what_is_secret_in_it(pending: Pending) -> None:
    told = repr(replace(pending, verifier=Secret("v3r1f13r-canary"), secret=Secret("s3cr3t-canary")))
    assert "canary" not in told


def test_every_refusal_of_this_library_is_of_one_family() -> None:
    assert issubclass(CallbackError, ValetkeyError)
    assert issubclass(SealBroken, StoreError)
