"""The rows of OAuth 2.0's token endpoint, one for each grant: see `table`."""

from __future__ import annotations

from valetkey.sandbox.checks.assertion_trusted import assertion_trusted
from valetkey.sandbox.checks.client_authenticated import client_authenticated
from valetkey.sandbox.checks.client_proved import client_proved
from valetkey.sandbox.checks.code_bound import code_bound
from valetkey.sandbox.checks.code_fresh import code_fresh
from valetkey.sandbox.checks.code_known import code_known
from valetkey.sandbox.checks.code_unused import code_unused
from valetkey.sandbox.checks.details_known import details_known
from valetkey.sandbox.checks.details_same import details_same
from valetkey.sandbox.checks.device_allowed import device_allowed
from valetkey.sandbox.checks.device_code_known import device_code_known
from valetkey.sandbox.checks.device_polled_slowly import device_polled_slowly
from valetkey.sandbox.checks.dpop_proved import dpop_proved
from valetkey.sandbox.checks.form_content_type import form_content_type
from valetkey.sandbox.checks.grant_allowed import grant_allowed
from valetkey.sandbox.checks.grant_offered import grant_offered
from valetkey.sandbox.checks.grant_type_known import grant_type_known
from valetkey.sandbox.checks.parameters_readable import parameters_readable
from valetkey.sandbox.checks.parameters_single import parameters_single
from valetkey.sandbox.checks.password_right import password_right
from valetkey.sandbox.checks.query_empty import query_empty
from valetkey.sandbox.checks.redirect_uri_same import redirect_uri_same
from valetkey.sandbox.checks.refresh_token_known import refresh_token_known
from valetkey.sandbox.checks.refresh_token_usable import refresh_token_usable
from valetkey.sandbox.checks.resource_same import resource_same
from valetkey.sandbox.checks.scope_allowed import scope_allowed
from valetkey.sandbox.checks.scope_not_wider import scope_not_wider
from valetkey.sandbox.checks.subject_token_known import subject_token_known
from valetkey.sandbox.checks.verifier_matches import verifier_matches
from valetkey.sandbox.clients import DEVICE_CODE, JWT_BEARER, PASSWORD, TOKEN_EXCHANGE
from valetkey.sandbox.endpoints import (
    device,
    token,
)
from valetkey.sandbox.refusals import (
    as_json,
)
from valetkey.sandbox.row import Endpoint, refuse_all

AUTHENTICATED = (parameters_readable, form_content_type, query_empty, parameters_single, client_authenticated)
FOR_TOKENS = (*AUTHENTICATED, dpop_proved)

TOKEN = (
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        # A code is looked at last for reuse, so that only who could have used it can revoke by it.
        (
            *FOR_TOKENS,
            code_known,
            code_bound,
            redirect_uri_same,
            resource_same,
            details_same,
            verifier_matches,
            code_unused,
            code_fresh,
        ),
        token.exchange_code,
        as_json,
        when=("grant_type", "authorization_code"),
        says="OAuth 2.0: a code, or a refresh token, for tokens",
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, refresh_token_known, resource_same, details_same, scope_not_wider, refresh_token_usable),
        token.refresh,
        as_json,
        when=("grant_type", "refresh_token"),
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, grant_allowed, client_proved, scope_allowed, details_known),
        token.client_credentials,
        as_json,
        when=("grant_type", "client_credentials"),
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, grant_allowed, device_code_known, device_polled_slowly, device_allowed),
        device.exchange_device_code,
        as_json,
        when=("grant_type", DEVICE_CODE),
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, grant_allowed, scope_allowed, details_known, assertion_trusted),
        token.exchange_assertion,
        as_json,
        when=("grant_type", JWT_BEARER),
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, grant_allowed, subject_token_known, details_same),
        token.exchange_token,
        as_json,
        when=("grant_type", TOKEN_EXCHANGE),
    ),
    Endpoint(
        "token",
        "/oauth2/token",
        ("POST",),
        (*FOR_TOKENS, grant_offered, grant_allowed, scope_allowed, details_known, password_right),
        token.exchange_password,
        as_json,
        when=("grant_type", PASSWORD),
    ),
    Endpoint("token", "/oauth2/token", ("POST",), (*AUTHENTICATED, grant_type_known), refuse_all, as_json),
)
