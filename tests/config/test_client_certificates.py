"""Client certificates in the environment, in valetkey.toml and in files: read at start, and every mistake told there."""

from __future__ import annotations

from base64 import b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.certificates import issued, self_signed
from tests.config.test_oauth2_clients import CANARY, SOUND, bank, parts, problems
from tests.test_pem import PASSWORD, encrypted, key_text, pkcs12

from valetkey.config import read_configuration
from valetkey.drivers.transports.httpx import HttpxTransport
from valetkey.effects import ClientCertificate, PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.keys.jwk import make_key
from valetkey.pem import read_certificate
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

BOUND = {"TLS_CLIENT_CERTIFICATE_BOUND_ACCESS_TOKENS": "true"}


@pytest.fixture(scope="module")
def certificate() -> ClientCertificate:
    return issued()


def words(certificate: ClientCertificate) -> dict[str, str]:
    """The certificate as text, in the words of the environment."""
    return {"CLIENT_CERTIFICATE": certificate.pem.reveal(), "CLIENT_CERTIFICATE_KEY": key_text(certificate)}


def test_a_certificate_without_a_secret_is_what_the_client_proves_itself_with(
    tmp_path: Path, certificate: ClientCertificate
) -> None:
    server, client = parts(bank(tmp_path, **words(certificate)))

    assert server.token_endpoint_auth_method == "tls_client_auth"
    assert client.certificate == read_certificate(certificate)
    assert not server.tls_client_certificate_bound_access_tokens


def test_however_it_is_written_down_the_same_is_read(tmp_path: Path, certificate: ClientCertificate) -> None:
    sealed = encrypted(certificate).reveal()
    (tmp_path / "chain.pem").write_text(certificate.pem.reveal())
    (tmp_path / "key.pem").write_text(key_text(certificate))
    (tmp_path / "sealed.pem").write_text(sealed)
    (tmp_path / "both.pem").write_text(certificate.pem.reveal() + key_text(certificate))
    (tmp_path / "both.p12").write_bytes(b64decode(pkcs12(certificate).reveal()))
    password = {"CLIENT_CERTIFICATE_PASSWORD": PASSWORD}
    chain = {"CLIENT_CERTIFICATE_FILE": f"{tmp_path}/chain.pem"}

    for given in (
        {name: text.replace("\n", "\\n") for name, text in words(certificate).items()},
        {**chain, "CLIENT_CERTIFICATE_KEY_FILE": f"{tmp_path}/key.pem"},
        {**chain, "CLIENT_CERTIFICATE_KEY_FILE": f"{tmp_path}/sealed.pem", **password},
        {**chain, "CLIENT_CERTIFICATE_KEY": sealed, **password},
        {"CLIENT_CERTIFICATE_FILE": f"{tmp_path}/both.pem"},
        {"CLIENT_CERTIFICATE_PKCS12_FILE": f"{tmp_path}/both.p12", **password},
    ):
        assert parts(bank(tmp_path, **given))[1].certificate == read_certificate(certificate)


def test_the_file_has_the_same_words(tmp_path: Path, certificate: ClientCertificate) -> None:
    (tmp_path / "both.pem").write_text(certificate.pem.reveal() + key_text(certificate))
    entry = f"""
tls_client_certificate_bound_access_tokens = true
token_endpoint_auth_method = "self_signed_tls_client_auth"

[providers.bank.server.mtls_endpoint_aliases]
token_endpoint = "https://mtls.bank.example/token"

[registrations.bank]
client_certificate_file = "{tmp_path}/both.pem"
"""

    server, client = parts(bank(tmp_path, entry))

    assert server.token_endpoint_auth_method == "self_signed_tls_client_auth"
    assert server.mtls_endpoint_aliases == (("token_endpoint", "https://mtls.bank.example/token"),)
    assert server.tls_client_certificate_bound_access_tokens
    assert client.certificate is not None


def test_what_proves_the_client_and_what_binds_its_tokens_are_chosen_apart(
    tmp_path: Path, certificate: ClientCertificate
) -> None:
    """FAPI 2.0: mutual TLS or private_key_jwt for the one, mutual TLS or DPoP for the other."""
    key = {"PRIVATE_KEY": make_key().pem.reveal(), "SIGNATURE_METHOD": "ES256"}
    dpop = {"DPOP_BOUND_ACCESS_TOKENS": "true"}

    for more, method, bound in (
        (BOUND, "tls_client_auth", (True, False)),
        (dpop, "tls_client_auth", (False, True)),
        ({**BOUND, **key}, "private_key_jwt", (True, False)),
        ({**BOUND, "CLIENT_SECRET": CANARY}, "client_secret_basic", (True, False)),
        ({**BOUND, "PUBLIC_CLIENT": "true"}, "none", (True, False)),
    ):
        server, _ = parts(bank(tmp_path, **words(certificate), **more))
        assert server.token_endpoint_auth_method == method
        assert (server.tls_client_certificate_bound_access_tokens, server.dpop_bound_access_tokens) == bound


MIXED: dict[str, dict[str, str]] = {
    "pair": words(issued()),
    "strangers": {**words(issued("a")), "CLIENT_CERTIFICATE_KEY": key_text(issued("b"))},
    "over": words(self_signed(begins=timedelta(days=-40), ends=timedelta(days=-1))),
    "early": words(self_signed(begins=timedelta(days=1))),
}


@pytest.mark.parametrize(
    ("pair", "more", "expected"),
    [
        ("strangers", {}, "BANK_CLIENT_CERTIFICATE: the private key does not belong to the certificate"),
        ("over", {}, "BANK_CLIENT_CERTIFICATE: it ended at"),
        ("early", {}, "BANK_CLIENT_CERTIFICATE: it is valid from"),
        ("pair", {"CLIENT_SECRET": CANARY}, "CLIENT_CERTIFICATE is not used: set VALETKEY_BANK_TOKEN_ENDPOINT_AUTH"),
        ("", {"CLIENT_SECRET": CANARY, **BOUND}, "CLIENT_CERTIFICATE is missing: tokens are bound to it"),
        ("", {"TOKEN_ENDPOINT_AUTH_METHOD": "tls_client_auth"}, "CLIENT_CERTIFICATE is missing: tls_client_auth"),
        (
            "pair",
            {"TOKEN_ENDPOINT_AUTH_METHOD": "tls_client_auth", "PUBLIC_CLIENT": "true"},
            "PUBLIC_CLIENT is true and tls_client_auth proves who it is",
        ),
        ("", {"CLIENT_CERTIFICATE_FILE": "/nowhere"}, "CLIENT_CERTIFICATE_FILE: the file it names cannot be read"),
        ("pair", {"CLIENT_CERTIFICATE_FILE": "/dev/null"}, "CLIENT_CERTIFICATE: it is given twice"),
        ("", {"CLIENT_CERTIFICATE_PKCS12_FILE": "/nowhere"}, "PKCS12_FILE: the file it names cannot be read"),
        ("", {"CLIENT_CERTIFICATE_PKCS12_FILE": "/dev/null"}, "PKCS12_FILE: the PKCS #12 file cannot be opened"),
        ("pair", {"CLIENT_CERTIFICATE_PKCS12_FILE": "/dev/null"}, "it holds the certificate and its key"),
        ("", {"CLIENT_CERTIFICATE": CANARY}, "CLIENT_CERTIFICATE: it has no private key"),
        ("", {"CLIENT_CERTIFICATE_KEY": CANARY}, "CLIENT_CERTIFICATE_KEY: it belongs to VALETKEY_BANK_CLIENT_CERT"),
        ("", {"CLIENT_CERTIFICATE_PASSWORD": CANARY}, "PASSWORD: it belongs to VALETKEY_BANK_CLIENT_CERT"),
        ("pair", {"CLIENT_CERTIFICATE_PASSWORD": CANARY}, "is not encrypted: remove the password"),
        ("", {"CLIENT_CERTIFICAT": "x"}, "did you mean VALETKEY_BANK_CLIENT_CERTIFICATE"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, pair: str, more: dict[str, Any], expected: str) -> None:
    told = problems(tmp_path, **{**MIXED.get(pair, {}), **more})

    assert expected in told
    assert "MII" not in told


@pytest.mark.parametrize("pair", ["strangers", "over"])
def test_a_bad_certificate_is_told_once_and_with_everything_else(tmp_path: Path, pair: str) -> None:
    told = problems(tmp_path, **MIXED[pair], RESOURCES="api", TOKEN_ENDPOINT_AUTH_METHOD="tls_client_auth")

    assert told.count("CLIENT_CERTIFICATE") == 1
    assert "resources: each is an absolute URI" in told


def test_endpoints_without_tls_are_refused(certificate: ClientCertificate) -> None:
    environ = {**SOUND, **{f"VALETKEY_SANDBOX_OAUTH2_{name}": text for name, text in words(certificate).items()}}
    del environ["VALETKEY_BANK_CLIENT_ID"]

    with pytest.raises(ConfigurationError, match="over https only"):
        read_configuration({**environ, "VALETKEY_SANDBOX_OAUTH2_CLIENT_ID": "x"})


def test_oauth1_has_no_use_for_a_certificate(certificate: ClientCertificate) -> None:
    environ = {**SOUND, **{f"VALETKEY_TRELLO_{name}": text for name, text in words(certificate).items()}}
    del environ["VALETKEY_BANK_CLIENT_ID"]

    with pytest.raises(ConfigurationError, match="CLIENT_CERTIFICATE belongs to OAuth 2"):
        read_configuration({**environ, "VALETKEY_TRELLO_CLIENT_ID": "x", "VALETKEY_TRELLO_CLIENT_SECRET": CANARY})


def test_plain_arguments_are_checked_as_well(certificate: ClientCertificate) -> None:
    provider = load_provider("google")
    given: dict[str, Any] = {"client_id": "x", "redirect_uri": "https://app.example/callback/google"}

    sound = register("google", provider, client_certificate=certificate, **given)
    with pytest.raises(ConfigurationError) as caught:
        register(
            "google",
            provider,
            client_certificate=replace(certificate, key=PrivateKey(Secret(key_text(issued("b"))))),
            client_secret_expires="soon",
            **given,
        )

    assert sound.client.certificate == read_certificate(certificate)  # type: ignore[union-attr]
    assert len(caught.value.problems) == 2
    assert "`client_certificate`: the private key does not belong" in str(caught.value)
    assert "MII" not in repr(sound)


def test_no_vault_starts_with_a_certificate_that_is_over_or_that_nobody_presents() -> None:
    world = World()
    provider, given = load_provider("google"), {"client_id": "x", "redirect_uri": "https://app.example/callback/google"}
    over = self_signed(begins=timedelta(days=-40), ends=timedelta(days=-1))
    google = register("google", provider, client_certificate=over, **given)  # type: ignore[arg-type]
    settings = replace(world.settings, registrations={**world.settings.registrations, "google": google})

    with httpx.Client() as client:
        transport = HttpxTransport(client)
        with pytest.raises(ConfigurationError) as caught:
            Vault(settings, store=world.store, keys=world.keys, transport=transport)

        assert caught.value.problems[0].startswith("google: `client_certificate`: it ended at")
        assert "cannot present a client certificate" in caught.value.problems[1]
        assert Vault(world.settings, store=world.store, keys=world.keys, transport=transport)
    with pytest.raises(ConfigurationError, match="cannot present a client certificate"):
        Vault(settings, store=world.store, keys=world.keys, transport=world.network)  # it never said that it can
