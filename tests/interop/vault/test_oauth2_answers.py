"""Vault and AsyncVault with oidc-provider: answers that are posted, and answers that are signed (JARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.peers import Browser
from tests.interop.vault.parties import OWNER, Party
from tests.interop.vault.test_oauth2_proofs import claims_of, posted, registered

from valetkey.errors import AuthorizationDenied, CallbackError
from valetkey.http import base64url, base64url_decode, read_form
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

    from valetkey.async_vault import AsyncVault
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
MODES = ("form_post", "jwt", "query.jwt", "form_post.jwt")


def registered_for(peer: NodeOidcProvider, mode: str, *, algorithm: str = "PS256", **more: Any) -> Registration:
    signed = mode.endswith("jwt")
    client = {"authorization_signed_response_alg": algorithm} if signed else {}
    habits: dict[str, Any] = {"authorization_response_algorithms": (algorithm,)} if signed else {}
    return registered(peer, client=client, response_mode=mode, **habits, **more)


@pytest.fixture(params=MODES)
def party(
    colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider, request: Any
) -> Iterator[Party]:
    registration = registered_for(node_oidc_provider, request.param)
    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as found:
        yield found


def mode_of(party: Party) -> str:
    return str(party.settings.registration("peer").provider.server.response_mode)  # type: ignore[union-attr]


def comes_back(party: Party, location: str) -> tuple[Request, Pairs]:
    """The browser as it comes back, in a vault of another process, and what it brings."""
    if mode_of(party).startswith("form_post"):
        target, pairs = Browser().visit_posting(location)
        request = party.posted(target, pairs)
    else:
        pairs = Browser().visit(location)
        request = party.callback(pairs)
    party.vault = party.again()
    return request, pairs


def test_an_account_is_connected_whichever_way_the_answer_comes(
    party: Party, node_oidc_provider: NodeOidcProvider
) -> None:
    location = party.begin()
    request, pairs = comes_back(party, location)

    finished = party.finish(request)

    assert dict(read_form(location.partition("?")[2]))["response_mode"] == mode_of(party)
    if mode_of(party).endswith("jwt"):
        [(name, text)] = pairs
        header, claims = claims_of(text)
        assert (name, header["alg"], claims["iss"]) == ("response", "PS256", node_oidc_provider.issuer)
    assert finished.connection.state == "active"
    assert finished.connection.subject == "alice"
    assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}


def test_a_denial_is_told_without_the_providers_text_and_closes_the_flow(party: Party) -> None:
    location = f"{party.begin()}&login_hint=deny"
    request, _ = comes_back(party, location)

    with pytest.raises(AuthorizationDenied) as caught:
        party.finish(request)

    assert "<b>" not in str(caught.value)
    assert "Max-Age=0" in caught.value.set_cookies[0]


def test_an_answer_that_comes_twice_is_exchanged_once(party: Party) -> None:
    request, _ = comes_back(party, party.begin())

    assert [party.finish(request).repeated for _ in range(2)] == [False, True]
    assert party.transport.sent("authorization_code") == 1


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_answers_are_signed_with_every_algorithm_that_both_have(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path, algorithm: str
) -> None:
    registration = registered_for(node_oidc_provider, "query.jwt", algorithm=algorithm)

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        request, pairs = comes_back(party, party.begin())

        assert claims_of(dict(pairs)["response"])[0]["alg"] == algorithm
        assert party.finish(request).connection.state == "active"


def test_an_answer_that_was_touched_on_its_way_is_refused_and_the_true_one_still_connects(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    registration = registered_for(node_oidc_provider, "query.jwt")

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        true, pairs = comes_back(party, party.begin())
        header, claims, signature = dict(pairs)["response"].split(".")
        touched = base64url(base64url_decode(claims).replace(b'"code":"', b'"code":"x'))
        with pytest.raises(CallbackError) as caught:
            party.finish(party.callback((("response", f"{header}.{touched}.{signature}"),)))

        assert caught.value.reason == "jarm_signature"
        assert party.transport.sent("authorization_code") == 0
        assert party.finish(true).connection.state == "active"


def test_an_answer_for_another_client_is_refused(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    ours = registered_for(node_oidc_provider, "query.jwt")
    other = registered_for(node_oidc_provider, "query.jwt")

    with Party(colour, f"sqlite://{tmp_path}/c.db", ours) as party:
        location = party.begin().replace(
            str(ours.client.client_id),  # type: ignore[union-attr]
            str(other.client.client_id),  # type: ignore[union-attr]
        )
        request, _ = comes_back(party, location)
        with pytest.raises(CallbackError) as caught:
            party.finish(request)

    assert caught.value.reason == "jarm_audience"


def test_with_discovery_alone_the_doctor_finds_nothing_and_answers_are_signed(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    made = registered_for(node_oidc_provider, "query.jwt")
    provider = discovered_provider("oidc", issuer=node_oidc_provider.issuer, api_hosts=("127.0.0.1",))
    registration = register(
        "peer",
        replace(provider, scope=("openid", "api")),
        client_id=made.client.client_id,  # type: ignore[union-attr]
        client_secret=made.client.client_secret,  # type: ignore[union-attr]
        redirect_uri=made.redirect_uri,
        response_mode="query.jwt",
        authorization_signed_response_alg="PS256",
    )

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        location = party.begin()
        target = party.finish(party.callback(Browser().visit(location)))
        findings = party.done(party.vault.doctor()).findings

        assert target.connection.subject == "alice"
        assert [one for one in findings if one.check == "response_mode"] == []


def test_a_pushed_and_signed_request_is_answered_with_a_signed_answer(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    from valetkey.keys.jwk import make_key

    key = make_key()
    client = {
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "request_object_signing_alg": "ES256",
        "authorization_signed_response_alg": "ES256",
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
    }
    registration = registered(
        node_oidc_provider,
        key=key,
        client=client,
        signature_method="ES256",
        dpop_bound_access_tokens=True,
        token_endpoint_auth_method="private_key_jwt",
        request_object_signing_alg="ES256",
        pushed_authorization_request_endpoint=f"{node_oidc_provider.base_url}/request",
        response_mode="query.jwt",
        authorization_response_algorithms=("ES256",),
    )

    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.finish(party.callback(Browser().visit(party.begin())))

        assert claims_of(posted(party, "/request")[0]["request"])[1]["response_mode"] == "query.jwt"
        assert party.get(f"{node_oidc_provider.base_url}/me").json() == {"sub": "alice"}
        assert party.done(party.vault.introspect("peer", OWNER)).active
