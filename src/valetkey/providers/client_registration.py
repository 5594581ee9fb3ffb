"""A registration in which the operator names no client: it is registered at run time, or a document of ours is it.

    dynamic    the server makes the client, once for the fleet (RFC 7591)
    document   the client's name is the URL of our document, which the server reads
               (draft-ietf-oauth-client-id-metadata-document): nothing is sent and nothing is stored

The one rule: what cannot work, or would be ignored, is said at start.
Not here: doing it (`connections.enrol_configured`).
"""

from __future__ import annotations

from valetkey.http import is_loopback, read_url
from valetkey.oauth2.server import TLS_METHODS
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.effects import PrivateKey
    from valetkey.oauth2.server import AuthMethod, AuthorizationServer
    from valetkey.providers.provider import Provider
    from valetkey.secret import Secret

WAYS = ("dynamic", "document")
CODE, REFRESH, CLIENT, PASSWORD = "authorization_code", "refresh_token", "client_credentials", "password"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
OTHERS = (
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
GRANT_TYPES = (CODE, REFRESH, CLIENT, DEVICE, *OTHERS, PASSWORD)
REFRESHED = frozenset((CODE, DEVICE, PASSWORD))  # their connections live by a refresh token
DOCUMENT_METHODS = ("none", "private_key_jwt")


@value
class ClientRegistration:
    """What the registration says in place of a client identifier.

    grant_types: what the client may use, and no more (RFC 7591 section 2).
    methods: how it may prove who it is; empty: whichever the server offers of those that valetkey prefers.
    initial_access_token: what the server wants to see before it registers anybody (section 3); it goes there alone.
    software_statement: what somebody whom the server trusts says of this software (section 2.3).
    document: the URL of our document, where that is the client; it stands beside the callback.
    """

    way: Literal["dynamic", "document"]
    grant_types: tuple[str, ...]
    methods: tuple[AuthMethod, ...] = ()
    initial_access_token: Secret | None = None
    software_statement: Secret | None = None
    document: str = ""

    def proving(
        self,
        name: str,
        server: AuthorizationServer,
        *,
        chosen: bool,
        private_key: PrivateKey | None,
        problems: list[str],
    ) -> ClientRegistration:
        """The same with how the client is to prove who it is.

        chosen: whether the registration says how in so many words; a private key alone says it, too.
        """
        method = server.token_endpoint_auth_method
        if private_key is not None and private_key.signer is not None:
            problems.append(
                f"{name}: `private_key_signer` keeps the public key to itself, which the server must be told"
            )
        if method in TLS_METHODS:
            problems.append(f"{name}: {method} needs its certificate entered at the server: use a key, or a secret")
        if getattr(server, "gives_tokens_out", False):
            problems.append(f"{name}: `response_type` is code where the client is registered at run time")
        if self.document and method not in DOCUMENT_METHODS:
            problems.append(
                f"{name}: a document holds no secret: `token_endpoint_auth_method` is none or private_key_jwt"
            )
        needs_proof = CLIENT in self.grant_types
        chosen = chosen or method == "private_key_jwt"
        if needs_proof and method == "none":
            problems.append(f"{name}: `grant_types`: client_credentials is for a client that can prove who it is")
        if chosen or self.document:
            return replace(self, methods=(method,))
        return replace(self, methods=("client_secret_post", "client_secret_basic") if needs_proof else ())


@value
class Told:
    """The same as the operator wrote it, beside what may contradict it. secret: whether there is one."""

    way: str
    grant_types: tuple[str, ...]
    initial_access_token: Secret | None
    software_statement: Secret | None
    client_id: str
    secret: bool
    redirect_uri: str
    accept_password: bool


def read_client_registration(name: str, provider: Provider, told: Told, problems: list[str]) -> ClientRegistration:
    """What was told, as far as it can be seen without the client; what is wrong with it goes into `problems`."""
    if told.way not in WAYS:
        given = [key for key in ("initial_access_token", "software_statement", "grant_types") if getattr(told, key)]
        wrong = "must be dynamic or document" if told.way else f"is missing, and `{given[0]}` belongs to it"
        problems.append(f"{name}: `client_registration` {wrong}")
    elif told.client_id or told.secret:
        key = "client_id" if told.client_id else "client_secret"
        problems.append(f"{name}: it has a `{key}` and a `client_registration`: leave one of the two out")
    if not getattr(provider.server, "discovery", ""):
        problems.append(
            f"{name}: `client_registration` needs an `issuer` whose metadata says where clients register: "
            f"{provider.title} has an entry of its own, so register the application there"
        )
    if ":" in name:
        problems.append(f"{name}: `client_registration` is not for providers with tenants, whom anybody may name")
    if told.way == "document":
        problems += [f"{name}: {problem}" for problem in _document_problems(name, told)]
    grant_types = _grant_types(name, told, problems)
    if told.way == "document":
        url = f"{told.redirect_uri.removesuffix(f'/callback/{name}')}/client/{name}"
        return ClientRegistration("document", grant_types, document=url)
    return ClientRegistration("dynamic", grant_types, (), told.initial_access_token, told.software_statement)


def _document_problems(name: str, told: Told) -> list[str]:
    found = [
        f"`{key}` is sent to nobody: it belongs to `client_registration` dynamic"
        for key in ("initial_access_token", "software_statement")
        if getattr(told, key)
    ]
    uri = told.redirect_uri
    if "://" not in uri:  # the base URL is missing, and that is said elsewhere
        return found
    if not uri.startswith("https://") or is_loopback(read_url(uri).host):
        found.append("`client_registration` document needs our pages under https, and not on this machine alone")
    if not uri.endswith(f"/callback/{name}"):
        found.append(f"`client_registration` document needs our own redirect URI, which ends in /callback/{name}")
    return found


def _grant_types(name: str, told: Told, problems: list[str]) -> tuple[str, ...]:
    """What is asked for: what is written, with the refresh tokens that its connections live by."""
    known = [one for one in GRANT_TYPES if one != PASSWORD or told.accept_password]
    wrong = [one for one in told.grant_types if one not in known]
    if wrong:
        problems.append(f"{name}: `grant_types`: {', '.join(wrong)} is none of {', '.join(known)}")
    asked = told.grant_types or (CODE, *((PASSWORD,) if told.accept_password else ()))
    refreshed = REFRESHED.intersection(asked) and REFRESH not in asked
    return tuple(dict.fromkeys((*asked, REFRESH) if refreshed else asked))
