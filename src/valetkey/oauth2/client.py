"""What the authorization server knows about us."""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import ClientCertificate, PrivateKey
    from valetkey.secret import Secret


@value
class Client:
    """A registered client (RFC 6749 section 2).

    client_secret: None for a public client, which says who it is only, and for one that signs with its private key.
    private_key: for private_key_jwt (RFC 7523) and signed authorization requests (RFC 9101); its key_id is the `kid`
      that the provider knows, else the thumbprint (RFC 7638).
    certificate: what it presents in TLS where the server wants that of it (RFC 8705); None where it does not.
    """

    client_id: str
    client_secret: Secret | None
    redirect_uri: str
    private_key: PrivateKey | None = None
    certificate: ClientCertificate | None = None
