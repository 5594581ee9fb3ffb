"""Which endpoint runs which checks, in which order, and what acts when all of them passed.

To add an endpoint: write what acts, add a row. To tighten one: write a check, add it to its rows. Rows with the same
path are told apart by method, then by `when`: a form parameter and its value. The first row that fits is the one.
The rows of OAuth 1.0a stand in `table_oauth1`, those of the token endpoint in `table_token`.
"""

from __future__ import annotations

from valetkey.sandbox.checks.account_present import account_present
from valetkey.sandbox.checks.audience_named import audience_named
from valetkey.sandbox.checks.audience_right import audience_right
from valetkey.sandbox.checks.bearer_token_valid import bearer_token_valid
from valetkey.sandbox.checks.client_confidential import client_confidential
from valetkey.sandbox.checks.client_known import client_known
from valetkey.sandbox.checks.consent_pending import consent_pending
from valetkey.sandbox.checks.control_allowed import control_allowed
from valetkey.sandbox.checks.credentials_right import credentials_right
from valetkey.sandbox.checks.details_known import details_known
from valetkey.sandbox.checks.device_grant_allowed import device_grant_allowed
from valetkey.sandbox.checks.form_content_type import form_content_type
from valetkey.sandbox.checks.form_token_valid import form_token_valid
from valetkey.sandbox.checks.nonce_given import nonce_given
from valetkey.sandbox.checks.parameters_readable import parameters_readable
from valetkey.sandbox.checks.parameters_single import parameters_single
from valetkey.sandbox.checks.pkce_required import pkce_required
from valetkey.sandbox.checks.prompt_known import prompt_known
from valetkey.sandbox.checks.push_bound import push_bound
from valetkey.sandbox.checks.pushed_request_known import pushed_request_known
from valetkey.sandbox.checks.query_empty import query_empty
from valetkey.sandbox.checks.redirect_uri_exact import redirect_uri_exact
from valetkey.sandbox.checks.redirect_uri_given import redirect_uri_given
from valetkey.sandbox.checks.request_by_value import request_by_value
from valetkey.sandbox.checks.request_object_valid import request_object_valid
from valetkey.sandbox.checks.resource_known import resource_known
from valetkey.sandbox.checks.response_mode_known import response_mode_known
from valetkey.sandbox.checks.response_type_known import response_type_known
from valetkey.sandbox.checks.scope_allowed import scope_allowed
from valetkey.sandbox.checks.scope_sufficient import scope_sufficient
from valetkey.sandbox.checks.token_given import token_given
from valetkey.sandbox.checks.user_code_known import user_code_known
from valetkey.sandbox.endpoints import (
    authorize,
    consent,
    control,
    device,
    home,
    introspect,
    jwks,
    mcp,
    metadata,
    par,
    register,
    resources,
    revoke,
    userinfo,
)
from valetkey.sandbox.refusals import (
    RESOURCE_METADATA,
    as_bearer_challenge,
    as_json,
    as_page,
    as_redirect,
    as_resource_challenge,
)
from valetkey.sandbox.row import Endpoint
from valetkey.sandbox.table_oauth1 import OAUTH1
from valetkey.sandbox.table_token import AUTHENTICATED, TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


READABLE = (parameters_readable, parameters_single)
FORM_OF_OURS = (parameters_readable, form_content_type, query_empty, parameters_single, form_token_valid)
ASKED = (
    redirect_uri_exact,  # until here a page, from here on a redirect
    parameters_single,
    response_type_known,
    response_mode_known,
    pkce_required,
    scope_allowed,
    details_known,
    nonce_given,
    resource_known,
    prompt_known,
)
AUTHORIZATION = (parameters_readable, client_known, pushed_request_known, request_object_valid, *ASKED)
PUSHED = (*AUTHENTICATED, request_by_value, request_object_valid, redirect_uri_given, push_bound, *ASKED)
BEARER = (parameters_readable, bearer_token_valid, audience_right, scope_sufficient)

OAUTH2 = (
    Endpoint(
        "authorize",
        "/oauth2/authorize",
        ("GET",),
        AUTHORIZATION,
        authorize.authorize,
        as_redirect,
        says="OAuth 2.0: sign in and consent",
    ),
    Endpoint(
        "pushed_authorization_request",
        "/oauth2/par",
        ("POST",),
        PUSHED,
        par.push,
        as_json,
        says="OAuth 2.0: push an authorization request (RFC 9126)",
    ),
    *TOKEN,
    Endpoint(
        "device_authorization",
        "/oauth2/device_authorization",
        ("POST",),
        (*AUTHENTICATED, device_grant_allowed, scope_allowed, details_known),
        device.authorize_device,
        as_json,
        says="OAuth 2.0: codes for a device without a browser (RFC 8628)",
    ),
    Endpoint(
        "revoke",
        "/oauth2/revoke",
        ("POST",),
        (*AUTHENTICATED, token_given),
        revoke.revoke,
        as_json,
        says="OAuth 2.0: revoke a token (RFC 7009)",
    ),
    Endpoint(
        "introspect",
        "/oauth2/introspect",
        ("POST",),
        (*AUTHENTICATED, client_confidential, token_given),
        introspect.introspect,
        as_json,
        says="OAuth 2.0: look at a token (RFC 7662)",
    ),
    Endpoint(
        "metadata",
        "/.well-known/oauth-authorization-server",
        ("GET",),
        (),
        metadata.metadata,
        as_json,
        says="OAuth 2.0: all of this for machines (RFC 8414)",
    ),
    Endpoint("metadata", "/.well-known/openid-configuration", ("GET",), (), metadata.metadata, as_json),
    Endpoint(
        "resource_metadata",
        f"{RESOURCE_METADATA}/oauth2/me",
        ("GET",),
        (),
        metadata.of_resource,
        as_json,
        says="OAuth 2.0: which server the resource below trusts (RFC 9728)",
    ),
    Endpoint("resource_metadata", f"{RESOURCE_METADATA}{mcp.PATH}", ("GET",), (), metadata.of_resource, as_json),
    Endpoint(
        "mcp",
        mcp.PATH,
        ("POST",),
        (*BEARER, audience_named, account_present),
        mcp.answer,
        as_resource_challenge,
        scope="read",
        says="An MCP server with one tool, to be connected by its URL",
    ),
    Endpoint(
        "register",
        "/oauth2/register",
        ("POST",),
        (),
        register.register,
        as_json,
        says="OAuth 2.0: register a client (RFC 7591)",
    ),
    Endpoint(
        "jwks",
        "/oauth2/jwks",
        ("GET",),
        (),
        jwks.jwks,
        as_json,
        says="OpenID Connect: the keys that id_tokens are signed with",
    ),
    Endpoint(
        "userinfo",
        "/oauth2/userinfo",
        ("GET", "POST"),
        (*BEARER, account_present),
        userinfo.userinfo,
        as_bearer_challenge,
        scope="openid",
        says="OpenID Connect: claims about the account",
    ),
    Endpoint(
        "me",
        "/oauth2/me",
        ("GET",),
        (*BEARER, account_present),
        resources.me,
        as_bearer_challenge,
        scope="read",
        says="A protected resource: whose account it is",
    ),
    Endpoint(
        "echo",
        "/oauth2/echo",
        ("POST",),
        (*BEARER, account_present),
        resources.echo,
        as_bearer_challenge,
        scope="write",
        says="A protected resource: your form, as it arrived",
    ),
    Endpoint(
        "client",
        "/oauth2/client",
        ("GET",),
        BEARER,
        resources.client,
        as_bearer_challenge,
        scope="read",
        says="A protected resource for clients too: whose request it is",
    ),
)

PAGES = (
    Endpoint("home", "/", ("GET",), (), home.home, as_page),
    Endpoint("sign_in", "/sign-in", ("POST",), (*FORM_OF_OURS, credentials_right), home.sign_in, as_page),
    Endpoint("sign_out", "/sign-out", ("POST",), FORM_OF_OURS, home.sign_out, as_page),
    Endpoint("device", "/device", ("GET",), READABLE, device.device_page, as_page, says="Type a device's code"),
    Endpoint("device", "/device", ("POST",), (*FORM_OF_OURS, user_code_known), device.ask_for_device, as_page),
    Endpoint("consent", "/consent", ("POST",), (*FORM_OF_OURS, consent_pending), consent.consent, as_page),
)

CONTROL = (
    Endpoint("control", "/sandbox/seen", ("GET",), (control_allowed,), control.show_seen, as_json),
    Endpoint("control", "/sandbox/faults", ("GET",), (control_allowed,), control.show_faults, as_json),
    Endpoint("control", "/sandbox/faults", ("POST",), (control_allowed,), control.add_fault, as_json),
    Endpoint("control", "/sandbox/faults", ("DELETE",), (control_allowed,), control.clear_faults, as_json),
)

TABLE: tuple[Endpoint, ...] = (*OAUTH2, *OAUTH1, *PAGES, *CONTROL)
NAMES = tuple(dict.fromkeys(row.name for row in TABLE))


def rows_at(path: str) -> tuple[Endpoint, ...]:
    """The rows of a path, in order."""
    return tuple(row for row in TABLE if row.path == path)


def row_for(exchange: Exchange) -> Endpoint | None:
    """The row that the request belongs to, None where the path has none for its method."""
    pairs = set(exchange.form)
    for row in rows_at(exchange.path):
        if exchange.request.method in row.methods and (row.when is None or row.when in pairs):
            return row
    return None
