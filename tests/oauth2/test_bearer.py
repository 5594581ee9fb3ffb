from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.vectors import load

from valetkey.http import Headers, Request
from valetkey.oauth2.bearer import Challenge, authorize_request, read_challenges
from valetkey.secret import Secret

REQUEST = Request("GET", "https://api.example/me", Headers((("Accept", "*/*"),)))


def read(*texts: str) -> tuple[Challenge, ...]:
    return read_challenges(Headers(tuple(("WWW-Authenticate", text) for text in texts)))


def test_a_request_carries_the_token_in_its_header_and_nowhere_else() -> None:
    request = authorize_request(REQUEST, Secret("mF_9.B5f-4.1JqM"))

    assert request.headers.pairs == (("Accept", "*/*"), ("Authorization", "Bearer mF_9.B5f-4.1JqM"))
    assert (request.method, request.url, request.body) == (REQUEST.method, REQUEST.url, REQUEST.body)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_callers_own_authorization_header_is_refused(name: str) -> None:
    request = Request("GET", "https://api.example/me", Headers(((name, ""),)))

    with pytest.raises(ValueError, match="already"):
        authorize_request(request, Secret("at"))


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "a\x00", "é", "a\x7f"])
def test_a_token_that_would_break_the_header_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a header") as caught:
        authorize_request(REQUEST, Secret(token))

    assert "X: y" not in str(caught.value)


@pytest.mark.parametrize("vector", load("oauth2_bearer"), ids=lambda vector: vector["source"])
def test_the_published_challenges_are_read(vector: dict) -> None:
    expected = tuple(
        Challenge(one["scheme"], tuple((k, v) for k, v in one.get("parameters", ())), one.get("token68", ""))
        for one in vector["expect"]
    )

    assert read(*vector["input"]) == expected


def test_a_challenge_says_which_scope_is_missing() -> None:
    [challenge] = read(
        'Bearer realm="x", error="insufficient_scope", Scope="a b", resource_metadata="https://api.example/m"'
    )

    assert challenge.get("error") == "insufficient_scope"
    assert challenge.get("scope") == "a b"
    assert challenge.get("resource_metadata") == "https://api.example/m"
    assert challenge.get("nonce") is None


@pytest.mark.parametrize(
    ("text", "schemes"),
    [
        ("", []),
        (",,, ", []),
        ('Bearer realm="open', []),
        ('Bearer realm="a" error="b"', []),
        ('Bearer realm="a", realm="b"', []),
        ("Bearer realm=", ["bearer"]),  # also a token68, by its grammar
        ('Bearer ="a"', ["bearer"]),
        ('Basic realm="a", Bearer error="open', ["basic"]),
        ('Basic realm="a", Bearer(', ["basic"]),
        ("Basic, Bearer", ["basic", "bearer"]),
        ('Bearer realm="trailing \\', []),
    ],
)
def test_a_broken_header_is_read_up_to_where_it_breaks(text: str, schemes: list[str]) -> None:
    assert [challenge.scheme for challenge in read(text)] == schemes


def test_the_longest_header_is_read_and_a_longer_one_is_not() -> None:
    longest = 'Bearer realm="' + "a" * (8192 - 15) + '"'

    assert len(read(longest)) == 1
    assert read(longest + " ") == ()
    assert len(read("Basic", longest)) == 1


def test_challenges_have_a_limit_in_length_and_number() -> None:
    assert read('Bearer realm="' + "a" * 10_000 + '"') == ()
    assert len(read(*["Basic"] * 100)) == 16
    assert len(read(", ".join(["Basic"] * 100))) == 16
    assert len(read("Bearer " + ", ".join(f"p{n}=1" for n in range(32)))) == 1
    assert read("Bearer " + ", ".join(f"p{n}=1" for n in range(33))) == ()


@pytest.mark.parametrize("unit", ["a", "a=", '"', "a ", ",", "\\", 'a="b",', "a,", "=", " "])
def test_hostile_headers_take_no_time(unit: str) -> None:
    text = (unit * 8192)[:8192]
    started = time.perf_counter()

    read(text, "Bearer " + text[:8000], 'Bearer a="' + text[:8000])

    assert time.perf_counter() - started < 0.5


HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=200)


@given(st.lists(HEADER | st.text('Bearer =",\\ab ', max_size=60), max_size=4))
def test_any_header_gives_challenges(texts: list[str]) -> None:
    for challenge in read(*texts):
        assert challenge.scheme
        assert challenge.scheme == challenge.scheme.lower()
        assert not (challenge.token68 and challenge.parameters)


@given(
    st.dictionaries(
        st.text("abcdefghijk-_", min_size=1, max_size=8),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20),
        max_size=5,
    )
)
def test_parameters_are_read_as_they_were_quoted(parameters: dict[str, str]) -> None:
    quoted = ", ".join(
        '{}="{}"'.format(name, text.replace("\\", "\\\\").replace('"', '\\"')) for name, text in parameters.items()
    )

    assert read(f"Bearer {quoted}".strip()) == (Challenge("bearer", tuple(parameters.items())),)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (", Bearer a=b", [("bearer", (("a", "b"),))]),
        ("\tBearer\ta=b\t,\tc=d", [("bearer", (("a", "b"), ("c", "d")))]),
        ("Bearer a=b,, ,Basic c=d", [("bearer", (("a", "b"),)), ("basic", (("c", "d"),))]),
        ("Xa Xb=XcX, Xd=X, Xe Xf=X", [("xa", (("xb", "XcX"), ("xd", "X"))), ("xe", (("xf", "X"),))]),
        ("Bearer, Xb", [("bearer", ()), ("xb", ())]),
        ("Basic YWJj, Xa b=c", [("basic", ()), ("xa", (("b", "c"),))]),
        ("Bearer a=b, c=, d=e", []),
        ('Bearer a="b', []),
        ('Bearer a="b" c=d', []),
        ("Bearer a=b, a=c", []),
        ("Bearer a=b, A=c", []),
        ("Basic x=y, Bearer a=b, c=", [("basic", (("x", "y"),))]),
        ("Bearer;a=b", []),
    ],
)
def test_separators_part_challenges_and_what_is_broken_ends_them(
    field: str, expected: list[tuple[str, object]]
) -> None:
    assert [(one.scheme, one.parameters) for one in read(field)] == expected


@pytest.mark.parametrize(("field", "token"), [("Basic YWJj", "YWJj"), ("Basic YWJj==  ,", "YWJj=="), ("Xa X", "X")])
def test_a_token68_fills_its_challenge(field: str, token: str) -> None:
    assert [(one.token68, one.parameters) for one in read(field)] == [(token, ())]
