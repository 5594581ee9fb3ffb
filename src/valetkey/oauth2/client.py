"""What the authorization server knows about us."""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.secret import Secret


@value
class Client:
    """A registered client (RFC 6749 section 2). client_secret: None for a public client, which says who it is only."""

    client_id: str
    client_secret: Secret | None
    redirect_uri: str
