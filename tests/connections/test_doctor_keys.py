"""The doctor signs once with each private key: what does not work is named, and nothing of the key is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from valetkey import AsyncVault
from valetkey.connections.doctor import diagnose
from valetkey.connections.doctor_keys import PROBE
from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request
from valetkey.keys.signer import LocalSigner
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.doctor import Finding

HERE = Request("GET", "/oauth/connections", Headers((("Host", "app.example"),)))
CANARY = "canary-77d0"


def pem_of(key: Any, password: str = "") -> Secret:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(SECP256R1())


def world_with(key: PrivateKey | None, *, protocol: str = "oauth2", **server: Any) -> World:
    """A world with one registration that signs with the key."""
    world = World()
    provider = load_provider(f"sandbox-{protocol}")
    callback = f"{BASE_URL}/callback/bank"
    made = register("bank", provider, client_id="c", client_secret=Secret("s"), redirect_uri=callback)
    changes = server or {"token_endpoint_auth_method": "private_key_jwt"}
    provider = replace(provider, server=replace(provider.server, **changes))
    made = replace(made, provider=provider, client=replace(made.client, private_key=key))
    world.settings = replace(world.settings, registrations={"bank": made})
    return world


def found_in(world: World) -> list[Finding]:
    findings = world.run(diagnose(world.settings, request=HERE)).findings
    said = [one for one in findings if one.check == "private_key"]
    assert CANARY not in repr(said)
    assert all(one.advice and one.about == "bank" for one in said)
    return said


@pytest.mark.parametrize(
    ("kind", "server"),
    [
        ("rsa", {"token_endpoint_auth_method": "private_key_jwt"}),
        ("rsa", {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256"}),
        ("ec", {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}),
    ],
)
def test_a_key_that_signs_is_told_with_the_thumbprint_to_compare(
    kind: str, server: dict[str, str], request: pytest.FixtureRequest
) -> None:
    key = PrivateKey(pem_of(request.getfixturevalue(f"{kind}_key")))

    (note,) = found_in(world_with(key, **server))

    assert note.level == "note"
    assert "thumbprint" in note.what


@pytest.mark.parametrize("method", ["RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "RSA-PSS"])
def test_the_key_of_oauth1_signs_too(method: str, rsa_key: rsa.RSAPrivateKey) -> None:
    (note,) = found_in(world_with(PrivateKey(pem_of(rsa_key)), protocol="oauth1", signature_method=method))

    assert note.level == "note"


def test_a_wrong_password_is_a_problem(rsa_key: rsa.RSAPrivateKey) -> None:
    key = PrivateKey(pem_of(rsa_key, "right"), password=Secret(CANARY))

    (problem,) = found_in(world_with(key))

    assert problem.level == "problem"
    assert "its password is wrong" in problem.what
    assert "VALETKEY_BANK_PRIVATE_KEY and its password" in problem.advice


def test_a_key_of_the_wrong_kind_is_a_problem_for_each_algorithm_that_needs_another(
    rsa_key: rsa.RSAPrivateKey,
) -> None:
    server = {
        "token_endpoint_auth_method": "private_key_jwt",
        "request_object_signing_alg": "ES256",
        "issuer": "http://127.0.0.1:8400",
    }

    bad, good = found_in(world_with(PrivateKey(pem_of(rsa_key)), **server))

    assert (good.level, bad.level) == ("note", "problem")
    assert "ES256 needs an EC key" in bad.what


def missing(algorithm: str, message: bytes) -> bytes:
    error = "the hook 'nowhere.mod:f' cannot be imported: name it as package.module:function"
    raise ConfigurationError(error)


class AccessDeniedException(Exception):
    """As a key service's SDK raises it, with everything in its text."""


def forbidden(algorithm: str, message: bytes) -> bytes:
    raise AccessDeniedException(CANARY)


def der(algorithm: str, message: bytes) -> bytes:
    return ec.generate_private_key(SECP256R1()).sign(message, ECDSA(SHA256()))


def base64_text(algorithm: str, message: bytes) -> Any:
    return "c2lnbmF0dXJl"


def short(algorithm: str, message: bytes) -> bytes:
    return b"x" * 100


async def awaited(algorithm: str, message: bytes) -> bytes:
    return b"x" * 256


ES = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}


@pytest.mark.parametrize(
    ("signer", "server", "what", "advice"),
    [
        (missing, {}, "'nowhere.mod:f' cannot be imported", "its module is in this deployment"),
        (forbidden, {}, "failed with AccessDeniedException", "may sign with the key in its key service"),
        (der, ES, "and one of ES256 has 64", "DER form"),
        (base64_text, {}, "answers str in place of bytes", "octets"),
        (short, {}, "has 100 octets", "not encoded"),
        (awaited, {}, "answers coroutine in place of bytes", "AsyncVault"),
    ],
)
def test_a_signer_that_does_not_sign_is_named_with_what_to_do(
    signer: Callable[..., Any], server: dict[str, str], what: str, advice: str
) -> None:
    (problem,) = found_in(world_with(PrivateKey(signer=signer), **server))

    assert problem.level == "problem"
    assert what in problem.what
    assert advice in problem.advice


def test_a_signer_that_signs_is_asked_once_for_a_sentence_that_is_of_no_use(rsa_key: rsa.RSAPrivateKey) -> None:
    asked: list[tuple[str, bytes]] = []
    pem = PrivateKey(pem_of(rsa_key))

    def signer(algorithm: Any, message: bytes) -> bytes:
        asked.append((algorithm, message))
        return LocalSigner().sign_here(pem, algorithm, message)

    (note,) = found_in(world_with(PrivateKey(signer=signer)))

    assert note.level == "note"
    assert asked == [("RS256", PROBE)]


def test_an_awaited_signer_serves_an_async_vault() -> None:
    world = world_with(PrivateKey(signer=awaited))
    vault = AsyncVault(world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock)

    found = asyncio.run(vault.doctor(HERE)).findings

    assert [one.level for one in found if one.check == "private_key"] == ["note"]


def test_a_key_that_is_not_needed_is_not_used() -> None:
    def never(algorithm: str, message: bytes) -> bytes:
        pytest.fail("it was asked to sign")

    assert found_in(world_with(PrivateKey(signer=never), token_endpoint_auth_method="client_secret_basic")) == []
    assert found_in(world_with(PrivateKey(signer=never), protocol="oauth1", signature_method="HMAC-SHA1")) == []
