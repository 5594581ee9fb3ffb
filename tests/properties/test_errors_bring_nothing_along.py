"""Errors hold no octet of what was refused: not in their text, nor in the errors before them.

`raise ... from None` hides a context from a printed traceback and from nobody else: reporters, debuggers and pickles
still find `JSONDecodeError.doc` and `UnicodeDecodeError.object`, which are the whole document.
"""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.world import World

from valetkey.clouds.tokens import read_token
from valetkey.connections.authorize import finish_authorization
from valetkey.drivers.session import Answer
from valetkey.errors import ValetkeyError
from valetkey.http import Headers, Request, Response, percent_decode, read_form
from valetkey.oauth2.strict_json import read_json_object
from valetkey.testing.world import World as SandboxWorld
from valetkey.web.forms import decode_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-7f3a-in-what-was-refused"
TOKEN = f'{{"access_token":"{CANARY}"'.encode()

BODIES = [
    ("application/json", TOKEN),
    ("application/json", TOKEN + b",}"),
    ("application/json", TOKEN + b'\xff"}'),
    ("application/json", TOKEN + b',"a":NaN}'),
    ("application/json", TOKEN + b',"a":' + b"9" * 5_000 + b"}"),
    ("application/json", TOKEN + b',"access_token":"again"}'),
    ("application/json", TOKEN + b',"a":"\\ud800"}'),
    ("application/json", TOKEN + b',"a":' + b"[" * 100_000),
    ("application/json", TOKEN + b',"token_type":"mac"}'),
    ("application/json", f'["{CANARY}"]'.encode()),
    ("application/json", f'{{"access_token":["{CANARY}"]}}'.encode()),
    ("application/json", f'{{"error":"{CANARY}","error_description":"{CANARY}"}}'.encode()),
    ("application/json", f'{{"access_token":"{CANARY}\\r\\n","token_type":"bearer"}}'.encode("utf-16")),
    ("text/plain", f"access_token={CANARY}&a=%zz".encode()),
    ("text/plain", f"access_token={CANARY}&a=%ff".encode()),
    ("text/plain", f"access_token={CANARY}".encode() + b"\xff"),
    ("text/html", f"<html>{CANARY}".encode()),
]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that came before it, hidden or not."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def held(error: BaseException) -> str:
    """Everything that can be read off an error without its frames."""
    names = ("args", "doc", "object", "__dict__", "__notes__")
    return " ".join([str(error), *(repr(getattr(one, name, "")) for one in chain(error) for name in names)])


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(("media_type", "body"), BODIES, ids=range(len(BODIES)))
def test_an_exchange_that_fails_keeps_the_answer_out_of_its_error(media_type: str, body: bytes, status: int) -> None:
    world = World()
    browser = world.browser()
    state = browser.start()["state"]
    world.provider.failure = lambda _: Response(status, Headers((("Content-Type", media_type),)), body)
    cookies = "; ".join(f"{name}={text}" for name, text in browser.jar.items())
    callback = Request("GET", f"/oauth/callback/github?code=c&state={state}", Headers((("Cookie", cookies),)))

    with pytest.raises(ValetkeyError) as caught:
        world.run(finish_authorization(world.settings, callback, resource_owner="alice"))

    assert CANARY not in held(caught.value)


@pytest.mark.parametrize("code", [f"{CANARY}%zz", f"{CANARY}%ff", f"{CANARY}%0d", f"{CANARY}&code=x"])
def test_a_callback_that_is_refused_keeps_its_code_out_of_the_error(code: str) -> None:
    world = World()
    browser = world.browser()
    state = browser.start()["state"]
    cookies = "; ".join(f"{name}={text}" for name, text in browser.jar.items())
    callback = Request("GET", f"/oauth/callback/github?code={code}&state={state}", Headers((("Cookie", cookies),)))

    with pytest.raises(ValetkeyError) as caught:
        world.run(finish_authorization(world.settings, callback, resource_owner="alice"))

    assert CANARY not in held(caught.value)


READERS: list[Callable[[], Any]] = [
    lambda: percent_decode(f"{CANARY}%ff"),
    lambda: read_form(f"a={CANARY}%c3%28"),
    lambda: read_json_object(TOKEN, limit=999),
    lambda: decode_pairs(CANARY.encode() + b"\xff"),
    lambda: decode_pairs(f"code={CANARY}%ff".encode()),
    lambda: Answer(200, Headers(), TOKEN, "https://api.example/").json(),
    lambda: Answer(200, Headers(), TOKEN + b"\xff", "https://api.example/").json(),
    lambda: read_token(Response(200, body=TOKEN), 0, who="the platform"),
    lambda: read_token(Response(200, body=TOKEN + b',"a":' + b"[" * 100_000), 0, who="the platform"),
]


@pytest.mark.parametrize("read", READERS, ids=range(len(READERS)))
def test_a_reader_that_refuses_keeps_what_it_read_out_of_its_error(read: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, ValetkeyError)) as caught:
        read()

    assert CANARY not in held(caught.value)


def test_headers_and_requests_print_without_what_may_be_secret() -> None:
    headers = Headers((("Authorization", f"Bearer {CANARY}"), ("Cookie", f"session={CANARY}"), ("Accept", "*/*")))
    request = Request("DELETE", f"https://user:{CANARY}@api.example/1/tokens/{CANARY}?key={CANARY}", headers)
    link = Request("GET", f"/oauth/link/vk1.a.{'x' * 64}{CANARY}")

    assert repr(headers) == "Headers(Authorization, Cookie, Accept)"
    assert repr(request) == "Request(DELETE https://api.example)"
    assert CANARY not in f"{headers} {request} {link} {link!r}"
    assert repr(Request("GET", "/oauth/callback/github?code=c")) == "Request(GET /oauth/callback/github)"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy], ids=["pickled", "deeply copied"])
def test_nothing_that_holds_a_secret_is_pickled_or_deeply_copied(duplicate: Callable[[object], object]) -> None:
    world = SandboxWorld()
    _ = world.connect()
    vault = world.vault()
    one = world.settings.registrations["one"]
    token = vault.access_token("two", "alice")

    for secret in (vault, world.settings, world.keys, one, one.client, token):
        with pytest.raises(TypeError, match="not pickled"):
            duplicate(secret)
