"""`valetkey sandbox`."""

from __future__ import annotations

import os
import time

import click

from valetkey.cli.output import json_option, print_json, print_table, say
from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox import SandboxClient

DEFAULT_PORT = 8400


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address: it protects nothing.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--callback", "callbacks", multiple=True, help="A redirect URI of yours; may be repeated.")
@click.option("--access-token-seconds", default=3600, show_default=True, type=click.IntRange(1))
@click.option("--control", is_flag=True, help="Serve /sandbox/seen and /sandbox/faults too.")
@json_option
def sandbox(
    host: str, port: int, callbacks: tuple[str, ...], access_token_seconds: int, *, control: bool, as_json: bool
) -> None:
    """Serve a strict OAuth 1.0a and OAuth 2.0 provider until Ctrl-C."""
    from valetkey.sandbox import Sandbox, demo_clients, old_grant_clients, serve

    if not is_loopback(host):
        message = f"--host: {host} is not a loopback address; the sandbox has no secrets worth keeping and stays here"
        raise ConfigurationError(message)
    clients = (
        *demo_clients(redirect_uris=callbacks, callbacks=callbacks, access_token_seconds=access_token_seconds),
        *old_grant_clients(redirect_uris=callbacks, access_token_seconds=access_token_seconds),
    )
    provider = Sandbox(now=time.time, random=os.urandom, clients=clients, sleep=time.sleep, control=control)
    running = serve(provider, host=host, port=port)
    try:
        announce(provider.base_url, clients, as_json=as_json)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        running.close()


def announce(base_url: str, clients: tuple[SandboxClient, ...], *, as_json: bool) -> None:
    """Say where it is and with which clients. Their secrets are printed: they are the same everywhere."""
    rows = [(client.client_id, client.secret.reveal() if client.secret else "(public client)") for client in clients]
    if as_json:
        print_json({"base_url": base_url, "clients": [{"client_id": name, "client_secret": s} for name, s in rows]})
        return
    say(f"The sandbox is at {base_url} until Ctrl-C.", style="bold")
    print_table(("client identifier", "client secret"), rows)
