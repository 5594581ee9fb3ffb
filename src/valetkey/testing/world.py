"""A world in memory: virtual time, repeatable chance, a store and a network that can fail when told to."""

from __future__ import annotations

from valetkey.connections.cache import TokenCache
from valetkey.connections.settings import Settings
from valetkey.digest import sha256
from valetkey.drivers.drive import drive
from valetkey.drivers.ports import Ports
from valetkey.effects import LOST, UNKNOWN
from valetkey.errors import StoreError, TransportError
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.keys.local import LocalKeyRing
from valetkey.keys.signer import LocalSigner
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.sandbox import Sandbox, SandboxClient, approve
from valetkey.secret import Secret
from valetkey.stores.memory import MemoryStore
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from valetkey.connections.connection import Connection
    from valetkey.effects import AnyEffect, Event, Key, Op, Outcome, Page, Row, Send
    from valetkey.http import Pairs, Response
    from valetkey.providers.provider import Rotation
    from valetkey.providers.registration import Registration
    from valetkey.sandbox.clients import RotationMode
    from valetkey.vault import Vault

    T = TypeVar("T")

BASE_URL = "https://app.example/oauth"
PROVIDER_URL = "http://127.0.0.1:8400"
START = 1_800_000_000.0


class VirtualClock:
    """Time that passes only when somebody sleeps or a test says so, and chance that repeats."""

    def __init__(self, seed: int = 0) -> None:
        self.time = START
        self.left = 30.0
        self.allowed = 30.0
        self._seed = seed
        self._drawn = 0

    def continue_from(self, other: VirtualClock) -> None:
        """Show the other's time and draw what it would draw next."""
        self.time, self.left, self._seed, self._drawn = other.time, other.left, other._seed, other._drawn
        self.allowed = other.allowed

    def now(self) -> float:
        """Unix seconds."""
        return self.time

    def remaining(self) -> float:
        """Seconds left of the invocation; a test sets `left`."""
        return self.left

    def whole(self) -> float:
        """Seconds that the invocation had when it began; a test sets `allowed`."""
        return self.allowed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def random(self, octets: int) -> bytes:
        """The next octets of this seed's sequence."""
        found = b""
        while len(found) < octets:
            self._drawn += 1
            found += sha256(f"{self._seed}:{self._drawn}".encode()).digest()
        return found[:octets]


class FaultyStore:
    """A store in memory that fails when told to.

    outages: how many of the next calls raise StoreError.
    lost_answers: of how many of the next writes the answer is `unknown` although they happened.
    lost_writes: how many of the next writes do not happen and answer `unknown`.
    """

    description = "a store in memory that can fail"
    blocking = False
    local = True

    def __init__(self, now: Callable[[], float]) -> None:
        self.rows = MemoryStore(now=now)
        self.outages = 0
        self.lost_answers = 0
        self.lost_writes = 0

    def load(self, key: Key) -> Row | None:
        """See `Store.load`."""
        self._maybe_out()
        return self.rows.load(key)

    def swap(self, key: Key, expected: bytes | None, new: Row | None) -> Outcome:
        """See `Store.swap`."""
        self._maybe_out()
        if self.lost_writes:
            self.lost_writes -= 1
            return UNKNOWN
        outcome = self.rows.swap(key, expected, new)
        if self.lost_answers and outcome != LOST:
            self.lost_answers -= 1
            return UNKNOWN
        return outcome

    def list(self, partition: str | None, cursor: str) -> Page:
        """See `Store.list`."""
        self._maybe_out()
        return self.rows.list(partition, cursor)

    def create(self) -> None:
        """Nothing has to be made."""

    def check(self) -> tuple[str, ...]:
        """See `Store.check`."""
        self._maybe_out()
        return ()

    def close(self) -> None:
        """Nothing is held open."""

    def _maybe_out(self) -> None:
        if self.outages:
            self.outages -= 1
            message = "the store is out of reach: try again"
            raise StoreError(message)


class Network:
    """Requests answered by the sandbox, within their deadline; everything else cannot be reached."""

    blocking = False

    def __init__(self, sandbox: Sandbox, clock: VirtualClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.sent: list[str] = []

    def send(self, effect: Send) -> Response:
        """One exchange. Raises TransportError."""
        if self.clock.now() > effect.not_after:
            message = "the deadline has passed: nothing was sent"
            raise TransportError(message, maybe_received=False)
        if not effect.request.url.startswith(self.sandbox.base_url):
            message = "no such host in this world"
            raise TransportError(message, maybe_received=False)
        self.sent.append(effect.request.url)
        response = self.sandbox.respond(effect.request)
        if self.clock.now() > effect.not_after:
            message = "the answer came after the deadline"
            raise TransportError(message, maybe_received=True)
        return response


class EventList:
    """Events, kept."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep it."""
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """What happened, in order."""
        return [event.name for event in self.events]


class World:
    """Everything that a vault asks of, in memory, with two registrations at the sandbox: `one` (1.0a) and `two` (2.0).

    client: changes to the OAuth 2.0 client as the sandbox registered it, such as its rotation mode.
    rotation: what the catalog would say of it; it need not be true.
    settings: those of another world, instead of reading the catalog again.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        client: SandboxClient | None = None,
        rotation: Rotation | None = None,
        cache: bool = False,
        settings: Settings | None = None,
    ) -> None:
        self.clock = VirtualClock(seed)
        self.store = FaultyStore(self.clock.now)
        self.events = EventList()
        secret = Secret("secret-of-two")
        self.client = client or sandbox_client()
        oauth1 = SandboxClient("client-one", Secret("secret-of-one"), callbacks=(f"{BASE_URL}/callback/one",))
        self.sandbox = Sandbox(
            now=self.clock.now,
            random=self.clock.random,
            base_url=PROVIDER_URL,
            sleep=self.clock.sleep,
            clients=(oauth1, self.client),
        )
        self.network = Network(self.sandbox, self.clock)
        self.keys = LocalKeyRing([("test", self.clock.random(32))], random=self.clock.random)
        self.ports = Ports(
            transport=self.network,
            store=self.store,
            keys=self.keys,
            signer=LocalSigner(),
            clock=self.clock,
            events=self.events,
        )
        self.settings = settings or _settings(secret, rotation, cache=cache)

    def fork(self) -> World:
        """A world of its own that goes on from here: same time, rows and provider; nothing of what was seen or sent.

        Cheaper than to connect anew for each of a thousand schedules.
        """
        settings = self.settings if self.settings.cache is None else replace(self.settings, cache=TokenCache())
        world = World(client=self.client, settings=settings)
        world.clock.continue_from(self.clock)
        world.keys = LocalKeyRing(
            [(key_id, self.keys._keys[key_id]) for key_id in self.keys.key_ids],  # noqa: SLF001
            random=world.clock.random,
        )
        world.ports = Ports(
            transport=world.network,
            store=world.store,
            keys=world.keys,
            signer=LocalSigner(),
            clock=world.clock,
            events=world.events,
        )
        world.store.rows._rows = dict(self.store.rows._rows)  # noqa: SLF001
        world.sandbox.key = self.sandbox.key
        for name, records in vars(self.sandbox.state).items():
            setattr(world.sandbox.state, name, records.copy() if hasattr(records, "copy") else records)
        return world

    def answer(self, effect: AnyEffect) -> object:
        """Perform one effect."""
        return self.ports.answer(effect)

    def run(self, op: Op[T]) -> T:
        """The program's result."""
        return drive(op, self.ports.answer)

    def vault(self) -> Vault:
        """A vault in this world; what it does is what it does in production."""
        from valetkey.vault import Vault

        return Vault(self.settings, **self.parts())

    def parts(self) -> dict[str, Any]:
        """What a vault of either colour is made of, beside the settings."""
        return {
            "store": self.store,
            "keys": self.keys,
            "transport": self.network,
            "clock": self.clock,
            "events": self.events,
        }

    def connect(self, registration: str = "two", resource_owner: str = "alice", account: str = "") -> Connection:
        """A connection, made the whole way through the sandbox's pages."""
        from valetkey.connections.authorize import begin_authorization, finish_authorization

        begun = self.run(
            begin_authorization(self.settings, registration, resource_owner=resource_owner, cookies=(), account=account)
        )
        request = callback_request(approve(self.sandbox.respond, begun.location), begun.set_cookies)
        finished = self.run(finish_authorization(self.settings, request, resource_owner=resource_owner))
        assert finished.connection is not None
        return finished.connection

    def refresh_requests(self) -> int:
        """How many refresh requests reached the provider."""
        return self.sandbox.seen.count("token", grant_type="refresh_token")


def _settings(secret: Secret, rotation: Rotation | None, *, cache: bool) -> Settings:
    two = register_at_sandbox("two", "sandbox-oauth2", "client-two", secret)
    if rotation is not None:
        two = replace(two, provider=replace(two.provider, rotation=rotation))
    one = register_at_sandbox("one", "sandbox-oauth1", "client-one", Secret("secret-of-one"))
    return Settings(registrations={"one": one, "two": two}, base_url=BASE_URL, cache=TokenCache() if cache else None)


def sandbox_client(rotation: RotationMode = "strict", **changes: Any) -> SandboxClient:
    """The OAuth 2.0 client of a world as the sandbox registers it, with that rotation and other changes."""
    client = SandboxClient(
        "client-two", Secret("secret-of-two"), redirect_uris=(f"{BASE_URL}/callback/two",), rotation=rotation
    )
    return replace(client, **changes)


def register_at_sandbox(name: str, provider: str, client_id: str, secret: Secret) -> Registration:
    """A registration at the sandbox of the world."""
    return register(
        name,
        load_provider(provider),
        client_id=client_id,
        client_secret=secret,
        redirect_uri=f"{BASE_URL}/callback/{name}",
    )


def callback_request(location: str, set_cookies: tuple[str, ...]) -> Request:
    """What a browser sends that was redirected to `location` with the cookies that it was given.

    Where there is a fragment it is what our own page posts, once it has taken it out of the address.
    """
    location, hashed, fragment = location.partition("#")
    jar = "; ".join(cookie.partition(";")[0] for cookie in set_cookies if "Max-Age=0" not in cookie)
    target = "/" + location.split("/", 3)[3]
    headers = Headers((("Cookie", jar),)) if jar else Headers()
    if hashed:
        headers = headers.with_added("Content-Type", FORM).with_added("Sec-Fetch-Site", "same-origin")
        return Request("POST", target, headers, write_form((("fragment", fragment),)).encode())
    return Request("GET", target, headers)


def posted_request(location: str, fields: Pairs, set_cookies: tuple[str, ...]) -> Request:
    """What a browser sends when the provider's page posts these fields there (`sandbox.approve_posting`).

    Only cookies that cross sites come along.
    """
    asked = callback_request(location, tuple(cookie for cookie in set_cookies if "SameSite=None" in cookie))
    return Request("POST", asked.url, asked.headers.with_set("Content-Type", FORM), write_form(fields).encode())
