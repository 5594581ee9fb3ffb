"""Signatures that other implementations verify."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.keys.signer import MAX_KEPT_KEYS, LocalSigner
from valetkey.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from valetkey.effects import SignatureAlgorithm

MESSAGE = b"POST&https%3A%2F%2Fapi.example%2F&a%3Db"


def pem(key: PrivateKeyTypes, *, password: bytes | None = None) -> PrivateKey:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    octets = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return PrivateKey(Secret(octets.decode()))


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("algorithm", "hash_function"),
    [("RS1", hashes.SHA1()), ("RS256", hashes.SHA256()), ("RS512", hashes.SHA512())],
)
def test_an_rsa_signature_verifies_with_its_hash_only(
    rsa_key: rsa.RSAPrivateKey, algorithm: SignatureAlgorithm, hash_function: hashes.HashAlgorithm
) -> None:
    signature = LocalSigner().sign_here(pem(rsa_key), algorithm, MESSAGE)

    rsa_key.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hash_function)
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(signature, MESSAGE + b"x", padding.PKCS1v15(), hash_function)


def test_a_pss_signature_verifies_with_a_salt_as_long_as_the_hash(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = LocalSigner().sign_here(pem(rsa_key), "PS256", MESSAGE)

    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    rsa_key.public_key().verify(signature, MESSAGE, scheme, hashes.SHA256())


def test_an_ec_signature_is_r_and_s_of_32_octets_each() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = LocalSigner()

    for number in range(40):  # one in 128 has an r or s with a leading zero octet
        message = MESSAGE + bytes([number])
        signature = signer.sign_here(pem(key), "ES256", message)

        assert len(signature) == 64
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.public_key().verify(der, message, ec.ECDSA(hashes.SHA256()))


def test_the_older_pem_form_is_read_too(rsa_key: rsa.RSAPrivateKey) -> None:
    old = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )

    signature = LocalSigner().sign_here(PrivateKey(Secret(old.decode())), "RS256", MESSAGE)

    rsa_key.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def refusal(key: PrivateKey, algorithm: SignatureAlgorithm = "RS256") -> str:
    with pytest.raises(ConfigurationError) as caught:
        LocalSigner().sign_here(key, algorithm, MESSAGE)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIcanary\\n-----END PRIVATE KEY-----",
        "\ud83d canary",
    ],
)
def test_what_is_no_pem_is_refused_without_quoting_it(text: str) -> None:
    said = refusal(PrivateKey(Secret(text)))

    assert "not in PEM form" in said
    assert "canary" not in said


def test_a_public_key_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert "not in PEM form" in refusal(PrivateKey(Secret(public.decode())))


def test_a_key_with_a_passphrase_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    assert "passphrase" in refusal(pem(rsa_key, password=b"canary"))


def test_a_key_that_lives_in_a_key_service_is_refused() -> None:
    assert "key service" in refusal(PrivateKey(Secret(""), "arn:aws:kms:eu-central-1:1:key/1"))


def test_a_pem_text_without_end_is_refused() -> None:
    assert "at most" in refusal(PrivateKey(Secret("A" * 70_000)))


def test_a_key_of_another_kind_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    assert "neither RSA nor EC" in refusal(pem(ed25519.Ed25519PrivateKey.generate()))
    assert "not on the curve P-256" in refusal(pem(ec.generate_private_key(ec.SECP384R1())), "ES256")
    assert "needs an RSA key" in refusal(pem(ec.generate_private_key(ec.SECP256R1())), "RS256")
    assert "needs an EC key on P-256" in refusal(pem(rsa_key), "ES256")


def test_a_short_rsa_key_signs_only_where_the_operator_says_so() -> None:
    short = pem(rsa.generate_private_key(65537, 1024))  # what some OAuth 1.0 providers had registered for years

    assert "has 1024 bits: register one of 2048" in refusal(short)
    assert len(LocalSigner(least_rsa_bits=1024).sign_here(short, "RS1", MESSAGE)) == 128


def test_a_parsed_key_is_kept_but_not_its_text(rsa_key: rsa.RSAPrivateKey) -> None:
    signer, key = LocalSigner(), pem(rsa_key)
    signer.sign_here(key, "RS256", MESSAGE)
    kept = next(iter(signer._kept.values()))

    signer.sign_here(PrivateKey(Secret(key.pem.reveal())), "RS256", MESSAGE)

    assert list(signer._kept.values()) == [kept]
    assert all(len(place) == 32 for place in signer._kept)


def test_kept_keys_are_bounded() -> None:
    signer = LocalSigner()
    for _ in range(MAX_KEPT_KEYS + 5):
        signer.sign_here(pem(ec.generate_private_key(ec.SECP256R1())), "ES256", os.urandom(8))

    assert len(signer._kept) == MAX_KEPT_KEYS
    assert repr(signer) == f"LocalSigner({MAX_KEPT_KEYS} keys)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)


def test_a_machine_whose_policy_refuses_sha1_says_what_to_use(
    rsa_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> hashes.SHA1:  # as cryptography answers where OpenSSL is under a FIPS or RHEL policy
        raise UnsupportedAlgorithm("sha1 is not supported by this backend")

    monkeypatch.setattr(hashes, "SHA1", refused)

    assert refusal(pem(rsa_key), "RS1") == (
        "this machine's crypto policy refuses RS1: use RSA-SHA256 where the provider takes it"
    )
    assert len(LocalSigner().sign_here(pem(rsa_key), "RS256", MESSAGE)) == 256


def pkcs12(key: rsa.RSAPrivateKey, password: bytes) -> Secret:
    from base64 import b64encode

    from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

    encryption = serialization.BestAvailableEncryption(password)
    return Secret(b64encode(serialize_key_and_certificates(b"signing", key, None, None, encryption)).decode())


def test_a_key_in_a_pkcs12_file_signs_with_its_password(rsa_key: rsa.RSAPrivateKey) -> None:
    key = PrivateKey(pkcs12=pkcs12(rsa_key, b"keystorepassword"), password=Secret("keystorepassword"))

    signature = LocalSigner().sign_here(key, "RS256", MESSAGE)

    rsa_key.public_key().verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("password", [None, Secret("canary-wrong")])
def test_a_pkcs12_file_without_its_password_is_refused(rsa_key: rsa.RSAPrivateKey, password: Secret | None) -> None:
    said = refusal(PrivateKey(pkcs12=pkcs12(rsa_key, b"right"), password=password))

    assert "its password is wrong or missing" in said
    assert "canary" not in said


def test_an_opened_pkcs12_file_does_not_open_for_another_password(rsa_key: rsa.RSAPrivateKey) -> None:
    signer, text = LocalSigner(), pkcs12(rsa_key, b"right")
    signer.sign_here(PrivateKey(pkcs12=text, password=Secret("right")), "RS256", MESSAGE)

    with pytest.raises(ConfigurationError):
        signer.sign_here(PrivateKey(pkcs12=text, password=Secret("wrong")), "RS256", MESSAGE)


def test_an_encrypted_pem_key_signs_with_its_password(rsa_key: rsa.RSAPrivateKey) -> None:
    encrypted = pem(rsa_key, password=b"secret")
    key = PrivateKey(encrypted.pem, password=Secret("secret"))

    rsa_key.public_key().verify(
        LocalSigner().sign_here(key, "RS256", MESSAGE), MESSAGE, padding.PKCS1v15(), hashes.SHA256()
    )
    assert "wrong" in refusal(PrivateKey(encrypted.pem, password=Secret("another")))
    assert "not encrypted" in refusal(PrivateKey(pem(rsa_key).pem, password=Secret("needless")))


def test_a_key_with_its_own_signer_is_signed_with_by_that() -> None:
    asked: list[tuple[str, bytes]] = []

    def elsewhere(algorithm: str, message: bytes) -> bytes:
        asked.append((algorithm, message))
        return b"signature"

    assert LocalSigner().sign(PrivateKey(signer=elsewhere), "PS256", MESSAGE) == b"signature"
    assert asked == [("PS256", MESSAGE)]
