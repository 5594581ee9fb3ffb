from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from tests.web.world import CANARY, World

from valetkey.drivers.drive import drive_async
from valetkey.errors import ConfigurationError, RequestRefused
from valetkey.gateways.serve import LAST_RESORT, finish, finish_async, in_thread, serve
from valetkey.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.effects import Op
    from valetkey.gateways.serve import Runs

T = TypeVar("T")
CONNECTIONS = Request("GET", "/oauth/connections")


class AsyncWorld:
    """The same deployment, awaited."""

    def __init__(self) -> None:
        self.world = World()
        self.settings = self.world.settings
        self.threads: set[str] = set()

    async def run(self, op: Op[T]) -> T:
        self.threads.add(threading.current_thread().name)
        await asyncio.sleep(0)
        return await drive_async(op, self.world.answer)

    def invocation(self, context: object) -> Any:
        return self.world.invocation(context)


def owner_at_once(_: Request) -> str | None:
    return "alice"


async def owner_awaited(_: Request) -> str | None:
    await asyncio.sleep(0)
    return "alice"


class OwnerObject:
    async def __call__(self, _: Request) -> str | None:
        await asyncio.sleep(0)
        return "alice"


OWNERS = [owner_at_once, owner_awaited, OwnerObject()]


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("make", [World, AsyncWorld])
def test_every_pair_of_vault_and_owner_works_for_blocking_callers(make: Callable[[], Runs], owner: Any) -> None:
    response = finish(serve(make(), lambda: CONNECTIONS, resource_owner=owner))

    assert response.status == 200


@pytest.mark.parametrize("advance", [None, in_thread])
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("make", [World, AsyncWorld])
def test_every_pair_of_vault_and_owner_works_on_a_loop(make: Callable[[], Runs], owner: Any, advance: Any) -> None:
    more = {} if advance is None else {"advance": advance}

    response = asyncio.run(finish_async(serve(make(), lambda: CONNECTIONS, resource_owner=owner), **more))

    assert response.status == 200


def test_an_async_vault_runs_on_the_loop_and_not_in_a_thread() -> None:
    vault = AsyncWorld()

    asyncio.run(finish_async(serve(vault, lambda: CONNECTIONS, resource_owner=owner_at_once), advance=in_thread))

    assert vault.threads == {threading.main_thread().name}


def test_a_blocking_vault_does_not_hold_up_the_loop() -> None:
    world = World()
    threads: set[bool] = set()
    world.before = lambda _: threads.add(threading.current_thread() is threading.main_thread())

    asyncio.run(finish_async(serve(world, lambda: CONNECTIONS, resource_owner=owner_at_once), advance=in_thread))

    assert threads == {False}


def failing_owner(_: Request) -> str:
    raise LookupError(f"session {CANARY} of Bearer {CANARY}")


async def failing_later(_: Request) -> str:
    await asyncio.sleep(0)
    raise LookupError(f"session {CANARY}")


@pytest.mark.parametrize("owner", [failing_owner, failing_later])
def test_what_nobody_expected_is_a_fixed_page_and_a_log_line_without_its_text(
    owner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "valetkey"):
        response = finish(serve(World(), lambda: CONNECTIONS, resource_owner=owner))

    assert response is LAST_RESORT
    assert response.status == 500
    (record,) = caplog.records
    assert "LookupError" in record.getMessage()
    assert "test_serve.py" in record.getMessage()
    assert CANARY not in caplog.text
    assert CANARY.encode() not in response.body
    assert record.exc_info is None


def test_a_failure_inside_the_program_is_the_same_fixed_page(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    def fail(_: object) -> None:
        raise RuntimeError(CANARY)

    world.before = fail
    response = finish(serve(world, lambda: CONNECTIONS, resource_owner=owner_at_once))

    assert response is LAST_RESORT
    assert CANARY not in caplog.text


@pytest.mark.parametrize("owner", ["", 7, b"alice", True, object()])
def test_a_resource_owner_that_is_no_name_is_refused_loudly(owner: object, caplog: pytest.LogCaptureFixture) -> None:
    response = finish(serve(World(), lambda: CONNECTIONS, resource_owner=lambda _: owner))  # type: ignore[arg-type,return-value]

    assert response.status == 500
    assert "resource_owner must answer" in caplog.text


def test_our_own_errors_say_in_the_log_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    def owner(_: Request) -> str:
        raise ConfigurationError("set SESSION_KEY")

    finish(serve(World(), lambda: CONNECTIONS, resource_owner=owner))

    assert "set SESSION_KEY" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(CANARY), 400),
        (UnicodeDecodeError("ascii", b"", 0, 1, CANARY), 400),
        (RequestRefused("body_too_large", "x", status=413), 413),
    ],
)
def test_a_request_that_cannot_be_read_is_a_page(error: Exception, status: int) -> None:
    def read() -> Request:
        raise error

    response = finish(serve(World(), read, resource_owner=owner_at_once))

    assert response.status == status
    assert CANARY.encode() not in response.body


def test_the_last_resort_protects_itself_as_every_page_does() -> None:
    assert isinstance(LAST_RESORT, Response)
    assert LAST_RESORT.headers.get("cache-control") == "no-store"
    assert "default-src 'none'" in (LAST_RESORT.headers.get("content-security-policy") or "")


@pytest.mark.parametrize("module", ["valetkey.gateways.aws", "valetkey.gateways.wsgi", "valetkey.gateways.asgi"])
def test_importing_a_gateway_loads_neither_asyncio_nor_templates_nor_cryptography(module: str) -> None:
    program = f"import sys, {module}; print(sorted({{'asyncio', 'jinja2', 'cryptography', 'json', 'logging'}} & set(sys.modules)))"

    result = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.strip() == "[]"
