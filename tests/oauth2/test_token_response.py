from __future__ import annotations

import json
from calendar import monthrange
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import NOW, SERVER, answer
from tests.oauth2.vectors import load

from valetkey.dates import read_retry_after
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response
from valetkey.oauth2.token import TokenResponse, read_token_response
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.server import AuthorizationServer


def read(response: Response, server: AuthorizationServer = SERVER) -> TokenResponse:
    return read_token_response(response, server=server, received_at=NOW)


def read_members(server: AuthorizationServer = SERVER, **members: Any) -> TokenResponse:
    return read(answer(json.dumps({"access_token": "at", "token_type": "Bearer", **members})), server)


def error_of(response: Response, server: AuthorizationServer = SERVER) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read(response, server)
    return caught.value


@pytest.mark.parametrize("vector", load("oauth2_token"), ids=lambda vector: vector["source"])
def test_the_published_answer_is_read(vector: dict) -> None:
    given_, expect = vector["input"], vector["expect"]
    server = replace(SERVER, token_types=tuple(given_["token_types"]))
    response = answer(given_["body"], status=given_["status"], content_type=given_["content_type"])

    if "error" in expect:
        assert error_of(response, server).error == expect["error"]
        return
    tokens = read(response, server)
    assert tokens.access_token.reveal() == expect["access_token"]
    assert tokens.token_type == expect["token_type"]
    assert tokens.expires_at == int(NOW) + expect["lifetime"]
    assert tokens.refresh_token is not None
    assert tokens.refresh_token.reveal() == expect["refresh_token"]
    assert [list(pair) for pair in tokens.extra] == expect["extra"]


# Shapes.

GOOD = '{"access_token":"at","token_type":"Bearer"}'


@pytest.mark.parametrize(
    "response",
    [
        answer(GOOD, status=201),
        answer(GOOD, content_type="text/html; charset=utf-8"),
        answer(GOOD, content_type="text/plain"),
        answer(GOOD, content_type="application/x-www-form-urlencoded"),
        answer(GOOD, content_type="application/vnd.api+json"),
        answer(GOOD, content_type=""),
        answer("\r\n " + GOOD + "\n"),
        answer(b"\xef\xbb\xbf" + GOOD.encode()),
        answer("access_token=at&token_type=Bearer", content_type="application/x-www-form-urlencoded; charset=utf-8"),
        answer("access_token=at&token_type=Bearer\n", content_type="text/plain"),
        Response(200, Headers(), GOOD.encode()),
    ],
)
def test_an_answer_is_read_in_whichever_shape_it_comes(response: Response) -> None:
    assert read(response).access_token.reveal() == "at"


def test_a_form_answer_has_all_its_fields_read() -> None:
    tokens = read(
        answer(
            "access_token=a%2Bb&token_type=bearer&expires_in=60&scope=repo%2Cgist&x=1",
            content_type="application/x-www-form-urlencoded",
        )
    )

    assert tokens.access_token.reveal() == "a+b"
    assert tokens.expires_at == int(NOW) + 60
    assert tokens.scope == ("repo", "gist")
    assert tokens.extra == (("x", "1"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html><title>Sign in to the hotel's network</title></html>",
        b"[]",
        b'["at"]',
        b'"at"',
        b"null",
        b"1",
        b"{}",
        GOOD.encode("utf-16"),
        GOOD.encode("utf-16-le"),
        b'{"access_token":"\xff","token_type":"bearer"}',
        b'{"access_token":"at","token_type":"bearer","access_token":"other"}',
        b'{"access_token":"at","token_type":"bearer","x":{"y":1,"y":2}}',
        b'{"access_token":"at","token_type":"bearer","expires_in":NaN}',
        b'{"access_token":"at","token_type":"bearer","expires_in":Infinity}',
        b'{"access_token":"at","token_type":"bearer","expires_in":1e999}',
        b'{"access_token":"at","token_type":"bearer","expires_in":' + b"9" * 5000 + b"}",
        b'{"access_token":"at","token_type":"bearer","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"access_token":"\\ud800","token_type":"bearer"}',
        b'{"access_token":"at","token_type":"bearer","x":["\\udc00"]}',
        b'{"access_token":"at","token_type":"bearer"} trailing',
        b'{"access_token":"at"',
        b"access_token=at&token_type=bearer&access_token=other",
        b"access_token=at%ff&token_type=bearer",
        b"access_token=at%zz&token_type=bearer",
        b'{"access_token":"at","token_type":"bearer","x":"' + b"x" * (1 << 20) + b'"}',
        b"access_token=at&token_type=bearer&x=" + b"x" * (1 << 20),
    ],
    ids=lambda body: repr(body[:60]),
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_body_that_is_not_an_answer_is_malformed(body: bytes, content_type: str) -> None:
    error = error_of(answer(body, content_type=content_type))

    assert isinstance(error, MalformedResponse)
    assert error.status == 200
    assert error.error == "malformed_response"
    assert "hotel" not in str(error)


def test_no_content_is_malformed() -> None:
    assert isinstance(error_of(Response(204)), MalformedResponse)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    error = error_of(answer(GOOD, status=status, Location="https://evil.example/"))

    assert isinstance(error, MalformedResponse)
    assert "redirect" in str(error)
    assert "evil" not in str(error)


def test_400_is_not_a_redirect_and_299_is_an_answer() -> None:
    assert "redirect" not in str(error_of(answer("<html>", status=400)))
    assert read(answer(GOOD, status=299)).token_type == "bearer"


def test_an_answer_has_at_most_a_mebibyte() -> None:
    start = "access_token=at&token_type=bearer&x="
    longest = start + "x" * ((1 << 20) - len(start))

    assert read(answer(longest, content_type="text/plain")).token_type == "bearer"
    assert isinstance(error_of(answer(longest + "x", content_type="text/plain")), MalformedResponse)


# Values.


@pytest.mark.parametrize(
    "token", ["", None, 1, True, [], {}, ["at"], "a b", "a\r\nb", "a\x00", "é", "a\x7f", "x" * 70_000]
)
def test_an_access_token_that_could_not_be_used_is_malformed(token: object) -> None:
    assert isinstance(error_of(answer(json.dumps({"access_token": token, "token_type": "Bearer"}))), MalformedResponse)


@pytest.mark.parametrize("name", ["refresh_token", "id_token"])
def test_an_absent_or_empty_other_token_is_none(name: str) -> None:
    assert getattr(read_members(), name) is None
    assert getattr(read_members(SERVER, **{name: None}), name) is None
    assert getattr(read_members(SERVER, **{name: ""}), name) is None
    assert getattr(read_members(SERVER, **{name: "t"}), name).reveal() == "t"


@pytest.mark.parametrize("name", ["refresh_token", "id_token"])
@pytest.mark.parametrize("token", [1, False, [], {}, "a\nb", "\ud83d\ude00"])
def test_an_odd_other_token_is_malformed(name: str, token: object) -> None:
    with pytest.raises(MalformedResponse, match=name):
        read_members(SERVER, **{name: token})


LIFETIMES: list[tuple[object, int | None]] = [
    (3600, 3600),
    (3600.0, 3600),
    (3599.9, 3599),
    ("3600", 3600),
    ("3600.0", 3600),
    ("3600.9", 3600),
    ("0060", 60),
    (1, 1),
    (30, 30),
    (5184000, 5184000),
    (315360000, 315360000),
    (315360001, None),
    (0, None),
    (0.5, None),
    ("0", None),
    (-1, None),
    ("-1", None),
    (None, None),
    (True, None),
    (False, None),
    ("never", None),
    ("", None),
    (".5", None),
    ("3600.", None),
    ("1.2.3", None),
    ("000000003600", 3600),
    ("0000000003600", 3600),
    ("1e3", None),
    ("1_000", None),
    (" 60", None),
    ("60\n", None),
    ("+60", None),
    ("３６００", None),
    ("²", None),
    ("9" * 5000, None),
    (10**39, None),
    (1e300, None),
    ([], None),
    ({}, None),
]


@pytest.mark.parametrize(("expires_in", "lifetime"), LIFETIMES, ids=lambda text: repr(text)[:20])
def test_a_lifetime_is_read_from_every_spelling_and_is_otherwise_unknown(
    expires_in: object, lifetime: int | None
) -> None:
    expected = None if lifetime is None else int(NOW) + lifetime

    assert read_members(expires_in=expires_in).expires_at == expected


def test_a_lifetime_that_is_not_told_is_the_providers_usual_one() -> None:
    server = replace(SERVER, default_expires_in=7200)

    assert read_members(server).expires_at == int(NOW) + 7200
    assert read_members(server, expires_in="never").expires_at == int(NOW) + 7200
    assert read_members(server, expires_in=60).expires_at == int(NOW) + 60


@pytest.mark.parametrize("token_type", ["bearer", "Bearer", "BEARER"])
def test_the_token_type_has_no_case(token_type: str) -> None:
    assert read_members(token_type=token_type).token_type == "bearer"


@pytest.mark.parametrize("token_type", ["mac", "DPoP", "bot", "User Access Token", "", 1, None, ["bearer"]])
def test_a_token_of_an_unknown_type_is_not_used(token_type: object) -> None:
    with pytest.raises(MalformedResponse, match="token_type"):
        read_members(token_type=token_type)


def test_a_token_type_may_be_absent_or_odd_where_the_provider_is_known_for_it() -> None:
    server = replace(SERVER, token_type_optional=True, token_types=("bearer", "user access token"))

    assert read(answer('{"access_token":"at"}'), server).token_type == "bearer"
    assert read_members(server, token_type="User Access Token").token_type == "user access token"
    with pytest.raises(MalformedResponse):
        read_members(server, token_type="mac")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("a b", ("a", "b")),
        ("a,b", ("a", "b")),
        ("a, b", ("a", "b")),
        (["a", "b"], ("a", "b")),
        (["a b"], ("a", "b")),
        ("  a   a b ", ("a", "b")),
        ("", ()),
        ([], ()),
        (None, None),
    ],
)
def test_a_scope_is_read_from_every_spelling(scope: object, expected: tuple[str, ...] | None) -> None:
    assert read_members(scope=scope).scope == expected


def test_a_scope_is_split_where_the_provider_joins() -> None:
    assert read_members(replace(SERVER, scope_separator="|"), scope="a|b c").scope == ("a", "b", "c")


@pytest.mark.parametrize("scope", [1, True, {}, ["a", 1], "é"])
def test_a_scope_that_is_not_text_is_malformed(scope: object) -> None:
    with pytest.raises(MalformedResponse, match="scope"):
        read_members(scope=scope)


def test_a_scope_that_was_left_out_is_not_an_empty_one() -> None:
    assert read_members().scope is None


def test_short_members_of_the_answer_are_kept_beside_the_tokens() -> None:
    tokens = read_members(instance_url="https://eu1.example", user_id=42, flag=True, nested={"a": 1}, long="x" * 600)

    assert tokens.extra == (("instance_url", "https://eu1.example"), ("user_id", "42"))


def test_members_are_kept_up_to_32_of_512_characters() -> None:
    fits = "x" * 508
    assert read_members(fits=fits, long=fits + "x").extra == (("fits", fits),)

    many = {f"m{number}": "x" for number in range(40)}
    assert read_members(SERVER, **many).extra == tuple(many.items())[:32]


def test_a_token_has_at_most_64_kib() -> None:
    longest = "x" * 65536

    assert read_members(refresh_token=longest).refresh_token is not None
    with pytest.raises(MalformedResponse, match="refresh_token"):
        read_members(refresh_token=longest + "x")


def test_an_answer_prints_none_of_its_tokens_or_members() -> None:
    tokens = read_members(access_token="CANARY1", refresh_token="CANARY2", id_token="CANARY3", hook="CANARY4")

    assert "CANARY" not in repr(tokens)
    assert "CANARY" not in f"{tokens}"


def test_a_token_inside_an_envelope_is_found_where_the_provider_puts_it() -> None:
    server = replace(SERVER, token_path=("data", "user"))
    inner = {"access_token": "at", "token_type": "bearer", "scope": "a"}

    assert read(answer(json.dumps({"data": {"user": inner}})), server).scope == ("a",)
    bodies: list[dict] = [{}, {"data": 1}, {"data": {"user": []}}, inner]
    for body in bodies:
        assert "data.user" in str(error_of(answer(json.dumps(body)), server))


# Errors.


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "invalid_grant", "error_description": "CANARY"}, "invalid_grant"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (403, {"error": "invalid_grant"}, "invalid_grant"),
        (200, {"error": "invalid_grant", "error_description": "CANARY"}, "invalid_grant"),
        (200, {"error": "invalid_grant", "access_token": "at", "token_type": "bearer"}, "invalid_grant"),
        (200, {"ok": False, "error": "invalid_code"}, "invalid_code"),
        (200, {"ok": False}, "provider_error"),
        (400, {"errors": [{"errorType": "invalid_grant", "message": "CANARY"}], "success": False}, "invalid_grant"),
        (400, {"error": {"type": "OAuthException", "code": 190, "message": "CANARY"}}, "provider_error"),
        (400, {"error": {"type": "expired_token", "message": "CANARY"}}, "expired_token"),
        (400, {"errors": ["CANARY"]}, "provider_error"),
        (400, {"errors": [*[{}] * 7, {"code": "late"}]}, "late"),
        (400, {"errors": [*[{}] * 8, {"code": "too_late"}]}, "provider_error"),
        (400, {"error": {"code": "inner"}, "code": "outer"}, "inner"),
        (400, {"error": ""}, "provider_error"),
        (400, {"error": "a"}, "a"),
        (400, {"error": "a" * 64}, "a" * 64),
        (400, {"error": True}, "provider_error"),
        (400, {"error": "CANARY"}, "provider_error"),
        (400, {"error": "<script>"}, "provider_error"),
        (400, {"error": "invalid_grant\n"}, "provider_error"),
        (400, {"error": "a" * 65}, "provider_error"),
        (400, {"error": None, "message": "CANARY"}, "provider_error"),
        (400, {"error": ["invalid_grant"]}, "provider_error"),
        (400, {}, "provider_error"),
        (500, {"error": "invalid_grant"}, "server_error"),
        (503, {}, "server_error"),
        (429, {"error": "invalid_grant"}, "temporarily_unavailable"),
    ],
)
def test_an_error_is_classified_by_its_body_and_quoted_only_by_its_code(status: int, body: dict, code: str) -> None:
    error = error_of(answer(json.dumps(body), status=status))

    assert error.error == code
    assert error.status == status
    assert not isinstance(error, MalformedResponse)
    assert "CANARY" not in str(error)
    assert "<" not in str(error)


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("bad_refresh_token", {"error": "bad_refresh_token"}),
        ("OAuthException", {"error": {"message": "m", "type": "OAuthException", "code": 190}}),
        ("190", {"error": {"message": "m", "type": "OAuthException", "code": 190}}),
        ("Bad Token!", {"error": "Bad Token!"}),
    ],
)
def test_a_providers_own_code_stands_for_a_registered_one(code: str, body: dict) -> None:
    server = replace(SERVER, error_aliases=((code, "invalid_grant"),))

    assert error_of(answer(json.dumps(body), status=400), server).error == "invalid_grant"


def test_a_form_encoded_error_is_read_too() -> None:
    response = answer(
        "error=bad_verification_code&error_description=x", content_type="application/x-www-form-urlencoded"
    )

    assert error_of(response).error == "bad_verification_code"


def test_an_answer_without_a_token_is_an_error_where_the_provider_hides_them_so() -> None:
    server = replace(SERVER, error_with_status_200=True, error_aliases=(("40029", "invalid_grant"),))

    assert error_of(answer('{"errcode":40029,"errmsg":"x"}'), server).error == "invalid_grant"
    assert read_members(server).access_token.reveal() == "at"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_without_a_readable_body_is_malformed(status: int) -> None:
    error = error_of(answer("<html>CANARY</html>", status=status, content_type="text/html"))

    assert isinstance(error, MalformedResponse)
    assert error.status == status
    assert "CANARY" not in str(error)


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100_000])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_a_failing_server_is_a_server_error_whatever_it_says(status: int, body: str) -> None:
    error = error_of(answer(body, status=status))

    assert error.error == "server_error"
    assert not isinstance(error, MalformedResponse)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("3601", 3600.0),
        ("315360000", 3600.0),
        ("9" * 5000, 3600.0),
        ("000000060", 60.0),
        ("0000000060", 60.0),
        ("Sun, 15 Jun 2025 15:06:41 GMT", 0.25),
        ("Sun, 15 Jun 2025 15:11:40 GMT", 299.25),
        ("Sun, 15 Jun 2035 15:11:40 GMT", 3600.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("１２０", None),
        ("²", None),
        ("Sun, 15 Jun 2025 15:06:41 CET", None),
        ("Sun, 15 Foo 2025 15:06:41 GMT", None),
        ("Sun, xx Jun 2025 15:06:41 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        (None, None),
    ],
)
def test_a_wait_is_read_from_seconds_or_a_date_and_capped_at_an_hour(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, now=NOW) == seconds


@given(st.integers(0, 253402300799))
def test_dates_are_read_as_the_standard_library_writes_them(moment: int) -> None:
    from email.utils import formatdate

    seconds = read_retry_after(formatdate(moment, usegmt=True), now=moment - 60.0)

    assert seconds == 60.0


@pytest.mark.parametrize("status", [429, 503, 400])
def test_an_error_says_when_to_come_back(status: int) -> None:
    assert error_of(answer('{"error":"slow_down"}', status=status, Retry_After="7")).retry_after == 7.0
    assert error_of(answer('{"error":"slow_down"}', status=status)).retry_after is None
    assert error_of(answer('{"error":"slow_down"}', status=status, Retry_After="garbage")).retry_after is None


# Anything.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["bearer", "Bearer", "at", "3600"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token", "error", "errors", "ok"]
)
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=8).map(lambda members: json.dumps(members).encode())
    | st.dictionaries(NAMES, st.text(max_size=8), max_size=8).map(
        lambda members: "&".join(f"{k}={v}" for k, v in members.items()).encode("utf-8", "surrogatepass")
    )
)


@given(
    BODIES,
    st.integers(100, 599) | st.sampled_from([200, 201, 400]),
    st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "text/html", ""]),
    st.booleans(),
)
def test_any_answer_gives_tokens_or_a_provider_error(body: bytes, status: int, content_type: str, odd: bool) -> None:
    server = replace(SERVER, token_path=("x",) if odd else (), error_with_status_200=odd, token_type_optional=odd)

    try:
        tokens = read(answer(body, status=status, content_type=content_type), server)
    except ProviderError as error:
        seen = error.status
    else:
        seen = status
        assert 200 <= status < 300
        assert tokens.access_token.reveal().isprintable()
        assert tokens.expires_at is None or tokens.expires_at > NOW
    assert seen == status


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope"])
def test_an_error_that_somebody_can_mend_says_how(code: str) -> None:
    with pytest.raises(ProviderError) as known:
        _ = read(answer(json.dumps({"error": code}), status=400))
    with pytest.raises(ProviderError) as unknown:
        _ = read(answer('{"error":"some_other_code"}', status=400))

    assert "documentation" in str(unknown.value)
    assert code in str(known.value)
    assert "documentation" not in str(known.value)


def test_a_list_of_errors_beside_status_200_is_an_error() -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(answer('{"errors":[{"errorType":"expired_token"}],"access_token":"a","token_type":"bearer"}'))

    assert caught.value.error == "expired_token"


@pytest.mark.parametrize("status", [400, 429, 503])
def test_when_to_try_again_is_read_against_the_moment_of_the_answer(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(answer("{}", status=status, Retry_After="Sun, 15 Jun 2025 15:06:45 GMT"))

    assert caught.value.retry_after == 4.25


def test_an_empty_access_token_is_none() -> None:
    with pytest.raises(MalformedResponse):
        _ = read(answer('{"access_token":"","token_type":"bearer"}'))


def test_details_that_were_granted_are_told_as_json_up_to_a_limit() -> None:
    for length, told in ((8192 - 6, True), (8192 - 5, False)):
        body = {"access_token": "a", "token_type": "bearer", "authorization_details": ["x" * length, 1]}
        assert (("authorization_details", f'["{"x" * length}",1]') in read(answer(json.dumps(body))).extra) == told


def test_the_repr_names_what_else_was_answered_without_telling_it() -> None:
    tokens = read(answer('{"access_token":"a","token_type":"bearer","one":"CANARY","two":"CANARY"}'))

    assert "one, two" in repr(tokens)
    assert "CANARY" not in repr(tokens)


@pytest.mark.parametrize("year", [1970, 2000, 2024, 2099, 2100, 2101, 2399, 2400, 2401, 9999])
def test_the_first_and_last_second_of_every_month_are_those_of_the_calendar(year: int) -> None:
    for month in range(1, 13):
        for day in (1, 28, monthrange(year, month)[1]):
            moment = datetime(year, month, day, 23, 59, 59, tzinfo=UTC)
            text = format_datetime(moment, usegmt=True)

            assert read_retry_after(text, now=moment.timestamp() - 10) == 10


@pytest.mark.parametrize("text", ["Sun, 06 Nov 1994 08:49:37  GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "x" * 25 + " GMT"])
def test_another_form_of_date_is_not_guessed(text: str) -> None:
    assert read_retry_after(text, now=0) is None


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token", "scope", "token_type"])
def test_a_member_that_cannot_be_used_is_malformed_with_the_status_that_it_came_with(name: str) -> None:
    body = {"access_token": "a", "token_type": "bearer", name: 7}

    with pytest.raises(MalformedResponse) as caught:
        _ = read(answer(json.dumps(body), status=201))

    assert caught.value.status == 201


def test_an_error_with_status_200_says_when_to_try_again() -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(answer('{"error":"slow_down"}', Retry_After="Sun, 15 Jun 2025 15:06:45 GMT"))

    assert caught.value.retry_after == 4.25


def test_the_answers_own_code_goes_before_those_of_a_list() -> None:
    body = '{"error":"invalid_grant","errors":[{"errorType":"expired_token"}]}'

    with pytest.raises(ProviderError) as caught:
        _ = read(answer(body, status=400))

    assert caught.value.error == "invalid_grant"


def test_a_form_is_an_answer_only_with_a_token_or_an_error_and_its_mark_is_skipped() -> None:
    kind = "application/x-www-form-urlencoded"

    assert read(answer(b"\xef\xbb\xbfaccess_token=a&token_type=bearer", content_type=kind)).token_type == "bearer"
    with pytest.raises(MalformedResponse):
        _ = read(answer("a=b&c=d", status=400, content_type=kind))


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token"])
def test_a_token_that_is_longer_than_any_is_told_by_its_length(name: str) -> None:
    fields = {"access_token": "at", "token_type": "bearer", name: "x" * (65_537)}

    error = error_of(answer(json.dumps(fields), status=201))

    assert isinstance(error, MalformedResponse)
    assert error.status == 201
    assert f"unusable {name}: 65537 characters, over 65536" in str(error)
