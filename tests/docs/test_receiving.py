"""The page about receiving: its blocks run, against SQLite and a real Redis, with requests that oauthlib signed."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
import pytest
import redis as redis_py
from tests.stores.engines import Redis

from valetkey.http import FORM, Headers, Request
from valetkey.keys.local import generate_key
from valetkey.oauth1.receive import Keys
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "receiving.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
URL = "https://tool.example/launch?context=a%20b"
SECRET = "canary secret"


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    server = Redis("--appendonly", "yes", "--appendfsync", "no")
    try:
        yield server.start()
    finally:
        server.remove()


def sent(
    body: str = "lti_version=LTI-1p0&roles=Learner", kind: str = FORM
) -> tuple[str, str, list[tuple[str, str]], bytes]:
    client = oauthlib.oauth1.Client("lms", client_secret=SECRET)
    url, headers, text = client.sign(URL, "POST", body, {"Content-Type": kind})
    return "POST", url, list(headers.items()), (text or body).encode()


def names(monkeypatch: pytest.MonkeyPatch, store: str) -> dict[str, Any]:
    """What the page's blocks define, in a deployment with this store."""
    for name in [name for name in os.environ if name.startswith("VALETKEY_")]:
        monkeypatch.delenv(name)
    for name, text in {
        "VALETKEY_BASE_URL": "https://tool.example/oauth",
        "VALETKEY_STORE": store,
        "VALETKEY_KEY": generate_key(os.urandom),
        "VALETKEY_GITHUB_CLIENT_ID": "id",
        "VALETKEY_GITHUB_CLIENT_SECRET": "s",
        "LMS_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(name, text)

    async def lookup(client: str) -> Keys | None:
        await asyncio.sleep(0)
        return Keys(Secret(SECRET)) if client == "lms" else None

    found: dict[str, Any] = {"lookup": lookup}
    for block in PYTHON:
        exec(compile(block, "docs/receiving.md", "exec"), found)
    return found


def in_both_colours(found: dict[str, Any]) -> list[Callable[..., tuple[int, str]]]:
    return [found["launch"], lambda *given: asyncio.run(found["launch_async"](*given))]


def close(found: dict[str, Any]) -> None:
    found["vault"].close()
    asyncio.run(found["async_vault"].close())


def each_is_taken_once(found: dict[str, Any]) -> None:
    for launch in in_both_colours(found):
        one, other = sent(), sent()
        assert launch(*one) == (200, "hello lms")
        assert [each(*one) for each in in_both_colours(found)] == [(401, "oauth_problem=nonce_used")] * 2
        assert launch(*other) == (200, "hello lms")
        method, url, headers, body = sent()
        assert launch(method, url, headers, body + b"&roles=Administrator") == (401, "oauth_problem=signature_invalid")
        assert launch(*sent("{}", "application/json")) == (200, "hello lms")  # oauthlib sends the hash
        bare = [(name, re.sub(r'oauth_body_hash="[^"]*", ', "", text)) for name, text in sent("{}", "text/xml")[2]]
        assert launch(method, url, bare, b"{}") == (400, "oauth_problem=parameter_absent")


def test_the_page_receives_each_request_once_with_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = names(monkeypatch, f"sqlite://{tmp_path}/rows.db")
    other = names(monkeypatch, f"sqlite://{tmp_path}/rows.db")  # another instance, the same file

    each_is_taken_once(found)
    one = sent()
    assert [found["launch"](*one)[0], other["launch"](*one)[0]] == [200, 401]

    close(found)
    close(other)


def test_the_page_receives_each_request_once_with_redis(monkeypatch: pytest.MonkeyPatch, server: Redis) -> None:
    found = names(monkeypatch, server.url(options="?prefix=receiving"))

    each_is_taken_once(found)

    close(found)


def test_without_a_vault_the_pages_own_nonces_do_the_same(monkeypatch: pytest.MonkeyPatch, server: Redis) -> None:
    found = names(monkeypatch, server.url(options="?prefix=other"))
    client = redis_py.Redis.from_url(server.url())
    nonces = found["RedisNonces"](client)
    method, url, headers, body = sent()
    request = Request(method, url, Headers(tuple(headers)), body)

    answers = [found["launch_without_vault"](request, nonces) for _ in range(2)]

    assert answers == [(200, "hello lms"), (401, "oauth_problem=nonce_used")]
    client.close()
    close(found)


def test_where_redis_is_gone_the_page_answers_503(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Redis("--appendonly", "yes", "--appendfsync", "no").start()
    try:
        found = names(monkeypatch, server.url())
        client = redis_py.Redis.from_url(server.url())
        assert found["launch"](*sent()) == (200, "hello lms")
        server.kill()

        method, url, headers, body = sent()
        request = Request(method, url, Headers(tuple(headers)), body)
        answers = [each(method, url, headers, body) for each in in_both_colours(found)]
        answers.append(found["launch_without_vault"](request, found["RedisNonces"](client)))

        assert answers == [(503, "try again")] * 3
        client.close()
        close(found)
    finally:
        server.remove()
