"""The sandbox itself: a request in, a response out."""

from __future__ import annotations

from threading import RLock

from valetkey.errors import ConfigurationError, RequestRefused, StoreError
from valetkey.http import Headers, Response, read_url
from valetkey.oauth1.receive import MemoryNonces
from valetkey.sandbox.answers import http_date
from valetkey.sandbox.clients import DEMO_ACCOUNTS, demo_clients
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.faults import Faults, misbehave
from valetkey.sandbox.refusals import as_page
from valetkey.sandbox.seen import Entry, Seen
from valetkey.sandbox.signing import SigningKeys
from valetkey.sandbox.state import State
from valetkey.sandbox.table import NAMES, row_for, rows_at
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from valetkey.http import Request
    from valetkey.oauth1.receive import Nonces
    from valetkey.sandbox.clients import SandboxAccount, SandboxClient
    from valetkey.sandbox.faults import Fault
    from valetkey.sandbox.row import Endpoint

TIMESTAMP_WINDOW = 300  # seconds, either way
NONCES_DOWN = Refusal("temporarily_unavailable", "The sandbox cannot remember nonces now.", status=503, retry_after=1)


class Sandbox:
    """A strict provider of OAuth 1.0a and OAuth 2.0, in memory; safe to be used by many threads.

    now, random: the clock and chance (`time.time`, `os.urandom`, or a virtual world's).
    base_url: its origin, such as `http://127.0.0.1:8400`; empty until `serve` knows the port.
    sleep: what the fault `delay` calls; without it the delay takes no time, except where `serve` sets the real one.
    dpop_nonces: whether proofs of possession must hold a nonce of the sandbox (RFC 9449 section 8).
    mtls_base_url: where a proxy of yours that asks for client certificates stands before it (RFC 8705 section 5).
    control: whether `/sandbox/seen` and `/sandbox/faults` are there, for demonstrations and tests.
    plaintext_allowed: None allows PLAINTEXT signatures where nobody listens: over https and on loopback.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        random: Callable[[int], bytes],
        base_url: str = "",
        clients: Iterable[SandboxClient] | None = None,
        accounts: Iterable[SandboxAccount] = DEMO_ACCOUNTS,
        sleep: Callable[[float], None] | None = None,
        control: bool = False,
        iss_in_responses: bool = True,
        dpop_nonces: bool = False,
        mtls_base_url: str = "",
        plaintext_allowed: bool | None = None,
        timestamp_window: int = TIMESTAMP_WINDOW,
        nonces: Nonces | None = None,
    ) -> None:
        self.now, self.random = now, random
        self.base_url = base_url.rstrip("/")
        self.sleep = sleep
        self.control = control
        self.iss_in_responses = iss_in_responses
        self.dpop_nonces = dpop_nonces
        self.mtls_base_url = mtls_base_url.rstrip("/")
        self.plaintext_allowed = plaintext_allowed
        self.timestamp_window = timestamp_window
        self.nonces: Nonces = nonces if nonces is not None else MemoryNonces()
        self.accounts = {account.name: account for account in accounts}
        self.key = random(32)
        self.state = State()
        self.signing_keys = SigningKeys(self.state)
        self._lock = RLock()
        self.seen = Seen()
        self.faults = Faults(NAMES, self._lock)
        self._clients: dict[str, SandboxClient] = {}
        for client in demo_clients() if clients is None else clients:
            self.register(client)

    def register(self, client: SandboxClient) -> None:
        """Add a client, or replace the one of the same client_id; what was issued to it stays."""
        with self._lock:
            self._clients[client.client_id] = client

    def client(self, client_id: str) -> SandboxClient | None:
        """The registered client of that identifier."""
        return self._clients.get(client_id)

    @property
    def clients(self) -> tuple[SandboxClient, ...]:
        """Every registered client."""
        return tuple(self._clients.values())

    @property
    def issuer(self) -> str:
        """The issuer identifier (RFC 8414 section 2), which is the base URL."""
        return self.base_url

    @property
    def origin(self) -> str:
        """The origin that browsers name."""
        return read_url(self.base_url).origin

    @property
    def host(self) -> str:
        """Host and port as the Host header has them."""
        return self.origin.partition("://")[2]

    @property
    def cookie_name(self) -> str:
        """The session cookie; where it can be, bound to this host (RFC 6265bis section 4.1.3.2)."""
        return "__Host-valetkey-sandbox" if self.base_url.startswith("https:") else "valetkey-sandbox"

    def respond(self, request: Request) -> Response:
        """The answer to a request whose url is the raw target, or absolute and of this origin.

        Raises ResponseLost and RequestLost, which are TransportErrors, where a fault says so.
        """
        response = self._respond(request)
        # RFC 9110 section 6.6.1: clients learn from it how far their clock is off
        return replace(response, headers=response.headers.with_set("Date", http_date(self.now())))

    def _respond(self, request: Request) -> Response:
        target = self._target(request.url)
        if target is None:
            return Response(421, Headers((("Content-Type", "text/plain"),)), b"this request is for another server")
        exchange = Exchange(self, request, target)
        row = row_for(exchange)
        if row is None:
            return self._nothing_there(exchange)
        fault = self.faults.take(row.name, (*exchange.query, *exchange.form))
        return self._act(row, exchange) if fault is None else self._misbehave(fault, row, exchange)

    def _misbehave(self, fault: Fault, row: Endpoint, exchange: Exchange) -> Response:
        """As the fault says; a request that is not acted upon was seen all the same, unless it never arrived."""
        acted = False

        def act() -> Response:
            nonlocal acted
            acted = True
            again = Exchange(self, exchange.request, exchange.target)
            again.notes["fault"] = again.fault = fault.fault
            return self._act(row, again)

        response = misbehave(fault, act, sleep=self.sleep or _take_no_time)
        if not acted:
            exchange.notes["fault"] = fault.fault
            with self._lock:
                self._note(exchange, row, outcome="fault", status=response.status)
        return response

    def _target(self, url: str) -> str | None:
        if url.startswith("/"):
            return url
        if not self.base_url:
            raise ConfigurationError("the sandbox has no base_url yet: give it one, or let serve() set it")
        try:
            parts = read_url(url)
        except ValueError:
            return None
        if parts.origin != self.origin:
            return None
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _act(self, row: Endpoint, exchange: Exchange) -> Response:
        """Every check of the row in its order, then what acts; one request at a time."""
        exchange.endpoint = row
        with self._lock:
            self.state.sweep(exchange.now)
            outcome = "ok"
            try:
                for check in row.checks:
                    check(exchange)
                response = row.act(exchange)
            except Refusal as refusal:
                outcome, response = refusal.error, row.refuse(exchange, refusal)
            except RequestRefused as refused:  # by `oauth1.verify`
                translated = Refusal(refused.reason, str(refused), status=refused.status)
                outcome, response = refused.reason, row.refuse(exchange, translated)
            except StoreError:  # fail closed: who cannot remember nonces cannot verify
                outcome, response = NONCES_DOWN.error, row.refuse(exchange, NONCES_DOWN)
            self._note(exchange, row, outcome=outcome, status=response.status)
        return response

    def _note(self, exchange: Exchange, row: Endpoint, *, outcome: str, status: int) -> None:
        if row.name == "control":
            return
        if row.when is not None:
            exchange.notes[row.when[0]] = row.when[1]
        fields = tuple(sorted(exchange.notes.items()))
        self.seen.note(Entry(exchange.now, row.name, exchange.request.method, status, outcome, fields))

    def _nothing_there(self, exchange: Exchange) -> Response:
        methods = dict.fromkeys(method for row in rows_at(exchange.path) for method in row.methods)
        if methods:
            refusal = Refusal("method_not_allowed", f"Use {' or '.join(methods)} here.", status=405)
            response = as_page(exchange, refusal)
            return Response(405, response.headers.with_added("Allow", ", ".join(methods)), response.body)
        return as_page(exchange, Refusal("not_found", "There is nothing here.", status=404))


def _take_no_time(_: float) -> None:
    """Where nobody said how to wait."""
