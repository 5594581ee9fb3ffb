"""An application that receives signed requests: what passes, what does not, and that nothing passes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.oauth1.cast import CLIENT, KEYS, NOW, TOKEN, URL, form_request

from valetkey.errors import RequestRefused, StoreError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.receive import MAX_NONCES, MemoryNonces, proven, receive, used_up
from valetkey.oauth1.sign import sign_request
from valetkey.oauth1.verify import NOBODY, check_signature, read_signed_request
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.oauth1.credentials import Placement, SignatureMethod
    from valetkey.oauth1.verify import Keys, SignedRequest


def signed(
    *,
    timestamp: int = NOW,
    nonce: str = "0123456789abcdef01234567",
    method: SignatureMethod = "HMAC-SHA256",
    placement: Placement = "header",
) -> Request:
    request = form_request("lti_version=LTI-1p0&roles=Learner%2CMember")
    return sign_request(
        request, CLIENT, token=TOKEN, timestamp=timestamp, nonce=nonce, signature_method=method, placement=placement
    )


def known(found: SignedRequest) -> Keys | None:
    return KEYS if found.client_identifier == CLIENT.identifier else None


@pytest.mark.parametrize("placement", ["header", "query", "body"])
def test_a_signed_request_is_received_once(placement: Placement) -> None:
    nonces = MemoryNonces()

    found = receive(signed(placement=placement), keys=known, nonces=nonces, now=NOW)

    assert (found.client_identifier, found.token_identifier) == (CLIENT.identifier, TOKEN.identifier)
    with pytest.raises(RequestRefused) as caught:
        receive(signed(placement=placement), keys=known, nonces=nonces, now=NOW + 1)
    assert (caught.value.reason, caught.value.status) == ("nonce_used", 401)


@pytest.mark.parametrize("away", [-301, 301])
def test_a_request_outside_the_window_is_refused(away: int) -> None:
    with pytest.raises(RequestRefused) as caught:
        receive(signed(timestamp=NOW + away), keys=known, nonces=MemoryNonces(), now=NOW)
    assert caught.value.reason == "timestamp_refused"


def test_a_nonce_is_remembered_as_long_as_its_timestamp_passes() -> None:
    nonces = MemoryNonces()
    receive(signed(timestamp=NOW + 300), keys=known, nonces=nonces, now=NOW)

    with pytest.raises(RequestRefused, match="nonce"):
        receive(signed(timestamp=NOW + 300), keys=known, nonces=nonces, now=NOW + 600)


def test_a_wrong_signature_spends_no_nonce() -> None:
    nonces = MemoryNonces()
    right = signed()
    forged = Request(right.method, right.url, right.headers, right.body + b"&roles=Administrator")

    with pytest.raises(RequestRefused, match="signature"):
        receive(forged, keys=known, nonces=nonces, now=NOW)

    assert receive(right, keys=known, nonces=nonces, now=NOW).timestamp == NOW


def test_an_unknown_client_is_refused_like_a_wrong_signature() -> None:
    with pytest.raises(RequestRefused) as caught:
        receive(signed(), keys=lambda _: None, nonces=MemoryNonces(), now=NOW)
    assert caught.value.reason == "signature_invalid"


def test_a_method_that_is_not_taken_is_refused_before_keys_are_looked_up() -> None:
    asked: list[SignedRequest] = []

    def keys(found: SignedRequest) -> Keys | None:
        asked.append(found)
        return KEYS

    with pytest.raises(RequestRefused, match="signature method"):
        receive(signed(method="HMAC-SHA1"), keys=keys, nonces=MemoryNonces(), now=NOW, methods=("HMAC-SHA256",))
    assert asked == []


def test_where_nonces_cannot_be_remembered_nothing_is_received() -> None:
    class Down:
        def add(self, nonce: tuple[str, ...], *, expires_at: float, now: float) -> bool:
            raise StoreError(f"out of reach: {len(nonce)} {expires_at > now}")

    with pytest.raises(StoreError):
        receive(signed(), keys=known, nonces=Down(), now=NOW)


def test_a_request_without_a_signature_is_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        receive(Request("GET", URL, Headers()), keys=known, nonces=MemoryNonces(), now=NOW)
    assert caught.value.status == 401


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
def test_nobodys_keys_are_in_everybodys_reach_and_sign_nothing(method: SignatureMethod) -> None:
    """NOBODY stands in the source: a request that is signed with it must not pass for one of an unknown client."""
    assert NOBODY.client_secret
    nobody, token = ClientCredentials("stranger", NOBODY.client_secret), TokenCredentials("t", NOBODY.client_secret)
    forged = sign_request(
        Request("GET", "https://api.example/"), nobody, token=token, timestamp=NOW, nonce="n", signature_method=method
    )

    for refuse in (
        lambda: receive(forged, keys=lambda _: None, nonces=MemoryNonces(), now=NOW),
        lambda: check_signature(read_signed_request(forged), NOBODY),
    ):
        with pytest.raises(RequestRefused) as caught:
            refuse()
        assert (caught.value.reason, caught.value.status) == ("signature_invalid", 401)


def plaintext(url: str) -> Request:
    client = ClientCredentials(CLIENT.identifier, CLIENT.secret)
    return sign_request(
        Request("GET", url), client, token=TOKEN, timestamp=NOW, nonce="n", signature_method="PLAINTEXT"
    )


def test_a_secret_in_the_clear_is_taken_over_http_only_where_that_is_asked_for() -> None:
    over_http = plaintext("http://api.example/")

    with pytest.raises(RequestRefused) as caught:
        receive(over_http, keys=known, nonces=MemoryNonces(), now=NOW)
    assert caught.value.reason == "signature_method_rejected"

    accepted = receive(over_http, keys=known, nonces=MemoryNonces(), now=NOW, plaintext_over_http=True)
    assert accepted.signature_method == "PLAINTEXT"
    assert receive(plaintext("https://api.example/"), keys=known, nonces=MemoryNonces(), now=NOW)


def test_a_plaintext_signature_without_time_and_nonce_spends_none() -> None:
    nonces = MemoryNonces()
    field = f'OAuth oauth_consumer_key="{CLIENT.identifier}", oauth_token="{TOKEN.identifier}", '
    request = plaintext("https://api.example/")
    signature = read_signed_request(request).signature.reveal().replace("%", "%25").replace("&", "%26")
    header = f'{field}oauth_signature_method="PLAINTEXT", oauth_signature="{signature}"'
    bare = Request("GET", "https://api.example/", Headers((("Authorization", header),)))

    for _ in range(2):
        assert receive(bare, keys=known, nonces=nonces, now=NOW).nonce is None


@pytest.mark.parametrize(("away", "window"), [(300, 300), (-300, 300), (10, 10), (-10, 10)])
def test_the_window_is_as_wide_as_it_is_said_to_be(away: int, window: int) -> None:
    request = signed(timestamp=NOW + away)

    assert receive(request, keys=known, nonces=MemoryNonces(), now=NOW, window_seconds=window)
    with pytest.raises(RequestRefused, match="timestamp"):
        receive(request, keys=known, nonces=MemoryNonces(), now=NOW, window_seconds=window - 1)


def test_a_nonce_is_kept_under_who_used_it_and_until_its_timestamp_has_passed() -> None:
    kept: list[tuple[tuple[str, ...], float, float]] = []

    class Remembering:
        def add(self, nonce: tuple[str, ...], *, expires_at: float, now: float) -> bool:
            kept.append((nonce, expires_at, now))
            return True

    _ = receive(signed(timestamp=NOW - 5), keys=known, nonces=Remembering(), now=NOW, window_seconds=60)

    nonce = (CLIENT.identifier, TOKEN.identifier, str(NOW - 5), "0123456789abcdef01234567")
    assert kept == [(nonce, NOW - 5 + 60, NOW)]


def test_full_memory_forgets_what_has_lapsed_and_nothing_else() -> None:
    nonces = MemoryNonces()
    for number in range(MAX_NONCES + 1):
        assert nonces.add(("old", str(number)), expires_at=NOW + (1 if number else 60), now=NOW)

    assert nonces.add(("new",), expires_at=NOW + 60, now=NOW + 1), "nothing has lapsed yet"
    assert not nonces.add(("old", "1"), expires_at=NOW + 60, now=NOW + 1)
    assert nonces.add(("newer",), expires_at=NOW + 60, now=NOW + 2)

    assert not nonces.add(("old", "0"), expires_at=NOW + 60, now=NOW + 2)
    assert not nonces.add(("new",), expires_at=NOW + 60, now=NOW + 60)
    assert nonces.add(("old", "1"), expires_at=NOW + 60, now=NOW + 2)
    assert len(nonces._expiries) == 4


def test_a_client_with_a_secret_of_another_is_another() -> None:
    other = ClientCredentials(CLIENT.identifier, Secret("guessed"))
    request = sign_request(form_request("a=b"), other, token=TOKEN, timestamp=NOW, nonce="n")

    with pytest.raises(RequestRefused, match="signature"):
        receive(request, keys=known, nonces=MemoryNonces(), now=NOW)


def with_body(body: bytes, kind: str = "application/json", *, method: str = "POST", body_hash: bool = True) -> Request:
    request = Request(method, URL, Headers((("Content-Type", kind),) if kind else ()), body)
    nonce = "0123456789abcdef01234567"
    return sign_request(request, CLIENT, token=TOKEN, timestamp=NOW, nonce=nonce, body_hash=body_hash)


def with_other_body(request: Request, body: bytes, kind: str = "application/json") -> Request:
    return Request(request.method, request.url, request.headers.with_set("Content-Type", kind), body)


def refusal(request: Request) -> tuple[str, int, str]:
    with pytest.raises(RequestRefused) as caught:
        receive(request, keys=known, nonces=MemoryNonces(), now=NOW)
    return caught.value.reason, caught.value.status, str(caught.value)


@pytest.mark.parametrize("kind", ["application/json", "text/xml", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
def test_a_body_that_nothing_signs_is_refused_with_what_to_do(kind: str, method: str) -> None:
    reason, status, text = refusal(with_body(b'{"pay":1}', kind, method=method, body_hash=False))

    assert (reason, status) == ("parameter_absent", 400)
    assert "send the hash" in text
    assert "accept_unsigned_body" in text


def test_a_body_that_nothing_signs_is_taken_on_purpose_only() -> None:
    request = with_body(b'{"pay":1}', body_hash=False)
    changed = with_other_body(request, b'{"pay":1000000}')

    for one in (request, changed):  # whoever accepts it accepts any body
        found = receive(one, keys=known, nonces=MemoryNonces(), now=NOW, accept_unsigned_body=True)
        assert found.client_identifier == CLIENT.identifier


@pytest.mark.parametrize("body", [b'{"pay":1}', b"\x89PNG\xff", b"a=1&b=2"])
def test_a_body_whose_hash_is_signed_passes_and_no_other_body_does(body: bytes) -> None:
    request = with_body(body)

    assert receive(request, keys=known, nonces=MemoryNonces(), now=NOW).parameter("oauth_body_hash")
    assert refusal(with_other_body(request, b'{"pay":1000000}'))[0] == "signature_invalid"
    assert refusal(with_other_body(request, b""))[0] == "signature_invalid"
    assert refusal(with_other_body(request, body, FORM))[0] == "parameter_rejected"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_where_there_is_no_body_there_is_nothing_to_cover(method: str) -> None:
    request = with_body(b"", "", method=method)

    assert receive(request, keys=known, nonces=MemoryNonces(), now=NOW).timestamp == NOW
    assert refusal(with_other_body(request, b"{}"))[0] == "parameter_absent"  # one that was added on the way
    assert refusal(with_other_body(request, b"pay=1", FORM))[0] == "signature_invalid"


def test_a_form_needs_no_hash_and_cannot_pass_for_another_type() -> None:
    request = signed()

    assert receive(request, keys=known, nonces=MemoryNonces(), now=NOW)
    assert refusal(with_other_body(request, request.body))[0] == "parameter_absent"
    with pytest.raises(RequestRefused, match="signature"):
        receive(
            with_other_body(request, request.body),
            keys=known,
            nonces=MemoryNonces(),
            now=NOW,
            accept_unsigned_body=True,
        )


def test_plaintext_signs_nothing_and_is_protected_by_https_alone() -> None:
    request = Request(
        "POST", URL.replace("http://", "https://"), Headers((("Content-Type", "application/json"),)), b"{}"
    )
    sent = sign_request(request, CLIENT, token=TOKEN, timestamp=NOW, nonce="n", signature_method="PLAINTEXT")

    assert receive(sent, keys=known, nonces=MemoryNonces(), now=NOW)


def test_what_is_used_up_is_the_nonce_with_what_it_is_unique_among() -> None:
    token_less = sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n")
    header = 'OAuth oauth_consumer_key="c", oauth_signature_method="PLAINTEXT", oauth_signature="s%26"'
    plain = Request("GET", "https://a.example/", Headers((("Authorization", header),)))

    assert used_up(read_signed_request(signed(nonce="n"))) == (CLIENT.identifier, TOKEN.identifier, str(NOW), "n")
    assert used_up(read_signed_request(token_less)) == (CLIENT.identifier, "", str(NOW), "n")
    assert used_up(read_signed_request(plain)) is None


def test_what_is_proven_is_as_strict_as_what_is_received() -> None:
    plain = sign_request(
        Request("GET", "http://a.example/"), CLIENT, token=TOKEN, timestamp=NOW, nonce="n", signature_method="PLAINTEXT"
    )

    assert proven(signed(), keys=known, now=NOW) == proven(signed(), keys=known, now=NOW)  # a repetition, too
    for request in (plain, with_body(b"{}", body_hash=False)):
        with pytest.raises(RequestRefused):
            _ = proven(request, keys=known, now=NOW)
