"""What in an OAuth 1.0a entry cannot go together: told when it is read, not at the first signature.

The one rule: each sentence names the words of the entry that contradict each other, and what to change.
Not here: whether each word by itself may be written so (`schema`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.oauth1.credentials import Server


def contradictions(server: Server) -> list[str]:
    """A sentence for each; empty where every request to this server can be signed."""
    return [*_of_placement(server), *_of_body_hash(server), *_of_encoding(server), *_of_steps(server)]


def _of_placement(server: Server) -> Iterator[str]:
    if server.realm is not None:
        from valetkey.oauth1.transmission import authorization_header

        if server.placement != "header":
            yield f"a realm can only stand in the header: remove realm, or placement {server.placement}"
        try:
            _ = authorization_header((), realm=server.realm)
        except ValueError as wrong:
            yield f"realm: {wrong}"
    if server.placement != "body":
        return
    # 5849 s3.5.2: a form, which a GET or DELETE does not carry
    for name, method in dict(_methods(server)).items():
        if method.upper() != "POST":
            yield f"placement body needs a form, which a {method.upper()} has not: change placement, or {name}"


def _methods(server: Server) -> Iterator[tuple[str, str]]:
    """The words that say how each endpoint is asked, with what they say."""
    for name in ("temporary_credentials_method", "token_method") if server.token_endpoint else ():
        method = getattr(server, name)
        yield (name, method) if method else ("endpoint_method", server.endpoint_method)
    if server.renewal_endpoint:
        yield "renewal_method", server.renewal_method
    if server.revocation_endpoint:
        yield "revocation_method", server.revocation_method


def _of_body_hash(server: Server) -> Iterator[str]:
    if not server.body_hash_algorithm:
        return
    if not server.body_hash:
        yield "body_hash_algorithm says how bodies are hashed, and body_hash = false that none is: remove one of them"
    if server.signature_method == "PLAINTEXT":
        yield "PLAINTEXT signs no body: remove body_hash_algorithm, or take another signature_method"


def _of_encoding(server: Server) -> Iterator[str]:
    if server.parameter_encoding != "unencoded":
        return
    from valetkey.oauth1.mastercard import METHODS

    unencoded = "parameter_encoding unencoded"
    if server.signature_method not in METHODS:
        yield f"{unencoded} is for signature_method {' and '.join(METHODS)}"
    if not server.client_only:
        yield f"{unencoded} is for requests of the client alone: say client_only = true"
    if server.placement != "header" or server.realm is not None:
        yield f"{unencoded} puts the parameters into the header, without a realm: remove placement and realm"
    if not server.body_hash or server.body_hash_algorithm not in ("", "SHA256"):
        yield f"{unencoded} covers every body by its SHA-256: remove body_hash and body_hash_algorithm"


def _of_steps(server: Server) -> Iterator[str]:
    if server.verifier_typed and server.callback_in_authorization:
        yield "a verifier that is typed in needs no callback: remove callback_in_authorization, or verifier_typed"
    if server.renewal_keeps_token and not server.renewal_endpoint:
        yield "renewal_keeps_token says what the renewal_endpoint answers, which is missing: add it, or remove this"
