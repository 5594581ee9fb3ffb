"""Ask an authorization server at an endpoint that we call directly, rather than through a browser.

The one rule: every such request goes through `ask`, whatever its grant: client authentication that has to be signed
(RFC 7523), proof of possession (RFC 9449) and the client's certificate (RFC 8705) are added here and nowhere else.
"""

from __future__ import annotations

from valetkey.effects import Now, Send
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.oauth2.client_authentication import authenticate, client_authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.client_authentication import ClientAuthentication
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.server import AuthorizationServer


def ask(
    server: AuthorizationServer,
    client: Client,
    *,
    endpoint: str,
    fields: Pairs,
    headers: Pairs = (),
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[Response]:
    """What the endpoint answers to an authenticated POST.

    proof_key: the key that the tokens are or will be bound to; the request is repeated once where the server refused
    it unread for want of its nonce (RFC 9449 section 8). Raises ConfigurationError, TransportError.
    """
    once = (server, client, endpoint, fields, headers)
    response = yield from _ask_once(*once, proof_key=proof_key, not_after=not_after)
    if proof_key is None:
        return response
    from valetkey.oauth2.dpop import wants_nonce

    if not wants_nonce(response):
        return response
    return (yield from _ask_once(*once, proof_key=proof_key, not_after=not_after))


def _ask_once(
    server: AuthorizationServer,
    client: Client,
    endpoint: str,
    fields: Pairs,
    headers: Pairs,
    *,
    proof_key: ProofKey | None,
    not_after: float,
) -> WireOp[Response]:
    """One request with an authentication and a proof of its own: neither is sent twice (RFC 7523, RFC 9449)."""
    certificate = None
    if server.mutual_tls:
        from valetkey.oauth2.mutual_tls import alias_of, presented

        certificate, endpoint = presented(server, client), alias_of(server, endpoint)
    proof = yield from authenticate(server, client, now=(yield from Now()))
    request = endpoint_request(server, client, endpoint=endpoint, fields=fields, headers=headers, proof=proof)
    if proof_key is None:
        return (yield from Send(request, server.reach, not_after, certificate=certificate))
    from valetkey.oauth2.dpop import prove

    proven = yield from prove(request, proof_key)
    response = yield from Send(proven, server.reach, not_after, certificate=certificate)
    proof_key.nonces.learn(proven, response)
    return response


def endpoint_request(
    server: AuthorizationServer,
    client: Client,
    *,
    endpoint: str,
    fields: Pairs,
    headers: Pairs = (),
    proof: ClientAuthentication | None = None,
) -> Request:
    """An authenticated POST to one of the server's endpoints. proof: where it had to be signed."""
    proof = proof or client_authentication(server, client)
    fields = (*fields, *proof.fields)
    if server.token_encoding == "json":  # noqa: S105 - an encoding, not a secret
        import json

        content_type, body = "application/json", json.dumps(_members(fields)).encode()
    else:
        content_type, body = FORM, write_form(fields).encode()
    # 6749 s5.1 promises JSON, but some answer with a form unless they are asked
    always = (("Accept", "application/json"), ("Content-Type", content_type))
    return Request("POST", endpoint, Headers((*always, *headers, *proof.headers)), body)


def _members(fields: Pairs) -> dict[str, str | list[str]]:
    """The fields as members of a JSON object; a name that occurs more than once holds a list."""
    names = [name for name, _ in fields]
    several = {name: [text for other, text in fields if other == name] for name in names if names.count(name) > 1}
    return {**dict(fields), **several}
