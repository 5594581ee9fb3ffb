"""From the text of a configuration to the key ring: a table with one row for each key service.

    VALETKEY_KEY = one entry for each key, separated by commas or lines, the sealing one first
    entry        = <key id>:<base64 of 32 octets>                                    a local key
                 | <key id>:<service>:<the service's name of a key>:<base64>         one that a service wrapped

The one rule: a problem never shows a key. Services are imported only when a key names them; a ring of local keys costs
a cold start nothing of this. A new service is a new row of `SERVICES`.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import base64url
from valetkey.keys import aead
from valetkey.keys.local import ADVICE, LocalKeyRing, entries_of, problems_of, read_local_entry, text_of
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from valetkey.keys import KeyRing
    from valetkey.keys.key_service import KeyService, WrappedKey

    RingKey: TypeAlias = tuple[str, bytes] | WrappedKey


@value
class Service:
    """A row of the table.

    form: how such a key is named. name_problem: why a name cannot be one, empty where it can.
    open: the service, with the credentials that the environment's variables tell of.
    """

    form: str
    name_problem: Callable[[str], str]
    open: Callable[[Mapping[str, str]], KeyService]


def open_key_ring(
    text: str,
    *,
    random: Callable[[int], bytes],
    environ: Mapping[str, str],
    environment: str = "default",
    source: str = "VALETKEY_KEY",
) -> KeyRing:
    """The ring that the text, or the file that `file:/path` names, describes. Raises ConfigurationError.

    environ: where a platform puts its credentials. environment: what wrapped keys are bound to.
    """
    keys = read_key_ring(text, source=source)
    local = [key for key in keys if isinstance(key, tuple)]
    if len(local) == len(keys):
        return LocalKeyRing(local, random=random)
    from valetkey.keys.envelope import EnvelopeKeyRing

    services = {key.service: SERVICES[key.service].open(environ) for key in keys if not isinstance(key, tuple)}
    return EnvelopeKeyRing(keys, services=services, environment=environment)


def read_key_ring(text: str, *, source: str = "VALETKEY_KEY") -> tuple[RingKey, ...]:
    """The keys in the text or in the file that it names, nothing asked of any service. Raises ConfigurationError."""
    text, source = text_of(text, source=source)
    keys: list[RingKey] = []
    problems: list[str] = []
    for number, entry in enumerate(entries_of(text), start=1):
        found = _read_wrapped(entry, number) if entry.count(":") > 1 else read_local_entry(entry, number)
        if isinstance(found, str):
            problems.append(found)
        else:
            keys.append(found)
    if keys or not problems:
        problems += _problems(keys)
    if problems:
        raise ConfigurationError([f"{source}: {problem}" for problem in problems])
    return tuple(keys)


def write_key_ring(keys: tuple[RingKey, ...]) -> str:
    """The text of a ring, one key on each line. It holds the local keys themselves."""
    return "\n".join(write_key(key) for key in keys)


def write_key(key: RingKey) -> str:
    """The entry of one key."""
    if isinstance(key, tuple):
        return f"{key[0]}:{base64url(key[1])}"
    return f"{key.key_id}:{key.service}:{key.name}:{base64url(key.wrapped)}"


def open_service(service: str, name: str, *, environ: Mapping[str, str]) -> KeyService:
    """The service, to be asked for its key of that name. Raises ConfigurationError."""
    row = SERVICES.get(service)
    forms = ", ".join(f"{word}:{each.form}" for word, each in SERVICES.items())
    problem = row.name_problem(name) if row else f"the key services are {forms}"
    if row is None or problem:
        raise ConfigurationError(problem)
    return row.open(environ)


def _problems(keys: list[RingKey]) -> list[str]:
    local = [key for key in keys if isinstance(key, tuple)]
    if len(local) == len(keys):
        return problems_of(local)
    from valetkey.keys.envelope import problems_of_ring

    return problems_of_ring(keys)


def _read_wrapped(entry: str, number: int) -> WrappedKey | str:
    """The wrapped key of an entry, or the sentence that says why it is none."""
    from valetkey.keys.key_service import MAX_WRAPPED_OCTETS, WrappedKey, read_octets

    key_id, _, rest = entry.partition(":")
    service, _, rest = rest.partition(":")
    name, _, encoded = rest.rpartition(":")
    if not aead.is_key_id(key_id) or key_id == "file":
        return f"key {number} has no key id of 1 to 32 of a-z, 0-9 and the hyphen in front: {ADVICE}"
    row = SERVICES.get(service)
    if row is None:
        return f"key {number} ({key_id}) names no key service that valetkey knows: {', '.join(SERVICES)}"
    problem = row.name_problem(name)
    wrapped = read_octets(encoded, most=MAX_WRAPPED_OCTETS)
    if problem:
        return f"key {number} ({key_id}): {problem}, with a colon and the wrapped key after it"
    if not wrapped:
        return f"key {number} ({key_id}) does not end in base64: write the line that `valetkey keys generate` printed"
    return WrappedKey(key_id, service, name, wrapped)


def _aws_name_problem(name: str) -> str:
    from valetkey.keys.aws_kms import name_problem

    return name_problem(name)


def _open_aws(environ: Mapping[str, str]) -> KeyService:
    from valetkey.clouds.aws_credentials import AwsCredentialSource
    from valetkey.keys.aws_kms import AwsKms

    endpoint = environ.get("AWS_ENDPOINT_URL_KMS") or environ.get("AWS_ENDPOINT_URL") or ""
    return AwsKms(credentials=AwsCredentialSource(environ), endpoint=endpoint)


def _gcp_name_problem(name: str) -> str:
    from valetkey.keys.gcp_kms import name_problem

    return name_problem(name)


def _open_gcp(environ: Mapping[str, str]) -> KeyService:
    from valetkey.clouds.google_credentials import GoogleTokenSource
    from valetkey.keys.gcp_kms import SCOPE, GcpKms

    return GcpKms(credentials=GoogleTokenSource(environ, scope=(SCOPE,)))


def _azure_name_problem(name: str) -> str:
    from valetkey.keys.azure_key_vault import name_problem

    return name_problem(name)


def _open_azure(environ: Mapping[str, str]) -> KeyService:
    from valetkey.clouds.azure_credentials import AzureTokenSource
    from valetkey.keys.azure_key_vault import AzureKeyVault

    return AzureKeyVault(credentials_for=lambda resource: AzureTokenSource(environ, resource=resource))


SERVICES = {
    "aws-kms": Service("arn:aws:kms:REGION:ACCOUNT:key/ID", _aws_name_problem, _open_aws),
    "gcp-kms": Service("projects/P/locations/L/keyRings/R/cryptoKeys/K", _gcp_name_problem, _open_gcp),
    "azure-key-vault": Service("https://NAME.vault.azure.net/keys/KEY/VERSION", _azure_name_problem, _open_azure),
}
