"""Vault: the front door for blocking callers. One line per verb; everything they do is a program in `connections`.

The one rule: no decision is taken here, so that it and `AsyncVault` (in `async_vault`) cannot differ. A verb that is in
one is in the other, with the same parameters, and a test compares them.
"""

from __future__ import annotations

from valetkey import verbs
from valetkey.drivers.drive import drive
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
    from valetkey.drivers.session import Session
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request, Response
    from valetkey.oauth1.verify import Keys, SignedRequest
    from valetkey.oauth2.introspection import Introspection
    from valetkey.oauth2.token_exchange import ExchangedToken
    from valetkey.secret import Secret

    T = TypeVar("T")


class Vault(Front):
    """Connections, for blocking callers."""

    def run(self, op: Op[T]) -> T:
        """The program's result, every effect performed here and now."""
        if self._recorder is not None:
            op = self._recorder.watch(op)
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

    def begin_mcp_authorization(
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
        return self.run(verbs.begin_mcp(self, url, resource_owner, cookies, return_to, scope, account))

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

    def attempt(self, request: Request, *, registration: str, resource_owner: str, account: str = "") -> Attempt:
        """See `connections.attempt.attempt`."""
        return self.run(verbs.attempt(self, request, registration, resource_owner, account))

    def attempt_as_client(
        self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None
    ) -> Attempt:
        """See `connections.attempt.attempt_as_client`."""
        return self.run(verbs.attempt_as_client(self, request, registration, scope))

    def next_attempt(self, attempt: Attempt, response: Response) -> Attempt | None:
        """See `connections.attempt.next_attempt`."""
        return self.run(verbs.next_attempt(self, attempt, response))

    def access_token(
        self, registration: str, resource_owner: str, account: str = "", *, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.sign.access_token`."""
        return self.run(verbs.access_token(self, registration, resource_owner, account, rejected))

    def doctor(
        self, request: Request | None = None, *, tenants: tuple[str, ...] = (), probe: tuple[str, ...] = ()
    ) -> Diagnosis:
        """See `connections.doctor.diagnose`."""
        return self.run(verbs.doctor(self, request, self._store, self._traces_lost, tenants, probe))

    def userinfo(self, registration: str, resource_owner: str, account: str = "") -> UserInfo:
        """See `connections.identity.userinfo`."""
        return self.run(verbs.userinfo(self, registration, resource_owner, account))

    def introspect(self, registration: str, resource_owner: str, account: str = "") -> Introspection:
        """See `connections.introspect.introspect`."""
        return self.run(verbs.introspect(self, registration, resource_owner, account))

    def sign_as_client(self, request: Request, *, registration: str, scope: tuple[str, ...] | None = None) -> Request:
        """See `connections.sign.sign_as_client`."""
        return self.run(verbs.sign_as_client(self, request, registration, scope))

    def client_token(
        self, registration: str, *, scope: tuple[str, ...] | None = None, rejected: Secret | None = None
    ) -> Secret:
        """See `connections.client.client_token`."""
        return self.run(verbs.client_token(self, registration, scope, rejected))

    def client_connection(self, registration: str, *, scope: tuple[str, ...] | None = None) -> Connection:
        """See `connections.client.client_connection`."""
        return self.run(verbs.client_connection(self, registration, scope))

    def client_session(self, registration: str, *, scope: tuple[str, ...] | None = None) -> Session:
        """An HTTP session of the client alone: signed (OAuth 1.0a), or with a token of its own (OAuth 2.0)."""
        from valetkey.drivers.session import Session

        return Session(lambda request: self.run(verbs.call_as_client(self, request, registration, scope)))

    def connect_by_xauth(
        self, registration: str, resource_owner: str, *, username: str, password: Secret, account: str = ""
    ) -> Connection:
        """See `connections.xauth.connect_by_xauth`."""
        return self.run(verbs.xauth(self, registration, resource_owner, username, password, account))

    def connect_by_password(
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
        return self.run(program)

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

    def connect_by_assertion(
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
        return self.run(program)

    def exchange_token(
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
        return self.run(program)

    def require(
        self, registration: str, resource_owner: str, *, scope: tuple[str, ...], account: str = ""
    ) -> Connection:
        """See `connections.scope.require`."""
        return self.run(verbs.require(self, registration, resource_owner, scope, account))

    def begin_device_authorization(
        self, registration: str, resource_owner: str, *, scope: tuple[str, ...] | None = None, account: str = ""
    ) -> DeviceAuthorization:
        """See `connections.device.begin_device_authorization`."""
        return self.run(verbs.begin_device(self, registration, resource_owner, scope, account))

    def poll_device_authorization(self, handle: str, resource_owner: str) -> DeviceStep:
        """See `connections.device.poll_device_authorization`."""
        return self.run(verbs.poll_device(self, handle, resource_owner))

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

    def receive(
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
        return self.run(verbs.receive(self, request, keys=keys, accept_unsigned_body=accept_unsigned_body, **how))

    def close(self) -> None:
        """Give back what is held open."""
        self._give_back()
