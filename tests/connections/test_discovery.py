"""A registration that names only its issuer (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.openid import OpenidNetwork, connect, openid_world, use
from tests.connections.steps import begun, failure, returning, standing, token

from valetkey.connections.authorize import begin_authorization
from valetkey.connections.manage import revoke
from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, ServerUnusable
from valetkey.http import FORM, Headers, Request, read_form
from valetkey.keys.jwk import make_key
from valetkey.oauth2.kept import KeptKeys, KeptMetadata
from valetkey.testing.world import PROVIDER_URL
from valetkey.value import replace
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.testing.world import World

WELL_KNOWN = "/.well-known/openid-configuration"


def forgets(world: World) -> None:
    """What a new process knows: nothing."""
    two = replace(world.settings.registrations["two"], kept_keys=KeptKeys(), kept_metadata=KeptMetadata())
    world.settings = replace(world.settings, registrations={"two": two})


def asked(network: OpenidNetwork) -> int:
    return network.sent.count(WELL_KNOWN)


def test_an_issuer_alone_connects_refreshes_and_revokes() -> None:
    world, network = openid_world(discovery="oidc")

    connected = connect(world, network).connection
    world.clock.time += world.client.access_token_seconds + 1
    world.run(token(world))
    ended = world.run(revoke(world.settings, "two", resource_owner="alice"))

    assert connected is not None
    assert connected.subject == "alice"
    assert ended.at_provider == "revoked"


def test_metadata_is_fetched_once_for_all_processes_of_an_hour() -> None:
    world, network = openid_world(discovery="oidc")

    for _ in range(3):
        begun(world)
        forgets(world)
    assert asked(network) == 1
    world.clock.time += 3600
    begun(world)

    assert asked(network) == 2


@pytest.mark.parametrize("down", ["status", "issuer"])
def test_the_last_good_metadata_is_used_for_a_day_while_the_issuer_fails(down: str) -> None:
    world, network = openid_world(discovery="oidc")
    begun(world)
    network.metadata_down = down == "status"
    network.metadata = {"issuer": "https://evil.example"} if down == "issuer" else {}
    forgets(world)

    world.clock.time += 86_000
    begun(world)
    sent = len(network.sent)
    begun(world)
    assert len(network.sent) == sent  # it is not asked at every turn
    forgets(world)
    world.clock.time += 400

    assert isinstance(
        failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=())), ProviderError
    )


def test_an_error_is_never_kept() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata_down = True
    first = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    network.metadata_down = False

    assert isinstance(first, ProviderError)
    assert begun(world).location


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": "http://127.0.0.1:8400/"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": ["https://a.example"]},
    ],
)
def test_metadata_that_is_not_this_issuers_or_not_usable_is_refused(metadata: dict[str, Any]) -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = metadata

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))

    assert isinstance(caught, MalformedResponse)


def test_a_server_that_does_not_take_s256_is_refused() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"code_challenge_methods_supported": ["plain"]}

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))

    assert isinstance(caught, ConfigurationError)
    assert "S256" in str(caught)


def test_without_a_nonce_s256_must_be_advertised() -> None:
    world, network = openid_world(discovery="oauth2")
    network.metadata = {"code_challenge_methods_supported": None}

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    assert isinstance(caught, ConfigurationError)
    network.metadata = {}

    world.clock.time += 4000
    assert begun(world).location


def signing(world: World, **server: Any) -> None:
    """`two` signs its requests, or pushes them, by its own word."""
    two = world.settings.registrations["two"]
    changed: Any = replace(two.provider.server, **server)
    client = replace(two.client, private_key=make_key())
    two = replace(two, provider=replace(two.provider, server=changed), client=client)
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})


def test_an_issuer_that_takes_signed_requests_alone_is_sent_no_other() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"require_signed_request_object": True}

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    signing(world, request_object_signing_alg="ES256")
    sent = begun(world)

    assert isinstance(caught, ConfigurationError)
    assert "REQUEST_OBJECT_SIGNING_ALG" in str(caught)
    assert set(dict(read_form(sent.location.partition("?")[2]))) == {"client_id", "request"}


@pytest.mark.parametrize("said", [None, False, "true", 1])
def test_an_issuer_that_does_not_say_so_is_sent_what_it_always_was(said: Any) -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"require_signed_request_object": said}

    assert "request=" not in begun(world).location


def test_a_registration_may_have_its_requests_pushed_where_the_issuer_leaves_it_open() -> None:
    world, network = openid_world(discovery="oidc")
    signing(world, require_pushed_authorization_requests=True)

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    network.metadata = {"pushed_authorization_request_endpoint": f"{PROVIDER_URL}/oauth2/par"}
    world.clock.time += 4000
    sent = begun(world)

    assert isinstance(caught, ConfigurationError)
    assert "pushed_authorization_request_endpoint" in str(caught)
    assert set(dict(read_form(sent.location.partition("?")[2]))) == {"client_id", "request_uri"}


def test_endpoints_elsewhere_must_be_on_the_public_internet() -> None:
    from valetkey.connections.discovery import reach_of
    from valetkey.oauth2.metadata import Metadata

    own = Metadata("https://as.internal:8443", "https://as.internal:8443/a", "https://as.internal:8443/t")

    names = [name for name in Metadata.__match_args__ if name.endswith(("_endpoint", "_uri"))]

    assert reach_of(own) == "configured"
    assert len(names) > 6
    assert {reach_of(replace(own, **{name: "https://other.example/x"})) for name in names} == {"public"}
    assert reach_of(replace(own, jwks_uri="https://10.0.0.1/keys")) == "public"
    assert reach_of(replace(own, token_endpoint="https://as.internal/t")) == "public"
    aliased = replace(own, mtls_endpoint_aliases=(("token_endpoint", "https://10.0.0.1/t"),))
    assert reach_of(aliased) == "configured"  # nobody goes there
    assert reach_of(aliased, mutual_tls=True) == "public"


def test_what_is_kept_is_read_as_it_was() -> None:
    from valetkey.http import Headers, Response
    from valetkey.oauth2.metadata import Metadata, read_metadata, write_metadata

    url = "https://as.example/x"
    whole: dict[str, Any] = {
        name: url
        if name.endswith(("_endpoint", "_uri"))
        else ("a", "b")
        if name.endswith(("ed", "protected_resources"))
        else "https://as.example"
        for name in Metadata.__match_args__
    }
    flags = (
        "authorization_response_iss_parameter_supported",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "client_id_metadata_document_supported",
        "tls_client_certificate_bound_access_tokens",
    )
    aliases = (("revocation_endpoint", f"{url}/r"), ("token_endpoint", f"{url}/t"))
    found = Metadata(**{**whole, **dict.fromkeys(flags, True), "mtls_endpoint_aliases": aliases})

    for metadata in (found, Metadata("https://as.example", url, url)):
        kept = Response(200, Headers(), write_metadata(metadata))
        assert read_metadata(kept, issuer="https://as.example") == metadata


def test_a_stored_copy_that_was_altered_is_fetched_again() -> None:
    world, network = openid_world(discovery="oidc")
    begun(world)
    rows = world.store.rows._rows
    [key] = [place for place, found in rows.items() if found.key.name == "discovery/metadata"]
    rows[key] = replace(rows[key], sealed=rows[key].sealed[:-4] + b"AAAA")
    forgets(world)

    assert begun(world).location
    assert asked(network) == 2


def test_an_outage_of_the_store_costs_a_request_and_nothing_else() -> None:
    world, network = openid_world(discovery="oidc")
    world.store.outages = 2

    assert begun(world).location
    assert asked(network) == 1


def test_a_refresh_does_not_begin_while_the_issuer_cannot_be_asked() -> None:
    world, network = openid_world(discovery="oidc")
    connect(world, network)
    forgets(world)
    network.metadata_down = True
    world.clock.time += 90_000

    caught = failure(world, token(world))

    assert isinstance(caught, ProviderError)
    assert (standing(world).state, standing(world).doubts) == ("active", ())


def test_what_the_registration_chose_stays() -> None:
    from valetkey.connections.discovery import described

    world, network = openid_world(discovery="oidc")
    two = world.settings.registrations["two"]
    server = replace(two.provider.server, token_endpoint_auth_method="client_secret_post")
    two = replace(two, provider=replace(two.provider, server=server))
    use(world, network)

    found: Any = world.run(described(world.settings, two)).provider.server

    assert found.token_endpoint_auth_method == "client_secret_post"
    assert found.reach == "configured"
    assert found.id_token_algorithms == ("RS256", "ES256")


def test_algorithms_that_the_registration_chose_are_not_widened() -> None:
    from valetkey.connections.discovery import described

    world, network = openid_world(discovery="oidc", id_token_algorithms=("PS256",))
    use(world, network)

    found: Any = world.run(described(world.settings, world.settings.registrations["two"])).provider.server

    assert found.id_token_algorithms == ("PS256",)


UNUSABLE = [
    {"code_challenge_methods_supported": ["plain"]},
    {"require_signed_request_object": True},
    {"authorization_endpoint": f"{PROVIDER_URL}/oauth2/authorize?state=theirs"},
    {"authorization_endpoint": f"{PROVIDER_URL}/oauth2/authorize?scope=all"},
    {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    {"token_endpoint_auth_methods_supported": ["tls_client_auth"]},
    {"token_endpoint_auth_methods_supported": ["none of ours"]},
    {"mtls_endpoint_aliases": {"token_endpoint": f"{PROVIDER_URL}/a b"}},
]


@pytest.mark.parametrize("metadata", UNUSABLE[:-1])
def test_an_issuer_that_cannot_be_used_any_more_is_one_error_that_says_why(metadata: dict[str, Any]) -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = metadata

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))

    assert isinstance(caught, ServerUnusable)
    assert PROVIDER_URL in str(caught)


@pytest.mark.parametrize("metadata", UNUSABLE)
def test_an_issuer_that_cannot_be_used_any_more_is_a_page_and_no_failure_of_ours(metadata: dict[str, Any]) -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = metadata

    answer = world.run(respond(world.settings, posted("/connect/two"), "alice"))

    assert answer.status == 400
    assert all("/.well-known/" in path for path in network.sent)  # nothing else is asked


@pytest.mark.parametrize("metadata", UNUSABLE)
def test_an_issuer_that_becomes_unusable_while_somebody_consents_is_a_page(metadata: dict[str, Any]) -> None:
    world, network = openid_world(discovery="oidc")
    _ = begun(world)
    world.clock.time += 3590
    going = begun(world)
    network.metadata = metadata
    world.clock.time += 60

    answer = world.run(respond(world.settings, returning(world, going), "alice"))

    assert answer.status in (303, 400)


def test_an_issuer_that_begins_to_set_what_the_operator_sets_is_told_apart_from_a_mistake_at_the_start() -> None:
    world, network = openid_world(discovery="oidc", authorization_parameters=(("prompt", "consent"),))
    network.metadata = {"authorization_endpoint": f"{PROVIDER_URL}/oauth2/authorize?prompt=login"}

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))

    assert isinstance(caught, ServerUnusable)
    assert "prompt" in str(caught)


def test_an_issuer_that_requires_pushed_requests_and_takes_none_is_asked_for_nothing() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"require_pushed_authorization_requests": True, "pushed_authorization_request_endpoint": None}

    caught = failure(world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=()))
    answer = world.run(respond(world.settings, posted("/connect/two"), "alice"))

    assert isinstance(caught, MalformedResponse)
    assert "pushed_authorization_request_endpoint" in str(caught)
    assert answer.status == 400


def posted(path: str) -> Request:
    """A press of the page's button."""
    headers = (("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"))
    return Request("POST", f"/oauth{path}", Headers((*headers, ("Host", "app.example"))))
