"""Trade a token for another one, for somebody else's eyes (RFC 8693)."""

from __future__ import annotations

from valetkey.errors import ConfigurationError, MalformedResponse
from valetkey.oauth2.requested import requested
from valetkey.oauth2.token import ask_for_tokens
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import WireOp
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name, not a secret
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, not a secret
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name, not a secret
NOT_APPLICABLE = "n_a"  # 8693 s2.2.1: the token is no access token


@value
class ExchangedToken:
    """What the provider gave (RFC 8693 section 2.2.1).

    issued_token_type: what it is, such as `urn:ietf:params:oauth:token-type:jwt`.
    token_type: how it is used, in lower case; `n_a` where it is no access token.
    id_token: what came beside it where `openid` was asked for. issuer, subject: whose account it is, from an id_token
      that passed every check; empty where there was none.
    extra: what the provider answered beside it, such as `authorization_details`.
    """

    token: Secret
    issued_token_type: str
    token_type: str
    expires_at: int | None
    scope: tuple[str, ...] | None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    issuer: str = ""
    subject: str = ""
    extra: Pairs = ()

    @property
    def authorization_details(self) -> tuple[dict[str, Any], ...]:
        """What was granted, as the provider said it (RFC 9396 section 7); empty where it said nothing."""
        from valetkey.oauth2.requested import granted_details

        return granted_details(self.extra)

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.extra)
        about = f"expires_at={self.expires_at}, scope={self.scope}, extra=[{names}]"
        return f"ExchangedToken({self.issued_token_type}, {self.token_type}, {about})"


def exchange_token(
    server: AuthorizationServer,
    client: Client,
    *,
    subject_token: Secret,
    subject_token_type: str = ACCESS_TOKEN,
    actor_token: Secret | None = None,
    actor_token_type: str = "",
    requested_token_type: str = "",
    audience: tuple[str, ...] = (),
    resource: tuple[str, ...] = (),
    scope: tuple[str, ...] = (),
    not_after: float,
) -> WireOp[ExchangedToken]:
    """A token for the subject token's subject (RFC 8693 section 2.1); who acts for it is the actor token's.

    Raises ConfigurationError where an actor token comes without its type or the type without the token (section 2.1),
    ProviderError, MalformedResponse, TransportError.
    """
    if (actor_token is None) != (not actor_token_type):
        message = "actor_token and actor_token_type go together: pass both or neither (RFC 8693 section 2.1)"
        raise ConfigurationError(message)
    grant = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", subject_token.reveal()),
        ("subject_token_type", subject_token_type),
    ]
    if actor_token is not None:
        grant += [("actor_token", actor_token.reveal()), ("actor_token_type", actor_token_type)]
    if requested_token_type:
        grant.append(("requested_token_type", requested_token_type))
    grant += [("audience", name) for name in audience]
    # 8693 s2.1 lists the resources first
    grant += sorted(requested(server, scope, resource), key=lambda field: field[0] != "resource")
    reading = replace(server, token_types=(*server.token_types, NOT_APPLICABLE))
    found = yield from ask_for_tokens(reading, client, grant=tuple(grant), not_after=not_after)
    issued = dict(found.extra).get("issued_token_type")
    if not issued:  # 8693 s2.2.1: required, or nobody knows what this is
        message = "the token endpoint answered a token exchange without issued_token_type"
        raise MalformedResponse(message, status=200)
    return ExchangedToken(
        found.access_token,
        issued,
        found.token_type,
        found.expires_at,
        found.scope,
        found.refresh_token,
        found.id_token,
        extra=tuple(pair for pair in found.extra if pair[0] != "issued_token_type"),
    )
