"""The rows of OAuth 1.0a: see `table`."""

from __future__ import annotations

from valetkey.sandbox.checks.callback_registered import callback_registered
from valetkey.sandbox.checks.nonce_unused import nonce_unused
from valetkey.sandbox.checks.oauth1_client_known import oauth1_client_known
from valetkey.sandbox.checks.parameters_readable import parameters_readable
from valetkey.sandbox.checks.parameters_single import parameters_single
from valetkey.sandbox.checks.session_handle_right import session_handle_right
from valetkey.sandbox.checks.signature_method_allowed import signature_method_allowed
from valetkey.sandbox.checks.signature_valid import signature_valid
from valetkey.sandbox.checks.signed_request_readable import signed_request_readable
from valetkey.sandbox.checks.temporary_approved import temporary_approved
from valetkey.sandbox.checks.temporary_known import temporary_known
from valetkey.sandbox.checks.temporary_pending import temporary_pending
from valetkey.sandbox.checks.timestamp_in_window import timestamp_in_window
from valetkey.sandbox.checks.token_credential_known import token_credential_known
from valetkey.sandbox.checks.verifier_right import verifier_right
from valetkey.sandbox.checks.xauth_right import xauth_right
from valetkey.sandbox.endpoints import oauth1_authorize, oauth1_credentials, resources
from valetkey.sandbox.refusals import as_oauth_problem, as_page
from valetkey.sandbox.row import Endpoint

# The signature is proved before the nonce is used up: nobody else can spend a client's nonces.
SIGNED = (signed_request_readable, timestamp_in_window, oauth1_client_known, signature_method_allowed)
PROVED = (signature_valid, nonce_unused)
SIGNED_WITH_TOKEN = (*SIGNED, token_credential_known, *PROVED)

OAUTH1 = (
    Endpoint(
        "oauth1_initiate",
        "/oauth1/initiate",
        ("POST", "GET"),
        (*SIGNED, callback_registered, *PROVED),
        oauth1_credentials.initiate,
        as_oauth_problem,
        says="OAuth 1.0a: temporary credentials",
    ),
    Endpoint(
        "oauth1_authorize",
        "/oauth1/authorize",
        ("GET",),
        (parameters_readable, parameters_single, temporary_pending),
        oauth1_authorize.oauth1_authorize,
        as_page,
        says="OAuth 1.0a: sign in and consent",
    ),
    Endpoint(
        "oauth1_xauth",
        "/oauth1/token",
        ("POST",),
        (*SIGNED, *PROVED, xauth_right),
        oauth1_credentials.issue_by_password,
        as_oauth_problem,
        when=("x_auth_mode", "client_auth"),
    ),
    Endpoint(
        "oauth1_token",
        "/oauth1/token",
        ("POST", "GET"),
        (*SIGNED, temporary_known, *PROVED, temporary_approved, verifier_right),
        oauth1_credentials.issue_token,
        as_oauth_problem,
        says="OAuth 1.0a: token credentials",
    ),
    Endpoint(
        "oauth1_renew",
        "/oauth1/renew",
        ("POST", "GET"),
        (*SIGNED_WITH_TOKEN, session_handle_right),
        oauth1_credentials.renew,
        as_oauth_problem,
        says="OAuth 1.0a: renew token credentials that end",
    ),
    Endpoint(
        "oauth1_client",
        "/oauth1/client",
        ("GET", "POST"),
        (*SIGNED, *PROVED),
        resources.client,
        as_oauth_problem,
        says="A protected resource for clients alone: whose request it is",
    ),
    Endpoint(
        "oauth1_revoke",
        "/oauth1/revoke",
        ("POST",),
        SIGNED_WITH_TOKEN,
        oauth1_credentials.revoke_token,
        as_oauth_problem,
        says="OAuth 1.0a: end token credentials",
    ),
    Endpoint(
        "oauth1_me",
        "/oauth1/me",
        ("GET",),
        SIGNED_WITH_TOKEN,
        resources.me,
        as_oauth_problem,
        says="A protected resource: whose account it is",
    ),
    Endpoint(
        "oauth1_echo",
        "/oauth1/echo",
        ("POST",),
        SIGNED_WITH_TOKEN,
        resources.echo,
        as_oauth_problem,
        says="A protected resource: your form, as it arrived",
    ),
)
