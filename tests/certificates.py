"""Client certificates for tests, made on the spot, and TLS servers that ask for them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from valetkey.effects import ClientCertificate, PrivateKey
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "localhost"


@cache
def authority() -> trustme.CA:
    """Who vouches for the servers of this run, and for most clients."""
    return trustme.CA()


def issued(name: str = "client-1", *, by: trustme.CA | None = None) -> ClientCertificate:
    """A certificate with that common name and its key, as a registration is given it."""
    made = (by or authority()).issue_cert(f"{name}.client.example", common_name=name)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems).decode()
    return ClientCertificate(Secret(chain), PrivateKey(Secret(made.private_key_pem.bytes().decode())))


def self_signed(
    name: str = "client-1", *, begins: timedelta = timedelta(days=-1), ends: timedelta = timedelta(days=30)
) -> ClientCertificate:
    """A certificate that nobody vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .sign(key, hashes.SHA256())
    )
    return ClientCertificate(
        Secret(made.public_bytes(Encoding.PEM).decode()),
        PrivateKey(Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())),
    )


def trusting() -> ssl.SSLContext:
    """A fresh context that trusts the servers of this run."""
    made = ssl.create_default_context()
    authority().configure_trust(made)
    return made


def asking(verify: ssl.VerifyMode = ssl.CERT_REQUIRED, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """The context of a server that asks its clients for certificates, and takes those of the authority."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(SERVER, "127.0.0.1").configure_cert(made)
    authority().configure_trust(made)
    made.verify_mode = verify
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


def common_name(connected: object) -> str:
    """Who the other side of a server's connection says that it is; empty where it did not say."""
    read: Callable[[], dict[str, object] | None] = getattr(connected, "getpeercert")  # noqa: B009
    told = read() or {}
    pairs = dict(pair for part in told.get("subject", ()) for pair in part)  # type: ignore[attr-defined]
    return str(pairs.get("commonName", ""))
