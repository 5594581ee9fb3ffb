"""One process of many: opens the vault, says that it is ready, waits for a line, asks for a token, says what came.

    python one_process.py SETUP.json

The setup names the database, the key, the provider's base URL, and how many seconds the invocation has.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from valetkey.connections.settings import Settings
from valetkey.drivers.clock import SystemClock
from valetkey.drivers.defaults import system_random
from valetkey.errors import ValetkeyError
from valetkey.keys.local import LocalKeyRing
from valetkey.providers.catalog import load_provider
from valetkey.providers.provider import Rotation
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.stores.sqlite import SqliteStore
from valetkey.value import replace
from valetkey.vault import Vault

CALLBACK = "https://app.example/oauth/callback/two"


class AheadClock(SystemClock):
    """A clock that is some seconds ahead, in place of waiting for them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return super().now() + self.seconds


def open_vault(setup: dict[str, Any], *, ahead_seconds: float = 0.0) -> Vault:
    """A vault as production builds it, with real ports."""
    provider = load_provider("sandbox-oauth2", base_url=setup["base_url"])
    registration = register(
        "two",
        replace(provider, rotation=Rotation(**setup["rotation"])),
        client_id="client-two",
        client_secret=Secret("secret-of-two"),
        redirect_uri=CALLBACK,
    )
    return Vault(
        Settings({"two": registration}, "https://app.example/oauth"),
        store=SqliteStore(setup["database"]),
        keys=LocalKeyRing.from_text(setup["key"], random=system_random),
        clock=AheadClock(ahead_seconds),
    )


def main() -> None:
    setup = json.loads(Path(sys.argv[1]).read_text())
    vault = open_vault(setup)
    print("ready", flush=True)
    _ = sys.stdin.readline()
    try:
        with vault.invocation(setup["seconds"]):
            token = vault.access_token("two", "alice")
        print(sha256(token.reveal().encode()).hexdigest(), flush=True)
    except ValetkeyError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        vault.close()


if __name__ == "__main__":
    main()
