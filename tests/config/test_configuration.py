"""The environment and valetkey.toml become values, or one error that says everything."""

from __future__ import annotations

import os

import pytest

from valetkey.config import Configuration, read_configuration, settings
from valetkey.errors import ConfigurationError
from valetkey.keys.local import generate_key
from valetkey.oauth1.credentials import ClientCredentials, Server
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import AuthorizationServer
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-3f9c1e7a"
KEY = generate_key(os.urandom, key_id="k1")
SOUND = {
    "VALETKEY_STORE": "sqlite:///tmp/valetkey.db",
    "VALETKEY_KEY": KEY,
    "VALETKEY_BASE_URL": "https://app.example/oauth/",
    "VALETKEY_GITHUB_CLIENT_ID": "Iv1.abc",
    "VALETKEY_GITHUB_CLIENT_SECRET": f"{CANARY}-secret",
}
X_OAUTH1 = {"VALETKEY_X_OAUTH1_CLIENT_ID": "id", "VALETKEY_X_OAUTH1_CLIENT_SECRET": CANARY}
PEM = "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def _an_empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems_of(environ: dict[str, str], file: str | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(environ, file)
    assert CANARY not in str(caught.value)
    assert KEY.partition(":")[2] not in str(caught.value)
    return caught.value.problems


def without(*names: str, **changes: str) -> dict[str, str]:
    return {name: text for name, text in (SOUND | changes).items() if name not in names}


def test_five_variables_are_a_deployment() -> None:
    configuration = read_configuration(SOUND)

    github = configuration.registrations["github"]
    assert isinstance(github.client, Client)
    assert (github.client.client_id, github.client.client_secret) == ("Iv1.abc", Secret(f"{CANARY}-secret"))
    assert github.redirect_uri == github.client.redirect_uri == "https://app.example/oauth/callback/github"
    assert configuration.base_url == "https://app.example/oauth"
    assert configuration.key.reveal() == KEY
    assert CANARY not in repr(configuration)


def test_settings_are_what_the_programs_need() -> None:
    configured = settings(
        read_configuration(
            SOUND
            | {
                "VALETKEY_APPLICATION": "Notes",
                "VALETKEY_ENVIRONMENT": "staging",
                "VALETKEY_RETURN_TO": "/reports",
                "VALETKEY_RETURN_HOSTS": "www.app.example, help.app.example",
                "VALETKEY_COMPLETION_URL": "https://app.example/finish",
            }
        )
    )

    assert (configured.application, configured.environment, configured.return_to) == ("Notes", "staging", "/reports")
    assert configured.return_hosts == ("www.app.example", "help.app.example")
    assert configured.completion_url == "https://app.example/finish"
    assert configured.registration("github").scope == ()


def test_everything_that_is_wrong_is_said_at_once_and_by_the_name_of_its_variable() -> None:
    problems = problems_of(
        {
            "VALETKEY_STORE": "memory:",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "VALETKEY_BASE_URL": "http://app.example/oauth",
            "VALETKEY_ENVIRONMENT": "Staging Two",
            "VALETKEY_RETURN_TO": "//evil.example",
            "VALETKEY_GITHUB_CLIENT_ID": "id",
            "VALETKEY_GITHUB_CLIENT_SECERT": f"{CANARY}",
            "VALETKEY_TRELLO_CLIENT_SECRET": CANARY,
            "VALETKEY_TRELLO_PROVIDER": "trelo",
        }
    )

    beginnings = [problem.split()[0].rstrip(":") for problem in problems]
    assert sorted(beginnings) == sorted(
        [
            "VALETKEY_STORE",
            "VALETKEY_KEY",
            "VALETKEY_BASE_URL",
            "VALETKEY_ENVIRONMENT",
            "VALETKEY_RETURN_TO",
            "github",
            "VALETKEY_GITHUB_CLIENT_SECERT",
            "VALETKEY_TRELLO_CLIENT_ID",
            "VALETKEY_TRELLO_PROVIDER",
        ]
    )


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (without("VALETKEY_STORE"), "VALETKEY_STORE is missing"),
        (without("VALETKEY_KEY"), "VALETKEY_KEY is missing: the sealing key; make one with: valetkey keys generate"),
        (without("VALETKEY_BASE_URL"), "VALETKEY_BASE_URL is missing"),
        (without(VALETKEY_KEY=CANARY), "VALETKEY_KEY: key 1 has no key id"),
        (without("VALETKEY_KEY") | {"VALETKEY_KEY_FILE": "/nowhere"}, "file:/nowhere: cannot be read"),
        (without("VALETKEY_GITHUB_CLIENT_SECRET"), "github: VALETKEY_GITHUB_CLIENT_SECRET is missing"),
        (without("VALETKEY_GITHUB_CLIENT_ID"), "VALETKEY_GITHUB_CLIENT_ID is missing"),
        (
            without("VALETKEY_GITHUB_CLIENT_ID", "VALETKEY_GITHUB_CLIENT_SECRET"),
            "no registration is configured",
        ),
        (without(VALETKEY_STORE=""), "VALETKEY_STORE: it is empty"),
        (without(VALETKEY_GITHUB_CLIENT_ID=""), "VALETKEY_GITHUB_CLIENT_ID: it is empty"),
        (without(VALETKEY_GITHUB_CLIENT_SECRET=f"{CANARY}\n"), "VALETKEY_GITHUB_CLIENT_SECRET: it begins or ends"),
        (without(VALETKEY_KEY_FILE="/run/key"), "VALETKEY_KEY: it is given twice"),
        (without(VALETKEY_GITHUB_CLIENT_SECRET_FILE="/none"), "VALETKEY_GITHUB_CLIENT_SECRET: it is given twice"),
        (without(VALETKEY_BASE_URL="app.example"), "VALETKEY_BASE_URL: a URL starts with https://"),
        (without(VALETKEY_BASE_URL="http://app.example"), "VALETKEY_BASE_URL: it must start with https://"),
        (without(VALETKEY_BASE_URL="https://app.example/?a=b"), "VALETKEY_BASE_URL: it must not have a query"),
        (without(VALETKEY_BASE_URL="https://app.example/#a"), "VALETKEY_BASE_URL: a URL that is requested has no"),
        (without(VALETKEY_BASE_URL="https://a@app.example/"), "VALETKEY_BASE_URL: a URL with a user name"),
        (without(VALETKEY_BASE_URL="https://app.example/a/../b"), "VALETKEY_BASE_URL: its path"),
        (without(VALETKEY_BASE_URL="http://localhost.evil.example"), "VALETKEY_BASE_URL: it must start with https://"),
        (without(VALETKEY_RETURN_HOSTS="*.app.example"), "VALETKEY_RETURN_HOSTS: it is a list of host names"),
        (without(VALETKEY_COMPLETION_URL="http://app.example/"), "VALETKEY_COMPLETION_URL: it must start with https"),
        (without(VALETKEY_GITHUB_PROVIDER="githup"), "VALETKEY_GITHUB_PROVIDER: no provider is called 'githup'"),
        (without(VALETKEY_GITHUB_PUBLIC_CLIENT="yes"), "VALETKEY_GITHUB_PUBLIC_CLIENT: it must be true or false"),
        (without(VALETKEY_GITHUB_PUBLIC_CLIENT="true"), "VALETKEY_GITHUB_PUBLIC_CLIENT is true: leave one"),
        (without(VALETKEY_GITHUB_SIGNATURE_METHOD="HMAC-SHA1"), "VALETKEY_GITHUB_SIGNATURE_METHOD of OAuth 2.0 must"),
        (without(VALETKEY_GITHUB_AUTHORIZATION_PARAMETERS="%"), "VALETKEY_GITHUB_AUTHORIZATION_PARAMETERS: it must"),
        (without(VALETKEY_GITHUB_BASE_URL="https://x.example"), "this provider has no base URL to choose"),
        (without(VALETKEY_GITHUB_PRIVATE_KEY=CANARY), "VALETKEY_GITHUB_PRIVATE_KEY: it must be a private key in PEM"),
        (without(VALETKEY_BASEURL="x"), "VALETKEY_BASEURL is not a known variable; did you mean VALETKEY_BASE_URL?"),
        (without(VALETKEY_GITHUB_SCOPES="a"), "VALETKEY_GITHUB_SCOPES is not a known variable; did you mean"),
        (without(VALETKEY_CONFIG="none.toml"), "none.toml: there is no such file"),
        (without(VALETKEY_CONFIG="."), ".: it cannot be read as UTF-8 text"),
        (without(VALETKEY_PROVIDERS_DIR="/nowhere", VALETKEY_GITHUB_PROVIDER="mine"), "directory of providers cannot"),
        (without(VALETKEY_X_OAUTH1_SIGNATURE_METHOD="MD5", **X_OAUTH1), "VALETKEY_X_OAUTH1_SIGNATURE_METHOD must be"),
    ],
)
def test_a_mistake_in_the_environment_is_named(environ: dict[str, str], expected: str) -> None:
    problems = problems_of(environ)

    assert any(expected in problem for problem in problems), problems


def test_one_mistake_is_one_problem() -> None:
    assert len(problems_of(without("VALETKEY_GITHUB_CLIENT_SECRET"))) == 1
    assert len(problems_of(without(VALETKEY_BASE_URL=" https://app.example"))) == 1


def test_variables_of_other_things_are_left_alone() -> None:
    read_configuration(SOUND | {"VALETKEY_NOTHING_SKIPPED": "1", "HOME": "/", "VALETKEYS": "x"})


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8300/oauth", "http://[::1]:1/"])
def test_http_is_for_localhost(url: str) -> None:
    assert read_configuration(SOUND | {"VALETKEY_BASE_URL": url}).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_LAMBDA_FUNCTION_NAME",
        "K_SERVICE",
        "FUNCTION_TARGET",
        "FUNCTIONS_WORKER_RUNTIME",
        "WEBSITE_INSTANCE_ID",
        "VERCEL",
    ],
)
@pytest.mark.parametrize(
    "store", ["memory:", "memory://", "sqlite:///tmp/a.db", "sqlite:///tmp/a.db?ephemeral=no", "memory:?%"]
)
def test_a_store_that_is_lost_with_the_instance_is_refused_on_a_serverless_platform(variable: str, store: str) -> None:
    environ = SOUND | {variable: "1", "VALETKEY_STORE": store}

    problem = problems_of(environ)[-1]

    assert problem.startswith("VALETKEY_STORE: on ")
    assert "?ephemeral=accepted" in problem


def test_it_may_be_accepted_with_a_word_in_the_url_and_shared_stores_need_none() -> None:
    lambda_ = SOUND | {"AWS_LAMBDA_FUNCTION_NAME": "f"}

    accepted = read_configuration(lambda_ | {"VALETKEY_STORE": "sqlite:///tmp/a.db?ephemeral=accepted"})
    read_configuration(lambda_ | {"VALETKEY_STORE": "dynamodb://table", "AWS_REGION": "eu-west-1"})

    assert accepted.platform == "AWS Lambda"


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    environ = without("VALETKEY_KEY", "VALETKEY_GITHUB_CLIENT_SECRET")
    (tmp_path / "key").write_text(f"# made for a test\n{KEY}\n")
    environ |= {
        "VALETKEY_KEY_FILE": str(tmp_path / "key"),
        "VALETKEY_GITHUB_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
    }

    configuration = read_configuration(environ)

    client = configuration.registrations["github"].client
    assert isinstance(client, Client)
    assert client.client_secret is not None
    assert client.client_secret.reveal() == "s3cret"
    assert configuration.key.reveal() == f"file:{tmp_path / 'key'}"


def test_a_secret_file_that_is_not_there_is_one_problem() -> None:
    environ = without("VALETKEY_GITHUB_CLIENT_SECRET") | {"VALETKEY_GITHUB_CLIENT_SECRET_FILE": "/nowhere/at/all"}

    (problem,) = problems_of(environ)

    assert problem.startswith("VALETKEY_GITHUB_CLIENT_SECRET_FILE: ")


def test_an_empty_secret_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    environ = without("VALETKEY_GITHUB_CLIENT_SECRET", VALETKEY_GITHUB_CLIENT_SECRET_FILE=str(tmp_path / "secret"))

    assert "VALETKEY_GITHUB_CLIENT_SECRET_FILE: the file it names is empty" in problems_of(environ)


def test_an_oauth1_registration_may_sign_with_a_private_key() -> None:
    environ = SOUND | {
        "VALETKEY_OUR_WIKI_PROVIDER": "mediawiki",
        "VALETKEY_OUR_WIKI_BASE_URL": "https://wiki.example.org",
        "VALETKEY_OUR_WIKI_CLIENT_ID": "key",
        "VALETKEY_OUR_WIKI_SIGNATURE_METHOD": "RSA-SHA1",
        "VALETKEY_OUR_WIKI_PRIVATE_KEY": PEM,
    }

    wiki = read_configuration(environ).registrations["our-wiki"]

    assert isinstance(wiki.client, ClientCredentials)
    assert isinstance(wiki.provider.server, Server)
    assert wiki.provider.server.signature_method == "RSA-SHA1"
    assert wiki.client.private_key is not None
    assert wiki.client.private_key.pem.reveal() == PEM.replace("\\n", "\n") + "\n"
    assert wiki.provider.api_hosts == ("wiki.example.org",)
    assert wiki.redirect_uri.endswith("/callback/our-wiki")


def test_rsa_without_a_key_names_the_variable() -> None:
    environ = SOUND | {"VALETKEY_X_OAUTH1_CLIENT_ID": "id", "VALETKEY_X_OAUTH1_SIGNATURE_METHOD": "RSA-SHA256"}

    (problem,) = problems_of(environ)

    assert "VALETKEY_X_OAUTH1_PRIVATE_KEY is missing" in problem


def test_the_sandboxes_have_one_base_url_for_both() -> None:
    environ = SOUND | {
        "VALETKEY_SANDBOX_BASE_URL": "http://127.0.0.1:9400",
        "VALETKEY_SANDBOX_OAUTH1_CLIENT_ID": "one",
        "VALETKEY_SANDBOX_OAUTH1_CLIENT_SECRET": "secret",
        "VALETKEY_SANDBOX_CLIENT_ID": "two",
        "VALETKEY_SANDBOX_CLIENT_SECRET": "secret",
        "VALETKEY_SANDBOX_PROVIDER": "sandbox-oauth2",
    }

    found = read_configuration(environ).registrations

    assert found["sandbox-oauth1"].provider.server.token_endpoint == "http://127.0.0.1:9400/oauth1/token"
    assert found["sandbox"].provider.server.token_endpoint == "http://127.0.0.1:9400/oauth2/token"


def toml(tmp_path: Path, text: str) -> str:
    (tmp_path / "key").write_text(KEY)
    path = tmp_path / "valetkey.toml"
    path.write_text(text)
    return str(path)


FILE = """
store = "sqlite:///from-the-file.db"
base_url = "https://app.example"
key_file = "key"
return_hosts = ["www.app.example"]

[registrations.trello]
client_id = "key"
client_secret = "from-the-file"
scope = ["read", "write"]
authorization_parameters = { expiration = "1day" }

[registrations.ours]
client_id = "id"
public_client = true

[providers.ours]
title = "Ours"
protocol = "oauth2"
source = "https://docs.example.com"
verified_on = "2026-11-22"
tried = "never"
api_hosts = ["api.example.com"]
server = { authorization_endpoint = "https://example.com/a", token_endpoint = "https://example.com/t" }
rotation = { kind = "stable" }
"""


def from_file(tmp_path: Path, environ: dict[str, str]) -> Configuration:
    toml(tmp_path, FILE)
    return read_configuration(environ)


def test_the_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    configuration = from_file(tmp_path, {})

    trello, ours = configuration.registrations["trello"], configuration.registrations["ours"]
    assert trello.scope == ("read", "write")
    assert dict(trello.provider.server.authorization_parameters) == {
        "expiration": "1day",
        "scope": "read,write",
    }
    assert isinstance(ours.provider.server, AuthorizationServer)
    assert ours.provider.server.token_endpoint_auth_method == "none"
    assert configuration.return_hosts == ("www.app.example",)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    configuration = from_file(
        tmp_path, {"VALETKEY_STORE": "sqlite:///from-the-environment.db", "VALETKEY_TRELLO_SCOPE": "read"}
    )

    assert configuration.store.reveal() == "sqlite:///from-the-environment.db"
    assert configuration.registrations["trello"].scope == ("read",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("store =", "stores =", "valetkey.toml: stores is not a known key; did you mean store?"),
        ('"sqlite:///from-the-file.db"', "3", "valetkey.toml: store: it must be a text"),
        ('client_id = "key"\nclient_secret', 'client_id = "key"\nclient_secert', "registrations.trello.client_secert"),
        ("public_client = true", "public_client = 1", "registrations.ours.public_client: it must be true or false"),
        ('"https://example.com/t"', '"http://example.com/t"', "providers.ours: server: token_endpoint"),
        ('scope = ["read", "write"]', "scope = [1]", "registrations.trello.scope: it must be a list of texts"),
        ("[registrations.trello]", "[registrations.Trello]", "'Trello': a registration is named with"),
        ("store =", "store", "not TOML"),
        ('{ expiration = "1day" }', "{ expiration = 1 }", "registrations.trello.authorization_parameters: it must"),
        ('{ expiration = "1day" }', '""', "registrations.trello.authorization_parameters: it must be written like"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in FILE
    toml(tmp_path, FILE.replace(old, new, 1))

    problems = problems_of({})

    assert any(expected in problem for problem in problems), problems


def test_registrations_that_are_not_tables_are_a_problem(tmp_path: Path) -> None:
    toml(tmp_path, 'registrations = "github"')

    assert "valetkey.toml: registrations: it must hold tables, one for each name" in problems_of(SOUND)


def test_a_directory_of_providers_is_used(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\n' + FILE.partition("[providers.ours]\n")[2].replace("Ours", "Mine")
    )
    environ = SOUND | {
        "VALETKEY_PROVIDERS_DIR": str(tmp_path),
        "VALETKEY_MINE_CLIENT_ID": "id",
        "VALETKEY_MINE_CLIENT_SECRET": "secret",
    }

    assert read_configuration(environ).registrations["mine"].provider.title == "Mine"


def _pkcs12_file(directory: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

    key = rsa.generate_private_key(65537, 2048)
    path = directory / "key.p12"
    path.write_bytes(serialize_key_and_certificates(b"k", key, None, None, BestAvailableEncryption(b"p12-password")))
    return str(path)


WIKI = {
    "VALETKEY_WIKI_PROVIDER": "mediawiki",
    "VALETKEY_WIKI_CLIENT_ID": "key",
    "VALETKEY_WIKI_SIGNATURE_METHOD": "RSA-SHA256",
}


def test_a_private_key_may_come_from_a_pkcs12_file(tmp_path: Path) -> None:
    from valetkey.keys.signer import LocalSigner

    environ = {
        **SOUND,
        **WIKI,
        "VALETKEY_WIKI_PRIVATE_KEY_PKCS12_FILE": _pkcs12_file(tmp_path),
        "VALETKEY_WIKI_PRIVATE_KEY_PASSWORD": "p12-password",
    }

    client = read_configuration(environ).registrations["wiki"].client

    assert isinstance(client, ClientCredentials)
    assert client.private_key is not None
    assert len(LocalSigner().sign_here(client.private_key, "RS256", b"message")) == 256


def test_a_private_key_may_be_a_function_that_is_imported_when_it_is_used() -> None:
    environ = {**SOUND, **WIKI, "VALETKEY_WIKI_PRIVATE_KEY_SIGNER": "base64:b64encode"}

    client = read_configuration(environ).registrations["wiki"].client

    assert isinstance(client, ClientCredentials)
    assert client.private_key is not None
    assert client.private_key.signer is not None
    with pytest.raises(TypeError):  # b64encode takes something else: it was called
        _ = client.private_key.signer("RS256", b"message")


def test_a_private_key_that_is_given_twice_is_a_problem(tmp_path: Path) -> None:
    environ = {
        **SOUND,
        **WIKI,
        "VALETKEY_WIKI_PRIVATE_KEY_SIGNER": "a:b",
        "VALETKEY_WIKI_PRIVATE_KEY_PKCS12_FILE": str(tmp_path / "missing.p12"),
    }

    assert "the key is given 2 times" in problems_of(environ)[0]


def test_a_pkcs12_file_that_is_not_there_is_a_problem() -> None:
    (problem,) = problems_of({**SOUND, **WIKI, "VALETKEY_WIKI_PRIVATE_KEY_PKCS12_FILE": "missing.p12"})

    assert "cannot be read" in problem


def test_xauth_is_accepted_by_a_word_of_its_own() -> None:
    environ = {**SOUND, **X_OAUTH1, "VALETKEY_X_OAUTH1_ACCEPT_XAUTH": "true"}

    assert read_configuration(environ).registrations["x-oauth1"].accept_xauth


def test_the_password_grant_is_accepted_by_a_word_of_its_own() -> None:
    accepted = {**SOUND, "VALETKEY_GITHUB_ACCEPT_PASSWORD_GRANT": "true"}

    assert read_configuration(accepted).registrations["github"].accept_password_grant
    assert not read_configuration(SOUND).registrations["github"].accept_password_grant
    assert "true or false" in problems_of({**SOUND, "VALETKEY_GITHUB_ACCEPT_PASSWORD_GRANT": "yes"})[0]


IMPLICIT = {
    "VALETKEY_LOGIN_CLIENT_ID": "me",
    "VALETKEY_LOGIN_CLIENT_SECRET": "canary-client-secret",
    "VALETKEY_LOGIN_ISSUER": "https://as.example",
    "VALETKEY_LOGIN_RESPONSE_TYPE": "id_token token",
}


def test_tokens_in_addresses_are_accepted_by_a_word_of_their_own() -> None:
    (problem,) = problems_of({**SOUND, **IMPLICIT})
    assert "9700 section 2.1.2" in problem
    assert "VALETKEY_LOGIN_ACCEPT_IMPLICIT_GRANT" in problem

    found = read_configuration({**SOUND, **IMPLICIT, "VALETKEY_LOGIN_ACCEPT_IMPLICIT_GRANT": "true"})

    assert found.registrations["login"].takes_fragments


ISSUER = {"VALETKEY_LOGIN_CLIENT_ID": "me", "VALETKEY_LOGIN_CLIENT_SECRET": "canary-client-secret"}


def test_an_issuer_is_all_that_has_to_be_known_of_an_openid_provider() -> None:
    found = read_configuration({**SOUND, **ISSUER, "VALETKEY_LOGIN_ISSUER": "https://as.example/tenant"})

    login = found.registrations["login"]
    assert (login.scope, login.provider.api_hosts) == (("openid",), ("as.example",))
    assert getattr(login.provider.server, "discovery", "") == "oidc"


def test_hosts_of_an_issuers_api_are_named() -> None:
    environ = {
        **SOUND,
        **ISSUER,
        "VALETKEY_LOGIN_PROVIDER": "oauth2-discovery",
        "VALETKEY_LOGIN_ISSUER": "https://as.example",
        "VALETKEY_LOGIN_API_HOSTS": "api.example, *.api.example",
    }

    login = read_configuration(environ).registrations["login"]

    assert login.provider.api_hosts == ("api.example", "*.api.example")
    assert getattr(login.provider.server, "discovery", "") == "oauth2"


def test_the_last_day_of_a_secret_is_a_date() -> None:
    found = read_configuration({**SOUND, "VALETKEY_GITHUB_CLIENT_SECRET_EXPIRES": "2027-01-31"})

    assert found.registrations["github"].client_secret_expires == "2027-01-31"
    assert problems_of({**SOUND, "VALETKEY_GITHUB_CLIENT_SECRET_EXPIRES": "soon"}) == (
        "github: VALETKEY_GITHUB_CLIENT_SECRET_EXPIRES must be a date such as 2027-01-31",
    )


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"VALETKEY_LOGIN_PROVIDER": "oidc"}, "VALETKEY_LOGIN_ISSUER is missing"),
        ({"VALETKEY_LOGIN_ISSUER": "http://as.example"}, "VALETKEY_LOGIN_ISSUER: it must start with https://"),
        ({"VALETKEY_LOGIN_ISSUER": "https://as.example?a=b"}, "VALETKEY_LOGIN_ISSUER: an issuer has no query"),
        ({"VALETKEY_LOGIN_ISSUER": "file:///etc/passwd"}, "VALETKEY_LOGIN_ISSUER"),
        ({"VALETKEY_LOGIN_ISSUER": "https://as.example", "VALETKEY_LOGIN_API_HOSTS": "*"}, "not a host"),
        (
            {"VALETKEY_LOGIN_ISSUER": "https://as.example", "VALETKEY_LOGIN_PROVIDER": "github"},
            "belongs to the providers oidc and oauth2-discovery",
        ),
    ],
)
def test_an_issuer_that_cannot_be_used_is_named(more: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration({**SOUND, **ISSUER, **more})

    assert any(named in problem for problem in caught.value.problems), caught.value.problems


def test_traces_go_to_the_log_or_into_a_folder() -> None:
    assert read_configuration(SOUND).trace == ""
    assert read_configuration({**SOUND, "VALETKEY_TRACE": "log"}).trace == "log"
    assert read_configuration({**SOUND, "VALETKEY_TRACE": "/var/tmp/traces"}).trace == "/var/tmp/traces"


@pytest.mark.parametrize("word", ["LOG", "true", "1", "stderr", "On", "-"])
def test_a_word_that_is_meant_as_a_switch_makes_no_folder_for_traces(word: str) -> None:
    (problem,) = problems_of({**SOUND, "VALETKEY_TRACE": word})

    assert problem == "VALETKEY_TRACE: write log, or a folder such as ./traces"


def test_a_folder_for_traces_is_refused_where_it_would_be_lost() -> None:
    (problem,) = problems_of(
        {
            **SOUND,
            "VALETKEY_STORE": "sqlite:///tmp/v.db?ephemeral=accepted",
            "VALETKEY_TRACE": "/tmp/traces",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
        }
    )

    assert problem == "VALETKEY_TRACE: a folder is lost on AWS Lambda: write log, and keep the function's log"
