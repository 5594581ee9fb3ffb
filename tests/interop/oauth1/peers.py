"""OAuth 1.0 servers written with Authlib's and oauthlib's own server frameworks, on a free port of this machine."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import oauth1.oauth as mastercard
import oauthlib.oauth1
from authlib.common.urls import url_encode
from authlib.oauth1 import AuthorizationServer, OAuth1Request, ResourceProtector, TemporaryCredential
from authlib.oauth1.rfc5849.errors import OAuth1Error
from authlib.oauth1.rfc5849.signature import generate_signature_base_string
from authlib.oauth1.rfc5849.util import escape
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from valetkey.http import FORM

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_KEY = "0123456789abcdefghijABCDEF"
CLIENT_SECRET = "canary secret &%é"
Answer = tuple[int, dict[str, str], str]


def text_of(headers: dict[str, str], body: bytes) -> str | None:
    return body.decode() if headers.get("Content-Type", "").startswith(FORM) else None


class AuthlibClient:
    def __init__(self, public_key: str) -> None:
        self.public_key = public_key

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_client_secret(self) -> str:
        return CLIENT_SECRET

    def get_rsa_public_key(self) -> str:
        return self.public_key


class AuthlibToken:
    def __init__(self, identifier: str, secret: str) -> None:
        self.identifier, self.secret = identifier, secret

    def get_oauth_token(self) -> str:
        return self.identifier

    def get_oauth_token_secret(self) -> str:
        return self.secret


def verify_hmac_sha256(request: Any) -> bool:
    # Authlib has no SHA-2: its extension point, with the standard library's HMAC over Authlib's base string.
    key = f"{escape(request.client_secret)}&{escape(request.token_secret or '')}"
    mine = hmac.digest(key.encode(), generate_signature_base_string(request).encode(), "sha256")
    return b64encode(mine).decode() == str(request.signature)


class AuthlibPeer(AuthorizationServer):  # type: ignore[misc]
    SUPPORTED_SIGNATURE_METHODS = ("HMAC-SHA1", "HMAC-SHA256", "RSA-SHA1", "PLAINTEXT")

    def __init__(self, public_key: str) -> None:
        self.SIGNATURE_METHODS = {**AuthorizationServer.SIGNATURE_METHODS, "HMAC-SHA256": verify_hmac_sha256}
        self.client = AuthlibClient(public_key)
        self.nonces: set[tuple[object, ...]] = set()
        self.temporary: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, AuthlibToken] = {}
        self.protector = AuthlibProtector(self)

    def respond(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        path = url.partition("?")[0].rpartition("/")[2]
        request = (method, url, text_of(headers, body), headers)
        if path == "initiate":
            return self.create_temporary_credentials_response(request)  # type: ignore[no-any-return]
        if path == "token":
            return self.create_token_response(request)  # type: ignore[no-any-return]
        if path == "authorize":
            return self.create_authorization_response(request, None if "deny" in url else "alice")  # type: ignore[no-any-return]
        try:
            self.protector.validate_request(*request)
        except OAuth1Error as error:
            return self.handle_error_response(error)  # type: ignore[no-any-return]
        return 200, {}, "photos"

    def create_oauth1_request(self, request: Any) -> Any:
        return OAuth1Request(*request)

    def handle_response(self, status_code: int, payload: Any, headers: Any) -> Answer:
        text = payload if isinstance(payload, str) else url_encode([(name, str(item)) for name, item in payload])
        return status_code, dict(headers), text

    def get_client_by_id(self, client_id: str) -> AuthlibClient | None:
        return self.client if client_id == CLIENT_KEY else None

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        seen = (nonce, request.timestamp, request.client_id, request.token)
        known = seen in self.nonces
        self.nonces.add(seen)
        return known

    def create_temporary_credential(self, request: Any) -> Any:
        fields = {"oauth_token": secrets.token_hex(12), "oauth_token_secret": secrets.token_urlsafe(12)}
        fields |= {"client_id": request.client_id, "oauth_callback": request.redirect_uri}
        self.temporary[fields["oauth_token"]] = fields
        return TemporaryCredential(fields)

    def get_temporary_credential(self, request: Any) -> Any:
        fields = self.temporary.get(request.token)
        return TemporaryCredential(fields) if fields else None

    def delete_temporary_credential(self, request: Any) -> None:
        del self.temporary[request.token]

    def create_authorization_verifier(self, request: Any) -> str:
        verifier = secrets.token_hex(12)
        self.temporary[request.token]["oauth_verifier"] = verifier
        return verifier

    def create_token_credential(self, request: Any) -> AuthlibToken:
        token = AuthlibToken(secrets.token_hex(12), secrets.token_urlsafe(12))
        self.tokens[token.identifier] = token
        return token


class AuthlibProtector(ResourceProtector):  # type: ignore[misc]
    SUPPORTED_SIGNATURE_METHODS = AuthlibPeer.SUPPORTED_SIGNATURE_METHODS

    def __init__(self, peer: AuthlibPeer) -> None:
        self.SIGNATURE_METHODS = peer.SIGNATURE_METHODS
        self.get_client_by_id = peer.get_client_by_id
        self.exists_nonce = peer.exists_nonce
        self.peer = peer

    def get_token_credential(self, request: Any) -> AuthlibToken | None:
        return self.peer.tokens.get(request.token)


class OauthlibPeer(oauthlib.oauth1.RequestValidator):  # type: ignore[misc]
    """oauthlib with its own defaults: 20 to 30 ASCII alphanumerics for keys, tokens, nonces and verifiers."""

    enforce_ssl = False
    realms = ("photos",)
    dummy_client = dummy_request_token = dummy_access_token = "0" * 24

    def __init__(self, public_key: str) -> None:
        self.public_key = public_key
        self.nonces: set[tuple[object, ...]] = set()
        self.temporary: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.verifiers: dict[str, str] = {}
        self.endpoints = oauthlib.oauth1.WebApplicationServer(self)
        self.two_legged = oauthlib.oauth1.SignatureOnlyEndpoint(self)

    def respond(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        path = url.partition("?")[0].rpartition("/")[2]
        request = {"http_method": method, "body": text_of(headers, body), "headers": headers}
        if path == "photos":
            good, _ = self.endpoints.validate_protected_resource_request(url, realms=["photos"], **request)
            return (200, {}, "photos") if good else (401, {}, "")
        if path == "client":  # signed by the client alone
            good, _ = self.two_legged.validate_request(url, **request)
            return (200, {}, "client") if good else (401, {}, "")
        if path == "authorize":
            made, text, status = self.endpoints.create_authorization_response(url, **request)
        elif path == "initiate":
            made, text, status = self.endpoints.create_request_token_response(url, **request)
        else:
            made, text, status = self.endpoints.create_access_token_response(url, **request)
        return status, made, text or ""

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return CLIENT_SECRET

    def get_rsa_key(self, client_key: str, request: Any) -> str:
        return self.public_key

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return self.temporary[token]["oauth_token_secret"]

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return self.tokens.get(token, "")

    def get_default_realms(self, client_key: str, request: Any) -> list[str]:
        return ["photos"]

    def get_realms(self, token: str, request: Any) -> list[str]:
        return ["photos"]

    def get_redirect_uri(self, token: str, request: Any) -> str:
        return self.temporary[token]["callback"]

    def invalidate_request_token(self, client_key: str, request_token: str, request: Any) -> None:
        del self.temporary[request_token]

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return client_key == CLIENT_KEY

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        return token in self.temporary

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        return token in self.tokens

    def validate_timestamp_and_nonce(
        self, client_key: str, timestamp: str, nonce: str, request: Any, **tokens: Any
    ) -> bool:
        seen = (client_key, timestamp, nonce, *sorted(tokens.items()))
        known = seen in self.nonces
        self.nonces.add(seen)
        return not known

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        return True

    def validate_requested_realms(self, client_key: str, realms: Any, request: Any) -> bool:
        return True

    def validate_realms(
        self, client_key: str, token: str, request: Any, uri: str | None = None, realms: Any = None
    ) -> bool:
        return bool(realms == ["photos"])

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        return self.verifiers.get(token) == verifier

    def verify_request_token(self, token: str, request: Any) -> bool:
        return token in self.temporary

    def verify_realms(self, token: str, realms: Any, request: Any) -> bool:
        return True

    def save_request_token(self, token: dict[str, str], request: Any) -> None:
        self.temporary[token["oauth_token"]] = {**token, "callback": request.redirect_uri}

    def save_verifier(self, token: str, verifier: dict[str, str], request: Any) -> None:
        self.verifiers[token] = verifier["oauth_verifier"]

    def save_access_token(self, token: dict[str, str], request: Any) -> None:
        self.tokens[token["oauth_token"]] = token["oauth_token_secret"]


class MastercardPeer:
    """Mastercard's own signer for Python, turned round: its base string, body hash and encoding, over what was sent."""

    def __init__(self, public_key: str) -> None:
        self.public_key = load_pem_public_key(public_key.encode())

    def respond(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        scheme, _, text = headers.get("Authorization", "").partition(" ")
        sent = dict(part.strip().split("=", 1) for part in text.split(","))
        fields = {name: quoted.strip('"') for name, quoted in sent.items()}
        signature = b64decode(unquote(fields.pop("oauth_signature")))
        message = mastercard.OAuth.get_base_string(url, method, fields).encode()
        pss = fields["oauth_signature_method"] == "RSA-PSS"
        try:
            scheme_of_padding = padding.PSS(padding.MGF1(SHA256()), 32) if pss else padding.PKCS1v15()
            self.public_key.verify(signature, message, scheme_of_padding, SHA256())  # type: ignore[union-attr, call-arg, arg-type]
        except InvalidSignature:
            return 401, {}, ""
        hashed = mastercard.util.base64_encode(mastercard.util.sha256_encode(body))
        good = scheme == "OAuth" and fields["oauth_body_hash"] == hashed
        return (200, {}, fields["oauth_consumer_key"]) if good else (401, {}, "")


class Peer(Protocol):
    """What can be served."""

    def respond(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """What is answered to that request."""
        ...


@contextmanager
def serving(peer: Peer) -> Iterator[str]:
    """The peer's address, while it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = f"http://{self.headers['Host']}{self.path}"
            status, headers, text = peer.respond(self.command, url, dict(self.headers.items()), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the name is http.server's
        do_PUT = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
