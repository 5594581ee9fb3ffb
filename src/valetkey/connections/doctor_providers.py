"""What a registration and its provider must agree on: redirect URI, clock, endpoints, scopes, lifetimes.

The one rule: what the provider says is compared and never quoted.
"""

from __future__ import annotations

from valetkey.connections.discovery import with_endpoints
from valetkey.connections.doctor import Finding
from valetkey.connections.grant import exchange_deadline
from valetkey.dates import read_http_date, write_time
from valetkey.effects import Now, Send
from valetkey.errors import ConfigurationError, MalformedResponse, TransportError, ValetkeyError
from valetkey.http import Headers, Request, read_url
from valetkey.oauth2.mutual_tls import alias_of
from valetkey.oauth2.server import AuthorizationServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import ClientCertificate, Op, Reach
    from valetkey.http import Response
    from valetkey.oauth2.metadata import Metadata
    from valetkey.providers.registration import Registration

WRONG_SECONDS = 60
UNEASY_SECONDS = 10
SOON_SECONDS = 30 * 86_400
MAX_QUESTIONS = 3
OPT_INS = (  # what a registration accepts against the rules, what that means, what to do
    (
        "accept_missing_verifier",
        "accepts callbacks without a verifier: whoever authorizes last is connected (RFC 5849 section 4.10)",
        "ask the provider for OAuth 1.0a, then take the setting out",
    ),
    (
        "accept_xauth",
        "takes the resource owner's password (xAuth), which OAuth was made to end",
        "connect through the provider's own page where there is one, then take the setting out",
    ),
    (
        "accept_password_grant",
        "takes the resource owner's password, which RFC 9700 section 2.4 forbids",
        "use authorization code or device authorization where the provider has them, then take the setting out",
    ),
    (
        "accept_implicit_grant",
        "takes tokens out of addresses, which RFC 9700 section 2.1.2 advises against",
        "use response_type code with PKCE where the provider has it, then take the setting out",
    ),
)
COMPARED = (
    "authorization_endpoint", "token_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    "jwks_uri",
)  # fmt: skip


def look_at_registration(
    settings: Settings, registration: Registration, asked: dict[str, tuple[Finding, ...]]
) -> Op[list[Finding]]:
    """Everything about one registration. asked: findings about clocks, by origin, so that each is asked once."""
    name = registration.name
    by_itself = registration.client_registration is not None
    advice = f"register exactly this at {registration.provider.title}, character by character"
    what = f"its redirect URI is {registration.redirect_uri}"
    found = [Finding("note", name, "redirect_uri", what, "" if by_itself else advice)]
    if by_itself:
        from valetkey.connections.doctor_enrolment import look_at_client

        registration, standing = yield from look_at_client(settings, registration)
        found += standing
    found += yield from look_at_settings(registration)
    try:
        at = yield from with_endpoints(settings, registration)
    except (ValetkeyError, ConfigurationError) as failed:
        what = f"its issuer's metadata cannot be used: {failed}"
        return [*found, Finding("problem", name, "discovery", what, "check the issuer, character by character")]
    server = at.provider.server
    metadata: Metadata | None = None
    if isinstance(server, AuthorizationServer):
        metadata, compared = yield from _discovery(name, server)
        found += compared
        if by_itself and metadata is not None:
            from valetkey.connections.doctor_enrolment import look_at_issuer

            found += look_at_issuer(registration, metadata)
        found += look_at_scopes(at, server, metadata)
    found += yield from _clock(at, asked)
    return found


def look_at_settings(registration: Registration) -> Op[list[Finding]]:
    """What can be seen without asking the provider anything."""
    from valetkey.connections.doctor_keys import look_at_key

    now = yield from Now()
    found = _opt_ins(registration) + _lifetimes(registration)
    found += _secret_age(registration, now) + _certificate_age(registration, now)
    return found + (yield from look_at_key(registration))


def _ask(url: str, reach: Reach = "configured", certificate: ClientCertificate | None = None) -> Op[Response | None]:
    request = Request("GET", url, Headers((("Accept", "application/json"),)))
    try:
        not_after = yield from exchange_deadline()
        return (yield from Send(request, reach, not_after, certificate=certificate))
    except TransportError:
        return None


def _discovery(name: str, server: AuthorizationServer) -> Op[tuple[Metadata | None, list[Finding]]]:
    """What the issuer publishes, against what is configured; an issuer that publishes nothing is no finding."""
    from valetkey.oauth2.metadata import metadata_urls, read_metadata

    if not server.issuer:
        return None, []
    try:
        urls = metadata_urls(server.issuer, reach="configured")[:MAX_QUESTIONS]
    except ValueError as why:
        return None, [Finding("problem", name, "discovery", f"its issuer is not one: {why}", "correct the issuer")]
    response = None
    for url in urls:
        response = yield from _ask(url)
        if response is None or response.status == 200:
            break
    if response is None or response.status != 200:
        return None, []
    try:
        metadata = read_metadata(response, issuer=server.issuer, reach="configured")
    except MalformedResponse as malformed:
        advice = "compare the issuer with the one in the provider's document, character by character"
        return None, [Finding("warning", name, "discovery", str(malformed), advice)]
    return metadata, _compared(name, server, metadata)


def _compared(name: str, server: AuthorizationServer, metadata: Metadata) -> list[Finding]:
    found = []
    for field in COMPARED:
        ours, theirs = getattr(server, field), getattr(metadata, field)
        if ours and theirs and ours != theirs:
            what = f"{field} is configured as {ours}, and the issuer's metadata says otherwise"
            advice = f"compare it with {field} in the metadata of {server.issuer}, and update the provider's entry"
            found.append(Finding("warning", name, "discovery", what, advice))
    methods = metadata.code_challenge_methods_supported
    if methods is not None and "S256" not in methods and server.pkce == "S256":
        what = "its issuer does not offer S256 code challenges"
        found.append(Finding("warning", name, "discovery", what, "ask the provider: PKCE protects the code"))
    offered, method = metadata.token_endpoint_auth_methods_supported, server.token_endpoint_auth_method
    if method not in offered:
        what = f"the client authenticates by {method}, which its issuer does not offer"
        advice = (
            f"set token_endpoint_auth_method to one of {', '.join(text for text in offered if text.isidentifier())}"
        )
        found.append(Finding("problem", name, "discovery", what, advice))
    found += _requests(name, server, metadata)
    found += _answers(name, server, metadata)
    return found + (_mutual_tls(name, server, metadata) if server.mutual_tls else [])


def _requests(name: str, server: AuthorizationServer, metadata: Metadata) -> list[Finding]:
    """How authorization requests must travel, by what the issuer says (RFC 9101 section 10.5, RFC 9126 section 5)."""
    found = []
    if metadata.require_signed_request_object and not server.request_object_signing_alg:
        what = "its issuer takes signed authorization requests alone, and this client's are not signed"
        advice = "set request_object_signing_alg and private_key, and have the provider know the public key"
        found.append(Finding("problem", name, "request_object", what, advice))
    if metadata.require_pushed_authorization_requests and not server.pushed_authorization_request_endpoint:
        what = "its issuer takes pushed authorization requests alone, and this client's are not pushed"
        advice = (
            f"put pushed_authorization_request_endpoint of the metadata of {server.issuer} into the provider's entry"
        )
        found.append(Finding("problem", name, "request_object", what, advice))
    return found


def _answers(name: str, server: AuthorizationServer, metadata: Metadata) -> list[Finding]:
    """How the answer is to come back through the browser, against what the issuer lists."""
    found, mode, modes = [], server.response_mode, metadata.response_modes_supported
    if mode != "query" and mode not in (modes or ()) and (modes is not None or server.signs_responses):
        what = f"it asks for answers by response_mode {mode}, which its issuer does not list"
        advice = "ask the provider whether it has it for this client; if not, every connection fails: take it out"
        found.append(Finding("warning" if modes is None else "problem", name, "response_mode", what, advice))
    signed = metadata.authorization_signing_alg_values_supported
    if server.signs_responses and signed and not set(signed) & set(server.authorization_response_algorithms):
        what = "its issuer signs answers with none of the algorithms that are accepted"
        advice = "set authorization_signed_response_alg to RS256, PS256 or ES256, whichever the issuer lists"
        found.append(Finding("problem", name, "response_mode", what, advice))
    return found


def _mutual_tls(name: str, server: AuthorizationServer, metadata: Metadata) -> list[Finding]:
    """Where the issuer has other endpoints for clients with a certificate, and whether it binds tokens (RFC 8705)."""
    found, aliases = [], dict(server.mtls_endpoint_aliases)
    for field, theirs in metadata.mtls_endpoint_aliases:
        if getattr(server, field, None) and aliases.get(field) != theirs:
            what = f"its issuer has another {field} for clients with a certificate than is configured"
            advice = f"copy {field} of mtls_endpoint_aliases from the metadata of {server.issuer} into the entry"
            found.append(Finding("warning", name, "discovery", what, advice))
    if server.tls_client_certificate_bound_access_tokens and not metadata.tls_client_certificate_bound_access_tokens:
        what = "its issuer does not say that it binds tokens to certificates: they may be plain bearer tokens"
        advice = "ask the provider, and look at cnf in what vault.introspect() tells of a token"
        found.append(Finding("warning", name, "discovery", what, advice))
    return found


def look_at_scopes(registration: Registration, server: AuthorizationServer, metadata: Metadata | None) -> list[Finding]:
    """Scopes that the provider does not know, and scopes that bring no refresh token."""
    found, name, scope = [], registration.name, registration.scope
    known = None if metadata is None else metadata.scopes_supported
    unknown = [text for text in scope if known and text not in known]
    if unknown:
        what = f"its scope holds {' '.join(unknown)}, which its issuer's metadata does not list"
        found.append(Finding("note", name, "scope", what, "check the spelling; not every provider lists all scopes"))
    needed = registration.provider.refresh_token_scopes
    if not needed and known and "offline_access" in known:
        needed = ("offline_access",)
    if needed and not set(needed) & set(scope):
        what = "its scope brings no refresh token: connections end with their first access token"
        advice = f"add {' or '.join(needed)} to VALETKEY_{name.upper().replace('-', '_')}_SCOPE"
        found.append(Finding("warning", name, "refresh_token", what, advice))
    given = dict(server.authorization_parameters)
    lacking = [key for key, text in registration.provider.refresh_token_parameters if given.get(key) != text]
    if lacking:
        what = f"without the usual {' and '.join(lacking)} in its authorization request there is no refresh token"
        advice = "leave these authorization parameters as the catalog has them"
        found.append(Finding("warning", name, "refresh_token", what, advice))
    return found


def _opt_ins(registration: Registration) -> list[Finding]:
    """What was accepted against the rules, so that nobody forgets it."""
    return [
        Finding("warning", registration.name, "opt_in", f"it {what}", advice)
        for setting, what, advice in OPT_INS
        if getattr(registration, setting)
    ]


def _lifetimes(registration: Registration) -> list[Finding]:
    provider, found = registration.provider, []
    if provider.rotation.kind == "unknown":
        what = "nobody has written down what happens to its used refresh tokens: they are treated as used up"
        found.append(Finding("note", registration.name, "rotation", what, "see docs/refresh.md"))
    if provider.sunset:
        instead = f": move to {provider.successor}" if provider.successor else ""
        what = f"{provider.title} ends on {provider.sunset}"
        found.append(Finding("warning", registration.name, "sunset", what, f"plan for it{instead}"))
    if provider.refresh_token_idle_seconds:
        days = provider.refresh_token_idle_seconds // 86_400
        what = f"its connections lapse when they are not used for {days} days"
        found.append(Finding("note", registration.name, "idle", what, "run `valetkey keepalive` on a schedule"))
    return found


def _secret_age(registration: Registration, now: float) -> list[Finding]:
    """How long the client secret still lives, where the configuration says."""
    last = registration.client_secret_expires
    if not last or write_time(int(now) + SOON_SECONDS)[:10] < last:
        return []
    over = last < write_time(int(now))[:10]
    what = f"its client secret {'ended' if over else 'ends'} on {last}"
    advice = "make a new secret at the provider, configure it with its day, then delete the old one"
    return [Finding("problem" if over else "warning", registration.name, "secret_age", what, advice)]


def _certificate_age(registration: Registration, now: float) -> list[Finding]:
    """Which certificate is presented, and how long it still lives."""
    from valetkey.pem import certificate_thumbprint

    certificate = getattr(registration.client, "certificate", None)
    if certificate is None:
        return []
    thumbprint, last = certificate_thumbprint(certificate), write_time(certificate.ends_at)[:10]
    what = f"its client certificate has the SHA-256 thumbprint {thumbprint} and ends on {last}"
    found = [
        Finding("note", registration.name, "certificate", what, "the provider must know this one, or its authority")
    ]
    if now + SOON_SECONDS >= certificate.ends_at:
        over = now >= certificate.ends_at
        what = f"its client certificate {'ended' if over else 'ends'} on {last}"
        advice = "have another one made and known to the provider, configure it, and deploy before that day"
        found.append(Finding("problem" if over else "warning", registration.name, "certificate_age", what, advice))
    return found


def _clock(registration: Registration, asked: dict[str, tuple[Finding, ...]]) -> Op[tuple[Finding, ...]]:
    """How far this clock is from the provider's (its `Date`, RFC 9110 section 6.6.1), asked once for each origin."""
    server = registration.provider.server
    endpoint, certificate = server.token_endpoint, None
    if isinstance(server, AuthorizationServer) and server.mutual_tls:
        certificate, endpoint = getattr(registration.client, "certificate", None), alias_of(server, endpoint)
    origin = read_url(endpoint).origin if endpoint else ""
    if not origin or origin in asked:
        return ()
    before = yield from Now()
    response = yield from _ask(f"{origin}/", getattr(server, "reach", "configured"), certificate)
    after = yield from Now()
    asked[origin] = ()
    if response is None:
        advice = "check the name, and that this deployment may reach the internet (a VPC needs a way out)"
        what = f"{origin} does not answer"
        if certificate is not None:
            what = f"{origin} does not answer, or refuses the client certificate"
        asked[origin] = (Finding("problem", registration.name, "reach", what, advice),)
        return asked[origin]
    date = read_http_date(response.headers.get("date") or "")
    if date is None:
        return ()
    off = round((before + after) / 2 - date)
    if abs(off) > UNEASY_SECONDS + (after - before):
        level = "problem" if abs(off) > WRONG_SECONDS else "warning"
        what = f"this machine's clock is {abs(off)} s {'ahead of' if off > 0 else 'behind'} {origin}"
        advice = "set the clock by NTP: signatures, id_tokens and expiry times depend on it"
        asked[origin] = (Finding("problem" if level == "problem" else "warning", "clock", "clock", what, advice),)
    return asked[origin]
