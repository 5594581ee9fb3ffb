"""An application that receives signed requests: what passes, what does not, and that nothing passes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.oauth1.cast import CLIENT, KEYS, NOW, TOKEN, URL, form_request

from valetkey.errors import RequestRefused, StoreError
from valetkey.http import Headers, Request
from valetkey.oauth1.receive import MemoryNonces, receive
from valetkey.oauth1.sign import sign_request

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
