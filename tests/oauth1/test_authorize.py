from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth1.cast import CLIENT, CLIENT_SECRET, NOW, TOKEN, World

from valetkey.drivers.drive import drive
from valetkey.effects import CONFIGURED
from valetkey.errors import (
    ConfigurationError,
    Explanation,
    MalformedResponse,
    ProviderError,
    RequestRefused,
    TransportError,
)
from valetkey.http import FORM, Headers, Request, Response
from valetkey.oauth1.authorize import (
    authorization_url,
    request_temporary_credentials,
    request_token_credentials,
    revoke_token_credentials,
)
from valetkey.oauth1.clocks import ClockOffsets
from valetkey.oauth1.credentials import Server, TemporaryCredentials
from valetkey.oauth1.verify import Keys, SignedRequest, check_signature, check_timestamp, read_signed_request
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import WireOp
    from valetkey.oauth1.credentials import Placement

SERVER = Server(
    "https://photos.example.net/initiate?title=OAuth",
    "https://photos.example.net/authorize",
    "https://photos.example.net/token",
    headers=(("User-Agent", "example/1.0"),),
)
TEMPORARY = TemporaryCredentials("hh5s93j4hdidpola", Secret("hdhd0244k9j7ao03"))
CALLBACK = "https://printer.example.com/ready?state=a%20b"
LATER = NOW + 3600
GRANTED = b"oauth_token=nnch734d00sl2jdk&oauth_token_secret=pfkkdhi9sl3r4s00"


def strict(
    answer: Callable[[SignedRequest], Response], *, clock: float = NOW, token_secret: Secret | None = None
) -> Callable[[Request], Response]:
    """A server that checks time and signature before it answers."""

    def respond(request: Request) -> Response:
        try:
            signed = read_signed_request(request)
            check_timestamp(signed, now=clock)
            check_signature(signed, Keys(Secret(CLIENT_SECRET), token_secret))
        except RequestRefused as refused:
            return Response(
                refused.status, Headers((("Date", http_date(clock)),)), f"oauth_problem={refused.reason}".encode()
            )
        return answer(signed)

    return respond


def http_date(seconds: float) -> str:
    from datetime import UTC, datetime
    from email.utils import format_datetime

    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def granting(_: SignedRequest) -> Response:
    return Response(200, Headers(), GRANTED + b"&oauth_callback_confirmed=true")


@pytest.mark.parametrize("placement", ["header", "query", "body"])
def test_temporary_credentials_are_asked_for_with_a_signed_callback(placement: Placement) -> None:
    seen: list[SignedRequest] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return granting(signed)

    world = World(strict(answer))
    server = replace(SERVER, placement=placement, temporary_credentials_parameters=(("scope", "read,write all"),))

    temporary = drive(request_temporary_credentials(server, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert temporary == TemporaryCredentials("nnch734d00sl2jdk", Secret("pfkkdhi9sl3r4s00"))
    assert (seen[0].parameter("oauth_callback"), seen[0].token_identifier) == (CALLBACK, None)
    sent = world.sent[0]
    assert (sent.reach, sent.not_after, sent.kept) == (CONFIGURED, LATER, False)
    assert sent.request.url.startswith("https://photos.example.net/initiate?title=OAuth&scope=read%2Cwrite%20all")
    assert sent.request.headers.get("User-Agent") == "example/1.0"
    assert (sent.request.headers.get("Content-Type") == FORM) == (placement == "body")


def test_a_provider_that_takes_only_oob_is_sent_oob() -> None:
    seen: list[str | None] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed.parameter("oauth_callback"))
        return granting(signed)

    server = replace(SERVER, callback_out_of_band=True, endpoint_method="get")
    world = World(strict(answer))

    drive(request_temporary_credentials(server, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert seen == ["oob"]
    assert world.sent[0].request.method == "GET"


def test_the_authorization_url_names_the_temporary_credentials() -> None:
    server = replace(SERVER, authorization_parameters=(("perms", "write"), ("name", "My App")))

    url = authorization_url(server, TemporaryCredentials("hh5s93j4 &", Secret("x")))

    assert url == "https://photos.example.net/authorize?perms=write&name=My%20App&oauth_token=hh5s93j4%20%26"
    renamed = replace(SERVER, authorization_token_parameter="token")
    assert authorization_url(renamed, TEMPORARY) == "https://photos.example.net/authorize?token=hh5s93j4hdidpola"


def test_the_verifier_is_exchanged_under_the_temporary_secret() -> None:
    seen: list[SignedRequest] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return Response(200, Headers(), GRANTED + b"&user_id=7")

    world = World(strict(answer, token_secret=TEMPORARY.secret))
    op = request_token_credentials(SERVER, CLIENT, temporary=TEMPORARY, verifier="hfdp7dh39dks9884", not_after=LATER)

    token = drive(op, world.answer)

    assert (token.identifier, token.secret, token.extra) == (
        "nnch734d00sl2jdk",
        Secret("pfkkdhi9sl3r4s00"),
        (("user_id", "7"),),
    )
    assert (seen[0].token_identifier, seen[0].parameter("oauth_verifier")) == (TEMPORARY.identifier, "hfdp7dh39dks9884")


@pytest.mark.parametrize("verifier", [None, ""])
def test_a_callback_without_a_verifier_is_never_exchanged(verifier: str | None) -> None:
    world = World(strict(granting))

    op = request_token_credentials(SERVER, CLIENT, temporary=TEMPORARY, verifier=verifier, not_after=LATER)
    with pytest.raises(ConfigurationError, match="oauth_verifier"):
        drive(op, world.answer)

    assert world.sent == []


def test_a_provider_without_verifiers_is_served_where_its_entry_says_so() -> None:
    server = replace(SERVER, verifier_required=False)
    world = World(strict(granting, token_secret=TEMPORARY.secret))

    op = request_token_credentials(server, CLIENT, temporary=TEMPORARY, verifier=None, not_after=LATER)

    assert drive(op, world.answer).identifier == "nnch734d00sl2jdk"


def test_a_verifier_of_another_flow_is_the_providers_refusal() -> None:
    def answer(_: SignedRequest) -> Response:
        return Response(401, Headers((("Date", http_date(NOW)),)), b"oauth_problem=permission_denied")

    world = World(strict(answer, token_secret=TEMPORARY.secret))

    op = request_token_credentials(SERVER, CLIENT, temporary=TEMPORARY, verifier="others", not_after=LATER)
    with pytest.raises(ProviderError) as caught:
        drive(op, world.answer)

    assert (caught.value.error, len(world.sent)) == ("permission_denied", 1)


@pytest.mark.parametrize("ahead", [-86_000, -400, 400, 86_000])
def test_a_refused_timestamp_is_tried_once_more_at_the_servers_time(ahead: int) -> None:
    world = World(strict(granting, clock=NOW + ahead))

    temporary = drive(request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert temporary.identifier == "nnch734d00sl2jdk"
    first, second = (read_signed_request(sent.request) for sent in world.sent)
    assert (first.timestamp, second.timestamp) == (NOW, NOW + ahead)
    assert first.nonce != second.nonce


def test_an_unexplained_401_with_another_time_is_tried_once_more() -> None:
    def respond(request: Request) -> Response:
        if read_signed_request(request).timestamp != NOW + 7200:
            return Response(401, Headers((("Date", http_date(NOW + 7200)),)), b"Failed to validate oauth signature")
        return Response(200, Headers(), GRANTED + b"&oauth_callback_confirmed=true")

    world = World(respond)

    drive(request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert len(world.sent) == 2


@pytest.mark.parametrize(("ahead", "requests"), [(7200, 2), (2 * 86_400, 1)])
def test_a_clock_that_cannot_be_met_halfway_is_named_with_both_times(ahead: int, requests: int) -> None:
    def respond(_: Request) -> Response:
        return Response(401, Headers((("Date", http_date(NOW + ahead)),)), b"oauth_problem=timestamp_refused")

    world = World(respond)

    with pytest.raises(ProviderError) as caught:
        drive(request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert (caught.value.error, caught.value.status, len(world.sent)) == ("clock_skew", 401, requests)
    assert "2023-11-14T22:13:20Z" in str(caught.value)
    assert ("2023-11-15T00:13:20Z" if ahead == 7200 else "2023-11-16T22:13:20Z") in str(caught.value)


def test_another_refusal_at_the_servers_time_is_what_is_reported() -> None:
    def respond(request: Request) -> Response:
        late = read_signed_request(request).timestamp != NOW
        word = b"consumer_key_unknown" if late else b"timestamp_refused"
        return Response(401, Headers((("Date", http_date(NOW + 7200)),)), b"oauth_problem=" + word)

    op = request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER)
    with pytest.raises(ProviderError) as caught:
        drive(op, World(respond).answer)

    assert caught.value.error == "consumer_key_unknown"


def test_a_redirect_of_a_signed_request_is_not_followed() -> None:
    world = World(lambda _: Response(307, Headers((("Location", "https://photos.example.net/other"),))))

    with pytest.raises(ProviderError) as caught:
        drive(request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)

    assert (caught.value.error, len(world.sent)) == ("redirected", 1)


def test_an_answer_that_is_no_answer_is_malformed() -> None:
    world = World(lambda _: Response(200, Headers(), b"Error: something"))

    with pytest.raises(MalformedResponse):
        drive(request_temporary_credentials(SERVER, CLIENT, callback=CALLBACK, not_after=LATER), world.answer)


def test_a_lost_answer_is_the_callers_to_judge() -> None:
    def respond(_: Request) -> Response:
        raise TransportError("no answer", maybe_received=True)

    op = request_token_credentials(SERVER, CLIENT, temporary=TEMPORARY, verifier="v", not_after=LATER)
    with pytest.raises(TransportError):
        drive(op, World(respond).answer)


@pytest.mark.parametrize(
    "callback", ["/ready", "https://user@example.com/", "https://example.com/#f", "javascript:alert(1)"]
)
def test_a_callback_that_is_no_address_is_a_mistake_of_the_configuration(callback: str) -> None:
    with pytest.raises(ConfigurationError, match="callback"):
        drive(request_temporary_credentials(SERVER, CLIENT, callback=callback, not_after=LATER), World().answer)


def test_an_endpoint_that_is_no_address_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="authorization_endpoint"):
        authorization_url(replace(SERVER, authorization_endpoint="photos.example.net"), TEMPORARY)
    server = replace(SERVER, temporary_credentials_endpoint="//photos.example.net")
    with pytest.raises(ConfigurationError, match="endpoint"):
        drive(request_temporary_credentials(server, CLIENT, callback="oob", not_after=LATER), World().answer)


def test_revocation_is_signed_with_the_token_and_may_name_it_in_the_path() -> None:
    seen: list[SignedRequest] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return Response(204)

    server = replace(
        SERVER, revocation_endpoint="https://photos.example.net/1/tokens/{token}", revocation_method="DELETE"
    )
    world = World(strict(answer, token_secret=TOKEN.secret))

    assert drive(revoke_token_credentials(server, CLIENT, token=TOKEN, not_after=LATER), world.answer) is True

    assert seen[0].token_identifier == TOKEN.identifier
    sent = world.sent[0].request
    assert (sent.method, sent.url) == ("DELETE", f"https://photos.example.net/1/tokens/{TOKEN.identifier}")


def test_a_provider_without_revocation_is_not_asked() -> None:
    world = World()

    assert drive(revoke_token_credentials(SERVER, CLIENT, token=TOKEN, not_after=LATER), world.answer) is False
    assert world.sent == []


def test_a_refused_revocation_is_not_called_a_success() -> None:
    server = replace(SERVER, revocation_endpoint="https://photos.example.net/revoke")
    world = World(lambda _: Response(503, Headers((("Retry-After", "30"),))))

    with pytest.raises(ProviderError) as caught:
        drive(revoke_token_credentials(server, CLIENT, token=TOKEN, not_after=LATER), world.answer)

    assert (caught.value.error, caught.value.retry_after) == ("server_error", 30.0)


def legs(server: Server, clocks: ClockOffsets | None) -> list[WireOp[Any]]:
    """Every program that asks a server of OAuth 1.0a."""
    return [
        request_temporary_credentials(server, CLIENT, callback=CALLBACK, not_after=LATER, clocks=clocks),
        request_token_credentials(server, CLIENT, temporary=TEMPORARY, verifier="v", not_after=LATER, clocks=clocks),
        revoke_token_credentials(
            replace(server, revocation_endpoint="https://photos.example.net/revoke"),
            CLIENT,
            token=TOKEN,
            not_after=LATER,
            clocks=clocks,
        ),
    ]


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize("ahead", [86_400, -86_400, 301])
def test_a_clock_is_set_right_once_remembered_for_its_host_and_used_from_then_on(leg: int, ahead: int) -> None:
    secret = [None, TEMPORARY.secret, TOKEN.secret][leg]
    seen: list[SignedRequest] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return granting(signed)

    world = World(strict(answer, clock=NOW + ahead, token_secret=secret))
    clocks = ClockOffsets()

    for asked in (2, 3):
        _ = drive(legs(SERVER, clocks)[leg], world.answer)
        assert len(world.sent) == asked
    sent = (("oauth_callback", CALLBACK), ("oauth_verifier", "v"), None)[leg]
    assert [one.parameters for one in seen] == [(sent,) if sent else ()] * 2, "what is repeated says the same"
    assert (clocks.of("photos.example.net"), clocks.of("other.example")) == (ahead, 0)
    assert {one.not_after for one in world.sent} == {LATER}


def test_what_was_remembered_of_a_clock_that_was_set_since_is_learned_anew() -> None:
    world = World(strict(granting))
    clocks = ClockOffsets()
    clocks.learn("photos.example.net", 5_000)

    _ = drive(legs(SERVER, clocks)[0], world.answer)

    assert len(world.sent) == 2
    assert clocks.of("photos.example.net") == 0


@pytest.mark.parametrize("status", [400, 401])
def test_a_clock_that_was_set_right_and_is_refused_again_is_an_error_that_names_both(status: int) -> None:
    refused = Response(status, Headers((("Date", http_date(NOW + 900)),)), b"oauth_problem=timestamp_refused")
    clocks = ClockOffsets()
    world = World(lambda _: refused)

    with pytest.raises(ProviderError) as caught:
        drive(legs(SERVER, clocks)[0], world.answer)

    assert (caught.value.error, caught.value.status, len(world.sent)) == ("clock_skew", status, 2)
    assert clocks.of("photos.example.net") == 0


def refusing(date: str, _: Request) -> Response:
    return Response(401, Headers((("Date", date),)))


def test_a_refusal_for_another_reason_is_not_repeated_where_the_clocks_agree() -> None:
    clocks = ClockOffsets()
    clocks.learn("photos.example.net", 900)
    for away in (899, 901):
        world = World(partial(refusing, http_date(NOW + away)))

        with pytest.raises(ProviderError):
            drive(legs(SERVER, clocks)[0], world.answer)
        assert len(world.sent) == 1
    world = World(partial(refusing, http_date(NOW + 902)))
    with pytest.raises(ProviderError, match="clock"):
        drive(legs(SERVER, clocks)[0], world.answer)
    assert len(world.sent) == 2


def test_a_timestamp_that_is_refused_by_name_is_tried_once_more_even_where_the_clocks_agree() -> None:
    refused = Response(401, Headers((("Date", http_date(NOW)),)), b"oauth_problem=timestamp_refused")
    world = World(lambda _: refused)

    with pytest.raises(ProviderError) as caught:
        drive(legs(SERVER, None)[0], world.answer)

    assert (caught.value.error, len(world.sent)) == ("clock_skew", 2)


def test_a_provider_that_wants_the_callback_at_the_authorization_gets_it_there_alone() -> None:
    seen: list[SignedRequest] = []

    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return granting(signed)

    server = replace(SERVER, callback_in_authorization=True)
    _ = drive(legs(server, None)[0], World(strict(answer)).answer)

    assert seen[0].parameter("oauth_callback") is None
    url = authorization_url(server, TEMPORARY, callback=CALLBACK)
    assert (
        f"oauth_callback={CALLBACK.replace(':', '%3A').replace('/', '%2F').replace('?', '%3F').replace('=', '%3D').replace('%20', '%2520')}"
        in url
    )
    assert "oauth_callback" not in authorization_url(server, TEMPORARY)
    assert "oauth_callback" not in authorization_url(SERVER, TEMPORARY, callback=CALLBACK)


def test_a_callback_that_is_not_confirmed_is_accepted_only_where_the_entry_says_so() -> None:
    world = World(strict(lambda _: Response(200, body=GRANTED)))

    with pytest.raises(ProviderError) as caught:
        drive(legs(SERVER, None)[0], world.answer)
    assert caught.value.error == "callback_not_confirmed"
    lax = replace(SERVER, callback_confirmed_required=False)
    assert drive(legs(lax, None)[0], world.answer).identifier == "nnch734d00sl2jdk"


def test_the_entrys_explanations_of_errors_are_told_at_every_endpoint() -> None:
    explained = Explanation("user_refused", "the owner said no", "ask again", "https://docs.example", "2026-01-01")
    server = replace(SERVER, errors=(explained,), revocation_endpoint="https://photos.example.net/revoke")
    programs: list[WireOp[Any]] = [
        request_temporary_credentials(server, CLIENT, callback=CALLBACK, not_after=LATER),
        request_token_credentials(server, CLIENT, temporary=TEMPORARY, verifier="v", not_after=LATER),
        revoke_token_credentials(server, CLIENT, token=TOKEN, not_after=LATER),
    ]

    for program in programs:
        with pytest.raises(ProviderError, match="the owner said no") as caught:
            drive(program, World(lambda _: Response(401, body=b"oauth_problem=user_refused")).answer)
        assert caught.value.explanation == explained
