"""Registrations with a client certificate (RFC 8705): where it goes, what is refused, and what a refusal in TLS means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.certificates import issued
from tests.connections.openid import USERINFO, connect, openid_world, use
from tests.connections.steps import FORGIVING, credentials, failure, standing, world_of
from tests.connections.test_doctor import HERE, findings

from valetkey.connections.assertion import exchange_token
from valetkey.connections.call import call, call_as_client
from valetkey.connections.client import client_token
from valetkey.connections.discovery import with_metadata
from valetkey.connections.doctor import diagnose
from valetkey.connections.identity import userinfo
from valetkey.connections.manage import revoke
from valetkey.connections.refresh import current_tokens
from valetkey.connections.sign import access_token, sign, sign_as_client
from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError, ProviderError, TransportError
from valetkey.http import Request, Response
from valetkey.integrations.httpx import VaultAuth
from valetkey.oauth2.metadata import Metadata
from valetkey.oauth2.server import AuthorizationServer
from valetkey.pem import certificate_thumbprint, read_certificate
from valetkey.secret import Secret
from valetkey.testing.world import PROVIDER_URL, World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.settings import Settings
    from valetkey.effects import ClientCertificate, Op, Send
    from valetkey.oauth2.client import Client
    from valetkey.providers.registration import Registration
    from valetkey.sandbox.clients import RotationMode

CERTIFICATE = read_certificate(issued())
ME = f"{PROVIDER_URL}/oauth2/me"
BOUND = {"tls_client_certificate_bound_access_tokens": True}


class Terminator:
    """What ends TLS before the world's provider: it takes note of certificates, and may refuse them."""

    blocking = False
    presents_certificates = True

    def __init__(self, world: World, behind: Any = None) -> None:
        self._behind = behind or world.network
        self.seen: list[tuple[str, ClientCertificate | None]] = []
        self.failing: Callable[[Send], Exception | Response | None] = lambda _: None
        use(world, self)  # type: ignore[arg-type]

    def send(self, effect: Send) -> Response:
        self.seen.append((effect.request.url.removeprefix(PROVIDER_URL), effect.certificate))
        instead = self.failing(effect)
        if isinstance(instead, Exception):
            raise instead
        answered: Response = instead or self._behind.send(effect)
        return answered

    @property
    def certified(self) -> list[str]:
        """The paths that were asked with the certificate."""
        assert {certificate for _, certificate in self.seen} <= {None, CERTIFICATE}
        return [path for path, certificate in self.seen if certificate is not None]


def given_certificate(world: World, **habits: Any) -> Registration:
    """Let the registration `two` have the certificate, at a server with these habits."""
    two = world.settings.registrations["two"]
    client: Any = replace(two.client, certificate=CERTIFICATE)
    server: Any = replace(two.provider.server, **habits)
    two = replace(two, client=client, provider=replace(two.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return two


def bound_world(mode: RotationMode = "strict", **more: Any) -> tuple[World, Terminator]:
    """A world in which alice is connected, with tokens that are bound to the certificate."""
    world = world_of(mode)
    given_certificate(world, **BOUND, **more)
    terminator = Terminator(world)
    world.connect()
    terminator.seen.clear()
    return world, terminator


def called(world: World, url: str = ME) -> Op[Response]:
    return call(world.settings, Request("GET", url), registration="two", resource_owner="alice")


def tokens(world: World) -> Op[Any]:
    two = world.settings.registrations["two"]
    return current_tokens(world.settings, two, resource_owner="alice")


def test_the_certificate_goes_with_every_request_to_the_server_and_the_api() -> None:
    world, terminator = bound_world()

    assert world.run(called(world)).status == 200
    world.clock.time += world.client.access_token_seconds + 1
    assert world.run(called(world)).status == 200
    assert world.run(revoke(world.settings, "two", resource_owner="alice")).at_provider == "revoked"

    paths = [path for path, _ in terminator.seen]
    assert paths == terminator.certified == ["/oauth2/me", "/oauth2/token", "/oauth2/me", "/oauth2/revoke"]


def test_one_that_only_proves_the_client_stays_away_from_the_api() -> None:
    """The API has no use for it, and a token that is not bound may be handed out."""
    world = world_of()
    two = given_certificate(world)
    terminator = Terminator(world)
    world.connect()

    assert world.run(called(world)).status == 200
    assert world.run(access_token(world.settings, "two", resource_owner="alice"))
    assert two.provider.server.token_endpoint_auth_method == "client_secret_basic"  # type: ignore[union-attr]
    assert terminator.certified == []


def test_a_refused_token_is_renewed_with_the_certificate() -> None:
    """A new certificate in place of the old one: tokens that were bound to that one are refused, and renewed once."""
    world, terminator = bound_world()
    world.clock.time += 300
    refusals = [Response(401)]
    terminator.failing = lambda effect: refusals.pop() if effect.request.url == ME and refusals else None

    assert world.run(called(world)).status == 200
    assert terminator.certified == ["/oauth2/me", "/oauth2/token", "/oauth2/me"]


def test_another_registration_never_gets_it() -> None:
    world, terminator = bound_world()
    world.connect("one")
    answered = world.run(
        call(world.settings, Request("GET", f"{PROVIDER_URL}/oauth1/me"), registration="one", resource_owner="alice")
    )

    assert answered.status == 200
    assert terminator.certified == []


@pytest.mark.parametrize("url", ["https://elsewhere.example/", "https://elsewhere.example:8400/oauth2/me"])
def test_another_host_never_gets_it(url: str) -> None:
    world, terminator = bound_world()

    assert isinstance(failure(world, called(world, url)), ConfigurationError)
    assert terminator.seen == []


def test_a_redirect_to_another_origin_is_not_followed() -> None:
    world, terminator = bound_world()
    from valetkey.http import Headers

    away = Response(302, Headers((("Location", "https://elsewhere.example/"),)))
    terminator.failing = lambda effect: away if effect.request.url == ME else None

    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=terminator, clock=world.clock)
    with pytest.raises(ProviderError) as caught:
        vault.session("two", "alice").get(ME)

    assert caught.value.error == "redirect_refused"
    assert [path for path, _ in terminator.seen] == ["/oauth2/me"]


HANDED_OUT: dict[str, Callable[[Settings], Op[Any]]] = {
    "access_token": lambda settings: access_token(settings, "two", resource_owner="alice"),
    "client_token": lambda settings: client_token(settings, "two"),
    "sign": lambda settings: sign(settings, Request("GET", ME), registration="two", resource_owner="alice"),
    "sign_as_client": lambda settings: sign_as_client(settings, Request("GET", ME), registration="two"),
    "exchange_token": lambda settings: exchange_token(settings, "two", subject_token=Secret("t")),
}


@pytest.mark.parametrize("verb", list(HANDED_OUT))
def test_a_bound_token_is_not_handed_out(verb: str) -> None:
    world, terminator = bound_world()

    error = failure(world, HANDED_OUT[verb](world.settings))

    assert isinstance(error, ConfigurationError)
    assert "two: its tokens are bound to the client's certificate" in str(error)
    assert "use session() or client_session()" in str(error)
    assert terminator.seen == []


def test_other_http_clients_are_told_what_to_use() -> None:
    world, terminator = bound_world()
    vault = Vault(world.settings, store=world.store, keys=world.keys, transport=terminator, clock=world.clock)

    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    with (
        httpx.Client(transport=httpx.MockTransport(answer), auth=VaultAuth(vault, "two", "alice")) as client,
        pytest.raises(ConfigurationError, match="other HTTP clients are given none"),
    ):
        client.get(ME)


def test_the_client_alone_presents_it_too() -> None:
    world, terminator = bound_world()
    request = Request("GET", f"{PROVIDER_URL}/oauth2/me")

    assert world.run(call_as_client(world.settings, request, registration="two", scope=("read",))).status < 500
    assert terminator.certified == [path for path, _ in terminator.seen]
    assert terminator.certified[:2] == ["/oauth2/token", "/oauth2/me"]


def test_userinfo_is_asked_with_it_at_its_alias() -> None:
    world, network = openid_world()
    alias = "https://mtls.provider.example/userinfo"
    given_certificate(world, **BOUND, mtls_endpoint_aliases=(("userinfo_endpoint", alias),))
    terminator = Terminator(world, network)
    connect(world, network)
    terminator.failing = lambda effect: (
        network.send(replace(effect, request=replace(effect.request, url=USERINFO)))
        if (effect.request.url == alias)
        else None
    )

    assert world.run(userinfo(world.settings, "two", resource_owner="alice")).subject == "alice"
    assert terminator.seen[-1] == (alias, CERTIFICATE)
    assert ("/keys", None) in terminator.seen


def test_what_metadata_names_is_used_as_the_registration_wants() -> None:
    """A certificate that the issuer does not offer a method for is tried all the same: there is nothing else to try."""
    registration = AuthorizationServer(
        "https://as.example", "", "", discovery="oidc", token_endpoint_auth_method="tls_client_auth"
    )
    url = "https://as.example/x"
    alias = (("token_endpoint", "https://mtls.as.example/t"),)
    described = with_metadata(registration, Metadata("https://as.example", url, url, mtls_endpoint_aliases=alias))

    assert described.token_endpoint_auth_method == "tls_client_auth"
    assert described.mtls_endpoint_aliases == alias
    assert described.reach == "public"
    assert not described.tls_client_certificate_bound_access_tokens
    bound = with_metadata(replace(registration, **BOUND), Metadata("https://as.example", url, url))
    assert bound.tls_client_certificate_bound_access_tokens
    assert bound.reach == "configured"


# Failures in TLS, and what they mean for a refresh token (refresh.md)


@pytest.mark.parametrize("mode", ["strict", *FORGIVING[1:]])
def test_a_certificate_that_is_refused_before_the_request_is_read_costs_nothing(mode: RotationMode) -> None:
    world, terminator = bound_world(mode)
    world.clock.time += world.client.access_token_seconds + 1
    before = credentials(world).current
    refused = TransportError("refused the client certificate (certificate expired)", maybe_received=False)
    terminator.failing = lambda _: refused

    for _ in range(5):
        assert failure(world, tokens(world)) is not None
        found = standing(world)
        assert (found.state, found.doubts) == ("active", ())
        world.clock.time += 3600
    assert credentials(world).current == before
    terminator.failing = lambda _: None

    assert world.run(called(world)).status == 200
    assert standing(world).generation == 2


def test_a_connection_that_broke_after_the_request_leaves_it_in_doubt() -> None:
    world, terminator = bound_world("window")
    world.clock.time += world.client.access_token_seconds + 1
    terminator.failing = lambda _: TransportError("broke off the exchange", maybe_received=True)

    assert failure(world, tokens(world)) is not None
    assert standing(world).state == "in_doubt"
    terminator.failing = lambda _: None
    world.clock.time += 300

    assert world.run(called(world)).status == 200
    assert standing(world).state == "active"


@pytest.mark.parametrize("by", ["certificate", "key", "transport"])
def test_what_cannot_be_sent_as_configured_gives_the_lease_back(by: str) -> None:
    """Nothing was sent: nobody need wait for a holder who is gone, and no doubt remains."""
    world, terminator = bound_world()
    world.clock.time += world.client.access_token_seconds + 1
    two = world.settings.registrations["two"]
    client: Any = two.client
    server: Any = two.provider.server
    if by == "certificate":
        client = replace(client, certificate=None)
    elif by == "key":
        client = replace(client, private_key=PrivateKey(Secret("canary")))
        server = replace(server, token_endpoint_auth_method="private_key_jwt", issuer=PROVIDER_URL)
    else:
        terminator.failing = lambda _: ConfigurationError("this transport cannot present a client certificate")
    broken = replace(two, client=client, provider=replace(two.provider, server=server))
    sound, world.settings = world.settings, replace(world.settings, registrations={"two": broken})

    error = failure(world, tokens(world))

    assert isinstance(error, ConfigurationError)
    found = standing(world)
    assert (found.state, found.doubts, found.attempt, found.lease_until) == ("active", (), "", 0)
    world.settings, terminator.failing = sound, lambda _: None
    world.clock.time += 300
    assert world.run(called(world)).status == 200


# The doctor


@pytest.mark.parametrize(
    ("days", "level"), [(400, ""), (31, ""), (29, "warning"), (1, "warning"), (0, "problem"), (-9, "problem")]
)
def test_a_certificate_that_ends_soon_is_told(days: int, level: str) -> None:
    world, _ = bound_world()
    two = world.settings.registrations["two"]
    client: Client = two.client  # type: ignore[assignment]
    ends = int(world.clock.time) + days * 86_400
    dated = replace(two, client=replace(client, certificate=replace(CERTIFICATE, ends_at=ends)))
    world.settings = replace(world.settings, registrations={"two": dated})

    found = findings(world)

    assert (found["certificate_age"].level if "certificate_age" in found else "") == level
    told = world.run(diagnose(world.settings, request=HERE)).findings
    (note,) = [finding for finding in told if finding.check == "certificate"]
    assert certificate_thumbprint(CERTIFICATE) in note.what


def test_aliases_and_binding_are_compared_with_what_the_issuer_publishes() -> None:
    world, network = openid_world()
    network.metadata = {
        "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.provider.example/t"},
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }
    given_certificate(world, **BOUND)

    told = [one.what for one in world.run(diagnose(world.settings, request=HERE)).findings if one.check == "discovery"]

    assert any("another token_endpoint for clients with a certificate" in what for what in told)
    assert any("does not say that it binds tokens to certificates" in what for what in told)


def test_a_server_that_is_not_reached_with_the_certificate_is_told() -> None:
    world, terminator = bound_world()
    world.settings = replace(world.settings, registrations={"two": world.settings.registrations["two"]})
    terminator.failing = lambda _: TransportError("refused", maybe_received=False)

    assert "or refuses the client certificate" in findings(world)["reach"].what
    assert "/" in terminator.certified
