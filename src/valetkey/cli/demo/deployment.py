"""A whole deployment on this machine: the application's function, its store and key, and a provider."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from valetkey.cli.demo.application import APIS, MOUNTED_AT, make_handler
from valetkey.config.checks import PLATFORMS
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, demo_clients, serve
from valetkey.testing.front import Front
from valetkey.value import replace
from valetkey.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from valetkey.cli.demo.application import Handler

OAUTH1, OAUTH2 = APIS
FIRST_LIFE_SECONDS = 6  # of the first access token: the demonstration waits for its end
LONG_LIFE_SECONDS = 3600


class Deployment:
    """Started by `with`; everything is gone afterwards."""

    def __init__(self, *, port: int, sandbox_port: int) -> None:
        """Port 0 takes a free one. Raises ConfigurationError where a port is in use."""
        self._opened = ExitStack()
        try:
            self._start(port, sandbox_port)
        except BaseException:
            self._opened.close()
            raise

    def _start(self, port: int, sandbox_port: int) -> None:
        self.directory = Path(self._opened.enter_context(TemporaryDirectory(prefix="valetkey-demo-")))
        handlers: list[Handler] = []

        def function(event: Mapping[str, Any], context: object) -> dict[str, Any]:
            return handlers[0](event, context)

        self._front = Front(function, port=port)
        self._opened.callback(self._front.close)
        # Another host name than the provider's: on one and the same, browsers share cookies between ports.
        self.base_url = f"http://localhost:{self._front.port}"
        callbacks = {name: f"{self.base_url}{MOUNTED_AT}/callback/{name}" for name in APIS}
        self.clients = demo_clients(
            redirect_uris=(callbacks[OAUTH2],),
            callbacks=(callbacks[OAUTH1],),
            access_token_seconds=FIRST_LIFE_SECONDS,
        )
        self.sandbox = Sandbox(now=time.time, random=os.urandom, clients=self.clients, sleep=time.sleep)
        server = serve(self.sandbox, port=sandbox_port)
        self._opened.callback(server.close)
        self.provider_url = server.base_url
        self.environ = self._environment()
        self.vault = Vault.from_env(self.environ)
        self._opened.callback(self.vault.close)
        handlers.append(make_handler(self.vault, provider_url=self.provider_url, session_key=os.urandom(32)))

    def _environment(self) -> dict[str, str]:
        """This process's environment with the deployment's variables in it and nothing of another deployment."""
        platforms = {variable for variable, _ in PLATFORMS}
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("VALETKEY_") and name not in platforms
        }
        key, config = self.directory / "key", self.directory / "empty.toml"
        key.write_text(generate_key(os.urandom) + "\n", encoding="ascii")
        config.write_text("", encoding="ascii")
        registrations = {}
        for name, client in zip(APIS, self.clients, strict=False):
            prefix = f"VALETKEY_{name.upper().replace('-', '_')}"
            assert client.secret is not None
            registrations[f"{prefix}_CLIENT_ID"] = client.client_id
            registrations[f"{prefix}_CLIENT_SECRET"] = client.secret.reveal()
        return {
            **kept,
            **registrations,
            "VALETKEY_CONFIG": str(config),
            "VALETKEY_STORE": f"sqlite://{self.directory}/connections.db",
            "VALETKEY_KEY_FILE": str(key),
            "VALETKEY_BASE_URL": f"{self.base_url}{MOUNTED_AT}",
            "VALETKEY_APPLICATION": "Notes",
            "VALETKEY_ENVIRONMENT": "demo",
            "VALETKEY_SANDBOX_BASE_URL": self.provider_url,
        }

    def lengthen_lives(self) -> None:
        """From now on access tokens live an hour."""
        for client in self.clients:
            self.sandbox.register(replace(client, access_token_seconds=LONG_LIFE_SECONDS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
