"""The deployment's doctor: every finding says what to do, and looking changes nothing."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.openid import OpenidNetwork, openid_world
from tests.connections.steps import world_of

from valetkey.connections.doctor import diagnose
from valetkey.effects import Send
from valetkey.errors import StoreError, TransportError
from valetkey.http import Headers, Request, Response
from valetkey.testing.world import PROVIDER_URL
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.doctor import Finding
    from valetkey.testing.world import World

HERE = Request("GET", "/oauth/connections", Headers((("Host", "app.example"),)))


def findings(world: World, request: Request | None = HERE, **more: Any) -> dict[str, Finding]:
    """By what was checked."""
    found = world.run(diagnose(world.settings, request=request, **more)).findings
    assert all(finding.advice for finding in found if finding.check != "check")
    assert "secret-of" not in repr(found)
    return {finding.check: finding for finding in found if finding.level != "note"}


def test_a_sound_deployment_has_no_problem() -> None:
    world, _ = openid_world()

    assert world.run(diagnose(world.settings, request=HERE)).problems == ()


def test_looking_writes_nothing() -> None:
    world, _ = openid_world()

    world.run(diagnose(world.settings, request=HERE))

    assert world.store.rows._rows == {}


def test_redirect_uris_are_told_as_they_must_be_registered() -> None:
    world, _ = openid_world()

    notes = [finding.what for finding in world.run(diagnose(world.settings, request=HERE)).findings]

    assert "its redirect URI is https://app.example/oauth/callback/two" in notes


@pytest.mark.parametrize(
    ("target", "headers", "check"),
    [
        ("/oauth/x", (("Host", "abc.execute-api.eu-central-1.amazonaws.com"),), "host"),
        ("/oauth/x", (("Host", "10.0.0.1"), ("X-Forwarded-Host", "other.example")), "host"),
        ("/oauth/x", (("Host", "app.example"), ("X-Forwarded-Proto", "http")), "scheme"),
        ("/prod/oauth/x", (("Host", "app.example"),), "path"),
        ("/oauthx", (("Host", "app.example"),), "path"),
    ],
)
def test_a_request_that_does_not_fit_the_base_url_is_a_problem(
    target: str, headers: tuple[tuple[str, str], ...], check: str
) -> None:
    world, _ = openid_world()

    found = findings(world, Request("GET", target, Headers(headers)))

    assert found[check].level == "problem"


@pytest.mark.parametrize("host", ["app.example", "APP.example", "app.example:443"])
def test_a_request_that_fits_is_no_finding(host: str) -> None:
    world, _ = openid_world()

    found = findings(world, Request("GET", "/oauth?x=1", Headers((("Host", host), ("X-Forwarded-Proto", "https")))))

    assert not {"host", "scheme", "path"} & set(found)


def test_what_a_request_brings_is_printed_without_control_characters() -> None:
    world, _ = openid_world()

    found = findings(world, Request("GET", "/oauth/x", Headers((("Host", "evil\x1b[31m.example"),))))

    assert "\x1b" not in found["host"].what


class Asking:
    """The world's provider with pages of another kind in front."""

    def __init__(self, behind: OpenidNetwork, **pages: Any) -> None:
        self.behind, self.pages = behind, pages

    def send(self, effect: Send) -> Response:
        for name, page in self.pages.items():
            if effect.request.url.endswith(name.replace("_", "/")):
                if page is None:
                    message = "no answer"
                    raise TransportError(message, maybe_received=False)
                found: Response = page
                return found
        return self.behind.send(effect)


def asking(world: World, behind: OpenidNetwork, **pages: Any) -> None:
    world.ports._performers[Send] = Asking(behind, **pages).send


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (None, "warning"),
        (Response(404, Headers(), b""), "problem"),
        (Response(502, Headers(), b""), "problem"),
        (Response(401, Headers(), b""), ""),
    ],
)
def test_without_a_request_the_base_url_itself_is_asked(answer: Response | None, level: str) -> None:
    world, network = openid_world()
    asking(world, network, _connections=answer)

    found = findings(world, None)

    assert (found["answers"].level if "answers" in found else "") == level


def date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


@pytest.mark.parametrize(("off", "level"), [(0, ""), (9, ""), (-30, "warning"), (30, "warning"), (-7200, "problem")])
def test_a_clock_that_differs_from_the_providers_is_told_once(off: int, level: str) -> None:
    world, network = openid_world()
    dated = Response(404, Headers((("Date", date(world.clock.now() + off)),)), b"")
    asking(world, network, **{":8400_": dated})

    found = [one for one in world.run(diagnose(world.settings, request=HERE)).findings if one.check == "clock"]

    assert [one.level for one in found] == ([level] if level else [])


def test_a_provider_out_of_reach_is_a_problem_of_the_network() -> None:
    world, network = openid_world()
    asking(world, network, **{":8400_": None})

    assert findings(world)["reach"].level == "problem"


def test_an_endpoint_that_differs_from_the_issuers_metadata_is_told() -> None:
    world, network = openid_world(issuer=PROVIDER_URL)
    network.metadata = {"token_endpoint": "https://as.example/token"}

    found = findings(world)

    assert "token_endpoint" in found["discovery"].what
    assert "as.example" not in found["discovery"].what


def test_an_auth_method_that_the_issuer_does_not_offer_is_a_problem() -> None:
    world, network = openid_world(issuer=PROVIDER_URL)
    network.metadata = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}

    assert findings(world)["discovery"].level == "problem"


@pytest.mark.parametrize(
    ("mode", "listed", "level"),
    [
        ("query.jwt", ["query", "query.jwt"], None),
        ("query.jwt", ["query", "fragment"], "problem"),
        ("query.jwt", None, "warning"),
        ("form_post", ["query"], "problem"),
        ("form_post", None, None),
        ("query", ["fragment"], None),
    ],
)
def test_answers_that_the_issuer_does_not_list_are_told(mode: str, listed: list[str] | None, level: str | None) -> None:
    world, network = openid_world(issuer=PROVIDER_URL, response_mode=mode)
    network.metadata = {"response_modes_supported": listed}

    found = findings(world).get("response_mode")

    assert (found.level if found else None) == level


def test_answers_signed_with_none_of_the_accepted_algorithms_are_a_problem() -> None:
    world, network = openid_world(
        issuer=PROVIDER_URL, response_mode="jwt", authorization_response_algorithms=("PS256",)
    )
    network.metadata = {"response_modes_supported": ["jwt"]}
    for said, level in ((["RS256", "none"], "problem"), (["RS256", "PS256"], None), ([], None)):
        network.metadata["authorization_signing_alg_values_supported"] = said

        found = findings(world).get("response_mode")

        assert (found.level if found else None) == level


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("require_signed_request_object", {"request_object_signing_alg": "ES256"}),
        (
            "require_pushed_authorization_requests",
            {"pushed_authorization_request_endpoint": f"{PROVIDER_URL}/oauth2/par"},
        ),
    ],
)
def test_requests_that_the_issuer_will_not_take_as_they_are_are_a_problem(said: str, ours: dict[str, Any]) -> None:
    for configured, level in (({}, "problem"), (ours, None)):
        world, network = openid_world(issuer=PROVIDER_URL, **configured)
        network.metadata = {said: True, "pushed_authorization_request_endpoint": f"{PROVIDER_URL}/oauth2/par"}

        found = findings(world).get("request_object")

        assert (found.level if found else None) == level


def test_an_issuer_that_cannot_be_discovered_is_a_problem() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"issuer": "https://evil.example"}

    found = findings(world)

    assert found["discovery"].level == "problem"
    assert "evil" not in repr(found)


def test_a_scope_that_brings_no_refresh_token_is_told() -> None:
    world, network = openid_world(discovery="oidc")
    network.metadata = {"scopes_supported": ["openid", "read", "offline_access"]}

    found = findings(world)["refresh_token"]

    assert "add offline_access to VALETKEY_TWO_SCOPE" in found.advice


def test_catalog_words_name_the_scope_and_the_parameters_that_bring_one() -> None:
    world = world_of()
    two = world.settings.registrations["two"]
    provider = replace(
        two.provider, refresh_token_scopes=("forever",), refresh_token_parameters=(("access_type", "offline"),)
    )
    world.settings = replace(world.settings, registrations={"two": replace(two, provider=provider)})

    found = [one for one in world.run(diagnose(world.settings, request=HERE)).findings if one.check == "refresh_token"]

    assert len(found) == 2
    assert "forever" in found[0].advice + found[1].advice


def test_a_flow_that_does_not_fit_into_its_cookie_is_a_problem() -> None:
    world = world_of()
    world.settings = replace(world.settings, return_to="/" + "x" * 2_400)

    assert findings(world)["cookie_size"].level == "problem"


def test_a_flow_that_does_not_fit_eight_times_is_a_warning() -> None:
    world = world_of()
    world.settings = replace(world.settings, return_to="/" + "x" * 250)

    found = findings(world)["cookie_size"]

    assert found.level == "warning"
    assert "728" in found.what
    assert "VALETKEY_RETURN_TO" in found.advice


def test_a_long_redirect_uri_is_nothing_to_tell() -> None:
    world = world_of()
    two = world.settings.registrations["two"]
    long = replace(two, redirect_uri="https://app.example/" + "x" * 600)
    world.settings = replace(world.settings, registrations={"two": long})

    assert "cookie_size" not in findings(world)


@pytest.mark.parametrize(
    ("last", "level"),
    [("", ""), ("2030-01-01", ""), ("2027-02-10", "warning"), ("2027-01-15", "warning"), ("2027-01-14", "problem")],
)
def test_a_secret_that_ends_soon_is_told(last: str, level: str) -> None:
    world = world_of()  # it is 2027-01-15
    two = replace(world.settings.registrations["two"], client_secret_expires=last)
    world.settings = replace(world.settings, registrations={"two": two})

    found = findings(world)

    assert (found["secret_age"].level if "secret_age" in found else "") == level


def test_plain_http_is_told_with_its_cookies() -> None:
    world = world_of()
    world.settings = replace(world.settings, base_url="http://localhost:8300/oauth")

    found = findings(world, Request("GET", "/oauth/x", Headers((("Host", "localhost:8300"),))))

    assert "__Host-" in found["scheme"].what


def test_what_the_store_says_is_told_and_an_outage_is_no_error() -> None:
    world = world_of()
    world.store.check = lambda: ("the table has no expiry: turn it on",)  # type: ignore[method-assign]

    assert findings(world)["check"].what == "the table has no expiry: turn it on"
    world.store = type(world.store)(world.clock.now)

    def out() -> tuple[str, ...]:
        message = "it is out of reach"
        raise StoreError(message)

    world.ports.store.check = out  # type: ignore[method-assign]
    assert findings(world)["reach"].level == "problem"


def test_a_store_of_this_machine_is_told() -> None:
    world = world_of()

    assert findings(world, store="memory", local=True)["ephemeral"].level == "warning"


def test_a_key_ring_that_may_not_be_used_is_a_problem() -> None:
    world = world_of()

    def refuse(*_: object) -> bytes:
        message = "the key service refuses: AccessDenied"
        raise StoreError(message)

    world.ports.keys.seal = refuse  # type: ignore[method-assign,assignment]

    assert "AccessDenied" in findings(world)["seal"].what
