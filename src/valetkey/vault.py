"""Vault and AsyncVault: the front door. One line per verb; everything they do is a program in `connections`.

The one rule: no decision is taken here, so that the two cannot differ. A verb that is in one is in the other, with the
same parameters, and a test compares them.
"""

from __future__ import annotations

from valetkey import verbs
from valetkey.connections.cache import TokenCache
from valetkey.drivers.drive import drive, drive_async
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self, TypeVar

    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.connections.connection import Connection
    from valetkey.connections.identity import UserInfo
    from valetkey.connections.manage import ConnectionPage, Revocation
    from valetkey.connections.settings import Settings
    from valetkey.drivers.events import Invocation
    from valetkey.drivers.ports import Clock, Events, Signer, Transport
    from valetkey.drivers.session import AsyncSession, Session
    from valetkey.effects import Event, Op
    from valetkey.http import Pairs, Request
    from valetkey.keys import KeyRing
    from valetkey.secret import Secret
    from valetkey.stores import Store

    T = TypeVar("T")


class _Front:
    """What both vaults are built from."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        keys: KeyRing,
        transport: Transport | None = None,
        signer: Signer | None = None,
        clock: Clock | None = None,
        events: Events | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_unsaved: Callable[[str], object] | None = None,
    ) -> None:
        """Build a vault by hand; `from_env` is the usual way. What is left out is the one for production.

        on_event: is told of every event (docs/events.md), once it is written. on_unsaved: gets the one line that holds
        fresh tokens, sealed, which the store did not take: keep it, `valetkey rescue import` reads it.
        """
        from valetkey.drivers.defaults import LazyTransport, build_ports
        from valetkey.drivers.events import Listeners, LogEvents

        self.settings = settings if settings.cache is not None else replace(settings, cache=TokenCache())
        if unfit := getattr(store, "unfit", ""):
            self.settings = replace(self.settings, store_unfit=str(unfit))
        wanted = None if settings.webhook is None else settings.webhook.wants
        self._listeners = Listeners(events or LogEvents(), on_event=on_event, on_unsaved=on_unsaved, wanted=wanted)
        self._store = store
        self._own_transport = LazyTransport() if transport is None else None
        self._ports = build_ports(
            awaited=self._awaited,
            store=store,
            keys=keys,
            transport=transport or self._own_transport,
            signer=signer,
            clock=clock,
            events=self._listeners,
        )

    _awaited = False

    def _give_back(self) -> None:
        if self._own_transport is not None:
            self._own_transport.close()
        self._store.close()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, file: str | None = None) -> Self:
        """The vault that the environment and `valetkey.toml` describe.

        Raises ConfigurationError with everything that is wrong, StoreError where the store cannot be opened.
        """
        import os

        from valetkey.config import read_configuration, settings
        from valetkey.drivers.defaults import system_random
        from valetkey.drivers.events import load_hook
        from valetkey.keys.open import open_key_ring
        from valetkey.stores.open import open_store

        environ = os.environ if environ is None else environ
        found = read_configuration(environ, file)
        keys = open_key_ring(found.key.reveal(), random=system_random, environ=environ, environment=found.environment)
        store = open_store(found.store.reveal(), environ=environ, serverless=found.platform, awaited=cls._awaited)
        hooks: dict[str, Any] = {name: load_hook(hook) for name, hook in found.hooks.items()}
        return cls(settings(found), store=store, keys=keys, **hooks)

    def invocation(self, context: object) -> Invocation:
        """For the length of a `with` block, lets valetkey see how much time is left; sends events at its end.

        context: what the platform passes to the handler (AWS Lambda's has get_remaining_time_in_millis), or seconds.
        An AsyncVault sends events at the end of an `async with`; with a plain one they are kept for the next delivery.
        """
        from valetkey.drivers.clock import seconds_left
        from valetkey.drivers.events import Invocation

        listeners = None if self.settings.webhook is None else self._listeners
        return Invocation(seconds_left(context), listeners, self._send, awaited=self._awaited)

    def run(self, op: Op[T]) -> Any:
        """The program's result, in the colour of the vault."""
        raise NotImplementedError

    def _send(self, events: list[Event]) -> object:
        from valetkey.connections.outbox import send_events

        return self.run(send_events(self.settings, events))

    def _keep(self, events: list[Event]) -> Op[None]:
        from valetkey.connections.outbox import keep_events

        return keep_events(self.settings, events)

    @property
    def _tells_alone(self) -> bool:
        """Whether there is a webhook, and no invocation that will send to it."""
        return self.settings.webhook is not None and not self._listeners.collected

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.description})"


class Vault(_Front):
    """Connections, for blocking callers."""

    def run(self, op: Op[T]) -> T:
        """The program's result, every effect performed here and now."""
        if not self._tells_alone:
            return drive(op, self._ports.answer)
        with self._listeners.collect() as events:
            try:
                return drive(op, self._ports.answer)
            finally:
                if events:
                    drive(self._keep(events), self._ports.answer)

    def begin_authorization(
        self,
        registration: str,
        resource_owner: str,
        *,
        cookies: Mapping[str, str] | Pairs = (),
        return_to: str | None = None,
        scope: tuple[str, ...] | None = None,
        account: str = "",
    ) -> Redirect:
        """See `connections.authorize.begin_authorization`."""
        return self.run(verbs.begin(self, registration, resource_owner, cookies, return_to, scope, account))

    def finish_authorization(self, request: Request, *, resource_owner: str | None) -> Finished:
        """See `connections.authorize.finish_authorization`."""
        return self.run(verbs.finish(self, request, resource_owner))

    def connect_url(
        self, registration: str, resource_owner: str, *, return_to: str | None = None, account: str = ""
    ) -> str:
        """See `connections.links.connect_url`."""
        return self.run(verbs.connect_url(self, registration, resource_owner, return_to, account))

    def complete_authorization(self, handle: str, resource_owner: str) -> Connection:
        """See `connections.links.complete_authorization`."""
        return self.run(verbs.complete(self, handle, resource_owner))

    def session(self, registration: str, resource_owner: str, account: str = "") -> Session:
        """An HTTP session whose requests are signed or carry the token, for the provider's own hosts only."""
        from valetkey.drivers.session import Session

        return Session(lambda request: self.run(verbs.call(self, request, registration, resource_owner, account)))

    def sign(
        self,
        request: Request,
        *,
        registration: str,
        resource_owner: str,
        account: str = "",
        rejected: Secret | None = None,
    ) -> Request:
        """See `connections.sign.sign`."""
        return self.run(verbs.sign(self, request, registration, resource_owner, account, rejected))

    def access_token(
        self, registration: str, resource_owner: str, account: str = "", *, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.sign.access_token`."""
        return self.run(verbs.access_token(self, registration, resource_owner, account, rejected))

    def userinfo(self, registration: str, resource_owner: str, account: str = "") -> UserInfo:
        """See `connections.identity.userinfo`."""
        return self.run(verbs.userinfo(self, registration, resource_owner, account))

    def sign_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Request:
        """See `connections.sign.sign_as_client`."""
        return self.run(verbs.sign_as_client(self, request, registration, scope))

    def client_token(
        self, registration: str, *, scope: tuple[str, ...] | None = None, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.client.client_token`."""
        return self.run(verbs.client_token(self, registration, scope, rejected))

    def client_session(self, registration: str, *, scope: tuple[str, ...] | None = None) -> Session:
        """An HTTP session of the client alone: signed (OAuth 1.0a), or with a token of its own (OAuth 2.0)."""
        from valetkey.drivers.session import Session

        return Session(lambda request: self.run(verbs.call_as_client(self, request, registration, scope)))

    def connect_by_xauth(
        self, registration: str, resource_owner: str, *, username: str, password: Secret, account: str = ""
    ) -> Connection:
        """See `connections.xauth.connect_by_xauth`."""
        return self.run(verbs.xauth(self, registration, resource_owner, username, password, account))

    def finish_with_verifier(
        self,
        registration: str,
        verifier: str,
        *,
        state: str,
        cookies: Mapping[str, str] | Pairs,
        resource_owner: str | None,
    ) -> Finished:
        """See `connections.typed_verifier.finish_with_verifier`."""
        return self.run(verbs.typed(self, registration, verifier, state, cookies, resource_owner))

    def connections(self, resource_owner: str | None = None, *, cursor: str = "") -> ConnectionPage:
        """See `connections.manage.connections`; None lists everybody's, for operators."""
        return self.run(verbs.connections(self, resource_owner, cursor))

    def connection(self, registration: str, resource_owner: str, account: str = "") -> Connection | None:
        """See `connections.manage.connection`."""
        return self.run(verbs.connection(self, registration, resource_owner, account))

    def revoke(self, registration: str, resource_owner: str, account: str = "") -> Revocation:
        """See `connections.manage.revoke`."""
        return self.run(verbs.revoke(self, registration, resource_owner, account))

    def forget(self, registration: str, resource_owner: str, account: str = "") -> None:
        """See `connections.manage.forget`."""
        return self.run(verbs.forget(self, registration, resource_owner, account))

    def close(self) -> None:
        """Give back what is held open."""
        self._give_back()


class AsyncVault(_Front):
    """Connections, for callers on an event loop. It outlives loops: nothing in it belongs to one."""

    _awaited = True

    async def run(self, op: Op[T]) -> T:
        """The program's result. A caller that is cancelled stops waiting; the program goes on to its end."""
        from valetkey.drivers.tasks import run_shielded

        return await run_shielded(self._run(op))

    async def _run(self, op: Op[T]) -> T:
        if not self._tells_alone:
            try:
                return await drive_async(op, self._ports.answer)
            finally:
                late = self._listeners.late()  # the caller was cancelled, and its invocation is over
                if late:
                    await drive_async(self._keep(late), self._ports.answer)
        with self._listeners.collect() as events:
            try:
                return await drive_async(op, self._ports.answer)
            finally:
                if events:
                    await drive_async(self._keep(events), self._ports.answer)

    async def begin_authorization(
        self,
        registration: str,
        resource_owner: str,
        *,
        cookies: Mapping[str, str] | Pairs = (),
        return_to: str | None = None,
        scope: tuple[str, ...] | None = None,
        account: str = "",
    ) -> Redirect:
        """See `connections.authorize.begin_authorization`."""
        return await self.run(verbs.begin(self, registration, resource_owner, cookies, return_to, scope, account))

    async def finish_authorization(self, request: Request, *, resource_owner: str | None) -> Finished:
        """See `connections.authorize.finish_authorization`."""
        return await self.run(verbs.finish(self, request, resource_owner))

    async def connect_url(
        self, registration: str, resource_owner: str, *, return_to: str | None = None, account: str = ""
    ) -> str:
        """See `connections.links.connect_url`."""
        return await self.run(verbs.connect_url(self, registration, resource_owner, return_to, account))

    async def complete_authorization(self, handle: str, resource_owner: str) -> Connection:
        """See `connections.links.complete_authorization`."""
        return await self.run(verbs.complete(self, handle, resource_owner))

    def session(self, registration: str, resource_owner: str, account: str = "") -> AsyncSession:
        """An HTTP session whose requests are signed or carry the token, for the provider's own hosts only."""
        from valetkey.drivers.session import AsyncSession

        return AsyncSession(lambda request: self.run(verbs.call(self, request, registration, resource_owner, account)))

    async def sign(
        self,
        request: Request,
        *,
        registration: str,
        resource_owner: str,
        account: str = "",
        rejected: Secret | None = None,
    ) -> Request:
        """See `connections.sign.sign`."""
        return await self.run(verbs.sign(self, request, registration, resource_owner, account, rejected))

    async def access_token(
        self, registration: str, resource_owner: str, account: str = "", *, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.sign.access_token`."""
        return await self.run(verbs.access_token(self, registration, resource_owner, account, rejected))

    async def userinfo(self, registration: str, resource_owner: str, account: str = "") -> UserInfo:
        """See `connections.identity.userinfo`."""
        return await self.run(verbs.userinfo(self, registration, resource_owner, account))

    async def sign_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Request:
        """See `connections.sign.sign_as_client`."""
        return await self.run(verbs.sign_as_client(self, request, registration, scope))

    async def client_token(
        self, registration: str, *, scope: tuple[str, ...] | None = None, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.client.client_token`."""
        return await self.run(verbs.client_token(self, registration, scope, rejected))

    def client_session(self, registration: str, *, scope: tuple[str, ...] | None = None) -> AsyncSession:
        """An HTTP session of the client alone: signed (OAuth 1.0a), or with a token of its own (OAuth 2.0)."""
        from valetkey.drivers.session import AsyncSession

        return AsyncSession(lambda request: self.run(verbs.call_as_client(self, request, registration, scope)))

    async def connect_by_xauth(
        self, registration: str, resource_owner: str, *, username: str, password: Secret, account: str = ""
    ) -> Connection:
        """See `connections.xauth.connect_by_xauth`."""
        return await self.run(verbs.xauth(self, registration, resource_owner, username, password, account))

    async def finish_with_verifier(
        self,
        registration: str,
        verifier: str,
        *,
        state: str,
        cookies: Mapping[str, str] | Pairs,
        resource_owner: str | None,
    ) -> Finished:
        """See `connections.typed_verifier.finish_with_verifier`."""
        return await self.run(verbs.typed(self, registration, verifier, state, cookies, resource_owner))

    async def connections(self, resource_owner: str | None = None, *, cursor: str = "") -> ConnectionPage:
        """See `connections.manage.connections`; None lists everybody's, for operators."""
        return await self.run(verbs.connections(self, resource_owner, cursor))

    async def connection(self, registration: str, resource_owner: str, account: str = "") -> Connection | None:
        """See `connections.manage.connection`."""
        return await self.run(verbs.connection(self, registration, resource_owner, account))

    async def revoke(self, registration: str, resource_owner: str, account: str = "") -> Revocation:
        """See `connections.manage.revoke`."""
        return await self.run(verbs.revoke(self, registration, resource_owner, account))

    async def forget(self, registration: str, resource_owner: str, account: str = "") -> None:
        """See `connections.manage.forget`."""
        return await self.run(verbs.forget(self, registration, resource_owner, account))

    async def close(self) -> None:
        """Wait for what cancelled callers left behind, then give back what is held open."""
        from valetkey.drivers.tasks import finish_tasks

        await finish_tasks()
        self._give_back()
