"""The three kinds of credentials of RFC 5849 section 1.1, and the server that issues two of them.

The one rule: secrets are `Secret`, so that a value can be printed. Not here: where credentials are kept.
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.effects import PrivateKey
    from valetkey.errors import Explanation
    from valetkey.http import Pairs
    from valetkey.secret import Secret

    SignatureMethod: TypeAlias = Literal[
        "HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512", "RSA-PSS"
    ]
    Placement: TypeAlias = Literal["header", "query", "body"]
    BodyHash: TypeAlias = Literal["", "SHA1", "SHA256", "SHA512"]
    ParameterEncoding: TypeAlias = Literal["rfc5849", "unencoded"]


@value
class ClientCredentials:
    """What the provider gave the application; private_key is for the RSA methods, which leave the secret unused."""

    identifier: str
    secret: Secret
    private_key: PrivateKey | None = None


@value
class TemporaryCredentials:
    """What stands for an authorization request while the resource owner decides (section 2.1)."""

    identifier: str
    secret: Secret


@value
class TokenCredentials:
    """What the resource owner's grant became (section 2.3). extra: the other fields of the provider's answer."""

    identifier: str
    secret: Secret
    extra: Pairs = ()


@value
class Server:
    """A provider's three endpoints, and what it does differently.

    endpoint_method: the verb of the temporary credentials and token endpoints.
    temporary_credentials_parameters: added to the query of that endpoint (`scope`, `x_auth_access_type`).
    state_in_callback: False where the provider drops the callback's query; the flow is then found by the temporary
        credentials' identifier.
    callback_out_of_band: the provider takes only `oob` and sends the resource owner to its registered callback.
    authorization_token_parameter: the name that carries the temporary credentials' identifier to the provider.
    body_hash: whether bodies that are not forms are covered by `oauth_body_hash`.
    body_hash_algorithm: of that hash; empty takes the signature method's own.
    parameter_encoding: `unencoded` for the one provider whose signers do not encode as RFC 5849 does.
    client_only: nobody authorizes anything there; requests are signed by the client alone and there are no endpoints.
    temporary_credentials_method, token_method: the verb of one endpoint, where they differ.
    callback_in_authorization: the callback goes to the authorization page instead, unsigned.
    verifier_typed: the provider shows the verifier, and the resource owner types it into a form of ours.
    token_lifetime_seconds: how long tokens work where the provider does not say; 0: until they are revoked.
    renewal_endpoint: where tokens are renewed; where only a session handle comes with them, the token endpoint is it.
    renewal_keeps_token: renewing prolongs the same token, and the answer's body says nothing.
    revocation_endpoint: `{token}` in it becomes the token's identifier.
    headers: sent with every request to these endpoints.
    errors: what it means by its error codes, as its own documentation says.
    """

    temporary_credentials_endpoint: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    signature_method: SignatureMethod = "HMAC-SHA1"
    placement: Placement = "header"
    realm: str | None = None
    endpoint_method: str = "POST"
    temporary_credentials_parameters: Pairs = ()
    authorization_parameters: Pairs = ()
    callback_confirmed_required: bool = True
    verifier_required: bool = True
    state_in_callback: bool = True
    callback_out_of_band: bool = False
    revocation_endpoint: str | None = None
    revocation_method: str = "POST"
    headers: Pairs = ()
    authorization_token_parameter: str = "oauth_token"  # noqa: S105 - the name of a parameter
    body_hash: bool = True
    body_hash_algorithm: BodyHash = ""
    parameter_encoding: ParameterEncoding = "rfc5849"
    client_only: bool = False
    temporary_credentials_method: str = ""
    token_method: str = ""
    callback_in_authorization: bool = False
    verifier_typed: bool = False
    token_lifetime_seconds: int = 0
    renewal_endpoint: str | None = None
    renewal_method: str = "POST"
    renewal_keeps_token: bool = False
    errors: tuple[Explanation, ...] = ()
