"""An entry that could not be used safely is never made, and says everything that is wrong with it at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth2.peer import SERVER

from valetkey.errors import ConfigurationError
from valetkey.oauth2.server import ALIASED, OURS_AT_TOKEN, OURS_TO_AUTHORIZE, AuthorizationServer
from valetkey.value import replace

KEYS = "https://as.example/jwks"
NOBODY = replace(SERVER, issuer=None)


def problems(server: AuthorizationServer, **changed: Any) -> str:
    """What is wrong with the entry; empty where nothing is."""
    try:
        replace(server, **changed)
    except ConfigurationError as wrong:
        return str(wrong)
    return ""


@pytest.mark.parametrize(
    ("habit", "why"),
    [
        ({"iss_required": True}, "iss_required needs its issuer"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "client_secret_jwt needs the issuer"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt needs the issuer"),
        ({"jwks_uri": KEYS}, "jwks_uri needs its issuer"),
        ({"response_mode": "jwt", "discovery": "oidc"}, "response_mode jwt needs issuer"),
        ({"request_object_signing_alg": "ES256"}, "signed authorization requests need the issuer"),
        ({"response_type": "id_token token", "discovery": "oidc"}, "id_token token needs issuer"),
    ],
)
def test_what_names_or_is_compared_with_the_issuer_needs_one(habit: dict[str, Any], why: str) -> None:
    assert why in problems(NOBODY, **habit)
    assert why in problems(SERVER, **{**habit, "issuer": ""})
    assert problems(SERVER, **habit) == ""


def test_requests_are_pushed_only_to_somewhere() -> None:
    """RFC 9126 section 6."""
    why = "require_pushed_authorization_requests needs pushed_authorization_request_endpoint"
    endpoint = "https://as.example/par"

    assert why in problems(SERVER, require_pushed_authorization_requests=True)
    assert problems(SERVER, require_pushed_authorization_requests=True, discovery="oauth2") == ""
    assert (
        problems(SERVER, require_pushed_authorization_requests=True, pushed_authorization_request_endpoint=endpoint)
        == ""
    )
    assert problems(SERVER, pushed_authorization_request_endpoint=endpoint) == ""


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
def test_signed_answers_need_keys_to_verify_them(mode: Any) -> None:
    assert f"response_mode {mode} needs issuer and jwks_uri" in problems(SERVER, response_mode=mode)
    assert problems(SERVER, response_mode=mode, jwks_uri=KEYS) == ""
    assert problems(SERVER, response_mode=mode, discovery="oauth2") == ""


@pytest.mark.parametrize("name", ["id_token_algorithms", "authorization_response_algorithms"])
@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("RS256", "none"), ("RS256", "HS256"), ("es256",)])
def test_only_algorithms_that_prove_something_can_be_named(name: str, algorithms: tuple[str, ...]) -> None:
    assert f"{name}: some of ES256, PS256, RS256, and no other" in problems(SERVER, **{name: algorithms})
    assert problems(SERVER, **{name: ("ES256",)}) == ""


def test_the_implicit_grant_needs_somebody_who_knows_whose_a_token_is() -> None:
    """RFC 6749 section 10.16."""
    alone = replace(SERVER, introspection_endpoint=None)

    assert "nobody knows to whom a token was issued" in problems(alone, response_type="token")
    assert problems(SERVER, response_type="token") == ""
    assert problems(alone, response_type="token", discovery="oauth2") == ""
    assert "the id_token cannot be checked" in problems(SERVER, response_type="id_token token")
    assert problems(alone, response_type="id_token token", jwks_uri=KEYS) == ""
    assert problems(alone, response_type="id_token token", discovery="oidc") == ""


@pytest.mark.parametrize("kind", ["token", "id_token token"])
def test_the_implicit_grant_has_the_fragment_and_binds_nothing(kind: Any) -> None:
    server = replace(SERVER, jwks_uri=KEYS)

    assert problems(server, response_type=kind) == ""
    assert "comes back in the fragment" in problems(server, response_type=kind, response_mode="form_post")
    for binding in ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"):
        assert f"leave {binding} out" in problems(server, response_type=kind, **{binding: True})
        assert problems(server, **{binding: True}) == ""


@pytest.mark.parametrize("name", sorted(OURS_TO_AUTHORIZE))
def test_no_entry_sets_an_authorization_parameter_of_ours(name: str) -> None:
    why = f"authorization_parameters: {name} is set by valetkey"
    assert why in problems(SERVER, authorization_parameters=(("a", "1"), (name, "x")))


@pytest.mark.parametrize("name", sorted(OURS_AT_TOKEN))
def test_no_entry_sets_a_token_parameter_of_ours(name: str) -> None:
    assert f"token_parameters: {name} is set by valetkey" in problems(SERVER, token_parameters=((name, "x"),))


@pytest.mark.parametrize("field", ["authorization_parameters", "token_parameters"])
def test_a_parameter_stands_there_once(field: str) -> None:
    twice = problems(SERVER, **{field: (("b", "1"), ("a", "1"), ("b", "1"))})

    assert f"{field}: b stands there twice" in twice
    assert twice.count("twice") == 1
    assert problems(SERVER, **{field: (("b", "1"), ("a", "1"))}) == ""


def test_scopes_are_separated_by_something() -> None:
    assert "scope_separator" in problems(SERVER, scope_separator="")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = problems(
        NOBODY,
        iss_required=True,
        jwks_uri=KEYS,
        response_mode="jwt",
        response_type="token",
        dpop_bound_access_tokens=True,
        introspection_endpoint=None,
        id_token_algorithms=(),
        mtls_endpoint_aliases=(("jwks_uri", "https://x"),),
        scope_separator="",
        request_object_signing_alg="ES256",
        resources=("no URI",),
        authorization_details="[",
        authorization_parameters=(("state", "x"),),
        token_parameters=(("code", "x"),),
    )

    for word in (
        "iss_required", "with jwks_uri", "response_mode jwt", "fragment", "leave dpop_bound", "introspection_endpoint",
        "id_token_algorithms", "mtls_endpoint_aliases", "scope_separator", "signed authorization requests", "resource",
        "authorization_details", "authorization_parameters", "token_parameters",
    ):  # fmt: skip
        assert word in said, word


@pytest.mark.parametrize(
    ("habit", "told"),
    [
        ({}, (False, False, False, False)),
        ({"response_mode": "form_post"}, (True, False, False, False)),
        ({"response_mode": "form_post.jwt"}, (True, False, True, False)),
        ({"response_mode": "jwt"}, (False, False, True, False)),
        ({"response_type": "token"}, (False, True, False, False)),
        ({"token_endpoint_auth_method": "tls_client_auth"}, (False, False, False, True)),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth"}, (False, False, False, True)),
        ({"tls_client_certificate_bound_access_tokens": True}, (False, False, False, True)),
    ],
)
def test_an_entry_tells_how_answers_come_and_whether_a_certificate_is_used(
    habit: dict[str, Any], told: tuple[bool, ...]
) -> None:
    server = replace(SERVER, jwks_uri=KEYS, **habit)

    assert (server.posts_back, server.gives_tokens_out, server.signs_responses, server.mutual_tls) == told


@pytest.mark.parametrize("name", sorted(ALIASED))
def test_what_can_have_an_alias_is_an_endpoint_that_an_entry_has(name: str) -> None:
    assert hasattr(SERVER, name)
    assert problems(SERVER, mtls_endpoint_aliases=((name, "https://mtls.as.example/"),)) == ""
