"""AsyncVault: the front door for callers on an event loop; `Vault` (in `vault`) with `await`.

The one rule: as in `vault`, no decision is taken here.
"""

from __future__ import annotations

from valetkey import verbs
from valetkey.drivers.drive import drive_async
from valetkey.front import Front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from valetkey.connections.assertion import AssertionKind
    from valetkey.connections.attempt import Attempt
    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.connections.connection import Connection
    from valetkey.connections.device import DeviceAuthorization, DeviceStep
    from valetkey.connections.doctor import Diagnosis
    from valetkey.connections.identity import UserInfo
    from valetkey.connections.manage import ConnectionPage, Revocation
    from valetkey.drivers.session import AsyncSession
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request, Response
    from valetkey.oauth1.verify import Keys, SignedRequest
    from valetkey.oauth2.introspection import Introspection
    from valetkey.oauth2.token_exchange import ExchangedToken
    from valetkey.secret import Secret

    T = TypeVar("T")


class AsyncVault(Front):
    """Connections, for callers on an event loop. It outlives loops: nothing in it belongs to one."""

    _awaited = True

    async def run(self, op: Op[T]) -> T:
        """The program's result. A caller that is cancelled stops waiting; the program goes on to its end."""
        from valetkey.drivers.tasks import run_shielded

        if self._recorder is not None:
            op = self._recorder.watch(op)
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

    async def begin_mcp_authorization(
        self,
        url: str,
        resource_owner: str,
        *,
        cookies: Mapping[str, str] | Pairs = (),
        return_to: str | None = None,
        scope: tuple[str, ...] | None = None,
        account: str = "",
    ) -> Redirect:
        """See `connections.mcp.begin_mcp_authorization`."""
        return await self.run(verbs.begin_mcp(self, url, resource_owner, cookies, return_to, scope, account))

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

    async def attempt(self, request: Request, *, registration: str, resource_owner: str, account: str = "") -> Attempt:
        """See `connections.attempt.attempt`."""
        return await self.run(verbs.attempt(self, request, registration, resource_owner, account))

    async def attempt_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Attempt:
        """See `connections.attempt.attempt_as_client`."""
        return await self.run(verbs.attempt_as_client(self, request, registration, scope))

    async def next_attempt(self, attempt: Attempt, response: Response) -> Attempt | None:
        """See `connections.attempt.next_attempt`."""
        return await self.run(verbs.next_attempt(self, attempt, response))

    async def access_token(
        self, registration: str, resource_owner: str, account: str = "", *, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.sign.access_token`."""
        return await self.run(verbs.access_token(self, registration, resource_owner, account, rejected))

    async def doctor(
        self, request: Request | None = None, *, tenants: tuple[str, ...] = (), probe: tuple[str, ...] = ()
    ) -> Diagnosis:
        """See `connections.doctor.diagnose`."""
        return await self.run(verbs.doctor(self, request, self._store, self._traces_lost, tenants, probe))

    async def userinfo(self, registration: str, resource_owner: str, account: str = "") -> UserInfo:
        """See `connections.identity.userinfo`."""
        return await self.run(verbs.userinfo(self, registration, resource_owner, account))

    async def introspect(self, registration: str, resource_owner: str, account: str = "") -> Introspection:
        """See `connections.introspect.introspect`."""
        return await self.run(verbs.introspect(self, registration, resource_owner, account))

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

    async def client_connection(self, registration: str, *, scope: tuple[str, ...] | None = None) -> Connection:
        """See `connections.client.client_connection`."""
        return await self.run(verbs.client_connection(self, registration, scope))

    def client_session(self, registration: str, *, scope: tuple[str, ...] | None = None) -> AsyncSession:
        """An HTTP session of the client alone: signed (OAuth 1.0a), or with a token of its own (OAuth 2.0)."""
        from valetkey.drivers.session import AsyncSession

        return AsyncSession(lambda request: self.run(verbs.call_as_client(self, request, registration, scope)))

    async def connect_by_xauth(
        self, registration: str, resource_owner: str, *, username: str, password: Secret, account: str = ""
    ) -> Connection:
        """See `connections.xauth.connect_by_xauth`."""
        return await self.run(verbs.xauth(self, registration, resource_owner, username, password, account))

    async def connect_by_password(
        self,
        registration: str,
        resource_owner: str,
        *,
        username: str,
        password: Secret,
        scope: tuple[str, ...] | None = None,
        account: str = "",
    ) -> Connection:
        """See `connections.password.connect_by_password`."""
        program = verbs.connect_by_password(self, registration, resource_owner, username, password, scope, account)
        return await self.run(program)

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

    async def connect_by_assertion(
        self,
        registration: str,
        resource_owner: str,
        *,
        assertion: Secret,
        kind: AssertionKind = "jwt",
        scope: tuple[str, ...] | None = None,
        account: str = "",
    ) -> Connection:
        """See `connections.assertion.connect_by_assertion`."""
        program = verbs.connect_by_assertion(self, registration, resource_owner, assertion, kind, scope, account)
        return await self.run(program)

    async def exchange_token(
        self,
        registration: str,
        *,
        subject_token: Secret,
        subject_token_type: str = "",
        actor_token: Secret | None = None,
        actor_token_type: str = "",
        requested_token_type: str = "",
        audience: tuple[str, ...] = (),
        resource: tuple[str, ...] = (),
        scope: tuple[str, ...] = (),
    ) -> ExchangedToken:
        """See `connections.assertion.exchange_token`."""
        program = verbs.exchange_token(
            self,
            registration,
            subject_token=subject_token,
            subject_token_type=subject_token_type,
            actor_token=actor_token,
            actor_token_type=actor_token_type,
            requested_token_type=requested_token_type,
            audience=audience,
            resource=resource,
            scope=scope,
        )
        return await self.run(program)

    async def require(
        self, registration: str, resource_owner: str, *, scope: tuple[str, ...], account: str = ""
    ) -> Connection:
        """See `connections.scope.require`."""
        return await self.run(verbs.require(self, registration, resource_owner, scope, account))

    async def begin_device_authorization(
        self, registration: str, resource_owner: str, *, scope: tuple[str, ...] | None = None, account: str = ""
    ) -> DeviceAuthorization:
        """See `connections.device.begin_device_authorization`."""
        return await self.run(verbs.begin_device(self, registration, resource_owner, scope, account))

    async def poll_device_authorization(self, handle: str, resource_owner: str) -> DeviceStep:
        """See `connections.device.poll_device_authorization`."""
        return await self.run(verbs.poll_device(self, handle, resource_owner))

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

    async def receive(
        self,
        request: Request,
        *,
        keys: Callable[[SignedRequest], Keys | None],
        window_seconds: int = 300,
        methods: tuple[str, ...] | None = None,
        plaintext_over_http: bool = False,
        accept_unsigned_body: bool = False,
    ) -> SignedRequest:
        """See `connections.receive.receive_once`."""
        how = {"window_seconds": window_seconds, "methods": methods, "plaintext_over_http": plaintext_over_http}
        return await self.run(verbs.receive(self, request, keys=keys, accept_unsigned_body=accept_unsigned_body, **how))

    async def close(self) -> None:
        """Wait for what cancelled callers left behind, then give back what is held open."""
        from valetkey.drivers.tasks import finish_tasks

        await finish_tasks()
        self._give_back()
