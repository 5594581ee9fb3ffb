from __future__ import annotations

import pytest

from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.http import base64url_decode
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.keys.signer import LocalSigner
from valetkey.secret import Secret


def pem_of(made: object) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    octets = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    return PrivateKey(Secret(octets.decode()))


def test_a_made_key_signs_and_is_nobody_elses() -> None:
    one, other = make_key(), make_key()

    assert len(LocalSigner().sign_here(one, "ES256", b"message")) == 64
    assert public_jwk(one) != public_jwk(other)
    assert "PRIVATE" not in repr(one)


def test_a_jwk_of_an_ec_key_has_coordinates_of_full_length() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

    # 7518 s6.2.1.2: leading zero octets are kept; the x of this key begins with one
    found = next(
        jwk
        for number in range(1, 3000)
        if base64url_decode((jwk := dict(public_jwk(pem_of(derive_private_key(number, SECP256R1())))))["x"])[0] == 0
    )

    assert [len(base64url_decode(found[name])) for name in ("x", "y")] == [32, 32]
    assert list(found) == ["crv", "kty", "x", "y"]


def test_a_jwk_of_an_rsa_key_has_no_leading_zeros() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    found = dict(public_jwk(pem_of(rsa.generate_private_key(65537, 2048))))

    assert (found["e"], found["kty"]) == ("AQAB", "RSA")
    assert len(base64url_decode(found["n"])) == 256
    assert set(found) == {"e", "kty", "n"}


def test_keys_that_cannot_be_used_have_no_jwk() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for key in (pem_of(generate_private_key(SECP384R1())), pem_of(Ed25519PrivateKey.generate())):
        with pytest.raises(ConfigurationError):
            public_jwk(key)
    with pytest.raises(ConfigurationError, match="key id"):
        public_jwk(PrivateKey(signer=lambda _, message: message))
