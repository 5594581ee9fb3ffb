"""Secrets, private keys and client certificates of a registration, from variables, keys and the files that they name.

The one rule: a problem names where it is written, and nothing of what is written there.
"""

from __future__ import annotations

from valetkey.effects import ClientCertificate, PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from valetkey.config.sources import Sources
    from valetkey.effects import SignatureAlgorithm, SigningFunction

MAX_SECRET_CHARACTERS = 65_536
CERTIFICATES = ("client_certificate", "client_certificate_file", "client_certificate_pkcs12_file")
CERTIFICATE_KEYS = ("client_certificate_key", "client_certificate_key_file")
UNREAD = ClientCertificate(ends_at=1 << 62)
"""Stands for a certificate whose problem has been told, so that nobody says it is missing as well."""


def read_secret(sources: Sources, key: str, name: str) -> Secret | None:
    """The secret from its variable or key, or from the file that the `_file` one names."""
    path = sources.text(f"{key}_file", name)
    text = sources.text(key, name)
    if path and text:
        sources.problem(key, f"it is given twice, here and as {sources.label(f'{key}_file', name)}: remove one", name)
    if not path:
        return Secret(text) if text else None
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a cold start
            text = file.read(MAX_SECRET_CHARACTERS).strip()
    except (OSError, ValueError):
        sources.problem(f"{key}_file", "the file it names cannot be read as text", name)
        return Secret("unread")  # so that nobody says it is missing as well
    if not text:
        sources.problem(f"{key}_file", "the file it names is empty", name)
    return Secret(text)


def read_private_key(sources: Sources, name: str) -> PrivateKey | None:
    """The private key, wherever it is: PEM text, PKCS #12, or a function. Opened when it is first used."""
    keys = ("private_key", "private_key_file", "private_key_pkcs12_file", "private_key_signer")
    given = [key for key in keys if sources.has(key, name)]
    if len(given) > 1 and given != list(keys[:2]):
        sources.problem(given[0], f"the key is given {len(given)} times: keep one of {', '.join(given)}", name)
    for key in ("private_key_password", "private_key_id"):
        if sources.has(key, name) and not given:
            sources.problem(key, f"it belongs to {sources.label('private_key', name)}, which is missing", name)
    password = sources.text("private_key_password", name)
    encrypted = Secret(password) if password else None
    signer = sources.text("private_key_signer", name)
    if signer:
        return PrivateKey(signer=_imported_when_used(signer))
    path = sources.text("private_key_pkcs12_file", name)
    if path:
        return _pkcs12(sources, "private_key_pkcs12_file", path, encrypted, name)
    pem = read_secret(sources, "private_key", name)
    if pem is None:
        return None
    text = pem.reveal().replace("\\n", "\n")  # many consoles take one line only
    if not text.startswith("-----BEGIN ") or "PRIVATE KEY-----" not in text.partition("\n")[0]:
        key = "private_key" if sources.has("private_key", name) else "private_key_file"
        sources.problem(key, "it must be a private key in PEM form, beginning with -----BEGIN", name)
    return PrivateKey(Secret(text + "\n"), password=encrypted)


def read_client_certificate(sources: Sources, name: str) -> ClientCertificate | None:
    """The certificate with its key, opened and checked now: TLS would only say that the connection failed."""
    given = [key for key in CERTIFICATES if sources.has(key, name)]
    loose = [key for key in (*CERTIFICATE_KEYS, "client_certificate_password") if sources.has(key, name)]
    if not given:
        for key in loose:
            sources.problem(key, f"it belongs to {sources.label('client_certificate', name)}, which is missing", name)
        return None
    path, password = sources.text(CERTIFICATES[-1], name), sources.text("client_certificate_password", name)
    if path and (len(given) > 1 or loose not in ([], ["client_certificate_password"])):
        sources.problem(CERTIFICATES[-1], "it holds the certificate and its key: remove the others", name)
    encrypted, before = Secret(password) if password else None, len(sources.problems)
    if path:
        pair, pem = _pkcs12(sources, CERTIFICATES[-1], path, encrypted, name), Secret("")
    else:
        pem = _lines(read_secret(sources, "client_certificate", name) or Secret(""))
        text = read_secret(sources, "client_certificate_key", name) or Secret("")
        pair = PrivateKey(_lines(text), password=encrypted)
    if len(sources.problems) > before:
        return UNREAD
    from valetkey.drivers.clock import SystemClock
    from valetkey.pem import read_certificate, validity_problem

    try:
        certificate = read_certificate(ClientCertificate(pem, pair))
        problems = tuple(filter(None, (validity_problem(certificate, SystemClock().now()),)))
    except ConfigurationError as error:
        problems = error.problems
    for problem in problems:
        sources.problem(given[0], problem, name)
    return UNREAD if problems else certificate


def _lines(pem: Secret) -> Secret:
    return Secret(pem.reveal().replace("\\n", "\n"))  # many consoles take one line only


def _pkcs12(sources: Sources, name_of_file: str, path: str, password: Secret | None, name: str) -> PrivateKey:
    """The file, opened when the key is first used: opening it loads cryptography."""
    from binascii import b2a_base64

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            octets = file.read(MAX_SECRET_CHARACTERS)
    except (OSError, ValueError):
        sources.problem(name_of_file, "the file it names cannot be read", name)
        return PrivateKey(Secret("unread"))  # so that nobody says it is missing as well
    return PrivateKey(pkcs12=Secret(b2a_base64(octets, newline=False).decode()), password=password)


def _imported_when_used(name: str) -> SigningFunction:
    def sign(algorithm: SignatureAlgorithm, message: bytes) -> bytes | Awaitable[bytes]:
        from valetkey.drivers.events import load_hook

        made: bytes | Awaitable[bytes] = load_hook(name)(algorithm, message)  # type: ignore[assignment]
        return made

    return sign
