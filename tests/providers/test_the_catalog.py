"""Every entry of the catalog, and what makes an entry refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback
from valetkey.oauth1.authorize import authorization_url as oauth1_authorization_url
from valetkey.oauth1.credentials import ClientCredentials, Server, TemporaryCredentials
from valetkey.oauth2.authorization import authorization_url as oauth2_authorization_url
from valetkey.oauth2.client import Client
from valetkey.oauth2.pkce import code_challenge
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers import schema
from valetkey.providers.catalog import load_provider, provider_names, read_provider
from valetkey.providers.provider import ROTATION_KINDS
from valetkey.providers.registration import Registration, register
from valetkey.secret import Secret

NAMES = provider_names()
OAUTH1_NAMES = [name for name in NAMES if load_provider(name).protocol == "oauth1"]
OAUTH2_NAMES = [name for name in NAMES if load_provider(name).protocol == "oauth2"]


def registered(name: str) -> Registration:
    provider = load_provider(name)
    provider = provider.for_tenant("acme") if provider.for_tenant is not None else provider
    keyed = str(getattr(provider.server, "signature_method", "")).startswith("RSA-")
    return register(
        name,
        provider,
        client_id="an-identifier",
        client_secret=None if keyed else Secret("a-secret"),
        private_key=PrivateKey(Secret("a-private-key")) if keyed else None,
        redirect_uri=f"https://app.example/oauth/callback/{name}",
        application="Notes",
        accept_missing_verifier=not getattr(provider.server, "verifier_required", True),
    )


def sound() -> dict[str, object]:
    return {
        "name": "example",
        "title": "Example",
        "protocol": "oauth2",
        "source": "https://docs.example.com/oauth",
        "verified_on": "2026-11-22",
        "tried": "never",
        "api_hosts": ["api.example.com"],
        "server": {
            "authorization_endpoint": "https://example.com/authorize",
            "token_endpoint": "https://example.com/token",
        },
        "rotation": {"kind": "strict"},
    }


def problems_of(table: dict[str, object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_provider(table, name="example", where="example.toml")
    return "\n".join(caught.value.problems)


def test_the_catalog_has_the_promised_entries() -> None:
    assert {"github", "google", "trello", "x", "mediawiki", "sandbox-oauth1", "sandbox-oauth2"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_says_where_its_facts_are_from_and_whether_anybody_tried_them(name: str) -> None:
    provider = load_provider(name)

    assert provider.name == name
    assert provider.source.startswith("https://")
    assert schema.is_date(provider.verified_on)
    assert provider.tried == "never" or schema.is_date(provider.tried)
    assert provider.rotation.kind in ROTATION_KINDS
    assert provider.api_hosts
    assert 0 < provider.code_lifetime <= 600


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_uses_https_unless_it_is_a_sandbox_on_loopback(name: str) -> None:
    provider = load_provider(name)
    fields = [getattr(provider.server, field) for field in provider.server.__match_args__ if "endpoint" in field]
    endpoints = [url for url in fields if isinstance(url, str) and "://" in url]

    elsewhere = getattr(provider.server, "client_only", False) or getattr(provider.server, "discovery", "")
    assert len(endpoints) >= (0 if elsewhere else 2)
    for endpoint in endpoints:
        url = urlsplit(endpoint)
        assert url.scheme == "https" or (provider.loopback_allowed and is_loopback(url.hostname or ""))


@pytest.mark.parametrize("name", OAUTH2_NAMES)
def test_an_authorization_url_carries_state_and_a_code_challenge(name: str) -> None:
    registration = registered(name)
    server, client = registration.provider.server, registration.client
    assert isinstance(server, AuthorizationServer)
    assert isinstance(client, Client)

    challenge = code_challenge("a" * 43) if server.pkce == "S256" else None
    url = oauth2_authorization_url(
        server, client, state="the-state", scope=registration.scope, code_challenge=challenge
    )

    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query["state"] == ["the-state"]
    assert query["response_type"] == ["code"]
    assert query["redirect_uri"] == [f"https://app.example/oauth/callback/{name}"]
    if server.pkce == "S256":
        assert query["code_challenge"] == [challenge]
        assert query["code_challenge_method"] == ["S256"]
    else:
        assert schema.is_date(registration.provider.pkce_note[:10])
    assert "a-secret" not in url


WITH_PAGES = [name for name in OAUTH1_NAMES if not getattr(load_provider(name).server, "client_only", False)]


@pytest.mark.parametrize("name", WITH_PAGES)
def test_an_authorization_url_carries_the_temporary_credentials_and_no_secret(name: str) -> None:
    registration = registered(name)
    server = registration.provider.server
    assert isinstance(server, Server)
    assert isinstance(registration.client, ClientCredentials)

    url = oauth1_authorization_url(server, TemporaryCredentials("the-identifier", Secret("temporary-secret")))

    named = server.authorization_token_parameter
    assert parse_qs(urlsplit(url).query, strict_parsing=True)[named] == ["the-identifier"]
    assert "secret" not in url


def test_habits_of_oauth1_that_are_anybodys_own_are_words_of_the_catalog() -> None:
    etrade, tripit, mastercard = (registered(name).provider.server for name in ("etrade", "tripit", "mastercard"))
    assert isinstance(etrade, Server)
    assert isinstance(tripit, Server)
    assert isinstance(mastercard, Server)

    url = oauth1_authorization_url(etrade, TemporaryCredentials("t", Secret("s")))
    assert url == "https://us.etrade.com/e/t/etws/authorize?key=an-identifier&token=t"
    assert (etrade.callback_out_of_band, etrade.endpoint_method, etrade.renewal_keeps_token) == (True, "GET", True)
    url = oauth1_authorization_url(tripit, TemporaryCredentials("t", Secret("s")), callback="https://app.example/c")
    assert parse_qs(urlsplit(url).query) == {"oauth_token": ["t"], "oauth_callback": ["https://app.example/c"]}
    assert (mastercard.client_only, mastercard.parameter_encoding) == (True, "unencoded")


def test_what_oauth1_has_no_word_for_goes_under_the_providers_own() -> None:
    trello, wiki = registered("trello").provider.server, registered("mediawiki").provider.server

    assert dict(trello.authorization_parameters) == {"expiration": "never", "name": "Notes", "scope": "read"}
    assert dict(wiki.authorization_parameters) == {"oauth_consumer_key": "an-identifier"}


def test_a_registration_may_replace_a_parameter_of_the_provider() -> None:
    registration = register(
        "trello",
        load_provider("trello"),
        client_id="key",
        client_secret=Secret("secret"),
        redirect_uri="https://app.example/callback/trello",
        scope=("read", "write"),
        authorization_parameters=(("expiration", "1day"),),
    )

    assert dict(registration.provider.server.authorization_parameters) == {"expiration": "1day", "scope": "read,write"}


def test_every_reason_why_a_registration_cannot_work_is_given_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        register("Not A Name", load_provider("github"), client_id="", redirect_uri="", signature_method="HMAC-SHA1")

    assert len(caught.value.problems) == 4


def test_a_provider_without_verifier_needs_a_loud_word_in_the_registration() -> None:
    table = sound() | {"protocol": "oauth1"}
    table["server"] = {
        "temporary_credentials_endpoint": "https://example.com/initiate",
        "authorization_endpoint": "https://example.com/authorize",
        "token_endpoint": "https://example.com/token",
        "verifier_required": False,
    }
    provider = read_provider(table)
    secret = Secret("secret")

    with pytest.raises(ConfigurationError, match="accept_missing_verifier"):
        register("example", provider, client_id="id", client_secret=secret, redirect_uri="https://a.example/")
    register(
        "example",
        provider,
        client_id="id",
        client_secret=secret,
        redirect_uri="https://a.example/",
        accept_missing_verifier=True,
    )


def test_a_base_url_of_ones_own_takes_the_credentials_to_that_host_only() -> None:
    wiki = load_provider("mediawiki", base_url="https://wiki.example.org/")

    assert wiki.api_hosts == ("wiki.example.org",)
    assert isinstance(wiki.server, Server)
    assert wiki.server.token_endpoint == "https://wiki.example.org/w/index.php?title=Special:OAuth/token"


def test_an_api_that_is_apart_from_the_base_url_stays_where_it_is() -> None:
    tenant = load_provider("microsoft", base_url="https://login.microsoftonline.com/contoso.example/")

    assert tenant.api_hosts == ("graph.microsoft.com",)
    assert isinstance(tenant.server, AuthorizationServer)
    assert tenant.server.token_endpoint == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert "it must be true or false" in problems_of(sound() | {"api_hosts_apart": "yes"})
    assert "belongs to an entry with a base_url" in problems_of(sound() | {"api_hosts_apart": True})


def test_the_sandbox_says_its_base_url_as_issuer() -> None:
    server = load_provider("sandbox-oauth2", base_url="http://localhost:9999").server

    assert isinstance(server, AuthorizationServer)
    assert (server.issuer, server.iss_required) == ("http://localhost:9999", True)


@pytest.mark.parametrize(
    "base_url", ["http://evil.example", "ftp://x", "https://a.example/?q=1", "https://u@a.example"]
)
def test_a_base_url_that_credentials_must_not_go_to_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        load_provider("sandbox-oauth2", base_url=base_url)


def test_a_base_url_for_a_provider_that_has_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no base URL"):
        load_provider("github", base_url="https://github.example")


def test_an_unknown_provider_is_answered_with_the_names_that_are_near() -> None:
    with pytest.raises(ConfigurationError, match="did you mean github"):
        load_provider("githbu")


@pytest.mark.parametrize("name", ["", "../github", "GitHub", "github\n", "-github", "a" * 64, "git_hub", "gïthub"])
def test_what_is_not_a_name_never_becomes_a_path(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name of a provider"):
        load_provider(name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"titel": "x"}, "titel is not a known key; did you mean title?"),
        ({"title": 3}, "title: it must be a text"),
        ({"verified_on": "yesterday"}, "verified_on: it must be a date"),
        ({"verified_on": "2026-13-01"}, "verified_on: it must be a date"),
        ({"tried": "often"}, "tried: it must be a date, or never"),
        ({"code_lifetime": True}, "code_lifetime: it must be a whole number"),
        ({"code_lifetime": -1}, "must not be negative"),
        ({"shared_grant_revocation": "yes"}, "shared_grant_revocation: it must be true or false"),
        ({"api_hosts": []}, "at least one host"),
        ({"api_hosts": ["https://api.example.com"]}, "not a host: https://api.example.com"),
        ({"api_hosts": ["*.com"]}, "not a host: *.com"),
        ({"api_hosts": ["*"]}, "not a host: *"),
        ({"api_hosts": ["10.0.0.1"]}, "not a host: 10.0.0.1"),
        ({"api_hosts": "api.example.com"}, "api_hosts: it must be a list of hosts"),
        ({"rotation": {"kind": "sometimes"}}, "rotation: kind: it must be one of"),
        ({"rotation": {"kind": "window"}}, "needs window_seconds"),
        ({"rotation": {}}, "rotation: kind is missing"),
        ({"source": "http://docs.example.com"}, "source: it must start with https://"),
        ({"protocol": "oauth3"}, "protocol: it must be one of 'oauth1', 'oauth2'"),
        ({"name": "another"}, "name must be 'example'"),
        ({"scope": ["read", ""]}, "scope: every item must be a text that is not empty"),
    ],
)
def test_a_mistake_in_an_entry_is_named(change: dict[str, object], expected: str) -> None:
    problems = problems_of(sound() | change)

    assert expected in problems
    assert problems.startswith("example.toml: ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"token_endpoint": "http://example.com/token"}, "token_endpoint: it must start with https://"),
        ({"token_endpoint": "http://127.0.0.1/token"}, "token_endpoint: it must start with https://"),
        ({"token_endpoint": "https://a@example.com/"}, "user name"),
        ({"iss_required": True}, "issuer"),
        ({"pkce": False}, "pkce: it must be one of"),
        ({"pkce": "refused_by_provider"}, "pkce_note"),
        ({"authorization_parameters": {"access_type": 1}}, "every value in it must be a text"),
        ({"authorization_parameters": {"state": "fixed"}}, "state"),
        ({"scope_separator": "and"}, "scope_separator: it must be one of"),
        ({"client_secret": "x"}, "client_secret is not a known key"),
    ],
)
def test_a_mistake_in_a_server_is_named(change: dict[str, object], expected: str) -> None:
    table = sound()
    server = table["server"]
    assert isinstance(server, dict)

    assert expected in problems_of(table | {"server": server | change})


def test_a_mistake_in_a_server_of_oauth1_is_named() -> None:
    problems = problems_of(sound() | {"protocol": "oauth1"})

    assert "example.toml: server: temporary_credentials_endpoint is missing" in problems


def test_all_mistakes_are_reported_at_once() -> None:
    problems = problems_of({"title": 1, "colour": "red", "server": {"token_endpoint": "x"}, "protocol": "oauth2"})

    for expected in ("colour", "title", "source is missing", "server: token_endpoint", "rotation is missing"):
        assert expected in problems


def test_pkce_is_left_out_only_with_a_dated_note() -> None:
    table = sound() | {"pkce_note": "2026-11-22: answers 500 to a code challenge"}
    server = table["server"]
    assert isinstance(server, dict)
    provider = read_provider(table | {"server": server | {"pkce": "refused_by_provider"}})

    assert isinstance(provider.server, AuthorizationServer)
    assert provider.server.pkce != "S256"


def test_a_directory_of_ones_own_comes_before_the_catalog(tmp_path: Path) -> None:
    text = Path(schema.__file__).with_name("catalog").joinpath("github.toml").read_text()
    (tmp_path / "github.toml").write_text(text.replace('title = "GitHub"', 'title = "Ours"'))
    (tmp_path / "broken.toml").write_text("title = ")

    assert load_provider("github", directory=str(tmp_path)).title == "Ours"
    assert load_provider("google", directory=str(tmp_path)).title == "Google"
    assert "broken" in provider_names(str(tmp_path))
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="cannot be read as UTF-8"):
        load_provider("binary", directory=str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"broken.toml: not TOML"):
        load_provider("broken", directory=str(tmp_path))
