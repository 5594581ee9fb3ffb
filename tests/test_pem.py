"""Certificates and keys as people keep them: what is read, and what is refused in words that help."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates import issued, self_signed
from valetkey.dates import write_time
from valetkey.effects import ClientCertificate, PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.pem import certificate_thumbprint, read_certificate, validity_problem
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

VECTOR = json.loads((Path(__file__).parent / "vectors" / "mtls.json").read_text())
PASSWORD = "canary-password"


def key_text(certificate: ClientCertificate) -> str:
    assert certificate.key is not None
    return certificate.key.pem.reveal()


def key_of(certificate: ClientCertificate) -> PrivateKeyTypes:
    return load_pem_private_key(key_text(certificate).encode(), None)


def encrypted(certificate: ClientCertificate) -> Secret:
    sealed = key_of(certificate).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())
    )
    return Secret(sealed.decode())


def pkcs12(certificate: ClientCertificate, *, with_certificate: bool = True) -> Secret:
    own, *others = x509.load_pem_x509_certificates(certificate.pem.reveal().encode())
    made = serialize_key_and_certificates(
        b"ours",
        key_of(certificate),  # type: ignore[arg-type]
        own if with_certificate else None,
        others or None,
        BestAvailableEncryption(PASSWORD.encode()),
    )
    return Secret(b64encode(made).decode())


def problem(given: ClientCertificate) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_certificate(given)
    told = str(caught.value)
    assert "canary" not in told
    assert "MII" not in told
    return told


def test_the_thumbprint_is_the_one_of_the_rfc() -> None:
    """RFC 8705 appendix A."""
    assert certificate_thumbprint(ClientCertificate(Secret(VECTOR["certificate"]))) == VECTOR["x5t#S256"]


def test_the_rfcs_certificate_is_read_and_long_over() -> None:
    stranger = PrivateKey(Secret(key_text(self_signed())))

    assert "does not belong" in problem(ClientCertificate(Secret(VECTOR["certificate"]), stranger))
    own = x509.load_pem_x509_certificate(VECTOR["certificate"].encode())
    assert [write_time(int(at.timestamp())) for at in (own.not_valid_before_utc, own.not_valid_after_utc)] == VECTOR[
        "valid"
    ]


def test_however_it_is_kept_the_same_comes_out() -> None:
    plain = issued()
    expected = read_certificate(plain)
    sealed = encrypted(plain)

    for other in (
        ClientCertificate(Secret(plain.pem.reveal() + key_text(plain))),
        ClientCertificate(Secret(key_text(plain) + plain.pem.reveal())),
        ClientCertificate(Secret("Bag Attributes\n friendlyName: ours\n" + plain.pem.reveal()), plain.key),
        ClientCertificate(plain.pem, PrivateKey(sealed, password=Secret(PASSWORD))),
        ClientCertificate(Secret(plain.pem.reveal() + sealed.reveal()), PrivateKey(password=Secret(PASSWORD))),
        ClientCertificate(key=PrivateKey(pkcs12=pkcs12(plain), password=Secret(PASSWORD))),
        ClientCertificate(Secret(plain.pem.reveal().replace("\n", "\r\n")), plain.key),
    ):
        assert read_certificate(other) == expected
    assert read_certificate(expected) is expected
    assert certificate_thumbprint(expected) == certificate_thumbprint(read_certificate(plain))


def test_the_chain_stays_with_it() -> None:
    authority = trustme.CA().create_child_ca()
    chained = issued(by=authority)

    assert read_certificate(chained).pem.reveal().count("BEGIN CERTIFICATE") == 2


def test_a_key_of_another_kind_is_fine() -> None:
    from tests.certificates import authority

    made = authority().issue_cert("client.example", key_type=trustme.KeyType.RSA)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems).decode()

    assert read_certificate(ClientCertificate(Secret(chain + made.private_key_pem.bytes().decode()))).ends_at


def test_a_certificate_of_somebody_elses_key_is_refused() -> None:
    mixed = ClientCertificate(issued("a").pem, issued("b").key)

    assert "the private key does not belong to the certificate" in problem(mixed)


def test_the_clients_own_certificate_stands_first() -> None:
    authority = trustme.CA().create_child_ca()
    chained = issued(by=authority)
    first, second = (
        f"{part}-----END CERTIFICATE-----\n" for part in chained.pem.reveal().split("-----END CERTIFICATE-----\n")[:2]
    )

    assert "stands at place 2: put that one first" in problem(replace(chained, pem=Secret(second + first)))


def test_too_many_certificates_are_refused() -> None:
    plain = issued()

    assert "it holds 11 certificates" in problem(replace(plain, pem=Secret(plain.pem.reveal() * 11)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ClientCertificate(), "it has no private key"),
        (ClientCertificate(issued().pem), "it has no private key"),
        (ClientCertificate(Secret("canary"), issued().key), "certificates in PEM form"),
        (ClientCertificate(Secret(key_text(issued()))), "certificates in PEM form"),
        (ClientCertificate(issued().pem, PrivateKey(Secret("canary"))), "not in PEM form"),
        (ClientCertificate(issued().pem, PrivateKey(encrypted(issued()))), "encrypted with a passphrase"),
        (
            ClientCertificate(issued().pem, PrivateKey(encrypted(issued()), password=Secret("canary-wrong"))),
            "cannot be decrypted",
        ),
        (replace(issued(), key=replace(issued().key, password=Secret("canary"))), "is not encrypted"),
        (ClientCertificate(key=PrivateKey(pkcs12=pkcs12(issued()))), "cannot be opened"),
        (
            ClientCertificate(
                key=PrivateKey(pkcs12=pkcs12(issued(), with_certificate=False), password=Secret(PASSWORD))
            ),
            "holds no certificate",
        ),
        (ClientCertificate(Secret("x" * 70_000), issued().key), "at most 65536 octets"),
        (ClientCertificate(issued().pem, PrivateKey(signer=lambda *_: b"")), "cannot be used in TLS"),
    ],
)
def test_what_is_wrong_with_it_is_said(given: ClientCertificate, expected: str) -> None:
    assert expected in problem(given)


def test_a_short_rsa_key_is_refused_before_tls_refuses_it() -> None:
    key = rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert "1024 bits" in problem(ClientCertificate(issued().pem, PrivateKey(Secret(key.decode()))))


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [(-1, 30, ""), (-30, -1, "it ended at"), (1, 30, "it is valid from")],
)
def test_a_certificate_has_its_time(begins: int, ends: int, expected: str) -> None:
    import time

    read = read_certificate(self_signed(begins=timedelta(days=begins), ends=timedelta(days=ends)))

    assert validity_problem(read, time.time()).startswith(expected)
    assert bool(validity_problem(read, time.time())) is bool(expected)
    assert read.ends_at - read.begins_at == (ends - begins) * 86_400


@given(st.text(max_size=300) | st.text("-BEGINCRTFAPVKY \n", max_size=300))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for kept in (
        ClientCertificate(Secret(text)),
        ClientCertificate(Secret(text), PrivateKey(Secret(text), password=Secret(text))),
        ClientCertificate(key=PrivateKey(pkcs12=Secret(text))),
    ):
        with pytest.raises(ConfigurationError):
            read_certificate(kept)


def test_an_elliptic_key_on_another_curve_is_fine() -> None:
    made = self_signed()
    curve = ec.generate_private_key(ec.SECP384R1())
    text = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    assert "does not belong" in problem(replace(made, key=PrivateKey(Secret(text))))
