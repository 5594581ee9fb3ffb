"""The URL of a connected MCP server, and the name that stands in its connection, in every verb of both vaults."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import URL, Internet
from tests.connections.test_mcp import connect

from valetkey.async_vault import AsyncVault
from valetkey.errors import ConfigurationError, ProviderError, RequestRefused, ValetkeyError
from valetkey.http import Headers, Request, Response
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = Secret("e30.e30.e30")


def got() -> Request:
    return Request("GET", URL)


WORKING: dict[str, Callable[[Any, str], Any]] = {
    "access_token": lambda vault, known: vault.access_token(known, "alice"),
    "attempt": lambda vault, known: vault.attempt(got(), registration=known, resource_owner="alice"),
    "begin_authorization": lambda vault, known: vault.begin_authorization(known, "alice", cookies=()),
    "connect_url": lambda vault, known: vault.connect_url(known, "alice"),
    "connection": lambda vault, known: vault.connection(known, "alice"),
    "doctor": lambda vault, known: vault.doctor(probe=(known,)),
    "forget": lambda vault, known: vault.forget(known, "alice"),
    "introspect": lambda vault, known: vault.introspect(known, "alice"),
    "require": lambda vault, known: vault.require(known, "alice", scope=("notes:read",)),
    "revoke": lambda vault, known: vault.revoke(known, "alice"),
    "session": lambda vault, known: vault.session(known, "alice").get(URL),
    "sign": lambda vault, known: vault.sign(got(), registration=known, resource_owner="alice"),
    "userinfo": lambda vault, known: vault.userinfo(known, "alice"),
}
CODES_ALONE = "for authorization codes alone: use begin_authorization"
REFUSED: dict[str, tuple[Callable[[Any, str], Any], type[ValetkeyError], str]] = {
    "attempt_as_client": (
        lambda vault, known: vault.attempt_as_client(got(), registration=known),
        ConfigurationError,
        CODES_ALONE,
    ),
    "begin_device_authorization": (
        lambda vault, known: vault.begin_device_authorization(known, "alice"),
        ConfigurationError,
        CODES_ALONE,
    ),
    "client_connection": (lambda vault, known: vault.client_connection(known), ConfigurationError, CODES_ALONE),
    "client_session": (lambda vault, known: vault.client_session(known).get(URL), ConfigurationError, CODES_ALONE),
    "client_token": (lambda vault, known: vault.client_token(known), ConfigurationError, CODES_ALONE),
    "connect_by_assertion": (
        lambda vault, known: vault.connect_by_assertion(known, "alice", assertion=SECRET),
        ConfigurationError,
        CODES_ALONE,
    ),
    "connect_by_password": (
        lambda vault, known: vault.connect_by_password(known, "alice", username="a", password=SECRET),
        ConfigurationError,
        CODES_ALONE,
    ),
    "connect_by_xauth": (
        lambda vault, known: vault.connect_by_xauth(known, "alice", username="a", password=SECRET),
        ConfigurationError,
        CODES_ALONE,
    ),
    "exchange_token": (
        lambda vault, known: vault.exchange_token(known, subject_token=SECRET),
        ConfigurationError,
        CODES_ALONE,
    ),
    "finish_with_verifier": (
        lambda vault, known: vault.finish_with_verifier(known, "1", state="x", cookies=(), resource_owner="alice"),
        RequestRefused,
        "verifiers are not typed in",
    ),
    "sign_as_client": (
        lambda vault, known: vault.sign_as_client(got(), registration=known),
        ConfigurationError,
        CODES_ALONE,
    ),
}
COLOURS = pytest.mark.parametrize("colour", [Vault, AsyncVault])
KNOWN = pytest.mark.parametrize("by", ["url", "name"])


class Connected:
    """A vault of one colour, for which alice has connected an MCP server whose issuer has every endpoint."""

    def __init__(self, colour: type[Vault | AsyncVault], by: str) -> None:
        self.world = World()
        self.internet = Internet(self.world)
        server = self.internet.server()
        for endpoint in ("userinfo", "introspection", "device_authorization"):
            server.said[f"{endpoint}_endpoint"] = f"{server.issuer}/{endpoint}"
        _ = self.internet.resource(URL, server)
        self.name = connect(self.world, server).registration
        self.known = URL if by == "url" else self.name
        self.vault = colour(self.world.settings, **{**self.world.parts(), "transport": self.internet})
        self.internet.sent.clear()

    def run(self, verb: Callable[[Any, str], Any]) -> Any:
        """What the verb answers to what the server is known by here."""
        if isinstance(self.vault, Vault):
            return verb(self.vault, self.known)

        async def awaited() -> Any:
            return await verb(self.vault, self.known)

        return asyncio.run(awaited())

    @property
    def rows(self) -> dict[Any, Any]:
        """All that is stored."""
        return dict(self.world.store.rows._rows)


def names_a_registration(verb: Any) -> bool:
    return bool({"registration", "probe"} & set(inspect.signature(verb).parameters))


def test_every_verb_that_names_a_registration_is_tried_here() -> None:
    for colour in (Vault, AsyncVault):
        public = {name: verb for name, verb in vars(colour).items() if callable(verb) and not name.startswith("_")}

        assert {name for name, verb in public.items() if names_a_registration(verb)} == {*WORKING, *REFUSED}


@COLOURS
@KNOWN
@pytest.mark.parametrize("verb", sorted(WORKING))
def test_a_verb_for_somebody_who_connected_the_server_works(verb: str, by: str, colour: type[Vault]) -> None:
    there = Connected(colour, by)
    there.internet.pages["https://as.notes.example/userinfo"] = lambda _: answer('{"sub": "248289761001"}')
    there.internet.pages["https://as.notes.example/introspection"] = lambda _: answer('{"active": true}')

    found = there.run(WORKING[verb])

    if verb != "forget":
        assert found is not None
    if verb == "session":
        assert found.status == 200
    if verb == "doctor":
        assert [finding for finding in found.findings if finding.about in (there.name, there.known)]
    if verb == "forget":
        assert there.run(WORKING["connection"]) is None
    if verb == "connection":
        assert found.registration == there.name


@COLOURS
@KNOWN
@pytest.mark.parametrize("verb", sorted(REFUSED))
def test_any_other_is_refused_before_anything_is_sent_or_stored(verb: str, by: str, colour: type[Vault]) -> None:
    there = Connected(colour, by)
    before = there.rows
    program, kind, says = REFUSED[verb]

    with pytest.raises(kind, match=says):
        _ = there.run(program)
    assert there.rows == before
    assert there.internet.sent == []


@COLOURS
@pytest.mark.parametrize(
    "location",
    ["https://mcp.notes.example/", "/mcp/../admin", "https://mcp.notes.example:8443/mcp", "https://a.example/"],
)
def test_a_redirect_of_the_server_to_elsewhere_is_its_own_word_and_not_the_operators(
    location: str, colour: type[Vault]
) -> None:
    there = Connected(colour, URL)
    there.internet.pages[URL] = lambda _: Response(302, Headers((("Location", location),)))

    with pytest.raises(ProviderError) as caught:
        _ = there.run(WORKING["session"])
    assert (caught.value.error, caught.value.status) == ("redirect_refused", 302)
    assert [request.url for request in there.internet.sent] == [URL]


def answer(text: str) -> Response:
    return Response(200, Headers((("Content-Type", "application/json"),)), text.encode())
