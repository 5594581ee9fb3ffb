"""Tell an issuer what its client is by now, in place of registering another one (RFC 7592 section 2.2).

The one rule: it stays the same client, so that what was granted to it goes on; where the issuer makes another one of
it, or cannot be told, everything stays as it was.
"""

from __future__ import annotations

from valetkey.connections.enrol_configured import not_registered, stored_client
from valetkey.connections.enrolment import POLL_SECONDS, claim_row, commit_client, release_row
from valetkey.connections.grant import exchange_deadline
from valetkey.connections.own_metadata import own_metadata, registered_for
from valetkey.connections.unenrol import management_reach
from valetkey.effects import Now
from valetkey.errors import ConfigurationError, RefreshInProgress, ValetkeyError
from valetkey.oauth2.registration import RegisteredClient, update_client
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.enrolled_rows import EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration


def update_enrolled(settings: Settings, name: str) -> Op[None]:
    """Tell the issuer of that registration all that the configuration says of its client.

    name: of a registration of the configuration. Raises ConfigurationError where it has no client that was registered
    at run time, or its issuer gave nothing to manage it with; ReauthorizationRequired `not_registered` where none is
    registered yet; ProviderError, MalformedResponse, TransportError, StoreError; RefreshInProgress where somebody is
    at it.
    """
    registration = settings.registration(name)
    if registration.client_registration is None or registration.client_registration.document:
        message = f"{name} has no client that was registered at run time: client_registration is not dynamic"
        raise ConfigurationError(message)
    now = yield from Now()
    stored = yield from stored_client(settings, registration)
    if stored is None:
        raise not_registered(settings, registration)
    row, client = stored
    if client.registration_token is None:
        message = (
            f"{name}: its issuer gave nothing to manage the client with (RFC 7592): `valetkey registrations forget "
            f"{name}` has another one registered, and its connections must then be made anew"
        )
        raise ConfigurationError(message)
    mine = None if row.attempt and row.claimed_until > now else (yield from claim_row(settings, row, now))
    if mine is None:
        raise RefreshInProgress(POLL_SECONDS * 8)
    try:
        told = yield from _told(settings, registration, client)
    except ValetkeyError:
        yield from release_row(settings, mine)
        raise
    _ = yield from commit_client(settings, mine, told)


def _told(settings: Settings, registration: Registration, client: EnrolledClient) -> Op[EnrolledClient]:
    """The client as the issuer has it now; when it was registered stays, for what was granted since is its own."""
    own = registration.client_registration
    assert own is not None
    method = client.method if not own.methods or client.method in own.methods else own.methods[0]
    metadata = yield from own_metadata(settings, registration, method)
    before = RegisteredClient(
        client.client_id,
        client.client_secret,
        client.method,
        client.secret_expires_at,
        client.allowed,
        client.configuration_uri,
        client.registration_token,
    )
    reach = management_reach(settings, "", client)
    not_after = yield from exchange_deadline()
    found = yield from update_client(before, metadata, methods=(method,), reach=reach, not_after=not_after)
    changed = replace(
        client,
        client_secret=found.client_secret,
        method=found.token_endpoint_auth_method,
        scope=registration.scope,
        secret_expires_at=found.secret_expires_at,
        configuration_uri=found.configuration_uri,
        registration_token=found.registration_token,
        refused=False,
        allowed=found.scope,
    )
    return (yield from registered_for(registration, changed))
