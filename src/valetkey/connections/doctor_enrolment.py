"""A client that is registered at run time, or is a document of ours: whether the issuer can have it, and how it stands.

The one rule: nothing is registered to find out; whether an issuer wants an initial access token shows only when it is
asked for a client.
"""

from __future__ import annotations

from valetkey.connections.doctor import Finding
from valetkey.connections.enrol_configured import ANEW, other_key, stored_client, unfit, with_client
from valetkey.dates import write_time
from valetkey.effects import Now
from valetkey.errors import ConfigurationError, StoreError
from valetkey.oauth2.client_metadata import REFRESH
from valetkey.oauth2.registration import METHODS, chosen_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.enrolled_rows import EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.oauth2.metadata import Metadata
    from valetkey.providers.registration import Registration

CHECK = "client_registration"
SOON_SECONDS = 30 * 86_400
BY_HAND = "register the application there, and configure client_id in place of client_registration"


def look_at_client(settings: Settings, registration: Registration) -> Op[tuple[Registration, list[Finding]]]:
    """The registration with its client, if there is one by now, and what is to be said of that."""
    name, own = registration.name, registration.client_registration
    assert own is not None
    if own.document:
        what = f"its client is the document {own.document}, which its issuer must be able to read"
        return registration, [Finding("note", name, CHECK, what, "let the gateway serve it to everybody")]
    try:
        stored = yield from stored_client(settings, registration)
    except StoreError as failed:
        what = f"whether a client is registered for it cannot be seen: {failed}"
        return registration, [Finding("problem", name, CHECK, what, "look at the store and the keys")]
    if stored is None:
        known = own.initial_access_token or dict(settings.mcp.initial_access_tokens).get(_issuer(registration))
        token = "with the initial access token" if known else "without an initial access token"
        what = f"no client is registered for it yet; the first verb that needs one registers it, {token}"
        advice = "" if known else "an issuer that wants one answers invalid_token: then set initial_access_token"
        return registration, [Finding("note", name, CHECK, what, advice)]
    (_, client), now = stored, (yield from Now())
    found = _standing(registration, client, now)
    try:
        changed = yield from other_key(registration, client)
    except ConfigurationError:  # whether the key can be used is looked at for itself
        changed = ""
    found += [Finding("problem", name, CHECK, changed)] if changed else []
    return with_client(registration, client, now=now), found


def look_at_issuer(registration: Registration, metadata: Metadata) -> list[Finding]:
    """Whether the issuer can have such a client, by what it publishes."""
    own, name = registration.client_registration, registration.name
    assert own is not None
    if own.document:
        if metadata.client_id_metadata_document_supported:
            return []
        what = "its client is a document of ours, and its issuer does not say that it reads such documents"
        advice = f"set client_registration to dynamic, or {BY_HAND}"
        return [Finding("problem", name, CHECK, what, advice)]
    if not metadata.registration_endpoint:
        what = "its client is to be registered at run time, and its issuer's metadata has no registration_endpoint"
        return [Finding("problem", name, CHECK, what, BY_HAND)]
    offered = metadata.token_endpoint_auth_methods_supported
    if registration.awaits_client and chosen_method(offered, own.methods or METHODS) is None:
        what = f"its issuer offers no way for its client to prove who it is: {', '.join(own.methods or METHODS)}"
        return [Finding("problem", name, CHECK, what, f"change token_endpoint_auth_method, or {BY_HAND}")]
    return []


def _standing(registration: Registration, client: EnrolledClient, now: float) -> list[Finding]:
    """How the client stands: since when, until when, and whether it is still what the configuration says."""
    name = registration.name
    until, ends_at = "", client.secret_expires_at
    if ends_at:
        until = f"; its secret is good until {write_time(ends_at)}"
    what = f"its client was registered at {write_time(client.registered_at)}{until}"
    found = [Finding("note", name, CHECK, what, "`valetkey registrations list` shows it")]
    own = registration.client_registration
    grant_types = [] if own is None else [one for one in own.grant_types if one != REFRESH]
    problems = [unfit(registration, client, one) for one in grant_types]
    found += [Finding("problem", name, CHECK, one, "or take the change back") for one in problems if one]
    if own is not None and own.methods and client.method not in own.methods:
        what = f"its client proves itself by {client.method}, as it was registered, and not as is configured now"
        found.append(Finding("warning", name, CHECK, what, ANEW.format(name=name)))
    if client.is_stale(now):
        why = "its issuer refuses its client" if client.refused else "the secret of its client has ended"
        what = f"{why}: the next connection registers another one, and those of the old one must be made anew"
        found.append(Finding("warning", name, CHECK, what, "let people connect again"))
    elif ends_at and ends_at < now + SOON_SECONDS:
        what = f"the secret of its client ends on {write_time(ends_at)}, and its connections must be made anew then"
        advice = "ask the provider for clients whose secrets do not end, or for a client_id to configure"
        found.append(Finding("warning", name, CHECK, what, advice))
    lacking = [word for word in registration.scope if client.allowed is not None and word not in client.allowed]
    if lacking:
        what = f"its client was registered without {' '.join(lacking)} of its scope"
        found.append(Finding("warning", name, CHECK, what, "ask the provider, or take it out of scope"))
    return found


def _issuer(registration: Registration) -> str:
    return getattr(registration.provider.server, "issuer", None) or ""
