"""The verbs of both vaults, once: each builds the program that both run.

The one rule: each imports its own program, so that a function which only signs never loads the callback.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol, TypeVar

    from valetkey.connections.assertion import AssertionKind
    from valetkey.connections.attempt import Attempt
    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.connections.connection import Connection
    from valetkey.connections.device import DeviceAuthorization, DeviceStep
    from valetkey.connections.doctor import Diagnosis
    from valetkey.connections.identity import UserInfo
    from valetkey.connections.manage import ConnectionPage, Revocation
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs, Request, Response
    from valetkey.oauth1.verify import SignedRequest
    from valetkey.oauth2.introspection import Introspection
    from valetkey.oauth2.token_exchange import ExchangedToken
    from valetkey.secret import Secret
    from valetkey.stores import Store

    Named = TypeVar("Named", bound=str | None)
    Asked = TypeVar("Asked", bound=tuple[str, ...] | None)

    class Front(Protocol):
        """A vault, as far as a verb needs it."""

        @property
        def settings(self) -> Settings:
            """What the programs know of the deployment."""
            ...


def _owner(named: Named) -> Named:
    """The resource owner that a caller names. Raises ConfigurationError for the one that nobody can be."""
    from valetkey.connections.codec import refuse_reserved

    refuse_reserved(named)
    return named


def _scope(asked: Asked) -> Asked:
    """The scope that a caller asks for. Raises ConfigurationError for what is none."""
    if asked is None:
        return asked
    from valetkey.connections.asked_scope import asked_scope

    return asked_scope(asked)


def begin(
    vault: Front,
    registration: str,
    resource_owner: str,
    cookies: Mapping[str, str] | Pairs,
    return_to: str | None,
    scope: tuple[str, ...] | None,
    account: str,
) -> Op[Redirect]:
    """See the verb of that name."""
    from valetkey.connections.authorize import begin_authorization

    pairs: Any = tuple(cookies.items() if hasattr(cookies, "items") else cookies)
    return begin_authorization(
        vault.settings,
        registration,
        resource_owner=_owner(resource_owner),
        cookies=pairs,
        return_to=return_to,
        scope=_scope(scope),
        account=account,
    )


def begin_mcp(
    vault: Front,
    url: str,
    resource_owner: str,
    cookies: Mapping[str, str] | Pairs,
    return_to: str | None,
    scope: tuple[str, ...] | None,
    account: str,
) -> Op[Redirect]:
    """See the verb of that name."""
    from valetkey.connections.mcp import begin_mcp_authorization

    pairs: Any = tuple(cookies.items() if hasattr(cookies, "items") else cookies)
    return begin_mcp_authorization(
        vault.settings,
        url,
        resource_owner=_owner(resource_owner),
        cookies=pairs,
        return_to=return_to,
        scope=_scope(scope),
        account=account,
    )


def finish(vault: Front, request: Request, resource_owner: str | None) -> Op[Finished]:
    """See the verb of that name."""
    from valetkey.connections.authorize import finish_authorization

    return finish_authorization(vault.settings, request, resource_owner=_owner(resource_owner))


def connect_url(vault: Front, registration: str, resource_owner: str, return_to: str | None, account: str) -> Op[str]:
    """See the verb of that name."""
    from valetkey.connections.links import connect_url as program

    return program(
        vault.settings, registration, resource_owner=_owner(resource_owner), return_to=return_to, account=account
    )


def complete(vault: Front, handle: str, resource_owner: str) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.links import complete_authorization

    return complete_authorization(vault.settings, handle, resource_owner=_owner(resource_owner))


def call(vault: Front, request: Request, registration: str, resource_owner: str, account: str) -> Op[Any]:
    """See the verb of that name."""
    from valetkey.connections.call import call as program

    return program(
        vault.settings, request, registration=registration, resource_owner=_owner(resource_owner), account=account
    )


def sign(
    vault: Front, request: Request, registration: str, resource_owner: str, account: str, rejected: Secret | None
) -> Op[Request]:
    """See the verb of that name."""
    from valetkey.connections.sign import sign as program

    return program(
        vault.settings,
        request,
        registration=registration,
        resource_owner=_owner(resource_owner),
        account=account,
        rejected=rejected,
    )


def attempt(vault: Front, request: Request, registration: str, resource_owner: str, account: str) -> Op[Attempt]:
    """See the verb of that name."""
    from valetkey.connections.attempt import attempt as program

    owner = _owner(resource_owner)
    return program(vault.settings, request, registration=registration, resource_owner=owner, account=account)


def attempt_as_client(vault: Front, request: Request, registration: str, scope: tuple[str, ...] | None) -> Op[Attempt]:
    """See the verb of that name."""
    from valetkey.connections.attempt import attempt_as_client as program

    return program(vault.settings, request, registration=registration, scope=_scope(scope))


def next_attempt(vault: Front, attempt: Attempt, response: Response) -> Op[Attempt | None]:
    """See the verb of that name."""
    from valetkey.connections.attempt import next_attempt as program

    return program(vault.settings, attempt, response)


def access_token(
    vault: Front, registration: str, resource_owner: str, account: str, rejected: Secret | None
) -> Op[Secret]:
    """See the verb of that name."""
    from valetkey.connections.sign import access_token as program

    return program(
        vault.settings, registration, resource_owner=_owner(resource_owner), account=account, rejected=rejected
    )


def sign_as_client(vault: Front, request: Request, registration: str, scope: tuple[str, ...] | None) -> Op[Request]:
    """See the verb of that name."""
    from valetkey.connections.sign import sign_as_client as program

    return program(vault.settings, request, registration=registration, scope=_scope(scope))


def call_as_client(vault: Front, request: Request, registration: str, scope: tuple[str, ...] | None) -> Op[Any]:
    """See the verb of that name."""
    from valetkey.connections.call import call_as_client as program

    return program(vault.settings, request, registration=registration, scope=_scope(scope))


def client_token(vault: Front, registration: str, scope: tuple[str, ...] | None, rejected: Secret | None) -> Op[Secret]:
    """See the verb of that name."""
    from valetkey.connections.client import client_token as program

    return program(vault.settings, registration, scope=_scope(scope), rejected=rejected)


def client_connection(vault: Front, registration: str, scope: tuple[str, ...] | None) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.client import client_connection as program

    return program(vault.settings, registration, scope=_scope(scope))


def doctor(
    vault: Front,
    request: Request | None,
    store: Store,
    traces_lost: str,
    tenants: tuple[str, ...],
    probe: tuple[str, ...],
) -> Op[Diagnosis]:
    """See the verb of that name."""
    from valetkey.connections.doctor import diagnose

    return diagnose(
        vault.settings,
        request=request,
        store=store.description,
        local=store.local,
        traces_lost=traces_lost,
        tenants=tenants,
        probe=probe,
    )


def userinfo(vault: Front, registration: str, resource_owner: str, account: str) -> Op[UserInfo]:
    """See the verb of that name."""
    from valetkey.connections.identity import userinfo as program

    return program(vault.settings, registration, resource_owner=_owner(resource_owner), account=account)


def introspect(vault: Front, registration: str, resource_owner: str, account: str) -> Op[Introspection]:
    """See the verb of that name."""
    from valetkey.connections.introspect import introspect as program

    return program(vault.settings, registration, resource_owner=_owner(resource_owner), account=account)


def xauth(
    vault: Front, registration: str, resource_owner: str, username: str, password: Secret, account: str
) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.xauth import connect_by_xauth

    return connect_by_xauth(
        vault.settings,
        registration,
        resource_owner=_owner(resource_owner),
        username=username,
        password=password,
        account=account,
    )


def connect_by_password(
    vault: Front,
    registration: str,
    resource_owner: str,
    username: str,
    password: Secret,
    scope: tuple[str, ...] | None,
    account: str,
) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.password import connect_by_password as program

    return program(
        vault.settings,
        registration,
        resource_owner=_owner(resource_owner),
        username=username,
        password=password,
        scope=_scope(scope),
        account=account,
    )


def typed(
    vault: Front,
    registration: str,
    verifier: str,
    state: str,
    cookies: Mapping[str, str] | Pairs,
    resource_owner: str | None,
) -> Op[Finished]:
    """See the verb of that name."""
    from valetkey.connections.typed_verifier import finish_with_verifier

    pairs: Any = tuple(cookies.items() if hasattr(cookies, "items") else cookies)
    return finish_with_verifier(
        vault.settings,
        registration,
        verifier=verifier,
        state=state,
        cookies=pairs,
        resource_owner=_owner(resource_owner),
    )


def connect_by_assertion(
    vault: Front,
    registration: str,
    resource_owner: str,
    assertion: Secret,
    kind: AssertionKind,
    scope: tuple[str, ...] | None,
    account: str,
) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.assertion import connect_by_assertion as program

    return program(
        vault.settings,
        registration,
        resource_owner=_owner(resource_owner),
        assertion=assertion,
        kind=kind,
        scope=_scope(scope),
        account=account,
    )


def exchange_token(vault: Front, registration: str, **wanted: Any) -> Op[ExchangedToken]:
    """See the verb of that name."""
    from valetkey.connections.assertion import exchange_token as program

    return program(vault.settings, registration, **{**wanted, "scope": _scope(wanted["scope"])})


def require(
    vault: Front, registration: str, resource_owner: str, scope: tuple[str, ...], account: str
) -> Op[Connection]:
    """See the verb of that name."""
    from valetkey.connections.scope import require as program

    owner = _owner(resource_owner)
    return program(vault.settings, registration, resource_owner=owner, scope=_scope(scope), account=account)


def begin_device(
    vault: Front, registration: str, resource_owner: str, scope: tuple[str, ...] | None, account: str
) -> Op[DeviceAuthorization]:
    """See the verb of that name."""
    from valetkey.connections.device import begin_device_authorization as program

    owner = _owner(resource_owner)
    return program(vault.settings, registration, resource_owner=owner, scope=_scope(scope), account=account)


def poll_device(vault: Front, handle: str, resource_owner: str) -> Op[DeviceStep]:
    """See the verb of that name."""
    from valetkey.connections.device import poll_device_authorization as program

    return program(vault.settings, handle, resource_owner=_owner(resource_owner))


def connections(vault: Front, resource_owner: str | None, cursor: str) -> Op[ConnectionPage]:
    """See the verb of that name."""
    from valetkey.connections.manage import connections as program

    return program(vault.settings, resource_owner=_owner(resource_owner), cursor=cursor)


def connection(vault: Front, registration: str, resource_owner: str, account: str) -> Op[Connection | None]:
    """See the verb of that name."""
    from valetkey.connections.manage import connection as program

    return program(vault.settings, registration, resource_owner=_owner(resource_owner), account=account)


def revoke(vault: Front, registration: str, resource_owner: str, account: str) -> Op[Revocation]:
    """See the verb of that name."""
    from valetkey.connections.manage import revoke as program

    return program(vault.settings, registration, resource_owner=_owner(resource_owner), account=account)


def forget(vault: Front, registration: str, resource_owner: str, account: str) -> Op[None]:
    """See the verb of that name."""
    from valetkey.connections.manage import forget as program

    return program(vault.settings, registration, resource_owner=_owner(resource_owner), account=account)


def receive(vault: Front, request: Request, **how: Any) -> Op[SignedRequest]:
    """See the verb of that name."""
    from valetkey.connections.receive import receive_once as program

    return program(vault.settings, request, **how)
