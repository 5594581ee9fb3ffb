"""One process of a fleet: opens the vaults it is told to, and asks for a token in many threads at once.

    python -m tests.fleet.worker PROCESS

On the standard input, one JSON object a line: {"open": SETUP}, {"ask": THREADS, "seconds": SECONDS}, {"call": THREADS,
"seconds": SECONDS} or {"keep_asking": THREADS, "seconds": SECONDS}; on the standard output one line for each: `opened`,
or what each thread was answered, or every different answer that a thread got in that time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fleet.clock import AsyncFleetClock, FleetClock

from valetkey.async_vault import AsyncVault
from valetkey.connections.settings import Settings
from valetkey.drivers.defaults import system_random
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.errors import ReauthorizationRequired, ValetkeyError
from valetkey.keys.local import LocalKeyRing
from valetkey.providers.catalog import load_provider
from valetkey.providers.provider import Rotation
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.stores.open import open_store
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.drivers.ports import Transport

CALLBACK = "https://app.example/oauth/callback/two"
PAUSE_SECONDS = 0.1
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}


def settings_of(setup: dict[str, Any]) -> Settings:
    provider = load_provider("sandbox-oauth2", base_url=setup["base_url"])
    registration = register(
        "two",
        replace(provider, rotation=Rotation(**setup["rotation"])),
        client_id="client-two",
        client_secret=Secret("secret-of-two"),
        redirect_uri=CALLBACK,
    )
    return Settings({"two": registration}, "https://app.example/oauth")


def open_vault(setup: dict[str, Any], *, process: int = 255) -> Vault:
    """A vault as production builds it, but for the clock."""
    clock = FleetClock(Path(setup["clock"]), process=process)
    return Vault(
        settings_of(setup),
        store=open_store(setup["store"], environ=ENVIRON),
        keys=LocalKeyRing.from_text(setup["key"], random=system_random),
        transport=StdlibTransport(wall=clock.now),
        clock=clock,
    )


def open_async_vault(setup: dict[str, Any], *, transport: Transport | None = None) -> AsyncVault:
    """The same for callers on an event loop."""
    clock = AsyncFleetClock(Path(setup["clock"]))
    return AsyncVault(
        settings_of(setup),
        store=open_store(setup["store"], environ=ENVIRON, awaited=True),
        keys=LocalKeyRing.from_text(setup["key"], random=system_random),
        transport=transport or StdlibTransport(wall=clock.now),
        clock=clock,
    )


def told(error: Exception) -> str:
    """What a caller was told instead of a token."""
    reason = error.reason if isinstance(error, ReauthorizationRequired) else str(error)
    return f"{type(error).__name__}: {reason}"


def shown(token: Secret) -> str:
    """A token that can be compared and not used."""
    return sha256(token.reveal().encode()).hexdigest()


def token(vault: Vault) -> str:
    """The access token."""
    return shown(vault.access_token("two", "alice"))


def status(vault: Vault, base_url: str) -> str:
    """The status of a call to the provider's API."""
    return str(vault.session("two", "alice").get(f"{base_url}/oauth2/me").status)


def at_once(act: Callable[[Vault], str], vault: Vault, threads: int, seconds: float) -> list[str]:
    """What each of so many threads was answered, that act at once."""
    barrier = threading.Barrier(threads)

    def one(_: int) -> str:
        _ = barrier.wait()
        try:
            with vault.invocation(seconds):
                return act(vault)
        except ValetkeyError as error:
            return told(error)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


def keep_asking(vault: Vault, threads: int, seconds: float) -> list[str]:
    """Every different answer of so many threads that ask again and again for so long, longer than a token lives."""
    end = time.monotonic() + seconds

    def one(_: int) -> set[str]:
        found: set[str] = set()
        while time.monotonic() < end:
            try:
                found.add(shown(vault.access_token("two", "alice")))
            except ValetkeyError as error:
                found.add(told(error))
            time.sleep(PAUSE_SECONDS)
        return found

    with ThreadPoolExecutor(threads) as pool:
        return sorted(set().union(*pool.map(one, range(threads))))


def main() -> None:
    process, vault, base_url = int(sys.argv[1]), None, ""
    for line in sys.stdin:
        command = json.loads(line)
        if "open" in command:
            if vault is not None:
                vault.close()
            vault, base_url = open_vault(command["open"], process=process), command["open"]["base_url"]
            print("opened", flush=True)
            continue
        assert vault is not None
        if "ask" in command:
            answers = at_once(token, vault, command["ask"], command["seconds"])
        elif "call" in command:
            answers = at_once(partial(status, base_url=base_url), vault, command["call"], command["seconds"])
        else:
            answers = keep_asking(vault, command["keep_asking"], command["seconds"])
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
