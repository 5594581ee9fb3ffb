"""Requests signed by oauthlib and Authlib, received by `receive` and examined by the doctor."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
import pytest
from authlib.oauth1 import ClientAuth
from tests.oauth1.cast import key_pair

from valetkey.errors import RequestRefused
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.diagnose import Question, diagnose
from valetkey.oauth1.receive import MemoryNonces, receive
from valetkey.oauth1.verify import Keys
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.oauth1.verify import SignedRequest

URL = "https://Tool.Example.com:443/launch?context=a%20b&empty=&plus=1%2B1"
BODY = "roles=Learner%2CMember&title=caf%C3%A9+%26+more&title=again~*"
SECRETS = ("client secret &%é", "token/secret+")
KEYS = Keys(Secret(SECRETS[0]), Secret(SECRETS[1]), key_pair()[1])


def by_oauthlib(**given: Any) -> Request:
    client = oauthlib.oauth1.Client(
        "client",
        client_secret=SECRETS[0],
        resource_owner_key="token",
        resource_owner_secret=SECRETS[1],
        rsa_key=key_pair()[0],
        **given,
    )
    url, headers, body = client.sign(URL, "POST", BODY, {"Content-Type": FORM})
    return Request("POST", url, Headers(tuple(headers.items())), (body or "").encode())


def by_authlib() -> Request:
    auth = ClientAuth("client", SECRETS[0], token="token", token_secret=SECRETS[1])
    url, headers, body = auth.prepare("POST", URL, {"Content-Type": FORM}, BODY)
    return Request("POST", url, Headers(tuple(headers.items())), body.encode() if isinstance(body, str) else body)


METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "PLAINTEXT")
SIGNERS: dict[str, Callable[[], Request]] = {
    **{f"oauthlib, {method}": partial(by_oauthlib, signature_method=method) for method in METHODS},
    **{f"oauthlib, {place}": partial(by_oauthlib, signature_type=place) for place in ("QUERY", "BODY")},
    "Authlib": by_authlib,
}


def keys(_: SignedRequest) -> Keys:
    return KEYS


@pytest.mark.parametrize("signer", SIGNERS)
def test_what_other_libraries_sign_is_received(signer: str) -> None:
    found = receive(SIGNERS[signer](), keys=keys, nonces=MemoryNonces(), now=time.time())

    assert (found.client_identifier, found.token_identifier) == ("client", "token")


def test_the_doctor_finds_nothing_wrong_with_what_oauthlib_signs() -> None:
    diagnosis = diagnose(by_oauthlib(), client_secret=KEYS.client_secret, token_secret=KEYS.token_secret)

    assert diagnosis.verdict == "correct"


def test_the_doctor_finds_the_wrong_address_in_what_oauthlib_signed() -> None:
    given = by_oauthlib()
    moved = Request("POST", given.url.replace("https:", "http:").replace(":443", ""), given.headers, given.body)

    diagnosis = diagnose(moved, client_secret=KEYS.client_secret, token_secret=KEYS.token_secret)

    assert ["scheme"] in [[one.name for one in finding] for finding in diagnosis.findings]


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "RSA-SHA256"])
def test_a_body_whose_hash_oauthlib_signed_is_received_and_no_other_body_is(method: str) -> None:
    client = oauthlib.oauth1.Client(
        "client", client_secret=SECRETS[0], resource_owner_key="token", resource_owner_secret=SECRETS[1],
        rsa_key=key_pair()[0], signature_method=method,
    )  # fmt: skip
    url, headers, body = client.sign(URL, "POST", '{"pay":1}', {"Content-Type": "application/json"})
    sent = Request("POST", url, Headers(tuple(headers.items())), body.encode())
    changed = Request("POST", url, sent.headers, b'{"pay":1000000}')

    assert receive(sent, keys=keys, nonces=MemoryNonces(), now=time.time()).parameter("oauth_body_hash")
    with pytest.raises(RequestRefused, match="the body is not the one that was hashed"):
        receive(changed, keys=keys, nonces=MemoryNonces(), now=time.time())
    question = Question(public_key=key_pair()[1])
    secrets = {"client_secret": KEYS.client_secret, "token_secret": KEYS.token_secret, "question": question}
    assert diagnose(sent, **secrets).verdict == "correct"  # type: ignore[arg-type]
    found = diagnose(changed, **secrets)  # type: ignore[arg-type]
    assert (found.verdict, found.body_hash[0].name) == ("wrong_body_hash", "body_hash_of_another_body")
