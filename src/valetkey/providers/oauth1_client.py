"""What a registration says about an OAuth 1.0a client, joined with what its provider's entry says."""

from __future__ import annotations

from valetkey.oauth1.clocks import ClockOffsets
from valetkey.oauth1.credentials import ClientCredentials
from valetkey.providers import schema
from valetkey.secret import Secret
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import PrivateKey
    from valetkey.http import Pairs
    from valetkey.oauth1.credentials import Server
    from valetkey.providers.provider import Provider


def _adjusted_server(name: str, server: Server, method: str, problems: list[str]) -> Server:
    """The server as this registration uses it. method: how it signs; empty is as the entry says."""
    if not method:
        return server
    if method not in schema.SIGNATURE_METHODS:
        problems.append(f"{name}: `signature_method` must be one of {', '.join(schema.SIGNATURE_METHODS)}")
    else:
        server = replace(server, signature_method=method)
    from valetkey.providers.oauth1_server import contradictions

    problems += [f"{name}: {problem}" for problem in contradictions(server)]
    return server


def oauth1_client(
    name: str,
    provider: Provider,
    server: Server,
    *,
    method: str,
    client_id: str,
    client_secret: Secret | None,
    private_key: PrivateKey | None,
    scope: tuple[str, ...],
    application: str,
    accepts: bool,
    problems: list[str],
) -> tuple[Server, ClientCredentials, ClockOffsets]:
    """The client, and the server that is told of it in its own words; what is missing goes into `problems`.

    method: how it signs, where that is not as the entry says. accepts: whether a callback may have no verifier.
    """
    server = _adjusted_server(name, server, method, problems)
    signs_with_key = server.signature_method.startswith("RSA-")
    if signs_with_key and private_key is None:
        problems.append(f"{name}: `private_key` is missing: the signature method needs it")
    if private_key is not None and not signs_with_key:
        method = server.signature_method
        problems.append(f"{name}: `private_key` is not used: {method} signs with the secret, see `signature_method`")
    if private_key is not None and private_key.key_id:
        problems.append(f"{name}: `private_key_id` belongs to OAuth 2.0: OAuth 1.0a does not say which key it was")
    if not signs_with_key and not client_secret:
        problems.append(f"{name}: `client_secret` is missing")
    if not server.verifier_required and not accepts:
        problems.append(
            f"{name}: this provider sends no verifier, so whoever authorizes last is connected; "
            "set `accept_missing_verifier` to true if that is acceptable"
        )
    words = _own_words(provider, server, client_id, scope, application)
    client = ClientCredentials(client_id, client_secret or Secret(""), private_key)
    return replace(server, authorization_parameters=words), client, ClockOffsets()


def _own_words(provider: Provider, server: Server, client_id: str, scope: tuple[str, ...], application: str) -> Pairs:
    """What OAuth 1.0a has no words for, in the provider's own."""
    own = (
        (provider.client_identifier_parameter, client_id),
        (provider.application_parameter, application),
        (provider.scope_parameter, provider.scope_separator.join(scope)),
    )
    present = {name for name, _ in server.authorization_parameters}
    return (
        *server.authorization_parameters,
        *((name, text) for name, text in own if name and text and name not in present),
    )
