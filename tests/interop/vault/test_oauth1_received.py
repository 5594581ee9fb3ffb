"""Requests that libraries of others signed and sent, received by both vaults over sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth1Auth as AuthlibAuth
from requests_oauthlib import OAuth1
from tests.interop import peers
from tests.interop.oauth1.peers import serving
from tests.interop.vault.parties import Party
from tests.machine import node_or_skip
from tests.oauth1.cast import key_pair

from valetkey.connections.settings import Settings
from valetkey.errors import RequestRefused
from valetkey.http import Headers, Request
from valetkey.oauth1.receive import Keys
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interop.oauth1.peers import Answer

    from valetkey.async_vault import AsyncVault
    from valetkey.oauth1.verify import SignedRequest
    from valetkey.vault import Vault

CLIENT, TOKEN = ("client", "client secret &%é"), ("token", "token/secret+")
FORM = {"roles": "Learner,Member", "title": "café + & more", "again": "~*"}
DOCUMENT = '{"pay":1,"to":"café"}'
JSON = {"Content-Type": "application/json"}


class Receiver:
    """An endpoint of an application's own: what its vault makes of each request."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.arrived: list[Request] = []
        self.accepts_unsigned_bodies = False

    def respond(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        request = Request(method, url, Headers(tuple(headers.items())), body)
        self.arrived.append(request)
        return self.judged(request)

    def judged(self, request: Request) -> Answer:
        """By another vault of the same deployment each time, as another invocation would have it."""
        try:
            vault, unsigned = self.party.again(), self.accepts_unsigned_bodies
            reply: Any = vault.receive(request, keys=known, accept_unsigned_body=unsigned)
            found = asyncio.run(awaited(reply)) if inspect.isawaitable(reply) else reply
        except RequestRefused as refused:
            return refused.status, {}, f"{refused.reason}: {refused}"
        return 200, {}, f"{found.client_identifier} {found.token_identifier}"


async def awaited(reply: Any) -> Any:
    return await reply


def known(signed: SignedRequest) -> Keys | None:
    if signed.client_identifier != CLIENT[0]:
        return None
    return Keys(Secret(CLIENT[1]), Secret(TOKEN[1]) if signed.token_identifier else None, key_pair()[1])


@pytest.fixture
def receiver(colour: type[Vault | AsyncVault], store_url: str) -> Iterator[Receiver]:
    with Party(colour, store_url, Settings({}, "https://app.example/oauth")) as party:
        yield Receiver(party)


def told(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.text


def by_requests_oauthlib(url: str, *, method: str = "HMAC-SHA1", place: str = "AUTH_HEADER") -> tuple[int, str]:
    auth = OAuth1(*CLIENT, *TOKEN, signature_method=method, signature_type=place, rsa_key=key_pair()[0])
    return told(requests.post(f"{url}?q=a%20b&empty=", data=FORM, auth=auth, timeout=10))


def by_authlib(url: str) -> tuple[int, str]:
    auth = AuthlibAuth(*CLIENT, token=TOKEN[0], token_secret=TOKEN[1])
    return told(requests.post(f"{url}?q=a%20b", data=FORM, auth=auth, timeout=10))


def by_node(url: str, *, algorithm: str, **body: object) -> tuple[int, str]:
    node = node_or_skip("oauth-1.0a")
    peers.install()
    names = ("key", "secret")
    wish = {"url": f"{url}?q=a%20b", "method": "POST", "algorithm": algorithm, **body}
    wish |= {"client": dict(zip(names, CLIENT, strict=True)), "token": dict(zip(names, TOKEN, strict=True))}
    command = [node, str(peers.SOURCES / "oauth_1_0a.mjs"), str(peers.NODE)]
    done = subprocess.run(command, input=json.dumps(wish), capture_output=True, text=True, timeout=60, check=True)
    answer = json.loads(done.stdout)
    return answer["status"], answer["text"]


METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512")
FORMS: dict[str, Callable[[str], tuple[int, str]]] = {
    **{f"requests-oauthlib, {method}": partial(by_requests_oauthlib, method=method) for method in METHODS},
    "requests-oauthlib, in the query": partial(by_requests_oauthlib, place="QUERY"),
    "requests-oauthlib, in the body": partial(by_requests_oauthlib, place="BODY"),
    "Authlib": by_authlib,
}


@pytest.mark.parametrize("sender", FORMS)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_form_that_was_signed_is_taken_once(receiver: Receiver, sender: str) -> None:
    with serving(receiver) as url:
        answer = FORMS[sender](f"{url}/launch")

    assert answer == (200, "client token")
    assert is_refused(receiver.judged(receiver.arrived[0]), "nonce_used")


@pytest.mark.node
@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256"])
def test_so_is_one_of_the_npm_package_oauth_1_0a(receiver: Receiver, algorithm: str) -> None:
    with serving(receiver) as url:
        assert by_node(f"{url}/launch", algorithm=algorithm, form=FORM) == (200, "client token")

    assert is_refused(receiver.judged(receiver.arrived[0]), "nonce_used")


def is_refused(answer: Answer | tuple[int, str], why: str) -> bool:
    return answer[0] in (400, 401) and why in answer[-1]


def touched(receiver: Receiver) -> Answer:
    """What the receiver makes of the same request with another body."""
    request = receiver.arrived[0]
    return receiver.judged(replace(request, body=request.body.replace(b"1", b"1000000")))


@pytest.mark.node
@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256"])
def test_a_document_whose_hash_oauth_1_0a_signed_is_taken_and_no_other_is(receiver: Receiver, algorithm: str) -> None:
    with serving(receiver) as url:
        assert by_node(f"{url}/hook", algorithm=algorithm, json=DOCUMENT) == (200, "client token")

    assert b"oauth_body_hash" in repr(receiver.arrived[0].headers.pairs).encode()
    assert is_refused(touched(receiver), "the body is not the one that was hashed")


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "RSA-SHA256"])
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_one_whose_hash_oauthlib_signed_is_taken_and_no_other_is(receiver: Receiver, method: str) -> None:
    auth = OAuth1(*CLIENT, *TOKEN, signature_method=method, rsa_key=key_pair()[0], force_include_body=True)

    with serving(receiver) as url:
        answer = told(requests.post(f"{url}/hook", data=DOCUMENT, headers=JSON, auth=auth, timeout=10))

    assert answer == (200, "client token")
    assert is_refused(touched(receiver), "the body is not the one that was hashed")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_document_that_nothing_signs_is_refused_unless_that_is_accepted(receiver: Receiver) -> None:
    auth = OAuth1(*CLIENT, *TOKEN)  # as requests-oauthlib does it where nobody asks for more

    with serving(receiver) as url:
        refused = told(requests.post(f"{url}/hook", data=DOCUMENT, headers=JSON, auth=auth, timeout=10))
        receiver.accepts_unsigned_bodies = True
        taken = told(requests.post(f"{url}/hook", data=DOCUMENT, headers=JSON, auth=auth, timeout=10))

    assert is_refused(refused, "nothing signs the body")
    assert taken == (200, "client token")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_another_secret_and_a_client_that_nobody_knows_are_refused_alike(receiver: Receiver) -> None:
    with serving(receiver) as url:
        wrong = [OAuth1(CLIENT[0], "another", *TOKEN), OAuth1("nobody", CLIENT[1], *TOKEN)]
        answers = [told(requests.post(f"{url}/launch", data=FORM, auth=auth, timeout=10)) for auth in wrong]

    assert answers[0] == answers[1]
    assert is_refused(answers[0], "signature_invalid")
