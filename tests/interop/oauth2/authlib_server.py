"""An authorization server made of Authlib and Flask, on a free port of this machine.

It signs everybody in as alice, wants PKCE, sends `iss` (RFC 9207), rotates refresh tokens and refuses a spent one. Its API
(`/api/read`, `/api/write`) asks Authlib's ResourceProtector for the scope of that name.
"""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import time
import warnings
from threading import Thread
from typing import TYPE_CHECKING, Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Authlib's own deprecations
    from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
    from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
    from authlib.oauth2.rfc6750 import BearerTokenValidator
    from authlib.oauth2.rfc7009 import RevocationEndpoint
    from authlib.oauth2.rfc7523 import JWTBearerGrant
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oauth2.rfc7662 import IntrospectionEndpoint
    from authlib.oauth2.rfc9207 import IssuerParameter
    from flask import Flask, request
    from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIRECT_URI = "https://app.example/callback/peer"
VAULTS_REDIRECT_URI = "https://app.example/oauth/callback/peer"


class Client(ClientMixin):
    def __init__(self, client_id: str, secret: str, method: str, redirect_uri: str = REDIRECT_URI) -> None:
        self.client_id, self.secret, self.method, self.redirect_uri = client_id, secret, method, redirect_uri

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(one for one in scope.split() if one in ("read", "write"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, _: str) -> bool:
        return method == self.method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in (
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "password",
            JWTBearerGrant.GRANT_TYPE,
        )


class Record(TokenMixin):
    """A code or a token."""

    def __init__(self, client_id: str, scope: str, **fields: Any) -> None:
        self.client_id, self.scope, self.fields = client_id, scope, fields
        self.expires_at = time.time() + fields.get("expires_in", 60)
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["fields"].get(name)

    def get_redirect_uri(self) -> str:
        return str(self.fields["redirect_uri"])

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: Client) -> bool:
        return bool(client.client_id == self.client_id)

    def is_expired(self) -> bool:
        return bool(time.time() > self.expires_at)

    def is_revoked(self) -> bool:
        return self.dead


def application(base_url: str) -> Flask:
    clients = {
        "basic": Client("basic", "basic-secret", "client_secret_basic"),
        "post": Client("post", "post-secret", "client_secret_post"),
        "web:colon%": Client("web:colon%", "p+w%/~*:&=", "client_secret_basic"),
        "public": Client("public", "", "none"),
        "vault": Client("vault", "vault-secret", "client_secret_basic", VAULTS_REDIRECT_URI),
    }
    codes: dict[str, Record] = {}
    tokens: list[Record] = []

    def save_token(token: dict[str, Any], asked: Any) -> None:
        tokens.append(Record(asked.client.client_id, **token))

    def find(text: str, *names: str) -> Record | None:
        return next((one for one in tokens if text in [one.fields.get(name) for name in names]), None)

    class CodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def save_authorization_code(self, code: str, asked: Any) -> None:
            kept = ("redirect_uri", "code_challenge", "code_challenge_method")
            fields = {name: asked.payload.data.get(name) for name in kept}
            codes[code] = Record(asked.client.client_id, asked.payload.scope, code=code, **fields)

        def query_authorization_code(self, code: str, client: Client) -> Record | None:
            found = codes.get(code)
            return found if found and found.check_client(client) else None

        def delete_authorization_code(self, authorization_code: Record) -> None:
            del codes[authorization_code.code]

        def authenticate_user(self, _: Record) -> str:
            return "alice"

    class RefreshGrant(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Record | None:
            found = find(refresh_token, "refresh_token")
            return None if found is None or found.dead else found

        def authenticate_user(self, _: Record) -> str:
            return "alice"

        def revoke_old_credential(self, refresh_token: Record) -> None:
            refresh_token.dead = True

    class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def authenticate_user(self, username: str, password: str) -> str | None:
            return username if (username, password) == ("alice", "pass wörd+%&=") else None

    class ClientGrant(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    class AssertionGrant(JWTBearerGrant):
        def resolve_issuer_client(self, issuer: str) -> Client | None:
            return clients.get(issuer)

        def get_audiences(self) -> list[str]:
            return [f"{base_url}/token"]

        def resolve_client_public_key(self, client: Client) -> Any:
            from joserfc.jwk import OctKey

            return OctKey.import_key(client.secret * 4)

        def authenticate_user(self, subject: str) -> str | None:
            return subject if subject == "alice" else None

        def has_granted_permission(self, client: Client, user: str) -> bool:
            return user == "alice"

    class Revocation(RevocationEndpoint):
        CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def query_token(self, token_string: str, _: str | None) -> Record | None:
            return find(token_string, "access_token", "refresh_token")

        def revoke_token(self, token: Record, _: Any) -> None:
            token.dead = True

    class Introspection(IntrospectionEndpoint):
        def query_token(self, token_string: str, _: str | None) -> Record | None:
            return find(token_string, "access_token", "refresh_token")

        def check_permission(self, token: Record, client: Client, _: Any) -> bool:
            return token.check_client(client)

        def introspect_token(self, token: Record) -> dict[str, Any]:
            return {"active": True, "client_id": token.client_id, "scope": token.scope, "exp": int(token.expires_at)}

    class Issuer(IssuerParameter):
        def get_issuer(self) -> str:
            return base_url

    class Bearer(BearerTokenValidator):
        def authenticate_token(self, token_string: str) -> Record | None:
            return find(token_string, "access_token")

    app = Flask(__name__)
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    server = AuthorizationServer(app, clients.get, save_token)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(RefreshGrant)
    server.register_grant(PasswordGrant)
    server.register_grant(ClientGrant)
    server.register_grant(AssertionGrant)
    server.register_endpoint(Revocation)
    server.register_endpoint(Introspection)
    server.register_extension(Issuer())

    @app.get("/authorize")
    def authorize() -> Any:
        owner = None if request.args.get("login_hint") == "deny" else "alice"
        grant = server.get_consent_grant(end_user="alice")
        return server.create_authorization_response(grant=grant, grant_user=owner)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/<any(revoke, introspect):name>")
    def endpoint(name: str) -> Any:
        return server.create_endpoint_response({"revoke": "revocation", "introspect": "introspection"}[name])

    protector = ResourceProtector()
    protector.register_token_validator(Bearer())
    for scope in ("read", "write"):

        @app.get(f"/api/{scope}", endpoint=scope)
        @protector(scope)
        def api() -> Any:
            return {"scope": current_token.get_scope()}

    return app


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


def serve() -> Iterator[str]:
    """Its base URL, while it runs."""
    server = make_server("127.0.0.1", 0, Flask(__name__), threaded=True, request_handler=Quiet)
    base_url = f"http://127.0.0.1:{server.server_port}"
    server.app = application(base_url)  # it must know its port
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield base_url
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
