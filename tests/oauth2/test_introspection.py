from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of
from tests.oauth2.vectors import load

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError
from valetkey.oauth2.introspection import Introspection, introspect_token, read_introspection_response
from valetkey.secret import Secret
from valetkey.value import replace

TOKEN = Secret("at-canary")


def read(document: Any, status: int = 200) -> Introspection:
    response = answer(json.dumps(document), status=status)
    return read_introspection_response(response, server=SERVER, received_at=NOW)


@pytest.mark.parametrize("vector", load("oauth2_introspection"), ids=lambda vector: vector["expect"]["active"])
def test_the_published_answer_is_read(vector: dict) -> None:
    expected: dict[str, Any] = {
        key: tuple(item) if isinstance(item, list) else item for key, item in vector["expect"].items()
    }

    assert read(vector["input"]) == Introspection(**expected)


def test_the_token_is_asked_for_with_the_clients_authentication() -> None:
    peer = Peer(answer('{"active":false}'))

    found = peer.run(introspect_token(SERVER, CLIENT, token=TOKEN, token_type_hint="access_token", not_after=NOW))

    assert not found.active
    assert peer.request.url == "https://as.example/introspect"
    assert form_of(peer.request) == {"token": "at-canary", "token_type_hint": "access_token"}
    assert peer.request.headers.get("Authorization") is not None


@pytest.mark.parametrize("active", ["true", 1, None, [], {}])
def test_only_the_json_value_true_is_active(active: object) -> None:
    with pytest.raises(MalformedResponse):
        read({"active": active})


def test_nothing_is_known_of_a_token_that_is_not_active() -> None:
    assert read({"active": False, "scope": "admin", "sub": "alice"}) == Introspection(active=False)


def test_an_audience_may_be_a_list_and_a_time_a_fraction() -> None:
    found = read({"active": True, "aud": ["a", "b"], "exp": 1.9})

    assert found.audience == ("a", "b")
    assert found.expires_at == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": 1},
        {"aud": ["a", 1]},
        {"exp": "soon"},
        {"exp": True},
        {"exp": -1},
        {"exp": 1e30},
        {"sub": 1},
        {"scope": ["a"]},
    ],
)
def test_claims_of_the_wrong_kind_are_malformed(claims: dict) -> None:
    with pytest.raises(MalformedResponse):
        read({"active": True, **claims})


def test_a_time_is_from_0_to_40_bits() -> None:
    assert read({"active": True, "iat": 0, "exp": (1 << 40) - 1}).expires_at == (1 << 40) - 1
    with pytest.raises(MalformedResponse):
        read({"active": True, "exp": 1 << 40})


def test_299_is_an_answer_and_300_is_not() -> None:
    assert read({"active": True}, status=299).active
    with pytest.raises(MalformedResponse):
        read({"active": True}, status=300)


def test_errors_are_those_of_every_endpoint() -> None:
    with pytest.raises(ProviderError) as caught:
        read({"error": "invalid_client"}, status=401)
    assert caught.value.error == "invalid_client"


def test_a_server_without_the_endpoint_is_not_asked() -> None:
    with pytest.raises(ConfigurationError, match="introspection"):
        Peer().run(introspect_token(replace(SERVER, introspection_endpoint=None), CLIENT, token=TOKEN, not_after=NOW))


@given(
    st.binary(max_size=80)
    | st.dictionaries(
        st.sampled_from(["active", "exp", "aud", "sub", "scope"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2),
    ).map(lambda members: json.dumps(members).encode())
)
def test_any_answer_is_an_introspection_or_malformed(body: bytes) -> None:
    try:
        found = read_introspection_response(answer(body), server=SERVER, received_at=NOW)
    except MalformedResponse:
        return
    assert found.active in (True, False)


def test_everything_that_is_said_is_told() -> None:
    found = read(
        {
            "active": True,
            "scope": "a b a",
            "client_id": "c",
            "username": "u",
            "token_type": "Bearer",
            "sub": "s",
            "aud": "one",
            "iss": "i",
            "exp": 3,
            "iat": 1.9,
            "nbf": 0,
        }
    )

    assert found == Introspection(
        active=True,
        scope=("a", "b"),
        client_id="c",
        username="u",
        token_type="Bearer",
        subject="s",
        audience=("one",),
        issuer="i",
        expires_at=3,
        issued_at=1,
        not_before=0,
    )


@pytest.mark.parametrize("hint", [None, "refresh_token"])
def test_a_hint_is_sent_where_there_is_one_and_the_request_ends_in_time(hint: Any) -> None:
    peer = Peer(answer('{"active":false}'))

    _ = peer.run(introspect_token(SERVER, CLIENT, token=TOKEN, token_type_hint=hint, not_after=NOW + 5))

    assert form_of(peer.request).get("token_type_hint") == hint
    assert peer.sent[0].not_after == NOW + 5


def test_a_refusal_is_read_with_the_servers_own_words_and_its_date() -> None:
    server = replace(SERVER, error_aliases=(("nope", "invalid_client"),))
    peer = Peer(answer('{"error":"nope"}', status=401, Retry_After="Sun, 15 Jun 2025 15:06:45 GMT"))

    with pytest.raises(ProviderError) as caught:
        peer.run(introspect_token(server, CLIENT, token=TOKEN, not_after=NOW))

    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    assert caught.value.retry_after == 4.25


@pytest.mark.parametrize("wrong", [{"active": 1}, {"active": True, "aud": ["a", 1]}, {"active": True, "exp": -1}, [1]])
def test_what_is_no_answer_is_malformed_and_says_which_status_it_had(wrong: Any) -> None:
    with pytest.raises(MalformedResponse) as caught:
        _ = read(wrong, 203)

    assert caught.value.status == 203


def test_what_a_token_is_bound_to_is_told_by_the_names_of_cnf() -> None:
    """RFC 8705 section 3.2, RFC 9449 section 6.2; a key itself (RFC 7800 section 3.2) is an object, and passed over."""
    bound = {"x5t#S256": "thumbprint", "jkt": "another", "jwk": {"kty": "EC"}}

    found = read({"active": True, "cnf": bound})

    assert found.confirmation == (("x5t#S256", "thumbprint"), ("jkt", "another"))
    assert read({"active": True}).confirmation == read({"active": True, "cnf": None}).confirmation == ()


@pytest.mark.parametrize("cnf", ["thumbprint", ["x5t#S256"], 1, True, ""])
def test_a_cnf_that_is_no_object_is_malformed(cnf: object) -> None:
    with pytest.raises(MalformedResponse, match="cnf"):
        read({"active": True, "cnf": cnf})
