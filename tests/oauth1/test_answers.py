from __future__ import annotations

from typing import Any

import pytest

from valetkey.dates import http_date
from valetkey.errors import Explanation, MalformedResponse, ProviderError
from valetkey.http import Headers, Response
from valetkey.oauth1.answers import (
    MAX_ANSWER_OCTETS,
    check_success,
    clock_offset,
    problem,
    read_temporary_credentials,
    read_token_credentials,
)
from valetkey.value import replace

NOW = 784_111_777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"  # the same moment


def answer(body: str = "", *, status: int = 200, **headers: str) -> Response:
    named = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Response(status, Headers(named), body.encode("utf-8"))


def error_of(response: Response) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read_token_credentials(response)
    assert "canary" not in f"{caught.value!r} {caught.value}"
    return caught.value


@pytest.mark.parametrize("confirmed", ["true", "True", "TRUE"])
def test_temporary_credentials_are_read_whatever_case_the_confirmation_has(confirmed: str) -> None:
    body = f"oauth_token=hdk48Djdsa&oauth_token_secret=xyz4992k83j47x0b&oauth_callback_confirmed={confirmed}\n"

    temporary = read_temporary_credentials(answer(body))

    assert temporary.identifier == "hdk48Djdsa"
    assert temporary.secret.reveal() == "xyz4992k83j47x0b"


@pytest.mark.parametrize("confirmed", ["", "&oauth_callback_confirmed=false", "&oauth_callback_confirmed="])
def test_a_server_that_does_not_confirm_the_callback_is_refused(confirmed: str) -> None:
    response = answer(f"oauth_token=a&oauth_token_secret=b{confirmed}")

    with pytest.raises(ProviderError) as caught:
        read_temporary_credentials(response)

    assert caught.value.error == "callback_not_confirmed"
    assert read_temporary_credentials(response, callback_confirmed_required=False).identifier == "a"


def test_token_credentials_keep_what_else_was_answered() -> None:
    body = "oauth_token=a%2Bb&oauth_token_secret=c+d%20e&user_nsid=21207597%40N07&username=&fullname=Jamal+Fanaian"

    token = read_token_credentials(answer(body, Content_Type="text/html; charset=utf-8"))

    assert (token.identifier, token.secret.reveal()) == ("a+b", "c d e")
    assert token.extra == (("user_nsid", "21207597@N07"), ("username", ""), ("fullname", "Jamal Fanaian"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"oauth_token": "canary", "oauth_token_secret": "canary"}',
        "<html>canary</html>",
        "Error: canary. An error occurred in the OAuth protocol: Invalid signature",
        "oauth_token=canary",
        "oauth_token_secret=canary",
        "oauth_token=&oauth_token_secret=canary",
        "oauth_token=canary&oauth_token=canary&oauth_token_secret=canary",
        "oauth_token=canary&oauth_token_secret=canary&a=1&a=1",
        "oauth_token=canary&oauth_token_secret=%zzcanary",
        "oauth_token=canary&oauth_token_secret=%ffcanary",
        "oauth_token=canary&oauth_token_secret=é",
        "oauth_token=canary\r\n&oauth_token_secret=canary",
        "oauth_token=canary&oauth_token_secret=" + "a" * MAX_ANSWER_OCTETS,
        "&".join(f"a{number}=1" for number in range(1001)),
    ],
)
def test_what_is_not_one_clear_form_is_malformed(body: str) -> None:
    error = error_of(answer(body))

    assert isinstance(error, MalformedResponse)
    assert error.status == 200


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_named_problem_becomes_the_code_of_the_error_whatever_the_status(status: int) -> None:
    error = error_of(answer("oauth_problem=token_expired&oauth_problem_advice=canary", status=status))

    assert (error.error, error.status) == ("token_expired", status)
    assert not isinstance(error, MalformedResponse)


def test_a_problem_in_the_challenge_is_found() -> None:
    response = answer("canary", status=401, WWW_Authenticate='OAuth realm="x", oauth_problem="consumer_key_unknown"')

    assert error_of(response).error == "consumer_key_unknown"


@pytest.mark.parametrize("challenge", ['Basic realm="oauth_problem"', 'OAuth oauth_problem=unquoted, "', "OAuth"])
def test_a_challenge_that_cannot_be_read_says_nothing(challenge: str) -> None:
    assert problem(answer(status=401, WWW_Authenticate=challenge)) is None


@pytest.mark.parametrize("code", ["Canary Text", "canary-code", "C" * 3, "a" * 65, "", "canary%00", "%C3%A9"])
def test_a_code_that_is_no_plain_word_is_replaced_by_ours(code: str) -> None:
    response = answer(f"oauth_problem={code}", status=401, WWW_Authenticate=f'OAuth oauth_problem="{code}"')

    assert problem(response) is None
    assert error_of(response).error == "unauthorized"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "request_refused"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (418, "request_refused"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (302, "redirected"),
        (307, "redirected"),
    ],
)
def test_an_error_without_a_code_is_named_after_its_status(status: int, code: str) -> None:
    error = error_of(answer("<html>canary</html>", status=status, Location="https://evil.example/canary"))

    assert (error.error, error.status) == (code, status)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999", 3600.0),
        ("9" * 5000, 3600.0),
        ("-1", None),
        ("٣", None),
        (DATE, None),  # of which clock is not known
    ],
)
def test_the_time_to_wait_is_bounded(text: str, seconds: float | None) -> None:
    response = Response(429, Headers((("Retry-After", text),))) if text.isascii() else answer(status=429)

    assert error_of(response).retry_after == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(120, 120.0), (-120, 0.0), (0, 0.0), (90_000, 3600.0)])
def test_a_moment_to_wait_for_counts_from_the_answers_own_date(ahead: int, seconds: float) -> None:
    told = 1_700_000_000  # by the server's clock, whatever ours says
    headers = Headers((("Date", http_date(told)), ("Retry-After", http_date(told + ahead))))

    assert error_of(Response(503, headers)).retry_after == seconds


def test_success_is_any_status_of_the_200s() -> None:
    for status in (200, 204):
        check_success(answer(status=status))


@pytest.mark.parametrize(
    ("response", "offset"),
    [
        (answer("oauth_problem=timestamp_refused", status=401, Date=DATE), -7),
        (answer("oauth_problem=timestamp_refused", status=400, Date=DATE), -7),
        (answer("oauth_problem=timestamp_refused", status=401), None),
        (answer("oauth_problem=timestamp_refused", status=401, Date="yesterday"), None),
        (answer(status=401, Date=DATE), None),
        (answer(status=200, Date="Sun, 06 Nov 1994 10:49:37 GMT"), None),
        (answer(status=401, Date="Sun, 06 Nov 1994 10:49:37 GMT"), 7193),
        (answer("error=invalid_request&error_description=x", status=400, Date="Sun, 06 Nov 1994 10:49:37 GMT"), 7193),
        (answer("error=invalid_request", status=400, Date=DATE), None),
        (answer(status=403, Date="Sun, 06 Nov 1994 10:49:37 GMT"), None),
        (answer("oauth_problem=token_rejected", status=401, Date="Sun, 06 Nov 1994 10:49:37 GMT"), None),
    ],
)
def test_the_clock_is_suspected_only_where_the_answer_says_so(response: Response, offset: int | None) -> None:
    assert clock_offset(response, now=NOW + 7) == offset


@pytest.mark.parametrize("status", [300, 301, 308, 399])
def test_a_redirect_is_an_error_of_its_own(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        check_success(answer(status=status, Location="https://elsewhere.example"))

    assert (caught.value.error, caught.value.status) == ("redirected", status)


@pytest.mark.parametrize("status", [200, 299])
def test_every_status_below_300_is_success(status: int) -> None:
    check_success(answer(status=status))


@pytest.mark.parametrize("code", ["x", "x" * 64])
def test_a_code_has_1_to_64_letters(code: str) -> None:
    assert problem(answer(f"oauth_problem={code}")) == code


@pytest.mark.parametrize("body", ["<a=b&oauth_problem=x", "{a=b&oauth_problem=x", "[a=b&oauth_problem=x"])
def test_markup_and_json_are_no_form_even_where_they_could_be_read_as_one(body: str) -> None:
    assert problem(answer(body)) is None


def test_blanks_around_a_form_and_nothing_else_are_cut_off() -> None:
    assert problem(answer(" \t\r\noauth_problem=x\r\n\t ")) == "x"
    assert problem(answer("Xa=b&oauth_problem=xX")) is None
    assert problem(answer("\x0boauth_problem=x")) is None


def test_a_challenge_of_another_scheme_is_passed_over() -> None:
    fields = (("WWW-Authenticate", 'Basic oauth_problem="wrong"'), ("WWW-Authenticate", 'OAuth oauth_problem="right"'))

    assert problem(Response(401, Headers(fields))) == "right"


def test_an_answer_of_64_kib_is_read_and_one_octet_more_is_not() -> None:
    body = "oauth_token=t&oauth_token_secret=s&a="
    longest = body + "x" * (MAX_ANSWER_OCTETS - len(body))

    assert read_token_credentials(answer(longest)).identifier == "t"
    assert isinstance(error_of(answer(longest + "x")), MalformedResponse)


def test_credentials_beside_a_problem_are_credentials() -> None:
    assert read_token_credentials(answer("oauth_token=t&oauth_token_secret=s&error=none")).identifier == "t"


@pytest.mark.parametrize(("away", "offset"), [(60, None), (61, 61), (-60, None), (-61, -61)])
def test_a_minute_between_two_clocks_is_no_reason(away: int, offset: int | None) -> None:
    assert clock_offset(answer("error=invalid_request", status=400, Date=DATE), now=NOW - away) == offset


@pytest.mark.parametrize("status", [200, 403, 500])
def test_other_statuses_say_nothing_of_the_clock(status: int) -> None:
    assert clock_offset(answer("oauth_problem=timestamp_refused", status=status, Date=DATE), now=NOW - 999) is None


@pytest.mark.parametrize("read", [read_temporary_credentials, read_token_credentials])
@pytest.mark.parametrize("body", ["<html>", "oauth_token=a", "a=1&a=1&oauth_token=t&oauth_token_secret=s"])
def test_what_is_malformed_says_which_status_it_had(read: Any, body: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        read(answer(body, status=201))

    assert caught.value.status == 201


def test_an_unconfirmed_callback_says_which_status_it_had() -> None:
    with pytest.raises(ProviderError) as caught:
        read_temporary_credentials(answer("oauth_token=a&oauth_token_secret=b", status=201))

    assert caught.value.status == 201


EXPLAINED = Explanation("user_refused", "the owner said no", "ask again", "https://docs.example", "2026-01-01")
OTHER = Explanation("other", "something else", "do nothing", "https://docs.example", "2026-01-01")


@pytest.mark.parametrize("read", [check_success, read_token_credentials, read_temporary_credentials])
@pytest.mark.parametrize("status", [200, 403])
def test_a_providers_own_explanation_of_its_code_is_told(read: Any, status: int) -> None:
    if read is check_success and status == 200:
        return
    response = answer("oauth_problem=user_refused", status=status, Retry_After="7")

    with pytest.raises(ProviderError, match=r": the owner said no; ask again \(https://docs.example\)$") as caught:
        read(response, errors=(OTHER, EXPLAINED))
    assert caught.value.explanation == EXPLAINED
    assert (caught.value.error, caught.value.status, caught.value.retry_after) == ("user_refused", status, 7)

    with pytest.raises(ProviderError, match=rf"user_refused \(status {status}\)$") as caught:
        read(response, errors=(OTHER,))
    assert caught.value.explanation is None


WORDS = replace(OTHER, code="Invalid consumer key", in_text=True)


@pytest.mark.parametrize("read", [check_success, read_token_credentials, read_temporary_credentials])
@pytest.mark.parametrize(("status", "code"), [(200, "request_refused"), (401, "unauthorized")])
def test_words_of_an_answer_in_prose_are_explained_and_the_prose_is_not_shown(
    read: Any, status: int, code: str
) -> None:
    """MediaWiki answers so, also with status 200."""
    if read is check_success and status == 200:
        return
    prose = "Error: invalid consumer key. \xe9 canary"

    with pytest.raises(ProviderError) as caught:
        read(Response(status, Headers(), prose.encode("latin-1")), errors=(EXPLAINED, WORDS))
    assert (caught.value.error, caught.value.explanation) == (code, WORDS)
    said = f"the provider refused the request: {code} (Invalid consumer key) (status {status}): "
    assert str(caught.value) == said + "something else; do nothing (https://docs.example)"

    if status == 200:
        with pytest.raises(MalformedResponse, match="not a form"):
            read(Response(status, Headers(), prose.encode("latin-1")), errors=(EXPLAINED,))


def test_words_in_an_answer_that_has_a_token_are_no_error() -> None:
    found = read_token_credentials(
        answer("oauth_token=a&oauth_token_secret=b&note=invalid+consumer+key"), errors=(replace(WORDS, code="note"),)
    )

    assert found.identifier == "a"


def test_a_code_is_told_once_where_it_is_what_was_explained() -> None:
    with pytest.raises(ProviderError, match=r"request: user_refused \(status 401\): the owner"):
        read_token_credentials(answer("oauth_problem=user_refused", status=401), errors=(EXPLAINED,))
