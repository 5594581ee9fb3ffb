"""Registrations that name no client, from the environment and from files: what goes together, and what is said at start."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from valetkey.config import read_configuration
from valetkey.errors import ConfigurationError
from valetkey.keys.jwk import make_key

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.providers.client_registration import ClientRegistration
    from valetkey.providers.registration import Registration

ISSUER = "https://login.example"
SOUND = {
    "VALETKEY_KEY": f"k1:{b64encode(os.urandom(32)).decode()}",
    "VALETKEY_BASE_URL": "https://app.example/oauth",
    "VALETKEY_STORE": "memory:",
}
DYNAMIC = {"ISSUER": ISSUER, "CLIENT_REGISTRATION": "dynamic"}
DOCUMENT = {"ISSUER": ISSUER, "CLIENT_REGISTRATION": "document"}
PEM = make_key().pem.reveal()


def login(said: dict[str, str], **general: str) -> Registration:
    environ = SOUND | {f"VALETKEY_LOGIN_{name}": text for name, text in said.items()} | general
    return read_configuration(environ).registrations["login"]


def problems(said: dict[str, str], **general: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        _ = login(said, **general)
    assert "canary" not in str(caught.value)
    return caught.value.problems


def own(registration: Registration) -> ClientRegistration:
    assert registration.client_registration is not None
    return registration.client_registration


def test_an_issuer_and_one_word_are_enough() -> None:
    found = login(DYNAMIC)

    assert own(found).grant_types == ("authorization_code", "refresh_token")
    assert (found.enrolment, found.awaits_client, found.by_url, found.keeps_client) == ("dynamic", True, False, True)
    assert found.redirect_uri == "https://app.example/oauth/callback/login"


def test_a_document_is_named_by_its_url_and_is_a_public_client() -> None:
    found = login(DOCUMENT)

    assert getattr(found.client, "client_id", "") == own(found).document == "https://app.example/oauth/client/login"
    assert getattr(found.provider.server, "token_endpoint_auth_method", "") == "none"
    assert (found.enrolment, found.awaits_client, found.by_url, found.keeps_client) == ("document", False, False, False)


def test_everything_can_stand_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "valetkey.toml").write_text(
        f"""
        [registrations.login]
        issuer = "{ISSUER}"
        client_registration = "dynamic"
        initial_access_token_file = "{tmp_path}/token"
        software_statement = "canary-statement"
        grant_types = ["client_credentials"]
        """
    )
    (tmp_path / "token").write_text("canary-token\n")

    found = read_configuration(SOUND).registrations["login"]

    assert own(found).grant_types == ("client_credentials",)
    assert own(found).methods == ("client_secret_post", "client_secret_basic"), "never a public client"
    assert own(found).initial_access_token is not None
    assert own(found).initial_access_token.reveal() == "canary-token"  # type: ignore[union-attr]
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    ("grant_types", "asked"),
    [
        ("authorization_code", ("authorization_code", "refresh_token")),
        (
            "urn:ietf:params:oauth:grant-type:device_code",
            ("urn:ietf:params:oauth:grant-type:device_code", "refresh_token"),
        ),
        ("client_credentials", ("client_credentials",)),
        ("refresh_token, authorization_code", ("refresh_token", "authorization_code")),
    ],
)
def test_refresh_tokens_are_asked_for_where_connections_live_by_them(grant_types: str, asked: tuple[str, ...]) -> None:
    assert own(login(DYNAMIC | {"GRANT_TYPES": grant_types})).grant_types == asked


def test_a_password_is_among_what_is_asked_for_where_it_was_accepted() -> None:
    accepted = DYNAMIC | {"ACCEPT_PASSWORD_GRANT": "true"}

    assert own(login(accepted)).grant_types == ("authorization_code", "password", "refresh_token")
    (problem,) = problems(DYNAMIC | {"GRANT_TYPES": "password"})
    assert problem.startswith("login: VALETKEY_LOGIN_GRANT_TYPES: password is none of authorization_code")


@pytest.mark.parametrize("said", [DYNAMIC, DOCUMENT], ids=["dynamic", "document"])
def test_a_private_key_proves_who_the_client_is(said: dict[str, str]) -> None:
    found = login(said | {"PRIVATE_KEY": PEM, "SIGNATURE_METHOD": "ES256"})

    assert own(found).methods == ("private_key_jwt",)
    assert getattr(found.provider.server, "token_endpoint_auth_method", "") == "private_key_jwt"


def test_a_key_that_signs_requests_alone_leaves_the_method_to_the_server() -> None:
    signing = {"PRIVATE_KEY": PEM, "REQUEST_OBJECT_SIGNING_ALG": "ES256"}

    assert own(login(DYNAMIC | signing | {"TOKEN_ENDPOINT_AUTH_METHOD": "client_secret_basic"})).methods == (
        "client_secret_basic",
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (DYNAMIC | {"CLIENT_REGISTRATION": "automatic"}, "VALETKEY_LOGIN_CLIENT_REGISTRATION must be dynamic or document"),
        (DYNAMIC | {"CLIENT_ID": "our-id"}, "has a VALETKEY_LOGIN_CLIENT_ID and a VALETKEY_LOGIN_CLIENT_REGISTRATION"),
        (DYNAMIC | {"CLIENT_SECRET": "canary"}, "has a VALETKEY_LOGIN_CLIENT_SECRET and a"),
        (DYNAMIC | {"CLIENT_SECRET_EXPIRES": "2027-01-31"}, "leave one of the two out"),
        ({"PROVIDER": "github", "CLIENT_REGISTRATION": "dynamic"}, "needs an VALETKEY_LOGIN_ISSUER"),
        ({"PROVIDER": "trello", "CLIENT_REGISTRATION": "dynamic"}, "this provider speaks OAuth 1.0a"),
        (
            {"ISSUER": ISSUER, "CLIENT_ID": "ours", "CLIENT_SECRET": "canary", "INITIAL_ACCESS_TOKEN": "canary"},
            "CLIENT_REGISTRATION is missing, and VALETKEY_LOGIN_INITIAL_ACCESS_TOKEN belongs to it",
        ),
        (DYNAMIC | {"GRANT_TYPES": "authorization_code,magic"}, "GRANT_TYPES: magic is none of"),
        (DYNAMIC | {"PRIVATE_KEY_SIGNER": "a:b", "PRIVATE_KEY_ID": "k"}, "PRIVATE_KEY_SIGNER keeps the public key"),
        (DYNAMIC | {"TOKEN_ENDPOINT_AUTH_METHOD": "tls_client_auth"}, "needs its certificate entered at the server"),
        (
            DYNAMIC | {"RESPONSE_TYPE": "token", "ACCEPT_IMPLICIT_GRANT": "true"},
            "VALETKEY_LOGIN_RESPONSE_TYPE is code where",
        ),
        (DYNAMIC | {"GRANT_TYPES": "client_credentials", "PUBLIC_CLIENT": "true"}, "for a client that can prove who it is"),
        (DYNAMIC | {"TOKEN_ENDPOINT_AUTH_METHOD": "private_key_jwt"}, "VALETKEY_LOGIN_PRIVATE_KEY is missing"),
        (DOCUMENT | {"GRANT_TYPES": "client_credentials"}, "for a client that can prove who it is"),
        (DOCUMENT | {"TOKEN_ENDPOINT_AUTH_METHOD": "client_secret_basic"}, "a document holds no secret"),
        (DOCUMENT | {"INITIAL_ACCESS_TOKEN": "canary"}, "VALETKEY_LOGIN_INITIAL_ACCESS_TOKEN is sent to nobody"),
        (DOCUMENT | {"SOFTWARE_STATEMENT": "canary"}, "VALETKEY_LOGIN_SOFTWARE_STATEMENT is sent to nobody"),
        ({"CLIENT_REGISTRATION": "dynamic", "PROVIDER": "oidc"}, "VALETKEY_LOGIN_ISSUER is missing"),
        (DYNAMIC | {"INITIAL_ACCESS_TOKEN": "canary", "INITIAL_ACCESS_TOKEN_FILE": "/canary"}, "it is given twice"),
        (DYNAMIC | {"SOFTWARE_STATEMENT_FILE": "/nowhere"}, "SOFTWARE_STATEMENT_FILE: the file it names cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_start(said: dict[str, str], told: str) -> None:
    assert told in "\n".join(problems(said))


@pytest.mark.parametrize(
    "base_url", ["http://localhost:8300/oauth", "https://localhost:8300/oauth", "https://127.0.0.1/x"]
)
def test_a_document_that_nobody_can_read_is_refused(base_url: str) -> None:
    (problem,) = problems(DOCUMENT, VALETKEY_BASE_URL=base_url)

    assert "needs our pages under https, and not on this machine alone" in problem


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = DYNAMIC | {"CLIENT_ID": "x", "GRANT_TYPES": "magic", "TOKEN_ENDPOINT_AUTH_METHOD": "tls_client_auth"}

    found = problems(said)

    assert len(found) >= 3
    assert not any("client_secret" in problem.lower() for problem in found), "what is not wanted is not missed"


def test_a_missing_base_url_is_said_once() -> None:
    environ = SOUND | {f"VALETKEY_LOGIN_{name}": text for name, text in DOCUMENT.items()}
    del environ["VALETKEY_BASE_URL"]

    with pytest.raises(ConfigurationError) as caught:
        _ = read_configuration(environ)

    assert len(caught.value.problems) == 1


def test_a_slip_of_the_pen_is_a_problem() -> None:
    (problem,) = problems(DYNAMIC | {"CLIENT_REGISTRATIONS": "dynamic"})

    assert "did you mean VALETKEY_LOGIN_CLIENT_REGISTRATION?" in problem


def test_without_that_word_a_client_id_is_missed_as_before() -> None:
    (problem,) = problems({"ISSUER": ISSUER})

    assert problem.startswith("VALETKEY_LOGIN_CLIENT_ID is missing")


def test_a_tenant_that_anybody_may_name_has_no_client_made_for_it() -> None:
    from valetkey.providers.discovered import discovered_provider
    from valetkey.providers.registration import register

    for way in ("dynamic", "document"):
        with pytest.raises(ConfigurationError, match="not for providers with tenants"):
            _ = register(
                "login:acme",
                discovered_provider("oidc", issuer=ISSUER),
                client_registration=way,
                redirect_uri="https://app.example/oauth/callback/login:acme",
            )


def test_a_document_in_code_needs_the_redirect_uri_of_our_pages() -> None:
    from valetkey.providers.discovered import discovered_provider
    from valetkey.providers.registration import register

    provider: Any = discovered_provider("oidc", issuer=ISSUER)
    with pytest.raises(ConfigurationError, match="ends in /callback/login"):
        _ = register("login", provider, client_registration="document", redirect_uri="https://app.example/back")
