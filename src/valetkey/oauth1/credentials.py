"""The three kinds of credentials of RFC 5849 section 1.1, and the server that issues two of them.

The one rule: secrets are `Secret`, so that a value can be printed. Not here: where credentials are kept.
"""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.effects import PrivateKey
    from valetkey.http import Pairs
    from valetkey.secret import Secret

    SignatureMethod: TypeAlias = Literal[
        "HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512"
    ]
    Placement: TypeAlias = Literal["header", "query", "body"]


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
    revocation_endpoint: `{token}` in it becomes the token's identifier.
    headers: sent with every request to these endpoints.
    """

    temporary_credentials_endpoint: str
    authorization_endpoint: str
    token_endpoint: str
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
