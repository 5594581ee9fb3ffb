"""Registrations from `VALETKEY_<NAME>_...` and `[registrations.NAME]`.

    CLIENT_ID                          what the provider calls the application
    CLIENT_SECRET, CLIENT_SECRET_FILE  the secret, or a file that holds it
    CLIENT_SECRET_EXPIRES              the last day of the secret, 2027-01-31: the doctor warns a month before
    CLIENT_REGISTRATION                in place of these: `dynamic`, the issuer makes the client at run time (RFC 7591),
                                       or `document`, a page of ours is its name; with ISSUER alone
    INITIAL_ACCESS_TOKEN, INITIAL_ACCESS_TOKEN_FILE
                                       what the issuer wants to see before it registers a client
    SOFTWARE_STATEMENT, SOFTWARE_STATEMENT_FILE
                                       what somebody whom it trusts says of this software (RFC 7591 section 2.3)
    GRANT_TYPES                        what such a client may use; authorization_code and refresh_token if left out
    PROVIDER                           the provider's name, where it is not the registration's
    ISSUER                             for the providers `oidc` and `oauth2-discovery`, which need nothing else
    API_HOSTS                          where their tokens may be sent; the issuer's host where it is left out
    SCOPE                              separated by blanks or commas; the provider's default where it is left out
    PRIVATE_KEY, PRIVATE_KEY_FILE      PEM, for the RSA methods of OAuth 1.0a and for private_key_jwt
    PRIVATE_KEY_PKCS12_FILE            the same in a PKCS #12 file (.p12, .pfx)
    PRIVATE_KEY_PASSWORD               of either, where it is encrypted
    PRIVATE_KEY_SIGNER                 `package.module:function`, for a key that stays in a key service
    TENANTS                            which tenants, where the provider has a host for each; all where it is left out
    BASE_URL                           of the provider, where it has one to choose
    PRIVATE_KEY_ID                     what an OAuth 2.0 provider calls the key; its thumbprint where it is left out
    SIGNATURE_METHOD                   of OAuth 1.0a, where it is not the provider's usual one; of OAuth 2.0 the
                                       algorithm of private_key_jwt: RS256, PS256 or ES256
    TOKEN_ENDPOINT_AUTH_METHOD         private_key_jwt, tls_client_auth, ..., where it is not the provider's usual one
    DPOP_BOUND_ACCESS_TOKENS           true: tokens are bound to a key of the connection's own (RFC 9449)
    CLIENT_CERTIFICATE, CLIENT_CERTIFICATE_FILE
                                       PEM: the certificate that is presented in TLS (RFC 8705), and those that vouch
                                       for it; the private key may stand there too
    CLIENT_CERTIFICATE_KEY, CLIENT_CERTIFICATE_KEY_FILE
                                       the key, where it stands on its own
    CLIENT_CERTIFICATE_PKCS12_FILE     all of it in a PKCS #12 file
    CLIENT_CERTIFICATE_PASSWORD        of the key or that file, where it is encrypted
    TLS_CLIENT_CERTIFICATE_BOUND_ACCESS_TOKENS
                                       true: tokens are bound to that certificate (RFC 8705 section 3)
    AUTHORIZATION_DETAILS              what exactly is asked for, as a JSON array (RFC 9396)
    RESOURCES                          what the tokens are for, as URIs (RFC 8707), separated by blanks or commas
    RESPONSE_MODE                      how the answer comes back: query, form_post, jwt, query.jwt, form_post.jwt
    AUTHORIZATION_SIGNED_RESPONSE_ALG  RS256, PS256 or ES256: how such a JWT is signed, and no other way
    AUTHORIZATION_PARAMETERS           `expiration=1day&name=Notes`, or a table
    ACCEPT_MISSING_VERIFIER            true: see `providers.registration`
    ACCEPT_XAUTH                       true: connecting takes the resource owner's password, see `connections.xauth`
    ACCEPT_PASSWORD_GRANT              true: the same by OAuth 2.0, which RFC 9700 forbids, see `connections.password`
    ACCEPT_IMPLICIT_GRANT              true: tokens may come in the address (RFC 6749 section 4.2), see
                                       `connections.by_implicit` for why they should not
    RESPONSE_TYPE                      `token` or `id_token token`, where it is not as the provider's entry says
    PUBLIC_CLIENT                      true: there is no secret

`<NAME>` is the registration's name in upper case with `_` for `-`.
"""

from __future__ import annotations

from valetkey.config.secrets import read_client_certificate, read_private_key, read_secret
from valetkey.config.sources import OF_REGISTRATIONS
from valetkey.errors import ConfigurationError
from valetkey.http import read_form
from valetkey.providers.catalog import load_provider, read_provider
from valetkey.providers.registration import Registration, register
from valetkey.providers.schema import is_name
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valetkey.config.sources import Sources
    from valetkey.http import Pairs
    from valetkey.providers.provider import Provider
    from valetkey.providers.tenants import Tenants

SANDBOXES = ("sandbox-oauth1", "sandbox-oauth2")
MCP = ("mcp_page", "mcp_accept_loopback", "mcp_client_documents")  # with these, all may be registered at run time
KINDS = ("oidc", "oauth2-discovery")  # as `providers.discovered` has them


def read_registrations(sources: Sources) -> tuple[Mapping[str, Registration], Mapping[str, Tenants]]:
    """Every sound registration by name, those with tenants apart; problems go into the sources."""
    names = sources.registration_names()
    if not names and not any(map(sources.has, MCP)):
        sources.problems.append(
            "no registration is configured: set VALETKEY_GITHUB_CLIENT_ID and VALETKEY_GITHUB_CLIENT_SECRET, "
            "or those of another provider (valetkey providers list)"
        )
    found: dict[str, Registration] = {}
    tenants: dict[str, Tenants] = {}
    for name in names:
        if not is_name(name):
            sources.problems.append(f"{name!r}: a registration is named with a-z, 0-9 and -")
            continue
        registration = _read(sources, name)
        if isinstance(registration, Registration):
            found[name] = registration
        elif registration is not None:
            tenants[name] = registration
    return found, tenants


def _read(sources: Sources, name: str) -> Registration | Tenants | None:
    client_id, way = sources.text("client_id", name), sources.text("client_registration", name)
    if not sources.has("client_id", name) and not sources.has("client_registration", name):
        sources.problems.append(f"{sources.variable('client_id', name)} is missing: {name} is configured in part")
    secret, private_key = read_secret(sources, "client_secret", name), read_private_key(sources, name)
    if private_key is not None and sources.has("private_key_id", name):
        private_key = replace(private_key, key_id=sources.text("private_key_id", name))
    certificate = read_client_certificate(sources, name)
    parameters = _parameters(sources, name)
    provider = _provider(sources, name)
    initial_access_token = read_secret(sources, "initial_access_token", name)
    software_statement = read_secret(sources, "software_statement", name)
    if provider is None or not (client_id or way):
        return None
    before = len(sources.problems)
    make = _for_tenants(sources, name, provider) or register
    try:
        registration = make(
            name,
            provider,
            client_id=client_id,
            client_secret=secret,
            private_key=private_key,
            redirect_uri=f"{sources.text('base_url').rstrip('/')}/callback/{name}",
            scope=sources.texts("scope", name),
            application=sources.text("application"),
            signature_method=sources.text("signature_method", name),
            authorization_parameters=parameters,
            accept_missing_verifier=sources.flag("accept_missing_verifier", name),
            accept_xauth=sources.flag("accept_xauth", name),
            accept_password_grant=sources.flag("accept_password_grant", name),
            accept_implicit_grant=sources.flag("accept_implicit_grant", name),
            public_client=sources.flag("public_client", name),
            client_secret_expires=sources.text("client_secret_expires", name),
            token_endpoint_auth_method=sources.text("token_endpoint_auth_method", name),
            resources=sources.texts("resources", name),
            authorization_details=sources.text("authorization_details", name),
            dpop_bound_access_tokens=sources.flag("dpop_bound_access_tokens", name),
            response_mode=sources.text("response_mode", name),
            response_type=sources.text("response_type", name),
            request_object_signing_alg=sources.text("request_object_signing_alg", name),
            require_pushed_authorization_requests=sources.flag("require_pushed_authorization_requests", name),
            authorization_signed_response_alg=sources.text("authorization_signed_response_alg", name),
            client_certificate=certificate,
            tls_client_certificate_bound_access_tokens=sources.flag("tls_client_certificate_bound_access_tokens", name),
            client_registration=way,
            grant_types=sources.texts("grant_types", name),
            initial_access_token=initial_access_token,
            software_statement=software_statement,
        )
    except ConfigurationError as error:
        sources.problems += [_in_variables(sources, problem, name) for problem in error.problems]
        return None
    return registration if len(sources.problems) == before else None


def _for_tenants(sources: Sources, name: str, provider: Provider) -> Callable[..., Tenants] | None:
    """What registers it for every tenant of the provider; None where the provider has none."""
    if provider.tenants is None:
        if sources.has("tenants", name):
            sources.problem("tenants", f"{provider.title} has no tenants with hosts of their own: remove it", name)
        return None
    from functools import partial

    from valetkey.providers.tenants import register_tenants

    return partial(register_tenants, allowed=sources.texts("tenants", name))


def _in_variables(sources: Sources, problem: str, name: str) -> str:
    """The problem in the words of the environment or the file, whichever the operator uses."""
    for key in OF_REGISTRATIONS:
        problem = problem.replace(f"`{key}`", sources.label(key, name))
    return problem


def _provider(sources: Sources, name: str) -> Provider | None:
    provider_name = sources.text("provider", name) or ("oidc" if sources.has("issuer", name) else name)
    if provider_name in KINDS or sources.has("issuer", name) or sources.has("api_hosts", name):
        return _discovered(sources, provider_name, name)
    base_url = sources.text("base_url", name)
    if not base_url and provider_name in SANDBOXES:
        base_url = sources.text("sandbox_base_url")
    table = sources.provider_table(provider_name)
    try:
        if table is not None:
            where = f"{sources.file}: providers.{provider_name}"
            return read_provider(table, name=provider_name, where=where, base_url=base_url)
        return load_provider(provider_name, base_url=base_url, directory=sources.text("providers_dir"))
    except ConfigurationError as error:
        where = sources.label("provider", name)
        if where.endswith("_PROVIDER") and not sources.has("provider", name):
            where = f"registration {name}"
        sources.problems += [f"{where}: {problem}" for problem in error.problems]
        return None


def _discovered(sources: Sources, provider_name: str, name: str) -> Provider | None:
    """The provider behind the registration's issuer."""
    if provider_name not in KINDS:
        message = f"{sources.label('issuer' if sources.has('issuer', name) else 'api_hosts', name)} belongs to"
        sources.problems.append(f"{message} the providers {' and '.join(KINDS)}: {provider_name} has its own")
        return None
    issuer = sources.text("issuer", name)
    if not issuer:
        sources.problems.append(f"{sources.label('issuer', name)} is missing: the provider's issuer, an https URL")
        return None
    from valetkey.providers.discovered import discovered_provider

    try:
        return discovered_provider(provider_name, issuer=issuer, api_hosts=sources.texts("api_hosts", name))
    except ConfigurationError as error:
        sources.problems += [_in_variables(sources, problem, name) for problem in error.problems]
        return None


def _parameters(sources: Sources, name: str) -> Pairs:
    found = sources.found("authorization_parameters", name)
    if isinstance(found, dict) and all(isinstance(text, str) for text in found.values()):
        return tuple(found.items())
    if found is None:
        return ()
    try:
        if isinstance(found, str) and found:
            return read_form(found)
    except ValueError:
        pass
    sources.problem("authorization_parameters", "it must be written like a query, expiration=1day&name=Notes", name)
    return ()
