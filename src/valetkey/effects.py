"""The closed vocabulary of effects: what a program may ask of the world.

A program is a plain generator that asks with `yield from` and gets a typed answer: `row = yield from Load(key)`.
`drivers` run it with blocking or awaited ports, `testing` runs it in a world in memory where it can be killed at every
effect. The one rule: a new effect needs a note in `docs/architecture.md`, and no program knows who performs it.
Not here: who performs them (`drivers`), and what they are used for.
"""

from __future__ import annotations

from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping
    from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, cast

    from valetkey.http import Pairs, Request, Response  # noqa: F401 - named by a string below

    T = TypeVar("T")

    class Effect(Generic[T]):
        """A question to the world; `yield from` it gives the answer."""

        __slots__ = ()

        def __iter__(self) -> Generator[Self, Any, T]:
            return cast(T, (yield self))  # noqa: TC006 - the only cast of the core

    Reach: TypeAlias = Literal["public", "configured", "platform"]
    Outcome: TypeAlias = Literal["won", "lost", "unknown"]
    SignatureAlgorithm: TypeAlias = Literal["RS1", "RS256", "RS512", "PS256", "ES256"]
    SigningFunction: TypeAlias = Callable[[SignatureAlgorithm, bytes], bytes | Awaitable[bytes]]
    Clear: TypeAlias = Mapping[str, str | int]
else:

    class Effect:
        """A question to the world; `yield from` it gives the answer."""

        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls

        def __iter__(self) -> object:
            return (yield self)


NO_PEM = Secret("")

PUBLIC: Reach = "public"  # https only, every resolved address must be public
CONFIGURED: Reach = "configured"  # what the operator configured; http only on loopback
PLATFORM: Reach = "platform"  # the fixed metadata addresses of the clouds

WON: Outcome = "won"
LOST: Outcome = "lost"
UNKNOWN: Outcome = "unknown"


@value
class Key:
    """Where a row stands. partition: hex digits that spread rows; name: which row in it. At most 1,000 characters."""

    partition: str
    name: str


@value
class Row:
    """What a store keeps under a key.

    version: 16 random bytes drawn at every write, so nothing is mistaken for an earlier state.
    clear: columns that operations need without a sealing key; no secrets. Strings and integers only.
    sealed: the sealed blob, `b""` where there is none.
    expires_at: Unix seconds after which the store may drop the row; 0 keeps it.
    """

    key: Key
    version: bytes
    clear: Clear
    sealed: bytes = b""
    expires_at: int = 0


@value
class Page:
    """A page of a listing; cursor is empty on the last one."""

    rows: tuple[Row, ...]
    cursor: str = ""


@value
class Place:
    """What a sealed value is bound to: it opens nowhere else (the associated data of the AEAD).

    purpose: `connection`, `flow`, `lean-flow`, `done`, `claim`, `link`, `server`, `device`, `ask`, `rescue`,
      `event`, `discovery` or `registration`; of a place where nothing is sealed and only a key is derived for: `trace`.
    owner_key: the row's key, or a cookie's context and flow id, as separate fields.
    """

    purpose: str
    fields: tuple[str, ...]


@value
class PrivateKey:
    """A signing key: PEM text, a PKCS #12 file in base64, or one that never comes here.

    password: of the PEM text or the PKCS #12 file, where it is encrypted.
    signer: `(algorithm, message) -> signature`, plain or awaited, for a key that stays in a key service or a device.
    """

    pem: Secret = NO_PEM
    key_id: str = ""
    pkcs12: Secret | None = None
    password: Secret | None = None
    signer: SigningFunction | None = None


@value
class ClientCertificate:
    """What a client presents in TLS (RFC 8705): its certificate in PEM, those that vouch for it after it, and its key.

    pem: may hold the private key too; empty where `key` is a PKCS #12 file, which holds both.
    begins_at, ends_at: Unix seconds, as `pem.read_certificate` finds them; 0 where nobody has looked yet.
    """

    pem: Secret = NO_PEM
    key: PrivateKey | None = None
    begins_at: int = 0
    ends_at: int = 0

    def __repr__(self) -> str:
        return "ClientCertificate(***)"


@value
class Event:
    """An audit event: a name of the closed set (`connections.events`) and fields that hold no secrets by type.

    resource_owner: whose connection it was, empty where nobody knows; for hooks and webhooks, never for the log.
    """

    name: str
    registration: str
    fields: Clear
    resource_owner: str = ""


@value
class Now(Effect[float]):
    """Unix seconds. The only wall clock."""


@value
class Remaining(Effect[float]):
    """Seconds that are left of the invocation; 30 where nobody said.

    whole: what the longest invocation of this process had when it began, instead of what is left of this one.
    """

    whole: bool = False


@value
class Random(Effect[bytes]):
    """That many random octets."""

    octets: int


@value
class Sleep(Effect[None]):
    """Wait."""

    seconds: float


@value
class Send(Effect["Response"]):
    """Send a request, get a response; never follows a redirect.

    not_after: Unix seconds; checked before the first byte and for the whole exchange.
    kept: whether a kept-alive connection may be used. Code, token and revocation requests never do.
    certificate: what is presented in TLS, over https only; its connection is never another's.
    Raises TransportError; ConfigurationError where the transport cannot present the certificate.
    """

    request: Request
    reach: Reach
    not_after: float
    kept: bool = False
    certificate: ClientCertificate | None = None


@value
class Sign(Effect[bytes]):
    """A signature by a private key. Raises ConfigurationError where the key is unusable."""

    key: PrivateKey
    algorithm: SignatureAlgorithm
    message: bytes

    def __repr__(self) -> str:
        return f"Sign({self.key!r}, {self.algorithm}, {len(self.message)} octets)"


@value
class PublicKey(Effect["Pairs"]):
    """The members of the key's public JWK that its thumbprint is made of, in order (RFC 7638 section 3.2).

    Raises ConfigurationError where the key is unusable, or only its signer is here.
    """

    key: PrivateKey


@value
class MakeKey(Effect[PrivateKey]):
    """A new private key on P-256, for ES256; nobody else has it."""


@value
class Load(Effect["Row | None"]):
    """The row under the key, strongly consistent. Raises StoreError."""

    key: Key


@value
class Swap(Effect["Outcome"]):
    """Compare-and-swap, the only write: `new` replaces the row that has version `expected`.

    expected None creates; new None deletes. `unknown` is settled by reading whether one's own version is there.
    Raises StoreError only where it is certain that nothing was written.
    """

    key: Key
    expected: bytes | None
    new: Row | None


@value
class List(Effect["Page"]):
    """A page of rows: of one partition, or of all (for sweeps only). Order is by key."""

    partition: str | None = None
    cursor: str = ""


@value
class CheckStore(Effect[tuple[str, ...]]):
    """A sentence about each thing of the store that is missing or unsafe; see `Store.check`. Raises StoreError."""


@value
class Seal(Effect[bytes]):
    """The plaintext, sealed for one place by the first key of the ring. The answer starts with the key's id."""

    place: Place
    plaintext: bytes

    def __repr__(self) -> str:
        return f"Seal({self.place!r}, {len(self.plaintext)} octets)"


@value
class Open(Effect[bytes]):
    """The plaintext of what was sealed for this place. Raises KeyUnavailable, SealBroken."""

    place: Place
    sealed: bytes


@value
class Emit(Effect[None]):
    """Tell whoever listens. Never fails."""

    event: Event


if TYPE_CHECKING:
    WireEffect: TypeAlias = Now | Remaining | Random | Sleep | Send | Sign | PublicKey | MakeKey
    AnyEffect: TypeAlias = WireEffect | Load | Swap | List | CheckStore | Seal | Open | Emit
    WireOp: TypeAlias = Generator[WireEffect, Any, T]
    Op: TypeAlias = Generator[AnyEffect, Any, T]
