"""The public interface as a type checker sees it; checked by `make check`, never run."""

from __future__ import annotations

from typing import Any, assert_type

from valetkey import AsyncVault, ReauthorizationRequired, Request, Response, Secret, Vault
from valetkey.connections.attempt import Attempt
from valetkey.connections.authorize import Finished, Redirect
from valetkey.connections.connection import Connection
from valetkey.connections.manage import ConnectionPage, Revocation
from valetkey.drivers.session import Answer
from valetkey.gateways.asgi import asgi_app
from valetkey.gateways.aws import lambda_handler
from valetkey.gateways.wsgi import wsgi_app
from valetkey.oauth1.receive import Keys, SignedRequest
from valetkey.oauth2.introspection import Introspection


def owner(request: Request) -> str | None:
    return request.headers.get("x")


async def async_owner(request: Request) -> str | None:
    return request.headers.get("x")


def keys(signed: SignedRequest) -> Keys | None:
    return Keys(Secret("s")) if signed.client_identifier == "client" else None


def blocking(vault: Vault, request: Request) -> None:
    assert_type(vault.begin_authorization("github", "alice", cookies={"a": "b"}), Redirect)
    assert_type(vault.finish_authorization(request, resource_owner="alice"), Finished)
    assert_type(vault.access_token("github", "alice"), Secret)
    assert_type(vault.sign(request, registration="github", resource_owner="alice"), Request)
    assert_type(vault.session("github", "alice").get("https://api.github.com/user"), Answer)
    assert_type(vault.attempt_as_client(request, registration="github").signed, Request)
    attempt = vault.attempt(request, registration="github", resource_owner="alice")
    assert_type(vault.next_attempt(attempt, Response(401)), Attempt | None)
    assert_type(vault.connections("alice"), ConnectionPage)
    assert_type(vault.connection("github", "alice"), Connection | None)
    assert_type(vault.revoke("github", "alice"), Revocation)
    assert_type(vault.client_token("github"), Secret)
    assert_type(vault.client_session("github", scope=("a",)).get("https://api.github.com/meta"), Answer)
    assert_type(vault.require("github", "alice", scope=("repo",)), Connection)
    assert_type(vault.client_connection("github").authorization_details, tuple[dict[str, Any], ...])
    assert_type(vault.client_connection("github").extra, tuple[tuple[str, str], ...])
    assert_type(vault.introspect("github", "alice"), Introspection)
    assert_type(vault.receive(request, keys=keys, methods=("HMAC-SHA1",)), SignedRequest)
    assert_type(vault.poll_device_authorization("handle", "alice").connection, Connection | None)
    assert_type(vault.connect_by_assertion("github", "alice", assertion=Secret("a.b.c")), Connection)
    assert_type(vault.connect_by_password("github", "alice", username="a", password=Secret("b")), Connection)
    lambda_handler(vault, resource_owner=owner)
    lambda_handler(vault, resource_owner=async_owner)
    wsgi_app(vault, resource_owner=owner)
    asgi_app(vault, resource_owner=owner)


async def awaited(vault: AsyncVault, request: Request) -> None:
    redirect = await vault.begin_authorization("github", "alice", cookies=(("a", "b"),))
    assert_type(redirect, Redirect)
    assert_type(await vault.finish_authorization(request, resource_owner=None), Finished)
    assert_type(await vault.access_token("github", "alice"), Secret)
    assert_type(await vault.client_token("github"), Secret)
    assert_type(await vault.introspect("github", "alice"), Introspection)
    assert_type(await vault.receive(request, keys=keys), SignedRequest)
    assert_type((await vault.begin_device_authorization("github", "alice")).user_code, str)
    assert_type(await vault.session("github", "alice").get("https://api.github.com/user"), Answer)
    asgi_app(vault, resource_owner=async_owner)
    try:
        await vault.forget("github", "alice")
    except ReauthorizationRequired as error:
        assert_type(error.connect_url, str)
