"""What is known to be harmless: names of parameters, members, claims and header fields, and what may stand in each.

The one rule: a name that is not here is not shown, and a value is shown only if it is what its name promises. A rule is
the name of a method of `redact.Redactor`; `secret` shows the name alone.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMES: Mapping[str, str] = {
    # 6749, 7009, 7636, 7521, 7523, 8628, 8693, 8707, 9101, 9126, 9396, 9207, 9449, 7662, OpenID Connect, form_post
    "secret": """access_token acr_values actor_token assertion at_hash auth_req_id authorization_details authuser c_hash
        claims client_assertion client_secret cnf code code_challenge code_verifier detail details
        device_code display_name dpop_jkt email error_description error_uri family_name given_name hd id id_token
        id_token_hint instance_url jkt jti kid key_ops login login_hint message name nickname nonce password
        phone_number picture preferred_username profile reason refresh_token registration_access_token request
        request_uri response s_hash session_state sid software_statement state sub subject_token tenant tid title
        token trace_id correlation_id user_code user_id username upn verification_uri_complete website zoneinfo ath
        actor_id n e x y d p q k crt x5c x5t client_name client_uri logo_uri contacts handle
        screen_name oauth_consumer_key oauth_token oauth_token_secret oauth_verifier oauth_nonce oauth_signature
        oauth_session_handle oauth_body_hash x_auth_username x_auth_password denied realm htu form vk_form
        return_to account verifier link jsonrpc method params result software_id software_version
        url""",
    "word": """grant_type response_type response_mode token_type token_type_hint code_challenge_method prompt display
        access_type include_granted_scopes client_assertion_type subject_token_type actor_token_type
        requested_token_type issued_token_type oauth_signature_method oauth_version oauth_callback_confirmed
        x_auth_mode alg typ cty use kty crv enc application_type token_endpoint_auth_method
        token_endpoint_auth_signing_alg subject_type htm oauth_callback_accepted registration connected""",
    "words": """response_types_supported response_modes_supported grant_types_supported subject_types_supported
        token_endpoint_auth_methods_supported code_challenge_methods_supported dpop_signing_alg_values_supported
        id_token_signing_alg_values_supported token_endpoint_auth_signing_alg_values_supported
        request_object_signing_alg_values_supported grant_types response_types amr
        revocation_endpoint_auth_methods_supported introspection_endpoint_auth_methods_supported
        bearer_methods_supported authorization_signing_alg_values_supported prompt_values_supported""",
    "code": "error oauth_problem error_code errorCode errorType error_type errcode error_subtype suberror",
    "number": """expires_in refresh_token_expires_in x_refresh_token_expires_in ext_expires_in expires_at interval exp
        iat nbf auth_time updated_at created_at max_age oauth_timestamp oauth_expires_in
        oauth_authorization_expires_in client_secret_expires_at client_id_issued_at status status_code error_codes
        default_max_age""",
    "flag": """active ok success email_verified authorization_response_iss_parameter_supported
        require_pushed_authorization_requests require_request_uri_registration request_parameter_supported
        request_uri_parameter_supported claims_parameter_supported dpop_bound_access_tokens
        tls_client_certificate_bound_access_tokens""",
    "scope": "scope scopes scopes_supported oauth_scope",
    "resource": "resource resource_metadata protected_resources registration_client_uri",
    "url": """redirect_uri iss issuer audience aud azp oauth_callback verification_uri verification_url
        jwks_uri
        authorization_endpoint token_endpoint revocation_endpoint introspection_endpoint userinfo_endpoint
        end_session_endpoint registration_endpoint device_authorization_endpoint service_documentation
        pushed_authorization_request_endpoint authorization_servers redirect_uris""",
    "nested": "keys jwk errors data",
    "client": "client_id",
}
RULES: Mapping[str, str] = {name: rule for rule, names in _NAMES.items() for name in names.split()}

WORDS = _set(
    """authorization_code refresh_token client_credentials password implicit access_token id_token token code none
    query fragment form_post jwt query.jwt fragment.jwt form_post.jwt S256 plain bearer Bearer BEARER DPoP dpop mac
    login consent select_account page popup touch wap offline online true false HMAC-SHA1 HMAC-SHA256 HMAC-SHA512
    RSA-SHA1 RSA-SHA256 RSA-SHA512 RSA-PSS PLAINTEXT 1.0 client_auth RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384
    ES512 EdDSA Ed25519 Ed448 HS256 HS384 HS512 JWT at+jwt dpop+jwt oauth-authz-req+jwt client-authentication+jwt
    token-introspection+jwt sig enc RSA EC OKP oct P-256 P-384 P-521 X25519 client_secret_basic client_secret_post
    client_secret_jwt private_key_jwt tls_client_auth self_signed_tls_client_auth public pairwise web native GET POST
    PUT DELETE header body pwd mfa otp RSA-OAEP RSA-OAEP-256 ECDH-ES A128GCM A256GCM A128CBC-HS256 A256CBC-HS512 dir
    urn:ietf:params:oauth:grant-type:device_code urn:ietf:params:oauth:grant-type:jwt-bearer
    urn:ietf:params:oauth:grant-type:saml2-bearer urn:ietf:params:oauth:grant-type:token-exchange
    urn:ietf:params:oauth:client-assertion-type:jwt-bearer urn:ietf:params:oauth:token-type:access_token
    urn:ietf:params:oauth:token-type:refresh_token urn:ietf:params:oauth:token-type:id_token
    urn:ietf:params:oauth:token-type:jwt urn:ietf:params:oauth:token-type:saml1
    urn:ietf:params:oauth:token-type:saml2"""
)
RESPONSE_TYPES = frozenset(("code id_token", "code token", "code id_token token", "id_token token"))
SCOPES = frozenset(("openid", "profile", "email", "address", "phone", "offline_access"))
MEDIA_TYPES = _set(
    """application/json application/x-www-form-urlencoded application/jwt application/problem+json text/html text/plain
    application/xml text/xml application/jwk-set+json multipart/form-data application/octet-stream */*
    application/token-introspection+jwt application/oauth-authz-req+jwt text/css image/png"""
)
# Header fields by rule; every other one is shown as a fingerprint of its value, and of its name too if it is unknown.
HEADERS: Mapping[str, str] = {
    "accept": "media_type",
    "content-type": "media_type",
    "content-length": "number",
    "retry-after": "number",
    "age": "number",
    "date": "date",
    "cache-control": "fetch",
    "pragma": "fetch",
    "vary": "fetch",
    "connection": "fetch",
    "transfer-encoding": "fetch",
    "content-encoding": "fetch",
    "accept-encoding": "fetch",
    "sec-fetch-site": "fetch",
    "sec-fetch-mode": "fetch",
    "sec-fetch-dest": "fetch",
    "sec-fetch-user": "fetch",
    "x-forwarded-proto": "fetch",
    "host": "host",
    "x-forwarded-host": "host",
    "origin": "url",
    "location": "location",
    "authorization": "authorization",
    "www-authenticate": "challenge",
    "cookie": "cookie",
    "set-cookie": "set_cookie",
    "dpop": "secret",
    "dpop-nonce": "secret",
    "referer": "secret",
    "user-agent": "secret",
    "server": "secret",
    "via": "secret",
    "etag": "secret",
    "expires": "secret",
    "last-modified": "secret",
    "x-request-id": "secret",
    "x-forwarded-for": "secret",
    "x-api-key": "secret",
    "accept-language": "secret",
    "content-security-policy": "secret",
    "referrer-policy": "fetch",
    "strict-transport-security": "secret",
    "x-content-type-options": "fetch",
    "x-frame-options": "fetch",
    "cross-origin-opener-policy": "fetch",
    "upgrade-insecure-requests": "number",
}
FETCH = _set(
    """no-store no-cache private public max-age=0 must-revalidate cookie origin accept accept-encoding close keep-alive
    chunked gzip deflate br identity zstd same-origin same-site cross-site none navigate cors no-cors document empty
    ?1 http https no-referrer nosniff deny sameorigin cookie,origin *"""
)
PATHS = _set(
    """.well-known openid-configuration oauth-authorization-server oauth-protected-resource api rest graphql me user
    users member members account accounts profile services oauth oauth1 oauth2 token connect callback verifier link
    connections revoke forget json index.html mcp sse client"""
)
SCHEMES = frozenset(("bearer", "dpop", "oauth", "basic", "session"))
