"""TLS contexts that present a client certificate (RFC 8705 section 2), and what servers say who refuse it.

The one rule: a context belongs to one certificate. Python's `ssl` reads keys from files only: the key is in memory that
has no name (memfd) for as long as that takes; where there is none, in a file of this user's alone, encrypted under a
password that nobody else ever has, and removed at once. Not here: reading certificates (`pem`), who presents which.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from valetkey.effects import ClientCertificate

    MakeContext = Callable[[], ssl.SSLContext]

MAX_CONTEXTS = 64
PASSWORD_OCTETS = 32
CANNOT_PRESENT = (
    "this transport's HTTP client cannot present a client certificate: pass it a function that makes TLS contexts or "
    "clients (see docs/http-clients.md), or use valetkey's default transport"
)
NEEDS_HTTPS = "was not asked: a client certificate is presented over https only"

# RFC 8446 section 6.2: what a server says of a certificate while the handshake goes on
REFUSALS = {
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "certificate revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "certificate expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "certificate unknown",
    "TLSV1_ALERT_UNKNOWN_CA": "unknown authority",
    "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "certificate required",
}


class CertifiedContexts:
    """One context for each certificate, made at first need. Safe for threads."""

    def __init__(self, make: MakeContext) -> None:
        """make: a fresh context every time, without a certificate in it."""
        self._make = make
        self._lock = allocate_lock()
        self._made: dict[ClientCertificate, ssl.SSLContext] = {}

    def of(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """The context that presents it. Raises ConfigurationError."""
        with self._lock:
            found = self._made.get(certificate)
        if found is not None:
            return found
        made = self._make()
        load_certificate(made, certificate)
        with self._lock:
            while len(self._made) >= MAX_CONTEXTS:
                del self._made[next(iter(self._made))]
            return self._made.setdefault(certificate, made)  # another thread may have been first

    def __repr__(self) -> str:
        return f"CertifiedContexts({len(self._made)})"


def load_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Let the context present the certificate. Raises ConfigurationError."""
    import ssl

    from valetkey.pem import read_certificate

    plain = read_certificate(certificate)
    assert plain.key is not None
    try:
        if not _through_memory(context, (plain.key.pem.reveal() + plain.pem.reveal()).encode()):
            _through_file(context, plain)
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        message = f"the client certificate cannot be used in TLS here ({reason.lower()}): make one with a usual key"
        raise ConfigurationError(message) from None
    except OSError:
        message = "the client certificate cannot be loaded: there is no memory file (memfd) and no temporary directory"
        raise ConfigurationError(message) from None


def _through_memory(context: ssl.SSLContext, octets: bytes) -> bool:
    """Whether that worked: not every system has memory files, and not every sandbox shows them under /proc."""
    import ssl

    if not hasattr(os, "memfd_create"):
        return False
    try:
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    except OSError:
        return False
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError:
        raise
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _through_file(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    from tempfile import mkstemp

    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    assert certificate.key is not None
    password = os.urandom(PASSWORD_OCTETS).hex()
    key = load_pem_private_key(certificate.key.pem.reveal().encode(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    descriptor, path = mkstemp(prefix="valetkey-", suffix=".pem")  # 0600
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(sealed + certificate.pem.reveal().encode())
        context.load_cert_chain(path, password=password)
    finally:
        os.unlink(path)  # noqa: PTH108 - pathlib costs a cold start


def refusal(error: BaseException) -> str:
    """What the server's TLS says against the client's certificate; empty where this is another error."""
    return REFUSALS.get(str(getattr(error, "reason", "") or ""), "")


def refusal_text(said: str) -> str:
    """The same for people."""
    if said == "certificate required":
        return "wants a client certificate, and was shown none that it takes: check client_certificate"
    return f"refused the client certificate ({said}): check that the provider knows it, and its chain"
