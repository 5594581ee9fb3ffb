"""Signers of private keys are the application's code: whatever they do is one named error, in both colours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from valetkey.async_vault import AsyncVault
from valetkey.drivers.drive import drive
from valetkey.effects import PrivateKey, Sign
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Request
from valetkey.oauth2.signed_jwt import sign_jwt
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable


def failing(error: BaseException) -> Callable[[str, bytes], bytes]:
    def signer(_: str, __: bytes) -> bytes:
        raise error

    return signer


CASES = [
    (failing(RuntimeError("canary")), StoreError, "failed with RuntimeError"),
    (failing(ConfigurationError("ours")), ConfigurationError, "^ours$"),
    (lambda *_: "canary", ConfigurationError, "answered str, and must answer bytes"),
    (lambda *_: None, ConfigurationError, "answered NoneType"),
    (lambda *_: b"", ConfigurationError, "answered nothing"),
    (lambda *_: bytearray(b"canary"), ConfigurationError, "answered bytearray"),
]


@pytest.mark.parametrize("colour", [Vault, AsyncVault])
@pytest.mark.parametrize(("signer", "kind", "says"), CASES)
def test_a_signer_that_signs_nothing_is_told_with_nothing_of_what_it_said(
    signer: Any, kind: type[Exception], says: str, colour: type[Vault | AsyncVault]
) -> None:
    world = World()
    registration = register(
        "k",
        load_provider("sandbox-oauth1"),
        client_id="a",
        private_key=signer,
        redirect_uri=f"{BASE_URL}/callback/k",
        signature_method="RSA-SHA256",
    )
    world.settings = replace(world.settings, registrations={"k": registration})
    vault: Any = colour(world.settings, **world.parts())
    request = Request("GET", "http://127.0.0.1:8400/x")

    def sign() -> None:
        signing = vault.sign_as_client(request, registration="k")
        _ = asyncio.run(signing) if colour is AsyncVault else signing

    with pytest.raises(kind, match=says) as caught:
        sign()

    assert "canary" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(("signer", "kind", "says"), CASES)
def test_an_assertion_that_cannot_be_signed_is_the_same_error(signer: Any, kind: type[Exception], says: str) -> None:
    def answer(effect: Any) -> object:
        assert isinstance(effect, Sign)
        return signer(effect.algorithm, effect.message)

    with pytest.raises(kind, match=says) as caught:
        drive(sign_jwt(PrivateKey(signer=signer), "RS256", header={}, claims={}), answer)

    assert "canary" not in f"{caught.value!r} {caught.value}"
